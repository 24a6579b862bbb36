//! Log and commands through RTT: buffers in RAM that a debugger reads and writes while the
//! program runs.
//!
//! Nothing waits for a debugger: without one the log fills its buffer, and the rest is dropped.

use core::fmt;

use rtt_target::{ChannelMode, DownChannel, rtt_init, set_defmt_channel};

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
    set_defmt_channel(channels.up.0);
    Commands { channel: channels.down.0, splitter: Splitter::default() }
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
