//! The choice between the instructions that multiply bf16 numbers, and their emulation.

use super::operands::{Columns, Instruction, Rows, Source, Sums, TILE_WORDS, Target};
use super::portable;
#[cfg(target_arch = "x86_64")]
use crate::vectors::Vectors;

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

    /// Writes to `sums`, or adds with `add`, the products of tiles of rows, which begin at `starts`, with one or two tiles of columns.
    ///
    /// # Panics
    /// If an operand is too short.
    pub(super) fn multiply(self, rows: Rows<'_>, starts: &[usize], columns: Columns<'_>, add: bool, sums: &mut [Sums]) {
        assert_eq!(sums.len(), starts.len().div_ceil(2), "a block of sums for two tiles of rows");
        assert!(matches!(columns.tiles, 1 | 2), "one or two tiles of columns");
        assert!(columns.words.len() >= rows.chunks.len() * columns.tiles * TILE_WORDS, "all chunks of the columns");
        let end = starts.iter().copied().max().unwrap_or(0) + rows.reach();
        assert!(end <= rows.values.len(), "rows end at {end} of {}", rows.values.len());
        #[cfg(target_arch = "x86_64")]
        if !self.emulated {
            return match self.instruction {
                Instruction::Amx => super::amx::multiply(rows, starts, columns, add, sums),
                Instruction::Avx512 => super::avx512::multiply(rows, starts, columns, add, sums),
            };
        }
        portable::multiply(self.instruction, rows, starts, columns, add, sums);
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
    pub(super) fn pairs(self, from: Source<'_>, to: &mut [u32]) {
        #[cfg(target_arch = "x86_64")]
        if !self.emulated {
            return super::avx512::pairs(from, to);
        }
        portable::pairs(from, to);
    }

    /// See [`portable::round`].
    pub(super) fn round(self, from: &[f32], to: &mut [u16]) {
        #[cfg(target_arch = "x86_64")]
        if !self.emulated {
            return super::avx512::round(from, to);
        }
        portable::round(from, to);
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
