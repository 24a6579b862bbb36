//! A board and a display outside of the firmware, written against its public API alone.

use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use firmware::model::BLOB;
use workspace_tests::firmware::{MPS2_AN386, root};
use workspace_tests::pictures::on_host;
use workspace_tests::qemu::{LIMIT, Options, Qemu};
use workspace_tests::replay::Drawn;

#[test]
fn it_builds_and_draws_the_same_picture() -> Result<()> {
    let root = root()?;
    let target = root.join("target").join("out-of-tree");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "-q", "--release", "--locked", "--target", MPS2_AN386.triple]);
    cargo.arg("--manifest-path").arg(root.join("tests/out-of-tree/Cargo.toml"));
    cargo.arg("--target-dir").arg(&target).env("RUSTFLAGS", "-D warnings").stdin(Stdio::null());
    let output = cargo.output().context("cannot run cargo")?;
    ensure!(output.status.success(), "it does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    let program = fs::read(target.join(MPS2_AN386.triple).join("release/own-board"))?;

    let options = Options { limit: Some(LIMIT), ..Options::default() };
    let line = Qemu::start(MPS2_AN386, &program, &options)?.wait_for("picture 42 drawn")?;
    let drawn = Drawn::parse(&line).context("a line about a picture")?;
    let host = on_host(BLOB, &[42])?;
    assert_eq!(host.lines, [format!("picture 42 crc {:08x}", drawn.crc)]);
    Ok(())
}
