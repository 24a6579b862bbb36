//! Measures a picture on a board: instructions, RAM, flash.
//!
//! This runs the firmware's program `qemu-count-instructions`, which counts with a timer of the emulated board. QEMU models
//! no pipeline, caches or wait states: the numbers are instructions, not cycles. They are exact, and the same on every
//! machine.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gen_core::Model;
use gen_core::aligned;
use gen_core::plan::{self, KernelLayout};

use crate::boards::Board;
use crate::build::build_quietly;
use crate::pictures::one_on_host;
use crate::qemu::{Options, Qemu};

/// The number of the picture that is measured by default.
pub const SEED: u32 = 42;
/// Time limit. The largest network takes some 30 G instructions, a minute on an idle machine.
const LIMIT: Duration = Duration::from_secs(900);
/// Limit for the flash of the program without its model, in bytes.
const PROGRAM: u64 = 64 * 1024;

/// A network to measure.
#[derive(Debug, Clone)]
pub struct Network {
    /// Name in tables and budgets.
    pub name: &'static str,
    /// The model file.
    pub blob: Vec<u8>,
}

/// How the network is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// Name in tables and budgets.
    pub name: &'static str,
    /// Features of the firmware that select the variant.
    pub features: &'static [&'static str],
    /// Whether layers use the Winograd weight transform.
    pub fast: bool,
}

impl Variant {
    /// The layout of the variant's kernels on a board.
    pub fn tiling(&self, board: Board) -> KernelLayout {
        plan::for_target(board.triple, |feature| {
            self.features.contains(&feature) || (feature == "mve" && board.has_mve)
        })
    }
}

/// int8 weights, with gen-core's kernels for the core.
pub const INT8: Variant = Variant { name: "int8", features: &[], fast: false };
/// The Winograd transform in layers where it saves instructions on a Cortex-M4 and the model fits 16 MiB.
pub const FAST: Variant = Variant { name: "fast", features: &[], fast: true };
/// int8 weights, with the kernels in plain Rust.
pub const PORTABLE: Variant = Variant { name: "portable", features: &["portable"], fast: false };

/// The measurements of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Name of the kernels.
    pub kernels: String,
    /// Bytes of the model: flash, or external memory.
    pub model: usize,
    /// Bytes of the engine's workspace.
    pub workspace: usize,
    /// Bytes of the engine's structs.
    pub structs: usize,
    /// Bytes of stack.
    pub stack: Stack,
    /// Instructions to check the model, once.
    pub parse: u64,
    /// The layers.
    pub layers: Vec<Layer>,
    /// Instructions of the whole picture.
    pub picture: u64,
    /// The picture, three bytes (red, green, blue) for each pixel; equal to the host's.
    pub pixels: Vec<u8>,
}

/// The measurements of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Name, such as `conv_transpose 64>48`.
    pub name: String,
    /// Multiply-accumulates by the definition of the layer, however it is computed.
    pub macs: u64,
    /// Instructions of all its rows.
    pub instructions: u64,
}

/// Bytes of stack below the frame of gen-core's caller, including the stack of the sink for the rows and of an interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack {
    /// Stack to check the model.
    pub parse: usize,
    /// Stack to draw a picture.
    pub draw: usize,
    /// Stack of the whole program, including log and structs.
    pub program: usize,
    /// Size of the stack in `memory.x`.
    pub size: usize,
}

impl Count {
    /// Bytes of RAM to draw a picture: workspace, structs, and the used stack.
    pub fn ram(&self) -> usize {
        // The stack of the parser is free again when a picture is drawn, so only the larger of the two counts.
        self.workspace + self.structs + self.stack.parse.max(self.stack.draw)
    }

    /// Multiply-accumulates of the picture.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|layer| layer.macs).sum()
    }
}

/// Measures picture [`SEED`] of a network, and compares it with the host's picture.
///
/// # Errors
/// If the program does not build or fails, its picture differs from the host's, or the sum of the layers differs too much
/// from the picture.
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

    let host = one_on_host(blob, SEED, 0)?;
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

/// Runs the program. Returns its log and the bytes that it sent over UART 0.
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

/// The measurements in the log of the program.
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
