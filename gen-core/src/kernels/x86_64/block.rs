//! What all levels share: checked arguments, accumulators, and the interface of a level.

use super::vector::Vector;
use crate::kernels::args::KernelArgs;
use crate::plan::{self, MAX_BLOCK_PIXELS};
use crate::quant::MultiplierTable;

/// Output channels that are computed together.
pub(super) const GROUP: usize = 8;

/// Accumulators of a group of output channels.
pub(super) type Accumulators = [[i32; MAX_BLOCK_PIXELS]; GROUP];

/// Arguments whose lengths were found to fit together.
pub(super) struct CheckedArgs<'a> {
    pub taps: usize,
    pub pixels: usize,
    /// The column at which the window of the first pixel begins: 0 or 1.
    pub column: usize,
    /// Quads of all rows.
    pub quads: usize,
    pub args: KernelArgs<'a>,
}

impl<'a> CheckedArgs<'a> {
    /// `None` when the lists do not fit together.
    pub fn new(
        taps: usize,
        pixels: usize,
        column: usize,
        [plane, spare]: [usize; 2],
        args: KernelArgs<'a>,
    ) -> Option<Self> {
        let quads = args.quads(plan::X86_64.words_per_quad, [taps, pixels], plane, spare)?;
        Some(Self { taps, pixels, column, quads, args })
    }
}

/// How the accumulators of a group become int8.
pub(super) struct Requantize<'a> {
    pub multipliers: MultiplierTable<'a>,
    /// Whether accumulators of both signs have the same multipliers.
    pub one_multiplier: bool,
    pub zero_point: i8,
    /// The first channel of the group.
    pub channel: usize,
    /// Channels of the group, up to [`GROUP`].
    pub count: usize,
}

/// What differs between the levels.
///
/// # Safety
/// All functions need a processor of the level.
pub(super) trait Level {
    /// The widest vectors.
    type Widest: Vector;

    /// Computes the accumulators of `count` channels, from `channel` on. Accumulators of other channels
    /// and pixels may be overwritten with any values.
    unsafe fn accumulate(job: &CheckedArgs<'_>, channel: usize, count: usize, accs: &mut Accumulators);

    /// [`Multiplier::apply`](crate::quant::Multiplier::apply) and [`saturate`](crate::quant::saturate) for eight
    /// pixels, pixel by pixel.
    ///
    /// # Safety
    /// `accs` points to the accumulators of eight pixels of a channel. Those of the next channel are
    /// [`MAX_BLOCK_PIXELS`] further.
    unsafe fn requantise(accs: *const i32, to: &Requantize<'_>) -> [[i8; GROUP]; 8];
}
