//! Command line: parses, calls, prints. What is done stands in the library.

use std::ffi::OsString;
use std::io::{stdin, stdout};
use std::ops::{ControlFlow, RangeInclusive};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use gen_core::{AlignedBytes, aligned};
use gen_core::{Latent, Model, WeightTransform, include_aligned};
use indicatif::HumanCount;
use log::{LevelFilter, error, info, warn};
use ndarray::{Array4, ArrayView4, Axis, s};

use trainer::bench::layers::Limits;
use trainer::bench::{self, Limit, Measurement, Table};
use trainer::card::{Shipped, Words, describe};
use trainer::config::{self, Config, MAX_STEPS, PRESETS, Range};
use trainer::cost::Core;
use trainer::data::frogs::SIDES;
use trainer::data::{self, Class, Dataset};
use trainer::grid::{self, grid, png_name};
use trainer::inspect::{CODE_FLASH, inspect};
use trainer::interchange::import;
use trainer::interchange::{DenseOrder, Layout, to_onnx, to_safetensors};
use trainer::latents::{alike, in_256ths, others, way};
use trainer::nearest::{Neighbour, Summary, beside, nearest_few};
use trainer::parity;
use trainer::quality::ranks::{self, Ranks};
use trainer::quality::sets::Set;
use trainer::quality::table::Row;
use trainer::quality::{self, Reference, copies, sheet};
use trainer::quantise::draw::{are_alike, draw, likeness};
use trainer::quantise::fold::affordable;
use trainer::quantise::forms::{self, Wish};
use trainer::quantise::{FloatModel, QuantModel, noise, quantise, quantise_tuned_until, verify};
use trainer::run::checkpoint::{self, write_atomically};
use trainer::run::folder::{self, DataRef, png};
use trainer::run::session::Outcome;
use trainer::run::{Checkpoint, Folder, Forecast, Session, interrupt};
use trainer::tensors::Tensors;
use trainer::terminal::{self, quoted};
use trainer::text;
use trainer::train::latent_batch;

// The standard library's panic when `trainer inspect | head -1` has read enough, or on a full disk.
macro_rules! print {
    ($($text:tt)*) => { terminal::print(format_args!($($text)*)) };
}
macro_rules! println {
    ($($text:tt)*) => { terminal::print(format_args!("{}\n", format_args!($($text)*))) };
}

/// The generator that the firmware ships with.
const SHIPPED: &[u8] = include_aligned!("../../models/pocket-drawn/model.gen");

/// Most pictures at a time: all of them are held in memory.
const MOST: u64 = 100_000;

/// A whole number; the message names the range.
fn whole<T: TryFrom<u64>>(text: &str, range: RangeInclusive<u64>) -> Result<T, String> {
    let number = text.parse::<u64>().ok().filter(|number| range.contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("it has to be a whole number from {} to {}", range.start(), range.end()))
}

/// A number; the message names the range.
fn number(text: &str, range: RangeInclusive<f64>) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("it has to be a number from {} to {}", range.start(), range.end()))
}

fn steps(text: &str) -> Result<u64, String> {
    whole(text, 1..=MAX_STEPS)
}

/// From 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    number(text, 0.0..=1.0)
}

/// Of a picture.
fn seed(text: &str) -> Result<u32, String> {
    whole(text, 0..=u32::MAX.into())
}

/// Height and width of pictures.
fn side(text: &str) -> Result<usize, String> {
    whole(text, *SIDES.start() as u64..=*SIDES.end() as u64)
}

fn pictures(text: &str) -> Result<u32, String> {
    whole(text, 1..=MOST)
}

fn threads(text: &str) -> Result<usize, String> {
    whole(text, 1..=1024)
}

/// Pictures that `sample --nearest` shows beside each sample.
const NEIGHBOURS: usize = 3;

/// Trains a small image generator on the CPU and quantises it for a microcontroller.
///
/// Without a command it trains: `trainer` is `trainer train`.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = TRAIN_EXAMPLES)]
struct Cli {
    #[command(flatten)]
    verbosity: Verbosity,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: TrainArgs,
}

/// Shown below the help of `trainer` and of `trainer train`.
const TRAIN_EXAMPLES: &str = "Examples:
  trainer --data ~/pictures/mushrooms --minutes 30
  trainer --data builtin --steps 200
  trainer presets pocket > mine.toml; trainer --config mine.toml --data ~/pictures/mushrooms --dry-run";

/// How much is logged on standard error; results on standard output stay.
#[derive(Debug, Args)]
struct Verbosity {
    /// Log only warnings and errors, and show no progress bar
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Log details, too
    #[arg(short, long, global = true)]
    verbose: bool,
}

impl Verbosity {
    fn level(&self) -> LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::Warn,
            (_, true) => LevelFilter::Debug,
            _ => LevelFilter::Info,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a generator, export it, write a report (the default)
    #[command(after_help = TRAIN_EXAMPLES)]
    Train(TrainArgs),
    /// Go on with a run, bit for bit as if it had not stopped
    #[command(after_help = "Example:\n  trainer resume runs/001-pocket --steps 30000")]
    Resume(ResumeArgs),
    /// Show what a data source holds, and write a sheet of its pictures
    #[command(after_help = "Example:\n  trainer data --data ~/pictures/mushrooms --out mushrooms.png")]
    Data(DataArgs),
    /// List the presets, or print one as TOML
    Presets {
        /// Print this one
        name: Option<String>,
        /// Print all keys of a recipe with their types, defaults and meaning, as Markdown
        #[arg(long, conflicts_with = "name")]
        keys: bool,
    },
    /// Draw pictures with a model
    #[command(after_help = "Examples:\n  trainer sample runs/001-pocket -n 16 --seed 100\n  \
        trainer sample runs/001-pocket --nearest ~/pictures/mushrooms\n  \
        trainer sample --float runs/001-pocket/best.ckpt")]
    Sample(SampleArgs),
    /// Draw what lies between pictures, a row for each pair
    #[command(after_help = "Example:\n  trainer walk runs/001-pocket --from 3 --to 8 --through 5,9")]
    Walk(WalkArgs),
    /// Draw a picture and more like it
    #[command(after_help = "Example:\n  trainer like runs/001-pocket --seed 4 --distance 0.3 -n 24")]
    Like(LikeArgs),
    /// Turn a checkpoint into a model for the device; or pack a model again, faster or smaller
    #[command(
        visible_alias = "quantise",
        after_help = "Examples:\n  \
        trainer quantize runs/001-pocket/checkpoints/step-020000.ckpt --tune 300 -o model.gen\n  \
        trainer quantize runs/001-pocket --flash 200K -o fits.gen"
    )]
    Quantize(QuantizeArgs),
    /// Make a finished run a model to ship: a folder with the model and a card that says where it comes from
    #[command(after_help = "Example:\n  trainer card runs/001-pocket --about \"Mushrooms for a badge\" \
        --source \"my photographs\" --out models/mushrooms")]
    Card(CardArgs),
    /// Train a shipped model again from its card, and compare bit by bit
    #[command(after_help = "Example:\n  trainer rebuild models/mushrooms --data ~/pictures/mushrooms")]
    Rebuild(RebuildArgs),
    /// Turn a generator that was trained in Keras or PyTorch into a model for the device
    Import(ImportArgs),
    /// Write a checkpoint's float generator for other programs
    Export(ExportArgs),
    /// Show a model's layers, its memory bill, and the boards that it fits
    #[command(after_help = "Example:\n  trainer inspect runs/001-pocket")]
    Inspect {
        /// A model, or the folder of a run or of a shipped model; the one in the firmware if not given
        model: Option<PathBuf>,
    },
    /// Prove that a model's integers equal its float simulation, bit for bit
    Verify {
        /// A model, or the folder of a run or of a shipped model; the one in the firmware if not given
        model: Option<PathBuf>,
        /// How many latents to try
        #[arg(short = 'n', long, default_value_t = 16, allow_negative_numbers = true, value_parser = pictures)]
        count: u32,
        /// Number of the first one
        #[arg(long, default_value_t = 0, allow_negative_numbers = true, value_parser = seed)]
        seed: u32,
    },
    /// Measure how far a model's pictures are from real ones
    #[command(
        after_help = "Example:\n  trainer eval runs/001-pocket/model.gen runs/002-pocket/model.gen --data ~/pictures/mushrooms"
    )]
    Eval(EvalArgs),
    /// Measure training steps: time of each part, memory, cores used; or each layer
    #[command(after_help = "Example:\n  trainer bench --config mine.toml --batch 64 --threads 4")]
    Bench(BenchArgs),
    /// For developers: compare a training step of the tutorial with what Keras computed
    Parity {
        /// A golden set: weights_init.npz, inputs.npz, step1.npz, activations.npz
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
struct QuantizeArgs {
    /// File in a run's checkpoints/ folder, its best.ckpt, or a model
    checkpoint: PathBuf,
    /// Fine-tune the integers for so many steps, so that they draw more nearly what the float generator draws; a few
    /// hundred are enough [default: what the recipe of the checkpoint's run says]
    #[arg(long, value_name = "STEPS", allow_negative_numbers = true, value_parser = |t: &str| whole::<u64>(t, 0..=MAX_STEPS))]
    tune: Option<u64>,
    #[command(flatten)]
    forms: FormArgs,
    /// Where to write the model
    #[arg(short, long, default_value = "model.gen")]
    output: PathBuf,
}

/// More flash for fewer instructions; the pictures are the same to the last bit.
#[derive(Debug, Args)]
struct FormArgs {
    /// Pack each layer for speed if that saves instructions on the processor of --core: more flash, and slower on
    /// other processors; `inspect` shows how much [default: all layers small]
    #[arg(long, conflicts_with_all = ["fast_layers", "flash"])]
    fast: bool,
    /// Pack these layers for speed, numbered as `inspect` does
    #[arg(long, value_delimiter = ',', value_name = "LAYERS", conflicts_with = "flash")]
    fast_layers: Vec<usize>,
    #[arg(long, value_name = "SIZE", value_parser = bytes, help = format!("Pack for speed what fits a model file of \
        so many bytes, as in 200K or 2M; a chip's flash has to hold the program too, for which {}K are reckoned",
        CODE_FLASH / 1024))]
    flash: Option<usize>,
    /// Processor for which --fast and --flash save instructions; `cargo frog` is a Cortex-M3 [default: cortex-m4]
    #[arg(long, value_enum, conflicts_with = "fast_layers")]
    core: Option<CoreArg>,
}

/// The families of [`Core`].
#[derive(Debug, Clone, Copy, ValueEnum)]
enum CoreArg {
    /// Cortex-M4, M7, M33
    CortexM4,
    CortexM3,
}

/// A number of bytes such as 70000, 512K or 2M.
fn bytes(text: &str) -> Result<usize, String> {
    let (digits, shift) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 10),
        None => text.strip_suffix(['m', 'M']).map_or((text, 0), |digits| (digits, 20)),
    };
    let size = digits.parse::<usize>().ok().and_then(|n| n.checked_mul(1 << shift));
    size.ok_or_else(|| "a size is a number of bytes, such as 70000, 512K or 2M".into())
}

impl FormArgs {
    fn apply(&self, model: &mut QuantModel) -> Result<()> {
        let wish = match (self.fast, self.flash) {
            (true, _) => Wish::Fast,
            (_, Some(size)) => Wish::Flash(size),
            _ if !self.fast_layers.is_empty() => Wish::Layers(self.fast_layers.clone()),
            _ => Wish::Small,
        };
        ensure!(
            self.core.is_none() || matches!(wish, Wish::Fast | Wish::Flash(_)),
            "--core says whose instructions count: it goes with --fast or --flash"
        );
        let core = match self.core {
            None | Some(CoreArg::CortexM4) => Core::Dsp,
            Some(CoreArg::CortexM3) => Core::Mla,
        };
        forms::choose(model, &wish, core)?;
        if wish != Wish::Small && model.layers.iter().all(|layer| layer.form == WeightTransform::None) {
            println!("no layer is packed for speed: none that fits gains on a {}", core.name());
        }
        Ok(())
    }
}

/// Says where a model was written, and which of its layers are fast.
fn written(path: &Path, model: &QuantModel, blob: &[u8]) {
    let fast = model.layers.iter().enumerate().filter(|(_, layer)| layer.form == WeightTransform::Winograd);
    let fast: Vec<_> = fast.map(|(i, _)| i.to_string()).collect();
    let forms = if fast.is_empty() { String::new() } else { format!(", fast layers {}", fast.join(",")) };
    println!("model: {} ({} bytes{forms})", path.display(), HumanCount(blob.len() as u64));
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("network").args(["preset", "config"]).required(true))]
struct ImportArgs {
    /// A .safetensors or .npz file; docs/interchange.md says what is in it
    weights: PathBuf,
    /// The network that they belong to; see `trainer presets`
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// A network of your own, in the form that `trainer presets NAME` prints
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Order of the axes in the file: hwio from Keras, oihw from PyTorch [default: what its header says, else the
    /// only one that all shapes fit]
    #[arg(long)]
    layout: Option<Layout>,
    /// Order of a dense layer's outputs [default: what its header says, else hwc with hwio, chw with oihw]
    #[arg(long)]
    dense: Option<DenseOrder>,
    /// Only arrays whose names begin so are the generator's, as in "generator."
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    /// Names of the layers without ".weight" and so on, first to last, if numbers in them do not say the order
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    layers: Vec<String>,
    /// What batch normalisation adds to the variance: 1e-5 in PyTorch, 1e-3 in Keras
    #[arg(long, default_value_t = 1e-5)]
    bn_epsilon: f64,
    /// Layers without a bias in the file have none (bias=False)
    #[arg(long)]
    zero_bias: bool,
    /// Range of its pictures, symmetric or unit, instead of the network's
    #[arg(long)]
    range: Option<Range>,
    #[command(flatten)]
    forms: FormArgs,
    /// Where to write the model
    #[arg(short, long, default_value = "model.gen")]
    output: PathBuf,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("files").args(["safetensors", "onnx"]).required(true).multiple(true))]
struct ExportArgs {
    /// File in a run's checkpoints/ folder
    checkpoint: PathBuf,
    /// Write weights and biases
    #[arg(long, value_name = "FILE")]
    safetensors: Option<PathBuf>,
    /// Order of the axes in it: hwio for Keras, oihw for PyTorch
    #[arg(long, default_value = "oihw", requires = "safetensors")]
    layout: Layout,
    /// Write the whole generator, NCHW
    #[arg(long, value_name = "FILE")]
    onnx: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct SourceArgs {
    /// Pictures: a folder of them, CIFAR-10 (folder, .bin or .tar.gz), or "builtin" for drawn frogs
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Which pictures: of CIFAR-10 a class, airplane ... truck; of a folder, the subfolder of that name; or "all"
    /// [default: frog of CIFAR-10, everything of a folder]
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
}

#[derive(Debug, Args)]
struct TrainArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Networks and recipe; see `trainer presets`
    #[arg(long, default_value = "pocket", value_name = "NAME", conflicts_with = "config")]
    preset: String,
    /// A recipe of your own, in the form that `trainer presets NAME` prints
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change a key of the recipe, as in batch=64 or generator.optimizer.lr=1e-4; may be given more than once.
    /// `trainer presets --keys` lists all keys
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Training steps, instead of the recipe's
    #[arg(long, allow_negative_numbers = true, value_parser = steps)]
    steps: Option<u64>,
    /// Time for training and fine-tuning (its share is an estimate), instead of a number of steps; how many fit
    /// depends on the machine, so the result does too
    #[arg(long, conflicts_with = "steps", allow_negative_numbers = true, value_parser = |t: &str| number(t, 0.0..=525_600.0))]
    minutes: Option<f64>,
    /// Where all randomness comes from, instead of the recipe's
    #[arg(long, allow_negative_numbers = true, value_parser = |t: &str| whole::<u64>(t, 0..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Folder in which the run's own folder is made
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    out: PathBuf,
    /// Threads to use; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    threads: Option<usize>,
    /// Train nothing: measure a few steps, a checkpoint, a measurement and fine-tuning, and say how long the whole
    /// run would take and how much memory; writes nothing
    #[arg(long, conflicts_with = "minutes")]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct ResumeArgs {
    /// A folder such as runs/001-pocket
    run: PathBuf,
    /// Where the pictures of the run are now, if they have moved
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Train up to this many steps in all, instead of what the run was started with
    #[arg(long, allow_negative_numbers = true, value_parser = |t: &str| whole::<u64>(t, 0..=MAX_STEPS))]
    steps: Option<u64>,
    /// Threads to use; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    threads: Option<usize>,
}

#[derive(Debug, Args)]
struct DataArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Height and width that pictures are brought to
    #[arg(long, default_value_t = 32, allow_negative_numbers = true, value_parser = side)]
    side: usize,
    /// Where to write the sheet
    #[arg(long, default_value = "data.png", value_name = "PNG", value_parser = png_name)]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct EvalArgs {
    /// What to measure, each a row: models; checkpoints, whose generator then draws in floats; folders of pictures;
    /// .npy files [N, side, side, 3] of uint8. The model in the firmware if none is given
    sets: Vec<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
    /// A checkpoint, to be measured in floats; may be given more than once
    #[arg(long, value_name = "CHECKPOINT")]
    float: Vec<PathBuf>,
    /// Pictures of each set, at most; sets of different sizes do not compare
    #[arg(short = 'n', long, default_value_t = 2000, allow_negative_numbers = true,
        value_parser = |t: &str| whole::<u32>(t, quality::MIN_PICTURES as u64..=MOST))]
    count: u32,
    /// Height and width of pictures, when no model says it [default: 32]
    #[arg(long, allow_negative_numbers = true, value_parser = side)]
    side: Option<usize>,
    /// Print one line of JSON a set, instead of the table
    #[arg(long)]
    json: bool,
    /// Compare the order of the sets with another measure's: lines of JSON with "samples" (a set's file name) and a number
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    ranks: Option<PathBuf>,
    /// Name of that number
    #[arg(long, default_value = "fdrich_test", value_name = "NAME", requires = "ranks")]
    by: String,
    /// Write the 16 pictures of the first set that are nearest to a training picture, each above that one
    #[arg(long, value_name = "PNG", value_parser = png_name)]
    sheet: Option<PathBuf>,
    /// Threads to use; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    threads: Option<usize>,
}

#[derive(Debug, Args)]
struct BenchArgs {
    /// Measure this one; may be given more than once [default: tutorial, reference-pocket, pocket]
    #[arg(long, value_name = "NAME")]
    preset: Vec<String>,
    /// Measure a recipe of your own; may be given more than once
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Pictures in a batch, instead of the recipe's
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = |t: &str| whole::<usize>(t, 2..=4096))]
    batch: Option<usize>,
    /// Steps to measure of each one
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = steps,
        conflicts_with_all = ["seconds", "paired"])]
    steps: Option<u64>,
    /// Time to measure each one for, if it takes three steps (or rounds of its layers) or more
    #[arg(long, default_value_t = 10.0, value_name = "S", conflicts_with = "paired", allow_negative_numbers = true,
        value_parser = |t: &str| number(t, 0.0..=86_400.0))]
    seconds: f64,
    /// Threads to use [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    threads: Option<usize>,
    /// Measure each layer instead: how it is computed, and how near it comes to what the machine can do
    #[arg(long, conflicts_with_all = ["steps", "paired"])]
    layers: bool,
    /// For developers' scripts: one step for each line of standard input, answered by a line of JSON
    #[arg(long)]
    paired: bool,
}

/// What draws.
#[derive(Debug, Args)]
struct GeneratorArgs {
    /// A model, or the folder of a run or of a shipped model; the one in the firmware if not given
    model: Option<PathBuf>,
    /// Draw with the float generator of this checkpoint instead
    #[arg(long, value_name = "CHECKPOINT", conflicts_with = "model")]
    float: Option<PathBuf>,
}

impl GeneratorArgs {
    /// The arguments again.
    fn as_typed(&self) -> String {
        match (&self.model, &self.float) {
            (_, Some(path)) => format!(" --float {}", quoted(path)),
            (Some(path), None) => format!(" {}", quoted(path)),
            (None, None) => String::new(),
        }
    }

    /// The pictures of the latents that are returned for the length of a latent.
    fn draw(&self, latents: impl FnOnce(usize) -> Vec<Latent>) -> Result<Array4<u8>> {
        Ok(match &self.float {
            Some(path) => {
                let checkpoint = load_checkpoint(path)?;
                let model = FloatModel::fold(&checkpoint.config, &checkpoint.state.average)?;
                model.pictures(latent_batch(latents(model.latent).into_iter(), model.latent).view())
            }
            None => {
                let blob = read_model(self.model.as_deref())?;
                let model = parse(&blob, self.model.as_deref())?;
                draw(&model, &latents(model.latent_len()))
            }
        })
    }
}

/// Where a grid goes.
#[derive(Debug, Args)]
struct GridArgs {
    /// Where to write the grid of all pictures [default: the name of the command, as in sample.png]
    #[arg(long, value_name = "PNG", value_parser = png_name)]
    out: Option<PathBuf>,
    /// Enlargement of the grid
    #[arg(long, default_value_t = 2, allow_negative_numbers = true, value_parser = |t: &str| whole::<u32>(t, 1..=16))]
    scale: u32,
}

impl GridArgs {
    /// Writes the grid, and says what is on it.
    fn write(&self, pictures: ArrayView4<'_, u8>, columns: usize, group: usize, name: &str, what: &str) -> Result<()> {
        let out = self.out.clone().unwrap_or_else(|| format!("{name}.png").into());
        let layout = grid::Layout { columns, pad: 2, scale: self.scale as usize, group };
        write_atomically(&out, &folder::sheet(&layout.sheet(pictures)?)?)?;
        println!("grid: {} ({what})", out.display());
        Ok(())
    }
}

#[derive(Debug, Args)]
struct SampleArgs {
    #[command(flatten)]
    generator: GeneratorArgs,
    /// How many pictures
    #[arg(short = 'n', long, default_value_t = 64, allow_negative_numbers = true, value_parser = pictures)]
    count: u32,
    /// Number of the first picture; the others follow
    #[arg(long, default_value_t = 0, allow_negative_numbers = true, value_parser = seed)]
    seed: u32,
    /// Better pictures that are more alike: latents are shrunk to this share, 0 to 1
    #[arg(long, default_value_t = 1.0, value_name = "PSI", allow_negative_numbers = true, value_parser = share)]
    truncation: f64,
    /// Show the three nearest pictures of this data beside each sample, and print how near they are
    #[arg(long, value_name = "DATA")]
    nearest: Option<PathBuf>,
    /// Which of its pictures, as for `train`
    #[arg(long, value_name = "NAME", requires = "nearest")]
    class: Option<String>,
    #[command(flatten)]
    grid: GridArgs,
    /// Also write all pictures as one array, N x height x width x 3, uint8
    #[arg(long, value_name = "NPY")]
    npy: Option<PathBuf>,
    /// Also write every picture as a PNG of its own into this folder
    #[arg(long, value_name = "FOLDER")]
    pngs: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct WalkArgs {
    #[command(flatten)]
    generator: GeneratorArgs,
    /// Number of the picture to begin with
    #[arg(long, value_name = "SEED", requires = "to", allow_negative_numbers = true, value_parser = seed)]
    from: Option<u32>,
    /// Number of the picture to end with
    #[arg(long, value_name = "SEED", requires = "from", allow_negative_numbers = true, value_parser = seed)]
    to: Option<u32>,
    /// Numbers of pictures to pass on the way, each of which begins another row
    #[arg(long, value_delimiter = ',', value_name = "SEEDS", requires = "from", value_parser = seed)]
    through: Vec<u32>,
    /// Without --from: how many pairs of pictures to take
    #[arg(long, default_value_t = 8, conflicts_with = "from", allow_negative_numbers = true,
        value_parser = |t: &str| whole::<u32>(t, 1..=256))]
    rows: u32,
    /// Without --from: number of the first picture; the others follow
    #[arg(long, default_value_t = 0, conflicts_with = "from", allow_negative_numbers = true, value_parser = seed)]
    seed: u32,
    /// Pictures in a row, with both ends
    #[arg(long, default_value_t = 10, allow_negative_numbers = true, value_parser = |t: &str| whole::<u16>(t, 2..=256))]
    steps: u16,
    #[command(flatten)]
    grid: GridArgs,
}

#[derive(Debug, Args)]
struct LikeArgs {
    #[command(flatten)]
    generator: GeneratorArgs,
    /// Number of the picture
    #[arg(long, allow_negative_numbers = true, value_parser = seed)]
    seed: u32,
    /// How many more
    #[arg(short = 'n', long, default_value_t = 63, allow_negative_numbers = true, value_parser = pictures)]
    count: u32,
    /// How different they may be, from 0 (the same) to 1 (any picture)
    #[arg(long, default_value_t = 0.3, allow_negative_numbers = true, value_parser = share)]
    distance: f64,
    /// Number of the first picture towards which to go; the others follow
    #[arg(long, default_value_t = 0, value_name = "SEED", allow_negative_numbers = true, value_parser = seed)]
    toward: u32,
    #[command(flatten)]
    grid: GridArgs,
}

#[derive(Debug, Args)]
struct CardArgs {
    /// A folder such as runs/001-pocket
    run: PathBuf,
    /// What the model draws and what it is for
    #[arg(long, value_name = "TEXT")]
    about: String,
    /// What the pictures are and where others find them; not needed for the drawn frogs
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Something that was measured, a number or a text; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = score)]
    score: Vec<(String, toml::Value)>,
    /// Folder to write, named as the model [default: models/ and the name of the recipe]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write into that folder though it is there
    #[arg(long)]
    force: bool,
}

/// A measurement such as recall=0.52 or judge=ResNet-20.
fn score(text: &str) -> Result<(String, toml::Value), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("a score is NAME=VALUE")?;
    let whole = value.parse::<i64>().map(toml::Value::from).ok();
    let number = || value.parse::<f64>().ok().filter(|number| number.is_finite()).map(toml::Value::from);
    Ok((name.to_owned(), whole.or_else(number).unwrap_or_else(|| value.into())))
}

#[derive(Debug, Args)]
struct RebuildArgs {
    /// A folder such as models/frog
    model: PathBuf,
    /// Where the pictures are [default: as the card says; else CIFAR-10, looked for as in training]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Go on with this run, which an earlier `rebuild` began, instead of a new one
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// Folder in which the run's own folder is made
    #[arg(long, default_value = "runs", value_name = "FOLDER", conflicts_with = "resume")]
    out: PathBuf,
    /// Threads to use; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    terminal::init(cli.verbosity.level());
    let result = match cli.command.unwrap_or(Command::Train(cli.train)) {
        Command::Train(args) => with_threads(args.threads, || train(&args)),
        Command::Resume(args) => with_threads(args.threads, || resume(&args)),
        Command::Data(args) => show_data(&args),
        Command::Presets { keys: true, .. } => {
            print!("{}", config::keys_page());
            Ok(ExitCode::SUCCESS)
        }
        Command::Presets { name, .. } => presets(name.as_deref()),
        Command::Sample(args) => with_threads(None, || sample(&args)),
        Command::Walk(args) => with_threads(None, || walk(&args)),
        Command::Like(args) => with_threads(None, || like(&args)),
        Command::Quantize(args) => with_threads(None, || export(&args)),
        Command::Card(args) => with_threads(None, || write_card(&args)),
        Command::Rebuild(args) => with_threads(args.threads, || rebuild(&args)),
        Command::Import(args) => with_threads(None, || import_weights(&args)),
        Command::Export(args) => with_threads(None, || export_weights(&args)),
        Command::Inspect { model } => show_model(model.as_deref()),
        Command::Verify { model, count, seed } => with_threads(None, || prove(model.as_deref(), seed, count)),
        Command::Eval(args) => with_threads(args.threads, || evaluate(&args)),
        Command::Bench(args) if args.layers => with_threads(args.threads, || bench_layers(&args)),
        Command::Bench(args) if args.paired => with_threads(args.threads, || bench_worker(&args)),
        Command::Bench(args) => bench(&args),
        Command::Parity { folder } => with_threads(None, || compare(&folder)),
    };
    match result.and_then(|code| terminal::check_printed().map(|()| code)) {
        Ok(code) => code,
        Err(error) => {
            match advice(&error) {
                Some(advice) => error!("{error:#}\n{advice}"),
                None => error!("{error:#}"),
            }
            ExitCode::FAILURE
        }
    }
}

/// What to do when the system does not let a file be written or read.
fn advice(error: &anyhow::Error) -> Option<&'static str> {
    use std::io::{Error, ErrorKind};
    Some(match error.chain().find_map(|cause| cause.downcast_ref::<Error>())?.kind() {
        ErrorKind::StorageFull => "The disk is full: make room, or choose a folder on another disk.",
        ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "You may not write as much there: make room, or choose another folder."
        }
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            "That is not allowed there: change the permissions, or choose another folder."
        }
        _ => return None,
    })
}

/// Runs `f` within a pool of its own: handing every loop to it from outside would
/// cost more than the loops of a small network.
fn with_threads<T: Send>(threads: Option<usize>, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    pool.context("cannot start threads")?.install(f)
}

fn load(source: &SourceArgs, side: usize) -> Result<Dataset> {
    load_of(source.data.clone(), Class::asked(source.class.clone()), side)
}

fn load_of(path: Option<PathBuf>, class: Class, side: usize) -> Result<Dataset> {
    read(path, class, side).inspect(data::announce)
}

/// As [`load_of`], and does not tell of what it found.
fn read(path: Option<PathBuf>, class: Class, side: usize) -> Result<Dataset> {
    data::load(&data::Request { path, class, side, ..data::Request::default() })
}

fn recipe(preset: &str, config: Option<&Path>) -> Result<Config> {
    let Some(path) = config else { return Config::preset(preset) };
    Config::from_toml(&text::read(path)?).with_context(|| path.display().to_string())
}

fn train(args: &TrainArgs) -> Result<ExitCode> {
    let mut config = recipe(&args.preset, args.config.as_deref())?.with(&args.set)?;
    config.steps = args.steps.unwrap_or(config.steps);
    config.seed = args.seed.unwrap_or(config.seed);
    if let Some(minutes) = args.minutes {
        ensure!(minutes > 0.0, "--minutes must be over 0");
    }
    config.check()?;
    let data = load(&args.source, config.side()?)?;
    let (config, advice) = config.resolve_for(data.len());
    if let Some(advice) = advice {
        warn!("{advice}");
    }
    if args.dry_run {
        println!("{}", Forecast::measure(config, &data)?);
        return Ok(ExitCode::SUCCESS);
    }
    let data_ref = DataRef {
        name: data.name.clone(),
        path: data.origin.clone(),
        class: data.class.map(|class| class.to_string()),
        fingerprint: data.fingerprint(),
        minutes: args.minutes,
        end_moved: None,
    };
    interrupt::listen()?;
    let session = Session::create(config, data, data_ref, &args.out)?;
    finish(session)
}

/// The pictures that a run learns from.
fn reload(data: &DataRef, config: &Config) -> Result<Dataset> {
    load_of(Some(data.path.clone()), Class::noted(data.class.clone()), config.side()?)
}

fn resume(args: &ResumeArgs) -> Result<ExitCode> {
    interrupt::listen()?;
    let load = |data: &DataRef, config: &Config| match &args.data {
        Some(path) => reload(&DataRef { path: path.clone(), ..data.clone() }, config),
        None => reload(data, config),
    };
    let mut session = Session::resume(&args.run, load)?;
    if let Some(steps) = args.steps {
        session.set_steps(steps)?;
    }
    info!("going on at step {} of {}.", session.steps().0, session.steps().1);
    finish(session)
}

fn finish(mut session: Session) -> Result<ExitCode> {
    let path = session.folder().path().to_owned();
    info!("run folder: {}  (samples/ fills while you watch; Ctrl-C saves and stops)", path.display());
    let again = format!("{} resume {}", terminal::program(), quoted(&path));
    let (outcome, facts) = session.run().inspect_err(|error| {
        if error.chain().any(|cause| cause.is::<std::io::Error>()) {
            warn!("nothing up to the last checkpoint is lost; go on with: {again}");
        }
    })?;
    println!("{facts}");
    println!("report: {}", path.join("report.html").display());
    println!("pictures: {}", path.join("samples.png").display());
    Ok(match outcome {
        Outcome::Finished => ExitCode::SUCCESS,
        Outcome::Interrupted => {
            println!("go on with: {again}");
            ExitCode::from(interrupt::EXIT_CODE as u8)
        }
    })
}

fn show_data(args: &DataArgs) -> Result<ExitCode> {
    // What is odd about the pictures is in the description.
    let data = read(args.source.data.clone(), Class::asked(args.source.class.clone()), args.side)?;
    data::how_to_choose(&data);
    print!("{}", data::describe(&data));
    write_atomically(&args.out, &folder::sheet(&data::contact_sheet(&data, 16, 10, 2)?)?)?;
    println!("sheet: {}", args.out.display());
    Ok(ExitCode::SUCCESS)
}

fn presets(name: Option<&str>) -> Result<ExitCode> {
    match name {
        Some(name) => {
            Config::preset(name)?;
            let text = PRESETS.iter().find(|(n, _)| *n == name).map_or("", |(_, text)| text);
            print!("{text}");
        }
        None => {
            for (name, _) in PRESETS {
                let config = Config::preset(name)?;
                let (generator, discriminator) = config.networks()?;
                println!("{name}\n    {}", config.about);
                println!(
                    "    generator {} parameters, discriminator {}, {} steps of {} pictures",
                    generator.parameter_count(),
                    discriminator.parameter_count(),
                    config.steps,
                    config.batch
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn sample(args: &SampleArgs) -> Result<ExitCode> {
    let seeds = seeds(args.seed, args.count)?;
    let share = in_256ths(args.truncation, "--truncation")?;
    let latent = |seed, len| Latent::from_seed(seed, len).truncated(share);
    let pictures = args.generator.draw(|len| seeds.clone().map(|seed| latent(seed, len)).collect())?;
    match &args.nearest {
        Some(path) => beside_nearest(args, path, seeds.clone(), &pictures)?,
        None => {
            let columns = (args.count as f64).sqrt().ceil() as usize;
            args.grid.write(
                pictures.view(),
                columns,
                0,
                "sample",
                &format!("seeds {}, row by row", between(&seeds)),
            )?;
        }
    }
    if let Some(path) = &args.npy {
        ndarray_npy::write_npy(path, &pictures).with_context(|| format!("cannot write {}", path.display()))?;
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

/// Writes the samples with the pictures of `path` that they are nearest to, and prints the distances.
fn beside_nearest(
    args: &SampleArgs,
    path: &Path,
    seeds: std::ops::RangeInclusive<u32>,
    pictures: &Array4<u8>,
) -> Result<()> {
    let source = SourceArgs { data: Some(path.to_owned()), class: args.class.clone() };
    let data = load(&source, pictures.dim().1)?;
    let references = data.pictures.view();
    let lists = nearest_few(pictures.view(), references, NEIGHBOURS);
    for (seed, list) in seeds.clone().zip(&lists) {
        let words: Vec<_> = list.iter().map(|found| neighbour(found, &data)).collect();
        println!("{seed}: {}", words.join(", "));
    }
    println!("{}", Summary::new(&lists, references));
    let sheet = beside(pictures.view(), references, &lists);
    let group = lists.first().map_or(0, Vec::len) + 1;
    let what = format!("seeds {}, each in a frame, then the pictures nearest to it", between(&seeds));
    // Four samples in a row.
    args.grid.write(sheet.view(), group * 4.min(lists.len()), group, "sample", &what)
}

/// A neighbour by its file, or by its number where several share a file.
fn neighbour(found: &Neighbour, data: &Dataset) -> String {
    let Neighbour { index, mirrored, distance } = found;
    let name = match data.files.get(*index) {
        Some(file) => file.to_string_lossy().escape_debug().to_string(),
        None => format!("picture {index}"),
    };
    format!("{distance:.3} ({name}{})", if *mirrored { ", mirrored" } else { "" })
}

/// `7`, or `7 to 9`.
fn between(seeds: &RangeInclusive<u32>) -> String {
    if seeds.start() == seeds.end() {
        seeds.start().to_string()
    } else {
        format!("{} to {}", seeds.start(), seeds.end())
    }
}

fn walk(args: &WalkArgs) -> Result<ExitCode> {
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
    let rows = |len| pairs.iter().flat_map(|&(from, to)| way(from, to, args.steps, len)).collect();
    let pictures = args.generator.draw(rows)?;
    for (row, (from, to)) in pairs.iter().enumerate() {
        println!("row {}: {from} to {to}", row + 1);
    }
    args.grid.write(pictures.view(), args.steps.into(), 0, "walk", "a row for each pair, both ends included")?;
    Ok(ExitCode::SUCCESS)
}

fn like(args: &LikeArgs) -> Result<ExitCode> {
    let distance = in_256ths(args.distance, "--distance")?;
    let others = others(args.seed, args.toward, args.count as usize);
    let pictures = args.generator.draw(|len| {
        let itself = Latent::from_seed(args.seed, len);
        [itself].into_iter().chain(alike(args.seed, &others, distance, len)).collect()
    })?;
    let columns = ((others.len() + 1) as f64).sqrt().ceil() as usize;
    let seed = args.seed;
    let what = format!("seed {seed}, then {seed} on its way to each of {}, row by row", in_words(&others));
    args.grid.write(pictures.view(), columns, 0, "like", &what)?;
    println!(
        "one of them again: {} like{} --seed {seed} --distance {} --toward OTHER -n 1",
        terminal::program(),
        args.generator.as_typed(),
        args.distance
    );
    println!("on the device: Latent::from_seed({seed}, len).toward(&Latent::from_seed(OTHER, len), {distance})");
    Ok(ExitCode::SUCCESS)
}

/// Numbers that follow each other, but for one that may be left out.
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

fn export(args: &QuantizeArgs) -> Result<ExitCode> {
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
        let mut last_line = Instant::now();
        let tuned = quantise_tuned_until(float, steps, &mut |progress| {
            if last_line.elapsed() >= Duration::from_secs(5) {
                last_line = Instant::now();
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
    args.forms.apply(&mut model)?;
    let blob = model.to_blob()?;
    if let Some(float) = &float {
        println!("{}", noise::measure(float, &parse(&aligned(&blob), None)?)?);
    }
    write_atomically(&args.output, &blob)?;
    written(&args.output, &model, &blob);
    Ok(code)
}

fn write_card(args: &CardArgs) -> Result<ExitCode> {
    let out = match &args.out {
        Some(out) => out.clone(),
        None => Path::new("models").join(Folder::open(&args.run)?.config()?.name),
    };
    let name = out.file_name().and_then(|name| name.to_str()).context("--out needs the name of a folder")?;
    let words = Words {
        name: name.to_owned(),
        about: args.about.clone(),
        source: args.source.clone(),
        scores: args.score.iter().cloned().collect(),
    };
    let is_free = !out.exists() || std::fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_none());
    ensure!(
        is_free || args.force,
        "{} is there already: give another --out, or --force to write its model, samples and card anew (scores that were \
         given before are lost)",
        out.display()
    );
    let shipped = describe(&args.run, words, reload)?;
    shipped.write(&out)?;
    println!("model: {} ({} bytes)", out.join("model.gen").display(), HumanCount(shipped.blob.len() as u64));
    println!("card: {}", out.join("README.md").display());
    let data = match &shipped.card.data.source {
        Some(_) => String::new(),
        None => format!(" --data {}", quoted(&Folder::open(&args.run)?.data_ref()?.path)),
    };
    println!("prove it with: {} rebuild {}{data}", terminal::program(), quoted(&out));
    Ok(ExitCode::SUCCESS)
}

fn rebuild(args: &RebuildArgs) -> Result<ExitCode> {
    let shipped = Shipped::open(&args.model)?;
    let card = &shipped.card;
    let path = args.data.clone().or(card.data.source.clone());
    let data = load_of(path, Class::noted(card.data.class.clone()), card.config.side()?)?;
    card.check_data(&data)?;
    let doubts = card.doubts(&data)?;
    if let Some(doubts) = &doubts {
        warn!("the model will not be the same to the bit: {doubts}");
    }
    interrupt::listen()?;
    let session = match &args.resume {
        Some(run) => {
            let folder = Folder::open(run)?;
            // If config.toml is damaged, what resuming will write anew.
            let config = folder.config().or_else(|_| folder.latest().map(|checkpoint| checkpoint.config))?;
            ensure!(config == card.config, "{} follows another recipe than the card", run.display());
            Session::resume(run, |_, _| Ok(data))?
        }
        None => {
            let data_ref = DataRef {
                name: data.name.clone(),
                path: data.origin.clone(),
                class: data.class.map(|class| class.to_string()),
                fingerprint: card.data.fingerprint.clone(),
                minutes: None,
                end_moved: None,
            };
            Session::create(card.config.clone(), data, data_ref, &args.out)?
        }
    };
    let run = session.folder().clone();
    let code = finish(session)?;
    if code != ExitCode::SUCCESS {
        let data = args.data.as_ref().map_or_else(String::new, |data| format!(" --data {}", quoted(data)));
        println!(
            "and compare with: {} rebuild {}{data} --resume {}",
            terminal::program(),
            quoted(&args.model),
            quoted(run.path())
        );
        return Ok(code);
    }
    let path = run.file("model.gen");
    let rebuilt = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    shipped.compare(&rebuilt, doubts.as_deref()).with_context(|| path.display().to_string())?;
    println!("same bits: {} is {}", path.display(), args.model.join("model.gen").display());
    Ok(ExitCode::SUCCESS)
}

fn evaluate(args: &EvalArgs) -> Result<ExitCode> {
    let count = args.count as usize;
    let mut sets: Vec<_> =
        args.sets.iter().chain(&args.float).map(|path| (path.display().to_string(), path.as_path())).collect();
    for path in &args.float {
        load_checkpoint(path)?;
    }
    // Each is opened once: the first ones for their side, the others when it is their turn.
    let mut opened: Vec<Option<Set<'_>>> = sets.iter().map(|_| None).collect();
    let mut side = args.side;
    for (place, &(_, path)) in opened.iter_mut().zip(&sets) {
        if side.is_none() {
            side = place.insert(Set::open(path)?).side();
        }
    }
    let side = side.unwrap_or(32);
    let shipped = if sets.is_empty() {
        let model = parse(SHIPPED, None)?;
        let latents: Vec<_> = seeds(0, args.count)?.map(|seed| Latent::from_seed(seed, model.latent_len())).collect();
        sets.push(("the shipped model".into(), Path::new("")));
        Some(draw(&model, &latents))
    } else {
        None
    };
    let data = load(&args.source, side)?;
    let reference = Reference::new(data.pictures.view())?;
    let mut rows = Vec::new();
    for (i, (name, path)) in sets.into_iter().enumerate() {
        let pictures = match &shipped {
            Some(pictures) => pictures.clone(),
            // The same folder: as it was read for the real pictures, so that nothing is between them.
            None if path.is_dir() && std::path::absolute(path).is_ok_and(|path| path == data.origin) => {
                data.pictures.slice(s![..count.min(data.len()), .., .., ..]).to_owned()
            }
            None => match opened.get_mut(i).and_then(Option::take) {
                Some(set) => set.load(count, side)?,
                None => Set::open(path)?.load(count, side)?,
            },
        };
        let scores = reference.score(pictures.view()).with_context(|| name.clone())?;
        let found = copies::find(pictures.view(), data.pictures.view());
        if let (0, Some(out)) = (i, &args.sheet) {
            let (_, neighbours) = found.as_ref().context("--sheet: there are too few training pictures")?;
            let sheet = sheet::nearest(pictures.view(), data.pictures.view(), neighbours)?;
            write_atomically(out, &folder::sheet(&sheet)?)?;
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
        println!("{}\n\n{}", quality::table::Table(rows), quality::table::LEGEND);
        if let Some(ranks) = ranks {
            println!("\n{}", ranks?);
        }
        if let Some(out) = &args.sheet {
            println!("sheet: {}", out.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn import_weights(args: &ImportArgs) -> Result<ExitCode> {
    let mut config = recipe(args.preset.as_deref().unwrap_or_default(), args.config.as_deref())?;
    config.range = args.range.unwrap_or(config.range);
    config.check()?;
    let options = import::Options {
        layout: args.layout,
        dense: args.dense,
        prefix: args.prefix.clone(),
        layers: args.layers.clone(),
        bn_epsilon: args.bn_epsilon,
        zero_bias: args.zero_bias,
    };
    let imported = import::import(&Tensors::read(&args.weights)?, &config, &options)?;
    let float = &imported.model;
    println!("layout: {}, {}", imported.format, imported.evidence);
    println!("generator: {}, {} layers fit", float.name, float.layers.len());
    if imported.normalisations > 0 {
        let (count, epsilon) = (imported.normalisations, options.bn_epsilon);
        println!("batch normalisation: {count} folded into weights, epsilon {epsilon} (--bn-epsilon)");
    }
    match imported.check {
        Some(import::Check { pictures, worst, tolerance }) => println!(
            "against the pictures in the file: {worst:.2e} is the largest difference over {pictures} pictures \
             (allowed: {tolerance:.0e})"
        ),
        None => println!("against the pictures in the file: it has none, so nothing shows that it was read rightly"),
    }
    let mut quantised = quantise(float)?;
    args.forms.apply(&mut quantised)?;
    let blob = quantised.to_blob()?;
    let bytes = aligned(&blob);
    let model = Model::parse(&bytes).context("the quantised model")?;
    let count = affordable(model.macs(), 128);
    let latents: Vec<_> = seeds(0, count)?.map(|seed| Latent::from_seed(seed, float.latent)).collect();
    let int8 = draw(&model, &latents);
    let close = likeness(float.pictures(latent_batch(latents.into_iter(), float.latent).view()).view(), int8.view());
    let alike = if are_alike(int8.view()) { ", and all of them are the same one" } else { "" };
    println!("int8 against float: {close} over {count} pictures{alike}");
    let proof = verify::verify(&model, seeds(0, 8)?)?;
    println!("{proof}");
    ensure!(proof.is_exact(), "the model is not exact");
    write_atomically(&args.output, &blob)?;
    written(&args.output, &quantised, &blob);
    Ok(ExitCode::SUCCESS)
}

fn export_weights(args: &ExportArgs) -> Result<ExitCode> {
    let checkpoint = load_checkpoint(&args.checkpoint)?;
    let model = FloatModel::fold(&checkpoint.config, &checkpoint.state.average)?;
    if let Some(path) = &args.safetensors {
        write_atomically(path, &to_safetensors(&model, args.layout)?)?;
        println!("safetensors: {}", path.display());
    }
    if let Some(path) = &args.onnx {
        write_atomically(path, &to_onnx(&model))?;
        println!("onnx: {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn show_model(path: Option<&Path>) -> Result<ExitCode> {
    let blob = read_model(path)?;
    println!("{}", inspect(&parse(&blob, path)?));
    println!("the file: {} bytes, CRC-32 {:08x}", HumanCount(blob.len() as u64), crc32fast::hash(&blob));
    Ok(ExitCode::SUCCESS)
}

fn prove(path: Option<&Path>, seed: u32, count: u32) -> Result<ExitCode> {
    let blob = read_model(path)?;
    let report = verify::verify(&parse(&blob, path)?, seeds(seed, count)?)?;
    println!("{report}");
    if !report.is_exact() {
        bail!("the model is not exact");
    }
    Ok(ExitCode::SUCCESS)
}

/// What `trainer bench` is to measure without being told.
const BENCHED: [&str; 3] = ["tutorial", "reference-pocket", "pocket"];

impl BenchArgs {
    /// For which each one is measured.
    fn time(&self) -> Result<Duration> {
        ensure!((0.0..=86_400.0).contains(&self.seconds), "--seconds must be 0 or more and at most a day");
        Ok(Duration::from_secs_f64(self.seconds))
    }

    /// Every recipe, with the arguments that name it.
    fn recipes(&self) -> Result<Vec<(Config, [OsString; 2])>> {
        let presets = self.preset.iter().map(|name| (name.as_str(), None));
        let files = self.config.iter().map(|path| ("", Some(path.as_path())));
        let mut recipes: Vec<_> = presets.chain(files).collect();
        if recipes.is_empty() {
            recipes = BENCHED.map(|name| (name, None)).to_vec();
        }
        let recipe = |(name, path): (&str, Option<&Path>)| {
            let mut config = recipe(name, path)?;
            config.batch = self.batch.unwrap_or(config.batch);
            config.check()?;
            let argument = match path {
                Some(path) => ["--config".into(), path.into()],
                None => ["--preset".into(), name.into()],
            };
            Ok((config, argument))
        };
        recipes.into_iter().map(recipe).collect()
    }
}

fn bench_layers(args: &BenchArgs) -> Result<ExitCode> {
    let configs: Vec<_> = args.recipes()?.into_iter().map(|(config, _)| config).collect();
    println!("{}", Limits::measure(&configs, args.time()? * configs.len() as u32)?);
    Ok(ExitCode::SUCCESS)
}

fn bench(args: &BenchArgs) -> Result<ExitCode> {
    let limit = match args.steps {
        Some(steps) => Limit::Steps(steps),
        None => Limit::Time(args.time()?),
    };
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut measurements = Vec::new();
    for (config, argument) in args.recipes()? {
        info!("{} ...", config.name);
        let mut command = process::Command::new(&program);
        command.args(["bench", "--paired"]).args(argument);
        for (name, value) in [("--batch", args.batch), ("--threads", args.threads)] {
            command.args(value.map(|value| format!("{name}={value}")));
        }
        let measurement = Measurement::take(&config, command, limit).with_context(|| config.name.clone())?;
        measurements.push(measurement);
    }
    println!("{}", Table(measurements));
    Ok(ExitCode::SUCCESS)
}

fn bench_worker(args: &BenchArgs) -> Result<ExitCode> {
    let [(config, _)] = <[_; 1]>::try_from(args.recipes()?).map_err(|recipes| {
        anyhow!("--paired steps one network, not {}: give one --preset or --config", recipes.len())
    })?;
    bench::worker(config, stdin().lock(), stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

fn compare(folder: &Path) -> Result<ExitCode> {
    let report = parity::check(folder)?;
    println!("{report}");
    ensure!(report.is_ok(), "{} does not agree with Keras", folder.display());
    Ok(ExitCode::SUCCESS)
}

/// `count` numbers from `first` on; the command line admits no `count` of 0.
fn seeds(first: u32, count: u32) -> Result<std::ops::RangeInclusive<u32>> {
    let last = first.checked_add(count - 1).context("--seed plus -n goes past the last seed, 4294967295")?;
    Ok(first..=last)
}

/// The bytes of a model: of a file, or of the `model.gen` in a folder.
fn read_model(path: Option<&Path>) -> Result<AlignedBytes<'static>> {
    let Some(path) = path else { return Ok(aligned(SHIPPED)) };
    let file = if path.is_dir() { path.join("model.gen") } else { path.to_owned() };
    ensure!(
        file == path || file.is_file(),
        "{} is a folder without a model.gen: give a model, or a run that has written its first checkpoint",
        path.display()
    );
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read the model {}", file.display()))?;
    Ok(aligned(bytes))
}

/// A checkpoint, with a word on what to give instead if it is something else.
fn load_checkpoint(path: &Path) -> Result<Checkpoint> {
    if path.is_dir() {
        let best = Some(path.join("best.ckpt")).filter(|best| best.is_file());
        let last = || Folder::open(path).ok()?.checkpoints().ok()?.pop();
        match best.or_else(last) {
            Some(checkpoint) => {
                bail!("{} is a folder: give one of its checkpoints, such as {}", path.display(), quoted(&checkpoint))
            }
            None => bail!(
                "{} is a folder, and has no checkpoints: give a file such as runs/001-pocket/best.ckpt",
                path.display()
            ),
        }
    }
    Checkpoint::load(path)
}

fn parse<'a>(blob: &'a [u8], path: Option<&Path>) -> Result<Model<'a>> {
    let name = || path.map_or_else(|| "the shipped model".to_owned(), |p| p.display().to_string());
    if let Some(path) = path {
        ensure!(
            !blob.starts_with(&checkpoint::MAGIC),
            "{} is a checkpoint, not a model. Make a model of it with: {} quantize {} -o model.gen. (To draw with its \
             float generator: sample, walk and like take --float {})",
            path.display(),
            terminal::program(),
            quoted(path),
            quoted(path)
        );
    }
    Model::parse(blob).with_context(name)
}
