//! Compares a training step of a conditional DCGAN with PyTorch: class embedding and projection, batch normalisation,
//! binary cross-entropy, Adam. `trainer/interop/golden_conditional.py` made the arrays.

use std::path::Path;

use gen_core::spec::Shape;
use ndarray::{Array1, Array2, ArrayD, Ix2};
use trainer::augment::Change;
use trainer::config::{Config, Layer, Precision, Range};
use trainer::interchange::layout::{Format, Layout, Mapping};
use trainer::nn::Network;
use trainer::pixels::to_float;
use trainer::tensors::Tensors;
use trainer::train::{Losses, State, StepInputs, Trainer};

/// Allowed difference of pictures, logits and gradients, as a share of the tensor's largest value; of losses; of parameters
/// after the step, which moves them by up to the learning rate of 0.01.
const RELATIVE: f64 = 1e-5;
const OF_LOSS: f64 = 1e-6;
const OF_PARAMETERS: f64 = 1e-6;

/// The networks of the script.
fn config() -> Config {
    #[derive(serde::Deserialize)]
    struct Networks {
        generator: Vec<Layer>,
        discriminator: Vec<Layer>,
    }
    let networks: Networks = toml::from_str(
        r#"
        generator = [
            { op = "dense", size = [4, 4], channels = 6, batch_norm = true, activation = "relu" },
            { op = "conv_transpose", channels = 5, kernel = 4, stride = 2, batch_norm = true, activation = "relu" },
            { op = "conv_transpose", channels = 4, kernel = 4, stride = 2, batch_norm = true, activation = "relu" },
            { op = "conv", channels = 3, kernel = 3, activation = "tanh" },
        ]
        discriminator = [
            { op = "conv", channels = 4, kernel = 4, stride = 2, activation = "leaky_relu", slope = 0.2 },
            { op = "conv", channels = 8, kernel = 4, stride = 2, batch_norm = true, activation = "leaky_relu", slope = 0.2 },
            { op = "dense", size = [1, 1], channels = 1, activation = "linear" },
        ]
        "#,
    )
    .unwrap();
    let mut config = Config::preset("pocket").unwrap();
    config.latent = 8;
    config.batch = 6;
    config.precision = Precision::Float32;
    config.class_names = ["a", "b", "c"].map(str::to_owned).into();
    config.class_embedding = 4;
    config.lr_decay_start = 1.0;
    config.fresh_latents = true;
    config.augment = Default::default();
    let adam = toml::from_str("rule = 'adam'\nlr = 1e-2\nbeta1 = 0.5\nbeta2 = 0.999\nepsilon = 1e-3").unwrap();
    (config.generator.layers, config.discriminator.layers) = (networks.generator, networks.discriminator);
    (config.generator.optimiser, config.discriminator.optimiser) = (adam, adam);
    config.check().unwrap();
    config
}

/// Names of a network's parameters in the script, in the order of this program: the linear part of each layer, and its
/// normalisation.
const GENERATOR: [(&str, &str); 4] = [("dense", "norm1"), ("up1", "norm2"), ("up2", "norm3"), ("out", "")];
const DISCRIMINATOR: [(&str, &str); 3] = [("conv1", ""), ("conv2", "norm2"), ("dense", "")];

/// The parameters of a network with the names `kind.letter.*`, and the name of each part.
fn parameters(
    golden: &Tensors,
    kind: &str,
    letter: &str,
    network: &Network,
    names: &[(&str, &str)],
) -> Vec<(String, Vec<f32>)> {
    let mut parts = Vec::new();
    let mut add = |name: String, values: &mut dyn Iterator<Item = f64>| {
        parts.push((name, values.map(|v| v as f32).collect::<Vec<_>>()));
    };
    let format = Format::from(Layout::Oihw);
    for ((linear, norm), block) in names.iter().zip(network.blocks()) {
        let (op, geometry) = (block.spec().layer.op, block.geometry());
        let name = |layer: &str, leaf: &str| format!("{kind}.{letter}.{layer}.{leaf}");
        let mut map = |name: String, mapping: &Mapping| {
            let values = mapping.from_file(golden.shaped(&name, mapping.shape()).unwrap());
            add(name, &mut values.into_iter());
        };
        map(name(linear, "weight"), &Mapping::weights(op, geometry, format));
        if block.spec().norm.is_some() {
            let channels = Mapping::channels(geometry);
            map(name(norm, "bias"), &channels);
            map(name(norm, "weight"), &channels);
        } else {
            map(name(linear, "bias"), &Mapping::channels(geometry));
        }
    }
    // The projection multiplies a flattened map, whose axes have another order in PyTorch.
    let vectors = network.classes().unwrap();
    let map = network.blocks().last().unwrap().geometry().input;
    let shape: [usize; 4] = match letter {
        "D" => [vectors.count, map.channels.into(), map.height.into(), map.width.into()],
        _ => [vectors.count, vectors.width, 1, 1],
    };
    let name = format!("{kind}.{letter}.embed.weight");
    let table = golden.shaped(&name, &[vectors.count, vectors.width]).unwrap();
    let table = table.to_shape(shape).unwrap().permuted_axes([0, 2, 3, 1]);
    add(name, &mut table.iter().copied());
    parts
}

fn flat(parts: &[(String, Vec<f32>)]) -> Vec<f32> {
    parts.iter().flat_map(|(_, values)| values).copied().collect()
}

/// Pictures `[N, channels, height, width]` as `[N, values]` in this program's order.
fn pictures(array: &ArrayD<f64>) -> Array2<f32> {
    let n = array.shape()[0];
    let array = array.view().permuted_axes(vec![0, 2, 3, 1]).mapv(|v| v as f32);
    Array2::from_shape_vec((n, array.len() / n), array.iter().copied().collect()).unwrap()
}

/// A difference of two lists of numbers.
struct Difference {
    name: String,
    worst: f64,
    largest: f64,
    allowed: f64,
}

/// Performs the step, with the classes changed by `classes`, and compares all its results.
fn differences(classes: impl Fn(u8) -> u8) -> Vec<Difference> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pytorch-conditional.npz");
    let golden = Tensors::read(&file).unwrap();
    let config = config();
    let (generator, discriminator) = config.networks().unwrap();
    assert_eq!(generator.output(), Shape::new(16, 16, 3));
    let of_generator = |kind: &str| parameters(&golden, kind, "G", &generator, &GENERATOR);
    let of_discriminator = |kind: &str| parameters(&golden, kind, "D", &discriminator, &DISCRIMINATOR);
    let (g_first, d_first) = (flat(&of_generator("init")), flat(&of_discriminator("init")));
    let state = State {
        step: 0,
        average: g_first.clone().into(),
        generator_moments: config.generator.optimiser.moments(g_first.len()),
        generator: g_first.into(),
        discriminator_moments: config.discriminator.optimiser.moments(d_first.len()),
        discriminator: d_first.into(),
    };
    let batch = config.batch;
    let latents = |name: &str| {
        let array = golden.shaped(name, &[batch, 8]).unwrap().mapv(|v| v as f32);
        array.into_dimensionality::<Ix2>().unwrap()
    };
    let inputs = StepInputs {
        real: pictures(golden.get("real").unwrap()).mapv(|v| to_float(v as u8, Range::Symmetric)),
        classes: golden.shaped("classes", &[batch]).unwrap().iter().map(|&class| classes(class as u8)).collect(),
        latents: latents("z1"),
        fresh_latents: Some(latents("z2")),
        teacher: None,
        label_noise: Array1::zeros(2 * batch),
        changes: [(); 3].map(|()| vec![Change::default(); batch]),
        dropout: [0; 3],
    };
    let mut trainer = Trainer::with_state(config, state).unwrap();
    let Losses { d_loss, g_loss, .. } = trainer.step_with(&inputs).unwrap();
    let trace = trainer.trace();

    let mut found = Vec::new();
    let mut compare = |name: &str, ours: &[f32], theirs: &[f32], allowed: Option<f64>| {
        assert_eq!(ours.len(), theirs.len(), "{name}");
        let pairs = ours.iter().zip(theirs);
        let worst = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()).fold(0.0, f64::max);
        let largest = theirs.iter().map(|v| f64::from(v.abs())).fold(0.0, f64::max);
        let allowed = allowed.unwrap_or(RELATIVE * largest);
        found.push(Difference { name: name.to_owned(), worst, largest, allowed });
    };
    let maps = [
        ("fake", &trace.discriminator.images),
        ("g_images", &trace.generator.images),
        ("g_image_grad", &trace.d_images),
    ];
    for (name, ours) in maps {
        let theirs = pictures(golden.get(name).unwrap());
        compare(name, ours.as_slice().unwrap(), theirs.as_slice().unwrap(), None);
    }
    for (name, ours) in [("d_logits", &trace.discriminator.logits), ("g_logits", &trace.generator.logits)] {
        let theirs: Vec<_> = golden.get(name).unwrap().iter().map(|&v| v as f32).collect();
        compare(name, ours.as_slice().unwrap(), &theirs, None);
    }
    let sides = [
        (&of_generator as &dyn Fn(&str) -> _, &trace.generator.gradient, &trainer.state.generator),
        (&of_discriminator, &trace.discriminator.gradient, &trainer.state.discriminator),
    ];
    for (of_network, gradient, after) in sides {
        for (kind, ours, allowed) in [("grad", gradient, None), ("after", after, Some(OF_PARAMETERS))] {
            let mut start = 0;
            for (name, theirs) in of_network(kind) {
                compare(&name, &ours[start..start + theirs.len()], &theirs, allowed);
                start += theirs.len();
            }
            assert_eq!(start, ours.len(), "{kind}: every parameter is compared");
        }
    }
    for (name, ours) in [("d_loss", d_loss), ("g_loss", g_loss)] {
        let theirs = golden.shaped(name, &[]).unwrap()[[]];
        let (name, worst) = (name.to_owned(), (ours - theirs).abs());
        found.push(Difference { name, worst, largest: theirs, allowed: OF_LOSS });
    }
    found
}

#[test]
fn a_conditional_step_agrees_with_pytorch() {
    let found = differences(|class| class);
    // Pictures and logits; gradients and new values of 11 and 7 arrays and of the class vectors; losses.
    assert_eq!(found.len(), 5 + 2 * (12 + 8) + 2);
    for Difference { name, worst, largest, allowed } in &found {
        println!("{name:<26} largest {largest:>9.2e}, difference {worst:.1e}, allowed {allowed:.1e}");
    }
    let out: Vec<_> = found.iter().filter(|d| d.worst.is_nan() || d.worst > d.allowed).map(|d| &d.name).collect();
    assert!(out.is_empty(), "{out:?}");
}

/// The comparison notices wrong classes, at both ends.
#[test]
fn wrong_classes_are_noticed() {
    let found = differences(|class| (class + 1) % 3);
    for name in ["fake", "d_logits", "grad.G.embed.weight", "grad.D.embed.weight", "d_loss"] {
        let difference = found.iter().find(|d| d.name == name).unwrap();
        assert!(difference.worst > 100.0 * difference.allowed, "{name}: {:.1e}", difference.worst);
    }
}
