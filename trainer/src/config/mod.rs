//! A run's recipe: networks, losses, optimisers, augmentation, guard rails.
//!
//! A recipe is a TOML file. Presets are recipes that are compiled into the program; a user's own file has the same
//! format, and `--set` changes single keys of either. docs/recipe-keys.md lists all keys; docs/recipes.md ("What is
//! fixed") lists what else affects the result.
//!
//! This module contains settings and their checks, no behaviour. Training, quantisation and runs import it; it
//! imports only the network layers (`nn`) and gen-core.
//!
//! | file | contents |
//! |---|---|
//! | [`mod@keys`], `foreign` | all keys with type, default and meaning: for the page, and for `--set` |
//! | [`mod@set`] | `--set KEY=VALUE` |
//! | [`presets`] | the recipes that come with the program |
//! | `sized` | a recipe for pictures of any size, by rule |
//! | `network`, `objective`, `distil`, `augment`, `classes`, `schedule`, [`guard`](mod@guard), [`finetune`] | the tables of a recipe |
//! | `check` | checks that the types do not express |

mod augment;
mod check;
mod classes;
mod distil;
pub mod finetune;
mod foreign;
mod guard;
pub mod keys;
mod network;
mod objective;
mod precision;
pub mod presets;
mod schedule;
pub mod set;
mod sized;

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use gen_core::Shape;

use self::keys::{Setting as _, recipe};
use crate::nn::Network;
use crate::nn::bf16::Unit;
use crate::nn::init::Init;
use crate::nn::linear::Kernels;
use crate::nn::loss::Loss;

pub use self::augment::{Augment, SmallDataset};
pub use self::check::MAX_STEPS;
pub use self::classes::{ClassSource, MAX_CLASS_EMBEDDING};
pub use self::distil::Distil;
pub use self::finetune::Quantise;
pub use self::guard::Guard;
pub use self::network::{ActivationName, Layer, NetworkConfig, OpName};
pub use self::objective::{Labels, Penalty};
pub use self::precision::{Fallback, Precision};
pub use self::presets::PRESETS;
pub use self::schedule::Every;
pub use self::set::set;

recipe! {
    /// Together with the pictures it decides the result of a run.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Config {
        /// Name of the recipe: 1 to 32 letters, digits, `-`, `_` or `.`. Part of the run folder's name.
        pub name: String,
        /// What the recipe is for, in a line.
        pub about: String,
        /// All random numbers of the run follow from it. The same seed, recipe and pictures give the same model to the last
        /// bit.
        pub seed: u64,
        /// Training steps, 1 to 1,000,000,000. A step updates the discriminator once and the generator once.
        pub steps: u64,
        /// Pictures in a batch, 2 to 4096. A step sees as many real pictures and as many generated ones.
        pub batch: usize,
        /// Length of the latent vector, the generator's input, 1 to 128.
        pub latent: u16,
        /// Which pictures belong together, so that the generator can be told what to draw: `"folders"` (each subfolder is
        /// a class, if all pictures are in 2 to 64 of them), `"labels"` (labels of any kind, if there are some: subfolders,
        /// CIFAR, IDX, `.npz`, the species of the drawn frogs), `"auto:10"` (10 kinds, or any number from 2 to 64, that are
        /// found by clustering), `"off"`.
        ///
        /// Default: `"folders"`.
        #[serde(default, skip_serializing_if = "ClassSource::is_default")]
        pub classes: ClassSource,
        /// Names of the classes, in the order of their numbers. A run fills them in from its pictures. With names the
        /// networks are conditional: the generator has an embedding of the class beside its latent, and the discriminator
        /// a projection (Miyato and Koyama 2018, arXiv:1802.05637).
        ///
        /// Default: `[]`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub class_names: Vec<String>,
        /// Numbers that stand for a class at the generator's input, 1 to 64; with `latent` at most 128. Each costs as much
        /// flash as a value of the latent, and a byte for each class.
        ///
        /// Default: `8`.
        #[serde(default = "eight", skip_serializing_if = "is_eight")]
        pub class_embedding: u8,
        /// Whether every class is shown equally often, however many pictures it has. If not, a class is shown as often as
        /// it has pictures.
        ///
        /// Default: `false`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub balance_classes: bool,
        /// Pictures that are held out, which training never sees: a share of all, 0 to 0.5, or a number, 2 or more. They are
        /// chosen by the seed, of each class in proportion to its size. At each measurement the run compares what the
        /// discriminator says of them with what it says of training pictures and of generated ones.
        ///
        /// Default: `0.0`.
        #[serde(default, skip_serializing_if = "is_zero")]
        pub holdout: f64,
        /// What the pixel values 0 to 255 become for the networks.
        ///
        /// Default: `"symmetric"`.
        #[serde(default)]
        pub range: Range,
        /// How weights are initialised. Biases begin at 0.
        pub init: Init,
        /// Decay of the exponential moving average (EMA) of the generator's weights, 0 or more and under 1. Pictures,
        /// measurements and the exported model use the average. With 0 they use the weights themselves.
        #[serde(alias = "ema")]
        pub ema_decay: f32,
        /// Until its decay has risen to `ema_decay`, the average weighs step `s` by `s` to this power, 0 to 100 (Karras et al.
        /// 2024, arXiv:2312.02696): the smaller, the longer the average. With 8 it is mostly over the last fifth of the steps,
        /// with 2 over the last half.
        ///
        /// Default: `8.0`.
        #[serde(default = "usual_power", skip_serializing_if = "is_usual_power")]
        pub ema_power: f32,
        /// The learning rates are constant up to this share of the steps and then fall linearly to 0; 1 for constant
        /// rates, 0 to fall from the first step on.
        ///
        /// Default: `1.0`.
        #[serde(default = "one", alias = "decay_from")]
        pub lr_decay_start: f32,
        /// The finished generator multiplies its latent by this, 0.5 to 2. Above 1 is the opposite of truncation: more varied
        /// pictures, which the moving average needs because it draws more alike than the weights it averages
        /// (docs/recipes.md, "Wider latents"). Costs nothing: it is folded into the first layer's weights.
        ///
        /// Default: `1.0`.
        #[serde(default = "one", skip_serializing_if = "is_one", alias = "spread")]
        pub latent_scale: f32,
        /// Whether the pictures are shuffled again for every pass over them.
        pub shuffle: bool,
        /// Whether the generator's update draws new latents (`true`) or uses the pictures that the discriminator has just
        /// seen (`false`), which saves a forward pass.
        pub fresh_latents: bool,
        /// Steps at the beginning of a run in which only the discriminator learns and the generator stays as it is. For a
        /// trained generator beside a new discriminator, whose first gradients would say little.
        ///
        /// Default: `0`.
        #[serde(default, skip_serializing_if = "is_zero")]
        pub warm_up: u64,
        /// Steps at the beginning of a run in which the discriminator's batch normalisation treats real and generated pictures
        /// as one batch. Its update then takes the mean and variance over both, and the generator's update takes the same
        /// numbers as constants. Later each batch has its own, as in DCGAN, which hides from the discriminator by how much they
        /// differ. Not together with `penalty`.
        ///
        /// Default: `0`.
        #[serde(default, skip_serializing_if = "is_zero")]
        pub joint_batch_norm: u64,
        /// How convolutions are computed in training. The finished generator is always drawn and fine-tuned with `fast`.
        ///
        /// Default: `"fast"`.
        #[serde(default)]
        pub kernels: Kernels,
        /// The numbers that convolutions multiply in training.
        ///
        /// Default: `"float32"`.
        #[serde(default, skip_serializing_if = "is_zero")]
        pub precision: Precision,
        /// What `precision = "bf16"` does on a processor without instructions for it.
        ///
        /// Default: `"float32"`.
        #[serde(default, skip_serializing_if = "is_zero")]
        pub fallback: Fallback,
        /// Steps between samples, checkpoints and so on.
        pub every: Every,
        /// When a run is in trouble, and how often it goes back.
        ///
        /// Default: `{}`.
        #[serde(default, skip_serializing_if = "Guard::is_default")]
        pub guard: Guard,
        /// The loss of both networks.
        ///
        /// Default: `"bce"`.
        #[serde(default)]
        pub loss: Loss,
        /// Targets of the discriminator with `loss = "bce"`.
        ///
        /// Default: `{ real = 1.0, generated = 0.0 }`.
        #[serde(default)]
        pub labels: Labels,
        /// Gradient penalty (R1, R2) of the discriminator.
        ///
        /// Default: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub penalty: Option<Penalty>,
        /// A trained generator from whose pictures the generator learns, too.
        ///
        /// Default: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub distil: Option<Distil>,
        /// Random changes of the pictures that the discriminator sees.
        ///
        /// Default: `{}`.
        #[serde(default)]
        pub augment: Augment,
        /// What to do differently with a small data set.
        ///
        /// Default: none.
        #[serde(default, skip_serializing_if = "Option::is_none", alias = "few")]
        pub small_dataset: Option<SmallDataset>,
        /// How the trained generator is quantised to int8.
        ///
        /// Default: `{}`.
        #[serde(default, skip_serializing_if = "Quantise::is_default", rename = "quantize", alias = "quantise")]
        pub quantise: Quantise,
        /// Latent to picture.
        pub generator: NetworkConfig,
        /// Picture to logit.
        pub discriminator: NetworkConfig,
    }
}

recipe! {
    /// What the pixel values 0 to 255 become for the networks.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum Range {
        /// −1 to 1, the range of tanh.
        #[default]
        Symmetric,
        /// 0 to 1, the range of a sigmoid. With a tanh, as in the Keras tutorial, half of the range is unused, and values
        /// below 0 are drawn black.
        Unit,
    }
}

/// The page docs/recipe-keys.md: all keys of a recipe.
pub fn keys_page() -> String {
    keys::page(&Config::kind())
}

impl Range {
    /// The name in TOML and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Symmetric => "symmetric",
            Self::Unit => "unit",
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Symmetric, Self::Unit].into_iter().find(|range| range.name() == text);
        found.ok_or_else(|| "it has to be symmetric or unit".into())
    }
}

impl Config {
    /// Parses and checks the text of a TOML file.
    ///
    /// # Errors
    /// When the text is not a valid recipe; the message names the line or the layer.
    pub fn from_toml(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    /// The recipe as TOML, which [`from_toml`](Self::from_toml) reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration has no type that TOML lacks")
    }

    /// The recipe with the channels of all hidden layers divided by `divisor`, for short trials.
    #[must_use]
    pub fn narrowed(mut self, divisor: u16) -> Self {
        for network in [&mut self.generator, &mut self.discriminator] {
            let hidden = network.layers.len().saturating_sub(1);
            network.layers[..hidden].iter_mut().for_each(|layer| layer.channels = (layer.channels / divisor).max(1));
        }
        self
    }

    /// Keys whose values differ from those of `other`, such as `generator.optimizer.lr`, in alphabetical order.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let table = |config: &Self| config.to_toml().parse::<toml::Table>().map(toml::Value::Table);
        let (Ok(ours), Ok(theirs)) = (table(self), table(other)) else { return Vec::new() };
        let mut keys = Vec::new();
        differing("", Some(&ours), Some(&theirs), &mut keys);
        keys
    }

    /// Whether a step's result depends on the total number of steps. If the length of such a run changes
    /// while it trains, the run cannot be repeated. Any new use of `steps` in training must be added here.
    pub fn depends_on_length(&self) -> bool {
        self.lr_decay_start < 1.0 || self.distil.as_ref().is_some_and(|distil| distil.decay_start < 1.0)
    }

    /// The recipe for a data set of this many pictures: `small_dataset` is applied or dropped. The text says what was
    /// changed; `None` if nothing was.
    #[must_use]
    pub fn resolve_for(mut self, pictures: usize) -> (Self, Option<String>) {
        let small = self.small_dataset.take().filter(|small| pictures < small.below);
        let words = small.map(|small| {
            self.augment = small.augment;
            format!(
                "{pictures} pictures are few: they are changed more strongly ({}), so that the discriminator does not \
                 memorise them; with {} or more this is not needed (`small_dataset` in the recipe)",
                small.augment, small.below
            )
        });
        (self, words)
    }

    /// Builds the generator and the discriminator.
    ///
    /// # Errors
    /// When a layer does not fit its input; the message names it.
    pub fn networks(&self) -> Result<(Network, Network)> {
        let blocks = self.generator.blocks()?;
        let generator = match self.class_names.len() {
            0 => Network::new(Shape::latent(self.latent), &blocks),
            count => Network::with_embedding(self.latent, count, self.class_embedding, &blocks),
        };
        let generator = generator.context("generator")?;
        let mut discriminator =
            Network::new(generator.output(), &self.discriminator.blocks()?).context("discriminator")?;
        if self.is_conditional() {
            discriminator = discriminator.with_projection(self.class_names.len());
        }
        let unit = self.bf16();
        Ok((generator.with_kernels(self.kernels, unit), discriminator.with_kernels(self.kernels, unit)))
    }

    /// What multiplies bf16 numbers in training on this processor; `None` if float32 numbers are multiplied.
    pub fn bf16(&self) -> Option<Unit> {
        self.precision.unit(self.fallback)
    }

    /// What became of `precision = "bf16"` on this processor, in a sentence; `None` for float32.
    pub fn about_bf16(&self) -> Option<String> {
        let none = "this processor has no instructions that multiply bf16 numbers faster: computing in float32";
        (self.precision == Precision::Bf16).then(|| match self.bf16() {
            None => format!("{none} (`fallback` in the recipe)"),
            Some(unit) if unit.is_emulated() => {
                format!("emulating {}, which this processor lacks: training is slow", unit.instruction().name())
            }
            Some(unit) => format!("convolutions multiply bf16 numbers with {}", unit.instruction().name()),
        })
    }

    /// Whether the discriminator's batch normalisation treats real and generated pictures as one batch in this step.
    pub fn is_joint(&self, step: u64) -> bool {
        step < self.joint_batch_norm
    }

    /// Whether the generator is told which class to draw.
    pub fn is_conditional(&self) -> bool {
        !self.class_names.is_empty()
    }

    /// Number of inputs of the generator's first layer: the latent, and behind it the numbers of the class.
    pub fn generator_inputs(&self) -> u16 {
        self.latent.saturating_add(if self.is_conditional() { self.class_embedding.into() } else { 0 })
    }

    /// Height, width and channels of the pictures.
    ///
    /// # Errors
    /// The errors of [`networks`](Self::networks).
    pub fn picture(&self) -> Result<Shape> {
        Ok(self.networks()?.0.output())
    }
}

/// Appends to `keys` the keys below `key` whose values differ.
fn differing(key: &str, a: Option<&toml::Value>, b: Option<&toml::Value>, keys: &mut Vec<String>) {
    use toml::Value;
    match (a, b) {
        (Some(Value::Table(a)), Some(Value::Table(b))) => {
            let all: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in all {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                differing(&key, a.get(name), b.get(name), keys);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for i in 0..a.len().max(b.len()) {
                differing(&format!("{key}[{i}]"), a.get(i), b.get(i), keys);
            }
        }
        (a, b) if a != b => keys.push(key.to_owned()),
        _ => {}
    }
}

fn eight() -> u8 {
    8
}

fn is_eight(value: &u8) -> bool {
    *value == 8
}

fn one() -> f32 {
    1.0
}

fn usual_power() -> f32 {
    8.0
}

fn is_usual_power(value: &f32) -> bool {
    *value == usual_power()
}

fn is_one(value: &f32) -> bool {
    *value == 1.0
}

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
