//! Estimates the number of instructions of a layer on a microcontroller without running it.
//!
//! The kernels' loops have next to no branches that depend on data, so their instructions can
//! be counted from the layer's shape: a number for each quad of input channels, each
//! output value, and each call. The numbers below are counted in the assembly
//! (`gen-core/src/kernels/arm/*.s`, `riscv32/riscv32.s`), and fitted to counts under QEMU for
//! code in Rust; `tests/tests/instructions.rs` compares the estimates with counts under QEMU.
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
    /// Cortex-M0 and M0+: `armv6m.s`.
    Mul,
    /// RISC-V with multiplication: `riscv32.s`.
    Riscv,
}

/// All families.
pub const CORES: [Core; 4] = [Core::Dsp, Core::Mla, Core::Mul, Core::Riscv];

/// Instructions of the code around the loops.
struct Costs {
    /// Around a row: finding it, calling its blocks.
    row: u64,
    /// Around a call of a Toeplitz or Winograd kernel.
    call: u64,
    /// Around the sums of a call that become pixels: in the last layer.
    last_layer: u64,
    /// Around an output channel of a Toeplitz call.
    channel: u64,
    /// To requantise and store one value.
    output: u64,
    /// More for such a value with a leaky ReLU.
    leaky: u64,
    /// To make a sum a byte of a pixel.
    pixel: u64,
    /// To stage a quad of channels of one pixel.
    staged: u64,
    /// Around a call of the dot kernel.
    dot_call: u64,
    /// Around an output channel of such a call.
    dot_channel: u64,
    /// For two quads of such a channel.
    dot_quads: u64,
    /// Around the staging of one row of a Winograd tile.
    tile_row: u64,
    /// Of the output transform, for one value.
    transform: u64,
}

const DSP: Costs = Costs {
    row: 400,
    call: 750,
    last_layer: 300,
    channel: 20,
    output: 4,
    leaky: 2,
    pixel: 26,
    staged: 6,
    dot_call: 400,
    dot_channel: 9,
    dot_quads: 11,
    tile_row: 250,
    transform: 5,
};

const MLA: Costs = Costs { output: 6, staged: 12, dot_quads: 21, transform: 42, ..DSP };

const MUL: Costs = Costs {
    row: 2500,
    call: 1740,
    last_layer: 0,
    channel: 71,
    output: 16, // on average: a negative sum takes 8, another one 27
    leaky: 14,
    pixel: 65,
    staged: 29,
    dot_call: 470,
    dot_channel: 65,
    dot_quads: 34,
    tile_row: 640,
    transform: 85,
};

const RISCV: Costs = Costs {
    row: 1470,
    call: 690,
    last_layer: 0,
    channel: 56,
    output: 17,
    leaky: 0,
    pixel: 33,
    staged: 29,
    dot_call: 240,
    dot_channel: 42,
    dot_quads: 38,
    tile_row: 330,
    transform: 54,
};

impl Core {
    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dsp => "Cortex-M4, M7, M33",
            Self::Mla => "Cortex-M3",
            Self::Mul => "Cortex-M0, M0+",
            Self::Riscv => "RISC-V (RV32IM)",
        }
    }

    /// Name for the head of a column.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Dsp => "M4",
            Self::Mla => "M3",
            Self::Mul => "M0",
            Self::Riscv => "RV32",
        }
    }

    /// Block sizes and staging.
    pub fn tiling(self) -> KernelLayout {
        match self {
            Self::Dsp => plan::ARMV7EM,
            Self::Mla => plan::ARMV7M,
            Self::Mul => plan::ARMV6M,
            Self::Riscv => plan::RISCV32,
        }
    }

    /// The family of a target, by its triple.
    pub fn of_target(triple: &str) -> Self {
        match triple.split('-').next() {
            Some("thumbv6m") => Self::Mul,
            Some("thumbv7m") => Self::Mla,
            Some(core) if core.starts_with("riscv32") => Self::Riscv,
            _ => Self::Dsp,
        }
    }

    fn costs(self) -> Costs {
        match self {
            Self::Dsp => DSP,
            Self::Mla => MLA,
            Self::Mul => MUL,
            Self::Riscv => RISCV,
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
        let (tiling, costs) = (self.tiling(), self.costs());
        let (channels, quads) = (u64::from(g.output.channels), rows * g.quads() as u64);
        let mut sum = costs.row;
        for first in 0..g.x.phases() {
            let (taps, count) = (g.x.window(first).taps, g.x.positions(first));
            let mut done = 0;
            while done < count {
                let pixels = tiling.block(taps, count - done, count);
                done = count.min(done + pixels);
                let (k, n) = (taps as u64, pixels as u64);
                sum += costs.call + costs.last_layer(spec) + channels * (costs.channel + n * costs.output(spec));
                sum += self.loops(channels, quads, k, n);
                // Phases that share the staged pixels share the cost of staging.
                let alike = if tiling.shares_phases(taps) { g.x.phases() as u64 } else { 1 };
                sum += quads * (n + k) * costs.staged / alike;
            }
        }
        sum
    }

    /// The loops of a Toeplitz call with `k` taps and `n` pixels.
    fn loops(self, channels: u64, quads: u64, k: u64, n: u64) -> u64 {
        // On the last two a quad is `2 * k` chunks.
        match self {
            Self::Dsp => channels * (quads * quad_quarters(k, n) / 4),
            Self::Mla => {
                // As in `armv7m.s`: words, taps, their shifts, SMLAL, MLA; half an iteration of the loop.
                let words = n / 2 + k - 1;
                let quad = 4 * (words.div_ceil(3) + k + k.div_ceil(2) * (1 + n / 2) + k / 2) + 2;
                let rounds = quads.div_ceil(16 / k);
                channels * (quads * quad + rounds * (6 * n + 14))
            }
            Self::Mul => {
                let turns = if k < 7 { quads.div_ceil(2) } else { quads };
                let (chunk, turn) = if n == 8 { (38, 6) } else { (21, 4) };
                channels * (quads * 2 * k * chunk + turns * turn)
            }
            Self::Riscv => {
                let (two, one) = (2 * k * (4 + 8 * n) + 6, 2 * k * (2 + 9 * n / 2) + 5);
                quads * (channels / 2 * two + channels % 2 * one)
            }
        }
    }

    fn dot(self, spec: &LayerSpec, g: &Geometry, rows: u64) -> u64 {
        let (costs, channels) = (self.costs(), u64::from(g.output.channels));
        let mut sum = costs.row;
        for x in 0..usize::from(g.output.width) {
            let quads = rows * g.quads() as u64 * g.x.window(x).taps as u64;
            sum += costs.dot_call + costs.last_layer(spec);
            sum += channels * (costs.dot_channel + costs.output(spec) + quads * costs.dot_quads / 2);
            // A dense layer stages its input once.
            if g.x.step() > 0 || x == 0 {
                sum += quads * 20;
            }
        }
        sum
    }

    fn winograd(self, spec: &LayerSpec, g: &Geometry, rows: u64, points: u64) -> u64 {
        let costs = self.costs();
        let (channels, quads) = (u64::from(g.output.channels), rows * g.quads() as u64);
        let tiles = self.tiling().winograd_tiles;
        // Instructions to stage a quad of channels of a tile.
        let staged = match (self, points) {
            (Self::Dsp, 5) => 54,
            (Self::Dsp, 6) => 70,
            (Self::Dsp, _) => 128,
            (Self::Mla, _) => 126 * points,
            (Self::Mul, _) => 102 * points,
            (Self::Riscv, _) => 74 * points,
        };
        let mut sum = costs.row;
        for first in 0..g.x.phases() {
            let count = g.x.positions(first);
            for at in (0..count).step_by(TILE * tiles) {
                // Instructions of a pair of channels at a point. With `armv7em.s` a single tile takes fewer.
                let products = match self {
                    Self::Dsp if count - at <= TILE => quads * 6 + quads.div_ceil(8) * 3 + 9,
                    Self::Dsp => quads * 10 + quads.div_ceil(8) * 3 + 9,
                    Self::Mla => quads * 26 + 14,
                    Self::Mul => quads * 149 + 70,
                    Self::Riscv => quads * 98 + 54,
                };
                sum += costs.call + costs.last_layer(spec) + channels.div_ceil(PAIR) * points * products;
            }
            sum += count.div_ceil(TILE) as u64 * rows * (costs.tile_row + g.quads() as u64 * staged);
            sum += channels * count as u64 * (costs.output(spec) + costs.transform);
        }
        sum
    }
}

impl Costs {
    /// Instructions to requantise and store one value.
    fn output(&self, spec: &LayerSpec) -> u64 {
        match spec.activation {
            activation if activation.is_output() => self.pixel,
            Activation::LeakyRelu(_) => self.output + self.leaky,
            _ => self.output,
        }
    }

    /// Instructions around the sums of a call that become pixels.
    fn last_layer(&self, spec: &LayerSpec) -> u64 {
        if spec.activation.is_output() { self.last_layer } else { 0 }
    }
}

/// Instructions of the loops of `armv7em.s` for a quad, in quarters, because the loops are unrolled.
fn quad_quarters(taps: u64, pixels: u64) -> u64 {
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
