//! A pass of a convolution: the output, the gradient of the input, or the gradient of the weights.

use std::cell::RefCell;

use rayon::prelude::*;

use super::grid::{Grid, Group};
use super::lines::Lines;
use super::operands::{CHUNK, Columns, Instruction, OUTSIDE, Rows, Source, Sums, TILE, TILE_WORDS, Target};
use super::unit::Unit;
use crate::fast::{Correlation, Epilogue};
use crate::params::Weights;

/// Columns of a panel of the right operand.
const PANEL: usize = 2 * TILE;

/// Number of tiles of rows that are multiplied before their sums are used: 16 KB of sums.
const TILES: usize = 8;

/// Numbers in the squares of the pictures that a task processes together: 512 KB, which fit the L2 cache.
const TASK_LEN: usize = 1 << 18;

/// The same for the gradient of the weights, input and output together: 4 MB. Fewer pictures at a time would add up their
/// sums in memory too often.
const GRADIENT_LEN: usize = 1 << 21;

/// A pass of a convolution with this unit.
#[derive(Debug)]
pub struct Plan {
    correlation: Correlation,
    grid: Grid,
    unit: Unit,
    /// Number of chunks of a row.
    chunk_count: usize,
    /// See [`Grid::weights`]; empty for the gradient of the weights.
    weights: Vec<u32>,
    /// See [`Grid::pixels`].
    pixels: Vec<u32>,
    /// See [`Grid::runs`]; empty except for the gradient of the weights.
    runs: Vec<(u32, u32)>,
    packed: Lines<u32>,
    /// The version of the weights that are packed; 0 for none.
    version: u64,
}

/// Memory of a task of [`Plan::run`].
#[derive(Debug, Default)]
struct Task {
    squares: Lines<u16>,
    starts: Vec<usize>,
    pixels: Vec<u32>,
    sums: Vec<Sums>,
}

/// Memory of [`Plan::add_gradient`], which all layers share.
#[derive(Debug, Default)]
struct Gradient {
    input: Lines<u16>,
    /// The place in the output's gradient of each row of the right operand, see [`Plan::push_pixels`].
    pixels: Vec<u32>,
    /// The input by channels: `[value of a square][place]`.
    channels: Lines<u16>,
    /// The output as a right operand: `[panel][chunk][tile][pair of places][column]`.
    columns: Lines<u32>,
    sums: Vec<Sums>,
}

thread_local! {
    static TASK: RefCell<Task> = RefCell::default();
    static GRADIENT: RefCell<Gradient> = RefCell::default();
}

impl Plan {
    /// The forward pass of a layer or the gradient of its input; with `gradient` that of its weights, for which `correlation`
    /// is that of the forward pass.
    pub fn new(correlation: Correlation, gradient: bool, unit: Unit) -> Self {
        let grid = Grid::new(correlation, if gradient { CHUNK } else { TILE });
        let (weights, runs) = if gradient { (Vec::new(), grid.runs()) } else { (grid.weights(), Vec::new()) };
        let pixels = grid.pixels();
        let chunk_count = grid.chunk_count();
        Self { correlation, grid, unit, chunk_count, weights, pixels, runs, packed: Lines::default(), version: 0 }
    }

    /// Name for tables.
    pub fn name(&self) -> String {
        let emulated = if self.unit.is_emulated() { ", emulated" } else { "" };
        format!("bf16 product ({}{emulated})", self.unit.instruction().name())
    }

    /// Number of multiplications for a number of pictures, with those of padding.
    pub fn multiplications(&self, pictures: usize) -> u64 {
        (self.tile_products() * pictures as f64) as u64 * (TILE * TILE * CHUNK) as u64
    }

    /// Fraction of these multiplications that is spent on padding, 0 … 1.
    pub fn padding_fraction(&self) -> f64 {
        let Correlation { positions, taps, .. } = self.correlation;
        let useful = positions.0 * positions.1 * taps * taps * self.grid.depth * self.grid.breadth;
        1.0 - useful as f64 / (self.tile_products() * (TILE * TILE * CHUNK) as f64)
    }

    /// Number of products of a tile of rows and a tile of columns over a chunk, for a picture.
    fn tile_products(&self) -> f64 {
        let Correlation { positions: (rows, columns), taps, .. } = self.correlation;
        let column_tiles = self.grid.breadth.div_ceil(TILE);
        // Lines of mixed pictures have hardly any padding.
        if self.runs.is_empty() {
            (rows * columns) as f64 / TILE as f64 * (self.chunk_count * column_tiles) as f64
        } else {
            let row_tiles = taps * taps * self.grid.depth.div_ceil(TILE);
            (rows * columns) as f64 / CHUNK as f64 * (row_tiles * column_tiles) as f64
        }
    }

    /// Nanoseconds for a picture on one core, estimated. It depends neither on the processor nor on whether the unit is
    /// emulated, so that the same layers are computed in bf16 everywhere.
    ///
    /// Measured with `cargo run --release -p trainer --example layer_speed`: a product of tiles takes 16 with AMX while both
    /// operands come from the L2 cache, and half as long again where only one tile of columns uses a tile of rows. Rounding
    /// and storing take 0.3 for each value, and twice as much for the gradient, whose operands are rearranged.
    pub fn cost(&self) -> f64 {
        let product = match (self.unit.instruction(), self.grid.breadth <= TILE) {
            (Instruction::Amx, false) => 16.0,
            (Instruction::Amx, true) => 24.0,
            (Instruction::Avx512, _) => 70.0,
        };
        let value = if self.runs.is_empty() { 0.3 } else { 0.6 };
        let values = self.grid.places() * (self.grid.depth + self.grid.breadth);
        self.tile_products() * product + value * values as f64
    }

    /// Number of pixels of a square of the output.
    fn pixel_count(&self) -> usize {
        self.correlation.output.step * self.correlation.output.step
    }

    /// Number of panels of columns.
    fn panels(&self) -> usize {
        self.grid.breadth.div_ceil(PANEL)
    }

    /// The columns of a panel, and its number of tiles.
    fn panel(&self, panel: usize) -> (usize, usize) {
        let columns = (self.grid.breadth - panel * PANEL).min(PANEL);
        (columns, columns.div_ceil(TILE))
    }

    /// Writes the output `y` of the maps `x`, and applies `epilogue` to it.
    pub fn run(&mut self, params: Weights<'_>, x: &[f32], y: &mut [f32], epilogue: Epilogue<'_>) {
        let (input_len, output_len) = (self.correlation.input.len(), self.correlation.output.len());
        let pictures = x.len() / input_len;
        if pictures == 0 {
            return;
        }
        self.pack(params);
        let threads = rayon::current_num_threads();
        let fit = (TASK_LEN / (self.grid.places() * self.grid.depth)).max(1);
        let each = pictures.div_ceil(2 * threads).max(PANEL.div_ceil(self.grid.places())).min(fit);
        let panels: Vec<_> = (0..self.panels()).map(|panel| self.epilogue_of(panel, epilogue)).collect();
        y.par_chunks_mut(each * output_len).zip(x.par_chunks(each * input_len)).for_each(|(y, x)| {
            TASK.with_borrow_mut(|task| self.run_task(x, y, &panels, task));
        });
    }

    /// The bias of each column of a panel, and the slope.
    fn epilogue_of(&self, panel: usize, epilogue: Epilogue<'_>) -> ([f32; PANEL], f32) {
        let mut columns = [0.0; PANEL];
        match epilogue {
            Epilogue::Store => (columns, 1.0),
            Epilogue::BiasLeaky { bias, slope } => {
                for (i, column) in columns[..self.panel(panel).0].iter_mut().enumerate() {
                    *column = bias[(panel * PANEL + i) % bias.len()];
                }
                (columns, slope)
            }
        }
    }

    fn run_task(&self, x: &[f32], y: &mut [f32], panels: &[([f32; PANEL], f32)], task: &mut Task) {
        let (input_len, output_len) = (self.correlation.input.len(), self.correlation.output.len());
        let pictures = x.len() / input_len;
        let squares_len = pictures * self.grid.places() * self.grid.pitch;
        let step = self.pixel_count();
        let Task { squares, starts, pixels, sums } = task;
        let squares_end = squares_len + self.grid.slack(pictures);
        let squares = squares.grow(squares_end);
        for (line, to) in squares[..squares_len].chunks_exact_mut(self.grid.line_len(pictures)).enumerate() {
            self.grid.fill_line(self.unit, x, line, to);
        }
        squares[squares_len..].fill(0);
        starts.clear();
        pixels.clear();
        for group in self.grid.groups(pictures) {
            starts.push(group.first * self.grid.pitch);
            self.push_pixels(group, self.grid.mixed(pictures), output_len, step, pixels);
        }
        let chunks = self.grid.chunks(pictures);
        let rows = Rows::new(squares, self.grid.pitch, &chunks);
        grow(sums, TILES / 2, Sums::ZERO);
        let mut words = self.packed.values();
        for (panel, (bias, slope)) in panels.iter().enumerate() {
            let (columns, tiles) = self.panel(panel);
            let (of_panel, rest) = words.split_at(self.chunk_count * tiles * TILE_WORDS);
            words = rest;
            let segments = self.grid.segments(panel * PANEL, columns);
            for (starts, pixels) in starts.chunks(TILES).zip(pixels.chunks(TILES * TILE * step)) {
                let sums = &mut sums[..starts.len().div_ceil(2)];
                self.unit.multiply(rows, starts, Columns { words: of_panel, tiles }, false, sums);
                for (sums, pixels) in sums.iter().zip(pixels.chunks(2 * TILE * step)) {
                    let to = Target { pixels, step, segments: &segments, bias, slope: *slope };
                    self.unit.store(sums, to, y);
                }
            }
        }
    }

    /// Adds the pixels of the rows that an operand takes together, of which the group has the first.
    fn push_pixels(&self, group: Group, mixed: usize, output_len: usize, step: usize, pixels: &mut Vec<u32>) {
        let end = pixels.len() + self.grid.len * step;
        let (mut place, mut picture) = (group.first / mixed, group.first % mixed);
        let first = place / self.grid.places() * mixed;
        place %= self.grid.places();
        for _ in 0..group.len {
            let base = ((first + picture) * output_len) as u32;
            let of_square = &self.pixels[place * step..][..step];
            pixels.extend(of_square.iter().map(|&at| if at == OUTSIDE { OUTSIDE } else { base + at }));
            picture += 1;
            if picture == mixed {
                (place, picture) = (place + 1, 0);
            }
        }
        pixels.resize(end, OUTSIDE);
    }

    /// Packs the weights as right operands: `[panel][chunk][tile][pair of rows][column]`.
    fn pack(&mut self, params: Weights<'_>) {
        if self.version == params.version {
            return;
        }
        self.version = params.version;
        let mut packed = std::mem::take(&mut self.packed);
        let chunk_count = self.chunk_count;
        let len = (0..self.panels()).map(|panel| self.panel(panel).1 * chunk_count * TILE_WORDS).sum();
        packed.grow(len).par_chunks_mut(2 * chunk_count * TILE_WORDS).enumerate().for_each(|(panel, words)| {
            self.pack_panel(params.values, panel, words);
        });
        self.packed = packed;
    }

    fn pack_panel(&self, params: &[f32], panel: usize, words: &mut [u32]) {
        let (columns, tiles) = self.panel(panel);
        let step = self.pixel_count();
        let distance = self.correlation.weights.output_stride;
        let segments = self.grid.segments(panel * PANEL, columns);
        words.fill(0);
        let chunks = words.chunks_exact_mut(tiles * TILE_WORDS);
        for (words, rows) in chunks.zip(self.weights.chunks_exact(CHUNK * step)) {
            self.unit.pairs(Source { values: params, rows, step, segments: &segments, distance }, words);
        }
    }

    /// Adds to `d_params` the gradient of the weights, from the input maps `x` and the gradient `dy` of the output maps.
    pub fn add_gradient(&self, d_params: &mut [f32], x: &[f32], dy: &[f32]) {
        let mut memory = GRADIENT.take();
        self.add_gradient_in(d_params, x, dy, &mut memory);
        GRADIENT.set(memory);
    }

    fn add_gradient_in(&self, d_params: &mut [f32], x: &[f32], dy: &[f32], memory: &mut Gradient) {
        let (input_len, output_len) = (self.correlation.input.len(), self.correlation.output.len());
        let Grid { depth, pitch, breadth, width, .. } = self.grid;
        let (all, places, taps) = (x.len() / input_len, self.grid.places(), self.correlation.taps);
        if all == 0 {
            return;
        }
        let step = self.pixel_count();
        let Gradient { input, pixels, channels, columns, sums } = memory;
        // Depends on the shapes alone, as it decides the order of the sums.
        let each = (GRADIENT_LEN / (places * (depth + breadth))).clamp(1, all);
        let channel_tiles = depth.div_ceil(TILE);
        let row_tiles = taps * taps * channel_tiles;
        let blocks = row_tiles.div_ceil(TILES) * TILES / 2;
        grow(sums, self.panels() * blocks, Sums::ZERO);
        for first in (0..all).step_by(each) {
            let pictures = each.min(all - first);
            let x = &x[first * input_len..][..pictures * input_len];
            let dy = &dy[first * output_len..][..pictures * output_len];
            // How many pictures are mixed; the number of squares, and behind them those that the last chunk of the last tap reads.
            let mixed = self.grid.mixed(pictures);
            let squares = pictures * places;
            // An odd number of cache lines, as rows whose distance is a power of two compete for the same places of a cache.
            let stride = ((squares + taps * width * mixed + CHUNK).div_ceil(CHUNK) | 1) * CHUNK;
            let input = input.grow(stride * pitch);
            let (lines, behind) = input.split_at_mut(squares * pitch);
            let lines = lines.par_chunks_exact_mut(self.grid.line_len(pictures)).enumerate();
            lines.for_each(|(line, to)| self.grid.fill_line(self.unit, x, line, to));
            behind.fill(0);

            pixels.clear();
            let mut chunks = Vec::new();
            for group in self.grid.groups(pictures) {
                chunks.push(group.first);
                self.push_pixels(group, mixed, output_len, step, pixels);
            }
            let channels = channels.grow(channel_tiles * TILE * stride);
            let columns = columns.grow(self.panels() * chunks.len() * 2 * TILE_WORDS);
            let (input, pixels) = (&*input, &*pixels);
            let tiles = channels.par_chunks_exact_mut(TILE * stride).enumerate();
            let panels = columns.par_chunks_exact_mut(chunks.len() * 2 * TILE_WORDS).enumerate();
            rayon::join(
                || tiles.for_each(|(tile, to)| self.transpose(input, tile, to, stride)),
                || panels.for_each(|(panel, to)| self.pair_places(dy, panel, pixels, to)),
            );

            let (rows, columns) = (Rows::new(channels, stride, &chunks), &*columns);
            let sums = &mut sums[..self.panels() * blocks];
            sums.par_chunks_exact_mut(TILES / 2).enumerate().for_each(|(i, sums)| {
                let (panel, tile) = (i / (blocks * 2 / TILES), i % (blocks * 2 / TILES) * TILES);
                let mut starts = [0; TILES];
                let count = TILES.min(row_tiles - tile);
                for (start, tile) in starts.iter_mut().zip(tile..tile + count) {
                    let (dy, channel, dx) = (tile / (channel_tiles * taps), tile / taps % channel_tiles, tile % taps);
                    *start = channel * TILE * stride + (dy * width + dx) * mixed;
                }
                let words = &columns[panel * chunks.len() * 2 * TILE_WORDS..];
                let columns = Columns { words, tiles: self.panel(panel).1 };
                self.unit.multiply(rows, &starts[..count], columns, first > 0, &mut sums[..count.div_ceil(2)]);
            });
        }
        let (sums, run_len) = (&sums[..], self.correlation.output.channels);
        d_params.par_chunks_mut(64 * run_len).zip(self.runs.par_chunks(64)).for_each(|(d_params, runs)| {
            for (d, &(row, column)) in d_params.chunks_exact_mut(run_len).zip(runs) {
                let (row, mut column, mut d) = (row as usize, column as usize, d);
                while !d.is_empty() {
                    let (panel, at) = (column / PANEL, column % PANEL);
                    let len = (PANEL - at).min(d.len());
                    let (now, later) = d.split_at_mut(len);
                    let from = &sums[panel * blocks + row / PANEL].0[row % PANEL][at..at + len];
                    now.iter_mut().zip(from).for_each(|(d, sum)| *d += sum);
                    (column, d) = (column + len, later);
                }
            }
        });
    }

    /// Writes one tile of the input's values by channels: `[channel][square]`.
    fn transpose(&self, input: &[u16], tile: usize, to: &mut [u16], stride: usize) {
        let Grid { depth, pitch, .. } = self.grid;
        let count = (depth - tile * TILE).min(TILE);
        for square in (0..stride).step_by(CHUNK) {
            self.unit.transpose(&input[square * pitch + tile * TILE..], pitch, count, &mut to[square..], stride);
        }
    }

    /// Writes a panel of the gradient of the output as a right operand.
    fn pair_places(&self, dy: &[f32], panel: usize, pixels: &[u32], to: &mut [u32]) {
        let (columns, tiles) = self.panel(panel);
        let step = self.pixel_count();
        let segments = self.grid.segments(panel * PANEL, columns);
        let chunks = to.chunks_exact_mut(tiles * TILE_WORDS);
        for (to, rows) in chunks.zip(pixels.chunks_exact(CHUNK * step)) {
            if columns < tiles * TILE {
                to.fill(0);
            }
            self.unit.pairs(Source { values: dy, rows, step, segments: &segments, distance: 1 }, to);
        }
    }
}

/// Makes sure that there are at least `len` values.
fn grow<T: Clone>(memory: &mut Vec<T>, len: usize, value: T) {
    if memory.len() < len {
        memory.resize(len, value);
    }
}

#[cfg(test)]
mod tests;
