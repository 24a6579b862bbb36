//! Checks the model, sizes the buffers for it, and links for the chosen board.

use std::path::{Path, PathBuf};
use std::{env, fs};

use gen_core::aligned::aligned;
use gen_core::{Model, tiling};

/// The boards, each with the target for its core.
const BOARDS: [(&str, &str); 10] = [
    ("lm3s6965evb", "thumbv7m-none-eabi"),
    ("mps2-an385", "thumbv7m-none-eabi"),
    ("mps2-an386", "thumbv7em-none-eabihf"),
    ("mps2-an500", "thumbv7em-none-eabihf"),
    ("mps2-an505", "thumbv8m.main-none-eabihf"),
    ("mps3-an547", "thumbv8m.main-none-eabihf"),
    ("pico2", "thumbv8m.main-none-eabihf"),
    ("stm32f429i-disc1", "thumbv7em-none-eabihf"),
    ("nrf52840-dk", "thumbv7em-none-eabihf"),
    ("microbit-v2", "thumbv7em-none-eabihf"),
];

/// The targets of all of them.
const TARGETS: [&str; 3] = ["thumbv7m-none-eabi", "thumbv7em-none-eabihf", "thumbv8m.main-none-eabihf"];
/// Those that one can hold.
const REAL: [&str; 4] = ["pico2", "stm32f429i-disc1", "nrf52840-dk", "microbit-v2"];

/// What the program itself may need beside a model: bytes of flash (code, fonts, tables) …
const CODE: usize = 120 * 1024;
/// … and bytes of RAM (frame buffer, run time).
const DATA: usize = 8 * 1024;

fn main() {
    if let Err(message) = run() {
        println!("cargo::error={message}");
    }
}

fn run() -> Result<(), String> {
    let board = board()?;
    check_features(board)?;
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=FROG_MODEL");

    let path = match env::var("FROG_MODEL") {
        // Cargo runs this program in firmware/, people write paths as seen from the workspace.
        Ok(path) => root.join("..").join(path),
        Err(_) => root.join("../models/pocket-drawn/model.gen"),
    };
    let path = path.canonicalize().map_err(|e| format!("cannot find the model {}: {e}", path.display()))?;
    println!("cargo::rerun-if-changed={}", path.display());
    let blob = aligned(fs::read(&path).map_err(|e| format!("cannot read the model {}: {e}", path.display()))?);
    let model = Model::parse(&blob).map_err(|e| format!("{}: {e}", path.display()))?;
    write_model(&model, &path, &out)?;

    match board {
        Some(board) => link(board, &model, &root, &out),
        None => Ok(()),
    }
}

/// Refuses features that do not go together, in words: the compiler would speak of what follows from them, or
/// the chip would stop at an instruction that it does not have.
fn check_features(board: Option<&str>) -> Result<(), String> {
    let Some(board) = board else {
        return match variable("CARGO_CFG_TARGET_ARCH")?.as_str() {
            arch if arch != "arm" && feature("device") => Err(format!(
                "the features device, rtt and bare are for programs on a chip, and this is built for {arch}: \
                 give --target too, one of {}",
                TARGETS.join(", ")
            )),
            _ => Ok(()),
        };
    };
    let is_real = REAL.contains(&board);
    if is_real && feature("emulated") {
        return Err(format!(
            "{board} is a board that one can hold: build it without emulated, mps, external-model and conformance, \
             which are for boards in QEMU"
        ));
    }
    if !is_real && feature("rtt") {
        return Err(format!(
            "{board} is an emulated board, whose log goes through semihosting: build it without rtt and hardware, \
             which are for boards that one can hold"
        ));
    }
    if feature("mps") && !board.starts_with("mps") {
        return Err(format!("the feature mps is a part of the boards mps2-... and mps3-...: build {board} without it"));
    }
    if feature("single-core") && board == "pico2" {
        return Err(
            "pico2 has two cores, and its HAL the critical sections for them: build it without single-core".into()
        );
    }
    if feature("mve") && board != "mps3-an547" {
        return Err(format!("the core of {board} has no MVE and would stop at its instructions: build it without mve"));
    }
    Ok(())
}

/// The board that the features choose; none on the host.
fn board() -> Result<Option<&'static str>, String> {
    let chosen: Vec<_> = BOARDS.into_iter().filter(|(board, _)| feature(board)).collect();
    match chosen[..] {
        [] if feature("emulated") || feature("hardware") => {
            Err(format!("choose a board: --features with one of {}", BOARDS.map(|(board, _)| board).join(", ")))
        }
        [] => Ok(None),
        [(board, target)] if variable("TARGET")? == target => Ok(Some(board)),
        [(board, target)] => Err(format!("the board {board} needs --target {target}")),
        [(one, _), (other, _), ..] => Err(format!("choose one board: {one} and {other} exclude each other")),
    }
}

/// Whether a feature of this package is on.
fn feature(name: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase().replace('-', "_"))).is_some()
}

/// Bytes of workspace on one of the boards here, to say before linking that a model is too large. This program
/// runs on another machine than the kernels, and knows only this package's features: how long the workspace
/// really is, `src/model.rs` asks the kernels.
fn workspace_len(model: &Model<'_>) -> Result<usize, String> {
    let tiling = tiling::for_target(&variable("TARGET")?, feature);
    Ok(model.memory(&tiling).len())
}

/// Writes the constants that `src/model.rs` includes. `Debug` writes a layer as one writes it in Rust.
fn write_model(model: &Model<'_>, path: &Path, out: &Path) -> Result<(), String> {
    let (picture, size, layers) = (model.picture(), model.size(), model.layers());
    let specs: Vec<_> = layers.iter().map(|layer| layer.spec).collect();
    let forms: Vec<_> = layers.iter().map(|layer| layer.form).collect();
    let mut source = format!(
        "/// Bytes of the model.\n\
         pub const MODEL_LEN: usize = {size};\n\
         /// Its checksum, which tells it from others: [`gen_core::Model::checksum`].\n\
         pub const MODEL_CHECKSUM: u32 = {:#x};\n\
         /// Width of its pictures, in pixels.\n\
         pub const PICTURE_WIDTH: usize = {};\n\
         /// Height of its pictures, in pixels.\n\
         pub const PICTURE_HEIGHT: usize = {};\n\
         /// Bytes of flash that are kept for the program beside a model.\n\
         pub const ROOM_FOR_CODE: usize = {CODE};\n\
         /// What the length of the workspace follows from.\n\
         mod layers {{\n\
         #[allow(unused_imports)] // no model has them all\n\
         use gen_core::spec::{{Activation::*, Form::*, Op::*, Padding::*, *}};\n\
         pub const LATENT: u16 = {latent};\n\
         pub const LAYERS: [LayerSpec; {count}] = {specs:?};\n\
         pub const FORMS: [Form; {count}] = {forms:?};\n\
         }}\n",
        model.checksum(),
        picture.width,
        picture.height,
        latent = model.latent_len(),
        count = layers.len(),
    );
    if !feature("external-model") {
        source += &format!("static ALIGNED: &Aligned<[u8; MODEL_LEN]> = &Aligned(*include_bytes!({path:?}));\n");
    }
    write(&out.join("model.rs"), &source)
}

/// Checks that the model fits the board, and hands its memory map to the linker.
fn link(board: &str, model: &Model<'_>, root: &Path, out: &Path) -> Result<(), String> {
    let map = root.join("boards").join(board).join("memory.x");
    println!("cargo::rerun-if-changed={}", map.display());
    let script = fs::read_to_string(&map).map_err(|e| format!("cannot read {}: {e}", map.display()))?;
    let (memory, code) = if feature("external-model") { ("EXTERNAL", 0) } else { ("FLASH", CODE) };
    for (what, needed, extra, region) in
        [("model", model.size(), code, memory), ("workspace", workspace_len(model)?, DATA, "RAM")]
    {
        let room = length_of(&script, region).ok_or_else(|| match region {
            "EXTERNAL" => format!("{board} has no memory for an external model: build without external-model"),
            _ => format!("{} has no line {region}", map.display()),
        })?;
        if needed + extra > room {
            return Err(format!(
                "the model does not fit {board}: its {what} takes {needed} bytes and the program up to {extra}, \
                 but {region} has {room}. Choose a smaller model or a larger board"
            ));
        }
    }
    write(&out.join("memory.x"), &script)?;
    println!("cargo::rustc-link-search={}", out.display());
    for argument in ["--nmagic", "-Tlink.x", "-Tdefmt.x"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    Ok(())
}

/// Bytes of a region in a linker script with lines such as `FLASH : ORIGIN = 0, LENGTH = 256K`.
fn length_of(script: &str, region: &str) -> Option<usize> {
    let line = script.lines().find(|l| l.trim_start().starts_with(region))?;
    let kilobytes = line.split_once("LENGTH =")?.1.trim().strip_suffix('K')?;
    kilobytes.parse::<usize>().ok().map(|k| k * 1024)
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|e| format!("{name}: {e}"))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
