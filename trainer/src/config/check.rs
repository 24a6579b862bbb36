//! Checks of a recipe that its types do not express.

use anyhow::{Context as _, Result, ensure};
use gen_core::Activation;
use gen_core::spec::{self, MAX_LATENT, MAX_LAYERS, Shape};

use super::classes::MAX_CLASS_EMBEDDING;
use super::{ActivationName, Config, Distil, Every, Labels, Penalty, Range, finetune};
use crate::classes::check_names;
use crate::nn::init::Init;
use crate::nn::{Network, Norm};

/// Maximum number of steps of a run.
pub const MAX_STEPS: u64 = 1_000_000_000;

/// Limit of the memory that training may need in bytes, 1 TiB: more than a computer has that this program is for. A
/// process that allocates more would be killed without a message.
const MAX_MEMORY: u64 = 1 << 40;

/// Maximum number of values in a batch's feature map: the fast convolutions store positions in it as `u32`.
const MAX_MAP_LEN: u64 = u32::MAX as u64;

impl Config {
    /// Checks the recipe as a whole: names, ranges, layers that fit each other, memory.
    ///
    /// # Errors
    /// When something is wrong; the message describes the first problem.
    pub fn check(&self) -> Result<()> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        ensure!(
            !self.name.is_empty() && self.name.len() <= 32 && self.name.chars().all(is_name),
            "name: 1 to 32 letters, digits, '-', '_' or '.', not \"{}\"",
            self.name
        );
        ensure!((2..=4096).contains(&self.batch), "batch: 2 to 4096 pictures, not {}", self.batch);
        ensure!((1..=MAX_STEPS).contains(&self.steps), "steps: 1 to {MAX_STEPS}, not {}", self.steps);
        let holdout = self.holdout;
        ensure!(
            (0.0..=0.5).contains(&holdout)
                || (holdout >= 2.0 && holdout.fract() == 0.0 && holdout <= f64::from(u32::MAX)),
            "holdout: a share of the pictures from 0 to 0.5, or a number of 2 or more, not {holdout}"
        );
        ensure!((0.0..1.0).contains(&self.ema_decay), "ema_decay: 0 or more and under 1, not {}", self.ema_decay);
        ensure!((0.0..=100.0).contains(&self.ema_power), "ema_power: 0 to 100, not {}", self.ema_power);
        ensure!((0.0..=1.0).contains(&self.lr_decay_start), "lr_decay_start: 0 to 1, not {}", self.lr_decay_start);
        self.check_classes()?;
        ensure!((0.5..=2.0).contains(&self.latent_scale), "latent_scale: 0.5 to 2, not {}", self.latent_scale);
        let Every { log, sample, checkpoint, pair, measure } = self.every;
        ensure!(log > 0 && sample > 0 && checkpoint > 0, "every: each at least 1");
        ensure!(pair != Some(0) && measure != Some(0), "every: each at least 1");
        self.guard.check()?;
        for (name, network) in [("generator", &self.generator), ("discriminator", &self.discriminator)] {
            network.optimiser.check().with_context(|| format!("{name}: optimizer"))?;
            let (freeze, layers) = (usize::from(network.freeze), network.layers.len());
            ensure!(freeze < layers.max(1), "{name}: freeze: fewer than its {layers} layers, not {freeze}");
        }
        if let Init::Normal(deviation) | Init::Smooth(deviation) = self.init {
            ensure!((0.0..=10.0).contains(&deviation), "init: a deviation from 0 to 10, not {deviation}");
        }
        let Labels { real, generated, noise } = self.labels;
        let is_label = |l: f32| (-10.0..=10.0).contains(&l);
        ensure!([real, generated, noise].into_iter().all(is_label), "labels: each from -10 to 10");
        ensure!(real != generated, "labels: `real` and `generated` must differ");
        ensure!(
            self.loss.has_targets() || self.labels == Labels::default(),
            "labels: they belong to loss = \"bce\"; leave them out"
        );
        if let Some(Penalty { real, generated, every }) = self.penalty {
            let is_weight = |w: f32| (0.0..=1e6).contains(&w);
            ensure!(is_weight(real) && is_weight(generated), "penalty: weights from 0 to 1e6");
            ensure!(every > 0, "penalty: `every` is at least 1");
            ensure!(
                self.joint_batch_norm == 0,
                "penalty: not together with joint_batch_norm, as it needs passes of real and generated pictures apart; \
                 joint_batch_norm = 0 allows it"
            );
        }

        if let Some(Distil { pixels, features, decay_start, .. }) = self.distil {
            let is_weight = |w: f32| (0.0..=1e6).contains(&w);
            ensure!(is_weight(pixels) && is_weight(features), "distil: weights from 0 to 1e6");
            ensure!(pixels > 0.0 || features > 0.0, "distil: a teacher needs a weight: pixels, features, or both");
            ensure!((0.0..=1.0).contains(&decay_start), "distil: decay_start: 0 to 1, not {decay_start}");
        }

        let blocks = self.generator.blocks().context("generator")?;
        ensure!(blocks.len() <= MAX_LAYERS, "generator: at most {MAX_LAYERS} layers");
        let generator = Network::new(Shape::latent(self.generator_inputs()), &blocks).context("generator")?;
        let picture = spec::check(self.generator_inputs(), &self.generator.specs()?).context("generator")?;
        self.augment.check(picture).context("augment")?;
        if let Some(small) = self.small_dataset {
            small.augment.check(picture).context("small_dataset: augment")?;
        }
        // The device's conversion of outputs to pixels must be the one that the float generator was trained with.
        let output = generator.blocks().last().map(|b| b.spec().layer.activation);
        ensure!(
            output == Some(Activation::Tanh) || (self.range == Range::Unit && output == Some(Activation::Sigmoid)),
            "range: \"symmetric\" goes with a generator that ends in tanh, \"unit\" with one that ends in sigmoid or tanh"
        );
        ensure!(
            generator.blocks().iter().all(|b| b.spec().dropout == 0.0),
            "generator: dropout is for the discriminator"
        );
        ensure!(
            generator.blocks().iter().all(|b| b.spec().norm != Some(Norm::Layer)),
            "generator: layer_norm is for the discriminator, as it cannot be folded into weights for the device; use batch_norm"
        );
        let macs = generator.blocks().iter().map(|b| b.geometry().macs()).sum();
        finetune::check(macs, self.quantise.tune).context("quantize: tune")?;
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
        ensure!(
            self.joint_batch_norm == 0 || networks.1.blocks().iter().any(|b| b.spec().norm == Some(Norm::Batch)),
            "joint_batch_norm: the discriminator has no batch_norm, so the key changes nothing; leave it out"
        );
        let output = networks.1.output();
        ensure!(output.len() == 1, "discriminator: must end in one logit, not {output}");
        ensure!(
            networks.1.blocks().iter().all(|b| b.spec().norm != Some(Norm::Layer) || b.geometry().output.len() > 1),
            "discriminator: layer_norm of a layer with a single value would always give the same number; leave it out there"
        );
        let last = self.discriminator.layers.last().map(|l| l.activation);
        ensure!(
            last == Some(ActivationName::Linear),
            "discriminator: the last layer is linear (the loss has the sigmoid in it)"
        );
        Ok(())
    }

    /// Checks the keys of the classes.
    ///
    /// # Errors
    /// When one of them is wrong; the message names it.
    pub(crate) fn check_classes(&self) -> Result<()> {
        let (latent, width) = (self.latent, self.class_embedding);
        ensure!((1..=MAX_CLASS_EMBEDDING).contains(&width), "class_embedding: 1 to {MAX_CLASS_EMBEDDING}, not {width}");
        if self.is_conditional() {
            check_names(&self.class_names).context("class_names")?;
            ensure!(
                latent >= 1 && usize::from(latent) + usize::from(width) <= MAX_LATENT,
                "latent: with classes at least 1, and with `class_embedding` at most {MAX_LATENT}, not {latent} + {width}; \
                 make one of them smaller, or leave out the classes with --classes none"
            );
            let last = self.discriminator.layers.last();
            ensure!(
                last.is_none_or(|last| !last.batch_norm && !last.layer_norm),
                "discriminator: with classes the last layer has no batch_norm or layer_norm, because the product of class and \
                 picture is added to its output"
            );
        }
        Ok(())
    }
}

/// Estimated memory in bytes of training a network: weights, their gradient, average and two moments,
/// and the feature maps of a batch with their gradients.
fn memory(network: &Network, batch: usize) -> u64 {
    let maps: u64 = network.blocks().iter().map(|block| block.geometry().output.len() as u64).sum();
    20 * network.parameter_count() as u64 + 8 * maps * batch as u64
}
