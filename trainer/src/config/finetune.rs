//! Settings of fine-tuning the quantised generator, and its computing time. The fine-tuning itself is in
//! [`crate::quantise::finetune`].

use std::time::Duration;

use anyhow::{Result, ensure};

use super::keys::recipe;

recipe! {
    /// How the trained generator is quantised to int8.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Quantise {
        /// Steps of fine-tuning at the end of a run: the integers learn to draw what the float generator draws. 0 for
        /// none. `trainer quantize --tune` does the same with a checkpoint. Models exported before the end of the run are
        /// not fine-tuned.
        ///
        /// Default: `0`.
        #[serde(default)]
        pub tune: u64,
    }
}

impl Quantise {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Pictures in a step of fine-tuning.
pub const BATCH: usize = 32;
/// Limit of fine-tuning in multiply-accumulates: about an hour on two cores.
const MAX_MACS: u64 = 3600 << 34;

/// Refuses fine-tuning that would take more than about an hour. `macs` is the number of multiply-accumulates of
/// the generator for one picture.
///
/// # Errors
/// When it would take longer; the message has the estimated time and the possible number of steps.
pub fn check(macs: u64, steps: u64) -> Result<()> {
    let step = step_macs(macs);
    let hours = step as f64 * steps as f64 / MAX_MACS as f64;
    ensure!(
        step.saturating_mul(steps) <= MAX_MACS,
        "fine-tuning for {steps} steps would take about {hours:.1} hours of two cores with this generator ({:.1} GMAC \
         a picture); at most {} steps are allowed",
        macs as f64 / 1e9,
        MAX_MACS / step
    );
    Ok(())
}

/// Estimated time of fine-tuning on two cores. `macs` is the number of multiply-accumulates for one picture.
pub fn estimate(macs: u64, steps: u64) -> Duration {
    let seconds = step_macs(macs) as f64 * steps as f64 / (MAX_MACS as f64 / 3600.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// Multiply-accumulates of a step: the teacher's and the student's forward pass, and the student's two gradients.
fn step_macs(macs: u64) -> u64 {
    macs.saturating_mul(4 * BATCH as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_grows_with_steps_and_generator() {
        let seconds = |macs, steps| estimate(macs, steps).as_secs_f64();
        assert_eq!(seconds(2_720_000, 0), 0.0);
        assert!((seconds(1 << 27, 1) - 1.0).abs() < 1e-9);
        assert!((seconds(1 << 27, 60) - 60.0).abs() < 1e-6);
    }

    #[test]
    fn hours_are_refused_with_an_estimate() {
        check(2_720_000, 100_000).unwrap();
        let text = check(3_900_000_000, 300).unwrap_err().to_string();
        assert!(text.contains("2.4 hours") && text.contains("at most 123 steps"), "{text}");
        check(3_900_000_000, 123).unwrap();
        check(u64::MAX, 0).unwrap();
    }
}
