//! The model file: a postcard header and aligned weight sections.
//!
//! The file begins at an address that is a multiple of [`ADDRESS_ALIGNMENT`], on every machine.
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
//! | weights | in the order of [`crate::packing`] |
//! | biases | int32, `[phase][output channel]` |
//! | positive multipliers | int32, `[output channel]` |
//! | negative multipliers | int32, `[output channel]` |
//!
//! Phases and taps are those of [`crate::spec`]. [`Model::parse`] checks all of it,
//! arithmetic bounds included, so that generating cannot fail.
//!
//! # Versions
//!
//! 1. [`VERSION`] rises by one with everything that a reader of the version before would refuse or
//!    misread: a new operation, activation, padding or form, a field more, or another order, width or
//!    meaning of anything. In postcard the header is the fields of [`Header`] in the order in which
//!    the structs declare them, and an enum is the place of its variant.
//! 2. What there is keeps its place. New variants and fields go to the end, nothing is used again for
//!    something else.
//! 3. A writer names the lowest version that has everything that the file uses. So a model that uses
//!    nothing new keeps its bytes, and older programs go on reading it.
//! 4. A reader reads every version from 2, the first that was published, to its own. It refuses a newer
//!    one by the number alone ([`ParseError::Version`], which then says that the program is too
//!    old), before it looks at anything whose meaning a newer version may have changed.
//! 5. The first six bytes, magic and version, are the same in every version.
//!
//! | version | has |
//! |---|---|
//! | 2 | the operations, activations, paddings and forms of [`crate::spec`]; all there is |

use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc};
use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

use crate::certain::{at, part, positive};
use crate::fixed::Requant;
use crate::kernels::{Kernels, Native, Requants};
use crate::packing::PAIR;
use crate::spec::{self, Form, Geometry, LayerSpec, MAX_LAYERS, Shape, SpecError};
use crate::tiling::{Memory, Tiling};
use crate::winograd::{self, MAX_POINTS};

/// First bytes of every model file.
pub const MAGIC: [u8; 4] = *b"RBGN";
/// Version of the format that this crate reads and writes: see [above](self#versions).
pub const VERSION: u16 = 2;
/// Sections begin at multiples of this within the file.
pub const ALIGNMENT: usize = 16;
/// The file itself begins at an address that is a multiple of this: kernels read weights in words of four
/// bytes. [`crate::aligned`] has the means.
pub const ADDRESS_ALIGNMENT: usize = 4;
/// Bytes before the header.
pub const PREAMBLE: usize = 16;

// A constant would copy the lookup table to every use.
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What a model is, without its numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    /// How its weights are stored.
    pub form: Form,
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
    /// The bytes do not begin at a multiple of [`ADDRESS_ALIGNMENT`]. Checked on every machine, so that
    /// a test on a host finds what a chip would refuse.
    Alignment {
        /// The address has to be a multiple of this.
        needed: usize,
    },
    /// Another version of the format: a newer one, or one from before the first that was published.
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
    /// The header is not valid postcard.
    Header {
        /// Index of the layer whose entry cannot be read; `None` for what comes before the first: the
        /// name (UTF-8, up to 32 bytes), the length of the latent, the number of layers.
        layer: Option<u8>,
    },
    /// The header is shorter, or longer, than the preamble says, or longer than the file.
    HeaderLength {
        /// Length according to the preamble.
        stated: u16,
    },
    /// The layer's operation, activation, padding or form has a number that this version of the format
    /// does not have.
    Unknown {
        /// Index of the layer.
        layer: u8,
    },
    /// The layers make no generator.
    Spec(SpecError),
    /// The scale of the layer's output is not a positive, finite number.
    Scale {
        /// Index of the layer.
        layer: u8,
    },
    /// The file ends within a section.
    Section {
        /// Index of the layer.
        layer: u8,
        /// Which one.
        section: Section,
        /// Bytes that the layer's shape asks for, with the zeros behind them.
        needed: u32,
        /// Bytes that the file has from the start of the section on.
        left: u32,
    },
    /// A byte between header and sections, or between two of them, is not zero: header and sections do not
    /// belong together, or the file was not written by this crate.
    Padding {
        /// Where it lies in the file.
        at: u32,
    },
    /// The file goes on behind the last layer.
    Trailing {
        /// Bytes that belong to nothing.
        bytes: u32,
    },
    /// A multiplier of the layer is negative.
    Multiplier {
        /// Index of the layer.
        layer: u8,
    },
    /// An accumulator of the layer could overflow, or its product with a multiplier leave the range in which
    /// arithmetic is exact ([`crate::fixed`]).
    Range {
        /// Index of the layer.
        layer: u8,
    },
    /// The layer cannot have its [`Form`].
    Form {
        /// Index of the layer.
        layer: u8,
    },
    /// The layer's weights are not the transform of any int8 weights, or those that fill up a quad or a
    /// pair are not 0.
    Weights {
        /// Index of the layer.
        layer: u8,
    },
}

/// A list of numbers of a layer in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Section {
    /// The weights.
    Weights,
    /// The biases.
    Biases,
    /// Multipliers for accumulators from 0 on.
    Positive,
    /// Multipliers for accumulators below 0.
    Negative,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weights => "weights",
            Self::Biases => "biases",
            Self::Positive => "positive multipliers",
            Self::Negative => "negative multipliers",
        })
    }
}

/// Short: firmware shows it on displays of 6 lines of 21 letters.
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
                write!(f, "model format version {found}, this program reads version {VERSION}: export the model again")
            }
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
            Self::Section { layer, section, needed, left } => write!(
                f,
                "the model ends within the {section} of layer {layer}: {needed} bytes needed, {left} left; export it again"
            ),
            Self::Padding { at } => {
                write!(f, "byte {at} of the model should be 0: its header and its sections do not fit, export it again")
            }
            Self::Trailing { bytes } => {
                write!(f, "{bytes} bytes of the model follow its last layer: export the model again")
            }
            Self::Multiplier { layer } => {
                write!(f, "layer {layer} of the model has a negative multiplier: export the model again")
            }
            Self::Range { layer } => write!(f, "layer {layer} of the model could overflow its 32-bit accumulators"),
            Self::Form { layer } => {
                write!(f, "layer {layer} of the model cannot have the form winograd: export the model again")
            }
            Self::Weights { layer } => {
                write!(f, "layer {layer} of the model has weights that its form does not allow: export it again")
            }
        }
    }
}

impl core::error::Error for ParseError {}

impl From<SpecError> for ParseError {
    fn from(e: SpecError) -> Self {
        Self::Spec(e)
    }
}

/// A list of little-endian `i32`, read in place: on every machine the bytes of the file are the numbers.
#[derive(Clone, Copy)]
pub struct Words<'a>(&'a [[u8; 4]]);

/// Its length.
impl fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({} values)", self.len())
    }
}

impl<'a> Words<'a> {
    /// The list with these bytes.
    pub const fn new(words: &'a [[u8; 4]]) -> Self {
        Self(words)
    }

    /// Element `i`; `None` past the last one.
    #[inline(always)]
    pub fn get(&self, i: usize) -> Option<i32> {
        self.0.get(i).map(|&word| i32::from_le_bytes(word))
    }

    /// Element `i`, which there is.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn at(&self, i: usize) -> i32 {
        i32::from_le_bytes(at(self.0, i))
    }

    /// Elements `start` to `start + len`, which there are.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn slice(&self, start: usize, len: usize) -> Self {
        Self(part(self.0, start..start + len))
    }

    /// Where they lie.
    pub(crate) fn as_ptr(&self) -> *const [u8; 4] {
        self.0.as_ptr()
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
    pub fn iter(self) -> impl Iterator<Item = i32> + 'a {
        self.0.iter().map(|&b| i32::from_le_bytes(b))
    }
}

/// A checked layer: header, geometry, and its numbers within the blob.
///
/// Phases, channels and taps are those of its [`Geometry`]. Functions that are given others panic on a
/// host; on a chip without debug assertions they return zeros or nothing, so that no panic is linked.
#[derive(Clone)]
pub struct Layer<'a> {
    /// Operation and activation.
    pub spec: LayerSpec,
    /// How its weights are stored.
    pub form: Form,
    /// Shapes and windows.
    pub geometry: Geometry,
    /// See [`LayerHeader::zero_point`].
    pub zero_point: i8,
    /// See [`LayerHeader::scale`].
    pub scale: f32,
    /// All weights, in the order of [`crate::packing`].
    weights: &'a [i8],
    /// `[phase][output channel]`.
    biases: Words<'a>,
    positive: Words<'a>,
    negative: Words<'a>,
    one_multiplier: bool,
}

/// Without its numbers.
impl fmt::Debug for Layer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spec, form, geometry, zero_point, scale, .. } = self;
        let (input, output, weights) = (geometry.input, geometry.output, self.weights.len());
        write!(f, "Layer {{ {spec:?}, {form:?}, {input} to {output}, zero_point: {zero_point}, scale: {scale}, ")?;
        write!(f, "weights: {weights} bytes }}")
    }
}

impl<'a> Layer<'a> {
    /// Multipliers of an output channel.
    #[inline(always)]
    pub fn requant(&self, channel: usize) -> Requant {
        Requants { positive: self.positive, negative: self.negative }.at(channel)
    }

    /// Multipliers of all output channels, for kernels: where every channel has the same
    /// multiplier for both signs, or one of 0 for negative accumulators whose results
    /// would saturate at the zero point anyway (a ReLU with zero point −128), both lists
    /// are the very same.
    #[inline(always)]
    pub fn requants(&self) -> Requants<'a> {
        let negative = if self.one_multiplier { self.positive } else { self.negative };
        Requants { positive: self.positive, negative }
    }

    /// Biases of a phase, one for each output channel.
    #[inline(always)]
    pub fn biases(&self, phase: usize) -> Words<'a> {
        let channels = self.geometry.output.channels as usize;
        self.biases.slice(phase * channels, channels)
    }

    /// Bytes of all weights.
    pub fn weights_len(&self) -> usize {
        self.weights.len()
    }

    /// Weights of a phase, in the order of [`crate::packing`].
    #[inline(never)]
    pub fn filters(&self, phase: usize) -> &'a [i8] {
        let start = self.geometry.packed_offset(self.form, phase);
        part(self.weights, start..start + self.geometry.packed_phase_len(self.form, phase))
    }

    /// The int8 weight from `input` channel to `output` channel at tap row `t` and column
    /// `u` of a phase, whatever its form.
    pub fn weight(&self, phase: usize, output: usize, [t, u]: [usize; 2], input: usize) -> i8 {
        match self.form {
            Form::Direct => self.filters(phase)[self.geometry.direct_index(phase, output, [t, u], input)],
            // There is one: the parser has seen to it.
            Form::Winograd => self.untransformed(phase, output, t, input).map_or(0, |taps| taps[u]),
        }
    }

    /// The int8 weights that the points of a Winograd layer stem from; `None` if from none.
    fn untransformed(&self, phase: usize, output: usize, t: usize, input: usize) -> Option<[i8; MAX_POINTS]> {
        let (g, filters) = (&self.geometry, self.filters(phase));
        let points = g.points()?;
        let mut values = [0; MAX_POINTS];
        for (point, value) in values[..points].iter_mut().enumerate() {
            let at = g.winograd_index(phase, output, t, point, input);
            *value = i16::from_le_bytes([filters[at].cast_unsigned(), filters[at + 1].cast_unsigned()]);
        }
        winograd::taps(points, values)
    }

    /// Takes the sections of a layer.
    #[inline(never)]
    fn take(
        header: &LayerHeader,
        index: u8,
        geometry: Geometry,
        rest: &mut Reader<'a>,
        blob: &'a [u8],
    ) -> Result<Self, ParseError> {
        let mut section = |section, len| {
            let left = rest.0.len() as u32; // of at most so many, says the preamble
            rest.section(len, blob)?.ok_or(ParseError::Section {
                layer: index,
                section,
                needed: len.next_multiple_of(ALIGNMENT) as u32,
                left,
            })
        };
        let channels = geometry.output.channels as usize;
        Ok(Self {
            spec: header.spec,
            form: header.form,
            geometry,
            zero_point: header.zero_point,
            scale: header.scale,
            weights: bytemuck::cast_slice(section(Section::Weights, geometry.packed_len(header.form))?),
            biases: words(section(Section::Biases, 4 * geometry.bias_count())?),
            positive: words(section(Section::Positive, 4 * channels)?),
            negative: words(section(Section::Negative, 4 * channels)?),
            one_multiplier: false,
        })
    }

    /// The layer, if its numbers are sound.
    #[inline(never)]
    fn checked(mut self, index: u8) -> Result<Self, ParseError> {
        self.check(index)?;
        self.one_multiplier = self.has_one_multiplier();
        Ok(self)
    }

    /// Whether every input keeps the accumulators within the bounds of [`crate::fixed`]
    /// and of [`crate::winograd`], and all weights are weights.
    fn check(&self, index: u8) -> Result<(), ParseError> {
        let (g, range) = (&self.geometry, ParseError::Range { layer: index });
        for phase in 0..g.phases() {
            let biases = self.biases(phase);
            self.magnitudes(phase, |channel, magnitudes| {
                let Requant { positive, negative } = self.requant(channel);
                if positive < 0 || negative < 0 {
                    return Err(ParseError::Multiplier { layer: index });
                }
                let sum = 128 * magnitudes;
                let bound = i64::from(biases.at(channel)).abs() + sum;
                let product = bound.saturating_mul(i64::from(positive.max(negative)));
                let is_sound = bound <= i64::from(i32::MAX) && product < 1 << 52 && sum <= g.max_sum(self.form);
                if is_sound { Ok(()) } else { Err(range) }
            })
            .map_err(|e| e.unwrap_or(ParseError::Weights { layer: index }))?;
        }
        Ok(())
    }

    /// Hands out `Σ |weight|` of every output channel in a phase. Fails with `None` if a
    /// weight stems from no int8, or one that fills up a quad or a pair is not 0.
    fn magnitudes<E>(&self, phase: usize, each: impl FnMut(usize, i64) -> Result<(), E>) -> Result<(), Option<E>> {
        match (self.form, self.geometry.points()) {
            (Form::Winograd, Some(points)) => self.winograd_magnitudes(points, phase, each),
            _ => self.direct_magnitudes(phase, each),
        }
    }

    fn direct_magnitudes<E>(
        &self,
        phase: usize,
        mut each: impl FnMut(usize, i64) -> Result<(), E>,
    ) -> Result<(), Option<E>> {
        let (g, filters) = (&self.geometry, self.filters(phase));
        let (inputs, columns) = (g.input.channels as usize, g.x.taps(phase % g.x.phases()));
        let len = filters.len() / positive(g.output.channels as usize);
        for (channel, filter) in filters.chunks_exact(positive(len)).enumerate() {
            // So many at a time that 32 bits are enough.
            let sum = |part: &[i8]| part.iter().map(|w| u32::from(w.unsigned_abs())).sum::<u32>();
            let sum: i64 = filter.chunks(1 << 16).map(|part| i64::from(sum(part))).sum();
            if inputs % 4 != 0 {
                for row in filter.chunks_exact(positive(g.quads() * columns * 4)) {
                    let (last, _) = part(row, (g.quads() - 1) * columns * 4..).as_chunks::<4>();
                    if last.iter().any(|quad| quad[inputs % 4..].iter().any(|&w| w != 0)) {
                        return Err(None);
                    }
                }
            }
            each(channel, sum).map_err(Some)?;
        }
        Ok(())
    }

    /// In the order of the blob: its pairs of channels are too far apart to go from one to the
    /// other for every weight.
    fn winograd_magnitudes<E>(
        &self,
        points: usize,
        phase: usize,
        mut each: impl FnMut(usize, i64) -> Result<(), E>,
    ) -> Result<(), Option<E>> {
        let (g, (filters, _)) = (&self.geometry, self.filters(phase).as_chunks::<2>());
        let (inputs, outputs) = (g.input.channels as usize, g.output.channels as usize);
        let len = filters.len() / positive(outputs.div_ceil(PAIR));
        for (pair, filters) in filters.chunks_exact(positive(len)).enumerate() {
            let mut sums = [0; PAIR];
            let per_point = positive(len / positive(points));
            for i in 0..per_point {
                // `[tap row and quad][half][output channel][place]`
                let (quad, half, output, place) = (i / 8 % positive(g.quads()), i / 4 % 2, i / 2 % PAIR, i % 2);
                let mut values = [0; MAX_POINTS];
                for (value, filters) in values.iter_mut().zip(filters.chunks_exact(per_point)) {
                    *value = i16::from_le_bytes(at(filters, i).map(i8::cast_unsigned));
                }
                if 4 * quad + 2 * place + half < inputs && pair * PAIR + output < outputs {
                    let taps = winograd::taps(points, values).ok_or(None)?;
                    sums[output] += taps.iter().map(|w| i64::from(w.unsigned_abs())).sum::<i64>();
                } else if values != [0; MAX_POINTS] {
                    return Err(None);
                }
            }
            for (output, &sum) in sums.iter().enumerate().take(outputs - pair * PAIR) {
                each(pair * PAIR + output, sum).map_err(Some)?;
            }
        }
        Ok(())
    }

    /// Whether [`requants`](Self::requants) may be one list.
    fn has_one_multiplier(&self) -> bool {
        (0..self.geometry.output.channels as usize).all(|channel| {
            let Requant { positive, negative } = self.requant(channel);
            positive == negative || (negative == 0 && self.zero_point == i8::MIN)
        })
    }
}

/// A checked model. It borrows the blob: weights stay where they are, in flash.
#[derive(Clone)]
pub struct Model<'a> {
    /// See [`Header::name`].
    pub name: String<32>,
    layers: Vec<Layer<'a>, MAX_LAYERS>,
    latent: u16,
    size: usize,
    checksum: u32,
}

/// A line about it.
impl fmt::Debug for Model<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, layers, latent, size, checksum } = self;
        let (layers, picture) = (layers.len(), self.picture());
        write!(f, "Model {{ name: {name:?}, latent: {latent}, layers: {layers}, picture: {picture}, ")?;
        write!(f, "size: {size}, checksum: {checksum:#010x} }}")
    }
}

impl<'a> Model<'a> {
    /// Reads and checks a blob, once, so that nothing can go wrong later.
    ///
    /// Costs one pass for the checksum and one over the weights.
    ///
    /// `blob` begins at an address that is a multiple of [`ADDRESS_ALIGNMENT`] (4 bytes), on a host too.
    /// Neither [`include_bytes!`] nor a `Vec<u8>` promises that: use
    /// [`include_aligned!`](crate::include_aligned) for the one and
    #[cfg_attr(feature = "alloc", doc = "[`aligned`](crate::aligned::aligned)")]
    #[cfg_attr(not(feature = "alloc"), doc = "`aligned::aligned` (feature `alloc`)")]
    /// for the other.
    ///
    /// # Errors
    /// The first of [`ParseError`] that applies; [`ParseError::Alignment`] if the address is no such
    /// multiple.
    pub fn parse(blob: &'a [u8]) -> Result<Self, ParseError> {
        let mut rest = Reader(blob);
        if rest.take(4) != Some(&MAGIC[..]) {
            return Err(ParseError::NotAModel);
        }
        if !blob.as_ptr().addr().is_multiple_of(ADDRESS_ALIGNMENT) {
            return Err(ParseError::Alignment { needed: ADDRESS_ALIGNMENT });
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
        let wrong_length = ParseError::HeaderLength { stated: header_len };
        let header = rest.section(header_len.into(), blob)?.ok_or(wrong_length)?;

        let mut model = Self { name: String::new(), layers: Vec::new(), latent: 0, size: blob.len(), checksum: crc };
        model.fill(header, blob, rest)?;
        Ok(model)
    }

    /// Reads the header field by field, in the order of [`Header`]: as a whole it would take
    /// more stack than all that comes after. Not inlined, as what it calls, so that no stack
    /// has to hold all their locals together.
    #[inline(never)]
    fn fill(&mut self, mut header: &[u8], blob: &'a [u8], mut rest: Reader<'a>) -> Result<(), ParseError> {
        let stated = header.len() as u16; // as the preamble says
        self.name = next(&mut header, None, stated)?;
        self.latent = next(&mut header, None, stated)?;
        // How postcard begins a list.
        let count = next::<u32>(&mut header, None, stated)? as usize;
        let mut input = spec::start(self.latent, count)?;
        for i in 0..count {
            let index = i as u8; // of at most MAX_LAYERS
            let layer: LayerHeader = next(&mut header, Some(index), stated)?;
            if !(layer.scale.is_finite() && layer.scale > 0.0) {
                return Err(ParseError::Scale { layer: index });
            }
            let geometry = layer.spec.follow(input, i + 1 == count)?;
            if !geometry.has_form(layer.form) {
                return Err(ParseError::Form { layer: index });
            }
            input = geometry.output;
            let layer = Layer::take(&layer, index, geometry, &mut rest, blob)?.checked(index)?;
            // Cannot be full: `count` has been checked.
            let _ = self.layers.push(layer);
        }
        match (header.len(), rest.0.len()) {
            (0, 0) => Ok(()),
            (0, bytes) => Err(ParseError::Trailing { bytes: bytes as u32 }),
            _ => Err(ParseError::HeaderLength { stated }),
        }
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
        // There is a last layer: the parser has seen to it.
        self.layers.last().map_or(Shape::new(0, 0, 0), |last| last.geometry.output)
    }

    /// Bytes of workspace that [`crate::Engine::new`] asks for, on this processor.
    pub fn workspace_len(&self) -> usize {
        self.memory(&Native::TILING).len()
    }

    /// What a workspace for kernels with this tiling consists of.
    pub fn memory(&self, tiling: &Tiling) -> Memory {
        self.layers.iter().fold(Memory::of(self.picture()), |memory, l| memory.with(tiling, &l.geometry, l.form))
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
        let layers = self.layers.iter().map(|l| LayerHeader {
            spec: l.spec,
            form: l.form,
            zero_point: l.zero_point,
            scale: l.scale,
        });
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

/// Takes a value in postcard from the front of a header: one of a layer, or before the first.
fn next<'b, T: Deserialize<'b>>(header: &mut &'b [u8], layer: Option<u8>, stated: u16) -> Result<T, ParseError> {
    let (value, rest) = postcard::take_from_bytes(header).map_err(|e| unreadable(&e, layer, stated))?;
    *header = rest;
    Ok(value)
}

#[cold]
fn unreadable(error: &postcard::Error, layer: Option<u8>, stated: u16) -> ParseError {
    match (error, layer) {
        (postcard::Error::DeserializeUnexpectedEnd, _) => ParseError::HeaderLength { stated },
        // What serde says of a variant that there is not. Nothing else of a layer is refused by it.
        (postcard::Error::SerdeDeCustom, Some(layer)) => ParseError::Unknown { layer },
        (_, layer) => ParseError::Header { layer },
    }
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

    /// Takes a section and the zeros behind it, up to the next aligned offset of `blob`; `None` when
    /// there are fewer bytes. It begins at an aligned offset.
    fn section(&mut self, len: usize, blob: &[u8]) -> Result<Option<&'a [u8]>, ParseError> {
        let Some(bytes) = self.take(len.next_multiple_of(ALIGNMENT)) else { return Ok(None) };
        let mut bytes = Reader(bytes);
        let section = bytes.take(len);
        match bytes.0.iter().position(|&b| b != 0) {
            None => Ok(section),
            Some(at) => Err(ParseError::Padding { at: (blob.len() - self.0.len() - bytes.0.len() + at) as u32 }),
        }
    }
}
