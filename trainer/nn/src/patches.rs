//! Converts between a map and the patches that a strided kernel covers (im2col and col2im).
//!
//! A convolution reads patches of its input, and a transposed convolution adds to patches of its output. Both use the same
//! two functions.

use gen_core::spec::{Geometry, Op};

/// Convolutions with fewer output channels than this are computed with mirrored weights.
pub(crate) const MIRROR_BELOW: u16 = 16;

/// The patches of a `[height, width, channels]` map that a `kernel × kernel` window covers at `rows × columns` places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patches {
    height: usize,
    width: usize,
    channels: usize,
    kernel: usize,
    stride: usize,
    pad_y: usize,
    pad_x: usize,
    rows: usize,
    columns: usize,
}

impl Patches {
    /// The patches of a (transposed) convolution; `None` for a dense layer.
    pub fn of(op: Op, g: &Geometry) -> Option<Self> {
        let (map, places) = match op {
            Op::Dense { .. } => return None,
            Op::Conv { .. } => (g.input, g.output),
            Op::ConvTranspose { .. } => (g.output, g.input),
        };
        Some(Self {
            height: map.height.into(),
            width: map.width.into(),
            channels: map.channels.into(),
            kernel: g.y.kernel.into(),
            stride: g.y.stride.into(),
            pad_y: g.y.pad.into(),
            pad_x: g.x.pad.into(),
            rows: places.height.into(),
            columns: places.width.into(),
        })
    }

    /// The patches of the output to which a convolution of stride 1 adds, one for each input pixel, with the kernel rotated
    /// by 180 degrees.
    pub fn mirrored(g: &Geometry) -> Self {
        let (pad_y, pad_x) = (g.y.kernel - 1 - g.y.pad, g.x.kernel - 1 - g.x.pad);
        Self {
            height: g.output.height.into(),
            width: g.output.width.into(),
            channels: g.output.channels.into(),
            kernel: g.y.kernel.into(),
            stride: 1,
            pad_y: pad_y.into(),
            pad_x: pad_x.into(),
            rows: g.input.height.into(),
            columns: g.input.width.into(),
        }
    }

    /// Number of patches in a map.
    pub fn count(&self) -> usize {
        self.rows * self.columns
    }

    /// Values in a patch, `[kernel y, kernel x, channel]`.
    pub fn size(&self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    /// Values in a map.
    pub fn map_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Copies the patches of `map` into `patches`, `[count, len]`; zeros outside of the map.
    pub fn gather(&self, map: &[f32], patches: &mut [f32]) {
        self.for_each_run(|run, before, len, at| {
            let to = &mut patches[run..run + self.kernel * self.channels];
            to[..before].fill(0.0);
            to[before..before + len].copy_from_slice(&map[at..at + len]);
            to[before + len..].fill(0.0);
        });
    }

    /// Adds `patches` to their places in `map`.
    pub fn scatter_add(&self, patches: &[f32], map: &mut [f32]) {
        self.for_each_run(|run, before, len, at| {
            let from = &patches[run + before..run + before + len];
            for (m, p) in map[at..at + len].iter_mut().zip(from) {
                *m += p;
            }
        });
    }

    /// Calls `f(run, before, len, at)` for each kernel row of each patch. The row is at the range `run` of the patches. Its
    /// first `before` values are left of the map; the next `len` values correspond to the map from index `at` on.
    #[inline(always)]
    fn for_each_run(&self, mut f: impl FnMut(usize, usize, usize, usize)) {
        let run_len = self.kernel * self.channels;
        let mut run = 0;
        for row in 0..self.rows {
            for column in 0..self.columns {
                let left = (column * self.stride) as isize - self.pad_x as isize;
                let first = left.clamp(0, self.width as isize) as usize;
                let end = (left + self.kernel as isize).clamp(first as isize, self.width as isize) as usize;
                let before = (first as isize - left) as usize * self.channels;
                let len = (end - first) * self.channels;
                for a in 0..self.kernel {
                    let y = (row * self.stride + a) as isize - self.pad_y as isize;
                    if (0..self.height as isize).contains(&y) && len > 0 {
                        f(run, before, len, (y as usize * self.width + first) * self.channels);
                    } else {
                        f(run, run_len, 0, 0);
                    }
                    run += run_len;
                }
            }
        }
    }
}
