//! `trainer walk`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::args::{seed, seeds, whole};
use super::generator::{GeneratorArgs, SheetArgs};
use trainer::latents::interpolate;

#[derive(Debug, Args)]
pub(crate) struct WalkArgs {
    #[command(flatten)]
    generator: GeneratorArgs,
    /// Seed of the first picture
    #[arg(long, value_name = "SEED", requires = "to", allow_negative_numbers = true, value_parser = seed)]
    from: Option<u32>,
    /// Seed of the last picture
    #[arg(long, value_name = "SEED", requires = "from", allow_negative_numbers = true, value_parser = seed)]
    to: Option<u32>,
    /// Seeds of pictures to pass on the way, each of which begins another row
    #[arg(long, value_delimiter = ',', value_name = "SEEDS", requires = "from", value_parser = seed)]
    through: Vec<u32>,
    /// Without --from: number of pairs of pictures
    #[arg(long, default_value_t = 8, conflicts_with = "from", allow_negative_numbers = true,
        value_parser = |t: &str| whole::<u32>(t, 1..=256))]
    rows: u32,
    /// Without --from: seed of the first picture; the others have the following seeds
    #[arg(long, default_value_t = 0, conflicts_with = "from", allow_negative_numbers = true, value_parser = seed)]
    seed: u32,
    /// The class of each stop on the way, in turn, by name or number; give it twice or more for a way across classes
    /// [default: the classes in their order, if the model has any]
    #[arg(long, value_name = "NAME")]
    class: Vec<String>,
    /// Pictures in a row, including both ends
    #[arg(long, default_value_t = 10, allow_negative_numbers = true, value_parser = |t: &str| whole::<u16>(t, 2..=256))]
    steps: u16,
    #[command(flatten)]
    sheet: SheetArgs,
}

pub(crate) fn walk(args: &WalkArgs) -> Result<ExitCode> {
    let pairs: Vec<(u32, u32)> = match (args.from, args.to) {
        (Some(from), Some(to)) => {
            let stops: Vec<_> = [from].into_iter().chain(args.through.iter().copied()).chain([to]).collect();
            stops.iter().copied().zip(stops.iter().copied().skip(1)).collect()
        }
        _ => {
            let all: Vec<_> = seeds(args.seed, 2 * args.rows)?.collect();
            all.as_chunks().0.iter().map(|&[from, to]| (from, to)).collect()
        }
    };
    let mut rows = Vec::new();
    let pictures = args.generator.draw(|facts| {
        let classes = match &args.class[..] {
            [] => (0..facts.classes.len().max(1)).map(|class| class as u8).collect(),
            asked => facts.find(asked)?,
        };
        let class = |stop: usize| classes[stop % classes.len()];
        let mut latents = Vec::new();
        for (row, &(from, to)) in pairs.iter().enumerate() {
            // A row ends with the class that the next one begins with.
            let [first, last] = [class(row), class(row + 1)];
            rows.push(format!("{from}{} to {to}{}", facts.in_words(first), facts.in_words(last)));
            latents.extend(interpolate(&facts.latent(from, first), &facts.latent(to, last), args.steps));
        }
        Ok(latents)
    })?;
    for (row, what) in rows.iter().enumerate() {
        println!("row {}: {what}", row + 1);
    }
    args.sheet.write(pictures.view(), args.steps.into(), 0, "walk", "a row for each pair, both ends included")?;
    Ok(ExitCode::SUCCESS)
}
