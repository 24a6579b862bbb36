//! The format byte for byte, and everything that may be wrong with a file.

mod common;

use std::path::Path;

use common::exercise::exercise;
use common::{build, build_in_forms, tiny};
use gen_core::blob::{Header, PREAMBLE, seal};
use gen_core::{Activation, Form, LayerSpec, Model, Op, Padding, ParseError, Shape, SpecError};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;

fn tiny_blob() -> Vec<u8> {
    build("tiny", 5, &tiny(), 1)
}

/// The same numbers, with Winograd weights where a layer can have them.
fn fast_blob() -> Vec<u8> {
    let (direct, winograd) = (Form::Direct, Form::Winograd);
    build_in_forms("tiny", 5, &tiny(), &[direct, winograd, direct, winograd, winograd], 1)
}

/// `UPDATE_GOLDEN=1 cargo test -p gen-core` writes the file anew.
#[test]
fn the_format_has_not_changed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny.blob");
    let blob = tiny_blob();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &blob).unwrap();
    }
    let golden = std::fs::read(&path).unwrap();
    let differs = golden.iter().zip(&blob).position(|(a, b)| a != b);
    assert_eq!((differs, blob.len()), (None, golden.len()), "first differing byte, and length, of {}", path.display());
    assert_eq!(Model::parse(&golden).unwrap().header().layers.iter().map(|l| l.spec).collect::<Vec<_>>(), tiny());
}

/// Files name an activation by its place in the enum: a new one goes to the end.
#[test]
fn activations_keep_their_numbers() {
    let numbered = [
        Activation::Linear,
        Activation::Relu,
        Activation::LeakyRelu(0.0),
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::TanhUnit,
    ];
    for (number, activation) in numbered.into_iter().enumerate() {
        let mut buffer = [0; 8];
        assert_eq!(postcard::to_slice(&activation, &mut buffer).unwrap()[0], number as u8, "{activation:?}");
    }
}

#[test]
fn the_header_survives_a_round_trip() {
    let blob = tiny_blob();
    let header = Model::parse(&blob).unwrap().header();
    let mut copy = vec![0; 256];
    let end = header.encode(&mut copy).unwrap();
    assert_eq!(copy[PREAMBLE..end], blob[PREAMBLE..end]);
    // A buffer that ends within the preamble, the header or its padding.
    for len in 0..end {
        assert!(header.encode(&mut vec![0; len]).is_err(), "{len} bytes");
    }
    assert!(seal(&mut [0; PREAMBLE - 1]).is_err());
}

#[test]
fn every_truncation_is_refused() {
    let blob = tiny_blob();
    for len in 0..blob.len() {
        let error = Model::parse(&blob[..len]).unwrap_err();
        match len {
            0..4 => assert_eq!(error, ParseError::NotAModel, "{len} bytes"),
            _ => assert!(matches!(error, ParseError::Length { found, .. } if found as usize == len), "{len}: {error}"),
        }
        // Even when length and checksum say otherwise.
        let mut short = blob[..len].to_vec();
        if seal(&mut short).is_ok() {
            assert!(Model::parse(&short).is_err(), "{len} bytes, sealed");
        }
    }
    let mut long = blob.clone();
    long.push(0);
    assert!(matches!(Model::parse(&long), Err(ParseError::Length { .. })));
    long.resize(blob.len() + 16, 0);
    seal(&mut long).unwrap();
    assert_eq!(Model::parse(&long).unwrap_err(), ParseError::Header, "a section too many");
}

#[test]
fn every_flipped_bit_is_noticed() {
    let blob = tiny_blob();
    for bit in 0..8 * blob.len() {
        let mut damaged = blob.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = Model::parse(&damaged).unwrap_err();
        match bit / 8 {
            0..4 => assert_eq!(error, ParseError::NotAModel),
            4..6 => assert!(matches!(error, ParseError::Version { .. })),
            8..12 => assert!(matches!(error, ParseError::Length { .. })),
            _ => assert_eq!(error, ParseError::Checksum, "bit {bit}"),
        }
    }
}

#[test]
fn a_flipped_bit_under_a_new_seal_does_no_harm() {
    let blob = tiny_blob();
    let mut models = 0;
    for bit in 0..8 * blob.len() {
        let mut damaged = blob.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        seal(&mut damaged).unwrap();
        models += usize::from(exercise(&damaged));
    }
    // Most weights may be anything; then the file is another model.
    assert!(models > 4 * blob.len(), "{models} models");
}

/// The fuzz target's search in small: many changes at a time, always the same ones.
#[test]
fn mutants_do_no_harm() {
    let blobs = [
        tiny_blob(),
        fast_blob(),
        build("one layer", 1, &tiny()[4..], 2),
        build("two", 128, &[tiny()[1], tiny()[4]], 3),
    ];
    let mut rng = Xoshiro128PlusPlus::seed_from_u64(42);
    let mut models = 0;
    for _ in 0..40_000 {
        let mut below = |n: usize| rng.next_u32() as usize % n;
        let mut mutant = blobs[below(4)].clone();
        for _ in 0..=below(4) {
            // Headers are where the damage is done.
            let at = if below(4) == 0 { below(mutant.len()) } else { 4 + below(90) };
            match below(5) {
                0 => mutant[at] = below(256) as u8,
                1 => mutant[at] = [0, 1, 16, 17, 127, 128, 255][below(7)],
                2 => mutant[at] ^= 1 << below(8),
                3 => drop(mutant.drain(at..(at + below(4)).min(mutant.len()))),
                _ => drop(mutant.splice(at..at, [below(256) as u8])),
            }
        }
        if seal(&mut mutant).is_ok() {
            models += usize::from(exercise(&mutant));
        }
    }
    assert!(models > 100, "{models} models among the mutants: too few to say anything");
}

#[test]
fn wrong_files_have_the_named_error() {
    let blob = tiny_blob();
    let parse = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut blob = blob.clone();
        change(&mut blob);
        seal(&mut blob).unwrap();
        Model::parse(&blob).unwrap_err()
    };
    assert_eq!(parse(&|b| b[0] = b'r'), ParseError::NotAModel);
    assert_eq!(parse(&|b| b[4] = 1), ParseError::Version { found: 1 });
    assert_eq!(parse(&|b| b[6] = 0), ParseError::Header, "no header");
    assert_eq!(parse(&|b| b[6..8].fill(255)), ParseError::Header, "a header longer than the file");
    assert_eq!(parse(&|b| b[6] += 1), ParseError::Header, "a spare byte");

    // With a changed header; sections stay as they are.
    let with = |change: &dyn Fn(&mut Header)| {
        let mut header = Model::parse(&blob).unwrap().header();
        let mut buffer = vec![0; 256];
        let sections = header.encode(&mut buffer).unwrap();
        change(&mut header);
        let end = header.encode(&mut buffer).unwrap();
        buffer.truncate(end);
        buffer.extend_from_slice(&blob[sections..]);
        seal(&mut buffer).unwrap();
        Model::parse(&buffer).unwrap_err()
    };
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(with(&|h| h.layers[1].scale = scale), ParseError::Header, "scale {scale}");
    }
    assert_eq!(with(&|h| h.latent = 0), ParseError::Spec(SpecError::LatentLength));
    assert_eq!(with(&|h| h.layers.clear()), ParseError::Spec(SpecError::LayerCount));
    assert_eq!(with(&|h| h.layers.truncate(4)), ParseError::Spec(SpecError::OutputActivation));
    assert_eq!(with(&|h| h.latent = 100), ParseError::Header, "sections too short");

    // The last layer ends in 3 biases and twice 3 multipliers, 16 bytes each.
    let end = blob.len();
    let words = |changes: &[(usize, i32)]| {
        parse(&|b| changes.iter().for_each(|&(at, v)| b[end - at..end - at + 4].copy_from_slice(&v.to_le_bytes())))
    };
    let word = |at, value| words(&[(at, value)]);
    let range = ParseError::Range { layer: 4 };
    assert_eq!(word(16, -1), range, "a negative multiplier for negatives");
    assert_eq!(word(32, i32::MIN), range, "a negative multiplier for positives");
    assert_eq!(words(&[(48, 1 << 22), (32, i32::MAX)]), range, "a product beyond 2^52");
    assert_eq!(word(48, i32::MAX), range, "a bias that overflows");
    assert_eq!(word(48, i32::MIN), range, "a bias without an absolute value");
    assert_eq!(word(4, 1), ParseError::Header, "padding that is not zero");
}

/// Weights that no packer writes are refused: they would make the form's arithmetic inexact, or
/// give one model several files.
#[test]
fn weights_that_a_form_does_not_allow_are_refused() {
    // One layer: transposed 4x4 with stride 2, from 3 inputs to 3 outputs. Both fill up a quad
    // or a pair with zeros.
    let layers = [LayerSpec {
        op: Op::ConvTranspose { channels: 3, kernel: 4, stride: 2, padding: Padding::Same },
        activation: Activation::Tanh,
    }];
    let g = layers[0].geometry(Shape::latent(3)).unwrap();
    let form = ParseError::Form { layer: 0 };
    for (form_of, filler, names) in [
        (Form::Direct, vec![g.direct_index(1, 2, [0, 1], 3)], "direct"),
        (
            Form::Winograd,
            vec![g.winograd_index(1, 0, 1, 2, 3), g.winograd_index(2, 3, 0, 4, 0), g.winograd_index(0, 3, 1, 0, 3)],
            "winograd",
        ),
    ] {
        let blob = build_in_forms("padding", 3, &layers, &[form_of], 4);
        Model::parse(&blob).unwrap();
        // Behind the weights: 4 phases of 3 biases, two lists of 3 multipliers.
        let weights = blob.len() - (48 + 16 + 16) - g.packed_len(form_of).next_multiple_of(16);
        for phase in 0..g.phases() {
            for &at in &filler {
                let at = weights + g.packed_offset(form_of, phase) + at;
                let mut blob = blob.clone();
                blob[at] = 1;
                seal(&mut blob).unwrap();
                assert_eq!(Model::parse(&blob).unwrap_err(), form, "{names}, phase {phase}, byte {at}");
            }
        }
        if form_of == Form::Winograd {
            // A point that belongs to no int8 weights: one off, and far off.
            for change in [1u8, 0x80] {
                let at = weights + g.winograd_index(0, 1, 0, 1, 2);
                let mut blob = blob.clone();
                blob[at] ^= change;
                seal(&mut blob).unwrap();
                assert_eq!(Model::parse(&blob).unwrap_err(), form, "a point changed by {change}");
            }
        }
    }
}

#[test]
fn a_form_that_a_layer_cannot_have_is_refused() {
    let blob = tiny_blob();
    let with_form = |layer: usize| {
        let mut header = Model::parse(&blob).unwrap().header();
        let mut buffer = vec![0; 256];
        let sections = header.encode(&mut buffer).unwrap();
        header.layers[layer].form = Form::Winograd;
        let end = header.encode(&mut buffer).unwrap();
        buffer.truncate(end);
        buffer.extend_from_slice(&blob[sections..]);
        seal(&mut buffer).unwrap();
        Model::parse(&buffer).unwrap_err()
    };
    // A dense layer, and one whose phases have 2 and 1 taps.
    assert_eq!(with_form(0), ParseError::Form { layer: 0 });
    assert_eq!(with_form(2), ParseError::Form { layer: 2 });
    // Another could have it, but then its weights are too few.
    assert_eq!(with_form(1), ParseError::Header);
}

/// 25,600 products of 127 · 128 are more than F(4, 5) adds up without an error.
#[test]
fn sums_beyond_the_bound_of_a_form_are_refused() {
    let op = Op::Conv { channels: 3, kernel: 5, stride: 1, padding: Padding::Same };
    let layers = [LayerSpec { op, activation: Activation::Tanh }];
    for (inputs, allowed) in [(640, true), (1024, false)] {
        // Latents have up to 128 values: a dense layer makes more.
        let dense = LayerSpec { op: Op::Dense { out: Shape::new(1, 5, inputs) }, activation: Activation::Relu };
        let layers = [dense, layers[0]];
        let g = layers[1].geometry(Shape::new(1, 5, inputs)).unwrap();
        for form in [Form::Direct, Form::Winograd] {
            let mut blob = build_in_forms("bound", 1, &layers, &[Form::Direct, form], 5);
            let len = g.packed_len(form);
            let weights = blob.len() - 3 * 16 - len.next_multiple_of(16);
            blob[weights..weights + len].fill(0);
            g.pack(form, |_, _, _, _| 127, &mut blob[weights..weights + len]);
            // Small multipliers, so that the product with them is no reason.
            let end = blob.len();
            for (place, value) in [(2, 7), (1, 7)] {
                for channel in 0..3 {
                    let at = end - place * 16 + 4 * channel;
                    blob[at..at + 4].copy_from_slice(&i32::to_le_bytes(value));
                }
            }
            seal(&mut blob).unwrap();
            let refused = Model::parse(&blob).err();
            let expected = (form == Form::Winograd && !allowed).then_some(ParseError::Range { layer: 1 });
            assert_eq!(refused, expected, "{inputs} inputs, {form:?}");
        }
    }
}

proptest! {
    // A failing input is printed in full; it belongs into a test of its own.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        exercise(&bytes);
    }

    #[test]
    fn arbitrary_bytes_behind_a_valid_preamble_do_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 16..300), header in 0u8..120) {
        bytes[..8].copy_from_slice(&[b'R', b'B', b'G', b'N', 2, 0, header, 0]);
        seal(&mut bytes).unwrap();
        exercise(&bytes);
    }
}
