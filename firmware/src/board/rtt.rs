//! Log and commands through RTT: buffers in RAM that a debugger reads and writes while the
//! program runs.
//!
//! Nothing waits for a debugger. Without one the log fills its buffer, and the rest is dropped. A
//! debugger asks the log to wait for it, and may be pulled off without taking that back: so the log
//! is told not to before every line. That is why it has a logger of its own.

use core::cell::RefCell;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use critical_section::{Mutex, RestoreState};
use rtt_target::{ChannelMode, DownChannel, UpChannel, rtt_init};

use crate::io::{Splitter, TooLong, Word};

/// Sets up the log, which drops what is logged before, and the commands. Once, at the start.
///
/// # Panics
/// The second time.
pub fn start() -> Commands {
    let channels = rtt_init! {
        up: { 0: { size: 1024, mode: ChannelMode::NoBlockSkip, name: "defmt" } }
        down: { 0: { size: 64, name: "commands" } }
    };
    critical_section::with(|section| LOG.borrow_ref_mut(section).channel = Some(channels.up.0));
    Commands { channel: channels.down.0, splitter: Splitter::default() }
}

/// Where the log goes, and the line that is being written.
struct Log {
    channel: Option<UpChannel>,
    encoder: defmt::Encoder,
    /// What the critical section that a line is written in goes back to.
    restore: RestoreState,
}

static LOG: Mutex<RefCell<Log>> =
    Mutex::new(RefCell::new(Log { channel: None, encoder: defmt::Encoder::new(), restore: RestoreState::invalid() }));
/// Whether a line is being written.
static WRITING: AtomicBool = AtomicBool::new(false);

impl Log {
    /// Hands out the log within the critical section of a line.
    fn with(act: impl FnOnce(&mut defmt::Encoder, &mut dyn FnMut(&[u8]))) {
        critical_section::with(|section| {
            let Log { channel, encoder, .. } = &mut *LOG.borrow_ref_mut(section);
            act(encoder, &mut |bytes| {
                if let Some(channel) = channel {
                    channel.write(bytes);
                }
            });
        });
    }
}

#[defmt::global_logger]
struct Logger;

// SAFETY: from `acquire` to `release` there is one critical section, so lines do not mix; a line
// within a line, from a `Format` that logs, panics.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        // SAFETY: `release` ends it, with this state.
        let restore = unsafe { critical_section::acquire() };
        assert!(!WRITING.swap(true, Ordering::Relaxed), "a line of the log within another");
        critical_section::with(|section| {
            let mut log = LOG.borrow_ref_mut(section);
            log.restore = restore;
            if let Some(channel) = &mut log.channel {
                channel.set_mode(ChannelMode::NoBlockSkip);
            }
        });
        Log::with(|encoder, write| encoder.start_frame(write));
    }

    unsafe fn flush() {} // nobody may be there to read it

    unsafe fn release() {
        Log::with(|encoder, write| encoder.end_frame(write));
        let restore = critical_section::with(|section| LOG.borrow_ref(section).restore);
        WRITING.store(false, Ordering::Relaxed);
        // SAFETY: the state of the `acquire` before.
        unsafe { critical_section::release(restore) };
    }

    unsafe fn write(bytes: &[u8]) {
        Log::with(|encoder, write| encoder.write(bytes, write));
    }
}

/// What somebody types at the debugger's terminal.
pub struct Commands {
    channel: DownChannel,
    splitter: Splitter,
}

impl Commands {
    /// The next word, once white space or the end of its line has come too. Never waits.
    pub fn word(&mut self) -> Option<Word> {
        let mut letter = [0];
        while self.channel.read(&mut letter) == 1 {
            match self.splitter.take(letter[0]) {
                Ok(None) => {}
                Ok(word) => return word,
                Err(TooLong) => defmt::warn!("a word of more than {=usize} letters ignored", Word::new().capacity()),
            }
        }
        None
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").field("splitter", &self.splitter).finish_non_exhaustive()
    }
}
