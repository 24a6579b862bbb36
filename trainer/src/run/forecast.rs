//! Predicts time and memory of a run from a few of its steps: `trainer train --dry-run`.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::FormattedDuration;

use super::checkpoint::Checkpoint;
use super::evaluator::QualityEvaluator;
use super::guard::RunHealth;
use super::metrics::Pending;
use super::session::sample_sheet;
use crate::config::Config;
use crate::data::Dataset;
use crate::numbers::{grouped, megabytes};
use crate::quantise::{FloatModel, quantise, quantise_tuned};
use crate::train::Trainer;
use crate::usage::peak_memory;

/// Minimum and maximum number of steps that are measured, and the time after which no further step begins.
const MIN_STEPS: usize = 3;
const MAX_STEPS: usize = 50;
const MEASURING_TIME: Duration = Duration::from_secs(10);

/// Stands for a time that is too long to represent. The sum of five is still a valid `Duration`.
const FOREVER: Duration = Duration::new(u64::MAX / 8, 0);

/// Predicted time and memory of a run. The times do not include writing to the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Times of the measured steps, shortest first; never empty.
    steps: Vec<Duration>,
    /// Time of a sample sheet.
    sample: Duration,
    /// Time of a checkpoint, including the export of its model.
    checkpoint: Duration,
    /// Time of a quality measurement, and of preparing the real pictures; 0 if the recipe has no `every.measure`.
    measurement: Duration,
    preparation: Duration,
    /// Time of fine-tuning the quantised generator at the end.
    tuning: Duration,
    /// Why the model could not be exported; `None` if it could.
    not_exported: Option<String>,
    /// Size of a checkpoint in bytes.
    checkpoint_len: usize,
    /// Size of all training pictures in bytes.
    data_len: usize,
    /// Peak memory of the program in bytes; `None` if the system does not report it.
    peak_memory: Option<u64>,
    config: Config,
}

impl Forecast {
    /// Times a few training steps, a sample sheet, a checkpoint with its export, a quality measurement and a step of
    /// fine-tuning. Writes no files.
    ///
    /// # Errors
    /// When the recipe is invalid or the pictures do not fit it.
    pub fn measure(config: Config, data: &Dataset, teacher: Option<FloatModel>) -> Result<Self> {
        let (training, _) = data.split(config.holdout, config.seed)?;
        let mut trainer = Trainer::new(config.clone())?;
        teacher.map(|teacher| trainer.set_teacher(teacher)).transpose()?;
        let mut timed_step = || -> Result<Duration> {
            let started = Instant::now();
            trainer.step(&training)?;
            Ok(started.elapsed())
        };
        // The first step is not timed: it also allocates the feature maps.
        timed_step()?;
        let (started, mut steps) = (Instant::now(), Vec::new());
        while steps.len() < MIN_STEPS || (steps.len() < MAX_STEPS && started.elapsed() < MEASURING_TIME) {
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
            health: RunHealth::default(),
        };
        let checkpoint_len = checkpoint.encode()?.len();
        // Weights of the first steps may not be exportable yet. As in a run, that is not an error.
        let fold = || FloatModel::fold(&config, &trainer.state.average);
        let export = || -> Result<_> { Ok(quantise(&fold()?)?.to_blob()?) };
        let not_exported = export().err().map(|error| format!("{error:#}"));
        let checkpoint = started.elapsed();

        let (mut preparation, mut measurement, mut tuning) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        if config.every.measure.is_some() {
            let started = Instant::now();
            let evaluator = QualityEvaluator::new(&training)?;
            preparation = started.elapsed();
            let started = Instant::now();
            if let Some(evaluator) = evaluator {
                evaluator.measure(&fold()?)?;
                measurement = started.elapsed();
            }
        }
        if config.quantise.tune > 0 && not_exported.is_none() {
            let started = Instant::now();
            quantise_tuned(&fold()?, config.quantise.tune)?;
            tuning = started.elapsed();
        }
        Ok(Self {
            steps,
            sample,
            checkpoint,
            measurement,
            preparation,
            tuning,
            not_exported,
            checkpoint_len,
            data_len: if data.pictures.is_in_file() { 0 } else { data.pictures.byte_len() as usize },
            peak_memory: peak_memory(),
            config,
        })
    }

    /// Time of a training step: the median of those measured.
    pub fn step(&self) -> Duration {
        self.steps[self.steps.len() / 2]
    }

    /// Time of a run of this many steps: training, samples, checkpoints, measurements and fine-tuning.
    pub fn total(&self, steps: u64) -> Duration {
        self.parts(steps).into_iter().sum()
    }

    /// Time of samples, checkpoints, exports, measurements and fine-tuning of a run of this many steps, divided
    /// by the time of the training steps. `None` without steps.
    pub fn added(&self, steps: u64) -> Option<f64> {
        let [steps, others @ ..] = self.parts(steps);
        (!steps.is_zero()).then(|| others.into_iter().sum::<Duration>().as_secs_f64() / steps.as_secs_f64())
    }

    /// Time of the steps, the samples, the checkpoints with exports, the measurements, and fine-tuning.
    fn parts(&self, steps: u64) -> [Duration; 5] {
        let every = self.config.every;
        // A run also measures at its end.
        let measurements = every.measure.map_or(0, |every| steps.div_ceil(every));
        // A run also writes a sample and a checkpoint before the first step.
        let times = |what: Duration, count: u64| Duration::try_from_secs_f64(what.as_secs_f64() * count as f64);
        [
            times(self.step(), steps),
            times(self.sample, 1 + steps / every.sample),
            times(self.checkpoint, 1 + steps / every.checkpoint),
            times(self.measurement, measurements).map(|time| time.saturating_add(self.preparation)),
            Ok(self.tuning),
        ]
        .map(|time| time.map_or(FOREVER, |time| time.min(FOREVER)))
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.config.steps;
        let [training, samples, checkpoints, measurements, tuning] = self.parts(steps).map(FormattedDuration);
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
             {checkpoints}, measurements {measurements}, fine-tuning {tuning})",
            FormattedDuration(self.total(steps)),
            grouped(steps)
        )?;
        if let Some(share) = self.added(steps) {
            writeln!(f, "what is not training adds {:.1} %", share * 100.0)?;
        }
        if let Some(reason) = &self.not_exported {
            writeln!(f, "the model could not be exported yet; that and fine-tuning are left out: {reason}")?;
        }
        writeln!(f, "peak memory: {}", self.peak_memory.map_or("unknown".into(), megabytes))?;
        writeln!(f, "pictures in memory: {}", megabytes(self.data_len))?;
        write!(f, "a checkpoint on disk: {}", megabytes(self.checkpoint_len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_counts_all_that_goes_with_a_run() {
        let mut config = Config::preset("tutorial").unwrap();
        (config.steps, config.every.sample, config.every.checkpoint) = (1000, 100, 500);
        config.every.measure = Some(300);
        let seconds = Duration::from_secs;
        let forecast = Forecast {
            steps: [1, 2, 9].map(seconds).to_vec(),
            sample: seconds(10),
            checkpoint: seconds(100),
            measurement: seconds(1000),
            preparation: seconds(7),
            tuning: seconds(5),
            not_exported: None,
            checkpoint_len: 84_000_000,
            data_len: 15_360_000,
            peak_memory: None,
            config,
        };
        let others = 11 * 10 + 3 * 100 + (7 + 4 * 1000) + 5;
        assert_eq!(forecast.total(1000), seconds(1000 * 2 + others));
        let text = forecast.to_string();
        for expected in [
            "per step: 2.0000 (median of 3; 1.0000 at best)",
            "1,000 steps",
            "what is not training adds 221.1 %",
            "memory: unknown",
            "15.4 MB",
        ] {
            assert!(text.contains(expected), "no {expected} in {text}");
        }
        assert_eq!(forecast.added(1000), Some(others as f64 / 2000.0));
        assert_eq!(forecast.added(0), None);
        // No number of steps overflows.
        assert!(forecast.total(u64::MAX) >= forecast.total(1000));
    }
}
