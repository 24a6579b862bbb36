//! One layer, and the check of a whole list of them.

use serde::{Deserialize, Serialize};

use super::error::SpecError;
use super::geometry::Geometry;
use super::limits::{MAX_LATENT, MAX_LAYERS};
use super::op::{Activation, Op};
use super::shape::Shape;

/// One layer. Its shapes, sizes and costs follow from this and the shape of its input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LayerSpec {
    /// Linear part.
    pub op: Op,
    /// Non-linear part.
    pub activation: Activation,
}

/// How a layer's weights are transformed before they are stored. Pictures are the same, bit for bit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WeightTransform {
    /// Not at all: int8 weights, one multiplication for each tap.
    #[default]
    #[serde(rename = "direct")]
    None,
    /// Winograd's transform: int16 weights at `taps + 3` points. It takes fewer multiplications and more
    /// flash. For convolutions with 2, 3 or 5 tap columns.
    Winograd,
}

impl LayerSpec {
    /// Applies the layer to an input of this shape.
    ///
    /// # Errors
    /// The first rule of [`SpecError`] that the layer breaks, apart from its place in a network.
    pub const fn geometry(&self, input: Shape) -> Result<Geometry, SpecError> {
        // NaN is in no range.
        if matches!(self.activation, Activation::LeakyRelu(slope) if !(slope >= 0.0 && slope <= 1.0)) {
            return Err(SpecError::Slope);
        }
        self.op.geometry(input)
    }

    /// The part of [`check`] that concerns one layer.
    pub(crate) const fn follow(&self, input: Shape, is_last: bool) -> Result<Geometry, SpecError> {
        if self.activation.is_output() != is_last {
            return Err(SpecError::OutputActivation);
        }
        match self.geometry(input) {
            Ok(g) if is_last && !matches!(g.output.channels, 1 | 3) => Err(SpecError::PixelChannels),
            result => result,
        }
    }
}

/// Checks that the layers make a generator and returns the shape of its pictures. `latent` is the number of inputs of
/// the first layer: the values of the latent, and behind them the numbers of the class, if the model has classes.
///
/// # Errors
/// The first rule of [`SpecError`] that is broken.
pub const fn check(latent: u16, layers: &[LayerSpec]) -> Result<Shape, SpecError> {
    let (mut shape, mut i) = match start(latent, layers.len()) {
        Ok(shape) => (shape, 0),
        Err(e) => return Err(e),
    };
    while i < layers.len() {
        shape = match layers[i].follow(shape, i + 1 == layers.len()) {
            Ok(g) => g.output,
            Err(e) => return Err(e),
        };
        i += 1;
    }
    Ok(shape)
}

/// The part of [`check`] that comes before the first layer: the shape of the latent.
pub(crate) const fn start(latent: u16, layers: usize) -> Result<Shape, SpecError> {
    if layers == 0 || layers > MAX_LAYERS {
        return Err(SpecError::LayerCount);
    }
    if latent == 0 || latent as usize > MAX_LATENT {
        return Err(SpecError::LatentLength);
    }
    Ok(Shape::latent(latent))
}
