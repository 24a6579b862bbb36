//! `trainer walk`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use ndarray::Axis;

use super::args::{seed, seeds, whole};
use super::generator::{GeneratorArgs, SheetArgs};
use trainer::animation::{gif, gif_name};
use trainer::files::write_atomically;
use trainer::grid::grid;
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
    /// Write an animation that passes all pictures and returns to the first, instead of a sheet. Without --from it passes
    /// --rows consecutive seeds
    #[arg(long, num_args = 0..=1, default_missing_value = "walk.gif", value_name = "GIF", value_parser = gif_name,
        conflicts_with = "out")]
    gif: Option<PathBuf>,
    /// With --gif: milliseconds for which a picture is shown
    #[arg(long, default_value_t = 80, requires = "gif", allow_negative_numbers = true,
        value_parser = |t: &str| whole::<u16>(t, 20..=10_000))]
    ms: u16,
    #[command(flatten)]
    sheet: SheetArgs,
}

pub(crate) fn walk(args: &WalkArgs) -> Result<ExitCode> {
    let pairs = args.pairs()?;
    let mut rows = Vec::new();
    let pictures = args.generator.draw(|facts| {
        let classes = match &args.class[..] {
            [] => (0..facts.classes.len().max(1)).map(|class| class as u8).collect(),
            asked => facts.find(asked)?,
        };
        // An animation returns to its first picture, so to the class of it.
        let stop = |row: usize| if args.gif.is_some() && row == pairs.len() { 0 } else { row };
        let class = |row: usize| classes[stop(row) % classes.len()];
        let mut latents = Vec::new();
        for (row, &(from, to)) in pairs.iter().enumerate() {
            // A row ends with the class that the next one begins with.
            let [first, last] = [class(row), class(row + 1)];
            rows.push(format!("{from}{} to {to}{}", facts.in_words(first), facts.in_words(last)));
            latents.extend(interpolate(&facts.latent(from, first), &facts.latent(to, last), args.steps));
            if args.gif.is_some() {
                latents.pop(); // the first picture of the next row
            }
        }
        Ok(latents)
    })?;
    for (row, what) in rows.iter().enumerate() {
        println!("row {}: {what}", row + 1);
    }
    match &args.gif {
        Some(path) => {
            let scale = args.sheet.animation_scale();
            let shown = Duration::from_millis(args.ms.into());
            let frames = pictures.axis_chunks_iter(Axis(0), 1).map(|one| Ok((grid(one, 1, 0, scale)?, shown)));
            write_atomically(path, &gif(frames.collect::<Result<Vec<_>>>()?)?)?;
            println!("animation: {} ({} pictures, {} ms each)", path.display(), pictures.dim().0, args.ms);
        }
        None => {
            let what = "a row for each pair, both ends included";
            args.sheet.write(pictures.view(), args.steps.into(), 0, "walk", what)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl WalkArgs {
    /// The seeds at both ends of each row. In an animation each row begins where the one before ends, and the last one
    /// leads back to the first picture.
    fn pairs(&self) -> Result<Vec<(u32, u32)>> {
        let mut stops: Vec<u32> = match (self.from, self.to) {
            (Some(from), Some(to)) => [from].into_iter().chain(self.through.iter().copied()).chain([to]).collect(),
            _ if self.gif.is_some() => seeds(self.seed, self.rows)?.collect(),
            _ => {
                let all: Vec<_> = seeds(self.seed, 2 * self.rows)?.collect();
                return Ok(all.as_chunks().0.iter().map(|&[from, to]| (from, to)).collect());
            }
        };
        if self.gif.is_some() {
            stops.push(stops[0]);
        }
        Ok(stops.iter().copied().zip(stops.iter().copied().skip(1)).collect())
    }
}
