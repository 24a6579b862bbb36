//! `trainer package`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{ArgGroup, Args};
use log::warn;
use packager::Kind;

use super::model_file::{parse, read_model};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("kind").args(["c", "arduino", "rust"]).required(true))]
pub(crate) struct PackageArgs {
    /// A model, or the folder of a run or of a shipped model
    model: PathBuf,
    /// For C and C++: header, static libraries, the model as an array, a Makefile with an example
    #[arg(long)]
    c: bool,
    /// For the Arduino IDE: a precompiled library with a sketch for a TFT display
    #[arg(long)]
    arduino: bool,
    /// For Rust: a crate with the model and a copy of gen-core
    #[arg(long)]
    rust: bool,
    /// Folder of the package, which must be new or empty
    #[arg(short, long, value_name = "FOLDER")]
    out: PathBuf,
}

pub(crate) fn package(args: &PackageArgs) -> Result<ExitCode> {
    let blob = read_model(Some(&args.model))?;
    parse(&blob, Some(&args.model))?;
    let kind = match () {
        () if args.c => Kind::C,
        () if args.arduino => Kind::Arduino,
        () => Kind::Rust,
    };
    let written = packager::write(kind, &blob, &args.out)
        .with_context(|| format!("cannot make a package of {}", args.model.display()))?;
    println!("package: {}", args.out.display());
    if !written.targets.is_empty() {
        println!("libraries for {}", written.targets.join(", "));
    }
    if !written.left_out.is_empty() {
        let targets = written.left_out.join(" ");
        warn!("left out, because they are not installed: {targets}. To have them: rustup target add {targets}");
    }
    Ok(ExitCode::SUCCESS)
}
