//! Plain Rust, the same for every processor.

use super::Kernels;
use crate::blob::Layer;

/// One dot product for each output value.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

impl Kernels for Portable {
    const NAME: &'static str = "portable";

    fn row(layer: &Layer<'_>, row_phase: usize, window: &[&[i8]], mut store: impl FnMut(usize, usize, i32)) {
        let g = &layer.geometry;
        let (channels, width) = (g.output.channels as usize, g.output.width as usize);
        let (pixel, pad, phases) = (g.input.channels as usize, g.x.pad_before(), g.x.phases());
        // Pixels of one phase share their weights, so each filter is used along the
        // whole row before the next one is fetched: weights may be far away.
        for first in 0..phases.min(width) {
            let w = g.x.window(first);
            let phase = g.phase(row_phase, w.phase);
            // Contiguous in an input row: all channels of all tap columns.
            let len = w.taps * pixel;
            let start = (w.start + pad as isize) as usize * pixel;
            // From one pixel of the phase to the next; unused when there is only one.
            let step = (g.x.window(first + phases).start - w.start) as usize * pixel;
            let filters = layer.filters(phase).chunks_exact(len * window.len());
            for (channel, filter) in filters.enumerate() {
                let bias = layer.biases.get(phase * channels + channel);
                let mut start = start;
                for x in (first..width).step_by(phases) {
                    let (mut acc, mut rest) = (bias, filter);
                    for row in window {
                        let taps;
                        (taps, rest) = rest.split_at(len);
                        acc += dot(&row[start..start + len], taps);
                    }
                    store(x * channels + channel, channel, acc);
                    start += step;
                }
            }
        }
    }
}

/// `Σ a·b`. Cannot overflow for a parsed model: see [`crate::fixed`].
///
/// In blocks of a fixed length, which compilers unroll, and on x86 turn into
/// `pmaddwd`: two to three times as fast there as one plain loop.
#[inline(always)]
fn dot(a: &[i8], b: &[i8]) -> i32 {
    let (a_blocks, a) = a.as_chunks::<16>();
    let (b_blocks, b) = b.as_chunks::<16>();
    let blocks: i32 = a_blocks.iter().zip(b_blocks).map(|(a, b)| plain_dot(a, b)).sum();
    blocks + plain_dot(a, b)
}

#[inline(always)]
fn plain_dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}
