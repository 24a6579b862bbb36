//! One axis of a layer: which input positions an output position reads.

use serde::{Deserialize, Serialize};

use super::error::SpecError;
use crate::no_panic::{divide, nonzero, rounded_up_quotient};

/// Whether a kernel may extend over the edge. Names and arithmetic are those of TensorFlow and Keras.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(feature = "writer"), non_exhaustive)]
pub enum Padding {
    /// Convolution: output is `⌈input / stride⌉`; transposed: `input · stride`.
    /// If the padding is odd, the larger half is at the end.
    Same,
    /// Windows lie within the input: output is `(input − kernel) / stride + 1`; transposed:
    /// `(input − 1) · stride + kernel`.
    Valid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum AxisKind {
    Dense,
    Conv,
    ConvTranspose,
}

/// One axis of a layer: which input positions each output position reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Axis {
    pub(super) kind: AxisKind,
    /// Input positions.
    pub input: u16,
    /// Output positions.
    pub output: u16,
    /// Taps of the kernel along this axis (1 for dense).
    pub kernel: u16,
    /// Stride (1 for dense).
    pub stride: u16,
    /// Padding at the start: input positions that are added (convolution), or output positions that are cut off
    /// (transposed).
    pub pad: u16,
}

/// The run of input positions that one output position reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The phase, which selects the weights.
    pub phase: usize,
    /// The first input position. It is negative where the window begins before the edge.
    pub start: isize,
    /// The number of input positions.
    pub taps: usize,
}

impl Axis {
    pub(super) const fn dense(input: u16, output: u16) -> Self {
        Self { kind: AxisKind::Dense, input, output, kernel: 1, stride: 1, pad: 0 }
    }

    pub(super) const fn conv(input: u16, kernel: u16, stride: u16, padding: Padding) -> Result<Self, SpecError> {
        let (output, pad) = match padding {
            Padding::Same => {
                let output = input.div_ceil(stride);
                let reach = (output - 1) * stride + kernel;
                (output, reach.saturating_sub(input) / 2)
            }
            Padding::Valid if kernel > input => return Err(SpecError::KernelLargerThanInput),
            Padding::Valid => ((input - kernel) / stride + 1, 0),
        };
        Ok(Self { kind: AxisKind::Conv, input, output, kernel, stride, pad })
    }

    pub(super) const fn conv_transpose(
        input: u16,
        kernel: u16,
        stride: u16,
        padding: Padding,
    ) -> Result<Self, SpecError> {
        if kernel < stride {
            return Err(SpecError::KernelSmallerThanStride);
        }
        let (output, pad) = match padding {
            Padding::Same => (input * stride, (kernel - stride) / 2),
            Padding::Valid => ((input - 1) * stride + kernel, 0),
        };
        Ok(Self { kind: AxisKind::ConvTranspose, input, output, kernel, stride, pad })
    }

    /// Number of different weight sets along this axis.
    pub const fn phases(&self) -> usize {
        nonzero(match self.kind {
            AxisKind::Dense => self.output as usize,
            AxisKind::Conv => 1,
            AxisKind::ConvTranspose => self.stride as usize,
        })
    }

    /// Taps of one phase.
    pub const fn taps(&self, phase: usize) -> usize {
        match self.kind {
            AxisKind::Dense => self.input as usize,
            AxisKind::Conv => self.kernel as usize,
            AxisKind::ConvTranspose => rounded_up_quotient(self.kernel as usize - phase, self.stride as usize),
        }
    }

    /// The largest number of taps of any phase, which phase 0 has.
    pub const fn max_taps(&self) -> usize {
        self.taps(0)
    }

    /// Taps of all phases before `phase`, so that `taps_before(phases())` is their total.
    pub const fn taps_before(&self, phase: usize) -> usize {
        match self.kind {
            AxisKind::Dense | AxisKind::Conv => phase * self.taps(0),
            // As many as there are kernel indices whose remainder by the stride is a phase before it.
            AxisKind::ConvTranspose => {
                let (whole, rest) = divide(self.kernel as usize, self.stride as usize);
                phase * whole + if phase < rest { phase } else { rest }
            }
        }
    }

    /// The window of output position `o`.
    pub const fn window(&self, o: usize) -> Window {
        match self.kind {
            AxisKind::Dense => Window { phase: o, start: 0, taps: self.input as usize },
            AxisKind::Conv => Window {
                phase: 0,
                start: (o * self.stride as usize) as isize - self.pad as isize,
                taps: self.kernel as usize,
            },
            AxisKind::ConvTranspose => {
                let (q, phase) = divide(o + self.pad as usize, self.stride as usize);
                let taps = self.taps(phase);
                Window { phase, start: q as isize + 1 - taps as isize, taps }
            }
        }
    }

    /// For tap `t` of a phase's window, the index along the layer's own kernel
    /// (`K[a]` in the [module](super)). Dense layers have no kernel: the result is the input position.
    pub const fn kernel_index(&self, phase: usize, t: usize) -> usize {
        match self.kind {
            AxisKind::Dense | AxisKind::Conv => t,
            AxisKind::ConvTranspose => phase + self.stride as usize * (self.taps(phase) - 1 - t),
        }
    }

    /// Distance between the windows of two neighbouring output positions of the same phase, in input positions; 0
    /// for dense layers, where all windows are the same.
    pub const fn step(&self) -> usize {
        match self.kind {
            AxisKind::Dense => 0,
            AxisKind::Conv => self.stride as usize,
            AxisKind::ConvTranspose => 1,
        }
    }

    /// Output positions of the phase that position `first` belongs to: `first`,
    /// `first + phases`, … For `first` below `phases`.
    pub const fn positions(&self, first: usize) -> usize {
        rounded_up_quotient((self.output as usize).saturating_sub(first), self.phases())
    }
}
