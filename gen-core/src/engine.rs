//! Which row is computed when, and where it is kept.
//!
//! A row of the picture needs a few rows of the last layer's input, which need a
//! few rows of the layer before, and so on down to the latent. The engine works
//! backwards from the next row of the picture, computes what is missing, and keeps
//! for each layer only as many input rows as one output row needs: a ring. Nothing
//! is computed twice and no full feature map ever exists.
//!
//! Rows over the top and bottom edge are rows like any other, filled with the zero
//! point; so are the pixels to the left and right, which are part of every ring
//! row. Kernels therefore know no edges.
//!
//! ```text
//! workspace: | ring 0: latent | ring 1 | … | ring n−1 | row of pixels |
//! layer i reads ring i and writes ring i+1, the last one the row of pixels
//! ```

use core::fmt;
use core::marker::PhantomData;

use heapless::Vec;

use crate::blob::{Layer, Model};
use crate::fixed::{pixel, saturate};
use crate::kernels::{Kernels, Native};
use crate::latent::Latent;
use crate::spec::{MAX_LAYERS, MAX_TAPS};

/// The buffer given to [`Engine::new`] is too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WorkspaceTooSmall {
    /// Bytes that the model needs.
    pub needed: usize,
    /// Bytes that were given.
    pub given: usize,
}

impl fmt::Display for WorkspaceTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the model needs a workspace of {} bytes, this one has {}", self.needed, self.given)
    }
}

impl core::error::Error for WorkspaceTooSmall {}

/// Input rows of one layer.
#[derive(Debug, Clone, Copy)]
struct Ring {
    /// Where it begins in the workspace.
    start: usize,
    /// Rows over the top edge that come before row 0.
    pad: usize,
    /// Rows that went in so far, those over the top edge included.
    filled: usize,
    /// Output rows that were made from it so far.
    made: usize,
}

/// Runs a model on a borrowed buffer.
#[derive(Debug)]
pub struct Engine<'m, 'w, K: Kernels = Native> {
    model: &'m Model<'m>,
    workspace: &'w mut [i8],
    rings: Vec<Ring, MAX_LAYERS>,
    kernels: PhantomData<K>,
}

/// Sees every row of every layer as it is computed: for layer-by-layer comparison.
pub trait Tap {
    /// Row `y` of the output of layer `layer`: int8 values, or for the last layer
    /// the bytes of its pixels.
    fn row(&mut self, layer: usize, y: usize, row: &[i8]);
}

/// Sees nothing, costs nothing.
impl Tap for () {
    #[inline(always)]
    fn row(&mut self, _: usize, _: usize, _: &[i8]) {}
}

impl<F: FnMut(usize, usize, &[i8])> Tap for F {
    fn row(&mut self, layer: usize, y: usize, row: &[i8]) {
        self(layer, y, row);
    }
}

impl<'m, 'w> Engine<'m, 'w> {
    /// An engine with the [`Native`] kernels.
    ///
    /// # Errors
    /// [`WorkspaceTooSmall`], with the number that it takes.
    pub fn new(model: &'m Model<'m>, workspace: &'w mut [i8]) -> Result<Self, WorkspaceTooSmall> {
        Self::with_kernels(model, workspace)
    }
}

impl<'m, 'w, K: Kernels> Engine<'m, 'w, K> {
    /// An engine with kernels of choice.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with_kernels(model: &'m Model<'m>, workspace: &'w mut [i8]) -> Result<Self, WorkspaceTooSmall> {
        let (needed, given) = (model.workspace_len(), workspace.len());
        let workspace = workspace.get_mut(..needed).ok_or(WorkspaceTooSmall { needed, given })?;
        let mut start = 0;
        let rings = model.layers().iter().map(|layer| {
            let g = &layer.geometry;
            let ring = Ring { start, pad: g.y.pad_before(), filled: 0, made: 0 };
            start += g.ring_rows() * g.ring_row_len();
            ring
        });
        Ok(Self { model, rings: rings.collect(), workspace, kernels: PhantomData })
    }

    /// Draws the picture of `latent`, handing out rows top to bottom as
    /// `sink(y, pixels)`, three bytes (red, green, blue) a pixel.
    ///
    /// A latent of another length than the model's is cut, or filled up with zeros.
    pub fn generate(&mut self, latent: &Latent, sink: impl FnMut(usize, &[u8])) {
        self.generate_tapped(latent, sink, &mut ());
    }

    /// [`generate`](Self::generate), showing every row of every layer to `tap`.
    pub fn generate_tapped(&mut self, latent: &Latent, mut sink: impl FnMut(usize, &[u8]), tap: &mut impl Tap) {
        self.start(latent);
        for y in 0..self.model.picture().height as usize {
            sink(y, self.next_row(tap));
        }
    }

    /// Clears the rings: every pixel over an edge reads as the zero point.
    fn start(&mut self, latent: &Latent) {
        let mut zero_point = 0; // of the latent
        for (ring, layer) in self.rings.iter_mut().zip(self.model.layers()) {
            let g = &layer.geometry;
            let len = g.ring_rows() * g.ring_row_len();
            self.workspace[ring.start..ring.start + len].fill(zero_point);
            (ring.filled, ring.made) = (0, 0);
            zero_point = layer.zero_point;
        }
        // The latent is an input row like any other, but it has no layer to come from.
        let layer = &self.model.layers()[0];
        let row = slot(layer, &self.rings[0], self.rings[0].pad);
        let inner = inner(layer);
        for (to, &from) in self.workspace[row][inner].iter_mut().zip(latent.steps()) {
            *to = from;
        }
    }

    /// Computes the next row of the picture.
    fn next_row(&mut self, tap: &mut impl Tap) -> &[u8] {
        let layers = self.model.layers();
        let last = layers.len() - 1;
        let mut i = last;
        let picture_row = loop {
            let (layer, ring) = (&layers[i], self.rings[i]);
            let g = &layer.geometry;
            let window = g.y.window(ring.made);
            let first = (window.start + ring.pad as isize) as usize;
            if ring.filled < first + window.taps {
                // The next input row is missing: over an edge, or to be made by the layer before.
                let from_layer = i > 0 && ring.filled >= ring.pad && ring.filled < ring.pad + g.input.height as usize;
                if from_layer {
                    i -= 1;
                } else {
                    if i > 0 {
                        self.workspace[slot(layer, &ring, ring.filled)].fill(layers[i - 1].zero_point);
                    }
                    self.rings[i].filled += 1;
                }
                continue;
            }

            let out_start = self.rings.get(i + 1).map_or(ring.start + g.ring_rows() * g.ring_row_len(), |r| r.start);
            let (rings, output) = self.workspace.split_at_mut(out_start);
            let mut rows: Vec<&[i8], MAX_TAPS> = Vec::new();
            for t in 0..window.taps {
                // Cannot be full: the parser admits no window over MAX_TAPS.
                let _ = rows.push(&rings[slot(layer, &ring, first + t)]);
            }
            let output = match self.rings.get(i + 1) {
                Some(next) => {
                    let row = slot(&layers[i + 1], next, next.filled);
                    let row = &mut output[row.start - out_start..row.end - out_start];
                    &mut row[inner(&layers[i + 1])]
                }
                None => &mut output[..g.output.row_len()],
            };
            if layer.spec.activation.is_output() {
                K::row(layer, window.phase, &rows, |index, channel, acc| {
                    output[index] = pixel(layer.spec.activation, layer.requant(channel).apply(acc)) as i8;
                });
            } else {
                K::row(layer, window.phase, &rows, |index, channel, acc| {
                    output[index] = saturate(layer.requant(channel).apply(acc), layer.zero_point);
                });
            }
            tap.row(i, ring.made, output);
            self.rings[i].made += 1;
            if i == last {
                break out_start..out_start + g.output.row_len();
            }
            i += 1;
            self.rings[i].filled += 1;
        };
        bytemuck::cast_slice(&self.workspace[picture_row])
    }
}

/// Where input row `row`, counted from the topmost row over the edge, lies in the workspace.
fn slot(layer: &Layer<'_>, ring: &Ring, row: usize) -> core::ops::Range<usize> {
    let len = layer.geometry.ring_row_len();
    let start = ring.start + row % layer.geometry.ring_rows() * len;
    start..start + len
}

/// The part of a ring row that is not over an edge.
fn inner(layer: &Layer<'_>) -> core::ops::Range<usize> {
    let start = layer.geometry.x.pad_before() * layer.geometry.input.channels as usize;
    start..start + layer.geometry.input.row_len()
}
