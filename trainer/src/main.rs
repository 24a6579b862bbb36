//! The command line: parses the arguments, calls the command, turns errors into an exit code.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use log::error;
use trainer::terminal;

use cli::args::{Verbosity, with_threads};
use cli::bench::{BenchArgs, bench};
use cli::card::{CardArgs, card};
use cli::data::{DataArgs, data};
use cli::eval::{EvalArgs, eval};
use cli::export::{ExportArgs, export};
use cli::import::{ImportArgs, import};
use cli::inspect::{InspectArgs, inspect};
use cli::invert::{InvertArgs, invert};
use cli::like::{LikeArgs, like};
use cli::package::{PackageArgs, package};
use cli::parity::{ParityArgs, parity};
use cli::presets::{PresetsArgs, presets};
use cli::quantize::{QuantizeArgs, quantize};
use cli::rebuild::{RebuildArgs, rebuild};
use cli::resume::{ResumeArgs, resume};
use cli::sample::{SampleArgs, sample};
use cli::timelapse::{TimelapseArgs, timelapse};
use cli::train::{TrainArgs, train};
use cli::verify::{VerifyArgs, verify};
use cli::walk::{WalkArgs, walk};

/// Trains a small image generator on the CPU and quantises it for a microcontroller.
///
/// Without a command it trains: `trainer` is `trainer train`.
#[derive(Debug, Parser)]
#[command(version, bin_name = cli::name_in_usage(), args_conflicts_with_subcommands = true, after_help = cli::as_typed(cli::train::EXAMPLES))]
struct Cli {
    #[command(flatten)]
    verbosity: Verbosity,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: TrainArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a generator, export it, write a report (the default)
    #[command(after_help = cli::as_typed(cli::train::EXAMPLES))]
    Train(TrainArgs),
    /// Continue a run, bit for bit as if it had not stopped
    #[command(after_help = cli::as_typed("Example:\n  trainer resume runs/001-pocket --steps 30000"))]
    Resume(ResumeArgs),
    /// Describe a data set, and write a sheet of its pictures
    #[command(after_help = cli::as_typed("Example:\n  trainer data --data ~/pictures/mushrooms --out mushrooms.png"))]
    Data(DataArgs),
    /// List the presets, or print one as TOML
    #[command(after_help = cli::as_typed("Examples:\n  trainer presets pocket > mine.toml\n  trainer presets --keys"))]
    Presets(PresetsArgs),
    /// Draw pictures with a model
    #[command(after_help = cli::as_typed("Examples:\n  trainer sample runs/001-pocket -n 16 --seed 100\n  \
        trainer sample runs/001-pocket --nearest ~/pictures/mushrooms\n  \
        trainer sample --float runs/001-pocket/best.ckpt"))]
    Sample(SampleArgs),
    /// Interpolate between pictures, a row for each pair
    #[command(after_help = cli::as_typed("Examples:\n  trainer walk runs/001-pocket --from 3 --to 8 --through 5,9\n  \
        trainer walk runs/001-pocket --gif"))]
    Walk(WalkArgs),
    /// Make an animation of a run's samples, from the first to the last
    #[command(after_help = cli::as_typed("Example:\n  trainer timelapse runs/001-pocket --gif learning.gif"))]
    Timelapse(TimelapseArgs),
    /// Draw a picture and variations of it
    #[command(after_help = cli::as_typed("Example:\n  trainer like runs/001-pocket --seed 4 --distance 0.3 -n 24"))]
    Like(LikeArgs),
    /// Find the latent whose picture is nearest to a picture of yours
    #[command(after_help = cli::as_typed("Examples:\n  trainer invert me.jpg --model runs/001-pocket --out me.png\n  \
        trainer invert --drawn 10 --model models/pocket-frogs"))]
    Invert(InvertArgs),
    /// Quantize a checkpoint to a model for the device; or pack a model again, faster or smaller
    #[command(
        visible_alias = "quantise",
        after_help = cli::as_typed("Examples:\n  \
        trainer quantize runs/001-pocket/checkpoints/step-020000.ckpt --tune 300 -o model.gen\n  \
        trainer quantize runs/001-pocket --flash 200K -o fits.gen")
    )]
    Quantize(QuantizeArgs),
    /// Make a model to ship from a finished run: a folder with the model and a card that records its origin
    #[command(after_help = cli::as_typed("Example:\n  trainer card runs/001-pocket --about \"Mushrooms for a badge\" \
        --source \"my photographs\" --out models/mushrooms"))]
    Card(CardArgs),
    /// Train a shipped model again from its card, and compare bit by bit
    #[command(after_help = cli::as_typed("Example:\n  trainer rebuild models/mushrooms --data ~/pictures/mushrooms"))]
    Rebuild(RebuildArgs),
    /// Import a generator that was trained in Keras or PyTorch, and quantize it for the device
    #[command(after_help = cli::as_typed("Examples:\n  trainer import frog.safetensors --preset tutorial -o model.gen\n  \
        trainer import frog.npz --config mine.toml --layout hwio"))]
    Import(ImportArgs),
    /// Write the float generator of a checkpoint or of a model as safetensors or ONNX
    #[command(after_help = cli::as_typed("Example:\n  trainer export runs/001-pocket/best.ckpt \
        --safetensors frog.safetensors --onnx frog.onnx"))]
    Export(ExportArgs),
    /// Show a model's layers, its memory, and the boards that it fits
    #[command(after_help = cli::as_typed("Example:\n  trainer inspect runs/001-pocket"))]
    Inspect(InspectArgs),
    /// Check that the engine's integers equal an exact simulation of the model, bit for bit
    #[command(after_help = cli::as_typed("Example:\n  trainer verify runs/001-pocket -n 100"))]
    Verify(VerifyArgs),
    /// Measure how far a model's pictures are from real ones
    #[command(
        after_help = cli::as_typed("Example:\n  trainer eval runs/001-pocket/model.gen runs/002-pocket/model.gen --data ~/pictures/mushrooms")
    )]
    Eval(EvalArgs),
    /// Measure training steps: time of each part, memory, cores used; or each layer
    #[command(after_help = cli::as_typed("Example:\n  trainer bench --config mine.toml --batch 64 --threads 4"))]
    Bench(BenchArgs),
    /// Make a folder with a model for programs in C, for the Arduino IDE, or for Rust
    #[command(after_help = cli::as_typed("Examples:\n  trainer package runs/001-pocket --arduino --out ~/Arduino/libraries/Frog\n  \
        trainer package models/digits --c --out digits\n  \
        trainer package models/digits --rust --out digits"))]
    Package(PackageArgs),
    /// For developers: compare a training step with what Keras or PyTorch computed, or write one for PyTorch
    #[command(after_help = cli::as_typed("Examples:\n  trainer parity trainer/tests/golden/keras\n  \
        trainer parity --write steps --preset pocket"))]
    Parity(ParityArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    terminal::init(cli.verbosity.level());
    let result = match cli.command.unwrap_or(Command::Train(cli.train)) {
        Command::Train(args) => with_threads(args.threads, || train(&args)),
        Command::Resume(args) => with_threads(args.threads, || resume(&args)),
        Command::Data(args) => data(&args),
        Command::Presets(args) => presets(&args),
        Command::Sample(args) => with_threads(None, || sample(&args)),
        Command::Walk(args) => with_threads(None, || walk(&args)),
        Command::Timelapse(args) => timelapse(&args),
        Command::Like(args) => with_threads(None, || like(&args)),
        Command::Invert(args) => with_threads(None, || invert(&args)),
        Command::Quantize(args) => with_threads(None, || quantize(&args)),
        Command::Card(args) => with_threads(None, || card(&args)),
        Command::Rebuild(args) => with_threads(args.threads, || rebuild(&args)),
        Command::Import(args) => with_threads(None, || import(&args)),
        Command::Export(args) => with_threads(None, || export(&args)),
        Command::Inspect(args) => inspect(&args),
        Command::Verify(args) => with_threads(None, || verify(&args)),
        Command::Eval(args) => with_threads(args.threads, || eval(&args)),
        Command::Bench(args) => bench(&args),
        Command::Package(args) => package(&args),
        Command::Parity(args) => with_threads(None, || parity(&args)),
    };
    match result.and_then(|code| terminal::check_printed().map(|()| code)) {
        Ok(code) => code,
        Err(error) => {
            match cli::advice(&error) {
                Some(advice) => error!("{error:#}\n{advice}"),
                None => error!("{error:#}"),
            }
            ExitCode::FAILURE
        }
    }
}
