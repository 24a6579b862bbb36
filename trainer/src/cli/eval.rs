//! `trainer eval`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::args::{MAX_PICTURES, Size, seeds, size, threads, whole};
use super::model_file::{SHIPPED, load_checkpoint, parse};
use super::picture_set::Set;
use super::source::SourceArgs;
use trainer::classes::latent_of;
use trainer::config::ClassSource;
use trainer::files::write_atomically;
use trainer::grid::png_name;
use trainer::grid::sheet_png;
use trainer::quality::ranks::{self, Ranks};
use trainer::quality::table::{ByClass, CLASS_LEGEND, LEGEND, Row, Table};
use trainer::quality::{self, Reference, copies, sheet};
use trainer::quantise::draw::draw;

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// What to measure, each a row: models; checkpoints, whose generator then draws in floats; folders of pictures;
    /// .npy files [N, height, width, channels] of uint8. The model in the firmware if none is given
    pub(crate) sets: Vec<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
    /// A checkpoint, to be measured in floats; may be given more than once
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) float: Vec<PathBuf>,
    /// Pictures of each set, at most; sets of different sizes do not compare
    #[arg(short = 'n', long, default_value_t = 2000, allow_negative_numbers = true,
        value_parser = |t: &str| whole::<u32>(t, quality::MIN_PICTURES as u64..=MAX_PICTURES))]
    pub(crate) count: u32,
    /// Width and height of pictures such as 64x32, when no model says it; one number for both [default: 32]
    #[arg(long, alias = "side", value_name = "SIZE", allow_negative_numbers = true, value_parser = size)]
    pub(crate) size: Option<Size>,
    /// The pictures are grey, when no model says it
    #[arg(long)]
    pub(crate) grey: bool,
    /// Print one line of JSON a set, instead of the table
    #[arg(long)]
    json: bool,
    /// Compare the order of the sets with another measure's: lines of JSON with "samples" (a set's file name) and a number
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(crate) ranks: Option<PathBuf>,
    /// Name of that number
    #[arg(long, default_value = "fdrich_test", value_name = "NAME", requires = "ranks")]
    pub(crate) by: String,
    /// Write the 16 pictures of the first set that are nearest to a training picture, each above that one
    #[arg(long, value_name = "PNG", value_parser = png_name)]
    pub(crate) sheet: Option<PathBuf>,
    /// Threads to use; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    pub(crate) threads: Option<usize>,
}

pub(crate) fn eval(args: &EvalArgs) -> Result<ExitCode> {
    let count = args.count as usize;
    let mut sets: Vec<_> =
        args.sets.iter().chain(&args.float).map(|path| (path.display().to_string(), path.as_path())).collect();
    for path in &args.float {
        load_checkpoint(path)?;
    }
    // Each set is opened once: the first ones to get their shape, the others when they are measured.
    let mut opened: Vec<Option<Set<'_>>> = sets.iter().map(|_| None).collect();
    let mut shape = args.size.map(|size| size.shape(args.grey));
    let mut has_classes = false;
    for (i, (place, &(_, path))) in opened.iter_mut().zip(&sets).enumerate() {
        if shape.is_none() || i == 0 {
            let set = place.insert(Set::open(path)?);
            shape = shape.or(set.shape());
            has_classes |= set.has_classes();
        }
    }
    let shape = shape.unwrap_or(Size { width: 32, height: 32 }.shape(args.grey));
    let shipped = if sets.is_empty() {
        let model = parse(SHIPPED, None)?;
        let latents: Vec<_> = seeds(0, args.count)?.map(|seed| latent_of(&model, seed)).collect();
        sets.push(("the shipped model".into(), Path::new("")));
        Some(draw(&model, &latents))
    } else {
        None
    };
    // Pictures of all classes are compared with real ones of all classes.
    let classes = if has_classes { ClassSource::Labels } else { ClassSource::default() };
    let data = args.source.load(shape, classes)?;
    let classes = data.labels.as_ref().map(|labels| (labels.of.as_slice(), labels.names.as_slice()));
    let reference = Reference::with_classes(&data.pictures, classes)?;
    let mut rows = Vec::new();
    for (i, (name, path)) in sets.into_iter().enumerate() {
        let pictures = match &shipped {
            Some(pictures) => pictures.clone(),
            // The folder of the real pictures: uses the pictures already read, so that the distance is exactly 0.
            None if path.is_dir() && std::path::absolute(path).is_ok_and(|path| path == data.origin) => {
                data.pictures.first(count)?
            }
            None => match opened.get_mut(i).and_then(Option::take) {
                Some(set) => set.load(count, shape)?,
                None => Set::open(path)?.load(count, shape)?,
            },
        };
        let scores = reference.score(pictures.view()).with_context(|| name.clone())?;
        let found = copies::find(pictures.view(), &data.pictures)?;
        if let (0, Some(out)) = (i, &args.sheet) {
            let (_, neighbours) = found.as_ref().context("--sheet: there are too few training pictures")?;
            let sheet = sheet::nearest(pictures.view(), &data.pictures, neighbours)?;
            write_atomically(out, &sheet_png(&sheet)?)?;
        }
        let row = Row { name, scores, copies: found.map(|(copies, _)| copies) };
        if args.json {
            println!("{}", serde_json::to_string(&row)?);
        }
        rows.push(row);
    }
    if !args.json {
        let ranks = args.ranks.as_ref().map(|path| -> Result<Ranks> {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let others = ranks::parse(&text, &args.by).with_context(|| path.display().to_string())?;
            Ranks::of(&rows, &others, &args.by)
        });
        let table = Table(rows);
        println!("{table}\n\n{LEGEND}");
        // Either all rows have classes or none.
        if table.0.iter().any(|row| !row.scores.classes.is_empty()) {
            for row in &table.0 {
                println!("\nby class, pictures of {}\n{}", row.name, ByClass(&row.scores));
            }
            println!("\n{CLASS_LEGEND}");
        }
        if let Some(ranks) = ranks {
            println!("\n{}", ranks?);
        }
        if let Some(out) = &args.sheet {
            println!("sheet: {}", out.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}
