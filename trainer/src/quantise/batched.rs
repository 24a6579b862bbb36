//! Computes a quantised network for many latents at once, as matrix products in f32.
//!
//! [`Simulation`](super::Simulation) is for verification. This module is for searches and for
//! training, which need the integer results of hundreds of pictures in a fraction of a second.
//! Weights and values are integers that f32 represents exactly. So are their sums below 2²⁴, which
//! all but large layers stay below. The products are computed by the definition, without the
//! transforms of [`nn::fast`](crate::nn::fast), whose constants are fractions. Bias and
//! requantisation are computed in f64. A sum beyond 2²⁴ has a rounding error of about one part in
//! 10⁷, which changes a value by one step if it is that close to a rounding boundary.

use gen_core::quant;
use ndarray::{Array2, Array4, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::model::{QuantLayer, QuantModel};
use crate::nn::fast::Epilogue;
use crate::nn::lane_len;
use crate::nn::linear::{Kernels, Linear};

/// Results of one layer for a batch, `[N, values]` each.
#[derive(Debug, Clone, Default)]
pub struct Maps {
    /// Sums of products, without the bias, in steps of the accumulator.
    pub sums: Array2<f32>,
    /// `q − zero point` of the output; in the last layer the argument of
    /// [`quant::pixel`] in steps.
    pub steps: Array2<f32>,
}

/// Computes batches with models that have the same layers.
#[derive(Debug)]
pub struct Batched {
    layers: Vec<Linear>,
    weights: Vec<f32>,
}

impl Batched {
    /// Prepares for models with the layers of `model`.
    pub fn new(model: &QuantModel) -> Self {
        let linear = |l: &QuantLayer| Linear::new(&l.spec, l.geometry, Kernels::Direct);
        Self { layers: model.layers.iter().map(linear).collect(), weights: Vec::new() }
    }

    /// Computes layer `i` of `model` into `maps`. `input` is in steps, minus its zero point; `[N, values]`.
    pub fn layer(&mut self, model: &QuantModel, i: usize, input: ArrayView2<'_, f32>, maps: &mut Maps) {
        let layer = &model.layers[i];
        let dim = (input.nrows(), layer.geometry.output.len());
        for map in [&mut maps.sums, &mut maps.steps] {
            if map.dim() != dim {
                *map = Array2::zeros(dim);
            }
        }
        self.weights.clear();
        self.weights.extend(layer.weights.iter().map(|&w| f32::from(w)));
        self.layers[i].forward(self.weights[..].into(), input, maps.sums.view_mut(), Epilogue::Store);
        requantise(layer, i + 1 == model.layers.len(), maps.sums.view(), maps.steps.view_mut());
    }

    /// Computes all layers from layer `first` on; `inputs` is the input of layer `first`, `[N, values]`.
    pub fn run_from(&mut self, model: &QuantModel, first: usize, inputs: ArrayView2<'_, f32>) -> Vec<Maps> {
        let mut all: Vec<Maps> = Vec::new();
        for i in first..model.layers.len() {
            let mut maps = Maps::default();
            self.layer(model, i, all.last().map_or(inputs, |maps| maps.steps.view()), &mut maps);
            all.push(maps);
        }
        all
    }

    /// Pictures of latents, `[N, height, width, channels]`. The latents are in steps of
    /// [`gen_core::Latent::SCALE`].
    pub fn pictures(&mut self, model: &QuantModel, latents: ArrayView2<'_, f32>) -> Array4<u8> {
        let maps = self.run_from(model, 0, latents).pop().unwrap_or_default();
        let last = &model.layers[model.layers.len() - 1];
        let shape = last.geometry.output;
        let pixels = maps.steps.mapv(|n| quant::pixel(last.spec.activation, n as i32));
        let dim = (latents.nrows(), shape.height.into(), shape.width.into(), shape.channels.into());
        pixels.into_shape_with_order(dim).expect("the last map has the picture's values")
    }
}

/// Requantisation of one output channel, in f64.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requantiser {
    pub positive: f64,
    pub negative: f64,
    /// Smallest and largest value of the output in steps.
    pub clamp: (f64, f64),
}

impl Requantiser {
    /// The requantisers of a layer, one for each output channel.
    pub fn of(layer: &QuantLayer, is_last: bool) -> Vec<Self> {
        let zero = f64::from(layer.zero_point);
        let clamp = if is_last { (f64::NEG_INFINITY, f64::INFINITY) } else { (-128.0 - zero, 127.0 - zero) };
        let unit = 2f64.powi(-32);
        let requantiser = |r: &quant::Multiplier| Self {
            positive: f64::from(r.positive) * unit,
            negative: f64::from(r.negative) * unit,
            clamp,
        };
        layer.requants.iter().map(requantiser).collect()
    }

    /// Output steps for one step of the accumulator.
    pub fn slope(&self, acc: f64) -> f64 {
        if acc < 0.0 { self.negative } else { self.positive }
    }
}

fn requantise(layer: &QuantLayer, is_last: bool, sums: ArrayView2<'_, f32>, mut steps: ArrayViewMut2<'_, f32>) {
    let requantisers = Requantiser::of(layer, is_last);
    let biases: Vec<f64> = layer.biases.iter().map(|&b| f64::from(b)).collect();
    let lane = lane_len(sums.nrows());
    let lanes = steps.axis_chunks_iter_mut(Axis(0), lane).into_par_iter().zip(sums.axis_chunks_iter(Axis(0), lane));
    lanes.for_each(|(mut steps, sums)| {
        for (mut steps, sums) in steps.rows_mut().into_iter().zip(sums.rows()) {
            // Both lists repeat over the output in the output's order.
            let numbers = requantisers.iter().cycle().zip(biases.iter().cycle());
            for ((step, &sum), (requantiser, bias)) in steps.iter_mut().zip(sums).zip(numbers) {
                let acc = f64::from(sum) + bias;
                // This is exact, because the product stays below 2⁵² (see `gen_core::quant`).
                let n = (acc * requantiser.slope(acc) + 0.5).floor();
                *step = n.clamp(requantiser.clamp.0, requantiser.clamp.1) as f32;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use gen_core::Latent;
    use gen_core::spec::{Activation, LayerSpec, Op, Padding, Shape};

    use super::*;
    use crate::quantise::Simulation;

    /// A network with all operations and both kinds of hidden activation.
    fn network() -> QuantModel {
        let conv = |channels, stride| Op::Conv { channels, kernel: 3, stride, padding: Padding::Same };
        let specs = [
            (Op::Dense { out: Shape::new(4, 4, 9) }, Activation::LeakyRelu(0.2)),
            (Op::ConvTranspose { channels: 7, kernel: 4, stride: 2, padding: Padding::Same }, Activation::Relu),
            (Op::ConvTranspose { channels: 5, kernel: 4, stride: 2, padding: Padding::Same }, Activation::Linear),
            (conv(6, 1), Activation::LeakyRelu(0.1)),
            (conv(3, 1), Activation::Tanh),
        ];
        let specs = specs.map(|(op, activation)| LayerSpec { op, activation });
        QuantModel::random("batched", 12, &specs, 5).unwrap()
    }

    #[test]
    fn every_value_is_that_of_the_exact_simulation() {
        let model = network();
        let simulation = Simulation::new(&model).unwrap();
        let latents: Vec<_> = (0..11).map(|seed| Latent::from_seed(seed, model.latent)).collect();
        let steps = Array2::from_shape_fn((latents.len(), model.latent), |(n, i)| f32::from(latents[n].steps()[i]));
        let mut batched = Batched::new(&model);
        let maps = batched.run_from(&model, 0, steps.view());
        let pictures = batched.pictures(&model, steps.view());
        for (n, latent) in latents.iter().enumerate() {
            let expected = simulation.run(latent);
            for (i, layer) in model.layers[..model.layers.len() - 1].iter().enumerate() {
                let zero = f64::from(layer.zero_point);
                let ours = maps[i].steps.row(n);
                assert!(expected[i].iter().zip(ours).all(|(q, &s)| q - zero == f64::from(s)), "layer {i}");
            }
            let picture = pictures.index_axis(Axis(0), n);
            assert!(expected[model.layers.len() - 1].iter().zip(picture).all(|(e, &p)| *e == f64::from(p)));
        }
    }
}
