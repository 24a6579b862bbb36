//! Estimates the number of instructions of a layer on a Cortex-M without running it.
//!
//! The kernels' loops have no branches that depend on data, so their instructions can
//! be counted from the layer's shape: a number for each quad of input channels, each
//! output value, and each call. The numbers below are counted in the assembly
//! (`gen-core/src/kernels/arm/*.s`), and fitted to counts under QEMU for kernels in Rust;
//! `tests/tests/instructions.rs` compares the estimates with counts under QEMU.
//!
//! Instructions are not cycles.

use gen_core::plan::{self, KernelLayout};
use gen_core::spec::{Activation, Geometry, LayerSpec, WeightTransform};
use serde::Serialize;

/// Output channels whose products are computed together.
const PAIR: u64 = gen_core::plan::PAIR as u64;
/// Output pixels of a Winograd tile.
const TILE: usize = gen_core::plan::TILE;

/// A family of processors that shares its kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Core {
    /// Cortex-M4, M7 and M33: `armv7em.s`.
    Dsp,
    /// Cortex-M3: `armv7m.s`.
    Mla,
}

/// All families.
pub const CORES: [Core; 2] = [Core::Dsp, Core::Mla];

impl Core {
    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dsp => "Cortex-M4, M7, M33",
            Self::Mla => "Cortex-M3",
        }
    }

    /// Block sizes and staging.
    pub fn tiling(self) -> KernelLayout {
        match self {
            Self::Dsp => plan::ARMV7EM,
            Self::Mla => plan::ARMV7M,
        }
    }

    /// Instructions of a layer with this weight transform, which it must support, for one picture.
    pub fn instructions(self, spec: &LayerSpec, g: &Geometry, transform: WeightTransform) -> u64 {
        let tiling = self.tiling();
        (0..usize::from(g.output.height))
            .map(|y| {
                let rows = g.y.window(y).taps as u64;
                match (transform, g.winograd_points()) {
                    (WeightTransform::Winograd, Some(points)) => self.winograd(spec, g, rows, points as u64),
                    _ if tiling.is_toeplitz(g) => self.toeplitz(spec, g, rows),
                    _ => self.dot(spec, g, rows),
                }
            })
            .sum()
    }

    fn toeplitz(self, spec: &LayerSpec, g: &Geometry, rows: u64) -> u64 {
        let tiling = self.tiling();
        let (channels, quads) = (u64::from(g.output.channels), rows * g.quads() as u64);
        let mut sum = ROW;
        for first in 0..g.x.phases() {
            let (taps, count) = (g.x.window(first).taps, g.x.positions(first));
            let mut done = 0;
            while done < count {
                let pixels = tiling.block(taps, count - done, count);
                done = count.min(done + pixels);
                let (k, n) = (taps as u64, pixels as u64);
                let loops = match self {
                    Self::Dsp => quads * quad_quarters(taps, pixels) / 4,
                    Self::Mla => {
                        // As in `armv7m.s`: words, taps, their shifts, SMLAL, MLA; half an iteration of the loop.
                        let words = n / 2 + k - 1;
                        let quad = 4 * (words.div_ceil(3) + k + k.div_ceil(2) * (1 + n / 2) + k / 2) + 2;
                        let rounds = quads.div_ceil(16 / k);
                        quads * quad + rounds * (6 * n + 14)
                    }
                };
                sum += CALL + last_layer(spec) + channels * (CHANNEL + n * self.output(spec) + loops);
                // Phases that share the staged pixels share the cost of staging.
                let alike = if tiling.shares_phases(taps) { g.x.phases() as u64 } else { 1 };
                sum += quads * (n + k) * self.staged() / alike;
            }
        }
        sum
    }

    fn dot(self, spec: &LayerSpec, g: &Geometry, rows: u64) -> u64 {
        let channels = u64::from(g.output.channels);
        let mut sum = ROW;
        for x in 0..usize::from(g.output.width) {
            let quads = rows * g.quads() as u64 * g.x.window(x).taps as u64;
            let quad = match self {
                Self::Dsp => 11,
                Self::Mla => 21,
            };
            sum += DOT_CALL + last_layer(spec) + channels * (DOT_CHANNEL + self.output(spec) + quads * quad / 2);
            // A dense layer stages its input once.
            if g.x.step() > 0 || x == 0 {
                sum += quads * 20;
            }
        }
        sum
    }

    fn winograd(self, spec: &LayerSpec, g: &Geometry, rows: u64, points: u64) -> u64 {
        let (channels, quads) = (u64::from(g.output.channels), rows * g.quads() as u64);
        let tiles = self.tiling().winograd_tiles;
        let mut sum = ROW;
        for first in 0..g.x.phases() {
            let count = g.x.positions(first);
            // Instructions of the output transform.
            let transform = match self {
                Self::Dsp => 5,
                Self::Mla => 42,
            };
            // Instructions to stage a quad of channels of a tile.
            let staged = match (self, points) {
                (Self::Dsp, 5) => 54,
                (Self::Dsp, 6) => 70,
                (Self::Dsp, _) => 128,
                (Self::Mla, _) => 126 * points,
            };
            for at in (0..count).step_by(TILE * tiles) {
                // Instructions of a pair of channels at a point. A single tile takes fewer.
                let products = match self {
                    Self::Dsp if count - at <= TILE => quads * 6 + quads.div_ceil(8) * 3 + 9,
                    Self::Dsp => quads * 10 + quads.div_ceil(8) * 3 + 9,
                    Self::Mla => quads * 26 + 14,
                };
                sum += CALL + last_layer(spec) + channels.div_ceil(PAIR) * points * products;
            }
            sum += count.div_ceil(TILE) as u64 * rows * (TILE_CALL + g.quads() as u64 * staged);
            sum += channels * count as u64 * (self.output(spec) + transform);
        }
        sum
    }

    /// Instructions to requantise and store one value.
    fn output(self, spec: &LayerSpec) -> u64 {
        match (self, spec.activation) {
            (_, activation) if activation.is_output() => 26,
            (Self::Dsp, Activation::LeakyRelu(_)) => 6,
            (Self::Dsp, _) => 4,
            (Self::Mla, Activation::LeakyRelu(_)) => 8,
            (Self::Mla, _) => 6,
        }
    }

    /// Instructions to stage a quad of channels of one pixel.
    fn staged(self) -> u64 {
        match self {
            Self::Dsp => 6,
            Self::Mla => 12,
        }
    }
}

/// Instructions around the sums of a call that become pixels: in the last layer.
fn last_layer(spec: &LayerSpec) -> u64 {
    if spec.activation.is_output() { 300 } else { 0 }
}

/// Instructions of the loops of `armv7em.s` for a quad, in quarters, because the loops are unrolled.
fn quad_quarters(taps: usize, pixels: usize) -> u64 {
    match (taps, pixels) {
        (1, 8) => 111,
        (1, _) => 59,
        (2, 8) => 191,
        (2, _) => 103,
        (3, 8) => 280,
        (3, _) => 150,
        (4, 6) => 270,
        (4, _) => 194,
        (5, 6) => 340,
        (5, 5) => 286,
        (5, _) => 238,
        (6, 5) => 344,
        (6, _) => 282,
        _ => 336,
    }
}

/// Instructions around a row: finding it, calling its blocks.
const ROW: u64 = 400;
/// Instructions around a call.
const CALL: u64 = 750;
/// Instructions around the staging of one row of a tile.
const TILE_CALL: u64 = 250;
/// Instructions around an output channel of a Toeplitz call.
const CHANNEL: u64 = 20;
/// Instructions around a call of the dot kernel.
const DOT_CALL: u64 = 400;
/// Instructions around an output channel of such a call.
const DOT_CHANNEL: u64 = 9;
