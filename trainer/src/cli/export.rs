//! `trainer export`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgGroup, Args};

use super::args::layout;
use super::model_file::load_checkpoint;
use trainer::files::write_atomically;
use trainer::interchange::{Layout, to_onnx, to_safetensors};
use trainer::quantise::FloatModel;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("files").args(["safetensors", "onnx"]).required(true).multiple(true))]
pub(crate) struct ExportArgs {
    /// File in a run's checkpoints/ folder
    checkpoint: PathBuf,
    /// Write weights and biases
    #[arg(long, value_name = "FILE")]
    safetensors: Option<PathBuf>,
    /// Order of the axes in it: hwio for Keras, oihw for PyTorch
    #[arg(long, default_value = "oihw", requires = "safetensors", value_parser = layout())]
    layout: Layout,
    /// Write the whole generator, NCHW
    #[arg(long, value_name = "FILE")]
    onnx: Option<PathBuf>,
}

pub(crate) fn export(args: &ExportArgs) -> Result<ExitCode> {
    let checkpoint = load_checkpoint(&args.checkpoint)?;
    let model = FloatModel::fold(&checkpoint.config, &checkpoint.state.average)?;
    if let Some(path) = &args.safetensors {
        write_atomically(path, &to_safetensors(&model, args.layout)?)?;
        println!("safetensors: {}", path.display());
    }
    if let Some(path) = &args.onnx {
        write_atomically(path, &to_onnx(&model))?;
        println!("onnx: {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
