//! Boards, and how a program of the firmware is built for one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{env, fs, str};

use anyhow::{Context, Result, bail};

const KIB: u64 = 1024;

/// A board, as the firmware knows it, and QEMU or probe-rs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Board {
    /// The firmware's feature; for emulated boards QEMU's name for it too, for others the name of
    /// the program.
    pub name: &'static str,
    /// What the compiler calls its core.
    pub triple: &'static str,
    /// Bytes of flash of the real chip.
    pub flash: u64,
    /// Where it begins.
    pub flash_origin: u64,
    /// Bytes of RAM of the real chip.
    pub ram: u64,
    /// Where it begins.
    pub ram_origin: u64,
    /// What probe-rs calls the chip, if one can hold it.
    pub chip: Option<&'static str>,
}

/// Cortex-M3 with a grey OLED.
pub const LM3S6965EVB: Board = Board {
    name: "lm3s6965evb",
    triple: "thumbv7m-none-eabi",
    flash: 256 * KIB,
    flash_origin: 0,
    ram: 64 * KIB,
    ram_origin: 0x2000_0000,
    chip: None,
};
/// Cortex-M3, headless.
pub const MPS2_AN385: Board = Board { name: "mps2-an385", flash: 4096 * KIB, ram: 4096 * KIB, ..LM3S6965EVB };
/// Cortex-M4F, headless.
pub const MPS2_AN386: Board = Board { name: "mps2-an386", triple: "thumbv7em-none-eabihf", ..MPS2_AN385 };
/// Cortex-M7F, headless.
pub const MPS2_AN500: Board = Board { name: "mps2-an500", ..MPS2_AN386 };
/// Cortex-M33F, headless.
pub const MPS2_AN505: Board = Board {
    name: "mps2-an505",
    triple: "thumbv8m.main-none-eabihf",
    flash_origin: 0x1000_0000,
    ram_origin: 0x3800_0000,
    ..MPS2_AN385
};
/// Cortex-M55 with MVE, headless.
pub const MPS3_AN547: Board =
    Board { name: "mps3-an547", triple: "thumbv8m.main-none-eabihf", flash: 512 * KIB, ram: 512 * KIB, ..LM3S6965EVB };
/// The boards without a display, which have memory for the largest models beside the program.
pub const MPS: [Board; 5] = [MPS2_AN385, MPS2_AN386, MPS2_AN500, MPS2_AN505, MPS3_AN547];
/// All emulated boards.
pub const BOARDS: [Board; 6] = [LM3S6965EVB, MPS2_AN385, MPS2_AN386, MPS2_AN500, MPS2_AN505, MPS3_AN547];

/// Raspberry Pi Pico 2: Cortex-M33F (RP2350), a display on top.
pub const PICO2: Board = Board {
    name: "pico2",
    triple: "thumbv8m.main-none-eabihf",
    flash: 4096 * KIB,
    flash_origin: 0x1000_0000,
    ram: 512 * KIB, // striped; two banks of 4 KiB beside it are left alone
    ram_origin: 0x2000_0000,
    chip: Some("RP235x"),
};
/// STM32F429 Discovery: Cortex-M4F, display on board.
pub const STM32F429I_DISC1: Board = Board {
    name: "stm32f429i-disc1",
    triple: "thumbv7em-none-eabihf",
    flash: 2048 * KIB,
    flash_origin: 0x0800_0000,
    ram: 192 * KIB,
    ram_origin: 0x2000_0000,
    chip: Some("STM32F429ZITx"),
};
/// Nordic nRF52840 DK: Cortex-M4F, a shield on the Arduino header.
pub const NRF52840_DK: Board = Board {
    name: "nrf52840-dk",
    triple: "thumbv7em-none-eabihf",
    flash: 1024 * KIB,
    flash_origin: 0,
    ram: 256 * KIB,
    ram_origin: 0x2000_0000,
    chip: Some("nRF52840_xxAA"),
};
/// BBC micro:bit v2: Cortex-M4F (nRF52833), a display on the edge connector.
pub const MICROBIT_V2: Board =
    Board { name: "microbit-v2", flash: 512 * KIB, ram: 128 * KIB, chip: Some("nRF52833_xxAA"), ..NRF52840_DK };
/// The boards that one can hold.
pub const REAL: [Board; 4] = [PICO2, STM32F429I_DISC1, NRF52840_DK, MICROBIT_V2];

impl Board {
    /// The board with this name.
    ///
    /// # Errors
    /// When there is none; the message lists those that there are.
    pub fn named(name: &str) -> Result<Self> {
        let known = || BOARDS.map(|b| b.name).join(", ");
        BOARDS.into_iter().find(|b| b.name == name).with_context(|| format!("no board {name}; there are {}", known()))
    }
}

/// The repository's folder.
///
/// # Errors
/// None, as long as tests/ lies in it.
pub fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("tests/ lies in the workspace")
}

/// What to do when a tool is missing.
pub const SET_UP: &str = "./tests/run.sh installs all that is needed";

/// What becomes of what cargo says while it builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// People see it while they wait.
    Shown,
    /// Only warnings are shown.
    Warnings,
    /// Nothing is shown, and a warning is an error: for tests, as the code here has none.
    Nothing,
}

/// Builds a program for a board and returns the ELF file: what is in it, as the next
/// build overwrites it. `model` takes the place of the model that the firmware has
/// otherwise. For tests.
///
/// # Errors
/// When cargo fails or warns: with all that it printed.
pub fn build(board: Board, program: &str, model: Option<&Path>) -> Result<Vec<u8>> {
    build_with(board, program, model, &[])
}

/// Builds a program that expects `model` in the external memory of the board: it is
/// not part of the program, but has to be the same when the program runs
/// ([`Options::external_model`](crate::qemu::Options::external_model)).
///
/// # Errors
/// As [`build`].
pub fn build_external(board: Board, program: &str, model: &Path) -> Result<Vec<u8>> {
    build_with(board, program, Some(model), &["external-model"])
}

/// As [`build`], with more features of the firmware than the board's.
///
/// # Errors
/// As [`build`].
pub fn build_with(board: Board, program: &str, model: Option<&Path>, features: &[&str]) -> Result<Vec<u8>> {
    run_cargo(board, program, model, features, PROFILE, Said::Nothing)
}

/// As [`build`], as one debugs it: not optimised, and with checks.
///
/// # Errors
/// As [`build`].
pub fn build_debug(board: Board, program: &str, model: Option<&Path>) -> Result<Vec<u8>> {
    run_cargo(board, program, model, &[], "dev", Said::Nothing)
}

/// As [`build_with`], for people who count: whatever cargo warns of (a setting of theirs, a compiler that is newer
/// than the code) is shown and stops nothing.
///
/// # Errors
/// When cargo fails: with all that it printed.
pub fn build_quietly(board: Board, program: &str, model: Option<&Path>, features: &[&str]) -> Result<Vec<u8>> {
    run_cargo(board, program, model, features, PROFILE, Said::Warnings)
}

/// As [`build_quietly`], for people who wait: they see what cargo does.
///
/// # Errors
/// When cargo fails; it has said why.
pub fn build_shown(board: Board, program: &str, model: Option<&Path>, features: &[&str]) -> Result<Vec<u8>> {
    eprintln!("building the firmware for {}; the first time takes a few minutes", board.name);
    run_cargo(board, program, model, features, PROFILE, Said::Shown)
}

/// Cargo's profile for programs on chips.
const PROFILE: &str = "firmware";

fn run_cargo(
    board: Board,
    program: &str,
    model: Option<&Path>,
    features: &[&str],
    profile: &str,
    said: Said,
) -> Result<Vec<u8>> {
    // Builds with different models share a path: one after the other.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);

    let root = root()?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "-p", "firmware", "--profile", profile]);
    cargo.args(["--target", board.triple, "--bin", program, "--features", board.name]);
    for feature in features {
        cargo.args(["--features", feature]);
    }
    // Cargo says where it put the program, whatever target directory it was told to use.
    cargo.args(["--message-format", "json-render-diagnostics"]);
    if let Some(model) = model {
        cargo.env("FROG_MODEL", model.canonicalize().with_context(|| format!("no model {}", model.display()))?);
    }
    if said == Said::Shown {
        cargo.stderr(Stdio::inherit());
    } else {
        cargo.arg("-q");
    }
    let output = cargo.stdin(Stdio::null()).output().context("cannot run cargo")?;
    let printed = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let hint = if has_target(board.triple) {
            String::new()
        } else {
            format!("\nthe target {} is not installed: {SET_UP}", board.triple)
        };
        let printed = if said == Said::Shown { String::new() } else { format!(":\n{printed}") };
        bail!("cannot build {program} for {}{printed}{hint}", board.name);
    }
    if printed.contains("warning: ") {
        if said == Said::Nothing {
            bail!("{program} for {} builds with warnings:\n{printed}", board.name);
        }
        eprint!("{printed}");
    }
    let path = executable(&output.stdout).context("cargo named no executable")?;
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Whether the compiler has a library for a target, as far as can be told.
fn has_target(triple: &str) -> bool {
    let Ok(root) = root() else { return true };
    let rustc = Command::new("rustc").current_dir(root).args(["--print", "target-libdir", "--target", triple]).output();
    rustc.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// Builds gen-core's program `pictures` for this machine and returns where it is; the next build of the
/// same profile may put another one there.
///
/// `profile` and `flags` are cargo's and rustc's: what has to make no difference.
///
/// # Errors
/// When cargo fails: with all that it printed.
pub fn build_on_host(profile: &str, flags: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()?).args(["build", "-q", "-p", "gen-core", "--bin", "pictures", "--features", "pictures"]);
    cargo.args(["--profile", profile, "--message-format", "json-render-diagnostics"]);
    if !flags.is_empty() {
        cargo.env("RUSTFLAGS", flags);
        // With a target, flags are not for the programs that only take part in building: these are not built again.
        let rustc = Command::new("rustc").current_dir(root()?).arg("-vV").output().context("cannot run rustc")?;
        let said = String::from_utf8(rustc.stdout)?;
        let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not name its host")?;
        cargo.args(["--target", host]);
    }
    let output = cargo.stdin(Stdio::null()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cannot build pictures, {profile} {flags}:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    executable(&output.stdout).context("cargo named no executable")
}

/// The executable among cargo's messages.
fn executable(messages: &[u8]) -> Option<PathBuf> {
    let messages = str::from_utf8(messages).ok()?;
    let mut found = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    found.next_back()
}
