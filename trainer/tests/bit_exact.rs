//! Tests that the float simulation and the integer engine agree on every activation of every
//! layer, and that packing is lossless.

use gen_core::aligned;
use gen_core::kernels::Native;
use gen_core::kernels::portable::Portable;
use gen_core::quant::Multiplier;
use gen_core::spec::{self, Activation, LayerSpec, Op, Padding, Shape, WeightTransform};
use gen_core::{ClassMix, Engine, Latent, Model};
use ndarray::{Array2, Axis};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use trainer::classes::ClassTable;
use trainer::quantise::verify::{self, Report};
use trainer::quantise::{QuantError, QuantLayer, QuantModel, Simulation};

use crate::nets;

/// Packs, unpacks and compares with every weight transform and both kinds of kernels;
/// panics with the report if anything differs.
fn check(model: &QuantModel, seeds: std::ops::Range<u32>) -> Report {
    // The simulation uses the model before packing.
    let simulation = Simulation::new(model).unwrap();
    let mut fast = model.clone();
    for i in 0..model.layers.len() {
        if model.can_transform(i, WeightTransform::Winograd) {
            fast.layers[i].transform = WeightTransform::Winograd;
        }
    }
    let [report, ..] = [model, &fast].map(|model| {
        let blob = model.to_blob().unwrap();
        let bytes = aligned(&blob);
        let parsed = Model::parse(&bytes).unwrap();
        assert_eq!(&QuantModel::from_model(&parsed).unwrap(), model, "unpacking gives back what was packed");
        let native = verify::compare::<Native>(&parsed, &simulation, seeds.clone());
        assert!(native.is_exact(), "{native}");
        let report = verify::compare::<Portable>(&parsed, &simulation, seeds.clone());
        assert!(report.is_exact(), "{report}");
        report
    });
    report
}

#[test]
fn pocket_on_many_latents() {
    let report = check(&QuantModel::random("pocket", 32, &nets::pocket(), 1).unwrap(), 0..100);
    assert_eq!(report.values(), 100 * (4 * 4 * 48 + 8 * 8 * 32 + 16 * 16 * 24 + 32 * 32 * 12 + 32 * 32 * 3));
}

#[test]
fn reference_pocket() {
    check(&QuantModel::random("reference-pocket", 32, &nets::reference_pocket(), 2).unwrap(), 0..20);
}

/// This network has 3.9 G multiply-accumulates for one picture.
#[test]
fn tutorial() {
    let model = QuantModel::random("tutorial", 32, &nets::tutorial(), 3).unwrap();
    let parameters: usize = model.layers.iter().map(|l| l.geometry.parameter_count()).sum();
    assert_eq!(parameters, 6_264_579);
    check(&model, 42..43);
}

#[test]
fn random_networks_spread_their_outputs() {
    for (layers, seed) in [(nets::pocket(), 4), (nets::reference_pocket(), 5)] {
        let model = QuantModel::random("spread", 32, &layers, seed).unwrap();
        let simulation = Simulation::new(&model).unwrap();
        let outputs: Vec<_> = (0..8).map(|seed| simulation.run(&Latent::from_seed(seed, 32))).collect();
        for (i, layer) in layers.iter().enumerate() {
            let values: Vec<f64> = outputs.iter().flat_map(|maps| maps[i].iter().copied()).collect();
            let (low, high) = if i + 1 == layers.len() { (0.0, 255.0) } else { (-128.0, 127.0) };
            let share = |end| values.iter().filter(|&&v| v == end).count() as f64 / values.len() as f64;
            // ReLU itself sets half of the values to the lower end.
            let at_low = if layer.activation == Activation::Relu { 0.65 } else { 0.2 };
            assert!(share(high) < 0.2 && share(low) < at_low, "layer {i}: {} {}", share(low), share(high));
        }
    }
}

/// A random network with `count` classes of `width` numbers each.
fn conditional(latent: usize, count: usize, width: usize, layers: &[LayerSpec], seed: u64) -> QuantModel {
    let mut model = QuantModel::random("classes", latent + width, layers, seed).unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let rows = Array2::from_shape_simple_fn((count, width), || rng.random_range(-128..=127));
    model.latent = latent;
    model.classes = Some(ClassTable { names: (0..count).map(|k| format!("class {k}")).collect(), rows });
    model
}

#[test]
fn classes_and_mixtures_of_two() {
    for (latent, count, width) in [(24, 10, 8), (9, 2, 1), (1, 64, 64), (7, 3, 13)] {
        let model = conditional(latent, count, width, &nets::pocket(), 9);
        check(&model, 0..12);
        let simulation = Simulation::new(&model).unwrap();
        let blob = model.to_blob().unwrap();
        let bytes = aligned(&blob);
        let parsed = Model::parse(&bytes).unwrap();
        let mut workspace = vec![0; parsed.workspace_len()];
        let mut engine = Engine::new(parsed.clone(), &mut workspace).unwrap();
        for (seed, share) in (0..12).zip([0, 1, 2, 64, 100, 127, 128, 129, 254, 255, 256, 300]) {
            let mix = ClassMix::between((seed % 5) as u8, (seed * 7 % 70) as u8, share);
            let latent = Latent::from_seed(seed, latent).with_mix(mix);
            let simulated = simulation.run(&latent);
            let mut values = 0;
            let mut observer = |layer: usize, y: usize, row: &[i8]| {
                let is_last = layer + 1 == simulated.len();
                let expected = simulated[layer].index_axis(Axis(0), y);
                for (&q, &expected) in row.iter().zip(expected) {
                    let found = if is_last { f64::from(q.cast_unsigned()) } else { f64::from(q) };
                    assert_eq!(found, expected, "layer {layer}, row {y}, {mix:?}");
                    values += 1;
                }
            };
            engine.generate_observed(&latent, |_, _| {}, &mut observer);
            assert_eq!(values, simulated.iter().map(|map| map.len()).sum::<usize>());
        }
    }
}

#[test]
fn classes_that_no_model_can_have_are_refused() {
    let model = conditional(8, 3, 4, &nets::pocket(), 9);
    let with = |change: &dyn Fn(&mut QuantModel)| {
        let mut model = model.clone();
        change(&mut model);
        model.to_blob().unwrap_err().to_string()
    };
    assert!(with(&|m| m.classes.as_mut().unwrap().names.truncate(2)).contains("2 names, and numbers of 3 classes"));
    assert!(with(&|m| m.classes.as_mut().unwrap().names[0] = "x".repeat(70)).contains("a name of 70 bytes"));
    assert!(with(&|m| m.classes.as_mut().unwrap().names[0] = "class 2".into()).contains("two classes are called"));
    assert!(with(&|m| m.classes.as_mut().unwrap().rows = Array2::zeros((3, 0))).contains("classes"));
    assert!(
        with(&|m| m.classes = None).contains("rows of weights") || with(&|m| m.classes = None).contains("geometry")
    );
    assert!(with(&|m| m.latent = 0).contains("latent"));
}

#[test]
fn the_sink_receives_the_simulated_picture() {
    let model = QuantModel::random("picture", 32, &nets::pocket(), 6).unwrap();
    let blob = model.to_blob().unwrap();
    let bytes = aligned(&blob);
    let parsed = Model::parse(&bytes).unwrap();
    let latent = Latent::from_seed(7, 32);
    let mut picture = Vec::new();
    let mut workspace = vec![0; parsed.workspace_len()];
    Engine::new(parsed.clone(), &mut workspace).unwrap().generate(&latent, |y, row| {
        assert_eq!(picture.len(), y * 32 * 3);
        picture.extend(row.bytes().iter().map(|&v| f64::from(v)));
    });
    let simulated = Simulation::new(&model).unwrap().run(&latent).pop().unwrap();
    assert_eq!(picture, simulated.into_raw_vec_and_offset().0);
}

#[test]
fn a_difference_is_found_and_named() {
    let model = QuantModel::random("pocket", 32, &nets::pocket(), 8).unwrap();
    let mut other = model.clone();
    // Changes a bias of the second layer whose effect no clamp hides.
    let requants = &other.layers[1].requants;
    other.layers[1].biases[5] += (i64::from(1 << 30) * 64 / i64::from(requants[5].positive)) as i32;
    let blob = model.to_blob().unwrap();
    let bytes = aligned(&blob);
    let parsed = Model::parse(&bytes).unwrap();
    let report = verify::compare::<Portable>(&parsed, &Simulation::new(&other).unwrap(), [3, 4]);
    let first = report.first.unwrap();
    assert_eq!((first.seed, first.layer, first.channel), (3, 1, 5), "{report}");
    assert_eq!(report.layers[0].mismatches, 0);
    assert!(report.layers[1].mismatches > 0);
    assert!(report.to_string().contains("values differ"));

    // Checksums do not depend on how latents are distributed over threads, and differ between latents.
    let exact = verify::verify(&parsed, [3, 4]).unwrap();
    assert!(exact.is_exact());
    assert_eq!(exact, verify::verify(&parsed, [3, 4]).unwrap());
    assert_ne!(exact.layers[4].checksum, verify::verify(&parsed, [4, 3]).unwrap().layers[4].checksum);
}

/// How the parameters of a network are drawn.
#[derive(Debug, Clone, Copy)]
enum Numbers {
    /// As in [`QuantModel::random`].
    Spread,
    /// Zero points at the ends of the range, weights ±127 and −128, multipliers 0, 1 and the
    /// largest that the parser accepts.
    Extreme,
    /// Any valid values.
    Mixed,
}

/// Makes layers from random numbers. Layers that do not fit the previous one are dropped,
/// and so are those with maps that are too large for a quick test.
fn layer_list(latent: u16, raw: &[(u8, u16, u8, u8, bool, u8)], output: Activation) -> Vec<LayerSpec> {
    let mut layers = Vec::new();
    let mut shape = Shape::latent(latent);
    for (i, &(kind, channels, kernel, stride, same, activation)) in raw.iter().enumerate() {
        let is_last = i + 1 == raw.len();
        let picture = if channels % 3 == 0 { 1 } else { 3 };
        let channels = if is_last { picture } else { channels };
        let padding = if same { Padding::Same } else { Padding::Valid };
        let op = match kind {
            0 => Op::Dense { out: Shape::new(kernel.into(), (stride + 1).into(), channels) },
            1 => Op::Conv { channels, kernel, stride, padding },
            _ => Op::ConvTranspose { channels, kernel: kernel.max(stride), stride, padding },
        };
        let activation = match activation {
            _ if is_last => output,
            0 => Activation::Linear,
            1 => Activation::Relu,
            _ => Activation::LeakyRelu(0.3),
        };
        let layer = LayerSpec { op, activation };
        let fits = layer.geometry(shape).is_ok_and(|g| g.output.len() <= 6000 && g.macs() <= 1_000_000);
        // A 1x1 convolution fits any input.
        let layer = match (fits, is_last) {
            (true, _) => layer,
            (false, false) => continue,
            (false, true) => {
                LayerSpec { op: Op::Conv { channels, kernel: 1, stride: 1, padding: Padding::Same }, activation }
            }
        };
        shape = layer.geometry(shape).unwrap().output;
        layers.push(layer);
    }
    layers
}

/// A network with random parameters, up to the limits that the parser accepts.
fn network(latent: usize, layers: &[LayerSpec], numbers: Numbers, seed: u64) -> QuantModel {
    let mut model = QuantModel::random("random", latent, layers, seed).unwrap();
    if let Numbers::Spread = numbers {
        return model;
    }
    let rng = &mut Xoshiro256PlusPlus::seed_from_u64(!seed);
    let extreme = matches!(numbers, Numbers::Extreme);
    let last = layers.len() - 1;
    for layer in &mut model.layers[..last] {
        layer.zero_point = if extreme { [-128, 127][rng.random_range(0..2)] } else { rng.random() };
    }
    for i in 0..=last {
        if extreme {
            // Some layers have weights of one sign only, so that accumulators reach their bound.
            let choices: &[i8] = [&[127, -128, -127][..], &[127], &[-128]][rng.random_range(0..3)];
            model.layers[i].weights.mapv_inplace(|_| choices[rng.random_range(0..choices.len())]);
        }
        let bounds = model.accumulator_bounds(i);
        let layer = &mut model.layers[i];
        for (requant, bound) in layer.requants.iter_mut().zip(bounds) {
            let most = QuantLayer::most_multiplier(bound);
            let mut draw = |usual: i32| match rng.random_range(0..if extreme { 4 } else { 8 }) {
                0 => 0,
                1 => 1,
                2 => most,
                3 => rng.random_range(0..=most),
                _ => usual.min(most),
            };
            *requant = Multiplier { positive: draw(requant.positive), negative: draw(requant.negative) };
        }
    }
    model
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_networks(
        latent in 1u16..=40,
        raw in prop::collection::vec((0u8..3, 1u16..=9, 1u8..=7, 1u8..=3, any::<bool>(), 0u8..3), 1..=6),
        output in prop_oneof![Just(Activation::Tanh), Just(Activation::Sigmoid), Just(Activation::TanhUnit)],
        numbers in prop_oneof![Just(Numbers::Spread), Just(Numbers::Extreme), Just(Numbers::Mixed)],
        seed: u64,
        first in 0u32..u32::MAX - 3,
    ) {
        let layers = layer_list(latent, &raw, output);
        prop_assert!(spec::check(latent, &layers).is_ok());
        check(&network(latent.into(), &layers, numbers, seed), first..first + 3);
    }
}

#[test]
fn the_packer_names_the_layer_and_the_channel() {
    let model = QuantModel::random("pocket", 32, &nets::pocket(), 9).unwrap();
    let broken = |change: fn(&mut QuantModel)| {
        let mut model = model.clone();
        change(&mut model);
        model.to_blob().map(|blob| blob.len()).unwrap_err()
    };
    assert_eq!(broken(|m| m.name = "x".repeat(33)), QuantError::Name("x".repeat(33)));
    assert!(matches!(
        broken(|m| m.layers[2].biases[7] = i32::MAX),
        QuantError::Accumulator { layer: 2, channel: 7, bound } if bound > i64::from(i32::MAX)
    ));
    assert!(matches!(
        broken(|m| m.layers[3].requants[1].negative = -1),
        QuantError::Multiplier { layer: 3, channel: 1, multiplier: -1, .. }
    ));
    assert!(matches!(
        broken(|m| {
            m.layers[3].biases[2] = 1 << 24;
            m.layers[3].requants[2].positive = 1 << 28;
        }),
        QuantError::Multiplier { layer: 3, channel: 2, .. }
    ));
    assert!(matches!(broken(|m| m.layers[1].biases.truncate(5)), QuantError::Length { layer: 1, what: "biases", .. }));
    assert!(matches!(broken(|m| m.layers[0].scale = f32::NAN), QuantError::Scale { layer: 0, .. }));
    assert!(matches!(broken(|m| m.layers.swap(1, 2)), QuantError::Geometry { layer: 1 }));
    assert!(matches!(broken(|m| m.layers.clear()), QuantError::Spec(_)));
}

#[test]
fn the_parser_draws_the_same_bounds_as_the_packer() {
    // The largest multiplier that the packer allows is accepted by the parser, too.
    let mut model = QuantModel::random("bounds", 8, &nets::pocket(), 10).unwrap();
    let bounds = model.accumulator_bounds(1);
    model.layers[1].requants[3].positive = QuantLayer::most_multiplier(bounds[3]);
    let blob = model.to_blob().unwrap();
    assert!(Model::parse(&aligned(&blob)).is_ok());
}

#[test]
fn phases_that_disagree_are_no_quantised_model() {
    let layers = [
        LayerSpec { op: Op::Dense { out: Shape::new(2, 2, 4) }, activation: Activation::Relu },
        LayerSpec {
            op: Op::ConvTranspose { channels: 3, kernel: 4, stride: 2, padding: Padding::Same },
            activation: Activation::Tanh,
        },
    ];
    let model = QuantModel::random("phases", 8, &layers, 11).unwrap();
    let mut blob = model.to_blob().unwrap();
    // The last layer ends in 4 phases of 3 biases and two lists of 3 multipliers,
    // 48 + 16 + 16 bytes: this is the last bias.
    let at = blob.len() - 16 - 16 - 4;
    blob[at] ^= 1;
    gen_core::format::seal(&mut blob).unwrap();
    let unpacked = QuantModel::from_model(&Model::parse(&aligned(&blob)).unwrap());
    assert_eq!(unpacked, Err(QuantError::Biases { layer: 1, channel: 2 }));
}
