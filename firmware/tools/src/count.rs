//! Counts what a picture takes on a board: instructions, RAM, flash.
//!
//! The program `count` of the firmware does it, with the timer of a board whose time is
//! instructions. QEMU has no pipeline, caches or wait states: the numbers are instructions and
//! not cycles, exact, and the same on every machine.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gen_core::Model;
use gen_core::aligned;
use gen_core::plan::{self, KernelLayout};

use crate::boards::Board;
use crate::build::build_quietly;
use crate::pictures::on_host;
use crate::qemu::{Options, Qemu};

/// The number of the picture that is counted, if there is no reason to take another.
pub const SEED: u32 = 42;
/// Some 30 G instructions for the largest network: a minute where nothing else runs.
const LIMIT: Duration = Duration::from_secs(900);
/// Flash of the program beside its model, at the most.
const PROGRAM: u64 = 64 * 1024;

/// A network to be counted.
#[derive(Debug, Clone)]
pub struct Network {
    /// Its name in tables and budgets.
    pub name: &'static str,
    /// The model.
    pub blob: Vec<u8>,
}

/// How the network is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// Its name in tables and budgets.
    pub name: &'static str,
    /// Features of the firmware that choose it.
    pub features: &'static [&'static str],
    /// Whether the model's weights are packed for speed.
    pub fast: bool,
}

impl Variant {
    /// Block sizes of the kernels that it has on a board.
    pub fn tiling(&self, board: Board) -> KernelLayout {
        plan::for_target(board.triple, |feature| {
            self.features.contains(&feature) || (feature == "mve" && board.has_mve)
        })
    }
}

/// int8 weights, and the kernels that gen-core has for the core.
pub const INT8: Variant = Variant { name: "int8", features: &[], fast: false };
/// Layers in Winograd form where that saves instructions on a Cortex-M4 and fits 16 MiB.
pub const FAST: Variant = Variant { name: "fast", features: &[], fast: true };
/// int8 weights, and the kernels in plain Rust.
pub const PORTABLE: Variant = Variant { name: "portable", features: &["portable"], fast: false };

/// What a picture takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Name of the kernels.
    pub kernels: String,
    /// Bytes of the model: flash, or external memory.
    pub model: usize,
    /// Bytes of the engine's workspace.
    pub workspace: usize,
    /// Bytes of its structs.
    pub structs: usize,
    /// Bytes of stack.
    pub stack: Stack,
    /// Instructions to check the model, once.
    pub parse: u64,
    /// Every layer.
    pub layers: Vec<Layer>,
    /// Instructions of the whole picture.
    pub picture: u64,
    /// The picture, three bytes (red, green, blue) a pixel: the same as the host's.
    pub pixels: Vec<u8>,
}

/// What a layer takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// What it is: `conv_transpose 64>48`.
    pub name: String,
    /// Multiply-accumulates by definition, however they are computed.
    pub macs: u64,
    /// Instructions in all its rows.
    pub instructions: u64,
}

/// Bytes of stack, from where the caller of gen-core stands. Whatever its caller does with
/// the rows, and an interrupt, are part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack {
    /// To check the model.
    pub parse: usize,
    /// To draw a picture.
    pub draw: usize,
    /// Of the whole program, log and structs included.
    pub program: usize,
    /// What `memory.x` has for it.
    pub size: usize,
}

impl Count {
    /// RAM that drawing takes: workspace, structs, and the stack that was really used.
    pub fn ram(&self) -> usize {
        // Model and engine outlive the parser's stack, which is used before anything is drawn.
        self.workspace + self.structs + self.stack.parse.max(self.stack.draw)
    }

    /// Multiply-accumulates of the picture.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|layer| layer.macs).sum()
    }
}

/// Counts picture [`SEED`] of a network, and compares it with the host's.
///
/// # Errors
/// When the program does not build or fails, when it draws something else than the host, or
/// when the layers do not sum up to the picture.
pub fn count(board: Board, network: &Network, variant: Variant) -> Result<Count> {
    let blob = &network.blob;
    let bytes = aligned(blob);
    let model = Model::parse(&bytes)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(format!("{}.gen", network.name));
    std::fs::write(&path, blob)?;
    let external = blob.len() as u64 + PROGRAM > board.flash;
    let mut features = variant.features.to_vec();
    if external {
        features.push("external-model");
    }
    let program = build_quietly(board, "qemu-count-instructions", Some(&path), &features)?;
    let (log, pixels) = run(board, &program, external.then_some(&*path))?;
    let counted = Log::parse(&log).with_context(|| format!("the log of count on {}:\n{log}", board.name))?;

    let host = on_host(blob, &[SEED])?;
    ensure!(
        counted.crc == crc32fast::hash(&pixels) && pixels == host.bytes,
        "{} draws another {} than the host: crc {:08x} instead of {:08x}",
        board.name,
        network.name,
        counted.crc,
        crc32fast::hash(&host.bytes)
    );
    let sum: u64 = counted.layers.iter().sum();
    ensure!(
        sum.abs_diff(counted.picture) <= counted.picture / 50,
        "the layers of {} on {} take {sum} instructions, the picture {}",
        network.name,
        board.name,
        counted.picture
    );
    ensure!(counted.layers.len() == model.layers().len(), "another number of layers than the model has:\n{log}");
    let Stack { parse, draw, program, size } = counted.stack;
    ensure!(
        0 < parse && 0 < draw && parse.max(draw) < program && program < size,
        "stacks cannot be that large:\n{log}"
    );
    ensure!(
        (counted.model, counted.workspace) == (blob.len(), model.workspace_plan(&variant.tiling(board)).bytes()),
        "another model than the program was built for:\n{log}"
    );
    let layers = model.layers().iter().zip(counted.layers).map(|(layer, instructions)| Layer {
        name: layer_name(layer),
        macs: layer.geometry.macs(),
        instructions,
    });
    Ok(Count {
        kernels: counted.kernels,
        model: counted.model,
        workspace: counted.workspace,
        structs: counted.structs,
        stack: counted.stack,
        parse: counted.parse,
        layers: layers.collect(),
        picture: counted.picture,
        pixels,
    })
}

/// Log, and what came over UART 0.
fn run(board: Board, program: &[u8], external_model: Option<&Path>) -> Result<(String, Vec<u8>)> {
    let folder = tempfile::tempdir()?;
    let serial = folder.path().join("uart");
    let options = Options {
        settings: vec![format!("seed={SEED}")],
        serial: Some(serial.clone()),
        external_model: external_model.map(Path::to_owned),
        limit: Some(LIMIT),
        ..Options::default()
    };
    let mut log = String::new();
    let code = Qemu::start(board, program, &options)?.finish(|line| log.extend([line, "\n"]))?;
    ensure!(code == 0, "count on {} returned {code}:\n{log}", board.name);
    Ok((log, std::fs::read(serial)?))
}

fn layer_name(layer: &gen_core::Layer<'_>) -> String {
    use gen_core::spec::Op;
    let g = &layer.geometry;
    let (from, to) = (g.input.channels, g.output.channels);
    match layer.spec.op {
        Op::Dense { .. } => format!("dense {}>{}", g.input.len(), g.output.len()),
        Op::Conv { kernel, .. } => format!("conv {kernel}x{kernel} {from}>{to}"),
        Op::ConvTranspose { kernel, stride, .. } => format!("conv_transpose {kernel}x{kernel}/{stride} {from}>{to}"),
    }
}

/// What the program says.
#[derive(Debug, PartialEq, Eq)]
struct Log {
    kernels: String,
    model: usize,
    workspace: usize,
    structs: usize,
    parse: u64,
    picture: u64,
    crc: u32,
    layers: Vec<u64>,
    stack: Stack,
}

impl Log {
    fn parse(log: &str) -> Result<Self> {
        let line = |name: &str| {
            let mut found = log.lines().filter_map(|line| line.strip_prefix("INFO  ")?.strip_prefix(name));
            found.find_map(|rest| rest.strip_prefix(' ')).with_context(|| format!("no line \"{name}\""))
        };
        let (picture, crc) = line("picture")?.split_once(" crc ").context("no crc")?;
        let (program, size) = line("stack")?.split_once(" of ").context("no size of the stack")?;
        let layers = (0..).map_while(|i| line(&format!("layer {i}")).ok());
        Ok(Self {
            kernels: line("kernels")?.to_owned(),
            model: number(line("model")?)?,
            workspace: number(line("workspace")?)?,
            structs: number(line("structs")?)?,
            parse: number(line("parse")?)?,
            picture: number(picture)?,
            crc: u32::from_str_radix(crc, 16).with_context(|| format!("no checksum: {crc}"))?,
            layers: layers.map(number).collect::<Result<_>>()?,
            stack: Stack {
                parse: number(line("stack-to-parse")?)?,
                draw: number(line("stack-to-draw")?)?,
                program: number(program)?,
                size: number(size)?,
            },
        })
    }
}

fn number<T: FromStr>(text: &str) -> Result<T> {
    text.parse().ok().with_context(|| format!("no number: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
INFO  kernels portable
INFO  model 71600
INFO  workspace 3432
INFO  structs 1368
INFO  parse 640000
INFO  picture 12000000 crc 0985c7c9
INFO  layer 0 1000000
INFO  layer 1 11000000
INFO  stack-to-parse 2000
INFO  stack-to-draw 900
INFO  stack 4000 of 12288
";

    #[test]
    fn a_log_is_read() -> Result<()> {
        let expected = Log {
            kernels: "portable".into(),
            model: 71600,
            workspace: 3432,
            structs: 1368,
            parse: 640_000,
            picture: 12_000_000,
            crc: 0x0985_c7c9,
            layers: vec![1_000_000, 11_000_000],
            stack: Stack { parse: 2000, draw: 900, program: 4000, size: 12_288 },
        };
        assert_eq!(Log::parse(LOG)?, expected);
        Ok(())
    }

    #[test]
    fn a_log_that_lacks_a_line_is_refused() {
        for line in LOG.lines().filter(|line| !line.contains("layer")) {
            let name = line.split_whitespace().nth(1).unwrap_or_default();
            let said = Log::parse(&LOG.replace(&format!("{line}\n"), "")).map_err(|e| e.to_string());
            assert_eq!(said, Err(format!("no line \"{name}\"")));
        }
    }
}
