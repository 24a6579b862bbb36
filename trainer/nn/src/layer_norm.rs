//! Layer normalisation over all values of a picture, with a gain and a shift for each channel (Ba et al. 2016,
//! arXiv:1607.06450).
//!
//! A picture's result does not depend on the others of its batch. So unlike after [batch normalisation](super::batch_norm),
//! a discriminator still sees by how much the means of real and of generated pictures differ.

use ndarray::{Array2, ArrayViewMut2, Axis};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::batch_norm::EPSILON;
use super::scratch::resize;
use super::vectors::arch;

/// A layer normalisation of maps with a number of channels, with its scratch memory.
#[derive(Debug)]
pub struct LayerNorm {
    channels: usize,
    /// Two numbers for each picture and channel, `[N, 2, channels]`.
    sums: Vec<f32>,
    /// The normalised input of the last forward pass, `[N, pixels·channels]`.
    normalised: Array2<f32>,
    /// `1/√(variance + ε)` of each picture of the last forward pass.
    inverse: Vec<f32>,
}

impl LayerNorm {
    /// A normalisation of maps with this many channels.
    pub fn new(channels: usize) -> Self {
        Self { channels, sums: Vec::new(), normalised: Array2::zeros((0, 0)), inverse: Vec::new() }
    }

    /// Replaces each row of `x`, `[N, pixels·channels]`, by `gamma · (x − mean) / √(variance + ε) + beta` with the mean and
    /// variance of the row, and multiplies negative results by `slope`. `gamma` and `beta` have a number for each channel.
    pub fn forward(&mut self, gamma: &[f32], beta: &[f32], slope: f32, mut x: ArrayViewMut2<'_, f32>) {
        resize(&mut self.normalised, x.dim());
        self.inverse.resize(x.nrows(), 0.0);
        self.sums.resize(x.nrows() * 2 * self.channels, 0.0);
        let pictures = x.axis_iter_mut(Axis(0)).into_par_iter().zip(self.normalised.axis_iter_mut(Axis(0)));
        let results = self.inverse.par_iter_mut().zip(self.sums.par_chunks_mut(2 * self.channels));
        pictures.zip(results).for_each(|((x, normalised), (inverse, sums))| {
            let (x, normalised) =
                (x.into_slice().expect("rows are contiguous"), normalised.into_slice().expect("rows are contiguous"));
            let sums = &mut sums[..self.channels];
            *inverse = arch().dispatch(Forward { x, normalised, gamma, beta, slope, sums });
        });
    }

    /// Replaces `dy` by `dx`, and adds the gradients to `d_gamma` and `d_beta` if they are given.
    ///
    /// With the normalised input `n`, `g = gamma · dy`, and means over the values of a picture:
    /// `dx = (g − mean(g) − n · mean(g·n)) / √(variance + ε)`.
    pub fn backward(&mut self, gamma: &[f32], grads: Option<(&mut [f32], &mut [f32])>, mut dy: ArrayViewMut2<'_, f32>) {
        let pictures = dy.axis_iter_mut(Axis(0)).into_par_iter().zip(self.normalised.axis_iter(Axis(0)));
        let results = self.inverse.par_iter().zip(self.sums.par_chunks_mut(2 * self.channels));
        pictures.zip(results).for_each(|((dy, normalised), (&inverse, sums))| {
            let (dy, normalised) =
                (dy.into_slice().expect("rows are contiguous"), normalised.to_slice().expect("rows are contiguous"));
            let (sum_dy, sum_dy_n) = sums.split_at_mut(self.channels);
            arch().dispatch(Backward { dy, normalised, gamma, inverse, sum_dy, sum_dy_n });
        });
        if let Some((d_gamma, d_beta)) = grads {
            // In the order of the pictures, so that the result does not depend on the number of threads.
            let total = |place: usize| {
                self.sums.iter().skip(place).step_by(2 * self.channels).map(|&s| f64::from(s)).sum::<f64>()
            };
            for i in 0..self.channels {
                d_beta[i] += total(i) as f32;
                d_gamma[i] += total(self.channels + i) as f32;
            }
        }
    }
}

/// Normalises a picture; the result is `1/√(variance + ε)`. Sums are added in f32 within a channel and in f64 over channels.
struct Forward<'a> {
    x: &'a mut [f32],
    normalised: &'a mut [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    slope: f32,
    sums: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        let Self { x, normalised, gamma, beta, slope, sums } = self;
        let (channels, count) = (sums.len(), x.len() as f64);
        sums.fill(0.0);
        for pixel in x.chunks_exact(channels) {
            for (sum, x) in sums.iter_mut().zip(pixel) {
                *sum += x;
            }
        }
        let mean = (sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() / count) as f32;
        // In two passes: a difference of large squares would lose digits.
        sums.fill(0.0);
        for pixel in x.chunks_exact(channels) {
            for (sum, x) in sums.iter_mut().zip(pixel) {
                *sum += (x - mean) * (x - mean);
            }
        }
        let variance = (sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() / count) as f32;
        let inverse = 1.0 / (variance + EPSILON).sqrt();
        for (x, n) in x.chunks_exact_mut(channels).zip(normalised.chunks_exact_mut(channels)) {
            for (((x, n), gamma), beta) in x.iter_mut().zip(n).zip(gamma).zip(beta) {
                *n = (*x - mean) * inverse;
                let y = gamma * *n + beta;
                *x = if y > 0.0 { y } else { slope * y };
            }
        }
        inverse
    }
}

/// Replaces the gradient of a picture's output by that of its input, and sums the gradients of the parameters.
struct Backward<'a> {
    dy: &'a mut [f32],
    normalised: &'a [f32],
    gamma: &'a [f32],
    inverse: f32,
    sum_dy: &'a mut [f32],
    sum_dy_n: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { dy, normalised, gamma, inverse, sum_dy, sum_dy_n } = self;
        let (channels, count) = (gamma.len(), dy.len() as f64);
        sum_dy.fill(0.0);
        sum_dy_n.fill(0.0);
        for (dy, n) in dy.chunks_exact(channels).zip(normalised.chunks_exact(channels)) {
            for (((sum, sum_n), dy), n) in sum_dy.iter_mut().zip(&mut *sum_dy_n).zip(dy).zip(n) {
                *sum += dy;
                *sum_n += dy * n;
            }
        }
        let mean = |sums: &[f32]| {
            let total: f64 = sums.iter().zip(gamma).map(|(&sum, &gamma)| f64::from(sum) * f64::from(gamma)).sum();
            (total / count) as f32
        };
        let (mean, mean_n) = (mean(sum_dy), mean(sum_dy_n));
        for (dy, n) in dy.chunks_exact_mut(channels).zip(normalised.chunks_exact(channels)) {
            for ((dy, n), gamma) in dy.iter_mut().zip(n).zip(gamma) {
                *dy = inverse * (gamma * *dy - mean - n * mean_n);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    /// Against the definition, written down directly in f64. The numbers are exact fractions and far from 0 in the mean.
    #[test]
    fn each_picture_has_mean_0_and_variance_1() {
        let (pictures, pixels, channels) = (3, 5, 7);
        let x = Array2::from_shape_fn((pictures, pixels * channels), |(n, i)| 100.0 * n as f32 + (i * i % 11) as f32);
        let gamma: Vec<f32> = (0..channels).map(|c| 0.5 + c as f32).collect();
        let beta: Vec<f32> = (0..channels).map(|c| c as f32 - 2.0).collect();
        let mut norm = LayerNorm::new(channels);
        // A larger batch before it leaves nothing behind.
        norm.forward(&gamma, &beta, 0.2, Array2::from_elem((8, pixels * channels), 3.0).view_mut());
        let mut y = x.clone();
        norm.forward(&gamma, &beta, 0.2, y.view_mut());
        for (x, y) in x.rows().into_iter().zip(y.rows()) {
            let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
            for (i, (x, &y)) in x.iter().zip(y).enumerate() {
                let c = i % channels;
                let n = f64::from(gamma[c]) * (x - mean) / (variance + 1e-5).sqrt() + f64::from(beta[c]);
                let expected = if n > 0.0 { n } else { 0.2 * n };
                assert!((f64::from(y) - expected).abs() < 1e-4, "{y} instead of {expected}");
            }
        }
    }

    /// Even pictures have no variance: the result is beta, and no number is infinite.
    #[test]
    fn an_even_picture_becomes_beta() {
        let mut norm = LayerNorm::new(2);
        let mut x = Array2::from_elem((2, 6), 7.0);
        norm.forward(&[3.0, 4.0], &[0.5, -1.0], 1.0, x.view_mut());
        assert_eq!(x, ndarray::array![[0.5, -1.0, 0.5, -1.0, 0.5, -1.0], [0.5, -1.0, 0.5, -1.0, 0.5, -1.0]]);
        let (mut d_gamma, mut d_beta) = ([0.0; 2], [0.0; 2]);
        let mut dy = Array2::from_elem((2, 6), 1.0);
        norm.backward(&[3.0, 4.0], Some((&mut d_gamma, &mut d_beta)), dy.view_mut());
        assert_eq!((d_gamma, d_beta), ([0.0; 2], [6.0; 2]));
        assert!(dy.iter().all(|d| d.is_finite()), "{dy}");
    }
}
