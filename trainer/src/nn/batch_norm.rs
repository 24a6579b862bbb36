//! Batch normalisation over pictures and pixels, one mean and variance a channel
//! (Ioffe & Szegedy 2015, arXiv:1502.03167).
//!
//! There are no running statistics: a generator's are measured when it is folded
//! into convolutions for use (see `quantise::fold`), and a discriminator is only
//! ever used in training.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::lane_len;

/// Added to the variance, as in PyTorch.
pub const EPSILON: f32 = 1e-5;

/// Scratch memory of a normalisation over `channels`.
#[derive(Debug)]
pub struct BatchNorm {
    channels: usize,
    sums: [Sums; 2],
    /// The normalised input of the last forward pass.
    normalised: Array2<f32>,
    /// Mean of the last batch, per channel.
    pub mean: Vec<f32>,
    /// Variance of the last batch (divided by its size, not size − 1), per channel.
    pub variance: Vec<f32>,
}

impl BatchNorm {
    /// For maps with this many channels.
    pub fn new(channels: usize) -> Self {
        let (mean, variance) = (vec![0.0; channels], vec![0.0; channels]);
        Self { channels, sums: Default::default(), normalised: Array2::zeros((0, 0)), mean, variance }
    }

    /// Replaces `x` by `gamma · (x − mean) / √(variance + ε) + beta`.
    pub fn forward(&mut self, gamma: &[f32], beta: &[f32], mut x: ArrayViewMut2<'_, f32>) {
        let c = self.channels;
        let count = (x.len() / c) as f64;
        // Twice over the data: the difference of large squares would lose digits.
        let Self { sums: [sums, _], normalised, mean, variance, .. } = self;
        let of_batch = |means: &mut [f32], sums: &[f64]| {
            means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = (sum / count) as f32);
        };
        of_batch(mean, sums.of_channels(x.view(), c));
        let squares = sums.of(x.view(), x.view(), c, |sums, x, _| {
            for ((s, x), m) in sums.iter_mut().zip(x).zip(&*mean) {
                *s += (x - m) * (x - m);
            }
        });
        of_batch(variance, squares);
        let inverse: Vec<f32> = variance.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();

        if normalised.dim() != x.dim() {
            *normalised = Array2::zeros(x.dim());
        }
        let lane = lane_len(x.nrows());
        let lanes = x.axis_chunks_iter_mut(Axis(0), lane).into_par_iter();
        lanes.zip(normalised.axis_chunks_iter_mut(Axis(0), lane)).for_each(|(mut x, mut n)| {
            let (x, n) = (contiguous(&mut x), contiguous(&mut n));
            for (x, n) in x.chunks_exact_mut(c).zip(n.chunks_exact_mut(c)) {
                for i in 0..c {
                    n[i] = (x[i] - mean[i]) * inverse[i];
                    x[i] = gamma[i] * n[i] + beta[i];
                }
            }
        });
    }

    /// Replaces `dy` by `dx`, and adds to `d_gamma` and `d_beta` if they are wanted.
    ///
    /// With `n` the normalised input and means taken over the batch:
    /// `dx = gamma/√(var + ε) · (dy − mean(dy) − n · mean(dy·n))`.
    pub fn backward(&mut self, gamma: &[f32], grads: Option<(&mut [f32], &mut [f32])>, mut dy: ArrayViewMut2<'_, f32>) {
        let c = self.channels;
        let count = (dy.len() / c) as f64;
        let [sum_dy, sum_dy_n] = &mut self.sums;
        let sum_dy = sum_dy.of_channels(dy.view(), c);
        let sum_dy_n = sum_dy_n.of(dy.view(), self.normalised.view(), c, |sums, dy, n| {
            for ((s, dy), n) in sums.iter_mut().zip(dy).zip(n) {
                *s += dy * n;
            }
        });
        if let Some((d_gamma, d_beta)) = grads {
            for i in 0..c {
                d_gamma[i] += sum_dy_n[i] as f32;
                d_beta[i] += sum_dy[i] as f32;
            }
        }
        let scale: Vec<f32> = (0..c).map(|i| gamma[i] / (self.variance[i] + EPSILON).sqrt()).collect();
        let mean_dy: Vec<f32> = sum_dy.iter().map(|s| (s / count) as f32).collect();
        let mean_dy_n: Vec<f32> = sum_dy_n.iter().map(|s| (s / count) as f32).collect();
        let lane = lane_len(dy.nrows());
        let lanes = dy.axis_chunks_iter_mut(Axis(0), lane).into_par_iter();
        lanes.zip(self.normalised.axis_chunks_iter_mut(Axis(0), lane)).for_each(|(mut dy, mut n)| {
            for (dy, n) in contiguous(&mut dy).chunks_exact_mut(c).zip(contiguous(&mut n).chunks_exact(c)) {
                for i in 0..c {
                    dy[i] = scale[i] * (dy[i] - mean_dy[i] - n[i] * mean_dy_n[i]);
                }
            }
        });
    }
}

/// Scratch memory of sums over a batch.
#[derive(Debug, Default)]
pub struct Sums {
    /// Of every picture, one a channel.
    pictures: Vec<f32>,
    /// Of all.
    totals: Vec<f64>,
}

impl Sums {
    /// Sum of each channel over the batch.
    pub fn of_channels(&mut self, a: ArrayView2<'_, f32>, channels: usize) -> &[f64] {
        self.of(a, a, channels, |sums, a, _| sums.iter_mut().zip(a).for_each(|(s, a)| *s += a))
    }

    /// Sums over the batch, per channel: f32 within a picture, f64 across. `add` adds one place
    /// of `a` and `b`.
    fn of(
        &mut self,
        a: ArrayView2<'_, f32>,
        b: ArrayView2<'_, f32>,
        channels: usize,
        add: impl Fn(&mut [f32], &[f32], &[f32]) + Sync,
    ) -> &[f64] {
        self.pictures.clear();
        self.pictures.resize(a.nrows() * channels, 0.0);
        self.pictures.par_chunks_exact_mut(channels).enumerate().for_each(|(i, sums)| {
            let (a, b) = (a.row(i), b.row(i));
            let (a, b) = (a.to_slice().expect("a batch is contiguous"), b.to_slice().expect("a batch is contiguous"));
            for (a, b) in a.chunks_exact(channels).zip(b.chunks_exact(channels)) {
                add(sums, a, b);
            }
        });
        self.totals.clear();
        self.totals.resize(channels, 0.0);
        for sums in self.pictures.chunks_exact(channels) {
            self.totals.iter_mut().zip(sums).for_each(|(total, &sum)| *total += f64::from(sum));
        }
        &self.totals
    }
}

fn contiguous<'a>(view: &'a mut ArrayViewMut2<'_, f32>) -> &'a mut [f32] {
    view.as_slice_mut().expect("a batch is contiguous")
}
