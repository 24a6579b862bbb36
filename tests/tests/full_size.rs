//! The generator of the Keras tutorial, 6.3 MB of weights and 3.9 G multiply-accumulates
//! a picture, row by row on a Cortex-M: the weights lie in external memory, as they would in
//! a flash chip, and all that moves fits 256 KB of RAM.

mod models;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use gen_core::Model;
use tempfile::TempDir;
use workspace_tests::firmware::{Board, MPS2_AN386, MPS2_AN500, build_external};
use workspace_tests::pictures::{Pictures, on_board, on_host};
use workspace_tests::qemu::Options;

const SEED: u32 = 42;
/// RAM that the engine may take.
const RAM: usize = 256 * 1024;
/// Some 15 G instructions: half a minute where nothing else runs.
const LIMIT: Duration = Duration::from_secs(900);

/// The model, and its picture on the host: drawn once for all boards.
fn host() -> &'static Result<(Vec<u8>, Pictures)> {
    static HOST: OnceLock<Result<(Vec<u8>, Pictures)>> = OnceLock::new();
    HOST.get_or_init(|| {
        let blob = models::tutorial()?;
        let pictures = on_host(&blob, &[SEED])?;
        let mut levels = pictures.bytes.clone();
        levels.sort_unstable();
        levels.dedup();
        ensure!(levels.len() > 200, "{} levels: too flat a picture to prove anything", levels.len());
        Ok((blob, pictures))
    })
}

fn check(board: Board) -> Result<()> {
    let (blob, expected) = host().as_ref().map_err(|e| anyhow!("{e:#}"))?;
    let workspace = Model::parse(blob)?.workspace_len();
    let folder = TempDir::new()?;
    let path = folder.path().join("tutorial.gen");
    std::fs::write(&path, blob)?;

    let program = build_external(board, "parity", &path)?;
    let options = Options {
        settings: vec![format!("seed={SEED}")],
        external_model: Some(path),
        limit: Some(LIMIT),
        ..Options::default()
    };
    let start = Instant::now();
    let (chip, log) = on_board(board, &program, &options)?;
    println!(
        "{} ({:.0} s):\n  {}\n  {}",
        board.name,
        start.elapsed().as_secs_f64(),
        log.join("\n  "),
        chip.lines.join("\n  ")
    );
    assert!(chip == *expected, "{}: {:?}, on the host {:?}", board.name, chip.lines, expected.lines);
    let sizes = format!("model {} bytes, workspace {workspace} bytes", blob.len());
    log.iter().find(|line| line.contains(&sizes)).with_context(|| format!("no line \"{sizes}\": {log:#?}"))?;
    assert!(workspace <= RAM, "{workspace} bytes of workspace are more than {RAM}");
    Ok(())
}

#[test]
fn the_tutorial_draws_the_same_on_a_cortex_m7() -> Result<()> {
    check(MPS2_AN500)
}

#[test]
fn the_tutorial_draws_the_same_on_a_cortex_m4() -> Result<()> {
    check(MPS2_AN386)
}
