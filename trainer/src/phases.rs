//! Measures the time of each part of a training step.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The parts of a step, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Preparing real pictures, latents, and all other random numbers.
    Data,
    /// The generator draws the pictures of the discriminator's update.
    GForward,
    /// Forward passes of the discriminator on generated and real pictures, with augmentation.
    DForward,
    /// Gradient of the discriminator's parameters.
    DBackward,
    /// The gradient penalty and its gradient; no time without a penalty.
    DPenalty,
    /// The discriminator's optimiser.
    DOptimiser,
    /// The generator draws the pictures of its own update; no time without fresh latents.
    GForwardAgain,
    /// Forward pass of the discriminator on these, with augmentation.
    DForwardAgain,
    /// The teacher's pictures, and the distance to them; no time without distillation.
    Teacher,
    /// Gradient of these pictures, through the discriminator, whose parameters do not change.
    PictureGradient,
    /// Gradient of the generator's parameters.
    GBackward,
    /// The generator's optimiser and the average of its weights.
    GOptimiser,
}

impl Phase {
    /// All phases, first to last.
    pub const ALL: [Self; 12] = [
        Self::Data,
        Self::GForward,
        Self::DForward,
        Self::DBackward,
        Self::DPenalty,
        Self::DOptimiser,
        Self::GForwardAgain,
        Self::DForwardAgain,
        Self::Teacher,
        Self::PictureGradient,
        Self::GBackward,
        Self::GOptimiser,
    ];

    /// Name in tables; `D` is the discriminator, `G` the generator.
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
            Self::Teacher => "  distance to the teacher",
            Self::PictureGradient => "  gradient of the pictures",
            Self::GBackward => "  G backward",
            Self::GOptimiser => "  G optimiser and average",
        }
    }
}

/// Time of every phase, summed over steps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Times([Duration; Phase::ALL.len()]);

impl Times {
    /// Time of one phase.
    pub fn of(&self, phase: Phase) -> Duration {
        self.0[phase as usize]
    }

    /// Time of all phases.
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }
}

/// A stopwatch with a lap for every phase. Reading it takes some ten nanoseconds and happens ten times
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
    /// Starts a lap. The time before it belongs to no phase.
    pub fn start(&mut self) {
        self.lap = Instant::now();
    }

    /// Ends a lap, adds its time to this phase, and starts the next lap.
    pub fn lap(&mut self, phase: Phase) {
        let now = Instant::now();
        self.times.0[phase as usize] += now - self.lap;
        self.lap = now;
    }

    /// Returns the sums and resets them to zero.
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
