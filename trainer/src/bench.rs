//! Measures the speed of training steps: `trainer bench`.
//!
//! A network is measured by a [`worker`] in a separate process, so that its peak memory can be
//! measured too. A worker performs one step for each line that it reads and answers with the
//! step's time. A program can alternate between several workers, so that other load on the machine
//! affects all of them equally. [`Measurement::take`] controls one worker.
//!
//! ```text
//! -> (start)      <- ready                                       after a first step, which allocates memory
//! -> any line     <- {"seconds":0.0123,"cpu_seconds":0.0241}     a step
//! -> end of input <- {"processor":"x86_64 ...","threads":2,...}       a Summary
//! ```

pub mod count;
pub mod layers;

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::data::{self, Dataset};
use crate::machine;
use crate::phases::Phase;
use crate::train::Trainer;
use crate::usage::{cpu_time, peak_memory};
use count::Count;

/// Number of drawn frogs that a worker trains on.
const PICTURES: usize = 512;

/// Minimum number of measured steps, so that there is a median.
const MIN_STEPS: u64 = 3;

/// The line with which a worker says that it is ready.
const READY: &str = "ready";

/// Time of a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Wall time in seconds.
    pub seconds: f64,
    /// CPU time of all threads together in seconds; `None` if the system does not report it.
    pub cpu_seconds: Option<f64>,
}

/// The last answer of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The kind of processor: which vector instructions were used.
    pub processor: String,
    /// Number of threads.
    pub threads: usize,
    /// Peak memory in bytes; `None` if the system does not report it.
    pub peak_memory: Option<u64>,
    /// Number of steps, without the first.
    pub steps: u64,
    /// Pictures in a batch.
    pub batch: usize,
    /// Multiplications and additions of a step, as counted by [`Count`].
    pub flop: u64,
    /// Number of the generator's parameters.
    pub generator_parameters: usize,
    /// Number of the discriminator's parameters.
    pub discriminator_parameters: usize,
    /// Seconds of every phase, summed over all these steps; see [`Phase::ALL`].
    pub phases: Vec<(Phase, f64)>,
}

/// How many steps are measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// This many.
    Steps(u64),
    /// As many as begin within this time, and at least three.
    Time(Duration),
}

/// Drawn frogs of the size that the configuration needs.
///
/// # Errors
/// When frogs cannot be drawn in that size.
pub fn pictures(config: &Config) -> Result<Dataset> {
    let request = data::Request {
        path: Some(data::BUILTIN.into()),
        target: data::Target::of(config.picture()?),
        drawn: PICTURES,
        ..data::Request::default()
    };
    data::load(&request)
}

/// Performs a step for each line of `input` and writes its time to `output`.
///
/// # Errors
/// When the configuration is invalid, or one of the two streams is closed early.
pub fn worker(config: Config, input: impl BufRead, mut output: impl Write) -> Result<()> {
    let flop = Count::of(&config)?.total();
    let data = pictures(&config)?;
    let mut trainer = Trainer::new(config)?;
    trainer.step(&data.pictures)?;
    trainer.take_times();
    let mut say = |line: &str| -> Result<()> {
        writeln!(output, "{line}").and_then(|()| output.flush()).context("cannot answer")
    };
    say(READY)?;
    let mut steps = 0;
    for line in input.lines() {
        line.context("cannot read")?;
        let (cpu, started) = (cpu_time(), Instant::now());
        trainer.step(&data.pictures)?;
        let seconds = started.elapsed().as_secs_f64();
        let cpu = cpu_time().zip(cpu).map(|(after, before)| (after - before).as_secs_f64());
        say(&serde_json::to_string(&Step { seconds, cpu_seconds: cpu })?)?;
        steps += 1;
    }
    let times = trainer.take_times();
    let summary = Summary {
        processor: machine::processor(),
        threads: rayon::current_num_threads(),
        peak_memory: peak_memory(),
        steps,
        batch: trainer.config.batch,
        flop,
        generator_parameters: trainer.state.generator.len(),
        discriminator_parameters: trainer.state.discriminator.len(),
        phases: Phase::ALL.map(|phase| (phase, times.of(phase).as_secs_f64())).to_vec(),
    };
    say(&serde_json::to_string(&summary)?)
}

/// Measured steps of one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    name: String,
    count: Count,
    /// The steps, fastest first; never empty.
    steps: Vec<Step>,
    summary: Summary,
}

impl Measurement {
    /// Measures steps in a worker process. `command` must start a worker with the same configuration.
    ///
    /// # Errors
    /// When the worker cannot be started, or its answers are invalid.
    pub fn take(config: &Config, mut command: Command, limit: Limit) -> Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start a worker")?;
        let (Some(mut ask), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("a worker without pipes");
        };
        let mut answers = BufReader::new(answers).lines();
        let mut answer = || answers.next().context("the worker ended early")?.context("cannot hear the worker");
        let take_steps = || -> Result<(Vec<Step>, Summary)> {
            ensure!(answer()? == READY, "the worker is not ready");
            let (started, mut steps) = (Instant::now(), Vec::new());
            while match limit {
                Limit::Steps(count) => (steps.len() as u64) < count,
                Limit::Time(time) => (steps.len() as u64) < MIN_STEPS || started.elapsed() < time,
            } {
                ask.write_all(b"\n").context("the worker ended early")?;
                steps.push(serde_json::from_str(&answer()?).context("the worker's step")?);
            }
            drop(ask);
            Ok((steps, serde_json::from_str(&answer()?).context("the worker's summary")?))
        };
        let result = take_steps();
        if result.is_err() {
            // The process may have ended already.
            let _ = child.kill();
        }
        let status = child.wait().context("cannot wait for the worker")?;
        let (mut steps, summary) = result?;
        ensure!(status.success(), "the worker failed: {status}");
        ensure!(!steps.is_empty(), "no steps, no measurement");
        steps.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        Ok(Self { name: config.name.clone(), count: Count::of(config)?, steps, summary })
    }

    /// Median time of a step in seconds.
    pub fn median(&self) -> f64 {
        self.steps[self.steps.len() / 2].seconds
    }

    /// Time of the fastest step in seconds.
    pub fn min(&self) -> f64 {
        self.steps[0].seconds
    }

    /// Mean CPU time of a step in seconds, all threads together.
    pub fn cpu_seconds(&self) -> Option<f64> {
        let sum = self.steps.iter().map(|step| step.cpu_seconds).sum::<Option<f64>>();
        sum.map(|sum| sum / self.steps.len() as f64)
    }

    /// Share of the threads' time in which they were busy, 0 … 1.
    pub fn cores_used(&self) -> Option<f64> {
        let seconds = self.steps.iter().map(|step| step.seconds).sum::<f64>() / self.steps.len() as f64;
        self.cpu_seconds().map(|cpu| cpu / (seconds * self.summary.threads as f64))
    }

    /// Mean time of a phase in a step, in seconds.
    fn phase(&self, phase: Phase) -> f64 {
        let sum = self.summary.phases.iter().find(|(p, _)| *p == phase).map_or(0.0, |(_, seconds)| *seconds);
        sum / self.summary.steps.max(1) as f64
    }
}

/// The table that `trainer bench` prints.
#[derive(Debug)]
pub struct Table(pub Vec<Measurement>);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let optional = |value: Option<f64>, digits: usize| value.map_or("?".into(), |v| format!("{v:.digits$}"));
        if let Some(Measurement { summary: Summary { processor, threads, .. }, .. }) = self.0.first() {
            writeln!(f, "processor: {processor}\nthreads: {threads}\n")?;
        }
        writeln!(
            f,
            "{:16} {:>5} {:>6} {:>10} {:>10} {:>9} {:>13} {:>8} {:>8} {:>9} {:>7} {:>8}",
            "",
            "batch",
            "steps",
            "median s",
            "min s",
            "pictures",
            "GFLOP by",
            "GFLOP",
            "GFLOP",
            "CPU-s",
            "cores",
            "peak"
        )?;
        writeln!(
            f,
            "{:16} {:>5} {:>6} {:>10} {:>10} {:>9} {:>13} {:>8} {:>8} {:>9} {:>7} {:>8}",
            "network",
            "",
            "",
            "a step",
            "a step",
            "a second",
            "definition",
            "needed",
            "a second",
            "a step",
            "used",
            "MiB"
        )?;
        for m in &self.0 {
            let gflop = m.count.total() as f64 / 1e9;
            writeln!(
                f,
                "{:16} {:>5} {:>6} {:>10.5} {:>10.5} {:>9.1} {:>13.1} {:>8.1} {:>8.1} {:>9} {:>7} {:>8}",
                m.name,
                m.summary.batch,
                m.steps.len(),
                m.median(),
                m.min(),
                m.summary.batch as f64 / m.median(),
                gflop,
                m.count.needed() as f64 / 1e9,
                gflop / m.median(),
                optional(m.cpu_seconds(), 5),
                optional(m.cores_used().map(|share| share * 100.0), 0) + " %",
                optional(m.summary.peak_memory.map(|bytes| bytes as f64 / f64::from(1 << 20)), 1),
            )?;
        }
        writeln!(
            f,
            "\nTime of a step in ms (average), share of the step, GFLOP a second by definition, and of those needed:\n"
        )?;
        write!(f, "{:26}", "phase")?;
        for m in &self.0 {
            write!(f, " {:>32}", m.name)?;
        }
        for phase in Phase::ALL {
            write!(f, "\n{:26}", phase.name())?;
            for m in &self.0 {
                let all: f64 = Phase::ALL.iter().map(|&p| m.phase(p)).sum();
                let seconds = m.phase(phase);
                let rate =
                    |flop: u64| if flop > 0 { format!("{:.1}", flop as f64 / seconds / 1e9) } else { "-".into() };
                let (definition, needed) = (rate(m.count.phase(phase)), rate(m.count.needed_in(phase)));
                write!(f, " {:>10.3} {:>5.1} % {definition:>6} {needed:>6}", seconds * 1e3, seconds / all * 100.0)?;
            }
        }
        write!(
            f,
            "\n\nGFLOP by definition: a multiplication and an addition for each weight at each place, forward and for both\n\
             gradients. Needed: those of the products that are really computed, in the domain that a layer is computed\n\
             in; its transforms are not counted. The first rate may therefore exceed what the processor can do, the\n\
             second one cannot; `trainer bench --layers` has both for each layer. A step is one of the discriminator and\n\
             one of the generator; pictures are the real ones of a batch. Peak memory is that of a process that does\n\
             nothing else."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config { batch: 2, ..Config::preset("reference-pocket").unwrap() }
    }

    fn answers(input: &str) -> Vec<String> {
        let mut output = Vec::new();
        worker(config(), input.as_bytes(), &mut output).unwrap();
        String::from_utf8(output).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_worker_does_a_step_for_each_line_and_sums_up() {
        // The last line may have no line break.
        let lines = answers("\nstep\n!");
        assert_eq!(lines.len(), 5, "{lines:?}");
        assert_eq!(lines[0], READY);
        let mut all = 0.0;
        for line in &lines[1..4] {
            let step: Step = serde_json::from_str(line).unwrap();
            assert!(step.seconds > 0.0 && step.cpu_seconds.is_some() == cfg!(unix), "{line}");
            all += step.seconds;
        }
        let summary: Summary = serde_json::from_str(&lines[4]).unwrap();
        assert_eq!((summary.steps, summary.batch), (3, 2));
        assert_eq!(summary.peak_memory.is_some(), cfg!(target_os = "linux"));
        let phases: f64 = summary.phases.iter().map(|(_, seconds)| seconds).sum();
        assert!(phases <= all && phases > 0.9 * all, "the phases of {all} s take {phases} s");
        let may_be_empty = [Phase::GForwardAgain, Phase::DPenalty];
        assert!(summary.phases.iter().all(|(phase, seconds)| *seconds > 0.0 || may_be_empty.contains(phase)));
    }

    #[test]
    fn a_worker_without_input_says_so() {
        let lines = answers("");
        let summary: Summary = serde_json::from_str(&lines[1]).unwrap();
        assert_eq!((lines.len(), summary.steps), (2, 0));
    }

    #[test]
    fn what_cannot_be_told_is_a_question_mark() {
        let step = |seconds| Step { seconds, cpu_seconds: None };
        let config = config();
        let count = Count::of(&config).unwrap();
        let measurement = Measurement {
            name: config.name,
            count,
            steps: [0.1, 0.2, 0.9].map(step).to_vec(),
            summary: Summary {
                processor: "an abacus".into(),
                threads: 2,
                peak_memory: None,
                steps: 3,
                batch: 2,
                flop: count.total(),
                generator_parameters: 0,
                discriminator_parameters: 0,
                phases: vec![(Phase::Data, 0.3), (Phase::GForward, 0.9)],
            },
        };
        assert_eq!((measurement.median(), measurement.min()), (0.2, 0.1));
        let text = Table(vec![measurement]).to_string();
        for expected in [
            "processor: an abacus",
            "reference-pocket     2      3    0.20000    0.10000      10.0",
            "? %",
            "100.000  25.0 %",
        ] {
            assert!(text.contains(expected), "no {expected} in {text}");
        }
    }
}
