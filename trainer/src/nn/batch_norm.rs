//! Batch normalisation over pictures and pixels, one mean and variance a channel
//! (Ioffe & Szegedy 2015, arXiv:1502.03167).
//!
//! There are no running statistics: a generator's are measured when it is folded
//! into convolutions for use (see `quantise::fold`), and a discriminator is only
//! ever used in training.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Zip};
use rayon::prelude::*;

use super::lane_len;

/// Added to the variance, as in PyTorch.
pub const EPSILON: f32 = 1e-5;

/// Scratch memory of a normalisation over `channels`.
#[derive(Debug)]
pub struct BatchNorm {
    channels: usize,
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
        Self { channels, normalised: Array2::zeros((0, 0)), mean: Vec::new(), variance: Vec::new() }
    }

    /// Replaces `x` by `gamma · (x − mean) / √(variance + ε) + beta`.
    pub fn forward(&mut self, gamma: &[f32], beta: &[f32], mut x: ArrayViewMut2<'_, f32>) {
        let c = self.channels;
        let count = (x.len() / c) as f64;
        // Twice over the data: the difference of large squares would lose digits.
        let mean: Vec<f32> = channel_sums(x.view(), c).iter().map(|s| (s / count) as f32).collect();
        let variance: Vec<f32> = sums_with(x.view(), x.view(), c, &mean, |s, x, _, m| *s += (x - m) * (x - m))
            .iter()
            .map(|s| (s / count) as f32)
            .collect();
        let inverse: Vec<f32> = variance.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();

        if self.normalised.dim() != x.dim() {
            self.normalised = Array2::zeros(x.dim());
        }
        let lane = lane_len(x.nrows());
        let lanes = x.axis_chunks_iter_mut(Axis(0), lane).into_par_iter();
        lanes.zip(self.normalised.axis_chunks_iter_mut(Axis(0), lane)).for_each(|(mut x, mut n)| {
            let (x, n) = (contiguous(&mut x), contiguous(&mut n));
            for (x, n) in x.chunks_exact_mut(c).zip(n.chunks_exact_mut(c)) {
                for i in 0..c {
                    n[i] = (x[i] - mean[i]) * inverse[i];
                    x[i] = gamma[i] * n[i] + beta[i];
                }
            }
        });
        (self.mean, self.variance) = (mean, variance);
    }

    /// Replaces `dy` by `dx`, and adds to `d_gamma` and `d_beta` if they are wanted.
    ///
    /// With `n` the normalised input and means taken over the batch:
    /// `dx = gamma/√(var + ε) · (dy − mean(dy) − n · mean(dy·n))`.
    pub fn backward(&mut self, gamma: &[f32], grads: Option<(&mut [f32], &mut [f32])>, mut dy: ArrayViewMut2<'_, f32>) {
        let c = self.channels;
        let count = (dy.len() / c) as f64;
        let sum_dy = sums(dy.view(), self.normalised.view(), c, |s, dy, _, _| *s += dy);
        let sum_dy_n = sums(dy.view(), self.normalised.view(), c, |s, dy, n, _| *s += dy * n);
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

/// Sum of each channel over the batch.
pub fn channel_sums(a: ArrayView2<'_, f32>, channels: usize) -> Vec<f64> {
    sums(a, a, channels, |s, a, _, _| *s += a)
}

/// Sums `f` over the batch, per channel: f32 within a picture, f64 across.
fn sums(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    channels: usize,
    f: impl Fn(&mut f32, f32, f32, f32) + Sync,
) -> Vec<f64> {
    sums_with(a, b, channels, &vec![0.0; channels], f)
}

/// [`sums`] with one more number a channel.
fn sums_with(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    channels: usize,
    per_channel: &[f32],
    f: impl Fn(&mut f32, f32, f32, f32) + Sync,
) -> Vec<f64> {
    let mut pictures = Array2::<f32>::zeros((a.nrows(), channels));
    Zip::from(pictures.rows_mut()).and(a.rows()).and(b.rows()).par_for_each(|mut sums, a, b| {
        let sums = sums.as_slice_mut().expect("rows are contiguous");
        let (a, b) = (a.to_slice().expect("a batch is contiguous"), b.to_slice().expect("a batch is contiguous"));
        for (a, b) in a.chunks_exact(channels).zip(b.chunks_exact(channels)) {
            for i in 0..channels {
                f(&mut sums[i], a[i], b[i], per_channel[i]);
            }
        }
    });
    pictures.columns().into_iter().map(|column| column.iter().map(|&s| f64::from(s)).sum()).collect()
}

fn contiguous<'a>(view: &'a mut ArrayViewMut2<'_, f32>) -> &'a mut [f32] {
    view.as_slice_mut().expect("a batch is contiguous")
}
