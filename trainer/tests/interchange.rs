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
use trainer::config::{Config, Layer, PRESETS, Range};
use trainer::interchange::import::{Evidence, Options, TOLERANCE, half_tolerance, import};
use trainer::interchange::{DenseOrder, Format, Layout, to_onnx, to_safetensors};
use trainer::latents::latents;
use trainer::quantise::compare::likeness;
use trainer::quantise::draw::draw;
use trainer::quantise::{FloatModel, quantise, verify::verify};
use trainer::run::Checkpoint;
use trainer::run::metrics::Pending;
use trainer::tensors::{Half, Tensors};
use trainer::train::Trainer;

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
    FloatModel::new(config, parameters.collect()).unwrap()
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

#[test]
fn what_keras_and_pytorch_wrote_draws_the_same_pictures() {
    for (file, network, layout, epsilon, normalisations) in [
        ("keras-tutorial", "tutorial-64", Layout::Hwio, 1e-3, 0),
        ("keras-pocket", "pocket-4", Layout::Hwio, 1e-3, 4),
        ("pytorch-tutorial", "tutorial-64", Layout::Oihw, 1e-5, 0),
        ("pytorch-pocket", "pocket-4", Layout::Oihw, 1e-5, 4),
    ] {
        let tensors = Tensors::read(&fixture(&format!("{file}.safetensors"))).unwrap();
        let config = config(&format!("{network}.toml"));
        let options = Options { bn_epsilon: epsilon, ..Options::new(layout.into()) };
        let imported = import(&tensors, &config, &options).unwrap();
        assert_eq!(imported.normalisations, normalisations);
        let check = imported.check.unwrap();
        assert!(check.pictures == 2 && check.worst < 5e-6, "{file}: {check:?}");
        let spread = tensors.map["check.image"].std(0.0);
        assert!(spread > 0.1, "{file}: pictures of one colour would prove nothing ({spread})");

        // A wrong picture, a wrong weight and a wrong order are noticed.
        let mut wrong = tensors.clone();
        wrong.map.get_mut("check.image").unwrap()[[1, 2, 2, 2]] += 2.0 * f64::from(TOLERANCE);
        assert!(error(&wrong, &config, &options).contains("differ from our pictures"));
        let mut wrong = tensors.clone();
        wrong.map.get_mut("generator.0.weight").unwrap().mapv_inplace(|w| 1.1 * w);
        assert!(error(&wrong, &config, &options).contains("differ from our pictures"));
        let dense = if layout == Layout::Hwio { DenseOrder::Chw } else { DenseOrder::Hwc };
        let other = Options { dense: Some(dense), ..options.clone() };
        assert!(error(&tensors, &config, &other).contains("--dense"));
        let other = LAYOUTS.into_iter().find(|&l| l != layout).unwrap();
        let message = error(&tensors, &config, &Options { layout: Some(other), ..options.clone() });
        assert!(message.contains("Everything fits with the layout"), "{message}");

        // The headers of these files are empty; the shapes determine the layout.
        assert!(tensors.header.is_empty());
        let found = import(&tensors, &config, &Options { layout: None, dense: None, ..options }).unwrap();
        assert_eq!((found.format, found.evidence), (layout.into(), Evidence::Shapes));
        assert_eq!((found.model, found.check), (imported.model, imported.check));
    }
}

/// Files that the scripts made of typical networks, which are in `tests/interop/make.py`.
const NETWORKS: [&str; 8] = [
    "pytorch-dcgan",
    "pytorch-rectangle",
    "pytorch-upsampling",
    "pytorch-odd",
    "pytorch-lists",
    "keras-upsampling",
    "keras-lists",
    "keras-nested",
];

/// Imports a file of a script with nothing but the recipe that the script printed.
fn check_network(folder: &Path, name: &str) {
    let tensors = Tensors::read(&folder.join(format!("{name}.safetensors"))).unwrap();
    let config = Config::from_toml(&fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap()).unwrap();
    let imported = import(&tensors, &config, &Options::default()).unwrap();
    let check = imported.check.unwrap();
    assert!(check.pictures == 2 && check.worst < 5e-6, "{name}: {check:?}");
    assert_eq!((imported.evidence, imported.normalisations), (Evidence::Header, 0));
    let spread = tensors.map["check.image"].std(0.0);
    assert!(spread > 0.1, "{name}: pictures of one colour would prove nothing ({spread})");
    quantise(&imported.model).unwrap().to_blob().unwrap();
}

#[test]
fn networks_as_people_have_them_draw_the_same_pictures() {
    NETWORKS.into_iter().for_each(|name| check_network(&fixture(""), name));
}

/// Runs the scripts if Python (`RIBBIT_PYTHON`, otherwise `python3`) has the packages that they need.
#[test]
fn the_scripts_fold_what_they_can_and_refuse_the_rest_by_name() {
    let python = std::env::var("RIBBIT_PYTHON").unwrap_or_else(|_| "python3".into());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
        command.output().map_or((false, "it is not there".to_owned()), |output| {
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        })
    };
    let make = fixture("make.py");
    let folder = tempfile::tempdir().unwrap();
    for (kind, needed) in [
        ("pytorch", "import torch, safetensors, numpy"),
        ("keras", "import keras, safetensors, numpy, h5py; assert keras.backend.backend() != 'torch'"),
    ] {
        // Chooses the backend as the script does.
        let choose = "import importlib.util as i, os; os.environ.setdefault('KERAS_BACKEND', \
                      'tensorflow' if i.find_spec('tensorflow') else 'jax');";
        let (is_there, why) = run(&["-c", &format!("{choose} {needed}")]);
        if !is_there {
            // Not `eprintln!`, whose output is only shown if a test fails.
            let why = why.lines().last().unwrap_or_default().to_owned();
            let line = format!("LEFT OUT: trainer/interop/{kind}_to_safetensors.py was not run by {python}: {why}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            continue;
        }
        let (good, text) = run(&[make.to_str().unwrap(), kind]);
        assert!(good, "{text}");
        let (good, text) = run(&[make.to_str().unwrap(), kind, folder.path().to_str().unwrap()]);
        assert!(good, "{text}");
        NETWORKS.iter().filter(|name| name.starts_with(kind)).for_each(|name| check_network(folder.path(), name));
    }
}

/// Weights of 16 bits are rounded, so pictures differ within a larger tolerance.
#[test]
fn half_precision_is_taken_with_its_proof() {
    let good = Tensors::read(&fixture("pytorch-dcgan.safetensors")).unwrap();
    let config = config("pytorch-dcgan.toml");
    let plain = import(&good, &config, &Options::default()).unwrap();
    assert_eq!(plain.check.unwrap().tolerance, TOLERANCE);
    for half in [Half::F16, Half::BF16] {
        let rounded = |value: f32| match half {
            Half::F16 => f32::from(half::f16::from_f32(value)),
            Half::BF16 => f32::from(half::bf16::from_f32(value)),
        };
        let (dtype, bits): (_, fn(f32) -> u16) = match half {
            Half::F16 => (safetensors::Dtype::F16, |v| half::f16::from_f32(v).to_bits()),
            Half::BF16 => (safetensors::Dtype::BF16, |v| half::bf16::from_f32(v).to_bits()),
        };
        // As PyTorch saves it: weights in 16 bits, check pictures in float32; then both in 16 bits.
        for is_half in [|name: &str| name.starts_with("generator."), |_: &str| true] {
            let arrays: Vec<(&String, Vec<usize>, safetensors::Dtype, Vec<u8>)> = (good.map.iter())
                .map(|(name, array)| {
                    let values = array.iter().map(|&v| v as f32);
                    let shape = array.shape().to_vec();
                    match is_half(name) {
                        true => (name, shape, dtype, values.flat_map(|v| bits(v).to_le_bytes()).collect()),
                        false => (name, shape, safetensors::Dtype::F32, values.flat_map(f32::to_le_bytes).collect()),
                    }
                })
                .collect();
            let views = arrays.iter().map(|(name, shape, dtype, bytes)| {
                (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes).unwrap())
            });
            let header = good.header.clone().into_iter().collect();
            let read = written(&safetensors::serialize(views, Some(header)).unwrap());
            let imported = import(&read, &config, &Options::default()).unwrap();
            let check = imported.check.unwrap();
            assert!(check.worst > TOLERANCE && check.tolerance == half_tolerance(half), "{half}: {check:?}");
            let weight = plain.model.layers[0].weights[[0, 0]];
            assert_eq!(imported.model.layers[0].weights[[0, 0]], rounded(weight));

            // Errors are still found, and half precision is mentioned if it may be the cause.
            let mut wrong = read.clone();
            wrong.map.get_mut("generator.0.weight").unwrap().mapv_inplace(|w| 1.2 * w);
            let message = error(&wrong, &config, &Options::default());
            assert!(message.contains(&format!("is rounding of {half}")) && message.contains("--dense"), "{message}");
            let mut wrong = read.clone();
            let image = wrong.map.get_mut("check.image").unwrap();
            let up = if image[[0, 0, 0, 0]] > 0.0 { -1.0 } else { 1.0 };
            image[[0, 0, 0, 0]] += up * 3.0 * f64::from(half_tolerance(half));
            let message = error(&wrong, &config, &Options::default());
            assert!(message.contains(&format!("Weights of the type {half} are rounded")), "{message}");
        }
    }
    // A discriminator in 16 bits does not increase the generator's tolerance.
    let mut other = good.clone();
    other.map.insert("d.0.weight".into(), ArrayD::zeros(vec![1]));
    other.halves.insert("d.0.weight".into(), Half::BF16);
    let options = Options { prefix: "generator.".into(), ..Options::default() };
    assert_eq!(import(&other, &config, &options).unwrap().check.unwrap().tolerance, TOLERANCE);
}

/// Latents in the shape for a network that begins with a convolution: maps of one pixel.
#[test]
fn latents_may_be_maps_of_one_pixel() {
    let config = config("pytorch-dcgan.toml");
    let good = Tensors::read(&fixture("pytorch-dcgan.safetensors")).unwrap();
    let model = import(&good, &config, &Options::default()).unwrap().model;
    let shaped = |shape: &[usize]| {
        let mut tensors = good.clone();
        let latents = tensors.map["check.latent"].clone();
        tensors.map.insert("check.latent".into(), latents.to_shape(shape).unwrap().into_owned());
        tensors
    };
    for shape in [[2, 10, 1, 1], [2, 1, 1, 10]] {
        assert_eq!(import(&shaped(&shape), &config, &Options::default()).unwrap().model, model);
    }
    for shape in [&[2, 5, 2, 1][..], &[2, 1, 10], &[20, 1, 1, 1], &[1, 20, 1, 1]] {
        assert!(error(&shaped(shape), &config, &Options::default()).contains("check.latent has the shape"));
    }
}

/// Spectral and weight normalisation, as old and new versions of PyTorch store them.
#[test]
fn normalised_weights_are_named_once() {
    let config = config("pytorch-dcgan.toml");
    let mut good = Tensors::read(&fixture("pytorch-dcgan.safetensors")).unwrap();
    good.map.retain(|name, _| !name.starts_with("check."));
    for (kind, ends) in [
        ("spectral", &["weight_orig", "weight_u", "weight_v"][..]),
        ("weight", &["weight_g", "weight_v"]),
        (
            "spectral",
            &["parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"],
        ),
        ("weight", &["parametrizations.weight.original0", "parametrizations.weight.original1"]),
    ] {
        let mut bad = good.clone();
        for n in 0..3 {
            let weight = bad.map.remove(&format!("generator.{n}.weight")).unwrap();
            ends.iter().for_each(|end| drop(bad.map.insert(format!("generator.{n}.{end}"), weight.clone())));
        }
        for prefix in ["", "generator."] {
            let options = Options { prefix: prefix.into(), ..Options::default() };
            let message = error(&bad, &config, &options);
            assert!(message.contains(&format!("3 of its layers have {kind} normalisation")), "{message}");
            assert!(message.contains("pytorch_to_safetensors.py") && message.contains("remove_"), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }

        // Parametrised weights of a discriminator are ignored.
        let mut both = good.clone();
        ends.iter().for_each(|end| drop(both.map.insert(format!("critic.0.{end}"), ArrayD::zeros(vec![2, 2]))));
        import(&both, &config, &Options { prefix: "generator.".into(), ..Options::default() }).unwrap();
        let layers = (0..3).map(|n| format!("generator.{n}")).collect();
        import(&both, &config, &Options { layers, ..Options::default() }).unwrap();
    }
}

/// A tanh whose argument is nearly always saturated is still quantised, however large the argument is.
#[test]
fn saturated_last_layers_are_imported() {
    let lists = r#"layers = [
        { op = "dense", size = [1, 1], channels = 256, activation = "relu" },
        { op = "dense", size = [1, 1], channels = 256, activation = "relu" },
        { op = "dense", size = [16, 16], channels = 3, activation = "tanh" },
    ]"#;
    let maps = r#"layers = [
        { op = "dense", size = [4, 4], channels = 96, activation = "relu" },
        { op = "conv_transpose", channels = 64, kernel = 4, stride = 2, activation = "leaky_relu", slope = 0.2 },
        { op = "conv", channels = 3, kernel = 5, activation = "tanh" },
    ]"#;
    for (layers, range) in
        [(lists, Range::Symmetric), (lists, Range::Unit), (maps, Range::Symmetric), (maps, Range::Unit)]
    {
        let config = with_layers(layers, range);
        let plain = generator(&config, 21);
        // The pictures of the float generator and of the device.
        let pictures = |factor: f32| {
            let mut model = plain.clone();
            let last = model.layers.last_mut().unwrap();
            last.weights.mapv_inplace(|w| factor * w);
            last.biases.iter_mut().for_each(|b| *b *= factor);
            let file = written(&to_safetensors(&model, Layout::Oihw).unwrap());
            let imported = import(&file, &config, &Options::default()).unwrap();
            assert_eq!(imported.check.unwrap().worst, 0.0);
            let blob = quantise(&imported.model).unwrap().to_blob().unwrap();
            let device = gen_core::Model::parse(&blob).unwrap();
            assert!(verify(&device, 0..4).unwrap().is_exact());
            let latents: Vec<_> = (0..64).map(|seed| gen_core::Latent::from_seed(seed, model.latent)).collect();
            let int8 = draw(&device, &latents);
            (model.pictures(trainer::latents::latent_batch(latents.into_iter(), model.latent).view()), int8)
        };
        let psnr = |factor: f32| {
            let (float, int8) = pictures(factor);
            likeness(float.view(), int8.view()).psnr
        };
        let found = [1.0, 10.0, 40.0, 80.0, 300.0, 1000.0].map(psnr);
        assert!(found[0] > 40.0 && found[5] > 20.0, "{range:?}: {found:.1?}");

        // With a factor of a million the tanh is a sign function. Integers without a limit would draw the sign of the
        // same sums, which is compared with the pictures of a generator that fits.
        let (float, int8) = pictures(1e6);
        let (_, moderate) = pictures(10.0);
        let zero = if range == Range::Symmetric { 128 } else { 1 };
        let signs = moderate.mapv(|pixel| if pixel >= zero { 255 } else { 0 });
        let (limited, unlimited) =
            (likeness(float.view(), int8.view()).psnr, likeness(float.view(), signs.view()).psnr);
        assert!(limited > 20.0, "{range:?}: {limited:.1} dB");
        if layers == lists {
            assert!(limited > unlimited - 1.0, "{range:?}: {limited:.1} dB, without a limit {unlimited:.1} dB");
        }
    }
}

#[test]
fn export_and_import_give_back_every_bit() {
    let presets = PRESETS.iter().map(|(name, _)| Config::preset(name).unwrap());
    for config in presets.chain(odd()) {
        let model = generator(&config, 1);
        for layout in LAYOUTS {
            let tensors = written(&to_safetensors(&model, layout).unwrap());
            let imported = import(&tensors, &config, &Options::new(layout.into())).unwrap();
            assert_eq!(imported.check.unwrap().worst, 0.0);
            // No weight is NaN or -0, so equal numbers are equal bits.
            assert_eq!(imported.model, model, "{} {layout:?}", config.name);
            let by_header = import(&tensors, &config, &Options::default()).unwrap();
            assert_eq!((by_header.format, by_header.evidence), (layout.into(), Evidence::Header));
            assert_eq!(by_header.model, model, "{} {layout:?}", config.name);
        }
    }
}

#[test]
fn a_runtime_of_others_draws_the_exported_onnx_alike() {
    let presets = PRESETS.iter().map(|(name, _)| (Config::preset(name).unwrap(), 2));
    for (config, count) in presets.chain(odd().into_iter().map(|config| (config, 5))) {
        let model = generator(&config, 2);
        let latents = latents(0, count, model.latent);
        let ours = model.outputs(latents.view());

        let onnx = rten::Model::load(to_onnx(&model)).unwrap();
        let input =
            rten_tensor::NdTensor::from_data([latents.nrows(), latents.ncols()], latents.into_raw_vec_and_offset().0);
        let output: rten_tensor::NdTensor<f32, 4> = onnx.run_one(input.into(), None).unwrap().try_into().unwrap();
        let (n, height, width, channels) = ours.dim();
        assert_eq!(output.shape(), [n, channels, height, width]);
        let theirs = Array4::from_shape_vec((n, channels, height, width), output.to_vec()).unwrap();
        let theirs = theirs.permuted_axes([0, 2, 3, 1]);
        let worst = worst(ours.view(), theirs.view());
        println!("{} {height}x{width}: {worst:.2e}", config.name);
        assert!(worst < 1e-5, "{}: {worst}", config.name);
        assert!(ours.std(0.0) > 0.1, "{}: pictures of one colour would prove nothing", config.name);
    }
}

fn worst(a: ArrayView4<'_, f32>, b: ArrayView4<'_, f32>) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn names_of_other_programs_are_found() {
    let config = config("tutorial-64.toml");
    let model = generator(&config, 3);
    let layers = ["dense", "conv1", "convt", "conv2", "conv3", "conv4"];
    let named = |prefix: &'static str, join: &'static str, weight: &'static str, end: &'static str| {
        move |name: &str| match name.split('.').collect::<Vec<_>>()[..] {
            ["generator", i, "weight"] => format!("{prefix}{}{join}{weight}{end}", layers[i.parse::<usize>().unwrap()]),
            ["generator", i, leaf] => format!("{prefix}{}{join}{leaf}{end}", layers[i.parse::<usize>().unwrap()]),
            _ => name.to_owned(),
        }
    };
    let options = Options::new(Layout::Hwio.into());
    let list = |prefix: &str| layers.iter().map(|l| format!("{prefix}{l}")).collect::<Vec<_>>();

    // With a discriminator in the same file.
    let mut keras = renamed(&model, Layout::Hwio, named("g.", ".", "kernel", ""));
    keras.map.insert("d.conv1.kernel".into(), ArrayD::zeros(vec![3, 3, 3, 4]));
    keras.map.insert("step".into(), ArrayD::zeros(vec![]));
    for chosen in [
        Options { layers: list("g."), ..options.clone() },
        Options { prefix: "g.".into(), layers: list(""), ..options.clone() },
    ] {
        assert_eq!(import(&keras, &config, &chosen).unwrap().model, model);
    }
    // Names with letters only give no order, even if the shapes would fit.
    let message = error(&keras, &config, &Options { prefix: "g.".into(), ..options.clone() });
    assert!(message.contains("--layers") && message.contains("conv1,conv2,conv3,conv4,convt,dense"), "{message}");
    let twice = Options { layers: vec!["g.dense".into(), "g.dense".into()], ..options.clone() };
    assert!(error(&keras, &config, &twice).contains("twice"));

    let slashes = renamed(&model, Layout::Hwio, named("generator/", "/", "kernel", ":0"));
    let chosen = Options { prefix: "generator/".into(), layers: list(""), ..options.clone() };
    assert_eq!(import(&slashes, &config, &chosen).unwrap().model, model);

    // The numbers of nn.Sequential: 10 comes after 9, activations leave gaps.
    let numbers = ["0", "3", "5", "9", "10", "011"];
    let sequential = renamed(&model, Layout::Oihw, |name| match name.split('.').collect::<Vec<_>>()[..] {
        ["generator", i, leaf] => format!("main.{}.{leaf}", numbers[i.parse::<usize>().unwrap()]),
        _ => name.to_owned(),
    });
    let options = Options::new(Layout::Oihw.into());
    assert_eq!(import(&sequential, &config, &options).unwrap().model, model);
}

/// The error names all differences at once, with both shapes.
#[test]
fn all_mismatches_are_listed() {
    let config = config("pocket-4.toml");
    let good = written(&to_safetensors(&generator(&config, 4), Layout::Oihw).unwrap());
    let options = Options::new(Layout::Oihw.into());
    import(&good, &config, &options).unwrap();

    let mut bad = good.clone();
    let zeros = |shape: &[usize]| ArrayD::<f64>::zeros(shape.to_vec());
    bad.map.insert("generator.0.weight".into(), zeros(&[192, 31]));
    bad.map.remove("generator.1.bias");
    bad.map.insert("generator.2.alpha".into(), zeros(&[6]));
    bad.map.insert("generator.2.kernel".into(), zeros(&[8, 6, 4, 4]));
    bad.map.get_mut("generator.3.bias").unwrap()[[1]] = f64::NAN;
    bad.map.get_mut("generator.3.weight").unwrap()[[0, 0, 0, 0]] = 1e39;
    bad.map.insert("generator.4.norm.weight".into(), zeros(&[3]));
    bad.map.insert("generator.5.weight".into(), zeros(&[3, 3, 1, 1]));
    bad.map.insert("check.latent".into(), zeros(&[2, 100]));
    bad.map.insert("check.image".into(), zeros(&[0, 3, 32, 32]));
    let message = error(&bad, &config, &options);
    for expected in [
        "generator.0.weight has the shape [192, 31], layer 0 (dense) needs [192, 32] (out, in)",
        "generator.1.bias is missing: layer 1 (conv_transpose) needs [8] (one a channel)",
        "generator.2.alpha of the shape [6] is left over: its name ends in none of",
        "are the same thing of one layer",
        "generator.3.bias: 1 of its 3 values are not finite",
        "generator.3.weight: 1 of its 288 values are not finite",
        "generator.4.norm.weight of the shape [3] is left over: layer 4 (conv) has no batch normalisation",
        "generator.5.weight of the shape [3, 3, 1, 1] is left over: the generator has only 5 layers",
        "check.latent has the shape [2, 100], the generator needs [2, 32]",
        "check.image has the shape [0, 3, 32, 32], the generator needs [2, 3, 32, 32]",
    ] {
        assert!(message.contains(expected), "{expected}\n\n{message}");
    }
    assert_eq!(message.lines().count(), 11, "{message}");

    // A file in which layers are missing.
    let mut bad = good.clone();
    bad.map.retain(|name, _| !name.starts_with("generator.4") && !name.starts_with("check.image"));
    let message = error(&bad, &config, &options);
    assert!(message.contains("generator.4.weight is missing: layer 4 (conv) needs [3, 3, 3, 3]"), "{message}");
    assert!(message.contains("generator.4.bias is missing") && message.contains("go together"), "{message}");
    let message = error(&good, &config, &Options { prefix: "gen_".into(), ..options.clone() });
    assert!(
        message.contains("no name begins with \"gen_\"") && message.contains("gen_generator.0.weight"),
        "{message}"
    );
    let message = error(&good, &config, &Options { bn_epsilon: f64::NAN, ..options });
    assert!(message.contains("epsilon"), "{message}");
}

/// Options take precedence over the header of the file, and the header over the shapes; nothing is guessed.
#[test]
fn a_layout_that_is_not_told_is_found_or_asked_for() {
    let config = config("pocket-4.toml");
    let model = generator(&config, 9);
    let good = written(&to_safetensors(&model, Layout::Hwio).unwrap());
    let (any, told) = (Options::default(), |layout| Options { layout: Some(layout), ..Options::default() });
    let with = |tensors: &Tensors, header: &[(&str, &str)]| {
        let header = header.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Tensors { header, ..tensors.clone() }
    };
    let silent = with(&good, &[]);

    // A wrong header is not ignored, and options are used without a check against the header.
    let wrong = with(&good, &[("layout", "oihw")]);
    let message = error(&wrong, &config, &any);
    assert!(message.contains("oihw as its header says") && message.contains("fits with the layout hwio"), "{message}");
    let imported = import(&wrong, &config, &told(Layout::Hwio)).unwrap();
    assert_eq!((imported.model, imported.evidence), (model.clone(), Evidence::Told));
    assert!(error(&good, &config, &told(Layout::Oihw)).contains("fits with the layout hwio"));
    let message = error(&with(&good, &[("layout", "NHWC")]), &config, &any);
    assert!(message.contains("\"NHWC\", which is none of hwio, oihw") && message.contains("--layout"), "{message}");

    // Shapes do not show the order of dense outputs: the header is used, and the check pictures show that it is wrong.
    let message = error(&with(&good, &[("layout", "hwio"), ("dense", "chw")]), &config, &any);
    assert!(message.contains("--dense"), "{message}");
    let options = Options { dense: Some(DenseOrder::Hwc), ..any.clone() };
    import(&with(&good, &[("layout", "hwio"), ("dense", "chw")]), &config, &options).unwrap();
    let message = error(&with(&good, &[("dense", "whc")]), &config, &any);
    assert!(message.contains("\"whc\", which is none of hwc, chw") && message.contains("--dense"), "{message}");

    // Neither layout fits: the message lists the problems of the one with fewer.
    let mut bad = silent.clone();
    bad.map.remove("generator.1.bias");
    let message = error(&bad, &config, &any);
    assert!(message.contains("its header names none. What does not fit: 1 with --layout hwio, "), "{message}");
    assert!(message.contains("with --layout hwio:\n  generator.1.bias is missing"), "{message}");
    assert_eq!(message.lines().count(), 3, "{message}");

    // Both layouts fit, because a dense layer has as many inputs as outputs. Only the check pictures can decide.
    let mut square = config.clone();
    square.latent = 48;
    square.generator.layers.truncate(1);
    square.generator.layers[0].channels = 3;
    square.generator.layers[0].batch_norm = false;
    square.generator.layers[0].activation = trainer::config::ActivationName::Tanh;
    square.discriminator.layers.drain(..3);
    let mut tensors = with(&written(&to_safetensors(&generator(&square, 10), Layout::Oihw).unwrap()), &[]);
    let imported = import(&tensors, &square, &any).unwrap();
    assert_eq!((imported.format, imported.evidence), (Layout::Oihw.into(), Evidence::Shapes));
    tensors.map.retain(|name, _| !name.starts_with("check."));
    let message = error(&tensors, &square, &any);
    assert!(message.contains("in both layouts, hwio and oihw") && message.contains("--layout"), "{message}");
    import(&tensors, &square, &told(Layout::Oihw)).unwrap();
}

#[test]
fn normalisations_without_use_are_named() {
    let config = config("pocket-4.toml");
    let good = Tensors::read(&fixture("pytorch-pocket.safetensors")).unwrap();
    let options = Options::new(Layout::Oihw.into());

    // Normalisation with the statistics of each batch cannot be folded.
    let mut bad = good.clone();
    bad.map.retain(|name, _| !name.contains("running_"));
    let message = error(&bad, &config, &options);
    assert!(message.contains("generator.2.running_mean is missing: the batch normalisation of layer 0"), "{message}");
    assert_eq!(message.matches("is missing").count(), 8, "{message}");

    let mut bad = good.clone();
    bad.map.get_mut("generator.5.running_var").unwrap()[[3]] = -0.5;
    assert!(error(&bad, &config, &options).contains("a variance of -0.5"));

    // The beta of a normalisation is not a layer's bias.
    let mut bad = good.clone();
    bad.map.remove("generator.5.bias");
    let message = error(&bad, &config, &options);
    assert!(message.contains("generator.5.bias is missing") && !message.contains("--zero-bias"), "{message}");

    let mut bad = good.clone();
    bad.map.retain(|name, _| !name.starts_with("generator.0."));
    assert!(error(&bad, &config, &options).contains("before the first layer"));
    let mut bad = good.clone();
    for leaf in ["weight", "bias", "running_mean", "running_var"] {
        bad.map.insert(format!("generator.3.{leaf}"), good.map[&format!("generator.2.{leaf}")].clone());
    }
    assert!(error(&bad, &config, &options).contains("has a batch normalisation already"));
}

/// Keras's DCGAN normalises each output of its dense layer, not its channels.
#[test]
fn a_normalised_list_is_folded_output_by_output() {
    let mut config = config("pocket-4.toml");
    config.generator.layers.truncate(1);
    config.generator.layers[0].channels = 3;
    config.generator.layers[0].activation = trainer::config::ActivationName::Tanh;
    config.discriminator.layers.drain(..3);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut random = |shape: &[usize], low: f64| ArrayD::from_shape_simple_fn(shape, || rng.random_range(low..1.0));
    let (weight, gamma, beta) = (random(&[32, 48], -1.0), random(&[48], 0.5), random(&[48], -1.0));
    let (mean, variance, latent) = (random(&[48], -1.0), random(&[48], 0.5), random(&[3, 32], -1.0));
    for dense in [DenseOrder::Hwc, DenseOrder::Chw] {
        let image = ArrayD::from_shape_fn(vec![3, 4, 4, 3], |i| {
            let o = match dense {
                DenseOrder::Hwc => (i[1] * 4 + i[2]) * 3 + i[3],
                DenseOrder::Chw => (i[3] * 4 + i[1]) * 4 + i[2],
            };
            let sum: f64 = (0..32).map(|k| latent[[i[0], k]] * weight[[k, o]]).sum();
            (gamma[[o]] * (sum - mean[[o]]) / (variance[[o]] + 1e-3).sqrt() + beta[[o]]).tanh()
        });
        let map = [
            ("0.kernel", &weight),
            ("1.gamma", &gamma),
            ("1.beta", &beta),
            ("1.moving_mean", &mean),
            ("1.moving_variance", &variance),
            ("check.latent", &latent),
            ("check.image", &image),
        ];
        let map = map.into_iter().map(|(name, array)| (name.to_owned(), array.clone())).collect();
        let format = Format { layout: Layout::Hwio, dense };
        let options = Options { bn_epsilon: 1e-3, ..Options::new(format) };
        let imported = import(&tensors(map), &config, &options).unwrap();
        assert!(imported.check.unwrap().worst < 1e-6, "{:?}", imported.check);
    }
}

#[test]
fn layers_without_bias_are_taken_on_request() {
    let mut config = config("pocket-4.toml");
    config.generator.layers.iter_mut().for_each(|layer| layer.batch_norm = false);
    let mut model = generator(&config, 6);
    model.layers.iter_mut().for_each(|layer| layer.biases.fill(0.0));
    let mut tensors = written(&to_safetensors(&model, Layout::Oihw).unwrap());
    tensors.map.retain(|name, _| !name.ends_with("bias"));
    let options = Options::new(Layout::Oihw.into());
    let message = error(&tensors, &config, &options);
    assert_eq!(message.matches("is missing").count(), 5, "{message}");
    assert_eq!(message.matches("; --zero-bias if the layer has none").count(), 5, "{message}");
    assert_eq!(import(&tensors, &config, &Options { zero_bias: true, ..options }).unwrap().model, model);
}

/// Any file is either imported or refused with an error.
#[test]
fn damaged_files_never_panic() {
    let mut config = with_layers(
        r#"layers = [
            { op = "dense", size = [2, 2], channels = 2, batch_norm = true, activation = "relu" },
            { op = "conv_transpose", channels = 3, kernel = 4, stride = 2, activation = "tanh" },
        ]"#,
        Range::Symmetric,
    );
    config.latent = 2;
    let options = Options::new(Layout::Oihw.into());
    let mut tensors = written(&to_safetensors(&generator(&config, 7), Layout::Oihw).unwrap());
    tensors.map.retain(|name, _| !name.starts_with("check"));
    for (leaf, value) in [("weight", 1.0), ("bias", 0.1), ("running_mean", 0.2), ("running_var", 1.5)] {
        tensors.map.insert(format!("generator.0.norm.{leaf}"), arr1(&[value, value]).into_dyn());
    }
    let folder = tempfile::tempdir().unwrap();
    let narrow: BTreeMap<_, _> = tensors.map.iter().map(|(name, array)| (name, array.mapv(|v| v as f32))).collect();
    let raw: Vec<(_, _, Vec<u8>)> = (narrow.iter())
        .map(|(name, array)| (name, array.shape().to_vec(), array.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = raw.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let file = safetensors::serialize(views, None).unwrap();
    let npz = |compressed: bool| {
        let bytes = std::io::Cursor::new(Vec::new());
        let mut writer = match compressed {
            true => ndarray_npy::NpzWriter::new_compressed(bytes),
            false => ndarray_npy::NpzWriter::new(bytes),
        };
        for (name, array) in &narrow {
            writer.add_array(name.as_str(), array).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(8);
    for (extension, bytes) in [("safetensors", file), ("npz", npz(false)), ("npz", npz(true))] {
        let path = folder.path().join(format!("w.{extension}"));
        let attempt = |bytes: &[u8]| -> anyhow::Result<()> {
            fs::write(&path, bytes).unwrap();
            let imported = import(&Tensors::read(&path)?, &config, &options)?;
            quantise(&imported.model)?.to_blob()?;
            Ok(())
        };
        attempt(&bytes).unwrap();
        let mut refused = 0;
        for _ in 0..1500 {
            let mut mutant = bytes.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..mutant.len() as u32) as usize;
                match rng.random_range(0..5) {
                    0 => mutant[at] ^= 1 << rng.random_range(0..8),
                    1 => mutant[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5u32) as usize],
                    // Digits and brackets of headers.
                    2 => mutant[at] = b"0123456789[](){},:\"'<>f-"[rng.random_range(0..23u32) as usize],
                    3 => drop(mutant.remove(at)),
                    _ => mutant.truncate(at.max(1)),
                }
            }
            refused += u32::from(attempt(&mutant).is_err());
        }
        assert!(refused > 500, "{extension}: {refused}");
    }
}

#[test]
fn the_program_imports_and_exports() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_trainer")).args(arguments).current_dir(&folder).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    };
    let path = |name: &str| fixture(name).to_str().unwrap().to_owned();
    let (keras, recipe) = (path("keras-pocket.safetensors"), path("pocket-4.toml"));
    let import = ["import", &keras, "--layout", "hwio", "--config", &recipe, "--bn-epsilon", "1e-3", "-o", "keras.gen"];
    let (good, text) = run(&import);
    assert!(
        good && text.contains("largest difference") && text.contains("PSNR") && text.contains("are equal"),
        "{text}"
    );
    assert!(run(&["inspect", "keras.gen"]).0);

    // The file may determine the layout. The network is never guessed, and a refused file writes no model.
    let (good, text) = run(&[&["import", &keras], &import[4..]].concat());
    assert!(good && text.contains("layout: hwio, dense hwc, the only one that all shapes fit"), "{text}");
    let (good, text) = run(&["import", &keras, "--layout", "hwio"]);
    assert!(!good && text.contains("--preset") && text.contains("--config"), "{text}");
    let (good, text) = run(&["import", &keras, "--preset", "pocket", "--config", &recipe]);
    assert!(!good && text.contains("cannot be used with"), "{text}");
    let (good, text) = run(&["import", &keras, "--layout", "hwio", "--preset", "pocket", "-o", "none.gen"]);
    assert!(!good && text.contains("needs [32, 768]") && !folder.path().join("none.gen").exists(), "{text}");
    let (good, text) = run(&["import", "model.h5", "--layout", "hwio", "--preset", "pocket"]);
    assert!(!good && text.contains("model.h5"), "{text}");
    // Values below 0 are black, in Keras's pictures as in those of this program.
    let (good, text) = run(&[&import[..8], &["--range", "unit", "-o", "unit.gen"]].concat());
    assert!(good && text.contains("largest difference"), "{text}");
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_ne!(read("unit.gen"), read("keras.gen"));

    let config = config("pocket-4.toml");
    let state = Trainer::new(config.clone()).unwrap().state;
    let checkpoint = Checkpoint {
        config,
        state,
        pending: Pending::default(),
        seconds: 0.0,
        data: "0".into(),
        health: Default::default(),
    };
    fs::write(folder.path().join("a.ckpt"), checkpoint.encode().unwrap()).unwrap();
    let (good, text) = run(&["export", "a.ckpt"]);
    assert!(!good && text.contains("--safetensors") && text.contains("--onnx"), "{text}");
    let (good, text) = run(&["import", "a.ckpt", "--preset", "pocket"]);
    assert!(!good && text.contains("a checkpoint of Ribbit") && text.contains("trainer quantize"), "{text}");
    let (good, text) = run(&["export", "a.ckpt", "--safetensors", "a.safetensors", "--onnx", "a.onnx"]);
    assert!(good, "{text}");
    assert!(rten::Model::load_file(folder.path().join("a.onnx")).is_ok());
    let header = read("a.safetensors");
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&header).unwrap();
    let metadata = metadata.metadata().as_ref().unwrap();
    let said = ["preset", "layout", "dense", "range"].map(|key| &*metadata[key]);
    assert_eq!(said, ["pocket-4", "oihw", "chw", "symmetric"]);
    // Quantising directly and quantising the exported file give the same model.
    let (good, text) = run(&["import", "a.safetensors", "--config", &recipe, "-o", "b.gen"]);
    assert!(good && text.contains("layout: oihw, dense chw, as the header of the file says"), "{text}");
    assert!(good && text.contains("0.00e0 is the largest difference"), "{text}");
    assert!(run(&["quantize", "a.ckpt", "-o", "a.gen"]).0);
    assert_eq!(read("a.gen"), read("b.gen"));
}
