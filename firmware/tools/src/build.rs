//! Builds a program of the firmware for a board.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{env, fs, str};

use anyhow::{Context, Result, bail};

use crate::boards::Board;

/// The repository's folder.
///
/// # Errors
/// None, as long as firmware/tools/ lies in it.
pub fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("firmware/tools/ lies in the repository")
}

/// What is shown of cargo's output while it builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    /// All of it, for people who wait.
    All,
    /// Only warnings.
    Warnings,
    /// Nothing, and a warning is an error: for tests, because the code here has none.
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
    run_cargo(board, program, model, features, RELEASE, Output::Nothing)
}

/// As [`build`], as one debugs it: not optimised, and with checks.
///
/// # Errors
/// As [`build`].
pub fn build_debug(board: Board, program: &str, model: Option<&Path>) -> Result<Vec<u8>> {
    run_cargo(board, program, model, &[], &[], Output::Nothing)
}

/// As [`build_with`], for people who count: whatever cargo warns of (a setting of theirs, a compiler that is newer
/// than the code) is shown and stops nothing.
///
/// # Errors
/// When cargo fails: with all that it printed.
pub fn build_quietly(board: Board, program: &str, model: Option<&Path>, features: &[&str]) -> Result<Vec<u8>> {
    run_cargo(board, program, model, features, RELEASE, Output::Warnings)
}

/// As [`build_quietly`], for people who wait: they see what cargo does.
///
/// # Errors
/// When cargo fails; it has said why.
pub fn build_shown(board: Board, program: &str, model: Option<&Path>, features: &[&str]) -> Result<Vec<u8>> {
    check_target(board)?;
    eprintln!("building the firmware for {}; the first build takes a few minutes", board.name);
    run_cargo(board, program, model, features, RELEASE, Output::All)
}

/// Arguments of cargo for programs that run on a chip. `firmware/.cargo/config.toml` has the profile.
const RELEASE: &[&str] = &["--release"];

fn run_cargo(
    board: Board,
    program: &str,
    model: Option<&Path>,
    features: &[&str],
    profile: &[&str],
    shown: Output,
) -> Result<Vec<u8>> {
    // Builds with different models share a path: one after the other.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);

    check_target(board)?;
    let folder = folder(board)?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // In the board's folder, whose configuration is for programs on a chip.
    cargo.current_dir(&folder).arg("build").args(profile).args(["--target", board.triple, "--bin", program]);
    if !board.is_hardware() {
        cargo.args(["--features", board.name]);
    }
    for feature in features {
        cargo.args(["--features", feature]);
    }
    // Cargo says where it put the program, whatever target directory it was told to use.
    cargo.args(["--message-format", "json-render-diagnostics"]);
    if let Some(model) = model {
        cargo.env("FROG_MODEL", model.canonicalize().with_context(|| format!("no model {}", model.display()))?);
    }
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

/// The folder of the package that has the programs of a board.
fn folder(board: Board) -> Result<PathBuf> {
    let firmware = root()?.join("firmware");
    Ok(if board.is_hardware() { firmware.join("boards").join(board.name) } else { firmware.join("emulated") })
}

/// Checks that the compiler can build for a board: without its library a build would end after minutes with an
/// error that does not say what to do.
///
/// # Errors
/// If it cannot: names the command that installs what is missing.
pub fn check_target(board: Board) -> Result<()> {
    let triple = board.triple;
    let rustc =
        Command::new("rustc").current_dir(root()?).args(["--print", "target-libdir", "--target", triple]).output();
    // Whoever has no rustc of this name builds with another, which says itself what it lacks.
    let Ok(output) = rustc else { return Ok(()) };
    if output.status.success() && !Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir() {
        bail!(
            "the Rust target of {} is not installed. Install it with\n\n    rustup target add {triple}\n",
            board.name
        );
    }
    Ok(())
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
