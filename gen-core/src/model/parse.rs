//! Reads a model and checks all of it, so that drawing cannot fail.

use heapless::{String, Vec};
use serde::Deserialize;

use super::error::{ParseError, Section};
use super::format::{
    ALIGNMENT, CLASSES_VERSION, LayerHeader, MAGIC, OLDEST_VERSION, PREAMBLE, VERSION, checksum, lowest_version,
};
use super::{Classes, Layer, Model};
use crate::aligned::ADDRESS_ALIGNMENT;
use crate::no_panic::{get_or_default, nonzero, subslice};
use crate::packing::PAIR;
use crate::quant::{I32LeSlice, Multiplier};
use crate::spec::{self, Geometry, MAX_CLASS_NAME, MAX_CLASSES, WeightTransform};
use crate::winograd::{self, MAX_POINTS};

impl<'a> Model<'a> {
    /// Reads the bytes of a model file and checks them completely, so that drawing cannot fail later. It reads all
    /// bytes once for the checksum, and all weights once more.
    ///
    /// The address of `blob` has to be a multiple of 4, on a host too. Neither [`include_bytes!`] nor a `Vec<u8>`
    /// promises that: use [`include_aligned!`](crate::include_aligned) for the one and
    #[cfg_attr(feature = "alloc", doc = "[`aligned`](crate::aligned())")]
    #[cfg_attr(not(feature = "alloc"), doc = "`aligned` (feature `alloc`)")]
    /// for the other.
    ///
    /// # Errors
    /// The first [`ParseError`] that applies.
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
        if !(OLDEST_VERSION..=VERSION).contains(&version) {
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

        let mut model = Self {
            name: String::new(),
            layers: Vec::new(),
            inputs: 0,
            classes: Classes::default(),
            size: blob.len(),
            checksum: crc,
        };
        model.fill(version, header, blob, rest)?;
        let needed = lowest_version(model.output_shape().channels, !model.classes.is_empty());
        if version < needed {
            return Err(ParseError::VersionTooLow { found: version, needed });
        }
        Ok(model)
    }

    /// Reads the header field by field, in the order of [`Header`](super::format::Header). Read as a whole it
    /// would need more stack than everything else. This function and those that it calls are not inlined, so that
    /// their local variables are not all on the stack at once.
    #[inline(never)]
    fn fill(
        &mut self,
        version: u16,
        mut header: &'a [u8],
        blob: &'a [u8],
        mut rest: Reader<'a>,
    ) -> Result<(), ParseError> {
        let stated = header.len() as u16; // as the preamble says
        self.name = next(&mut header, None, stated)?;
        self.inputs = next(&mut header, None, stated)?;
        // A list in postcard begins with its length.
        let count = next::<u32>(&mut header, None, stated)? as usize;
        let mut input = spec::start(self.inputs, count)?;
        for i in 0..count {
            let index = i as u8; // below MAX_LAYERS
            let layer: LayerHeader = next(&mut header, Some(index), stated)?;
            if !(layer.scale.is_finite() && layer.scale > 0.0) {
                return Err(ParseError::Scale { layer: index });
            }
            let geometry = layer.spec.follow(input, i + 1 == count)?;
            if !geometry.allows(layer.transform) {
                return Err(ParseError::Transform { layer: index });
            }
            if matches!(layer.transform, WeightTransform::Winograd) && !cfg!(feature = "winograd") {
                return Err(ParseError::NoWinograd { layer: index });
            }
            input = geometry.output;
            let layer = Layer::take(&layer, index, geometry, &mut rest, blob)?.checked(index)?;
            // Never full: `count` is at most MAX_LAYERS.
            let _ = self.layers.push(layer);
        }
        if version >= CLASSES_VERSION {
            self.classes = Classes::take(&mut header, self.inputs, &mut rest, blob)?;
        }
        match (header.len(), rest.0.len()) {
            (0, 0) => Ok(()),
            (0, bytes) => Err(ParseError::Trailing { bytes: bytes as u32 }),
            _ => Err(ParseError::HeaderLength { stated }),
        }
    }
}

impl<'a> Classes<'a> {
    /// Takes the names from the header, and the numbers from the rest of the file.
    #[inline(never)]
    fn take(header: &mut &'a [u8], inputs: u16, rest: &mut Reader<'a>, blob: &'a [u8]) -> Result<Self, ParseError> {
        // An option in postcard begins with 0 or 1, and a list with its length.
        let bad = |_| ParseError::Classes;
        let mut take = || -> Result<Option<(u8, u32)>, postcard::Error> {
            let (is_some, left) = postcard::take_from_bytes::<bool>(header)?;
            *header = left;
            if !is_some {
                return Ok(None);
            }
            let (start, left) = postcard::take_from_bytes(header)?;
            *header = left;
            Ok(Some(start))
        };
        let Some((width, count)) = take().map_err(bad)? else { return Ok(Self::default()) };
        if !(2..=MAX_CLASSES as u32).contains(&count) || width == 0 || u16::from(width) >= inputs {
            return Err(ParseError::Classes);
        }
        let start = *header;
        for _ in 0..count {
            let (name, left) = postcard::take_from_bytes::<&str>(header).map_err(bad)?;
            *header = left;
            if !(1..=MAX_CLASS_NAME).contains(&name.len()) {
                return Err(ParseError::Classes);
            }
        }
        let names = subslice(start, ..start.len() - header.len());
        let len = count as usize * usize::from(width);
        let left = rest.0.len() as u32;
        let layer = 0; // there is no layer to name
        let needed = len.next_multiple_of(ALIGNMENT) as u32;
        let short = ParseError::Section { layer, section: Section::Classes, needed, left };
        let rows = rest.section(len, blob)?.ok_or(short)?;
        Ok(Self::new(names, bytemuck::cast_slice(rows), width, count as u8))
    }
}

impl<'a> Layer<'a> {
    /// Takes the sections of a layer from the rest of the file.
    #[inline(never)]
    fn take(
        header: &LayerHeader,
        index: u8,
        geometry: Geometry,
        rest: &mut Reader<'a>,
        blob: &'a [u8],
    ) -> Result<Self, ParseError> {
        let mut section = |section, len| {
            let left = rest.0.len() as u32; // fits, as the preamble has a 32-bit length
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
            transform: header.transform,
            geometry,
            zero_point: header.zero_point,
            scale: header.scale,
            weights: bytemuck::cast_slice(section(Section::Weights, geometry.packed_len(header.transform))?),
            biases: words(section(Section::Biases, 4 * geometry.bias_count())?),
            positive: words(section(Section::Positive, 4 * channels)?),
            negative: words(section(Section::Negative, 4 * channels)?),
            one_multiplier: false,
        })
    }

    /// The layer, if its numbers pass [`check`](Self::check).
    #[inline(never)]
    fn checked(mut self, index: u8) -> Result<Self, ParseError> {
        self.check(index)?;
        self.one_multiplier = self.has_one_multiplier();
        Ok(self)
    }

    /// Checks the multipliers, the weights, and that the accumulators stay within the bounds of `quant.rs` and of
    /// `winograd/`, whatever the input.
    fn check(&self, index: u8) -> Result<(), ParseError> {
        let (g, range) = (&self.geometry, ParseError::Range { layer: index });
        for phase in 0..g.phases() {
            let biases = self.biases(phase);
            self.magnitudes(phase, |channel, magnitudes| {
                let Multiplier { positive, negative } = self.multiplier(channel);
                if positive < 0 || negative < 0 {
                    return Err(ParseError::Multiplier { layer: index });
                }
                let sum = 128 * magnitudes;
                let bound = i64::from(biases.at(channel)).abs() + sum;
                let product = bound.saturating_mul(i64::from(positive.max(negative)));
                let is_sound = bound <= i64::from(i32::MAX) && product < 1 << 52 && sum <= g.max_sum(self.transform);
                if is_sound { Ok(()) } else { Err(range) }
            })
            .map_err(|e| e.unwrap_or(ParseError::Weights { layer: index }))?;
        }
        Ok(())
    }

    /// Calls `each(channel, Σ |weight|)` for every output channel of a phase. Fails with `None` if a transformed
    /// weight has no int8 original, or if a weight of padding is not 0.
    fn magnitudes<E>(&self, phase: usize, each: impl FnMut(usize, i64) -> Result<(), E>) -> Result<(), Option<E>> {
        match (self.transform, self.geometry.winograd_points()) {
            (WeightTransform::Winograd, Some(points)) if cfg!(feature = "winograd") => {
                self.winograd_magnitudes(points, phase, each)
            }
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
        let len = filters.len() / nonzero(g.output.channels as usize);
        for (channel, filter) in filters.chunks_exact(nonzero(len)).enumerate() {
            // Parts so short that their sums fit 32 bits.
            let sum = |part: &[i8]| part.iter().map(|w| u32::from(w.unsigned_abs())).sum::<u32>();
            let sum: i64 = filter.chunks(1 << 16).map(|part| i64::from(sum(part))).sum();
            if inputs % 4 != 0 {
                for row in filter.chunks_exact(nonzero(g.quads() * columns * 4)) {
                    let (last, _) = subslice(row, (g.quads() - 1) * columns * 4..).as_chunks::<4>();
                    if last.iter().any(|quad| quad[inputs % 4..].iter().any(|&w| w != 0)) {
                        return Err(None);
                    }
                }
            }
            each(channel, sum).map_err(Some)?;
        }
        Ok(())
    }

    /// [`magnitudes`](Self::magnitudes) of transformed weights, in the order of the file: going from one channel
    /// to the next would jump across the whole list for every weight.
    fn winograd_magnitudes<E>(
        &self,
        points: usize,
        phase: usize,
        mut each: impl FnMut(usize, i64) -> Result<(), E>,
    ) -> Result<(), Option<E>> {
        let (g, (filters, _)) = (&self.geometry, self.filters(phase).as_chunks::<2>());
        let (inputs, outputs) = (g.input.channels as usize, g.output.channels as usize);
        let len = filters.len() / nonzero(outputs.div_ceil(PAIR));
        for (pair, filters) in filters.chunks_exact(nonzero(len)).enumerate() {
            let mut sums = [0; PAIR];
            let per_point = nonzero(len / nonzero(points));
            for i in 0..per_point {
                // `[tap row and quad][half][output channel][place]`
                let (quad, half, output, place) = (i / 8 % nonzero(g.quads()), i / 4 % 2, i / 2 % PAIR, i % 2);
                let mut values = [0; MAX_POINTS];
                for (value, filters) in values.iter_mut().zip(filters.chunks_exact(per_point)) {
                    *value = i16::from_le_bytes(get_or_default(filters, i).map(i8::cast_unsigned));
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

    /// Whether [`multipliers`](Self::multipliers) may return the same list for both signs.
    fn has_one_multiplier(&self) -> bool {
        (0..self.geometry.output.channels as usize).all(|channel| {
            let Multiplier { positive, negative } = self.multiplier(channel);
            positive == negative || (negative == 0 && self.zero_point == i8::MIN)
        })
    }
}

/// Takes a value in postcard from the front of a header: part of a layer, or `None` before the first.
fn next<'b, T: Deserialize<'b>>(header: &mut &'b [u8], layer: Option<u8>, stated: u16) -> Result<T, ParseError> {
    let (value, rest) = postcard::take_from_bytes(header).map_err(|e| unreadable(&e, layer, stated))?;
    *header = rest;
    Ok(value)
}

#[cold]
fn unreadable(error: &postcard::Error, layer: Option<u8>, stated: u16) -> ParseError {
    match (error, layer) {
        (postcard::Error::DeserializeUnexpectedEnd, _) => ParseError::HeaderLength { stated },
        // serde's error for an undefined variant. For a layer it has no other cause.
        (postcard::Error::SerdeDeCustom, Some(layer)) => ParseError::Unknown { layer },
        (_, layer) => ParseError::Header { layer },
    }
}

fn words(bytes: &[u8]) -> I32LeSlice<'_> {
    // The length is a multiple of 4 in every call.
    I32LeSlice::new(bytes.as_chunks().0)
}

/// The bytes that were not read yet. Its functions take some from the front; `None` when there are not enough.
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

    /// Takes a section and its padding, up to the next aligned offset of `blob`; `None` when there are fewer bytes.
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
