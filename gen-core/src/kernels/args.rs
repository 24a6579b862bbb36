//! Arguments of the kernels, and the checks that they fit together.

use core::array::from_fn;
use core::fmt;

use crate::aligned::ADDRESS_ALIGNMENT;
use crate::no_panic::{STRICT, checked_quotient, nonzero, subslice, write};
use crate::packing::PAIR;
use crate::plan::KernelLayout;
use crate::quant::{I32LeSlice, MultiplierTable, saturate};
use crate::winograd::{self, TILE};

/// Arguments of a kernel: what it reads, and where its results go.
pub struct KernelArgs<'a> {
    /// Staged pixels.
    pub staged: &'a [u32],
    /// Weights of the phase, one output channel after the other. Their address is a multiple of 4.
    pub filters: &'a [i8],
    /// Biases of the phase, one for each output channel.
    pub biases: I32LeSlice<'a>,
    /// Results.
    pub output: Destination<'a>,
}

/// Its sizes.
impl fmt::Debug for KernelArgs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { staged, filters, biases, output } = self;
        let (staged, filters, biases) = (staged.len(), filters.len(), biases.len());
        write!(
            f,
            "KernelArgs {{ staged: {staged} words, filters: {filters} bytes, biases: {biases}, output: {output:?} }}"
        )
    }
}

impl KernelArgs<'_> {
    /// Number of quads of all rows, if the lists have the lengths for `pixels` outputs through `taps` columns.
    /// Staged pixels are planes of `plane` words, followed by `spare` words. `None` otherwise.
    pub(super) fn quads(&self, words: usize, [taps, pixels]: [usize; 2], plane: usize, spare: usize) -> Option<usize> {
        let channels = self.biases.len();
        let per_quad = channels.checked_mul(taps)?.checked_mul(4)?;
        let quads = checked_quotient(self.filters.len(), per_quad)?;
        let staged = quads.checked_mul(words)?.checked_mul(plane)?.checked_add(spare)?;
        let fit = quads > 0
            && self.filters.len() == quads * per_quad
            && self.staged.len() >= staged
            && self.is_aligned()
            && self.output.fits(channels, pixels);
        fit.then_some(quads)
    }

    /// Number of quads of all rows, if the lists have the lengths for the `count` outputs of Winograd tiles.
    /// `None` otherwise.
    pub(super) fn winograd_quads(&self, points: usize, count: usize, layout: &KernelLayout) -> Option<usize> {
        if !winograd::has_points(points) || count == 0 || count > TILE * layout.winograd_tiles {
            return None;
        }
        let channels = self.biases.len();
        let per_quad = points * layout.winograd_words * layout.winograd_tiles;
        let quads = self.staged.len() / nonzero(per_quad);
        let per_pair = quads.checked_mul(points * 4 * PAIR * size_of::<i16>())?;
        let fit = quads > 0
            && channels > 0
            && self.staged.len() == quads * per_quad
            && self.filters.len() == channels.div_ceil(PAIR).checked_mul(per_pair)?
            && self.is_aligned()
            && self.output.fits(channels, count);
        fit.then_some(quads)
    }

    /// Whether weights can be read as 32-bit words.
    fn is_aligned(&self) -> bool {
        self.filters.as_ptr().addr().is_multiple_of(ADDRESS_ALIGNMENT)
    }
}

/// Where a kernel writes its accumulators.
pub enum Destination<'a> {
    /// Requantised: channel `c` of pixel `i` to `row[i · step + c]`.
    Int8 {
        /// Multipliers of every output channel.
        multipliers: MultiplierTable<'a>,
        /// Zero point of the output.
        zero_point: i8,
        /// The output row, starting at the first channel of the first pixel.
        row: &'a mut [i8],
        /// Distance between two of these pixels, in values.
        step: usize,
    },
    /// Unchanged: channel `c` of pixel `i` to `sums[i · channels + c]`.
    Accumulators(&'a mut [i32]),
}

/// Its sizes.
impl fmt::Debug for Destination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int8 { multipliers, zero_point, row, step } => {
                let row = row.len();
                write!(f, "Int8 {{ {multipliers:?}, zero_point: {zero_point}, row: {row} values, step: {step} }}")
            }
            Self::Accumulators(sums) => write!(f, "Accumulators({} values)", sums.len()),
        }
    }
}

impl Destination<'_> {
    /// Whether there is room for this many channels of this many pixels, and a multiplier for each channel.
    fn fits(&self, channels: usize, pixels: usize) -> bool {
        let len = |step| pixels.checked_sub(1)?.checked_mul(step)?.checked_add(channels);
        match self {
            Self::Int8 { multipliers, row, step, .. } => {
                multipliers.positive.len() == channels
                    && multipliers.negative.len() == channels
                    && len(*step).is_some_and(|len| len <= row.len())
            }
            Self::Accumulators(sums) => len(channels).is_some_and(|len| len <= sums.len()),
        }
    }

    /// Writes the accumulator of channel `c` of pixel `i`. A channel or pixel out of range panics or does
    /// nothing: see [`Kernels`](super::Kernels#sizes).
    #[inline(always)]
    pub fn put(&mut self, channels: usize, i: usize, c: usize, acc: i32) {
        match self {
            Self::Int8 { multipliers, zero_point, row, step } => {
                write(row, i * *step + c, saturate(multipliers.at(c).apply(acc), *zero_point));
            }
            Self::Accumulators(sums) => write(sums, i * channels + c, acc),
        }
    }
}

/// The reaction of a kernel to lists whose sizes do not fit together: see [`Kernels`](super::Kernels#sizes).
#[inline(always)]
#[track_caller]
pub(super) fn refuse() {
    if STRICT {
        panic!("a kernel was called with lists of sizes that do not fit together");
    }
}

/// Whether [`Kernels::stage`](super::Kernels::stage) stays within a source and a list of staged words of these
/// lengths. A quad has `words` planes.
pub(super) fn stage_fits(
    [source, staged]: [usize; 2],
    step: usize,
    words: usize,
    [quads, columns]: [usize; 2],
    plane: usize,
) -> bool {
    let ends = || {
        let read = (columns - 1).checked_mul(step)?.checked_add(quads.checked_mul(4)?)?;
        let written = (quads.checked_mul(words)? - 1).checked_mul(plane)?.checked_add(columns)?;
        Some((read, written))
    };
    columns == 0 || quads == 0 || ends().is_some_and(|(read, written)| read <= source && written <= staged)
}

/// Number of quads of a pixel, if [`Kernels::tile`](super::Kernels::tile) stays within a list of `staged` words.
pub(super) fn tile_quads(columns: &[&[i8]], per_point: usize, staged: usize, layout: &KernelLayout) -> Option<usize> {
    let (words, tiles, points) = (layout.winograd_words, layout.winograd_tiles, columns.len());
    let pixel = columns.first()?.len();
    let quads = pixel.div_ceil(4);
    let len = quads.checked_mul(words)?.checked_mul(tiles)?;
    // `staged` starts at this tile: the words of the tiles before it, which interleave with its own, are not
    // part of it.
    let last = (points - 1).checked_mul(per_point)?.checked_add(len)?.checked_sub(tiles)?;
    let fit = winograd::has_points(points)
        && quads > 0
        && columns.iter().all(|column| column.len() == pixel)
        && len <= per_point
        && last < staged;
    fit.then_some(quads)
}

/// The four channels of a pixel from `4 · q` on. Channels past the last are 0, as are their weights.
#[inline(always)]
pub(crate) fn channels4(pixel: &[i8], q: usize) -> [i8; 4] {
    let channels = subslice(pixel, 4 * q..);
    match channels.first_chunk() {
        Some(&quad) => quad,
        None => from_fn(|c| channels.get(c).copied().unwrap_or(0)),
    }
}

/// Widens four int8 values to `words` staged words; the other elements are 0.
#[inline(always)]
pub(crate) fn widen_i8x4(quad: [i8; 4], words: usize) -> [u32; 4] {
    let pair = |low: i8, high: i8| u32::from(low as i16 as u16) | u32::from(high as i16 as u16) << 16;
    match words {
        1 => [u32::from_le_bytes(quad.map(i8::cast_unsigned)), 0, 0, 0],
        2 => [pair(quad[0], quad[2]), pair(quad[1], quad[3]), 0, 0],
        _ => quad.map(|v| v as i32 as u32),
    }
}
