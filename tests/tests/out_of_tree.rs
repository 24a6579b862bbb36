//! A board and a display outside of the firmware, written against its public API alone.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use firmware::model::BLOB;
use gen_core::Model;
use gen_core::plan::{ARMV7EM, ARMV7M};
use object::Endianness;
use object::read::elf::ElfFile32;
use object::{Object, ObjectSymbol};
use workspace_tests::firmware::{Board, MPS2_AN386, MPS2_AN505, root};
use workspace_tests::pictures::on_host;
use workspace_tests::qemu::{DAMAGED, LIMIT, Options, Qemu, log_lines};
use workspace_tests::replay::Drawn;

/// Builds a program of the crate for a board.
fn built(board: Board, program: &str, features: &str) -> Result<Vec<u8>> {
    let root = root()?;
    let target = root.join("target").join("out-of-tree");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "-q", "--release", "--locked", "--target", board.triple]);
    cargo.args(["--bin", program, "--features", features]);
    cargo.arg("--manifest-path").arg(root.join("tests/out-of-tree/Cargo.toml"));
    cargo.arg("--target-dir").arg(&target).env("RUSTFLAGS", "-D warnings").stdin(Stdio::null());
    let output = cargo.output().context("cannot run cargo")?;
    ensure!(output.status.success(), "it does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(fs::read(target.join(Path::new(board.triple)).join("release").join(program))?)
}

fn started(board: Board, program: &[u8]) -> Result<Qemu> {
    Qemu::start(board, program, &Options { limit: Some(LIMIT), ..Options::default() })
}

/// Runs the board: it says that its workspace has `workspace` bytes, and draws the host's picture.
fn draws(board: Board, features: &str, workspace: usize) -> Result<()> {
    let mut qemu = started(board, &built(board, "own-board", features)?)?;
    let first = qemu.wait_for("workspace ")?;
    ensure!(first.ends_with(&format!("workspace {workspace} bytes")), "not {workspace}: {first}");
    let line = qemu.wait_for("picture 42 drawn")?;
    let drawn = Drawn::parse(&line).context("a line about a picture")?;
    let host = on_host(BLOB, &[42])?;
    assert_eq!(host.lines, [format!("picture 42 crc {:08x}", drawn.crc)]);
    Ok(())
}

#[test]
fn it_builds_and_draws_the_same_picture() -> Result<()> {
    draws(MPS2_AN386, "", Model::parse(BLOB)?.workspace_plan(&ARMV7EM).bytes())
}

#[test]
fn the_workspace_fits_the_kernels_that_only_gen_core_was_told_of() -> Result<()> {
    let model = Model::parse(BLOB)?;
    let (dsp, mla) = (model.workspace_plan(&ARMV7EM).bytes(), model.workspace_plan(&ARMV7M).bytes());
    ensure!(dsp < mla, "there is no difference to be seen");
    draws(MPS2_AN505, "no-dsp", mla)
}

/// The bytes of the log that a debugger would find in the memory of a program.
fn unread(qemu: &mut Qemu, program: &[u8]) -> Result<Vec<u8>> {
    let elf: ElfFile32<'_, Endianness> = ElfFile32::parse(program)?;
    let control = elf.symbol_by_name("_SEGGER_RTT").context("the program has no RTT")?.address();
    // Behind identifier and numbers of channels: name, buffer, size, end, begin.
    let channel = qemu.memory(control + 24, 20)?;
    let mut words = channel.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word) as usize).skip(1);
    let (Some(buffer), Some(size), Some(end), Some(begin)) = (words.next(), words.next(), words.next(), words.next())
    else {
        bail!("half a control block")
    };
    let mut bytes = qemu.memory(buffer as u64, size)?;
    ensure!(begin < size && end < size, "no channel");
    bytes.rotate_left(begin);
    bytes.truncate((end + size - begin) % size);
    Ok(bytes)
}

#[test]
fn a_log_that_nobody_reads_loses_whole_lines_and_says_how_many() -> Result<()> {
    let program = built(MPS2_AN386, "rtt", "rtt")?;
    let mut qemu = started(MPS2_AN386, &program)?;
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line: &String| !line.contains("and short again")) {
        lines.push(qemu.line().ok().flatten().with_context(|| format!("{lines:#?}"))?);
    }
    let missing = "WARN  lines of the log that are missing here, as nobody read them in time: ";
    ensure!(!lines.iter().any(|line| line == DAMAGED), "{lines:#?}");
    ensure!(lines[..2] == [format!("{missing}1"), "INFO  the log is there".to_owned()], "{lines:#?}");
    let mut lost = 0;
    let mut number = 0;
    let mut rest = lines[2..].iter();
    let after = rest.by_ref().find(|line| {
        if let Some(count) = line.strip_prefix(missing) {
            lost += count.parse::<usize>().unwrap_or(0);
            false
        } else if let Some(text) = line.strip_prefix("INFO  line ") {
            // In their order, and all that lie between were counted.
            let found = text.split(' ').next().and_then(|n| n.parse::<usize>().ok());
            assert_eq!(found, Some(number + lost), "{lines:#?}");
            number += 1;
            false
        } else {
            true
        }
    });
    ensure!(after.is_some_and(|line| line == "INFO  somebody reads"), "{lines:#?}");
    ensure!(number > 20 && lost > 100 && number + lost == 200, "{number} lines, {lost} missing: {lines:#?}");
    let end: Vec<_> = rest.collect();
    ensure!(end[..] == [&format!("{missing}1"), "INFO  and short again"], "{end:#?}");

    // The program has stopped, and cannot read its own log any more.
    let limit = Instant::now() + LIMIT;
    let last = loop {
        let lines = log_lines(&program, &unread(&mut qemu, &program)?)?;
        match lines.last() {
            Some(line) => break line.clone(),
            None if Instant::now() > limit => bail!("the panic is not told"),
            None => sleep(Duration::from_millis(20)),
        }
    };
    ensure!(last.starts_with("ERROR panicked at") && last.contains("a line of the log within another"), "{last}");
    Ok(())
}
