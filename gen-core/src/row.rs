//! One output row of one layer: cut into blocks, staged, multiplied.
//!
//! ```text
//! input rows (int8) --stage--> words --kernel--> accumulators --requantise--> output row (int8)
//!                                                            --look up----> pixels
//! ```
//!
//! | way | for |
//! |---|---|
//! | Toeplitz | blocks of neighbouring pixels that read neighbouring inputs: every weight is used for all of them |
//! | Winograd | the same, where the weights are in that form: four pixels a tile |
//! | dot | everything else, pixel by pixel: dense layers, convolutions with a stride, very wide or very narrow ones |
//!
//! Edges exist in staging only: there, pixels over an edge read as the zero point.

use core::fmt;

use crate::blob::Layer;
use crate::certain::{at, part, part_mut, positive, set, split_mut};
use crate::fixed::pixel;
use crate::kernels::{Call, Kernels, Output, quad, spread};
use crate::spec::{Form, Geometry};
use crate::tiling::Tiling;
use crate::winograd::{MAX_POINTS, TILE};

/// Most pixels of a block: of any kernel that there is for the target. An engine with kernels of larger
/// blocks is not compiled.
pub const MAX_BLOCK: usize = if cfg!(all(target_arch = "x86_64", target_feature = "sse2")) { 32 } else { 8 };
/// Channels of a picture.
const RGB: usize = 3;

/// What an output row reads.
#[derive(Clone, Copy)]
pub struct Window<'a> {
    /// Its input rows, top to bottom; `None` for those over an edge.
    pub rows: &'a [Option<&'a [i8]>],
    /// What pixels over an edge read as.
    pub zero_point: i8,
    /// Phase of the output row.
    pub phase: usize,
}

/// Without its values.
impl fmt::Debug for Window<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, zero_point, phase } = self;
        let inside = rows.iter().filter(|row| row.is_some()).count();
        write!(f, "Window {{ rows: {}, inside: {inside}, zero_point: {zero_point}, phase: {phase} }}", rows.len())
    }
}

/// Computes an output row: int8 values, or for the last layer the bytes of pixels.
///
/// `staging` has the length that the kernels' tiling asks for.
pub fn row<K: Kernels>(layer: &Layer<'_>, window: &Window<'_>, staging: &mut [u32], output: &mut [i8]) {
    match (layer.form, layer.geometry.points()) {
        (Form::Winograd, Some(points)) => winograd::<K>(points, layer, window, staging, output),
        _ if K::TILING.is_toeplitz(&layer.geometry) => toeplitz::<K>(layer, window, staging, output),
        _ => dot::<K>(layer, window, staging, output),
    }
}

#[inline(never)]
fn toeplitz<K: Kernels>(layer: &Layer<'_>, window: &Window<'_>, staging: &mut [u32], output: &mut [i8]) {
    let g = &layer.geometry;
    let phases = g.x.phases();
    let (edge, staging) = edge_pixel(g, window, staging);
    let quads = window.rows.len() * g.quads() * K::TILING.words;
    let mut first = 0;
    // The first output pixels are one of each phase.
    while first < phases {
        let start = g.x.window(first);
        let count = g.x.positions(first);
        // Phases that can share the staged pixels: one column more than a single one needs.
        let alike = |&p: &usize| {
            let other = g.x.window(p);
            let shares = other.start == start.start || (other.start == start.start + 1 && K::TILING.shares(start.taps));
            shares && other.taps == start.taps && g.x.positions(p) == count
        };
        let group = first..first + (first..phases).take_while(alike).count();
        first = group.end;
        let mut done = 0;
        while done < count {
            let pixels = K::TILING.block(start.taps, count - done, count);
            // A block that is wider than what is left begins earlier.
            let at = done.min(count - pixels);
            done = at + pixels;
            let plane = pixels + start.taps;
            let columns = plane - usize::from(group.len() == 1);
            let staged = part_mut(staging, ..quads * plane + Tiling::SPARE);
            stage::<K>(g, window, edge, start.start + at as isize, columns, plane, staged);
            K::pack(start.taps, pixels, staged);
            for p in group.clone() {
                let w = g.x.window(p);
                let column = (w.start - start.start) as usize;
                let x = p + at * phases;
                compute(layer, window.phase, w.phase, output, (x, pixels, phases), |call| {
                    K::toeplitz(start.taps, pixels, column, Call { staged, ..call });
                });
            }
        }
    }
}

/// Splits the staging into a pixel over the edge and what is left.
fn edge_pixel<'s>(g: &Geometry, window: &Window<'_>, staging: &'s mut [u32]) -> (&'s [i8], &'s mut [u32]) {
    let (edge, staging) = split_mut(staging, g.quads());
    let edge: &mut [i8] = bytemuck::cast_slice_mut(edge);
    edge.fill(window.zero_point);
    (edge, staging)
}

#[inline(never)]
fn dot<K: Kernels>(layer: &Layer<'_>, window: &Window<'_>, staging: &mut [u32], output: &mut [i8]) {
    let g = &layer.geometry;
    let mut staged = None;
    for x in 0..usize::from(g.output.width) {
        let w = g.x.window(x);
        let words = part_mut(staging, ..window.rows.len() * g.quads() * w.taps * K::TILING.words);
        // All outputs of a dense layer see the same.
        if staged != Some((w.start, w.taps)) {
            let mut words = words.chunks_exact_mut(K::TILING.words);
            for row in window.rows {
                for q in 0..g.quads() {
                    for u in 0..w.taps {
                        let quad =
                            input(g, *row, w.start + u as isize).map_or([window.zero_point; 4], |pixel| quad(pixel, q));
                        if let Some(words) = words.next() {
                            words.copy_from_slice(&spread(quad, words.len())[..words.len()]);
                        }
                    }
                }
            }
            staged = Some((w.start, w.taps));
        }
        compute(layer, window.phase, w.phase, output, (x, 1, 1), |call| K::dot(Call { staged: words, ..call }));
    }
}

/// Calls a kernel for `pixels` outputs at `x`, `x + step`, …, and makes pixels of what
/// it returns if the layer is the last.
fn compute(
    layer: &Layer<'_>,
    row_phase: usize,
    phase: usize,
    output: &mut [i8],
    (x, pixels, step): (usize, usize, usize),
    kernel: impl FnOnce(Call<'_>),
) {
    let channels = usize::from(layer.geometry.output.channels);
    let phase = layer.geometry.phase(row_phase, phase);
    let filters = layer.filters(phase);
    let biases = layer.biases(phase);
    let row = part_mut(output, x * channels..);
    let step = step * channels;
    if layer.spec.activation.is_output() {
        let mut sums = [0; MAX_BLOCK * RGB];
        let sums = part_mut(&mut sums, ..pixels * channels);
        kernel(Call { staged: &[], filters, biases, output: Output::Accumulators(sums) });
        for c in 0..channels {
            let requant = layer.requant(c);
            for (sums, pixels) in sums.chunks_exact(positive(channels)).zip(row.chunks_mut(positive(step))) {
                set(pixels, c, pixel(layer.spec.activation, requant.apply(at(sums, c))) as i8);
            }
        }
    } else {
        let output = Output::Int8 { requants: layer.requants(), zero_point: layer.zero_point, row, step };
        kernel(Call { staged: &[], filters, biases, output });
    }
}

/// Stages `columns` columns of all rows from input column `start` on, as `[row and quad][word][plane]`.
fn stage<K: Kernels>(
    g: &Geometry,
    window: &Window<'_>,
    edge: &[i8],
    start: isize,
    columns: usize,
    plane: usize,
    staged: &mut [u32],
) {
    let (pixel, width, quads) = (usize::from(g.input.channels), usize::from(g.input.width), g.quads());
    // Columns before the row, and those before its end.
    let before = (-start).min(columns as isize).max(0) as usize;
    let inside = (width as isize - start).min(columns as isize).max(before as isize) as usize;
    let words = positive(quads * K::TILING.words * plane);
    for (row, staged) in window.rows.iter().zip(staged.chunks_exact_mut(words)) {
        let (before, inside) = if row.is_some() { (before, inside) } else { (columns, columns) };
        K::stage(edge, 0, quads, before, plane, staged);
        if let Some(row) = row.filter(|_| before < inside) {
            let row = part(row, (start + before as isize) as usize * pixel..);
            let staged = part_mut(staged, before..);
            if pixel.is_multiple_of(4) {
                K::stage(row, pixel, quads, inside - before, plane, staged);
            } else {
                stage_odd(row, pixel, K::TILING.words, inside - before, plane, staged);
            }
        }
        if inside < columns {
            K::stage(edge, 0, quads, columns - inside, plane, part_mut(staged, inside..));
        }
    }
}

/// [`Kernels::stage`] for channels that are no multiple of 4: the last quad is filled up with
/// zeros.
#[inline(never)]
fn stage_odd(row: &[i8], pixel: usize, words: usize, columns: usize, plane: usize, staged: &mut [u32]) {
    for (i, pixel) in row.chunks_exact(positive(pixel)).take(columns).enumerate() {
        for q in 0..pixel.len().div_ceil(4) {
            for (w, &word) in spread(quad(pixel, q), words).iter().take(words).enumerate() {
                set(staged, (q * words + w) * plane + i, word);
            }
        }
    }
}

/// The pixel at a column of an input row; `None` over the edge.
#[inline(always)]
fn input<'a>(g: &Geometry, row: Option<&'a [i8]>, column: isize) -> Option<&'a [i8]> {
    let channels = usize::from(g.input.channels);
    let column = usize::try_from(column).ok().filter(|&column| column < usize::from(g.input.width))?;
    Some(part(row?, column * channels..(column + 1) * channels))
}

#[inline(never)]
fn winograd<K: Kernels>(points: usize, layer: &Layer<'_>, window: &Window<'_>, staging: &mut [u32], output: &mut [i8]) {
    let g = &layer.geometry;
    let (pixel, phases) = (usize::from(g.input.channels), g.x.phases());
    let (words, tiles) = (K::TILING.winograd_words, K::TILING.tiles);
    let per_point = window.rows.len() * g.quads() * words * tiles;
    let (edge, staging) = edge_pixel(g, window, staging);
    let (edge, staged) = (part(edge, ..pixel), part_mut(staging, ..points * per_point));
    // The first output pixels are one of each phase.
    for p in 0..phases {
        let (w, count) = (g.x.window(p), g.x.positions(p));
        for at in (0..count).step_by(tiles * TILE) {
            let count = (count - at).min(tiles * TILE);
            for tile in 0..count.div_ceil(TILE) {
                let start = w.start + (at + tile * TILE) as isize;
                for (r, row) in window.rows.iter().enumerate() {
                    let mut columns = [edge; MAX_POINTS];
                    let columns = part_mut(&mut columns, ..points);
                    for (i, column) in columns.iter_mut().enumerate() {
                        *column = input(g, *row, start + i as isize).unwrap_or(edge);
                    }
                    K::tile(columns, per_point, part_mut(staged, r * g.quads() * words * tiles + tile..));
                }
            }
            let x = p + at * phases;
            compute(layer, window.phase, w.phase, output, (x, count, phases), |call| {
                K::winograd(points, count, Call { staged, ..call });
            });
        }
    }
}
