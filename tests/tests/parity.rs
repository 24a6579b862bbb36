//! Host, Cortex-M3 and Cortex-M4 draw the same pictures, byte for byte.

mod models;

use anyhow::{Context, Result};
use firmware::model::BLOB;
use firmware::picture::PARITY_SEEDS;
use gen_core::{Engine, Latent, Model};
use workspace_tests::firmware::{BOARDS, Board, build};
use workspace_tests::golden;
use workspace_tests::qemu::{LIMIT, Options, Qemu};

/// The pictures of all seeds in a row, and a line for each as the firmware logs it.
fn on_host(blob: &[u8]) -> Result<(Vec<u8>, Vec<String>)> {
    let model = Model::parse(blob)?;
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(&model, &mut workspace)?;
    let (mut bytes, mut lines) = (Vec::new(), Vec::new());
    for seed in PARITY_SEEDS {
        let start = bytes.len();
        engine.generate(&Latent::from_seed(seed, model.latent_len()), |_, rgb| bytes.extend_from_slice(rgb));
        lines.push(format!("frog {seed} crc {:08x}", crc32fast::hash(&bytes[start..])));
    }
    Ok((bytes, lines))
}

/// The same from a board.
fn on_board(board: Board, program: &[u8]) -> Result<(Vec<u8>, Vec<String>)> {
    let folder = tempfile::tempdir()?;
    let serial = folder.path().join("uart");
    let options = Options { serial: Some(serial.clone()), limit: Some(LIMIT), ..Options::default() };
    let mut lines = Vec::new();
    let code = Qemu::start(board, program, &options)?.finish(|line| lines.push(line.to_owned()))?;
    assert_eq!(code, 0, "{}: {lines:#?}", board.name);
    let pictures = lines.iter().filter_map(|line| line.strip_prefix("INFO  ")).filter(|line| line.starts_with("frog"));
    Ok((std::fs::read(serial)?, pictures.map(str::to_owned).collect()))
}

#[test]
fn the_model_draws_the_same_everywhere() -> Result<()> {
    let host = on_host(BLOB)?;
    for board in BOARDS {
        let chip = on_board(board, &build(board, "parity", None)?)?;
        assert_eq!(chip.1, host.1, "{}", board.name);
        assert!(chip.0 == host.0, "{}: the bytes differ although the checksums agree", board.name);
    }
    golden::check("pictures.txt", &(host.1.join("\n") + "\n"))
}

#[test]
fn so_does_another_model() -> Result<()> {
    let blob = models::tiny()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tiny.gen");
    std::fs::write(&path, &blob)?;
    let host = on_host(&blob)?;
    for board in BOARDS {
        let program = build(board, "parity", Some(&path)).context("with another model")?;
        assert!(on_board(board, &program)? == host, "{}", board.name);
    }
    Ok(())
}
