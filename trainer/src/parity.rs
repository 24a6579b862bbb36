//! Parity with Keras: the same weights, pictures and random numbers, and the same
//! activations, losses, gradients and new weights.
//!
//! A golden set is a folder of arrays that Keras computed for the network of the
//! tutorial at some width (`trainer/interop/golden.py` makes them, and says how):
//!
//! | file | arrays |
//! |---|---|
//! | `weights_init.npz` | first weights, in Keras's layouts |
//! | `inputs.npz` | pictures, latents and label noise of every step |
//! | `activations.npz` | every layer's output for the first latent |
//! | `step1.npz` | of the first step: pictures, logits, gradients, new weights; the losses of all steps |
//!
//! Widths, kernels, latent, batch and number of steps are read from the arrays. What
//! is compared went through [`Trainer::play`], the step that every run takes.
//!
//! # Tolerances
//! Keras's numbers are float64's, ours float32's.
//!
//! | what | difference allowed |
//! |---|---|
//! | activations, pictures, gradients | 1e-5 of the tensor's largest value |
//! | logits | the same, or 1e-5 if none reaches 1: the loss counts them in absolute terms |
//! | the optimiser alone, on the stored gradients | 1e-6 |
//! | weights after the whole step | 1e-6, unless the gradient is so near 0 that its own tolerance explains more |
//! | the share of a player's weights that need this excuse | 0.03 %, or three weights |
//! | losses of the first three steps | 1e-6, 1e-5, 1e-4; times the loss where it is over 1 |
//!
//! The first step of RMSprop is nearly `√10 · lr · sign(gradient)`, so where a gradient
//! is 0 but for rounding, a weight may land on either side. Keras and PyTorch in
//! float32 need that excuse for up to 0.03 % of the weights. Later losses part for the
//! same reason: Keras in float32 is off by up to 1e-6 in the second step and 7e-6 in
//! the third, and by 0.1 in the tenth.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::{Op, Shape};
use ndarray::{Array1, Array2, Array4, ArrayD, ArrayView2, Axis};

use crate::augment::Change;
use crate::config::{self, Config, Layer, OpName};
use crate::nn::optim::Optimiser;
use crate::nn::{Network, Pass};
use crate::tensors::Tensors;
use crate::train::{Draws, Losses, State, Trainer};

/// Names of the generator's layers, first to last, and of the discriminator's.
const GENERATOR: [&str; 6] = ["dense", "conv1", "convt", "conv2", "conv3", "conv4"];
const DISCRIMINATOR: [&str; 5] = ["conv1", "conv2", "conv3", "conv4", "dense"];
/// Names of what comes out of them.
const GENERATOR_MAPS: [&str; 6] = ["dense", "conv1", "convt", "conv2", "conv3", "out"];
const DISCRIMINATOR_MAPS: [&str; 5] = ["conv1", "conv2", "conv3", "conv4", "logit"];

/// For activations and gradients, of the tensor's largest value.
const RELATIVE: f64 = 1e-5;
/// For weights.
const ABSOLUTE: f64 = 1e-6;
/// Share and number of a player's weights that may be off by more than [`ABSOLUTE`].
const SHARE: f64 = 3e-4;
const FEW: usize = 3;
/// For the losses of the first steps; later ones say nothing in float32.
const LOSSES: [f64; 3] = [1e-6, 1e-5, 1e-4];

/// All comparisons with a golden set.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The network that was read from the arrays, in words.
    pub network: String,
    /// In the order of a step.
    pub checks: Vec<Check>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What kind of numbers they are.
    pub group: &'static str,
    /// Name of the array.
    pub tensor: String,
    /// Its shape in the golden set.
    pub shape: Vec<usize>,
    /// Largest magnitude in the golden set.
    pub largest: f64,
    /// Largest difference.
    pub worst: f64,
    /// What is allowed, in words.
    pub tolerance: String,
    /// Whether it is kept.
    pub ok: bool,
}

/// Compares with the golden set in `folder`.
///
/// # Errors
/// When a file or an array is missing or damaged, or has a shape that does not fit the
/// others. A comparison out of tolerance is no error: the report tells.
pub fn check(folder: &Path) -> Result<Report> {
    let golden = Golden::read(folder)?;
    let config = &golden.config;
    let (mut generator, mut discriminator) = config.networks().with_context(|| golden.weights.source.clone())?;
    golden.inputs.shaped("frogs_u8", &[&[golden.frogs.dim().0], &dims(generator.output())[..]].concat())?;
    let g = Side::new("g", &GENERATOR, &generator, config.generator.optimiser);
    let d = Side::new("d", &DISCRIMINATOR, &discriminator, config.discriminator.optimiser);
    let (g_first, d_first) = (g.flat(&golden.weights, "")?, d.flat(&golden.weights, "")?);
    let mut report = Report {
        network: format!(
            "generator {} parameters, discriminator {}; latent {}, batch {}, {} steps",
            g_first.len(),
            d_first.len(),
            config.latent,
            config.batch,
            golden.steps
        ),
        checks: Vec::new(),
    };

    let latents = golden.latents("z1", 0)?;
    let fake = generator.forward(&g_first, latents.view(), Pass::Eval).to_owned();
    golden.activations(&mut report, "g", &GENERATOR_MAPS, &generator)?;
    discriminator.forward(&d_first, fake.view(), Pass::Eval);
    golden.activations(&mut report, "d", &DISCRIMINATOR_MAPS, &discriminator)?;

    let state = State {
        step: 0,
        average: g_first.clone(),
        generator_moments: g.optimiser.moments(g_first.len()),
        generator: g_first.clone(),
        discriminator_moments: d.optimiser.moments(d_first.len()),
        discriminator: d_first.clone(),
    };
    let mut trainer = Trainer::with_state(config.clone(), state)?;
    let mut losses = vec![golden.play(&mut trainer, 0)?];
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

    for t in 1..golden.steps.min(LOSSES.len()) {
        losses.push(golden.play(&mut trainer, t)?);
    }
    golden.losses(&mut report, "d_loss", losses.iter().map(|l| l.d_loss))?;
    golden.losses(&mut report, "g_loss", losses.iter().map(|l| l.g_loss))?;
    Ok(report)
}

/// The files of a golden set, and what they say of the network.
struct Golden {
    weights: Tensors,
    inputs: Tensors,
    activations: Tensors,
    step: Tensors,
    frogs: Array4<u8>,
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
        // As in the golden run: nothing is dropped, and pictures are scaled as in the tutorial.
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
            frogs: frogs(&inputs)?,
            activations: read("activations.npz")?,
            step: read("step1.npz")?,
            weights,
            inputs,
            steps,
            config,
        })
    }

    /// Step `t` of the trainer with the stored random numbers.
    fn play(&self, trainer: &mut Trainer, t: usize) -> Result<Losses> {
        let noise = self.inputs.get("label_noise")?.index_axis(Axis(0), t);
        let draws = Draws {
            real: trainer.real_batch(&self.frogs)?,
            latents: self.latents("z1", t)?,
            fresh_latents: Some(self.latents("z2", t)?),
            label_noise: noise.iter().map(|&u| u as f32).collect(),
            // The golden networks change and drop nothing.
            changes: [(); 3].map(|()| vec![Change::default(); self.config.batch]),
            dropout: [0; 3],
        };
        trainer.play(&draws)
    }

    fn latents(&self, name: &str, t: usize) -> Result<Array2<f32>> {
        let values = self.inputs.get(name)?.index_axis(Axis(0), t).mapv(|v| v as f32);
        Ok(values.into_dimensionality()?)
    }

    /// Every layer's output for the first picture of the last batch. Keras gives a
    /// dense layer's as one row.
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

    /// The losses of as many steps as `ours` has.
    fn losses(&self, report: &mut Report, name: &str, ours: impl Iterator<Item = f64>) -> Result<()> {
        let stored = self.step.shaped(name, &[self.steps])?;
        for (i, ((ours, &theirs), tolerance)) in ours.zip(stored).zip(LOSSES).enumerate() {
            let (largest, worst) = (theirs.abs(), (ours - theirs).abs());
            report.checks.push(Check {
                group: "losses",
                tensor: format!("{name}[{i}]"),
                shape: Vec::new(),
                largest,
                worst,
                tolerance: format!("{tolerance:e}"),
                ok: worst <= tolerance * largest.max(1.0),
            });
        }
        Ok(())
    }
}

/// Height and width of the generator's first map, which no array's shape tells directly.
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

/// Gives a layer of the tutorial the sizes of this kernel.
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

/// One player's parameters under their names in Keras.
struct Side {
    letter: &'static str,
    optimiser: Optimiser,
    parameters: Vec<Parameter>,
}

/// A kernel or a bias.
struct Parameter {
    name: String,
    /// In Keras.
    shape: Vec<usize>,
    /// Where it lies in the network's vector.
    place: Range<usize>,
    /// Keras's transposed convolutions have the kernel `[height, width, out, in]`,
    /// ours `[in, height, width, out]`; all other layouts agree.
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
                is_transposed: matches!(block.spec().layer.op, Op::ConvTranspose { .. }),
            });
            parameters.push(Parameter {
                name: format!("{letter}.{name}.bias"),
                shape: vec![block.shift().len()],
                place: block.shift(),
                is_transposed: false,
            });
        }
        Self { letter, optimiser, parameters }
    }

    /// The arrays `prefix` + name as one vector in our layout.
    fn flat(&self, file: &Tensors, prefix: &str) -> Result<Vec<f32>> {
        let mut flat = Vec::new();
        for p in &self.parameters {
            let array = file.shaped(&format!("{prefix}{}", p.name), &p.shape)?;
            let array = if p.is_transposed { array.view().permuted_axes(vec![3, 0, 1, 2]) } else { array.view() };
            flat.extend(array.iter().map(|&v| v as f32));
        }
        Ok(flat)
    }

    fn gradients(&self, report: &mut Report, file: &Tensors, ours: &[f32]) -> Result<()> {
        let stored = self.flat(file, "grad.")?;
        self.compare(report, "gradients", "grad.", &stored, ours, Tolerance::Relative);
        Ok(())
    }

    /// Compares the optimiser by itself, on the stored gradients, and the weights that the whole step left.
    fn weights(&self, report: &mut Report, file: &Tensors, first: &[f32], ours: &[f32]) -> Result<()> {
        let (gradient, stored) = (self.flat(file, "grad.")?, self.flat(file, "after.")?);
        // The first weights after a step with gradients that are off by so many times their tolerance.
        let step = |off: f64| {
            let (mut params, mut gradient) = (first.to_vec(), gradient.clone());
            for p in &self.parameters {
                let off = (off * RELATIVE * largest(&gradient[p.place.clone()])) as f32;
                gradient[p.place.clone()].iter_mut().for_each(|g| *g += off);
            }
            self.optimiser.step(0, 1.0, &mut params, &gradient, &mut self.optimiser.moments(first.len()));
            params
        };
        self.compare(report, "optimiser alone", "after.", &stored, &step(0.0), Tolerance::Absolute);

        // A weight falls as its gradient grows.
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
        report.checks.push(Check {
            group: "weights, whole step",
            tensor: format!("after.{}.*", self.letter),
            shape: vec![stored.len()],
            largest: largest(&stored),
            worst: worst(ours, &stored),
            tolerance: format!("{count} off by > {ABSOLUTE:e}"),
            ok: count <= FEW.max((SHARE * stored.len() as f64) as usize),
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

/// How much a value may be off.
#[derive(Debug, Clone, Copy)]
enum Tolerance {
    Relative,
    Logit,
    Absolute,
}

impl Report {
    /// Whether every comparison is within its tolerance.
    pub fn is_ok(&self) -> bool {
        self.out().next().is_none()
    }

    /// The comparisons that are not.
    pub fn out(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|c| !c.ok)
    }

    fn compare<'a>(
        &mut self,
        group: &'static str,
        name: &str,
        stored: &ArrayD<f64>,
        ours: impl IntoIterator<Item = &'a f32>,
        tolerance: Tolerance,
    ) {
        let values: Vec<_> = stored.iter().map(|&v| v as f32).collect();
        let ours: Vec<_> = ours.into_iter().copied().collect();
        self.add(group, name.to_owned(), stored.shape().to_vec(), &values, &ours, tolerance);
    }

    fn add(
        &mut self,
        group: &'static str,
        tensor: String,
        shape: Vec<usize>,
        stored: &[f32],
        ours: &[f32],
        tolerance: Tolerance,
    ) {
        let (largest, worst) = (largest(stored), worst(ours, stored));
        let (allowed, tolerance) = match tolerance {
            Tolerance::Relative => (RELATIVE * largest, format!("{RELATIVE:e} of the largest")),
            Tolerance::Logit => (RELATIVE * largest.max(1.0), format!("{:.1e}", RELATIVE * largest.max(1.0))),
            Tolerance::Absolute => (ABSOLUTE, format!("{ABSOLUTE:e}")),
        };
        self.checks.push(Check { group, tensor, shape, largest, worst, tolerance, ok: worst <= allowed });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.network)?;
        let mut group = "";
        for c in &self.checks {
            if c.group != group {
                group = c.group;
                writeln!(
                    f,
                    "\n{group:<22} {:>14} {:>9} {:>9} {:>9}  tolerance",
                    "shape", "largest", "worst", "relative"
                )?;
            }
            let shape: Vec<_> = c.shape.iter().map(ToString::to_string).collect();
            let relative = if c.worst == 0.0 { 0.0 } else { c.worst / c.largest };
            let (tensor, shape, verdict) = (&c.tensor, shape.join("x"), if c.ok { "ok" } else { "OUT" });
            let (largest, worst, tolerance) = (c.largest, c.worst, &c.tolerance);
            writeln!(
                f,
                "{tensor:<22} {shape:>14} {largest:>9.2e} {worst:>9.1e} {relative:>9.1e}  {tolerance:<19}  {verdict}"
            )?;
        }
        let out: Vec<_> = self.out().map(|c| format!("{} ({})", c.tensor, c.group)).collect();
        if out.is_empty() {
            write!(f, "\nall {} comparisons are within tolerance", self.checks.len())
        } else {
            write!(f, "\n{} of {} comparisons are out of tolerance: {}", out.len(), self.checks.len(), out.join(", "))
        }
    }
}

fn dims(shape: Shape) -> [usize; 3] {
    [shape.height.into(), shape.width.into(), shape.channels.into()]
}

fn largest(values: &[f32]) -> f64 {
    values.iter().fold(0.0, |largest, &v| f64::from(v).abs().max(largest))
}

/// The largest difference; not a number if there is any that is none.
fn worst(a: &[f32], b: &[f32]) -> f64 {
    let difference = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).abs();
    a.iter().zip(b).map(difference).fold(0.0, |worst, d| if d <= worst { worst } else { d })
}
