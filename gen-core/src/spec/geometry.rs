//! A layer whose input shape is known.

use super::axis::{Axis, AxisKind};
use super::shape::Shape;
use crate::no_panic::nonzero;

/// The shapes of a layer, and the counts and sizes that follow from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Geometry {
    /// Shape of the input.
    pub input: Shape,
    /// Shape of the output.
    pub output: Shape,
    /// The vertical axis: rows.
    pub y: Axis,
    /// The horizontal axis: pixels in a row.
    pub x: Axis,
}

impl Geometry {
    /// Number of phases: one for each pair of a row phase and a column phase. Each has its own weights.
    pub const fn phases(&self) -> usize {
        self.y.phases() * self.x.phases()
    }

    /// Index of the phase of a row phase and a column phase.
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

    /// Biases in the model file: one for each phase and output channel. The zero point of the input is folded into
    /// them, multiplied with the sum of the weights, which differs between phases.
    pub const fn bias_count(&self) -> usize {
        self.phases() * self.output.channels as usize
    }

    /// Trainable values of the float layer: weights, and one bias for each output channel (for each output of a
    /// dense layer).
    pub const fn parameter_count(&self) -> usize {
        let biases = match self.y.kind {
            AxisKind::Dense => self.output.len(),
            AxisKind::Conv | AxisKind::ConvTranspose => self.output.channels as usize,
        };
        self.weight_count() + biases
    }

    /// Multiply-accumulate operations for one picture, including those of taps over the edge.
    pub const fn macs(&self) -> u64 {
        let positions = match self.y.kind {
            AxisKind::Dense => 1,
            AxisKind::Conv => self.output.height as u64 * self.output.width as u64,
            AxisKind::ConvTranspose => self.input.height as u64 * self.input.width as u64,
        };
        positions * self.weight_count() as u64
    }

    /// Input rows that an output row needs: the rows of the ring buffer.
    pub const fn ring_rows(&self) -> usize {
        let taps = self.y.max_taps();
        nonzero(if taps < self.input.height as usize { taps } else { self.input.height as usize })
    }

    /// Bytes of the ring buffer.
    pub const fn ring_len(&self) -> usize {
        self.ring_rows() * self.input.row_len()
    }
}
