//! One training step as a file, for a comparison with PyTorch in both directions.
//!
//! [`write`] performs a step and stores everything that goes into it and comes out of it.
//! `trainer/interop/check_parity.py` performs the same step with PyTorch and compares. It can also store its own results in
//! such a file, and [`check`] then compares ours with them.
//!
//! The file is a `.safetensors` in PyTorch's layouts. Parameters have PyTorch's names behind one of the kinds and the
//! network: `before.generator.layers.0.linear.weight`.
//!
//! | arrays | |
//! |---|---|
//! | `before.*`, `average.*`, `first.*`, `second.*` | state before the step: parameters, their moving average, moments of the optimisers |
//! | `real`, `classes`, `latents`, `fresh_latents`, `teacher`, `label_noise` | [`StepInputs`]; pictures are `[N, channels, height, width]` |
//! | `changes.P` | augmentation in pass P: 0 generated, 1 real, 2 the generator's update; `[N, 10]`, see [`Change::numbers`] |
//! | `dropout.P.L` | what the inputs of layer L of the discriminator are multiplied by in pass P |
//! | `near.PASS.L` | outputs of layer L that are hardly above 0, as rows of picture and position; see below |
//! | `fake`, `d_logits`, `images`, `g_logits`, `images_gradient` | [`Trace`] |
//! | `gradient.*`, `after.*`, `average_after.*` | gradients, and the state after the step |
//! | `d_loss`, `g_loss`, `d_real`, `d_fake`, `penalty`, `distance` | [`Losses`] |
//!
//! The header has the recipe, the number of the step and the seeds of the dropout.
//!
//! # Kinks
//! The derivative of a ReLU jumps at 0. Where a unit's input is 0 except for rounding, two programs may be on different
//! sides, and neither is wrong ([`kinks`](super::kinks)). The file lists the units that are positive and nearly 0. The
//! other program puts each of its units that are nearly 0 on the side that the list says.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use gen_core::spec::Shape;
use ndarray::{Array1, Array2, ArrayD, ArrayView2, Axis, s};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::report::{ABSOLUTE, Check, RELATIVE, Report, Tolerance, gradient_scale, largest, worst};
use crate::augment::{Change, NUMBERS};
use crate::config::{Config, Precision};
use crate::files::write_atomically;
use crate::interchange::layout::{Format, Layout, Mapping};
use crate::nn::classes::Place;
use crate::nn::optim::{self, Moments, Optimiser};
use crate::nn::{Dropout, Network, dropout};
use crate::quantise::FloatModel;
use crate::schedule::{ema_decay, linear_decay};
use crate::tensors::Tensors;
use crate::train::{Examples, ForwardPass, Losses, State, StepInputs, Trainer, update};

/// Steps before the one that is stored. In its first step an optimiser follows only the signs of the gradients, which
/// rounding changes; and a moving average would be equal to the weights.
const STEPS_BEFORE: u64 = 2;
/// Outputs of a ReLU under this share of the layer's largest one are listed. Several times as much as rounding changes them.
const NEAR: f32 = 1e-5;
/// The keys of the header.
const RECIPE: &str = "recipe";
const STEP: &str = "step";
const DROPOUT: &str = "dropout";

/// The recipe in float32. In bf16 two programs that compute the same differ by more than any mistake that is looked for.
fn in_float32(config: Config) -> Config {
    Config { precision: Precision::Float32, ..config }
}

/// Performs a step of this recipe on these pictures, in float32, and writes it to the file `path`. `teacher` is the one that
/// the recipe names.
///
/// # Errors
/// When the pictures or the teacher do not fit the recipe, or the file cannot be written.
pub fn write<'a>(
    config: &Config,
    examples: impl Into<Examples<'a>>,
    teacher: Option<FloatModel>,
    path: &Path,
) -> Result<()> {
    let (examples, config) = (examples.into(), &in_float32(config.clone()));
    let mut trainer = Trainer::new(config.clone())?;
    if let Some(teacher) = teacher {
        trainer.set_teacher(teacher)?;
    }
    for _ in 0..STEPS_BEFORE {
        trainer.step(examples)?;
    }
    let before = trainer.state.clone();
    let inputs = trainer.inputs(examples)?;
    let mut file = Writer::default();
    let losses = trainer.step_observed(&inputs, |pass, network| file.near(pass, network))?;

    let (generator, discriminator) = config.networks()?;
    let sides = Side::both(&generator, &discriminator);
    for side in &sides {
        let [first, after] = [&before, &trainer.state].map(|state| side.of(state));
        let kinds = [
            ("before", first.parameters),
            ("first", &first.moments.first),
            ("second", &first.moments.second),
            ("gradient", side.gradient(&trainer)),
            ("after", after.parameters),
        ];
        kinds.into_iter().for_each(|(kind, values)| file.parameters(kind, side, values));
    }
    file.parameters("average", &sides[0], &before.average);
    file.parameters("average_after", &sides[0], &trainer.state.average);
    file.inputs(&inputs, config, &generator, &discriminator);
    let trace = trainer.trace();
    let picture = generator.output();
    for (name, pictures) in [
        ("fake", &trace.discriminator.images),
        ("images", &trace.generator.images),
        ("images_gradient", &trace.d_images),
    ] {
        file.maps(name, picture, pictures.view());
    }
    for (name, logits) in [("d_logits", &trace.discriminator.logits), ("g_logits", &trace.generator.logits)] {
        file.floats(name, &[logits.len()], logits.iter());
    }
    for (name, value) in loss_values(&losses) {
        file.add(name, Dtype::F64, &[], value.to_le_bytes().into());
    }
    let seeds: Vec<_> = inputs.dropout.iter().map(ToString::to_string).collect();
    let header = [(RECIPE, config.to_toml()), (STEP, before.step.to_string()), (DROPOUT, seeds.join(" "))];
    write_atomically(path, &file.bytes(header)?)
}

/// Performs the step that the file at `path` describes, and compares the results with those in the file.
///
/// # Errors
/// When the file is damaged, or an array is missing or of another shape. A comparison out of tolerance is not an error; it
/// is in the report.
pub fn check(path: &Path) -> Result<Report> {
    let file = Tensors::read(path)?;
    let header =
        |key: &str| file.header.get(key).with_context(|| format!("{}: its header has no \"{key}\"", file.source));
    let config = Config::from_toml(header(RECIPE)?).with_context(|| format!("{}: the recipe", file.source))?;
    let config = in_float32(config);
    let step = header(STEP)?.parse().with_context(|| format!("{}: \"{STEP}\"", file.source))?;
    let (generator, discriminator) = config.networks()?;
    let sides @ [g, d] = &Side::both(&generator, &discriminator);
    let moments = |side: &Side, optimiser: Optimiser, updates: u64| -> Result<Moments> {
        let has_first = optimiser.moment_lengths(1)[0] > 0;
        let first = if has_first { side.read(&file, "first")? } else { Vec::new() };
        Ok(Moments { updates, first, second: side.read(&file, "second")? })
    };
    let state = State {
        step,
        generator: g.read(&file, "before")?.into(),
        average: g.read(&file, "average")?.into(),
        discriminator: d.read(&file, "before")?.into(),
        generator_moments: moments(g, config.generator.optimiser, step.saturating_sub(config.warm_up))?,
        discriminator_moments: moments(d, config.discriminator.optimiser, step)?,
    };
    let inputs = read_inputs(&file, &config, step, generator.output(), header(DROPOUT)?)?;
    let before = state.clone();
    let mut trainer = Trainer::with_state(config.clone(), state)?;
    let losses = trainer.step_with(&inputs)?;

    let mut report = Report {
        network: format!(
            "{}: generator {} parameters, discriminator {}; batch {}, step {step}",
            config.name,
            generator.parameter_count(),
            discriminator.parameter_count(),
            config.batch
        ),
        sides: Vec::new(),
        last_bits: None,
        checks: Vec::new(),
    };
    let trace = trainer.trace();
    let shape = generator.output();
    for (name, ours) in [
        ("fake", &trace.discriminator.images),
        ("images", &trace.generator.images),
        ("images_gradient", &trace.d_images),
    ] {
        let theirs = read_maps(&file, name, config.batch, shape)?;
        let dim = [config.batch, shape.channels.into(), shape.height.into(), shape.width.into()];
        report.add(
            "pictures and logits",
            name.into(),
            dim.into(),
            theirs.as_slice().unwrap_or_default(),
            flat(ours),
            Tolerance::Relative,
        );
    }
    for (name, ours) in [("d_logits", &trace.discriminator.logits), ("g_logits", &trace.generator.logits)] {
        report.compare("pictures and logits", name, file.shaped(name, &[ours.len()])?, ours, Tolerance::Logit);
    }
    let factor = linear_decay(step, config.steps, config.lr_decay_start);
    let networks = [(&generator, &config.generator), (&discriminator, &config.discriminator)];
    for (side, (network, options)) in sides.iter().zip(networks) {
        let (gradient, after) = (side.read(&file, "gradient")?, side.read(&file, "after")?);
        side.compare(
            &mut report,
            "gradients",
            "gradient",
            &gradient,
            side.gradient(&trainer),
            Tolerance::Gradient(largest(&gradient)),
        );
        // The parameters after a step with gradients that are off by this many times their tolerance.
        let stepped = |off: f64| {
            let (mut parameters, mut gradient) = (side.of(&before).parameters.to_vec(), gradient.clone());
            for part in side.parts.iter().filter(|_| off != 0.0) {
                let off = (off * RELATIVE * gradient_scale(&gradient[part.place.clone()], largest(&gradient))) as f32;
                gradient[part.place.clone()].iter_mut().for_each(|g| *g += off);
            }
            update(network, options, factor, &mut parameters, &mut gradient, &mut side.of(&before).moments.clone());
            parameters
        };
        side.compare(&mut report, "optimiser alone", "after", &after, &stepped(0.0), Tolerance::Absolute);
        side.compare_weights(&mut report, &after, side.of(&trainer.state).parameters, [stepped(1.0), stepped(-1.0)]);
    }
    let (mut average, after) = (before.average, g.read(&file, "after")?);
    if let Some(update) = step.checked_sub(config.warm_up) {
        optim::average(&mut average, &after, ema_decay(update, config.ema_decay, config.ema_power));
    }
    g.compare(
        &mut report,
        "moving average",
        "average_after",
        &g.read(&file, "average_after")?,
        &average,
        Tolerance::Absolute,
    );
    for (name, ours) in loss_values(&losses) {
        let theirs = file.shaped(name, &[])?.first().copied().unwrap_or(f64::NAN);
        let (largest, worst) = (theirs.abs(), (ours - theirs).abs());
        let ok = worst <= ABSOLUTE * largest.max(1.0);
        let tolerance = format!("{ABSOLUTE:e}");
        report.checks.push(Check {
            group: "losses",
            tensor: name.into(),
            shape: Vec::new(),
            largest,
            worst,
            tolerance,
            ok,
        });
    }
    Ok(report)
}

/// The numbers of the losses by name.
fn loss_values(losses: &Losses) -> impl Iterator<Item = (&'static str, f64)> {
    let Losses { d_loss, g_loss, d_real, d_fake, penalty, distance } = *losses;
    let always = [("d_loss", d_loss), ("g_loss", g_loss), ("d_real", d_real), ("d_fake", d_fake)];
    let sometimes = [("penalty", penalty), ("distance", distance)];
    always.into_iter().chain(sometimes.into_iter().filter_map(|(name, value)| Some((name, value?))))
}

/// One network's parameters under their names in PyTorch.
struct Side {
    name: &'static str,
    parts: Vec<Part>,
}

/// One array of parameters.
struct Part {
    name: String,
    place: Range<usize>,
    shape: Vec<usize>,
    order: Order,
}

/// How an array's values are ordered in the file.
enum Order {
    Mapped(Mapping),
    /// Rows of class vectors. Each is a flattened map of this shape.
    Vectors(Shape),
}

/// What a state has for one network.
struct OfNetwork<'a> {
    parameters: &'a [f32],
    moments: &'a Moments,
}

impl Side {
    fn both(generator: &Network, discriminator: &Network) -> [Self; 2] {
        [Self::new("generator", generator), Self::new("discriminator", discriminator)]
    }

    fn new(name: &'static str, network: &Network) -> Self {
        let format = Format::from(Layout::Oihw);
        let mut parts = Vec::new();
        let mut add = |name: String, place: Range<usize>, mapping: Mapping| {
            parts.push(Part { name, place, shape: mapping.shape().to_vec(), order: Order::Mapped(mapping) });
        };
        for (i, block) in network.blocks().iter().enumerate() {
            let (op, geometry) = (block.spec().layer.op, block.geometry());
            let name = |leaf: &str| format!("layers.{i}.{leaf}");
            add(name("linear.weight"), block.weights(), Mapping::weights(op, geometry, format));
            if block.spec().norm.is_some() {
                add(name("norm.bias"), block.bias_or_beta(), Mapping::channels(geometry));
                add(name("norm.weight"), block.gamma(), Mapping::channels(geometry));
            } else {
                add(name("linear.bias"), block.bias_or_beta(), Mapping::biases(op, geometry, format));
            }
        }
        if let Some(vectors) = network.classes() {
            let map = match vectors.place {
                Place::Input => Shape::latent(vectors.width as u16),
                Place::Output => network.blocks().last().map_or(network.input(), |last| last.geometry().input),
            };
            parts.push(Part {
                name: "classes.weight".into(),
                place: vectors.range.clone(),
                shape: vec![vectors.count, vectors.width],
                order: Order::Vectors(map),
            });
        }
        Self { name, parts }
    }

    fn of<'a>(&self, state: &'a State) -> OfNetwork<'a> {
        match self.name {
            "generator" => OfNetwork { parameters: &state.generator, moments: &state.generator_moments },
            _ => OfNetwork { parameters: &state.discriminator, moments: &state.discriminator_moments },
        }
    }

    fn gradient<'a>(&self, trainer: &'a Trainer) -> &'a [f32] {
        let trace = trainer.trace();
        if self.name == "generator" { &trace.generator.gradient } else { &trace.discriminator.gradient }
    }

    /// The arrays of this kind as one vector in this program's layout.
    fn read(&self, file: &Tensors, kind: &str) -> Result<Vec<f32>> {
        let mut flat = Vec::new();
        for part in &self.parts {
            let array = file.shaped(&format!("{kind}.{}.{}", self.name, part.name), &part.shape)?;
            match &part.order {
                Order::Mapped(mapping) => flat.extend(mapping.from_file(array).into_iter().map(|v| v as f32)),
                Order::Vectors(map) => {
                    let values: Vec<_> = array.iter().map(|&v| v as f32).collect();
                    values.chunks_exact(map.len()).for_each(|row| flat.extend(to_pixels(*map, row)));
                }
            }
        }
        Ok(flat)
    }

    /// Compares the parameters after the step. They may differ by as much as the tolerance of their gradients explains:
    /// `ends` are the parameters with the largest and the smallest gradients that are allowed.
    fn compare_weights(&self, report: &mut Report, theirs: &[f32], ours: &[f32], ends: [Vec<f32>; 2]) {
        for part in &self.parts {
            let is_allowed = |i: usize| {
                let (a, b) = (f64::from(ends[0][i]), f64::from(ends[1][i]));
                (a.min(b) - ABSOLUTE..=a.max(b) + ABSOLUTE).contains(&f64::from(ours[i]))
            };
            let place = part.place.clone();
            report.checks.push(Check {
                group: "weights, whole step",
                tensor: format!("after.{}.{}", self.name, part.name),
                shape: part.shape.clone(),
                largest: largest(&theirs[place.clone()]),
                worst: worst(&ours[place.clone()], &theirs[place.clone()]),
                tolerance: "its gradient's".into(),
                ok: place.clone().all(is_allowed),
            });
        }
    }

    fn compare(
        &self,
        report: &mut Report,
        group: &'static str,
        kind: &str,
        theirs: &[f32],
        ours: &[f32],
        tolerance: Tolerance,
    ) {
        for part in &self.parts {
            let name = format!("{kind}.{}.{}", self.name, part.name);
            let [theirs, ours] = [theirs, ours].map(|values| &values[part.place.clone()]);
            report.add(group, name, part.shape.clone(), theirs, ours, tolerance);
        }
    }
}

/// A map `[height, width, channels]` as `[channels, height, width]`.
fn to_planes(shape: Shape, map: &[f32]) -> Vec<f32> {
    let channels = usize::from(shape.channels);
    (0..channels).flat_map(|c| map.iter().skip(c).step_by(channels)).copied().collect()
}

/// The inverse of [`to_planes`].
fn to_pixels(shape: Shape, planes: &[f32]) -> Vec<f32> {
    let pixels = shape.len() / usize::from(shape.channels).max(1);
    (0..pixels).flat_map(|pixel| planes.iter().skip(pixel).step_by(pixels)).copied().collect()
}

fn flat(map: &Array2<f32>) -> &[f32] {
    map.as_slice().expect("a batch is contiguous")
}

/// The arrays of a file that is written.
#[derive(Default)]
struct Writer {
    arrays: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl Writer {
    fn add(&mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) {
        self.arrays.push((name.into(), dtype, shape.into(), bytes));
    }

    fn floats<'a>(&mut self, name: &str, shape: &[usize], values: impl Iterator<Item = &'a f32>) {
        self.add(name, Dtype::F32, shape, values.flat_map(|v| v.to_le_bytes()).collect());
    }

    fn integers(&mut self, name: &str, shape: &[usize], values: impl Iterator<Item = usize>) {
        self.add(name, Dtype::I64, shape, values.flat_map(|v| (v as i64).to_le_bytes()).collect());
    }

    /// A batch of maps, `[N, H·W·C]`, as `[N, C, H, W]`.
    fn maps(&mut self, name: &str, shape: Shape, maps: ArrayView2<'_, f32>) {
        let planes: Vec<f32> = maps.rows().into_iter().flat_map(|row| to_planes(shape, &row.to_vec())).collect();
        let dim = [maps.nrows(), shape.channels.into(), shape.height.into(), shape.width.into()];
        self.floats(name, &dim, planes.iter());
    }

    /// A network's parameters, or as many values; nothing for an optimiser without this moment.
    fn parameters(&mut self, kind: &str, side: &Side, values: &[f32]) {
        for part in side.parts.iter().filter(|_| !values.is_empty()) {
            let ours = &values[part.place.clone()];
            let theirs = match &part.order {
                Order::Mapped(mapping) => mapping.to_file(ours),
                Order::Vectors(map) => ours.chunks_exact(map.len()).flat_map(|row| to_planes(*map, row)).collect(),
            };
            self.floats(&format!("{kind}.{}.{}", side.name, part.name), &part.shape, theirs.iter());
        }
    }

    fn inputs(&mut self, inputs: &StepInputs, config: &Config, generator: &Network, discriminator: &Network) {
        for (name, pictures) in [("real", Some(&inputs.real)), ("teacher", inputs.teacher.as_ref())] {
            if let Some(pictures) = pictures {
                self.maps(name, generator.output(), pictures.view());
            }
        }
        if !inputs.classes.is_empty() {
            self.integers("classes", &[inputs.classes.len()], inputs.classes.iter().map(|&class| class.into()));
        }
        for (name, latents) in [("latents", Some(&inputs.latents)), ("fresh_latents", inputs.fresh_latents.as_ref())] {
            if let Some(latents) = latents {
                self.floats(name, &[latents.nrows(), latents.ncols()], latents.iter());
            }
        }
        self.floats("label_noise", &[inputs.label_noise.len()], inputs.label_noise.iter());
        for (pass, changes) in inputs.changes.iter().enumerate() {
            // Both passes of the discriminator's update are one with joint batch normalisation.
            let (first, before) =
                if config.is_joint(STEPS_BEFORE) && pass == 1 { (0, config.batch) } else { (pass, 0) };
            let seed = inputs.dropout[first];
            let numbers: Vec<f32> = changes.iter().flat_map(Change::numbers).collect();
            self.floats(&format!("changes.{pass}"), &[changes.len(), NUMBERS], numbers.iter());
            for (layer, block) in discriminator.blocks().iter().enumerate() {
                if let Some(seed) = block.mask(Dropout::Seed(seed)) {
                    let mut mask = Array2::ones((before + config.batch, block.geometry().input.len()));
                    dropout::apply(block.spec().dropout, seed, mask.view_mut());
                    let mask = mask.slice(s![before.., ..]);
                    self.maps(&format!("dropout.{pass}.{layer}"), block.geometry().input, mask);
                }
            }
        }
    }

    /// The units of a pass that are positive and nearly 0.
    fn near(&mut self, pass: ForwardPass, network: &Network) {
        let names: &[_] = match pass {
            ForwardPass::DFake => &["d_fake"],
            ForwardPass::DReal => &["d_real"],
            ForwardPass::DBoth => &["d_fake", "d_real"],
            ForwardPass::G => &["g"],
            ForwardPass::DOfG => &["d_of_g"],
        };
        for (layer, block) in network.blocks().iter().enumerate() {
            if !matches!(block.spec().layer.activation.negative_slope(), Some(slope) if slope < 1.0) {
                continue;
            }
            let (maps, shape) = (network.activation(layer), block.geometry().output);
            for (name, map) in names.iter().zip(maps.axis_chunks_iter(Axis(0), maps.nrows() / names.len())) {
                let largest = map.iter().fold(0.0f32, |largest, y| largest.max(y.abs()));
                let near = map.indexed_iter().filter(|&(_, &y)| y > 0.0 && y < NEAR * largest);
                let (channels, pixels) = (usize::from(shape.channels), shape.len() / usize::from(shape.channels));
                let places: Vec<_> =
                    near.flat_map(|((picture, i), _)| [picture, i % channels * pixels + i / channels]).collect();
                self.integers(&format!("near.{name}.{layer}"), &[places.len() / 2, 2], places.into_iter());
            }
        }
    }

    fn bytes<const N: usize>(&self, header: [(&str, String); N]) -> Result<Vec<u8>> {
        let views = self
            .arrays
            .iter()
            .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)));
        let header: HashMap<_, _> = header.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(safetensors::serialize(views.collect::<Result<Vec<_>>>()?, Some(header))?)
    }
}

fn read_maps(file: &Tensors, name: &str, count: usize, shape: Shape) -> Result<Array2<f32>> {
    let dim = [count, shape.channels.into(), shape.height.into(), shape.width.into()];
    let planes: Vec<f32> = file.shaped(name, &dim)?.iter().map(|&v| v as f32).collect();
    let values = planes.chunks_exact(shape.len()).flat_map(|planes| to_pixels(shape, planes)).collect();
    Ok(Array2::from_shape_vec((count, shape.len()), values)?)
}

fn read_inputs(file: &Tensors, config: &Config, step: u64, picture: Shape, seeds: &str) -> Result<StepInputs> {
    let (batch, latent) = (config.batch, usize::from(config.latent));
    let matrix = |name: &str, columns: usize| -> Result<Array2<f32>> {
        let array: &ArrayD<f64> = file.shaped(name, &[batch, columns])?;
        Ok(array.mapv(|v| v as f32).into_dimensionality()?)
    };
    let classes = match config.is_conditional() {
        true => file.shaped("classes", &[batch])?.iter().map(|&class| class as u8).collect(),
        false => Vec::new(),
    };
    let mut changes = [const { Vec::new() }; 3];
    for (pass, changes) in changes.iter_mut().enumerate() {
        let numbers = matrix(&format!("changes.{pass}"), NUMBERS)?;
        *changes = flat(&numbers).as_chunks().0.iter().map(|&numbers| Change::from_numbers(numbers)).collect();
    }
    let seeds: Vec<u64> = seeds.split(' ').filter_map(|seed| seed.parse().ok()).collect();
    ensure!(seeds.len() == 3, "{}: \"{DROPOUT}\" has to be three seeds", file.source);
    let has_teacher = config.distil.as_ref().is_some_and(|distil| distil.is_used(step, config.steps));
    let noise: Array1<f32> = file.shaped("label_noise", &[2 * batch])?.iter().map(|&v| v as f32).collect();
    Ok(StepInputs {
        real: read_maps(file, "real", batch, picture)?,
        classes,
        latents: matrix("latents", latent)?,
        fresh_latents: config.fresh_latents.then(|| matrix("fresh_latents", latent)).transpose()?,
        teacher: has_teacher.then(|| read_maps(file, "teacher", batch, picture)).transpose()?,
        label_noise: noise,
        changes,
        dropout: [seeds[0], seeds[1], seeds[2]],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_and_pixels_are_inverse() {
        let shape = Shape::new(2, 3, 4);
        let map: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let planes = to_planes(shape, &map);
        assert_eq!(planes[..3], [0.0, 4.0, 8.0]);
        assert_eq!(to_pixels(shape, &planes), map);
    }
}
