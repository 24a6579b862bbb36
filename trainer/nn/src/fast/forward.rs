//! The forward pass, and the gradient of the input. A block of tiles passes through all three stages (transform, products,
//! inverse transform) while it is in the cache. Each block is computed by one thread.

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::domain::{Domain, Store};
use super::geometry::{Correlation, OUTSIDE};
use super::memory::{BLOCK, Block, KEPT_GROUPS, Scratch, TransformedWeights, grow};
use super::panel::{Group, Panel, REMAINDER_ROWS, multiply};
use super::tiles::{TilePoints, ToPoints};
use crate::params::Weights;

/// Smallest number of tiles in a block. More would not fit the cache, fewer would read the weights too often.
const BLOCK_TILES: usize = 48;

/// Number of groups of output channels whose products are transformed back before the next ones are computed.
const OUTPUT_GROUPS: usize = 16;

/// The operation on an output before it is stored.
#[derive(Debug, Clone, Copy)]
pub enum Epilogue<'a> {
    /// No operation.
    Store,
    /// Adds a bias for each channel, and multiplies negative results by `slope`.
    BiasLeaky {
        /// One value for each channel.
        bias: &'a [f32],
        /// 1 for no activation, 0 for ReLU.
        slope: f32,
    },
}

impl Epilogue<'_> {
    /// Applies the operation to stored outputs: any number of pixels, or of whole outputs if there is a bias for each value.
    pub fn apply(&self, y: &mut [f32]) {
        if let Self::BiasLeaky { bias, slope } = *self {
            for pixel in y.chunks_exact_mut(bias.len()) {
                for (y, b) in pixel.iter_mut().zip(bias) {
                    let value = *y + b;
                    *y = if value > 0.0 { value } else { slope * value };
                }
            }
        }
    }
}

impl Correlation {
    pub(super) fn run_in<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize, const P: usize>(
        &self,
        arch: Arch,
        params: Weights<'_>,
        x: &[f32],
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        points: &mut TransformedWeights,
        scratch: &mut Scratch,
    ) {
        let pictures = x.len() / self.input.len();
        if pictures == 0 {
            return;
        }
        let weights = self.weights_len::<D, M, R, T>();
        let keep = weights <= KEPT_GROUPS;
        let points = if keep { points } else { &mut scratch.points };
        if points.of != Some((*self, params.version)) {
            grow(&mut points.values, weights);
            self.transform_weights::<D, M, R, T>(arch, params.values, &mut points.values[..weights]);
            points.of = keep.then_some((*self, params.version));
        }
        let weights = &points.values;

        // A block is a number of consecutive rows of tiles. No two blocks write the same row of `y`.
        let (rows, columns) = self.tiles();
        let rows_per_block = BLOCK_TILES.div_ceil(columns);
        let all_rows = pictures * rows;
        // Blocks of equal size, and the same number for each thread, so that threads end together.
        let blocks = all_rows.div_ceil(rows_per_block).next_multiple_of(rayon::current_num_threads());
        let rows_per_block = all_rows.div_ceil(blocks);
        let mut rest = y;
        let mut done = 0;
        let mut work = Vec::with_capacity(blocks);
        let end_of = |row: usize| {
            let (picture, row) = (row / rows, row % rows);
            let pixels = (self.output.step * M * row).wrapping_sub(self.output.origin_y) as isize;
            // The first block begins at the first row of the map, even if the first square begins below it.
            let pixels = if row == 0 { 0 } else { pixels.clamp(0, self.output.height as isize) as usize };
            picture * self.output.len() + pixels * self.output.width * self.output.channels
        };
        for first in (0..all_rows).step_by(rows_per_block) {
            let last = (first + rows_per_block).min(all_rows);
            let end = end_of(last);
            let (part, more) = std::mem::take(&mut rest).split_at_mut(end - done);
            work.push((first..last, done, part));
            (rest, done) = (more, end);
        }
        work.into_par_iter().for_each(|(tile_rows, start, y)| {
            BLOCK.with_borrow_mut(|block| {
                arch.dispatch(RunBlock::<D, M, R, T, P> {
                    domain: PhantomData,
                    correlation: self,
                    weights,
                    x,
                    y,
                    start,
                    tile_rows,
                    epilogue,
                    block,
                });
            });
        });
    }
}

/// The computation of one block: all stages for some rows of tiles.
struct RunBlock<'a, D, const M: usize, const R: usize, const T: usize, const P: usize> {
    domain: PhantomData<D>,
    correlation: &'a Correlation,
    weights: &'a [Group],
    x: &'a [f32],
    y: &'a mut [f32],
    /// Index of the first value of `y` among all outputs.
    start: usize,
    tile_rows: std::ops::Range<usize>,
    epilogue: Epilogue<'a>,
    block: &'a mut Block,
}

impl<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize, const P: usize> WithSimd
    for RunBlock<'_, D, M, R, T, P>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { correlation: c, weights, x, y, start, tile_rows, epilogue, block, .. } = self;
        let columns = c.tiles().1;
        let (first, count) = (tile_rows.start * columns, tile_rows.len() * columns);
        let rows = count.next_multiple_of(REMAINDER_ROWS);
        // `[group][tile][point]`. A tile takes an odd number of groups, so that tiles do not compete for the same cache
        // sets.
        let stride = rows * P;
        let (ks, ns) = (c.input.groups(), c.output.groups());
        let Block { input, output, offsets, packed } = block;
        grow(input, ks * stride);
        grow(output, OUTPUT_GROUPS * stride);

        let mut found = None;
        for ((pixel, channel, channels), to) in
            Correlation::channel_groups(&c.input).zip(input.chunks_exact_mut(stride))
        {
            if found != Some(pixel) {
                c.find_offsets(&c.input, T, pixel, first, count, offsets);
                found = Some(pixel);
            }
            let (channels, strides) = ((channel, channels), (1, P));
            ToPoints::<D, M, R, T> { domain: PhantomData, is_input: true, map: x, offsets, channels, strides, to }
                .with_simd(simd);
        }
        let mut found = None;
        let mut groups = Correlation::channel_groups(&c.output);
        for first_group in (0..ns).step_by(OUTPUT_GROUPS) {
            let some = OUTPUT_GROUPS.min(ns - first_group);
            let of_group = ks * 16;
            for p in 0..D::REAL {
                let a = Panel { groups: &input[p..], stride };
                let first = p * c.point_stride(1) + first_group * of_group;
                let b = Panel { groups: &weights[first..], stride: of_group };
                multiply::<S, P, 1>(simd, a, rows, [b], (ks, some), &mut output[p..], stride, packed);
            }
            for p in (D::REAL..T * T).step_by(2) {
                let a = Panel { groups: &input[p..], stride };
                let point = D::REAL * c.point_stride(1) + (p - D::REAL) / 2 * c.point_stride(3);
                let b = [0, 1, 2].map(|product| {
                    let first = point + (3 * first_group + product) * of_group;
                    Panel { groups: &weights[first..], stride: 3 * of_group }
                });
                multiply::<S, P, 3>(simd, a, rows, b, (ks, some), &mut output[p..], stride, packed);
            }
            for (from, (pixel, channel, channels)) in output.chunks_exact(stride).zip(groups.by_ref().take(some)) {
                if found != Some(pixel) {
                    c.find_offsets(&c.output, M, pixel, first, count, offsets);
                    found = Some(pixel);
                }
                for (from, offsets) in from.chunks_exact(P).zip(offsets.chunks_exact(M * M)) {
                    for q in 0..16 / S::F32_LANES {
                        let valid = channels.saturating_sub(q * S::F32_LANES).min(S::F32_LANES);
                        if valid > 0 {
                            let channel = channel + q * S::F32_LANES;
                            let mut to = Outputs { simd, y: &mut *y, offsets, start, channel, valid, epilogue };
                            let from = TilePoints { groups: from, stride: 1, q, real: D::REAL };
                            D::output::<S>(simd, &from, &mut to);
                        }
                    }
                }
            }
        }
    }
}

/// Stores the outputs of a tile for the channels of one register.
struct Outputs<'a, S> {
    simd: S,
    y: &'a mut [f32],
    offsets: &'a [u32],
    /// Index of the first value of `y` among all outputs.
    start: usize,
    channel: usize,
    /// Number of channels that exist; the others of the register are padding.
    valid: usize,
    epilogue: Epilogue<'a>,
}

impl<S: Simd> Store<S> for Outputs<'_, S> {
    #[inline(always)]
    fn store(&mut self, at: usize, value: S::f32s) {
        let offset = self.offsets[at];
        if offset != OUTSIDE {
            let value = finish::<S>(self.simd, value, self.epilogue, self.channel, self.valid);
            let at = offset as usize - self.start + self.channel;
            store(self.simd, &mut self.y[at..at + self.valid], value);
        }
    }

    #[inline(always)]
    fn store_complex(&mut self, _: usize, _: S::f32s, _: S::f32s) {
        unreachable!("outputs are real");
    }
}

#[inline(always)]
fn finish<S: Simd>(simd: S, value: S::f32s, epilogue: Epilogue<'_>, channel: usize, valid: usize) -> S::f32s {
    match epilogue {
        Epilogue::Store => value,
        Epilogue::BiasLeaky { bias, slope } => {
            let value = simd.add_f32s(value, simd.partial_load_f32s(&bias[channel..channel + valid]));
            let scaled = simd.mul_f32s(value, simd.splat_f32s(slope));
            simd.select_f32s(simd.greater_than_f32s(value, simd.splat_f32s(0.0)), value, scaled)
        }
    }
}

#[inline(always)]
fn store<S: Simd>(simd: S, to: &mut [f32], value: S::f32s) {
    if to.len() == S::F32_LANES {
        S::as_mut_simd_f32s(to).0[0] = value;
    } else {
        simd.partial_store_f32s(to, value);
    }
}
