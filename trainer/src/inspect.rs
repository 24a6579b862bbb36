//! What a model costs, layer by layer, and which boards have room for it.

use std::fmt;

use gen_core::spec::{Activation, Op, Padding};
use gen_core::{Engine, Model, Shape};
use indicatif::HumanCount;
use serde::Serialize;

/// Flash that everything but the model is allowed: code, logging, drivers.
pub const CODE_FLASH: usize = 48 * 1024;
/// RAM that everything but the model is allowed: stack, logging, drivers.
pub const CODE_RAM: usize = 20 * 1024;

/// A microcontroller board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Board {
    /// Name.
    pub name: &'static str,
    /// Bytes of flash; where code runs from external flash, that.
    pub flash: usize,
    /// Bytes of internal RAM.
    pub ram: usize,
}

/// The boards that [`inspect`] looks at, smallest RAM first.
pub const BOARDS: [Board; 6] = [
    Board { name: "lm3s6965evb (QEMU)", flash: 256 << 10, ram: 64 << 10 },
    Board { name: "micro:bit v2", flash: 512 << 10, ram: 128 << 10 },
    Board { name: "Nucleo-F411RE", flash: 512 << 10, ram: 128 << 10 },
    Board { name: "STM32F429I-DISC1", flash: 2 << 20, ram: 192 << 10 },
    Board { name: "nRF52840-DK", flash: 1 << 20, ram: 256 << 10 },
    Board { name: "Raspberry Pi Pico 2", flash: 4 << 20, ram: 520 << 10 },
];

/// What [`inspect`] found out about a model. All sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Name of the model.
    pub name: String,
    /// Length of the latent.
    pub latent: usize,
    /// Shape of the picture.
    pub picture: Shape,
    /// First to last.
    pub layers: Vec<LayerRow>,
    /// Trainable values of the float generator, batch norms not counted.
    pub parameters: usize,
    /// Multiply-accumulates for one picture.
    pub macs: u64,
    /// The blob, which stays in flash.
    pub flash: usize,
    /// The engine's buffer in RAM: the rings of all layers and one row of pixels.
    pub workspace: usize,
    /// The row of pixels within [`workspace`](Self::workspace).
    pub pixel_row: usize,
    /// `Model` and `Engine` themselves, on this machine: less where pointers have 32 bits.
    pub structs: usize,
    /// CRC-32 of the blob.
    pub checksum: u32,
    /// One for each of [`BOARDS`].
    pub boards: Vec<BoardFit>,
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
    /// Bytes of weights, biases and multipliers.
    pub weights: usize,
    /// Input rows that are kept.
    pub ring_rows: usize,
    /// Bytes of those rows.
    pub ring: usize,
}

/// Whether a board has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BoardFit {
    /// The board.
    pub board: Board,
    /// Flash left after the blob and [`CODE_FLASH`]; below 0 when it lacks.
    pub flash_left: i64,
    /// RAM left after the workspace, the structs and [`CODE_RAM`]; below 0 when it lacks.
    pub ram_left: i64,
}

impl BoardFit {
    /// Whether there is enough of both.
    pub fn fits(&self) -> bool {
        self.flash_left >= 0 && self.ram_left >= 0
    }
}

/// Adds up what a model costs.
pub fn inspect(model: &Model<'_>) -> Inspection {
    let layers: Vec<_> = model
        .layers()
        .iter()
        .map(|layer| {
            let g = &layer.geometry;
            let words = layer.biases.len() + 2 * usize::from(g.output.channels);
            LayerRow {
                op: op_name(layer.spec.op),
                activation: activation_name(layer.spec.activation),
                output: g.output,
                parameters: g.parameter_count(),
                macs: g.macs(),
                weights: layer.weights.len() + 4 * words,
                ring_rows: g.ring_rows(),
                ring: g.ring_rows() * g.ring_row_len(),
            }
        })
        .collect();
    let (flash, workspace) = (model.size(), model.workspace_len());
    let structs = size_of::<Model<'_>>() + size_of::<Engine<'_, '_>>();
    let left = |has: usize, needs: usize| has as i64 - needs as i64;
    Inspection {
        name: model.name.as_str().into(),
        latent: model.latent_len(),
        picture: model.picture(),
        parameters: layers.iter().map(|l| l.parameters).sum(),
        macs: model.macs(),
        flash,
        workspace,
        pixel_row: model.picture().row_len(),
        structs,
        checksum: model.checksum(),
        boards: BOARDS
            .iter()
            .map(|&board| BoardFit {
                board,
                flash_left: left(board.flash, flash + CODE_FLASH),
                ram_left: left(board.ram, workspace + structs + CODE_RAM),
            })
            .collect(),
        layers,
    }
}

/// `conv 5x5`, `conv 4x4 /2 valid`, `transposed 4x4 x2`: stride 1 and padding
/// "same" go without saying.
fn op_name(op: Op) -> String {
    let (name, sign, kernel, stride, padding) = match op {
        Op::Dense { .. } => return "dense".into(),
        Op::Conv { kernel, stride, padding, .. } => ("conv", '/', kernel, stride, padding),
        Op::ConvTranspose { kernel, stride, padding, .. } => ("transposed", 'x', kernel, stride, padding),
    };
    let stride = if stride == 1 { String::new() } else { format!(" {sign}{stride}") };
    let padding = if padding == Padding::Valid { " valid" } else { "" };
    format!("{name} {kernel}x{kernel}{stride}{padding}")
}

fn activation_name(activation: Activation) -> String {
    match activation {
        Activation::Linear => "linear".into(),
        Activation::Relu => "relu".into(),
        Activation::LeakyRelu(slope) => format!("leaky {slope}"),
        Activation::Tanh => "tanh".into(),
        Activation::Sigmoid => "sigmoid".into(),
        Activation::TanhUnit => "tanh ≥ 0".into(),
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} (crc-32 {:08x}): {} latents -> {}", self.name, self.checksum, self.latent, self.picture)?;
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
                grouped(l.parameters as u64),
                grouped(l.macs),
                grouped(l.weights as u64),
                l.ring_rows,
                grouped(l.ring as u64),
            )?;
        }
        writeln!(f)?;
        writeln!(f, "parameters {:>14}", grouped(self.parameters as u64))?;
        writeln!(f, "MAC        {:>14}  for one picture", grouped(self.macs))?;
        writeln!(f, "flash      {:>14}  bytes: the model file", grouped(self.flash as u64))?;
        writeln!(
            f,
            "RAM        {:>14}  bytes of workspace ({} of them the row of pixels), and",
            grouped(self.workspace as u64),
            grouped(self.pixel_row as u64)
        )?;
        writeln!(f, "           {:>14}  for Model and Engine (on this machine)", grouped(self.structs as u64))?;
        writeln!(f)?;
        writeln!(f, "{:<20} {:>10} {:>9} {:>11} {:>10}", "board, KB", "flash", "RAM", "flash left", "RAM left")?;
        for b in &self.boards {
            let verdict = if b.fits() { "fits" } else { "too small" };
            let kb = |bytes: i64| bytes.div_euclid(1024);
            writeln!(
                f,
                "{:<20} {:>10} {:>9} {:>11} {:>10}  {verdict}",
                b.board.name,
                b.board.flash / 1024,
                b.board.ram / 1024,
                kb(b.flash_left),
                kb(b.ram_left),
            )?;
        }
        write!(
            f,
            "allowed beside the model: {} KB of flash for code, {} KB of RAM for stack and drivers",
            CODE_FLASH / 1024,
            CODE_RAM / 1024
        )
    }
}

/// A number with commas between thousands; a string, because `HumanCount` knows no width.
fn grouped(n: u64) -> String {
    HumanCount(n).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (123_456, "123,456"), (6_264_579, "6,264,579")];
        for (n, text) in cases {
            assert_eq!(grouped(n), text);
        }
    }

    #[test]
    fn operations_have_short_names() {
        let conv = |kernel, stride, padding| op_name(Op::Conv { channels: 8, kernel, stride, padding });
        assert_eq!(conv(5, 1, Padding::Same), "conv 5x5");
        assert_eq!(conv(4, 2, Padding::Valid), "conv 4x4 /2 valid");
        let transposed = Op::ConvTranspose { channels: 8, kernel: 4, stride: 2, padding: Padding::Same };
        assert_eq!(op_name(transposed), "transposed 4x4 x2");
    }
}
