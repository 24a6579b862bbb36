//! The adversarial training step (Goodfellow et al. 2014; DCGAN, Radford et al.
//! 2015, arXiv:1511.06434), and the state that it changes.
//!
//! A step has three parts. The generator draws a batch of pictures. The discriminator
//! is updated to tell these from a batch of real pictures. The generator is updated so
//! that the updated discriminator classifies its pictures as real. All random numbers of
//! a step depend only on the seed and the step's number, so a run can be stopped after
//! any step and resumed with bit-identical results.

mod order;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use anyhow::{Context as _, Result, ensure};
use gen_core::Latent;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use self::order::{ClassOrders, Order};
use self::stream::Stream;
use crate::augment::{self, Change};
use crate::config::{Config, NetworkConfig};
use crate::data::Dataset;
use crate::distil::{self, Teacher};
use crate::latents::latent_batch;
use crate::nn::init::rng;
use crate::nn::optim::{self, Moments};
use crate::nn::penalty::Penalty;
use crate::nn::{Batch, Dropout, Network, Params};
use crate::phases::{Clock, Phase, Times};
use crate::pixels::to_float;
use crate::quantise::FloatModel;
use crate::schedule::{ema_decay, linear_decay};
use crate::store::PictureStore;

/// Everything that a step changes. The configuration, the pictures and this state determine all later steps of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// The generator's parameters.
    pub generator: Params,
    /// Exponential moving average of the generator's parameters.
    pub average: Params,
    /// The discriminator's parameters.
    pub discriminator: Params,
    /// Moments of the generator's optimiser.
    pub generator_moments: Moments,
    /// Moments of the discriminator's optimiser.
    pub discriminator_moments: Moments,
}

/// Losses of a step, and how the discriminator classified the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Losses {
    /// Mean loss of the discriminator over both batches, without the penalty. In nats if the loss is cross-entropy.
    pub d_loss: f64,
    /// Loss of the generator. With `hinge` it can be negative.
    pub g_loss: f64,
    /// Share of real pictures that the discriminator classified as real, 0 to 1. A picture counts as real if its
    /// logit is on the real side of 0; with a relativistic loss, if it is above the mean logit of the generated
    /// pictures.
    pub d_real: f64,
    /// Share of generated pictures that the discriminator classified as real, 0 to 1. With a relativistic loss the
    /// logit is compared with the mean logit of the real pictures.
    pub d_fake: f64,
    /// The gradient penalty `weight / 2 * mean |dD/dx|^2`, summed over real and generated pictures, not multiplied
    /// by `every`. `None` in a step without a penalty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalty: Option<f64>,
    /// The distances to the teacher's pictures, multiplied by their weights of the step. `None` without distillation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
}

/// What the discriminator says of pictures: its mean logit. Which side of 0 is that of real pictures depends on the
/// recipe's `labels`; usually the positive one. With a relativistic loss only differences have a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Logits {
    /// Of pictures that training sees.
    pub training: f64,
    /// Of pictures that it never sees.
    pub held_out: f64,
    /// Of generated pictures.
    pub generated: f64,
}

/// For the log and the report.
impl fmt::Display for Logits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { training, held_out, generated } = self;
        write!(f, "mean logit of training {training:.2}, held-out {held_out:.2}, generated pictures {generated:.2}")
    }
}

/// The training pictures, and the class of each.
#[derive(Debug, Clone, Copy)]
pub struct Examples<'a> {
    /// `[N, height, width, channels]`
    pub pictures: &'a PictureStore,
    /// `[N]`, each below the number of classes of the recipe; empty if the recipe has none.
    pub classes: &'a [u8],
}

impl<'a> From<&'a PictureStore> for Examples<'a> {
    fn from(pictures: &'a PictureStore) -> Self {
        Self { pictures, classes: &[] }
    }
}

impl<'a> From<&'a Dataset> for Examples<'a> {
    fn from(data: &'a Dataset) -> Self {
        Self { pictures: &data.pictures, classes: data.labels.as_ref().map_or(&[], |labels| &labels.of) }
    }
}

/// The inputs of a step: real pictures and all random numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct StepInputs {
    /// Real pictures with values in the recipe's `range`; `[N, H·W·C]`.
    pub real: Array2<f32>,
    /// The class of each real picture, and of the generated picture at the same index; `[N]`, or empty without classes.
    /// So generated pictures have the classes in the same shares as the real ones.
    pub classes: Vec<u8>,
    /// Latents of the pictures that the discriminator is shown; `[N, latent]`.
    pub latents: Array2<f32>,
    /// Latents of the generator's update; `[N, latent]`. `None`: the generator's update uses the pictures
    /// that the discriminator has just seen.
    pub fresh_latents: Option<Array2<f32>>,
    /// Random numbers from 0 to 1, one for each target of the discriminator: first the generated
    /// pictures, then the real ones; `[2 N]`.
    pub label_noise: Array1<f32>,
    /// The teacher's pictures of the latents of the generator's update, `[N, H·W·C]`; `None` without distillation.
    pub teacher: Option<Array2<f32>>,
    /// Augmentation of every picture in the three passes through the discriminator: generated pictures,
    /// real pictures, and the generated pictures of the generator's update. `N` changes each.
    pub changes: [Vec<Change>; 3],
    /// Seeds of the dropout in the same three passes.
    pub dropout: [u64; 3],
}

/// Intermediate results of the last step.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The discriminator's update. Its logits are first those of the generated pictures, then those of the real ones.
    pub discriminator: NetworkTrace,
    /// The generator's update. Its logits come from the updated discriminator.
    pub generator: NetworkTrace,
    /// Gradient of the generator's loss with respect to its pictures; `[N, H·W·C]`.
    pub d_images: Array2<f32>,
}

/// Pictures, logits and gradient of one network's update.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkTrace {
    /// The generated pictures; `[N, H·W·C]`.
    pub images: Array2<f32>,
    /// Output of the discriminator; `[N]`, or `[2 N]` in its own update.
    pub logits: Array1<f32>,
    /// Gradient of the network's loss with respect to its parameters.
    pub gradient: Vec<f32>,
}

/// The forward passes of a step that have a backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardPass {
    /// The discriminator on generated pictures, in the discriminator's update.
    DFake,
    /// The discriminator on real pictures, in the discriminator's update.
    DReal,
    /// The discriminator on both, in its update with `joint_batch_norm`: first the generated pictures.
    DBoth,
    /// The generator, in its own update.
    G,
    /// The discriminator on the generator's pictures, in the generator's update: D(G(z)).
    DOfG,
}

/// The two networks, their state, and scratch memory.
#[derive(Debug)]
pub struct Trainer {
    /// The recipe.
    pub config: Config,
    /// Parameters, optimiser moments and number of steps.
    pub state: State,
    generator: Network,
    discriminator: Network,
    changed: Array2<f32>,
    penalty: Penalty,
    trace: Trace,
    order: Order,
    class_orders: ClassOrders,
    clock: Clock,
    rate: f32,
    teacher: Option<Teacher>,
}

impl Trainer {
    /// A trainer with newly initialised weights.
    ///
    /// # Errors
    /// When the configuration is invalid.
    pub fn new(config: Config) -> Result<Self> {
        config.check()?;
        let (generator, discriminator) = config.networks()?;
        let first = generator.init(config.init, config.seed, Stream::GeneratorInit.number());
        let state = State {
            step: 0,
            average: first.clone(),
            generator_moments: config.generator.optimiser.moments(first.len()),
            generator: first,
            discriminator_moments: config.discriminator.optimiser.moments(discriminator.parameter_count()),
            discriminator: discriminator.init(config.init, config.seed, Stream::DiscriminatorInit.number()),
        };
        Self::with_state(config, state)
    }

    /// A trainer that continues from a saved state.
    ///
    /// # Errors
    /// When a list in the state does not have the length that the configuration needs.
    pub fn with_state(config: Config, state: State) -> Result<Self> {
        let (generator, discriminator) = config.networks()?;
        let (of_generator, of_discriminator) = (generator.parameter_count(), discriminator.parameter_count());
        let [g_first, g_second] = config.generator.optimiser.moment_lengths(of_generator);
        let [d_first, d_second] = config.discriminator.optimiser.moment_lengths(of_discriminator);
        let expected = [
            ("generator", state.generator.len(), of_generator),
            ("average", state.average.len(), of_generator),
            ("discriminator", state.discriminator.len(), of_discriminator),
            ("first moments of the generator", state.generator_moments.first.len(), g_first),
            ("second moments of the generator", state.generator_moments.second.len(), g_second),
            ("first moments of the discriminator", state.discriminator_moments.first.len(), d_first),
            ("second moments of the discriminator", state.discriminator_moments.second.len(), d_second),
        ];
        for (name, found, expected) in expected {
            ensure!(found == expected, "{name}: {found} numbers saved, the configuration needs {expected}");
        }
        let batch = config.batch;
        let map = Array2::zeros((batch, generator.output().len()));
        let turn = |logits: usize, network: &Network| NetworkTrace {
            images: map.clone(),
            logits: Array1::zeros(logits),
            gradient: vec![0.0; network.parameter_count()],
        };
        let trace = Trace {
            discriminator: turn(2 * batch, &discriminator),
            generator: turn(batch, &generator),
            d_images: map.clone(),
        };
        Ok(Self {
            generator,
            discriminator,
            changed: Array2::zeros((2 * config.batch, map.ncols())),
            penalty: Penalty::default(),
            trace,
            order: Order::default(),
            class_orders: ClassOrders::default(),
            clock: Clock::default(),
            rate: 1.0,
            teacher: None,
            config,
            state,
        })
    }

    /// Updates the discriminator once and the generator once. `examples` is the whole data set; the step takes its batch
    /// from it.
    ///
    /// # Errors
    /// When the pictures do not have the size of the generator's output, there are none, their classes are not the
    /// recipe's, or they are in a file that cannot be read.
    pub fn step<'a>(&mut self, examples: impl Into<Examples<'a>>) -> Result<Losses> {
        let inputs = self.inputs(examples)?;
        self.step_with(&inputs)
    }

    /// Draws the inputs of the next step. They depend only on the recipe, the pictures and the step's number.
    ///
    /// # Errors
    /// The errors of [`step`](Self::step).
    pub fn inputs<'a>(&mut self, examples: impl Into<Examples<'a>>) -> Result<StepInputs> {
        self.clock.start();
        let (real, classes) = self.real_batch(examples)?;
        let mut labels = self.rng(Stream::Labels);
        let latents = self.latents(Stream::Latents);
        let fresh_latents = self.config.fresh_latents.then(|| self.latents(Stream::FreshLatents));
        self.clock.lap(Phase::Data);
        let teacher = self.teacher_pictures(fresh_latents.as_ref().unwrap_or(&latents), &classes)?;
        self.clock.lap(Phase::Teacher);
        let inputs = StepInputs {
            real,
            classes,
            latents,
            fresh_latents,
            teacher,
            label_noise: Array1::from_shape_simple_fn(2 * self.config.batch, || labels.random()),
            changes: [0, 1, 2].map(|pass| self.changes(pass)),
            dropout: [0, 1, 2].map(|pass| self.rng(Stream::Dropout(pass)).next_u64()),
        };
        self.clock.lap(Phase::Data);
        Ok(inputs)
    }

    /// The teacher's pictures of the next step, if the recipe has a teacher and any of its weights is not 0.
    fn teacher_pictures(&mut self, latents: &Array2<f32>, classes: &[u8]) -> Result<Option<Array2<f32>>> {
        let Some(distil) = &self.config.distil else { return Ok(None) };
        if !distil.is_used(self.state.step, self.config.steps) {
            return Ok(None);
        }
        let teacher = self.teacher.as_mut();
        let teacher =
            teacher.with_context(|| format!("the teacher {} has not been loaded", distil.teacher.display()))?;
        Ok(Some(teacher.draw(latents.view(), classes).to_owned()))
    }

    /// Performs a step with these inputs.
    ///
    /// # Errors
    /// When the inputs do not have the configuration's sizes.
    pub fn step_with(&mut self, inputs: &StepInputs) -> Result<Losses> {
        self.step_observed(inputs, |_, _| {})
    }

    /// Like [`step_with`](Self::step_with), and calls `observe` with the network after each forward pass that
    /// has a backward pass. This function contains all arithmetic of a step.
    ///
    /// # Errors
    /// When the inputs do not have the configuration's sizes.
    pub fn step_observed(
        &mut self,
        inputs: &StepInputs,
        mut observe: impl FnMut(ForwardPass, &mut Network),
    ) -> Result<Losses> {
        let rate = self.rate;
        let Self { config, state, generator, discriminator, changed, penalty, trace, clock, .. } = self;
        let (shape, batch, labels) = (generator.output(), config.batch, config.labels);
        inputs.check(batch, config.class_names.len(), generator.latent_len(), shape.len())?;
        let factor = rate * linear_decay(state.step, config.steps, config.lr_decay_start);
        // The loss is the mean over both batches.
        let denominator = 2.0 * batch as f32;
        let real_is_positive = labels.real > labels.generated;
        // A relativistic loss depends on differences of logits only, so the sign of one logit has no meaning.
        let middle = |others: ArrayView1<'_, f32>| {
            if config.loss.compares() { others.mean().unwrap_or_default() } else { 0.0 }
        };
        let taken = |logits: ArrayView1<'_, f32>, middle: f32| {
            logits.iter().filter(|&&l| (l > middle) == real_is_positive).count() as f64 / logits.len() as f64
        };

        // The discriminator's update. Batch normalisation treats the two batches separately, as in DCGAN, unless the recipe has
        // it treat them as one; the loss is the mean over both.
        clock.start();
        let turn = &mut trace.discriminator;
        turn.images.assign(&generator.forward(&state.generator, inputs.batch(inputs.latents.view()), Dropout::Off));
        clock.lap(Phase::GForward);
        turn.gradient.fill(0.0);
        let (halves, rows) = ([s![..batch], s![batch..]], [s![..batch, ..], s![batch.., ..]]);
        let joint = config.is_joint(state.step);
        if config.loss.compares() && !joint {
            let mut changed = changed.slice_mut(rows[1]);
            augment::forward(&inputs.changes[1], shape, inputs.real.view(), changed.view_mut());
            let pass = Dropout::Seed(inputs.dropout[1]);
            let logits = discriminator.forward(&state.discriminator, inputs.batch(changed.view()), pass);
            turn.logits.slice_mut(halves[1]).assign(&logits.column(0));
            clock.lap(Phase::DForward);
        }
        let batches = [(turn.images.view(), labels.generated), (inputs.real.view(), labels.real)];
        let mut results = [(0.0, 0.0); 2];
        let mut penalty_value = None;
        // What passes through the discriminator at once.
        let turns: &[(ForwardPass, Range<usize>)] = match joint {
            true => &[(ForwardPass::DBoth, 0..2)],
            false => &[(ForwardPass::DFake, 0..1), (ForwardPass::DReal, 1..2)],
        };
        discriminator.hold_statistics(false);
        for (name, these) in turns {
            let pass = Dropout::Seed(inputs.dropout[these.start]);
            for i in these.clone() {
                augment::forward(&inputs.changes[i], shape, batches[i].0, changed.slice_mut(rows[i]));
            }
            let place = these.start * batch..these.end * batch;
            let classes = inputs.classes.repeat(these.len());
            let seen = Batch { x: changed.slice(s![place.clone(), ..]), classes: &classes };
            let logits = discriminator.forward(&state.discriminator, seen, pass);
            turn.logits.slice_mut(s![place]).assign(&logits.column(0));
            clock.lap(Phase::DForward);
            observe(*name, discriminator);
            let mut d_logits = discriminator.d_output().index_axis_move(Axis(1), 0);
            for (i, d_logits) in these.clone().zip(d_logits.axis_chunks_iter_mut(Axis(0), batch)) {
                let targets = inputs.label_noise.slice(halves[i]).mapv(|noise| batches[i].1 + labels.noise * noise);
                let (logits, others) = (turn.logits.slice(halves[i]), turn.logits.slice(halves[1 - i]));
                let loss = config.loss.of_discriminator(logits, others, targets.view(), i == 1, denominator, d_logits);
                results[i] = (loss, taken(logits, middle(others)));
            }
            discriminator.backward(&state.discriminator, Some(&mut turn.gradient), false, pass);
            clock.lap(Phase::DBackward);
            // Only with passes apart.
            let i = these.start;
            if let Some(weights) = config.penalty.filter(|p| state.step.is_multiple_of(p.every)) {
                let weight = [weights.generated, weights.real][i] * weights.every as f32;
                if weight > 0.0 {
                    // Halved, because the loss is the mean over both batches instead of the sum of their means.
                    let squares = penalty.add(
                        discriminator,
                        &state.discriminator,
                        inputs.batch(changed.slice(rows[i])),
                        0.5 * weight,
                        pass,
                        &mut turn.gradient,
                    );
                    let value = 0.5 * f64::from([weights.generated, weights.real][i]) * squares;
                    penalty_value = Some(penalty_value.unwrap_or(0.0) + value);
                }
                clock.lap(Phase::DPenalty);
            }
        }
        let [(fake_loss, d_fake), (real_loss, d_real)] = results;
        let (params, moments) = (&mut state.discriminator, &mut state.discriminator_moments);
        update(discriminator, &config.discriminator, factor, params, &mut turn.gradient, moments);
        clock.lap(Phase::DOptimiser);

        // The generator's update. The gradient passes through the discriminator, whose parameters do not change.
        let seen = &trace.discriminator.images;
        let turn = &mut trace.generator;
        match &inputs.fresh_latents {
            Some(latents) => {
                turn.images.assign(&generator.forward(&state.generator, inputs.batch(latents.view()), Dropout::Off));
            }
            None => turn.images.assign(seen),
        }
        clock.lap(Phase::GForwardAgain);
        observe(ForwardPass::G, generator);
        let (changes, pass) = (&inputs.changes[2], Dropout::Seed(inputs.dropout[2]));
        // Generated pictures alone have other statistics than both together.
        discriminator.hold_statistics(joint);
        let mut changed = changed.slice_mut(rows[0]);
        let distil = config.distil.as_ref().zip(inputs.teacher.as_ref());
        let distil = distil.map(|(distil, pictures)| (distil.weights(state.step, config.steps), pictures));
        let teacher_maps = match distil {
            Some(([_, features], pictures)) if features > 0.0 => {
                augment::forward(changes, shape, pictures.view(), changed.view_mut());
                discriminator.forward(&state.discriminator, inputs.batch(changed.view()), pass);
                distil::hidden_maps(discriminator)
            }
            _ => Vec::new(),
        };
        clock.lap(Phase::Teacher);
        augment::forward(changes, shape, turn.images.view(), changed.view_mut());
        turn.logits.assign(&discriminator.forward(&state.discriminator, inputs.batch(changed.view()), pass).column(0));
        clock.lap(Phase::DForwardAgain);
        observe(ForwardPass::DOfG, discriminator);
        let targets = Array1::from_elem(batch, labels.real);
        // A relativistic loss compares with the logits of the real pictures from the discriminator's update.
        let others = trace.discriminator.logits.slice(halves[1]);
        let d_logits = discriminator.d_output().index_axis_move(Axis(1), 0);
        let g_loss = config.loss.of_generator(turn.logits.view(), others, targets.view(), batch as f32, d_logits);
        let mut distance = distil.map(|([_, features], _)| {
            f64::from(features) * distil::of_features(discriminator, &teacher_maps, features)
        });
        clock.lap(Phase::Teacher);
        if let Some(d_changed) = discriminator.backward(&state.discriminator, None, true, pass) {
            augment::backward(changes, shape, d_changed, trace.d_images.view_mut());
        }
        clock.lap(Phase::PictureGradient);
        if let (Some(([pixels, _], pictures)), Some(distance)) = (distil, distance.as_mut())
            && pixels > 0.0
        {
            let (ours, gradient) = (turn.images.view(), trace.d_images.view_mut());
            *distance += f64::from(pixels) * distil::of_pictures(ours, pictures.view(), shape, pixels, gradient);
        }
        clock.lap(Phase::Teacher);
        let learnt = state.step.checked_sub(config.warm_up);
        if let Some(learnt) = learnt {
            generator.d_output().assign(&trace.d_images);
            turn.gradient.fill(0.0);
            generator.backward(&state.generator, Some(&mut turn.gradient), false, Dropout::Off);
            clock.lap(Phase::GBackward);
            let (params, moments) = (&mut state.generator, &mut state.generator_moments);
            update(generator, &config.generator, factor, params, &mut turn.gradient, moments);
            let decay = ema_decay(learnt, config.ema_decay, config.ema_power);
            optim::average(&mut state.average, &state.generator, decay);
        }
        state.step += 1;
        clock.lap(Phase::GOptimiser);
        Ok(Losses { d_loss: fake_loss + real_loss, g_loss, d_real, d_fake, penalty: penalty_value, distance })
    }

    /// Gives the trainer the teacher that its recipe names. Until then a step of such a recipe is an error.
    ///
    /// # Errors
    /// When it is no teacher of the recipe's generator.
    pub fn set_teacher(&mut self, model: FloatModel) -> Result<()> {
        self.teacher = Some(Teacher::new(model, &self.config).context("distil: teacher")?);
        Ok(())
    }

    /// Sets the factor of both networks' learning rates. It is 1 until this is called.
    pub fn set_rate(&mut self, rate: f32) {
        self.rate = rate;
    }

    /// Compares what the discriminator says of pictures that training sees, of held-out ones and of generated ones: as
    /// many of each, at most `most`. There is no augmentation and no dropout, and batches have the recipe's size. Batch
    /// normalisation uses the statistics of each batch, in both networks, as in training; while `joint_batch_norm` lasts those of
    /// training pictures and generated ones together, for held-out pictures, too. The generator is the one that
    /// trains, not its average; the held-out pictures' classes are those of the generated ones. Changes no later step.
    ///
    /// # Errors
    /// The errors of [`step`](Self::step).
    pub fn compare_logits<'a>(
        &mut self,
        training: impl Into<Examples<'a>>,
        held_out: impl Into<Examples<'a>>,
        most: usize,
    ) -> Result<Logits> {
        let (training, held_out) = (training.into(), held_out.into());
        let batch = self.config.batch;
        let count = training.pictures.len().min(held_out.pictures.len()).min(most);
        // Whole batches, unless there are not enough pictures for one.
        let batches = (count / batch).max(1);
        let size = count.min(batch);
        ensure!(size > 0, "there are no pictures to compare");
        let mut sums = [0.0; 3];
        for first in 0..batches {
            // Each batch has pictures of all parts of the data, as a shuffled batch has.
            let places = |n: usize| -> Vec<usize> {
                (0..size)
                    .map(|i| ((i * batches + first) as u128 * n as u128 / (size * batches) as u128) as usize)
                    .collect()
            };
            let [(known, of_known), (new, of_new)] = [training, held_out].map(|Examples { pictures, classes }| {
                let places = places(pictures.len());
                let classes: Vec<u8> = places.iter().filter_map(|&place| classes.get(place).copied()).collect();
                (self.rows(pictures, &places), if self.config.is_conditional() { classes } else { Vec::new() })
            });
            let (known, new) = (known?, new?);
            let mut latents = rng(self.config.seed, first as u64, Stream::Compared.number());
            let len = self.config.latent.into();
            let latents = latent_batch((0..size).map(|_| Latent::sample(|| latents.next_u32(), len)), len);
            let Self { config, state, generator, discriminator, .. } = self;
            let inputs = Batch { x: latents.view(), classes: &of_new };
            let generated = generator.forward(&state.generator, inputs, Dropout::Off);
            discriminator.hold_statistics(false);
            if config.is_joint(state.step) {
                // For the statistics of both together.
                let both = concatenate![Axis(0), generated, known];
                let both = Batch { x: both.view(), classes: &[&of_new[..], &of_known].concat() };
                discriminator.forward(&state.discriminator, both, Dropout::Off);
                discriminator.hold_statistics(true);
            }
            for (sum, x, classes) in [(0, known.view(), &of_known), (1, new.view(), &of_new), (2, generated, &of_new)] {
                let logits = discriminator.forward(&state.discriminator, Batch { x, classes }, Dropout::Off);
                sums[sum] += logits.iter().map(|&logit| f64::from(logit)).sum::<f64>();
            }
        }
        let [training, held_out, generated] = sums.map(|sum| sum / (size * batches) as f64);
        Ok(Logits { training, held_out, generated })
    }

    /// The pictures at these places, with values in the recipe's `range`; `[places, H·W·C]`.
    fn rows(&self, pictures: &PictureStore, places: &[usize]) -> Result<Array2<f32>> {
        let shape = self.generator.output();
        ensure!(pictures.shape() == shape, "the generator draws {shape} pictures, the data holds {}", pictures.shape());
        let pictures = pictures.select(places)?.mapv(|value| to_float(value, self.config.range));
        Ok(pictures.into_shape_with_order((places.len(), shape.len()))?)
    }

    /// Intermediate results of the last step; all zero before the first.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Time spent in each phase of the steps since the previous call, or since the first step.
    pub fn take_times(&mut self) -> Times {
        self.clock.take()
    }

    fn rng(&self, stream: Stream) -> rand_xoshiro::Xoshiro128PlusPlus {
        rng(self.config.seed, self.state.step, stream.number())
    }

    fn latents(&self, stream: Stream) -> Array2<f32> {
        let mut rng = self.rng(stream);
        let len = self.config.latent.into();
        latent_batch((0..self.config.batch).map(|_| Latent::sample(|| rng.next_u32(), len)), len)
    }

    fn changes(&self, pass: u64) -> Vec<Change> {
        let mut rng = self.rng(Stream::Augment(pass));
        let shape = self.generator.output();
        (0..self.config.batch).map(|_| self.config.augment.draw(shape, &mut rng)).collect()
    }

    /// The real pictures of the next step, with values in the recipe's `range`, `[N, H·W·C]`, and their classes.
    ///
    /// # Errors
    /// The errors of [`step`](Self::step).
    pub fn real_batch<'a>(&mut self, examples: impl Into<Examples<'a>>) -> Result<(Array2<f32>, Vec<u8>)> {
        let Examples { pictures, classes } = examples.into();
        let shape = self.generator.output();
        let (n, h, w, c) = pictures.dim();
        ensure!(
            n > 0 && (h, w, c) == (shape.height as usize, shape.width as usize, shape.channels as usize),
            "the generator draws {shape} pictures, the data holds {n} of {h}x{w}x{c}"
        );
        let (known, config) = (self.config.class_names.len(), &self.config);
        let classes = if known == 0 { &[] } else { classes };
        ensure!(
            known == 0 || (classes.len() == n && classes.iter().all(|&class| usize::from(class) < known)),
            "the recipe has {known} classes, and {} of the {n} pictures have one of them",
            classes.iter().filter(|&&class| usize::from(class) < known).count()
        );
        let n = n as u64;
        let first = self.state.step * config.batch as u64;
        let mut batch = Array2::zeros((config.batch, self.generator.output().len()));
        let is_balanced = config.balance_classes && known > 0;
        if is_balanced {
            self.class_orders.prepare(classes, known);
        }
        let mut chosen = Vec::with_capacity(if known == 0 { 0 } else { config.batch });
        let mut buffer = Vec::new();
        for (i, mut row) in (first..).zip(batch.rows_mut()) {
            let index = match config.shuffle {
                shuffle if is_balanced => self.class_orders.index(config.seed, shuffle, i),
                true => self.order.index(Stream::Shuffle, config.seed, i / n, n, i % n),
                false => i % n,
            };
            chosen.extend(classes.get(index as usize));
            let picture = pictures.picture(index as usize, &mut buffer)?;
            row.iter_mut().zip(picture).for_each(|(to, &from)| *to = to_float(from, self.config.range));
        }
        Ok((batch, chosen))
    }
}

impl StepInputs {
    /// These rows with the classes of the step.
    fn batch<'a>(&'a self, x: ArrayView2<'a, f32>) -> Batch<'a> {
        Batch { x, classes: &self.classes }
    }

    /// Checks the sizes: `n` pictures of `values` numbers each, latents of `latent` numbers, and with `classes` classes one
    /// of them for each picture.
    fn check(&self, n: usize, classes: usize, latent: usize, values: usize) -> Result<()> {
        let fresh = self.fresh_latents.as_ref().map_or((n, latent), Array2::dim);
        let maps = [
            ("real pictures", self.real.dim(), (n, values)),
            ("latents", self.latents.dim(), (n, latent)),
            ("fresh latents", fresh, (n, latent)),
        ];
        for (name, found, expected) in maps {
            ensure!(found == expected, "{name}: {found:?} numbers, the configuration needs {expected:?}");
        }
        let known = self.classes.iter().filter(|&&class| usize::from(class) < classes).count();
        let expected = if classes == 0 { 0 } else { n };
        ensure!(
            (self.classes.len(), known) == (expected, expected),
            "classes: {} numbers, of which {known} are classes; the configuration needs {expected}",
            self.classes.len()
        );
        let noise = self.label_noise.len();
        ensure!(noise == 2 * n, "label noise: {noise} numbers, the configuration needs {}", 2 * n);
        let pictures = self.teacher.as_ref().map_or((n, values), Array2::dim);
        ensure!(
            pictures == (n, values),
            "the teacher's pictures: {pictures:?} numbers, the configuration needs {:?}",
            (n, values)
        );
        ensure!(self.changes.iter().all(|c| c.len() == n), "changes: the configuration needs three times {n}");
        Ok(())
    }
}

/// Updates the parameters of a network as its options say; `factor` multiplies the learning rate. The gradient of frozen layers
/// is cleared, so that their moments stay 0 and the optimiser does not change them.
pub(crate) fn update(
    network: &Network,
    options: &NetworkConfig,
    factor: f32,
    params: &mut [f32],
    gradient: &mut [f32],
    moments: &mut Moments,
) {
    let frozen = usize::from(options.freeze);
    if let Some(last) = frozen.checked_sub(1).and_then(|last| network.blocks().get(last)) {
        gradient[..last.end()].fill(0.0);
    }
    options.optimiser.step(factor, params, gradient, moments);
    network.equalise(frozen, params);
}
