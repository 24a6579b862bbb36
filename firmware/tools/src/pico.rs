//! Runs the program of the Raspberry Pi Pico, as it is flashed, in the emulator rp2040js.
//!
//! The emulator runs in a process of Node.js (`firmware/tools/rp2040/chip.mjs`), which passes on what leaves the chip: the
//! bytes on the bus of the display with the level of its D/C pin, and the log in the memory that a debugger would read.
//! Here a model of the display controller turns the bytes into a picture, and the log is decoded. Buttons and typed words go
//! the other way.
//!
//! The chip's time does not depend on the machine: a run has the same log, pictures and cycles everywhere. The emulator
//! counts the cycles of the instructions and of the buses. It does not model the cache of the flash, so a real chip takes
//! longer. It raises no faults either. Whatever it reports, for example an access to an address where nothing is, is
//! therefore an error here, without any exception, unless the program's own fault handler is to run.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use defmt_decoder::Table;
use firmware_app::panel::{self, Panel};
use serde_json::json;
use tempfile::TempDir;

use crate::boards::PICO;
use crate::build::root;
use crate::controller::Controller;
use crate::elf;
use crate::panels::physical_panel;
use crate::qemu::decode;
use crate::screen::Screen;

/// The folder of the program for Node.js, below the root of the repository.
const FOLDER: &str = "firmware/tools/rp2040";
/// Nanoseconds of the chip's time after which the log is read and words are typed. The log's buffer of 1 KiB must not
/// become full in this time.
const SLICE: u64 = 1_000_000;
/// How much of the chip's time a line of the log may take.
const LONGEST_WAIT_MS: u64 = 10_000;
/// How long a button is down when it is tapped, in milliseconds.
const TAP_MS: u64 = 100;
/// Frequency of the processor, as embassy-rp sets it.
pub const CLOCK_HZ: u64 = 125_000_000;

/// A display that fits the Pico, and its wires.
#[derive(Debug, Clone, Copy)]
pub struct Display {
    /// The panel.
    pub panel: Panel,
    /// Number of the SPI unit.
    spi: u8,
    /// Pins of the display.
    select: u8,
    data: u8,
    reset: Option<u8>,
    light: u8,
    /// Pin of its button; low when it is pressed.
    button: u8,
}

/// The displays for the Pico, as their pages describe them (`firmware/boards/pico/README.md`).
pub const DISPLAYS: [Display; 2] = [
    Display { panel: panel::PICO_LCD_1_3, spi: 1, select: 9, data: 8, reset: Some(12), light: 13, button: 15 },
    Display { panel: panel::PICO_DISPLAY, spi: 0, select: 17, data: 16, reset: None, light: 20, button: 12 },
];

impl Display {
    /// The display with this name; without one, the usual one of the board.
    ///
    /// # Errors
    /// If there is no such display. The message lists all.
    pub fn find(name: Option<&str>) -> Result<Self> {
        let Some(name) = name.or(PICO.display) else { return Ok(DISPLAYS[0]) };
        DISPLAYS.into_iter().find(|display| display.panel.name == name).with_context(|| {
            let names = DISPLAYS.map(|display| display.panel.name).join(", ");
            format!("no display {name} for the Pico; there are {names}")
        })
    }
}

/// Options for running a program.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether the button is down at the start.
    pub is_down: bool,
    /// Whether what would be a fault on the chip starts the program's fault handler. Otherwise it is an error of the run.
    pub raises_faults: bool,
    /// Time limit for the run, in time of this machine.
    pub limit: Duration,
}

/// What the chip has done since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// Nanoseconds of the chip's time.
    pub nanos: u64,
    /// Cycles of the processor, those in which it slept included.
    pub cycles: u64,
    /// Instructions of the processor.
    pub instructions: u64,
}

/// What the process of the chip sends; the kinds of records are described in `chip.mjs`.
#[derive(Debug)]
enum Record {
    Commands(Vec<u8>),
    Data(Vec<u8>),
    Reset,
    Log(Vec<u8>),
    Noticed(String),
    Stopped { time: Time, pins: u32 },
}

impl Record {
    fn read(mut from: impl Read) -> Result<Self> {
        let mut head = [0; 3];
        from.read_exact(&mut head)?;
        let [kind, low, high] = head;
        let mut bytes = vec![0; u16::from_le_bytes([low, high]).into()];
        from.read_exact(&mut bytes)?;
        Ok(match kind {
            0 => Self::Commands(bytes),
            1 => Self::Data(bytes),
            2 if bytes.is_empty() => Self::Reset,
            4 => Self::Log(bytes),
            5 => Self::Noticed(String::from_utf8_lossy(&bytes).into_owned()),
            6 if bytes.len() == 28 => {
                let (numbers, pins) = bytes.split_at(24);
                let number = |i: usize| numbers[8 * i..8 * i + 8].iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
                let time = Time { nanos: number(0), cycles: number(1), instructions: number(2) };
                Self::Stopped { time, pins: pins.iter().rev().fold(0, |n, &b| n << 8 | u32::from(b)) }
            }
            _ => bail!("a record of kind {kind} with {} bytes", bytes.len()),
        })
    }
}

/// A running program.
#[derive(Debug)]
pub struct Pico {
    child: Child,
    input: ChildStdin,
    records: Receiver<Result<Record>>,
    /// What Node.js itself writes, line by line.
    errors: Receiver<String>,
    /// When the time limit is exceeded.
    limit: Instant,
    display: Display,
    controller: Controller,
    table: Table,
    log: Vec<u8>,
    /// Number of lines that were decoded.
    decoded: usize,
    /// Lines that nobody has read.
    lines: VecDeque<String>,
    time: Time,
    /// Levels of the output pins.
    pins: u32,
    /// Folder for the contents of the flash.
    _folder: TempDir,
}

impl Pico {
    /// Starts a program, given as the bytes of an ELF file. It has not run yet.
    ///
    /// # Errors
    /// If the bytes are not a program for the Pico, or Node.js or the emulator is not installed.
    pub fn start(program: &[u8], display: Display, options: Options) -> Result<Self> {
        check_installed()?;
        let table = Table::parse(program)?.context("the program has no defmt log")?;
        let folder = tempfile::tempdir()?;
        let flash = folder.path().join("flash.bin");
        fs::write(&flash, elf::flash_image(program, &PICO)?)?;
        let mut wiring = json!({
            "rtt": elf::address(program, "_SEGGER_RTT")?,
            "spi": display.spi,
            "select": display.select,
            "data": display.data,
            "faults": options.raises_faults,
        });
        if let Some(reset) = display.reset {
            wiring["reset"] = reset.into();
        }
        let mut node = Command::new("node");
        node.arg(root()?.join(FOLDER).join("chip.mjs")).arg(flash).arg(wiring.to_string());
        let mut child =
            node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(no_node)?;
        let input = child.stdin.take().context("Node.js has an input")?;
        let mut output = BufReader::new(child.stdout.take().context("Node.js has an output")?);
        let stderr = BufReader::new(child.stderr.take().context("Node.js has an output for errors")?);
        let (sender, records) = mpsc::channel();
        thread::spawn(move || {
            loop {
                let record = Record::read(&mut output);
                let is_last = record.is_err();
                if sender.send(record).is_err() || is_last {
                    return;
                }
            }
        });
        let (sender, errors) = mpsc::channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut pico = Self {
            child,
            input,
            records,
            errors,
            limit: Instant::now() + options.limit,
            display,
            controller: Controller::new(physical_panel(&display.panel))?,
            table,
            log: Vec::new(),
            decoded: 0,
            lines: VecDeque::new(),
            time: Time::default(),
            pins: 0,
            _folder: folder,
        };
        pico.press(options.is_down)?;
        Ok(pico)
    }

    /// Presses the button, or lets it go.
    ///
    /// # Errors
    /// If the process of the chip has ended.
    pub fn press(&mut self, is_down: bool) -> Result<()> {
        self.tell(&format!("pin {} {}", self.display.button, u8::from(!is_down)))
    }

    /// Presses the button for a moment.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn tap(&mut self) -> Result<()> {
        self.press(true)?;
        self.run(TAP_MS)?;
        self.press(false)
    }

    /// Types words, such as `mode=single seed=42`, as in the terminal of a debugger.
    ///
    /// # Errors
    /// If the words are more than one line, or the process of the chip has ended.
    pub fn type_words(&mut self, words: &str) -> Result<()> {
        ensure!(!words.contains('\n'), "more than one line: {words}");
        self.tell(&format!("type {words}"))
    }

    /// Runs for this much of the chip's time.
    ///
    /// # Errors
    /// If the emulator reports anything, the display's controller does not accept what it receives, the log has an error
    /// or a damaged line, or the time limit is exceeded.
    pub fn run(&mut self, ms: u64) -> Result<()> {
        (0..ms).try_for_each(|_| self.slice())
    }

    /// Runs until the log has a line that contains `text`, and returns it.
    ///
    /// # Errors
    /// As [`run`](Self::run), or if there is no such line after ten seconds of the chip's time.
    pub fn wait_for(&mut self, text: &str) -> Result<String> {
        let mut seen = String::new();
        for _ in 0..LONGEST_WAIT_MS {
            while let Some(line) = self.lines.pop_front() {
                if line.contains(text) {
                    return Ok(line);
                }
                seen.extend([&line, "\n"]);
            }
            self.slice()?;
        }
        bail!("no line with \"{text}\" in {LONGEST_WAIT_MS} ms of the chip's time; the log until then:\n{seen}")
    }

    /// The next line of the log that was not read yet.
    pub fn line(&mut self) -> Option<String> {
        self.lines.pop_front()
    }

    /// The picture on the display.
    ///
    /// # Errors
    /// If nothing is to be seen: the display is off or its light is, or pixels were never written.
    pub fn screen(&self) -> Result<Screen> {
        ensure!(self.pins >> self.display.light & 1 == 1, "nothing to see: the light of the display is off");
        let unwritten = self.controller.never_written();
        ensure!(unwritten == 0, "{unwritten} visible pixels were never written");
        self.controller.screen()
    }

    /// What the chip has done so far.
    pub fn time(&self) -> Time {
        self.time
    }

    fn tell(&mut self, command: &str) -> Result<()> {
        writeln!(self.input, "{command}").and_then(|()| self.input.flush()).map_err(|e| self.ended(&e.into()))
    }

    fn slice(&mut self) -> Result<()> {
        self.tell(&format!("run {SLICE}"))?;
        loop {
            let record = match self.records.recv_timeout(self.limit.saturating_duration_since(Instant::now())) {
                Ok(Ok(record)) => record,
                Ok(Err(e)) => return Err(self.ended(&e)),
                Err(RecvTimeoutError::Timeout) => bail!("time ran out after {:?}", self.time),
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended(&anyhow!("its output has ended"))),
            };
            match record {
                Record::Commands(bytes) => bytes.iter().try_for_each(|&byte| self.controller.command(byte))?,
                Record::Data(bytes) => self.controller.data(&bytes)?,
                Record::Reset => self.controller.hardware_reset(),
                Record::Log(bytes) => self.read_log(&bytes)?,
                Record::Noticed(text) => bail!("after {:?} the emulator reports: {text}", self.time),
                Record::Stopped { time, pins } => {
                    (self.time, self.pins) = (time, pins);
                    break;
                }
            }
        }
        match self.errors.try_recv() {
            Ok(line) => bail!("Node.js says: {line}"),
            Err(_) => Ok(()),
        }
    }

    /// Decodes the log again as a whole: it is short, and a line may end in a later part.
    fn read_log(&mut self, bytes: &[u8]) -> Result<()> {
        self.log.extend_from_slice(bytes);
        let mut lines = Vec::new();
        decode(&self.table, &*self.log, |line| lines.push(line));
        for line in lines.drain(self.decoded..) {
            self.decoded += 1;
            ensure!(["INFO ", "WARN "].iter().any(|level| line.starts_with(level)), "the log says: {line}");
            self.lines.push_back(line);
        }
        Ok(())
    }

    /// The error for a process that has ended before its time; what it wrote gives the reason.
    fn ended(&mut self, e: &anyhow::Error) -> anyhow::Error {
        let _ = self.child.kill(); // it may still run, if it is its output that is wrong
        let _ = self.child.wait();
        let said: Vec<_> = self.errors.iter().collect();
        anyhow!("the emulator has ended ({e}):\n{}", said.join("\n"))
    }
}

impl Drop for Pico {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Checks that Node.js and the emulator are installed, before a long build.
///
/// # Errors
/// If one of them is not installed. The message has the command that installs it.
pub fn check_installed() -> Result<()> {
    let version = Command::new("node").arg("--version").stdin(Stdio::null()).output().map_err(no_node)?;
    let version = String::from_utf8_lossy(&version.stdout);
    let major = version.trim().strip_prefix('v').and_then(|version| version.split('.').next()?.parse().ok());
    ensure!(
        major.is_some_and(|major: u32| major >= 18),
        "Node.js {} is installed; 18 or newer is needed",
        version.trim()
    );
    let is_there = root()?.join(FOLDER).join("node_modules/rp2040js").is_dir();
    ensure!(is_there, "the emulator rp2040js is not installed. Install it with\n\n    npm ci --prefix {FOLDER}\n");
    Ok(())
}

fn no_node(e: io::Error) -> anyhow::Error {
    match e.kind() {
        io::ErrorKind::NotFound => anyhow!("Node.js is not installed: 18 or newer is needed, with npm"),
        _ => anyhow!("cannot run node: {e}"),
    }
}
