//! Host, Cortex-M0, M3, M4, M7, M33, M55 and RISC-V draw the same pictures, byte for byte, however gen-core was built.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use firmware_app::picture::PARITY_SEEDS;
use firmware_tools::boards::{EMULATED_BOARDS, LM3S6965EVB, MICROBIT};
use firmware_tools::build::{build, build_on_host, root};
use firmware_tools::model::BLOB;
use firmware_tools::pictures::{on_board, on_host};
use firmware_tools::qemu::{LIMIT, Options};
use gen_core::{Model, aligned};
use trainer::quantise::QuantModel;
use workspace_tests::golden;

use crate::models;

fn options(settings: &[&str]) -> Options {
    let settings = settings.iter().map(|&word| word.to_owned()).collect();
    Options { settings, limit: Some(LIMIT), ..Options::default() }
}

/// The builds of gen-core for the host: a name, cargo's profile, rustc's flags.
const BUILDS: [(&str, &str, &str); 3] =
    [("debug", "dev", ""), ("release", "release", ""), ("release, native CPU", "release", "-Ctarget-cpu=native")];

/// A row of the table that `cargo test --workspace --test workspace everywhere -- --nocapture` prints.
fn print(machine: &str, build: &str, lines: &[String]) {
    println!("| {machine} | {build} | {} | {:08x} |", lines.len(), crc32fast::hash(lines.join("\n").as_bytes()));
}

#[test]
fn the_model_draws_the_same_everywhere() -> Result<()> {
    let host = on_host(BLOB, &PARITY_SEEDS)?;
    println!("| machine | gen-core | pictures | checksum of their checksums |\n|---|---|---|---|");
    print("host", "test", &host.lines);
    let folder = tempfile::tempdir()?;
    let model = folder.path().join("model.gen");
    std::fs::write(&model, BLOB)?;
    for (name, profile, flags) in BUILDS {
        let mut pictures = Command::new(build_on_host(profile, flags)?);
        let output = pictures.arg(&model).args(PARITY_SEEDS.map(|seed| seed.to_string())).output()?;
        ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let lines: Vec<_> = String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
        print("host", name, &lines);
        assert_eq!(lines, host.lines, "{name}");
    }
    for board in EMULATED_BOARDS {
        let (chip, log) = on_board(board, &build(board, "qemu-parity", None)?, &options(&[]))?;
        assert!(log.iter().all(|line| line.starts_with("INFO")), "{}: {log:#?}", board.name);
        print(board.name, "firmware", &chip.lines);
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
    for board in EMULATED_BOARDS {
        let program = build(board, "qemu-parity", Some(&path)).context("with another model")?;
        assert!(on_board(board, &program, &options(&[]))?.0 == host, "{}", board.name);
    }
    Ok(())
}

/// 28 KB of weights on a Cortex-M0 with 16 KB of RAM.
#[test]
fn so_does_the_smallest_model_on_the_smallest_board() -> Result<()> {
    let path = root()?.join("models/pocket-tiny-frogs/model.gen");
    let host = on_host(&std::fs::read(&path)?, &PARITY_SEEDS)?;
    let (chip, log) = on_board(MICROBIT, &build(MICROBIT, "qemu-parity", Some(&path))?, &options(&[]))?;
    println!("{log:#?}");
    assert!(chip == host, "{:?}", chip.lines);
    Ok(())
}

/// All classes, and a mixture of every two neighbours.
#[test]
fn so_does_a_model_with_classes() -> Result<()> {
    let tiny = QuantModel::from_model(&Model::parse(&aligned(models::tiny()?))?)?;
    let layers: Vec<_> = tiny.layers.iter().map(|layer| layer.spec).collect();
    let names = ["cat", "dog", "лягушка"];
    let blob = models::conditional(&names, 10, &layers)?;
    let host = on_host(&blob, &PARITY_SEEDS)?;
    assert_eq!(host.lines.len(), 2 * PARITY_SEEDS.len());
    for class in 0..names.len() {
        let next = (class + 1) % names.len();
        for part in [format!(" class {class} crc "), format!(" class {class} to {next} at ")] {
            assert!(host.lines.iter().any(|line| line.contains(&part)), "no{part}: {:#?}", host.lines);
        }
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("classes.gen");
    std::fs::write(&path, &blob)?;
    for board in EMULATED_BOARDS {
        let program = build(board, "qemu-parity", Some(&path)).context("with classes")?;
        let chip = on_board(board, &program, &options(&[]))?.0;
        assert_eq!(chip.lines, host.lines, "{}", board.name);
        assert!(chip == host, "{}: the bytes differ although the checksums agree", board.name);
    }
    Ok(())
}

#[test]
fn one_picture_can_be_asked_for() -> Result<()> {
    let program = build(LM3S6965EVB, "qemu-parity", None)?;
    let (chip, _) = on_board(LM3S6965EVB, &program, &options(&["seed=77"]))?;
    assert!(chip == on_host(BLOB, &[77])?, "{:?}", chip.lines);
    Ok(())
}
