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
        let channels = g.output.channels as usize;
        let pad = g.x.pad_before();
        for x in 0..g.output.width as usize {
            let w = g.x.window(x);
            let phase = g.phase(row_phase, w.phase);
            // Contiguous in an input row: all channels of all tap columns.
            let start = (w.start + pad as isize) as usize * g.input.channels as usize;
            let len = w.taps * g.input.channels as usize;
            for channel in 0..channels {
                let mut acc = layer.biases.get(phase * channels + channel);
                for (row, filter) in window.iter().zip(layer.filter(phase, channel).chunks_exact(len)) {
                    acc += dot(&row[start..start + len], filter);
                }
                store(x * channels + channel, channel, acc);
            }
        }
    }
}

/// `Σ a·b`. Cannot overflow for a parsed model: see [`crate::fixed`].
#[inline(always)]
fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}
