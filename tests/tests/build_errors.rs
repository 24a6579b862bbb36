//! The build fails with a clear message if a model or a choice of features cannot work.

use std::process::{Command, Stdio};

use anyhow::Result;
use firmware_tools::boards::{Board, LM3S6965EVB, MICROBIT_V2, MPS2_AN386, MPS2_AN505, PICO2, STM32F429I_DISC1};
use firmware_tools::build::{build, build_with, root};
use gen_core::spec::{Activation, LayerSpec, Op, Padding, Shape};

use crate::models::random;

/// The messages of a build of the product with this model.
fn refusal(blob: &[u8]) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.gen");
    std::fs::write(&path, blob)?;
    let error = build(LM3S6965EVB, "qemu-oled", Some(&path)).err();
    Ok(error.map_or("nothing".to_owned(), |e| e.to_string()))
}

fn generator(latent: u16, first: Shape) -> Result<Vec<u8>> {
    let rgb = Op::Conv { channels: 3, kernel: 3, stride: 1, padding: Padding::Same };
    let layers = [
        LayerSpec { op: Op::Dense { out: first }, activation: Activation::Relu },
        LayerSpec { op: rgb, activation: Activation::Tanh },
    ];
    random("too large", latent, &layers)
}

#[test]
fn no_model() -> Result<()> {
    let said = refusal(b"GIF89a")?;
    assert!(said.contains("model.gen: not a model file (it does not begin with RBGN)"), "{said}");
    Ok(())
}

#[test]
fn too_large_for_the_flash() -> Result<()> {
    let blob = generator(128, Shape::new(16, 16, 16))?;
    let said = refusal(&blob)?;
    assert!(said.contains(&format!("its model takes {} bytes", blob.len())), "{said}");
    assert!(said.contains("FLASH has 262144"), "{said}");
    Ok(())
}

#[test]
fn too_large_for_a_hardware_board() -> Result<()> {
    let blob = generator(128, Shape::new(16, 16, 16))?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.gen");
    std::fs::write(&path, &blob)?;
    let error = build(MICROBIT_V2, MICROBIT_V2.name, Some(&path)).err();
    let said = error.map_or("nothing".to_owned(), |e| e.to_string());
    assert!(said.contains("the model does not fit microbit-v2"), "{said}");
    assert!(said.contains(&format!("takes {} bytes", blob.len())) && said.contains("FLASH has 524288"), "{said}");
    Ok(())
}

#[test]
fn too_large_for_the_display() -> Result<()> {
    let blob = generator(1, Shape::new(65, 64, 1))?;
    let said = refusal(&blob)?;
    assert!(said.contains("its pictures have 64x65 pixels, and the display ssd0323 has 128x64"), "{said}");
    Ok(())
}

#[test]
fn no_board() -> Result<()> {
    let none = Board { name: "board", ..LM3S6965EVB };
    let said = build(none, "qemu-parity", None).err().map_or("nothing".to_owned(), |e| e.to_string());
    assert!(said.contains("choose a board: --features with one of lm3s6965evb, microbit, mps2-an385, "), "{said}");
    Ok(())
}

#[test]
fn a_board_with_the_target_of_another() -> Result<()> {
    let other = Board { triple: MPS2_AN386.triple, ..LM3S6965EVB };
    let said = build(other, "qemu-parity", None).err().map_or("nothing".to_owned(), |e| e.to_string());
    assert!(said.contains("the board lm3s6965evb needs --target thumbv7m-none-eabi"), "{said}");
    Ok(())
}

/// The messages of a build of a board's program with additional features.
fn with_features(board: Board, program: &str, features: &[&str]) -> String {
    let error = build_with(board, program, None, features).err();
    error.map_or("nothing".to_owned(), |e| e.to_string())
}

#[test]
fn features_that_exclude_each_other() {
    let cases: [(Board, &str, &[&str], &str); 8] = [
        (LM3S6965EVB, "qemu-oled", &["firmware-support/rtt"], "rtt and semihosting of firmware-support exclude"),
        (LM3S6965EVB, "qemu-oled", &["mps"], "the feature mps is a part of the boards mps2-"),
        (MPS2_AN505, "qemu-parity", &["mve"], "the core of mps2-an505 has no MVE"),
        (LM3S6965EVB, "qemu-parity", &["mve"], "no processor of this target has MVE"),
        // A board rejects features of other boards.
        (MPS2_AN386, "qemu-parity", &["embassy"], "does not contain this feature: embassy"),
        (MICROBIT_V2, "microbit-v2", &["external-model"], "does not contain this feature: external-model"),
        (STM32F429I_DISC1, "stm32f429i-disc1", &["conformance"], "does not contain this feature: conformance"),
        (PICO2, "pico2", &["mve"], "does not contain this feature: mve"),
    ];
    for (board, program, features, says) in cases {
        let said = with_features(board, program, features);
        assert!(said.contains(says), "{} with {features:?}: {said}", board.name);
    }
}

/// `cargo check` at the root, which editors run too, may enable every feature of every package.
#[test]
fn a_chips_features_on_the_host_are_empty() -> Result<()> {
    for package in ["firmware-support", "pico2"] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()?).args(["check", "-q", "-p", package, "--all-features"]);
        let output = cargo.stdin(Stdio::null()).output()?;
        assert!(output.status.success(), "{package}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

#[test]
fn a_board_on_the_host_needs_its_target() -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()?).args(["check", "-q", "-p", "emulated-boards", "--features", "mps2-an386"]);
    let output = cargo.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("needs --target thumbv7em-none-eabihf"), "{said}");
    Ok(())
}

#[test]
fn two_boards_at_once() -> Result<()> {
    let said = with_features(LM3S6965EVB, "qemu-parity", &["mps2-an386"]);
    assert!(said.contains("choose one board"), "{said}");
    Ok(())
}
