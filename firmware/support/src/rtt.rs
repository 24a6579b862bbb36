//! Log and commands through RTT: buffers in RAM that a debugger reads and writes while the
//! program runs.
//!
//! The program never waits for a debugger. Without one, the log fills its buffer, and lines that do not fit are
//! dropped as a whole. The next line that fits is preceded by one that says how many are missing. A debugger sets
//! a flag that asks the log to wait, and may be unplugged without clearing it, so the logger here clears the flag
//! before every line. No published logger does this.
#![allow(unsafe_code)] // shares the log between threads by critical sections

use core::cell::UnsafeCell;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use critical_section::RestoreState;
use firmware_app::platform::{Command, Tokenizer, TooLong};
use rtt_target::{ChannelMode, DownChannel, UpChannel, rtt_init};

use crate::lines::Lines;

/// Bytes of the buffer that the debugger empties.
const BUFFER: usize = 1024;
/// Bytes of the longest line.
const LONGEST: usize = BUFFER / 2;

/// Sets up the log, which drops what is logged before, and the commands. Once, at the start.
///
/// # Panics
/// The second time.
pub fn start() -> Commands {
    let channels = rtt_init! {
        up: { 0: { size: BUFFER, mode: ChannelMode::NoBlockSkip, name: "defmt" } }
        down: { 0: { size: 64, name: "commands" } }
    };
    // SAFETY: as a line, it is alone in its critical section.
    critical_section::with(|_| unsafe { (*LOG.0.get()).channel = Some(channels.up.0) });
    Commands { channel: channels.down.0, tokenizer: Tokenizer::default() }
}

/// Where the log goes, and the line that is being written.
struct Log {
    channel: Option<UpChannel>,
    encoder: defmt::Encoder,
    lines: Lines<LONGEST>,
    /// What the critical section that a line is written in goes back to.
    restore: RestoreState,
}

struct Shared(UnsafeCell<Log>);

// SAFETY: only who is in the critical section of a line uses it, or who has stopped the program for good.
unsafe impl Sync for Shared {}

static LOG: Shared = Shared(UnsafeCell::new(Log {
    channel: None,
    encoder: defmt::Encoder::new(),
    lines: Lines::new(),
    restore: RestoreState::invalid(),
}));
/// Whether a line is being written.
static WRITING: AtomicBool = AtomicBool::new(false);
/// Whether that line says how many are missing before the one to come. Both go out together or not at all.
static COUNTING: AtomicBool = AtomicBool::new(false);

impl Log {
    /// Hands all of a line to the channel: whether it had room.
    fn send(channel: &mut Option<UpChannel>, line: &[u8]) -> bool {
        channel.as_mut().is_some_and(|channel| {
            channel.set_mode(ChannelMode::NoBlockSkip);
            channel.write(line) == line.len()
        })
    }
}

/// Gives the log to whoever reports a failure, even amidst a line: that one is forgotten. Interrupts stay off.
pub(super) fn take_over() {
    // SAFETY: never released, as the program does not go on; so nobody else uses the log either.
    unsafe {
        critical_section::acquire();
        (*LOG.0.get()).encoder = defmt::Encoder::new();
    }
    WRITING.store(false, Ordering::Relaxed);
    COUNTING.store(false, Ordering::Relaxed);
}

/// After [`take_over`]: tries to get rid of the last line, if there was no room for it. Whether it is out.
pub(super) fn is_out() -> bool {
    // SAFETY: `take_over` has stopped everybody else.
    let Log { channel, lines, .. } = unsafe { &mut *LOG.0.get() };
    lines.again(|line| Log::send(channel, line))
}

#[defmt::global_logger]
struct Logger;

// SAFETY: from `acquire` to `release` there is one critical section, so lines do not mix; a line
// within a line, from a `Format` that logs, panics.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        // SAFETY: `release` ends it, with this state.
        let restore = unsafe { critical_section::acquire() };
        assert!(!WRITING.swap(true, Ordering::Relaxed), "a line of the log within another: a `Format` that logs");
        if !COUNTING.load(Ordering::Relaxed) {
            // SAFETY: this is the critical section of a line.
            let lost = unsafe { (*LOG.0.get()).lines.begin() };
            if lost > 0 {
                COUNTING.store(true, Ordering::Relaxed);
                WRITING.store(false, Ordering::Relaxed);
                defmt::warn!("lines of the log that are missing here, as nobody read them in time: {=u32}", lost);
                WRITING.store(true, Ordering::Relaxed);
                COUNTING.store(false, Ordering::Relaxed);
            }
        }
        // SAFETY: as above.
        let Log { encoder, lines, restore: saved, .. } = unsafe { &mut *LOG.0.get() };
        *saved = restore;
        encoder.start_frame(|bytes| lines.push(bytes));
    }

    unsafe fn flush() {} // nobody may be there to read it

    unsafe fn release() {
        // SAFETY: this is the critical section of a line.
        let Log { channel, encoder, lines, restore } = unsafe { &mut *LOG.0.get() };
        encoder.end_frame(|bytes| lines.push(bytes));
        if !COUNTING.load(Ordering::Relaxed) {
            lines.end(|line| Log::send(channel, line));
        }
        WRITING.store(false, Ordering::Relaxed);
        // SAFETY: the state of the `acquire` before.
        unsafe { critical_section::release(*restore) };
    }

    unsafe fn write(bytes: &[u8]) {
        // SAFETY: this is the critical section of a line.
        let Log { encoder, lines, .. } = unsafe { &mut *LOG.0.get() };
        encoder.write(bytes, |bytes| lines.push(bytes));
    }
}

/// What somebody types at the debugger's terminal.
pub struct Commands {
    channel: DownChannel,
    tokenizer: Tokenizer,
}

impl Commands {
    /// The next word, once white space or the end of its line has come too. Never waits.
    pub fn read(&mut self) -> Option<Command> {
        let mut letter = [0];
        while self.channel.read(&mut letter) == 1 {
            match self.tokenizer.take(letter[0]) {
                Ok(None) => {}
                Ok(word) => return word,
                Err(TooLong) => defmt::warn!("a word of more than {=usize} letters ignored", Command::new().capacity()),
            }
        }
        None
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").field("tokenizer", &self.tokenizer).finish_non_exhaustive()
    }
}
