//! One output row of one layer: cut into blocks, staged, multiplied.
//!
//! ```text
//! input rows (int8) --stage--> words --kernel--> accumulators --requantise--> output row (int8)
//!                                                            --look up----> pixels
//! ```
//!
//! | function | for |
//! |---|---|
//! | `toeplitz` | blocks of neighbouring pixels that read neighbouring inputs: each weight is used for all of them |
//! | `winograd` | the same with transformed weights: four pixels a tile |
//! | `dot` | everything else, pixel by pixel: dense layers, convolutions with a stride, very wide or very narrow ones |
//!
//! Kernels know no edges: staging replaces pixels over an edge by the zero point.
//!
//! # Phase groups
//! The output pixels of a row belong in turn to the phases of the layer, each of which has weights of its own. Phases
//! whose windows begin at the same column, or one column further if the kernels allow it, form a *group*: they
//! use the same staged pixels. A transposed convolution with a 4x4 kernel, stride 2 and padding "same" has two
//! phases of 2 taps, and both form one group. A block of 4 pixels a phase:
//!
//! ```text
//! input column          -1   0   1   2   3   4        staged once: 4 + 2 columns; -1 is over the edge
//!                        |   |   |   |   |   |
//! phase 1, column 0     [0  0]                        output pixel 0 (phase 1) reads columns -1 and 0
//!                           [2   2]                   output pixel 2           reads columns  0 and 1
//!                                …                    output pixels 4 and 6
//! phase 0, column 1         [1   1]                   output pixel 1 (phase 0) reads columns  0 and 1
//!                               [3   3]               output pixel 3           reads columns  1 and 2
//!                                    …                output pixels 5 and 7
//! ```

use core::fmt;

use crate::kernels::{Destination, KernelArgs, Kernels, channels4, widen_i8x4};
use crate::model::Layer;
use crate::no_panic::{get_or_default, nonzero, split_at_mut, subslice, subslice_mut, write};
use crate::plan::{KernelLayout, MAX_BLOCK_PIXELS, kernel_set};
use crate::quant::pixel;
use crate::spec::{Geometry, WeightTransform};
use crate::winograd::{MAX_POINTS, TILE};

/// Channels of a picture.
const RGB: usize = 3;

/// What an output row reads.
#[derive(Clone, Copy)]
pub(crate) struct InputRows<'a> {
    /// The input rows, top to bottom; `None` for rows over an edge.
    pub rows: &'a [Option<&'a [i8]>],
    /// The value of pixels over an edge.
    pub zero_point: i8,
    /// The phase of the output row.
    pub phase: usize,
}

/// Does not print the values.
impl fmt::Debug for InputRows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, zero_point, phase } = self;
        let inside = rows.iter().filter(|row| row.is_some()).count();
        write!(f, "InputRows {{ rows: {}, inside: {inside}, zero_point: {zero_point}, phase: {phase} }}", rows.len())
    }
}

/// Computes an output row: int8 values, or for the last layer the bytes of pixels.
///
/// `staging` has at least [`KernelLayout::staging`] words.
pub(crate) fn row<K: Kernels>(layer: &Layer<'_>, window: &InputRows<'_>, staging: &mut [u32], output: &mut [i8]) {
    match (layer.transform, layer.geometry.winograd_points()) {
        (WeightTransform::Winograd, Some(points)) if K::KERNELS & kernel_set::WINOGRAD != 0 => {
            winograd::<K>(points, layer, window, staging, output);
        }
        _ if K::LAYOUT.is_toeplitz(&layer.geometry) => toeplitz::<K>(layer, window, staging, output),
        _ => dot::<K>(layer, window, staging, output),
    }
}

#[inline(never)]
fn toeplitz<K: Kernels>(layer: &Layer<'_>, window: &InputRows<'_>, staging: &mut [u32], output: &mut [i8]) {
    let g = &layer.geometry;
    let phases = g.x.phases();
    let (edge, staging) = edge_pixel(g, window, staging);
    let quads = window.rows.len() * g.quads() * K::LAYOUT.words_per_quad;
    let mut first = 0;
    // The first `phases` output pixels belong to one phase each.
    while first < phases {
        let start = g.x.window(first);
        let count = g.x.positions(first);
        // Phases of the same group. Their staged pixels have one column more than those of a single phase.
        let alike = |&p: &usize| {
            let other = g.x.window(p);
            let shares =
                other.start == start.start || (other.start == start.start + 1 && K::LAYOUT.shares_phases(start.taps));
            shares && other.taps == start.taps && g.x.positions(p) == count
        };
        let group = first..first + (first..phases).take_while(alike).count();
        first = group.end;
        let mut done = 0;
        while done < count {
            let pixels = K::LAYOUT.block(start.taps, count - done, count);
            // A block that is wider than the rest of the row begins earlier.
            let at = done.min(count - pixels);
            done = at + pixels;
            let plane = pixels + start.taps;
            let columns = plane - usize::from(group.len() == 1);
            let staged = subslice_mut(staging, ..quads * plane + KernelLayout::OVERREAD_WORDS);
            stage::<K>(g, window, edge, start.start + at as isize, columns, plane, staged);
            K::pack(start.taps, pixels, staged);
            for p in group.clone() {
                let w = g.x.window(p);
                let column = (w.start - start.start) as usize;
                let x = p + at * phases;
                compute(layer, window.phase, w.phase, output, (x, pixels, phases), |args| {
                    K::toeplitz(start.taps, pixels, column, KernelArgs { staged, ..args });
                });
            }
        }
    }
}

/// Splits the staging into a pixel over the edge and the rest.
fn edge_pixel<'s>(g: &Geometry, window: &InputRows<'_>, staging: &'s mut [u32]) -> (&'s [i8], &'s mut [u32]) {
    let (edge, staging) = split_at_mut(staging, g.quads());
    let edge: &mut [i8] = bytemuck::cast_slice_mut(edge);
    edge.fill(window.zero_point);
    (edge, staging)
}

#[inline(never)]
fn dot<K: Kernels>(layer: &Layer<'_>, window: &InputRows<'_>, staging: &mut [u32], output: &mut [i8]) {
    let g = &layer.geometry;
    let mut staged = None;
    for x in 0..usize::from(g.output.width) {
        let w = g.x.window(x);
        let words = subslice_mut(staging, ..window.rows.len() * g.quads() * w.taps * K::LAYOUT.words_per_quad);
        // All outputs of a dense layer read the same inputs.
        if staged != Some((w.start, w.taps)) {
            let mut words = words.chunks_exact_mut(K::LAYOUT.words_per_quad);
            for row in window.rows {
                for q in 0..g.quads() {
                    for u in 0..w.taps {
                        let quad = input(g, *row, w.start + u as isize)
                            .map_or([window.zero_point; 4], |pixel| channels4(pixel, q));
                        if let Some(words) = words.next() {
                            words.copy_from_slice(&widen_i8x4(quad, words.len())[..words.len()]);
                        }
                    }
                }
            }
            staged = Some((w.start, w.taps));
        }
        compute(layer, window.phase, w.phase, output, (x, 1, 1), |args| K::dot(KernelArgs { staged: words, ..args }));
    }
}

/// Calls a kernel for `pixels` outputs at `x`, `x + step`, …. If the layer is the last, converts its accumulators to
/// pixels.
fn compute(
    layer: &Layer<'_>,
    row_phase: usize,
    phase: usize,
    output: &mut [i8],
    (x, pixels, step): (usize, usize, usize),
    kernel: impl FnOnce(KernelArgs<'_>),
) {
    let channels = usize::from(layer.geometry.output.channels);
    let phase = layer.geometry.phase(row_phase, phase);
    let filters = layer.filters(phase);
    let biases = layer.biases(phase);
    let row = subslice_mut(output, x * channels..);
    let step = step * channels;
    if layer.spec.activation.is_output() {
        let mut sums = [0; MAX_BLOCK_PIXELS * RGB];
        let sums = subslice_mut(&mut sums, ..pixels * channels);
        kernel(KernelArgs { staged: &[], filters, biases, output: Destination::Accumulators(sums) });
        for c in 0..channels {
            let multiplier = layer.multiplier(c);
            for (sums, pixels) in sums.chunks_exact(nonzero(channels)).zip(row.chunks_mut(nonzero(step))) {
                write(pixels, c, pixel(layer.spec.activation, multiplier.apply(get_or_default(sums, c))) as i8);
            }
        }
    } else {
        let output = Destination::Int8 { multipliers: layer.multipliers(), zero_point: layer.zero_point, row, step };
        kernel(KernelArgs { staged: &[], filters, biases, output });
    }
}

/// Stages `columns` columns of all rows from input column `start` on, as `[row and quad][word][plane]`.
fn stage<K: Kernels>(
    g: &Geometry,
    window: &InputRows<'_>,
    edge: &[i8],
    start: isize,
    columns: usize,
    plane: usize,
    staged: &mut [u32],
) {
    let (pixel, width, quads) = (usize::from(g.input.channels), usize::from(g.input.width), g.quads());
    // Number of columns before the row, and before its end.
    let before = (-start).min(columns as isize).max(0) as usize;
    let inside = (width as isize - start).min(columns as isize).max(before as isize) as usize;
    let words = quads * K::LAYOUT.words_per_quad * plane;
    let mut left = staged;
    for row in window.rows {
        // Not `chunks_exact_mut`, which divides.
        let (staged, more) = split_at_mut(left, words);
        left = more;
        let (before, inside) = if row.is_some() { (before, inside) } else { (columns, columns) };
        K::stage(edge, 0, quads, before, plane, staged);
        if let Some(row) = row.filter(|_| before < inside) {
            let row = subslice(row, (start + before as isize) as usize * pixel..);
            let staged = subslice_mut(staged, before..);
            if pixel.is_multiple_of(4) {
                K::stage(row, pixel, quads, inside - before, plane, staged);
            } else {
                stage_odd(row, pixel, K::LAYOUT.words_per_quad, inside - before, plane, staged);
            }
        }
        if inside < columns {
            K::stage(edge, 0, quads, columns - inside, plane, subslice_mut(staged, inside..));
        }
    }
}

/// [`Kernels::stage`] for a number of channels that is not a multiple of 4: the last quad is padded with zeros.
#[inline(never)]
fn stage_odd(row: &[i8], pixel: usize, words: usize, columns: usize, plane: usize, staged: &mut [u32]) {
    for (i, pixel) in row.chunks_exact(nonzero(pixel)).take(columns).enumerate() {
        for q in 0..pixel.len().div_ceil(4) {
            for (w, &word) in widen_i8x4(channels4(pixel, q), words).iter().take(words).enumerate() {
                write(staged, (q * words + w) * plane + i, word);
            }
        }
    }
}

/// The pixel at a column of an input row; `None` over the edge.
#[inline(always)]
fn input<'a>(g: &Geometry, row: Option<&'a [i8]>, column: isize) -> Option<&'a [i8]> {
    let channels = usize::from(g.input.channels);
    let column = usize::try_from(column).ok().filter(|&column| column < usize::from(g.input.width))?;
    Some(subslice(row?, column * channels..(column + 1) * channels))
}

#[inline(never)]
fn winograd<K: Kernels>(
    points: usize,
    layer: &Layer<'_>,
    window: &InputRows<'_>,
    staging: &mut [u32],
    output: &mut [i8],
) {
    let g = &layer.geometry;
    let (pixel, phases) = (usize::from(g.input.channels), g.x.phases());
    let (words, tiles) = (K::LAYOUT.winograd_words, K::LAYOUT.winograd_tiles);
    let per_point = window.rows.len() * g.quads() * words * tiles;
    let (edge, staging) = edge_pixel(g, window, staging);
    let (edge, staged) = (subslice(edge, ..pixel), subslice_mut(staging, ..points * per_point));
    // The first `phases` output pixels belong to one phase each.
    for p in 0..phases {
        let (w, count) = (g.x.window(p), g.x.positions(p));
        for at in (0..count).step_by(tiles * TILE) {
            let count = (count - at).min(tiles * TILE);
            for tile in 0..count.div_ceil(TILE) {
                let start = w.start + (at + tile * TILE) as isize;
                for (r, row) in window.rows.iter().enumerate() {
                    let mut columns = [edge; MAX_POINTS];
                    let columns = subslice_mut(&mut columns, ..points);
                    for (i, column) in columns.iter_mut().enumerate() {
                        *column = input(g, *row, start + i as isize).unwrap_or(edge);
                    }
                    K::tile(columns, per_point, subslice_mut(staged, r * g.quads() * words * tiles + tile..));
                }
            }
            let x = p + at * phases;
            compute(layer, window.phase, w.phase, output, (x, count, phases), |args| {
                K::winograd(points, count, KernelArgs { staged, ..args });
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    /// Also through `defmt::Debug2Format`, which is slow over a debug probe.
    #[test]
    fn debug_prints_the_number_of_rows_and_not_their_values() {
        let rows = InputRows { rows: &[Some(&[1; 300]), None], zero_point: 3, phase: 1 };
        let line = format!("{rows:?}");
        assert!(line.contains("rows: 2, inside: 1") && line.len() < 250 && !line.contains('\n'), "{line}");
    }
}
