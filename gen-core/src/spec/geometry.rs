//! A layer whose input shape is known.

use super::axis::{Axis, AxisKind};
use super::shape::Shape;
use crate::no_panic::nonzero;

/// A layer with its input known: both axes and all that follows from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Geometry {
    /// Shape of the input.
    pub input: Shape,
    /// Shape of the output.
    pub output: Shape,
    /// Rows.
    pub y: Axis,
    /// Pixels in a row.
    pub x: Axis,
}

impl Geometry {
    /// Weight sets: one for each pair of row phase and pixel phase.
    pub const fn phases(&self) -> usize {
        self.y.phases() * self.x.phases()
    }

    /// Index of a weight set.
    pub const fn phase(&self, y: usize, x: usize) -> usize {
        y * self.x.phases() + x
    }

    /// Number of weights that feed one output channel in one phase.
    pub const fn fan_in(&self, phase: usize) -> usize {
        let (py, px) = (phase / self.x.phases(), phase % self.x.phases());
        self.y.taps(py) * self.x.taps(px) * self.input.channels as usize
    }

    /// Number of weights.
    pub const fn weight_count(&self) -> usize {
        let taps = self.y.taps_before(self.y.phases()) * self.x.taps_before(self.x.phases());
        taps * self.input.channels as usize * self.output.channels as usize
    }

    /// Biases in the blob: one for each phase and output channel.
    ///
    /// The zero point of the input is folded into them, and the sum of weights it
    /// multiplies differs between phases.
    pub const fn bias_count(&self) -> usize {
        self.phases() * self.output.channels as usize
    }

    /// Trainable values of the float layer: weights, and one bias a channel (a
    /// dense layer: one for each output).
    pub const fn parameter_count(&self) -> usize {
        let biases = match self.y.kind {
            AxisKind::Dense => self.output.len(),
            AxisKind::Conv | AxisKind::ConvTranspose => self.output.channels as usize,
        };
        self.weight_count() + biases
    }

    /// Multiply-accumulates for one picture, taps over the edge counted too.
    pub const fn macs(&self) -> u64 {
        let positions = match self.y.kind {
            AxisKind::Dense => 1,
            AxisKind::Conv => self.output.height as u64 * self.output.width as u64,
            AxisKind::ConvTranspose => self.input.height as u64 * self.input.width as u64,
        };
        positions * self.weight_count() as u64
    }

    /// Input rows that must be at hand at once.
    pub const fn ring_rows(&self) -> usize {
        let taps = self.y.max_taps();
        nonzero(if taps < self.input.height as usize { taps } else { self.input.height as usize })
    }

    /// Bytes of those rows.
    pub const fn ring_len(&self) -> usize {
        self.ring_rows() * self.input.row_len()
    }
}
