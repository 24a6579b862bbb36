//! The gradient of the weights. Blocks of tiles are processed one after the other, so that the order of the sums does not
//! depend on the number of threads; the threads share the work within a block.

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::domain::{Domain, Store};
use super::geometry::{Correlation, Taps};
use super::memory::{BLOCK, Scratch, grow};
use super::panel::{Group, Packed, Panel, accumulate};
use super::tiles::{TilePoints, ToPoints, panel_at};

/// Number of tiles in a block.
const GRADIENT_TILES: usize = 160;

impl Correlation {
    pub(super) fn add_gradient_in<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize>(
        &self,
        arch: Arch,
        d_params: &mut [f32],
        x: &[f32],
        dy: &[f32],
        scratch: &mut Scratch,
    ) {
        let pictures = x.len() / self.input.len();
        if pictures == 0 {
            return;
        }
        let (ks, ns) = (self.input.groups(), self.output.groups());
        let (rows, columns) = self.tiles();
        let tiles = pictures * rows * columns;
        let block_tiles = GRADIENT_TILES.min(tiles);
        // Odd distances, so that points and groups do not compete for the same cache sets.
        let point_distance = block_tiles | 1;
        let stride = (T * T * point_distance) | 1;
        let point_stride = self.point_stride(1);
        let sums = T * T * point_stride;
        grow(&mut scratch.points.values, sums);
        grow(&mut scratch.input, ks * stride);
        grow(&mut scratch.output, ns * stride);
        let Scratch { points, input, output, gradient } = scratch;
        let weights = &mut points.values[..sums];
        let (input_groups, output_groups): (Vec<_>, Vec<_>) =
            (Self::channel_groups(&self.input).collect(), Self::channel_groups(&self.output).collect());
        for first in (0..tiles).step_by(block_tiles) {
            let count = block_tiles.min(tiles - first);
            let inputs = input[..ks * stride].par_chunks_mut(stride).zip(&input_groups).map(|(to, g)| (to, g, true));
            let outputs =
                output[..ns * stride].par_chunks_mut(stride).zip(&output_groups).map(|(to, g)| (to, g, false));
            inputs.chain(outputs).for_each(|(to, &(pixel, channel, channels), is_input)| {
                BLOCK.with_borrow_mut(|block| {
                    if is_input {
                        self.find_offsets(&self.input, T, pixel, first, count, &mut block.offsets);
                    } else {
                        self.find_offsets(&self.output, M, pixel, first, count, &mut block.offsets);
                    }
                    let (map, offsets) = (if is_input { x } else { dy }, &block.offsets);
                    let channels = (channel, channels);
                    arch.dispatch(ToPoints::<D, M, R, T> {
                        domain: PhantomData,
                        is_input,
                        map,
                        offsets,
                        channels,
                        strides: (point_distance, 1),
                        to,
                    });
                });
            });
            let (real, complex) = weights.split_at_mut(D::REAL * point_stride);
            let product = |p: usize, sums: &mut [Group]| {
                BLOCK.with_borrow_mut(|block| {
                    arch.dispatch(Accumulate {
                        a: [p, p + 1].map(|p| panel_at(input, p * point_distance, stride)),
                        b: [p, p + 1].map(|p| panel_at(output, p * point_distance, stride)),
                        rows: count,
                        groups: (ks, ns),
                        add: first > 0,
                        sums,
                        packed: &mut block.packed,
                    })
                });
            };
            let reals = real.par_chunks_mut(point_stride).enumerate();
            let complexes = complex.par_chunks_mut(2 * point_stride).enumerate();
            reals.chain(complexes.map(|(i, sums)| (D::REAL + 2 * i, sums))).for_each(|(p, sums)| product(p, sums));
        }

        // The inverse transform, for each group of input channels: [group][tap][input][output channel of a square].
        let n = ns * 16;
        let of_group = R * R * 16 * n;
        if gradient.len() < ks * of_group {
            gradient.resize(ks * of_group, 0.0);
        }
        gradient[..ks * of_group].par_chunks_mut(of_group).enumerate().for_each(|(k, taps)| {
            arch.dispatch(GradientToTaps::<D, M, R, T> { domain: PhantomData, sums: weights, ks, ns, k, taps });
        });
        let gradient = &gradient[..ks * of_group];
        let Taps { kernel, tap_stride, input_stride, output_stride, .. } = self.weights;
        debug_assert_eq!(output_stride, 1, "gradients are computed from the forward correlation");
        // In the parameters, the output channels of a tap and an input channel are contiguous.
        let run = self.output.channels;
        let step = self.input.step.max(self.output.step);
        d_params.par_chunks_mut(run * 64).enumerate().for_each(|(chunk, part)| {
            for (i, d) in part.chunks_exact_mut(run).enumerate() {
                let at = (chunk * 64 + i) * run;
                // The tap and the input channel of these output channels.
                let (tap, channel) = if tap_stride > input_stride {
                    (at / tap_stride, at % tap_stride / input_stride)
                } else {
                    (at % input_stride / tap_stride, at / input_stride)
                };
                let (ky, kx) = (tap / kernel, tap % kernel);
                let split = |k: usize| {
                    let (d, s) = (k / step, k % step);
                    (if self.weights.flipped { self.taps - 1 - d } else { d }, s)
                };
                let ((dy, sy), (dx, sx)) = (split(ky), split(kx));
                if self.output.only.is_some_and(|only| only != (sy, sx)) {
                    continue;
                }
                let pixel = if self.output.only.is_some() { 0 } else { sy * step + sx };
                let (in_pixel, out_pixel) = if self.input.step > 1 { (pixel, 0) } else { (0, pixel) };
                let k = in_pixel * self.input.groups_per_pixel() + channel / 16;
                let from = k * of_group
                    + ((dy * R + dx) * 16 + channel % 16) * n
                    + out_pixel * self.output.groups_per_pixel() * 16;
                for (d, g) in d.iter_mut().zip(&gradient[from..]) {
                    *d += g;
                }
            }
        });
    }
}

/// The inverse transform of the gradient of the weights, for one group of input channels and all output channels.
struct GradientToTaps<'a, D, const M: usize, const R: usize, const T: usize> {
    domain: PhantomData<D>,
    sums: &'a [Group],
    ks: usize,
    ns: usize,
    k: usize,
    taps: &'a mut [f32],
}

/// The gradient of taps: `[tap][input channel][output channel]`, `stride` values from tap to tap.
struct TapGradients<'a> {
    taps: &'a mut [f32],
    stride: usize,
}

impl<S: Simd> Store<S> for TapGradients<'_> {
    #[inline(always)]
    fn store(&mut self, at: usize, value: S::f32s) {
        let at = at * self.stride;
        S::as_mut_simd_f32s(&mut self.taps[at..at + S::F32_LANES]).0[0] = value;
    }

    #[inline(always)]
    fn store_complex(&mut self, _: usize, _: S::f32s, _: S::f32s) {
        unreachable!("taps are real");
    }
}

impl<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize> WithSimd for GradientToTaps<'_, D, M, R, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { sums, ks, ns, k, taps, .. } = self;
        for g in 0..ns {
            for channel in 0..16 {
                for q in 0..16 / S::F32_LANES {
                    let from = &sums[(g * ks + k) * 16 + channel..];
                    let from = TilePoints { groups: from, stride: ns * ks * 16 + 1, q, real: D::REAL };
                    let to = &mut taps[channel * ns * 16 + g * 16 + q * S::F32_LANES..];
                    D::d_weights::<S>(simd, &from, &mut TapGradients { taps: to, stride: 16 * ns * 16 });
                }
            }
        }
    }
}

/// Adds up the products of one real point, or of a complex point if there are sums for both of its parts.
struct Accumulate<'a> {
    a: [Panel<'a>; 2],
    b: [Panel<'a>; 2],
    rows: usize,
    groups: (usize, usize),
    /// Whether to add to existing sums.
    add: bool,
    sums: &'a mut [Group],
    packed: &'a mut Packed,
}

impl WithSimd for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, b, rows, groups, add, sums, packed } = self;
        let one = groups.0 * groups.1 * 16 + 1;
        if sums.len() == one {
            accumulate::<S, 1, 1>(simd, [a[0]], [b[0]], rows, groups, [sums], add, packed);
        } else {
            let (re, im) = sums.split_at_mut(one);
            accumulate::<S, 2, 3>(simd, a, b, rows, groups, [re, im], add, packed);
        }
    }
}
