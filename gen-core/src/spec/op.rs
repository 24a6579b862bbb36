//! What a layer computes: an operation and an activation.
//!
//! Everything that depends on the kind of operation or activation and is no arithmetic is answered here, so
//! that a new kind is described in one place.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::axis::{Axis, Padding};
use super::error::SpecError;
use super::geometry::Geometry;
use super::limits::{MAX_SIDE, MAX_TAPS, MAX_WEIGHTS};
use super::shape::Shape;

/// The linear part of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(not(feature = "writer"), non_exhaustive)]
pub enum Op {
    /// Every output depends on every input; the output is read as a picture of shape `out`.
    Dense {
        /// Output shape.
        out: Shape,
    },
    /// Two-dimensional convolution (correlation: the kernel is not flipped).
    Conv {
        /// Output channels.
        channels: u16,
        /// Height and width of the kernel, in pixels.
        kernel: u8,
        /// Step in both directions, in pixels.
        stride: u8,
        /// Edge rule.
        padding: Padding,
    },
    /// Transposed convolution, the gradient of `Conv` with respect to its input.
    ConvTranspose {
        /// Output channels.
        channels: u16,
        /// Height and width of the kernel, in pixels.
        kernel: u8,
        /// Enlargement in both directions.
        stride: u8,
        /// Edge rule.
        padding: Padding,
    },
}

impl Op {
    /// Its name in recipes: `dense`, `conv` or `conv_transpose`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dense { .. } => "dense",
            Self::Conv { .. } => "conv",
            Self::ConvTranspose { .. } => "conv_transpose",
        }
    }

    /// Whether every output depends on every input.
    pub const fn is_dense(self) -> bool {
        matches!(self, Self::Dense { .. })
    }

    /// Whether a stride enlarges the output, instead of reducing it.
    pub const fn is_transposed(self) -> bool {
        matches!(self, Self::ConvTranspose { .. })
    }

    /// Output channels.
    pub const fn channels(self) -> u16 {
        match self {
            Self::Dense { out } => out.channels,
            Self::Conv { channels, .. } | Self::ConvTranspose { channels, .. } => channels,
        }
    }

    /// Height and width of the kernel in pixels; `None` for a dense layer, which has no kernel.
    pub const fn kernel(self) -> Option<u8> {
        match self {
            Self::Dense { .. } => None,
            Self::Conv { kernel, .. } | Self::ConvTranspose { kernel, .. } => Some(kernel),
        }
    }

    /// Stride in both directions; 1 for a dense layer.
    pub const fn stride(self) -> u8 {
        match self {
            Self::Dense { .. } => 1,
            Self::Conv { stride, .. } | Self::ConvTranspose { stride, .. } => stride,
        }
    }

    /// Rows and columns of the weights as a matrix in row-major order:
    ///
    /// | operation | rows | columns |
    /// |---|---|---|
    /// | dense | input values | output values |
    /// | convolution | kernel rows × kernel columns × input channels | output channels |
    /// | transposed convolution | input channels | kernel rows × kernel columns × output channels |
    pub const fn weight_matrix(self, input: Shape) -> [usize; 2] {
        match self {
            Self::Dense { out } => [input.len(), out.len()],
            Self::Conv { channels, kernel, .. } => {
                [kernel as usize * kernel as usize * input.channels as usize, channels as usize]
            }
            Self::ConvTranspose { channels, kernel, .. } => {
                [input.channels as usize, kernel as usize * kernel as usize * channels as usize]
            }
        }
    }

    /// Biases of the float layer: one for each output value of a dense layer, one for each output channel
    /// of the others.
    pub const fn bias_count(self) -> usize {
        match self {
            Self::Dense { out } => out.len(),
            Self::Conv { channels, .. } | Self::ConvTranspose { channels, .. } => channels as usize,
        }
    }

    /// Applies the operation to an input of this shape.
    ///
    /// # Errors
    /// The first rule of [`SpecError`] that the operation breaks.
    pub const fn geometry(self, input: Shape) -> Result<Geometry, SpecError> {
        if input.is_empty() {
            return Err(SpecError::Zero);
        }
        let (y, x, channels) = match self {
            Self::Dense { out } => {
                if out.is_empty() {
                    return Err(SpecError::Zero);
                }
                (Axis::dense(input.height, out.height), Axis::dense(input.width, out.width), out.channels)
            }
            Self::Conv { channels, kernel, stride, padding }
            | Self::ConvTranspose { channels, kernel, stride, padding } => {
                if channels == 0 || kernel == 0 || stride == 0 {
                    return Err(SpecError::Zero);
                }
                if kernel as usize > MAX_TAPS
                    || stride as usize > MAX_TAPS
                    || input.height > MAX_SIDE
                    || input.width > MAX_SIDE
                {
                    return Err(SpecError::TooLarge);
                }
                let (kernel, stride) = (kernel as u16, stride as u16);
                let axes = if self.is_transposed() {
                    (
                        Axis::conv_transpose(input.height, kernel, stride, padding),
                        Axis::conv_transpose(input.width, kernel, stride, padding),
                    )
                } else {
                    (
                        Axis::conv(input.height, kernel, stride, padding),
                        Axis::conv(input.width, kernel, stride, padding),
                    )
                };
                match axes {
                    (Ok(y), Ok(x)) => (y, x, channels),
                    (Err(e), _) | (_, Err(e)) => return Err(e),
                }
            }
        };
        let output = Shape::new(y.output, x.output, channels);
        if input.is_too_large() || output.is_too_large() || y.max_taps() > MAX_TAPS {
            return Err(SpecError::TooLarge);
        }
        // Only a dense layer can exceed this; the others have at most 16² · 1024² weights.
        if self.is_dense() && input.len() as u64 * output.len() as u64 > MAX_WEIGHTS {
            return Err(SpecError::TooLarge);
        }
        Ok(Geometry { input, output, y, x })
    }
}

/// For people: `dense`, `conv 5x5`, `conv 4x4 /2 valid`, `transposed 4x4 x2`. Stride 1 and padding "same" are
/// left out.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, sign, kernel, stride, padding) = match *self {
            Self::Dense { .. } => return f.write_str("dense"),
            Self::Conv { kernel, stride, padding, .. } => ("conv", '/', kernel, stride, padding),
            Self::ConvTranspose { kernel, stride, padding, .. } => ("transposed", 'x', kernel, stride, padding),
        };
        write!(f, "{name} {kernel}x{kernel}")?;
        if stride != 1 {
            write!(f, " {sign}{stride}")?;
        }
        if matches!(padding, Padding::Valid) {
            f.write_str(" valid")?;
        }
        Ok(())
    }
}

/// The non-linear part of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(not(feature = "writer"), non_exhaustive)]
pub enum Activation {
    /// `x`.
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `x` where positive, `slope · x` elsewhere; the slope is from 0 to 1.
    LeakyRelu(f32),
    /// Hyperbolic tangent; last layer only, where −1 … 1 becomes pixels 0 … 255.
    Tanh,
    /// Logistic function; last layer only, where 0 … 1 becomes pixels 0 … 255.
    Sigmoid,
    /// `max(tanh x, 0)`; last layer only, where 0 … 1 becomes pixels 0 … 255: the activation of a tanh that
    /// was trained on pictures in 0 … 1, with negative values drawn in black.
    TanhUnit, // A new variant goes behind this one: the format stores the index of the variant.
}

impl Activation {
    /// Its name in recipes: `linear`, `relu`, `leaky_relu`, `tanh` or `sigmoid`; and `tanh_unit`, which
    /// follows from a recipe's range of values.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Relu => "relu",
            Self::LeakyRelu(_) => "leaky_relu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::TanhUnit => "tanh_unit",
        }
    }

    /// Whether its output is pixels, which only a last layer may have.
    pub const fn is_output(self) -> bool {
        self.output_range().is_some()
    }

    /// The real values that become pixels 0 and 255; `None` for an activation whose output is no picture.
    pub const fn output_range(self) -> Option<(f32, f32)> {
        match self {
            Self::Linear | Self::Relu | Self::LeakyRelu(_) => None,
            Self::Tanh => Some((-1.0, 1.0)),
            Self::Sigmoid | Self::TanhUnit => Some((0.0, 1.0)),
        }
    }

    /// The factor of negative values: 1 for [`Linear`](Self::Linear), 0 for [`Relu`](Self::Relu). `None` for
    /// an activation that is no pair of straight lines.
    pub const fn negative_slope(self) -> Option<f32> {
        match self {
            Self::Linear => Some(1.0),
            Self::Relu => Some(0.0),
            Self::LeakyRelu(slope) => Some(slope),
            Self::Tanh | Self::Sigmoid | Self::TanhUnit => None,
        }
    }
}

/// For people: `relu`, `leaky 0.3`, `tanh ≥ 0`.
impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeakyRelu(slope) => write!(f, "leaky {slope}"),
            Self::TanhUnit => f.write_str("tanh ≥ 0"),
            other => f.write_str(other.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn operations_and_activations_have_short_names() {
        let conv = |kernel, stride, padding| Op::Conv { channels: 8, kernel, stride, padding }.to_string();
        assert_eq!(conv(5, 1, Padding::Same), "conv 5x5");
        assert_eq!(conv(4, 2, Padding::Valid), "conv 4x4 /2 valid");
        let transposed = Op::ConvTranspose { channels: 8, kernel: 4, stride: 2, padding: Padding::Same };
        assert_eq!(transposed.to_string(), "transposed 4x4 x2");
        assert_eq!(Op::Dense { out: Shape::new(1, 1, 8) }.to_string(), "dense");
        assert_eq!(Activation::LeakyRelu(0.3).to_string(), "leaky 0.3");
        assert_eq!(Activation::TanhUnit.to_string(), "tanh ≥ 0");
    }

    #[test]
    fn weights_and_biases_are_those_of_the_geometry() {
        let input = Shape::new(5, 6, 3);
        for op in [
            Op::Dense { out: Shape::new(2, 3, 4) },
            Op::Conv { channels: 7, kernel: 3, stride: 2, padding: Padding::Same },
            Op::ConvTranspose { channels: 7, kernel: 4, stride: 2, padding: Padding::Valid },
        ] {
            let g = op.geometry(input).unwrap();
            let [rows, columns] = op.weight_matrix(input);
            assert_eq!(rows * columns, g.weight_count(), "{op}");
            assert_eq!(op.bias_count(), g.parameter_count() - g.weight_count(), "{op}");
            assert_eq!(op.channels(), g.output.channels, "{op}");
            assert_eq!(u16::from(op.stride()), g.x.stride, "{op}");
            assert_eq!(u16::from(op.kernel().unwrap_or(1)), g.y.kernel, "{op}");
        }
    }

    #[test]
    fn an_activation_makes_pixels_or_is_a_pair_of_lines() {
        use Activation::*;
        for activation in [Linear, Relu, LeakyRelu(0.3), Tanh, Sigmoid, TanhUnit] {
            assert_eq!(activation.negative_slope().is_none(), activation.is_output(), "{activation}");
            assert_eq!(activation.argument_step().is_some(), activation.is_output(), "{activation}");
        }
        assert_eq!([Linear, Relu, LeakyRelu(0.3)].map(Activation::negative_slope), [Some(1.0), Some(0.0), Some(0.3)]);
    }
}
