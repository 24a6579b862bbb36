//! `trainer like`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::args::{pictures, seed, share};
use super::generator::{GeneratorArgs, SheetArgs};
use trainer::latents::{in_256ths, neighbour_seeds, variations};
use trainer::terminal::{self, quoted};

#[derive(Debug, Args)]
pub(crate) struct LikeArgs {
    #[command(flatten)]
    generator: GeneratorArgs,
    /// Seed of the picture
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    seed: u32,
    /// The class of the picture, by name or number [default: the first, if the model has classes]
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// The class in whose direction the variations go [default: the class of the picture]
    #[arg(long, value_name = "NAME")]
    toward_class: Option<String>,
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
    let (mut of_class, mut on_device) = (String::new(), [String::new(), String::new()]);
    let pictures = args.generator.draw(|facts| {
        let number = |asked: &Option<String>| match asked {
            Some(name) => Ok(facts.find(std::slice::from_ref(name))?.first().copied()),
            None => anyhow::Ok(None),
        };
        let class = number(&args.class)?.unwrap_or(0);
        let toward = number(&args.toward_class)?.unwrap_or(class);
        if !facts.classes.is_empty() {
            of_class = facts.in_words(class);
            on_device = [class, toward].map(|class| format!(".with_class({class})"));
        }
        let itself = facts.latent(args.seed, class);
        let directions = others.iter().map(|&other| facts.latent(other, toward));
        Ok([itself.clone()].into_iter().chain(variations(&itself, directions, distance)).collect())
    })?;
    let columns = ((others.len() + 1) as f64).sqrt().ceil() as usize;
    let seed = args.seed;
    let what = format!("seed {seed}{of_class}, then {seed} on its way to each of {}, row by row", in_words(&others));
    args.sheet.write(pictures.view(), columns, 0, "like", &what)?;
    if let Some(first) = others.first() {
        println!(
            "one of them again: {} like{}{}{} --seed {seed} --distance {} --toward {first} -n 1 --out one.png",
            terminal::program(),
            args.generator.as_typed(),
            option("--class", &args.class),
            option("--toward-class", &args.toward_class),
            args.distance
        );
    }
    let [class, toward] = on_device;
    println!(
        "on the device: Latent::from_seed({seed}, len){class}.toward(&Latent::from_seed(OTHER, len){toward}, {distance})"
    );
    Ok(ExitCode::SUCCESS)
}

/// An option as the user would type it; empty if it is not given.
fn option(name: &str, value: &Option<String>) -> String {
    value.as_ref().map_or_else(String::new, |value| format!(" {name} {}", quoted(Path::new(value))))
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
