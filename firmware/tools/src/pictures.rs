//! Draws pictures of a model, on the host and on an emulated board.

use anyhow::{Result, ensure};
use gen_core::aligned;
use gen_core::{Engine, Latent, Model};

use crate::boards::Board;
use crate::qemu::{Options, Qemu};

/// Pictures of several seeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pictures {
    /// The pixels of all pictures, three bytes (red, green, blue) each, one picture after the other.
    pub bytes: Vec<u8>,
    /// One line for each picture, as the firmware logs it: `picture 42 crc 6985c7c9`.
    pub lines: Vec<String>,
}

/// Draws pictures on the host.
///
/// # Errors
/// If `blob` is not a valid model.
pub fn on_host(blob: &[u8], seeds: &[u32]) -> Result<Pictures> {
    let bytes = aligned(blob);
    let model = Model::parse(&bytes)?;
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(&model, &mut workspace)?;
    let mut pictures = Pictures { bytes: Vec::new(), lines: Vec::new() };
    for &seed in seeds {
        let start = pictures.bytes.len();
        let latent = Latent::from_seed(seed, model.latent_len());
        engine.generate(&latent, |_, row| pictures.bytes.extend_from_slice(row.bytes()));
        pictures.lines.push(format!("picture {seed} crc {:08x}", crc32fast::hash(&pictures.bytes[start..])));
    }
    Ok(pictures)
}

/// Draws pictures on a board with the program `qemu-parity`; also returns the other lines of its log.
///
/// # Errors
/// If the program fails or exceeds the time limit. The error contains its log.
pub fn on_board(board: Board, program: &[u8], options: &Options) -> Result<(Pictures, Vec<String>)> {
    let folder = tempfile::tempdir()?;
    let serial = folder.path().join("uart");
    let options = Options { serial: Some(serial.clone()), ..options.clone() };
    let (mut lines, mut others) = (Vec::new(), Vec::new());
    let code = Qemu::start(board, program, &options)?.finish(|line| match line.strip_prefix("INFO  ") {
        Some(line) if line.starts_with("picture") => lines.push(line.to_owned()),
        _ => others.push(line.to_owned()),
    })?;
    ensure!(code == 0, "{} returned {code}: {lines:#?} {others:#?}", board.name);
    Ok((Pictures { bytes: std::fs::read(serial)?, lines }, others))
}
