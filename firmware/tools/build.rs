//! Makes constants of the facts in every `board.toml`.

use std::path::Path;
use std::{env, fs};

use firmware_build::facts::{Display, FOLDERS, Facts, all_in, repository};

/// RAM that the largest models need, and the conformance tests, in KiB.
const LARGE_KIB: u64 = 512;

fn main() {
    if let Err(message) = run() {
        for line in message.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn run() -> Result<(), String> {
    let [hardware, emulated] = FOLDERS.map(|folder| {
        println!("cargo::rerun-if-changed={}", repository().join(folder).display());
        all_in(folder)
    });
    let (hardware, emulated) = (hardware?, emulated?);
    let is_large = |board: &&Facts| board.display.is_none() && board.ram.kib >= LARGE_KIB;
    let headless: Vec<_> = emulated.iter().filter(is_large).cloned().collect();
    let mut source: String = hardware.iter().chain(&emulated).map(constant).collect();
    for (name, doc, boards) in [
        ("HARDWARE_BOARDS", "The boards of `firmware/boards`.", &hardware),
        ("EMULATED_BOARDS", "The boards of `firmware/emulated/boards`.", &emulated),
        (
            "HEADLESS_BOARDS",
            "The emulated boards without a display that have memory for the largest models.",
            &headless,
        ),
    ] {
        let names: Vec<_> = boards.iter().map(|board| constant_name(&board.name)).collect();
        source += &format!("/// {doc}\npub const {name}: [Board; {}] = [{}];\n", boards.len(), names.join(", "));
    }
    let out = env::var("OUT_DIR").map_err(|e| e.to_string())?;
    fs::write(Path::new(&out).join("boards.rs"), source).map_err(|e| e.to_string())
}

fn constant_name(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

/// `Debug` writes texts, options and slices as Rust source.
fn constant(board: &Facts) -> String {
    let name_of = |display: &Display| display.name.clone();
    let Facts {
        name,
        title,
        machine,
        target,
        flash,
        ram,
        chip,
        display,
        other_displays,
        probe_rs,
        alias,
        linker_script,
        has_mve,
    } = board;
    let machine = machine.as_ref().unwrap_or(name);
    let (display, other_displays) =
        (display.as_ref().map(name_of), other_displays.iter().map(name_of).collect::<Vec<_>>());
    format!(
        "/// {title}.\n\
         pub const {}: Board = Board {{ name: {name:?}, title: {title:?}, machine: {machine:?}, triple: {target:?}, \
         flash: {}, flash_origin: {}, ram: {}, ram_origin: {}, chip: {chip:?}, display: {display:?}, \
         other_displays: &{other_displays:?}, probe_rs: {probe_rs:?}, alias: {alias:?}, linker_script: {linker_script:?}, has_mve: {has_mve} }};\n",
        constant_name(name),
        flash.bytes(),
        flash.origin,
        ram.bytes(),
        ram.origin,
    )
}
