//! The end of a run: fine-tuning, export, verification and report.

use std::ops::ControlFlow;

use anyhow::{Context as _, Result, ensure};
use gen_core::Model;
use gen_core::aligned;
use log::warn;
use ndarray::{Array4, ArrayView4, Axis};

use super::live::about;
use super::{COMPARED, GAP, MODEL, Outcome, PLAY, REPORT, SAMPLES, SCALE, Session, VERIFIED, sheet_latents};
use crate::classes::SheetLatents;
use crate::config::{Config, Quantise};
use crate::data::MAX_CLASSES;
use crate::grid::grid;
use crate::inspect::inspect;
use crate::numbers::grouped;
use crate::quantise::compare::are_identical;
use crate::quantise::draw::{draw, first_pictures};
use crate::quantise::{QuantModel, noise, quantise_tuned_until, verify};
use crate::run::folder::UNFINISHED;
use crate::run::guard::{self, Best, RunHealth, TrainingAlert};
use crate::run::interrupt;
use crate::run::progress::Progress;
use crate::run::report::Report;

impl Session {
    /// Fine-tunes, exports, verifies, compares with float, and writes the report. An interrupted run is not fine-tuned:
    /// `resume` does that when all steps are done.
    pub(super) fn finish(&self, outcome: Outcome, progress: &mut Progress) -> Result<(Outcome, String)> {
        let (float, best) = self.best_model()?;
        let Config { quantise: Quantise { tune }, .. } = self.trainer.config;
        let is_tuned = outcome == Outcome::Finished;
        if is_tuned && tune > 0 {
            progress.stage("fine-tuning the integers");
        }
        let tuned = quantise_tuned_until(&float, if is_tuned { tune } else { 0 }, &mut |step| {
            progress.tuned(step);
            if interrupt::asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let outcome = if tuned.is_stopped() { Outcome::Interrupted } else { outcome };
        progress.stage("exporting, and writing the report");
        // The order matters: a run must not look finished before it is. Finishing a run twice does no harm.
        let unfinished = self.folder.file(UNFINISHED);
        if outcome == Outcome::Interrupted {
            let text = format!("This run was stopped before its end. Continue with:\n{}\n", self.resume_command());
            self.folder.write(UNFINISHED, text.as_bytes())?;
        }
        let blob = self.export(&tuned.model)?;
        if outcome == Outcome::Finished && unfinished.exists() {
            std::fs::remove_file(&unfinished).with_context(|| format!("cannot remove {}", unfinished.display()))?;
        }
        let bytes = aligned(&blob);
        let model = Model::parse(&bytes).context("the exported model")?;
        let int8_pictures = first_pictures(&model, COMPARED);
        let proof = verify::verify(&model, 0..VERIFIED.max(model.classes().len() as u32))?;
        let noise = noise::measure(&float, &model)?;
        let SheetLatents { latents, columns } = sheet_latents(&float);
        let sheet = |pictures: Array4<u8>| grid(pictures.view(), columns, GAP, SCALE);
        let int8_grid = sheet(draw(&model, &latents))?;
        let (reals_grid, float_grid) =
            (self.reals_sheet()?, sheet(float.pictures(float.input().batch(latents).view()))?);
        self.folder.write_picture("samples.png", &int8_grid)?;

        let mut facts = self.facts_so_far();
        facts.extend([
            ("model", format!("{MODEL}, {} bytes, CRC-32 {:08x}", grouped(blob.len()), crc32fast::hash(&blob))),
            ("int8 against float", format!("{} over {} pictures", noise.pictures, noise.latents)),
        ]);
        if let Some(labels) = &self.data.labels {
            facts.push(("classes", labels.summary(MAX_CLASSES)));
        }
        let left_out = "left out, as the run was stopped; it is done when the run has been resumed to its end";
        match tuned.summary() {
            Some(summary) => facts.push(("fine-tuning", summary)),
            None if tune > 0 => facts.push(("fine-tuning", left_out.into())),
            None => {}
        }
        let kept = best.and_then(|best| Some(&self.measured.iter().find(|m| m.step == best.step)?.scores));
        if let Some(best) = best {
            let more = kept.map_or_else(String::new, |s| {
                format!(" (recall {:.2}, coverage {:.2}, diversity {:.2})", s.recall, s.coverage, s.diversity)
            });
            let Best { step, quality_score, lowest } = best;
            let words = format!(
                "the snapshot of step {}, with quality score {quality_score:.1}{more}: {}. The lowest score was {lowest:.1}",
                grouped(step),
                guard::RULE
            );
            facts.push(("model.gen is", words));
        }
        if self.health.rollbacks > 0 {
            let RunHealth { rollbacks, rate, .. } = self.health;
            let times = if rollbacks == 1 { "once".into() } else { format!("{rollbacks} times") };
            facts.push(("gone back", format!("{times}; learning rates times {rate}")));
        }
        let reals = self.data.pictures.first(SAMPLES as usize)?;
        let diversity = kept.map_or_else(
            || standard_deviation(int8_pictures.view()) / standard_deviation(reals.view()).max(1e-9),
            |s| s.diversity,
        );
        if are_identical(int8_pictures.view()) || diversity < self.trainer.config.guard.min_diversity {
            let alert = TrainingAlert::Alike(diversity);
            let words = format!("{alert}. If more steps do not help: {}", alert.advice());
            warn!("{words}");
            facts.push(("pictures", words));
        }
        if let Some(alert) = guard::guessing(&self.rows, &self.measured) {
            facts.push(("discriminator", format!("{alert}. If more steps do not help: {}", alert.advice())));
        }
        let name = self.name();
        let all: Vec<_> = facts.iter().cloned().chain(about(&self.trainer.config)).collect();
        let mut tables = vec![
            ("Memory and instructions", inspect(&model).to_string()),
            ("What int8 loses, layer by layer", noise.to_string()),
            ("Proof: float simulation = integer engine", proof.to_string()),
        ];
        if let Some(classes) = self.class_table() {
            tables.insert(0, classes);
        }
        let report = Report {
            title: &name,
            running: None,
            play: Some(PLAY),
            facts: &all,
            pictures: &[
                ("real pictures that it was trained on", &reals_grid),
                ("generated: float, as trained", &float_grid),
                ("generated: int8, as the microcontroller draws them", &int8_grid),
            ],
            history: &self.history()?,
            losses: &self.plot_of_losses()?,
            quality: &self.plot_of_quality(best.map(|best| best.step))?,
            held_out: &self.plot_of_logits()?,
            tables: &tables,
            config: &self.trainer.config.to_toml(),
        };
        self.folder.write(PLAY, web_page::self_contained(&name, &blob).as_bytes())?;
        self.folder.write(REPORT, report.html()?.as_bytes())?;
        ensure!(proof.is_exact(), "the exported model is not exact:\n{proof}");
        let words: Vec<_> = facts.iter().map(|(label, value)| format!("{label}: {value}")).collect();
        Ok((outcome, words.join("\n")))
    }

    /// Packs a quantised generator and writes `model.gen`.
    pub(super) fn export(&self, quantised: &QuantModel) -> Result<Vec<u8>> {
        let blob = quantised.to_blob()?;
        self.folder.write(MODEL, &blob)?;
        Ok(blob)
    }
}

/// Root mean square difference between pictures, `[N, height, width, 3]`, and their mean picture, in pixel values.
fn standard_deviation(pictures: ArrayView4<'_, u8>) -> f64 {
    let pictures = pictures.mapv(f64::from);
    pictures.var_axis(Axis(0), 0.0).mean().unwrap_or_default().sqrt()
}
