//! The report of a run that goes on, and the parts that it shares with the final report.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use image::RgbImage;
use jiff::Timestamp;
use log::warn;

use super::{GAP, HISTORY, REPORT, SCALE, Session};
use crate::config::Config;
use crate::machine;
use crate::numbers::grouped;
use crate::quality::table::{ByClass, CLASS_LEGEND};
use crate::run::metrics;
use crate::run::progress::Progress;
use crate::run::report::{Report, Running};

impl Session {
    /// Writes the report as it is now. Its page loads itself again.
    pub(super) fn report_so_far(&self, progress: &Progress) -> Result<()> {
        let (step, steps) = self.steps();
        let mut facts = self.facts_so_far();
        let kept = self.health.best;
        if let Some(last) = self.measured.last() {
            let kept = kept.map_or_else(String::new, |kept| format!("; {kept}"));
            let at = grouped(last.step);
            facts.push(("quality score", format!("{:.1} at step {at}{kept}", last.scores.quality_score)));
        }
        facts.extend(about(&self.trainer.config));
        let (samples, reals) = (self.last_samples(), self.reals_sheet()?);
        let mut pictures = Vec::new();
        if let Some((caption, sheet)) = &samples {
            pictures.push((caption.as_str(), sheet));
        }
        pictures.push(("real pictures that it is trained on", &reals));
        let report = Report {
            title: &self.name(),
            running: Some(Running { step, steps, left: progress.left(step, steps) }),
            play: None,
            facts: &facts,
            pictures: &pictures,
            history: &self.history()?,
            losses: &self.plot_of_losses()?,
            quality: &self.plot_of_quality(kept.map(|kept| kept.step))?,
            held_out: &self.plot_of_logits()?,
            tables: &Vec::from_iter(self.class_table()),
            config: &self.trainer.config.to_toml(),
        };
        self.folder.write(REPORT, report.html()?.as_bytes())
    }

    /// Name of the folder.
    pub(super) fn name(&self) -> String {
        self.folder.path().file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
    }

    /// What every report says of a run.
    pub(super) fn facts_so_far(&self) -> Vec<(&'static str, String)> {
        let ((step, steps), seconds, batch) = (self.steps(), self.seconds(), self.trainer.config.batch);
        let speed = step as f64 * batch as f64 / seconds.max(1e-9);
        let held_out = self.held_out.as_ref().map(|held_out| {
            let all = held_out.len() + self.data.len();
            let said = self.compared.last().map_or_else(String::new, |last| format!("; {}", last.logits));
            ("held out", format!("{} of {} pictures{said}", grouped(held_out.len()), grouped(all)))
        });
        let facts = vec![
            ("data", self.data.name.clone()),
            ("seed", grouped(self.trainer.config.seed).to_string()),
            ("steps", format!("{} of {}, {batch} real pictures in each", grouped(step), grouped(steps))),
            (
                "time",
                format!(
                    "{:.1} minutes, {} real pictures a second, with samples, checkpoints and measurements",
                    seconds / 60.0,
                    grouped(speed as u64)
                ),
            ),
        ];
        facts.into_iter().chain(held_out).collect()
    }

    /// The losses over time; empty if there are none yet.
    pub(super) fn plot_of_losses(&self) -> Result<String> {
        if self.rows.is_empty() { Ok(String::new()) } else { metrics::plot(&self.rows, self.trainer.config.loss) }
    }

    /// The quality score over time; empty if it was not measured. `kept` is the step of the best snapshot.
    pub(super) fn plot_of_quality(&self, kept: Option<u64>) -> Result<String> {
        if self.measured.is_empty() { Ok(String::new()) } else { metrics::plot_quality(&self.measured, kept) }
    }

    /// The logits of held-out pictures and others over time; empty if none are held out, or not compared yet.
    pub(super) fn plot_of_logits(&self) -> Result<String> {
        if self.compared.is_empty() { Ok(String::new()) } else { metrics::plot_logits(&self.compared) }
    }

    /// The scores of each class; `None` without classes or without a measurement.
    pub(super) fn class_table(&self) -> Option<(&'static str, String)> {
        let last = self.measured.last().filter(|last| !last.scores.classes.is_empty())?;
        let text = format!("step {}\n\n{}\n\n{CLASS_LEGEND}", grouped(last.step), ByClass(&last.scores));
        Some(("Classes in the last measurement", text))
    }

    /// The sample sheets up to the present step, each with its step. A killed run may have left some of later steps.
    pub(super) fn samples_so_far(&self) -> Result<Vec<(u64, PathBuf)>> {
        let mut steps = self.folder.steps("samples", "png")?;
        steps.retain(|&(step, _)| step <= self.trainer.state.step);
        Ok(steps)
    }

    /// The newest sample sheet and its caption; `None` if it cannot be read.
    fn last_samples(&self) -> Option<(String, RgbImage)> {
        let (step, path) = self.samples_so_far().ok()?.pop()?;
        Some((format!("generated: float, at step {}", grouped(step)), image::open(path).ok()?.to_rgb8()))
    }

    /// The first row of a few sample sheets over time, each with its step; with classes the first picture of each. They are read from their files, so
    /// earlier sessions are included.
    pub(super) fn history(&self) -> Result<Vec<(u64, RgbImage)>> {
        let steps = self.samples_so_far()?;
        let stride = steps.len().div_ceil(HISTORY).max(1);
        let last = steps.len().saturating_sub(1);
        let chosen = steps.into_iter().enumerate().filter(|(i, _)| i % stride == 0 || *i == last);
        let row = |path: &std::path::Path| -> Result<RgbImage> {
            let sheet = image::open(path).with_context(|| format!("cannot read {}", path.display()))?.to_rgb8();
            let [width, height] =
                [self.data.shape().width, self.data.shape().height].map(|n| u32::from(n) * SCALE as u32);
            let gap = GAP as u32;
            let classes = self.trainer.config.class_names.len() as u32;
            if classes == 0 {
                return Ok(image::imageops::crop_imm(&sheet, 0, 0, sheet.width(), height + 2 * gap).to_image());
            }
            // The first picture of each class, side by side.
            let mut strip = RgbImage::new(classes * (width + gap) + gap, height + 2 * gap);
            for class in 0..classes {
                let tile =
                    image::imageops::crop_imm(&sheet, 0, class * (height + gap), width + 2 * gap, height + 2 * gap);
                image::imageops::replace(&mut strip, &tile.to_image(), i64::from(class * (width + gap)), 0);
            }
            Ok(strip)
        };
        // A damaged sample must not keep the run from ending.
        let whole = chosen.filter_map(|(_, (step, path))| {
            let row = row(&path).inspect_err(|error| warn!("{error:#}: the report leaves it out"));
            Some((step, row.ok()?))
        });
        Ok(whole.collect())
    }
}

/// When, by which program and on which machine a report was written.
pub(super) fn about(config: &Config) -> [(&'static str, String); 3] {
    let on = format!("{}, {} threads", machine::arithmetic(config), rayon::current_num_threads());
    let now = Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    [("written", now), ("by", machine::program()), ("on", on)]
}
