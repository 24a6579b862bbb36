//! The loop of a run: steps, and what is written when.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::Model;
use gen_core::aligned::aligned;
use image::RgbImage;
use jiff::Timestamp;
use log::warn;
use ndarray::{Array4, ArrayView4, Axis, s};

use super::checkpoint::Checkpoint;
use super::evaluator::QualityEvaluator;
use super::folder::{BEST, DataRef, Folder, UNFINISHED};
use super::guard::{self, Best, RunHealth, TrainingAlert};
use super::interrupt;
use super::metrics::{self, Measured, Pending, Row};
use super::progress::Progress;
use super::report::Report;
use crate::config::{Config, MAX_STEPS, Quantise};
use crate::data::{Dataset, manifest};
use crate::grid::grid;
use crate::inspect::inspect;
use crate::latents::{latents, sample_budget};
use crate::machine;
use crate::numbers::grouped;
use crate::pixels::to_pixel;
use crate::quality::Scores;
use crate::quantise::compare::{self, Comparison, are_alike};
use crate::quantise::{FloatModel, QuantModel, finetune, noise, quantise, quantise_tuned_until, verify};
use crate::schedule::learning_rate_factor;
use crate::terminal::{self, quoted};
use crate::train::{State, StepInputs, Trainer};

/// The best snapshot as a model, and what the run ends with.
const BEST_MODEL: &str = "best.gen";
const MODEL: &str = "model.gen";
/// Every log message since the run was started, of all sessions.
const LOG: &str = "log.txt";
/// Which pictures there were, one by one.
const PICTURES: &str = "pictures.txt";
/// Which files were no use, and why.
const SKIPPED: &str = "skipped.txt";

/// Pictures in a sample, and in a row of it. Like the numbers below, fewer for a large generator.
const SAMPLES: u32 = 64;
const COLUMNS: usize = 8;
/// Pixels between them, and how much they are enlarged.
const GAP: usize = 2;
const SCALE: usize = 2;
/// Latents on which the exported model is compared with the float one.
const COMPARED: u32 = 128;
/// Latents on which the exported model is proven to be exact at the end of a run.
const VERIFIED: u32 = 8;
/// Samples that the report shows over time.
const HISTORY: usize = 8;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Finished,
    /// Ctrl-C: everything is saved, `resume` goes on.
    Interrupted,
}

/// A run at work.
#[derive(Debug)]
pub struct Session {
    folder: Folder,
    data: Dataset,
    data_ref: DataRef,
    trainer: Trainer,
    rows: Vec<Row>,
    measured: Vec<Measured>,
    pending: Pending,
    health: RunHealth,
    /// If `every.measure` asks for measurements, and there are enough distinct pictures.
    evaluator: Option<QualityEvaluator>,
    /// Whether it was said that all pictures look alike.
    alike: bool,
    /// Seconds of earlier sessions.
    seconds_before: f64,
    started: Instant,
    /// Keeps other processes out of the folder.
    _lock: Option<File>,
}

impl Session {
    /// Begins a run in a folder of its own.
    ///
    /// # Errors
    /// When the configuration is wrong, the pictures do not fit it, or the folder
    /// cannot be written to. In the first two cases no folder is made.
    pub fn create(config: Config, data: Dataset, data_ref: DataRef, parent: &std::path::Path) -> Result<Self> {
        let side = config.side()?;
        let found = data.pictures.dim();
        ensure!(found.1 == side && found.2 == side, "the preset inputs {side}x{side} pictures, the data has others");
        let trainer = Trainer::new(config)?;
        let evaluator = trainer.config.every.measure.map(|_| QualityEvaluator::new(&data)).transpose()?.flatten();
        let data_text = toml::to_string(&data_ref).context("the path of the pictures cannot be written down")?;
        let folder = Folder::create(parent, &trainer.config.name)?;
        let mut session = Self {
            _lock: folder.take().inspect_err(|_| _ = std::fs::remove_dir_all(folder.path()))?,
            folder,
            data,
            data_ref,
            trainer,
            rows: Vec::new(),
            measured: Vec::new(),
            pending: Pending::default(),
            health: RunHealth::default(),
            evaluator,
            alike: false,
            seconds_before: 0.0,
            started: Instant::now(),
        };
        // What is half made is no run, and would only be in the way.
        session.begin(&data_text).inspect_err(|_| _ = std::fs::remove_dir_all(session.folder.path()))?;
        Ok(session)
    }

    /// Writes what there is before the first step. The checkpoint is last: with it, all is there.
    fn begin(&mut self, data_text: &str) -> Result<()> {
        let (folder, data) = (&self.folder, &self.data);
        terminal::log_to(&folder.file(LOG))?;
        folder.write("config.toml", self.trainer.config.to_toml().as_bytes())?;
        folder.write("data.toml", data_text.as_bytes())?;
        if let Some(text) = manifest::list(data) {
            folder.write(PICTURES, text.as_bytes())?;
        }
        if !data.skipped.is_empty() {
            folder.write(SKIPPED, data.skipped_list().as_bytes())?;
        }
        let reals = data.pictures.slice(s![..data.pictures.dim().0.min(SAMPLES as usize), .., .., ..]);
        folder.write_picture("reals.png", &grid(reals, COLUMNS, GAP, SCALE)?)?;
        self.sample()?;
        self.save()
    }

    /// Goes on with a run at its last whole checkpoint. `load` fetches the pictures
    /// that the run was started with.
    ///
    /// # Errors
    /// When there is no such run, another process is at work in it, there is no whole checkpoint, or the
    /// pictures have changed.
    pub fn resume(path: &std::path::Path, load: impl FnOnce(&DataRef, &Config) -> Result<Dataset>) -> Result<Self> {
        let folder = Folder::open(path)?;
        let lock = folder.take()?;
        terminal::log_to(&folder.file(LOG))?;
        let checkpoint = folder.latest()?;
        let mut data_ref = folder.data_ref()?;
        let data = load(&data_ref, &checkpoint.config).with_context(|| {
            format!(
                "the pictures of the run; if they have moved, say where they are: {}",
                resume_with(path, " --data PATH")
            )
        })?;
        if data.fingerprint() != checkpoint.data {
            ensure!(
                !data_ref.fingerprint.is_empty(),
                "these are not the pictures that the run was started with: {}. Look at `path` and `class` in \
                 {}/data.toml, which was written anew",
                data.name,
                path.display()
            );
            // Without it there is less to say.
            let before = std::fs::read_to_string(folder.file(PICTURES)).unwrap_or_default();
            bail!(
                "the pictures are not those that the run was started with ({}): results would not be the same. Put \
                 them back as they were, and resume again; or start a new run for the new pictures{}",
                data_ref.name,
                manifest::changes(&before, &data)
            );
        }
        // They may have moved.
        if data_ref.fingerprint != checkpoint.data || data_ref.path != data.origin {
            (data_ref.name, data_ref.path) = (data.name.clone(), data.origin.clone());
            data_ref.fingerprint = checkpoint.data.clone();
            folder.write("data.toml", toml::to_string(&data_ref)?.as_bytes())?;
        }
        match folder.config() {
            Ok(config) => {
                let mut edited = checkpoint.config.differences(&config);
                // The clock moves them.
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
                warn!("{error:#}; it is written anew from the checkpoint");
                folder.write("config.toml", checkpoint.config.to_toml().as_bytes())?;
            }
        }
        let (step, log_every) = (checkpoint.state.step, checkpoint.config.every.log);
        let (rows, measured) = metrics::load_all(&folder.file("metrics.jsonl"), step)?;
        // In a step of going back there is none.
        if checkpoint.health.rollbacks == 0 && (rows.len() as u64) < step / log_every {
            warn!("metrics.jsonl is not whole: lines before the checkpoint are missing; the curves will have a gap");
        }
        folder.write("metrics.jsonl", metrics::to_jsonl_all(&rows, &measured).as_bytes())?;
        let evaluator = checkpoint.config.every.measure.map(|_| QualityEvaluator::new(&data)).transpose()?.flatten();
        let mut trainer = Trainer::with_state(checkpoint.config, checkpoint.state)?;
        trainer.set_rate(checkpoint.health.rate);
        let mut session = Self {
            trainer,
            folder,
            data,
            data_ref,
            rows,
            measured,
            pending: checkpoint.pending,
            health: checkpoint.health,
            evaluator,
            alike: false,
            seconds_before: checkpoint.seconds,
            started: Instant::now(),
            _lock: lock,
        };
        session.find_best()?;
        Ok(session)
    }

    /// Its folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Steps done, and steps to do.
    pub fn steps(&self) -> (u64, u64) {
        (self.trainer.state.step, self.trainer.config.steps)
    }

    /// Changes the number of steps to do; a time budget no longer counts.
    ///
    /// # Errors
    /// When as many are done already, or the folder cannot be written to.
    pub fn set_steps(&mut self, steps: u64) -> Result<()> {
        let done = self.trainer.state.step;
        ensure!(steps > done, "--steps {steps}: the run has done {done} steps already; give a larger number");
        if self.has_felt_its_end(steps) {
            self.data_ref.end_moved = Some(done);
        }
        self.data_ref.minutes = None;
        self.trainer.config.steps = steps;
        self.trainer.config.check()?;
        self.folder.write("config.toml", self.trainer.config.to_toml().as_bytes())?;
        self.folder.write("data.toml", toml::to_string(&self.data_ref)?.as_bytes())?;
        // So that it still holds if this process does not come to the next checkpoint.
        self.save()
    }

    /// Whether what the run has done would have been something else, had it been started for so many steps.
    fn has_felt_its_end(&self, steps: u64) -> bool {
        let (config, done) = (&self.trainer.config, self.trainer.state.step);
        if done == 0 {
            return false;
        }
        // What was planned before is not known any more.
        let by_the_clock = self.data_ref.minutes.is_some() && config.depends_on_length();
        let has_slowed = |steps| learning_rate_factor(done - 1, steps, config.decay_from) < 1.0;
        // At its end a run measures once more, and may go back once more.
        let is_measured = |step: u64| config.every.measure.is_none_or(|every| step.is_multiple_of(every));
        let new_best = self.health.best.is_some_and(|best| best.step == done && !is_measured(done));
        let ended_otherwise = done >= config.steps && (new_best || self.health.rollbacks > 0);
        by_the_clock || steps != config.steps && (has_slowed(config.steps) || has_slowed(steps) || ended_otherwise)
    }

    /// Trains, fine-tunes, exports and writes the report; the facts of the model in words. Ctrl-C ends
    /// training and fine-tuning.
    ///
    /// # Errors
    /// When training diverged, a file cannot be written, or a step fails.
    pub fn run(&mut self) -> Result<(Outcome, String)> {
        let mut progress = Progress::new(self.trainer.state.step, self.trainer.config.steps);
        self.started = Instant::now();
        let outcome = loop {
            let every = self.trainer.config.every;
            if self.trainer.state.step >= self.trainer.config.steps {
                break Outcome::Finished;
            }
            if interrupt::asked() {
                break Outcome::Interrupted;
            }
            let inputs = self.trainer.inputs(&self.data.pictures)?;
            let losses = self.trainer.step_with(&inputs)?;
            let step = self.trainer.state.step;
            let due = |every: u64| step.is_multiple_of(every);
            // What is about to be written must be worth it.
            let is_looked_at = [every.log, every.checkpoint, every.sample].into_iter().chain(every.measure).any(due);
            let guard = self.trainer.config.guard;
            let alert = self.health.step(&losses, &guard);
            let alert = alert.or_else(|| guard::weights(self.weights(), &guard).filter(|_| is_looked_at));
            self.plan();
            if let Some(alert) = alert {
                // With its checkpoint the step is over: a run that is killed here goes on in the next one.
                self.roll_back(alert)?;
                continue;
            }
            self.pending.add(&losses);
            if due(every.log) {
                self.log(&mut progress)?;
            }
            if due(every.sample) {
                self.sample()?;
            }
            if every.pair.is_some_and(due) {
                self.pair(&inputs)?;
            }
            if every.measure.is_some_and(due)
                && let Some(scores) = self.measure(&mut progress)?
                && let Some(alert) = self.health.measurement(&scores, &guard)
            {
                self.roll_back(alert)?;
                continue;
            }
            if due(every.checkpoint) {
                self.save()?;
                // The best snapshot has been exported already, and a generator that cannot be
                // exported yet may be later on.
                if self.health.best.is_none()
                    && let Err(error) = self.float_model().and_then(|float| self.export(&quantise(&float)?))
                {
                    warn!("step {step}: not exported this time: {error:#}");
                }
            }
            progress.step(step, self.trainer.config.steps);
        };
        let step = self.trainer.state.step;
        // Nobody may have looked since.
        if let Some(alert) = guard::weights(self.weights(), &self.trainer.config.guard) {
            // Going back is for the step that looks: with `resume` the run comes there.
            ensure!(
                outcome == Outcome::Finished,
                "step {step}: {alert}; stopped without saving, the last checkpoint is from before. Go on with: {}",
                self.resume_with("")
            );
            self.roll_back(alert)?;
        }
        // Not when it was interrupted: it is to end as if it had not been.
        if outcome == Outcome::Finished
            && self.trainer.config.every.measure.is_some_and(|every| !step.is_multiple_of(every))
        {
            // No score is an alert any more: the best snapshot is what the run ends with.
            progress.stage("measuring the pictures");
            self.measure(&mut progress)?;
        }
        progress.stage("saving");
        self.save()?;
        // Perhaps once more: in a step of going back there was none.
        self.sample()?;
        self.finish(outcome, &mut progress)
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// With a time budget: as many steps as fit, if they go on as fast as they did.
    fn plan(&mut self) {
        if let Some(minutes) = self.data_ref.minutes {
            let tuning = self.tuning_time().as_secs_f64();
            self.trainer.config.steps = planned(minutes, tuning, self.trainer.state.step, self.seconds());
        }
    }

    /// About how long fine-tuning takes at the end.
    fn tuning_time(&self) -> Duration {
        let geometries = self.trainer.config.networks().map(|(generator, _)| generator);
        let macs = geometries.map_or(0, |g| g.blocks().iter().map(|block| block.geometry().macs()).sum());
        finetune::estimate(macs, self.trainer.config.quantise.tune)
    }

    /// Everything that is learnt.
    fn weights(&self) -> [&Vec<f32>; 3] {
        let State { generator, average, discriminator, .. } = &self.trainer.state;
        [generator, average, discriminator]
    }

    /// Goes back to the weights of the best snapshot, or of the last checkpoint if there is
    /// none, with lower learning rates. The number of steps goes on, so no random number
    /// comes again; the checkpoint that is written makes `resume` go on from here.
    fn roll_back(&mut self, alert: TrainingAlert) -> Result<()> {
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
            // Not one that Ctrl-C left: a run ends as if it had not been stopped.
            _ => {
                let every = self.trainer.config.every.checkpoint;
                self.folder.latest_of(|step| step.is_multiple_of(every)).or_else(|_| self.folder.latest())?
            }
        };
        warn!(
            "step {step}: {alert}: going back to the weights of step {}, learning rates times {} ({} of {} times)",
            good.state.step, self.health.rate, self.health.rollbacks, guard.rollbacks
        );
        self.trainer.state = State { step, ..good.state };
        self.trainer.set_rate(self.health.rate);
        self.pending = Pending::default();
        self.save()
    }

    /// Measures the pictures of the averaged generator, and keeps the snapshot if it is the best;
    /// the scores if it is not.
    fn measure(&mut self, progress: &mut Progress) -> Result<Option<Scores>> {
        let Some(evaluator) = &self.evaluator else { return Ok(None) };
        let step = self.trainer.state.step;
        let float = self.float_model()?;
        let scores = match self.measured.last() {
            // Before the run was killed at its end.
            Some(last) if last.step == step => last.scores.clone(),
            _ => {
                let measured = Measured { step, seconds: self.seconds(), scores: evaluator.measure(&float)? };
                self.append(&measured)?;
                let scores = measured.scores.clone();
                self.measured.push(measured);
                scores
            }
        };
        let model = if self.health.is_best(&scores) {
            // What cannot be exported is no use, however good.
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
        progress.measured(scores.quality_score, self.health.best);
        // Where it is no alert, because no snapshot was better, a person has to know.
        if is_kept && scores.diversity < self.trainer.config.guard.diversity && !self.alike {
            self.alike = true;
            let alert = TrainingAlert::Alike(scores.diversity);
            warn!("step {step}: {alert}. If that stays so: {}", alert.advice());
        }
        Ok((!is_kept).then_some(scores))
    }

    /// Writes the present snapshot as the best. The checkpoint comes first: a run that is
    /// killed in between goes on from it, and never from before a best that it cannot know.
    fn keep_best(&self, model: &[u8]) -> Result<()> {
        let path = self.save_checked()?;
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        self.write_best(&bytes, model)
    }

    fn write_best(&self, checkpoint: &[u8], model: &[u8]) -> Result<()> {
        self.folder.write(BEST, checkpoint)?;
        self.folder.write(BEST_MODEL, model)?;
        self.folder.write(MODEL, model)
    }

    /// The best snapshot: from its own file, or from the checkpoint that it was copied from.
    fn best_checkpoint(&self, best: Best) -> Result<Checkpoint> {
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

    /// After a resume: is the best snapshot there that the checkpoint speaks of?
    fn find_best(&mut self) -> Result<()> {
        let Some(best) = self.health.best else { return Ok(()) };
        let is_model =
            |name| std::fs::read(self.folder.file(name)).is_ok_and(|bytes| Model::parse(&aligned(&bytes)).is_ok());
        if best.step == self.trainer.state.step {
            let model = quantise(&self.float_model()?)?.to_blob()?;
            let is_kept = Checkpoint::load(&self.folder.file(BEST)).is_ok_and(|kept| kept.state.step == best.step)
                && std::fs::read(self.folder.file(BEST_MODEL)).is_ok_and(|kept| kept == model)
                && is_model(MODEL);
            // It may have been killed before all files were written. If not, a finished run's fine-tuned model stays.
            return if is_kept { Ok(()) } else { self.keep_best(&model) };
        }
        let checkpoint = match self.best_checkpoint(best) {
            Ok(checkpoint) => checkpoint,
            Err(error) if !is_model(BEST_MODEL) => {
                warn!("{error:#}, and {BEST_MODEL} is gone too: the best is sought anew");
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
            warn!("{BEST}, {BEST_MODEL} or {MODEL} is damaged: all are written anew from step {}", best.step);
            let model = quantise(&FloatModel::fold(&self.trainer.config, &checkpoint.state.average)?)?.to_blob()?;
            self.write_best(&checkpoint.encode()?, &model)?;
        }
        Ok(())
    }

    /// Appends a line to the metrics.
    fn append<T: serde::Serialize>(&self, line: &T) -> Result<()> {
        let path = self.folder.file("metrics.jsonl");
        let text = metrics::to_jsonl(std::slice::from_ref(line));
        let append = || OpenOptions::new().create(true).append(true).open(&path)?.write_all(text.as_bytes());
        append().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes a line of the metrics.
    fn log(&mut self, progress: &mut Progress) -> Result<()> {
        let Some(losses) = self.pending.take() else { return Ok(()) };
        let (step, seconds) = (self.trainer.state.step, self.seconds());
        let pictures_per_second = (step * self.trainer.config.batch as u64) as f64 / seconds.max(1e-9);
        let row = Row { step, seconds, pictures_per_second, losses };
        self.append(&row)?;
        self.rows.push(row);
        progress.row(&row, self.trainer.config.steps);
        Ok(())
    }

    /// Writes a grid of the same latents every time, and the losses.
    fn sample(&mut self) -> Result<()> {
        let step = self.trainer.state.step;
        self.folder.write_picture(&format!("samples/step-{step:06}.png"), &sample_sheet(&self.trainer)?)?;
        if !self.rows.is_empty() {
            self.folder.write("losses.svg", metrics::plot(&self.rows, self.trainer.config.loss)?.as_bytes())?;
        }
        Ok(())
    }

    /// Writes the first generated and the first real picture that the discriminator has just seen.
    fn pair(&self, inputs: &StepInputs) -> Result<()> {
        let folder = self.folder.file("pairs");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let (side, range, step) = (self.data.side(), self.trainer.config.range, self.trainer.state.step);
        for (name, batch) in [("generated", &self.trainer.trace().discriminator.images), ("real", &inputs.real)] {
            let pixels = batch.row(0).iter().map(|&v| to_pixel(v, range)).collect();
            let picture = Array4::from_shape_vec((1, side, side, 3), pixels).context("a picture")?;
            self.folder.write_picture(&format!("pairs/{name}-{step:06}.png"), &grid(picture.view(), 1, 0, 1)?)?;
        }
        Ok(())
    }

    fn save(&self) -> Result<()> {
        self.save_checked().map(|_| ())
    }

    fn save_checked(&self) -> Result<PathBuf> {
        let step = self.trainer.state.step;
        ensure!(
            self.weights().into_iter().flatten().all(|p| p.is_finite()),
            "training diverged at step {step}: a weight is not a number; the checkpoints of earlier steps are kept"
        );
        let checkpoint = Checkpoint {
            config: self.trainer.config.clone(),
            state: self.trainer.state.clone(),
            pending: self.pending,
            seconds: self.seconds(),
            data: self.data_ref.fingerprint.clone(),
            health: self.health,
        };
        self.folder.save(&checkpoint)
    }

    /// Packs a quantised generator and writes `model.gen`.
    fn export(&self, quantised: &QuantModel) -> Result<Vec<u8>> {
        let blob = quantised.to_blob()?;
        self.folder.write(MODEL, &blob)?;
        Ok(blob)
    }

    /// Fine-tunes, exports, proves, compares, and writes the report. A run that was interrupted is not fine-tuned:
    /// `resume` does that when all steps are done.
    fn finish(&self, outcome: Outcome, progress: &mut Progress) -> Result<(Outcome, String)> {
        let (float, best) = self.best_model()?;
        let Config { quantise: Quantise { tune }, seed, .. } = self.trainer.config;
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
        // In this order: a finished run must not look unfinished, but may be finished twice.
        let unfinished = self.folder.file(UNFINISHED);
        if outcome == Outcome::Interrupted {
            let text = format!("This run was stopped before its end. Go on with:\n{}\n", self.resume_with(""));
            self.folder.write(UNFINISHED, text.as_bytes())?;
        }
        let blob = self.export(&tuned.model)?;
        if outcome == Outcome::Finished && unfinished.exists() {
            std::fs::remove_file(&unfinished).with_context(|| format!("cannot remove {}", unfinished.display()))?;
        }
        let bytes = aligned(&blob);
        let model = Model::parse(&bytes).context("the exported model")?;
        let Comparison { int8: int8_pictures, float: float_pictures } =
            compare::int8_with_float(&float, &model, COMPARED);
        let proof = verify::verify(&model, 0..VERIFIED)?;
        let noise = noise::measure(&float, &model)?;
        let shown = s![..int8_pictures.dim().0.min(SAMPLES as usize), .., .., ..];
        let reals = self.data.pictures.slice(s![..self.data.len().min(SAMPLES as usize), .., .., ..]);
        let sheet = |pictures| grid(pictures, COLUMNS, GAP, SCALE);
        let int8_grid = sheet(int8_pictures.slice(shown))?;
        let (reals_grid, float_grid) = (sheet(reals)?, sheet(float_pictures.slice(shown))?);
        self.folder.write_picture("samples.png", &int8_grid)?;

        let (step, seconds) = (self.trainer.state.step, self.seconds());
        let speed = step as f64 * self.trainer.config.batch as f64 / seconds.max(1e-9);
        let mut facts = vec![
            ("data", self.data.name.clone()),
            ("seed", grouped(seed).to_string()),
            (
                "steps",
                format!(
                    "{} of {}, {} real pictures in each",
                    grouped(step),
                    grouped(self.trainer.config.steps),
                    self.trainer.config.batch
                ),
            ),
            (
                "time",
                format!(
                    "{:.1} minutes, {} real pictures a second, with samples, checkpoints and measurements",
                    seconds / 60.0,
                    grouped(speed as u64)
                ),
            ),
            ("model", format!("{MODEL}, {} bytes, CRC-32 {:08x}", grouped(blob.len()), crc32fast::hash(&blob))),
            ("int8 against float", format!("{} over {} pictures", noise.pictures, noise.latents)),
        ];
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
                "the snapshot of step {}, with quality {quality_score:.1}{more}: {}. The lowest quality was {lowest:.1}",
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
        let diversity = kept.map_or_else(|| spread(int8_pictures.view()) / spread(reals).max(1e-9), |s| s.diversity);
        if are_alike(int8_pictures.view()) || diversity < self.trainer.config.guard.diversity {
            let alert = TrainingAlert::Alike(diversity);
            let words = format!("{alert}. If more steps do not help: {}", alert.advice());
            warn!("{words}");
            facts.push(("pictures", words));
        }
        let quality = match self.measured.as_slice() {
            [] => String::new(),
            measured => metrics::plot_quality(measured, best.map(|best| best.step))?,
        };
        let name = self.folder.path().file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let on = format!("{}, {} threads", machine::processor(), rayon::current_num_threads());
        let now = Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string();
        let about = [("written", now), ("by", machine::program()), ("on", on)];
        let all: Vec<_> = facts.iter().cloned().chain(about).collect();
        let report = Report {
            title: &name,
            facts: &all,
            pictures: &[
                ("real, what it learnt from", &reals_grid),
                ("float, as trained", &float_grid),
                ("int8, as the microcontroller inputs them", &int8_grid),
            ],
            history: &self.history()?,
            losses: &metrics::plot(&self.rows, self.trainer.config.loss)?,
            quality: &quality,
            tables: &[
                ("Memory bill", inspect(&model).to_string()),
                ("What int8 loses, layer by layer", noise.to_string()),
                ("Proof: float simulation = integer engine", proof.to_string()),
            ],
            config: &self.trainer.config.to_toml(),
        };
        self.folder.write("report.html", report.html()?.as_bytes())?;
        ensure!(proof.is_exact(), "the exported model is not exact:\n{proof}");
        let words: Vec<_> = facts.iter().map(|(label, value)| format!("{label}: {value}")).collect();
        Ok((outcome, words.join("\n")))
    }

    /// How to go on with this run, as it can be typed.
    fn resume_with(&self, more: &str) -> String {
        resume_with(self.folder.path(), more)
    }

    /// The first row of a few samples over time, read back from their files: those of
    /// earlier sessions are there too.
    fn history(&self) -> Result<Vec<(u64, RgbImage)>> {
        let mut steps = self.folder.steps("samples", "png")?;
        // A run that was killed may have drawn more than it had saved.
        steps.retain(|&(step, _)| step <= self.trainer.state.step);
        let stride = steps.len().div_ceil(HISTORY).max(1);
        let last = steps.len().saturating_sub(1);
        let chosen = steps.into_iter().enumerate().filter(|(i, _)| i % stride == 0 || *i == last);
        let row = |path: &std::path::Path| -> Result<RgbImage> {
            let sheet = image::open(path).with_context(|| format!("cannot read {}", path.display()))?.to_rgb8();
            let height = self.data.side() as u32 * SCALE as u32 + 2 * GAP as u32;
            Ok(image::imageops::crop_imm(&sheet, 0, 0, sheet.width(), height).to_image())
        };
        // They are only looked at: a damaged one must not keep a run from ending.
        let whole = chosen.filter_map(|(_, (step, path))| {
            let row = row(&path).inspect_err(|error| warn!("{error:#}: the report leaves it out"));
            Some((step, row.ok()?))
        });
        Ok(whole.collect())
    }

    fn float_model(&self) -> Result<FloatModel> {
        FloatModel::fold(&self.trainer.config, &self.trainer.state.average)
    }

    /// The generator that the run ends with: of the best snapshot if there is one.
    fn best_model(&self) -> Result<(FloatModel, Option<Best>)> {
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

/// How to go on with a run, as it can be typed.
pub(crate) fn resume_with(run: &Path, more: &str) -> String {
    format!("{} resume {}{more}", terminal::program(), quoted(run))
}

/// Steps that fit into a time budget after `step` of them took so many seconds; fine-tuning at the end takes
/// `tuning` seconds.
fn planned(minutes: f64, tuning: f64, step: u64, seconds: f64) -> u64 {
    // Half of the time is for training whatever else there is.
    let budget = (minutes * 60.0 - tuning).max(minutes * 30.0);
    let left = (budget - seconds).max(0.0);
    let more = (left / seconds.max(1e-9) * step as f64) as u64;
    step.saturating_add(more).min(MAX_STEPS)
}

/// Root mean square distance of the values of pictures, `[N, height, width, 3]`, to their mean picture.
fn spread(pictures: ArrayView4<'_, u8>) -> f64 {
    let pictures = pictures.mapv(f64::from);
    pictures.var_axis(Axis(0), 0.0).mean().unwrap_or_default().sqrt()
}

/// A grid of the same latents every time, drawn by the generator as it is now.
pub(super) fn sample_sheet(trainer: &Trainer) -> Result<RgbImage> {
    let model = FloatModel::fold(&trainer.config, &trainer.state.average)?;
    let batch = latents(0, sample_budget(model.macs(), SAMPLES), model.latent);
    let pictures = model.pictures(batch.view());
    grid(pictures.view(), COLUMNS, GAP, SCALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_budget_becomes_a_number_of_steps_whatever_the_clock_says() {
        assert_eq!(planned(2.0, 0.0, 100, 30.0), 400);
        assert_eq!(planned(2.0, 30.0, 100, 30.0), 300, "fine-tuning is in it");
        assert_eq!(planned(2.0, 1e300, 100, 30.0), 200, "and takes half of it at most");
        assert_eq!(planned(2.0, 0.0, 100, 120.0), 100, "it is used up");
        assert_eq!(planned(2.0, 0.0, 100, 1e300), 100, "and more than that");
        assert_eq!(planned(2.0, 0.0, 100, 0.0), MAX_STEPS, "no time seems to have passed");
        assert_eq!(planned(2.0, 0.0, 0, 0.0), 0);
    }
}
