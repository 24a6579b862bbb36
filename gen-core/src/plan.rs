//! How kernels cut a row into blocks, and the memory that it takes.
//!
//! Before weights are multiplied, the pixels that a block of outputs reads are
//! *staged*: spread from int8 to the words that the kernel multiplies, side by side.
//! How wide a block is and how wide a word depends on the processor's registers; it
//! is known for every processor on every machine, so that the memory bill of a chip
//! can be made on the host.

use serde::Serialize;

use crate::certain::{below, positive};
use crate::choice;
use crate::spec::{self, Form, Geometry, LayerSpec, Shape, SpecError};
use crate::winograd::TILE;

/// Most tap columns that Toeplitz kernels exist for; wider windows are computed pixel by pixel.
pub const MAX_TOEPLITZ_TAPS: usize = 7;

/// Sizes of a processor's kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    /// Words in which four int8 values are staged: 1 (as they are), 2 (pairs of int16) or 4 (int32).
    pub words: usize,
    /// Words in which four values of a Winograd tile are staged, which need 16 bits: 2 or 4.
    pub winograd_words: usize,
    /// For each number of tap columns, the pixels that a kernel computes at once:
    /// largest first, zeros at the end, at least one.
    pub pixels: [[u8; 3]; MAX_TOEPLITZ_TAPS],
    /// Winograd tiles that a kernel computes at once.
    pub tiles: usize,
    /// Whether a kernel for two taps is the only one whose staged pixels serve two phases.
    pub pairs_only: bool,
}

/// [`Portable`](crate::kernels::portable::Portable).
pub const PORTABLE: Tiling =
    Tiling { words: 2, winograd_words: 2, pixels: [[8, 4, 0]; MAX_TOEPLITZ_TAPS], tiles: 2, pairs_only: false };

/// Cortex-M4, M7 and M33: pairs of int16, for `SMLAD`. Accumulators, taps, two words of
/// pixels and two pointers have to fit 14 registers, or one of them lies on the stack.
pub const DSP: Tiling = Tiling {
    words: 2,
    winograd_words: 2,
    pixels: [[8, 4, 0], [8, 4, 0], [8, 4, 0], [6, 4, 0], [6, 5, 4], [5, 4, 0], [4, 0, 0]],
    tiles: 2,
    pairs_only: false,
};

/// Cortex-M3: int32, for `MLA`, of which pairs are made for `SMLAL`.
pub const MLA: Tiling = Tiling {
    words: 4,
    winograd_words: 4,
    pixels: [[8, 4, 0], [8, 4, 0], [8, 4, 0], [6, 4, 0], [6, 4, 0], [4, 0, 0], [4, 0, 0]],
    tiles: 2,
    pairs_only: true,
};

/// [`X86_64`](crate::kernels::x86_64::X86_64): vectors of 16, 8 and 4 pixels, and tiles for
/// one of 8.
pub const X86_64: Tiling = {
    // Wide rows through many taps have many weights, which come from far away: use them for long.
    let (narrow, wide) = ([16, 8, 4], [32, 16, 4]);
    Tiling {
        words: 2,
        winograd_words: 2,
        pixels: [narrow, narrow, wide, wide, wide, wide, wide],
        tiles: 8,
        pairs_only: false,
    }
};

/// Cortex-M55: int8, for `VMLADAVA.S8`.
pub const MVE: Tiling =
    Tiling { words: 1, winograd_words: 2, pixels: [[8, 4, 0]; MAX_TOEPLITZ_TAPS], tiles: 2, pairs_only: false };

/// The tiling of the kernels that a target has, by its triple and by the features of gen-core
/// (`portable`, `no-dsp`, `mve`): for programs that make the bill of another machine. What this
/// very build has is [`Native::TILING`](crate::kernels::Kernels::TILING), and what a
/// buffer is sized with [`workspace_len`](crate::workspace_len()).
///
/// The rule is the one that chooses the kernels in gen-core's build script. Only flags that change the
/// instructions of a target (`-C target-feature=-sse2`) are unknown here. Features that gen-core
/// refuses to be built with have some tiling too.
pub fn for_target(triple: &str, feature: impl Fn(&str) -> bool) -> Tiling {
    // Those of x86-64 that keep off vector registers.
    let without_sse2 = triple.ends_with("-unknown-none") || triple.ends_with("-unknown-uefi");
    match choice::kernels(triple, !without_sse2, feature) {
        "mve" => MVE,
        "dsp" => DSP,
        "mla" => MLA,
        "x86_64" => X86_64,
        _ => PORTABLE,
    }
}

impl Tiling {
    /// Whether these are sizes that [`crate::row`] can work with, in buffers for blocks of
    /// `max_block` pixels: what a field of this struct may be, and a first block size for every
    /// number of taps, with no larger one after it.
    pub const fn is_valid(&self, max_block: usize) -> bool {
        let words = matches!(self.words, 1 | 2 | 4) && matches!(self.winograd_words, 2 | 4);
        let mut valid = words && self.tiles > 0 && self.largest() <= max_block;
        let mut i = 0;
        while i < self.pixels.len() {
            let [first, second, third] = self.pixels[i];
            valid = valid && first > 0 && first >= second && second >= third;
            i += 1;
        }
        valid
    }

    /// Whether there is a Toeplitz kernel for `pixels` outputs through `taps` columns.
    pub(crate) fn has_block(&self, taps: usize, pixels: usize) -> bool {
        let sizes = taps.checked_sub(1).and_then(|i| self.pixels.get(i));
        pixels > 0 && sizes.is_some_and(|sizes| sizes.iter().any(|&size| usize::from(size) == pixels))
    }

    /// Pixels of the next block when `left` of `count` are still to be computed, through
    /// `taps` columns: as few blocks as there can be, none larger than need be.
    ///
    /// May be more than `left`, though never more than `count`: that block then begins
    /// earlier and computes some pixels again. Blocks of a row do not grow.
    pub const fn block(&self, taps: usize, left: usize, count: usize) -> usize {
        let sizes = self.pixels[below(MAX_TOEPLITZ_TAPS, taps - 1)];
        let mut i = 0;
        while i + 1 < sizes.len() && sizes[i + 1] != 0 && sizes[i] as usize > count {
            i += 1;
        }
        let share = left.div_ceil(positive(left.div_ceil(positive(sizes[i] as usize))));
        while i + 1 < sizes.len() && sizes[i + 1] as usize >= share {
            i += 1;
        }
        sizes[i] as usize
    }

    /// Whether a layer is computed in Toeplitz blocks: neighbouring pixels read
    /// neighbouring inputs, and there are enough of them for the smallest block.
    pub const fn is_toeplitz(&self, g: &Geometry) -> bool {
        let last = g.x.phases() - 1;
        let (most, fewest, pixels) = (g.x.max_taps(), g.x.taps(last), g.x.positions(last));
        // Phases differ by one tap at most.
        g.x.step() == 1
            && most <= MAX_TOEPLITZ_TAPS
            && self.block(most, 1, 1) <= pixels
            && self.block(fewest, 1, 1) <= pixels
    }

    /// Pixels of the widest block.
    pub const fn largest(&self) -> usize {
        let (mut most, mut i) = (self.tiles * TILE, 0);
        while i < self.pixels.len() {
            if self.pixels[i][0] as usize > most {
                most = self.pixels[i][0] as usize;
            }
            i += 1;
        }
        most
    }

    /// Whether two phases with so many taps, the second of which begins a column later, can
    /// use the same staged pixels.
    pub const fn shares(&self, taps: usize) -> bool {
        !self.pairs_only || taps == 2
    }

    /// Words after the staged pixels that a Toeplitz kernel may read, though not use.
    pub const SPARE: usize = 3;

    /// Words that staging takes for a layer: of Toeplitz and Winograd blocks together with a
    /// pixel over the edge, and of Toeplitz blocks with [`SPARE`](Self::SPARE) words.
    pub const fn staging(&self, g: &Geometry, form: Form) -> usize {
        let quads = g.y.max_taps() * g.quads();
        match (form, g.points()) {
            (Form::Winograd, Some(points)) => points * quads * self.winograd_words * self.tiles + g.quads(),
            _ if self.is_toeplitz(g) => {
                // Phases may differ by one tap and by one pixel. The first block of a row is its largest.
                let last = g.x.phases() - 1;
                let (taps, pixels) = ([g.x.taps(0), g.x.taps(last)], [g.x.positions(0), g.x.positions(last)]);
                let (mut plane, mut i) = (0, 0);
                while i < 4 {
                    let (taps, pixels) = (taps[i / 2], pixels[i % 2]);
                    let needed = taps + self.block(taps, pixels, pixels);
                    plane = if needed > plane { needed } else { plane };
                    i += 1;
                }
                quads * self.words * plane + Self::SPARE + g.quads()
            }
            _ => quads * self.words * g.x.max_taps(),
        }
    }

    /// Bytes of workspace that a generator needs, [`Memory::len`]. A `const`, so firmware
    /// can size its buffer. `forms` may be shorter than `layers`: the others are
    /// [`Form::Direct`].
    ///
    /// ```
    /// use gen_core::spec::{Activation, LayerSpec, Op, Padding, Shape};
    /// use gen_core::tiling::DSP;
    ///
    /// const LAYERS: [LayerSpec; 2] = [
    ///     LayerSpec { op: Op::Dense { out: Shape::new(4, 4, 8) }, activation: Activation::Relu },
    ///     LayerSpec {
    ///         op: Op::ConvTranspose { channels: 3, kernel: 4, stride: 2, padding: Padding::Same },
    ///         activation: Activation::Tanh,
    ///     },
    /// ];
    /// const LEN: usize = match DSP.workspace_len(16, &LAYERS, &[]) {
    ///     Ok(len) => len,
    ///     Err(_) => panic!("the layers do not fit together"),
    /// };
    /// // Staging of 2 rows of 4 + 2 pixels with 8 channels as int16, 3 words, a pixel; 16 latents, two
    /// // rows of 4 pixels with 8 channels, 8 RGB pixels, and 3 bytes to align them.
    /// assert_eq!(LEN, 2 * 6 * 8 * 2 + 12 + 8 + 16 + 2 * 4 * 8 + 8 * 3 + 3);
    /// ```
    ///
    /// # Errors
    /// What [`spec::check`] reports.
    pub const fn workspace_len(&self, latent: u16, layers: &[LayerSpec], forms: &[Form]) -> Result<usize, SpecError> {
        match spec::check(latent, layers) {
            Err(e) => Err(e),
            Ok(picture) => {
                let (mut shape, mut memory, mut i) = (Shape::latent(latent), Memory::of(picture), 0);
                while i < layers.len() {
                    match layers[i].geometry(shape) {
                        Err(e) => return Err(e),
                        Ok(g) => {
                            memory = memory.with(self, &g, if i < forms.len() { forms[i] } else { Form::Direct });
                            shape = g.output;
                        }
                    }
                    i += 1;
                }
                Ok(memory.len())
            }
        }
    }
}

/// What a workspace consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Words of staging: what the layer takes that needs most.
    pub staging: usize,
    /// Bytes of the input rows of all layers.
    pub rings: usize,
    /// Bytes of a row of pixels.
    pub row: usize,
}

impl Memory {
    /// Without layers yet.
    pub const fn of(picture: Shape) -> Self {
        Self { staging: 0, rings: 0, row: picture.row_len() }
    }

    /// With one layer more.
    #[must_use]
    pub const fn with(self, tiling: &Tiling, g: &Geometry, form: Form) -> Self {
        let words = tiling.staging(g, form);
        let staging = if words > self.staging { words } else { self.staging };
        Self { staging, rings: self.rings + g.ring_len(), row: self.row }
    }

    /// All of it in bytes, with the few that it takes to begin at a word.
    #[allow(clippy::len_without_is_empty, reason = "never empty")]
    pub const fn len(self) -> usize {
        self.staging * size_of::<u32>() + self.rings + self.row + (align_of::<u32>() - 1)
    }
}
