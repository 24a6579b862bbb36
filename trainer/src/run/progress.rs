//! Progress of a run for the user: a bar on a terminal, lines of text elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use log::{Level, info};

use super::guard::Best;
use super::metrics::Row;
use crate::numbers::grouped;
use crate::quality::Scores;
use crate::quantise::finetune;
use crate::terminal::{self, LineTimer};
use crate::train::{Logits, Losses};

/// Shows the progress of a run.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    first: u64,
    timer: LineTimer,
    quality: String,
    /// The logits of training, held-out and generated pictures.
    logits: String,
    /// The class that is drawn least.
    missing: String,
}

impl Progress {
    /// Starts the display at `step` of `steps`.
    pub fn new(step: u64, steps: u64) -> Self {
        let bar = (std::io::stderr().is_terminal() && terminal::shows(Level::Info)).then(|| {
            // The message is cut to the width of the terminal: a bar of two lines is not erased completely.
            let template = "{bar:10.green/black} {pos}/{len} · {eta} left · {wide_msg}";
            let style = ProgressStyle::with_template(template).expect("the template is valid");
            // The speed of this session is estimated without the steps of earlier ones.
            let bar = ProgressBar::new(steps).with_style(style).with_position(step);
            bar.reset_eta();
            terminal::show_bar(Some(bar.clone()));
            bar
        });
        Self {
            bar,
            started: Instant::now(),
            first: step,
            timer: LineTimer::due(),
            quality: String::new(),
            logits: String::new(),
            missing: String::new(),
        }
    }

    /// Call after every step. `steps` may change if there is a time budget.
    pub fn step(&self, step: u64, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(steps);
            bar.set_position(step);
        }
    }

    /// Estimated time of the steps that are left; `None` before the first step of this session.
    pub fn left(&self, step: u64, steps: u64) -> Option<Duration> {
        let done = step.checked_sub(self.first).filter(|&done| done > 0)?;
        Some(self.started.elapsed().div_f64(done as f64).mul_f64(steps.saturating_sub(step) as f64))
    }

    /// Call after every line of the metrics.
    pub fn row(&mut self, row: &Row, steps: u64) {
        let Losses { d_loss, g_loss, .. } = row.losses;
        let speed = row.pictures_per_second;
        // The class comes last, because a bar cuts the message to the width of the terminal.
        let Self { quality, logits, missing, .. } = &*self;
        let message = format!("D {d_loss:.3}  G {g_loss:.3}{quality}{logits}  {speed:.0} pictures/s{missing}");
        if let Some(bar) = &self.bar {
            bar.set_message(message);
        } else if self.timer.is_due() {
            let left = self.left(row.step, steps).unwrap_or_default();
            info!("step {}/{}  {message}  {} left", row.step, grouped(steps), HumanDuration(left));
        }
    }

    /// Call after every measurement, with its scores and the best snapshot.
    pub fn measured(&mut self, scores: &Scores, kept: Option<Best>) {
        let kept = kept.map_or_else(String::new, |kept| format!(" ({kept})"));
        self.quality = format!("  quality {:.1}{kept}", scores.quality_score);
        self.missing = scores.missing().map_or_else(String::new, |class| format!("  least drawn: {class}"));
        // Measurements are rare, so the next line of the log is written without waiting.
        self.timer = LineTimer::due();
    }

    /// Call after every comparison with held-out pictures.
    pub fn compared(&mut self, logits: &Logits) {
        let Logits { training, held_out, generated } = logits;
        self.logits = format!("  logits {training:.1} held out {held_out:.1} generated {generated:.1}");
        self.timer = LineTimer::due();
    }

    /// Call when something other than training begins, such as `measuring the pictures`.
    pub fn stage(&mut self, what: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_style(ProgressStyle::with_template("{spinner} {wide_msg}").expect("the template is valid"));
                bar.enable_steady_tick(Duration::from_millis(100));
                bar.set_message(what.to_owned());
            }
            None => info!("{what}"),
        }
        self.timer = LineTimer::started();
    }

    /// Call after every step of fine-tuning.
    pub fn tuned(&mut self, progress: &finetune::Progress) {
        match &self.bar {
            Some(bar) => bar.set_message(progress.to_string()),
            None if self.timer.is_due() => {
                info!("{progress}");
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    /// Removes the bar, also when the run ends with an error.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            terminal::show_bar(None);
            bar.finish_and_clear();
        }
    }
}
