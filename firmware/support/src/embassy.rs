//! What the boards that one can hold have in common.

use core::fmt;

use embassy_time::{Duration, Instant, block_for};

use super::rtt::Commands;
use crate::io::{Io, Word};

/// A board, as the app sees it: embassy's clock, typed words, and what differs from chip to chip.
pub struct Hardware<B, N> {
    /// Whether the button is held down at this moment.
    pub is_down: B,
    /// Noise.
    pub noise: N,
    /// From [`rtt::start`](super::rtt::start).
    pub commands: Commands,
}

impl<B: FnMut() -> bool, N: FnMut() -> u32> Io for Hardware<B, N> {
    fn now_us(&mut self) -> u64 {
        Instant::now().as_micros()
    }

    fn is_down(&mut self) -> bool {
        (self.is_down)()
    }

    fn noise(&mut self) -> Option<u32> {
        Some((self.noise)())
    }

    fn word(&mut self) -> Option<Word> {
        self.commands.word()
    }

    fn wait(&mut self) {
        // Awake, and not for an interrupt: none may come by itself, and a debugger that writes a word raises none.
        block_for(Duration::from_millis(5));
    }
}

impl<B, N> fmt::Debug for Hardware<B, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hardware").field("commands", &self.commands).finish_non_exhaustive()
    }
}
