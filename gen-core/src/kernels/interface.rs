//! The interface between the engine and a processor's kernels.

use super::args::{KernelArgs, refuse, stage_fits, widen_i8x4};
use crate::no_panic::{subslice, write};
use crate::plan::{KernelLayout, kernel_set};

/// Only this crate has kernels, because the engine relies on their rules.
pub trait Sealed {}

/// Multiplies staged pixels with weights. All arithmetic is modulo 2³².
///
/// A *quad* is four neighbouring channels `c0 … c3` of one pixel. Staged, it takes
/// [`KernelLayout::words_per_quad`] words: 1, the int8 values; 2, the int16 pairs `(c0, c2)` and
/// `(c1, c3)`, the first of each in the lower half; or 4, one int32 each. A quad of a Winograd tile takes
/// [`KernelLayout::winograd_words`]. A *plane* is one of these words for a run of neighbouring pixels.
/// Weights are in the order of the model file.
///
/// # Sizes
/// Each list has the length that follows from the other arguments. Only `args.staged` and the lists for
/// results may be longer. Other sizes are an error of the caller. No kernel of this crate then reads or
/// writes outside of the lists:
///
/// * on a host, and on a chip with debug assertions, it panics;
/// * on a chip without debug assertions it computes nothing, and results keep their old contents. Only
///   [`Portable`](super::portable::Portable), which uses ordinary indexing, may panic there.
pub trait Kernels: Sealed {
    /// Name of the architecture, such as `armv7em`, or `{architecture}-{instructions}` for a part of its
    /// instructions.
    const NAME: &'static str;

    /// Sizes of the kernels.
    const LAYOUT: KernelLayout;

    /// Which of the kernels there are: a [`kernel_set`]. The engine calls no others.
    const KERNELS: u32 = kernel_set::ALL;

    /// The name of the instructions that these kernels use and this processor does not have; `None` if it has all of
    /// them, or if that cannot be found out.
    fn missing_instructions() -> Option<&'static str> {
        None
    }

    /// Stages a run of pixels of one row, whose channels are a multiple of 4.
    ///
    /// Pixel `i` of `columns` begins at `source[i · step]`. Word `w` of its quad `q`, the channels from `4 · q` on,
    /// is written to `staged[(q · words_per_quad + w) · plane + i]`. A `step` of 0 repeats one pixel.
    fn stage(source: &[i8], step: usize, quads: usize, columns: usize, plane: usize, staged: &mut [u32]) {
        if !stage_fits([source.len(), staged.len()], step, Self::LAYOUT.words_per_quad, [quads, columns], plane) {
            return refuse();
        }
        for i in 0..columns {
            for (q, quad) in subslice(source, i * step..).as_chunks::<4>().0.iter().enumerate().take(quads) {
                let words = widen_i8x4(*quad, Self::LAYOUT.words_per_quad);
                for (w, &word) in words[..Self::LAYOUT.words_per_quad].iter().enumerate() {
                    write(staged, (q * Self::LAYOUT.words_per_quad + w) * plane + i, word);
                }
            }
        }
    }

    /// Rearranges staged words, `[row and quad][word][pixels + taps]`, into the order that
    /// [`toeplitz`](Self::toeplitz) reads. [`KernelLayout::OVERREAD_WORDS`] words follow them.
    #[inline]
    fn pack(taps: usize, pixels: usize, _staged: &mut [u32]) {
        if !Self::LAYOUT.has_block(taps, pixels) {
            refuse();
        }
    }

    /// Computes `pixels` neighbouring outputs through `taps` columns, for every output channel.
    ///
    /// * `taps`: from 1 to [`MAX_TOEPLITZ_TAPS`](crate::plan::MAX_TOEPLITZ_TAPS).
    /// * `pixels`: one of [`KernelLayout::pixels`] for this number of taps.
    /// * `column`: the staged column at which the window of pixel 0 begins. Pixel `i` reads the columns
    ///   `column + i … column + i + taps − 1`. It is 1 for the second of two phases that share the staged
    ///   pixels, which [`KernelLayout::shares_phases`] allows, and 0 otherwise.
    /// * `args.staged`: what [`pack`](Self::pack) made of `[row and quad][word][pixels + taps]`, and
    ///   [`KernelLayout::OVERREAD_WORDS`] words more.
    fn toeplitz(taps: usize, pixels: usize, column: usize, args: KernelArgs<'_>);

    /// Computes one output pixel, for every output channel.
    ///
    /// `args.staged` is in the order of the weights, `[row, quad and tap][word]`, and no longer.
    fn dot(args: KernelArgs<'_>);

    /// Stages a Winograd tile.
    ///
    /// * `columns`: the input pixels that the tile reads, with all their channels; as many as there are points: 5,
    ///   6 or 8.
    /// * `per_point`: distance between two points, in words.
    /// * `staged`: begins at the first word of the tile. Words of one tile are
    ///   [`KernelLayout::winograd_tiles`] apart, as those of the other tiles are between them.
    fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]);

    /// Computes the outputs `0 … count − 1` of [`KernelLayout::winograd_tiles`] Winograd tiles, for every
    /// output channel.
    ///
    /// `args.staged` is `[point][row and quad][word][tile]`, and no longer. `count` is from 1 to 4 for each
    /// tile.
    fn winograd(points: usize, count: usize, args: KernelArgs<'_>);
}
