//! `trainer rebuild`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use log::warn;

use super::args::threads;
use super::source::{self, MemoryArgs};
use super::start;
use super::train::finish;
use trainer::card::Shipped;
use trainer::files::write_atomically;
use trainer::run::discriminator::{self, DISCRIMINATOR};
use trainer::run::folder::DataRef;
use trainer::run::{Folder, Session, interrupt};
use trainer::terminal::{self, quoted};

#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    /// A folder such as models/frog
    pub(crate) model: PathBuf,
    /// Where the pictures are [default: as the card says; else CIFAR-10, looked for as in training]
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Continue this run, which an earlier `rebuild` started, instead of a new one
    #[arg(long, value_name = "RUN")]
    pub(crate) resume: Option<PathBuf>,
    /// Folder in which the run's own folder is made
    #[arg(long, default_value = "runs", value_name = "FOLDER", conflicts_with = "resume")]
    pub(crate) out: PathBuf,
    /// The run, checkpoint or model that the model's run started from, if it did not start from nothing
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    pub(crate) from: Option<PathBuf>,
    /// Also write the weights of the discriminator into the model's folder (discriminator.safetensors), so that other
    /// runs can start from both networks
    #[arg(long)]
    pub(crate) discriminator: bool,
    /// Threads to use; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    memory: MemoryArgs,
}

pub(crate) fn rebuild(args: &RebuildArgs) -> Result<ExitCode> {
    let shipped = Shipped::open(&args.model)?;
    let card = &shipped.card;
    let path = args.data.clone().or(card.data.source.clone());
    let data = source::recorded(path, card.data.class.clone(), card.data.fitting, &card.config, args.memory)?;
    card.check_data(&data)?;
    let warning = card.reproducibility_warning(&data)?;
    if let Some(warning) = &warning {
        warn!("the model will not be the same to the bit: {warning}");
    }
    let start = args.from.as_deref().map(|path| start::open(path, Some(&card.config))).transpose()?;
    let teacher = start::teacher(&card.config)?;
    card.check_teacher(teacher.as_ref().map(|teacher| &teacher.origin))?;
    if args.resume.is_none() {
        card.check_start(start.as_ref().map(|start| &start.origin))?;
    }
    interrupt::listen()?;
    let session = match &args.resume {
        Some(run) => {
            let folder = Folder::open(run)?;
            // If config.toml is damaged, resuming writes it again from the checkpoint's recipe.
            let config = folder.config().or_else(|_| folder.latest().map(|checkpoint| checkpoint.config))?;
            ensure!(config == card.config, "{} follows another recipe than the card", run.display());
            Session::resume(run, |_, _| Ok(data), |_| Ok(teacher))?
        }
        None => {
            let data_ref = DataRef {
                name: data.name.clone(),
                path: data.origin.clone(),
                class: data.class.clone(),
                fitting: card.data.fitting,
                fingerprint: card.data.fingerprint.clone(),
                minutes: None,
                end_moved: None,
            };
            Session::create(card.config.clone(), data, data_ref, &args.out, start.as_ref(), teacher)?
        }
    };
    let run = session.folder().clone();
    let code = finish(session)?;
    if code != ExitCode::SUCCESS {
        let data = args.data.as_ref().map_or_else(String::new, |data| format!(" --data {}", quoted(data)));
        println!(
            "and compare with: {} rebuild {}{data} --resume {}",
            terminal::program(),
            quoted(&args.model),
            quoted(run.path())
        );
        return Ok(code);
    }
    let path = run.file("model.gen");
    let rebuilt = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    shipped.compare(&rebuilt, warning.as_deref()).with_context(|| path.display().to_string())?;
    println!("same bits: {} is {}", path.display(), args.model.join("model.gen").display());
    if args.discriminator {
        let file = args.model.join(DISCRIMINATOR);
        write_atomically(&file, &discriminator::of_run(run.path())?)?;
        println!("discriminator: {}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}
