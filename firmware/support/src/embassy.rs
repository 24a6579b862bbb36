//! The [`Platform`] of chips with a HAL from embassy.

use core::fmt;

use embassy_time::{Duration, Instant, block_for};
use firmware_app::platform::{Command, Platform};

use crate::rtt::Commands;

/// A [`Platform`] with embassy's clock, and commands typed over RTT. The board provides button and entropy.
pub struct EmbassyPlatform<B, N> {
    /// Returns whether the button is down at this moment.
    pub is_down: B,
    /// Returns a random number from the chip's entropy source.
    pub entropy: N,
    /// The typed commands, returned by [`rtt::start`](crate::rtt::start).
    pub commands: Commands,
}

impl<B: FnMut() -> bool, N: FnMut() -> u32> Platform for EmbassyPlatform<B, N> {
    fn now_us(&mut self) -> u64 {
        Instant::now().as_micros()
    }

    fn is_down(&mut self) -> bool {
        (self.is_down)()
    }

    fn entropy(&mut self) -> Option<u32> {
        Some((self.entropy)())
    }

    fn command(&mut self) -> Option<Command> {
        self.commands.read()
    }

    fn wait(&mut self) {
        // Does not sleep until an interrupt: there may be none, and a debugger that writes a command raises none.
        block_for(Duration::from_millis(5));
    }
}

impl<B, N> fmt::Debug for EmbassyPlatform<B, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbassyPlatform").field("commands", &self.commands).finish_non_exhaustive()
    }
}
