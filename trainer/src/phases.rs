//! Where the time of a training step goes.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A part of a step, in the order in which they follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Real pictures, latents, and all other random numbers.
    Data,
    /// The generator draws the pictures that the discriminator is shown.
    GForward,
    /// The discriminator looks at those and at the real ones; with their augmentation.
    DForward,
    /// Gradient of the discriminator's parameters.
    DBackward,
    /// The penalty on a steep discriminator, with its gradient; nothing without one.
    DPenalty,
    /// The discriminator's optimiser.
    DOptimiser,
    /// The generator draws the pictures of its own turn; nothing without fresh latents.
    GForwardAgain,
    /// The discriminator looks at those; with their augmentation.
    DForwardAgain,
    /// Gradient of those pictures, through the discriminator, which stands still.
    PictureGradient,
    /// Gradient of the generator's parameters.
    GBackward,
    /// The generator's optimiser and the average of its weights.
    GOptimiser,
}

impl Phase {
    /// First to last.
    pub const ALL: [Self; 11] = [
        Self::Data,
        Self::GForward,
        Self::DForward,
        Self::DBackward,
        Self::DPenalty,
        Self::DOptimiser,
        Self::GForwardAgain,
        Self::DForwardAgain,
        Self::PictureGradient,
        Self::GBackward,
        Self::GOptimiser,
    ];

    /// For a table; `D` is the discriminator, `G` the generator.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data and random numbers",
            Self::GForward => "D's turn: G forward",
            Self::DForward => "  D forward",
            Self::DBackward => "  D backward",
            Self::DPenalty => "  D penalty",
            Self::DOptimiser => "  D optimiser",
            Self::GForwardAgain => "G's turn: G forward",
            Self::DForwardAgain => "  D forward",
            Self::PictureGradient => "  gradient of the pictures",
            Self::GBackward => "  G backward",
            Self::GOptimiser => "  G optimiser and average",
        }
    }
}

/// Time of every phase, added up over steps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Times([Duration; Phase::ALL.len()]);

impl Times {
    /// Of one phase.
    pub fn of(&self, phase: Phase) -> Duration {
        self.0[phase as usize]
    }

    /// Of all.
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }
}

/// A stopwatch with a lap for every phase. Looking at it takes some ten nanoseconds, ten times
/// a step, so it always runs.
#[derive(Debug)]
pub struct Clock {
    lap: Instant,
    times: Times,
}

impl Default for Clock {
    fn default() -> Self {
        Self { lap: Instant::now(), times: Times::default() }
    }
}

impl Clock {
    /// Begins a lap; what was before belongs to no phase.
    pub fn start(&mut self) {
        self.lap = Instant::now();
    }

    /// Ends a lap, whose time is this phase's, and begins the next one.
    pub fn lap(&mut self, phase: Phase) {
        let now = Instant::now();
        self.times.0[phase as usize] += now - self.lap;
        self.lap = now;
    }

    /// What has been added up; from now on it is added up from zero again.
    pub fn take(&mut self) -> Times {
        std::mem::take(&mut self.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laps_add_up_and_pauses_do_not() {
        let wait = || std::thread::sleep(Duration::from_millis(20));
        let mut clock = Clock::default();
        wait();
        for _ in 0..2 {
            clock.start();
            wait();
            clock.lap(Phase::GForward);
            clock.lap(Phase::DForward);
        }
        let times = clock.take();
        assert!(times.of(Phase::GForward) >= Duration::from_millis(40));
        assert!(times.of(Phase::DForward) < Duration::from_millis(20), "{times:?}");
        assert_eq!(times.total(), times.of(Phase::GForward) + times.of(Phase::DForward));
        assert_eq!(clock.take(), Times::default());
    }

    #[test]
    fn phases_are_numbered_in_their_order() {
        for (i, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, i);
        }
    }
}
