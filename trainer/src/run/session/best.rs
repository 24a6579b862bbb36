//! The best snapshot of a run: measuring snapshots, keeping the best, and rolling back to it.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use gen_core::Model;
use gen_core::aligned;
use log::warn;

use super::{BEST_MODEL, MODEL, Session};
use crate::quality::Scores;
use crate::quantise::{FloatModel, quantise};
use crate::run::checkpoint::Checkpoint;
use crate::run::folder::BEST;
use crate::run::guard::{self, Best, TrainingAlert};
use crate::run::metrics::{Measured, Pending};
use crate::run::progress::Progress;
use crate::train::State;

impl Session {
    /// Measures the pictures of the averaged generator. Keeps the snapshot if it is the best, and returns
    /// the scores if it is not.
    pub(super) fn measure(&mut self, progress: &mut Progress) -> Result<Option<Scores>> {
        let Some(evaluator) = &self.evaluator else { return Ok(None) };
        let step = self.trainer.state.step;
        let float = self.float_model()?;
        let scores = match self.measured.last() {
            // This step was measured before the run was killed at its end.
            Some(last) if last.step == step => last.scores.clone(),
            _ => {
                let measured = Measured { step, seconds: self.seconds(), scores: evaluator.measure(&float)? };
                self.append(&measured)?;
                if let Some(events) = &mut self.events {
                    events.scores(&measured)?;
                }
                let scores = measured.scores.clone();
                self.measured.push(measured);
                scores
            }
        };
        let model = if self.health.is_best(&scores) {
            // A snapshot that cannot be exported is not kept, whatever its score.
            let model = quantise(&float).and_then(|model| Ok(model.to_blob()?));
            model.inspect_err(|error| warn!("step {step}: not kept as the best: {error:#}")).ok()
        } else {
            None
        };
        let is_kept = model.is_some();
        if let Some(model) = model {
            self.health.keep(step, scores.quality_score);
            self.keep_best(&model)?;
        }
        progress.measured(&scores, self.health.best);
        // A kept snapshot raises no alert, but the user has to know that the pictures look alike.
        if is_kept && scores.diversity < self.trainer.config.guard.min_diversity && !self.warned_of_collapse {
            self.warned_of_collapse = true;
            let alert = TrainingAlert::Alike(scores.diversity);
            warn!("step {step}: {alert}. If that stays so: {}", alert.advice());
        }
        if let Some(alert) = guard::guessing(&self.rows, &self.measured).filter(|_| !self.warned_of_guessing) {
            self.warned_of_guessing = true;
            warn!("step {step}: {alert}. If that stays so: {}", alert.advice());
        }
        Ok((!is_kept).then_some(scores))
    }

    /// Restores the weights of the best snapshot, or of the last checkpoint if there is none, and lowers the
    /// learning rates. The step counter continues, so no random numbers are used twice. A checkpoint is
    /// written, from which `resume` continues.
    pub(super) fn roll_back(&mut self, alert: TrainingAlert) -> Result<()> {
        let (step, guard) = (self.trainer.state.step, self.trainer.config.guard);
        let kept = match self.health.best {
            Some(best) => format!("; the best snapshot, of step {}, is in {BEST_MODEL} and {BEST}", best.step),
            None => String::new(),
        };
        ensure!(
            self.health.roll_back(&guard),
            "step {step}: {alert}, and going back {} times with lower learning rates did not help: {}, and start \
             again{kept}. The run is in {}",
            self.health.rollbacks,
            alert.advice(),
            self.folder.path().display()
        );
        let best = self
            .health
            .best
            .map(|best| self.best_checkpoint(best).inspect_err(|error| warn!("{error:#}; taking the last checkpoint")));
        let good = match best {
            Some(Ok(best)) => best,
            // A checkpoint that was written on Ctrl-C is not used: the result must not depend on interruptions.
            _ => {
                let every = self.trainer.config.every.checkpoint;
                self.folder.latest_of(|step| step.is_multiple_of(every)).or_else(|_| self.folder.latest())?
            }
        };
        warn!(
            "step {step}: {alert}: going back to the weights of step {}, learning rates times {} ({} of {} times)",
            good.state.step, self.health.rate, self.health.rollbacks, guard.max_rollbacks
        );
        self.trainer.state = State { step, ..good.state };
        self.trainer.set_rate(self.health.rate);
        self.pending = Pending::default();
        self.save()
    }

    /// Writes the present snapshot as the best. The run's checkpoint is written first: a run that is killed in
    /// between then resumes from a checkpoint that records this best snapshot.
    pub(super) fn keep_best(&self, model: &[u8]) -> Result<()> {
        let path = self.save_checked()?;
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        self.write_best(&bytes, model)
    }

    pub(super) fn write_best(&self, checkpoint: &[u8], model: &[u8]) -> Result<()> {
        self.folder.write(BEST, checkpoint)?;
        self.folder.write(BEST_MODEL, model)?;
        self.folder.write(MODEL, model)
    }

    /// Loads the best snapshot from its own file, or from the checkpoint that it is a copy of.
    pub(super) fn best_checkpoint(&self, best: Best) -> Result<Checkpoint> {
        let load = |path: PathBuf| {
            let checkpoint = Checkpoint::load(&path)?;
            let step = checkpoint.state.step;
            ensure!(
                step == best.step,
                "{} is of step {step}; the best snapshot is of step {}",
                path.display(),
                best.step
            );
            Ok(checkpoint)
        };
        load(self.folder.file(BEST)).or_else(|error| load(self.folder.checkpoint(best.step)).map_err(|_| error))
    }

    /// Checks after a resume that the files of the best snapshot which the checkpoint records exist, and restores
    /// them if possible.
    pub(super) fn find_best(&mut self) -> Result<()> {
        let Some(best) = self.health.best else { return Ok(()) };
        let is_model =
            |name| std::fs::read(self.folder.file(name)).is_ok_and(|bytes| Model::parse(&aligned(&bytes)).is_ok());
        if best.step == self.trainer.state.step {
            let model = quantise(&self.float_model()?)?.to_blob()?;
            let is_kept = Checkpoint::load(&self.folder.file(BEST)).is_ok_and(|kept| kept.state.step == best.step)
                && std::fs::read(self.folder.file(BEST_MODEL)).is_ok_and(|kept| kept == model)
                && is_model(MODEL);
            // The run may have been killed before all files were written; then they are written now. Otherwise nothing
            // is written, so that the fine-tuned model of a finished run is kept.
            return if is_kept { Ok(()) } else { self.keep_best(&model) };
        }
        let checkpoint = match self.best_checkpoint(best) {
            Ok(checkpoint) => checkpoint,
            Err(error) if !is_model(BEST_MODEL) => {
                warn!("{error:#}, and {BEST_MODEL} is gone too: the best step is searched for again");
                self.health.best = None;
                return Ok(());
            }
            Err(error) => {
                warn!(
                    "{error:#}; {BEST_MODEL} stays until a snapshot is as good, and should the run go back, it does \
                     to its last checkpoint"
                );
                return Ok(());
            }
        };
        if Checkpoint::load(&self.folder.file(BEST)).is_err() || !is_model(BEST_MODEL) || !is_model(MODEL) {
            warn!("{BEST}, {BEST_MODEL} or {MODEL} is damaged: all are written again from step {}", best.step);
            let model = quantise(&FloatModel::fold(&self.trainer.config, &checkpoint.state.average)?)?.to_blob()?;
            self.write_best(&checkpoint.encode()?, &model)?;
        }
        Ok(())
    }

    /// The generator that the run ends with: the best snapshot's if there is one, otherwise the present one.
    pub(super) fn best_model(&self) -> Result<(FloatModel, Option<Best>)> {
        match self.health.best {
            Some(best) if best.step != self.trainer.state.step => match self.best_checkpoint(best) {
                Ok(checkpoint) => Ok((FloatModel::fold(&self.trainer.config, &checkpoint.state.average)?, Some(best))),
                Err(error) => {
                    warn!("{error:#}; {MODEL} is of the last step, {BEST_MODEL} of the best snapshot");
                    Ok((self.float_model()?, None))
                }
            },
            best => Ok((self.float_model()?, best)),
        }
    }
}
