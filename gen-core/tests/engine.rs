//! The public interface of the engine: workspace, reuse, and pictures that never change.

use std::path::Path;

use gen_core::aligned;
use gen_core::conformance::Buffers;
use gen_core::kernels::{Destination, KernelArgs};
use gen_core::plan::{ARMV7EM, ARMV7M, ARMV8_1M_MVE, PORTABLE, X86_64};
use gen_core::{Activation, Aligned, Engine, EngineError, Latent, Model, Shape, include_aligned};

use crate::common::{build, build_in_forms, draw, fast_forms, picture, tiny};

#[test]
fn a_workspace_of_the_exact_size_is_enough_and_one_byte_less_is_not() {
    let blob = build("tiny", 5, &tiny(), 1);
    let blob = aligned(&blob);
    let model = Model::parse(&blob).unwrap();
    let needed = model.workspace_len();
    let latent = Latent::from_seed(3, 5);
    let exact = picture(&model, &latent);

    let mut less = vec![0; needed - 1];
    assert_eq!(
        Engine::new(model.clone(), &mut less).unwrap_err(),
        EngineError::WorkspaceTooSmall { needed, given: needed - 1 }
    );

    // Bytes after the required length are not changed.
    let mut more = vec![77; needed + 100];
    assert_eq!(draw(&mut Engine::new(model.clone(), &mut more).unwrap(), &latent), exact);
    assert!(more[needed..].iter().all(|&b| b == 77));
}

/// The length of the workspace that firmware uses for its buffer, for every kind of kernels.
#[test]
fn the_workspace_as_a_constant_is_what_the_model_asks_for() {
    let compare = |model: &Model<'_>, name: &str| {
        let inputs = model.input_len() as u16;
        let layers: Vec<_> = model.layers().iter().map(|layer| layer.spec).collect();
        let transforms: Vec<_> = model.layers().iter().map(|layer| layer.transform).collect();
        assert_eq!(gen_core::workspace_len(inputs, &layers, &transforms), Ok(model.workspace_len()), "{name}");
        for layout in [PORTABLE, ARMV7EM, ARMV7M, ARMV8_1M_MVE, X86_64] {
            assert_eq!(
                layout.workspace_len(inputs, &layers, &transforms),
                Ok(model.workspace_plan(&layout).bytes()),
                "{name}"
            );
        }
    };
    let mut shipped = 0;
    for folder in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models")).unwrap() {
        let path = folder.unwrap().path().join("model.gen");
        if let Ok(blob) = std::fs::read(&path) {
            compare(&Model::parse(&aligned(&blob)).unwrap(), &path.display().to_string());
            shipped += 1;
        }
    }
    assert!(shipped >= 4, "only {shipped} models");
    for transforms in [vec![], fast_forms(5, &tiny())] {
        let blob = build_in_forms("tiny", 5, &tiny(), &transforms, 1);
        compare(&Model::parse(&aligned(&blob)).unwrap(), &format!("{transforms:?}"));
    }
}

#[test]
fn an_engine_can_be_used_again() {
    let blob = build("tiny", 5, &tiny(), 1);
    let blob = aligned(&blob);
    let model = Model::parse(&blob).unwrap();
    // Old contents of the workspace must not change the picture.
    let mut workspace = vec![-86; model.workspace_len()];
    let mut engine = Engine::new(model.clone(), &mut workspace).unwrap();
    for seed in [1, 2, 1, 1] {
        let latent = Latent::from_seed(seed, 5);
        assert_eq!(draw(&mut engine, &latent), picture(&model, &latent), "seed {seed}");
    }
}

#[test]
fn latents_of_another_length_are_cut_or_filled_up() {
    let blob = build("tiny", 5, &tiny(), 1);
    let blob = aligned(&blob);
    let model = Model::parse(&blob).unwrap();
    let of = |steps: &[i8]| picture(&model, &Latent::from_steps(steps).unwrap());
    assert_eq!(of(&[1, 2, 3, 4, 5, 99, 99]), of(&[1, 2, 3, 4, 5]));
    assert_eq!(of(&[1, 2, 3]), of(&[1, 2, 3, 0, 0]));
    assert_ne!(of(&[1, 2, 3, 4, 5]), of(&[1, 2, 3, 4, 6]));
}

#[test]
fn pictures_of_the_committed_model_have_not_changed() {
    let model = Model::parse(include_aligned!("golden/tiny.blob")).unwrap();
    assert_eq!(model.output_shape(), Shape::new(8, 12, 3));
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let found = [0, 1, 2, 42].map(|seed| crc.checksum(&picture(&model, &Latent::from_seed(seed, model.latent_len()))));
    assert_eq!(found, [0x75a2_6e2b, 0xec53_4528, 0xce4b_457c, 0xdccb_c8bc], "{found:#010x?}");
}

/// The same parameters with both output activations. `TanhUnit` has half the step, so its argument is half as large; it is
/// black where `Tanh` is darker than middle grey.
#[test]
fn a_tanh_from_0_is_black_where_the_other_is_dark() {
    let mut layers = tiny();
    let both = [Activation::Tanh, Activation::TanhUnit].map(|activation| {
        layers[4].activation = activation;
        let blob = build("tiny", 5, &layers, 1);
        picture(&Model::parse(&aligned(&blob)).unwrap(), &Latent::from_seed(42, 5))
    });
    let [symmetric, unit] = &both;
    let (mut dark, mut bright) = (0, 0);
    for (&s, &u) in symmetric.iter().zip(unit) {
        if s < 128 {
            dark += 1;
            assert_eq!(u, 0);
        } else {
            bright += 1;
            let x = (f64::from(s) / 127.5 - 1.0).min(0.999).atanh();
            // One level of one curve is two of the other, and more where the curve is flat.
            let expected = 255.0 * (x / 2.0).tanh();
            assert!(s == 255 || (f64::from(u) - expected).abs() < 10.0, "{s}: {u}, not {expected}");
        }
    }
    assert!(dark > 50 && bright > 50, "{dark} dark, {bright} bright");
}

/// The `Debug` output is short, because `defmt::Debug2Format` sends it over slow probes.
#[test]
fn debug_prints_a_line_and_not_the_weights() {
    let blob = build("tiny", 5, &tiny(), 1);
    let blob = aligned(&blob);
    let model = Model::parse(&blob).unwrap();
    let mut workspace = vec![0; model.workspace_len()];
    let engine = Engine::new(model.clone(), &mut workspace).unwrap();
    let layer = &model.layers()[1];
    let biases = layer.biases(0);
    let (mut row, multipliers) = ([0; 300], layer.multipliers());
    let call = || KernelArgs {
        staged: &[7; 300],
        filters: layer.filters(0),
        biases,
        output: Destination::Accumulators(&mut []),
    };
    let output = Destination::Int8 { multipliers, zero_point: 3, row: &mut row, step: 4 };
    let bytes = Aligned([1u8; 300]);
    let lines = [
        (
            format!("{model:?}"),
            "Model { name: \"tiny\", latent: 5, classes: 0, layers: 5, picture: 8x12x3, size: 1088,",
        ),
        (format!("{layer:?}"), "2x3x4 to 4x6x3"),
        (format!("{engine:?}"), "Engine { kernels: \""),
        (format!("{biases:?}"), "I32LeSlice(3 values)"),
        (format!("{multipliers:?}"), "MultiplierTable(3 channels, two lists)"),
        (format!("{:?}", call()), "staged: 300 words"),
        (format!("{output:?}"), "row: 300 values"),
        (format!("{:?}", Buffers::new()), "bytes"),
        (format!("{blob:?}"), "AlignedBytes(1088 bytes)"),
        (format!("{bytes:?}"), "Aligned(300 bytes)"),
    ];
    for (line, part) in lines {
        assert!(line.contains(part) && line.len() < 250 && !line.contains('\n'), "{line}");
    }
    // With `{:#?}` too.
    for pretty in [format!("{model:#?}"), format!("{layer:#?}"), format!("{engine:#?}"), format!("{:#?}", call())] {
        assert!(pretty.lines().count() < 20, "{pretty}");
    }
}
