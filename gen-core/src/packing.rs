//! Where a weight lies in the blob.
//!
//! Kernels read weights from the first to the last and never jump, so the order is
//! theirs. Input channels are taken in *quads* of four: one word of int8 values,
//! which a Cortex-M4 spreads into two pairs of int16 with two instructions. Where the
//! number of channels is no multiple of four, the last quad is filled up with zeros.
//!
//! | form | order | element |
//! |---|---|---|
//! | [`Direct`](Form::Direct) | `[phase][output channel][tap row][quad][tap column][4]` | int8 |
//! | [`Winograd`](Form::Winograd) | `[phase][pair of output channels][point][tap row][quad][2][2 output channels][2]` | int16 |
//!
//! In the second form the channels `c0 … c3` of a quad lie as `(c0, c2)` for both
//! output channels, then `(c1, c3)`: the pairs that spreading an int8 word gives. The
//! last of an odd number of output channels is paired with zeros.

use core::array::from_fn;

use crate::certain::positive;
use crate::spec::{Form, Geometry};
use crate::winograd::{self, MAX_POINTS, TILE};

/// Output channels that a Winograd kernel computes at once.
pub const PAIR: usize = 2;

impl Geometry {
    /// Groups of four input channels.
    pub const fn quads(&self) -> usize {
        (self.input.channels as usize).div_ceil(4)
    }

    /// Points of the Winograd form; `None` where the layer has none. It has one where
    /// neighbouring pixels of a phase read neighbouring inputs (stride 1, or transposed)
    /// through 2, 3 or 5 tap columns, the same number in all phases.
    pub const fn points(&self) -> Option<usize> {
        let taps = self.x.max_taps();
        if self.x.step() != 1 || !matches!(taps, 2 | 3 | 5) || self.x.taps(self.x.phases() - 1) != taps {
            return None;
        }
        Some(taps + TILE - 1)
    }

    /// Whether the layer can have this form.
    pub const fn has_form(&self, form: Form) -> bool {
        matches!(form, Form::Direct) || self.points().is_some()
    }

    /// Largest magnitude of a sum of products (without the bias) that a form of the layer
    /// computes exactly: see [`crate::winograd`].
    pub const fn max_sum(&self, form: Form) -> i64 {
        match (form, self.points()) {
            (Form::Winograd, Some(points)) => winograd::max_sum(points),
            _ => i32::MAX as i64,
        }
    }

    /// Bytes of the weights of the tap rows `y`, all their columns, in a form that the layer has.
    const fn packed(&self, form: Form, rows: usize, columns: usize) -> usize {
        let channels = self.output.channels as usize;
        match (form, self.points()) {
            (Form::Winograd, Some(points)) => {
                // Every column phase has the same taps, hence the same points.
                let phases = columns / positive(self.x.max_taps());
                phases * channels.div_ceil(PAIR) * points * rows * self.quads() * 4 * PAIR * size_of::<i16>()
            }
            _ => channels * rows * columns * self.quads() * 4,
        }
    }

    /// Bytes of the layer's weights.
    pub const fn packed_len(&self, form: Form) -> usize {
        self.packed(form, self.y.taps_before(self.y.phases()), self.x.taps_before(self.x.phases()))
    }

    /// Byte at which the weights of a phase begin.
    pub const fn packed_offset(&self, form: Form, phase: usize) -> usize {
        let (py, px) = (phase / self.x.phases(), phase % self.x.phases());
        let columns = self.x.taps_before(self.x.phases());
        self.packed(form, self.y.taps_before(py), columns) + self.packed(form, self.y.taps(py), self.x.taps_before(px))
    }

    /// Bytes of the weights of a phase.
    pub const fn packed_phase_len(&self, form: Form, phase: usize) -> usize {
        let (py, px) = (phase / self.x.phases(), phase % self.x.phases());
        self.packed(form, self.y.taps(py), self.x.taps(px))
    }

    /// Byte, within its phase, of the int8 weight from `input` channel to `output`
    /// channel at tap row `t` and column `u`, in direct form.
    pub const fn direct_index(&self, phase: usize, output: usize, [t, u]: [usize; 2], input: usize) -> usize {
        let (py, px) = (phase / self.x.phases(), phase % self.x.phases());
        let quad = (output * self.y.taps(py) + t) * self.quads() + input / 4;
        (quad * self.x.taps(px) + u) * 4 + input % 4
    }

    /// Byte, within its phase, of the int16 weight from `input` channel to `output`
    /// channel at tap row `t` and a point, in Winograd form.
    pub const fn winograd_index(&self, phase: usize, output: usize, t: usize, point: usize, input: usize) -> usize {
        let points = match self.points() {
            Some(points) => points,
            None => 0,
        };
        let rows = self.y.taps(phase / self.x.phases());
        let quad = ((output / PAIR * points + point) * rows + t) * self.quads() + input / 4;
        // Channels 0 and 2 of a quad come before 1 and 3.
        let (half, place) = (input % 2, input % 4 / 2);
        size_of::<i16>() * (((quad * 2 + half) * PAIR + output % PAIR) * 2 + place)
    }

    /// Packs a layer's weights in a form that it has.
    ///
    /// * `weight(phase, output channel, [tap row, tap column], input channel)`: the weights.
    /// * `packed`: zeros, [`packed_len`](Self::packed_len) bytes.
    pub fn pack(&self, form: Form, weight: impl Fn(usize, usize, [usize; 2], usize) -> i8, packed: &mut [u8]) {
        for phase in 0..self.phases() {
            let packed = &mut packed[self.packed_offset(form, phase)..];
            for output in 0..self.output.channels as usize {
                for t in 0..self.y.taps(phase / self.x.phases()) {
                    for input in 0..self.input.channels as usize {
                        let columns = self.x.taps(phase % self.x.phases());
                        let taps = |u| weight(phase, output, [t, u], input);
                        match (form, self.points()) {
                            (Form::Winograd, Some(points)) => {
                                let taps: [i8; MAX_POINTS] = from_fn(|u| if u < columns { taps(u) } else { 0 });
                                let values = winograd::filter(points, &taps[..columns]);
                                for (point, value) in values[..points].iter().enumerate() {
                                    let at = self.winograd_index(phase, output, t, point, input);
                                    packed[at..at + 2].copy_from_slice(&value.to_le_bytes());
                                }
                            }
                            _ => {
                                for u in 0..columns {
                                    packed[self.direct_index(phase, output, [t, u], input)] = taps(u).cast_unsigned();
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
