//! The maps that a correlation reads and writes, as squares of pixels, and the position of each weight.

use gen_core::spec::{Geometry, Op, Shape};

/// A map divided into squares of `step × step` pixels. The topmost row of square 0 is row `−origin_y` of the map, and its
/// leftmost column is column `−origin_x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// Channels of a pixel.
    pub channels: usize,
    /// Side of a square.
    pub step: usize,
    /// Number of rows of square 0 that are above the map.
    pub origin_y: usize,
    /// Number of columns of square 0 that are left of the map.
    pub origin_x: usize,
    /// The only pixel of each square that is used; `None` for all pixels. With one pixel, the origins may be negative, as
    /// wrapped numbers.
    pub only: Option<(usize, usize)>,
}

impl Side {
    pub(super) fn of(shape: Shape, step: usize, (origin_y, origin_x): (usize, usize)) -> Self {
        let Shape { height, width, channels } = shape;
        Self {
            height: height.into(),
            width: width.into(),
            channels: channels.into(),
            step,
            origin_y,
            origin_x,
            only: None,
        }
    }

    pub(super) fn groups_per_pixel(&self) -> usize {
        self.channels.div_ceil(16)
    }

    /// Number of pixels of a square that are used.
    fn pixels(&self) -> usize {
        if self.only.is_some() { 1 } else { self.step * self.step }
    }

    /// Number of groups of 16 channels in a square.
    pub(super) fn groups(&self) -> usize {
        self.pixels() * self.groups_per_pixel()
    }

    /// Number of values of a map.
    pub(crate) fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Index in the map of a pixel of square (`i`, `j`), if it is within the map.
    #[inline(always)]
    pub(crate) fn at(&self, i: usize, j: usize, (a, b): (usize, usize)) -> Option<usize> {
        let row = (self.step * i + a).wrapping_sub(self.origin_y);
        let column = (self.step * j + b).wrapping_sub(self.origin_x);
        (row < self.height && column < self.width).then(|| (row * self.width + column) * self.channels)
    }
}

/// The positions of weights in the layer's parameters, by tap, input and output channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taps {
    /// Side of the layer's own kernel.
    pub kernel: usize,
    /// Distance from tap to tap in the layer's parameters.
    pub tap_stride: usize,
    /// Distance from one input channel to the next.
    pub input_stride: usize,
    /// Distance from one output channel to the next.
    pub output_stride: usize,
    /// Whether the correlation uses the kernel's taps in reverse order.
    pub flipped: bool,
}

impl Taps {
    /// The positions for a layer. `forward`: the input of the correlation is that of the layer.
    pub(super) fn of(op: Op, g: &Geometry, forward: bool, flipped: bool) -> Self {
        let (cin, cout) = (usize::from(g.input.channels), usize::from(g.output.channels));
        let kernel = usize::from(g.y.kernel);
        // The layout of `Linear`.
        let (tap_stride, of_input, of_output) = match op {
            Op::ConvTranspose { .. } => (cout, kernel * kernel * cout, 1),
            _ => (cin * cout, cout, 1),
        };
        let (input_stride, output_stride) = if forward { (of_input, of_output) } else { (of_output, of_input) };
        Self { kernel, tap_stride, input_stride, output_stride, flipped }
    }
}

/// `output[I] = Σ_d weights[d] · input[I + d]` over `taps × taps` squares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correlation {
    /// The map that is read.
    pub input: Side,
    /// The map that is written.
    pub output: Side,
    /// Number of rows and columns of squares that are written.
    pub positions: (usize, usize),
    /// Side of the kernel, in squares.
    pub taps: usize,
    /// The positions of its weights.
    pub weights: Taps,
    /// Side of a tile's square of outputs.
    pub tile: usize,
}

/// The offset of a position outside of the map, where all values are 0.
pub(super) const OUTSIDE: u32 = u32::MAX;

impl Correlation {
    /// The forward pass of a layer, with output tiles of side `tile`; `None` for a dense layer.
    pub fn forward(op: Op, g: &Geometry, tile: usize) -> Option<Self> {
        match op {
            Op::Dense { .. } => None,
            Op::Conv { .. } => Some(Self::reading(op, g, tile, true)),
            Op::ConvTranspose { .. } => Some(Self::writing(op, g, tile, true)),
        }
    }

    /// The correlation that computes the gradient of a layer's input from that of its output.
    pub fn backward(op: Op, g: &Geometry, tile: usize) -> Option<Self> {
        match op {
            Op::Dense { .. } => None,
            Op::Conv { .. } => Some(Self::writing(op, g, tile, false)),
            Op::ConvTranspose { .. } => Some(Self::reading(op, g, tile, false)),
        }
    }

    /// A kernel that reads squares of `from`: `to[i] = Σ w[a] · from[stride·i + a − pad]`.
    fn reading(op: Op, g: &Geometry, tile: usize, forward: bool) -> Self {
        let (from, to) = if forward { (g.input, g.output) } else { (g.output, g.input) };
        let (step, taps) = Self::squares(g);
        Self {
            input: Side::of(from, step, (g.y.pad.into(), g.x.pad.into())),
            output: Side::of(to, 1, (0, 0)),
            positions: (to.height.into(), to.width.into()),
            taps,
            weights: Taps::of(op, g, forward, false),
            tile,
        }
    }

    /// A kernel that writes squares of `to`: `to[stride·i + a − pad] += w[a] · from[i]`.
    fn writing(op: Op, g: &Geometry, tile: usize, forward: bool) -> Self {
        let (from, to) = if forward { (g.input, g.output) } else { (g.output, g.input) };
        let (step, taps) = Self::squares(g);
        let (pad_y, pad_x) = (usize::from(g.y.pad), usize::from(g.x.pad));
        // Squares that are completely over the edge are not written.
        let output = Side::of(to, step, (pad_y % step, pad_x % step));
        let positions = |len: usize, origin: usize| (len - 1 + origin) / step + 1;
        Self {
            input: Side::of(from, 1, (taps - 1 - pad_y / step, taps - 1 - pad_x / step)),
            positions: (positions(output.height, output.origin_y), positions(output.width, output.origin_x)),
            output,
            taps,
            weights: Taps::of(op, g, forward, true),
            tile,
        }
    }

    /// The side of a square, and the side of the kernel in squares, of which the last may be cut off.
    fn squares(g: &Geometry) -> (usize, usize) {
        let (kernel, stride) = (usize::from(g.y.kernel), usize::from(g.y.stride));
        (stride, kernel.div_ceil(stride))
    }

    /// The same correlation in parts, one for each pixel of an output square. Their tiles need not be aligned with the
    /// squares. A map of 8x8 pixels, whose squares begin one pixel outside of it, then takes four times 4x4 positions instead
    /// of 5x5 positions of four pixels.
    pub fn split_by_pixel(&self) -> Vec<Self> {
        let step = self.output.step;
        if step == 1 {
            return vec![*self];
        }
        let along = |origin: usize, pixel: usize, len: usize| {
            // Number of squares before the first one whose pixel is inside of the map.
            let shift = origin.saturating_sub(pixel).div_ceil(step);
            (shift, (len + origin).saturating_sub(pixel + step * shift).div_ceil(step))
        };
        let part = |pixel: usize| {
            let only = (pixel / step, pixel % step);
            let (rows_off, rows) = along(self.output.origin_y, only.0, self.output.height);
            let (columns_off, columns) = along(self.output.origin_x, only.1, self.output.width);
            let mut part = Self { positions: (rows, columns), ..*self };
            part.output.only = Some(only);
            part.output.origin_y = self.output.origin_y.wrapping_sub(step * rows_off);
            part.output.origin_x = self.output.origin_x.wrapping_sub(step * columns_off);
            part.input.origin_y = self.input.origin_y.wrapping_sub(rows_off);
            part.input.origin_x = self.input.origin_x.wrapping_sub(columns_off);
            part
        };
        // In a map with one row, some pixels of the squares are always outside.
        let some = |part: &Self| part.positions.0 > 0 && part.positions.1 > 0;
        (0..step * step).map(part).filter(some).collect()
    }

    pub(super) fn tiles(&self) -> (usize, usize) {
        (self.positions.0.div_ceil(self.tile), self.positions.1.div_ceil(self.tile))
    }

    /// Index of a weight in the layer's parameters: tap (`dy`, `dx`) of the correlation, for pixel `a` of an input square and
    /// pixel `b` of an output square (one of the two sides has step 1).
    pub(crate) fn tap_at(&self, (dy, dx): (usize, usize), a: (usize, usize), b: (usize, usize)) -> usize {
        let step = self.input.step.max(self.output.step);
        let along = |d: usize, a: usize, b: usize| {
            let d = if self.weights.flipped { self.taps - 1 - d } else { d };
            step * d + a + b
        };
        (along(dy, a.0, b.0) * self.weights.kernel + along(dx, a.1, b.1)) * self.weights.tap_stride
    }

    /// The groups of channels of a square: (pixel of the square, first channel, number of channels).
    pub(super) fn channel_groups(side: &Side) -> impl Iterator<Item = ((usize, usize), usize, usize)> + Clone + '_ {
        let per_pixel = side.groups_per_pixel();
        (0..side.groups()).map(move |g| {
            let (pixel, first) = (g / per_pixel, g % per_pixel * 16);
            let pixel = side.only.unwrap_or((pixel / side.step, pixel % side.step));
            (pixel, first, (side.channels - first).min(16))
        })
    }

    /// Computes, for `count` tiles from `first`, counted over all pictures, the offsets in the map of the `size × size` squares
    /// of each tile: `[tile][square]`. [`OUTSIDE`] means padding.
    pub(super) fn find_offsets(
        &self,
        side: &Side,
        size: usize,
        pixel: (usize, usize),
        first: usize,
        count: usize,
        offsets: &mut Vec<u32>,
    ) {
        let (rows, columns) = self.tiles();
        offsets.clear();
        for tile in first..first + count {
            let (picture, row, column) = (tile / (rows * columns), tile / columns % rows, tile % columns);
            let base = picture * side.len();
            for i in 0..size {
                for j in 0..size {
                    let at = side.at(row * self.tile + i, column * self.tile + j, pixel);
                    offsets.push(at.map_or(OUTSIDE, |at| (base + at) as u32));
                }
            }
        }
    }
}
