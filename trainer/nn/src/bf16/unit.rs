//! The instructions that multiply bf16 numbers, and what every kind of them does.

use serde::{Deserialize, Serialize};

use super::portable;
#[cfg(target_arch = "x86_64")]
use crate::vectors::Vectors;

/// Rows and columns of a tile of sums.
pub(super) const TILE: usize = 16;

/// Number of products in a chunk, of one row with one column: a cache line of a row.
pub(super) const CHUNK: usize = 32;

/// Words of a tile of the right operand.
pub(super) const TILE_WORDS: usize = CHUNK / 2 * TILE;

/// The sums of two tiles of rows and two tiles of columns, row by row.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(super) struct Sums(pub [[f32; 2 * TILE]; 2 * TILE]);

impl Sums {
    pub(super) const ZERO: Self = Self([[0.0; 2 * TILE]; 2 * TILE]);
}

/// The kinds of instructions that multiply bf16 numbers. They differ in the order of their sums, and so in the last bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Instruction {
    /// TDPBF16PS of x86-64 (Sapphire Rapids and later): tiles of 16 rows.
    #[serde(rename = "AMX-BF16")]
    Amx,
    /// VDPBF16PS of x86-64 (Cooper Lake, Zen 4 and later): vectors of 16 sums.
    #[serde(rename = "AVX512-BF16")]
    Avx512,
}

impl Instruction {
    /// Name for tables and cards.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amx => "AMX-BF16",
            Self::Avx512 => "AVX512-BF16",
        }
    }
}

/// How products of bf16 numbers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    instruction: Instruction,
    emulated: bool,
}

impl Unit {
    /// The fastest instruction of this processor; `None` if it has none, or none that is faster than float32.
    ///
    /// AVX512-BF16 is used on AMD's processors. On Intel's (measured on a Xeon of 2023) it does half as many multiplications
    /// in a cycle as float32 instructions do.
    pub fn native() -> Option<Self> {
        Self::with(Instruction::Amx).or_else(|| Self::with(Instruction::Avx512).filter(|_| is_amd()))
    }

    /// This instruction of this processor; `None` if it lacks it.
    pub fn with(instruction: Instruction) -> Option<Self> {
        has(instruction).then_some(Self { instruction, emulated: false })
    }

    /// Computes what this instruction computes, bit for bit, on any processor, and slowly.
    pub fn emulating(instruction: Instruction) -> Self {
        Self { instruction, emulated: true }
    }

    /// The instruction that computes, or that is emulated.
    pub fn instruction(self) -> Instruction {
        self.instruction
    }

    /// Whether the instruction is emulated.
    pub fn is_emulated(self) -> bool {
        self.emulated
    }

    /// Writes to `sums`, or adds with `add`, the products of tiles of rows with one or two tiles of columns.
    ///
    /// # Panics
    /// If an operand is too short.
    pub(super) fn multiply(self, rows: Rows<'_>, columns: Columns<'_>, add: bool, sums: &mut [Sums]) {
        assert_eq!(sums.len(), rows.starts.len().div_ceil(2), "a block of sums for two tiles of rows");
        assert!(matches!(columns.tiles, 1 | 2), "one or two tiles of columns");
        assert!(columns.words.len() >= rows.chunks.len() * columns.tiles * TILE_WORDS, "all chunks of the columns");
        let last = |at: &[usize]| at.iter().copied().max().unwrap_or(0);
        let end = last(rows.starts) + (TILE - 1) * rows.stride + last(rows.chunks) + CHUNK;
        assert!(end <= rows.values.len(), "rows end at {end} of {}", rows.values.len());
        #[cfg(target_arch = "x86_64")]
        if !self.emulated {
            return match self.instruction {
                Instruction::Amx => super::amx::multiply(rows, columns, add, sums),
                Instruction::Avx512 => super::avx512::multiply(rows, columns, add, sums),
            };
        }
        portable::multiply(self.instruction, rows, columns, add, sums);
    }

    /// See [`portable::store`].
    pub(super) fn store(self, sums: &Sums, to: Target<'_>, y: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if !self.emulated {
            return super::avx512::store(sums, to, y);
        }
        portable::store(sums, to, y);
    }

    /// See [`portable::pairs`].
    pub(super) fn pairs(self, first: &[u16], second: &[u16], to: &mut [u32]) {
        #[cfg(target_arch = "x86_64")]
        if !self.emulated {
            return super::avx512::pairs(first, second, to);
        }
        portable::pairs(first, second, to);
    }

    /// See [`portable::transpose`].
    pub(super) fn transpose(self, rows: &[u16], stride: usize, channels: usize, to: &mut [u16], to_stride: usize) {
        #[cfg(target_arch = "x86_64")]
        if !self.emulated {
            return super::avx512::transpose(rows, stride, channels, to, to_stride);
        }
        portable::transpose(rows, stride, channels, to, to_stride);
    }
}

/// The left operand of products: tiles of [`TILE`] rows in shared memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    /// bf16 numbers.
    pub values: &'a [u16],
    /// Distance from row to row of a tile.
    pub stride: usize,
    /// The start of each tile's first row.
    pub starts: &'a [usize],
    /// The distance from a row's start to each of its chunks of [`CHUNK`] numbers.
    pub chunks: &'a [usize],
}

/// The right operand of products: one or two tiles of [`TILE`] columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<'a> {
    /// `[chunk][tile][pair of rows][column]`: each word is two numbers of a column.
    pub words: &'a [u32],
    /// Number of tiles: 1 or 2.
    pub tiles: usize,
}

/// Neighbouring columns of a block of sums that are neighbours in the map, too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    /// First column.
    pub column: usize,
    /// Number of columns, all in the same tile.
    pub len: usize,
    /// The pixel of a square of the map.
    pub pixel: usize,
    /// Its first channel.
    pub channel: usize,
}

/// Where the sums of a block belong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// The first value of each pixel, by row and pixel of a square; [`OUTSIDE`](super::grid::OUTSIDE) if it is not in the map.
    pub pixels: &'a [u32],
    /// Number of pixels of a square.
    pub step: usize,
    /// The segments of a row.
    pub segments: &'a [Segment],
    /// Added to each column.
    pub bias: &'a [f32; 2 * TILE],
    /// Multiplies negative results.
    pub slope: f32,
}

#[cfg(target_arch = "x86_64")]
fn has(instruction: Instruction) -> bool {
    static AMX: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let vectors = Vectors::used() == Vectors::Avx512
        && is_x86_feature_detected!("avx512bf16")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    vectors && (instruction == Instruction::Avx512 || *AMX.get_or_init(super::amx::available))
}

#[cfg(target_arch = "x86_64")]
fn is_amd() -> bool {
    // Leaf 0 of CPUID: EBX, EDX, ECX are the maker's name.
    let leaf = std::arch::x86_64::__cpuid(0);
    [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes).concat() == b"AuthenticAMD"
}

#[cfg(not(target_arch = "x86_64"))]
fn has(_: Instruction) -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn is_amd() -> bool {
    false
}
