//! Tiles of a correlation: to the points of a [`Domain`], products there, and back.
//!
//! The forward pass, and the gradient of the input, take a block of tiles through all
//! three stages while it is in the cache; threads take blocks. The gradient of the
//! weights takes blocks of tiles one after the other, so that its sums have one order
//! whatever the number of threads; they share the work within a block.

use std::cell::RefCell;
use std::marker::PhantomData;

use gen_core::spec::{Geometry, Op, Shape};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::domain::{Domain, Fourier, Load, Store, Winograd};
use super::fourier::{REAL, SIDE};
use super::panel::{Group, Packed, Panel, SMALL, accumulate, multiply};

/// Sides of tiles that there are domains for.
const TILES: [usize; 4] = [2, 3, 4, 8];

/// The one with a point beside 0, 1, −1 and infinity.
const LOSSY: usize = 4;

/// Tiles that a thread takes through all stages at a time, at least; more would
/// leave the cache, fewer would read the weights too often.
const BLOCK_TILES: usize = 48;

/// Groups of output channels whose products are brought back before the next ones are computed.
const OUTPUT_GROUPS: usize = 16;

/// Groups of weights at the points that a layer keeps, at most: 8 MB. A discriminator's are
/// used three times a step. Of the largest layers a generator has one or two uses a step,
/// and there they save less time than they take memory.
const KEPT_GROUPS: usize = 1 << 17;

/// Tiles whose share of the weights' gradient is added up at a time.
const GRADIENT_TILES: usize = 160;

/// A map as the correlation sees it: squares of `step × step` pixels, counted so that
/// the topmost pixel of square 0 is row `−origin`.
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
    /// Pixels over the top edge that square 0 begins with.
    pub origin_y: usize,
    /// The same over the left edge.
    pub origin_x: usize,
    /// The one pixel of each square that is meant; all of them if there is none. Origins may
    /// then be less than 0, as wrapped numbers.
    pub only: Option<(usize, usize)>,
}

impl Side {
    fn of(shape: Shape, step: usize, (origin_y, origin_x): (usize, usize)) -> Self {
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

    fn groups_per_pixel(&self) -> usize {
        self.channels.div_ceil(16)
    }

    /// Pixels of a square that are meant.
    fn pixels(&self) -> usize {
        if self.only.is_some() { 1 } else { self.step * self.step }
    }

    /// Groups of channels of a square.
    fn groups(&self) -> usize {
        self.pixels() * self.groups_per_pixel()
    }

    /// Values of a map.
    fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Place in the map of the pixel in square (`i`, `j`), if it is not over an edge.
    #[inline(always)]
    fn at(&self, i: usize, j: usize, (a, b): (usize, usize)) -> Option<usize> {
        let row = (self.step * i + a).wrapping_sub(self.origin_y);
        let column = (self.step * j + b).wrapping_sub(self.origin_x);
        (row < self.height && column < self.width).then(|| (row * self.width + column) * self.channels)
    }
}

/// Where the weight of a tap between two channels stands in the layer's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taps {
    /// Side of the layer's own kernel.
    pub kernel: usize,
    /// From tap to tap in the layer's parameters.
    pub tap_stride: usize,
    /// From one input channel to the next.
    pub input_stride: usize,
    /// From one output channel to the next.
    pub output_stride: usize,
    /// Whether the correlation meets the kernel's taps from the last to the first.
    pub flipped: bool,
}

impl Taps {
    /// Of a layer; `forward` says whether the correlation's input is the layer's.
    fn of(op: Op, g: &Geometry, forward: bool, flipped: bool) -> Self {
        let (cin, cout) = (usize::from(g.input.channels), usize::from(g.output.channels));
        let kernel = usize::from(g.y.kernel);
        // As `Linear` lays them out.
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
    /// What is read.
    pub input: Side,
    /// What is written.
    pub output: Side,
    /// Rows and columns of squares that are written.
    pub positions: (usize, usize),
    /// Side of the kernel, in squares.
    pub taps: usize,
    /// Where its weights are.
    pub weights: Taps,
    /// Side of the square of outputs that a tile computes.
    pub tile: usize,
}

/// A correlation as it is computed: in one or in parts, each with its weights.
#[derive(Debug)]
pub struct Plan {
    parts: Vec<(Correlation, Points)>,
}

impl Plan {
    /// The parts of a correlation, which together write all of its output.
    pub fn new(parts: Vec<Correlation>) -> Self {
        Self { parts: parts.into_iter().map(|part| (part, Points::default())).collect() }
    }

    /// For a table.
    pub fn name(&self) -> String {
        let (first, _) = &self.parts[0];
        let (m, r) = (first.tile, first.taps);
        let apart = if self.parts.len() > 1 { ", pixels apart" } else { "" };
        match m + r - 1 {
            SIDE => format!("Fourier, tiles of {m}x{m}{apart}"),
            _ => format!("Winograd F({m}x{m}, {r}x{r}){apart}"),
        }
    }

    /// Its parts.
    pub fn parts(&self) -> impl Iterator<Item = &Correlation> {
        self.parts.iter().map(|(part, _)| part)
    }

    /// Writes the correlation of each map in `x` to `y`.
    pub fn run(&mut self, params: &[f32], x: &[f32], y: &mut [f32], epilogue: Epilogue<'_>, scratch: &mut Scratch) {
        for (part, points) in &mut self.parts {
            part.run(params, x, y, epilogue, points, scratch);
        }
    }

    /// Adds to `d_params` the gradient of the weights, from the input maps `x` and the
    /// gradient `dy` of the output maps.
    pub fn add_gradient(&self, d_params: &mut [f32], x: &[f32], dy: &[f32], scratch: &mut Scratch) {
        for (part, _) in &self.parts {
            part.add_gradient(d_params, x, dy, scratch);
        }
    }
}

/// What happens to an output before it is stored.
#[derive(Debug, Clone, Copy)]
pub enum Epilogue<'a> {
    /// Nothing.
    Store,
    /// A bias for each channel is added; what is then negative is multiplied by `slope`.
    BiasLeaky {
        /// One a channel.
        bias: &'a [f32],
        /// 1 for none, 0 for ReLU.
        slope: f32,
    },
}

/// The weights of a layer at the points, which are computed again when they change.
#[derive(Debug, Default)]
pub struct Points {
    /// What `values` are of: no correlation, if they are not to be found again.
    correlation: Option<Correlation>,
    params: Vec<f32>,
    /// `[point][output group][product][input channel]`.
    values: Vec<Group>,
}

/// Memory that all layers share; it grows to what the largest one needs.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Those of layers that keep none; they lie under the gradient's sums.
    points: Points,
    /// Tiles of the input and of the output's gradient: `[group][point][tile]`.
    input: Vec<Group>,
    output: Vec<Group>,
    /// The gradient in the order of the layer's parameters, cut into input groups.
    gradient: Vec<f32>,
}

/// A thread's memory for the tiles that it takes through all stages.
#[derive(Debug, Default)]
struct Block {
    input: Vec<Group>,
    output: Vec<Group>,
    /// Where the values of each tile are read, or `OUTSIDE`.
    places: Vec<u32>,
    packed: Packed,
}

/// A place over an edge of the map, where everything is 0.
const OUTSIDE: u32 = u32::MAX;

impl Epilogue<'_> {
    /// The same for outputs that are stored already: any number of pixels, or of
    /// whole outputs if there is a bias for each value.
    pub fn apply(&self, y: &mut [f32]) {
        if let Self::BiasLeaky { bias, slope } = *self {
            for pixel in y.chunks_exact_mut(bias.len()) {
                for (y, b) in pixel.iter_mut().zip(bias) {
                    let value = *y + b;
                    *y = if value > 0.0 { value } else { slope * value };
                }
            }
        }
    }
}

impl Correlation {
    /// The forward pass of a layer, with output tiles of side `tile`; `None` if the
    /// layer has no such form.
    pub fn forward(op: Op, g: &Geometry, tile: usize) -> Option<Self> {
        match op {
            Op::Dense { .. } => None,
            Op::Conv { .. } => Self::reading(op, g, tile, true),
            Op::ConvTranspose { .. } => Self::writing(op, g, tile, true),
        }
    }

    /// The gradient of a layer's input, from that of its output.
    pub fn backward(op: Op, g: &Geometry, tile: usize) -> Option<Self> {
        match op {
            Op::Dense { .. } => None,
            Op::Conv { .. } => Self::writing(op, g, tile, false),
            Op::ConvTranspose { .. } => Self::reading(op, g, tile, false),
        }
    }

    /// A kernel that reads squares of `from`: `to[i] = Σ w[a] · from[stride·i + a − pad]`.
    fn reading(op: Op, g: &Geometry, tile: usize, forward: bool) -> Option<Self> {
        let (from, to) = if forward { (g.input, g.output) } else { (g.output, g.input) };
        let (step, taps) = Self::squares(g)?;
        Some(Self {
            input: Side::of(from, step, (g.y.pad.into(), g.x.pad.into())),
            output: Side::of(to, 1, (0, 0)),
            positions: (to.height.into(), to.width.into()),
            taps,
            weights: Taps::of(op, g, forward, false),
            tile,
        })
    }

    /// A kernel that writes squares of `to`: `to[stride·i + a − pad] += w[a] · from[i]`.
    fn writing(op: Op, g: &Geometry, tile: usize, forward: bool) -> Option<Self> {
        let (from, to) = if forward { (g.input, g.output) } else { (g.output, g.input) };
        let (step, taps) = Self::squares(g)?;
        let (pad_y, pad_x) = (usize::from(g.y.pad), usize::from(g.x.pad));
        // Whole squares over the edge are not written: the kernel begins further in.
        let output = Side::of(to, step, (pad_y % step, pad_x % step));
        let positions = |len: usize, origin: usize| (len - 1 + origin) / step + 1;
        Some(Self {
            input: Side::of(from, 1, (taps - 1 - pad_y / step, taps - 1 - pad_x / step)),
            positions: (positions(output.height, output.origin_y), positions(output.width, output.origin_x)),
            output,
            taps,
            weights: Taps::of(op, g, forward, true),
            tile,
        })
    }

    /// Side of a square, and of the kernel in squares.
    fn squares(g: &Geometry) -> Option<(usize, usize)> {
        let (kernel, stride) = (usize::from(g.y.kernel), usize::from(g.y.stride));
        let taps = kernel / stride;
        (kernel == taps * stride && stride <= 2 && matches!(taps, 2 | 3 | 5)).then_some((stride, taps))
    }

    /// The same output in parts, one for each pixel of a square. Their tiles need not meet the
    /// whole squares, so that a map of 8x8 pixels, in squares that begin one pixel over its
    /// edge, takes four times 4x4 places instead of 5x5 places of four pixels.
    pub fn apart(&self) -> Vec<Self> {
        let step = self.output.step;
        if step == 1 {
            return vec![*self];
        }
        let along = |origin: usize, pixel: usize, len: usize| {
            // Squares before the first whose pixel is inside.
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
        // Of a map with one row, some pixels of the squares are never there.
        let some = |part: &Self| part.positions.0 > 0 && part.positions.1 > 0;
        (0..step * step).map(part).filter(some).collect()
    }

    /// How this correlation is fastest, or `None` where one product is faster. `gradient` says
    /// what it is wanted for, `lossy` whether tiles will do that lose digits.
    pub fn fastest(self, gradient: bool, lossy: bool) -> Option<Plan> {
        // Groups that are mostly empty are not worth it.
        if self.input.channels < 16 || self.output.channels < 16 {
            return None;
        }
        let forms = [vec![self], self.apart()].into_iter().flat_map(|parts| {
            let with = move |tile| parts.iter().map(|part| Self { tile, ..*part }).collect::<Vec<_>>();
            TILES.into_iter().filter(move |tile| lossy || *tile != LOSSY).map(with)
        });
        let cost = |parts: &Vec<Self>| parts.iter().map(|part| part.cost(gradient)).sum::<f64>();
        let forms = forms.filter(|parts| parts.iter().all(Self::has_form));
        let best = forms.min_by(|a, b| cost(a).total_cmp(&cost(b)))?;
        (cost(&best) < self.cost_of_product()).then(|| Plan::new(best))
    }

    /// Nanoseconds for a picture on one core of a Zen 4, fitted to
    /// `cargo run --release -p trainer --example layer_speed`: a product of two groups
    /// takes 5 here and 5.5 in one large product; bringing a group of channels to a
    /// point or back takes 6, twice that where nothing of a tile stays in the cache;
    /// a group of a patch takes 2.
    fn cost(&self, gradient: bool) -> f64 {
        let (ks, ns) = (self.input.groups(), self.output.groups());
        let group = if gradient { 12.0 } else { 6.0 };
        let (rows, columns) = self.tiles();
        let points = (self.tile + self.taps - 1).pow(2);
        (rows * columns) as f64 * (5.0 * (self.products() * ks * ns) as f64 + group * (points * (ks + ns)) as f64)
    }

    /// The same for one product of all patches, which multiplies no empty channels.
    fn cost_of_product(&self) -> f64 {
        let channels = |side: &Side| (side.step * side.step * side.channels) as f64 / 16.0;
        let writes = self.output.step > 1;
        let places = if writes { (self.input.height, self.input.width) } else { self.positions };
        let patches = (places.0 * places.1 * self.taps * self.taps) as f64;
        let (input, output) = (channels(&self.input), channels(&self.output));
        patches * (5.5 * input * output + 2.0 * if writes { output } else { input })
    }

    /// Whether there is a domain for these tiles and taps.
    pub fn has_form(&self) -> bool {
        matches!((self.tile, self.taps), (2..=4, 2) | (2, 3) | (8, 5))
    }

    /// Real multiplications that a tile needs for one input and one output channel.
    fn products(&self) -> usize {
        match (self.tile + self.taps - 1).pow(2) {
            144 => REAL + (144 - REAL) / 2 * 3,
            points => points,
        }
    }

    /// Real multiplications of the products at the points, of this correlation or of the gradient
    /// of its weights, over so many pictures. Groups of channels count whole, as do tiles.
    pub fn multiplications(&self, pictures: usize) -> u64 {
        let (rows, columns) = self.tiles();
        let channels = (16 * self.input.groups(), 16 * self.output.groups());
        (pictures * rows * columns) as u64 * (self.products() * channels.0 * channels.1) as u64
    }

    /// Share of them that are for channels and outputs that are there, 0 … 1.
    pub fn there(&self) -> f64 {
        let full = |channels: usize| channels as f64 / channels.next_multiple_of(16) as f64;
        let along = |len: usize, positions: usize| {
            let (outputs, step) = if self.output.only.is_some() { (positions, 1) } else { (len, self.output.step) };
            outputs as f64 / (positions.next_multiple_of(self.tile) * step) as f64
        };
        let there = along(self.output.height, self.positions.0) * along(self.output.width, self.positions.1);
        there * full(self.input.channels) * full(self.output.channels)
    }

    /// Writes the correlation of each map in `x` to `y`.
    ///
    /// Between calls with the same `params`, `points` saves the work of transforming them, if
    /// they are not too large to be kept.
    pub fn run(
        &self,
        params: &[f32],
        x: &[f32],
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        points: &mut Points,
        scratch: &mut Scratch,
    ) {
        self.run_on(Arch::new(), params, x, y, epilogue, points, scratch);
    }

    /// Adds to `d_params` the gradient of the weights, from the input maps `x` and the
    /// gradient `dy` of the output maps.
    pub fn add_gradient(&self, d_params: &mut [f32], x: &[f32], dy: &[f32], scratch: &mut Scratch) {
        self.add_gradient_on(Arch::new(), d_params, x, dy, scratch);
    }

    fn run_on(
        &self,
        arch: Arch,
        params: &[f32],
        x: &[f32],
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        points: &mut Points,
        scratch: &mut Scratch,
    ) {
        match (self.tile, self.taps) {
            (2, 2) => self.run_in::<Winograd, 2, 2, 3, 10>(arch, params, x, y, epilogue, points, scratch),
            (3, 2) => self.run_in::<Winograd, 3, 2, 4, 17>(arch, params, x, y, epilogue, points, scratch),
            (4, 2) => self.run_in::<Winograd, 4, 2, 5, 25>(arch, params, x, y, epilogue, points, scratch),
            (2, 3) => self.run_in::<Winograd, 2, 3, 4, 17>(arch, params, x, y, epilogue, points, scratch),
            (8, 5) => self.run_in::<Fourier, 8, 5, 12, 145>(arch, params, x, y, epilogue, points, scratch),
            (m, r) => unreachable!("tiles of {m} with {r} taps are never chosen"),
        }
    }

    fn add_gradient_on(&self, arch: Arch, d_params: &mut [f32], x: &[f32], dy: &[f32], scratch: &mut Scratch) {
        match (self.tile, self.taps) {
            (2, 2) => self.add_gradient_in::<Winograd, 2, 2, 3>(arch, d_params, x, dy, scratch),
            (3, 2) => self.add_gradient_in::<Winograd, 3, 2, 4>(arch, d_params, x, dy, scratch),
            (4, 2) => self.add_gradient_in::<Winograd, 4, 2, 5>(arch, d_params, x, dy, scratch),
            (2, 3) => self.add_gradient_in::<Winograd, 2, 3, 4>(arch, d_params, x, dy, scratch),
            (8, 5) => self.add_gradient_in::<Fourier, 8, 5, 12>(arch, d_params, x, dy, scratch),
            (m, r) => unreachable!("tiles of {m} with {r} taps are never chosen"),
        }
    }

    fn tiles(&self) -> (usize, usize) {
        (self.positions.0.div_ceil(self.tile), self.positions.1.div_ceil(self.tile))
    }

    /// Place of a weight: tap (`dy`, `dx`) of the correlation, for the pixels `a` and
    /// `b` of an input and an output square (one of the two sides has step 1).
    fn tap_at(&self, (dy, dx): (usize, usize), a: (usize, usize), b: (usize, usize)) -> usize {
        let step = self.input.step.max(self.output.step);
        let along = |d: usize, a: usize, b: usize| {
            let d = if self.weights.flipped { self.taps - 1 - d } else { d };
            step * d + a + b
        };
        (along(dy, a.0, b.0) * self.weights.kernel + along(dx, a.1, b.1)) * self.weights.tap_stride
    }

    /// The groups of channels of a square: (pixel of the square, first channel, number of channels).
    fn channel_groups(side: &Side) -> impl Iterator<Item = ((usize, usize), usize, usize)> + Clone + '_ {
        let per_pixel = side.groups_per_pixel();
        (0..side.groups()).map(move |g| {
            let (pixel, first) = (g / per_pixel, g % per_pixel * 16);
            let pixel = side.only.unwrap_or((pixel / side.step, pixel % side.step));
            (pixel, first, (side.channels - first).min(16))
        })
    }

    fn run_in<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize, const P: usize>(
        &self,
        arch: Arch,
        params: &[f32],
        x: &[f32],
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        points: &mut Points,
        scratch: &mut Scratch,
    ) {
        let pictures = x.len() / self.input.len();
        if pictures == 0 {
            return;
        }
        let weights = self.weights_len::<D, M, R, T>();
        let keep = weights <= KEPT_GROUPS;
        let points = if keep { points } else { &mut scratch.points };
        if points.correlation != Some(*self) || points.params != params {
            grow(&mut points.values, weights);
            self.transform_weights::<D, M, R, T>(arch, params, &mut points.values[..weights]);
            points.correlation = keep.then_some(*self);
            points.params.clear();
            if keep {
                points.params.extend_from_slice(params);
            }
        }
        let weights = &points.values;

        // Each block is a run of rows of tiles; the rows of `y` that it writes are its own.
        let (rows, columns) = self.tiles();
        let rows_a_block = BLOCK_TILES.div_ceil(columns);
        let all_rows = pictures * rows;
        // As many for each thread, of one size, so that threads end together.
        let blocks = all_rows.div_ceil(rows_a_block).next_multiple_of(rayon::current_num_threads());
        let rows_a_block = all_rows.div_ceil(blocks);
        let mut rest = y;
        let mut done = 0;
        let mut work = Vec::with_capacity(blocks);
        let end_of = |row: usize| {
            let (picture, row) = (row / rows, row % rows);
            let pixels = (self.output.step * M * row).wrapping_sub(self.output.origin_y) as isize;
            // Where the squares of a part begin inside, the first ones write from the edge all the same.
            let pixels = if row == 0 { 0 } else { pixels.clamp(0, self.output.height as isize) as usize };
            picture * self.output.len() + pixels * self.output.width * self.output.channels
        };
        for first in (0..all_rows).step_by(rows_a_block) {
            let last = (first + rows_a_block).min(all_rows);
            let end = end_of(last);
            let (part, more) = std::mem::take(&mut rest).split_at_mut(end - done);
            work.push((first..last, done, part));
            (rest, done) = (more, end);
        }
        work.into_par_iter().for_each(|(tile_rows, start, y)| {
            BLOCK.with_borrow_mut(|block| {
                arch.dispatch(RunBlock::<D, M, R, T, P> {
                    domain: PhantomData,
                    correlation: self,
                    weights,
                    x,
                    y,
                    start,
                    tile_rows,
                    epilogue,
                    block,
                });
            });
        });
    }

    /// Groups from one point of weights to the next, if there are so many products: an odd
    /// number, as the caches would keep few lines at distances of a power of two.
    fn of_point(&self, products: usize) -> usize {
        products * self.output.groups() * self.input.groups() * 16 + 1
    }

    /// Groups that the weights take at all points.
    fn weights_len<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize>(&self) -> usize {
        D::REAL * self.of_point(1) + (T * T - D::REAL) / 2 * self.of_point(3)
    }

    /// `[point][output group][product][input channel]` from the layer's parameters.
    fn transform_weights<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize>(
        &self,
        arch: Arch,
        params: &[f32],
        weights: &mut [Group],
    ) {
        let (ks, ns) = (self.input.groups(), self.output.groups());
        // A point after the other would read the parameters T² times; so the points are
        // cut apart for the threads to write side by side.
        let mut by_output: Vec<Vec<&mut [Group]>> = (0..ns).map(|_| Vec::with_capacity(T * T)).collect();
        let (real, complex) = weights.split_at_mut(D::REAL * self.of_point(1));
        for (points, products) in [(real, 1), (complex, 3)] {
            for point in points.chunks_exact_mut(self.of_point(products)) {
                for (part, points) in point.chunks_exact_mut(products * ks * 16).zip(&mut by_output) {
                    points.push(part);
                }
            }
        }
        by_output.into_par_iter().zip(Self::channel_groups(&self.output).collect::<Vec<_>>()).for_each(
            |(mut points, output)| {
                let mut taps = [[Group::ZERO; 16]; 25];
                for (i, input) in Self::channel_groups(&self.input).enumerate() {
                    self.gather_taps::<R>(params, input, output, &mut taps);
                    arch.dispatch(WeightsToPoints::<D, M, R, T> {
                        domain: PhantomData,
                        taps: &taps,
                        points: &mut points,
                        first: i * 16,
                        channels: ks * 16,
                    });
                }
            },
        );
    }

    /// The taps between 16 input and 16 output channels: `[tap][input][output]`, 0 where there is none.
    fn gather_taps<const R: usize>(
        &self,
        params: &[f32],
        (a, first_in, inputs): ((usize, usize), usize, usize),
        (b, first_out, outputs): ((usize, usize), usize, usize),
        taps: &mut [[Group; 16]; 25],
    ) {
        let Taps { input_stride, output_stride, .. } = self.weights;
        for (t, tap) in taps[..R * R].iter_mut().enumerate() {
            let start = self.tap_at((t / R, t % R), a, b) + first_in * input_stride + first_out * output_stride;
            if inputs < 16 || outputs < 16 {
                *tap = [Group::ZERO; 16];
            }
            if output_stride == 1 {
                for (i, row) in tap[..inputs].iter_mut().enumerate() {
                    row.0[..outputs].copy_from_slice(&params[start + i * input_stride..][..outputs]);
                }
            } else {
                for o in 0..outputs {
                    let from = &params[start + o * output_stride..];
                    for i in 0..inputs {
                        tap[i].0[o] = from[i * input_stride];
                    }
                }
            }
        }
    }

    fn add_gradient_in<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize>(
        &self,
        arch: Arch,
        d_params: &mut [f32],
        x: &[f32],
        dy: &[f32],
        scratch: &mut Scratch,
    ) {
        let pictures = x.len() / self.input.len();
        if pictures == 0 {
            return;
        }
        let (ks, ns) = (self.input.groups(), self.output.groups());
        let (rows, columns) = self.tiles();
        let tiles = pictures * rows * columns;
        let at_a_time = GRADIENT_TILES.min(tiles);
        // Odd distances, against collisions in the cache.
        let apart = at_a_time | 1;
        let stride = (T * T * apart) | 1;
        let of_point = self.of_point(1);
        let sums = T * T * of_point;
        grow(&mut scratch.points.values, sums);
        grow(&mut scratch.input, ks * stride);
        grow(&mut scratch.output, ns * stride);
        let Scratch { points, input, output, gradient } = scratch;
        let weights = &mut points.values[..sums];
        let (input_groups, output_groups): (Vec<_>, Vec<_>) =
            (Self::channel_groups(&self.input).collect(), Self::channel_groups(&self.output).collect());
        for first in (0..tiles).step_by(at_a_time) {
            let count = at_a_time.min(tiles - first);
            let inputs = input[..ks * stride].par_chunks_mut(stride).zip(&input_groups).map(|(to, g)| (to, g, true));
            let outputs =
                output[..ns * stride].par_chunks_mut(stride).zip(&output_groups).map(|(to, g)| (to, g, false));
            inputs.chain(outputs).for_each(|(to, &(pixel, channel, channels), is_input)| {
                BLOCK.with_borrow_mut(|block| {
                    if is_input {
                        self.find_places(&self.input, T, pixel, first, count, &mut block.places);
                    } else {
                        self.find_places(&self.output, M, pixel, first, count, &mut block.places);
                    }
                    let (map, places) = (if is_input { x } else { dy }, &block.places);
                    let channels = (channel, channels);
                    arch.dispatch(ToPoints::<D, M, R, T> {
                        domain: PhantomData,
                        is_input,
                        map,
                        places,
                        channels,
                        strides: (apart, 1),
                        to,
                    });
                });
            });
            let (real, complex) = weights.split_at_mut(D::REAL * of_point);
            let product = |p: usize, sums: &mut [Group]| {
                BLOCK.with_borrow_mut(|block| {
                    arch.dispatch(Accumulate {
                        a: [p, p + 1].map(|p| panel_at(input, p * apart, stride)),
                        b: [p, p + 1].map(|p| panel_at(output, p * apart, stride)),
                        rows: count,
                        groups: (ks, ns),
                        add: first > 0,
                        sums,
                        packed: &mut block.packed,
                    })
                });
            };
            let reals = real.par_chunks_mut(of_point).enumerate();
            let complexes = complex.par_chunks_mut(2 * of_point).enumerate();
            reals.chain(complexes.map(|(i, sums)| (D::REAL + 2 * i, sums))).for_each(|(p, sums)| product(p, sums));
        }

        // Back to taps, for each group of input channels: [group][tap][input][output channel of a square].
        let n = ns * 16;
        let of_group = R * R * 16 * n;
        if gradient.len() < ks * of_group {
            gradient.resize(ks * of_group, 0.0);
        }
        gradient[..ks * of_group].par_chunks_mut(of_group).enumerate().for_each(|(k, taps)| {
            arch.dispatch(GradientToTaps::<D, M, R, T> { domain: PhantomData, sums: weights, ks, ns, k, taps });
        });
        let gradient = &gradient[..ks * of_group];
        let Taps { kernel, tap_stride, input_stride, output_stride, .. } = self.weights;
        debug_assert_eq!(output_stride, 1, "gradients are taken in the forward form");
        // Runs of output channels are contiguous in the parameters: one for each tap and input channel.
        let run = self.output.channels;
        let step = self.input.step.max(self.output.step);
        d_params.par_chunks_mut(run * 64).enumerate().for_each(|(chunk, part)| {
            for (i, d) in part.chunks_exact_mut(run).enumerate() {
                let at = (chunk * 64 + i) * run;
                // Which tap and input channel begin here?
                let (tap, channel) = if tap_stride > input_stride {
                    (at / tap_stride, at % tap_stride / input_stride)
                } else {
                    (at % input_stride / tap_stride, at / input_stride)
                };
                let (ky, kx) = (tap / kernel, tap % kernel);
                let split = |k: usize| {
                    let (d, s) = (k / step, k % step);
                    (if self.weights.flipped { self.taps - 1 - d } else { d }, s)
                };
                let ((dy, sy), (dx, sx)) = (split(ky), split(kx));
                if self.output.only.is_some_and(|only| only != (sy, sx)) {
                    continue;
                }
                let pixel = if self.output.only.is_some() { 0 } else { sy * step + sx };
                let (in_pixel, out_pixel) = if self.input.step > 1 { (pixel, 0) } else { (0, pixel) };
                let k = in_pixel * self.input.groups_per_pixel() + channel / 16;
                let from = k * of_group
                    + ((dy * R + dx) * 16 + channel % 16) * n
                    + out_pixel * self.output.groups_per_pixel() * 16;
                for (d, g) in d.iter_mut().zip(&gradient[from..]) {
                    *d += g;
                }
            }
        });
    }

    /// For tiles `first …` of all pictures, where the values of `size × size` squares
    /// stand that begin at the tile's place: `[tile][square]`.
    fn find_places(
        &self,
        side: &Side,
        size: usize,
        pixel: (usize, usize),
        first: usize,
        count: usize,
        places: &mut Vec<u32>,
    ) {
        let (rows, columns) = self.tiles();
        places.clear();
        for tile in first..first + count {
            let (picture, row, column) = (tile / (rows * columns), tile / columns % rows, tile % columns);
            let base = picture * side.len();
            for i in 0..size {
                for j in 0..size {
                    let at = side.at(row * self.tile + i, column * self.tile + j, pixel);
                    places.push(at.map_or(OUTSIDE, |at| (base + at) as u32));
                }
            }
        }
    }
}

thread_local! {
    /// Each thread's own.
    static BLOCK: RefCell<Block> = RefCell::default();
}

/// The groups of one point, `at` behind the first.
fn panel_at(groups: &[Group], at: usize, stride: usize) -> Panel<'_> {
    Panel { groups: &groups[at.min(groups.len())..], stride }
}

fn grow(memory: &mut Vec<Group>, len: usize) {
    if memory.len() < len {
        memory.resize(len, Group::ZERO);
    }
}

/// Values of a group at a place of a map.
#[inline(always)]
fn read<S: Simd>(simd: S, map: &[f32], place: u32, (first, channels): (usize, usize), q: usize) -> S::f32s {
    if place == OUTSIDE {
        return simd.splat_f32s(0.0);
    }
    let at = place as usize + first + q * S::F32_LANES;
    if channels == 16 {
        return S::as_simd_f32s(&map[at..at + S::F32_LANES]).0[0];
    }
    let there = channels.saturating_sub(q * S::F32_LANES).min(S::F32_LANES);
    let mut group = [0.0; 16];
    if there > 0 {
        group[..there].copy_from_slice(&map[at..at + there]);
    }
    S::as_simd_f32s(&group).0[0]
}

/// A tile of a map, one register of a group of channels.
struct Tile<'a, S> {
    simd: S,
    map: &'a [f32],
    places: &'a [u32],
    channels: (usize, usize),
    q: usize,
}

impl<S: Simd> Load<S> for Tile<'_, S> {
    #[inline(always)]
    fn load(&self, at: usize) -> S::f32s {
        read::<S>(self.simd, self.map, self.places[at], self.channels, self.q)
    }
}

/// The points of a tile, one register of a group of channels, `stride` groups apart.
struct TilePoints<P> {
    groups: P,
    stride: usize,
    q: usize,
    /// Points that are real.
    real: usize,
}

impl<S: Simd> Load<S> for TilePoints<&[Group]> {
    #[inline(always)]
    fn load(&self, at: usize) -> S::f32s {
        S::as_simd_f32s(&self.groups[at * self.stride].0).0[self.q]
    }
}

impl<S: Simd> Store<S> for TilePoints<&mut [Group]> {
    #[inline(always)]
    fn store(&mut self, at: usize, value: S::f32s) {
        S::as_mut_simd_f32s(&mut self.groups[at * self.stride].0).0[self.q] = value;
    }

    #[inline(always)]
    fn store_complex(&mut self, point: usize, re: S::f32s, im: S::f32s) {
        <Self as Store<S>>::store(self, self.real + 2 * point, re);
        <Self as Store<S>>::store(self, self.real + 2 * point + 1, im);
    }
}

/// One group of channels of some tiles, to the points.
struct ToPoints<'a, D, const M: usize, const R: usize, const T: usize> {
    domain: PhantomData<D>,
    /// Whether the map is an input, and not the gradient of an output.
    is_input: bool,
    map: &'a [f32],
    places: &'a [u32],
    channels: (usize, usize),
    /// From point to point, and from tile to tile.
    strides: (usize, usize),
    to: &'a mut [Group],
}

impl<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize> WithSimd for ToPoints<'_, D, M, R, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { is_input, map, places, channels, strides, to, .. } = self;
        let side = if is_input { T } else { M };
        for (tile, places) in places.chunks_exact(side * side).enumerate() {
            for q in 0..16 / S::F32_LANES {
                let x = Tile { simd, map, places, channels, q };
                let mut to = TilePoints { groups: &mut to[tile * strides.1..], stride: strides.0, q, real: D::REAL };
                if is_input {
                    D::input::<S>(simd, &x, &mut to);
                } else {
                    D::d_output::<S>(simd, &x, &mut to);
                }
            }
        }
    }
}

/// The weights between 16 input channels and one group of output channels.
struct WeightsToPoints<'a, 'b, D, const M: usize, const R: usize, const T: usize> {
    domain: PhantomData<D>,
    taps: &'a [[Group; 16]; 25],
    points: &'a mut [&'b mut [Group]],
    /// The first of the input channels, among how many.
    first: usize,
    channels: usize,
}

/// Taps, or their gradient, between one input channel and some output channels.
struct TapsOf<'a> {
    taps: &'a [[Group; 16]; 25],
    channel: usize,
    q: usize,
}

impl<S: Simd> Load<S> for TapsOf<'_> {
    #[inline(always)]
    fn load(&self, at: usize) -> S::f32s {
        S::as_simd_f32s(&self.taps[at][self.channel].0).0[self.q]
    }
}

/// The weights at all points, for one input channel: at real ones as they are, at
/// complex ones what [`multiply`] needs, a product after the other.
struct WeightPoints<'a, 'b, S> {
    simd: S,
    points: &'a mut [&'b mut [Group]],
    channel: usize,
    channels: usize,
    q: usize,
    real: usize,
}

impl<S: Simd> WeightPoints<'_, '_, S> {
    #[inline(always)]
    fn put(&mut self, point: usize, product: usize, value: S::f32s) {
        let at = product * self.channels + self.channel;
        S::as_mut_simd_f32s(&mut self.points[point][at].0).0[self.q] = value;
    }
}

impl<S: Simd> Store<S> for WeightPoints<'_, '_, S> {
    #[inline(always)]
    fn store(&mut self, at: usize, value: S::f32s) {
        self.put(at, 0, value);
    }

    #[inline(always)]
    fn store_complex(&mut self, point: usize, re: S::f32s, im: S::f32s) {
        let point = self.real + point;
        self.put(point, 0, re);
        self.put(point, 1, self.simd.sub_f32s(im, re));
        self.put(point, 2, self.simd.add_f32s(re, im));
    }
}

impl<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize> WithSimd
    for WeightsToPoints<'_, '_, D, M, R, T>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { taps, points, first, channels, .. } = self;
        for channel in 0..16 {
            for q in 0..16 / S::F32_LANES {
                let (points, at) = (&mut *points, first + channel);
                let mut to = WeightPoints { simd, points, channel: at, channels, q, real: D::REAL };
                D::weights::<S>(simd, &TapsOf { taps, channel, q }, &mut to);
            }
        }
    }
}

/// The gradient of the weights for one group of input channels and all output channels.
struct GradientToTaps<'a, D, const M: usize, const R: usize, const T: usize> {
    domain: PhantomData<D>,
    sums: &'a [Group],
    ks: usize,
    ns: usize,
    k: usize,
    taps: &'a mut [f32],
}

/// The gradient of taps: `[tap][input channel][output channel]`, `stride` values from tap to tap.
struct TapGradients<'a> {
    taps: &'a mut [f32],
    stride: usize,
}

impl<S: Simd> Store<S> for TapGradients<'_> {
    #[inline(always)]
    fn store(&mut self, at: usize, value: S::f32s) {
        let at = at * self.stride;
        S::as_mut_simd_f32s(&mut self.taps[at..at + S::F32_LANES]).0[0] = value;
    }

    #[inline(always)]
    fn store_complex(&mut self, _: usize, _: S::f32s, _: S::f32s) {
        unreachable!("taps are real");
    }
}

impl<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize> WithSimd for GradientToTaps<'_, D, M, R, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { sums, ks, ns, k, taps, .. } = self;
        for g in 0..ns {
            for channel in 0..16 {
                for q in 0..16 / S::F32_LANES {
                    let from = &sums[(g * ks + k) * 16 + channel..];
                    let from = TilePoints { groups: from, stride: ns * ks * 16 + 1, q, real: D::REAL };
                    let to = &mut taps[channel * ns * 16 + g * 16 + q * S::F32_LANES..];
                    D::d_weights::<S>(simd, &from, &mut TapGradients { taps: to, stride: 16 * ns * 16 });
                }
            }
        }
    }
}

/// Adds the products of one real point, or of one complex one if there are sums for both parts.
struct Accumulate<'a> {
    a: [Panel<'a>; 2],
    b: [Panel<'a>; 2],
    rows: usize,
    groups: (usize, usize),
    /// Whether there are sums already.
    add: bool,
    sums: &'a mut [Group],
    packed: &'a mut Packed,
}

impl WithSimd for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, b, rows, groups, add, sums, packed } = self;
        let one = groups.0 * groups.1 * 16 + 1;
        if sums.len() == one {
            accumulate::<S, 1, 1>(simd, [a[0]], [b[0]], rows, groups, [sums], add, packed);
        } else {
            let (re, im) = sums.split_at_mut(one);
            accumulate::<S, 2, 3>(simd, a, b, rows, groups, [re, im], add, packed);
        }
    }
}

/// A run of rows of tiles on its way through all stages.
struct RunBlock<'a, D, const M: usize, const R: usize, const T: usize, const P: usize> {
    domain: PhantomData<D>,
    correlation: &'a Correlation,
    weights: &'a [Group],
    x: &'a [f32],
    y: &'a mut [f32],
    /// Where `y` begins among all outputs.
    start: usize,
    tile_rows: std::ops::Range<usize>,
    epilogue: Epilogue<'a>,
    block: &'a mut Block,
}

impl<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize, const P: usize> WithSimd
    for RunBlock<'_, D, M, R, T, P>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { correlation: c, weights, x, y, start, tile_rows, epilogue, block, .. } = self;
        let columns = c.tiles().1;
        let (first, count) = (tile_rows.start * columns, tile_rows.len() * columns);
        let rows = count.next_multiple_of(SMALL);
        // `[group][tile][point]`, where a tile takes an odd number of groups, against
        // collisions in the cache.
        let stride = rows * P;
        let (ks, ns) = (c.input.groups(), c.output.groups());
        let Block { input, output, places, packed } = block;
        grow(input, ks * stride);
        grow(output, OUTPUT_GROUPS * stride);

        let mut found = None;
        for ((pixel, channel, channels), to) in
            Correlation::channel_groups(&c.input).zip(input.chunks_exact_mut(stride))
        {
            if found != Some(pixel) {
                c.find_places(&c.input, T, pixel, first, count, places);
                found = Some(pixel);
            }
            let (channels, strides) = ((channel, channels), (1, P));
            ToPoints::<D, M, R, T> { domain: PhantomData, is_input: true, map: x, places, channels, strides, to }
                .with_simd(simd);
        }
        let mut found = None;
        let mut groups = Correlation::channel_groups(&c.output);
        for first_group in (0..ns).step_by(OUTPUT_GROUPS) {
            let some = OUTPUT_GROUPS.min(ns - first_group);
            let of_group = ks * 16;
            for p in 0..D::REAL {
                let a = Panel { groups: &input[p..], stride };
                let first = p * c.of_point(1) + first_group * of_group;
                let b = Panel { groups: &weights[first..], stride: of_group };
                multiply::<S, P, 1>(simd, a, rows, [b], (ks, some), &mut output[p..], stride, packed);
            }
            for p in (D::REAL..T * T).step_by(2) {
                let a = Panel { groups: &input[p..], stride };
                let point = D::REAL * c.of_point(1) + (p - D::REAL) / 2 * c.of_point(3);
                let b = [0, 1, 2].map(|product| {
                    let first = point + (3 * first_group + product) * of_group;
                    Panel { groups: &weights[first..], stride: 3 * of_group }
                });
                multiply::<S, P, 3>(simd, a, rows, b, (ks, some), &mut output[p..], stride, packed);
            }
            for (from, (pixel, channel, channels)) in output.chunks_exact(stride).zip(groups.by_ref().take(some)) {
                if found != Some(pixel) {
                    c.find_places(&c.output, M, pixel, first, count, places);
                    found = Some(pixel);
                }
                for (from, places) in from.chunks_exact(P).zip(places.chunks_exact(M * M)) {
                    for q in 0..16 / S::F32_LANES {
                        let there = channels.saturating_sub(q * S::F32_LANES).min(S::F32_LANES);
                        if there > 0 {
                            let channel = channel + q * S::F32_LANES;
                            let mut to = Outputs { simd, y: &mut *y, places, start, channel, there, epilogue };
                            let from = TilePoints { groups: from, stride: 1, q, real: D::REAL };
                            D::output::<S>(simd, &from, &mut to);
                        }
                    }
                }
            }
        }
    }
}

/// Where the outputs of a tile go, some channels of them.
struct Outputs<'a, S> {
    simd: S,
    y: &'a mut [f32],
    places: &'a [u32],
    /// Where `y` begins among all outputs.
    start: usize,
    channel: usize,
    there: usize,
    epilogue: Epilogue<'a>,
}

impl<S: Simd> Store<S> for Outputs<'_, S> {
    #[inline(always)]
    fn store(&mut self, at: usize, value: S::f32s) {
        let place = self.places[at];
        if place != OUTSIDE {
            let value = finish::<S>(self.simd, value, self.epilogue, self.channel, self.there);
            let at = place as usize - self.start + self.channel;
            store(self.simd, &mut self.y[at..at + self.there], value);
        }
    }

    #[inline(always)]
    fn store_complex(&mut self, _: usize, _: S::f32s, _: S::f32s) {
        unreachable!("outputs are real");
    }
}

#[inline(always)]
fn finish<S: Simd>(simd: S, value: S::f32s, epilogue: Epilogue<'_>, channel: usize, there: usize) -> S::f32s {
    match epilogue {
        Epilogue::Store => value,
        Epilogue::BiasLeaky { bias, slope } => {
            let value = simd.add_f32s(value, simd.partial_load_f32s(&bias[channel..channel + there]));
            let scaled = simd.mul_f32s(value, simd.splat_f32s(slope));
            simd.select_f32s(simd.greater_than_f32s(value, simd.splat_f32s(0.0)), value, scaled)
        }
    }
}

#[inline(always)]
fn store<S: Simd>(simd: S, to: &mut [f32], value: S::f32s) {
    if to.len() == S::F32_LANES {
        S::as_mut_simd_f32s(to).0[0] = value;
    } else {
        simd.partial_store_f32s(to, value);
    }
}

#[cfg(test)]
mod tests {
    use gen_core::{Activation, LayerSpec, Padding};

    use super::*;

    /// Values that look random, around 0.
    fn values(len: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..len).map(|_| next()).collect()
    }

    /// Calls `f(input value, weight, output value)` for each product of the layer, by the textbook.
    fn for_each_product(op: Op, g: &Geometry, mut f: impl FnMut(usize, usize, usize)) {
        let (i, o, k) = (g.input, g.output, g.y.kernel as isize);
        let (cin, cout) = (usize::from(i.channels), usize::from(o.channels));
        let (stride, pad_y, pad_x) = (g.y.stride as isize, g.y.pad as isize, g.x.pad as isize);
        let transposed = matches!(op, Op::ConvTranspose { .. });
        let (small, large) = if transposed { (i, o) } else { (o, i) };
        for y in 0..small.height as isize {
            for x in 0..small.width as isize {
                for a in 0..k {
                    for b in 0..k {
                        let (row, column) = (stride * y + a - pad_y, stride * x + b - pad_x);
                        if row < 0 || column < 0 || row >= large.height as isize || column >= large.width as isize {
                            continue;
                        }
                        let near = (y * small.width as isize + x) as usize;
                        let far = (row * large.width as isize + column) as usize;
                        let tap = (a * k + b) as usize;
                        for ci in 0..cin {
                            for co in 0..cout {
                                if transposed {
                                    f(near * cin + ci, (ci * (k * k) as usize + tap) * cout + co, far * cout + co);
                                } else {
                                    f(far * cin + ci, (tap * cin + ci) * cout + co, near * cout + co);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Largest difference, as a share of the largest value.
    fn error(ours: &[f32], exact: &[f64]) -> f64 {
        let most = exact.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        ours.iter().zip(exact).fold(0.0f64, |m, (&a, &b)| m.max((f64::from(a) - b).abs())) / most
    }

    /// All vector instructions that this processor has, and none.
    fn archs() -> Vec<Arch> {
        #[cfg(target_arch = "x86_64")]
        let older = pulp::x86::V3::try_new().map(Arch::V3);
        #[cfg(not(target_arch = "x86_64"))]
        let older = None;
        [Arch::Scalar, Arch::new()].into_iter().chain(older).collect()
    }

    /// Of the largest value. Sums over more products have larger errors, but larger values, too.
    const BOUND: f64 = 1e-6;

    /// With tiles that lose digits.
    const LOSSY_BOUND: f64 = 4e-6;

    fn check(op: Op, input: Shape, n: usize) {
        let spec = LayerSpec { op, activation: Activation::Linear };
        let g = spec.geometry(input).unwrap();
        let (x, w, dy) = (values(n * g.input.len(), 1), values(g.weight_count(), 2), values(n * g.output.len(), 3));
        let (mut y, mut dx, mut dw) = (vec![0.0f64; dy.len()], vec![0.0f64; x.len()], vec![0.0f64; w.len()]);
        for p in 0..n {
            let (pi, po) = (p * g.input.len(), p * g.output.len());
            for_each_product(op, &g, |i, k, o| {
                y[po + o] += f64::from(x[pi + i]) * f64::from(w[k]);
                dx[pi + i] += f64::from(dy[po + o]) * f64::from(w[k]);
                dw[k] += f64::from(dy[po + o]) * f64::from(x[pi + i]);
            });
        }
        let mut scratch = Scratch::default();
        for tile in TILES {
            let forward = Correlation::forward(op, &g, tile).unwrap();
            let backward = Correlation::backward(op, &g, tile).unwrap();
            if !forward.has_form() {
                continue;
            }
            for (arch, apart) in archs().into_iter().flat_map(|arch| [(arch, false), (arch, true)]) {
                let parts = |c: Correlation| if apart { c.apart() } else { vec![c] };
                let (mut our_y, mut our_dx, mut our_dw) = (vec![f32::NAN; y.len()], vec![f32::NAN; x.len()], w.clone());
                for part in parts(forward) {
                    let points = &mut Points::default();
                    part.run_on(arch, &w, &x, &mut our_y, Epilogue::Store, points, &mut scratch);
                    part.add_gradient_on(arch, &mut our_dw, &x, &dy, &mut scratch);
                }
                for part in parts(backward) {
                    let points = &mut Points::default();
                    part.run_on(arch, &w, &dy, &mut our_dx, Epilogue::Store, points, &mut scratch);
                }
                our_dw.iter_mut().zip(&w).for_each(|(d, w)| *d -= w);
                let errors = [error(&our_y, &y), error(&our_dx, &dx), error(&our_dw, &dw)];
                let what = format!("{op:?} on {input}, tiles of {tile}, {arch:?}, apart: {apart}");
                println!("{what}: {errors:?}");
                assert!(
                    errors.iter().all(|&e| e < if tile == LOSSY { LOSSY_BOUND } else { BOUND }),
                    "{what}: {errors:?}"
                );
            }
        }
    }

    #[test]
    fn equals_the_textbook_for_every_shape() {
        let conv = |channels, kernel, stride, padding| Op::Conv { channels, kernel, stride, padding };
        let transposed = |channels, kernel, stride, padding| Op::ConvTranspose { channels, kernel, stride, padding };
        let (same, valid) = (Padding::Same, Padding::Valid);
        check(conv(32, 5, 1, same), Shape::new(9, 7, 16), 2);
        check(conv(20, 5, 1, valid), Shape::new(9, 12, 35), 3);
        check(conv(7, 3, 1, same), Shape::new(8, 8, 17), 1);
        check(conv(48, 3, 1, valid), Shape::new(6, 5, 3), 2);
        check(conv(24, 4, 2, same), Shape::new(16, 8, 12), 2);
        check(conv(16, 4, 2, valid), Shape::new(30, 31, 16), 1);
        check(conv(16, 4, 2, same), Shape::new(1, 3, 16), 2);
        check(conv(16, 2, 1, same), Shape::new(5, 5, 16), 1);
        check(transposed(24, 4, 2, same), Shape::new(4, 4, 48), 3);
        check(transposed(12, 4, 2, same), Shape::new(16, 15, 24), 1);
        check(transposed(5, 4, 2, valid), Shape::new(3, 5, 18), 1);
        check(transposed(16, 5, 1, same), Shape::new(6, 6, 16), 1);
        // Squares of two pixels with 3x3 and 5x5 taps.
        check(conv(20, 6, 2, same), Shape::new(12, 9, 18), 2);
        check(conv(16, 6, 2, valid), Shape::new(17, 16, 7), 1);
        check(conv(18, 10, 2, same), Shape::new(16, 13, 16), 1);
        check(transposed(18, 6, 2, same), Shape::new(6, 7, 20), 2);
        check(transposed(7, 6, 2, valid), Shape::new(4, 3, 16), 1);
        check(transposed(16, 10, 2, same), Shape::new(8, 5, 17), 1);
    }

    #[test]
    fn a_bias_and_a_leaky_activation_come_with_it() {
        let op = Op::Conv { channels: 20, kernel: 5, stride: 1, padding: Padding::Same };
        let g = LayerSpec { op, activation: Activation::Linear }.geometry(Shape::new(6, 6, 16)).unwrap();
        let (x, w, bias) = (values(g.input.len(), 1), values(g.weight_count(), 2), values(20, 4));
        let (mut plain, mut fused) = (vec![0.0; g.output.len()], vec![0.0; g.output.len()]);
        let (forward, mut scratch) = (Correlation::forward(op, &g, 8).unwrap(), Scratch::default());
        for arch in archs() {
            let (points, leaky) = (&mut Points::default(), Epilogue::BiasLeaky { bias: &bias, slope: 0.3 });
            forward.run_on(arch, &w, &x, &mut plain, Epilogue::Store, points, &mut scratch);
            forward.run_on(arch, &w, &x, &mut fused, leaky, points, &mut scratch);
            for (i, (p, f)) in plain.iter().zip(&fused).enumerate() {
                let v = p + bias[i % 20];
                assert_eq!(*f, if v > 0.0 { v } else { 0.3 * v });
            }
        }
    }

    #[test]
    fn points_follow_the_weights() {
        let op = Op::Conv { channels: 16, kernel: 4, stride: 2, padding: Padding::Same };
        let g = LayerSpec { op, activation: Activation::Linear }.geometry(Shape::new(8, 8, 16)).unwrap();
        let (x, mut w) = (values(g.input.len(), 1), values(g.weight_count(), 2));
        let forward = Correlation::forward(op, &g, 2).unwrap();
        let (mut kept, mut scratch) = (Points::default(), Scratch::default());
        let mut run = |w: &[f32], points: &mut Points| {
            let mut y = vec![0.0; g.output.len()];
            forward.run(w, &x, &mut y, Epilogue::Store, points, &mut scratch);
            y
        };
        let first = run(&w, &mut kept);
        assert!(kept.correlation.is_some(), "points of a small layer are kept");
        assert_eq!(first, run(&w, &mut kept));
        w[7] += 1.0;
        let second = run(&w, &mut kept);
        assert_ne!(first, second);
        assert_eq!(second, run(&w, &mut Points::default()));
    }
}
