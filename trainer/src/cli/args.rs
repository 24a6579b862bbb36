//! Arguments that several commands share, and the parsers of their values.

use std::ops::RangeInclusive;

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use gen_core::Shape;
use log::LevelFilter;

use trainer::config::{ClassSource, MAX_STEPS, Precision, Range};
use trainer::cost::Core;
use trainer::data::frogs::SIDES;
use trainer::data::{Fit, MAX_CLASSES};
use trainer::interchange::{DenseOrder, Layout};
use trainer::nn::vectors::Vectors;

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

/// Parses a number of bytes such as 70000, 512K, 512KiB, 2M or 4G.
pub(crate) fn bytes<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let plain = text.strip_suffix("iB").unwrap_or(text);
    let (digits, shift) = match plain.chars().next_back() {
        Some('k' | 'K') => (&plain[..plain.len() - 1], 10),
        Some('m' | 'M') => (&plain[..plain.len() - 1], 20),
        Some('g' | 'G') => (&plain[..plain.len() - 1], 30),
        _ => (plain, 0),
    };
    let size = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift));
    size.and_then(|size| T::try_from(size).ok())
        .ok_or_else(|| "a size is a number of bytes, such as 70000, 512K, 2M or 4G".into())
}

/// Parses a number from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    number(text, 0.0..=1.0)
}

/// Parses the seed of a picture.
pub(crate) fn seed(text: &str) -> Result<u32, String> {
    whole(text, 0..=u32::MAX.into())
}

/// Width and height of pictures in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u16,
    pub(crate) height: u16,
}

impl Size {
    /// The shape of pictures of this size, in grey or in colour.
    pub(crate) fn shape(self, grey: bool) -> Shape {
        Shape::new(self.height, self.width, if grey { 1 } else { 3 })
    }
}

/// Parses a width and a height of pictures in pixels, such as 64x32; a single number is both.
pub(crate) fn size(text: &str) -> Result<Size, String> {
    let side = |text: &str| whole::<u16>(text, *SIDES.start() as u64..=*SIDES.end() as u64).ok();
    let (width, height) = text.split_once(['x', 'X', '×']).unwrap_or((text, text));
    match (side(width), side(height)) {
        (Some(width), Some(height)) => Ok(Size { width, height }),
        _ => Err(format!(
            "it has to be a width and a height such as 64x32, or one number for both, each a whole number from {} to {}",
            SIDES.start(),
            SIDES.end()
        )),
    }
}

/// Parses a colour: white, black, or six hexadecimal digits.
pub(crate) fn colour(text: &str) -> Result<[u8; 3], String> {
    let digits = match text {
        "white" => "ffffff",
        "black" => "000000",
        _ => text.strip_prefix('#').unwrap_or(text),
    };
    let value = u32::from_str_radix(digits, 16).ok();
    let is_plain = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    match value.filter(|_| is_plain).map(u32::to_be_bytes) {
        Some([_, red, green, blue]) => Ok([red, green, blue]),
        None => {
            Err("it has to be white, black, or red, green and blue as six hexadecimal digits, such as ff8000".into())
        }
    }
}

pub(crate) fn fit() -> impl TypedValueParser<Value = Fit> {
    one_of(Fit::ALL.map(|(_, name, help)| (name, help))).try_map(|name| name.parse::<Fit>())
}

/// What `--classes` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClassesChoice {
    /// All classes of the data.
    All,
    /// Pictures without classes.
    None,
    /// These classes, in this order.
    Named(Vec<String>),
    /// So many kinds, found by clustering.
    Auto(u8),
}

/// Parses `folders` (or `labels`), `none`, `auto:N`, or at least two names with commas between them.
pub(crate) fn classes(text: &str) -> Result<ClassesChoice, String> {
    let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match &names[..] {
        [word] if word == "folders" || word == "labels" => Ok(ClassesChoice::All),
        [word] if word == "none" => Ok(ClassesChoice::None),
        [word] if word.starts_with("auto:") => match word.parse() {
            Ok(ClassSource::Auto(count)) => Ok(ClassesChoice::Auto(count)),
            _ => Err(format!("it has to be auto:N with 2 to {MAX_CLASSES} kinds, as in auto:10")),
        },
        [_] => {
            Err("it has to be folders, none, auto:N, or at least two names of classes with a comma between them, as \
                    in cat,dog; --class NAME takes a single class"
                .into())
        }
        _ if names.iter().any(String::is_empty) => {
            Err("a name is empty: names have one comma between them, as in cat,dog".into())
        }
        _ => Ok(ClassesChoice::Named(names)),
    }
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

pub(crate) fn precision() -> impl TypedValueParser<Value = Precision> {
    one_of([
        ("float32", "24 significant bits"),
        ("bf16", "8 significant bits, with the processor's instructions for them"),
    ])
    .try_map(|name| name.parse::<Precision>())
}

/// Kinds of vector instructions.
pub(crate) fn vectors() -> impl TypedValueParser<Value = Vectors> {
    one_of(Vectors::ALL.map(|kind| (kind.name(), kind.words()))).try_map(|name| name.parse::<Vectors>())
}

/// Names of the processor families [`Core`].
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum CoreArg {
    /// Cortex-M4, M7, M33
    CortexM4,
    CortexM3,
    /// Cortex-M0, M0+
    CortexM0,
    /// RISC-V with multiplication, RV32IM
    Riscv32,
}

impl CoreArg {
    pub(crate) fn core(self) -> Core {
        match self {
            Self::CortexM4 => Core::Dsp,
            Self::CortexM3 => Core::Mla,
            Self::CortexM0 => Core::Mul,
            Self::Riscv32 => Core::Riscv,
        }
    }
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
