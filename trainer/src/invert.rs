//! Finds the latent whose picture is nearest to a given picture.
//!
//! 1. Gradient descent on the latent of the float generator, with Adam, starts at many random latents at once, which are a
//!    batch. At fixed steps only the best of them go on. The float generator is that of a checkpoint, or is recovered from
//!    the model's integers.
//! 2. The best are rounded to the int8 steps that the device reads, and the engine draws them.
//! 3. A local search changes one step at a time, and lets the engine itself judge.
//!
//! The result depends on nothing but model, float generator, picture and [`Effort`].

use anyhow::{Result, ensure};
use gen_core::{ClassMix, Latent, Model};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, s};

use crate::classes::ClassTable;
use crate::latents::sample_budget;
use crate::nn::activation;
use crate::nn::linear::{Kernels, Linear};
use crate::pixels::to_float;
use crate::quantise::FloatModel;
use crate::quantise::draw::draw;

/// The first seed of the latents at which descents start.
const FIRST_START: u32 = 0x6000_0000;
/// Descents that go on after a fifth and after two fifths of the steps.
const KEPT: [usize; 2] = [32, 8];
/// Learning rates of the descent at its beginning and its end, in units of the latent. Between them it falls as a cosine.
const RATES: [f32; 2] = [0.15, 0.005];
/// Largest value of a latent: 127 steps.
const LARGEST: f32 = 127.0 * Latent::SCALE;
/// Changes of a value that the local search tries, in steps.
const CHANGES: [i16; 6] = [-4, -2, -1, 1, 2, 4];
/// Most changes that the local search makes.
const CHANGES_AT_MOST: usize = 100;
/// Most pictures that the engine draws for the local search, before a large generator makes them fewer.
const SEARCHED: u32 = 40_000;

/// How long to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Random latents at which a descent starts, at least 1.
    pub starts: usize,
    /// Steps of the descent.
    pub steps: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { starts: 128, steps: 400 }
    }
}

/// The latent that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The latent with its class, as the device reads it.
    pub latent: Latent,
    /// Its picture, drawn by the engine; `[height, width, channels]`.
    pub picture: Array3<u8>,
    /// Peak signal-to-noise ratio of its picture in dB; infinite if it equals the given one.
    pub psnr: f64,
}

/// How far a search is, for people: the stage, and the best picture so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// PSNR of the best picture so far in dB; of the float generator during the descent, of the engine afterwards.
    pub psnr: f64,
}

/// A stage of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Gradient descent: steps done, and descents that are still in the race.
    Descent { step: usize, descents: usize },
    /// Search over int8 steps: changes made.
    Steps { changes: usize },
}

/// Finds the latent whose picture is nearest to `picture`, `[height, width, channels]`, which must have the shape of the
/// model's pictures. `float` is the float generator that the model was made of: that of a checkpoint, or
/// [`FloatModel::of_integers`]. `class` is the number of the class to look in; `None` looks in all of them. `tell` is called now and then.
///
/// # Errors
/// When the picture has another shape, there is no such class, or `float` has other shapes than the model.
pub fn invert(
    model: &Model<'_>,
    float: &FloatModel,
    picture: ArrayView3<'_, u8>,
    class: Option<u8>,
    effort: Effort,
    tell: &mut dyn FnMut(Progress),
) -> Result<Found> {
    let (shape, dim) = (model.output_shape(), picture.dim());
    ensure!(
        dim == (shape.height.into(), shape.width.into(), shape.channels.into()),
        "the picture has {} x {} pixels and {} channels, the model draws {shape}",
        dim.0,
        dim.1,
        dim.2
    );
    let classes = ClassTable::of(model);
    let known = classes.as_ref().map_or(0, ClassTable::len);
    ensure!(
        class.is_none_or(|class| usize::from(class) < known),
        "the model has {known} classes, so none is {class:?}"
    );
    let numbers = float.classes.as_ref().map_or(0, ClassTable::len);
    let output = float.layers.last().map(|layer| layer.geometry.output);
    ensure!(
        output == Some(shape) && float.latent == model.latent_len() && numbers == known,
        "the float generator has {} latent values and {numbers} classes and draws {}, the model has {} and {known} and draws \
         {shape}: it was not made of this generator",
        float.latent,
        output.map_or_else(String::new, |output| output.to_string()),
        model.latent_len()
    );
    // A large generator starts fewer descents, but each class has one.
    let starts = sample_budget(model.macs() * effort.steps as u64 / 100, effort.starts as u32) as usize;
    let starts = starts.max(if class.is_some() { 1 } else { known });
    let start = |n: usize| {
        let class = class.unwrap_or((n % known.max(1)) as u8);
        Latent::from_seed(FIRST_START + n as u32, model.latent_len()).with_class(class)
    };
    let mut descent = Descent::new(float, picture, (0..starts).map(start).collect());
    let per_step: Vec<_> = KEPT.iter().enumerate().map(|(i, &kept)| ((i + 1) * effort.steps / 5, kept)).collect();
    for step in 0..effort.steps {
        let errors = descent.step(step as f32 / effort.steps as f32);
        let best = errors.iter().copied().fold(f64::INFINITY, f64::min);
        if step % 20 == 0 {
            let descents = errors.len();
            tell(Progress { stage: Stage::Descent { step, descents }, psnr: psnr(best) });
        }
        if let Some((_, kept)) = per_step.iter().find(|(at, _)| *at == step) {
            descent.keep(&errors, *kept);
        }
    }
    let target = Target { model, picture };
    let rounded = target.judged(descent.latents());
    let (latent, error) = rounded.into_iter().min_by_key(|(_, error)| *error).expect("at least one start");
    let (latent, error) = target.search(latent, error, tell);
    let picture = draw(model, std::slice::from_ref(&latent)).index_axis_move(Axis(0), 0);
    Ok(Found { latent, picture, psnr: psnr(error as f64 / shape.len() as f64) })
}

/// The PSNR for a mean squared error of pixels, in dB.
fn psnr(mean: f64) -> f64 {
    if mean == 0.0 { f64::INFINITY } else { 10.0 * (255.0f64.powi(2) / mean).log10() }
}

/// Several descents, one a row of each array.
struct Descent<'a> {
    float: &'a FloatModel,
    layers: Vec<Linear>,
    /// Values of the picture in the generator's range.
    target: Vec<f32>,
    /// Latents without their classes, `[N, latent]`.
    values: Array2<f32>,
    classes: Vec<ClassMix>,
    /// Adam's moments.
    first: Array2<f32>,
    second: Array2<f32>,
    steps: i32,
}

impl<'a> Descent<'a> {
    fn new(float: &'a FloatModel, picture: ArrayView3<'_, u8>, starts: Vec<Latent>) -> Self {
        let dim = (starts.len(), float.latent);
        let values = Array2::from_shape_fn(dim, |(n, i)| f32::from(starts[n].steps()[i]) * Latent::SCALE);
        Self {
            float,
            layers: float.layers.iter().map(|l| Linear::new(&l.spec, l.geometry, Kernels::default())).collect(),
            target: picture.iter().map(|&pixel| to_float(pixel, float.range)).collect(),
            first: Array2::zeros(dim),
            second: Array2::zeros(dim),
            values,
            classes: starts.iter().map(Latent::class).collect(),
            steps: 0,
        }
    }

    /// A step of every descent; `share` of all steps are done. Returns the mean squared error of each picture before the
    /// step, in squares of pixel levels.
    fn step(&mut self, share: f32) -> Vec<f64> {
        const BETA1: f32 = 0.9;
        const BETA2: f32 = 0.99;
        const EPSILON: f32 = 1e-12;
        let (errors, gradient) = self.gradient();
        self.steps += 1;
        let (correct1, correct2) = (1.0 - BETA1.powi(self.steps), 1.0 - BETA2.powi(self.steps));
        let rate = RATES[1] + (RATES[0] - RATES[1]) * 0.5 * (1.0 + (share * std::f32::consts::PI).cos());
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((value, &g), (m, v)) in self.values.iter_mut().zip(&gradient).zip(moments) {
            *m += (1.0 - BETA1) * (g - *m);
            *v += (1.0 - BETA2) * (g * g - *v);
            *value -= rate * (*m / correct1) / ((*v / correct2).sqrt() + EPSILON);
            *value = value.clamp(-LARGEST, LARGEST);
        }
        errors
    }

    /// The mean squared error of each picture in squares of pixel levels, and the gradient of the squared error with respect
    /// to the latents, `[N, latent]`.
    fn gradient(&mut self) -> (Vec<f64>, Array2<f32>) {
        let inputs = self.inputs();
        let mut maps = vec![inputs];
        for (layer, linear) in self.float.layers.iter().zip(&mut self.layers) {
            let x = &maps[maps.len() - 1];
            let mut y = Array2::zeros((x.nrows(), layer.geometry.output.len()));
            let weights = layer.weights.as_slice().expect("made in standard layout");
            linear.forward_activated(weights.into(), &layer.biases, layer.spec.activation, x.view(), y.view_mut());
            maps.push(y);
        }
        let mut d = maps[maps.len() - 1].clone();
        let level = f64::from(255.0 / (to_float(255, self.float.range) - to_float(0, self.float.range)));
        let mut errors = Vec::new();
        for mut row in d.rows_mut() {
            row.iter_mut().zip(&self.target).for_each(|(value, target)| *value -= target);
            let squares: f64 = row.iter().map(|&v| f64::from(v).powi(2)).sum();
            errors.push(squares * level * level / self.target.len() as f64);
        }
        for (i, (layer, linear)) in self.float.layers.iter().zip(&mut self.layers).enumerate().rev() {
            activation::backward(layer.spec.activation, maps[i + 1].view(), d.view_mut());
            let weights = layer.weights.as_slice().expect("made in standard layout");
            let mut dx = Array2::zeros(maps[i].dim());
            linear.backward(weights.into(), None, maps[i].view(), d.view(), Some(dx.view_mut()));
            d = dx;
        }
        let latent = d.slice(s![.., ..self.float.latent]).to_owned();
        (errors, latent)
    }

    /// What the first layer reads, `[N, inputs]`: the latents, and behind them the numbers of the classes.
    fn inputs(&self) -> Array2<f32> {
        let latent = self.float.latent;
        let zeros = vec![0; latent];
        let class = |mix: &ClassMix| Latent::from_steps(&zeros).map(|zero| zero.with_mix(*mix));
        let mut inputs = self.float.input().batch(self.classes.iter().filter_map(class));
        inputs.slice_mut(s![.., ..latent]).assign(&self.values);
        inputs
    }

    /// Ends all descents but those with the least errors.
    fn keep(&mut self, errors: &[f64], count: usize) {
        let mut order: Vec<usize> = (0..errors.len()).collect();
        order.sort_by(|&a, &b| errors[a].total_cmp(&errors[b]));
        order.truncate(count);
        let rows = |array: ArrayView2<'_, f32>| array.select(Axis(0), &order);
        self.values = rows(self.values.view());
        self.first = rows(self.first.view());
        self.second = rows(self.second.view());
        self.classes = order.iter().map(|&n| self.classes[n]).collect();
    }

    /// The latents, rounded to steps.
    fn latents(&self) -> Vec<Latent> {
        let step = |value: &f32| (value / Latent::SCALE).round().clamp(-127.0, 127.0) as i8;
        let latents = self.values.rows().into_iter().zip(&self.classes).filter_map(|(values, &class)| {
            Some(Latent::from_steps(&values.iter().map(step).collect::<Vec<_>>())?.with_mix(class))
        });
        latents.collect()
    }
}

/// A picture, and the engine that shall draw it.
struct Target<'a, 'b> {
    model: &'a Model<'b>,
    picture: ArrayView3<'a, u8>,
}

impl Target<'_, '_> {
    /// The latents, with the sum of the squared errors of each one's picture.
    fn judged(&self, latents: Vec<Latent>) -> Vec<(Latent, u64)> {
        let error = |drawn: ArrayView3<'_, u8>| {
            drawn.iter().zip(self.picture).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum()
        };
        let errors: Vec<u64> = draw(self.model, &latents).outer_iter().map(error).collect();
        latents.into_iter().zip(errors).collect()
    }

    /// Changes single values as long as that makes the picture better: each time the change that helps most.
    fn search(&self, mut latent: Latent, mut error: u64, tell: &mut dyn FnMut(Progress)) -> (Latent, u64) {
        let values = self.picture.len() as f64;
        let around = latent.steps().len() * CHANGES.len();
        let most = (sample_budget(self.model.macs() / 8, SEARCHED) as usize / around.max(1)).clamp(1, CHANGES_AT_MOST);
        for changes in 0..most {
            tell(Progress { stage: Stage::Steps { changes }, psnr: psnr(error as f64 / values) });
            let mut neighbours = Vec::new();
            for i in 0..latent.steps().len() {
                for change in CHANGES {
                    let mut steps = latent.steps().to_vec();
                    steps[i] = (i16::from(steps[i]) + change).clamp(-127, 127) as i8;
                    neighbours.extend(Latent::from_steps(&steps).map(|other| other.with_mix(latent.class())));
                }
            }
            match self.judged(neighbours).into_iter().min_by_key(|(_, error)| *error) {
                Some((better, less)) if less < error => (latent, error) = (better, less),
                _ => break,
            }
        }
        (latent, error)
    }
}

#[cfg(test)]
mod tests {
    use gen_core::aligned;

    use super::*;
    use crate::quantise::QuantModel;

    const FROGS: &[u8] = include_bytes!("../../models/pocket-tiny-frogs/model.gen");

    #[test]
    fn the_gradient_is_that_of_the_error() {
        let bytes = aligned(FROGS);
        let model = Model::parse(&bytes).unwrap();
        let float = FloatModel::of_integers(&QuantModel::from_model(&model).unwrap());
        let len = model.latent_len();
        let picture = draw(&model, &[Latent::from_seed(1, len)]).index_axis_move(Axis(0), 0);
        let mut descent = Descent::new(&float, picture.view(), vec![Latent::from_seed(2, len)]);
        let (_, gradient) = descent.gradient();
        // From squares of pixel levels, averaged, to the sum of squares in the range -1 ... 1.
        let unit = picture.len() as f64 / 127.5f64.powi(2);
        for i in 0..len {
            let mut error_at = |by: f32| {
                descent.values[(0, i)] += by;
                let error = descent.gradient().0[0] * unit;
                descent.values[(0, i)] -= by;
                error
            };
            let slope = (error_at(0.01) - error_at(-0.01)) / 0.02;
            // The gradient is of half the error.
            let expected = 2.0 * f64::from(gradient[(0, i)]);
            assert!((slope - expected).abs() < 0.1 * expected.abs().max(20.0), "{i}: {slope} {expected}");
        }
    }

    #[test]
    fn pictures_of_another_shape_and_unknown_classes_are_refused() {
        let bytes = aligned(FROGS);
        let model = Model::parse(&bytes).unwrap();
        let float = FloatModel::of_integers(&QuantModel::from_model(&model).unwrap());
        let find = |dim, class| {
            let picture = Array3::zeros(dim);
            invert(&model, &float, picture.view(), class, Effort { starts: 1, steps: 1 }, &mut |_| {}).map(|_| ())
        };
        assert!(find((32, 32, 1), None).unwrap_err().to_string().contains("1 channels"));
        assert!(find((32, 32, 3), Some(0)).unwrap_err().to_string().contains("0 classes"));
        assert!(find((32, 32, 3), None).is_ok());
        let mut other = float.clone();
        other.latent -= 1;
        let picture = Array3::zeros((32, 32, 3));
        let found = invert(&model, &other, picture.view(), None, Effort { starts: 1, steps: 1 }, &mut |_| {});
        assert!(found.unwrap_err().to_string().contains("was not made of this generator"));
    }
}
