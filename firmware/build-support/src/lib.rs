//! Library for the build scripts of boards: checks the model, sizes the buffers for it, and passes the memory map to the
//! linker.
//!
//! The build script of a board is one call of [`board`]. The program includes the constants that it writes:
//!
//! ```ignore
//! /// The model, and the sizes that follow from it.
//! #[allow(dead_code)]
//! mod model {
//!     include!(concat!(env!("OUT_DIR"), "/model.rs"));
//! }
//! ```
//!
//! | module | contents |
//! |---|---|
//! | [`facts`] | `board.toml` of a board, and the lists of boards |
//! | [`model`] | which model is embedded, and its constants for the program |
//! | `memory_map` | the check of `memory.x` |

pub mod facts;
mod memory_map;
pub mod model;

use std::path::{Path, PathBuf};
use std::{env, fs};

use facts::Facts;
use gen_core::{Model, Shape, plan};

/// Bytes of flash reserved for the program without the model: code, fonts, tables.
pub const ROOM_FOR_CODE: usize = 128 * 1024;
/// Bytes of RAM reserved for the program without the workspace: run time, and frame buffer if there is a display.
fn room_for_data(board: &Facts) -> usize {
    if board.display.is_some() { 8 * 1024 } else { 1024 }
}

/// The build script of a package for one board, with `board.toml` and `memory.x` beside its `Cargo.toml`.
///
/// Writes `model.rs` and `memory.x` to `OUT_DIR`, and the linker arguments. Errors are reported to cargo, which stops the
/// build: a missing or invalid file, the wrong target, or a model that does not fit. Does nothing on the host.
pub fn board() {
    report(|| {
        let Some(package) = chip_package()? else { return Ok(()) };
        let board = Facts::read(&package)?;
        build(&board, &package, &package)
    });
}

/// The build script of a package with one feature for each board in its folder `boards`. Otherwise like [`board`]; it is
/// also an error if the features choose no board or several.
pub fn one_of_boards() {
    report(|| {
        let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
        let Some(board) = chosen_board(&package)? else { return Ok(()) };
        build(&board, &package, &package.join("boards").join(&board.name))
    });
}

/// Runs a build script and reports its error to cargo, which ends the build with the message.
fn report(run: impl FnOnce() -> Result<(), String>) {
    if let Err(message) = run() {
        // One call for each line: cargo accepts no more.
        for line in message.lines() {
            println!("cargo::error={line}");
        }
    }
}

/// The package's folder; `None` on the host, where the package of a board is empty.
fn chip_package() -> Result<Option<PathBuf>, String> {
    let is_chip = variable("CARGO_CFG_TARGET_OS")? == "none";
    Ok(is_chip.then_some(PathBuf::from(variable("CARGO_MANIFEST_DIR")?)))
}

/// The board that the features choose; `None` on the host without such a feature.
fn chosen_board(package: &Path) -> Result<Option<Facts>, String> {
    let folder = package.join("boards");
    let entries = fs::read_dir(&folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let boards = folders.iter().map(|folder| Facts::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let chosen: Vec<_> = boards.iter().filter(|board| feature(&board.name)).collect();
    match chosen[..] {
        [] if variable("CARGO_CFG_TARGET_OS")? != "none" => Ok(None),
        [] => {
            let names: Vec<_> = boards.iter().map(|board| &*board.name).collect();
            Err(format!("choose a board: --features with one of {}", names.join(", ")))
        }
        [board] if feature("mps") && !board.name.starts_with("mps") => Err(format!(
            "the feature mps is a part of the boards mps2-... and mps3-...: build {} without it",
            board.name
        )),
        [board] => Ok(Some(board.clone())),
        [one, other, ..] => Err(format!("choose one board: {} and {} exclude each other", one.name, other.name)),
    }
}

/// Whether a feature of the package is enabled.
fn feature(name: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase().replace('-', "_"))).is_some()
}

/// Checks target and features for a board, and writes the files for compiler and linker.
fn build(board: &Facts, package: &Path, folder: &Path) -> Result<(), String> {
    if variable("TARGET")? != board.target {
        return Err(format!("the board {} needs --target {}", board.name, board.target));
    }
    if feature("mve") && !board.has_mve {
        return Err(format!(
            "the core of {} has no MVE and would stop at its instructions: build it without mve",
            board.name
        ));
    }
    println!("cargo::rerun-if-changed=build.rs");
    let map = board.linker_script.is_none().then_some("memory.x");
    for file in [facts::FILE].into_iter().chain(map) {
        println!("cargo::rerun-if-changed={}", folder.join(file).display());
    }
    let path = model::chosen(package)?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    model::parsed(&path, |model| {
        let first = model::first(model)?;
        write(&out.join("model.rs"), &model::constants(model, &path, feature("external-model"), &first))?;
        fits_display(board, model.output_shape())?;
        link(board, model, folder, &out)
    })
}

/// Bytes of workspace that the model needs on the target: an estimate for the check, because a build script sees only the
/// features of its own package. The program uses the constant in `model.rs`.
fn workspace_len(model: &Model<'_>) -> Result<usize, String> {
    let tiling = plan::for_target(&variable("TARGET")?, feature);
    Ok(model.workspace_plan(&tiling).bytes())
}

/// Checks that the model's pictures fit the display that the features choose.
fn fits_display(board: &Facts, picture: Shape) -> Result<(), String> {
    let Some(display) = board.other_displays.iter().find(|other| feature(&other.name)).or(board.display.as_ref())
    else {
        return Ok(());
    };
    let [width, height] = display.size;
    if picture.width > width || picture.height > height {
        return Err(format!(
            "the model does not fit {}: its pictures have {}x{} pixels, and the display {} has {width}x{height}. Choose a \
             model with smaller pictures or a larger display",
            board.name, picture.width, picture.height, display.name
        ));
    }
    Ok(())
}

/// Checks that the model fits the board, and passes the memory map and the arguments to the linker.
fn link(board: &Facts, model: &Model<'_>, folder: &Path, out: &Path) -> Result<(), String> {
    if let Some(script) = &board.linker_script {
        // Without `--nmagic`: the boot loader of an ESP32 maps flash in whole pages.
        fits(board, "model", model.size(), ROOM_FOR_CODE, "its flash", board.flash.bytes())?;
        fits(board, "workspace", workspace_len(model)?, room_for_data(board), "its RAM", board.ram.bytes())?;
        arguments([&*format!("-T{script}"), "-Tdefmt.x"]);
        return Ok(());
    }
    let map = folder.join("memory.x");
    let script = fs::read_to_string(&map).map_err(|e| format!("cannot read {}: {e}", map.display()))?;
    memory_map::check(&script, board)?;
    let (memory, code) = if feature("external-model") { ("EXTERNAL", 0) } else { ("FLASH", ROOM_FOR_CODE) };
    for (what, needed, extra, region) in
        [("model", model.size(), code, memory), ("workspace", workspace_len(model)?, room_for_data(board), "RAM")]
    {
        let room = memory_map::region(&script, region).ok_or_else(|| {
            format!("{} has no memory for an external model: build without external-model", board.name)
        })?;
        fits(board, what, needed, extra, region, room.len)?;
    }
    write(&out.join("memory.x"), &script)?;
    println!("cargo::rustc-link-search={}", out.display());
    // The script of riscv-rt does not include the memory map.
    let map = board.target.starts_with("riscv32").then_some("-Tmemory.x");
    arguments(["--nmagic"].into_iter().chain(map).chain(["-Tlink.x", "-Tdefmt.x"]));
    Ok(())
}

/// Checks that a part of the model, and what else the program needs there, fits a memory with `room` bytes.
fn fits(board: &Facts, what: &str, needed: usize, extra: usize, memory: &str, room: u64) -> Result<(), String> {
    if (needed + extra) as u64 <= room {
        return Ok(());
    }
    Err(format!(
        "the model does not fit {}: its {what} takes {needed} bytes and the program up to {extra}, \
         but {memory} has {room}. Choose a smaller model or a larger board",
        board.name
    ))
}

/// Passes arguments to the linker.
fn arguments<'a>(arguments: impl IntoIterator<Item = &'a str>) {
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|e| format!("{name}: {e}"))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
