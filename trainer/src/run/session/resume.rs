//! Resuming a run, and changing its number of steps.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use log::warn;

use super::{LOG, PICTURES, Session};
use crate::config::Config;
use crate::data::{Dataset, manifest};
use crate::run::evaluator::QualityEvaluator;
use crate::run::folder::{DataRef, Folder};
use crate::run::metrics;
use crate::run::start::{Origin, TEACHER, TeacherModel};
use crate::schedule::linear_decay;
use crate::terminal::{self, quoted};
use crate::train::Trainer;

impl Session {
    /// Continues a run from its last undamaged checkpoint. `load` loads the pictures that the run was
    /// started with, `teach` the teacher that its recipe names, if it names one.
    ///
    /// # Errors
    /// When there is no such run, another process has locked it, there is no undamaged checkpoint, or the
    /// pictures or the teacher have changed.
    pub fn resume(
        path: &Path,
        load: impl FnOnce(&DataRef, &Config) -> Result<Dataset>,
        teach: impl FnOnce(&Config) -> Result<Option<TeacherModel>>,
    ) -> Result<Self> {
        let folder = Folder::open(path)?;
        let lock = folder.take()?;
        terminal::log_to(&folder.file(LOG))?;
        let checkpoint = folder.latest()?;
        let mut data_ref = folder.data_ref()?;
        let data = load(&data_ref, &checkpoint.config).with_context(|| {
            format!(
                "the pictures of the run; if they have moved, say where they are: {}",
                resume_command(path, " --data PATH")
            )
        })?;
        if data.fingerprint()? != checkpoint.data {
            ensure!(
                !data_ref.fingerprint.is_empty(),
                "these are not the pictures that the run was started with: {}. Look at `path` and `class` in \
                 {}/data.toml, which was written again",
                data.name,
                path.display()
            );
            // If the list is missing, the message does not name the changed pictures.
            let before = std::fs::read_to_string(folder.file(PICTURES)).unwrap_or_default();
            bail!(
                "the pictures are not those that the run was started with ({}): results would not be the same. Put \
                 them back as they were, and resume again; or start a new run for the new pictures{}",
                data_ref.name,
                manifest::changes(&before, &data)?
            );
        }
        // The pictures may have been moved.
        if data_ref.fingerprint != checkpoint.data || data_ref.path != data.origin {
            (data_ref.name, data_ref.path) = (data.name.clone(), data.origin.clone());
            data_ref.fingerprint = checkpoint.data.clone();
            folder.write("data.toml", toml::to_string(&data_ref)?.as_bytes())?;
        }
        match folder.config() {
            Ok(config) => {
                let mut edited = checkpoint.config.differences(&config);
                // A time budget changes the number of steps.
                edited.retain(|key| key != "steps" || data_ref.minutes.is_none());
                if !edited.is_empty() {
                    warn!(
                        "config.toml is not the recipe that the run was started with: {} {} ignored. To train with it, \
                         start a new run with --config {}; for more steps, give --steps",
                        edited.join(", "),
                        if edited.len() == 1 { "is" } else { "are" },
                        quoted(&folder.file("config.toml"))
                    );
                }
            }
            Err(error) => {
                warn!("{error:#}; it is written again from the checkpoint");
                folder.write("config.toml", checkpoint.config.to_toml().as_bytes())?;
            }
        }
        let (step, log_every) = (checkpoint.state.step, checkpoint.config.every.log);
        let lines = metrics::load_all(&folder.file("metrics.jsonl"), step)?;
        // A step with a roll-back writes no line, so this check is only possible without roll-backs.
        if checkpoint.health.rollbacks == 0 && (lines.rows.len() as u64) < step / log_every {
            warn!("metrics.jsonl is not whole: lines before the checkpoint are missing; the curves will have a gap");
        }
        folder.write("metrics.jsonl", metrics::to_jsonl_all(&lines).as_bytes())?;
        let (data, held_out) = data.split(checkpoint.config.holdout, checkpoint.config.seed)?;
        let evaluator = checkpoint.config.every.measure.map(|_| QualityEvaluator::new(&data)).transpose()?.flatten();
        let mut trainer = Trainer::with_state(checkpoint.config, checkpoint.state)?;
        trainer.set_rate(checkpoint.health.rate);
        if let Some(TeacherModel { origin, model }) = teach(&trainer.config)? {
            if let Some(before) = Origin::read(&folder.file(TEACHER))? {
                before.check(&origin, "the one that the run was started with").context(
                    "the teacher: with another one results would not be the same. Put it back as it was, and resume again; or \
                     start a new run",
                )?;
            }
            trainer.set_teacher(model)?;
        }
        let mut session = Self {
            trainer,
            folder,
            data,
            held_out,
            data_ref,
            rows: lines.rows,
            measured: lines.measured,
            compared: lines.compared,
            pending: checkpoint.pending,
            health: checkpoint.health,
            evaluator,
            warned_of_collapse: false,
            warned_of_guessing: false,
            seconds_before: checkpoint.seconds,
            started: Instant::now(),
            events: None,
            _lock: lock,
        };
        session.find_best()?;
        Ok(session)
    }

    /// Changes the total number of steps, and drops the time budget if there is one.
    ///
    /// # Errors
    /// When this many steps have already been done, or the folder cannot be written to.
    pub fn set_steps(&mut self, steps: u64) -> Result<()> {
        let done = self.trainer.state.step;
        ensure!(steps > done, "--steps {steps}: the run has done {done} steps already; give a larger number");
        if self.depended_on_length(steps) {
            self.data_ref.end_moved = Some(done);
        }
        self.data_ref.minutes = None;
        self.trainer.config.steps = steps;
        self.trainer.config.check()?;
        self.folder.write("config.toml", self.trainer.config.to_toml().as_bytes())?;
        self.folder.write("data.toml", toml::to_string(&self.data_ref)?.as_bytes())?;
        // The new number is saved now, in case this process ends before the next checkpoint.
        self.save()
    }

    /// Whether the steps done so far would have had another result if the run had been started with `steps` steps.
    pub(super) fn depended_on_length(&self, steps: u64) -> bool {
        let (config, done) = (&self.trainer.config, self.trainer.state.step);
        if done == 0 {
            return false;
        }
        // With a time budget the length that was planned at earlier steps is no longer known.
        let by_the_clock = self.data_ref.minutes.is_some() && config.depends_on_length();
        let has_slowed = |steps| linear_decay(done - 1, steps, config.lr_decay_start) < 1.0;
        // A run measures at its end, in addition to its regular measurements, and may roll back there.
        let is_measured = |step: u64| config.every.measure.is_none_or(|every| step.is_multiple_of(every));
        let new_best = self.health.best.is_some_and(|best| best.step == done && !is_measured(done));
        let ended_otherwise = done >= config.steps && (new_best || self.health.rollbacks > 0);
        by_the_clock || steps != config.steps && (has_slowed(config.steps) || has_slowed(steps) || ended_otherwise)
    }

    /// The command line that resumes this run.
    pub fn resume_command(&self) -> String {
        resume_command(self.folder.path(), "")
    }
}

/// The command line that resumes a run, followed by `more` arguments.
pub(crate) fn resume_command(run: &Path, more: &str) -> String {
    format!("{} resume {}{more}", terminal::program(), quoted(run))
}
