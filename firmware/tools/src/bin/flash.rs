//! `cargo flash-pico2` and its like: the firmware on a board that one can hold.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::{env, fs, io};

use anyhow::{Context, Result, bail};
use clap::{CommandFactory, FromArgMatches, Parser};
use workspace_tests::elf::{Bill, Table};
use workspace_tests::firmware::{Board, PICO2, REAL, build_shown, root};

/// The commands in `.cargo/config.toml`, and the board that each gives as its first word.
const COMMANDS: [(&str, &str); 4] = [
    ("pico2", "cargo flash-pico2"),
    ("stm32f429i-disc1", "cargo flash-f429"),
    ("nrf52840-dk", "cargo flash-nrf52840"),
    ("microbit-v2", "cargo flash-microbit"),
];

/// Builds the firmware for a board, says what it takes of the chip, flashes it with probe-rs,
/// and shows its log. Words typed there, such as seed=42 or mode=gallery, go to the app, if
/// probe-rs is 0.32 or newer.
///
/// The model is models/pocket-drawn/model.gen, or the file that --model or the environment
/// variable FROG_MODEL names. firmware/boards/ has a page on wiring for each board.
#[derive(Debug, Parser)]
struct Arguments {
    /// Another display than the board's usual one: pico-display, on the Pico 2
    #[arg(long, value_name = "NAME")]
    display: Option<String>,
    /// Draws with this model
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Builds and says what it takes, without a board
    #[arg(long)]
    build_only: bool,
    /// More arguments for `probe-rs run`, such as --probe
    #[arg(last = true)]
    probe_rs: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let mut words = env::args_os().skip(1);
    let name = words.next().unwrap_or_default().to_string_lossy().into_owned();
    let Some(board) = REAL.into_iter().find(|board| board.name == name) else {
        let commands = COMMANDS.map(|(_, command)| command).join(", ");
        if ["", "-h", "--help"].contains(&&*name) {
            println!("Builds the firmware for a board and flashes it. The commands are {commands}; each has a --help");
            return Ok(ExitCode::SUCCESS);
        }
        bail!("no board {name} to flash; there are {}: {commands}", REAL.map(|board| board.name).join(", "));
    };
    let arguments = Arguments::of(&name, words);
    let chip = board.chip.context("a board that one can hold has a chip")?;
    let features: &[&str] = match arguments.display.as_deref() {
        None => &[],
        Some("pico-display") if board == PICO2 => &["pico-display"],
        Some(other) => {
            bail!("there is no display {other} for {}; docs/adding-a-display.md says how to add one", board.name)
        }
    };
    // As firmware/build.rs has it: the variable counts from the repository's root.
    let variable = || Some(root().ok()?.join(env::var_os("FROG_MODEL")?));
    let model = arguments.model.or_else(variable);
    let program = build_shown(board, board.name, model.as_deref(), features)?;
    let bill = Bill::of(&program)?;
    println!("{}", Table(&board, &bill));
    if arguments.build_only {
        return Ok(ExitCode::SUCCESS);
    }

    // Kept, so that a debugger can be attached to it later.
    let folder = root()?.join("target").join("flash");
    let file = folder.join(format!("{}.elf", board.name));
    fs::create_dir_all(&folder).and_then(|()| fs::write(&file, &program)).context("cannot write target/flash")?;
    println!("{}", file.display());
    let mut probe_rs = Command::new("probe-rs");
    // The firmware says more of a fault than probe-rs, which would stop it before; and what a HAL changes
    // in a new chip takes a reset.
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

impl Arguments {
    /// What was typed after the board's name; ends the program for `--help` and for what is none of it.
    fn of(board: &str, words: impl Iterator<Item = OsString>) -> Self {
        let command = COMMANDS.into_iter().find(|(name, _)| *name == board);
        let command = command.map_or("cargo run -p workspace-tests --bin flash --", |(_, command)| command);
        let matches = Self::command().bin_name(command).no_binary_name(true).get_matches_from(words);
        Self::from_arg_matches(&matches).unwrap_or_else(|e| e.exit())
    }
}

fn no_probe_rs(board: &Board) -> String {
    // Newer ones mostly fail to flash this chip: https://github.com/probe-rs/probe-rs/issues/4302
    let version = if *board == PICO2 { " --version 0.31.0" } else { "" };
    format!(
        "probe-rs is not installed. Either of\n    \
         cargo install probe-rs-tools{version} --locked\n    \
         https://probe.rs/docs/getting-started/installation\n\
         and on Linux its udev rules. With --build-only no board is needed"
    )
}
