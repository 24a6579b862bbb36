//! Host, Cortex-M3, M4, M7, M33 and M55 draw the same pictures, byte for byte.

mod models;

use anyhow::{Context, Result};
use firmware::model::BLOB;
use firmware::picture::PARITY_SEEDS;
use workspace_tests::firmware::{BOARDS, LM3S6965EVB, build};
use workspace_tests::golden;
use workspace_tests::pictures::{on_board, on_host};
use workspace_tests::qemu::{LIMIT, Options};

fn options(settings: &[&str]) -> Options {
    let settings = settings.iter().map(|&word| word.to_owned()).collect();
    Options { settings, limit: Some(LIMIT), ..Options::default() }
}

#[test]
fn the_model_draws_the_same_everywhere() -> Result<()> {
    let host = on_host(BLOB, &PARITY_SEEDS)?;
    for board in BOARDS {
        let (chip, log) = on_board(board, &build(board, "parity", None)?, &options(&[]))?;
        assert!(log.iter().all(|line| line.starts_with("INFO")), "{}: {log:#?}", board.name);
        assert_eq!(chip.lines, host.lines, "{}", board.name);
        assert!(chip.bytes == host.bytes, "{}: the bytes differ although the checksums agree", board.name);
    }
    golden::check("pictures.txt", &(host.lines.join("\n") + "\n"))
}

#[test]
fn so_does_another_model() -> Result<()> {
    let blob = models::tiny()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tiny.gen");
    std::fs::write(&path, &blob)?;
    let host = on_host(&blob, &PARITY_SEEDS)?;
    for board in BOARDS {
        let program = build(board, "parity", Some(&path)).context("with another model")?;
        assert!(on_board(board, &program, &options(&[]))?.0 == host, "{}", board.name);
    }
    Ok(())
}

#[test]
fn one_picture_can_be_asked_for() -> Result<()> {
    let program = build(LM3S6965EVB, "parity", None)?;
    let (chip, _) = on_board(LM3S6965EVB, &program, &options(&["seed=77"]))?;
    assert!(chip == on_host(BLOB, &[77])?, "{:?}", chip.lines);
    Ok(())
}
