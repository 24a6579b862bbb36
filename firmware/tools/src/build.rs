//! Builds programs of the firmware for a board.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{env, fs, str};

use anyhow::{Context, Result, bail};

use crate::boards::Board;

/// The root folder of the repository.
///
/// # Errors
/// Only if this package is not in `firmware/tools/`.
pub fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("firmware/tools/ lies in the repository")
}

/// How much of cargo's output is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    /// Everything, for commands.
    All,
    /// Only warnings.
    Warnings,
    /// Nothing, and a warning is an error: for tests.
    Nothing,
}

/// What the first picture of a program shows. What is `None` here, the variables `FROG_LATENT` and `FROG_CLASS` in the
/// environment can say.
#[derive(Debug, Clone, Copy, Default)]
pub struct First<'a> {
    /// Its latent: two hexadecimal digits for each value.
    pub latent: Option<&'a str>,
    /// Its class: a name, or a number from 0 on.
    pub class: Option<&'a str>,
}

/// Builds a program for a board, for tests. Returns the contents of the ELF file, because the next build overwrites it. The
/// program embeds `model`, or without one the default model.
///
/// # Errors
/// If cargo fails or warns. The error contains all that cargo printed.
pub fn build(board: Board, program: &str, model: Option<&Path>) -> Result<Vec<u8>> {
    build_with(board, program, model, &[])
}

/// Like [`build`], with a latent and a class for the first picture, as a user gives them when building.
///
/// # Errors
/// As [`build`].
pub fn build_first(board: Board, program: &str, model: Option<&Path>, first: First<'_>) -> Result<Vec<u8>> {
    run_cargo(board, program, model, &[], RELEASE, Output::Nothing, first)
}

/// Builds a program that expects `model` in the external memory of the board. Give the same model to QEMU when the program
/// runs ([`Options::external_model`](crate::qemu::Options::external_model)).
///
/// # Errors
/// As [`build`].
pub fn build_external(board: Board, program: &str, model: &Path) -> Result<Vec<u8>> {
    build_with(board, program, Some(model), &["external-model"])
}

/// Like [`build`], with additional features.
///
/// # Errors
/// As [`build`].
pub fn build_with(board: Board, program: &str, model: Option<&Path>, features: &[&str]) -> Result<Vec<u8>> {
    run_cargo(board, program, model, features, RELEASE, Output::Nothing, First::default())
}

/// Like [`build`], but with the dev profile: not optimised, with overflow checks.
///
/// # Errors
/// As [`build`].
pub fn build_debug(board: Board, program: &str, model: Option<&Path>) -> Result<Vec<u8>> {
    run_cargo(board, program, model, &[], &[], Output::Nothing, First::default())
}

/// Like [`build_with`], for `cargo bench-qemu`: warnings of cargo, for example of a newer compiler, are shown but are not an
/// error.
///
/// # Errors
/// If cargo fails. The error contains all that cargo printed.
pub fn build_quietly(board: Board, program: &str, model: Option<&Path>, features: &[&str]) -> Result<Vec<u8>> {
    run_cargo(board, program, model, features, RELEASE, Output::Warnings, First::default())
}

/// Like [`build_quietly`], for commands: all output of cargo is shown.
///
/// # Errors
/// If cargo fails; its output gives the reason.
pub fn build_shown(
    board: Board,
    program: &str,
    model: Option<&Path>,
    features: &[&str],
    first: First<'_>,
) -> Result<Vec<u8>> {
    check_target(board)?;
    eprintln!("building the firmware for {}; the first build takes a few minutes", board.name);
    run_cargo(board, program, model, features, RELEASE, Output::All, first)
}

/// Arguments of cargo for the release profile, which `firmware/.cargo/config.toml` defines for chips.
const RELEASE: &[&str] = &["--release"];

fn run_cargo(
    board: Board,
    program: &str,
    model: Option<&Path>,
    features: &[&str],
    profile: &[&str],
    shown: Output,
    first: First<'_>,
) -> Result<Vec<u8>> {
    // Builds with different models have the same output file, so only one may run at a time.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);

    check_target(board)?;
    let folder = folder(board)?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // In the board's folder, because its configuration is for the chip.
    cargo.current_dir(&folder).arg("build").args(profile).args(["--target", board.triple, "--bin", program]);
    if !board.is_hardware() {
        cargo.args(["--features", board.name]);
    }
    for feature in features {
        cargo.args(["--features", feature]);
    }
    // The messages contain the path of the program, whatever target directory is configured.
    cargo.args(["--message-format", "json-render-diagnostics"]);
    if let Some(model) = model {
        cargo.env("FROG_MODEL", model.canonicalize().with_context(|| format!("no model {}", model.display()))?);
    }
    cargo.envs(first.latent.map(|latent| ("FROG_LATENT", latent)));
    cargo.envs(first.class.map(|class| ("FROG_CLASS", class)));
    if shown == Output::All {
        cargo.stderr(Stdio::inherit());
    } else {
        cargo.arg("-q");
    }
    let output = cargo.stdin(Stdio::null()).output().context("cannot run cargo")?;
    let printed = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let printed = if shown == Output::All { String::new() } else { format!(":\n{printed}") };
        bail!("cannot build {program} for {}{printed}", board.name);
    }
    if printed.contains("warning: ") {
        if shown == Output::Nothing {
            bail!("{program} for {} builds with warnings:\n{printed}", board.name);
        }
        eprint!("{printed}");
    }
    let path = executable(&output.stdout).context("cargo named no executable")?;
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The folder of the package with the programs of a board.
fn folder(board: Board) -> Result<PathBuf> {
    let firmware = root()?.join("firmware");
    Ok(if board.is_hardware() { firmware.join("boards").join(board.name) } else { firmware.join("emulated") })
}

/// Checks that the Rust target of a board is installed. Without it a build would fail after minutes, with an unclear error.
///
/// # Errors
/// If the target is not installed. The message has the command that installs it.
pub fn check_target(board: Board) -> Result<()> {
    let triple = board.triple;
    let rustc =
        Command::new("rustc").current_dir(root()?).args(["--print", "target-libdir", "--target", triple]).output();
    // Without a `rustc` in PATH, cargo uses another compiler, which reports itself what is missing.
    let Ok(output) = rustc else { return Ok(()) };
    if output.status.success() && !Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir() {
        bail!(
            "the Rust target of {} is not installed. Install it with\n\n    rustup target add {triple}\n",
            board.name
        );
    }
    Ok(())
}

/// Builds gen-core's program `pictures` for the host, with a profile of cargo and flags for rustc. Returns the path of the
/// program; the next build of the same profile may overwrite it.
///
/// # Errors
/// If cargo fails. The error contains all that cargo printed.
pub fn build_on_host(profile: &str, flags: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()?).args(["build", "-q", "-p", "gen-core", "--bin", "pictures", "--features", "pictures"]);
    cargo.args(["--profile", profile, "--message-format", "json-render-diagnostics"]);
    if !flags.is_empty() {
        cargo.env("RUSTFLAGS", flags);
        // With an explicit target, the flags do not apply to build scripts and macros, which are then not built again.
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

/// The path of the executable in cargo's messages.
fn executable(messages: &[u8]) -> Option<PathBuf> {
    let messages = str::from_utf8(messages).ok()?;
    let mut found = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    found.next_back()
}
