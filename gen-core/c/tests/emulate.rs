//! Runs programs with a time limit. The tests of `trainer/packager` include this file too.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Runs a program for the Cortex-M4 in the emulator and returns what it wrote.
pub fn emulate(program: &Path) -> Result<Vec<u8>> {
    let mut qemu = Command::new("qemu-system-arm");
    qemu.args(["-machine", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none"]);
    qemu.args(["-semihosting-config", "enable=on,target=native", "-kernel"]).arg(program);
    output_of(qemu, program)
}

/// Runs the command for a program and returns what it wrote, which is kept beside the program.
pub fn output_of(mut command: Command, program: &Path) -> Result<Vec<u8>> {
    let written = program.with_extension("out");
    command.stdin(Stdio::null()).stdout(fs::File::create(&written)?);
    let mut child = command.spawn().context("cannot run it: ./tests/run.sh installs qemu-system-arm")?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > Duration::from_secs(120) {
            child.kill()?;
            bail!("{} does not end", program.display());
        }
        thread::sleep(Duration::from_millis(20));
    };
    ensure!(status.success(), "{}: {status}", program.display());
    Ok(fs::read(written)?)
}
