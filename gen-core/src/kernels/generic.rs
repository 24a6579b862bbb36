//! Winograd tiles in plain Rust, for kernels that have no assembly for them.

use super::args::{KernelArgs, channels4, refuse, tile_quads};
use crate::no_panic::{get_or_default, nonzero, subslice, subslice_mut, write};
use crate::packing::PAIR;
use crate::plan::{KernelLayout, MAX_BLOCK_PIXELS};
use crate::winograd::{self, MAX_POINTS, TILE, packed_pairs, unpack_halves};

/// [`Kernels::tile`](super::Kernels::tile) for any processor.
#[inline(never)]
pub(super) fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32], layout: &KernelLayout) {
    let (words, tiles, points) = (layout.winograd_words, layout.winograd_tiles, columns.len());
    let Some(quads) = tile_quads(columns, per_point, staged.len(), layout) else { return refuse() };
    for q in 0..quads {
        let mut quads = [[0; 4]; MAX_POINTS];
        for (to, column) in quads.iter_mut().zip(columns) {
            *to = channels4(column, q);
        }
        for w in 0..words {
            let x = quads.map(|quad| match words {
                2 => packed_pairs(u32::from_le_bytes(quad.map(i8::cast_unsigned)))[w],
                _ => i32::from(quad[w]).cast_unsigned(),
            });
            let values = winograd::input(points, x);
            for (point, &value) in subslice(&values, ..points).iter().enumerate() {
                let word = if words == 2 { unpack_halves(value) } else { value };
                write(staged, point * per_point + (q * words + w) * tiles, word);
            }
        }
    }
}

/// [`Kernels::winograd`](super::Kernels::winograd) for any processor. `products(staged, filters, points, sums)`
/// multiplies for two output channels; its sums are `[point][output channel][tile]`.
pub(super) fn winograd(
    points: usize,
    count: usize,
    call: KernelArgs<'_>,
    layout: &KernelLayout,
    products: impl Fn(&[u32], &[i8], usize, &mut [u32]),
) {
    if call.winograd_quads(points, count, layout).is_none() {
        return refuse();
    }
    let KernelArgs { staged, filters, biases, mut output } = call;
    let (channels, tiles) = (biases.len(), layout.winograd_tiles);
    let per_pair = filters.len() / nonzero(channels.div_ceil(PAIR));
    for (pair, filters) in filters.chunks_exact(nonzero(per_pair)).enumerate() {
        let mut sums = [0; MAX_SUMS];
        let sums = subslice_mut(&mut sums, ..points * PAIR * tiles);
        products(staged, filters, points, sums);
        for c in pair * PAIR..channels.min((pair + 1) * PAIR) {
            let bias = biases.at(c);
            for tile in 0..count.div_ceil(TILE) {
                let mut of_tile = [0; MAX_POINTS];
                for (to, sums) in of_tile.iter_mut().zip(sums.chunks_exact(PAIR * tiles)) {
                    *to = get_or_default(sums, c % PAIR * tiles + tile);
                }
                for (i, y) in (tile * TILE..count).zip(winograd::output(points, of_tile)) {
                    output.put(channels, i, c, y.wrapping_add(bias));
                }
            }
        }
    }
}

/// Most sums of two output channels, of any kernel.
const MAX_SUMS: usize = MAX_POINTS * PAIR * MAX_BLOCK_PIXELS / TILE;

/// The products of int16 pairs with two tiles, for [`winograd`].
#[cfg(any(kernels = "armv6m", kernels = "riscv32"))]
pub(super) fn pair_products(staged: &[u32], filters: &[i8], points: usize, sums: &mut [u32]) {
    const TILES: usize = 2;
    let (staged, _) = staged.as_chunks::<TILES>();
    let (filters, _) = filters.as_chunks::<{ 4 * PAIR }>();
    let pairs = nonzero(staged.len() / nonzero(points)); // channel pairs of all rows
    let per_point = staged.chunks_exact(pairs).zip(filters.chunks_exact(pairs));
    for (sums, (staged, filters)) in sums.as_chunks_mut::<{ PAIR * TILES }>().0.iter_mut().zip(per_point) {
        let mut accs = [0i32; PAIR * TILES];
        for (tiles, filters) in staged.iter().zip(filters) {
            let (filters, _) = filters.as_chunks::<4>();
            for (accs, &[a, b, c, d]) in accs.as_chunks_mut::<TILES>().0.iter_mut().zip(filters) {
                let int16 = |low: i8, high: i8| i32::from(i16::from_le_bytes([low as u8, high as u8]));
                let (first, second) = (int16(a, b), int16(c, d));
                for (acc, &pair) in accs.iter_mut().zip(tiles) {
                    let (low, high) = (i32::from(pair as i16), pair.cast_signed() >> 16);
                    *acc = acc.wrapping_add(low.wrapping_mul(first)).wrapping_add(high.wrapping_mul(second));
                }
            }
        }
        *sums = accs.map(i32::cast_unsigned);
    }
}
