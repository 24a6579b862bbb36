//! What the instructions compute, without them: for processors that lack them, and as the reference of the tests.

use pulp::{Simd, WithSimd};

use super::number::{self, pair, widen};
use super::operands::{CHUNK, Columns, Instruction, OUTSIDE, Rows, Segment, Source, Sums, TILE, TILE_WORDS, Target};
use crate::vectors::arch;

/// The sums of a row of a tile.
type Row = [f32; TILE];

/// 0 with the same sign for subnormal numbers, which the instructions neither read nor write.
#[inline(always)]
fn flush(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0f32.copysign(x) } else { x }
}

/// Adds `x` times the lower or the upper numbers of `words` to `sums`, rounding each sum once. Intel's manual calls this an
/// FMA with DAZ and FTZ, and rounding to nearest even.
#[inline(always)]
fn add_products(sums: &mut Row, x: u16, words: &[u32; TILE], upper: bool) {
    let x = flush(widen(x));
    for (sum, word) in sums.iter_mut().zip(words) {
        let y = flush(f32::from_bits(if upper { word & 0xffff_0000 } else { word << 16 }));
        *sum = flush(x.mul_add(y, *sum));
    }
}

/// See `Unit::multiply`. Uses float32 vector instructions if the processor has them.
pub(super) fn multiply(
    instruction: Instruction,
    rows: Rows<'_>,
    starts: &[usize],
    columns: Columns<'_>,
    add: bool,
    sums: &mut [Sums],
) {
    arch().dispatch(Multiply { instruction, rows, starts, columns, add, sums });
}

struct Multiply<'a> {
    instruction: Instruction,
    rows: Rows<'a>,
    starts: &'a [usize],
    columns: Columns<'a>,
    add: bool,
    sums: &'a mut [Sums],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    // Loops over arrays, which the compiler turns into the vector instructions of `S`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { instruction, rows, starts, columns, add, sums } = self;
        for (i, &start) in starts.iter().enumerate() {
            for r in 0..TILE {
                for tile in 0..columns.tiles {
                    let sums = &mut sums[i / 2].0[i % 2 * TILE + r][tile * TILE..][..TILE];
                    let mut total = [0.0; TILE];
                    if add {
                        for (total, sum) in total.iter_mut().zip(&*sums) {
                            *total = flush(*sum);
                        }
                    }
                    for (k, chunk) in rows.chunks.iter().enumerate() {
                        let row = &rows.values[start + r * rows.stride + chunk..][..CHUNK];
                        let words = &columns.words[(k * columns.tiles + tile) * TILE_WORDS..][..TILE_WORDS];
                        add_chunk(instruction, &mut total, row, words);
                    }
                    sums.copy_from_slice(&total);
                }
            }
        }
    }
}

/// Adds the products of a chunk of a row with a tile of columns.
#[inline(always)]
fn add_chunk(instruction: Instruction, total: &mut Row, row: &[u16], words: &[u32]) {
    let (words, _) = words.as_chunks::<TILE>();
    match instruction {
        // Two sums over the chunk, one of all first products of a pair, one of all second ones.
        Instruction::Amx => {
            let (mut first, mut second) = ([0.0; TILE], [0.0; TILE]);
            for (x, words) in row.chunks_exact(2).zip(words) {
                add_products(&mut first, x[0], words, false);
                add_products(&mut second, x[1], words, true);
            }
            for c in 0..TILE {
                total[c] = flush(total[c] + flush(first[c] + second[c]));
            }
        }
        // One instruction for each pair, which adds its second product first.
        Instruction::Avx512 => {
            for (x, words) in row.chunks_exact(2).zip(words) {
                add_products(total, x[1], words, true);
                add_products(total, x[0], words, false);
            }
        }
    }
}

/// Adds the bias, applies the leaky activation, and stores each row's segments at their pixels.
pub(super) fn store(sums: &Sums, to: Target<'_>, y: &mut [f32]) {
    for (row, pixels) in sums.0.iter().zip(to.pixels.chunks_exact(to.step)) {
        for &Segment { column, len, pixel, channel } in to.segments {
            if pixels[pixel] == OUTSIDE {
                continue;
            }
            let at = pixels[pixel] as usize + channel;
            for (y, c) in y[at..at + len].iter_mut().zip(column..) {
                let value = row[c] + to.bias[c];
                *y = if value > 0.0 { value } else { to.slope * value };
            }
        }
    }
}

/// Rounds values to bf16.
pub(super) fn round(from: &[f32], to: &mut [u16]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = number::round(*from);
    }
}

/// Rounds values to bf16, and writes those of two rows as pairs, for one or two tiles of columns: `[tile][pair][column]`.
pub(super) fn pairs(from: Source<'_>, to: &mut [u32]) {
    for (p, rows) in from.rows.chunks_exact(2 * from.step).enumerate() {
        for &Segment { column, len, pixel, channel } in from.segments {
            let value = |row: u32, i: usize| match row {
                OUTSIDE => 0,
                row => number::round(from.values[row as usize + (channel + i) * from.distance]),
            };
            let at = column / TILE * TILE_WORDS + p * TILE + column % TILE;
            for (i, to) in to[at..at + len].iter_mut().enumerate() {
                *to = pair(value(rows[pixel], i), value(rows[from.step + pixel], i));
            }
        }
    }
}

/// Transposes up to [`TILE`] channels of [`CHUNK`] rows: `to[channel · to_stride + row]` is `rows[row · stride + channel]`.
pub(super) fn transpose(rows: &[u16], stride: usize, channels: usize, to: &mut [u16], to_stride: usize) {
    for channel in 0..channels {
        for row in 0..CHUNK {
            to[channel * to_stride + row] = rows[row * stride + channel];
        }
    }
}
