//! A run's configuration: networks, losses, optimisers, data handling.
//!
//! Presets are TOML files compiled into the program; a user's own file has the same
//! form. Every field of a preset can be changed there. What is not in a recipe, but decides
//! the result too, is listed in docs/recipes.md ("What is fixed").

use std::fmt;

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::spec::{self, MAX_LAYERS, Shape};
use gen_core::{Activation, LayerSpec, Op, Padding};
use serde::{Deserialize, Serialize};

use crate::augment::Augment;
use crate::nn::init::Init;
use crate::nn::linear::Kernels;
use crate::nn::loss::Loss;
use crate::nn::optim::Optimiser;
use crate::nn::{BlockSpec, Network};
use crate::quantise::finetune;
use crate::run::guard::Guard;

/// Name, description and text of every preset.
pub const PRESETS: &[(&str, &str)] = &[
    ("pocket", include_str!("../presets/pocket.toml")),
    ("pocket-tiny", include_str!("../presets/pocket-tiny.toml")),
    ("pocket-large", include_str!("../presets/pocket-large.toml")),
    ("tutorial", include_str!("../presets/tutorial.toml")),
    ("reference-pocket", include_str!("../presets/reference-pocket.toml")),
];

/// Longest run.
pub const MAX_STEPS: u64 = 1_000_000_000;

/// Most memory that a recipe may ask for, in bytes: what no desk has. Asked for it, the system ends the program.
const MAX_MEMORY: u64 = 1 << 40;

/// All that decides the result of a run, besides the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the preset; part of the run folder's name.
    pub name: String,
    /// What it is for, in a line.
    pub about: String,
    /// Where all randomness comes from.
    pub seed: u64,
    /// Training steps: one of the discriminator, one of the generator.
    pub steps: u64,
    /// Pictures in a batch; a step sees as many real ones and as many generated ones.
    pub batch: usize,
    /// Length of the latent.
    pub latent: u16,
    /// What pixels 0 … 255 become.
    #[serde(default)]
    pub range: Range,
    /// First weights.
    pub init: Init,
    /// Decay of the average of the generator's weights that pictures and exports
    /// use; 0 uses the weights themselves.
    pub ema: f32,
    /// The learning rates fall linearly to 0 from this share of the steps on; 1 never.
    #[serde(default = "one")]
    pub decay_from: f32,
    /// How many times as wide as in training the latents of the finished generator are: 1 for the same.
    /// Above 1 is the opposite of truncation. An average of weights draws more alike than each of
    /// those it is made from, and a little more of everything brings that back (docs/recipes.md).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub spread: f32,
    /// Whether every pass over the pictures has an order of its own.
    pub shuffle: bool,
    /// Whether the generator's step draws latents of its own, or uses the pictures
    /// that the discriminator has just seen, which saves a pass.
    pub fresh_latents: bool,
    /// How convolutions of training steps are computed: `direct`, `fast` or `faster`. The finished generator is
    /// always drawn and fine-tuned with `fast`, which is as exact as `direct`.
    #[serde(default)]
    pub kernels: Kernels,
    /// Steps between two sample pictures, lines of the log, and checkpoints.
    pub every: Every,
    /// When a run is in trouble, and how often it goes back.
    #[serde(default, skip_serializing_if = "Guard::is_default")]
    pub guard: Guard,
    /// What the players want.
    #[serde(default)]
    pub loss: Loss,
    /// What the discriminator is told, with `loss = "bce"`.
    #[serde(default)]
    pub labels: Labels,
    /// What a steep discriminator costs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalty: Option<Penalty>,
    /// Changes that both real and generated pictures undergo before the
    /// discriminator sees them.
    #[serde(default)]
    pub augment: Augment,
    /// What to do differently when there are few pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few: Option<Few>,
    /// How the generator is brought to integers.
    #[serde(default, skip_serializing_if = "Quantise::is_default", alias = "quantize")]
    pub quantise: Quantise,
    /// Latent → picture.
    pub generator: Player,
    /// Picture → logit.
    pub discriminator: Player,
}

/// Adds the keys below `key` whose values differ.
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

fn is_one(value: &f32) -> bool {
    *value == 1.0
}

/// What pixels 0 … 255 become for the networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// −1 … 1, the range of tanh.
    #[default]
    Symmetric,
    /// 0 … 1, the range of a sigmoid. Under a tanh, as the Keras tutorial has it, half
    /// of the range is wasted, and what falls below 0 is drawn in black.
    Unit,
}

/// Steps between two events of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Every {
    /// Lines of `metrics.jsonl`.
    pub log: u64,
    /// Sample pictures.
    pub sample: u64,
    /// Checkpoints.
    pub checkpoint: u64,
    /// The first generated and the first real picture of the step, in `pairs/`; never if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<u64>,
    /// Measurements of quality, by which the snapshot is chosen that the run ends with; never if
    /// not given, and then it ends with the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<u64>,
}

/// How a trained generator is brought to integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantise {
    /// Steps of fine-tuning at the end of a run; 0 for none. The checkpoints on the way
    /// are exported without.
    #[serde(default)]
    pub tune: u64,
}

impl Quantise {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Targets of the discriminator.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// For real pictures; also what the generator tries to be taken for.
    pub real: f32,
    /// For generated pictures.
    pub generated: f32,
    /// Times a uniform number in 0 … 1, added to the discriminator's targets.
    #[serde(default)]
    pub noise: f32,
}

/// Few pictures are soon known by heart: the discriminator then tells real ones by their details,
/// and the generator learns nothing more from it. Stronger changes put that off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Few {
    /// So many pictures are enough.
    pub below: usize,
    /// Instead of the recipe's own changes.
    pub augment: Augment,
}

impl Default for Labels {
    fn default() -> Self {
        Self { real: 1.0, generated: 0.0, noise: 0.0 }
    }
}

/// Weights of the gradient penalties R1 and R2, in the convention of StyleGAN's gamma: the
/// penalty is `weight / 2 * mean |dD/dx|^2` beside the sum of the losses of real and generated
/// pictures; see [`nn::penalty`](crate::nn::penalty).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Penalty {
    /// On real pictures: R1.
    #[serde(default)]
    pub real: f32,
    /// On generated pictures: R2.
    #[serde(default)]
    pub generated: f32,
    /// Steps between two penalties, which are then as many times as heavy (Karras et al. 2020,
    /// arXiv:1912.04958).
    pub every: u64,
}

/// One of the two networks and how it learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Player {
    /// How it learns.
    pub optimiser: Optimiser,
    /// Its layers, first to last.
    pub layers: Vec<Layer>,
}

/// One layer. `size`, `kernel`, `stride` and `padding` apply as `op` needs them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Operation.
    pub op: OpName,
    /// Height and width of a dense layer's output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[u16; 2]>,
    /// Output channels.
    pub channels: u16,
    /// Height and width of the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<u8>,
    /// Step, or enlargement; 1 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<u8>,
    /// Edge rule; `same` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<Padding>,
    /// Normalise before the activation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub batch_norm: bool,
    /// Share of the input that is dropped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f32,
    /// Activation.
    pub activation: ActivationName,
    /// Slope of `leaky_relu` for negative inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slope: Option<f32>,
}

/// Operation of a [`Layer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum OpName {
    Dense,
    Conv,
    ConvTranspose,
}

/// Activation of a [`Layer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ActivationName {
    Linear,
    Relu,
    LeakyRelu,
    Tanh,
    Sigmoid,
}

impl Config {
    /// A preset by its name.
    ///
    /// # Errors
    /// When there is none of that name; the message lists them.
    pub fn preset(name: &str) -> Result<Self> {
        let Some((_, text)) = PRESETS.iter().find(|(n, _)| *n == name) else {
            let names: Vec<_> = PRESETS.iter().map(|(n, _)| *n).collect();
            bail!("there is no preset \"{name}\"; there are: {}", names.join(", "));
        };
        Self::from_toml(text).with_context(|| format!("preset {name}"))
    }

    /// The same with the channels of all hidden layers divided, for trials that should not take long.
    #[must_use]
    pub fn narrowed(mut self, divisor: u16) -> Self {
        for player in [&mut self.generator, &mut self.discriminator] {
            let hidden = player.layers.len().saturating_sub(1);
            player.layers[..hidden].iter_mut().for_each(|layer| layer.channels = (layer.channels / divisor).max(1));
        }
        self
    }

    /// Reads and checks a TOML file's text.
    ///
    /// # Errors
    /// With the line, or the layer, that is wrong.
    pub fn from_toml(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    /// The text that [`from_toml`](Self::from_toml) reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration has no type that TOML lacks")
    }

    /// Keys whose values differ from those of `other`, as `generator.optimiser.lr`, in alphabetical order.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let table = |config: &Self| config.to_toml().parse::<toml::Table>().map(toml::Value::Table);
        let (Ok(ours), Ok(theirs)) = (table(self), table(other)) else { return Vec::new() };
        let mut keys = Vec::new();
        differing("", Some(&ours), Some(&theirs), &mut keys);
        keys
    }

    /// Whether steps depend on how many there will be: such a run, if its length was planned anew
    /// or changed on the way, cannot be repeated. Whatever else looks at `steps` belongs here.
    pub fn depends_on_length(&self) -> bool {
        self.decay_from < 1.0
    }

    /// Checks what the types do not say.
    ///
    /// # Errors
    /// The first thing that is wrong, in words.
    pub fn check(&self) -> Result<()> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        ensure!(
            !self.name.is_empty() && self.name.len() <= 32 && self.name.chars().all(is_name),
            "name: 1 to 32 letters, digits, '-', '_' or '.', not \"{}\"",
            self.name
        );
        ensure!((2..=4096).contains(&self.batch), "batch: 2 to 4096 pictures, not {}", self.batch);
        ensure!((1..=MAX_STEPS).contains(&self.steps), "steps: 1 to {MAX_STEPS}, not {}", self.steps);
        ensure!((0.0..1.0).contains(&self.ema), "ema: 0 or more and under 1, not {}", self.ema);
        ensure!((0.0..=1.0).contains(&self.decay_from), "decay_from: 0 to 1, not {}", self.decay_from);
        let Every { log, sample, checkpoint, pair, measure } = self.every;
        ensure!(log > 0 && sample > 0 && checkpoint > 0, "every: each at least 1");
        ensure!(pair != Some(0) && measure != Some(0), "every: each at least 1");
        self.guard.check()?;
        for (name, player) in [("generator", &self.generator), ("discriminator", &self.discriminator)] {
            player.optimiser.check().with_context(|| format!("{name}: optimiser"))?;
        }
        if let Init::Normal(deviation) = self.init {
            ensure!((0.0..=10.0).contains(&deviation), "init: a deviation from 0 to 10, not {deviation}");
        }
        let Labels { real, generated, noise } = self.labels;
        let is_label = |l: f32| (-10.0..=10.0).contains(&l);
        ensure!([real, generated, noise].into_iter().all(is_label), "labels: each from -10 to 10");
        ensure!(real != generated, "labels: `real` and `generated` must differ");
        ensure!(
            self.loss == Loss::Bce || self.labels == Labels::default(),
            "labels: they belong to loss = \"bce\"; leave them out"
        );
        if let Some(Penalty { real, generated, every }) = self.penalty {
            let is_weight = |w: f32| (0.0..=1e6).contains(&w);
            ensure!(is_weight(real) && is_weight(generated), "penalty: weights from 0 to 1e6");
            ensure!(every > 0, "penalty: `every` is at least 1");
        }

        ensure!((0.5..=2.0).contains(&self.spread), "spread: from 0.5 to 2, not {}", self.spread);
        let blocks = self.generator.blocks().context("generator")?;
        ensure!(blocks.len() <= MAX_LAYERS, "generator: at most {MAX_LAYERS} layers");
        let generator = Network::new(Shape::latent(self.latent), &blocks).context("generator")?;
        let picture = spec::check(self.latent, &self.generator.specs()?).context("generator")?;
        ensure!(picture.height == picture.width, "generator: pictures are square, not {picture}");
        self.augment.check(picture).context("augment")?;
        if let Some(few) = self.few {
            few.augment.check(picture).context("few: augment")?;
        }
        // What the device turns into pixels must be what the float generator was trained to draw.
        let output = generator.blocks().last().map(|b| b.spec().layer.activation);
        ensure!(
            output == Some(Activation::Tanh) || (self.range == Range::Unit && output == Some(Activation::Sigmoid)),
            "range: \"symmetric\" goes with a generator that ends in tanh, \"unit\" with one that ends in sigmoid or tanh"
        );
        ensure!(
            generator.blocks().iter().all(|b| b.spec().dropout == 0.0),
            "generator: dropout is for the discriminator"
        );
        let macs = generator.blocks().iter().map(|b| b.geometry().macs()).sum();
        finetune::check(macs, self.quantise.tune).context("quantise: tune")?;
        let networks = self.networks()?;
        let needed = memory(&networks.0, self.batch) + memory(&networks.1, 2 * self.batch);
        ensure!(
            needed <= MAX_MEMORY,
            "training would take about {} GB of memory, and {} are the most: fewer channels or a smaller batch",
            needed >> 30,
            MAX_MEMORY >> 30
        );
        for (name, network, pictures) in
            [("generator", &networks.0, self.batch), ("discriminator", &networks.1, self.batch)]
        {
            let maps = network.blocks().iter().flat_map(|block| [block.geometry().input, block.geometry().output]);
            let largest = maps.map(|map| map.len() as u64 * pictures as u64).max().unwrap_or(0);
            ensure!(
                largest <= MAX_MAP_LEN,
                "{name}: a map of {pictures} pictures has {largest} values, and {MAX_MAP_LEN} are the most: fewer \
                 channels or a smaller batch"
            );
        }
        let output = networks.1.output();
        ensure!(output.len() == 1, "discriminator: must end in one logit, not {output}");
        let last = self.discriminator.layers.last().map(|l| l.activation);
        ensure!(
            last == Some(ActivationName::Linear),
            "discriminator: the last layer is linear (the loss has the sigmoid in it)"
        );
        Ok(())
    }

    /// The recipe for so many pictures, with nothing left to decide, and what was changed in words.
    #[must_use]
    pub fn settled(mut self, pictures: usize) -> (Self, Option<String>) {
        let few = self.few.take().filter(|few| pictures < few.below);
        let words = few.map(|few| {
            self.augment = few.augment;
            format!(
                "{pictures} pictures are few: they are changed more strongly ({}), so that the discriminator does not \
                 learn them by heart; from {} on that is not needed (`few` in the recipe)",
                few.augment, few.below
            )
        });
        (self, words)
    }

    /// The generator and the discriminator.
    ///
    /// # Errors
    /// The layer that does not fit.
    pub fn networks(&self) -> Result<(Network, Network)> {
        let generator = Network::new(Shape::latent(self.latent), &self.generator.blocks()?).context("generator")?;
        let discriminator = Network::new(generator.output(), &self.discriminator.blocks()?).context("discriminator")?;
        Ok((generator.with_kernels(self.kernels), discriminator.with_kernels(self.kernels)))
    }

    /// Height and width of the pictures.
    pub fn side(&self) -> Result<usize> {
        Ok(self.networks()?.0.output().height.into())
    }
}

impl Player {
    /// The layers as the networks take them.
    ///
    /// # Errors
    /// The layer whose fields do not fit its operation.
    pub fn blocks(&self) -> Result<Vec<BlockSpec>> {
        let block = |(i, layer): (usize, &Layer)| layer.block().with_context(|| format!("layer {i} ({})", layer.op));
        self.layers.iter().enumerate().map(block).collect()
    }

    /// What remains of the layers for inference.
    ///
    /// # Errors
    /// As [`blocks`](Self::blocks).
    pub fn specs(&self) -> Result<Vec<LayerSpec>> {
        Ok(self.blocks()?.iter().map(|b| b.layer).collect())
    }
}

impl Layer {
    fn block(&self) -> Result<BlockSpec> {
        let is_dense = self.op == OpName::Dense;
        ensure!(self.size.is_some() == is_dense, "`size` belongs to dense layers, and every one has it");
        ensure!(self.kernel.is_none() == is_dense, "`kernel` belongs to convolutions, and every one has it");
        ensure!(
            !is_dense || (self.stride.is_none() && self.padding.is_none()),
            "a dense layer has no stride or padding"
        );
        ensure!((0.0..1.0).contains(&self.dropout), "`dropout` is 0 or more and under 1, not {}", self.dropout);
        let channels = self.channels;
        let (kernel, stride) = (self.kernel.unwrap_or(1), self.stride.unwrap_or(1));
        let padding = self.padding.unwrap_or(Padding::Same);
        let op = match self.op {
            OpName::Dense => {
                let [height, width] = self.size.unwrap_or([1, 1]);
                Op::Dense { out: Shape::new(height, width, channels) }
            }
            OpName::Conv => Op::Conv { channels, kernel, stride, padding },
            OpName::ConvTranspose => Op::ConvTranspose { channels, kernel, stride, padding },
        };
        let activation = match (self.activation, self.slope) {
            (ActivationName::LeakyRelu, Some(slope)) if (0.0..=1.0).contains(&slope) => Activation::LeakyRelu(slope),
            (ActivationName::LeakyRelu, _) => bail!("leaky_relu needs a `slope` between 0 and 1"),
            (_, Some(_)) => bail!("only leaky_relu has a `slope`"),
            (ActivationName::Linear, None) => Activation::Linear,
            (ActivationName::Relu, None) => Activation::Relu,
            (ActivationName::Tanh, None) => Activation::Tanh,
            (ActivationName::Sigmoid, None) => Activation::Sigmoid,
        };
        Ok(BlockSpec { layer: LayerSpec { op, activation }, batch_norm: self.batch_norm, dropout: self.dropout })
    }
}

impl fmt::Display for OpName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dense => "dense",
            Self::Conv => "conv",
            Self::ConvTranspose => "conv_transpose",
        })
    }
}

/// About as many bytes as training a network takes: weights, their gradient, average and two moments,
/// and the maps of a batch with their gradients.
fn memory(network: &Network, batch: usize) -> u64 {
    let maps: u64 = network.blocks().iter().map(|block| block.geometry().output.len() as u64).sum();
    20 * network.parameter_count() as u64 + 8 * maps * batch as u64
}

/// Most values in a map of a batch: the fast convolutions keep places in maps as `u32`.
const MAX_MAP_LEN: u64 = u32::MAX as u64;

fn one() -> f32 {
    1.0
}

fn is_zero(x: &f32) -> bool {
    *x == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_survives_the_way_through_toml() {
        for (name, _) in PRESETS {
            let config = Config::preset(name).expect(name);
            assert_eq!(config.name, *name);
            assert_eq!(Config::from_toml(&config.to_toml()).expect(name), config);
        }
    }

    #[test]
    fn maps_whose_places_do_not_fit_32_bits_are_refused() {
        let config = |channels| {
            let mut config = Config::preset("pocket").unwrap();
            config.batch = 4096;
            // 32x32 pixels in the discriminator's first layer.
            config.discriminator.layers.insert(0, Layer { channels, ..config.discriminator.layers[0].clone() });
            let first = &mut config.discriminator.layers[0];
            (first.kernel, first.stride, first.batch_norm) = (Some(3), Some(1), false);
            config
        };
        config(8).check().unwrap();
        let error = config(1024).check().unwrap_err().to_string();
        assert!(error.contains("4294967296 values"), "{error}");
    }

    #[test]
    fn the_tutorial_has_as_many_parameters_as_keras_counts() {
        let (generator, discriminator) = Config::preset("tutorial").unwrap().networks().unwrap();
        assert_eq!((generator.parameter_count(), discriminator.parameter_count()), (6_264_579, 790_913));
    }

    #[test]
    fn unit_range_goes_with_sigmoid_and_with_tanh() {
        let tanh = Config::preset("tutorial").unwrap().to_toml().replacen("\"symmetric\"", "\"unit\"", 1);
        let sigmoid = tanh.replacen("activation = \"tanh\"", "activation = \"sigmoid\"", 1);
        assert_ne!(tanh, sigmoid);
        for text in [tanh, sigmoid] {
            assert_eq!(Config::from_toml(&text).unwrap().range, Range::Unit);
        }
    }

    #[test]
    fn few_pictures_are_changed_more_strongly_and_enough_are_not() {
        let config = Config::preset("pocket").unwrap();
        let few = config.few.expect("the default has advice for few pictures");
        let (settled, words) = config.clone().settled(few.below - 1);
        assert_eq!((settled.augment, settled.few), (few.augment, None));
        assert!(words.unwrap().contains("pictures are few"));
        let (settled, words) = config.clone().settled(few.below);
        assert_eq!((settled.augment, settled.few, words), (config.augment, None, None));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let good = Config::preset("pocket").unwrap().to_toml();
        let cases = [
            ("batch = 32", "batch = 1", "batch"),
            ("batch = 32", "batch = 32\nbatsch = 3", "batsch"),
            ("kernel = 4", "", "layer 1 (conv_transpose)"),
            ("activation = \"tanh\"", "activation = \"relu\"", "last layer"),
            ("slope = 0.2", "", "slope"),
            ("activation = \"tanh\"", "activation = \"sigmoid\"", "range"),
            ("normal = 0.02", "normal = nan", "init"),
            ("beta1 = 0.5", "beta1 = 1.5", "generator: optimiser"),
            ("real = 1.0", "real = 0.0", "labels"),
            ("cutout = 16", "cutout = 32", "cutout"),
            ("steps = 20000", "steps = 0", "steps"),
            ("spread = 1.15", "spread = 0.1", "spread"),
            ("batch = 32", "batch = 32\npenalty = { real = -1.0, every = 4 }", "penalty: weights"),
            ("batch = 32", "batch = 32\npenalty = { real = 1.0, every = 0 }", "penalty: `every`"),
            ("tune = 100", "tune = 1000000", "quantise: tune"),
            ("name = \"pocket\"", "name = \"../x\"", "name"),
        ];
        for (from, to, expected) in cases {
            assert!(good.contains(from), "{from}");
            let error = format!("{:#}", Config::from_toml(&good.replacen(from, to, 1)).unwrap_err());
            assert!(error.contains(expected), "{from} -> {to}: {error}");
        }
        let mut large = Config::preset("pocket").unwrap();
        (large.batch, large.quantise) = (4096, Default::default());
        large.generator.layers[0].size = Some([32, 32]);
        large.generator.layers[..4].iter_mut().for_each(|layer| layer.channels = 1024);
        let halves = large.discriminator.layers[2].clone();
        large.discriminator.layers.splice(3..3, [halves.clone(), halves]);
        let error = format!("{:#}", large.check().unwrap_err());
        assert!(error.contains("GB of memory"), "{error}");
        // Labels that would be ignored.
        let hinge = good.replacen("loss = \"bce\"", "loss = \"hinge\"", 1);
        assert!(Config::from_toml(&hinge).is_ok());
        let error = format!("{:#}", Config::from_toml(&hinge.replacen("real = 1.0", "real = 0.9", 1)).unwrap_err());
        assert!(error.contains("labels: they belong to loss = \"bce\""), "{error}");
        assert!(Config::preset("pond").unwrap_err().to_string().contains("pocket, pocket-tiny"));
    }

    #[test]
    fn keys_that_differ_are_named() {
        let config = Config::preset("pocket").unwrap();
        assert_eq!(config.differences(&config), [""; 0]);
        let mut other = config.clone();
        other.batch = 7;
        other.penalty = Some(Penalty { real: 1.0, generated: 0.0, every: 4 });
        other.discriminator.layers[1].channels = 3;
        let lr = config.to_toml().replacen("lr = 0.0002", "lr = 0.0003", 1);
        let lr = Config::from_toml(&lr).unwrap();
        assert_eq!(config.differences(&other), ["batch", "discriminator.layers[1].channels", "penalty"]);
        assert_eq!(config.differences(&lr), ["generator.optimiser.lr"]);
    }

    #[test]
    fn both_spellings_of_quantise_are_read() {
        let config = Config { quantise: Quantise { tune: 12 }, ..Config::preset("pocket").unwrap() };
        let text = config.to_toml();
        assert!(text.contains("[quantise]"), "{text}");
        assert_eq!(Config::from_toml(&text.replace("[quantise]", "[quantize]")).unwrap(), config);
    }
}
