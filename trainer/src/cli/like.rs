//! `trainer like`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gen_core::Latent;

use super::args::{pictures, seed, share};
use super::generator::{GeneratorArgs, SheetArgs};
use trainer::latents::{in_256ths, neighbour_seeds, variations};
use trainer::terminal;

#[derive(Debug, Args)]
pub(crate) struct LikeArgs {
    #[command(flatten)]
    generator: GeneratorArgs,
    /// Seed of the picture
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    seed: u32,
    /// Number of variations
    #[arg(short = 'n', long, default_value_t = 63, allow_negative_numbers = true, value_parser = pictures)]
    count: u32,
    /// How different the variations are, from 0 (the same picture) to 1 (any picture)
    #[arg(long, default_value_t = 0.3, allow_negative_numbers = true, value_parser = share)]
    distance: f64,
    /// Seed of the first picture in whose direction a variation goes; the others have the following seeds
    #[arg(long, default_value_t = 0, value_name = "SEED", allow_negative_numbers = true, value_parser = seed)]
    toward: u32,
    #[command(flatten)]
    sheet: SheetArgs,
}

pub(crate) fn like(args: &LikeArgs) -> Result<ExitCode> {
    let distance = in_256ths(args.distance, "--distance")?;
    let others = neighbour_seeds(args.seed, args.toward, args.count as usize);
    let pictures = args.generator.draw(|len| {
        let itself = Latent::from_seed(args.seed, len);
        [itself].into_iter().chain(variations(args.seed, &others, distance, len)).collect()
    })?;
    let columns = ((others.len() + 1) as f64).sqrt().ceil() as usize;
    let seed = args.seed;
    let what = format!("seed {seed}, then {seed} on its way to each of {}, row by row", in_words(&others));
    args.sheet.write(pictures.view(), columns, 0, "like", &what)?;
    if let Some(first) = others.first() {
        println!(
            "one of them again: {} like{} --seed {seed} --distance {} --toward {first} -n 1 --out one.png",
            terminal::program(),
            args.generator.as_typed(),
            args.distance
        );
    }
    println!("on the device: Latent::from_seed({seed}, len).toward(&Latent::from_seed(OTHER, len), {distance})");
    Ok(ExitCode::SUCCESS)
}

/// Describes consecutive seeds, of which one may be left out.
fn in_words(numbers: &[u32]) -> String {
    match numbers {
        [] => "no other: there is none beyond the last seed, 4294967295".into(),
        [only] => only.to_string(),
        [first, .., last] => {
            let is_whole = (last - first) as usize + 1 == numbers.len();
            format!("{first} to {last}{}", if is_whole { "" } else { ", without the seed itself" })
        }
    }
}
