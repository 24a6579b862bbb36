//! A quantised generator in natural layouts, before it is packed for the device.

use gen_core::quant::Multiplier;
use gen_core::spec::{Geometry, LayerSpec, WeightTransform};
use ndarray::Array2;

/// A quantised generator.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantModel {
    /// A name for people.
    pub name: String,
    /// Length of the latent.
    pub latent: usize,
    /// First to last.
    pub layers: Vec<QuantLayer>,
}

/// One layer: `acc = bias + Σ weight · (q − zero_point_in)`, then [`Multiplier`],
/// then the output's zero point and clamp (or the tanh table).
#[derive(Debug, Clone, PartialEq)]
pub struct QuantLayer {
    /// Operation and activation.
    pub spec: LayerSpec,
    /// How its weights are packed; results do not depend on it.
    pub form: WeightTransform,
    /// Shapes.
    pub geometry: Geometry,
    /// The layouts of the float layers:
    /// convolution `[(kernel y, kernel x, in), out]`,
    /// transposed convolution `[in, (kernel y, kernel x, out)]`,
    /// dense `[in, (y, x, out)]`.
    pub weights: Array2<i8>,
    /// In units of the accumulator, not yet corrected for the zero point of the
    /// input: one for each output channel; for a dense layer one for each output.
    pub biases: Vec<i32>,
    /// One for each output channel.
    pub requants: Vec<Multiplier>,
    /// The int8 that stands for 0 in the output; 0 for the last layer.
    pub zero_point: i8,
    /// Real value of one step of the output.
    pub scale: f32,
}
