//! `trainer quantize`.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use gen_core::aligned;
use log::info;

use super::args::whole;
use super::model_file::{parse, read_model};
use super::packing::{PackingArgs, written};
use trainer::config::MAX_STEPS;
use trainer::files::write_atomically;
use trainer::quantise::{FloatModel, QuantModel, noise, quantise_tuned_until};
use trainer::run::{Checkpoint, interrupt};
use trainer::terminal::LineTimer;

#[derive(Debug, Args)]
pub(crate) struct QuantizeArgs {
    /// File in a run's checkpoints/ folder, its best.ckpt, or a model
    checkpoint: PathBuf,
    /// Fine-tune the integers for so many steps, so that they draw more nearly what the float generator draws; a few
    /// hundred are enough [default: what the recipe of the checkpoint's run says]
    #[arg(long, value_name = "STEPS", allow_negative_numbers = true, value_parser = |t: &str| whole::<u64>(t, 0..=MAX_STEPS))]
    tune: Option<u64>,
    #[command(flatten)]
    packing: PackingArgs,
    /// Where to write the model
    #[arg(short, long, default_value = "model.gen")]
    output: PathBuf,
}

pub(crate) fn quantize(args: &QuantizeArgs) -> Result<ExitCode> {
    let path = &args.checkpoint;
    let bytes = if path.is_dir() {
        read_model(Some(path))?
    } else {
        aligned(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?)
    };
    let mut float = None;
    let mut code = ExitCode::SUCCESS;
    let mut model = if bytes.starts_with(&gen_core::format::MAGIC) {
        ensure!(
            args.tune.is_none(),
            "--tune needs the float generator, which {} no longer holds: give a checkpoint of the run, such as its \
             best.ckpt",
            path.display()
        );
        QuantModel::from_model(&parse(&bytes, Some(path))?)?
    } else {
        let checkpoint = Checkpoint::decode(&bytes).with_context(|| {
            format!(
                "{} is neither a whole checkpoint of a run nor a model; a generator of PyTorch or Keras is for `trainer \
                 import`",
                path.display()
            )
        })?;
        let steps = args.tune.unwrap_or(checkpoint.config.quantise.tune);
        let float = float.insert(FloatModel::fold(&checkpoint.config, &checkpoint.state.average)?);
        if steps > 0 {
            interrupt::listen()?;
        }
        let mut timer = LineTimer::started();
        let tuned = quantise_tuned_until(float, steps, &mut |progress| {
            if timer.is_due() {
                info!("{progress}");
            }
            if interrupt::asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if let Some(summary) = tuned.summary() {
            println!("fine-tuning: {summary}");
        }
        if tuned.is_stopped() {
            code = ExitCode::from(interrupt::EXIT_CODE as u8);
        }
        tuned.model
    };
    args.packing.apply(&mut model)?;
    let blob = model.to_blob()?;
    if let Some(float) = &float {
        println!("{}", noise::measure(float, &parse(&aligned(&blob), None)?)?);
    }
    write_atomically(&args.output, &blob)?;
    written(&args.output, &model, &blob);
    Ok(code)
}
