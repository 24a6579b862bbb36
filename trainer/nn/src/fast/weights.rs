//! Transforms the weights of a layer.

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::domain::{Domain, Load, Store};
use super::geometry::{Correlation, Taps};
use super::panel::Group;

impl Correlation {
    /// Distance in groups from one point of the weights to the next, for points with this number of real products. The
    /// distance is odd, because a cache holds only a few lines whose distance is a power of two.
    pub(super) fn point_stride(&self, products: usize) -> usize {
        products * self.output.groups() * self.input.groups() * 16 + 1
    }

    /// Number of groups of the weights at all points.
    pub(super) fn weights_len<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize>(&self) -> usize {
        D::REAL * self.point_stride(1) + (T * T - D::REAL) / 2 * self.point_stride(3)
    }

    /// Computes `[point][output group][product][input channel]` from the layer's parameters.
    pub(super) fn transform_weights<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize>(
        &self,
        arch: Arch,
        params: &[f32],
        weights: &mut [Group],
    ) {
        let (ks, ns) = (self.input.groups(), self.output.groups());
        // All points of an output group are computed together, because one point after the other would read the parameters
        // T² times. For this, the memory of each point is divided by output groups, one for each task.
        let mut by_output: Vec<Vec<&mut [Group]>> = (0..ns).map(|_| Vec::with_capacity(T * T)).collect();
        let (real, complex) = weights.split_at_mut(D::REAL * self.point_stride(1));
        for (points, products) in [(real, 1), (complex, 3)] {
            for point in points.chunks_exact_mut(self.point_stride(products)) {
                for (part, points) in point.chunks_exact_mut(products * ks * 16).zip(&mut by_output) {
                    points.push(part);
                }
            }
        }
        by_output.into_par_iter().zip(Self::channel_groups(&self.output).collect::<Vec<_>>()).for_each(
            |(mut points, output)| {
                let mut taps = [[Group::ZERO; 16]; 25];
                for (i, input) in Self::channel_groups(&self.input).enumerate() {
                    self.gather_taps::<R>(params, input, output, &mut taps);
                    arch.dispatch(WeightsToPoints::<D, M, R, T> {
                        domain: PhantomData,
                        taps: &taps,
                        points: &mut points,
                        first: i * 16,
                        channels: ks * 16,
                    });
                }
            },
        );
    }

    /// Gathers the taps between 16 input and 16 output channels as `[tap][input][output]`. Channels that do not exist are 0.
    fn gather_taps<const R: usize>(
        &self,
        params: &[f32],
        (a, first_in, inputs): ((usize, usize), usize, usize),
        (b, first_out, outputs): ((usize, usize), usize, usize),
        taps: &mut [[Group; 16]; 25],
    ) {
        let Taps { input_stride, output_stride, .. } = self.weights;
        for (t, tap) in taps[..R * R].iter_mut().enumerate() {
            let start = self.tap_at((t / R, t % R), a, b) + first_in * input_stride + first_out * output_stride;
            if inputs < 16 || outputs < 16 {
                *tap = [Group::ZERO; 16];
            }
            if output_stride == 1 {
                for (i, row) in tap[..inputs].iter_mut().enumerate() {
                    row.0[..outputs].copy_from_slice(&params[start + i * input_stride..][..outputs]);
                }
            } else {
                for o in 0..outputs {
                    let from = &params[start + o * output_stride..];
                    for i in 0..inputs {
                        tap[i].0[o] = from[i * input_stride];
                    }
                }
            }
        }
    }
}

/// The weights between 16 input channels and one group of output channels.
struct WeightsToPoints<'a, 'b, D, const M: usize, const R: usize, const T: usize> {
    domain: PhantomData<D>,
    taps: &'a [[Group; 16]; 25],
    points: &'a mut [&'b mut [Group]],
    /// The first of the 16 input channels.
    first: usize,
    /// Number of input channels of the layer, with padding.
    channels: usize,
}

/// The taps between one input channel and the output channels of one register.
struct TapSource<'a> {
    taps: &'a [[Group; 16]; 25],
    channel: usize,
    q: usize,
}

impl<S: Simd> Load<S> for TapSource<'_> {
    #[inline(always)]
    fn load(&self, at: usize) -> S::f32s {
        S::as_simd_f32s(&self.taps[at][self.channel].0).0[self.q]
    }
}

/// Stores the transformed weights of one input channel: one value for a real point, and for a complex point the three
/// operands that [`multiply`](super::panel::multiply) takes.
struct WeightPoints<'a, 'b, S> {
    simd: S,
    points: &'a mut [&'b mut [Group]],
    channel: usize,
    channels: usize,
    q: usize,
    real: usize,
}

impl<S: Simd> WeightPoints<'_, '_, S> {
    #[inline(always)]
    fn put(&mut self, point: usize, product: usize, value: S::f32s) {
        let at = product * self.channels + self.channel;
        S::as_mut_simd_f32s(&mut self.points[point][at].0).0[self.q] = value;
    }
}

impl<S: Simd> Store<S> for WeightPoints<'_, '_, S> {
    #[inline(always)]
    fn store(&mut self, at: usize, value: S::f32s) {
        self.put(at, 0, value);
    }

    #[inline(always)]
    fn store_complex(&mut self, point: usize, re: S::f32s, im: S::f32s) {
        let point = self.real + point;
        self.put(point, 0, re);
        self.put(point, 1, self.simd.sub_f32s(im, re));
        self.put(point, 2, self.simd.add_f32s(re, im));
    }
}

impl<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize> WithSimd
    for WeightsToPoints<'_, '_, D, M, R, T>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { taps, points, first, channels, .. } = self;
        for channel in 0..16 {
            for q in 0..16 / S::F32_LANES {
                let (points, at) = (&mut *points, first + channel);
                let mut to = WeightPoints { simd, points, channel: at, channels, q, real: D::REAL };
                D::weights::<S>(simd, &TapSource { taps, channel, q }, &mut to);
            }
        }
    }
}
