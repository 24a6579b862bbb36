//! `trainer sample`.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use gen_core::{Latent, Shape};
use ndarray::{Array4, Axis};

use super::args::{between, pictures, seed, seeds, share};
use super::generator::{GeneratorArgs, SheetArgs};
use super::source;
use trainer::data::{Class, Dataset, Target};
use trainer::files::write_atomically;
use trainer::grid::grid;
use trainer::grid::png;
use trainer::latents::in_256ths;
use trainer::nearest::{Neighbour, Summary, nearest_few, with_neighbours};
use trainer::npy;

/// Number of training pictures that `sample --nearest` shows beside each sample.
const NEIGHBOURS: usize = 3;

#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    #[command(flatten)]
    generator: GeneratorArgs,
    /// Number of pictures
    #[arg(short = 'n', long, default_value_t = 64, allow_negative_numbers = true, value_parser = pictures)]
    count: u32,
    /// Seed of the first picture; the others have the following seeds
    #[arg(long, default_value_t = 0, allow_negative_numbers = true, value_parser = seed)]
    seed: u32,
    /// Truncation: latents are multiplied by this, 0 to 1; smaller values give better pictures that are more alike
    #[arg(long, default_value_t = 1.0, value_name = "PSI", allow_negative_numbers = true, value_parser = share)]
    truncation: f64,
    /// Show the three nearest pictures of this data beside each sample, and print how near they are
    #[arg(long, value_name = "DATA")]
    nearest: Option<PathBuf>,
    /// Which of its pictures, as for `train`
    #[arg(long, value_name = "NAME", requires = "nearest")]
    class: Option<String>,
    #[command(flatten)]
    sheet: SheetArgs,
    /// Also write all pictures as one array, N x height x width x channels, uint8
    #[arg(long, value_name = "NPY")]
    npy: Option<PathBuf>,
    /// Also write every picture as a separate PNG into this folder
    #[arg(long, value_name = "FOLDER")]
    pngs: Option<PathBuf>,
}

pub(crate) fn sample(args: &SampleArgs) -> Result<ExitCode> {
    let seeds = seeds(args.seed, args.count)?;
    let share = in_256ths(args.truncation, "--truncation")?;
    let latent = |seed, len| Latent::from_seed(seed, len).truncated(share);
    let pictures = args.generator.draw(|len| seeds.clone().map(|seed| latent(seed, len)).collect())?;
    match &args.nearest {
        Some(path) => beside_nearest(args, path, seeds.clone(), &pictures)?,
        None => {
            let columns = (args.count as f64).sqrt().ceil() as usize;
            args.sheet.write(
                pictures.view(),
                columns,
                0,
                "sample",
                &format!("seeds {}, row by row", between(&seeds)),
            )?;
        }
    }
    if let Some(path) = &args.npy {
        let mut bytes = Vec::new();
        npy::write_bytes(&mut bytes, pictures.view())?;
        write_atomically(path, &bytes)?;
        println!("array: {}", path.display());
    }
    if let Some(folder) = &args.pngs {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        for (seed, picture) in seeds.zip(pictures.axis_chunks_iter(Axis(0), 1)) {
            write_atomically(&folder.join(format!("{seed:06}.png")), &png(&grid(picture, 1, 0, 1)?)?)?;
        }
        println!("pictures: {}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a sheet of the samples with their nearest pictures of the data at `path`, and prints the distances.
fn beside_nearest(args: &SampleArgs, path: &Path, seeds: RangeInclusive<u32>, pictures: &Array4<u8>) -> Result<()> {
    let (_, height, width, channels) = pictures.dim();
    let shape = Shape::new(height as u16, width as u16, channels as u16); // that of a model
    let data = source::load(Some(path.to_owned()), Class::asked(args.class.clone()), Target::of(shape))?;
    let references = data.pictures.view();
    let lists = nearest_few(pictures.view(), references, NEIGHBOURS);
    for (seed, list) in seeds.clone().zip(&lists) {
        let words: Vec<_> = list.iter().map(|found| neighbour(found, &data)).collect();
        println!("{seed}: {}", words.join(", "));
    }
    println!("{}", Summary::new(&lists, references));
    let sheet = with_neighbours(pictures.view(), references, &lists);
    let group = lists.first().map_or(0, Vec::len) + 1;
    let what = format!("seeds {}, each in a frame, then the pictures nearest to it", between(&seeds));
    // Four samples in a row.
    args.sheet.write(sheet.view(), group * 4.min(lists.len()), group, "sample", &what)
}

/// Names a neighbour by its file, or by its index if several pictures share a file.
fn neighbour(found: &Neighbour, data: &Dataset) -> String {
    let Neighbour { index, mirrored, distance } = found;
    let name = match data.files.get(*index) {
        Some(file) => file.to_string_lossy().escape_debug().to_string(),
        None => format!("picture {index}"),
    };
    format!("{distance:.3} ({name}{})", if *mirrored { ", mirrored" } else { "" })
}
