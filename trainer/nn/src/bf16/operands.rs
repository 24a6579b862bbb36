//! What products of bf16 numbers take and give, and the kinds of instructions that compute them.

use serde::{Deserialize, Serialize};

/// Marks a pixel of a square that is not in the map.
pub(super) const OUTSIDE: u32 = u32::MAX;

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

/// The left operand of products: memory in which tiles of [`TILE`] rows begin anywhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    /// bf16 numbers.
    pub values: &'a [u16],
    /// Distance from row to row of a tile.
    pub stride: usize,
    /// The distance from a row's start to each of its chunks of [`CHUNK`] numbers.
    pub chunks: &'a [usize],
    /// See [`reach`](Self::reach).
    reach: usize,
}

impl<'a> Rows<'a> {
    /// Rows with these chunks.
    pub(super) fn new(values: &'a [u16], stride: usize, chunks: &'a [usize]) -> Self {
        let last = chunks.iter().copied().max().unwrap_or(0);
        Self { values, stride, chunks, reach: (TILE - 1) * stride + last + CHUNK }
    }

    /// How many numbers a tile reads from the start of its first row on, with those between them.
    pub(super) fn reach(&self) -> usize {
        self.reach
    }
}

/// Float32 values that become a part of the right operand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    /// The values.
    pub values: &'a [f32],
    /// The index of channel 0, by row of the operand and pixel of a square; [`OUTSIDE`] for zeros.
    pub rows: &'a [u32],
    /// Number of pixels of a square.
    pub step: usize,
    /// The segments of a row. Other columns are not written.
    pub segments: &'a [Segment],
    /// Distance from channel to channel.
    pub distance: usize,
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
    /// The first value of each pixel, by row and pixel of a square; [`OUTSIDE`] if it is not in the map.
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
