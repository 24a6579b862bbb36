//! One output row of one layer: the only code whose speed matters.
//!
//! [`Kernels`] is what a processor has to offer; [`Native`] is the best one for
//! the target. `portable` is the oracle for every other and their fallback.

use crate::blob::Layer;

pub mod portable;

/// The kernels for the processor that this is compiled for.
pub type Native = portable::Portable;

/// Computes rows.
pub trait Kernels {
    /// Name, in the form `{core}`.
    const NAME: &'static str;

    /// Accumulates one output row and hands every result to `store`.
    ///
    /// * `layer`: weights and geometry.
    /// * `row_phase`: phase of the output row along y.
    /// * `window`: its input rows, top to bottom, as many as that phase has taps.
    ///   Each is `geometry.ring_row_len()` long: pixels that hang over the left
    ///   edge, the row, pixels that hang over the right edge.
    /// * `store(index, channel, acc)`: `index` runs over `[pixel][channel]` of the
    ///   output row, each exactly once, in any order.
    fn row(layer: &Layer<'_>, row_phase: usize, window: &[&[i8]], store: impl FnMut(usize, usize, i32));
}
