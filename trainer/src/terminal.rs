//! Output for people: results on standard output, everything else through the crate `log`.
//!
//! Log messages go to standard error and, during a run, to the file `log.txt` in its folder.
//! Control characters in names from outside are escaped ([`text::shown`]).
//! A closed or full standard output or error never causes a panic and never stops the work: messages that
//! cannot be written to a terminal are dropped there, but are still written to the file.

use std::fmt::{self, Display};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;
use jiff::Timestamp;
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::text;

/// Time between two lines of progress.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Maximum number of lines that are kept until the log file is opened.
const MAX_EARLY_LINES: usize = 1000;

static TERMINAL: Terminal =
    Terminal(Mutex::new(State { shown: LevelFilter::Off, bar: None, file: FileLog::Early(Vec::new()) }));
/// The first error of standard output, except a closed pipe.
static PRINT_ERROR: OnceLock<io::Error> = OnceLock::new();

/// The backend of the crate `log`.
struct Terminal(Mutex<State>);

struct State {
    /// Highest level of messages that are shown on standard error.
    shown: LevelFilter,
    /// The progress bar on the terminal; lines are written above it.
    bar: Option<ProgressBar>,
    file: FileLog,
}

enum FileLog {
    /// Lines that are kept until the file is opened.
    Early(Vec<String>),
    Open(File),
}

/// Makes the terminal the backend of the crate `log`; messages up to `shown` appear on standard error.
pub fn init(shown: LevelFilter) {
    TERMINAL.state().shown = shown;
    // This fails only in a program that has set another backend on purpose.
    if log::set_logger(&TERMINAL).is_ok() {
        log::set_max_level(shown.max(LevelFilter::Info));
    }
}

/// Appends all messages to the file at `path`, including those since the start of the program.
///
/// # Errors
/// When the file cannot be opened.
pub fn log_to(path: &Path) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    let mut state = TERMINAL.state();
    if let FileLog::Early(lines) = &state.file {
        lines.iter().for_each(|line| _ = file.write_all(line.as_bytes()));
    }
    state.file = FileLog::Open(file);
    Ok(())
}

/// Whether messages of this level appear on standard error.
pub fn shows(level: Level) -> bool {
    level <= TERMINAL.state().shown
}

/// Writes messages above `bar` from now on; `None` if there is no bar any more.
pub fn show_bar(bar: Option<ProgressBar>) {
    TERMINAL.state().bar = bar;
}

/// A timer for lines of progress: one is due every five seconds.
#[derive(Debug)]
pub struct LineTimer(Option<Instant>);

impl LineTimer {
    /// The first line is due five seconds from now.
    pub fn started() -> Self {
        Self(Some(Instant::now()))
    }

    /// The first line is due at once.
    pub fn due() -> Self {
        Self(None)
    }

    /// Whether a line is due; if so, the next one is due in five seconds.
    pub fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|last| last.elapsed() >= LINE_EVERY);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}

/// Prints a result to standard output. An error is stored for [`check_printed`], except that of a closed
/// pipe, as in `trainer inspect | head -1`.
pub fn print(text: fmt::Arguments<'_>) {
    let mut stdout = io::stdout();
    if let Err(error) = stdout.write_all(text::shown(&text.to_string()).as_bytes()).and_then(|()| stdout.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        _ = PRINT_ERROR.set(error);
    }
}

/// Checks that all results could be printed.
///
/// # Errors
/// When one of them was not printed completely, as on a full disk.
pub fn check_printed() -> Result<()> {
    match PRINT_ERROR.get() {
        Some(error) => bail!("cannot print: {error}"),
        None => Ok(()),
    }
}

/// Whether cargo started the program: `cargo trainer`, `cargo run`.
pub fn is_started_by_cargo() -> bool {
    // Cargo sets this variable to its own path for the programs that it runs.
    std::env::var_os("CARGO").is_some_and(|cargo| !cargo.is_empty())
}

/// How to call this program in a command line: `cargo trainer` if cargo started it, otherwise the program's path as
/// it was typed.
pub fn program() -> String {
    if is_started_by_cargo() {
        return "cargo trainer".into();
    }
    let name = std::env::args_os().next().filter(|name| !name.is_empty());
    name.map_or_else(|| env!("CARGO_CRATE_NAME").into(), |name| quoted(Path::new(&name)))
}

/// Quotes a path for a shell if necessary.
pub fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    if cfg!(windows) { format!("\"{text}\"") } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

impl Terminal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Terminal {
    /// Messages of other crates are not shown, because they do not help users.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut state = self.state();
        let message = record.args().to_string();
        let (level, message) = (record.level(), text::shown(&message));
        if level <= state.shown {
            let line = Line(level, &message);
            // A closed standard error must not stop the program.
            let write = || _ = writeln!(io::stderr(), "{line}");
            match &state.bar {
                Some(bar) => bar.suspend(write),
                None => write(),
            }
        }
        let line = format!("{:.0} {level:<5} {message}\n", Timestamp::now());
        match &mut state.file {
            FileLog::Early(lines) if lines.len() < MAX_EARLY_LINES => lines.push(line),
            FileLog::Early(_) => {}
            // An error is ignored here; a full disk ends the run at the next checkpoint.
            FileLog::Open(file) => _ = file.write_all(line.as_bytes()),
        }
    }

    fn flush(&self) {}
}

/// A message as it appears on standard error.
struct Line<'a>(Level, &'a str);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Level::Error => write!(f, "error: {}", self.1),
            Level::Warn => write!(f, "warning: {}", self.1),
            _ => self.1.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn paths_are_written_as_they_can_be_typed() {
        for (path, expected) in [
            ("runs/001-pocket", "runs/001-pocket"),
            ("my runs/1", "'my runs/1'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("a;b", "'a;b'"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
        for path in ["my runs/1", "it's", "a$b`c", "x\"y\\z"] {
            let command = format!("printf %s {}", quoted(Path::new(path)));
            let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
            assert_eq!(output.stdout, path.as_bytes());
        }
    }
}
