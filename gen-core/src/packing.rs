//! The order of the weights in a model file.
//!
//! Kernels read weights from the first to the last without jumps, which determines the order. Input channels
//! are grouped in *quads* of four: a 32-bit word of int8 values, which a Cortex-M4 widens to two pairs of int16
//! with two instructions. Where the number of channels is not a multiple of four, the last quad is padded with zeros.
//!
//! | transform | order | element |
//! |---|---|---|
//! | [`None`](WeightTransform::None) | `[phase][output channel][tap row][quad][tap column][4]` | int8 |
//! | [`Winograd`](WeightTransform::Winograd) | `[phase][pair of output channels][point][tap row][quad][2][2 output channels][2]` | int16 |
//!
//! With Winograd's transform, a quad with the channels `c0 … c3` is stored as `(c0, c2)` for both output
//! channels, then `(c1, c3)`: the pairs that widening an int8 word gives. The last of an odd number of output
//! channels is paired with zeros.
//!
//! For example, a convolution with a 3x3 kernel, 6 input channels (two quads, `c6` and `c7` are padding) and 2
//! output channels, one phase, begins without a transform with the weights of output channel 0:
//!
//! ```text
//! byte    0 1 2 3      4 5 6 7      8 9 10 11    12 13 14 15   16 … 23          24 …
//! tap     row 0, col 0 row 0, col 1 row 0, col 2 row 0, col 0  row 0, col 1, 2  row 1, col 0
//! inputs  c0 c1 c2 c3  c0 c1 c2 c3  c0 c1 c2 c3  c4 c5 0  0    c4 c5 0 0 …      c0 c1 c2 c3
//! ```
//!
//! Output channel 1 follows at byte 3 · 2 · 3 · 4 = 72. With Winograd's transform three tap columns have 6 points,
//! and the int16 values begin with point 0 of both output channels, written `output:input`:
//!
//! ```text
//! byte    0    2     4    6     8    10    12   14     16 …
//!         tap row 0, quad 0                            tap row 0, quad 1
//!         0:c0 0:c2  1:c0 1:c2  0:c1 0:c3  1:c1 1:c3   0:c4 0  1:c4 0  0:c5 0 …
//! ```

#[cfg(feature = "writer")]
use core::array::from_fn;

use crate::no_panic::{divide, nonzero};
use crate::spec::{Geometry, WeightTransform};
use crate::winograd;
#[cfg(feature = "writer")]
use crate::winograd::MAX_POINTS;

/// Output channels that a Winograd kernel computes together.
pub const PAIR: usize = 2;

impl Geometry {
    /// Quads of a pixel: groups of four input channels.
    pub const fn quads(&self) -> usize {
        (self.input.channels as usize).div_ceil(4)
    }

    /// Points of Winograd's transform for this layer: 5, 6 or 8. `None` where the layer cannot use it: it needs
    /// neighbouring pixels of a phase that read neighbouring inputs (stride 1, or transposed) through 2, 3 or 5
    /// tap columns, the same number in all phases.
    pub const fn winograd_points(&self) -> Option<usize> {
        let taps = self.x.max_taps();
        if self.x.step() != 1 || self.x.taps(self.x.phases() - 1) != taps {
            return None;
        }
        winograd::points_for(taps)
    }

    /// Whether the weights of the layer can have this transform.
    pub const fn allows(&self, transform: WeightTransform) -> bool {
        matches!(transform, WeightTransform::None) || self.winograd_points().is_some()
    }

    /// Largest magnitude of a sum of products, without the bias, that is computed exactly.
    pub const fn max_sum(&self, transform: WeightTransform) -> i64 {
        match (transform, self.winograd_points()) {
            (WeightTransform::Winograd, Some(points)) => winograd::max_sum(points),
            _ => i32::MAX as i64,
        }
    }

    /// Bytes of the weights of so many tap rows and tap columns, with a transform that the layer allows.
    const fn packed(&self, transform: WeightTransform, rows: usize, columns: usize) -> usize {
        let channels = self.output.channels as usize;
        let points = match transform {
            WeightTransform::Winograd => self.winograd_points(),
            WeightTransform::None => None,
        };
        match points {
            Some(points) => {
                // All column phases have the same number of taps, so they have the same points.
                let phases = columns / nonzero(self.x.max_taps());
                phases * channels.div_ceil(PAIR) * points * rows * self.quads() * 4 * PAIR * size_of::<i16>()
            }
            _ => channels * rows * columns * self.quads() * 4,
        }
    }

    /// Bytes of the layer's weights.
    pub const fn packed_len(&self, transform: WeightTransform) -> usize {
        self.packed(transform, self.y.taps_before(self.y.phases()), self.x.taps_before(self.x.phases()))
    }

    /// Offset of the weights of a phase, in bytes.
    pub const fn packed_offset(&self, transform: WeightTransform, phase: usize) -> usize {
        let (py, px) = divide(phase, self.x.phases());
        let columns = self.x.taps_before(self.x.phases());
        self.packed(transform, self.y.taps_before(py), columns)
            + self.packed(transform, self.y.taps(py), self.x.taps_before(px))
    }

    /// Bytes of the weights of a phase.
    pub const fn packed_phase_len(&self, transform: WeightTransform, phase: usize) -> usize {
        let (py, px) = divide(phase, self.x.phases());
        self.packed(transform, self.y.taps(py), self.x.taps(px))
    }

    /// Offset within its phase, in bytes, of the int8 weight from `input` channel to `output` channel at tap row `t`
    /// and column `u`, without a transform.
    pub const fn direct_index(&self, phase: usize, output: usize, [t, u]: [usize; 2], input: usize) -> usize {
        let (py, px) = divide(phase, self.x.phases());
        let quad = (output * self.y.taps(py) + t) * self.quads() + input / 4;
        (quad * self.x.taps(px) + u) * 4 + input % 4
    }

    /// Offset within its phase, in bytes, of the int16 weight from `input` channel to `output` channel at tap row `t`
    /// and a point, with Winograd's transform.
    pub const fn winograd_index(&self, phase: usize, output: usize, t: usize, point: usize, input: usize) -> usize {
        let points = match self.winograd_points() {
            Some(points) => points,
            None => 0,
        };
        let rows = self.y.taps(phase / self.x.phases());
        let quad = ((output / PAIR * points + point) * rows + t) * self.quads() + input / 4;
        // Channels 0 and 2 of a quad come before 1 and 3.
        let (half, place) = (input % 2, input % 4 / 2);
        size_of::<i16>() * (((quad * 2 + half) * PAIR + output % PAIR) * 2 + place)
    }

    /// Transforms the weights of a layer, with a transform that it allows, and brings them into the order of the
    /// file.
    ///
    /// * `weight(phase, output channel, [tap row, tap column], input channel)` returns a weight.
    /// * `packed` has [`packed_len`](Self::packed_len) bytes, all 0.
    #[cfg(feature = "writer")]
    pub fn pack(
        &self,
        transform: WeightTransform,
        weight: impl Fn(usize, usize, [usize; 2], usize) -> i8,
        packed: &mut [u8],
    ) {
        for phase in 0..self.phases() {
            let packed = &mut packed[self.packed_offset(transform, phase)..];
            for output in 0..self.output.channels as usize {
                for t in 0..self.y.taps(phase / self.x.phases()) {
                    for input in 0..self.input.channels as usize {
                        let columns = self.x.taps(phase % self.x.phases());
                        let taps = |u| weight(phase, output, [t, u], input);
                        match (transform, self.winograd_points()) {
                            (WeightTransform::Winograd, Some(points)) => {
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
