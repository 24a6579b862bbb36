//! `trainer verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Args;

use super::args::{pictures, seed, seeds};
use super::model_file::{parse, read_model};
use trainer::quantise;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A model, or the folder of a run or of a shipped model; the one in the firmware if not given
    model: Option<PathBuf>,
    /// Number of pictures to check; classes take turns [default: 16, or one of each class if there are more]
    #[arg(short = 'n', long, allow_negative_numbers = true, value_parser = pictures)]
    count: Option<u32>,
    /// Seed of the first picture
    #[arg(long, default_value_t = 0, allow_negative_numbers = true, value_parser = seed)]
    seed: u32,
}

pub(crate) fn verify(args: &VerifyArgs) -> Result<ExitCode> {
    let path = args.model.as_deref();
    let blob = read_model(path)?;
    let model = parse(&blob, path)?;
    let count = args.count.unwrap_or((model.classes().len() as u32).max(16));
    let report = quantise::verify(&model, seeds(args.seed, count)?)?;
    println!("{report}");
    ensure!(report.is_exact(), "the model is not exact");
    Ok(ExitCode::SUCCESS)
}
