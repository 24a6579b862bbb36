//! A quantised generator in the layouts of the float layers, before it is packed for the device.

use gen_core::quant::Multiplier;
use gen_core::spec::{Geometry, LayerSpec, WeightTransform};
use ndarray::Array2;

use crate::classes::{ClassTable, GeneratorInput};

/// A quantised generator.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantModel {
    /// A name for people.
    pub name: String,
    /// Length of the latent.
    pub latent: usize,
    /// The classes; `None`: the generator has none.
    pub classes: Option<ClassTable>,
    /// Layers, first to last.
    pub layers: Vec<QuantLayer>,
}

/// One layer: `acc = bias + Σ weight · (q − zero_point_in)`, then [`Multiplier`],
/// then the output's zero point and clamp (or the tanh table).
#[derive(Debug, Clone, PartialEq)]
pub struct QuantLayer {
    /// Operation and activation.
    pub spec: LayerSpec,
    /// Transform of the packed weights. The layer's results do not depend on it.
    pub transform: WeightTransform,
    /// Shapes of input and output.
    pub geometry: Geometry,
    /// Weights in the layout of the float layers:
    /// convolution `[(kernel y, kernel x, in), out]`,
    /// transposed convolution `[in, (kernel y, kernel x, out)]`,
    /// dense `[in, (y, x, out)]`.
    pub weights: Array2<i8>,
    /// Biases in units of the accumulator, not yet corrected for the zero point of the
    /// input. One for each output channel; for a dense layer one for each output.
    pub biases: Vec<i32>,
    /// Multipliers of requantisation, one for each output channel.
    pub requants: Vec<Multiplier>,
    /// The int8 that represents 0 in the output; 0 for the last layer.
    pub zero_point: i8,
    /// Real value of one step of the output.
    pub scale: f32,
}

impl QuantModel {
    /// What the first layer reads.
    pub fn input(&self) -> GeneratorInput<'_> {
        GeneratorInput { latent: self.latent, classes: self.classes.as_ref() }
    }
}
