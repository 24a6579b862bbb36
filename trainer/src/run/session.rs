//! A run in progress: the training loop, and the files that are written during it.

mod best;
mod finish;
mod live;
mod resume;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use image::RgbImage;
use log::{info, warn};
use ndarray::Array4;

use super::checkpoint::Checkpoint;
use super::evaluator::QualityEvaluator;
use super::folder::{DataRef, Folder};
use super::guard::{self, RunHealth};
use super::interrupt;
use super::metrics::{self, Compared, Measured, Pending, Row};
use super::progress::Progress;
use super::start::{Origin, START, Start, TEACHER, TeacherModel};
use super::tensorboard::EventFile;
use crate::classes::{ClassTable, SheetLatents};
use crate::config::{Config, MAX_STEPS, finetune};
use crate::data::{Dataset, manifest};
use crate::grid::grid;
use crate::latents::sample_budget;
use crate::numbers::grouped;
use crate::pixels::to_pixel;
use crate::quantise::{FloatModel, quantise};
use crate::terminal::{self, LineTimer};
use crate::train::{State, StepInputs, Trainer};

pub(crate) use resume::resume_command;

/// File names of the best snapshot's model and of the run's final model.
const BEST_MODEL: &str = "best.gen";
const MODEL: &str = "model.gen";
/// File name of the report; it exists from the first sample on.
pub const REPORT: &str = "report.html";
/// File name of the page to play with the final model.
const PLAY: &str = "play.html";
/// Folder for TensorBoard.
const EVENTS: &str = "tensorboard";
/// File with all log messages of the run, over all sessions.
const LOG: &str = "log.txt";
/// File that lists all pictures of the run.
const PICTURES: &str = "pictures.txt";
/// File that lists the skipped files with the reasons.
const SKIPPED: &str = "skipped.txt";
/// File that lists the held-out pictures.
const HELD_OUT: &str = "held-out.txt";

/// Maximum number of pictures of each kind whose logits are compared. A large generator draws fewer, but at least
/// [`MIN_COMPARED`].
const MAX_COMPARED: u32 = 1000;
const MIN_COMPARED: u32 = 200;

/// Pictures in a sample sheet, and in a row of it. A large generator draws fewer, here and in the numbers below.
const SAMPLES: u32 = 64;
const COLUMNS: usize = 8;
/// Pixels between the pictures, and their enlargement.
const GAP: usize = 2;
const SCALE: usize = 2;
/// Number of latents on which the exported model is compared with the float model.
const COMPARED: u32 = 128;
/// Number of latents on which the exported model is verified to be exact at the end of a run.
const VERIFIED: u32 = 8;
/// Number of sample sheets over time that the report shows.
const HISTORY: usize = 8;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Finished,
    /// The user pressed Ctrl-C. Everything is saved, and `resume` continues the run.
    Interrupted,
}

/// A run in progress.
#[derive(Debug)]
pub struct Session {
    folder: Folder,
    /// The training pictures, without those that are held out.
    data: Dataset,
    /// Present if the recipe holds pictures out.
    held_out: Option<Dataset>,
    data_ref: DataRef,
    trainer: Trainer,
    rows: Vec<Row>,
    measured: Vec<Measured>,
    compared: Vec<Compared>,
    pending: Pending,
    health: RunHealth,
    /// Present if the recipe has `every.measure` and there are enough distinct pictures.
    evaluator: Option<QualityEvaluator>,
    /// Whether the user has been warned that all pictures look alike.
    warned_of_collapse: bool,
    /// Whether the user has been warned that the discriminator guesses.
    warned_of_guessing: bool,
    /// Training time of earlier sessions in seconds.
    seconds_before: f64,
    started: Instant,
    /// Present with `--tensorboard`.
    events: Option<EventFile>,
    /// Keeps other processes out of the folder.
    _lock: Option<File>,
}

impl Session {
    /// Starts a run in a new folder, from nothing or from the networks of an earlier run.
    ///
    /// # Errors
    /// When the recipe is invalid, the pictures do not fit it, it has nothing in common with the earlier run, or the
    /// folder cannot be written to. Only in the last case a folder was created, which is removed.
    pub fn create(
        config: Config,
        data: Dataset,
        data_ref: DataRef,
        parent: &Path,
        start: Option<&Start>,
        teacher: Option<TeacherModel>,
    ) -> Result<Self> {
        let (picture, found) = (config.picture()?, data.shape());
        ensure!(
            picture == found,
            "the recipe draws pictures of {picture} (height, width, channels), the data has {found}"
        );
        let names = data.labels.as_ref().map_or(&[][..], |labels| &labels.names);
        ensure!(
            config.class_names.is_empty() || config.class_names == names,
            "the recipe has the classes {}, the data has {}",
            config.class_names.join(", "),
            if names.is_empty() { "none".into() } else { names.join(", ") }
        );
        let (training, held_out) = data.split(config.holdout, config.seed)?;
        let mut trainer = match start {
            None => Trainer::new(config)?,
            Some(start) => {
                let (trainer, taken_over) = start.trainer(config)?;
                info!("starts from {}; {taken_over}", start.origin);
                trainer
            }
        };
        let teacher_origin = teacher.as_ref().map(|teacher| teacher.origin.clone());
        if let Some(TeacherModel { origin, model }) = teacher {
            info!("distillation: the teacher is {origin}");
            trainer.set_teacher(model)?;
        }
        let evaluator = trainer.config.every.measure.map(|_| QualityEvaluator::new(&training)).transpose()?.flatten();
        let data_text = toml::to_string(&data_ref).context("the path of the pictures cannot be written down")?;
        let folder = Folder::create(parent, &trainer.config.name)?;
        let mut session = Self {
            _lock: folder.take().inspect_err(|_| _ = std::fs::remove_dir_all(folder.path()))?,
            folder,
            data: training,
            held_out,
            data_ref,
            trainer,
            rows: Vec::new(),
            measured: Vec::new(),
            compared: Vec::new(),
            pending: Pending::default(),
            health: RunHealth::default(),
            evaluator,
            warned_of_collapse: false,
            warned_of_guessing: false,
            seconds_before: 0.0,
            started: Instant::now(),
            events: None,
        };
        // Remove a partially created run folder.
        session
            .begin(&data, &data_text, [(START, start.map(|start| &start.origin)), (TEACHER, teacher_origin.as_ref())])
            .inspect_err(|_| _ = std::fs::remove_dir_all(session.folder.path()))?;
        Ok(session)
    }

    /// Writes the files that exist before the first step. The checkpoint comes last, so that a folder with a
    /// checkpoint is complete. `data` has all pictures, with those that are held out.
    fn begin(&mut self, data: &Dataset, data_text: &str, origins: [(&str, Option<&Origin>); 2]) -> Result<()> {
        let folder = &self.folder;
        terminal::log_to(&folder.file(LOG))?;
        folder.write("config.toml", self.trainer.config.to_toml().as_bytes())?;
        folder.write("data.toml", data_text.as_bytes())?;
        for (file, origin) in origins {
            if let Some(origin) = origin {
                folder.write(file, toml::to_string(origin)?.as_bytes())?;
            }
        }
        if let Some(text) = manifest::list(data)? {
            folder.write(PICTURES, text.as_bytes())?;
        }
        if !data.skipped.is_empty() {
            folder.write(SKIPPED, data.skipped_list().as_bytes())?;
        }
        if let Some(held_out) = &self.held_out {
            folder.write(HELD_OUT, manifest::held_out(data, held_out)?.as_bytes())?;
            let (held_out, left) = (grouped(held_out.len()), grouped(self.data.len()));
            info!("held out: {held_out} pictures, which training never sees; it has the other {left}");
        }
        folder.write_picture("reals.png", &self.reals_sheet()?)?;
        self.sample()?;
        self.save()
    }

    /// A sheet of real pictures: the first ones, or with classes a row of each.
    fn reals_sheet(&self) -> Result<RgbImage> {
        let classes = self.trainer.config.class_names.len();
        let labels = self.data.labels.as_ref().filter(|_| classes > 0);
        let places: Vec<usize> = match labels {
            None => (0..self.data.len().min(SAMPLES as usize)).collect(),
            Some(labels) => {
                let of = |class: usize| (0..self.data.len()).filter(move |&n| usize::from(labels.of[n]) == class);
                // A class with few pictures fills its row by repeating them.
                (0..classes).flat_map(|class| of(class).cycle().take(COLUMNS)).collect()
            }
        };
        grid(self.data.pictures.select(&places)?.view(), COLUMNS, GAP, SCALE)
    }

    /// The folder of the run.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Number of steps done, and total number of steps.
    pub fn steps(&self) -> (u64, u64) {
        (self.trainer.state.step, self.trainer.config.steps)
    }

    /// Trains, fine-tunes, exports and writes the report. Returns how the run ended and a description of the
    /// model. Ctrl-C ends training and fine-tuning.
    ///
    /// # Errors
    /// When training diverged, a file cannot be written, or a step fails.
    pub fn run(&mut self) -> Result<(Outcome, String)> {
        let mut progress = Progress::new(self.trainer.state.step, self.trainer.config.steps);
        self.started = Instant::now();
        if let Some(words) = self.trainer.config.about_bf16() {
            info!("{words}");
        }
        let mut page = LineTimer::started();
        self.report_so_far(&progress)?;
        let outcome = loop {
            let every = self.trainer.config.every;
            if self.trainer.state.step >= self.trainer.config.steps {
                break Outcome::Finished;
            }
            if interrupt::asked() {
                break Outcome::Interrupted;
            }
            let inputs = self.trainer.inputs(&self.data)?;
            let losses = self.trainer.step_with(&inputs)?;
            let step = self.trainer.state.step;
            let due = |every: u64| step.is_multiple_of(every);
            // Check for non-finite weights before anything is saved.
            let is_looked_at = [every.log, every.checkpoint, every.sample].into_iter().chain(every.measure).any(due);
            let guard = self.trainer.config.guard;
            let alert = self.health.step(&losses, &guard);
            let alert = alert.or_else(|| guard::weights(self.weights(), &guard).filter(|_| is_looked_at));
            self.plan();
            if let Some(alert) = alert {
                // A roll-back writes a checkpoint of this step, so a run that is killed here resumes at the next step.
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
            if due(every.measure.unwrap_or(every.sample)) {
                self.compare(&mut progress)?;
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
                // If there is a best snapshot, it has already been exported. A generator that cannot be exported yet
                // may become exportable later.
                if self.health.best.is_none()
                    && let Err(error) = self.float_model().and_then(|float| self.export(&quantise(&float)?))
                {
                    warn!("step {step}: not exported this time: {error:#}");
                }
            }
            progress.step(step, self.trainer.config.steps);
            let has_news = [every.log, every.sample].into_iter().chain(every.measure).any(due);
            if has_news && page.is_due() {
                self.report_so_far(&progress)?;
            }
        };
        let step = self.trainer.state.step;
        // The weights may not have been checked since the last save.
        if let Some(alert) = guard::weights(self.weights(), &self.trainer.config.guard) {
            // Only the steps that check the weights roll back; a resumed run gets to the next of them.
            ensure!(
                outcome == Outcome::Finished,
                "step {step}: {alert}; stopped without saving, the last checkpoint is from before. Continue with: {}",
                self.resume_command()
            );
            self.roll_back(alert)?;
        }
        // An interrupted run is not measured here: its final result must not depend on the interruption.
        if outcome == Outcome::Finished
            && self.trainer.config.every.measure.is_some_and(|every| !step.is_multiple_of(every))
        {
            // Alerts are ignored at the end, because the run ends with the best snapshot in any case.
            progress.stage("measuring the pictures");
            self.compare(&mut progress)?;
            self.measure(&mut progress)?;
        }
        progress.stage("saving");
        self.save()?;
        // This step may have no sample yet, if the run rolled back in it.
        self.sample()?;
        self.finish(outcome, &mut progress)
    }

    /// Writes losses, scores and samples for TensorBoard, those so far and those to come.
    ///
    /// # Errors
    /// When the run folder cannot be written to.
    pub fn write_events(&mut self) -> Result<()> {
        let mut events = EventFile::create(&self.folder.file(EVENTS), self.seconds())?;
        self.rows.iter().try_for_each(|row| events.row(row))?;
        self.measured.iter().try_for_each(|measured| events.scores(measured))?;
        self.compared.iter().try_for_each(|compared| events.logits(compared))?;
        for (step, path) in self.samples_so_far()? {
            // The time of a sample is that of the next line of the log.
            let seconds = self.rows.iter().find(|row| row.step >= step).map_or(self.seconds(), |row| row.seconds);
            match image::open(&path) {
                Ok(sheet) => events.samples(step, seconds, &sheet.to_rgb8())?,
                Err(error) => warn!("{}: {error}: TensorBoard will not have it", path.display()),
            }
        }
        self.events = Some(events);
        Ok(())
    }

    /// Whether an earlier session wrote for TensorBoard.
    pub fn has_events(&self) -> bool {
        self.folder.file(EVENTS).is_dir()
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// If there is a time budget, sets the number of steps to what fits into it at the present speed.
    fn plan(&mut self) {
        if let Some(minutes) = self.data_ref.minutes {
            let tuning = self.tuning_time().as_secs_f64();
            self.trainer.config.steps = planned(minutes, tuning, self.trainer.state.step, self.seconds());
        }
    }

    /// Estimated time of fine-tuning at the end.
    fn tuning_time(&self) -> Duration {
        let geometries = self.trainer.config.networks().map(|(generator, _)| generator);
        let macs = geometries.map_or(0, |g| g.blocks().iter().map(|block| block.geometry().macs()).sum());
        finetune::estimate(macs, self.trainer.config.quantise.tune)
    }

    /// All trained parameters: generator, average, discriminator.
    fn weights(&self) -> [&Vec<f32>; 3] {
        let State { generator, average, discriminator, .. } = &self.trainer.state;
        [generator, average, discriminator]
    }

    /// Appends a line to `metrics.jsonl`.
    fn append<T: serde::Serialize>(&self, line: &T) -> Result<()> {
        let path = self.folder.file("metrics.jsonl");
        let text = metrics::to_jsonl(std::slice::from_ref(line));
        let append = || OpenOptions::new().create(true).append(true).open(&path)?.write_all(text.as_bytes());
        append().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the mean losses since the last line as a line of `metrics.jsonl`.
    fn log(&mut self, progress: &mut Progress) -> Result<()> {
        let Some(losses) = self.pending.take() else { return Ok(()) };
        let (step, seconds) = (self.trainer.state.step, self.seconds());
        let pictures_per_second = (step * self.trainer.config.batch as u64) as f64 / seconds.max(1e-9);
        let row = Row { step, seconds, pictures_per_second, losses };
        self.append(&row)?;
        if let Some(events) = &mut self.events {
            events.row(&row)?;
        }
        self.rows.push(row);
        progress.row(&row, self.trainer.config.steps);
        Ok(())
    }

    /// Compares what the discriminator says of held-out pictures with what it says of others, if some are held out.
    fn compare(&mut self, progress: &mut Progress) -> Result<()> {
        let Some(held_out) = &self.held_out else { return Ok(()) };
        let (step, seconds) = (self.trainer.state.step, self.seconds());
        // This step was compared before the run was killed at its end.
        if self.compared.last().is_some_and(|last| last.step == step) {
            return Ok(());
        }
        let macs = self.trainer.config.networks()?.0.blocks().iter().map(|block| block.geometry().macs()).sum();
        let most = sample_budget(macs, MAX_COMPARED).max(MIN_COMPARED);
        let logits = self.trainer.compare_logits(&self.data, held_out, most as usize)?;
        let compared = Compared { step, seconds, logits };
        self.append(&compared)?;
        if let Some(events) = &mut self.events {
            events.logits(&compared)?;
        }
        self.compared.push(compared);
        progress.compared(&logits);
        Ok(())
    }

    /// Writes a sample sheet, drawn from the same latents every time, and the plot of the losses.
    fn sample(&mut self) -> Result<()> {
        let (step, seconds) = (self.trainer.state.step, self.seconds());
        let sheet = sample_sheet(&self.trainer)?;
        self.folder.write_picture(&format!("samples/step-{step:06}.png"), &sheet)?;
        if let Some(events) = &mut self.events {
            events.samples(step, seconds, &sheet)?;
        }
        if !self.rows.is_empty() {
            self.folder.write("losses.svg", metrics::plot(&self.rows, self.trainer.config.loss)?.as_bytes())?;
        }
        Ok(())
    }

    /// Writes the first generated and the first real picture that the discriminator has just seen.
    fn pair(&self, inputs: &StepInputs) -> Result<()> {
        let folder = self.folder.file("pairs");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let (range, step) = (self.trainer.config.range, self.trainer.state.step);
        let (_, height, width, channels) = self.data.pictures.dim();
        for (name, batch) in [("generated", &self.trainer.trace().discriminator.images), ("real", &inputs.real)] {
            let pixels = batch.row(0).iter().map(|&v| to_pixel(v, range)).collect();
            let picture = Array4::from_shape_vec((1, height, width, channels), pixels).context("a picture")?;
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

    fn float_model(&self) -> Result<FloatModel> {
        FloatModel::fold(&self.trainer.config, &self.trainer.state.average)
    }
}

/// Total number of steps that fit into a budget of `minutes`, if the first `step` steps took `seconds` and
/// fine-tuning at the end takes `tuning` seconds.
fn planned(minutes: f64, tuning: f64, step: u64, seconds: f64) -> u64 {
    // At least half of the budget is for training, however long fine-tuning takes.
    let budget = (minutes * 60.0 - tuning).max(minutes * 30.0);
    let left = (budget - seconds).max(0.0);
    let more = (left / seconds.max(1e-9) * step as f64) as u64;
    step.saturating_add(more).min(MAX_STEPS)
}

/// A sample sheet: the present averaged generator's pictures of the same latents every time; with classes a row for each.
pub(super) fn sample_sheet(trainer: &Trainer) -> Result<RgbImage> {
    let model = FloatModel::fold(&trainer.config, &trainer.state.average)?;
    let SheetLatents { latents, columns } = sheet_latents(&model);
    let pictures = model.pictures(model.input().batch(latents).view());
    grid(pictures.view(), columns, GAP, SCALE)
}

/// The latents of the sample sheets of this generator.
fn sheet_latents(model: &FloatModel) -> SheetLatents {
    let classes = model.classes.as_ref().map_or(0, ClassTable::len);
    // All classes are shown, also of a large generator.
    let most = sample_budget(model.macs(), SAMPLES.max((classes * COLUMNS) as u32));
    SheetLatents::new(0, model.latent, classes, COLUMNS, most)
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
