//! `trainer sample`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use gen_core::{Latent, Shape};
use ndarray::{Array4, Axis};

use super::args::{MAX_PICTURES, between, pictures, seed, seeds, share};
use super::generator::{GeneratorArgs, SheetArgs};
use super::source::{self, MemoryArgs};
use trainer::data::{Class, Dataset, Target};
use trainer::files::write_atomically;
use trainer::grid::grid;
use trainer::grid::png;
use trainer::latents::in_256ths;
use trainer::nearest::{Neighbour, Summary, nearest_few, with_neighbours};
use trainer::npy;
use trainer::text::Plain;

/// Most pictures of a class on the sheet, if it has several classes.
const LONGEST_ROW: usize = 32;
/// Number of training pictures that `sample --nearest` shows beside each sample.
const NEIGHBOURS: usize = 3;

#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    #[command(flatten)]
    generator: GeneratorArgs,
    /// Number of pictures; of a model with classes, the number for each class
    /// [default: 64, or 8 of each class, a row for each]
    #[arg(short = 'n', long, allow_negative_numbers = true, value_parser = pictures)]
    count: Option<u32>,
    /// Draw this class, by its name or number; may be given more than once [default: all classes]. With --nearest, also
    /// the class of the data, if its format has that class
    #[arg(long, value_name = "NAME")]
    class: Vec<String>,
    /// Seed of the first picture; the others have the following seeds
    #[arg(long, default_value_t = 0, allow_negative_numbers = true, value_parser = seed)]
    seed: u32,
    /// Draw this latent instead of those of seeds: two hexadecimal digits for each value, as `trainer invert` writes them
    #[arg(long, value_name = "HEX", conflicts_with_all = ["count", "seed"])]
    latent: Option<String>,
    /// Truncation: latents are multiplied by this, 0 to 1; smaller values give better pictures that are more alike
    #[arg(long, default_value_t = 1.0, value_name = "PSI", allow_negative_numbers = true, value_parser = share)]
    truncation: f64,
    /// Show the three nearest pictures of this data beside each sample, and print how near they are
    #[arg(long, value_name = "DATA")]
    nearest: Option<PathBuf>,
    #[command(flatten)]
    sheet: SheetArgs,
    /// Also write all pictures as one array, N x height x width x channels, uint8
    #[arg(long, value_name = "NPY")]
    npy: Option<PathBuf>,
    /// Also write every picture as a separate PNG into this folder
    #[arg(long, value_name = "FOLDER")]
    pngs: Option<PathBuf>,
    #[command(flatten)]
    memory: MemoryArgs,
}

pub(crate) fn sample(args: &SampleArgs) -> Result<ExitCode> {
    let share = in_256ths(args.truncation, "--truncation")?;
    // Seed, number and name of the class of each picture.
    let mut drawn = Vec::new();
    let pictures = args.generator.draw(|facts| {
        let classes = match (args.class.is_empty(), facts.classes.len()) {
            // A class of the data beside a model without classes.
            (_, 0) if args.nearest.is_some() => vec![0],
            (true, count) => (0..count.max(1)).map(|class| class as u8).collect(),
            (false, _) => facts.find(&args.class)?,
        };
        for (i, class) in classes.iter().enumerate() {
            ensure!(
                !classes[..i].contains(class),
                "--class names {} twice",
                Plain::text(&facts.classes[usize::from(*class)])
            );
        }
        let few = classes.len() > 1;
        let count = args.count.unwrap_or(if few { 8 } else { 64 });
        let seeds = seeds(args.seed, if args.latent.is_some() { 1 } else { count })?;
        let total = seeds.clone().count() * classes.len();
        ensure!(
            total <= MAX_PICTURES as usize,
            "{total} pictures, and {MAX_PICTURES} are the most: fewer with -n, or fewer classes with --class"
        );
        for &class in &classes {
            let name = facts.classes.get(usize::from(class)).cloned();
            drawn.extend(seeds.clone().map(|seed| Drawn { seed, class, name: name.clone() }));
        }
        let read = |text: &String| {
            Latent::from_hex(text, facts.latent).with_context(|| format!("--latent {}", Plain::text(text)))
        };
        let given = args.latent.as_ref().map(read).transpose()?;
        let latent = |drawn: &Drawn| match &given {
            Some(latent) => latent.clone().with_class(drawn.class),
            None => facts.latent(drawn.seed, drawn.class),
        };
        Ok(drawn.iter().map(|drawn| latent(drawn).truncated(share)).collect())
    })?;
    match &args.nearest {
        Some(path) => beside_nearest(args, path, &drawn, &pictures)?,
        None => {
            let of_first = drawn.iter().take_while(|other| other.class == drawn[0].class).count();
            let rows = drawn.len() / of_first.max(1);
            // Longer rows would not fit a picture.
            let shown = if rows > 1 { of_first.min(LONGEST_ROW) } else { of_first };
            let columns = if rows > 1 { shown } else { (of_first as f64).sqrt().ceil() as usize };
            let places: Vec<usize> = (0..drawn.len()).filter(|place| place % of_first < shown).collect();
            for (row, first) in drawn.iter().step_by(of_first.max(1)).enumerate() {
                if let Some(name) = &first.name {
                    println!(
                        "{}: class {}",
                        if rows > 1 { format!("row {}", row + 1) } else { "all".into() },
                        Plain::text(name)
                    );
                }
            }
            let seeds = drawn[0].seed..=drawn[shown - 1].seed;
            let what = match rows {
                _ if args.latent.is_some() => "the latent that was given".into(),
                1 => format!("seeds {}, row by row", between(&seeds)),
                _ => format!("a row for each class, seeds {}", between(&seeds)),
            };
            let sheet = pictures.select(Axis(0), &places);
            args.sheet.write(sheet.view(), columns, 0, "sample", &what)?;
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
        for (drawn, picture) in drawn.iter().zip(pictures.axis_chunks_iter(Axis(0), 1)) {
            write_atomically(&folder.join(drawn.file_name()), &png(&grid(picture, 1, 0, 1)?)?)?;
        }
        println!("pictures: {}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The seed and the class of a picture.
#[derive(Debug)]
struct Drawn {
    seed: u32,
    class: u8,
    /// `None` if the model has no classes.
    name: Option<String>,
}

impl Drawn {
    /// The seed, and the class if there is one.
    fn in_words(&self) -> String {
        match &self.name {
            Some(name) => format!("{} of class {}", self.seed, Plain::text(name)),
            None => self.seed.to_string(),
        }
    }

    /// The number of the class, its name as far as it is safe in a file name, and the seed: `03-cat-000012.png`.
    fn file_name(&self) -> String {
        let seed = self.seed;
        let Some(name) = &self.name else { return format!("{seed:06}.png") };
        let safe: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        format!("{:02}-{safe}-{seed:06}.png", self.class)
    }
}

/// Writes a sheet of the samples with their nearest pictures of the data at `path`, and prints the distances.
fn beside_nearest(args: &SampleArgs, path: &Path, drawn: &[Drawn], pictures: &Array4<u8>) -> Result<()> {
    let (_, height, width, channels) = pictures.dim();
    let shape = Shape::new(height as u16, width as u16, channels as u16); // that of a model
    let class = match (&args.class[..], drawn.first().and_then(|drawn| drawn.name.clone())) {
        // The model's class, if the data has it too.
        ([_], Some(name)) => Class::Noted(name),
        ([class], None) => Class::Asked(class.clone()),
        (_, Some(_)) => Class::Noted("all".into()),
        (_, None) => Class::Usual,
    };
    let data = source::load(Some(path.to_owned()), class, Target::of(shape), args.memory)?;
    let references = &data.pictures;
    let lists = nearest_few(pictures.view(), references, NEIGHBOURS)?;
    for (drawn, list) in drawn.iter().zip(&lists) {
        let words: Vec<_> = list.iter().map(|found| neighbour(found, &data)).collect();
        println!("{}: {}", drawn.in_words(), words.join(", "));
    }
    println!("{}", Summary::new(&lists, references)?);
    let sheet = with_neighbours(pictures.view(), references, &lists)?;
    let group = lists.first().map_or(0, Vec::len) + 1;
    let what = match drawn {
        [first, .., last] => format!("{} to {}", first.in_words(), last.in_words()),
        _ => drawn.iter().map(Drawn::in_words).collect(),
    };
    let what = format!("seeds {what}, each in a frame, then the pictures nearest to it");
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
