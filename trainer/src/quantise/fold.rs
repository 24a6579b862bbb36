//! The float generator for inference, with batch normalisation folded into weights and biases.

use anyhow::{Result, ensure};
use gen_core::Latent;
use gen_core::spec::{Activation, Geometry, LayerSpec};
use ndarray::{Array2, Array4, ArrayView2, ArrayViewMut2, Axis};

use crate::classes::{ClassTable, GeneratorInput, scale_class_weights, to_steps};
use crate::config::{Config, Precision, Range};
use crate::latents::latent_batch;
use crate::nn::batch_norm::EPSILON;
use crate::nn::linear::{Kernels, Linear, weight_dim};
use crate::nn::{Batch, Dropout, Network, Params};
use crate::pixels::to_pixel;

/// Maximum and minimum number of latents over which the statistics of batch normalisation are measured.
const MEASURED: u32 = 1024;
const MEASURED_AT_LEAST: u32 = 64;
/// The first of their seeds.
const FIRST_MEASURED: u32 = 0x4000_0000;

/// Limit in bytes of the feature maps of these latents.
const MEASURED_BYTES: u64 = 1 << 30;

/// Limit in bytes of the feature maps of pictures that are drawn in one batch.
const DRAWN_BYTES: usize = 1 << 28;

/// Maximum number of pictures that are drawn in one batch.
const DRAWN_AT_MOST: usize = 250;

/// Number of latents over which this generator's statistics are measured.
fn measured(network: &Network) -> u32 {
    let maps: u64 = network.blocks().iter().map(|block| block.geometry().output.len() as u64).sum();
    let count = MEASURED_BYTES / (maps * size_of::<f32>() as u64).max(1);
    u32::try_from(count).unwrap_or(u32::MAX).clamp(MEASURED_AT_LEAST, MEASURED)
}

/// The inputs of this generator on which its statistics are measured, `[N, inputs]`.
pub(super) fn measured_inputs(network: &Network, input: &GeneratorInput<'_>) -> Array2<f32> {
    input.range(FIRST_MEASURED, measured(network))
}

/// A float generator without normalisation.
#[derive(Debug, Clone, PartialEq)]
pub struct FloatModel {
    /// A name for people.
    pub name: String,
    /// Length of the latent.
    pub latent: usize,
    /// The classes; the first layer reads the numbers of one behind the latent. `None`: the generator has no classes.
    pub classes: Option<ClassTable>,
    /// Range of the output values.
    pub range: Range,
    /// Layers, first to last.
    pub layers: Vec<FloatLayer>,
}

/// One layer of a [`FloatModel`].
#[derive(Debug, Clone, PartialEq)]
pub struct FloatLayer {
    /// Operation and activation.
    pub spec: LayerSpec,
    /// Shapes of input and output.
    pub geometry: Geometry,
    /// Weight matrix in the layout of [`Linear`].
    pub weights: Array2<f32>,
    /// One for each output channel; for a dense layer one for each output.
    pub biases: Vec<f32>,
}

/// The parameters with class vectors that are rounded to the steps of the device, and the classes. So the statistics of the
/// layers behind are those of the vectors that the device reads.
fn with_rounded_classes(config: &Config, network: &Network, params: &[f32]) -> (Vec<f32>, Option<ClassTable>) {
    let mut params = params.to_vec();
    let Some(classes) = network.classes() else { return (params, None) };
    let vectors = Array2::from_shape_vec((classes.count, classes.width), params[classes.range.clone()].to_vec());
    let (rows, factors) = to_steps(&vectors.expect("the range of the vectors"));
    for (param, step) in params[classes.range.clone()].iter_mut().zip(&rows) {
        *param = f32::from(*step) * Latent::SCALE;
    }
    // Columns that were scaled down: the weights that read them are scaled up.
    if let Some(first) = network.blocks().first() {
        let dim = weight_dim(first.spec().layer.op, first.geometry());
        let weights = ArrayViewMut2::from_shape(dim, &mut params[first.weights()]).expect("the block's own weights");
        scale_class_weights(weights, network.latent_len(), &factors);
    }
    (params, Some(ClassTable { names: config.class_names.clone(), rows }))
}

impl FloatModel {
    /// Folds a generator with these parameters.
    ///
    /// Mean and variance are measured on a fixed batch of 1,024 latents, or as many as fit into 1 GiB.
    /// Running averages from training are not used, because they belong to other weights than the
    /// moving average of the weights. The statistics are measured with latents of the training's
    /// distribution; the folded generator multiplies its latent by
    /// [`latent_scale`](Config::latent_scale).
    ///
    /// # Errors
    /// When the number of parameters does not match the configuration, or one is not finite.
    pub fn fold(config: &Config, params: &[f32]) -> Result<Self> {
        // The folded generator computes in float32, so its statistics are measured in float32.
        let (mut network, _) = Config { precision: Precision::Float32, ..config.clone() }.networks()?;
        let expected = network.parameter_count();
        ensure!(params.len() == expected, "{} parameters, the generator has {expected}", params.len());
        ensure!(
            params.iter().all(|p| p.is_finite()),
            "the generator's parameters are not all finite: training diverged"
        );
        let (params, classes) = with_rounded_classes(config, &network, params);
        let params = Params::from(params);
        let latent = usize::from(config.latent);
        let is_normalised = network.blocks().iter().any(|b| b.spec().norm.is_some());
        if is_normalised {
            let input = GeneratorInput { latent, classes: classes.as_ref() };
            let seeds = FIRST_MEASURED..FIRST_MEASURED + measured(&network);
            let latents: Vec<_> = seeds.map(|seed| input.latent_of(seed)).collect();
            let batch = latent_batch(latents.iter().cloned(), latent);
            let classes: Vec<u8> = latents.iter().map(|latent| latent.class().nearest()).collect();
            network.forward(&params, Batch { x: batch.view(), classes: &classes }, Dropout::Off);
        }
        let parameters = network.blocks().iter().map(|block| {
            let (op, geometry) = (block.spec().layer.op, *block.geometry());
            let channels = geometry.output.channels as usize;
            let view = ArrayView2::from_shape(weight_dim(op, &geometry), &params[block.weights()]);
            let (mut weights, mut biases) =
                (view.expect("the block's own weights").to_owned(), params[block.bias_or_beta()].to_vec());
            if let Some((mean, variance)) = block.statistics() {
                let gamma = &params[block.gamma()];
                let scale: Vec<f32> = (0..channels).map(|c| gamma[c] / (variance[c] + EPSILON).sqrt()).collect();
                // In every layout the output channel varies fastest along a row.
                for (i, mut column) in weights.columns_mut().into_iter().enumerate() {
                    column *= scale[i % channels];
                }
                for c in 0..channels {
                    biases[c] -= mean[c] * scale[c];
                }
            }
            if op.is_dense() {
                biases = (0..geometry.output.len()).map(|i| biases[i % biases.len()]).collect();
            }
            (weights, biases)
        });
        let mut parameters: Vec<_> = parameters.collect();
        if let Some((weights, _)) = parameters.first_mut() {
            for (row, mut weights) in weights.rows_mut().into_iter().enumerate() {
                // In every layout the input varies fastest along a column. The class is not scaled.
                if row % usize::from(config.generator_inputs()) < latent {
                    weights *= config.latent_scale;
                }
            }
        }
        Self::new(config, classes, parameters)
    }

    /// The generator of a configuration with the given classes, and the given weights and biases of each
    /// [`FloatLayer`], which already include normalisation.
    ///
    /// # Errors
    /// When weights, biases or classes do not have the configuration's shapes.
    pub fn new(config: &Config, classes: Option<ClassTable>, parameters: Vec<(Array2<f32>, Vec<f32>)>) -> Result<Self> {
        let (network, _) = config.networks()?;
        let (found, expected) = (
            classes.as_ref().map(|classes| classes.rows.dim()),
            network.classes().map(|classes| (classes.count, classes.width)),
        );
        ensure!(found == expected, "classes and numbers of each: {found:?}, the generator has {expected:?}");
        let blocks = network.blocks();
        ensure!(parameters.len() == blocks.len(), "{} layers, the generator has {}", parameters.len(), blocks.len());
        let mut layers = Vec::new();
        for (i, (block, (weights, biases))) in blocks.iter().zip(parameters).enumerate() {
            let (mut spec, geometry) = (block.spec().layer, *block.geometry());
            if (config.range, spec.activation) == (Range::Unit, Activation::Tanh) {
                // Trained with tanh, but only its values from 0 up are drawn.
                spec.activation = Activation::TanhUnit;
            }
            let dim = weight_dim(spec.op, &geometry);
            ensure!(weights.dim() == dim, "layer {i}: weights {:?}, it needs {dim:?}", weights.dim());
            let expected = geometry.parameter_count() - geometry.weight_count();
            ensure!(biases.len() == expected, "layer {i}: {} biases, it needs {expected}", biases.len());
            layers.push(FloatLayer { spec, geometry, weights: weights.as_standard_layout().into_owned(), biases });
        }
        Ok(Self { name: config.name.clone(), latent: config.latent.into(), classes, range: config.range, layers })
    }

    /// What the first layer reads.
    pub fn input(&self) -> GeneratorInput<'_> {
        GeneratorInput { latent: self.latent, classes: self.classes.as_ref() }
    }

    /// Multiply-accumulates for one picture.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|l| l.geometry.macs()).sum()
    }

    /// Output of every layer for a batch of [inputs](Self::input), `[N, values]` each.
    pub fn activations(&self, latents: ArrayView2<'_, f32>) -> Vec<Array2<f32>> {
        let mut maps: Vec<Array2<f32>> = Vec::new();
        for layer in &self.layers {
            let x = maps.last().map_or(latents, |m| m.view());
            let y = layer.activated(x);
            maps.push(y);
        }
        maps
    }

    /// Output for a batch of latents, `[N, side, side, 3]`, in the model's range.
    pub fn outputs(&self, latents: ArrayView2<'_, f32>) -> Array4<f32> {
        let shape = self.layers.last().expect("a generator has layers").geometry.output;
        let output = self.activations(latents).pop().expect("a generator has layers");
        let dim = (latents.nrows(), shape.height.into(), shape.width.into(), shape.channels.into());
        output.into_shape_with_order(dim).expect("the output has the generator's shape")
    }

    /// Pictures of latents, `[N, side, side, 3]`. They are drawn in batches of at most 250, or fewer if their
    /// feature maps would take more than 256 MiB.
    pub fn pictures(&self, latents: ArrayView2<'_, f32>) -> Array4<u8> {
        let shape = self.layers.last().expect("a generator has layers").geometry.output;
        let mut pixels = Vec::with_capacity(latents.nrows() * shape.len());
        for batch in latents.axis_chunks_iter(Axis(0), self.drawn_at_once()) {
            pixels.extend(self.outputs(batch).iter().map(|&v| to_pixel(v, self.range)));
        }
        let dim = (latents.nrows(), shape.height.into(), shape.width.into(), shape.channels.into());
        Array4::from_shape_vec(dim, pixels).expect("the outputs have the generator's shape")
    }

    /// Number of pictures whose feature maps fit into [`DRAWN_BYTES`].
    fn drawn_at_once(&self) -> usize {
        let maps: usize = self.layers.iter().map(|layer| layer.geometry.output.len()).sum();
        (DRAWN_BYTES / (maps * size_of::<f32>()).max(1)).clamp(1, DRAWN_AT_MOST)
    }
}

impl FloatLayer {
    /// Output of the layer for a batch of inputs; both are `[N, values]`.
    pub fn activated(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut y = Array2::zeros((x.nrows(), self.geometry.output.len()));
        let weights = self.weights.as_slice().expect("made in standard layout");
        let mut linear = Linear::new(&self.spec, self.geometry, Kernels::default());
        linear.forward_activated(weights.into(), &self.biases, self.spec.activation, x, y.view_mut());
        y
    }
}

#[cfg(test)]
mod tests {
    use gen_core::Model;
    use gen_core::aligned;

    use super::*;
    use crate::latents::latents;
    use crate::quantise::compare::likeness;
    use crate::quantise::draw::draw;
    use crate::quantise::{quantise, verify};
    use crate::train::Trainer;

    #[test]
    fn folding_changes_nothing_but_rounding() {
        let precision = Precision::Float32;
        let config = Config { latent_scale: 1.0, precision, ..Config::preset("pocket").unwrap() };
        let mut params = Trainer::new(config.clone()).unwrap().state.generator;
        // Changes the initial parameters, in which every beta is 0.
        for (i, p) in params.iter_mut().enumerate() {
            *p += 0.1 * ((i * 7919) % 13) as f32 / 13.0 - 0.05;
        }
        let batch = latents(0x4000_0000, MEASURED, config.latent.into());
        let (mut network, _) = config.networks().unwrap();
        let normalised = network.forward(&params, batch.view(), Dropout::Off).to_owned();
        let folded = FloatModel::fold(&config, &params).unwrap().activations(batch.view()).pop().unwrap();
        let worst = normalised.iter().zip(&folded).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-3, "{worst}");
    }

    #[test]
    fn a_large_generator_is_measured_in_bounded_memory() {
        let measured = |config: &Config| super::measured(&config.networks().unwrap().0);
        for preset in ["pocket", "pocket-tiny", "pocket-large", "reference-pocket"] {
            assert_eq!(measured(&Config::preset(preset).unwrap()), MEASURED, "{preset}");
        }
        let mut large = Config::preset("pocket").unwrap();
        for layer in &mut large.generator.layers[..4] {
            layer.channels *= 20;
        }
        let count = measured(&large);
        assert!((MEASURED_AT_LEAST..MEASURED).contains(&count), "{count}");
    }

    #[test]
    fn many_pictures_are_drawn_in_bounded_memory() {
        // Feature maps of 800,000 values and more: some 80 pictures fit into a batch.
        let mut config = Config::preset("pocket").unwrap();
        for layer in &mut config.generator.layers[..4] {
            layer.channels = 600;
        }
        let (network, _) = config.networks().unwrap();
        let zeros = network.blocks().iter().map(|block| {
            let geometry = block.geometry();
            let biases = vec![0.0; geometry.parameter_count() - geometry.weight_count()];
            (Array2::zeros(weight_dim(block.spec().layer.op, geometry)), biases)
        });
        let wide = FloatModel::new(&config, None, zeros.collect()).unwrap();
        let at_once = wide.drawn_at_once();
        assert!((2..200).contains(&at_once), "{at_once}");
        let config = Config::preset("pocket").unwrap().narrowed(8);
        let params = Trainer::new(config.clone()).unwrap().state.generator;
        let model = FloatModel::fold(&config, &params).unwrap();
        let count = model.drawn_at_once() as u32 + 3;
        let batch = latents(0, count, config.latent.into());
        let pictures = model.pictures(batch.view());
        assert_eq!(pictures.dim(), (count as usize, 32, 32, 3));
        for i in [0, count - 4, count - 3, count - 1] {
            let alone = model.pictures(latents(i, 1, config.latent.into()).view());
            let difference = |(a, b): (&u8, &u8)| a.abs_diff(*b);
            let place = pictures.index_axis(Axis(0), i as usize);
            assert!(place.iter().zip(&alone).map(difference).max() <= Some(1), "picture {i}");
        }
    }

    #[test]
    fn many_generators_can_be_evaluated_at_the_same_time() {
        use rayon::prelude::*;

        let config = Config::preset("pocket").unwrap();
        let params = Trainer::new(config.clone()).unwrap().state.generator;
        let model = FloatModel::fold(&config, &params).unwrap();
        let batch = latents(0, 64, config.latent.into());
        let expected = model.outputs(batch.view());
        // A thread that waits for the parallel parts of one layer may compute another layer in the meantime.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        pool.install(|| (0..60).into_par_iter().for_each(|_| assert_eq!(model.outputs(batch.view()), expected)));
    }

    #[test]
    fn a_wider_spread_is_wider_latents() {
        let plain = Config { latent_scale: 1.0, ..Config::preset("pocket").unwrap() };
        let wider = Config { latent_scale: 1.25, ..plain.clone() };
        let params = Trainer::new(plain.clone()).unwrap().state.generator;
        let batch = latents(0, 8, plain.latent.into());
        let draw = |config, batch: &Array2<f32>| FloatModel::fold(config, &params).unwrap().outputs(batch.view());
        let (a, b) = (draw(&wider, &batch), draw(&plain, &(&batch * 1.25)));
        let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{worst}");
        assert!(a != draw(&plain, &batch));
    }

    /// In the Keras tutorial, negative values wrap around: 255 · −0.1 becomes 231. Here they are drawn black.
    #[test]
    fn unit_range_under_a_tanh_draws_what_is_below_0_in_black() {
        let symmetric = Config::preset("pocket").unwrap();
        let unit = Config { range: Range::Unit, ..symmetric.clone() };
        unit.check().unwrap();
        let params = Trainer::new(unit.clone()).unwrap().state.generator;
        let batch = latents(0, 16, unit.latent.into());
        // The same weights as a plain tanh.
        let tanh = FloatModel::fold(&symmetric, &params).unwrap().activations(batch.view()).pop().unwrap();
        let float = FloatModel::fold(&unit, &params).unwrap();
        let pictures = float.pictures(batch.view());
        let expected: Vec<u8> = tanh.iter().map(|&v| if v > 0.0 { (255.0 * v).round() as u8 } else { 0 }).collect();
        assert!(pictures.iter().eq(&expected));
        let black = expected.iter().filter(|&&v| v == 0).count();
        assert!(
            (expected.len() / 4..expected.len() * 3 / 4).contains(&black),
            "{black} of {} are black",
            expected.len()
        );

        // The quantised model draws the same pictures and is exact.
        let blob = quantise(&float).unwrap().to_blob().unwrap();
        let bytes = aligned(&blob);
        let model = Model::parse(&bytes).unwrap();
        let seeds: Vec<_> = (0..16).map(|seed| Latent::from_seed(seed, model.latent_len())).collect();
        let close = likeness(pictures.view(), draw(&model, &seeds).view());
        assert!(close.psnr > 30.0, "{close:?}");
        assert!(verify(&model, 0..16).unwrap().is_exact());
    }
}
