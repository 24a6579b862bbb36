//! What a run would take, from a few of its steps: `trainer train --dry-run`.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{FormattedDuration, HumanCount};

use super::checkpoint::Checkpoint;
use super::guard::Course;
use super::metrics::Pending;
use super::session::sample_sheet;
use crate::config::Config;
use crate::data::Dataset;
use crate::quantise::{FloatModel, quantise};
use crate::train::Trainer;
use crate::usage::peak_memory;

/// Steps that are measured, and the time after which no other one begins.
const FEWEST: usize = 3;
const MOST: usize = 50;
const ENOUGH: Duration = Duration::from_secs(10);

/// What a run would take. Times without the disk's.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Of every step that was measured, shortest first; never empty.
    steps: Vec<Duration>,
    /// A sample sheet.
    sample: Duration,
    /// A checkpoint, with the export of the model that goes with it.
    checkpoint: Duration,
    /// Why there was no export, if there was none.
    not_exported: Option<String>,
    /// Bytes of a checkpoint.
    checkpoint_len: usize,
    /// Bytes of all pictures.
    data_len: usize,
    /// Bytes of the most memory that the program held, where the system tells.
    peak_memory: Option<u64>,
    config: Config,
}

impl Forecast {
    /// Takes a few steps, draws a sample, and makes a checkpoint and a model. Writes nothing.
    ///
    /// # Errors
    /// When the configuration is wrong or the pictures do not fit it.
    pub fn measure(config: Config, data: &Dataset) -> Result<Self> {
        let mut trainer = Trainer::new(config.clone())?;
        let mut timed_step = || -> Result<Duration> {
            let started = Instant::now();
            trainer.step(&data.pictures)?;
            Ok(started.elapsed())
        };
        // The first one makes room for the maps.
        timed_step()?;
        let (started, mut steps) = (Instant::now(), Vec::new());
        while steps.len() < FEWEST || (steps.len() < MOST && started.elapsed() < ENOUGH) {
            steps.push(timed_step()?);
        }
        steps.sort();

        let started = Instant::now();
        sample_sheet(&trainer)?;
        let sample = started.elapsed();
        let started = Instant::now();
        let state = trainer.state.clone();
        let checkpoint = Checkpoint {
            config: config.clone(),
            state,
            pending: Pending::default(),
            seconds: 0.0,
            data: String::new(),
            course: Course::default(),
        };
        let checkpoint_len = checkpoint.encode()?.len();
        // As in a run: weights that cannot be exported yet are no failure.
        let export = || -> Result<_> { Ok(quantise(&FloatModel::fold(&config, &trainer.state.average)?)?.to_blob()?) };
        let not_exported = export().err().map(|error| format!("{error:#}"));
        Ok(Self {
            steps,
            sample,
            checkpoint: started.elapsed(),
            not_exported,
            checkpoint_len,
            data_len: data.pictures.len(),
            peak_memory: peak_memory(),
            config,
        })
    }

    /// Seconds of a step: the median of those measured.
    pub fn step(&self) -> Duration {
        self.steps[self.steps.len() / 2]
    }

    /// Time of a run of this many steps, with its samples and checkpoints.
    pub fn total(&self, steps: u64) -> Duration {
        let [steps, samples, checkpoints] = self.parts(steps);
        steps + samples + checkpoints
    }

    /// By how much samples, checkpoints and exports make a run of this many steps longer, as a
    /// share of the time that the steps take; `None` if there are none.
    pub fn added(&self, steps: u64) -> Option<f64> {
        let [steps, samples, checkpoints] = self.parts(steps);
        (!steps.is_zero()).then(|| (samples + checkpoints).as_secs_f64() / steps.as_secs_f64())
    }

    fn parts(&self, steps: u64) -> [Duration; 3] {
        let every = self.config.every;
        // One sample and one checkpoint before the first step.
        let times = |what: Duration, count: u64| Duration::try_from_secs_f64(what.as_secs_f64() * count as f64);
        [
            times(self.step(), steps),
            times(self.sample, 1 + steps / every.sample),
            times(self.checkpoint, 1 + steps / every.checkpoint),
        ]
        .map(|time| time.unwrap_or(Duration::MAX / 3))
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: f64| format!("{:.1} MB", bytes / 1e6);
        let steps = self.config.steps;
        let [training, samples, checkpoints] = self.parts(steps).map(FormattedDuration);
        writeln!(
            f,
            "seconds per step: {:.4} (median of {}; {:.4} at best)",
            self.step().as_secs_f64(),
            self.steps.len(),
            self.steps[0].as_secs_f64()
        )?;
        writeln!(
            f,
            "expected total: {} for {} steps (training {training}, samples {samples}, checkpoints and exports \
             {checkpoints})",
            FormattedDuration(self.total(steps)),
            HumanCount(steps)
        )?;
        if let Some(share) = self.added(steps) {
            writeln!(f, "samples and checkpoints add {:.1} %", share * 100.0)?;
        }
        if let Some(reason) = &self.not_exported {
            writeln!(f, "the model could not be exported yet, which is left out of that: {reason}")?;
        }
        writeln!(f, "peak memory: {}", self.peak_memory.map_or("unknown".into(), |bytes| megabytes(bytes as f64)))?;
        writeln!(f, "pictures in memory: {}", megabytes(self.data_len as f64))?;
        write!(f, "a checkpoint on disk: {}", megabytes(self.checkpoint_len as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_counts_steps_samples_and_checkpoints() {
        let mut config = Config::preset("tutorial").unwrap();
        (config.steps, config.every.sample, config.every.checkpoint) = (1000, 100, 500);
        let seconds = Duration::from_secs;
        let forecast = Forecast {
            steps: [1, 2, 9].map(seconds).to_vec(),
            sample: seconds(10),
            checkpoint: seconds(100),
            not_exported: None,
            checkpoint_len: 84_000_000,
            data_len: 15_360_000,
            peak_memory: None,
            config,
        };
        assert_eq!(forecast.total(1000), seconds(1000 * 2 + 11 * 10 + 3 * 100));
        let text = forecast.to_string();
        for expected in [
            "per step: 2.0000 (median of 3; 1.0000 at best)",
            "1,000 steps",
            "samples and checkpoints add 20.5 %",
            "memory: unknown",
            "15.4 MB",
        ] {
            assert!(text.contains(expected), "no {expected} in {text}");
        }
        assert_eq!(forecast.added(1000), Some(410.0 / 2000.0));
        assert_eq!(forecast.added(0), None);
        // No number of steps overflows.
        assert!(forecast.total(u64::MAX) >= forecast.total(1000));
    }
}
