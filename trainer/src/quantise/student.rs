//! A quantised generator that can be trained. The forward pass computes exactly what the device computes; the
//! backward pass ignores rounding.
//!
//! This is the straight-through estimator (Bengio et al. 2013, arXiv:1308.3432; for
//! integer networks Jacob et al. 2018, arXiv:1712.05877): the derivative of rounding is
//! taken as 1, that of a clamp as 1 inside and 0 outside. All parameters are in quantisation steps,
//! so that one learning rate suits all layers:
//!
//! | parameter | unit | becomes |
//! |---|---|---|
//! | weight `w` | steps of the weight | `round(w)`, −127 … 127 |
//! | bias `b`, one for each of [`QuantLayer::biases`] | steps of the output | `round(b / m)` steps of the accumulator |
//! | log scale `g`, one an output channel | logarithm | multiplier `m = m₀ · e^g` |
//!
//! with `n = m · (Σ w · q) + b`. A multiplier contains the scale of its channel's weights and, together with those of
//! the next layer, the scale of its activations. Training the log scales therefore trains both (Esser et al. 2020,
//! arXiv:1902.08153, train them separately).

use gen_core::quant::Multiplier;
use gen_core::spec::Activation;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::batched::{Batched, Maps, Requantiser};
use super::fold::FloatModel;
use super::model::{QuantLayer, QuantModel};
use crate::nn::lane_len;
use crate::nn::linear::{Kernels, Linear};

/// The student's parameters, or their gradients: one vector over all layers for each kind.
#[derive(Debug, Clone, Default)]
pub struct StudentParams {
    /// Weights, in the order of [`QuantLayer::weights`].
    pub weights: Vec<f32>,
    /// Biases.
    pub biases: Vec<f32>,
    /// Logarithms of the multipliers' factors.
    pub log_scales: Vec<f32>,
}

/// A quantised generator in training.
#[derive(Debug)]
pub struct Student {
    /// The quantised model, as of the last [`quantise_params`](Self::quantise_params).
    pub integers: QuantModel,
    /// The trained parameters.
    pub params: StudentParams,
    /// The gradients of the last [`backward`](Self::backward).
    pub gradients: StudentParams,
    layers: Vec<Layer>,
    batched: Batched,
    maps: Vec<Maps>,
}

#[derive(Debug)]
struct Layer {
    /// Offsets of the layer's weights, biases and log scales in [`StudentParams`].
    start: [usize; 3],
    /// Multipliers at a log scale of 0, in output steps for one step of the accumulator.
    multipliers: Vec<f64>,
    /// Additional factor of negative accumulators.
    slope: f64,
    backward: Linear,
}

const UNIT: f64 = (1u64 << 32) as f64;

impl Student {
    /// A student that initially equals `model`, which was quantised from `float`. Its weights are initialised with
    /// the values before rounding.
    pub fn new(float: &FloatModel, model: QuantModel) -> Self {
        let mut params = StudentParams::default();
        let mut layers = Vec::new();
        for (layer, exact) in model.layers.iter().zip(&float.layers) {
            let start = [params.weights.len(), params.biases.len(), params.log_scales.len()];
            let multipliers: Vec<f64> = layer.requants.iter().map(|r| f64::from(r.positive) / UNIT).collect();
            let channels = multipliers.len();
            // Quantisation steps per unit of a channel's float weights, as a least squares fit of the integers.
            let mut products = vec![(0f64, 0f64); channels];
            for (i, (&q, &w)) in layer.weights.iter().zip(&exact.weights).enumerate() {
                let (qw, ww) = &mut products[i % channels];
                *qw += f64::from(q) * f64::from(w);
                *ww += f64::from(w) * f64::from(w);
            }
            let steps: Vec<f64> = products.iter().map(|&(qw, ww)| if ww > 0.0 { qw / ww } else { 0.0 }).collect();
            for (i, (&q, &w)) in layer.weights.iter().zip(&exact.weights).enumerate() {
                // Close enough to the integer that rounding gives the integer.
                let q = f32::from(q);
                params.weights.push(((f64::from(w) * steps[i % channels]) as f32).clamp(q - 0.49, q + 0.49));
            }
            let biases = layer.biases.iter().enumerate().map(|(i, &b)| f64::from(b) * multipliers[i % channels]);
            params.biases.extend(biases.map(|b| b as f32));
            params.log_scales.resize(start[2] + channels, 0.0);
            let slope = layer.spec.activation.negative_slope().map_or(1.0, f64::from);
            let backward = Linear::new(&layer.spec, layer.geometry, Kernels::default());
            layers.push(Layer { start, multipliers, slope, backward });
        }
        let gradients = StudentParams {
            weights: vec![0.0; params.weights.len()],
            biases: vec![0.0; params.biases.len()],
            log_scales: vec![0.0; params.log_scales.len()],
        };
        let (batched, maps) = (Batched::new(&model), vec![Maps::default(); model.layers.len()]);
        Self { integers: model, params, gradients, layers, batched, maps }
    }

    /// Rounds the parameters and writes them to [`integers`](Self::integers).
    pub fn quantise_params(&mut self) {
        let params = &mut self.params;
        for (to, layer) in self.integers.layers.iter_mut().zip(&self.layers) {
            let [weights, biases, log_scales] = layer.start;
            let weights = params.weights[weights..].iter_mut();
            for (to, w) in to.weights.iter_mut().zip(weights) {
                // Clamped, because a weight far outside of the range would take too many steps to return.
                *w = w.clamp(-127.4, 127.4);
                *to = w.round() as i8;
            }
            for (i, to) in to.requants.iter_mut().enumerate() {
                let m = layer.multipliers[i] * f64::from(params.log_scales[log_scales + i]).exp() * UNIT;
                // `as` saturates; a multiplier that is too large is refused when the model is packed.
                *to = Multiplier { positive: m.round() as i32, negative: (m * layer.slope).round() as i32 };
            }
            let channels = to.requants.len();
            for (i, (to_bias, &b)) in to.biases.iter_mut().zip(&params.biases[biases..]).enumerate() {
                let m = f64::from(to.requants[i % channels].positive) / UNIT;
                // A channel whose multiplier is 0 is constant, whatever its bias.
                if m > 0.0 {
                    *to_bias = (f64::from(b) / m).round() as i32;
                }
            }
        }
    }

    /// The forward pass of a batch of latents in steps, `[N, latent]`. Returns the arguments of
    /// [`gen_core::quant::pixel`] in steps for each value of the pictures, `[N, values]`.
    pub fn forward(&mut self, latents: ArrayView2<'_, f32>) -> ArrayView2<'_, f32> {
        for i in 0..self.maps.len() {
            let (before, after) = self.maps.split_at_mut(i);
            let input = before.last().map_or(latents, |maps| maps.steps.view());
            self.batched.layer(&self.integers, i, input, &mut after[0]);
        }
        self.maps[self.maps.len() - 1].steps.view()
    }

    /// The backward pass of the last [`forward`](Self::forward), which must have had the same `latents`. `d` is the
    /// gradient of the loss with respect to the pixels, `[N, values]`. Sets [`gradients`](Self::gradients).
    pub fn backward(&mut self, latents: ArrayView2<'_, f32>, mut d: Array2<f32>) {
        let last = self.maps.len() - 1;
        through_pixels(self.integers.layers[last].spec.activation, self.maps[last].steps.view(), d.view_mut());
        self.gradients.weights.fill(0.0);
        for i in (0..=last).rev() {
            let (layer, integers) = (&mut self.layers[i], &self.integers.layers[i]);
            let [weights, biases, log_scales] = layer.start;
            let sums = through_requantisation(integers, i == last, self.maps[i].sums.view(), d.view_mut());
            to_f32(&sums.biases, &mut self.gradients.biases[biases..]);
            to_f32(&sums.log_scales, &mut self.gradients.log_scales[log_scales..]);
            let values: Vec<f32> = integers.weights.iter().map(|&w| f32::from(w)).collect();
            let input = if i == 0 { latents } else { self.maps[i - 1].steps.view() };
            let mut dx = Array2::zeros(if i == 0 { (0, 0) } else { input.dim() });
            let d_weights = &mut self.gradients.weights[weights..][..values.len()];
            layer.backward.backward(
                values[..].into(),
                Some(d_weights),
                input,
                d.view(),
                (i > 0).then(|| dx.view_mut()),
            );
            d = dx;
        }
    }
}

/// Multiplies `d` by the derivative of the pixel with respect to its argument `n`.
fn through_pixels(activation: Activation, n: ArrayView2<'_, f32>, mut d: ArrayViewMut2<'_, f32>) {
    d.zip_mut_with(&n, |d, &n| {
        let (height, steps) = match activation {
            Activation::TanhUnit if n <= 0.0 => (0.0, 1.0),
            Activation::TanhUnit => (255.0, gen_core::quant::TANH_UNIT_STEPS as f32),
            _ => (127.5, gen_core::quant::TANH_STEPS as f32),
        };
        let tanh = (n / steps).tanh();
        *d *= height / steps * (1.0 - tanh * tanh);
    });
}

/// Partial sums of the gradients of a layer's biases and log scales.
struct Sums {
    biases: Vec<f64>,
    log_scales: Vec<f64>,
}

/// Converts `d` from the gradient with respect to a layer's output to that with respect to its
/// accumulators. The order of summation does not depend on the number of threads.
fn through_requantisation(
    layer: &QuantLayer,
    is_last: bool,
    sums: ArrayView2<'_, f32>,
    mut d: ArrayViewMut2<'_, f32>,
) -> Sums {
    let requantisers = Requantiser::of(layer, is_last);
    let (channels, biases) = (requantisers.len(), layer.biases.len());
    let lane = lane_len(sums.nrows());
    let lanes = d.axis_chunks_iter_mut(Axis(0), lane).into_par_iter().zip(sums.axis_chunks_iter(Axis(0), lane));
    let parts = lanes.map(|(mut d, sums)| {
        let mut part = Sums { biases: vec![0.0; biases], log_scales: vec![0.0; channels] };
        for (mut d, sums) in d.rows_mut().into_iter().zip(sums.rows()) {
            for (i, (d, &sum)) in d.iter_mut().zip(sums).enumerate() {
                let (channel, bias) = (i % channels, i % biases);
                let requantiser = &requantisers[channel];
                let sum = f64::from(sum);
                let acc = sum + f64::from(layer.biases[bias]);
                let slope = requantiser.slope(acc);
                let n = (acc * slope + 0.5).floor();
                if n < requantiser.clamp.0 || n > requantiser.clamp.1 || slope == 0.0 {
                    *d = 0.0;
                    continue;
                }
                let d_acc = f64::from(*d) * slope;
                // n = (slope / positive) · (m · sum + b), and the derivative of m with respect to its logarithm is m.
                part.biases[bias] += d_acc / requantiser.positive;
                part.log_scales[channel] += d_acc * sum;
                *d = d_acc as f32;
            }
        }
        part
    });
    let parts: Vec<Sums> = parts.collect();
    let mut total = Sums { biases: vec![0.0; biases], log_scales: vec![0.0; channels] };
    for part in parts {
        total.biases.iter_mut().zip(part.biases).for_each(|(t, p)| *t += p);
        total.log_scales.iter_mut().zip(part.log_scales).for_each(|(t, p)| *t += p);
    }
    total
}

fn to_f32(from: &[f64], to: &mut [f32]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from as f32);
}

#[cfg(test)]
mod tests {
    use gen_core::Latent;

    use super::*;
    use crate::config::Config;
    use crate::quantise::Simulation;
    use crate::quantise::calibrate::calibrate;
    use crate::train::Trainer;

    fn student() -> Student {
        let config = Config::preset("pocket").unwrap();
        let params = Trainer::new(config.clone()).unwrap().state.generator;
        let (float, model) = calibrate(FloatModel::fold(&config, &params).unwrap()).unwrap();
        Student::new(&float, model)
    }

    fn batch(seeds: std::ops::Range<u32>, len: usize) -> Array2<f32> {
        let latents: Vec<_> = seeds.map(|seed| Latent::from_seed(seed, len)).collect();
        Array2::from_shape_fn((latents.len(), len), |(n, i)| f32::from(latents[n].steps()[i]))
    }

    #[test]
    fn it_begins_as_the_model_that_it_is_given() {
        let mut student = student();
        let model = student.integers.clone();
        student.quantise_params();
        for (ours, given) in student.integers.layers.iter().zip(&model.layers) {
            assert_eq!(ours.weights, given.weights);
            assert_eq!(ours.requants, given.requants);
            // The student stores a bias as f32, so large ones are rounded.
            assert!(
                ours.biases.iter().zip(&given.biases).all(|(a, b)| a.abs_diff(*b) <= 1 + b.unsigned_abs() / 4_000_000)
            );
        }
    }

    #[test]
    fn what_is_trained_is_what_the_device_computes() {
        let mut student = student();
        // Moves the parameters away from their initial values.
        for (i, w) in student.params.weights.iter_mut().enumerate() {
            *w += ((i * 7919) % 7) as f32 - 3.0;
        }
        student.params.log_scales.iter_mut().enumerate().for_each(|(i, g)| *g = 0.01 * (i % 5) as f32);
        student.params.biases.iter_mut().enumerate().for_each(|(i, b)| *b += (i % 3) as f32);
        student.quantise_params();
        let simulation = Simulation::new(&student.integers).unwrap();
        student.integers.to_blob().unwrap();
        student.forward(batch(0..4, 32).view());
        let last = student.maps.len() - 1;
        for seed in 0..4 {
            let expected = simulation.run(&Latent::from_seed(seed, 32));
            for (i, map) in student.maps.iter().enumerate() {
                let zero = f32::from(student.integers.layers[i].zero_point);
                let ours = map.steps.row(seed as usize).to_owned();
                let value = |s: f32| match i {
                    _ if i == last => f64::from(gen_core::quant::pixel(Activation::Tanh, s as i32)),
                    _ => f64::from(s + zero),
                };
                let equal = expected[i].iter().zip(ours).all(|(&e, s)| e == value(s));
                assert!(equal, "seed {seed}, layer {i}");
            }
        }
    }

    /// Compares gradients with finite differences. The steps are wide enough and the latents numerous enough that
    /// rounding averages out, also for the first layers, whose changes pass through the rounding of all others.
    #[test]
    fn gradients_point_the_way_that_the_pictures_go() {
        let mut student = student();
        student.quantise_params();
        let latents = batch(0..512, 32);
        // The loss is the sum of all arguments of the tanh, which depends smoothly on every parameter.
        let loss = |student: &mut Student| -> f64 {
            student.quantise_params();
            student.forward(latents.view()).iter().map(|&n| f64::from(n)).sum()
        };
        let before = loss(&mut student);
        let n = student.maps[student.maps.len() - 1].steps.clone();
        // Divides by the derivative of the pixel, which leaves the gradient with respect to the argument.
        let mut one = Array2::ones(n.dim());
        through_pixels(Activation::Tanh, n.view(), one.view_mut());
        student.backward(latents.view(), one.mapv(|d| 1.0 / d));
        let gradients = student.gradients.clone();
        assert!(before.is_finite());
        for layer in 0..student.layers.len() {
            let [_, bias, gain] = student.layers[layer].start;
            for (name, step, expected) in
                [("bias", 2.0, gradients.biases[bias]), ("gain", 0.05, gradients.log_scales[gain])]
            {
                let mut moved = |by: f32| {
                    let place = match name {
                        "bias" => &mut student.params.biases[bias],
                        _ => &mut student.params.log_scales[gain],
                    };
                    *place += by;
                    loss(&mut student)
                };
                let (up, down) = (moved(step), moved(-2.0 * step));
                moved(step);
                let slope = (up - down) / f64::from(2.0 * step);
                let scale = slope.abs().max(f64::from(expected).abs()).max(50.0);
                assert!(
                    (slope - f64::from(expected)).abs() < 0.35 * scale,
                    "layer {layer}, {name}: {slope} {expected}"
                );
            }
        }
    }
}
