//! Loops over maps, `[N, pixels·channels]`, with one number for each channel.
//!
//! A pixel often has too few channels (for example 12) to fill vector registers. The loops therefore process several pixels
//! at a time, and repeat the numbers of the channels accordingly. They are compiled for all kinds of vector instructions;
//! the best kind that the processor has is chosen at run time.

// The compiler unrolls loops over constant ranges into vector instructions.
#![allow(clippy::needless_range_loop)]

use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::lane_len;
use super::vectors::arch;

/// Values in one AVX-512 register, or in two or four smaller ones.
const REGISTER: usize = 16;

/// The number of channels of a map, and how many pixels the loops process at a time.
#[derive(Debug, Clone, Copy)]
pub struct Channels {
    channels: usize,
    /// Pixels that are processed at a time.
    pixels: usize,
}

impl Channels {
    /// For maps with `channels` channels and `len` values for each picture.
    pub fn of(channels: usize, len: usize) -> Self {
        let all = len / channels.max(1);
        let fits = |pixels: &usize| (pixels * channels).is_multiple_of(REGISTER) && all.is_multiple_of(*pixels);
        Self { channels, pixels: [1, 2, 4, 8, 16].into_iter().find(fits).unwrap_or(1) }
    }

    /// Repeats the numbers of the channels, one for each, as the loops need them.
    pub fn repeat(&self, values: impl IntoIterator<Item = f32>) -> Vec<f32> {
        let values: Vec<f32> = values.into_iter().collect();
        debug_assert_eq!(values.len(), self.channels);
        values.repeat(self.pixels)
    }

    /// Sums over each channel: `f` computes `K` numbers from the values of `a` and `b` (both `[N, len]`) and the channel's
    /// number, and these are added in f32 within a picture and in f64 over pictures, always in the same order.
    pub fn sums<const K: usize>(
        &self,
        a: ArrayView2<'_, f32>,
        b: ArrayView2<'_, f32>,
        numbers: &[f32],
        scratch: &mut Vec<f32>,
        f: impl Fn(f32, f32, f32) -> [f32; K] + Sync,
    ) -> [Vec<f64>; K] {
        let width = self.channels * self.pixels;
        let pictures = zeros(scratch, a.nrows() * K * width);
        let rows = a.axis_iter(Axis(0)).into_par_iter().zip(b.axis_iter(Axis(0)));
        rows.zip(pictures.par_chunks_mut(K * width)).for_each(|((a, b), sums)| {
            let (a, b) = (a.to_slice().expect("rows are contiguous"), b.to_slice().expect("rows are contiguous"));
            arch().dispatch(AddRows { a, b, numbers, sums, f: &f });
        });
        core::array::from_fn(|k| (0..self.channels).map(|channel| self.total::<K>(pictures, k, channel)).collect())
    }

    /// Replaces the values of a map by `f` of them and those of a second map, and adds the results of each channel to
    /// `sums`.
    pub fn change_and_sum(
        &self,
        mut a: ArrayViewMut2<'_, f32>,
        b: ArrayView2<'_, f32>,
        sums: &mut [f32],
        scratch: &mut Vec<f32>,
        f: impl Fn(f32, f32) -> f32 + Sync,
    ) {
        let width = self.channels * self.pixels;
        let pictures = zeros(scratch, a.nrows() * width);
        let rows = a.axis_iter_mut(Axis(0)).into_par_iter().zip(b.axis_iter(Axis(0)));
        rows.zip(pictures.par_chunks_mut(width)).for_each(|((a, b), sums)| {
            let (a, b) = (a.into_slice().expect("rows are contiguous"), b.to_slice().expect("rows are contiguous"));
            arch().dispatch(ChangeRows { a, b, sums, f: &f });
        });
        let pictures = &*pictures;
        sums.par_iter_mut().with_min_len(1 << 10).enumerate().for_each(|(channel, sum)| {
            *sum += self.total::<1>(pictures, 0, channel) as f32;
        });
    }

    /// Replaces the values of two maps by `f` of them and `K` numbers of the channel.
    pub fn change<const K: usize>(
        &self,
        mut a: ArrayViewMut2<'_, f32>,
        mut b: ArrayViewMut2<'_, f32>,
        numbers: [&[f32]; K],
        f: impl Fn(&mut f32, &mut f32, [f32; K]) + Sync,
    ) {
        let lane = lane_len(a.nrows());
        let lanes = a.axis_chunks_iter_mut(Axis(0), lane).into_par_iter();
        lanes.zip(b.axis_chunks_iter_mut(Axis(0), lane)).for_each(|(a, b)| {
            let (a, b) =
                (a.into_slice().expect("a batch is contiguous"), b.into_slice().expect("a batch is contiguous"));
            arch().dispatch(ChangeBoth { a, b, numbers, f: &f });
        });
    }

    /// Sum number `k` of a channel, over the sums of the pictures, `[picture][K][pixel][channel]`.
    fn total<const K: usize>(&self, pictures: &[f32], k: usize, channel: usize) -> f64 {
        let of_picture = self.channels * self.pixels;
        let pictures = pictures.chunks_exact(K * of_picture).map(|sums| &sums[k * of_picture..][..of_picture]);
        pictures.flat_map(|sums| sums.iter().skip(channel).step_by(self.channels)).map(|&sum| f64::from(sum)).sum()
    }
}

/// A slice of `len` zeros in `scratch`, whose memory is reused.
fn zeros(scratch: &mut Vec<f32>, len: usize) -> &mut [f32] {
    scratch.clear();
    scratch.resize(len, 0.0);
    scratch
}

// Structs instead of closures, which would be compiled separately, without vector instructions. Inner loops have a constant
// length, so that they are vectorised for any number of channels; the rest of a row is processed value by value.

struct AddRows<'a, F> {
    a: &'a [f32],
    b: &'a [f32],
    numbers: &'a [f32],
    sums: &'a mut [f32],
    f: &'a F,
}

impl<const K: usize, F: Fn(f32, f32, f32) -> [f32; K]> WithSimd for AddRows<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { a, b, numbers, sums, f } = self;
        let width = sums.len() / K;
        for (a, b) in a.chunks_exact(width).zip(b.chunks_exact(width)) {
            let whole = width / REGISTER * REGISTER;
            for at in (0..whole).step_by(REGISTER) {
                let (a, b, m) = (register(a, at), register(b, at), register(numbers, at));
                let mut values = [[0.0; REGISTER]; K];
                for i in 0..REGISTER {
                    let new = f(a[i], b[i], m[i]);
                    for k in 0..K {
                        values[k][i] = new[k];
                    }
                }
                for (k, values) in values.iter().enumerate() {
                    let sums = register_mut(sums, k * width + at);
                    for i in 0..REGISTER {
                        sums[i] += values[i];
                    }
                }
            }
            for i in whole..width {
                for (k, value) in f(a[i], b[i], numbers[i]).into_iter().enumerate() {
                    sums[k * width + i] += value;
                }
            }
        }
    }
}

struct ChangeRows<'a, F> {
    a: &'a mut [f32],
    b: &'a [f32],
    sums: &'a mut [f32],
    f: &'a F,
}

impl<F: Fn(f32, f32) -> f32> WithSimd for ChangeRows<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { a, b, sums, f } = self;
        let width = sums.len();
        for (a, b) in a.chunks_exact_mut(width).zip(b.chunks_exact(width)) {
            let whole = width / REGISTER * REGISTER;
            for at in (0..whole).step_by(REGISTER) {
                let (mut x, y, mut sum) = (*register(a, at), *register(b, at), *register(sums, at));
                for i in 0..REGISTER {
                    x[i] = f(x[i], y[i]);
                    sum[i] += x[i];
                }
                (*register_mut(a, at), *register_mut(sums, at)) = (x, sum);
            }
            for i in whole..width {
                a[i] = f(a[i], b[i]);
                sums[i] += a[i];
            }
        }
    }
}

struct ChangeBoth<'a, F, const K: usize> {
    a: &'a mut [f32],
    b: &'a mut [f32],
    numbers: [&'a [f32]; K],
    f: &'a F,
}

impl<const K: usize, F: Fn(&mut f32, &mut f32, [f32; K])> WithSimd for ChangeBoth<'_, F, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { a, b, numbers, f } = self;
        let width = numbers[0].len();
        for (a, b) in a.chunks_exact_mut(width).zip(b.chunks_exact_mut(width)) {
            let whole = width / REGISTER * REGISTER;
            for at in (0..whole).step_by(REGISTER) {
                // Copies, of which the compiler knows that they do not alias.
                let (mut x, mut y) = (*register(a, at), *register(b, at));
                let mut m = [[0.0; REGISTER]; K];
                for k in 0..K {
                    m[k] = *register(numbers[k], at);
                }
                for i in 0..REGISTER {
                    let mut of_channel = [0.0; K];
                    for k in 0..K {
                        of_channel[k] = m[k][i];
                    }
                    f(&mut x[i], &mut y[i], of_channel);
                }
                (*register_mut(a, at), *register_mut(b, at)) = (x, y);
            }
            for i in whole..width {
                f(&mut a[i], &mut b[i], numbers.map(|numbers| numbers[i]));
            }
        }
    }
}

#[inline(always)]
fn register(values: &[f32], at: usize) -> &[f32; REGISTER] {
    values[at..at + REGISTER].try_into().expect("as many values")
}

#[inline(always)]
fn register_mut(values: &mut [f32], at: usize) -> &mut [f32; REGISTER] {
    (&mut values[at..at + REGISTER]).try_into().expect("as many values")
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn every_number_of_channels_is_gone_through_pixel_by_pixel() {
        for (channels, pixels) in [(1, 16), (3, 16), (3, 5), (12, 64), (16, 9), (20, 4), (24, 36), (24, 7), (40, 3)] {
            let len = channels * pixels;
            let a = Array2::from_shape_fn((3, len), |(n, i)| ((n * 7 + i * 3) % 11) as f32 - 5.0);
            let b = Array2::from_shape_fn((3, len), |(n, i)| ((n * 5 + i * 2) % 7) as f32 - 3.0);
            let of_channel: Vec<f32> = (0..channels).map(|c| c as f32).collect();
            let by_channel = |f: &dyn Fn(f32, f32, f32) -> f32| {
                let mut sums = vec![0.0f64; channels];
                for ((n, i), &a) in a.indexed_iter() {
                    sums[i % channels] += f64::from(f(a, b[(n, i)], of_channel[i % channels]));
                }
                sums
            };
            let channels = Channels::of(channels, len);
            let numbers = channels.repeat(of_channel.iter().copied());
            // Small integers, so that nothing is rounded.
            let scratch = &mut Vec::new();
            let [ones, products] = channels.sums(a.view(), b.view(), &numbers, scratch, |a, b, m| [a + m, a * b]);
            assert_eq!(ones, by_channel(&|a, _, m| a + m));
            assert_eq!(products, by_channel(&|a, b, _| a * b));

            let mut changed = a.clone();
            let mut sums = vec![1.0; of_channel.len()];
            let double = |a: f32, b: f32| if b > 0.0 { a } else { 2.0 * a };
            channels.change_and_sum(changed.view_mut(), b.view(), &mut sums, scratch, double);
            let expected = by_channel(&|a, b, _| double(a, b));
            assert!(sums.iter().zip(expected).all(|(&sum, expected)| f64::from(sum) == 1.0 + expected));
            let (mut x, mut y) = (a.clone(), b.clone());
            channels.change(x.view_mut(), y.view_mut(), [&numbers, &numbers], |x, y, [m, _]| {
                (*x, *y) = (*y + m, *x);
            });
            assert_eq!(y, a);
            let c = of_channel.len();
            assert!(x.indexed_iter().all(|((n, i), &x)| x == b[(n, i)] + of_channel[i % c]));
        }
    }
}
