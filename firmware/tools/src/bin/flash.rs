//! `cargo flash BOARD`, `cargo flash-pico2` and the like: the firmware on a hardware board.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::{env, fs, io};

use anyhow::{Context, Result, bail};
use clap::{CommandFactory, FromArgMatches, Parser};
use firmware_tools::boards::{Board, HARDWARE_BOARDS};
use firmware_tools::build::{First, build_shown, root};
use firmware_tools::elf::{MemoryUsage, Table};
use firmware_tools::{model, uf2};

/// Builds the firmware for a board, prints how much of the chip's memory it takes, flashes it with probe-rs,
/// and shows its log. Words typed there, such as seed=42, latent=..., mode=gallery or class=frog, go to the
/// app, if probe-rs is 0.32 or newer.
///
/// A Raspberry Pi Pico needs no probe: --uf2 FILE writes a file for the drive that it is after a start with its button
/// BOOTSEL held.
///
/// The model is models/pocket-drawn/model.gen, or the file that --model or the environment
/// variable FROG_MODEL names. firmware/boards/ has a page on wiring for each board.
#[derive(Debug, Parser)]
struct Arguments {
    /// Another display than the board's usual one: pico-display, on the Pico and the Pico 2; pico-lcd-1.3, on the ESP32-C3
    #[arg(long, value_name = "NAME")]
    display: Option<String>,
    /// Draws with this model
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Latent of the first picture: two hexadecimal digits for each value, as trainer invert prints them. Also the
    /// environment variable FROG_LATENT
    #[arg(long, value_name = "HEX")]
    latent: Option<String>,
    /// Class of the pictures, by name or number, for a model with classes. Also the environment variable FROG_CLASS
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Builds and prints the memory that it takes, without a board
    #[arg(long)]
    build_only: bool,
    /// Builds and writes the program as a UF2 file, without a probe; only for the Pico and the Pico 2
    #[arg(long, value_name = "FILE", conflicts_with = "build_only")]
    uf2: Option<PathBuf>,
    /// More arguments for `probe-rs run`, such as --probe
    #[arg(last = true)]
    probe_rs: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let mut words = env::args_os().skip(1);
    let name = words.next().unwrap_or_default().to_string_lossy().into_owned();
    let Some(board) = HARDWARE_BOARDS.into_iter().find(|board| board.name == name) else {
        if ["", "-h", "--help"].contains(&&*name) {
            print_boards();
            return Ok(ExitCode::SUCCESS);
        }
        let names = HARDWARE_BOARDS.map(|board| board.name).join(", ");
        bail!("no board {name} to flash; there are {names}");
    };
    let arguments = Arguments::of(&board, words);
    let chip = board.chip.context("a hardware board has a chip")?;
    let features: &[&str] = match arguments.display.as_deref() {
        None => &[],
        Some(display) if Some(display) == board.display => &[],
        Some(display) if board.other_displays.contains(&display) => &[display],
        Some(other) => {
            bail!("there is no display {other} for {}; docs/adding-a-display.md says how to add one", board.name)
        }
    };
    if arguments.uf2.is_some() && uf2::family(chip).is_none() {
        bail!("{} takes no UF2 files: it needs a probe", board.title);
    }
    let model = model::chosen(arguments.model)?;
    let first = First { latent: arguments.latent.as_deref(), class: arguments.class.as_deref() };
    let program = build_shown(board, board.name, model.as_deref(), features, first)?;
    let usage = MemoryUsage::of(&program)?;
    println!("{}", Table(&board, &usage));
    if arguments.build_only {
        return Ok(ExitCode::SUCCESS);
    }

    if let Some(path) = arguments.uf2 {
        fs::write(&path, uf2::file(&program, &board)?).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}: start the board with its button BOOTSEL held, and copy the file to the drive", path.display());
        return Ok(ExitCode::SUCCESS);
    }

    // Kept, so that a debugger can be attached to it later.
    let folder = root()?.join("target").join("flash");
    let file = folder.join(format!("{}.elf", board.name));
    fs::create_dir_all(&folder).and_then(|()| fs::write(&file, &program)).context("cannot write target/flash")?;
    println!("{}", file.display());
    let mut probe_rs = Command::new("probe-rs");
    // As in the board's .cargo/config.toml.
    probe_rs
        .args(["run", "--chip", chip, "--no-catch-hardfault", "--no-catch-reset"])
        .args(&arguments.probe_rs)
        .arg(&file);
    match probe_rs.status() {
        Ok(status) if status.success() => Ok(ExitCode::SUCCESS),
        Ok(status) => {
            println!("probe-rs: {status}; firmware/boards/{}/README.md says what to look at", board.name);
            Ok(ExitCode::FAILURE)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => bail!("{}", no_probe_rs(&board)),
        Err(e) => Err(e).context("cannot run probe-rs"),
    }
}

/// The boards, and the command for each.
fn print_boards() {
    println!("Builds the firmware for a board and flashes it.\n\nUsage: cargo flash BOARD [OPTIONS]\n\nBoards:");
    for board in HARDWARE_BOARDS {
        let short = board.alias.map_or_else(String::new, |alias| format!("also cargo {alias}"));
        println!("  {:<18} {:<22} {short}", board.name, board.title);
    }
    println!("\nEach has a --help: cargo flash {} --help", HARDWARE_BOARDS[0].name);
}

impl Arguments {
    /// What was typed after the board's name; ends the program for `--help` and for unknown arguments.
    fn of(board: &Board, words: impl Iterator<Item = OsString>) -> Self {
        let matches = Self::command().bin_name(board.flash_command()).no_binary_name(true).get_matches_from(words);
        Self::from_arg_matches(&matches).unwrap_or_else(|e| e.exit())
    }
}

fn no_probe_rs(board: &Board) -> String {
    let version = board.probe_rs.map_or_else(String::new, |version| format!(" --version {version}"));
    format!(
        "probe-rs is not installed. Either of\n    \
         cargo install probe-rs-tools{version} --locked\n    \
         https://probe.rs/docs/getting-started/installation\n\
         and on Linux its udev rules. With --build-only no board is needed"
    )
}
