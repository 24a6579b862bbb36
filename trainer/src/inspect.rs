//! Computes the memory and the instructions of a model, layer by layer, and which boards it fits.

use std::fmt;

use gen_core::plan::WorkspacePlan;
use gen_core::spec::WeightTransform;
use gen_core::{Engine, Model, Shape};
use serde::Serialize;

use crate::boards::{self, Board};
use crate::cost::{CORES, Core};
use crate::numbers::grouped;
use crate::text::Plain;

/// Flash reserved for everything but the model: code, fonts, drivers. `firmware/build-support` reserves as much.
pub const CODE_FLASH: usize = 128 * 1024;
/// RAM reserved for everything but the engine: stack, logging, drivers.
pub const CODE_RAM: usize = 20 * 1024;

/// Result of [`inspect`]. All sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Name of the model.
    pub name: String,
    /// Length of the latent.
    pub latent: usize,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// How many numbers a class has at the input of the first layer.
    pub class_width: usize,
    /// Shape of the picture.
    pub picture: Shape,
    /// Layers, first to last.
    pub layers: Vec<LayerRow>,
    /// Trainable values of the float generator, without those of batch normalisation.
    pub parameters: usize,
    /// Multiply-accumulates for one picture.
    pub macs: u64,
    /// Size of the blob, which stays in flash.
    pub flash: usize,
    /// The engine's buffer in RAM, on each of [`CORES`].
    pub workspaces: [WorkspacePlan; CORES.len()],
    /// Estimated instructions for a picture, on each of [`CORES`].
    pub instructions: [u64; CORES.len()],
    /// Size of `Model` and `Engine` on this machine. With 32-bit pointers they are smaller.
    pub structs: usize,
    /// Whether the model fits each board.
    pub boards: Vec<BoardFit>,
    /// The processors of the table of weight transforms. Staging is that of the first.
    pub compared: Vec<Core>,
}

/// One layer of an [`Inspection`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerRow {
    /// Operation in words, such as `conv 3x3`.
    pub op: String,
    /// Activation in words, such as `leaky 0.3`.
    pub activation: String,
    /// Shape of the output.
    pub output: Shape,
    /// Trainable values.
    pub parameters: usize,
    /// Multiply-accumulates for one picture.
    pub macs: u64,
    /// Transform of the packed weights.
    pub transform: WeightTransform,
    /// All transforms that the layer can have; the first is [`WeightTransform::None`].
    pub transforms: Vec<TransformRow>,
    /// Bytes of weights, biases and multipliers.
    pub weights: usize,
    /// Number of input rows in the layer's ring buffer.
    pub ring_rows: usize,
    /// Bytes of those rows.
    pub ring: usize,
}

/// Memory and instructions of a layer with one weight transform.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TransformRow {
    /// The weight transform.
    pub transform: WeightTransform,
    /// Bytes of weights.
    pub flash: usize,
    /// Bytes of staging on each of [`CORES`]; a workspace has memory for the largest of all layers.
    pub staging: [usize; CORES.len()],
    /// Estimated instructions for a picture, on each of [`CORES`].
    pub instructions: [u64; CORES.len()],
}

/// Whether the model fits a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoardFit {
    /// The board.
    pub board: Board,
    /// Flash left after the blob and [`CODE_FLASH`], in bytes; negative if there is too little.
    pub flash_left: i64,
    /// RAM left after the workspace, the structs and [`CODE_RAM`], in bytes; negative if there is too little.
    pub ram_left: i64,
    /// Whether a picture fits the board's display. True without a display.
    pub fits_display: bool,
}

impl BoardFit {
    /// Whether flash, RAM and display are sufficient.
    pub fn fits(&self) -> bool {
        self.has_memory() && self.fits_display
    }

    fn has_memory(&self) -> bool {
        self.flash_left >= 0 && self.ram_left >= 0
    }
}

/// Computes the memory and the instructions of a model.
pub fn inspect(model: &Model<'_>) -> Inspection {
    let layers: Vec<_> = model
        .layers()
        .iter()
        .map(|layer| {
            let g = &layer.geometry;
            let words = g.bias_count() + 2 * usize::from(g.output.channels);
            let transforms =
                [WeightTransform::None, WeightTransform::Winograd].into_iter().filter(|&transform| g.allows(transform));
            LayerRow {
                op: layer.spec.op.to_string(),
                activation: layer.spec.activation.to_string(),
                output: g.output,
                parameters: g.parameter_count(),
                macs: g.macs(),
                transform: layer.transform,
                transforms: transforms
                    .map(|transform| TransformRow {
                        transform,
                        flash: g.packed_len(transform),
                        staging: CORES.map(|core| size_of::<u32>() * core.tiling().staging(g, transform)),
                        instructions: CORES.map(|core| core.instructions(&layer.spec, g, transform)),
                    })
                    .collect(),
                weights: layer.weights_len() + 4 * words,
                ring_rows: g.ring_rows(),
                ring: g.ring_len(),
            }
        })
        .collect();
    let flash = model.size();
    let workspaces = CORES.map(|core| model.workspace_plan(&core.tiling()));
    let structs = size_of::<Engine<'_>>();
    let picture = model.output_shape();
    let left = |has: usize, needs: usize| has as i64 - needs as i64;
    Inspection {
        name: model.name().into(),
        latent: model.latent_len(),
        classes: model.classes().names().map(str::to_owned).collect(),
        class_width: model.classes().width(),
        picture,
        parameters: layers.iter().map(|l| l.parameters).sum(),
        macs: model.macs(),
        flash,
        workspaces,
        instructions: std::array::from_fn(|core| layers.iter().map(|l| l.now().instructions[core]).sum()),
        structs,
        boards: boards::all()
            .into_iter()
            .map(|board| BoardFit {
                flash_left: left(board.flash, flash + CODE_FLASH),
                ram_left: left(board.ram, workspaces[board.core as usize].bytes() + structs + CODE_RAM),
                fits_display: board
                    .display
                    .is_none_or(|[width, height]| picture.width <= width && picture.height <= height),
                board,
            })
            .collect(),
        layers,
        compared: vec![Core::Dsp, Core::Mla],
    }
}

impl LayerRow {
    /// Costs with the present weight transform.
    fn now(&self) -> TransformRow {
        *self.transforms.iter().find(|f| f.transform == self.transform).expect("the parser admits no other transform")
    }

    /// Costs with Winograd-transformed weights, if the layer can have them.
    fn fast(&self) -> Option<TransformRow> {
        self.transforms.iter().copied().find(|f| f.transform == WeightTransform::Winograd)
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} latents -> {}", self.name, self.latent, self.picture)?;
        if !self.classes.is_empty() {
            let names: Vec<_> = self.classes.iter().map(|name| Plain::text(name).to_string()).collect();
            writeln!(f, "{} classes of {} numbers each: {}", names.len(), self.class_width, names.join(", "))?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "{:<20} {:<11} {:>12} {:>11} {:>13} {:>11} {:>5} {:>9}",
            "layer", "activation", "output", "parameters", "MAC", "weights, B", "rows", "ring, B"
        )?;
        for l in &self.layers {
            writeln!(
                f,
                "{:<20} {:<11} {:>12} {:>11} {:>13} {:>11} {:>5} {:>9}",
                l.op,
                l.activation,
                l.output.to_string(),
                grouped(l.parameters),
                grouped(l.macs),
                grouped(l.weights),
                l.ring_rows,
                grouped(l.ring),
            )?;
        }
        writeln!(f)?;
        writeln!(f, "parameters {:>14}", grouped(self.parameters))?;
        writeln!(f, "MAC        {:>14}  for one picture", grouped(self.macs))?;
        writeln!(f, "flash      {:>14}  bytes: the model file", grouped(self.flash))?;
        for (core, memory) in CORES.iter().zip(&self.workspaces) {
            writeln!(
                f,
                "RAM        {:>14}  bytes of workspace on a {} (staging {}, rows {})",
                grouped(memory.bytes()),
                core.name(),
                grouped((memory.staging * size_of::<u32>()) as u64),
                grouped(memory.rings + memory.row),
            )?;
        }
        writeln!(f, "           {:>14}  for the engine and its model (on this machine)", grouped(self.structs))?;
        writeln!(f)?;
        self.write_transforms(f)?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<20} {:>10} {:>9} {:>11} {:>10} {:>9}",
            "board, KiB", "flash", "RAM", "flash left", "RAM left", "display"
        )?;
        for b in &self.boards {
            let verdict = match (b.has_memory(), b.fits_display) {
                (true, true) => "fits",
                (true, false) => "display too small",
                (false, _) => "too small",
            };
            let display = b.board.display.map_or("-".to_owned(), |[width, height]| format!("{width}x{height}"));
            let kb = |bytes: i64| bytes.div_euclid(1024);
            writeln!(
                f,
                "{:<20} {:>10} {:>9} {:>11} {:>10} {display:>9}  {verdict}",
                b.board.name,
                b.board.flash / 1024,
                b.board.ram / 1024,
                kb(b.flash_left),
                kb(b.ram_left),
            )?;
        }
        write!(
            f,
            "allowed beside the model: {} KiB of flash for code, {} KiB of RAM for stack and drivers",
            CODE_FLASH / 1024,
            CODE_RAM / 1024
        )
    }
}

impl Inspection {
    /// Writes a table of both weight transforms of every layer: the additional flash and RAM of Winograd (the workspace
    /// needs the maximum over all layers), and the instructions that it saves.
    fn write_transforms(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |layer: &str, now: &str, memory: [String; 4], instructions: &[[String; 2]]| {
            let [flash, fast, staging, more] = memory;
            write!(f, "{layer:<23} {now:<6} {flash:>11} {fast:>11} {staging:>10} {more:>7}")?;
            instructions.iter().try_for_each(|[direct, fast]| write!(f, " {direct:>14} {fast:>14}"))?;
            writeln!(f)
        };
        let compared = || self.compared.iter().map(|&core| (core as usize, core));
        let number = |n: u64| grouped(n).to_string();
        let or_none = |n: Option<u64>| n.map_or("-".to_owned(), number);
        let first = self.compared.first().map_or(0, |&core| core as usize);
        let heads: Vec<_> =
            compared().map(|(_, core)| [format!("{}, instr.", core.short_name()), "fast".to_owned()]).collect();
        row("layer (--fast-layers)", "now", ["flash, B", "fast", "staging, B", "fast"].map(str::to_owned), &heads)?;
        for (i, l) in self.layers.iter().enumerate() {
            let (direct, fast) = (l.transforms[0], l.fast());
            let memory = [
                number(direct.flash as u64),
                or_none(fast.map(|f| f.flash as u64)),
                number(direct.staging[first] as u64),
                or_none(fast.map(|f| f.staging[first] as u64)),
            ];
            let instructions: Vec<_> = compared()
                .map(|(at, _)| [number(direct.instructions[at]), or_none(fast.map(|f| f.instructions[at]))])
                .collect();
            let now = if l.transform == WeightTransform::None { "small" } else { "fast" };
            row(&format!("{i} {}", l.op), now, memory, &instructions)?;
        }
        // The sums with no layer transformed, and with all that can be transformed.
        let sum = |of: &dyn Fn(&LayerRow) -> u64| number(self.layers.iter().map(of).sum());
        let most = |of: &dyn Fn(&LayerRow) -> u64| number(self.layers.iter().map(of).max().unwrap_or(0));
        let best = |l: &LayerRow| l.fast().unwrap_or(l.transforms[0]);
        let memory = [
            sum(&|l| l.transforms[0].flash as u64),
            sum(&|l| best(l).flash as u64),
            most(&|l| l.transforms[0].staging[first] as u64),
            most(&|l| best(l).staging[first] as u64),
        ];
        let instructions: Vec<_> = compared()
            .map(|(at, _)| [sum(&|l| l.transforms[0].instructions[at]), sum(&|l| best(l).instructions[at])])
            .collect();
        row("all (staging: the most)", "", memory, &instructions)?;
        for (core, instructions) in CORES.iter().zip(self.instructions) {
            writeln!(
                f,
                "as it is now, on a {}: about {} instructions a picture, {:.2} for each MAC",
                core.name(),
                grouped(instructions),
                instructions as f64 / self.macs as f64
            )?;
        }
        Ok(())
    }
}
