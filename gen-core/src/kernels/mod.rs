//! The only code whose speed matters: multiplying staged pixels with weights.
//!
//! [`Kernels`] is what a processor has to offer, one file each, with the same names
//! in all of them; [`Native`] is the best one for the target. What goes around the
//! kernels (blocks, edges, phases) is the same for all and stands in [`crate::row`].
//!
//! | file | processor | staged as |
//! |---|---|---|
//! | [`portable`] | any; the oracle for the others, and their fallback | int16 pairs |
//! | `dsp` | Cortex-M4, M7, M33: two products with one instruction | int16 pairs |
//! | `mla` | Cortex-M3 | int32 |
//! | `mve` | Cortex-M55, with the feature `mve`: sixteen products with one instruction | int8 |
//! | `x86_64` | the trainer's machine: SSE2, AVX2, AVX-512 | int16 pairs |
//!
//! The feature `portable` makes [`Native`] the portable ones on every processor.

use core::array::from_fn;
use core::fmt;

use crate::blob::{ADDRESS_ALIGNMENT, Words};
use crate::certain::{STRICT, at, part, part_mut, positive, set};
use crate::fixed::{Requant, saturate};
use crate::packing::PAIR;
use crate::tiling::Tiling;
use crate::winograd::{self, MAX_POINTS, TILE, halves, plain_pairs};

// build.rs chooses by the target's name.
#[cfg(kernels = "dsp")]
pub mod dsp;
#[cfg(kernels = "mla")]
pub mod mla;
#[cfg(kernels = "mve")]
pub mod mve;
pub mod portable;
#[cfg(any(kernels = "dsp", kernels = "mla", kernels = "mve"))]
mod thumb;
// Even where others are chosen: tests compare them. Not where vector registers are off limits.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub mod x86_64;

/// The kernels for the processor that this is compiled for.
#[cfg(kernels = "dsp")]
pub type Native = dsp::Dsp;
/// The kernels for the processor that this is compiled for.
#[cfg(kernels = "mla")]
pub type Native = mla::Mla;
/// The kernels for the processor that this is compiled for.
#[cfg(kernels = "mve")]
pub type Native = mve::Mve;
/// The kernels for the processor that this is compiled for.
#[cfg(kernels = "x86_64")]
pub type Native = x86_64::X86_64;
/// The kernels for the processor that this is compiled for.
#[cfg(not(any(kernels = "dsp", kernels = "mla", kernels = "mve", kernels = "x86_64")))]
pub type Native = portable::Portable;

/// Multiplies staged pixels with weights. All arithmetic is modulo 2³².
///
/// # Sizes
/// Lists have the lengths that a function's other arguments give them; `call.staged` may be longer,
/// as may be the lists that results go to. [`crate::row`] calls with nothing else. Other sizes are
/// an error of the caller, and no kernel of this crate reads or writes what is not in the lists: on
/// a host it panics, and on a chip too with debug assertions. On a chip without them nothing is
/// computed and the results keep what was in them, so that no panic is linked; only
/// [`Portable`](portable::Portable), which indexes as usual, may panic there.
///
/// A *staged quad* is four neighbouring channels `c0 … c3` of one pixel in
/// [`Tiling::words`] words: 1, the int8 values as they are; 2, the int16 pairs `(c0, c2)`
/// and `(c1, c3)`, lower half first; or 4, one int32 each. A quad of a Winograd tile has
/// [`Tiling::winograd_words`]. Weights lie as in [`crate::packing`].
pub trait Kernels {
    /// Name, in the form `{core}`, or `{core}-{instructions}` for some of them only.
    const NAME: &'static str;

    /// Sizes of the kernels.
    const TILING: Tiling;

    /// Stages a run of pixels of one row, whose channels are a multiple of 4.
    ///
    /// Channel `4·q + c` of the pixel that begins at `source[i · step]` goes, for the
    /// columns `i` and quads `q`, to word `w` of the quad at
    /// `staged[(q · TILING.words + w) · plane + i]`. A `step` of 0 repeats one pixel.
    fn stage(source: &[i8], step: usize, quads: usize, columns: usize, plane: usize, staged: &mut [u32]) {
        if !stage_fits([source.len(), staged.len()], step, Self::TILING.words, [quads, columns], plane) {
            return refuse();
        }
        for i in 0..columns {
            for (q, quad) in part(source, i * step..).as_chunks::<4>().0.iter().enumerate().take(quads) {
                let words = spread(*quad, Self::TILING.words);
                for (w, &word) in words[..Self::TILING.words].iter().enumerate() {
                    set(staged, (q * Self::TILING.words + w) * plane + i, word);
                }
            }
        }
    }

    /// Rearranges `[row and quad][word][pixels + taps]` staged words, and
    /// [`Tiling::SPARE`] more, into what [`toeplitz`](Self::toeplitz) reads.
    #[inline]
    fn pack(taps: usize, pixels: usize, _staged: &mut [u32]) {
        if !Self::TILING.has_block(taps, pixels) {
            refuse();
        }
    }

    /// `pixels` neighbouring outputs through `taps` columns, for every channel of `call`.
    ///
    /// `call.staged` is what [`pack`](Self::pack) made, `[row and quad][word][pixels + taps]`, and
    /// [`Tiling::SPARE`] words more. `taps` is from 1 to [`MAX_TOEPLITZ_TAPS`](crate::tiling::MAX_TOEPLITZ_TAPS), `pixels` one of
    /// [`Tiling::pixels`]. Pixel `i` reads the columns `column + i … column + i + taps − 1`; `column`
    /// is 0, or 1 where [`Tiling::shares`].
    fn toeplitz(taps: usize, pixels: usize, column: usize, call: Call<'_>);

    /// One output pixel: `call.staged` is in the order of the weights, `[row, quad and tap][word]`, no
    /// longer.
    fn dot(call: Call<'_>);

    /// Stages a Winograd tile.
    ///
    /// * `columns`: the input pixels that it reads, all their channels; as many as points: 5, 6 or 8.
    /// * `staged`: from the tile's first word on; `per_point` words are there for a point, and
    ///   the tile's are [`Tiling::tiles`] apart.
    fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]);

    /// [`Tiling::tiles`] Winograd tiles, for every channel of `call`: the pixels `0 … count − 1`
    /// of their outputs.
    ///
    /// `call.staged` is `[point][row and quad][word][tile]`, no longer. `count` is from 1 to
    /// [`TILE`] for each tile.
    fn winograd(points: usize, count: usize, call: Call<'_>);
}

/// What a kernel does that was called with sizes that do not fit together: see [`Kernels`].
#[inline(always)]
#[track_caller]
fn refuse() {
    if STRICT {
        panic!("a kernel was called with lists of sizes that do not fit together");
    }
}

/// Whether [`Kernels::stage`] stays within lists of these lengths: the source's and the staged words'.
/// A quad has `words` planes.
fn stage_fits(
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

/// Quads of a pixel, if [`Kernels::tile`] stays within a list of `staged` words.
fn tile_quads(columns: &[&[i8]], per_point: usize, staged: usize, tiling: &Tiling) -> Option<usize> {
    let (words, tiles, points) = (tiling.winograd_words, tiling.tiles, columns.len());
    let pixel = columns.first()?.len();
    let quads = pixel.div_ceil(4);
    let len = quads.checked_mul(words)?.checked_mul(tiles)?;
    // The other tiles' words, the last of all, may lie before this one's first.
    let last = (points - 1).checked_mul(per_point)?.checked_add(len)?.checked_sub(tiles)?;
    let fit = winograd::has_points(points)
        && quads > 0
        && columns.iter().all(|column| column.len() == pixel)
        && len <= per_point
        && last < staged;
    fit.then_some(quads)
}

/// [`Kernels::tile`] for any processor.
#[inline(never)]
fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32], tiling: &Tiling) {
    let (words, tiles, points) = (tiling.winograd_words, tiling.tiles, columns.len());
    let Some(quads) = tile_quads(columns, per_point, staged.len(), tiling) else { return refuse() };
    for q in 0..quads {
        let mut quads = [[0; 4]; MAX_POINTS];
        for (to, column) in quads.iter_mut().zip(columns) {
            *to = quad(column, q);
        }
        for w in 0..words {
            let x = quads.map(|quad| match words {
                2 => plain_pairs(u32::from_le_bytes(quad.map(i8::cast_unsigned)))[w],
                _ => i32::from(quad[w]).cast_unsigned(),
            });
            let values = winograd::input(points, x);
            for (point, &value) in part(&values, ..points).iter().enumerate() {
                let word = if words == 2 { halves(value) } else { value };
                set(staged, point * per_point + (q * words + w) * tiles, word);
            }
        }
    }
}

/// [`Kernels::winograd`] for any processor, with the multiplications of two output channels:
/// `products(staged, filters, points, sums)`, where sums are `[point][output channel][tile]`.
fn winograd(
    points: usize,
    count: usize,
    call: Call<'_>,
    tiling: &Tiling,
    products: impl Fn(&[u32], &[i8], usize, &mut [u32]),
) {
    if call.winograd_quads(points, count, tiling).is_none() {
        return refuse();
    }
    let Call { staged, filters, biases, mut output } = call;
    let (channels, tiles) = (biases.len(), tiling.tiles);
    let per_pair = filters.len() / positive(channels.div_ceil(PAIR));
    for (pair, filters) in filters.chunks_exact(positive(per_pair)).enumerate() {
        let mut sums = [0; MAX_SUMS];
        let sums = part_mut(&mut sums, ..points * PAIR * tiles);
        products(staged, filters, points, sums);
        for c in pair * PAIR..channels.min((pair + 1) * PAIR) {
            let bias = biases.at(c);
            for tile in 0..count.div_ceil(TILE) {
                let mut of_tile = [0; MAX_POINTS];
                for (to, sums) in of_tile.iter_mut().zip(sums.chunks_exact(PAIR * tiles)) {
                    *to = at(sums, c % PAIR * tiles + tile);
                }
                for (i, y) in (tile * TILE..count).zip(winograd::output(points, of_tile)) {
                    output.put(channels, i, c, y.wrapping_add(bias));
                }
            }
        }
    }
}

/// Most sums of a pair of output channels: of any kernel.
const MAX_SUMS: usize = MAX_POINTS * PAIR * crate::row::MAX_BLOCK / TILE;

/// What a kernel computes, and where it goes.
pub struct Call<'a> {
    /// Pixels.
    pub staged: &'a [u32],
    /// Weights of the phase, channel after channel. Their address is a multiple of [`ADDRESS_ALIGNMENT`].
    pub filters: &'a [i8],
    /// Biases of the phase, one for each channel.
    pub biases: Words<'a>,
    /// Results.
    pub output: Output<'a>,
}

/// Its sizes.
impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { staged, filters, biases, output } = self;
        let (staged, filters, biases) = (staged.len(), filters.len(), biases.len());
        write!(f, "Call {{ staged: {staged} words, filters: {filters} bytes, biases: {biases}, output: {output:?} }}")
    }
}

impl Call<'_> {
    /// Quads of all rows, if the lists fit `pixels` outputs through `taps` columns: staged pixels are
    /// planes of `plane` words, and `spare` words.
    fn quads(&self, words: usize, [taps, pixels]: [usize; 2], plane: usize, spare: usize) -> Option<usize> {
        let channels = self.biases.len();
        let per_quad = channels.checked_mul(taps)?.checked_mul(4)?;
        let quads = self.filters.len().checked_div(per_quad)?;
        let staged = quads.checked_mul(words)?.checked_mul(plane)?.checked_add(spare)?;
        let fit = quads > 0
            && self.filters.len() == quads * per_quad
            && self.staged.len() >= staged
            && self.is_aligned()
            && self.output.fits(channels, pixels);
        fit.then_some(quads)
    }

    /// Quads of all rows, if the lists fit the `count` outputs of Winograd tiles.
    fn winograd_quads(&self, points: usize, count: usize, tiling: &Tiling) -> Option<usize> {
        if !winograd::has_points(points) || count == 0 || count > TILE * tiling.tiles {
            return None;
        }
        let channels = self.biases.len();
        let per_quad = points * tiling.winograd_words * tiling.tiles;
        let quads = self.staged.len() / positive(per_quad);
        let per_pair = quads.checked_mul(points * 4 * PAIR * size_of::<i16>())?;
        let fit = quads > 0
            && channels > 0
            && self.staged.len() == quads * per_quad
            && self.filters.len() == channels.div_ceil(PAIR).checked_mul(per_pair)?
            && self.is_aligned()
            && self.output.fits(channels, count);
        fit.then_some(quads)
    }

    /// Whether weights can be read as words.
    fn is_aligned(&self) -> bool {
        self.filters.as_ptr().addr().is_multiple_of(ADDRESS_ALIGNMENT)
    }
}

/// Where accumulators go.
pub enum Output<'a> {
    /// Requantised: channel `c` of pixel `i` to `row[i · step + c]`.
    Int8 {
        /// Multipliers of every channel.
        requants: Requants<'a>,
        /// Zero point of the output.
        zero_point: i8,
        /// The output row from the first pixel's first channel on.
        row: &'a mut [i8],
        /// Values from one of these pixels to the next.
        step: usize,
    },
    /// As they are: channel `c` of pixel `i` to `sums[i · channels + c]`.
    Accumulators(&'a mut [i32]),
}

/// Its sizes.
impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int8 { requants, zero_point, row, step } => {
                let row = row.len();
                write!(f, "Int8 {{ {requants:?}, zero_point: {zero_point}, row: {row} values, step: {step} }}")
            }
            Self::Accumulators(sums) => write!(f, "Accumulators({} values)", sums.len()),
        }
    }
}

impl Output<'_> {
    /// Whether there is room for so many channels of so many pixels, and a multiplier for each channel.
    fn fits(&self, channels: usize, pixels: usize) -> bool {
        let len = |step| pixels.checked_sub(1)?.checked_mul(step)?.checked_add(channels);
        match self {
            Self::Int8 { requants, row, step, .. } => {
                requants.positive.len() == channels
                    && requants.negative.len() == channels
                    && len(*step).is_some_and(|len| len <= row.len())
            }
            Self::Accumulators(sums) => len(channels).is_some_and(|len| len <= sums.len()),
        }
    }

    /// Takes the accumulator of channel `c` of pixel `i`. With others than there are, it panics or does
    /// nothing, as [`Kernels`] says.
    #[inline(always)]
    pub fn put(&mut self, channels: usize, i: usize, c: usize, acc: i32) {
        match self {
            Self::Int8 { requants, zero_point, row, step } => {
                set(row, i * *step + c, saturate(requants.at(c).apply(acc), *zero_point));
            }
            Self::Accumulators(sums) => set(sums, i * channels + c, acc),
        }
    }
}

/// Multipliers of a layer's output channels.
#[derive(Clone, Copy)]
pub struct Requants<'a> {
    /// For accumulators ≥ 0.
    pub positive: Words<'a>,
    /// For accumulators < 0. Where one multiplier gives the same results for both signs
    /// ([`crate::blob::Layer::requants`]) this is the very same list, and kernels need not compare.
    pub negative: Words<'a>,
}

/// Their number, and whether there are others for negative accumulators.
impl fmt::Debug for Requants<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.positive.as_ptr() == self.negative.as_ptr();
        write!(f, "Requants({} channels, {})", self.positive.len(), if one { "one list" } else { "two lists" })
    }
}

impl Requants<'_> {
    /// Those of a channel; `None` past the last one.
    #[inline(always)]
    pub fn get(&self, channel: usize) -> Option<Requant> {
        Some(Requant { positive: self.positive.get(channel)?, negative: self.negative.get(channel)? })
    }

    /// Those of a channel that there is.
    #[inline(always)]
    pub(crate) fn at(&self, channel: usize) -> Requant {
        Requant { positive: self.positive.at(channel), negative: self.negative.at(channel) }
    }
}

/// Four channels of a pixel from channel `4 · q` on; zeros past the last one, whose weights are zero too.
#[inline(always)]
pub(crate) fn quad(pixel: &[i8], q: usize) -> [i8; 4] {
    let channels = part(pixel, 4 * q..);
    match channels.first_chunk() {
        Some(&quad) => quad,
        None => from_fn(|c| channels.get(c).copied().unwrap_or(0)),
    }
}

/// Four int8 values as staged words; with fewer than four `words` the others are zero.
#[inline(always)]
pub(crate) fn spread(quad: [i8; 4], words: usize) -> [u32; 4] {
    let pair = |low: i8, high: i8| u32::from(low as i16 as u16) | u32::from(high as i16 as u16) << 16;
    match words {
        1 => [u32::from_le_bytes(quad.map(i8::cast_unsigned)), 0, 0, 0],
        2 => [pair(quad[0], quad[2]), pair(quad[1], quad[3]), 0, 0],
        _ => quad.map(|v| v as i32 as u32),
    }
}
