//! Parity with Keras: with the same weights, pictures and random numbers, a training step must give the same
//! activations, losses, gradients and updated weights.
//!
//! A golden set is a folder of arrays that Keras computed for the network of the
//! tutorial at some width. `trainer/interop/golden.py` makes them and documents how:
//!
//! | file | arrays |
//! |---|---|
//! | `weights_init.npz` | initial weights, in Keras's layouts |
//! | `inputs.npz` | pictures, latents and label noise of every step |
//! | `activations.npz` | every layer's output for the first latent |
//! | `step1.npz` | of the first step: pictures, logits, gradients, new weights; the losses of all steps |
//!
//! Widths, kernels, latent, batch and number of steps are read from the arrays. The compared values are
//! computed by [`Trainer::step_with`], the function that every run uses.
//!
//! # Tolerances
//! Keras computed its arrays in float64; this program computes in float32.
//!
//! | what | difference allowed |
//! |---|---|
//! | activations, pictures, gradients | 1e-5 of the tensor's largest value |
//! | logits | the same, or 1e-5 if none reaches 1: the loss counts them in absolute terms |
//! | the optimiser alone, on the stored gradients | 1e-6 |
//! | weights after the whole step | 1e-6, unless the gradient is so near 0 that its own tolerance explains more |
//! | the number of a network's weights that need this exception | 0.03 % of them, or three, or as many as 1e-7 of the gradient's largest value would move so far |
//! | losses of the first three steps | 1e-6, 1e-5, 1e-4; times the loss where it is over 1 |
//! | the second and the third, where float32 cannot keep that | three times what the last bit of the first weights does to them |
//!
//! The first step of RMSprop is nearly `√10 · lr · sign(gradient)`. If a gradient is 0 except for
//! rounding, its sign and therefore the direction of the update are arbitrary. The number of such weights
//! depends on width, batch and chance: Keras and PyTorch in float32 need this exception for
//! 0.03 % of the weights and sometimes more. 1e-7 of the largest value is its last bit in
//! float32; no float32 implementation has a smaller error.
//!
//! Later losses diverge for the same reason. With Keras's initial weights, float32 is
//! off by up to 1e-6 in the second step, 7e-6 in the third, and 0.1 in the tenth. Larger
//! weights magnify rounding. If a loss is out of tolerance, the steps are therefore repeated several
//! times with every initial weight moved to one of its two neighbours in float32. The change of the
//! losses shows how accurately float32 determines them. Gradients must still agree to 1e-5,
//! but the report says if the last bits of the initial weights alone change them more.
//!
//! Gradients may differ for one more reason, which [`kinks`] handles.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::{Op, Shape};
use ndarray::{Array1, Array2, Array4, ArrayView2, Axis};
use rand::RngExt as _;

use crate::augment::Change;
use crate::config::{self, Config, Layer, OpName};
use crate::nn::init::rng;
use crate::nn::optim::Optimiser;
use crate::nn::{Dropout, Network, Params};
use crate::store::PictureStore;
use crate::tensors::Tensors;
use crate::train::{ForwardPass, Losses, State, StepInputs, Trace, Trainer};

mod kinks;
pub mod one_step;
mod report;

use kinks::Unit;
use report::{ABSOLUTE, RELATIVE, Tolerance, largest, worst};
pub use report::{Check, Report};

/// Names of the generator's layers, first to last, and of the discriminator's.
const GENERATOR: [&str; 6] = ["dense", "conv1", "convt", "conv2", "conv3", "conv4"];
const DISCRIMINATOR: [&str; 5] = ["conv1", "conv2", "conv3", "conv4", "dense"];
/// Names of the losses.
const LOSS_NAMES: [(&str, Loss); 2] = [("d_loss", |losses| losses.d_loss), ("g_loss", |losses| losses.g_loss)];
/// Names of the outputs of the generator's layers.
const GENERATOR_MAPS: [&str; 6] = ["dense", "conv1", "convt", "conv2", "conv3", "out"];
const DISCRIMINATOR_MAPS: [&str; 5] = ["conv1", "conv2", "conv3", "conv4", "logit"];

/// One of a step's losses.
type Loss = fn(&Losses) -> f64;

/// Share and number of a network's weights that may differ by more than [`ABSOLUTE`].
const SHARE: f64 = 3e-4;
const ALLOWED_EXCEPTIONS: usize = 3;
/// The last bit of a gradient's largest value, in parts of [`RELATIVE`].
const LAST_BIT: f64 = 0.01;
/// Tolerances of the losses of the first steps. Later losses are not comparable in float32.
const LOSSES: [f64; 3] = [1e-6, 1e-5, 1e-4];
/// How often the steps are repeated with the initial weights changed in their last bit, and the allowed multiple
/// of the largest difference that this makes.
const NUDGES: u64 = 8;
const MARGIN: f64 = 3.0;

/// Compares with the golden set in `folder`.
///
/// # Errors
/// When a file or an array is missing or damaged, or has a shape that does not fit the
/// others. A comparison out of tolerance is not an error; it is in the report.
pub fn check(folder: &Path) -> Result<Report> {
    let golden = Golden::read(folder)?;
    let config = &golden.config;
    let (mut generator, mut discriminator) = config.networks().with_context(|| golden.weights.source.clone())?;
    golden.inputs.shaped("frogs_u8", &[&[golden.frogs.dim().0], &dims(generator.output())[..]].concat())?;
    let g = Side::new("g", &GENERATOR, &generator, config.generator.optimiser);
    let d = Side::new("d", &DISCRIMINATOR, &discriminator, config.discriminator.optimiser);
    let (g_first, d_first) = (Params::from(g.flat(&golden.weights, "")?), Params::from(d.flat(&golden.weights, "")?));
    let mut report = Report {
        network: format!(
            "generator {} parameters, discriminator {}; latent {}, batch {}, {} steps",
            g_first.len(),
            d_first.len(),
            config.latent,
            config.batch,
            golden.steps
        ),
        sides: Vec::new(),
        last_bits: None,
        checks: Vec::new(),
    };

    let latents = golden.latents("z1", 0)?;
    let fake = generator.forward(&g_first, latents.view(), Dropout::Off).to_owned();
    golden.activations(&mut report, "g", &GENERATOR_MAPS, &generator)?;
    discriminator.forward(&d_first, fake.view(), Dropout::Off);
    golden.activations(&mut report, "d", &DISCRIMINATOR_MAPS, &discriminator)?;

    let state = g.state(&d, &g_first, &d_first);
    let mut sides = Vec::new();
    let Played { mut trainer, losses, .. } = golden.first_step(&state, [&d, &g], &mut sides)?;
    report.sides = sides.iter().map(ToString::to_string).collect();
    let mut losses = vec![losses];
    let trace = trainer.trace();
    golden.images(&mut report, "fake", trace.discriminator.images.view(), generator.output())?;
    golden.logits(&mut report, "d_logit", &trace.discriminator.logits)?;
    golden.images(&mut report, "g_image", trace.generator.images.view(), generator.output())?;
    golden.logits(&mut report, "g_logit", &trace.generator.logits)?;
    golden.images(&mut report, "g_image_grad", trace.d_images.view(), generator.output())?;
    d.gradients(&mut report, &golden.step, &trace.discriminator.gradient)?;
    g.gradients(&mut report, &golden.step, &trace.generator.gradient)?;
    d.weights(&mut report, &golden.step, &d_first, &trainer.state.discriminator)?;
    g.weights(&mut report, &golden.step, &g_first, &trainer.state.generator)?;

    let gradients = [&d, &g].map(|player| player.gradient(trainer.trace()).to_vec());
    losses.extend(golden.later(&mut trainer)?);
    golden.losses(&mut report, &losses)?;
    if !report.is_ok() {
        golden.allow_for_rounding(&mut report, &state, &losses, [(&d, &gradients[0]), (&g, &gradients[1])])?;
    }
    Ok(report)
}

/// The files of a golden set, and the network that they describe.
struct Golden {
    weights: Tensors,
    inputs: Tensors,
    activations: Tensors,
    step: Tensors,
    frogs: PictureStore,
    steps: usize,
    config: Config,
}

impl Golden {
    fn read(folder: &Path) -> Result<Self> {
        let read = |name: &str| -> Result<Tensors> {
            let file = Tensors::read(&folder.join(name))?;
            for (name, array) in &file.map {
                ensure!(array.iter().all(|v| v.is_finite()), "{}: \"{name}\" is not finite", file.source);
            }
            Ok(file)
        };
        let (weights, inputs) = (read("weights_init.npz")?, read("inputs.npz")?);
        let &[steps, batch, latent] = inputs.get("z1")?.shape() else {
            bail!("{}: \"z1\" must be [steps, batch, latent], not {:?}", inputs.source, inputs.get("z1")?.shape());
        };
        ensure!(steps > 0 && batch > 0, "{}: \"z1\" is empty: {steps} steps of {batch} latents", inputs.source);
        inputs.shaped("z2", &[steps, batch, latent])?;
        inputs.shaped("label_noise", &[steps, 2 * batch, 1])?;

        let mut config = Config::preset("tutorial")?;
        // As in the golden run: no dropout, and pictures are scaled as in the tutorial.
        config.range = config::Range::Unit;
        config.batch = batch;
        config.latent = u16::try_from(latent).context("the latent is longer than 65535")?;
        let side = side(&weights)?;
        let players = [("g", &GENERATOR[..], &mut config.generator), ("d", &DISCRIMINATOR, &mut config.discriminator)];
        for (letter, names, player) in players {
            for (layer, name) in player.layers.iter_mut().zip(names) {
                let name = format!("{letter}.{name}.kernel");
                let size = if letter == "g" { side } else { 1 };
                fit(layer, size, weights.get(&name)?.shape())
                    .with_context(|| format!("{}: \"{name}\"", weights.source))?;
            }
        }
        Ok(Self {
            frogs: frogs(&inputs)?.into(),
            activations: read("activations.npz")?,
            step: read("step1.npz")?,
            weights,
            inputs,
            steps,
            config,
        })
    }

    /// The first step. Units that are 0 except for rounding are put on the same side of 0 as in Keras.
    fn first_step(&self, state: &State, players: [&Side; 2], sides: &mut Vec<Unit>) -> Result<Played> {
        let mut best = self.play_first(state, sides)?;
        for player in players {
            let stored = player.flat(&self.step, "grad.")?;
            let off = |played: &Played| player.off(&stored, player.gradient(played.trainer.trace()));
            let mut off_best = off(&best);
            let mut near: Vec<_> = best.near.iter().copied().filter(|unit| player.learns_from(unit.pass)).collect();
            near.sort_by(|a, b| a.size.total_cmp(&b.size));
            for unit in near.into_iter().take(kinks::MAX_UNITS) {
                if off_best.iter().all(|off| *off <= 1.0) {
                    break;
                }
                sides.push(unit);
                let tried = self.play_first(state, sides)?;
                let off_tried = off(&tried);
                if squares(&off_tried) < squares(&off_best) {
                    (best, off_best) = (tried, off_tried);
                } else {
                    sides.pop();
                }
            }
        }
        Ok(best)
    }

    /// The first step from this state, with these units on the other side of 0.
    fn play_first(&self, state: &State, sides: &[Unit]) -> Result<Played> {
        let mut trainer = Trainer::with_state(self.config.clone(), state.clone())?;
        let mut near = Vec::new();
        let losses = self.play(&mut trainer, 0, |pass, network| {
            near.extend(kinks::near(pass, network));
            kinks::flip(pass, network, sides);
        })?;
        Ok(Played { trainer, losses, near })
    }

    /// The losses of the compared steps after the first.
    fn later(&self, trainer: &mut Trainer) -> Result<Vec<Losses>> {
        (1..self.steps.min(LOSSES.len())).map(|t| self.play(trainer, t, |_, _| {})).collect()
    }

    /// Runs step `t` of the trainer with the stored random numbers.
    fn play(&self, trainer: &mut Trainer, t: usize, watch: impl FnMut(ForwardPass, &mut Network)) -> Result<Losses> {
        let noise = self.inputs.get("label_noise")?.index_axis(Axis(0), t);
        let inputs = StepInputs {
            real: trainer.real_batch(&self.frogs)?.0,
            classes: Vec::new(),
            latents: self.latents("z1", t)?,
            fresh_latents: Some(self.latents("z2", t)?),
            teacher: None,
            label_noise: noise.iter().map(|&u| u as f32).collect(),
            // The golden run has no augmentation and no dropout.
            changes: [(); 3].map(|()| vec![Change::default(); self.config.batch]),
            dropout: [0; 3],
        };
        trainer.step_observed(&inputs, watch)
    }

    fn latents(&self, name: &str, t: usize) -> Result<Array2<f32>> {
        let values = self.inputs.get(name)?.index_axis(Axis(0), t).mapv(|v| v as f32);
        Ok(values.into_dimensionality()?)
    }

    /// Compares every layer's output for the first picture of the last batch. Keras stores a
    /// dense layer's output as one row.
    fn activations(&self, report: &mut Report, letter: &str, names: &[&str], network: &Network) -> Result<()> {
        for (i, (name, block)) in names.iter().zip(network.blocks()).enumerate() {
            let (name, shape) = (format!("{letter}.{name}"), block.geometry().output);
            let array = self.activations.get(&name)?;
            if array.shape() != [shape.len()] {
                self.activations.shaped(&name, &dims(shape))?;
            }
            let ours = network.activation(i);
            let tolerance = if name == "d.logit" { Tolerance::Logit } else { Tolerance::Relative };
            report.compare("activations", &name, array, ours.row(0), tolerance);
        }
        Ok(())
    }

    fn images(&self, report: &mut Report, name: &str, ours: ArrayView2<'_, f32>, shape: Shape) -> Result<()> {
        let [h, w, c] = dims(shape);
        let array = self.step.shaped(name, &[ours.nrows(), h, w, c])?;
        report.compare("pictures and logits", name, array, ours, Tolerance::Relative);
        Ok(())
    }

    fn logits(&self, report: &mut Report, name: &str, ours: &Array1<f32>) -> Result<()> {
        let array = self.step.shaped(name, &[ours.len(), 1])?;
        report.compare("pictures and logits", name, array, ours, Tolerance::Logit);
        Ok(())
    }

    fn losses(&self, report: &mut Report, ours: &[Losses]) -> Result<()> {
        for (name, of) in LOSS_NAMES {
            let stored = self.step.shaped(name, &[self.steps])?;
            for (t, ((ours, &theirs), tolerance)) in ours.iter().zip(stored).zip(LOSSES).enumerate() {
                let (largest, worst) = (theirs.abs(), (of(ours) - theirs).abs());
                report.checks.push(Check {
                    group: "losses",
                    tensor: loss_name(name, t),
                    shape: Vec::new(),
                    largest,
                    worst,
                    tolerance: format!("{tolerance:e}"),
                    ok: worst <= tolerance * largest.max(1.0),
                });
            }
        }
        Ok(())
    }

    /// Repeats the steps with initial weights changed by one float32 step. Losses after the first step may differ by a
    /// multiple of the change that this makes.
    fn allow_for_rounding(
        &self,
        report: &mut Report,
        state: &State,
        ours: &[Losses],
        players: [(&Side, &Vec<f32>); 2],
    ) -> Result<()> {
        let (mut last_bits, mut moved) = (0.0f64, vec![[0.0f64; LOSS_NAMES.len()]; ours.len()]);
        for i in 0..NUDGES {
            let mut state = state.clone();
            for (stream, weights) in [&mut state.generator, &mut state.discriminator].into_iter().enumerate() {
                let mut rng = rng(0, i, stream as u64);
                weights.iter_mut().for_each(|w| *w = if rng.random() { w.next_up() } else { w.next_down() });
            }
            let Played { mut trainer, losses, .. } = self.play_first(&state, &[])?;
            for (player, gradient) in players {
                let off = player.off(gradient, player.gradient(trainer.trace()));
                last_bits = off.into_iter().fold(last_bits, |last_bits, off| last_bits.max(off * RELATIVE));
            }
            let losses = [vec![losses], self.later(&mut trainer)?].concat();
            for ((moved, nudged), ours) in moved.iter_mut().zip(&losses).zip(ours) {
                for (moved, (_, of)) in moved.iter_mut().zip(LOSS_NAMES) {
                    *moved = moved.max((of(nudged) - of(ours)).abs());
                }
            }
        }
        report.last_bits = Some(last_bits);
        for (t, moved) in moved.iter().enumerate().skip(1) {
            for ((name, _), moved) in LOSS_NAMES.iter().zip(moved) {
                let (name, allowed) = (loss_name(name, t), MARGIN * moved);
                let check = report.checks.iter_mut().find(|c| !c.ok && c.tensor == name && allowed >= c.worst);
                if let Some(check) = check {
                    (check.ok, check.tolerance) = (true, format!("{allowed:.1e}, by last bits"));
                }
            }
        }
        Ok(())
    }
}

fn loss_name(name: &str, t: usize) -> String {
    format!("{name}[{t}]")
}

/// Results of a first step.
struct Played {
    trainer: Trainer,
    losses: Losses,
    /// Units whose input was nearly 0.
    near: Vec<Unit>,
}

/// Height and width of the generator's first map, computed from several shapes because no array has it directly.
fn side(weights: &Tensors) -> Result<u16> {
    let (dense, conv) = (weights.get("g.dense.kernel")?.shape(), weights.get("g.conv1.kernel")?.shape());
    let pixels = match (dense, conv) {
        (&[_, values], &[_, _, channels, _]) if channels > 0 && values % channels == 0 => values / channels,
        _ => 0,
    };
    let side = pixels.isqrt();
    ensure!(
        side > 0 && side * side == pixels,
        "{}: \"g.dense.kernel\" {dense:?} does not make a square map for \"g.conv1.kernel\" {conv:?}: \
         (latent, side * side * channels) and (height, width, channels, out) are needed",
        weights.source
    );
    u16::try_from(side).context("the first map is larger than any picture")
}

/// Sets the sizes of a layer of the tutorial to those of this kernel.
fn fit(layer: &mut Layer, side: u16, kernel: &[usize]) -> Result<()> {
    layer.dropout = 0.0;
    let channels = match (layer.op, kernel) {
        (OpName::Dense, &[_, values]) => {
            layer.size = Some([side, side]);
            values / usize::from(side).pow(2)
        }
        (OpName::Conv, &[h, w, _, channels]) | (OpName::ConvTranspose, &[h, w, channels, _]) if h == w => {
            layer.kernel = Some(u8::try_from(h).context("a kernel has at most 255 rows")?);
            channels
        }
        (op, shape) => {
            let needed = match op {
                OpName::Dense => "[in, out]",
                OpName::Conv => "[size, size, in, out]",
                OpName::ConvTranspose => "[size, size, out, in]",
            };
            bail!("a {op} layer needs the shape {needed}, not {shape:?}");
        }
    };
    layer.channels = u16::try_from(channels).context("a layer has at most 65535 channels")?;
    Ok(())
}

fn frogs(inputs: &Tensors) -> Result<Array4<u8>> {
    let array = inputs.get("frogs_u8")?;
    let is_pixel = |v: &f64| (0.0..=255.0).contains(v) && v.fract() == 0.0;
    ensure!(array.iter().all(is_pixel), "{}: \"frogs_u8\" must be whole numbers from 0 to 255", inputs.source);
    let shape =
        format!("{}: \"frogs_u8\" must be [pictures, height, width, 3], not {:?}", inputs.source, array.shape());
    array.mapv(|v| v as u8).into_dimensionality().context(shape)
}

/// One network's parameters under their names in Keras.
struct Side {
    letter: &'static str,
    optimiser: Optimiser,
    parameters: Vec<Parameter>,
}

/// A kernel or a bias.
struct Parameter {
    name: String,
    /// Shape in Keras.
    shape: Vec<usize>,
    /// Range in the network's parameter vector.
    place: Range<usize>,
    /// Whether this is the kernel of a transposed convolution: Keras has `[height, width, out, in]`, this program
    /// `[in, height, width, out]`. All other layouts agree.
    is_transposed: bool,
}

impl Side {
    fn new(letter: &'static str, names: &[&str], network: &Network, optimiser: Optimiser) -> Self {
        let mut parameters = Vec::new();
        for (name, block) in names.iter().zip(network.blocks()) {
            let g = block.geometry();
            let (h, w) = (g.y.kernel as usize, g.x.kernel as usize);
            let (input, output) = (g.input.channels.into(), g.output.channels.into());
            let shape = match block.spec().layer.op {
                Op::Dense { .. } => vec![g.input.len(), g.output.len()],
                Op::Conv { .. } => vec![h, w, input, output],
                Op::ConvTranspose { .. } => vec![h, w, output, input],
            };
            parameters.push(Parameter {
                name: format!("{letter}.{name}.kernel"),
                shape,
                place: block.weights(),
                is_transposed: block.spec().layer.op.is_transposed(),
            });
            parameters.push(Parameter {
                name: format!("{letter}.{name}.bias"),
                shape: vec![block.bias_or_beta().len()],
                place: block.bias_or_beta(),
                is_transposed: false,
            });
        }
        Self { letter, optimiser, parameters }
    }

    /// The arrays `prefix` + name as one vector in this program's layout.
    fn flat(&self, file: &Tensors, prefix: &str) -> Result<Vec<f32>> {
        let mut flat = Vec::new();
        for p in &self.parameters {
            let array = file.shaped(&format!("{prefix}{}", p.name), &p.shape)?;
            let array = if p.is_transposed { array.view().permuted_axes(vec![3, 0, 1, 2]) } else { array.view() };
            flat.extend(array.iter().map(|&v| v as f32));
        }
        Ok(flat)
    }

    /// The inverse of [`flat`](Self::flat).
    #[cfg(test)]
    fn store(&self, file: &mut Tensors, prefix: &str, flat: &[f32]) {
        for p in &self.parameters {
            let array = file.map.get_mut(&format!("{prefix}{}", p.name)).unwrap();
            let array =
                if p.is_transposed { array.view_mut().permuted_axes(vec![3, 0, 1, 2]) } else { array.view_mut() };
            array.into_iter().zip(&flat[p.place.clone()]).for_each(|(to, &from)| *to = from.into());
        }
    }

    /// Whether the network's gradient passes through the units of this pass.
    fn learns_from(&self, pass: ForwardPass) -> bool {
        matches!(pass, ForwardPass::G | ForwardPass::DOfG) == (self.letter == "g")
    }

    fn gradient<'a>(&self, trace: &'a Trace) -> &'a [f32] {
        let turn = if self.letter == "g" { &trace.generator } else { &trace.discriminator };
        &turn.gradient
    }

    /// Error of every value of a gradient, divided by the tolerance.
    fn off(&self, stored: &[f32], ours: &[f32]) -> Vec<f64> {
        let mut off = Vec::new();
        for p in &self.parameters {
            let (stored, ours) = (&stored[p.place.clone()], &ours[p.place.clone()]);
            let allowed = (RELATIVE * largest(stored)).max(f64::MIN_POSITIVE);
            off.extend(ours.iter().zip(stored).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs() / allowed));
        }
        off
    }

    /// The state before the first step. `self` is the generator.
    fn state(&self, discriminator: &Self, weights: &[f32], discriminator_weights: &[f32]) -> State {
        State {
            step: 0,
            average: weights.into(),
            generator_moments: self.optimiser.moments(weights.len()),
            generator: weights.into(),
            discriminator_moments: discriminator.optimiser.moments(discriminator_weights.len()),
            discriminator: discriminator_weights.into(),
        }
    }

    fn gradients(&self, report: &mut Report, file: &Tensors, ours: &[f32]) -> Result<()> {
        let stored = self.flat(file, "grad.")?;
        self.compare(report, "gradients", "grad.", &stored, ours, Tolerance::Relative);
        Ok(())
    }

    /// Compares the optimiser alone, with the stored gradients, and the weights after the whole step.
    fn weights(&self, report: &mut Report, file: &Tensors, first: &[f32], ours: &[f32]) -> Result<()> {
        let (gradient, stored) = (self.flat(file, "grad.")?, self.flat(file, "after.")?);
        // The weights after a step with gradients that are off by this many times their tolerance.
        let step = |off: f64| {
            let (mut params, mut gradient) = (first.to_vec(), gradient.clone());
            for p in &self.parameters {
                let off = (off * RELATIVE * largest(&gradient[p.place.clone()])) as f32;
                gradient[p.place.clone()].iter_mut().for_each(|g| *g += off);
            }
            self.optimiser.step(1.0, &mut params, &gradient, &mut self.optimiser.moments(first.len()));
            params
        };
        self.compare(report, "optimiser alone", "after.", &stored, &step(0.0), Tolerance::Absolute);

        // A larger gradient gives a smaller weight.
        let (low, high) = (step(1.0), step(-1.0));
        let allowed =
            |i: usize| -> RangeInclusive<f64> { f64::from(low[i]) - ABSOLUTE..=f64::from(high[i]) + ABSOLUTE };
        for p in &self.parameters {
            report.checks.push(Check {
                group: "weights, whole step",
                tensor: format!("after.{}", p.name),
                shape: p.shape.clone(),
                largest: largest(&stored[p.place.clone()]),
                worst: worst(&ours[p.place.clone()], &stored[p.place.clone()]),
                tolerance: "its gradient's".into(),
                ok: p.place.clone().all(|i| allowed(i).contains(&f64::from(ours[i]))),
            });
        }
        let far = |(a, b): &(&f32, &f32)| (f64::from(**a) - f64::from(**b)).abs() > ABSOLUTE;
        let count = ours.iter().zip(&stored).filter(far).count();
        let movable = step(LAST_BIT).iter().zip(&step(-LAST_BIT)).filter(far).count();
        let most = ALLOWED_EXCEPTIONS.max((SHARE * stored.len() as f64) as usize).max(movable);
        report.checks.push(Check {
            group: "weights, whole step",
            tensor: format!("after.{}.*", self.letter),
            shape: vec![stored.len()],
            largest: largest(&stored),
            worst: worst(ours, &stored),
            tolerance: format!("{count} of {most} off by > {ABSOLUTE:e}"),
            ok: count <= most,
        });
        Ok(())
    }

    fn compare(
        &self,
        report: &mut Report,
        group: &'static str,
        prefix: &str,
        stored: &[f32],
        ours: &[f32],
        tolerance: Tolerance,
    ) {
        for p in &self.parameters {
            let (stored, ours) = (&stored[p.place.clone()], &ours[p.place.clone()]);
            report.add(group, format!("{prefix}{}", p.name), p.shape.clone(), stored, ours, tolerance);
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = match self.pass {
            ForwardPass::G => format!("g.{}", GENERATOR_MAPS[self.layer]),
            _ => format!("d.{}", DISCRIMINATOR_MAPS[self.layer]),
        };
        write!(f, "a value of {layer}, {:.1e} of its largest", self.size)
    }
}

fn dims(shape: Shape) -> [usize; 3] {
    [shape.height.into(), shape.width.into(), shape.channels.into()]
}

fn squares(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A golden set in which one value of the generator that is 0 except for rounding is on the other
    /// side of 0.
    #[test]
    fn a_value_that_is_0_but_for_rounding_may_be_on_either_side() {
        let mut golden = Golden::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/keras")).unwrap();
        let (generator, discriminator) = golden.config.networks().unwrap();
        let g = Side::new("g", &GENERATOR, &generator, golden.config.generator.optimiser);
        let d = Side::new("d", &DISCRIMINATOR, &discriminator, golden.config.discriminator.optimiser);
        let state =
            |golden: &Golden| g.state(&d, &g.flat(&golden.weights, "").unwrap(), &d.flat(&golden.weights, "").unwrap());

        // Sets a bias so that the first value of a map is 0.
        let bias = &mut golden.weights.map.get_mut("g.conv2.bias").unwrap()[0];
        *bias = 0.0;
        let mut input = 0.0;
        let mut trainer = Trainer::with_state(golden.config.clone(), state(&golden)).unwrap();
        let see = |pass, network: &mut Network| {
            if pass == ForwardPass::G {
                let y = network.activation(3)[[0, 0]];
                input = f64::from(if y > 0.0 { y } else { y / 0.3 });
            }
        };
        golden.play(&mut trainer, 0, see).unwrap();
        golden.weights.map.get_mut("g.conv2.bias").unwrap()[0] = -input;

        let state = state(&golden);
        let first = golden.play_first(&state, &[]).unwrap();
        let mut near = first.near.iter().filter(|unit| unit.pass == ForwardPass::G && unit.layer == 3);
        let unit = *near.next().expect("the value is nearly 0");
        let other = golden.play_first(&state, &[unit]).unwrap();
        let [ours, theirs] = [&first, &other].map(|played| g.gradient(played.trainer.trace()).to_vec());
        assert!(g.off(&theirs, &ours).iter().any(|&off| off > 1.0), "the unit makes no difference");

        g.store(&mut golden.step, "grad.", &theirs);
        d.store(&mut golden.step, "grad.", d.gradient(other.trainer.trace()));
        let settle = |golden: &Golden| {
            let mut sides = Vec::new();
            let played = golden.first_step(&state, [&d, &g], &mut sides).unwrap();
            let off = g.off(&g.flat(&golden.step, "grad.").unwrap(), g.gradient(played.trainer.trace()));
            (sides, off.iter().all(|&off| off <= 1.0))
        };
        assert_eq!(settle(&golden), (vec![unit], true));

        // A real error is still reported.
        let kernel = golden.step.map.get_mut("grad.g.conv1.kernel").unwrap();
        let largest = kernel.iter().fold(0.0, |largest: f64, v| largest.max(v.abs()));
        *kernel.first_mut().unwrap() += 1e-3 * largest;
        let (sides, well) = settle(&golden);
        assert!(sides.contains(&unit) && !well, "{sides:?}");
    }
}
