//! The model file: a header in postcard, and aligned sections of numbers.
//!
//! The file begins at an address that is a multiple of [`ADDRESS_ALIGNMENT`], on every machine. All numbers
//! are little-endian.
//!
//! | bytes | content |
//! |---|---|
//! | 0–3 | magic `RBGN` |
//! | 4–5 | version |
//! | 6–7 | length of the header, in bytes |
//! | 8–11 | length of the file, in bytes |
//! | 12–15 | CRC-32 (ISO-HDLC, as in zlib) of everything else |
//! | 16– | a header in postcard (`Header`, with the feature `writer`), padded with zeros to a multiple of 16 |
//!
//! The sections of the layers follow, first layer first. Each section is padded with zeros to a multiple of 16:
//!
//! | section | content |
//! |---|---|
//! | weights | int8 or int16, in the order of `packing.rs` |
//! | biases | int32, `[phase][output channel]` |
//! | positive multipliers | int32, `[output channel]` |
//! | negative multipliers | int32, `[output channel]` |
//!
//! A model with classes has one more section behind those of the last layer: int8, `[class][width]`, the numbers of
//! each class. The first layer reads the numbers of the class that is drawn behind the values of the latent, in the same
//! steps of 1/32.
//!
//! Phases and taps are those of [`crate::spec`]. [`Model::parse`](crate::Model::parse) checks everything, the
//! bounds of the arithmetic included, so that drawing cannot fail.
//!
//! # Versions
//!
//! 1. [`VERSION`] rises by one with everything that a reader of the version before would refuse or
//!    misread: a new operation, activation, padding or weight transform, a new field, or another order, width
//!    or meaning of anything. In postcard the header is the fields of `Header` in the order in which
//!    the structs declare them, and an enum is the index of its variant.
//! 2. Existing fields and variants keep their place. New ones go to the end, and no number is used again with
//!    another meaning.
//! 3. A writer stores the lowest version that has everything that the file uses. So a model that uses
//!    nothing new keeps its bytes, and older programs can still read it.
//! 4. A reader accepts every version from 2, the first that was published, to its own. It refuses a newer
//!    one by the number alone ([`ParseError::Version`](crate::ParseError::Version)), before it reads anything
//!    that a newer version may have changed. The message then says that the program is too old.
//! 5. The first six bytes, magic and version, are the same in every version.
//!
//! | version | contents |
//! |---|---|
//! | 2 | the operations, activations, paddings and weight transforms of [`crate::spec`]; pictures of 3 channels |
//! | 3 | pictures of 1 channel |
//! | 4 | classes: `Header::classes`, and the section behind the last layer |

#[cfg(feature = "writer")]
use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc};
#[cfg(feature = "writer")]
use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

pub use crate::aligned::ADDRESS_ALIGNMENT;
use crate::spec::{LayerSpec, WeightTransform};
#[cfg(feature = "writer")]
use crate::spec::{MAX_CLASS_NAME, MAX_CLASSES, MAX_LAYERS};

/// First bytes of every model file.
pub const MAGIC: [u8; 4] = *b"RBGN";

/// The newest version of the format that this crate reads and writes: see [versions](self#versions).
pub const VERSION: u16 = 4;

/// The oldest version that this crate reads.
pub const OLDEST_VERSION: u16 = 2;

/// Sections begin at multiples of this within the file, in bytes.
pub const ALIGNMENT: usize = 16;

/// Bytes before the header.
pub const PREAMBLE: usize = 16;

// Not a constant: that would copy the lookup table to every use.
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The description of a model, without its weights, biases and multipliers.
#[cfg(feature = "writer")]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Header {
    /// A name for people, such as the preset it was trained from.
    pub name: String<32>,
    /// Number of inputs of the first layer: the values of the latent, and behind them the
    /// [`width`](ClassHeader::width) numbers of the class.
    pub inputs: u16,
    /// The layers, first to last.
    pub layers: Vec<LayerHeader, MAX_LAYERS>,
    /// The classes; from version 4 on an option in postcard, and in older versions nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassHeader>,
}

/// The classes of a [`Header`].
#[cfg(feature = "writer")]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassHeader {
    /// How many numbers a class has, 1 or more. The latent has at least one value beside them.
    pub width: u8,
    /// The name of each class, 1 to [`MAX_CLASS_NAME`] bytes; 2 to [`MAX_CLASSES`] names.
    pub names: Vec<String<MAX_CLASS_NAME>, MAX_CLASSES>,
}

/// One layer of a header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerHeader {
    /// Operation and activation.
    pub spec: LayerSpec,
    /// How its weights are transformed.
    pub transform: WeightTransform,
    /// The int8 that represents 0 in this layer's output. It is 0 for the last layer, whose output is
    /// pixels.
    pub zero_point: i8,
    /// Real value of one step of this layer's output, or for the last layer of the argument of its
    /// activation. The engine does not use it: it is part of the multipliers. It is for people and tools.
    pub scale: f32,
}

/// A header could not be written: the buffer is too small, or the header longer than 65,535 bytes.
#[cfg(feature = "writer")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EncodeError;

#[cfg(feature = "writer")]
impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the model's header does not fit the buffer")
    }
}

#[cfg(feature = "writer")]
impl core::error::Error for EncodeError {}

/// The version that brought classes.
pub(crate) const CLASSES_VERSION: u16 = 4;

/// The lowest version that has everything that a model uses: pictures of so many channels, and perhaps classes.
pub(super) const fn lowest_version(picture_channels: u16, has_classes: bool) -> u16 {
    match picture_channels {
        _ if has_classes => CLASSES_VERSION,
        1 => 3,
        _ => OLDEST_VERSION,
    }
}

#[cfg(feature = "writer")]
impl Header {
    /// The version that [`encode`](Self::encode) writes: the lowest that has everything that the model uses.
    pub fn version(&self) -> u16 {
        lowest_version(self.layers.last().map_or(3, |last| last.spec.op.channels()), self.classes.is_some())
    }

    /// Writes preamble and header into `blob` and returns the offset of the first section in bytes. Length and checksum are filled in by [`seal`].
    ///
    /// # Errors
    /// [`EncodeError`] when `blob` is too small.
    pub fn encode(&self, blob: &mut [u8]) -> Result<usize, EncodeError> {
        let room = blob.get_mut(PREAMBLE..).ok_or(EncodeError)?;
        let len = postcard::to_slice(self, room).map_err(|_| EncodeError)?.len();
        blob[0..4].copy_from_slice(&MAGIC);
        blob[4..6].copy_from_slice(&self.version().to_le_bytes());
        blob[6..8].copy_from_slice(&u16::try_from(len).map_err(|_| EncodeError)?.to_le_bytes());
        let end = (PREAMBLE + len).next_multiple_of(ALIGNMENT);
        blob.get_mut(PREAMBLE + len..end).ok_or(EncodeError)?.fill(0);
        Ok(end)
    }
}

/// Fills in the length and the checksum of a finished file.
///
/// # Errors
/// [`EncodeError`] when it is shorter than a preamble, or longer than 4 GiB.
#[cfg(feature = "writer")]
pub fn seal(blob: &mut [u8]) -> Result<(), EncodeError> {
    if blob.len() < PREAMBLE {
        return Err(EncodeError);
    }
    let len = u32::try_from(blob.len()).map_err(|_| EncodeError)?;
    blob[8..12].copy_from_slice(&len.to_le_bytes());
    let crc = checksum(blob);
    blob[12..16].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// CRC of everything but the CRC itself. `blob` has a preamble.
pub(super) fn checksum(blob: &[u8]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(&blob[..12]);
    digest.update(&blob[PREAMBLE..]);
    digest.finalize()
}
