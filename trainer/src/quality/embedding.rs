//! A convolutional network with fixed random weights that extracts features from pictures.
//!
//! Random filters followed by a rectifier respond to much of the texture that trained filters respond to
//! (Ustyuzhaninov et al. 2016, arXiv:1606.00021; for distances between sets, Naeem et al.
//! 2020, section 5). Every channel is normalised over the real pictures before its
//! rectifier, so that it is active for some of the data and inactive for the rest. Half of the
//! filters of a layer sum to 0 and so ignore the mean over their window: natural pictures have most
//! of their power in low frequencies, which would otherwise hide fine detail.

use anyhow::{Context as _, Result};
use gen_core::spec::{Activation, Geometry, LayerSpec, Op, Padding, Shape};
use ndarray::{Array1, Array2, ArrayView2, ArrayView4, Axis, s};
use rayon::prelude::*;

use super::evenly;
use crate::nn::init::{Init, rng};
use crate::nn::linear::{Kernels, Linear};

/// Output channels and stride of every layer, and whether its maps are features.
const LAYERS: [(u16, u8, bool); 5] = [(24, 1, true), (32, 2, false), (32, 1, true), (48, 2, false), (64, 1, true)];
const SEED: u64 = 0x0000_F206_5EED;
/// Slope of the activation for negative values.
const SLOPE: f32 = 0.2;
/// Number of real pictures over which channels are normalised.
const NORMALISED: usize = 512;
/// Pictures in a batch.
const BATCH: usize = 128;
/// Added to standard deviations, to avoid division by 0 for a constant channel.
const LEAST_SPREAD: f32 = 1e-6;

/// The network. Features are in units of their standard deviation over the real pictures.
#[derive(Debug)]
pub struct Embedding {
    layers: Vec<Layer>,
    mean: Array1<f32>,
    spread: Array1<f32>,
}

#[derive(Debug)]
struct Layer {
    spec: LayerSpec,
    geometry: Geometry,
    /// `[(ky, kx, in), out]`.
    weights: Array2<f32>,
    bias: Vec<f32>,
    is_seen: bool,
}

impl Embedding {
    /// The network for pictures of this size, normalised over these pictures, `[N, height, width, channels]`.
    ///
    /// # Errors
    /// When the pictures are too small.
    pub fn new(pictures: ArrayView4<'_, u8>) -> Result<Self> {
        let (_, height, width, channels) = pictures.dim();
        let length = |n| u16::try_from(n).context("the pictures are too large");
        let mut x = values(evenly(pictures, NORMALISED).view());
        let mut shape = Shape::new(length(height)?, length(width)?, length(channels)?);
        let mut layers = Vec::new();
        for (i, (channels, stride, is_seen)) in LAYERS.into_iter().enumerate() {
            let op = Op::Conv { channels, kernel: 3, stride, padding: Padding::Same };
            let spec = LayerSpec { op, activation: Activation::LeakyRelu(SLOPE) };
            let geometry = spec.geometry(shape).context("the pictures are too small")?;
            let mut layer = Layer { spec, geometry, weights: filters(op, &geometry, i), bias: Vec::new(), is_seen };
            layer.normalise(x.view());
            x = layer.forward(x.view(), layer.spec.activation);
            shape = geometry.output;
            layers.push(layer);
        }
        let mut embedding = Self { layers, mean: Array1::zeros(0), spread: Array1::zeros(0) };
        let raw = embedding.raw(pictures).mapv(f64::from);
        embedding.mean = raw.mean_axis(Axis(0)).context("there are no pictures")?.mapv(|v| v as f32);
        embedding.spread = raw.std_axis(Axis(0), 0.0).mapv(|v| v as f32 + LEAST_SPREAD);
        Ok(embedding)
    }

    /// The features of pictures: mean and standard deviation over all positions of every feature channel, in units
    /// of their standard deviation over the real pictures; `[N, features]`.
    pub fn features(&self, pictures: ArrayView4<'_, u8>) -> Array2<f32> {
        let mut features = self.raw(pictures);
        features.axis_iter_mut(Axis(0)).for_each(|mut row| {
            row -= &self.mean;
            row /= &self.spread;
        });
        features
    }

    fn raw(&self, pictures: ArrayView4<'_, u8>) -> Array2<f32> {
        let seen = self.layers.iter().filter(|layer| layer.is_seen);
        let width: usize = seen.map(|layer| 2 * usize::from(layer.geometry.output.channels)).sum();
        let mut features = Array2::zeros((pictures.dim().0, width));
        for (pictures, mut features) in
            pictures.axis_chunks_iter(Axis(0), BATCH).zip(features.axis_chunks_iter_mut(Axis(0), BATCH))
        {
            let mut x = values(pictures);
            let mut first = 0;
            for layer in &self.layers {
                x = layer.forward(x.view(), layer.spec.activation);
                if layer.is_seen {
                    let channels = usize::from(layer.geometry.output.channels);
                    let mut part = features.slice_mut(s![.., first..first + 2 * channels]);
                    let rows = part.axis_iter_mut(Axis(0)).into_par_iter().zip(x.axis_iter(Axis(0)).into_par_iter());
                    rows.for_each(|(mut to, from)| {
                        let (mean, spread) = statistics(from.to_slice().unwrap_or_default(), channels);
                        to.slice_mut(s![..channels]).assign(&Array1::from(mean));
                        to.slice_mut(s![channels..]).assign(&Array1::from(spread));
                    });
                    first += 2 * channels;
                }
            }
        }
        features
    }
}

impl Layer {
    fn forward(&self, x: ArrayView2<'_, f32>, activation: Activation) -> Array2<f32> {
        let mut y = Array2::zeros((x.nrows(), self.geometry.output.len()));
        let mut linear = Linear::new(&self.spec, self.geometry, Kernels::Direct);
        let weights = self.weights.as_slice().unwrap_or_default();
        linear.forward_activated(weights.into(), &self.bias, activation, x, y.view_mut());
        y
    }

    /// Scales the layer's weights so that every channel has mean 0 and standard deviation 1 over these inputs.
    fn normalise(&mut self, x: ArrayView2<'_, f32>) {
        let channels = usize::from(self.geometry.output.channels);
        self.bias = vec![0.0; channels];
        let y = self.forward(x, Activation::Linear);
        let (mean, spread) = statistics(y.as_slice().unwrap_or_default(), channels);
        for (c, mut column) in self.weights.columns_mut().into_iter().enumerate() {
            let scale = 1.0 / (spread[c] + LEAST_SPREAD);
            column *= scale;
            self.bias[c] = -mean[c] * scale;
        }
    }
}

/// Random filters; `[(ky, kx, in), out]`. Every second one sums to 0 over its window,
/// for each input channel.
fn filters(op: Op, geometry: &Geometry, layer: usize) -> Array2<f32> {
    let (inputs, outputs) = (usize::from(geometry.input.channels), usize::from(geometry.output.channels));
    let mut weights = vec![0.0; geometry.weight_count()];
    Init::Normal(1.0).weights(op, geometry, &mut rng(SEED, layer as u64, 0), &mut weights);
    let taps = weights.len() / (inputs * outputs);
    for input in 0..inputs {
        for output in (0..outputs).filter(|o| o % 2 == 1) {
            let at = |tap: usize| (tap * inputs + input) * outputs + output;
            let mean = (0..taps).map(|tap| weights[at(tap)]).sum::<f32>() / taps as f32;
            (0..taps).for_each(|tap| weights[at(tap)] -= mean);
        }
    }
    Array2::from_shape_vec((taps * inputs, outputs), weights).unwrap_or_default()
}

/// Pixel values scaled to −1 … 1, one picture a row.
fn values(pictures: ArrayView4<'_, u8>) -> Array2<f32> {
    let (n, height, width, channels) = pictures.dim();
    let values: Vec<f32> = pictures.iter().map(|&v| f32::from(v) / 127.5 - 1.0).collect();
    Array2::from_shape_vec((n, height * width * channels), values).unwrap_or_default()
}

/// Mean and standard deviation of every channel of a map `[positions, channels]`.
fn statistics(map: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let places = (map.len() / channels).max(1) as f64;
    // Rows are summed in single precision, groups of rows in double: fast, and accurate enough.
    let mut sums = vec![0f64; channels];
    let mut squares = vec![0f64; channels];
    let (mut sum, mut square) = (vec![0f32; channels], vec![0f32; channels]);
    for group in map.chunks(32 * channels) {
        sum.fill(0.0);
        square.fill(0.0);
        for row in group.chunks_exact(channels) {
            for ((s, q), &v) in sum.iter_mut().zip(&mut square).zip(row) {
                *s += v;
                *q += v * v;
            }
        }
        sums.iter_mut().zip(&sum).for_each(|(all, &part)| *all += f64::from(part));
        squares.iter_mut().zip(&square).for_each(|(all, &part)| *all += f64::from(part));
    }
    let mean: Vec<f64> = sums.iter().map(|s| s / places).collect();
    let spread = squares.iter().zip(&mean).map(|(q, m)| (q / places - m * m).max(0.0).sqrt() as f32);
    (mean.iter().map(|&m| m as f32).collect(), spread.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::blobs;

    #[test]
    fn statistics_are_those_of_the_definition() {
        let map = [1.0, 10.0, 3.0, 10.0, 5.0, 10.0];
        let (mean, spread) = statistics(&map, 2);
        assert_eq!(mean, [3.0, 10.0]);
        assert!((spread[0] - (8.0f32 / 3.0).sqrt()).abs() < 1e-6 && spread[1] == 0.0, "{spread:?}");
    }

    #[test]
    fn features_of_the_real_pictures_have_mean_0_and_spread_1() {
        let real = blobs(1, 200, 12);
        let features = Embedding::new(real.view()).unwrap().features(real.view());
        assert_eq!(features.dim(), (200, 240));
        for column in features.columns() {
            let mean = column.mean().unwrap();
            assert!(mean.abs() < 1e-3 && (column.std(0.0) - 1.0).abs() < 1e-2, "{mean} {}", column.std(0.0));
        }
    }

    #[test]
    fn a_picture_has_the_same_features_in_any_company() {
        let real = blobs(1, 150, 8);
        let embedding = Embedding::new(real.view()).unwrap();
        let all = embedding.features(real.view());
        let some = embedding.features(real.slice(s![140.., .., .., ..]));
        let worst = (&all.slice(s![140.., ..]) - &some).mapv(f32::abs).fold(0.0f32, |a, &b| a.max(b));
        assert!(worst < 1e-3, "{worst}");
    }

    #[test]
    fn grey_pictures_are_no_reason_to_divide_by_0() {
        let grey = ndarray::Array4::from_elem((10, 8, 8, 3), 128);
        let features = Embedding::new(grey.view()).unwrap().features(grey.view());
        assert!(features.iter().all(|v| v.is_finite()));
    }
}
