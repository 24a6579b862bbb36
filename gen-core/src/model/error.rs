//! Why bytes are not a model.

use core::fmt;

use super::format::{OLDEST_VERSION, VERSION};
use crate::spec::SpecError;

/// Why bytes are not a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ParseError {
    /// The bytes do not begin with `RBGN`.
    NotAModel,
    /// The address of the bytes is not a multiple of 4. This is checked on every machine, so that a test on a
    /// host finds what a chip would refuse: see [`include_aligned!`](crate::include_aligned).
    Alignment {
        /// The address has to be a multiple of this.
        needed: usize,
    },
    /// The format has another version: a newer one, or one older than the first that was published.
    Version {
        /// The version of the file.
        found: u16,
    },
    /// The model uses something that its version of the format does not have.
    VersionTooLow {
        /// The version of the file.
        found: u16,
        /// The lowest version that has everything that the model uses.
        needed: u16,
    },
    /// The file is shorter or longer than its preamble says.
    Length {
        /// Length according to the file.
        expected: u32,
        /// Length of the given bytes.
        found: u32,
    },
    /// The checksum does not match: the file was damaged.
    Checksum,
    /// The header is not valid postcard.
    Header {
        /// Index of the layer whose entry cannot be read; `None` for an error before the first layer: in the
        /// name (UTF-8, up to 32 bytes), the length of the latent, or the number of layers.
        layer: Option<u8>,
    },
    /// The header is shorter or longer than the preamble says, or longer than the file.
    HeaderLength {
        /// Length according to the preamble.
        stated: u16,
    },
    /// The layer's operation, activation, padding or weight transform has a number that this version of the
    /// format does not define.
    Unknown {
        /// Index of the layer.
        layer: u8,
    },
    /// The layers do not make a generator.
    Spec(SpecError),
    /// The scale of the layer's output is not a positive, finite number.
    Scale {
        /// Index of the layer.
        layer: u8,
    },
    /// The file ends within a section.
    Section {
        /// Index of the layer; 0 for the section of the classes, which belongs to none.
        layer: u8,
        /// The section.
        section: Section,
        /// Bytes that the layer's shape requires, padding included.
        needed: u32,
        /// Bytes that the file has from the start of the section on.
        left: u32,
    },
    /// A byte of padding, behind the header or a section, is not zero: header and sections do not belong
    /// together, or the file was not written by this crate.
    Padding {
        /// Its offset in the file.
        at: u32,
    },
    /// There are bytes behind the last section.
    Trailing {
        /// How many.
        bytes: u32,
    },
    /// A multiplier of the layer is negative.
    Multiplier {
        /// Index of the layer.
        layer: u8,
    },
    /// For some input an accumulator of the layer would overflow, or its product with a multiplier leave the
    /// range in which the arithmetic is exact.
    Range {
        /// Index of the layer.
        layer: u8,
    },
    /// The classes are not 2 to 64, a name does not have 1 to 64 bytes of UTF-8, or the numbers of a class leave no
    /// input of the first layer for the latent.
    Classes,
    /// The layer cannot have its weight transform.
    Transform {
        /// Index of the layer.
        layer: u8,
    },
    /// The layer's weights have the transform winograd, and this crate was built without the feature `winograd`.
    NoWinograd {
        /// Index of the layer.
        layer: u8,
    },
    /// The layer's weights are not the transform of any int8 weights, or a weight of padding is not 0.
    Weights {
        /// Index of the layer.
        layer: u8,
    },
}

/// One of the lists of numbers that a layer has in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Section {
    /// The weights.
    Weights,
    /// The biases.
    Biases,
    /// Multipliers of accumulators from 0 on.
    Positive,
    /// Multipliers of accumulators below 0.
    Negative,
    /// The numbers of the classes, behind the last layer.
    Classes,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weights => "weights",
            Self::Biases => "biases",
            Self::Positive => "positive multipliers",
            Self::Negative => "negative multipliers",
            Self::Classes => "classes",
        })
    }
}

/// Messages are short: firmware shows them on displays of 6 lines of 21 characters.
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAModel => f.write_str("not a model file (it does not begin with RBGN)"),
            Self::Alignment { needed } => {
                write!(f, "the model must begin at an address that is a multiple of {needed}: align its bytes")
            }
            Self::Version { found } if *found > VERSION => write!(
                f,
                "model format version {found} is newer than this program, which reads up to version {VERSION}: update it"
            ),
            Self::Version { found } => {
                write!(
                    f,
                    "model format version {found}, this program reads versions {OLDEST_VERSION} to {VERSION}: export the model again"
                )
            }
            Self::VersionTooLow { found, needed } => write!(
                f,
                "the model has version {found} of the format, but uses what only version {needed} has: export it again"
            ),
            Self::Length { expected, found } => write!(f, "the model should be {expected} bytes long, found {found}"),
            Self::Checksum => f.write_str("the model is damaged: its checksum does not match"),
            Self::Header { layer: None } => {
                f.write_str("the model's header cannot be read (name, latent, number of layers): export it again")
            }
            Self::Header { layer: Some(layer) } => {
                write!(f, "the model's header cannot be read at layer {layer}: export the model again")
            }
            Self::HeaderLength { stated } => {
                write!(f, "the model's header does not take the {stated} bytes that it should: export the model again")
            }
            Self::Unknown { layer } => write!(
                f,
                "layer {layer} of the model is of a kind that format version {VERSION} does not have: export it again"
            ),
            Self::Spec(e) => write!(f, "the model's layers do not fit together: {e}"),
            Self::Scale { layer } => {
                write!(f, "layer {layer} of the model has a scale that is no positive number: export the model again")
            }
            Self::Section { section: Section::Classes, needed, left, .. } => {
                write!(f, "the model ends within its classes: {needed} bytes needed, {left} left; export it again")
            }
            Self::Section { layer, section, needed, left } => write!(
                f,
                "the model ends within the {section} of layer {layer}: {needed} bytes needed, {left} left; export it again"
            ),
            Self::Padding { at } => {
                write!(f, "byte {at} of the model should be 0: its header and its sections do not fit, export it again")
            }
            Self::Trailing { bytes } => {
                write!(f, "{bytes} bytes of the model follow its last section: export the model again")
            }
            Self::Classes => {
                f.write_str("the model's classes are too few or many, or have bad names or numbers: export it again")
            }
            Self::Multiplier { layer } => {
                write!(f, "layer {layer} of the model has a negative multiplier: export the model again")
            }
            Self::Range { layer } => write!(f, "layer {layer} of the model could overflow its 32-bit accumulators"),
            Self::Transform { layer } => {
                write!(f, "layer {layer} of the model cannot have the transform winograd: export the model again")
            }
            Self::NoWinograd { layer } => write!(
                f,
                "layer {layer} of the model has the transform winograd: build gen-core with the feature winograd"
            ),
            Self::Weights { layer } => {
                write!(f, "layer {layer} of the model has weights that its transform does not allow: export it again")
            }
        }
    }
}

impl core::error::Error for ParseError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Spec(e) => Some(e),
            _ => None,
        }
    }
}

impl From<SpecError> for ParseError {
    fn from(e: SpecError) -> Self {
        Self::Spec(e)
    }
}
