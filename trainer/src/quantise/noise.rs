//! Measures the quantisation noise of each layer.
//!
//! The engine's activations are compared with the float generator's, layer by layer.
//! The signal-to-noise ratio is `10 · log₁₀(Σ v² / Σ (v − v̂)²)` dB, where `v` is the float value and
//! `v̂` the integer value, converted to the float's units with one least-squares factor for each
//! channel. The factors are free because the next layer's weights can compensate for any factor
//! of a channel ([`equalise`](super::equalise)). The last layer is compared as pixels, without
//! such factors.

use std::fmt;

use anyhow::{Context as _, Result, ensure};
use gen_core::{Engine, Model, Shape};
use ndarray::{Array2, Array4, ArrayView2, Axis};
use rayon::prelude::*;

use super::compare::{Likeness, are_identical, likeness};
use super::fold::FloatModel;
use crate::classes::{ClassTable, latent_of};
use crate::config::Range;
use crate::latents::sample_budget;
use crate::pixels::to_pixel;

/// Number of latents that are compared; fewer for a large generator.
const COMPARED: u32 = 128;
/// Seed of the first of these latents. They are used for nothing else.
const FIRST: u32 = 0x6000_0000;

/// Quantisation noise of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// Layers, first to last.
    pub layers: Vec<LayerNoise>,
    /// Similarity of the int8 and the float pictures.
    pub pictures: Likeness,
    /// Number of latents.
    pub latents: u32,
    /// Whether the quantised model draws the same picture for all latents. The ratios then mean little.
    pub are_identical: bool,
}

/// Signal-to-noise ratios of one layer in dB; infinite if there is no noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerNoise {
    /// Shape of the output.
    pub shape: Shape,
    /// Ratio with the noise of all layers up to this one.
    pub total: f64,
    /// Ratio with the layer's own noise only: of its weights, its bias, and the rounding of its output. For
    /// this the float layer gets the same input as the integer layer.
    pub alone: f64,
}

/// Compares a model with the float generator that it was made from.
///
/// # Errors
/// When the two do not have the same layers.
pub fn measure(float: &FloatModel, model: &Model<'_>) -> Result<Noise> {
    // Each layer of the float generator is computed twice.
    let count = sample_budget(2 * float.macs(), COMPARED);
    let shapes = || model.layers().iter().map(|l| l.geometry);
    ensure!(
        float.latent == model.latent_len()
            && ClassTable::of(model) == float.classes
            && shapes().eq(float.layers.iter().map(|l| l.geometry)),
        "the model was not made from this generator: their layers differ"
    );
    let batch = float.input().range(FIRST, count);
    let signals = float.activations(batch.view());
    let steps = watch(model, count, origin(float.range))?;

    let mut layers = Vec::new();
    let mut input = batch;
    for (i, (layer, (signal, steps))) in float.layers.iter().zip(signals.iter().zip(&steps)).enumerate() {
        let given = layer.activated(input.view());
        let shape = layer.geometry.output;
        let (total, alone);
        if i + 1 < float.layers.len() {
            let values = fitted(signal.view(), steps.view(), shape.channels.into());
            total = ratio(signal.view(), values.view());
            alone = ratio(given.view(), fitted(given.view(), steps.view(), shape.channels.into()).view());
            // Values that the engine does not compute are not read by any later layer.
            input = values.mapv(|v| if v.is_nan() { 0.0 } else { v });
        } else {
            let levels = |map: &Array2<f32>| map.mapv(|v| level(v, float.range));
            total = ratio(levels(signal).view(), steps.view());
            alone = ratio(levels(&given).view(), steps.view());
        }
        layers.push(LayerNoise { shape, total, alone });
    }

    let (Some(drawn), Some(signal)) = (steps.last(), signals.last()) else { return Ok(Noise::of_nothing()) };
    let shape = model.output_shape();
    let dim = (count as usize, shape.height.into(), shape.width.into(), shape.channels.into());
    let pictures = |pixels: Vec<u8>| Array4::from_shape_vec(dim, pixels).context("a map has another shape");
    let ours = pictures(drawn.iter().map(|v| (v + origin(float.range)) as u8).collect())?;
    let theirs = pictures(signal.iter().map(|&v| to_pixel(v, float.range)).collect())?;
    let are_identical = are_identical(ours.view());
    Ok(Noise { layers, pictures: likeness(theirs.view(), ours.view()), latents: count, are_identical })
}

/// The pixel level that corresponds to the float value 0.
fn origin(range: Range) -> f32 {
    match range {
        Range::Symmetric => 127.5,
        Range::Unit => 0.0,
    }
}

/// Converts a float value to pixel levels, relative to the origin.
fn level(value: f32, range: Range) -> f32 {
    match range {
        Range::Symmetric => value * 127.5,
        Range::Unit => value * 255.0,
    }
}

/// The engine's activations: `q − zero point` of every layer, `[N, values]`, and pixel levels relative to
/// the origin for the last layer. Values that the engine does not compute, because no later layer reads
/// them, are NaN.
fn watch(model: &Model<'_>, count: u32, origin: f32) -> Result<Vec<Array2<f32>>> {
    let layers = model.layers();
    let last = layers.len().saturating_sub(1);
    let run = |seed: u32| {
        let mut maps: Vec<_> = layers.iter().map(|l| vec![f32::NAN; l.geometry.output.len()]).collect();
        let mut workspace = vec![0; model.workspace_len()];
        let mut tap = |layer: usize, y: usize, row: &[i8]| {
            let zero = f32::from(layers[layer].zero_point);
            let to = &mut maps[layer][y * row.len()..][..row.len()];
            for (to, &q) in to.iter_mut().zip(row) {
                *to = if layer == last { f32::from(q.cast_unsigned()) - origin } else { f32::from(q) - zero };
            }
        };
        let mut engine =
            Engine::new(model.clone(), &mut workspace).ok().context("the workspace has the model's own length")?;
        engine.generate_observed(&latent_of(model, seed), |_, _| {}, &mut tap);
        Ok(maps)
    };
    let pictures = (FIRST..FIRST + count).into_par_iter().map(run).collect::<Result<Vec<_>>>()?;
    let map = |i: usize| {
        let values = pictures.iter().flat_map(|maps| maps[i].iter().copied()).collect();
        Array2::from_shape_vec((count as usize, layers[i].geometry.output.len()), values).context("a map's own length")
    };
    (0..layers.len()).map(map).collect()
}

/// `steps` times one factor for each channel that minimises the squared distance to `signal`. The factor is 0
/// for a channel whose steps are all 0. Both are `[N, values]`.
fn fitted(signal: ArrayView2<'_, f32>, steps: ArrayView2<'_, f32>, channels: usize) -> Array2<f32> {
    let mut sums = vec![(0f64, 0f64); channels];
    for (signal, steps) in signal.rows().into_iter().zip(steps.rows()) {
        for (i, (&v, &q)) in signal.iter().zip(steps).enumerate().filter(|(_, (_, q))| !q.is_nan()) {
            let (vq, qq) = &mut sums[i % channels];
            *vq += f64::from(v) * f64::from(q);
            *qq += f64::from(q) * f64::from(q);
        }
    }
    let factors: Vec<f32> = sums.iter().map(|&(vq, qq)| if qq > 0.0 { (vq / qq) as f32 } else { 0.0 }).collect();
    let mut values = steps.to_owned();
    for mut row in values.axis_iter_mut(Axis(0)) {
        row.iter_mut().zip(factors.iter().cycle()).for_each(|(v, f)| *v *= f);
    }
    values
}

/// Signal-to-noise ratio in dB, over the values that are not NaN.
fn ratio(signal: ArrayView2<'_, f32>, values: ArrayView2<'_, f32>) -> f64 {
    let (mut power, mut noise) = (0f64, 0f64);
    for (&v, &w) in signal.iter().zip(values).filter(|(v, w)| !v.is_nan() && !w.is_nan()) {
        power += f64::from(v).powi(2);
        noise += (f64::from(v) - f64::from(w)).powi(2);
    }
    if noise == 0.0 { f64::INFINITY } else { 10.0 * (power / noise).log10() }
}

impl Noise {
    fn of_nothing() -> Self {
        Self {
            layers: Vec::new(),
            pictures: Likeness { psnr: f64::INFINITY, ssim: 1.0 },
            latents: 0,
            are_identical: false,
        }
    }

    /// Describes the similarity of the pictures, and names the layer that adds the most noise.
    pub fn summary(&self) -> String {
        let loudest = self.loudest().map_or_else(String::new, |layer| format!("; layer {layer} loses most"));
        let alike = if self.are_identical { ", and all pictures are the same one" } else { "" };
        format!("{} over {} pictures{alike}{loudest}", self.pictures, self.latents)
    }

    /// The layer that adds the most noise of its own, if any does.
    pub fn loudest(&self) -> Option<usize> {
        let layers = self.layers.iter().enumerate().filter(|(_, layer)| layer.alone.is_finite());
        layers.min_by(|a, b| a.1.alone.total_cmp(&b.1.alone)).map(|(i, _)| i)
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>5}  {:<14} {:>9} {:>13}", "layer", "output", "SNR (dB)", "its own alone")?;
        for (i, l) in self.layers.iter().enumerate() {
            let ratio = |r: f64| if r.is_finite() { format!("{r:.1}") } else { "no loss".into() };
            writeln!(f, "{i:>5}  {:<14} {:>9} {:>13}", l.shape.to_string(), ratio(l.total), ratio(l.alone))?;
        }
        write!(f, "int8 against float: {}", self.summary())
    }
}

#[cfg(test)]
mod tests {
    use gen_core::aligned;
    use ndarray::array;

    use super::*;
    use crate::config::Config;
    use crate::nn::init::Init;
    use crate::quantise::quantise;
    use crate::train::Trainer;

    #[test]
    fn ratios_are_those_worked_out_by_hand() {
        let signal = array![[3.0, 4.0], [0.0, 5.0]];
        assert_eq!(ratio(signal.view(), signal.view()), f64::INFINITY);
        // A signal of 50 and noise of 0.5 give 20 dB. Values that were not computed do not count.
        let values = array![[3.5, 4.0], [0.0, 4.5]];
        assert!((ratio(signal.view(), values.view()) - 20.0).abs() < 1e-9);
        let with_hole = array![[3.5, 4.0], [f32::NAN, 4.5]];
        assert!((ratio(signal.view(), with_hole.view()) - 20.0).abs() < 1e-9);
    }

    #[test]
    fn factors_of_channels_are_no_noise() {
        let signal = array![[1.0, -2.0, 3.0, 0.5], [2.0, 1.0, -1.0, 0.25]];
        let steps = array![[10.0, -1.0, 30.0, 0.25], [20.0, 0.5, -10.0, 0.125]];
        let fit = fitted(signal.view(), steps.view(), 2);
        assert!(ratio(signal.view(), fit.view()) > 120.0);
        // With one channel, the least squares fit of (1, 0) by (1, 1) has the factor 1/2.
        let fit = fitted(array![[1.0], [0.0]].view(), array![[1.0], [1.0]].view(), 1);
        assert_eq!(fit, array![[0.5], [0.5]]);
    }

    #[test]
    fn noise_adds_up_along_the_layers_and_a_broken_layer_is_found() {
        // With smooth initial weights the untrained pictures would have hardly any signal.
        let config = Config { init: Init::Normal(0.02), ..Config::preset("pocket").unwrap() };
        let params = Trainer::new(config.clone()).unwrap().state.generator;
        let float = FloatModel::fold(&config, &params).unwrap();
        let mut quantised = quantise(&float).unwrap();
        let noise = |q: &crate::quantise::QuantModel| {
            measure(&float, &Model::parse(&aligned(q.to_blob().unwrap())).unwrap()).unwrap()
        };
        let well = noise(&quantised);
        assert_eq!(well.layers.len(), 5);
        // The first layer has only its own noise.
        assert!((well.layers[0].total - well.layers[0].alone).abs() < 0.1, "{well}");
        assert!(well.layers[..4].windows(2).all(|l| l[1].total < l[0].total), "{well}");
        assert!(well.layers[..4].iter().all(|l| l.alone > 35.0), "{well}");
        // Untrained pictures are nearly uniform grey, so an error of one level is large compared with the signal.
        assert!(well.layers[4].alone > 25.0, "{well}");

        quantised.layers[2].weights.mapv_inplace(|w| w / 16 * 16);
        let ill = noise(&quantised);
        assert_eq!(ill.loudest(), Some(2), "{ill}");
        assert_eq!(ill.layers[1], well.layers[1]);
        assert!(ill.pictures.psnr < well.pictures.psnr);
        assert!(ill.to_string().ends_with("layer 2 loses most"));

        // A generator with constant pictures has neither signal nor noise, so no ratio is a number.
        let mut constant = float.clone();
        for layer in &mut constant.layers {
            layer.weights.fill(0.0);
            layer.biases.fill(0.0);
        }
        let constant = FloatModel { latent: float.latent, ..constant };
        let blob = quantise(&constant).unwrap().to_blob().unwrap();
        let text = measure(&constant, &Model::parse(&blob).unwrap()).unwrap().to_string();
        assert!(text.contains("equal in every pixel") && text.contains("all pictures are the same one"), "{text}");
        assert!(!text.contains("inf") && !text.contains("NaN") && text.contains("no loss"), "{text}");
    }
}
