//! The positions of rows, columns and weights.
//!
//! Pictures are stored as the squares of a [`Correlation`] with a border of zeros, `mixed` pictures together:
//! `[group of pictures][height][width][picture of the group][value of a square]`. A place is a position (row, column) of a
//! picture. The output at a place is the product of the kernel with the squares from there on, `taps` rows and `taps`
//! columns. The squares of a line of outputs are neighbours, so any [`TILE`] of them are rows of an operand. Pictures are
//! mixed if their own lines do not divide into whole tiles.

use pulp::{Simd, WithSimd};

use super::number::round;
use super::operands::{CHUNK, OUTSIDE, Segment, TILE};
use crate::fast::{Correlation, Side};
use crate::vectors::arch;

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
    len: usize,
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
    /// by `[pixel][number]`; [`OUTSIDE`] where there is none.
    pub fn weights(&self) -> Vec<u32> {
        let Correlation { input, output, taps, weights, .. } = self.correlation;
        let step = input.step.max(output.step);
        let end = if self.by_square { self.depth } else { taps * self.depth };
        let mut all = Vec::new();
        for pixel in 0..output.step * output.step {
            let b = (pixel / output.step, pixel % output.step);
            for [dy, dx, first] in self.row_chunks() {
                for k in first..first + CHUNK {
                    let (dx, value) = (dx + k / self.depth, k % self.depth);
                    let (a, channel) = (value / input.channels, value % input.channels);
                    let a = (a / input.step, a % input.step);
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

    /// Writes the squares of the input of some pictures, with their border.
    pub fn fill_input(&self, maps: &[f32], to: &mut [u16]) {
        let squares = (self.height, self.width);
        self.fill(&self.correlation.input, squares, self.pitch, maps, to);
    }

    /// Writes the squares of the output of some pictures; zeros at the places without an output.
    pub fn fill_output(&self, maps: &[f32], to: &mut [u16]) {
        self.fill(&self.correlation.output, self.correlation.positions, self.breadth, maps, to);
    }

    fn fill(&self, side: &Side, squares: (usize, usize), pitch: usize, maps: &[f32], to: &mut [u16]) {
        let pictures = maps.len() / side.len();
        let (mixed, line) = (self.mixed(pictures), side.width * side.channels);
        // The last chunk of a square goes on behind its values, if there is room.
        let values = side.step * side.step * side.channels;
        let padded = values.next_multiple_of(CHUNK).min(pitch);
        let mut row = vec![0; line];
        for (picture, map) in maps.chunks_exact(side.len()).enumerate() {
            let to = &mut to[(picture / mixed * mixed * self.places() + picture % mixed) * pitch..];
            for i in 0..self.height {
                let to = &mut to[i * self.width * mixed * pitch..];
                for j in 0..self.width {
                    to[j * mixed * pitch..][values..padded].fill(0);
                }
                for a in 0..side.step {
                    let y = (side.step * i + a).wrapping_sub(side.origin_y);
                    let exists = i < squares.0 && y < side.height;
                    if exists {
                        arch().dispatch(Round { from: &map[y * line..][..line], to: &mut row });
                    }
                    let row = if exists { &row[..] } else { &[] };
                    self.fill_row(side, squares.1, a, row, mixed * pitch, to);
                }
            }
        }
    }

    /// Writes row `a` of a line of squares from a row of the map; zeros if `row` is empty.
    fn fill_row(&self, side: &Side, columns: usize, a: usize, row: &[u16], distance: usize, to: &mut [u16]) {
        let Side { channels, step, origin_x, .. } = *side;
        let len = step * channels;
        // The index in the row of the first value of square `j`.
        let start = |j: usize| ((step * j) as isize - origin_x as isize) * channels as isize;
        for j in 0..self.width {
            let to = &mut to[j * distance + a * len..][..len];
            let from = start(j);
            if j < columns && from >= 0 && from as usize + len <= row.len() {
                to.copy_from_slice(&row[from as usize..][..len]);
                continue;
            }
            to.fill(0);
            if j < columns && !row.is_empty() {
                let first = (-from).clamp(0, len as isize) as usize;
                let end = (row.len() as isize - from).clamp(first as isize, len as isize) as usize;
                if first < end {
                    to[first..end].copy_from_slice(&row[(from + first as isize) as usize..][..end - first]);
                }
            }
        }
    }

    /// For each run of output channels in the layer's parameters: the row of the gradient's sums, and its first column. The
    /// rows are counted in tiles by row of the kernel, [`TILE`] input values, and column of the kernel.
    pub fn runs(&self) -> Vec<(u32, u32)> {
        let Correlation { input, output, taps, weights, .. } = self.correlation;
        let (all, row_len) = (self.weights(), self.chunk_count() * CHUNK);
        let row_chunks = self.row_chunks();
        let count = weights.kernel * weights.kernel * input.channels;
        let mut runs = vec![(0, 0); count];
        for (at, &weight) in all.iter().enumerate().filter(|(_, weight)| **weight != OUTSIDE) {
            let (pixel, at) = (at / row_len, at % row_len);
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

/// Rounds a row of a map.
struct Round<'a> {
    from: &'a [f32],
    to: &'a mut [u16],
}

impl WithSimd for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to = round(*from);
        }
    }
}
