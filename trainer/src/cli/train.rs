//! `trainer train`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Args;
use log::{info, warn};

use super::args::{number, precision, steps, threads, whole};
use super::recipe::PictureArgs;
use super::source::SourceArgs;
use super::start;
use trainer::config::{Config, Distil, Precision};
use trainer::data::held_out_count;
use trainer::run::folder::DataRef;
use trainer::run::session::{Outcome, REPORT};
use trainer::run::{Forecast, Session, interrupt};

/// Examples below the help of `trainer` and of `trainer train`.
pub(crate) const EXAMPLES: &str = "Examples:
  trainer --data ~/pictures/mushrooms --minutes 30
  trainer --data builtin --steps 200
  trainer --data ~/pictures/my-cat --from runs/001-pocket --steps 3000
  trainer --data ~/pictures/my-cat --from models/pocket-frogs --steps 3000
  trainer presets pocket > mine.toml; trainer --config mine.toml --data ~/pictures/mushrooms --dry-run";

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) picture: PictureArgs,
    /// Networks and recipe; see `trainer presets` [default: pocket]
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub(crate) preset: Option<String>,
    /// A recipe of your own, in the form that `trainer presets NAME` prints
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Change a key of the recipe, as in batch=64 or generator.optimizer.lr=1e-4; may be given more than once.
    /// `trainer presets --keys` lists all keys
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Start with the networks of an earlier run, given by its folder or a checkpoint, or with the generator of a model,
    /// given by its folder or its file, instead of random numbers. Layers that the recipe does not share begin anew
    /// [default recipe: that of the earlier run, or of the model]
    #[arg(long, value_name = "RUN|MODEL")]
    pub(crate) from: Option<PathBuf>,
    /// A trained generator, usually a larger one, from whose pictures the generator learns, too, given as for --from. Its
    /// pictures have the size of the recipe's. `distil` in a recipe has the weights
    #[arg(long, value_name = "RUN|MODEL")]
    pub(crate) teacher: Option<PathBuf>,
    /// The numbers that convolutions multiply, instead of the recipe's
    #[arg(long, value_name = "PRECISION", value_parser = precision())]
    pub(crate) precision: Option<Precision>,
    /// Training steps, instead of the recipe's
    #[arg(long, allow_negative_numbers = true, value_parser = steps)]
    pub(crate) steps: Option<u64>,
    /// Time for training and fine-tuning (its share is an estimate), instead of a number of steps; how many fit
    /// depends on the machine, so the result does too
    #[arg(long, conflicts_with = "steps", allow_negative_numbers = true, value_parser = |t: &str| number(t, 0.0..=525_600.0))]
    pub(crate) minutes: Option<f64>,
    /// Seed of all random numbers, instead of the recipe's
    #[arg(long, allow_negative_numbers = true, value_parser = |t: &str| whole::<u64>(t, 0..=i64::MAX as u64))]
    pub(crate) seed: Option<u64>,
    /// Hold pictures out, which training never sees, and compare what the discriminator says of them with what it says of
    /// others: a share up to 0.5, such as 0.05, or a number of pictures; instead of the recipe's
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = |t: &str| number(t, 0.0..=4e9))]
    pub(crate) holdout: Option<f64>,
    /// Folder in which the run's own folder is made
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Threads to use; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    pub(crate) threads: Option<usize>,
    /// Also write losses, scores and samples for TensorBoard, to tensorboard/ in the run's folder
    #[arg(long)]
    pub(crate) tensorboard: bool,
    /// Do not train, but time a few steps, a checkpoint, a measurement and fine-tuning, and print how much time and
    /// memory the whole run would take; writes no files
    #[arg(long, conflicts_with = "minutes")]
    pub(crate) dry_run: bool,
}

pub(crate) fn train(args: &TrainArgs) -> Result<ExitCode> {
    let chooses_recipe = args.preset.is_some() || args.config.is_some() || args.picture.is_given();
    let chosen = || {
        let source = args.source.data.as_deref();
        args.picture.recipe(args.preset.as_deref(), args.config.as_deref(), source)
    };
    let (start, recipe) = match &args.from {
        Some(path) if chooses_recipe => {
            let recipe = chosen()?;
            (Some(start::open(path, Some(&recipe))?), recipe)
        }
        Some(path) => {
            let start = start::open(path, None)?;
            let recipe = start.recipe();
            (Some(start), recipe)
        }
        None => (None, chosen()?),
    };
    let distil = match args.teacher.clone() {
        Some(teacher) => Some(Distil { teacher, ..recipe.distil.unwrap_or_default() }),
        None => recipe.distil,
    };
    let mut config = Config { distil, ..recipe }.with(&args.set)?;
    config.steps = args.steps.unwrap_or(config.steps);
    config.seed = args.seed.unwrap_or(config.seed);
    config.holdout = args.holdout.unwrap_or(config.holdout);
    config.precision = args.precision.unwrap_or(config.precision);
    if let Some(minutes) = args.minutes {
        ensure!(minutes > 0.0, "--minutes must be over 0");
    }
    config.check()?;
    let (config, data) = args.source.load_for(config)?;
    let trained_on = data.len().saturating_sub(held_out_count(config.holdout, data.len()));
    let (config, advice) = config.resolve_for(trained_on);
    if let Some(advice) = advice {
        warn!("{advice}");
    }
    let teacher = start::teacher(&config)?;
    if args.dry_run {
        // The steps that are timed are those in which both networks learn.
        println!(
            "{}",
            Forecast::measure(Config { warm_up: 0, ..config }, &data, teacher.map(|teacher| teacher.model))?
        );
        return Ok(ExitCode::SUCCESS);
    }
    let data_ref = DataRef {
        name: data.name.clone(),
        path: data.origin.clone(),
        class: data.class.clone(),
        fitting: args.source.fitting(),
        fingerprint: data.fingerprint()?,
        minutes: args.minutes,
        end_moved: None,
    };
    interrupt::listen()?;
    let mut session = Session::create(config, data, data_ref, &args.out, start.as_ref(), teacher)?;
    if args.tensorboard {
        session.write_events()?;
    }
    finish(session)
}

pub(crate) fn finish(mut session: Session) -> Result<ExitCode> {
    let path = session.folder().path().to_owned();
    info!("run folder: {}  (Ctrl-C saves and stops)", path.display());
    info!("watch it in a browser: {}", path.join(REPORT).display());
    let again = session.resume_command();
    let (outcome, facts) = session.run().inspect_err(|error| {
        if error.chain().any(|cause| cause.is::<std::io::Error>()) {
            warn!("nothing up to the last checkpoint is lost; continue with: {again}");
        }
    })?;
    println!("{facts}");
    println!("report: {}", path.join(REPORT).display());
    println!("pictures: {}", path.join("samples.png").display());
    Ok(match outcome {
        Outcome::Finished => ExitCode::SUCCESS,
        Outcome::Interrupted => {
            println!("continue with: {again}");
            ExitCode::from(interrupt::EXIT_CODE as u8)
        }
    })
}
