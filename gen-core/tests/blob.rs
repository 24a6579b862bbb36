//! The format byte for byte, and everything that may be wrong with a file.

mod common;

use std::path::Path;

use common::exercise::exercise;
use common::{build, tiny};
use gen_core::blob::{Header, PREAMBLE, seal};
use gen_core::{Activation, Model, ParseError, SpecError};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;

fn tiny_blob() -> Vec<u8> {
    build("tiny", 5, &tiny(), 1)
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
    let blobs = [tiny_blob(), build("one layer", 1, &tiny()[4..], 2), build("two", 128, &[tiny()[1], tiny()[4]], 3)];
    let mut rng = Xoshiro128PlusPlus::seed_from_u64(42);
    let mut models = 0;
    for _ in 0..40_000 {
        let mut below = |n: usize| rng.next_u32() as usize % n;
        let mut mutant = blobs[below(3)].clone();
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
    assert_eq!(parse(&|b| b[4] = 2), ParseError::Version { found: 2 });
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

proptest! {
    // A failing input is printed in full; it belongs into a test of its own.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        exercise(&bytes);
    }

    #[test]
    fn arbitrary_bytes_behind_a_valid_preamble_do_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 16..300), header in 0u8..120) {
        bytes[..8].copy_from_slice(&[b'R', b'B', b'G', b'N', 1, 0, header, 0]);
        seal(&mut bytes).unwrap();
        exercise(&bytes);
    }
}
