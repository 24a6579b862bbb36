//! Distillation: a trained generator, the teacher, draws the latents of the generator that trains, and that one is pulled
//! toward its pictures (Aguinaldo et al. 2019, arXiv:1902.00159; Chang and Lu 2020, arXiv:2009.13829).
//!
//! Two distances are mean absolute differences. That of the pictures looks at pixels and at means over small squares: the
//! means say what is where, and count as much as the pixels, because a small generator that has to hit each pixel of a larger
//! one draws a blur. Without the pixels, which no mean replaces, a checkerboard would cost nothing. That of the features looks
//! at the hidden maps of the discriminator.

use anyhow::{Result, ensure};
use gen_core::Shape;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Zip, s};
use rand::RngExt as _;

use crate::classes::GeneratorInput;
use crate::config::{Config, Distil};
use crate::nn::block::BlockSpec;
use crate::nn::init::rng;
use crate::nn::{Dropout, Network, Params};
use crate::quantise::FloatModel;
use crate::schedule::linear_decay;

/// The sides in pixels of the squares whose means are compared.
const SQUARES: [usize; 3] = [1, 2, 4];

/// A trained generator that draws the latents of the one that trains.
#[derive(Debug)]
pub struct Teacher {
    network: Network,
    params: Params,
    model: FloatModel,
    /// The sums that are the further values of its latent; `[latent of the student, further values]`.
    further: Array2<f32>,
}

impl Teacher {
    /// The teacher of the generator of `config`.
    ///
    /// # Errors
    /// When it draws pictures of another size or range, or has other classes.
    pub fn new(model: FloatModel, config: &Config) -> Result<Self> {
        let blocks: Vec<_> = model.layers.iter().map(|layer| BlockSpec::plain(layer.spec)).collect();
        let network = Network::new(Shape::latent(model.input().len() as u16), &blocks)?;
        let network = network.with_kernels(config.kernels, config.bf16());
        let (picture, found) = (config.picture()?, network.output());
        ensure!(
            (picture, config.range) == (found, model.range),
            "the teacher draws pictures of {found}, range {}; the recipe of {picture}, range {}",
            model.range,
            config.range
        );
        let names = model.classes.as_ref().map_or(&[][..], |classes| &classes.names);
        ensure!(
            names.is_empty() || names == config.class_names,
            "the teacher has the classes {}, the run has {}",
            names.join(", "),
            if config.class_names.is_empty() { "none".into() } else { config.class_names.join(", ") }
        );
        let params: Vec<f32> =
            model.layers.iter().flat_map(|layer| layer.weights.iter().chain(&layer.biases)).copied().collect();
        let values = usize::from(config.latent);
        let mut signs = rng(0, 0, 0);
        let further = Array2::from_shape_simple_fn((values, model.latent.saturating_sub(values)), || {
            let size = (values as f32).sqrt().recip();
            if signs.random() { size } else { -size }
        });
        Ok(Self { network, params: params.into(), model, further })
    }

    /// Its pictures, `[N, H·W·C]`, of these latents, `[N, latent]`, and classes, `[N]` or none. If its own latent is shorter,
    /// it reads the first values. If it is longer, it reads sums of all values with fixed random signs behind them, divided
    /// such that they have the same variance.
    pub fn draw(&mut self, latents: ArrayView2<'_, f32>, classes: &[u8]) -> ArrayView2<'_, f32> {
        let GeneratorInput { latent, classes: table } = self.model.input();
        let mut inputs = Array2::zeros((latents.nrows(), self.network.input().len()));
        let shared = latent.min(latents.ncols());
        inputs.slice_mut(s![.., ..shared]).assign(&latents.slice(s![.., ..shared]));
        inputs.slice_mut(s![.., shared..latent]).assign(&latents.dot(&self.further));
        if let Some(table) = table {
            let vectors = table.vectors();
            for (mut row, &class) in inputs.rows_mut().into_iter().zip(classes) {
                row.slice_mut(s![latent..]).assign(&vectors.row(class.into()));
            }
        }
        self.network.forward(&self.params, inputs.view(), Dropout::Off)
    }
}

impl Distil {
    /// Whether a step has any distance to the teacher's pictures.
    pub fn is_used(&self, step: u64, steps: u64) -> bool {
        self.weights(step, steps) != [0.0; 2]
    }

    /// The weights of the distances of pictures and of features in a step.
    pub fn weights(&self, step: u64, steps: u64) -> [f32; 2] {
        let factor = linear_decay(step, steps, self.decay_start);
        [self.pixels * factor, self.features * factor]
    }
}

/// The distance of pictures, both `[N, H·W·C]` of this shape: the mean absolute difference of the means over squares, summed
/// over the sizes of squares. Squares at the right and the lower edge may be cut. Adds `weight` times its gradient with
/// respect to the first pictures to `gradient`.
pub fn of_pictures(
    pictures: ArrayView2<'_, f32>,
    teacher: ArrayView2<'_, f32>,
    shape: Shape,
    weight: f32,
    mut gradient: ArrayViewMut2<'_, f32>,
) -> f64 {
    let [height, width, channels] = [shape.height, shape.width, shape.channels].map(usize::from);
    let mut sum = 0.0;
    for side in SQUARES {
        let (down, across) = (height.div_ceil(side), width.div_ceil(side));
        let count = (pictures.nrows() * down * across * channels) as f64;
        let mut means = vec![0f32; across * channels];
        // For each value of a row: the value among the means of its squares.
        let squares: Vec<usize> =
            (0..width * channels).map(|i| i / (side * channels) * channels + i % channels).collect();
        let squares = &squares;
        for ((ours, theirs), mut gradient) in pictures.rows().into_iter().zip(teacher.rows()).zip(gradient.rows_mut()) {
            for top in (0..height).step_by(side) {
                let rows = top..(top + side).min(height);
                means.fill(0.0);
                let places =
                    |y: usize| squares.iter().enumerate().map(move |(i, &square)| (y * squares.len() + i, square));
                for y in rows.clone() {
                    places(y).for_each(|(at, square)| means[square] += ours[at] - theirs[at]);
                }
                for (i, mean) in means.iter_mut().enumerate() {
                    let left = i / channels * side;
                    let area = (rows.len() * (left + side).min(width).saturating_sub(left)) as f32;
                    sum += f64::from((*mean / area).abs()) / count;
                    *mean = sign(*mean) * weight / (area * count as f32);
                }
                for y in rows {
                    places(y).for_each(|(at, square)| gradient[at] += means[square]);
                }
            }
        }
    }
    sum
}

/// The hidden maps of a network for its last batch.
pub fn hidden_maps(network: &Network) -> Vec<Array2<f32>> {
    (0..network.blocks().len().saturating_sub(1)).map(|i| network.activation(i).to_owned()).collect()
}

/// The distance of features: the mean absolute difference between the hidden maps of the last batch and those that
/// [`hidden_maps`] gave for the teacher's pictures, summed over the layers. The next backward pass adds `weight` times its
/// gradient.
pub fn of_features(network: &mut Network, teacher: &[Array2<f32>], weight: f32) -> f64 {
    let mut sum = 0.0;
    for (i, theirs) in teacher.iter().enumerate() {
        let scale = weight / theirs.len() as f32;
        let ours = network.activation(i);
        let difference = Zip::from(ours).and(theirs).par_map_collect(|ours, theirs| ours - theirs);
        let rows = difference.axis_iter(Axis(0)).map(|row| row.iter().map(|d| d.abs()).sum::<f32>());
        sum += rows.map(f64::from).sum::<f64>() / theirs.len() as f64;
        let mut gradient = difference;
        gradient.par_mapv_inplace(|d| sign(d) * scale);
        network.add_gradient(i, gradient);
    }
    sum
}

/// -1, 0 or 1; 0 for 0, where `signum` has 1.
fn sign(value: f32) -> f32 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::ClassTable;
    use crate::latents::latents;
    use crate::train::Trainer;

    fn random(rows: usize, columns: usize, seed: u32) -> Array2<f32> {
        let count = rows * columns;
        let values: Vec<f32> = latents(seed, count.div_ceil(128) as u32, 128).into_iter().take(count).collect();
        Array2::from_shape_vec((rows, columns), values).unwrap() / 4.0
    }

    #[test]
    fn the_distance_of_pictures_is_that_of_means_over_squares() {
        // One channel, 4x4: the upper left square differs by 1 in all pixels, the upper right one by 1 and -1.
        let mut picture = Array2::zeros((1, 16));
        for (at, value) in [(0, 1.0), (1, 1.0), (4, 1.0), (5, 1.0), (2, 1.0), (3, -1.0)] {
            picture[(0, at)] = value;
        }
        let (zeros, shape) = (Array2::zeros((1, 16)), Shape { height: 4, width: 4, channels: 1 });
        let mut gradient = Array2::zeros((1, 16));
        let distance = of_pictures(picture.view(), zeros.view(), shape, 2.0, gradient.view_mut());
        // Of 16 pixels six differ by 1; of four squares of 2x2 one has the mean 1; the square of 4x4 has the mean 4/16.
        assert!((distance - (6.0 / 16.0 + 0.25 + 0.25)).abs() < 1e-6, "{distance}");
        for at in 0..16 {
            let of_pixel = sign(picture[(0, at)]) / 16.0;
            let of_small = if [0, 1, 4, 5].contains(&at) { 0.25 / 4.0 } else { 0.0 };
            let expected = 2.0 * (of_pixel + of_small + 1.0 / 16.0);
            assert!((gradient[(0, at)] - expected).abs() < 1e-6, "{at}: {}", gradient[(0, at)]);
        }
        let same = of_pictures(picture.view(), picture.view(), shape, 2.0, zeros.clone().view_mut());
        assert_eq!(same, 0.0);
    }

    #[test]
    fn gradients_are_those_of_the_distances() {
        // Sides that squares do not divide.
        let shape = Shape { height: 7, width: 6, channels: 3 };
        let (mut ours, theirs) = (random(1, 126, 1), random(1, 126, 2));
        let mut gradient = Array2::zeros(ours.dim());
        of_pictures(ours.view(), theirs.view(), shape, 3.0, gradient.view_mut());
        let mut at = |i: usize, value: f32| {
            let before = std::mem::replace(&mut ours[(0, i)], value);
            let distance = of_pictures(ours.view(), theirs.view(), shape, 0.0, Array2::zeros((1, 126)).view_mut());
            ours[(0, i)] = before;
            (distance, before)
        };
        for i in 0..126 {
            let (_, before) = at(i, 0.0);
            let h = 1e-3;
            let numeric = 3.0 * (at(i, before + h).0 - at(i, before - h).0) / f64::from(2.0 * h);
            assert!((numeric - f64::from(gradient[(0, i)])).abs() < 2e-3, "{i}: {numeric} {}", gradient[(0, i)]);
        }
    }

    #[test]
    fn the_gradient_of_features_reaches_the_picture() {
        let config = Config { precision: crate::config::Precision::Float32, ..Config::preset("pocket").unwrap() };
        let config = config.narrowed(8);
        let (_, mut network) = config.networks().unwrap();
        let params = network.init(crate::nn::init::Init::GlorotUniform, 3, 1);
        let (mut ours, theirs) = (random(4, 3072, 1), random(4, 3072, 5));
        network.forward(&params, theirs.view(), Dropout::Off);
        let maps = hidden_maps(&network);
        assert_eq!(maps.len(), 3);
        network.forward(&params, ours.view(), Dropout::Off);
        network.d_output().fill(0.0);
        of_features(&mut network, &maps, 100.0);
        let gradient = network.backward(&params, None, true, Dropout::Off).unwrap().to_owned();
        let mut at = |index: (usize, usize), value: f32| {
            let before = std::mem::replace(&mut ours[index], value);
            network.forward(&params, ours.view(), Dropout::Off);
            ours[index] = before;
            (100.0 * of_features(&mut network, &maps, 0.0), before)
        };
        let largest = gradient.iter().fold(0f32, |most, g| most.max(g.abs()));
        for i in (0..4 * 3072).step_by(401) {
            let index = (i / 3072, i % 3072);
            let (_, before) = at(index, 0.0);
            let h = 2e-2;
            let numeric = (at(index, before + h).0 - at(index, before - h).0) / f64::from(2.0 * h);
            let error = (numeric - f64::from(gradient[index])).abs() / f64::from(largest);
            assert!(error < 0.1, "{index:?}: {numeric} {} of {largest}", gradient[index]);
        }
    }

    /// The folded generator of a new trainer.
    fn model(config: &Config) -> FloatModel {
        FloatModel::fold(config, &Trainer::new(config.clone()).unwrap().state.generator).unwrap()
    }

    fn float32(preset: &str) -> Config {
        Config { precision: crate::config::Precision::Float32, ..Config::preset(preset).unwrap() }
    }

    #[test]
    fn a_teacher_draws_what_its_model_draws() {
        let class_names = ["cat", "dog", "owl"].map(str::to_owned).to_vec();
        for config in [float32("pocket"), Config { class_names, ..float32("pocket") }] {
            let model = model(&config);
            // The student's latent is longer, so the teacher reads the first values.
            let student = Config { latent: config.latent + 5, ..config.clone() };
            let mut teacher = Teacher::new(model.clone(), &student).unwrap();
            let latents = latents(7, 6, student.latent.into());
            let classes: Vec<u8> = if config.is_conditional() { vec![2, 0, 1, 1, 2, 0] } else { Vec::new() };
            let drawn = teacher.draw(latents.view(), &classes).to_owned();
            let latent = usize::from(config.latent);
            let mut inputs = Array2::zeros((6, model.input().len()));
            inputs.slice_mut(s![.., ..latent]).assign(&latents.slice(s![.., ..latent]));
            if let Some(ClassTable { rows, .. }) = &model.classes {
                for (mut row, &class) in inputs.rows_mut().into_iter().zip(&classes) {
                    let vector = rows.row(class.into()).mapv(|step| f32::from(step) * gen_core::Latent::SCALE);
                    row.slice_mut(s![latent..]).assign(&vector);
                }
            }
            let expected = model.outputs(inputs.view()).into_shape_with_order((6, 3072)).unwrap();
            let worst = drawn.iter().zip(&expected).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(worst < 1e-5, "{worst}");
        }
    }

    #[test]
    fn a_longer_latent_has_values_of_the_same_variance_behind_those_of_the_student() {
        let model = model(&Config { latent: 48, ..float32("pocket") });
        let teacher = Teacher::new(model, &float32("pocket")).unwrap();
        assert_eq!(teacher.further.dim(), (32, 16));
        let further = latents(0, 2000, 32).dot(&teacher.further);
        for (i, column) in further.columns().into_iter().enumerate() {
            let variance = column.dot(&column) / 2000.0;
            assert!((0.75..1.3).contains(&variance), "{i}: {variance}");
            assert!((0..i).all(|other| further.column(other) != column), "no two are the same");
        }
    }

    #[test]
    fn a_teacher_that_does_not_fit_is_refused_in_words() {
        let pocket = float32("pocket");
        let class_names = ["cat", "dog"].map(str::to_owned).to_vec();
        for (teacher, student, says) in [
            (float32("pocket-64"), pocket.clone(), "64x64"),
            (Config { class_names: class_names.clone(), ..pocket.clone() }, pocket.clone(), "the run has none"),
        ] {
            let error = format!("{:#}", Teacher::new(model(&teacher), &student).unwrap_err());
            assert!(error.contains(says), "{error}");
        }
        // A teacher without classes is one for all classes.
        Teacher::new(model(&pocket), &Config { class_names, ..pocket.clone() }).unwrap();
    }
}
