//! Log and typed commands over RTT: buffers in RAM that a debugger reads and writes while the program runs.
//!
//! The program never waits for a debugger. Without one, the log fills its buffer, and lines that do not fit are dropped
//! whole. Before the next line that fits, the log says how many lines are missing. A debugger may set a flag that asks
//! the log to wait for it, and be unplugged without clearing the flag. This logger therefore clears the flag before every
//! line. No published logger does this.
#![allow(unsafe_code)] // critical sections protect the shared log

use core::cell::UnsafeCell;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use critical_section::RestoreState;
use firmware_app::platform::{Command, LONGEST_COMMAND, Tokenizer};
use rtt_target::{ChannelMode, DownChannel, UpChannel, rtt_init};

use crate::lines::Lines;

/// Size in bytes of the buffer that the debugger empties.
const BUFFER: usize = 1024;
/// Length in bytes of the longest line.
const LONGEST: usize = BUFFER / 2;
/// Size in bytes of the buffer that the debugger fills with commands. The longest command fits as a whole.
const TYPED: usize = 320;
const _: () = assert!(LONGEST_COMMAND + 2 < TYPED); // with the line's end

/// Sets up the log and the channel for typed commands. Call it once, at the start: lines logged before it are lost.
///
/// # Panics
/// If it is called a second time.
pub fn start() -> Commands {
    let channels = rtt_init! {
        up: { 0: { size: BUFFER, mode: ChannelMode::NoBlockSkip, name: "defmt" } }
        down: { 0: { size: TYPED, name: "commands" } }
    };
    // SAFETY: within a critical section nobody else accesses the log.
    critical_section::with(|_| unsafe { (*LOG.0.get()).channel = Some(channels.up.0) });
    Commands { channel: channels.down.0, tokenizer: Tokenizer::default() }
}

/// The channel of the log, and the line that is being written.
struct Log {
    channel: Option<UpChannel>,
    encoder: defmt::Encoder,
    lines: Lines<LONGEST>,
    /// The state to restore at the end of the critical section in which a line is written.
    restore: RestoreState,
}

struct Shared(UnsafeCell<Log>);

// SAFETY: the log is accessed only within a critical section, or after `take_over`, which never ends its own.
unsafe impl Sync for Shared {}

static LOG: Shared = Shared(UnsafeCell::new(Log {
    channel: None,
    encoder: defmt::Encoder::new(),
    lines: Lines::new(),
    restore: RestoreState::invalid(),
}));
/// Whether a line is being written.
static WRITING: AtomicBool = AtomicBool::new(false);
/// Whether the current line is the one that says how many lines are missing. That line and the next are sent together
/// or not at all.
static COUNTING: AtomicBool = AtomicBool::new(false);

impl Log {
    /// Writes a whole line to the channel. Returns whether there was room for it.
    fn send(channel: &mut Option<UpChannel>, line: &[u8]) -> bool {
        channel.as_mut().is_some_and(|channel| {
            channel.set_mode(ChannelMode::NoBlockSkip);
            channel.write(line) == line.len()
        })
    }
}

/// Prepares the log for the report of a failure: discards an unfinished line and turns interrupts off for good.
pub(super) fn take_over() {
    // SAFETY: the critical section is never released, because the program ends; so nobody else uses the log.
    unsafe {
        critical_section::acquire();
        (*LOG.0.get()).encoder = defmt::Encoder::new();
    }
    WRITING.store(false, Ordering::Relaxed);
    COUNTING.store(false, Ordering::Relaxed);
}

/// After [`take_over`]: tries again to send the last line if there was no room for it. Returns whether it has been sent.
pub(super) fn is_out() -> bool {
    // SAFETY: since `take_over` nobody else accesses the log.
    let Log { channel, lines, .. } = unsafe { &mut *LOG.0.get() };
    lines.again(|line| Log::send(channel, line))
}

#[defmt::global_logger]
struct Logger;

// SAFETY: `acquire` to `release` is one critical section, so lines do not mix. A `Format` implementation that logs would
// begin a line within a line; `acquire` panics then.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        // SAFETY: `release` ends the critical section with this state.
        let restore = unsafe { critical_section::acquire() };
        // Two steps, because Armv6-M has no atomic exchange. Within the critical section nothing comes between them.
        assert!(!WRITING.load(Ordering::Relaxed), "a line of the log within another: a `Format` that logs");
        WRITING.store(true, Ordering::Relaxed);
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

    unsafe fn flush() {} // does not wait, because there may be no reader

    unsafe fn release() {
        // SAFETY: this is the critical section of a line.
        let Log { channel, encoder, lines, restore } = unsafe { &mut *LOG.0.get() };
        encoder.end_frame(|bytes| lines.push(bytes));
        if !COUNTING.load(Ordering::Relaxed) {
            lines.end(|line| Log::send(channel, line));
        }
        WRITING.store(false, Ordering::Relaxed);
        // SAFETY: the state is that of the matching `acquire`.
        unsafe { critical_section::release(*restore) };
    }

    unsafe fn write(bytes: &[u8]) {
        // SAFETY: this is the critical section of a line.
        let Log { encoder, lines, .. } = unsafe { &mut *LOG.0.get() };
        encoder.write(bytes, |bytes| lines.push(bytes));
    }
}

/// The commands that the user types in the debugger's terminal.
pub struct Commands {
    channel: DownChannel,
    tokenizer: Tokenizer,
}

impl Commands {
    /// The next word that is complete, that is, followed by white space or a line end; `None` if there is none yet. Never
    /// waits. Words that cannot be commands are dropped with a warning in the log.
    pub fn read(&mut self) -> Option<Command> {
        let mut letter = [0];
        while self.channel.read(&mut letter) == 1 {
            match self.tokenizer.take(letter[0]) {
                Ok(None) => {}
                Ok(word) => return word,
                Err(e) => defmt::warn!("{} ignored", defmt::Display2Format(&e)),
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
