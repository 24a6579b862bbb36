//! Kernels in plain Rust, for any processor: the reference for the others, and the fallback.

use super::args::{Destination, KernelArgs, refuse};
use super::generic;
use super::interface::{Kernels, Sealed};
use crate::plan::{self, KernelLayout, PAIR};

/// Stages pixels as pairs of int16.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

impl Sealed for Portable {}

impl Kernels for Portable {
    const NAME: &'static str = "portable";
    const LAYOUT: KernelLayout = plan::PORTABLE;

    fn toeplitz(taps: usize, pixels: usize, column: usize, call: KernelArgs<'_>) {
        let words = Self::LAYOUT.words_per_quad;
        let fit = Self::LAYOUT.has_block(taps, pixels)
            && column <= usize::from(Self::LAYOUT.shares_phases(taps))
            && call.quads(words, [taps, pixels], taps + pixels, KernelLayout::OVERREAD_WORDS).is_some();
        if !fit {
            return refuse();
        }
        // The compiler keeps accumulators in registers only if their number is a constant.
        match pixels {
            8 => toeplitz::<8>(taps, column, call),
            _ => toeplitz::<4>(taps, column, call),
        }
    }

    fn dot(call: KernelArgs<'_>) {
        let Some(quads) = call.quads(Self::LAYOUT.words_per_quad, [1, 1], 1, 0) else { return refuse() };
        let KernelArgs { staged, filters, biases, mut output } = call;
        let pairs = &staged.as_chunks::<2>().0[..quads];
        let channels = biases.len();
        for (c, filter) in filters.chunks_exact(4 * quads).enumerate() {
            let mut acc = biases.at(c);
            for (pair, quad) in pairs.iter().zip(filter.as_chunks::<4>().0) {
                acc = multiply_add(acc, pair[0], quad[0].into(), quad[2].into());
                acc = multiply_add(acc, pair[1], quad[1].into(), quad[3].into());
            }
            output.put(channels, 0, c, acc);
        }
    }

    fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
        generic::tile(columns, per_point, staged, &Self::LAYOUT);
    }

    fn winograd(points: usize, count: usize, call: KernelArgs<'_>) {
        generic::winograd(points, count, call, &Self::LAYOUT, products);
    }
}

fn products(staged: &[u32], filters: &[i8], points: usize, sums: &mut [u32]) {
    const TILES: usize = plan::PORTABLE.winograd_tiles;
    let (staged, _) = staged.as_chunks::<TILES>();
    let (filters, _) = filters.as_chunks::<{ 4 * PAIR }>();
    let pairs = staged.len() / points; // channel pairs of all rows
    let per_point = staged.chunks_exact(pairs).zip(filters.chunks_exact(pairs));
    for (sums, (staged, filters)) in sums.as_chunks_mut::<{ PAIR * TILES }>().0.iter_mut().zip(per_point) {
        let mut accs = [0; PAIR * TILES];
        for (tiles, filters) in staged.iter().zip(filters) {
            let (filters, _) = filters.as_chunks::<4>();
            for (accs, &[a, b, c, d]) in accs.chunks_exact_mut(TILES).zip(filters) {
                let int16 = |low: i8, high: i8| i16::from_le_bytes([low as u8, high as u8]).into();
                for (acc, &pair) in accs.iter_mut().zip(tiles) {
                    *acc = multiply_add(*acc, pair, int16(a, b), int16(c, d));
                }
            }
        }
        *sums = accs.map(i32::cast_unsigned);
    }
}

fn toeplitz<const PIXELS: usize>(taps: usize, column: usize, call: KernelArgs<'_>) {
    let KernelArgs { staged, filters, biases, mut output } = call;
    let channels = biases.len();
    let (staged, filter) = (&staged[column..], filters.len() / channels);
    // Two channels at once: both use a pixel that has been unpacked.
    for (pair, filters) in filters.chunks(2 * filter).enumerate() {
        let c = 2 * pair;
        let (first, second) = filters.split_at(filter);
        if second.is_empty() {
            let [sums] = sums::<PIXELS, 1>(taps, staged, [first], [biases.at(c)]);
            put(&mut output, channels, c, sums);
        } else {
            let [a, b] = sums::<PIXELS, 2>(taps, staged, [first, second], [biases.at(c), biases.at(c + 1)]);
            put(&mut output, channels, c, a);
            put(&mut output, channels, c + 1, b);
        }
    }
}

/// Writes channel `c` to the output. Not inlined: otherwise the compiler keeps the sums in memory instead of
/// registers, because this loop reads them one by one.
#[inline(never)]
fn put<const PIXELS: usize>(output: &mut Destination<'_>, channels: usize, c: usize, sums: [i32; PIXELS]) {
    for (i, sum) in sums.into_iter().enumerate() {
        output.put(channels, i, c, sum);
    }
}

/// The accumulators of some channels.
#[inline(always)]
fn sums<const PIXELS: usize, const CHANNELS: usize>(
    taps: usize,
    staged: &[u32],
    filters: [&[i8]; CHANNELS],
    biases: [i32; CHANNELS],
) -> [[i32; PIXELS]; CHANNELS] {
    let plane = PIXELS + taps;
    let mut accs = biases.map(|bias| [bias; PIXELS]);
    let filters = filters.map(|filter| filter.as_chunks::<4>().0);
    for (q, staged) in staged.chunks_exact(2 * plane).enumerate() {
        let (first, second) = staged.split_at(plane);
        let quads = filters.map(|filter| &filter[q * taps..][..taps]);
        for t in 0..taps {
            let (first, second) = (&first[t..][..PIXELS], &second[t..][..PIXELS]);
            for (accs, quads) in accs.iter_mut().zip(quads) {
                add_quad(accs, [first, second], quads[t]);
            }
        }
    }
    accs
}

/// Adds the products of a quad of weights and neighbouring pixels, which are two planes of int16 pairs.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline(always)]
fn add_quad<const PIXELS: usize>(accs: &mut [i32; PIXELS], [first, second]: [&[u32]; 2], quad: [i8; 4]) {
    let [w0, w1, w2, w3] = quad.map(i32::from);
    for (acc, (&a, &b)) in accs.iter_mut().zip(first.iter().zip(second)) {
        *acc = multiply_add(*acc, a, w0, w2);
        *acc = multiply_add(*acc, b, w1, w3);
    }
}

/// The same with the vectors of WebAssembly, which have an instruction for `low · a + high · b`; the compiler does not find
/// it. Blocks have 4 or 8 pixels.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline(always)]
fn add_quad<const PIXELS: usize>(accs: &mut [i32; PIXELS], [first, second]: [&[u32]; 2], quad: [i8; 4]) {
    use core::arch::wasm32::{i32x4, i32x4_add, i32x4_dot_i16x8, i32x4_extract_lane, i32x4_splat, u32x4};

    let [w0, w1, w2, w3] = quad.map(i32::from);
    let pair = |low: i32, high: i32| i32x4_splat(low & 0xffff | high << 16);
    let (even, odd) = (pair(w0, w2), pair(w1, w3));
    let planes = first.as_chunks().0.iter().zip(second.as_chunks().0);
    for (accs, (&[a, b, c, d], &[e, f, g, h])) in accs.as_chunks_mut().0.iter_mut().zip(planes) {
        let [i, j, k, l] = *accs;
        let sums = i32x4_add(i32x4(i, j, k, l), i32x4_dot_i16x8(u32x4(a, b, c, d), even));
        let sums = i32x4_add(sums, i32x4_dot_i16x8(u32x4(e, f, g, h), odd));
        *accs = [
            i32x4_extract_lane::<0>(sums),
            i32x4_extract_lane::<1>(sums),
            i32x4_extract_lane::<2>(sums),
            i32x4_extract_lane::<3>(sums),
        ];
    }
}

/// `acc + low · a + high · b`.
#[inline(always)]
fn multiply_add(acc: i32, pair: u32, a: i32, b: i32) -> i32 {
    let (low, high) = (i32::from(pair as i16), pair.cast_signed() >> 16);
    acc.wrapping_add(low.wrapping_mul(a)).wrapping_add(high.wrapping_mul(b))
}
