//! Post-training quantisation of a float generator.
//!
//! * First, channels are [equalised](super::equalise), because all channels of a layer share one scale.
//! * Weights: int8, symmetric, one scale for each output channel.
//! * Activations: int8 with a zero point, one scale for each layer. The range is measured on
//!   a fixed batch of latents, then narrowed as far as that lowers the squared error:
//!   clipping a few outliers makes the steps finer for all other values.
//!   Three methods were tried on trained `pocket` generators and not adopted: clipping the weights with
//!   scales chosen by the error of the outputs (±0.0 dB), correcting biases by the mean error
//!   of each output (−0.1 … 0.0 dB), and choosing ranges by the error of the pictures over
//!   64 latents (−1 … −3 dB over other latents, because rare values are clipped).
//! * Multipliers: 2³² · scale_in · scale_weight / scale_out, see [`gen_core::quant`]. In the last layer, whose
//!   scale_out is fixed, they can be too large: see [`Fit`].

use anyhow::{Context as _, Result, ensure};
use gen_core::Latent;
use gen_core::quant::Multiplier;
use gen_core::spec::WeightTransform;
use ndarray::{Array2, ArrayView2};

use super::equalise::{POWER, equalise};
use super::fold::{FloatLayer, FloatModel};
use super::model::{QuantLayer, QuantModel};
use crate::latents::sample_budget;

/// Number of latents on which the ranges are measured; fewer for a large generator.
const CALIBRATED: u32 = 512;

/// Limit of narrowing a range, in fortieths of the range.
const NARROWEST: u8 = 24;

/// Quantises a float generator.
///
/// # Errors
/// When a layer cannot be quantised; the message names it.
pub fn quantise(model: &FloatModel) -> Result<QuantModel> {
    calibrate(model.clone()).map(|(_, quantised)| quantised)
}

/// Like [`quantise`], and also returns the float generator with equalised channels, to which the integers
/// correspond layer by layer. It computes the same function as `model`.
///
/// # Errors
/// The errors of [`quantise`].
pub fn calibrate(model: FloatModel) -> Result<(FloatModel, QuantModel)> {
    calibrate_with(model, Choices::default())
}

/// Options of calibration, to measure the effect of each (`trainer/examples/int8_choices.rs`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choices {
    /// Exponent of the [equalisation](super::equalise), 0 (none) to 1.
    pub equalise: f32,
    /// Whether ranges are narrowed where that lowers the error. If not, no value is clipped.
    pub clip: bool,
}

impl Default for Choices {
    fn default() -> Self {
        Self { equalise: POWER, clip: true }
    }
}

/// Like [`calibrate`], with these options.
///
/// # Errors
/// The errors of [`quantise`].
pub fn calibrate_with(mut model: FloatModel, choices: Choices) -> Result<(FloatModel, QuantModel)> {
    let count = sample_budget(model.macs(), CALIBRATED);
    let latents = model.input().range(0x5000_0000, count);
    let mut maps = model.activations(latents.view());
    for (i, map) in maps.iter_mut().enumerate() {
        equalise(&mut model, i, map, choices.equalise);
    }
    let narrowest = if choices.clip { NARROWEST } else { 0 };
    let mut quantised = QuantModel {
        name: model.name.clone(),
        latent: model.latent,
        classes: model.classes.clone(),
        layers: Vec::new(),
    };
    let mut scale_in = Latent::SCALE;
    for (i, (layer, map)) in model.layers.iter().zip(&maps).enumerate() {
        let fit = Fit::none(layer);
        let (made, multipliers) =
            quantise_layer(layer, scale_in, map, &fit, narrowest).with_context(|| format!("layer {i}"))?;
        quantised.layers.push(made);
        // Only the last layer can have multipliers that are too large: hidden layers have chosen coarser steps.
        if i + 1 == model.layers.len() {
            let excess = quantised.excess(&multipliers);
            if excess.iter().any(|&e| e > 1.0) {
                let input = if i == 0 { latents.view() } else { maps[i - 1].view() };
                let fit = quantised.fit(layer, scale_in, input, map, &excess)?;
                quantised.layers[i] = quantise_layer(layer, scale_in, map, &fit, narrowest)?.0;
            }
        }
        scale_in = quantised.layers[i].scale;
    }
    Ok((model, quantised))
}

/// Reduces the weights of the last layer to a range that can be represented, for each output channel.
///
/// The output of the last layer is the argument of a tanh with fixed steps, and a multiplier has to be below a half.
/// Weights so large that one step of the accumulator is more than half a step of the output do not fit. The argument of
/// such a tanh is nearly always far outside of −4 … 4, where the device draws the same pixel. Two remedies are
/// possible: scale the whole argument down, or clip the largest weights. Both lower the contrast near the middle and
/// leave the saturated pixels as they are. Both are tried, and the one that changes the pictures less is used. Integers
/// without a limit would not draw a dense generator better: the sign of a sum near 0 would be wrong just as often.
#[derive(Debug, Clone)]
struct Fit {
    /// Largest allowed magnitude of the weights.
    clip: Vec<f32>,
    /// Factor of the argument.
    shrink: Vec<f64>,
}

impl Fit {
    /// Changes nothing.
    fn none(layer: &FloatLayer) -> Self {
        let channels = layer.geometry.output.channels as usize;
        Self { clip: vec![f32::INFINITY; channels], shrink: vec![1.0; channels] }
    }
}

impl QuantModel {
    /// The factor by which the multiplier of each output channel of the last layer so far is too large; at most 1 if
    /// it fits. `multipliers` are the multipliers before rounding to integers.
    fn excess(&self, multipliers: &[f64]) -> Vec<f64> {
        // The two bounds of `gen_core::quant`, with a margin for rounding.
        let most = |bound: i64| 0.499_999f64.min(0.999_999 * 2f64.powi(20) / bound.max(1) as f64);
        let bounds = self.accumulator_bounds(self.layers.len() - 1);
        // A multiplier that the exact check accepts needs no change, even if it is inside of the margin.
        let excess = |(&m, &bound): (&f64, &i64)| {
            let integer = (m * 2f64.powi(32)).round();
            let fits = integer < 2f64.powi(31) && integer * (bound as f64) < 2f64.powi(52);
            if fits { 1.0 } else { (m / most(bound)).max(1.0 + 1e-9) }
        };
        multipliers.iter().zip(&bounds).map(excess).collect()
    }

    /// The fit of the last layer that changes its pictures least, for the channels with an excess above 1.
    fn fit(
        &mut self,
        layer: &FloatLayer,
        scale_in: f32,
        input: ArrayView2<'_, f32>,
        map: &Array2<f32>,
        excess: &[f64],
    ) -> Result<Fit> {
        let channels = excess.len();
        let largest = largest_weights(layer);
        let mut best = Fit::none(layer);
        let mut least = vec![f64::INFINITY; channels];
        for part in (3..=10).rev().map(|tenths| tenths as f32 / 10.0) {
            let mut fit = Fit::none(layer);
            for (c, _) in excess.iter().enumerate().filter(|&(_, &e)| e > 1.0) {
                fit.clip[c] = part * largest[c];
            }
            let (made, multipliers) = quantise_layer(layer, scale_in, map, &fit, NARROWEST)?;
            self.layers.pop();
            self.layers.push(made);
            fit.shrink = self.excess(&multipliers).into_iter().map(|e| 1.0 / e).collect();
            let mut drawn = layer.clone();
            for (i, mut column) in drawn.weights.columns_mut().into_iter().enumerate() {
                let (clip, shrink) = (fit.clip[i % channels], fit.shrink[i % channels] as f32);
                column.mapv_inplace(|w| w.clamp(-clip, clip) * shrink);
            }
            drawn.biases.iter_mut().enumerate().for_each(|(i, b)| *b *= fit.shrink[i % channels] as f32);
            let mut error = vec![0f64; channels];
            for (drawn, exact) in drawn.activated(input).rows().into_iter().zip(map.rows()) {
                for (i, (drawn, exact)) in drawn.iter().zip(exact).enumerate() {
                    error[i % channels] += f64::from(drawn - exact).powi(2);
                }
            }
            for c in 0..channels {
                if error[c] < least[c] {
                    least[c] = error[c];
                    best.clip[c] = fit.clip[c];
                    best.shrink[c] = fit.shrink[c];
                }
            }
        }
        Ok(best)
    }
}

/// Largest magnitude of the weights of each output channel.
fn largest_weights(layer: &FloatLayer) -> Vec<f32> {
    let channels = layer.geometry.output.channels as usize;
    let mut largest = vec![0f32; channels];
    for (i, column) in layer.weights.columns().into_iter().enumerate() {
        // In every layout the output channel varies fastest along a row.
        let channel = &mut largest[i % channels];
        *channel = column.iter().fold(*channel, |m, w| m.max(w.abs()));
    }
    largest
}

/// Quantises a layer. Also returns its multipliers before rounding to integers, without the factor 2³²: only
/// those of the last layer can be too large.
fn quantise_layer(
    layer: &FloatLayer,
    scale_in: f32,
    map: &Array2<f32>,
    fit: &Fit,
    narrowest: u8,
) -> Result<(QuantLayer, Vec<f64>)> {
    ensure!(map.iter().all(|v| v.is_finite()), "its output is not finite: training diverged");
    let channels = layer.geometry.output.channels as usize;

    // Scales of weights, and of the accumulator of each channel.
    let largest = largest_weights(layer).into_iter().zip(&fit.clip).map(|(w, clip)| w.min(*clip));
    // A channel whose weights are nearly 0 must still be able to represent its bias.
    let mut largest_bias = vec![0f32; channels];
    for (i, b) in layer.biases.iter().enumerate() {
        largest_bias[i % channels] = largest_bias[i % channels].max(b.abs());
    }
    let scale_weight: Vec<f64> = largest
        .zip(&largest_bias)
        .map(|(w, &b)| f64::from(w / 127.0).max(f64::from(b) / f64::from(scale_in) / 2f64.powi(24)).max(1e-20))
        .collect();
    let mut weights = Array2::zeros(layer.weights.dim());
    for (i, (mut to, from)) in weights.columns_mut().into_iter().zip(layer.weights.columns()).enumerate() {
        let scale = scale_weight[i % channels];
        to.zip_mut_with(&from, |q, &w| *q = (f64::from(w) / scale).round().clamp(-127.0, 127.0) as i8);
    }
    let unit: Vec<f64> = scale_weight.iter().map(|s| s * f64::from(scale_in)).collect();
    let biases = layer.biases.iter().enumerate().map(|(i, &b)| (f64::from(b) / unit[i % channels]).round() as i32);
    let biases = biases.collect();

    // Upper bounds of the accumulators, whatever the zero point of the input.
    let mut most = vec![0f64; channels];
    for (i, column) in weights.columns().into_iter().enumerate() {
        most[i % channels] += column.iter().map(|q: &i8| 256.0 * f64::from(q.unsigned_abs())).sum::<f64>();
    }
    for (most, (b, u)) in most.iter_mut().zip(largest_bias.iter().zip(&unit)) {
        *most += f64::from(*b) / u;
    }

    let activation = layer.spec.activation;
    let (scale, zero_point, slope) = match activation.argument_step() {
        // The output of the last layer is in steps of the argument of `gen_core::quant::pixel`.
        Some(step) => (step, 0, 1.0),
        None => {
            let (scale, zero_point) = range(map, narrowest);
            let slope = activation.negative_slope().map_or(1.0, f64::from);
            // The two bounds of `gen_core::quant`: multipliers below a half, and
            // accumulator times multiplier below 2^52. Only a layer whose outputs are nearly
            // constant gets close to them, and coarser steps do it no harm.
            let finest = |(u, a): (&f64, &f64)| (2.01 * u).max(1.01 * u * a / 2f64.powi(20));
            let floor = unit.iter().zip(&most).map(finest).fold(0.0, f64::max);
            (scale.max(floor as f32), zero_point, slope)
        }
    };
    let multiplier = |real: f64| (real * 2f64.powi(32)).round();
    let mut requants = Vec::new();
    let mut multipliers = Vec::new();
    for (u, shrink) in unit.iter().zip(&fit.shrink) {
        // `as` saturates; a multiplier that saturates is reduced by a `Fit` later.
        let positive = multiplier(shrink * u / f64::from(scale));
        let negative = multiplier(shrink * slope * u / f64::from(scale));
        requants.push(Multiplier { positive: positive as i32, negative: negative as i32 });
        multipliers.push(shrink * u / f64::from(scale));
    }
    let quantised = QuantLayer {
        spec: layer.spec,
        transform: WeightTransform::None,
        geometry: layer.geometry,
        weights,
        biases,
        requants,
        zero_point,
        scale,
    };
    Ok((quantised, multipliers))
}

/// Scale and zero point with the least squared error on these values, which must be finite. The candidates are
/// ranges that are up to `narrowest` fortieths narrower than the range of the values.
///
/// The error of a candidate is computed over a histogram of all values, as in most calibrators. A sample at
/// even steps would contain only a few channels, rows or columns, because the lengths of a map are powers of
/// two or multiples of them.
fn range(map: &Array2<f32>, narrowest: u8) -> (f32, i8) {
    let (low, high) = map.iter().fold((0f32, 0f32), |(l, h), &v| (l.min(v), h.max(v)));
    if low == high {
        return (1.0, 0); // always 0
    }
    let histogram = Histogram::new(map, low, high);
    let candidate = |part: f32| {
        let scale = (high - low) * part / 255.0;
        (scale, (-128.0 - low * part / scale).round() as i8)
    };
    let error = |(scale, zero_point): (f32, i8)| -> f64 {
        let zero = f32::from(zero_point);
        let squared = |(v, count): (f32, u64)| {
            let q = (v / scale + zero).round().clamp(-128.0, 127.0);
            f64::from((q - zero) * scale - v).powi(2) * count as f64
        };
        histogram.bins().map(squared).sum()
    };
    let candidates = (0..=narrowest).map(|i| candidate(1.0 - 0.025 * f32::from(i)));
    candidates.map(|c| (error(c), c)).min_by(|a, b| a.0.total_cmp(&b.0)).map_or((1.0, 0), |(_, c)| c)
}

/// Histogram of the values of a feature map.
struct Histogram {
    low: f32,
    width: f32,
    counts: Vec<u64>,
}

impl Histogram {
    /// Number of bins: 128 for each step of the widest range, so that the position of a value in its bin
    /// hardly affects its rounding error.
    const BINS: usize = 1 << 15;

    /// The histogram of all values of `map`, which must be within `low` to `high`.
    fn new(map: &Array2<f32>, low: f32, high: f32) -> Self {
        let width = (high - low) / Self::BINS as f32;
        let mut counts = vec![0; Self::BINS];
        for &v in map {
            let bin = ((v - low) / width) as usize;
            counts[bin.min(Self::BINS - 1)] += 1;
        }
        Self { low, width, counts }
    }

    /// The middle and the number of values of every bin that is not empty.
    fn bins(&self) -> impl Iterator<Item = (f32, u64)> {
        let middle = |bin: usize| self.low + (bin as f32 + 0.5) * self.width;
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(move |(bin, &count)| (middle(bin), count))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn an_outlier_does_not_cost_everybody_else_their_steps() {
        let mut map = Array2::from_shape_fn((100, 1000), |(i, j)| (((i * 1000 + j) * 7919) % 1000) as f32 / 1000.0);
        let (scale, zero_point) = range(&map, NARROWEST);
        assert_eq!(zero_point, -128);
        assert!((scale - 0.999 / 255.0).abs() < 0.001 * scale, "{scale}");
        map[(0, 0)] = 2.0;
        assert!(range(&map, NARROWEST).0 < 1.8 / 255.0);
    }

    /// Sum of the squared errors, computed from every single value.
    fn error(map: &Array2<f32>, (scale, zero_point): (f32, i8)) -> f64 {
        let zero = f32::from(zero_point);
        let squared = |v: &f32| f64::from(((v / scale + zero).round().clamp(-128.0, 127.0) - zero) * scale - v).powi(2);
        map.iter().map(squared).sum()
    }

    #[test]
    fn every_channel_row_and_column_has_a_say() {
        // A map [N, height, width, channels] as in a recipe, with small values except in one channel, one column, one
        // row or one picture. A range chosen for the small values would clip the large ones.
        let (pictures, side, channels) = (64, 32, 24);
        for large in 0..4 {
            let map = Array2::from_shape_fn((pictures, side * side * channels), |(n, i)| {
                let place = [n, i / (side * channels), i / channels % side, i % channels][large];
                let small = ((n * 31 + i * 7919) % 1009) as f32 / 1009.0;
                if place == 5 { 10.0 * small } else { small }
            });
            let (low, high) = (0.0, map.iter().copied().fold(0.0, f32::max));
            let best = (0..=24).map(|i| error(&map, ((high - low) * (1.0 - 0.025 * i as f32) / 255.0, -128)));
            let best = best.fold(f64::INFINITY, f64::min);
            let found = error(&map, range(&map, NARROWEST));
            assert!(found < 1.01 * best, "{large}: {found} {best}");
        }
    }

    #[test]
    fn a_layer_that_is_all_but_dead_can_still_be_exported() {
        let config = crate::config::Config::preset("pocket").unwrap();
        let params = crate::train::Trainer::new(config.clone()).unwrap().state.generator;
        let mut model = FloatModel::fold(&config, &params).unwrap();
        for weight in &mut model.layers[2].weights {
            *weight *= 1e-12;
        }
        model.layers[2].biases.fill(0.0);
        quantise(&model).unwrap().to_blob().unwrap();
    }

    #[test]
    fn zero_stays_zero_on_both_sides() {
        let map = Array2::from_shape_fn((10, 100), |(i, j)| (i * 100 + j) as f32 / 500.0 - 0.5);
        let (scale, zero_point) = range(&map, NARROWEST);
        assert!((-0.5 / scale + f32::from(zero_point)).abs() < 128.6 && zero_point < 0);
        assert_eq!(range(&Array2::zeros((3, 3)), NARROWEST), (1.0, 0));
    }
}
