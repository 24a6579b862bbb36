//! Runs a program of the firmware under QEMU.
//!
//! There are three channels to a program. Its log (defmt over semihosting) arrives on QEMU's standard output and is decoded
//! here. Pictures are sent over UART 0 and written to a file. Screenshots and key presses use QEMU's control socket (QMP).
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | success |
//! | 1 | panic or fault, named in the last line of the log |
//! | 134 | lock-up: a fault that the processor could not handle |
//! | 124 | the time limit was exceeded |

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use defmt_decoder::{DecodeError, Table};
use object::read::elf::ElfFile32;
use object::{Endianness, Object, ObjectSymbol};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::boards::Board;
use crate::screen::Screen;

/// The message that explains how to install QEMU.
const INSTALL_HINT: &str = "QEMU for Arm or RISC-V is not installed. Install both with one of\n\n    \
     sudo apt-get install qemu-system-arm qemu-system-misc                Debian, Ubuntu\n    \
     sudo dnf install qemu-system-arm-core qemu-system-riscv-core         Fedora\n    \
     sudo pacman -S qemu-system-arm qemu-system-riscv                     Arch\n    \
     brew install qemu                                                    macOS\n";

/// Exit code of a program that exceeded its time limit.
pub const TIMED_OUT: i32 = 124;
/// Added to the number of the signal that ended QEMU, as in shells.
const SIGNAL: i32 = 128;
/// Time limit for programs that should end, or log a line, soon.
pub const LIMIT: Duration = Duration::from_secs(120);
/// Replaces a line of the log that cannot be decoded.
pub const DAMAGED: &str = "(a damaged line)";
/// A harmless message of QEMU about the board's timer at every start.
const HARMLESS: &str = "Timer with period zero, disabling";

/// Options for running a program.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Settings for the firmware, such as `seed=7`.
    pub settings: Vec<String>,
    /// File for the bytes that the program sends over UART 0.
    pub serial: Option<PathBuf>,
    /// Model file for the external memory of the board, for programs with an external model.
    pub external_model: Option<PathBuf>,
    /// Whether the board's time is real time instead of a count of instructions.
    pub real_time: bool,
    /// File for a record of all executed blocks of instructions.
    pub record: Option<PathBuf>,
    /// Whether to open QEMU's window.
    pub window: bool,
    /// Time limit; `None` for no limit.
    pub limit: Option<Duration>,
}

/// A running program.
#[derive(Debug)]
pub struct Qemu {
    child: Child,
    /// Lines of the log, and messages of QEMU.
    lines: Receiver<String>,
    limit: Option<Instant>,
    qmp: Option<Qmp>,
    /// Folder for program, socket and screenshots.
    folder: TempDir,
}

impl Qemu {
    /// Starts a program, given as the bytes of an ELF file.
    ///
    /// # Errors
    /// If the bytes are not a program with a defmt log, an external model is given for a program that embeds its model, or
    /// QEMU is not installed.
    pub fn start(board: Board, elf: &[u8], options: &Options) -> Result<Self> {
        let table = Table::parse(elf)?.context("the program has no defmt log")?;
        let folder = tempfile::tempdir()?;
        let kernel = folder.path().join("program.elf");
        std::fs::write(&kernel, elf).with_context(|| format!("cannot write {}", kernel.display()))?;
        let mut qemu = Command::new(emulator(board));
        qemu.args(["-machine", board.machine, "-monitor", "none"]);
        if !board.is_arm() {
            qemu.args(["-bios", "none"]); // the program is all there is
        }
        if !options.real_time {
            // The board's time counts instructions, so a run does not depend on the speed of the host.
            qemu.args(["-icount", "shift=6"]);
        }
        if let Some(record) = &options.record {
            qemu.args(["-d", "exec,nochain,in_asm", "-D"]).arg(record);
        }
        if !options.window {
            qemu.args(["-display", "none"]);
        }
        match &options.serial {
            Some(file) => qemu.arg("-serial").arg(format!("file:{}", file.display())),
            None => qemu.args(["-serial", "none"]),
        };
        qemu.arg("-qmp").arg(format!("unix:{},server=on,wait=off", socket(&folder).display()));
        let mut semihosting = String::from("enable=on,target=native");
        if options.settings.is_empty() {
            semihosting.push_str(",arg="); // otherwise the program's path would be the first argument
        }
        for word in &options.settings {
            semihosting.push_str(",arg=");
            semihosting.push_str(&quoted(word));
        }
        if let Some(model) = &options.external_model {
            let address = external_model_address(elf)?;
            let file = quoted(model.to_str().context("the model's path is not UTF-8")?);
            qemu.arg("-device").arg(format!("loader,file={file},addr={address:#x},force-raw=on"));
        }
        qemu.arg("-semihosting-config").arg(semihosting).arg("-kernel").arg(kernel);
        // Reads both pipes: the firmware stops if it cannot write its log.
        let qemu = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = qemu.spawn().map_err(|e| not_started(emulator(board), &e))?;

        let (sender, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            let sender = sender.clone();
            thread::spawn(move || {
                // The receiver is gone, but reading continues, because QEMU would stop otherwise.
                decode(&table, stdout, |line| _ = sender.send(line));
            });
        }
        if let Some(stderr) = child.stderr.take() {
            thread::spawn(move || pass_on(stderr, &sender));
        }
        Ok(Self { child, lines, limit: options.limit.map(|limit| Instant::now() + limit), qmp: None, folder })
    }

    /// The next line of the log; `None` when the program has ended.
    ///
    /// # Errors
    /// [`TimedOut`], like all functions here that wait.
    pub fn line(&mut self) -> Result<Option<String>, TimedOut> {
        let Some(limit) = self.limit else { return Ok(self.lines.recv().ok()) };
        match self.lines.recv_timeout(limit.saturating_duration_since(Instant::now())) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(TimedOut),
        }
    }

    /// Waits for a line that contains `text`, and returns it.
    ///
    /// # Errors
    /// If the program ends or the time limit is exceeded. The error contains all lines until then.
    pub fn wait_for(&mut self, text: &str) -> Result<String> {
        let mut seen = String::new();
        loop {
            match self.line() {
                Ok(Some(line)) if line.contains(text) => return Ok(line),
                Ok(Some(line)) => seen.extend([&line, "\n"]),
                Ok(None) => bail!("the program ended without \"{text}\"; its log:\n{seen}"),
                Err(TimedOut) => bail!("time ran out waiting for \"{text}\"; the log until then:\n{seen}"),
            }
        }
    }

    /// Waits for the end of the program, passes each line to a function, and returns the exit code.
    ///
    /// # Errors
    /// If waiting for QEMU fails.
    pub fn finish(mut self, mut each: impl FnMut(&str)) -> Result<i32> {
        loop {
            match self.line() {
                Ok(Some(line)) => each(&line),
                Ok(None) => break,
                Err(TimedOut) => {
                    each("out of time: stopped");
                    return Ok(TIMED_OUT); // dropping stops QEMU
                }
            }
        }
        let status = self.child.wait()?;
        status.code().or(status.signal().map(|s| SIGNAL + s)).context("QEMU neither ended nor was stopped")
    }

    /// Presses and releases a key in QEMU's window: an arrow key, or `ctrl` for the select button.
    ///
    /// # Errors
    /// If QEMU does not answer.
    pub fn press(&mut self, key: &str) -> Result<()> {
        self.ask("send-key", json!({ "keys": [{ "type": "qcode", "data": key }] }))
    }

    /// A screenshot of the display.
    ///
    /// # Errors
    /// If QEMU does not answer.
    pub fn screen(&mut self) -> Result<Screen> {
        let file = self.folder.path().join("screen.ppm");
        self.ask("screendump", json!({ "filename": &file }))?;
        Screen::from_ppm(&std::fs::read(&file).context("QEMU wrote no screenshot")?)
    }

    /// The contents of the board's memory.
    ///
    /// # Errors
    /// If QEMU does not answer.
    pub fn memory(&mut self, address: u64, len: usize) -> Result<Vec<u8>> {
        let file = self.folder.path().join("memory");
        self.ask("pmemsave", json!({ "val": address, "size": len, "filename": &file }))?;
        std::fs::read(&file).context("QEMU wrote no memory")
    }

    fn ask(&mut self, command: &str, arguments: Value) -> Result<()> {
        let qmp = match &mut self.qmp {
            Some(qmp) => qmp,
            none => none.insert(Qmp::connect(&socket(&self.folder))?),
        };
        qmp.ask(command, arguments).with_context(|| format!("QEMU did not do \"{command}\""))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // QEMU may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program of QEMU for the processor of a board.
fn emulator(board: Board) -> &'static str {
    if board.is_arm() { "qemu-system-arm" } else { "qemu-system-riscv32" }
}

/// Checks that QEMU is installed, before a long build.
///
/// # Errors
/// If it is not installed. The message explains how to install it.
pub fn check_installed() -> Result<()> {
    let version = Command::new("qemu-system-arm").arg("--version").stdin(Stdio::null()).output();
    version.map(drop).map_err(|e| not_started("qemu-system-arm", &e))
}

/// The error for a QEMU that does not start.
fn not_started(program: &str, e: &std::io::Error) -> anyhow::Error {
    match e.kind() {
        std::io::ErrorKind::NotFound => anyhow!(INSTALL_HINT),
        _ => anyhow!("cannot run {program}: {e}"),
    }
}

/// The time limit was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOut;

/// Escapes a value for a list of QEMU options, which are separated by commas.
fn quoted(value: &str) -> String {
    value.replace(',', ",,")
}

/// The address at which a program expects its external model: the symbol is defined in the board's `memory.x`.
fn external_model_address(elf: &[u8]) -> Result<u64> {
    let symbol = ElfFile32::<Endianness>::parse(elf)?.symbol_by_name("_external_model").map(|s| s.address());
    symbol.context("the program has a model of its own: build it with the feature external-model")
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("qmp")
}

/// Turns defmt frames into lines such as `INFO  picture 42 drawn`.
pub(crate) fn decode(table: &Table, mut stdout: impl Read, mut each: impl FnMut(String)) {
    let mut decoder = table.new_stream_decoder();
    let mut buffer = [0; 4096];
    while let Ok(len @ 1..) = stdout.read(&mut buffer) {
        decoder.received(&buffer[..len]);
        loop {
            let line = match decoder.decode() {
                Ok(frame) => {
                    let level = frame.level().map_or("", |level| level.as_str()).to_uppercase();
                    format!("{level:<5} {}", frame.display_message())
                }
                Err(DecodeError::UnexpectedEof) => break,
                Err(DecodeError::Malformed) if table.encoding().can_recover() => DAMAGED.to_owned(),
                Err(DecodeError::Malformed) => return,
            };
            each(line);
        }
    }
}

/// Decodes the log of a program (an ELF file) into lines.
///
/// # Errors
/// If it is not a program with a defmt log.
pub fn log_lines(elf: &[u8], bytes: &[u8]) -> Result<Vec<String>> {
    let table = Table::parse(elf)?.context("the program has no defmt log")?;
    let mut lines = Vec::new();
    decode(&table, bytes, |line| lines.push(line));
    Ok(lines)
}

/// Passes on messages of QEMU itself.
fn pass_on(stderr: impl Read, lines: &Sender<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if line != HARMLESS {
            let _ = lines.send(line);
        }
    }
}

/// QEMU's control socket (QMP): one JSON object for each line.
#[derive(Debug)]
struct Qmp(BufReader<UnixStream>);

impl Qmp {
    fn connect(path: &Path) -> Result<Self> {
        let limit = Instant::now() + LIMIT;
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(e) if Instant::now() > limit => return Err(anyhow!(e).context("QEMU opens no control socket")),
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        };
        stream.set_read_timeout(Some(LIMIT))?;
        let mut qmp = Self(BufReader::new(stream));
        qmp.read()?; // the greeting
        qmp.ask("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    fn ask(&mut self, command: &str, arguments: Value) -> Result<()> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.0.get_mut(), "{request}")?;
        loop {
            let answer = self.read()?;
            if answer.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = answer.get("error") {
                bail!("{error}");
            }
            // Other messages are events, not answers.
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            bail!("QEMU has ended");
        }
        Ok(serde_json::from_str(&line)?)
    }
}
