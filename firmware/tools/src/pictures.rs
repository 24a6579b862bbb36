//! Draws pictures of a model, on the host and on an emulated board.

use anyhow::{Result, ensure};
use firmware_app::picture::{parity_mixes, parity_note};
use gen_core::aligned;
use gen_core::{ClassMix, Engine, Latent, Model};

use crate::boards::Board;
use crate::qemu::{Options, Qemu};

/// Pictures of several seeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pictures {
    /// The pixels of all pictures, three bytes (red, green, blue) each, one picture after the other.
    pub bytes: Vec<u8>,
    /// One line for each picture, as the program `qemu-parity` logs it: `picture 42 crc 6985c7c9`, or for a model with
    /// classes `picture 42 class 2 crc 6985c7c9` and `picture 42 class 2 to 3 at 43/256 crc 6985c7c9`.
    pub lines: Vec<String>,
}

/// Draws pictures on the host. For a model with classes, each seed has the pictures of
/// [`parity_mixes`](firmware_app::picture::parity_mixes).
///
/// # Errors
/// If `blob` is not a valid model.
pub fn on_host(blob: &[u8], seeds: &[u32]) -> Result<Pictures> {
    let bytes = aligned(blob);
    let model = Model::parse(&bytes)?;
    draw(&model, seeds.iter().flat_map(|&seed| parity_mixes(seed, model.classes()).map(move |mix| (seed, mix))))
}

/// Draws the picture of a seed on the host; for a model with classes, that of a class.
///
/// # Errors
/// If `blob` is not a valid model.
pub fn one_on_host(blob: &[u8], seed: u32, class: u8) -> Result<Pictures> {
    let bytes = aligned(blob);
    draw(&Model::parse(&bytes)?, [(seed, ClassMix::one(class))])
}

fn draw(model: &Model<'_>, all: impl IntoIterator<Item = (u32, ClassMix)>) -> Result<Pictures> {
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(model.clone(), &mut workspace)?;
    let mut pictures = Pictures { bytes: Vec::new(), lines: Vec::new() };
    for (seed, mix) in all {
        let start = pictures.bytes.len();
        let latent = Latent::from_seed(seed, model.latent_len()).with_mix(mix);
        engine.generate(&latent, |_, row| pictures.bytes.extend_from_slice(row.bytes()));
        let (class, crc) = (parity_note(mix, model.classes()), crc32fast::hash(&pictures.bytes[start..]));
        pictures.lines.push(format!("picture {seed}{class} crc {crc:08x}"));
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
