//! The template, a board and a display that use only the public API of the firmware, and copies of it as users would make
//! them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use firmware_tools::boards::{Board, MPS2_AN386, MPS2_AN505};
use firmware_tools::build::root;
use firmware_tools::model::BLOB;
use firmware_tools::pictures::on_host;
use firmware_tools::qemu::{DAMAGED, LIMIT, Options, Qemu, log_lines};
use firmware_tools::replay::Drawn;
use gen_core::Model;
use gen_core::plan::{ARMV7EM, ARMV7M};
use object::Endianness;
use object::read::elf::ElfFile32;
use object::{Object, ObjectSymbol};

/// The template, as it is.
fn template() -> Result<PathBuf> {
    Ok(root()?.join("firmware/template"))
}

/// Copies the template as a user would do, with another `src/main.rs` if `program` is given. Each change is a file, a text
/// and its replacement.
fn copied(name: &str, program: Option<&str>, changes: &[(&str, &str, &str)]) -> Result<PathBuf> {
    let root = root()?;
    let copy = root.join("target/template-copies").join(name);
    for file in ["Cargo.toml", "Cargo.lock", "build.rs", "board.toml", "memory.x", "src/main.rs", "src/paper.rs"] {
        let to = copy.join(file);
        fs::create_dir_all(to.parent().context("a folder")?)?;
        let mut text = fs::read_to_string(template()?.join(file)).with_context(|| file.to_owned())?;
        if file == "Cargo.toml" {
            let firmware = format!("path = \"{}/", root.join("firmware").display());
            text = text.replace("path = \"../../", &format!("path = \"{}/", root.display()));
            text = text.replace("path = \"../", &firmware);
        }
        if let Some(program) = program.filter(|_| file == "src/main.rs") {
            program.clone_into(&mut text);
        }
        for (_, from, into) in changes.iter().filter(|(changed, ..)| *changed == file) {
            ensure!(text.contains(from), "{file} of the template has no {from:?} to change");
            text = text.replace(from, into);
        }
        // Files that have not changed are not written, so that they are not built again.
        if fs::read_to_string(&to).ok().as_ref() != Some(&text) {
            fs::write(&to, text)?;
        }
    }
    Ok(copy)
}

/// Builds the program of a package for a board.
fn built(board: Board, package: &Path) -> Result<Vec<u8>> {
    // All copies have the same output file, so only one may build at a time.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let target = root()?.join("target").join("template");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(package).args(["build", "-q", "--release", "--offline", "--target", board.triple]);
    if package == template()? {
        cargo.arg("--locked");
    }
    cargo.arg("--target-dir").arg(&target).env("RUSTFLAGS", "-D warnings").stdin(Stdio::null());
    let output = cargo.output().context("cannot run cargo")?;
    ensure!(output.status.success(), "it does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(fs::read(target.join(board.triple).join("release/own-board"))?)
}

fn started(board: Board, program: &[u8]) -> Result<Qemu> {
    Qemu::start(board, program, &Options { limit: Some(LIMIT), ..Options::default() })
}

/// Runs the program: it must log a workspace of `workspace` bytes, and draw the host's picture.
fn draws(board: Board, package: &Path, workspace: usize) -> Result<()> {
    let mut qemu = started(board, &built(board, package)?)?;
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
    draws(MPS2_AN386, &template()?, Model::parse(BLOB)?.workspace_plan(&ARMV7EM).bytes())
}

#[test]
fn the_workspace_fits_the_kernels_that_only_gen_core_was_told_of() -> Result<()> {
    let model = Model::parse(BLOB)?;
    let (dsp, mla) = (model.workspace_plan(&ARMV7EM).bytes(), model.workspace_plan(&ARMV7M).bytes());
    ensure!(dsp < mla, "there is no difference to be seen");
    let changes = [
        ("Cargo.toml", "features = [] }", "features = [\"no-dsp\"] }"),
        ("Cargo.toml", "cortex-m-rt = \"0.7.7\"", "cortex-m-rt = { version = \"0.7.7\", features = [\"set-msplim\"] }"),
        ("board.toml", MPS2_AN386.triple, MPS2_AN505.triple),
        ("board.toml", "flash = { origin = 0,", "flash = { origin = 0x1000_0000,"),
        ("board.toml", "0x2000_0000", "0x3800_0000"),
        ("memory.x", "0x00000000", "0x10000000"),
        ("memory.x", "0x2000", "0x3800"),
    ];
    draws(MPS2_AN505, &copied("no-dsp", None, &changes)?, mla)
}

/// The bytes of the log that a debugger would read from the memory of a program.
fn unread(qemu: &mut Qemu, program: &[u8]) -> Result<Vec<u8>> {
    let elf: ElfFile32<'_, Endianness> = ElfFile32::parse(program)?;
    let control = elf.symbol_by_name("_SEGGER_RTT").context("the program has no RTT")?.address();
    // After the identifier and the numbers of channels: name, buffer, size, write position, read position.
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
    let changes = [
        ("Cargo.toml", "features = [\"semihosting\"] }", "features = [\"rtt\"] }"),
        (
            "Cargo.toml",
            "[build-dependencies]",
            "defmt = \"1.2\"\nsemihosting = { version = \"0.1.25\", features = [\"stdio\"] }\n\n[build-dependencies]",
        ),
    ];
    let program = built(MPS2_AN386, &copied("rtt", Some(include_str!("template/rtt.rs")), &changes)?)?;
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
            // The lines are in order, and all missing lines between them were counted.
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

    // The program has stopped and can no longer read its own log. It may not have got there yet: the bytes of the last
    // line come out before the program notes that it has read them.
    let limit = Instant::now() + LIMIT;
    let last = loop {
        let lines = log_lines(&program, &unread(&mut qemu, &program)?)?;
        match lines.last() {
            Some(line) if line.starts_with("ERROR panicked at") => break line.clone(),
            _ if Instant::now() > limit => bail!("the panic is not told: {lines:#?}"),
            _ => sleep(Duration::from_millis(20)),
        }
    };
    ensure!(last.contains("a line of the log within another"), "{last}");
    Ok(())
}
