//! Why a list of layers does not make a generator.

use core::fmt;

use super::limits::limit;

/// Why a list of layers does not make a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SpecError {
    /// There is no layer, or there are more than [`MAX_LAYERS`](super::MAX_LAYERS).
    LayerCount,
    /// The latent is empty or longer than [`MAX_LATENT`](super::MAX_LATENT).
    LatentLength,
    /// A height, width, channel count, kernel or stride is zero.
    Zero,
    /// A side exceeds [`MAX_SIDE`](super::MAX_SIDE), channels exceed [`MAX_CHANNELS`](super::MAX_CHANNELS), a window
    /// [`MAX_TAPS`](super::MAX_TAPS), or the weights of a layer [`MAX_WEIGHTS`](super::MAX_WEIGHTS).
    TooLarge,
    /// Padding `Valid` with a kernel larger than the input, which leaves no output.
    KernelLargerThanInput,
    /// A transposed convolution with a kernel smaller than its stride, which would leave holes.
    KernelSmallerThanStride,
    /// The last layer has an activation that makes no pixels ([`Activation::is_output`](super::Activation::is_output)),
    /// or another layer has one that does.
    OutputActivation,
    /// The last layer has neither one channel (grey) nor three (red, green, blue).
    PixelChannels,
    /// The slope of a leaky ReLU is not a number from 0 to 1.
    Slope,
}

impl SpecError {
    /// The reason, for people.
    pub const fn message(self) -> &'static str {
        match self {
            Self::LayerCount => concat!("a generator has 1 to ", limit!(layers), " layers"),
            Self::LatentLength => concat!("a latent has 1 to ", limit!(latent), " values"),
            Self::Zero => "a size, kernel or stride is zero",
            Self::TooLarge => concat!(
                "sides go up to ",
                limit!(side),
                ", channels up to ",
                limit!(channels),
                ", windows up to ",
                limit!(taps),
                " rows, the weights of a layer up to 2^",
                limit!(weights, log2)
            ),
            Self::KernelLargerThanInput => "padding \"valid\" needs a kernel no larger than its input",
            Self::KernelSmallerThanStride => "a transposed convolution needs a kernel at least as large as its stride",
            Self::OutputActivation => "the last layer, and only the last, ends in tanh or sigmoid",
            Self::PixelChannels => "the last layer must have 1 channel (grey) or 3 (red, green, blue)",
            Self::Slope => "the slope of a leaky ReLU is a number from 0 to 1",
        }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for SpecError {}
