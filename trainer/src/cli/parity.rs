//! `trainer parity`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Args;

use trainer::parity;

#[derive(Debug, Args)]
pub(crate) struct ParityArgs {
    /// A golden set: weights_init.npz, inputs.npz, step1.npz, activations.npz
    folder: PathBuf,
}

pub(crate) fn parity(args: &ParityArgs) -> Result<ExitCode> {
    let report = parity::check(&args.folder)?;
    println!("{report}");
    ensure!(report.is_ok(), "{} does not agree with Keras", args.folder.display());
    Ok(ExitCode::SUCCESS)
}
