//! `trainer invert`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{ArgGroup, Args};
use gen_core::{AlignedBytes, Latent, Model, aligned};
use log::info;
use ndarray::{ArrayView3, Axis, stack};

use super::args::{colour, fit, whole};
use super::model_file::{begins_with, checkpoint_in, load_checkpoint, parse, read_model};
use super::source::Background;
use trainer::classes::{ClassTable, find_class, latent_of};
use trainer::data::{Fit, Fitting, Target, single_picture};
use trainer::files::write_atomically;
use trainer::grid::{grid, png_name, sheet_png};
use trainer::invert::{Effort, Found, Progress, Stage, invert as find};
use trainer::quantise::compare::likeness;
use trainer::quantise::draw::draw;
use trainer::quantise::{FloatModel, QuantModel, quantise_tuned};
use trainer::run::checkpoint;
use trainer::run::folder::BEST;
use trainer::terminal::{self, LineTimer, quoted};
use trainer::text::Plain;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("pictures").args(["picture", "drawn"]).required(true))]
pub(crate) struct InvertArgs {
    /// The picture: PNG, JPEG, BMP, GIF, WebP or TIFF, of any size
    picture: Option<PathBuf>,
    /// A model, a checkpoint, or the folder of a run or of a shipped model; the model in the firmware if not given. With a
    /// checkpoint or a run, the gradient is that of the float generator of the checkpoint
    #[arg(long)]
    model: Option<PathBuf>,
    /// Look in this class only, by its name or number [default: in all classes of the model]
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// What happens to a picture of other proportions
    #[arg(long, default_value_t = Fit::Crop, value_parser = fit())]
    fit: Fit,
    /// Colour behind transparent pixels and beside a padded picture: white, black, or RRGGBB
    #[arg(long, default_value = "white", value_name = "COLOR", value_parser = colour)]
    background: Background,
    /// Random latents at which the search starts; a large generator starts at fewer
    #[arg(long, default_value_t = Effort::default().starts, value_name = "N", allow_negative_numbers = true,
        value_parser = |t: &str| whole::<usize>(t, 1..=4096))]
    starts: usize,
    /// Steps of gradient descent
    #[arg(long, default_value_t = Effort::default().steps, value_name = "N", allow_negative_numbers = true,
        value_parser = |t: &str| whole::<usize>(t, 1..=100_000))]
    steps: usize,
    /// Where to write the picture and the one that was found, side by side; the latent goes into a text file beside it
    #[arg(long, default_value = "invert.png", value_name = "PNG", value_parser = png_name)]
    out: PathBuf,
    /// Enlargement of both pictures
    #[arg(long, default_value_t = 8, value_name = "N", allow_negative_numbers = true, value_parser = |t: &str| whole::<u32>(t, 1..=16))]
    scale: u32,
    /// Instead of a picture: find the model's own pictures of the seeds from 0 on, and print how well each is found
    #[arg(long, value_name = "N", conflicts_with_all = ["class", "out"], allow_negative_numbers = true,
        value_parser = |t: &str| whole::<u32>(t, 1..=1000))]
    drawn: Option<u32>,
}

pub(crate) fn invert(args: &InvertArgs) -> Result<ExitCode> {
    let Opened { blob, float, quantised } = Opened::at(args.model.as_deref())?;
    let model = parse(&blob, if quantised.is_some() { None } else { args.model.as_deref() })?;
    let float = match float {
        Some(float) => float,
        None => FloatModel::of_integers(&QuantModel::from_model(&model)?),
    };
    let effort = Effort { starts: args.starts, steps: args.steps };
    match (&args.picture, args.drawn) {
        (Some(path), _) => one(args, &model, &float, path, effort, quantised.as_deref())?,
        (None, count) => drawn(&model, &float, count.unwrap_or(10), effort)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The generator that was named.
struct Opened {
    /// The model, which draws the result.
    blob: AlignedBytes<'static>,
    /// The float generator, if there is a checkpoint.
    float: Option<FloatModel>,
    /// The checkpoint of which the model was made now, because there is no model of it.
    quantised: Option<PathBuf>,
}

impl Opened {
    /// Opens a model, a checkpoint, or a folder; `None` for the model in the firmware.
    ///
    /// The model beside a run's best snapshot was made of it. Any other checkpoint is quantised as `trainer quantize` does
    /// it, which gives the same bits.
    fn at(path: Option<&Path>) -> Result<Self> {
        let checkpoint = path.and_then(|path| match path.is_dir() {
            true => checkpoint_in(path),
            false => Some(path.to_owned()).filter(|path| begins_with(path, checkpoint::MAGIC)),
        });
        let (Some(path), Some(checkpoint)) = (path, checkpoint) else {
            return Ok(Self { blob: read_model(path)?, float: None, quantised: None });
        };
        let model = match path.is_dir() {
            true => Some(path.join("model.gen")),
            false if path.ends_with(BEST) => Some(path.with_file_name("model.gen")),
            false => None,
        };
        let loaded = load_checkpoint(&checkpoint)?;
        let float = FloatModel::fold(&loaded.config, &loaded.state.average)
            .with_context(|| checkpoint.display().to_string())?;
        if let Some(model) = model.filter(|model| model.is_file()) {
            return Ok(Self { blob: read_model(Some(&model))?, float: Some(float), quantised: None });
        }
        info!("{} has no model yet: its generator is quantised", checkpoint.display());
        let tuned = quantise_tuned(&float, loaded.config.quantise.tune)?;
        let blob = aligned(tuned.model.to_blob()?);
        Ok(Self { blob, float: Some(float), quantised: Some(checkpoint) })
    }
}

/// Finds the picture of a file, and writes what was found.
fn one(
    args: &InvertArgs,
    model: &Model<'_>,
    float: &FloatModel,
    path: &Path,
    effort: Effort,
    quantised: Option<&Path>,
) -> Result<()> {
    let classes = ClassTable::of(model).map_or(Vec::new(), |classes| classes.names);
    let class = args.class.as_ref().map(|name| find_class(&classes, name)).transpose()?;
    let fitting = Fitting { fit: args.fit, background: args.background };
    let picture = single_picture(path, &Target { shape: model.output_shape(), fitting })?;
    let mut timer = LineTimer::started();
    let found = find(model, float, picture.view(), class, effort, &mut |progress| {
        if timer.is_due() {
            info!("{}", in_words(progress));
        }
    })?;
    let words = words(&found.latent, &classes);
    let close = likeness(picture.view().insert_axis(Axis(0)), found.picture.view().insert_axis(Axis(0)));
    println!("{close}");
    let pair = stack(Axis(0), &[picture.view(), found.picture.view()])?;
    write_atomically(&args.out, &sheet_png(&grid(pair.view(), 2, 2, args.scale as usize)?)?)?;
    println!("grid: {} (the picture, then the one that the model draws)", args.out.display());
    let text = args.out.with_extension("txt");
    write_atomically(&text, format!("{}\n", words.join("\n")).as_bytes())?;
    println!("latent: {}", text.display());
    words.iter().for_each(|word| println!("{}", Plain::text(word)));
    if let Some(checkpoint) = quantised {
        println!("make the model: {} quantize {} -o model.gen", terminal::program(), quoted(checkpoint));
    }
    // The model beside a checkpoint has its own name.
    let model = match (quantised, &args.model) {
        (Some(_), _) => Some(PathBuf::from("model.gen")),
        (None, Some(path)) if path.ends_with("best.ckpt") => Some(path.with_file_name("model.gen")),
        (None, model) => model.clone(),
    };
    let model = model.map_or_else(String::new, |model| format!(" {}", quoted(&model)));
    let class = words.get(1).map_or_else(String::new, |_| {
        format!(" --class {}", quoted(Path::new(&classes[usize::from(found.latent.class().nearest())])))
    });
    println!("draw it again: {} sample{model} --latent {}{class}", terminal::program(), found.latent.hex());
    Ok(())
}

/// The latent as words: `latent=` and, if there are classes, `class=`.
fn words(latent: &Latent, classes: &[String]) -> Vec<String> {
    let class = classes.get(usize::from(latent.class().nearest()));
    let latent = format!("latent={}", latent.hex());
    [Some(latent), class.map(|name| format!("class={name}"))].into_iter().flatten().collect()
}

fn in_words(Progress { stage, psnr }: Progress) -> String {
    match stage {
        Stage::Descent { step, descents } => {
            format!("descent: step {step}, {descents} latents, the best at {psnr:.1} dB")
        }
        Stage::Steps { changes } => format!("search among int8 steps: {changes} changes, {psnr:.1} dB"),
    }
}

/// Finds pictures that the model itself drew, and prints a table.
fn drawn(model: &Model<'_>, float: &FloatModel, count: u32, effort: Effort) -> Result<()> {
    const GOOD: f64 = 30.0;
    println!("seed  PSNR in dB  latent");
    let mut good = 0;
    for seed in 0..count {
        let latent = latent_of(model, seed);
        let picture = draw(model, std::slice::from_ref(&latent)).index_axis_move(Axis(0), 0);
        let picture: ArrayView3<'_, u8> = picture.view();
        let Found { latent: found, psnr, .. } = find(model, float, picture, None, effort, &mut |_| {})?;
        good += u32::from(psnr > GOOD);
        let psnr = if psnr.is_finite() { format!("{psnr:.1}") } else { "equal".into() };
        println!("{seed:4}  {psnr:>10}  {}", if found == latent { "the same" } else { "another" });
    }
    println!("{good} of {count} above {GOOD} dB");
    Ok(())
}
