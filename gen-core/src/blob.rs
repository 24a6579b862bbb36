//! The model file: a postcard header and aligned weight sections.
//!
//! | bytes | content |
//! |---|---|
//! | 0–3 | magic `RBGN` |
//! | 4–5 | version, little-endian (as all numbers) |
//! | 6–7 | length of the header |
//! | 8–11 | length of the file |
//! | 12–15 | CRC-32 (ISO-HDLC, as in zlib) of everything else |
//! | 16– | [`Header`] in postcard, zeros up to a multiple of 16 |
//!
//! then for each layer, each section padded with zeros to a multiple of 16:
//!
//! | section | content |
//! |---|---|
//! | weights | int8, `[phase][output channel][tap row][tap column][input channel]` |
//! | biases | int32, `[phase][output channel]` |
//! | positive multipliers | int32, `[output channel]` |
//! | negative multipliers | int32, `[output channel]` |
//!
//! Phases and taps are those of [`crate::spec`]. [`Model::parse`] checks all of it,
//! arithmetic bounds included, so that generating cannot fail.

use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc};
use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

use crate::fixed::Requant;
use crate::spec::{self, Geometry, LayerSpec, MAX_LAYERS, Shape, SpecError};

/// First bytes of every model file.
pub const MAGIC: [u8; 4] = *b"RBGN";
/// Version of the format that this crate reads and writes.
pub const VERSION: u16 = 1;
/// Sections begin at multiples of this.
pub const ALIGNMENT: usize = 16;
/// Bytes before the header.
pub const PREAMBLE: usize = 16;

// A constant would copy the lookup table to every use.
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What a model is, without its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// A name for people, such as the preset it was trained from.
    pub name: String<32>,
    /// Length of the latent.
    pub latent: u16,
    /// The layers, first to last.
    pub layers: Vec<LayerHeader, MAX_LAYERS>,
}

/// One layer of a [`Header`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerHeader {
    /// Operation and activation.
    pub spec: LayerSpec,
    /// The int8 that stands for 0 in this layer's output. The last layer's output
    /// is pixels and has 0 here.
    pub zero_point: i8,
    /// Real value of one step of this layer's output: for people and tools; the
    /// engine has it in its multipliers. For the last layer a step of the argument
    /// of its activation.
    pub scale: f32,
}

/// Why bytes are not a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ParseError {
    /// The bytes do not begin with [`MAGIC`].
    NotAModel,
    /// Another version of the format.
    Version {
        /// The version that the file names.
        found: u16,
    },
    /// The file is shorter, or longer, than it says.
    Length {
        /// Length according to the file.
        expected: u32,
        /// Length of the bytes given.
        found: u32,
    },
    /// The checksum does not match: the file was damaged.
    Checksum,
    /// The header is not valid postcard, or a number in it makes no sense.
    Header,
    /// The layers make no generator.
    Spec(SpecError),
    /// A multiplier is negative, or an accumulator of this layer could overflow.
    Range {
        /// Index of the layer.
        layer: u8,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAModel => f.write_str("not a model file (it does not begin with RBGN)"),
            Self::Version { found } => {
                write!(f, "model format version {found}, this program reads version {VERSION}: export the model again")
            }
            Self::Length { expected, found } => write!(f, "the model should be {expected} bytes long, found {found}"),
            Self::Checksum => f.write_str("the model is damaged: its checksum does not match"),
            Self::Header => f.write_str("the model's header is invalid"),
            Self::Spec(e) => write!(f, "the model's layers do not fit together: {e}"),
            Self::Range { layer } => write!(f, "layer {layer} of the model could overflow its 32-bit accumulators"),
        }
    }
}

impl core::error::Error for ParseError {}

impl From<SpecError> for ParseError {
    fn from(e: SpecError) -> Self {
        Self::Spec(e)
    }
}

/// A list of little-endian `i32`, read in place: blobs promise no alignment.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a>(&'a [[u8; 4]]);

impl Words<'_> {
    /// Element `i`.
    #[inline(always)]
    pub fn get(&self, i: usize) -> i32 {
        i32::from_le_bytes(self.0[i])
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All elements.
    pub fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        self.0.iter().map(|&b| i32::from_le_bytes(b))
    }
}

/// A checked layer: header, geometry, and its numbers within the blob.
#[derive(Debug, Clone)]
pub struct Layer<'a> {
    /// Operation and activation.
    pub spec: LayerSpec,
    /// Shapes and windows.
    pub geometry: Geometry,
    /// See [`LayerHeader::zero_point`].
    pub zero_point: i8,
    /// See [`LayerHeader::scale`].
    pub scale: f32,
    /// `[phase][output channel][tap row][tap column][input channel]`.
    pub weights: &'a [i8],
    /// `[phase][output channel]`.
    pub biases: Words<'a>,
    positive: Words<'a>,
    negative: Words<'a>,
}

impl Layer<'_> {
    /// Multipliers of an output channel.
    #[inline(always)]
    pub fn requant(&self, channel: usize) -> Requant {
        Requant { positive: self.positive.get(channel), negative: self.negative.get(channel) }
    }

    /// Weights of a phase: `[output channel][tap row][tap column][input channel]`.
    #[inline(always)]
    pub fn filters(&self, phase: usize) -> &[i8] {
        let start = self.geometry.weight_offset(phase);
        let len = self.geometry.fan_in(phase) * self.geometry.output.channels as usize;
        &self.weights[start..start + len]
    }

    /// Weights that feed an output channel in a phase.
    #[inline(always)]
    pub fn filter(&self, phase: usize, channel: usize) -> &[i8] {
        let len = self.geometry.fan_in(phase);
        &self.filters(phase)[channel * len..(channel + 1) * len]
    }

    /// Whether every input keeps the accumulators within the bounds of [`crate::fixed`].
    fn is_in_range(&self) -> bool {
        let channels = self.geometry.output.channels as usize;
        for channel in 0..channels {
            let Requant { positive, negative } = self.requant(channel);
            if positive < 0 || negative < 0 {
                return false;
            }
            for phase in 0..self.geometry.phases() {
                let magnitudes: i64 = self.filter(phase, channel).iter().map(|&w| i64::from(w.unsigned_abs())).sum();
                let bias = i64::from(self.biases.get(phase * channels + channel)).abs();
                let bound = bias + 128 * magnitudes;
                let product = bound.saturating_mul(i64::from(positive.max(negative)));
                if bound > i64::from(i32::MAX) || product >= 1 << 52 {
                    return false;
                }
            }
        }
        true
    }
}

/// A checked model. It borrows the blob: weights stay where they are, in flash.
#[derive(Debug, Clone)]
pub struct Model<'a> {
    /// See [`Header::name`].
    pub name: String<32>,
    layers: Vec<Layer<'a>, MAX_LAYERS>,
    latent: u16,
    workspace: usize,
    size: usize,
    checksum: u32,
}

impl<'a> Model<'a> {
    /// Reads and checks a blob, once, so that nothing can go wrong later.
    ///
    /// Costs one pass for the checksum and one over the weights.
    ///
    /// # Errors
    /// The first of [`ParseError`] that applies.
    pub fn parse(blob: &'a [u8]) -> Result<Self, ParseError> {
        let mut rest = Reader(blob);
        if rest.take(4) != Some(&MAGIC[..]) {
            return Err(ParseError::NotAModel);
        }
        let found = blob.len().min(u32::MAX as usize) as u32;
        let short = ParseError::Length { expected: PREAMBLE as u32, found };
        let version = rest.u16().ok_or(short)?;
        if version != VERSION {
            return Err(ParseError::Version { found: version });
        }
        let header_len = rest.u16().ok_or(short)?;
        let expected = rest.u32().ok_or(short)?;
        let crc = rest.u32().ok_or(short)?;
        if expected as usize != blob.len() {
            return Err(ParseError::Length { expected, found });
        }
        if crc != checksum(blob) {
            return Err(ParseError::Checksum);
        }

        let bytes = rest.take(header_len as usize).ok_or(ParseError::Header)?;
        let (header, spare) = postcard::take_from_bytes::<Header>(bytes).map_err(|_| ParseError::Header)?;
        if !spare.is_empty() {
            return Err(ParseError::Header);
        }
        rest.align(blob).ok_or(ParseError::Header)?;

        let specs: Vec<LayerSpec, MAX_LAYERS> = header.layers.iter().map(|l| l.spec).collect();
        let workspace = spec::workspace_len(header.latent, &specs)?;
        let mut layers = Vec::new();
        let mut input = Shape::latent(header.latent);
        for (i, layer) in header.layers.iter().enumerate() {
            if !(layer.scale.is_finite() && layer.scale > 0.0) {
                return Err(ParseError::Header);
            }
            let geometry = layer.spec.geometry(input)?;
            input = geometry.output;
            let channels = geometry.output.channels as usize;
            let mut section = |len| {
                let bytes = rest.take(len)?;
                rest.align(blob)?;
                Some(bytes)
            };
            let layer = (|| {
                Some(Layer {
                    spec: layer.spec,
                    geometry,
                    zero_point: layer.zero_point,
                    scale: layer.scale,
                    weights: bytemuck::cast_slice(section(geometry.weight_count())?),
                    biases: words(section(4 * geometry.bias_count())?),
                    positive: words(section(4 * channels)?),
                    negative: words(section(4 * channels)?),
                })
            })()
            .ok_or(ParseError::Header)?;
            if !layer.is_in_range() {
                return Err(ParseError::Range { layer: i as u8 });
            }
            // Cannot be full: the header's list has the same capacity.
            let _ = layers.push(layer);
        }
        if !rest.0.is_empty() {
            return Err(ParseError::Header);
        }
        Ok(Self { name: header.name, layers, latent: header.latent, workspace, size: blob.len(), checksum: crc })
    }

    /// The layers, first to last; at least one.
    pub fn layers(&self) -> &[Layer<'a>] {
        &self.layers
    }

    /// Length of the latent.
    pub fn latent_len(&self) -> usize {
        self.latent as usize
    }

    /// Shape of the picture; it has 3 channels.
    pub fn picture(&self) -> Shape {
        self.layers[self.layers.len() - 1].geometry.output
    }

    /// Bytes of workspace that [`crate::Engine::new`] asks for.
    pub fn workspace_len(&self) -> usize {
        self.workspace
    }

    /// Bytes of the blob.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Checksum of the blob: the CRC-32 in its preamble, which names a model for people.
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    /// Multiply-accumulates for one picture.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|l| l.geometry.macs()).sum()
    }

    /// The header that this model was read from.
    pub fn header(&self) -> Header {
        let layers = self.layers.iter().map(|l| LayerHeader { spec: l.spec, zero_point: l.zero_point, scale: l.scale });
        Header { name: self.name.clone(), latent: self.latent, layers: layers.collect() }
    }
}

/// Why a header could not be written: the buffer is too small, or the header
/// longer than its 16-bit length can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EncodeError;

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the model's header does not fit the buffer")
    }
}

impl core::error::Error for EncodeError {}

impl Header {
    /// Writes preamble and header into `blob` and returns where the first section
    /// begins. Length and checksum are filled in by [`seal`].
    ///
    /// # Errors
    /// [`EncodeError`] when `blob` is too small.
    pub fn encode(&self, blob: &mut [u8]) -> Result<usize, EncodeError> {
        let room = blob.get_mut(PREAMBLE..).ok_or(EncodeError)?;
        let len = postcard::to_slice(self, room).map_err(|_| EncodeError)?.len();
        blob[0..4].copy_from_slice(&MAGIC);
        blob[4..6].copy_from_slice(&VERSION.to_le_bytes());
        blob[6..8].copy_from_slice(&u16::try_from(len).map_err(|_| EncodeError)?.to_le_bytes());
        let end = (PREAMBLE + len).next_multiple_of(ALIGNMENT);
        blob.get_mut(PREAMBLE + len..end).ok_or(EncodeError)?.fill(0);
        Ok(end)
    }
}

/// Fills in length and checksum of a finished blob.
///
/// # Errors
/// [`EncodeError`] when it has no room for a preamble or is longer than 4 GiB.
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

/// CRC of everything but the CRC. `blob` has a preamble.
fn checksum(blob: &[u8]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(&blob[..12]);
    digest.update(&blob[PREAMBLE..]);
    digest.finalize()
}

fn words(bytes: &[u8]) -> Words<'_> {
    // Every caller asks for a multiple of 4 bytes.
    Words(bytes.as_chunks().0)
}

/// Takes bytes from the front, or `None` when there are not enough.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Skips the zeros up to the next aligned offset of `blob`; other bytes there are refused.
    fn align(&mut self, blob: &[u8]) -> Option<()> {
        let at = blob.len() - self.0.len();
        let padding = self.take(at.next_multiple_of(ALIGNMENT) - at)?;
        padding.iter().all(|&b| b == 0).then_some(())
    }
}
