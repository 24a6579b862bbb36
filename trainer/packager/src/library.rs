//! Builds the static library of `gen-core/c`, with cargo.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};

/// The folder of the repository from which this program was built.
///
/// # Errors
/// If it is no longer there.
pub fn repository() -> Result<&'static Path> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("trainer/packager/ has a parent")?;
    ensure!(
        root.join("gen-core/c/Cargo.toml").is_file(),
        "the sources from which this program was built are no longer in {}: a package is made from them. Build the \
         program again in a copy of the repository",
        root.display()
    );
    Ok(root)
}

/// A command that cargo or rustup starts from this repository, so that it uses the repository's toolchain.
fn command(root: &Path, program: OsString, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(&program);
    command.current_dir(root).args(arguments).stdin(Stdio::null());
    // Flags for the host could not be used for a chip.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_BUILD_TARGET");
    let program = program.to_string_lossy();
    match command.output() {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            bail!("there is no {program}: a package is compiled from the sources. Install Rust from https://rustup.rs")
        }
        output => output.with_context(|| format!("cannot run {program}")),
    }
}

fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Whether the standard library of a target is installed.
///
/// # Errors
/// If there is no rustc.
pub fn is_installed(root: &Path, target: &str) -> Result<bool> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = command(root, rustc, &["--print", "target-libdir", "--target", target])?;
    let folder = String::from_utf8_lossy(&output.stdout);
    // The folder is there, and holds more than the host's own tools.
    Ok(output.status.success() && fs::read_dir(folder.trim()).is_ok_and(|mut files| files.next().is_some()))
}

/// Builds the static library for a target, or for this machine, and returns its bytes.
///
/// # Errors
/// If there is no cargo, the target is not installed, or the build fails. The error contains what cargo printed.
pub fn build(root: &Path, target: Option<&str>) -> Result<Vec<u8>> {
    if let Some(target) = target {
        ensure!(
            is_installed(root, target)?,
            "the Rust target {target} is not installed: run `rustup target add {target}` in {}",
            root.display()
        );
    }
    let mut arguments = vec!["rustc", "-q", "-p", "gen-core-c", "--profile", "c", "--crate-type", "staticlib"];
    arguments.extend(["--message-format", "json-render-diagnostics"]);
    arguments.extend(target.iter().flat_map(|target| ["--target", target]));
    // Cargo replaces the file even if there is nothing to build, so that another thread might not find it.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = command(root, cargo(), &arguments)?;
    let target = target.unwrap_or("this machine");
    ensure!(
        output.status.success(),
        "cannot build gen-core/c for {target}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut files = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let names = message.get("filenames")?.as_array()?.iter();
        names.filter_map(|name| name.as_str()).find(|name| name.ends_with(".a")).map(PathBuf::from)
    });
    let file = files.next_back().with_context(|| format!("cargo named no library for {target}"))?;
    fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_cargo_is_said_with_where_to_get_it() {
        let error = command(repository().unwrap(), "no-such-cargo".into(), &[]).unwrap_err().to_string();
        assert!(error.contains("there is no no-such-cargo") && error.contains("rustup.rs"), "{error}");
    }

    #[test]
    fn a_target_that_is_not_installed_is_recognised() {
        let root = repository().unwrap();
        assert!(is_installed(root, "thumbv7em-none-eabihf").unwrap());
        assert!(!is_installed(root, "thumbv9-none-eabi").unwrap());
    }
}
