//! Tests of import and export: files of Keras and PyTorch are read, exported files give the same pictures in
//! another runtime, and errors name what does not fit.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ndarray::{Array2, Array4, ArrayD, ArrayView4, arr1};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rten_tensor::{AsView as _, Layout as _};
use trainer::classes::ClassTable;
use trainer::config::{Config, Layer, PRESETS, Range};
use trainer::interchange::import::{Evidence, Options, TOLERANCE, half_tolerance, import};
use trainer::interchange::{DenseOrder, Format, Layout, to_onnx, to_safetensors};
use trainer::latents::latent_batch;
use trainer::quantise::compare::likeness;
use trainer::quantise::draw::draw;
use trainer::quantise::{FloatModel, quantise, verify::verify};
use trainer::run::Checkpoint;
use trainer::run::metrics::Pending;
use trainer::tensors::{Half, Tensors};
use trainer::train::Trainer;

mod classes;
mod import;
mod pictures;

const LAYOUTS: [Layout; 2] = [Layout::Hwio, Layout::Oihw];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

fn config(name: &str) -> Config {
    Config::from_toml(&fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

/// A generator with weights of a scale at which the pictures are neither constant nor saturated.
fn generator(config: &Config, seed: u64) -> FloatModel {
    let (network, _) = config.networks().unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let parameters = network.blocks().iter().map(|block| {
        let (op, geometry) = (block.spec().layer.op, block.geometry());
        let dim = trainer::nn::linear::weight_dim(op, geometry);
        // Uniform numbers have a variance of a third of their limit squared.
        let limit = (5.0 / geometry.fan_in(0) as f32).sqrt();
        let weights = Array2::from_shape_simple_fn(dim, || rng.random_range(-limit..limit));
        let biases = geometry.parameter_count() - geometry.weight_count();
        (weights, (0..biases).map(|_| rng.random_range(-0.2..0.2)).collect())
    });
    let parameters = parameters.collect();
    let classes = network.classes().map(|classes| ClassTable {
        names: config.class_names.clone(),
        rows: Array2::from_shape_simple_fn((classes.count, classes.width), || rng.random_range(-127..=127)),
    });
    FloatModel::new(config, classes, parameters).unwrap()
}

/// Generators with classes: they begin with a dense layer, a transposed convolution and a convolution.
fn conditional() -> Vec<Config> {
    const TRANSPOSED: &str = r#"layers = [
        { op = "conv_transpose", channels = 16, kernel = 4, padding = "valid", activation = "relu" },
        { op = "conv_transpose", channels = 8, kernel = 4, stride = 2, activation = "leaky_relu", slope = 0.2 },
        { op = "conv", channels = 3, kernel = 3, activation = "tanh" },
    ]"#;
    let transposed = with_layers(TRANSPOSED, Range::Symmetric);
    let plain = [Config::preset("pocket").unwrap().narrowed(4), transposed, odd().swap_remove(2)];
    let names = ["frog", "жаба", "a, b"].map(str::to_owned);
    let with_classes = |config| Config { class_names: names.to_vec(), class_embedding: 5, ..config };
    plain.into_iter().map(with_classes).collect()
}

/// `pocket` with other layers, written as in a recipe.
fn with_layers(layers: &str, range: Range) -> Config {
    #[derive(serde::Deserialize)]
    struct Layers {
        layers: Vec<Layer>,
    }
    let mut config = Config::preset("pocket").unwrap();
    config.generator.layers = toml::from_str::<Layers>(layers).unwrap().layers;
    config.discriminator.layers.drain(..3);
    config.range = range;
    config
}

/// Geometries with every kind of padding, odd and even, and sides that are no powers of two.
fn odd() -> Vec<Config> {
    let layers = [
        (
            Range::Symmetric,
            r#"layers = [
                { op = "dense", size = [3, 3], channels = 5, activation = "leaky_relu", slope = 0.2 },
                { op = "conv_transpose", channels = 4, kernel = 3, stride = 2, activation = "relu" },
                { op = "conv", channels = 4, kernel = 4, activation = "linear" },
                { op = "conv_transpose", channels = 6, kernel = 5, stride = 2, activation = "leaky_relu", slope = 0.3 },
                { op = "conv", channels = 3, kernel = 7, padding = "valid", activation = "tanh" },
            ]"#,
        ),
        (
            Range::Unit,
            r#"layers = [
                { op = "conv_transpose", channels = 6, kernel = 4, padding = "valid", activation = "relu" },
                { op = "conv", channels = 7, kernel = 3, stride = 2, activation = "leaky_relu", slope = 0.1 },
                { op = "dense", size = [5, 5], channels = 4, activation = "linear" },
                { op = "conv_transpose", channels = 5, kernel = 6, stride = 3, padding = "valid", activation = "relu" },
                { op = "conv", channels = 3, kernel = 3, stride = 2, padding = "valid", activation = "sigmoid" },
            ]"#,
        ),
        (
            Range::Symmetric,
            r#"layers = [
                { op = "conv", channels = 20, kernel = 3, activation = "relu" },
                { op = "dense", size = [3, 5], channels = 4, activation = "relu" },
                { op = "conv_transpose", channels = 6, kernel = 7, stride = 3, activation = "relu" },
                { op = "conv", channels = 5, kernel = 1, stride = 2, activation = "linear" },
                { op = "conv", channels = 4, kernel = 2, activation = "relu" },
                { op = "conv_transpose", channels = 6, kernel = 6, stride = 5, activation = "relu" },
                { op = "conv", channels = 3, kernel = 5, stride = 4, activation = "tanh" },
            ]"#,
        ),
    ];
    let mut odd: Vec<_> = layers.iter().map(|&(range, layers)| with_layers(layers, range)).collect();
    // A generator with tanh whose negative values are black.
    odd.push(with_layers(layers[0].1, Range::Unit));
    odd
}

fn written(bytes: &[u8]) -> Tensors {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    fs::write(&path, bytes).unwrap();
    Tensors { source: "w.safetensors".into(), ..Tensors::read(&path).unwrap() }
}

/// The layers of a file as `export` writes it, under other names.
fn renamed(model: &FloatModel, layout: Layout, rename: impl Fn(&str) -> String) -> Tensors {
    let tensors = written(&to_safetensors(model, layout).unwrap());
    Tensors { map: tensors.map.into_iter().map(|(name, array)| (rename(&name), array)).collect(), ..tensors }
}

fn tensors(map: BTreeMap<String, ArrayD<f64>>) -> Tensors {
    Tensors { source: "x".into(), map, header: BTreeMap::new(), halves: BTreeMap::new() }
}

fn error(tensors: &Tensors, config: &Config, options: &Options) -> String {
    import(tensors, config, options).map(|_| "imported").unwrap_err().to_string()
}
