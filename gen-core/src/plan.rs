//! How kernels cut a row into blocks, and how much memory the engine needs.
//!
//! Before weights are multiplied, the pixels that a block of outputs reads are *staged*: widened from int8 to the
//! words that the kernel multiplies, and laid side by side. The width of a block and of a word depends on the
//! registers of the processor. The sizes of all processors are known on every machine, so that a host can
//! compute how much memory a chip needs.

use serde::Serialize;

use crate::choice;
use crate::no_panic::{clamp_index, rounded_up_quotient};
pub use crate::packing::PAIR;
use crate::spec::{self, Geometry, LayerSpec, Shape, SpecError, WeightTransform};
pub use crate::winograd::TILE;

/// Most tap columns that there are Toeplitz kernels for; wider windows are computed pixel by pixel.
pub const MAX_TOEPLITZ_TAPS: usize = 7;

/// Most pixels of a block, of any kernels that are compiled for the target. An engine with kernels of larger
/// blocks does not compile.
pub const MAX_BLOCK_PIXELS: usize =
    if cfg!(all(feature = "x86", target_arch = "x86_64", target_feature = "sse2")) { 32 } else { 8 };

/// A set of kernels, one bit for each: what a program needs for a model that is known at compile time. A set is a number,
/// so that it can be a parameter of a type.
pub mod kernel_set {
    /// The kernel that computes pixel by pixel.
    pub const DOT: u32 = 1;
    /// The kernels for Winograd tiles.
    pub const WINOGRAD: u32 = 1 << 31;
    /// All kernels of this build.
    pub const ALL: u32 = if cfg!(feature = "winograd") { u32::MAX } else { !WINOGRAD };

    /// The Toeplitz kernels for so many tap columns, up to [`MAX_TOEPLITZ_TAPS`](super::MAX_TOEPLITZ_TAPS).
    pub const fn toeplitz(taps: usize) -> u32 {
        1 << taps
    }
}

/// Sizes of a processor's kernels. A *quad* is four neighbouring channels of one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelLayout {
    /// 32-bit words of a staged quad: 1 (int8), 2 (int16 pairs) or 4 (int32).
    pub words_per_quad: usize,
    /// 32-bit words of a quad of a Winograd tile, whose values need 16 bits: 2 or 4.
    pub winograd_words: usize,
    /// For each number of tap columns from 1 on, the pixels that a kernel computes at once: largest first,
    /// padded with zeros, at least one size.
    pub pixels: [[u8; 3]; MAX_TOEPLITZ_TAPS],
    /// Winograd tiles that a kernel computes at once.
    pub winograd_tiles: usize,
    /// Whether only the kernels for two taps can use the same staged pixels for two phases.
    pub shares_two_taps_only: bool,
}

/// The portable kernels.
pub const PORTABLE: KernelLayout = KernelLayout {
    words_per_quad: 2,
    winograd_words: 2,
    pixels: [[8, 4, 0]; MAX_TOEPLITZ_TAPS],
    winograd_tiles: 2,
    shares_two_taps_only: false,
};

/// Cortex-M4, M7 and M33: int16 pairs, for `SMLAD`. The accumulators, the taps, two words of pixels and two
/// pointers have to fit 14 registers, or one of them is kept on the stack.
pub const ARMV7EM: KernelLayout =
    KernelLayout { pixels: [[8, 4, 0], [8, 4, 0], [8, 4, 0], [6, 4, 0], [6, 5, 4], [5, 4, 0], [4, 0, 0]], ..PORTABLE };

/// Cortex-M0 and M0+: int32. Toeplitz kernels pack two of them into one word.
pub const ARMV6M: KernelLayout = KernelLayout { words_per_quad: 4, ..PORTABLE };

/// Cortex-M3: int32. Toeplitz kernels pack two of them into one word, for `SMLAL`; the others use `MLA`.
pub const ARMV7M: KernelLayout = KernelLayout {
    words_per_quad: 4,
    winograd_words: 4,
    pixels: [[8, 4, 0], [8, 4, 0], [8, 4, 0], [6, 4, 0], [6, 4, 0], [4, 0, 0], [4, 0, 0]],
    winograd_tiles: 2,
    shares_two_taps_only: true,
};

/// Cortex-M55: int8, for `VMLADAVA.S8`.
pub const ARMV8_1M_MVE: KernelLayout = KernelLayout { words_per_quad: 1, ..PORTABLE };

/// RV32 with multiplication: as [`ARMV6M`].
pub const RISCV32: KernelLayout = ARMV6M;

/// x86-64: vectors of 16, 8 and 4 pixels, and one vector of 8 Winograd tiles.
pub const X86_64: KernelLayout = {
    // Many taps mean many weights, which do not stay in the first-level cache: a wide block uses each of them
    // more often.
    let (narrow, wide) = ([16, 8, 4], [32, 16, 4]);
    KernelLayout { pixels: [narrow, narrow, wide, wide, wide, wide, wide], winograd_tiles: 8, ..PORTABLE }
};

/// The layout of the kernels of a target, by its triple and by the features of gen-core (`portable`, `no-dsp`, `mve`):
/// for programs that plan the memory of another machine. The kernels of this build have
/// [`Native::LAYOUT`](crate::kernels::Kernels::LAYOUT), and [`workspace_len`](crate::workspace_len()) is the size of
/// their workspace.
///
/// The build script of gen-core follows the same rule. Only flags that change the instructions of a target
/// (`-C target-feature=-sse2`) are unknown here. For features that gen-core refuses to be built with the result
/// is unspecified.
pub fn for_target(triple: &str, feature: impl Fn(&str) -> bool) -> KernelLayout {
    // The x86-64 targets that may not use vector registers.
    let without_sse2 = triple.ends_with("-unknown-none") || triple.ends_with("-unknown-uefi");
    match choice::kernels(triple, !without_sse2, feature) {
        "armv8_1m_mve" => ARMV8_1M_MVE,
        "armv6m" => ARMV6M,
        "armv7em" => ARMV7EM,
        "armv7m" => ARMV7M,
        "riscv32" => RISCV32,
        "x86_64" => X86_64,
        _ => PORTABLE,
    }
}

impl KernelLayout {
    /// Whether the engine can work with these sizes: each field has one of the values that its documentation
    /// allows, and no block is larger than [`MAX_BLOCK_PIXELS`].
    pub const fn is_valid(&self) -> bool {
        let words = matches!(self.words_per_quad, 1 | 2 | 4) && matches!(self.winograd_words, 2 | 4);
        let mut valid = words && self.winograd_tiles > 0 && self.max_pixels() <= MAX_BLOCK_PIXELS;
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

    /// Pixels of the next block of a row, when `left` of its `count` pixels are not computed yet, through `taps`
    /// columns. The row is cut into as few blocks as possible, and these are no larger than necessary.
    ///
    /// The result may exceed `left`, but not `count`: the block then begins earlier and computes some pixels
    /// again. A block is never larger than the one before it.
    pub const fn block(&self, taps: usize, left: usize, count: usize) -> usize {
        let sizes = self.pixels[clamp_index(MAX_TOEPLITZ_TAPS, taps - 1)];
        let mut i = 0;
        while i + 1 < sizes.len() && sizes[i + 1] != 0 && sizes[i] as usize > count {
            i += 1;
        }
        let share = if cfg!(kernels = "armv6m") && left <= sizes[i] as usize {
            left // without divisions
        } else {
            rounded_up_quotient(left, rounded_up_quotient(left, sizes[i] as usize))
        };
        while i + 1 < sizes.len() && sizes[i + 1] as usize >= share {
            i += 1;
        }
        sizes[i] as usize
    }

    /// Whether a layer is computed in Toeplitz blocks: neighbouring pixels read neighbouring inputs, and a row has
    /// enough pixels for the smallest block.
    pub const fn is_toeplitz(&self, g: &Geometry) -> bool {
        let last = g.x.phases() - 1;
        let (most, fewest, pixels) = (g.x.max_taps(), g.x.taps(last), g.x.positions(last));
        // Phases differ by one tap at most.
        g.x.step() == 1
            && most <= MAX_TOEPLITZ_TAPS
            && self.block(most, 1, 1) <= pixels
            && self.block(fewest, 1, 1) <= pixels
    }

    /// The [kernels](kernel_set) that compute a layer.
    pub const fn kernels(&self, g: &Geometry, transform: WeightTransform) -> u32 {
        match transform {
            WeightTransform::Winograd => kernel_set::WINOGRAD,
            // Phases differ by one tap at most.
            _ if self.is_toeplitz(g) => {
                kernel_set::toeplitz(g.x.max_taps()) | kernel_set::toeplitz(g.x.taps(g.x.phases() - 1))
            }
            _ => kernel_set::DOT,
        }
    }

    /// Pixels of the widest block.
    pub const fn max_pixels(&self) -> usize {
        let (mut most, mut i) = (self.winograd_tiles * TILE, 0);
        while i < self.pixels.len() {
            if self.pixels[i][0] as usize > most {
                most = self.pixels[i][0] as usize;
            }
            i += 1;
        }
        most
    }

    /// Whether two phases with this many taps, of which the second begins one column later, can use the same
    /// staged pixels.
    pub const fn shares_phases(&self, taps: usize) -> bool {
        !self.shares_two_taps_only || taps == 2
    }

    /// Words behind the staged pixels that a Toeplitz kernel may read. It ignores their values.
    pub const OVERREAD_WORDS: usize = 3;

    /// 32-bit words that a layer needs for staging: the words of a block, for Toeplitz and Winograd blocks a pixel
    /// over the edge, and for Toeplitz blocks [`OVERREAD_WORDS`](Self::OVERREAD_WORDS).
    pub const fn staging(&self, g: &Geometry, transform: WeightTransform) -> usize {
        let quads = g.y.max_taps() * g.quads();
        match (transform, g.winograd_points()) {
            (WeightTransform::Winograd, Some(points)) => {
                points * quads * self.winograd_words * self.winograd_tiles + g.quads()
            }
            _ if self.is_toeplitz(g) => {
                // Phases differ by at most one tap and one pixel. The first block of a row is its largest.
                let last = g.x.phases() - 1;
                let (taps, pixels) = ([g.x.taps(0), g.x.taps(last)], [g.x.positions(0), g.x.positions(last)]);
                let (mut plane, mut i) = (0, 0);
                while i < 4 {
                    let (taps, pixels) = (taps[i / 2], pixels[i % 2]);
                    let needed = taps + self.block(taps, pixels, pixels);
                    plane = if needed > plane { needed } else { plane };
                    i += 1;
                }
                quads * self.words_per_quad * plane + Self::OVERREAD_WORDS + g.quads()
            }
            _ => quads * self.words_per_quad * g.x.max_taps(),
        }
    }

    /// Bytes of workspace that a generator needs with these kernels, as [`WorkspacePlan::bytes`]. A `const fn`, so that
    /// firmware can declare a buffer of this size. `inputs` is the number of inputs of the first layer. `transforms` may be shorter than `layers`: the other layers
    /// have [`WeightTransform::None`].
    ///
    /// ```
    /// use gen_core::spec::{Activation, LayerSpec, Op, Padding, Shape};
    /// use gen_core::plan::ARMV7EM;
    ///
    /// const LAYERS: [LayerSpec; 2] = [
    ///     LayerSpec { op: Op::Dense { out: Shape::new(4, 4, 8) }, activation: Activation::Relu },
    ///     LayerSpec {
    ///         op: Op::ConvTranspose { channels: 3, kernel: 4, stride: 2, padding: Padding::Same },
    ///         activation: Activation::Tanh,
    ///     },
    /// ];
    /// const LEN: usize = match ARMV7EM.workspace_len(16, &LAYERS, &[]) {
    ///     Ok(len) => len,
    ///     Err(_) => panic!("the layers do not fit together"),
    /// };
    /// // Staging: 2 rows of 4 + 2 pixels with 8 channels as int16, 3 words, and a pixel. Rings: 16 values of the
    /// // latent, and 2 rows of 4 pixels with 8 channels. Then 8 RGB pixels, and 3 bytes for the alignment.
    /// assert_eq!(LEN, 2 * 6 * 8 * 2 + 12 + 8 + 16 + 2 * 4 * 8 + 8 * 3 + 3);
    /// ```
    ///
    /// # Errors
    /// What [`spec::check`] reports.
    pub const fn workspace_len(
        &self,
        inputs: u16,
        layers: &[LayerSpec],
        transforms: &[WeightTransform],
    ) -> Result<usize, SpecError> {
        match spec::check(inputs, layers) {
            Err(e) => Err(e),
            Ok(picture) => {
                let (mut shape, mut plan, mut i) = (Shape::latent(inputs), WorkspacePlan::for_picture(picture), 0);
                while i < layers.len() {
                    match layers[i].geometry(shape) {
                        Err(e) => return Err(e),
                        Ok(g) => {
                            plan = plan.with_layer(
                                self,
                                &g,
                                if i < transforms.len() { transforms[i] } else { WeightTransform::None },
                            );
                            shape = g.output;
                        }
                    }
                    i += 1;
                }
                Ok(plan.bytes())
            }
        }
    }
}

/// The parts of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WorkspacePlan {
    /// 32-bit words of staging: those of the layer that needs most.
    pub staging: usize,
    /// Bytes of the rings: the input rows of all layers.
    pub rings: usize,
    /// Bytes of a row of pixels.
    pub row: usize,
}

impl WorkspacePlan {
    /// The plan for a picture of this shape, without layers.
    pub const fn for_picture(picture: Shape) -> Self {
        Self { staging: 0, rings: 0, row: picture.row_len() }
    }

    /// The plan with one more layer.
    #[must_use]
    pub const fn with_layer(self, layout: &KernelLayout, g: &Geometry, transform: WeightTransform) -> Self {
        let words = layout.staging(g, transform);
        let staging = if words > self.staging { words } else { self.staging };
        Self { staging, rings: self.rings + g.ring_len(), row: self.row }
    }

    /// Bytes of the whole workspace, including those that are needed to align it to a word.
    pub const fn bytes(self) -> usize {
        self.staging * size_of::<u32>() + self.rings + self.row + (align_of::<u32>() - 1)
    }
}
