//! Batch normalisation over pictures and pixels, with one mean and variance for each channel (Ioffe & Szegedy 2015,
//! arXiv:1502.03167).
//!
//! There are no running statistics. Those of a generator are measured when its normalisation is folded into convolutions
//! (see the trainer's `quantise::fold`), and a discriminator is used only in training.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::channels::Channels;
use super::scratch::resize;

/// Added to the variance, as in PyTorch.
pub const EPSILON: f32 = 1e-5;

/// A batch normalisation over `channels`, with its scratch memory.
#[derive(Debug)]
pub struct BatchNorm {
    channels: usize,
    sums: Vec<f32>,
    /// The normalised input of the last forward pass.
    normalised: Array2<f32>,
    /// Mean of the last batch, per channel.
    pub mean: Vec<f32>,
    /// Variance of the last batch (divided by its size, not size − 1), per channel.
    pub variance: Vec<f32>,
    /// Whether the next batches are normalised with `mean` and `variance` as they are, as constants.
    pub held: bool,
}

impl BatchNorm {
    /// A normalisation of maps with this many channels.
    pub fn new(channels: usize) -> Self {
        let (mean, variance) = (vec![0.0; channels], vec![0.0; channels]);
        Self { channels, sums: Vec::new(), normalised: Array2::zeros((0, 0)), mean, variance, held: false }
    }

    /// Replaces `x` by `gamma · (x − mean) / √(variance + ε) + beta`, and multiplies negative results by `slope`.
    pub fn forward(&mut self, gamma: &[f32], beta: &[f32], slope: f32, x: ArrayViewMut2<'_, f32>) {
        let channels = Channels::of(self.channels, x.ncols());
        if !self.held {
            self.measure(&channels, x.view());
        }
        let mean = channels.repeat(self.mean.iter().copied());
        let inverse = channels.repeat(self.variance.iter().map(|v| 1.0 / (v + EPSILON).sqrt()));
        let (gamma, beta) = (channels.repeat(gamma.iter().copied()), channels.repeat(beta.iter().copied()));
        resize(&mut self.normalised, x.dim());
        let numbers: [&[f32]; 4] = [&mean, &inverse, &gamma, &beta];
        channels.change(x, self.normalised.view_mut(), numbers, move |x, n, [mean, inverse, gamma, beta]| {
            *n = (*x - mean) * inverse;
            let y = gamma * *n + beta;
            *x = if y > 0.0 { y } else { slope * y };
        });
    }

    /// Takes the mean and the variance of a batch.
    fn measure(&mut self, channels: &Channels, x: ArrayView2<'_, f32>) {
        let count = (x.len() / self.channels) as f64;
        let mean_of = |sums: Vec<f64>| -> Vec<f32> { sums.iter().map(|s| (s / count) as f32).collect() };
        // In two passes: a difference of large squares would lose digits.
        let none = channels.repeat(vec![0.0; self.channels]);
        let [sums] = channels.sums(x, x, &none, &mut self.sums, |x, _, _| [x]);
        self.mean = mean_of(sums);
        let mean = channels.repeat(self.mean.iter().copied());
        let [squares] = channels.sums(x, x, &mean, &mut self.sums, |x, _, mean| [(x - mean) * (x - mean)]);
        self.variance = mean_of(squares);
    }

    /// Replaces `dy` by `dx`, and adds the gradients to `d_gamma` and `d_beta` if they are given.
    ///
    /// With the normalised input `n`, and means over the batch:
    /// `dx = gamma/√(var + ε) · (dy − mean(dy) − n · mean(dy·n))`. With held statistics the two means are left out.
    pub fn backward(&mut self, gamma: &[f32], grads: Option<(&mut [f32], &mut [f32])>, dy: ArrayViewMut2<'_, f32>) {
        let channels = Channels::of(self.channels, dy.ncols());
        let count = (dy.len() / self.channels) as f64;
        let none = channels.repeat(vec![0.0; self.channels]);
        let [sum_dy, sum_dy_n] =
            channels.sums(dy.view(), self.normalised.view(), &none, &mut self.sums, |dy, n, _| [dy, dy * n]);
        if let Some((d_gamma, d_beta)) = grads {
            for i in 0..self.channels {
                d_gamma[i] += sum_dy_n[i] as f32;
                d_beta[i] += sum_dy[i] as f32;
            }
        }
        let scale = gamma.iter().zip(&self.variance).map(|(gamma, variance)| gamma / (variance + EPSILON).sqrt());
        let scale = channels.repeat(scale);
        let count = if self.held { f64::INFINITY } else { count };
        let mean = |sums: Vec<f64>| channels.repeat(sums.iter().map(|s| (s / count) as f32));
        let (mean_dy, mean_dy_n) = (mean(sum_dy), mean(sum_dy_n));
        let numbers: [&[f32]; 3] = [&scale, &mean_dy, &mean_dy_n];
        channels.change(dy, self.normalised.view_mut(), numbers, |dy, n, [scale, mean_dy, mean_dy_n]| {
            *dy = scale * (*dy - mean_dy - *n * mean_dy_n);
        });
    }
}
