//! Arguments that several commands share, and the parsers of their values.

use std::ops::RangeInclusive;

use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use log::LevelFilter;

use trainer::config::{MAX_STEPS, Range};
use trainer::data::frogs::SIDES;
use trainer::interchange::{DenseOrder, Layout};

/// Maximum number of pictures that a command draws, because all are kept in memory.
pub(crate) const MAX_PICTURES: u64 = 100_000;

/// Parses a whole number; the error message has the range.
pub(crate) fn whole<T: TryFrom<u64>>(text: &str, range: RangeInclusive<u64>) -> Result<T, String> {
    let number = text.parse::<u64>().ok().filter(|number| range.contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("it has to be a whole number from {} to {}", range.start(), range.end()))
}

/// Parses a number; the error message has the range.
pub(crate) fn number(text: &str, range: RangeInclusive<f64>) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("it has to be a number from {} to {}", range.start(), range.end()))
}

pub(crate) fn steps(text: &str) -> Result<u64, String> {
    whole(text, 1..=MAX_STEPS)
}

/// Parses a number from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    number(text, 0.0..=1.0)
}

/// Parses the seed of a picture.
pub(crate) fn seed(text: &str) -> Result<u32, String> {
    whole(text, 0..=u32::MAX.into())
}

/// Parses a height and width of pictures in pixels.
pub(crate) fn side(text: &str) -> Result<usize, String> {
    whole(text, *SIDES.start() as u64..=*SIDES.end() as u64)
}

pub(crate) fn pictures(text: &str) -> Result<u32, String> {
    whole(text, 1..=MAX_PICTURES)
}

pub(crate) fn threads(text: &str) -> Result<usize, String> {
    whole(text, 1..=1024)
}

/// Parser of one of these names. The second text of each is its meaning, for `--help`.
fn one_of<const N: usize>(names: [(&'static str, &'static str); N]) -> PossibleValuesParser {
    PossibleValuesParser::new(names.map(|(name, help)| PossibleValue::new(name).help(help)))
}

pub(crate) fn layout() -> impl TypedValueParser<Value = Layout> {
    one_of([
        ("hwio", "Keras, TensorFlow: height, width, in, out; pictures NHWC"),
        ("oihw", "PyTorch, ONNX: out, in, height, width; pictures NCHW"),
    ])
    .try_map(|name| name.parse::<Layout>())
}

pub(crate) fn dense_order() -> impl TypedValueParser<Value = DenseOrder> {
    one_of([("hwc", "Height, width, channel: reshaped to NHWC"), ("chw", "Channel, height, width: reshaped to NCHW")])
        .try_map(|name| name.parse::<DenseOrder>())
}

pub(crate) fn range() -> impl TypedValueParser<Value = Range> {
    one_of([("symmetric", "-1 to 1, the range of tanh"), ("unit", "0 to 1, the range of a sigmoid")])
        .try_map(|name| name.parse::<Range>())
}

/// Options for the amount of log messages on standard error. They do not affect results on standard output.
#[derive(Debug, Args)]
pub(crate) struct Verbosity {
    /// Log only warnings and errors, and show no progress bar
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Log details, too
    #[arg(short, long, global = true)]
    verbose: bool,
}

impl Verbosity {
    pub(crate) fn level(&self) -> LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::Warn,
            (_, true) => LevelFilter::Debug,
            _ => LevelFilter::Info,
        }
    }
}

/// The `count` seeds from `first` on. The command line does not accept a `count` of 0.
pub(crate) fn seeds(first: u32, count: u32) -> Result<std::ops::RangeInclusive<u32>> {
    let last = first.checked_add(count - 1).context("--seed plus -n goes past the last seed, 4294967295")?;
    Ok(first..=last)
}

/// Formats a range of seeds as `7` or `7 to 9`.
pub(crate) fn between(seeds: &RangeInclusive<u32>) -> String {
    if seeds.start() == seeds.end() {
        seeds.start().to_string()
    } else {
        format!("{} to {}", seeds.start(), seeds.end())
    }
}

/// Runs `f` inside of a new thread pool. Entering the pool for every loop from outside would take longer than the
/// loops of a small network.
pub(crate) fn with_threads<T: Send>(threads: Option<usize>, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    pool.context("cannot start threads")?.install(f)
}
