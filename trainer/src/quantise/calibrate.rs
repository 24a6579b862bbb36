//! Post-training quantisation: from a float generator to integers.
//!
//! * First, channels are [equalised](super::equalise): all of a layer share one scale.
//! * Weights: int8, symmetric, one scale for each output channel.
//! * Activations: int8 with a zero point, one scale a layer. The range is measured on
//!   a fixed batch of latents, then narrowed as far as that lowers the squared error:
//!   clipping a few outliers buys finer steps for everything else.
//!   Tried on trained `pocket` generators and left out: scales of weights that clip,
//!   chosen by the error of the outputs (±0.0 dB), biases corrected by the mean error
//!   of each output (−0.1 … 0.0 dB), and ranges chosen by the error of the pictures over
//!   64 latents (−1 … −3 dB over others: what is rare is clipped).
//! * Multipliers: 2³² · scale_in · scale_weight / scale_out, see [`gen_core::fixed`].

use anyhow::{Context as _, Result, ensure};
use gen_core::fixed::{Requant, TANH_STEPS, TANH_UNIT_STEPS};
use gen_core::latent;
use gen_core::spec::{Activation, Form};
use ndarray::Array2;

use super::equalise::equalise;
use super::fold::{FloatLayer, FloatModel, affordable, latents};
use super::model::{QuantLayer, QuantModel};

/// Latents on which the ranges are measured; fewer for a large generator.
const CALIBRATED: u32 = 512;

/// Quantises a float generator.
///
/// # Errors
/// When a layer's numbers cannot be brought to integers; the message says which.
pub fn quantise(model: &FloatModel) -> Result<QuantModel> {
    calibrate(model.clone()).map(|(_, quantised)| quantised)
}

/// The same, with the float generator that the integers stand for: the given one with
/// its channels equalised, the same function.
///
/// # Errors
/// As [`quantise`].
pub fn calibrate(mut model: FloatModel) -> Result<(FloatModel, QuantModel)> {
    let count = affordable(model.macs(), CALIBRATED);
    let mut maps = model.activations(latents(0x5000_0000, count, model.latent).view());
    for (i, map) in maps.iter_mut().enumerate() {
        equalise(&mut model, i, map);
    }
    let mut layers = Vec::new();
    let mut scale_in = latent::SCALE;
    for (i, (layer, map)) in model.layers.iter().zip(&maps).enumerate() {
        let quantised = quantise_layer(layer, scale_in, map).with_context(|| format!("layer {i}"))?;
        scale_in = quantised.scale;
        layers.push(quantised);
    }
    let quantised = QuantModel { name: model.name.clone(), latent: model.latent, layers };
    Ok((model, quantised))
}

fn quantise_layer(layer: &FloatLayer, scale_in: f32, map: &Array2<f32>) -> Result<QuantLayer> {
    ensure!(map.iter().all(|v| v.is_finite()), "its output is not finite: training diverged");
    let channels = layer.geometry.output.channels as usize;

    // Scales of weights, and of the accumulator of each channel.
    let mut largest = vec![0f32; channels];
    for (i, column) in layer.weights.columns().into_iter().enumerate() {
        // In every layout the output channel varies fastest along a row.
        let channel = &mut largest[i % channels];
        *channel = column.iter().fold(*channel, |m, w| m.max(w.abs()));
    }
    // A channel whose weights are all but 0 must still be able to hold its bias.
    let mut largest_bias = vec![0f32; channels];
    for (i, b) in layer.biases.iter().enumerate() {
        largest_bias[i % channels] = largest_bias[i % channels].max(b.abs());
    }
    let scale_weight: Vec<f64> = largest
        .iter()
        .zip(&largest_bias)
        .map(|(&w, &b)| f64::from(w / 127.0).max(f64::from(b) / f64::from(scale_in) / 2f64.powi(24)).max(1e-20))
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

    let (scale, zero_point, slope) = match layer.spec.activation {
        // In steps of the argument of `gen_core::fixed::pixel`.
        Activation::Tanh => (1.0 / TANH_STEPS as f32, 0, 1.0),
        Activation::TanhUnit => (1.0 / TANH_UNIT_STEPS as f32, 0, 1.0),
        // σ(x) is read from the same table at x/2.
        Activation::Sigmoid => (2.0 / TANH_STEPS as f32, 0, 1.0),
        activation => {
            let (scale, zero_point) = range(map);
            let slope = match activation {
                Activation::Relu => 0.0,
                Activation::LeakyRelu(slope) => f64::from(slope),
                _ => 1.0,
            };
            // The two bounds of `gen_core::fixed`: multipliers below a half, and
            // accumulator times multiplier below 2^52. Only a layer that is all but
            // dead comes near; coarser steps lose nothing there.
            let finest = |(u, a): (&f64, &f64)| (2.01 * u).max(1.01 * u * a / 2f64.powi(20));
            let floor = unit.iter().zip(&most).map(finest).fold(0.0, f64::max);
            (scale.max(floor as f32), zero_point, slope)
        }
    };
    let multiplier = |real: f64| (real * 2f64.powi(32)).round();
    let mut requants = Vec::new();
    for (channel, u) in unit.iter().enumerate() {
        let positive = multiplier(u / f64::from(scale));
        ensure!(
            positive < 2f64.powi(31),
            "output channel {channel}: weights up to {} are too large for an output in steps of {scale}",
            largest[channel]
        );
        let negative = multiplier(slope * u / f64::from(scale));
        requants.push(Requant { positive: positive as i32, negative: negative as i32 });
    }
    Ok(QuantLayer {
        spec: layer.spec,
        form: Form::Direct,
        geometry: layer.geometry,
        weights,
        biases,
        requants,
        zero_point,
        scale,
    })
}

/// Scale and zero point with the least squared error on these values, finite ones.
///
/// The error of a candidate is taken over a histogram of all values, as in most calibrators of the
/// field. A sample would have to be random: values at even steps are those of a few channels, rows or
/// columns, since all the lengths of a map are powers of two or multiples of them.
fn range(map: &Array2<f32>) -> (f32, i8) {
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
    let candidates = (0..=24).map(|i| candidate(1.0 - 0.025 * i as f32));
    candidates.map(|c| (error(c), c)).min_by(|a, b| a.0.total_cmp(&b.0)).map_or((1.0, 0), |(_, c)| c)
}

/// How many values lie where.
struct Histogram {
    low: f32,
    width: f32,
    counts: Vec<u64>,
}

impl Histogram {
    /// Bins: 128 of them in a step of the widest range, so that where a value lies in its bin says
    /// next to nothing about its rounding error.
    const BINS: usize = 1 << 15;

    /// Of all values of `map`, which lie in `low` to `high`.
    fn new(map: &Array2<f32>, low: f32, high: f32) -> Self {
        let width = (high - low) / Self::BINS as f32;
        let mut counts = vec![0; Self::BINS];
        for &v in map {
            let bin = ((v - low) / width) as usize;
            counts[bin.min(Self::BINS - 1)] += 1;
        }
        Self { low, width, counts }
    }

    /// The middle of every bin that is not empty, and its number of values.
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
        let (scale, zero_point) = range(&map);
        assert_eq!(zero_point, -128);
        assert!((scale - 0.999 / 255.0).abs() < 0.001 * scale, "{scale}");
        map[(0, 0)] = 2.0;
        assert!(range(&map).0 < 1.8 / 255.0);
    }

    /// Squared error of every value, one by one.
    fn error(map: &Array2<f32>, (scale, zero_point): (f32, i8)) -> f64 {
        let zero = f32::from(zero_point);
        let squared = |v: &f32| f64::from(((v / scale + zero).round().clamp(-128.0, 127.0) - zero) * scale - v).powi(2);
        map.iter().map(squared).sum()
    }

    #[test]
    fn every_channel_row_and_column_has_a_say() {
        // A map [N, height, width, channels] as of a recipe, in which all but one channel, one column, one
        // row or one picture are small. Clipping to the small ones would spoil what is large.
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
            let found = error(&map, range(&map));
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
        let (scale, zero_point) = range(&map);
        assert!((-0.5 / scale + f32::from(zero_point)).abs() < 128.6 && zero_point < 0);
        assert_eq!(range(&Array2::zeros((3, 3))), (1.0, 0));
    }
}
