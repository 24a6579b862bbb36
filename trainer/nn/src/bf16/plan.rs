//! A pass of a convolution: the output, the gradient of the input, or the gradient of the weights.

use std::cell::RefCell;

use rayon::prelude::*;

use super::grid::{Grid, Group};
use super::lines::Lines;
use super::number::{pair, round};
use super::operands::{CHUNK, Columns, Instruction, OUTSIDE, Rows, Sums, TILE, TILE_WORDS, Target};
use super::unit::Unit;
use crate::fast::{Correlation, Epilogue};
use crate::params::Weights;
use crate::vectors::arch;

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
    /// See [`Grid::pixels`]; empty for the gradient of the weights.
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
    output: Lines<u16>,
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
        let (weights, pixels, runs) =
            if gradient { (Vec::new(), Vec::new(), grid.runs()) } else { (grid.weights(), grid.pixels(), Vec::new()) };
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
        let step = self.correlation.output.step * self.correlation.output.step;
        let Task { squares, starts, pixels, sums } = task;
        let squares_end = squares_len + self.grid.slack(pictures);
        let squares = squares.grow(squares_end);
        self.grid.fill_input(x, squares);
        squares[squares_len..].fill(0);
        starts.clear();
        pixels.clear();
        for group in self.grid.groups(pictures) {
            starts.push(group.first * self.grid.pitch);
            self.push_pixels(group, self.grid.mixed(pictures), output_len, step, pixels);
        }
        let chunks = self.grid.chunks(pictures);
        grow(sums, TILES / 2, Sums::ZERO);
        let mut words = self.packed.values();
        for (panel, (bias, slope)) in panels.iter().enumerate() {
            let (columns, tiles) = self.panel(panel);
            let (of_panel, rest) = words.split_at(self.chunk_count * tiles * TILE_WORDS);
            words = rest;
            let segments = self.grid.segments(panel * PANEL, columns);
            for (starts, pixels) in starts.chunks(TILES).zip(pixels.chunks(TILES * TILE * step)) {
                let rows = Rows { values: &*squares, stride: self.grid.pitch, starts, chunks: &chunks };
                let sums = &mut sums[..starts.len().div_ceil(2)];
                self.unit.multiply(rows, Columns { words: of_panel, tiles }, false, sums);
                for (sums, pixels) in sums.iter().zip(pixels.chunks(2 * TILE * step)) {
                    let to = Target { pixels, step, segments: &segments, bias, slope: *slope };
                    self.unit.store(sums, to, y);
                }
            }
        }
    }

    /// Adds the pixels of [`TILE`] rows, of which the group has the first.
    fn push_pixels(&self, group: Group, mixed: usize, output_len: usize, step: usize, pixels: &mut Vec<u32>) {
        let end = pixels.len() + TILE * step;
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
            arch().dispatch(|| self.pack_panel(params.values, panel, words));
        });
        self.packed = packed;
    }

    #[inline(always)]
    fn pack_panel(&self, params: &[f32], panel: usize, words: &mut [u32]) {
        let (columns, tiles) = self.panel(panel);
        let distance = self.correlation.weights.output_stride;
        let rows = self.chunk_count * CHUNK;
        words.fill(0);
        for segment in self.grid.segments(panel * PANEL, columns) {
            let weights = &self.weights[segment.pixel * rows..][..rows];
            let (tile, column) = (segment.column / TILE, segment.column % TILE);
            for (p, at) in weights.chunks_exact(2).enumerate() {
                let (chunk, p) = (p / (CHUNK / 2), p % (CHUNK / 2));
                let to = &mut words[(chunk * tiles + tile) * TILE_WORDS + p * TILE + column..][..segment.len];
                let from = |at: u32| (at != OUTSIDE).then(|| &params[at as usize + segment.channel * distance..]);
                match (from(at[0]), from(at[1])) {
                    (Some(a), Some(b)) if distance == 1 => {
                        for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
                            *to = pair(round(*a), round(*b));
                        }
                    }
                    (a, b) => {
                        for (i, to) in to.iter_mut().enumerate() {
                            let number = |from: Option<&[f32]>| from.map_or(0, |from| round(from[i * distance]));
                            *to = pair(number(a), number(b));
                        }
                    }
                }
            }
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
        let Gradient { input, output, channels, columns, sums } = memory;
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
            let output = output.grow(stride * breadth);
            let inputs = input.par_chunks_mut(mixed * places * pitch).zip(x.par_chunks(mixed * input_len));
            let outputs = output.par_chunks_mut(mixed * places * breadth).zip(dy.par_chunks(mixed * output_len));
            rayon::join(
                || inputs.for_each(|(to, maps)| self.grid.fill_input(maps, to)),
                || outputs.for_each(|(to, maps)| self.grid.fill_output(maps, to)),
            );
            input[squares * pitch..].fill(0);

            let groups: Vec<_> = self.grid.groups(pictures).collect();
            let chunks: Vec<_> = groups.iter().map(|group| group.first).collect();
            let channels = channels.grow(channel_tiles * TILE * stride);
            let columns = columns.grow(self.panels() * chunks.len() * 2 * TILE_WORDS);
            let (input, output) = (&*input, &*output);
            let tiles = channels.par_chunks_exact_mut(TILE * stride).enumerate();
            let panels = columns.par_chunks_exact_mut(chunks.len() * 2 * TILE_WORDS).enumerate();
            rayon::join(
                || tiles.for_each(|(tile, to)| self.transpose(input, tile, to, stride)),
                || panels.for_each(|(panel, to)| self.pair_places(output, panel, &groups, to)),
            );

            let (channels, columns) = (&*channels, &*columns);
            let sums = &mut sums[..self.panels() * blocks];
            sums.par_chunks_exact_mut(TILES / 2).enumerate().for_each(|(i, sums)| {
                let (panel, tile) = (i / (blocks * 2 / TILES), i % (blocks * 2 / TILES) * TILES);
                let mut starts = [0; TILES];
                let count = TILES.min(row_tiles - tile);
                for (start, tile) in starts.iter_mut().zip(tile..tile + count) {
                    let (dy, channel, dx) = (tile / (channel_tiles * taps), tile / taps % channel_tiles, tile % taps);
                    *start = channel * TILE * stride + (dy * width + dx) * mixed;
                }
                let rows = Rows { values: channels, stride, starts: &starts[..count], chunks: &chunks };
                let words = &columns[panel * chunks.len() * 2 * TILE_WORDS..];
                let columns = Columns { words, tiles: self.panel(panel).1 };
                self.unit.multiply(rows, columns, first > 0, &mut sums[..count.div_ceil(2)]);
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

    /// Writes a panel of the output as a right operand. Squares behind the end of a group are 0.
    fn pair_places(&self, output: &[u16], panel: usize, groups: &[Group], to: &mut [u32]) {
        let breadth = self.grid.breadth;
        let (columns, tiles) = self.panel(panel);
        for (group, to) in groups.iter().zip(to.chunks_exact_mut(tiles * TILE_WORDS)) {
            for (tile, to) in to.chunks_exact_mut(TILE_WORDS).enumerate() {
                let count = (columns - tile * TILE).min(TILE);
                for (p, to) in to.chunks_exact_mut(TILE).enumerate() {
                    let row = |at: usize| match group.first + at {
                        square if at < group.len => &output[square * breadth + panel * PANEL + tile * TILE..][..count],
                        _ => &[0; TILE][..count],
                    };
                    self.unit.pairs(row(2 * p), row(2 * p + 1), &mut to[..count]);
                    to[count..].fill(0);
                }
            }
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
