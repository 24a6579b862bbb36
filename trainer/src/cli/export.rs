//! `trainer export`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgGroup, Args};

use super::args::layout;
use super::model_file::{load_checkpoint, parse, read_model};
use trainer::files::write_atomically;
use trainer::interchange::{Layout, to_onnx, to_safetensors};
use trainer::quantise::{FloatModel, QuantModel};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("files").args(["safetensors", "onnx"]).required(true).multiple(true))]
pub(crate) struct ExportArgs {
    /// File in a run's checkpoints/ folder, its best.ckpt, or a model, whose float generator is recovered from its integers
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
    let model = float_model(&args.checkpoint)?;
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

/// The float generator of a checkpoint, or of a model.
fn float_model(path: &Path) -> Result<FloatModel> {
    let is_model = std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(&gen_core::format::MAGIC));
    if is_model {
        let blob = read_model(Some(path))?;
        return Ok(FloatModel::of_integers(&QuantModel::from_model(&parse(&blob, Some(path))?)?));
    }
    let checkpoint = load_checkpoint(path)?;
    FloatModel::fold(&checkpoint.config, &checkpoint.state.average)
}
