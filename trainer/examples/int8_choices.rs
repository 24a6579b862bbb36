//! Measures the effect of each option of quantisation on trained generators: exponent of the equalisation,
//! narrowed ranges, steps of fine-tuning.
//!
//! ```sh
//! cargo run --release -p trainer --example int8_choices -- runs/001-pocket/best.ckpt ...
//! ```
//!
//! Every number is the PSNR in dB between the pictures of the quantised model, drawn by gen-core, and those of
//! the float generator, over the same latents.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;
use gen_core::{Latent, Model};
use trainer::latents::latent_batch;
use trainer::quantise::calibrate::{Choices, calibrate_with};
use trainer::quantise::compare::likeness;
use trainer::quantise::draw::draw;
use trainer::quantise::{FloatModel, QuantModel, quantise_tuned};
use trainer::run::Checkpoint;

#[derive(Debug, Parser)]
struct Args {
    /// Checkpoints of runs
    #[arg(required = true)]
    checkpoints: Vec<PathBuf>,
    /// Latents to compare pictures on; none of them is used to calibrate or to fine-tune
    #[arg(short = 'n', long, default_value_t = 512)]
    count: u32,
    /// Exponents of the equalisation
    #[arg(long, value_delimiter = ',', default_values_t = [0.0, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0])]
    powers: Vec<f32>,
    /// Steps of fine-tuning
    #[arg(long, value_delimiter = ',', default_values_t = [100, 300])]
    tune: Vec<u64>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    for path in &args.checkpoints {
        let checkpoint = Checkpoint::load(path)?;
        let float = FloatModel::fold(&checkpoint.config, &checkpoint.state.average)?;
        println!("{} ({}, step {})", path.display(), float.name, checkpoint.state.step);
        let with = |choices| Ok::<_, anyhow::Error>(calibrate_with(float.clone(), choices)?.1);
        for &equalise in &args.powers {
            ensure!((0.0..=1.0).contains(&equalise), "--powers: from 0 to 1, not {equalise}");
            let model = with(Choices { equalise, ..Choices::default() })?;
            println!("    equalised, exponent {equalise:<5}   {:.2}", psnr(&float, &model, args.count)?);
        }
        let model = with(Choices { clip: false, ..Choices::default() })?;
        println!("    ranges not narrowed         {:.2}", psnr(&float, &model, args.count)?);
        for &steps in &args.tune {
            let tuned = quantise_tuned(&float, steps)?;
            println!("    {steps:>3} steps of fine-tuning    {:.2}", psnr(&float, &tuned.model, args.count)?);
        }
    }
    Ok(())
}

fn psnr(float: &FloatModel, model: &QuantModel, count: u32) -> Result<f64> {
    let latents: Vec<_> = (0..count).map(|seed| Latent::from_seed(seed, float.latent)).collect();
    let blob = model.to_blob()?;
    let int8 = draw(&Model::parse(&blob)?, &latents);
    let exact = float.pictures(latent_batch(latents.into_iter(), float.latent).view());
    Ok(likeness(exact.view(), int8.view()).psnr)
}
