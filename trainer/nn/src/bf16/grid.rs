//! The positions of rows, columns and weights.
//!
//! Pictures are stored as the squares of a [`Correlation`] with a border of zeros, `mixed` pictures together:
//! `[group of pictures][height][width][picture of the group][value of a square]`. A place is a position (row, column) of a
//! picture. The output at a place is the product of the kernel with the squares from there on, `taps` rows and `taps`
//! columns. The squares of a line of outputs are neighbours, so any [`TILE`] of them are rows of an operand. Pictures are
//! mixed if their own lines do not divide into whole tiles.

use super::operands::{CHUNK, OUTSIDE, Segment, TILE};
use super::unit::Unit;
use crate::fast::{Correlation, Side};

/// The squares of a correlation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    correlation: Correlation,
    /// Rows of squares, with the border.
    pub height: usize,
    /// Columns of squares, with the border.
    pub width: usize,
    /// Values of a square of the input.
    pub depth: usize,
    /// Distance from one square of the input to the next.
    pub pitch: usize,
    /// Values of a square of the output.
    pub breadth: usize,
    /// Whether pictures are mixed, because the lines of one do not divide into groups of `len` squares.
    mix: bool,
    /// Whether chunks end with the square. Otherwise they go on in the next one, which follows at once.
    by_square: bool,
    /// Number of squares that an operand takes together.
    pub len: usize,
}

/// Neighbouring squares of one line of outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// Index of the first square.
    pub first: usize,
    /// Number of squares.
    pub len: usize,
}

impl Grid {
    /// For operands that take `len` squares of a line together.
    pub fn new(correlation: Correlation, len: usize) -> Self {
        let (rows, columns) = correlation.positions;
        let border = correlation.taps - 1;
        let values = |side: &Side| side.step * side.step * side.channels;
        let (depth, breadth) = (values(&correlation.input), values(&correlation.output));
        let mix = !columns.is_multiple_of(len);
        // Squares that begin with a cache line are read faster, if they do not take more chunks.
        let taps = correlation.taps;
        let by_square = mix || taps * depth.div_ceil(CHUNK) == (taps * depth).div_ceil(CHUNK);
        let lines = depth.div_ceil(CHUNK);
        // At a distance of a power of two, the squares would compete for the same places of the cache.
        let lines = if lines.is_multiple_of(4) { lines + 1 } else { lines };
        let pitch = if by_square { lines * CHUNK } else { depth };
        Self { correlation, height: rows + border, width: columns + border, depth, pitch, breadth, mix, by_square, len }
    }

    /// Number of places of a picture.
    pub fn places(&self) -> usize {
        self.height * self.width
    }

    /// How many of `pictures` are mixed: 1 or all.
    pub fn mixed(&self, pictures: usize) -> usize {
        if self.mix { pictures } else { 1 }
    }

    /// The lines of outputs in groups of up to `len` squares.
    pub fn groups(&self, pictures: usize) -> impl Iterator<Item = Group> + '_ {
        let ((rows, columns), mixed, len) = (self.correlation.positions, self.mixed(pictures), self.len);
        let line = columns * mixed;
        (0..pictures / mixed).flat_map(move |group| {
            (0..rows).flat_map(move |row| {
                let first = (group * self.height + row) * self.width * mixed;
                (0..line).step_by(len).map(move |at| Group { first: first + at, len: len.min(line - at) })
            })
        })
    }

    /// The number of values that the rows of an operand may read behind the last square.
    pub fn slack(&self, pictures: usize) -> usize {
        (self.correlation.taps * self.width * self.mixed(pictures) + CHUNK) * self.pitch + CHUNK
    }

    /// The chunks of a row of the left operand: row and column of the tap, and the first of [`CHUNK`] values from there on.
    /// The weights are 0 for what the last chunk of a square, or of a row of squares, has too much.
    fn row_chunks(&self) -> Vec<[usize; 3]> {
        /// Chunks of neighbouring channels that are read together, for all taps of a row, which read nearly the same squares.
        const TOGETHER: usize = 2 * CHUNK;
        let (taps, mut chunks) = (self.correlation.taps, Vec::new());
        for dy in 0..taps {
            if self.by_square {
                for first in (0..self.depth).step_by(TOGETHER) {
                    let end = self.depth.min(first + TOGETHER);
                    chunks.extend((0..taps).flat_map(|dx| (first..end).step_by(CHUNK).map(move |at| [dy, dx, at])));
                }
            } else {
                chunks.extend((0..taps * self.depth).step_by(CHUNK).map(|at| [dy, 0, at]));
            }
        }
        chunks
    }

    /// The offset of each chunk from the first value of a row.
    pub fn chunks(&self, pictures: usize) -> Vec<usize> {
        let square = self.mixed(pictures) * self.pitch;
        self.row_chunks().into_iter().map(|[dy, dx, at]| (dy * self.width + dx) * square + at).collect()
    }

    /// The number of chunks of a row.
    pub fn chunk_count(&self) -> usize {
        self.row_chunks().len()
    }

    /// The index of the weight between each number of a row, chunk by chunk, and channel 0 of a pixel of the output's square,
    /// by `[number][pixel]`; [`OUTSIDE`] where there is none.
    pub fn weights(&self) -> Vec<u32> {
        let Correlation { input, output, taps, weights, .. } = self.correlation;
        let step = input.step.max(output.step);
        let end = if self.by_square { self.depth } else { taps * self.depth };
        let mut all = Vec::new();
        for [dy, dx, first] in self.row_chunks() {
            for k in first..first + CHUNK {
                let (dx, value) = (dx + k / self.depth, k % self.depth);
                let (a, channel) = (value / input.channels, value % input.channels);
                let a = (a / input.step, a % input.step);
                for pixel in 0..output.step * output.step {
                    let b = (pixel / output.step, pixel % output.step);
                    let d = |d: usize| if weights.flipped { taps - 1 - d } else { d };
                    let within = |d: usize, a: usize, b: usize| step * d + a + b < weights.kernel;
                    let exists = k < end && within(d(dy), a.0, b.0) && within(d(dx), a.1, b.1);
                    all.push(if exists {
                        (self.correlation.tap_at((dy, dx), a, b) + channel * weights.input_stride) as u32
                    } else {
                        OUTSIDE
                    });
                }
            }
        }
        all
    }

    /// The first value of each pixel of the output's square at each place, `[place][pixel]`, in the map of one picture.
    pub fn pixels(&self) -> Vec<u32> {
        let (side, (rows, columns)) = (&self.correlation.output, self.correlation.positions);
        let mut all = Vec::new();
        for i in 0..self.height {
            for j in 0..self.width {
                for pixel in 0..side.step * side.step {
                    let at = side.at(i, j, (pixel / side.step, pixel % side.step));
                    let at = at.filter(|_| i < rows && j < columns);
                    all.push(at.map_or(OUTSIDE, |at| at as u32));
                }
            }
        }
        all
    }

    /// The segments of the output's square in columns `first` to `first + len`, each in one tile.
    pub fn segments(&self, first: usize, len: usize) -> Vec<Segment> {
        let (channels, end) = (self.correlation.output.channels, first + len);
        let mut segments = Vec::new();
        let mut column = first;
        while column < end {
            let tile_end = first + ((column - first) / TILE + 1) * TILE;
            let next = ((column / channels + 1) * channels).min(tile_end).min(end);
            let (pixel, channel) = (column / channels, column % channels);
            segments.push(Segment { column: column - first, len: next - column, pixel, channel });
            column = next;
        }
        segments
    }

    /// Number of values of a line of squares of mixed pictures.
    pub fn line_len(&self, pictures: usize) -> usize {
        self.width * self.mixed(pictures) * self.pitch
    }

    /// Writes one line of squares of the input, with its border; `maps` are all pictures, of which the line has those that
    /// are mixed.
    pub fn fill_line(&self, unit: Unit, maps: &[f32], line: usize, to: &mut [u16]) {
        let side = &self.correlation.input;
        let mixed = self.mixed(maps.len() / side.len());
        let maps = &maps[line / self.height * mixed * side.len()..][..mixed * side.len()];
        let (row_len, len) = (side.width * side.channels, side.step * side.channels);
        if side.step * mixed == 1 && self.pitch == len {
            // The squares are pixels without anything between them.
            let y = (line % self.height).wrapping_sub(side.origin_y);
            let (start, end) = (side.origin_x * len, side.origin_x * len + row_len);
            if y < side.height && end <= to.len() {
                to[..start].fill(0);
                unit.round(&maps[y * row_len..][..row_len], &mut to[start..end]);
                to[end..].fill(0);
                return;
            }
        }
        // The last chunk of a square goes on behind its values, if there is room.
        let padded = self.depth.next_multiple_of(CHUNK).min(self.pitch);
        for (i, square) in to.chunks_exact_mut(self.pitch).enumerate() {
            let (j, map) = (i / mixed, &maps[i % mixed * side.len()..][..side.len()]);
            // The index in a row of the first value of the square.
            let start = ((side.step * j) as isize - side.origin_x as isize) * side.channels as isize;
            let first = (-start).clamp(0, len as isize) as usize;
            let end = (row_len as isize - start).clamp(first as isize, len as isize) as usize;
            for (a, to) in square[..self.depth].chunks_exact_mut(len).enumerate() {
                let y = (side.step * (line % self.height) + a).wrapping_sub(side.origin_y);
                if y >= side.height || first == end {
                    to.fill(0);
                    continue;
                }
                if end - first < len {
                    to.fill(0);
                }
                let from = y * row_len + (start + first as isize) as usize;
                unit.round(&map[from..][..end - first], &mut to[first..end]);
            }
            if self.depth < padded {
                square[self.depth..padded].fill(0);
            }
        }
    }

    /// For each run of output channels in the layer's parameters: the row of the gradient's sums, and its first column. The
    /// rows are counted in tiles by row of the kernel, [`TILE`] input values, and column of the kernel.
    pub fn runs(&self) -> Vec<(u32, u32)> {
        let Correlation { input, output, taps, weights, .. } = self.correlation;
        let (all, step) = (self.weights(), output.step * output.step);
        let row_chunks = self.row_chunks();
        let count = weights.kernel * weights.kernel * input.channels;
        let mut runs = vec![(0, 0); count];
        for (at, &weight) in all.iter().enumerate().filter(|(_, weight)| **weight != OUTSIDE) {
            let (at, pixel) = (at / step, at % step);
            let [dy, dx, first] = row_chunks[at / CHUNK];
            let k = first + at % CHUNK;
            let (dx, value) = (dx + k / self.depth, k % self.depth);
            let tile = (dy * self.depth.div_ceil(TILE) + value / TILE) * taps + dx;
            runs[weight as usize / output.channels] =
                ((tile * TILE + value % TILE) as u32, (pixel * output.channels) as u32);
        }
        runs
    }
}
