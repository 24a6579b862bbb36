//! The way back: a float generator from the integers of a model, and the parameters of a recipe from a float generator.
//!
//! [`FloatModel::of_integers`] multiplies every integer by its scale. Its pictures differ from those of the integers only by
//! the rounding and the clamping of the hidden maps, which a float generator does not have.
//!
//! [`parameters`] is the inverse of [`FloatModel::fold`]: it finds weights, beta and gamma with which the layers of a recipe
//! compute the same pictures, so that training can continue. Normalisation was folded into the weights, and many parameters
//! fold into the same weights. The choice is made so that the network looks as it does in training: the sums before a
//! normalisation have variance 1 in every channel, and gamma is 1, as at the start of a run. A channel that was scaled for the
//! integers ([equalised](super::equalise)) is thereby scaled back.

use anyhow::{Context as _, Result, ensure};
use gen_core::Latent;
use gen_core::spec::{Activation, LayerSpec};
use ndarray::{Array2, ArrayView2};

use super::equalise::input_channel;
use super::fold::{FloatLayer, FloatModel, measured_inputs};
use super::model::QuantModel;
use crate::config::{Config, Range};
use crate::nn::batch_norm::EPSILON;

/// Largest factor of a channel. One that would need more is nearly constant.
const MAX_CHANNEL_SCALE: f64 = 64.0;

impl FloatModel {
    /// The float generator whose pictures are those of these integers, without rounding and clamping between the layers.
    pub fn of_integers(model: &QuantModel) -> Self {
        let mut scale_in = f64::from(Latent::SCALE);
        let mut layers = Vec::new();
        for layer in &model.layers {
            // The last layer has steps of the argument of its activation, whatever its scale says.
            let scale_out = f64::from(layer.spec.activation.argument_step().unwrap_or(layer.scale));
            let channels = layer.requants.len();
            // The real value of one step of each channel's accumulator, after requantisation.
            let unit: Vec<f64> =
                layer.requants.iter().map(|m| f64::from(m.positive) / 2f64.powi(32) * scale_out).collect();
            let mut weights = layer.weights.mapv(f32::from);
            for (i, mut column) in weights.columns_mut().into_iter().enumerate() {
                column *= (unit[i % channels] / scale_in) as f32;
            }
            let biases =
                layer.biases.iter().enumerate().map(|(i, &bias)| (f64::from(bias) * unit[i % channels]) as f32);
            layers.push(FloatLayer { spec: layer.spec, geometry: layer.geometry, weights, biases: biases.collect() });
            scale_in = scale_out;
        }
        let range = match model.layers.last().map(|layer| layer.spec.activation) {
            Some(Activation::Sigmoid | Activation::TanhUnit) => Range::Unit,
            _ => Range::Symmetric,
        };
        Self { name: model.name.clone(), latent: model.latent, classes: model.classes.clone(), range, layers }
    }
}

/// Parameters of the generator of `config` that draw the pictures of `model`.
///
/// Layers with batch normalisation get beta and gamma such that, with the mean and the variance of a large batch, they compute
/// the map of `model`. A dense layer has one beta for each channel where the model may have a bias for each output: it gets
/// their mean. [`latent_scale`](Config::latent_scale) is taken out of the first layer.
///
/// # Errors
/// When `model` does not have the layers, the latent or the classes of the generator of `config`.
pub fn parameters(config: &Config, model: &FloatModel) -> Result<Vec<f32>> {
    let (network, _) = config.networks()?;
    check(config, model).with_context(|| format!("the model is not one of the recipe {}", config.name))?;
    let mut layers = model.layers.clone();
    if let Some(first) = layers.first_mut() {
        for (row, mut weights) in first.weights.rows_mut().into_iter().enumerate() {
            // The class behind the latent is not scaled.
            if row % model.input().len() < model.latent {
                weights /= config.latent_scale;
            }
        }
    }
    let mut params = vec![0.0; network.parameter_count()];
    if let (Some(to), Some(classes)) = (network.classes(), &model.classes) {
        params[to.range.clone()].iter_mut().zip(classes.vectors()).for_each(|(to, from)| *to = from);
    }
    let mut maps = measured_inputs(&network, &model.input());
    for (i, block) in network.blocks().iter().enumerate() {
        let (done, next) = layers.split_at_mut(i + 1);
        let layer = &mut done[i];
        let mut shift = layer.biases.clone();
        if block.spec().norm.is_some() {
            let channels = usize::from(layer.geometry.output.channels);
            shift = mean_of_channels(&layer.biases, channels);
            layer.biases.iter_mut().enumerate().for_each(|(i, bias)| *bias = shift[i % channels]);
            let Statistics { mean, variance } = Statistics::of(layer.sums(maps.view()).view(), channels);
            // Only activations without a curve let a factor through to the next layer.
            let is_free = layer.spec.activation.negative_slope().is_some() && !next.is_empty();
            let factor = |v: &f64| if is_free && *v > 0.0 { v.sqrt().recip().min(MAX_CHANNEL_SCALE) } else { 1.0 };
            let factors: Vec<f64> = variance.iter().map(factor).collect();
            scale_channels(layer, next.first_mut(), &factors);
            let gamma = &mut params[block.gamma()];
            for channel in 0..channels {
                let factor = factors[channel];
                shift[channel] = ((f64::from(shift[channel]) + mean[channel]) * factor) as f32;
                gamma[channel] = (variance[channel] * factor * factor + f64::from(EPSILON)).sqrt() as f32;
            }
        }
        params[block.weights()].iter_mut().zip(&layer.weights).for_each(|(to, &from)| *to = from);
        params[block.bias_or_beta()].copy_from_slice(&shift);
        maps = layer.activated(maps.view());
    }
    Ok(params)
}

/// Checks that a model has the layers, the latent and the classes of a recipe.
fn check(config: &Config, model: &FloatModel) -> Result<()> {
    let parameters = model.layers.iter().map(|layer| (layer.weights.clone(), layer.biases.clone()));
    let ours = FloatModel::new(config, model.classes.clone(), parameters.collect())?;
    ensure!(ours.latent == model.latent, "a latent of {} values, the recipe has {}", model.latent, ours.latent);
    for (i, (ours, theirs)) in ours.layers.iter().zip(&model.layers).enumerate() {
        let words = |layer: &FloatLayer| format!("{:?} of {}", layer.spec, layer.geometry.input);
        ensure!(
            (ours.spec, ours.geometry) == (theirs.spec, theirs.geometry),
            "layer {i}: {}, the recipe has {}",
            words(theirs),
            words(ours)
        );
    }
    Ok(())
}

/// Scales the outputs of a layer, and the weights of the next one that read them the other way.
fn scale_channels(layer: &mut FloatLayer, next: Option<&mut FloatLayer>, factors: &[f64]) {
    // In every layout the output channel varies fastest along a row.
    for (i, mut column) in layer.weights.columns_mut().into_iter().enumerate() {
        column *= factors[i % factors.len()] as f32;
    }
    layer.biases.iter_mut().enumerate().for_each(|(i, bias)| *bias *= factors[i % factors.len()] as f32);
    if let Some(next) = next {
        for (row, mut weights) in next.weights.rows_mut().into_iter().enumerate() {
            weights /= factors[input_channel(row, &next.geometry)] as f32;
        }
    }
}

fn mean_of_channels(values: &[f32], channels: usize) -> Vec<f32> {
    let mut sums = vec![0f64; channels];
    values.iter().enumerate().for_each(|(i, &value)| sums[i % channels] += f64::from(value));
    let count = (values.len() / channels) as f64;
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}

/// Mean and variance of each channel of a map.
struct Statistics {
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl Statistics {
    /// Those of a map `[N, (y, x, channel)]`.
    fn of(map: ArrayView2<'_, f32>, channels: usize) -> Self {
        let count = (map.len() / channels) as f64;
        let means = |value: &dyn Fn(f64, usize) -> f64| {
            let mut sums = vec![0f64; channels];
            for row in map.rows() {
                row.iter().enumerate().for_each(|(i, &v)| sums[i % channels] += value(f64::from(v), i % channels));
            }
            sums.into_iter().map(|sum| sum / count).collect::<Vec<_>>()
        };
        let mean = means(&|value, _| value);
        let variance = means(&|value, channel| (value - mean[channel]).powi(2));
        Self { mean, variance }
    }
}

impl FloatLayer {
    /// The sums of the layer for a batch of inputs, without bias and activation; both are `[N, values]`.
    fn sums(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let spec = LayerSpec { activation: Activation::Linear, ..self.spec };
        Self { spec, biases: vec![0.0; self.biases.len()], ..self.clone() }.activated(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantise::calibrate::{calibrate, quantise};
    use crate::quantise::compare::likeness;
    use crate::train::Trainer;

    /// A generator of the preset `pocket` with parameters unlike the initial ones.
    fn generator(config: &Config) -> FloatModel {
        let mut params = Trainer::new(config.clone()).unwrap().state.generator;
        for (i, p) in params.iter_mut().enumerate() {
            *p += 0.1 * ((i * 7919) % 13) as f32 / 13.0 - 0.05;
        }
        FloatModel::fold(config, &params).unwrap()
    }

    fn configs() -> [Config; 2] {
        let pocket = Config::preset("pocket").unwrap();
        let class_names = ["cat", "dog", "owl"].map(str::to_owned).to_vec();
        [pocket.clone(), Config { class_names, ..pocket }]
    }

    #[test]
    fn integers_give_back_the_generator_that_they_were_made_from() {
        for config in configs() {
            let (float, model) = calibrate(generator(&config)).unwrap();
            let recovered = FloatModel::of_integers(&model);
            assert_eq!((recovered.latent, &recovered.classes), (float.latent, &float.classes));
            for (i, (ours, theirs)) in recovered.layers.iter().zip(&float.layers).enumerate() {
                assert_eq!((ours.spec, ours.geometry), (theirs.spec, theirs.geometry));
                let largest = theirs.weights.iter().fold(0f32, |most, w| most.max(w.abs()));
                let differs = |(a, b): (&f32, &f32)| (a - b).abs() > largest / 127.0;
                assert!(!ours.weights.iter().zip(&theirs.weights).any(differs), "layer {i}");
            }
        }
    }

    #[test]
    fn parameters_fold_into_the_generator_that_they_were_made_from() {
        for config in configs() {
            let float = FloatModel::of_integers(&quantise(&generator(&config)).unwrap());
            let params = parameters(&config, &float).unwrap();
            let folded = FloatModel::fold(&config, &params).unwrap();
            let batch = float.input().range(0, 32);
            let close = likeness(float.pictures(batch.view()).view(), folded.pictures(batch.view()).view());
            assert!(close.psnr > 60.0, "{close}");
            let (network, _) = config.networks().unwrap();
            for block in network.blocks() {
                assert!(params[block.gamma()].iter().all(|gamma| (gamma - 1.0).abs() < 1e-3));
            }
        }
    }

    #[test]
    fn a_model_of_another_recipe_is_refused() {
        let [config, conditional] = configs();
        let float = generator(&config);
        for (other, says) in [
            (Config::preset("pocket-tiny").unwrap(), "layer 0"),
            (conditional, "classes"),
            (Config::preset("pocket-64").unwrap(), "layers"),
        ] {
            let error = format!("{:#}", parameters(&other, &float).unwrap_err());
            assert!(error.contains("is not one of the recipe") && error.contains(says), "{error}");
        }
    }
}
