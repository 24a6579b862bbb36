//! Networks with random parameters, for tests and speed measurements.

use gen_core::quant::Multiplier;
use gen_core::spec::{Activation, LayerSpec, Op, Shape, WeightTransform};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::model::{QuantLayer, QuantModel};
use super::pack::QuantError;
use crate::nn::linear::weight_dim;

impl QuantModel {
    /// A network with random weights, biases and zero points, whose multipliers
    /// spread the outputs of every layer over the int8 range (a few per cent
    /// saturate). The same arguments always give the same network.
    ///
    /// # Errors
    /// [`QuantError::Spec`] when the layers do not fit together.
    pub fn random(name: &str, latent: usize, specs: &[LayerSpec], seed: u64) -> Result<Self, QuantError> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut model = Self { name: name.into(), latent, classes: None, layers: Vec::new() };
        // An overlong latent is refused by `check`.
        let mut input = Shape::latent(u16::try_from(latent).unwrap_or(u16::MAX));
        // Root mean square of the layer's input in steps. A step of the latent is 1/32.
        let mut input_rms = 32.0;
        for &spec in specs {
            let geometry = spec.geometry(input)?;
            // Uniform weights have a mean square of 127 · 128 / 3.
            let weights = Array2::from_shape_simple_fn(weight_dim(spec.op, &geometry), || rng.random_range(-127..=127));
            let deviation = input_rms * (127.0 * 128.0 / 3.0 * typical_fan_in(&spec, input)).sqrt();
            let bias = (deviation / 2.0) as i32;
            let biases = (0..spec.op.bias_count()).map(|_| rng.random_range(-bias..=bias)).collect();

            // Zero point, steps for one standard deviation, slope for negative values, root mean square of the output.
            let (zero_point, steps, slope, rms) = match spec.activation {
                Activation::Linear => (rng.random_range(-20..=20), 40.0, 1.0, 40.0),
                Activation::Relu => (-128, 90.0, 0.0, 64.0),
                Activation::LeakyRelu(slope) => (rng.random_range(-90..=-50), 64.0, f64::from(slope), 48.0),
                // One standard deviation becomes tanh 1, or the logistic function of 2.
                Activation::Tanh | Activation::Sigmoid => (0, 128.0, 1.0, 1.0),
                Activation::TanhUnit => (0, 256.0, 1.0, 1.0),
            };
            let requants = (0..geometry.output.channels)
                .map(|_| {
                    // The channels of a trained network have different multipliers too.
                    let m = steps / deviation * rng.random_range(0.7..1.4) * 2f64.powi(32);
                    Multiplier { positive: m as i32, negative: (m * slope) as i32 }
                })
                .collect();
            model.layers.push(QuantLayer {
                spec,
                transform: WeightTransform::None,
                geometry,
                weights,
                biases,
                requants,
                zero_point,
                scale: 1.0 / 32.0,
            });
            input = geometry.output;
            input_rms = rms;
        }
        model.check()?;
        Ok(model)
    }
}

/// Average number of products in one output value.
fn typical_fan_in(spec: &LayerSpec, input: Shape) -> f64 {
    let channels = f64::from(input.channels);
    match spec.op {
        Op::Dense { .. } => input.len() as f64,
        Op::Conv { kernel, .. } => f64::from(kernel).powi(2) * channels,
        Op::ConvTranspose { kernel, stride, .. } => (f64::from(kernel) / f64::from(stride)).powi(2) * channels,
    }
}
