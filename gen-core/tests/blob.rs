//! The file format, byte for byte, and every error of a model file.

use std::collections::BTreeSet;
use std::path::Path;

use gen_core::aligned;
use gen_core::format::{ADDRESS_ALIGNMENT, ALIGNMENT, Header, LayerHeader, PREAMBLE, VERSION, seal};
use gen_core::spec::{MAX_CHANNELS, MAX_LATENT, MAX_LAYERS, MAX_SIDE, MAX_TAPS, MAX_WEIGHTS};
use gen_core::{
    Activation, LayerSpec, Model, Op, Padding, ParseError, Section, Shape, SpecError, WeightTransform, include_aligned,
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;

use crate::common::exercise::exercise;
use crate::common::{build, build_in_forms, tiny};

fn tiny_blob() -> Vec<u8> {
    build("tiny", 5, &tiny(), 1)
}

/// The same model, with Winograd weights in all layers that can have them.
fn fast_blob() -> Vec<u8> {
    let (direct, winograd) = (WeightTransform::None, WeightTransform::Winograd);
    build_in_forms("tiny", 5, &tiny(), &[direct, winograd, direct, winograd, winograd], 1)
}

/// `UPDATE_GOLDEN=1 cargo test -p gen-core` writes the file again.
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
    assert_eq!(
        Model::parse(&aligned(&golden)).unwrap().header().layers.iter().map(|l| l.spec).collect::<Vec<_>>(),
        tiny()
    );
}

/// The position of every field of the header, byte for byte: structs are written in the order of their fields.
#[test]
fn the_header_is_laid_out_as_version_2_says() {
    let layer = |op, activation, transform, zero_point, scale| LayerHeader {
        spec: LayerSpec { op, activation },
        transform,
        zero_point,
        scale,
    };
    let layers = [
        layer(Op::Dense { out: Shape::new(4, 200, 8) }, Activation::Relu, WeightTransform::None, -128, 0.5),
        layer(
            Op::Conv { channels: 300, kernel: 3, stride: 2, padding: Padding::Valid },
            Activation::LeakyRelu(0.25),
            WeightTransform::None,
            7,
            2.0,
        ),
        layer(
            Op::ConvTranspose { channels: 5, kernel: 4, stride: 1, padding: Padding::Same },
            Activation::TanhUnit,
            WeightTransform::Winograd,
            0,
            1.0,
        ),
    ];
    let header =
        Header { name: "ab".try_into().unwrap(), inputs: 300, layers: layers.into_iter().collect(), classes: None };
    #[rustfmt::skip]
    let expected = [
        // Length of the name, name; length of the latent, seven bits a byte, lowest first; number of layers.
        2, b'a', b'b', 0xac, 2, 3,
        // Operation 0: height, width, channels. Activation, weight transform, zero point, scale.
        0, 4, 0xc8, 1, 8, 1, 0, 0x80, 0, 0, 0, 0x3f,
        // Operation 1: channels, kernel, stride, padding. Activation with its slope, weight transform, zero point, scale.
        1, 0xac, 2, 3, 2, 1, 2, 0, 0, 0x80, 0x3e, 0, 7, 0, 0, 0, 0x40,
        // Operation 2: the same fields as operation 1.
        2, 5, 4, 1, 0, 5, 1, 0, 0, 0, 0x80, 0x3f,
    ];
    let mut blob = [0xff; 128];
    let end = header.encode(&mut blob).unwrap();
    assert_eq!(blob[..8], [b'R', b'B', b'G', b'N', 2, 0, expected.len() as u8, 0]);
    assert_eq!(blob[PREAMBLE..][..expected.len()], expected);
    assert_eq!((end, blob[end]), (64, 0xff));
    assert!(blob[PREAMBLE + expected.len()..end].iter().all(|&b| b == 0));
}

/// A complete file with one layer, written without this crate.
#[test]
fn a_file_is_laid_out_as_version_2_says() {
    #[rustfmt::skip]
    let header = [
        0, 1, 1, // no name, one latent, one layer
        0, 1, 1, 3, 3, 0, 0, 0, 0, 0x80, 0x3f, // dense to 1x1x3, tanh, direct, zero point 0, scale 1
    ];
    let mut blob = vec![b'R', b'B', b'G', b'N', 2, 0, header.len() as u8, 0, 96, 0, 0, 0, 0, 0, 0, 0];
    let mut section = |bytes: &[u8]| {
        blob.extend_from_slice(bytes);
        blob.resize(blob.len().next_multiple_of(16), 0);
    };
    section(&header);
    // Quads of one channel.
    section(&[11, 0, 0, 0, 22, 0, 0, 0, 0xdf, 0, 0, 0]);
    section(&[1, 2, 0, 0, 3, 4, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    section(&[5, 0, 0, 0, 6, 0, 0, 0, 7, 1, 0, 0]);
    section(&[8, 0, 0, 0, 9, 0, 0, 0, 10, 1, 0, 0]);
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let mut digest = crc.digest();
    digest.update(&blob[..12]);
    digest.update(&blob[16..]);
    let checksum = digest.finalize();
    blob[12..16].copy_from_slice(&checksum.to_le_bytes());

    let bytes = aligned(&blob);
    let model = Model::parse(&bytes).unwrap();
    assert_eq!((model.latent_len(), model.output_shape(), model.checksum()), (1, Shape::new(1, 1, 3), checksum));
    let layer = &model.layers()[0];
    assert_eq!([0, 1, 2].map(|c| layer.weight(0, c, [0, 0], 0)), [11, 22, -33]);
    assert_eq!(layer.biases(0).iter().collect::<Vec<_>>(), [0x201, 0x403, -1]);
    assert_eq!(layer.biases(0).get(2), Some(-1));
    assert_eq!(layer.biases(0).get(3), None, "past the end");
    assert_eq!([0, 1, 2].map(|c| layer.multiplier(c).positive), [5, 6, 0x107]);
    assert_eq!([0, 1, 2].map(|c| layer.multiplier(c).negative), [8, 9, 0x10a]);
    assert!(layer.multipliers().get(2).is_some() && layer.multipliers().get(3).is_none());
}

/// The alignment of the address is checked on a host as on a chip, so that a model that works here is accepted there.
#[test]
fn a_model_at_an_odd_address_is_refused_on_every_machine() {
    let blob = tiny_blob();
    let mut room = vec![0; blob.len() + 16];
    let start = (0..16).find(|&at| room[at..].as_ptr().addr().is_multiple_of(16)).unwrap();
    for offset in 0..8 {
        let bytes = &mut room[start + offset..][..blob.len()];
        bytes.copy_from_slice(&blob);
        let parsed = Model::parse(bytes);
        if offset % ADDRESS_ALIGNMENT == 0 {
            parsed.unwrap();
        } else {
            assert_eq!(parsed.unwrap_err(), ParseError::Alignment { needed: 4 }, "offset {offset}");
        }
        // `aligned` works for every alignment of the input.
        let moved = aligned(&*bytes);
        assert_eq!(moved[..], blob[..]);
        Model::parse(&moved).unwrap();
    }
    static INCLUDED: &[u8] = include_aligned!("golden/tiny.blob");
    Model::parse(INCLUDED).unwrap();
    // Other errors have priority: bytes that are not a model are reported as such.
    assert_eq!(Model::parse(&room[start + 1..][..3]).unwrap_err(), ParseError::NotAModel);
}

/// An older program reports that the file is newer, whatever has changed in it.
#[test]
fn other_versions_are_named_old_or_new() {
    let message = |version: u16, damage: &dyn Fn(&mut Vec<u8>)| {
        let mut blob = tiny_blob();
        blob[4..6].copy_from_slice(&version.to_le_bytes());
        seal(&mut blob).unwrap();
        damage(&mut blob);
        let error = Model::parse(&aligned(&blob)).unwrap_err();
        assert_eq!(error, ParseError::Version { found: version });
        error.to_string()
    };
    let newer = message(VERSION + 1, &|_| {});
    assert!(newer.contains("version 5 is newer") && newer.contains("up to version 4: update it"), "{newer}");
    // A changed preamble, header, checksum or length.
    assert_eq!(message(VERSION + 1, &|blob| blob[6..].fill(0xee)), newer);
    assert_eq!(message(VERSION + 1, &|blob| blob.truncate(9)), newer);
    for version in [0, 1] {
        let old = message(version, &|_| {});
        assert!(old.contains(&format!("version {version},")) && old.contains("export"), "{old}");
    }
}

/// A file has the lowest version that has everything it uses, so that older programs read what they can draw.
#[test]
fn grey_pictures_need_version_3() {
    let specs =
        |channels| [LayerSpec { op: Op::Dense { out: Shape::new(2, 3, channels) }, activation: Activation::Tanh }];
    let blob_of = |channels| build("pixels", 5, &specs(channels), 1);
    let with_version = |mut blob: Vec<u8>, version: u16| {
        blob[4..6].copy_from_slice(&version.to_le_bytes());
        seal(&mut blob).unwrap();
        blob
    };
    let parse = |blob: &[u8]| Model::parse(&aligned(blob)).map(|model| model.output_shape());
    let (grey, rgb) = (blob_of(1), blob_of(3));
    assert_eq!((grey[4], rgb[4]), (3, 2));
    assert_eq!(parse(&with_version(grey.clone(), 3)), Ok(Shape::new(2, 3, 1)));
    assert_eq!(parse(&with_version(rgb.clone(), 3)), Ok(Shape::new(2, 3, 3)));
    let error = parse(&with_version(grey, 2)).unwrap_err();
    assert_eq!(error, ParseError::VersionTooLow { found: 2, needed: 3 });
    assert!(error.to_string().contains("only version 3 has: export it again"), "{error}");
}

/// Files store an activation as its index in the enum, so a new one is added at the end.
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
    let header = Model::parse(&aligned(&blob)).unwrap().header();
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
        let error = Model::parse(&aligned(&blob[..len])).unwrap_err();
        match len {
            0..4 => assert_eq!(error, ParseError::NotAModel, "{len} bytes"),
            _ => assert!(matches!(error, ParseError::Length { found, .. } if found as usize == len), "{len}: {error}"),
        }
        // Also with corrected length and checksum.
        let mut short = blob[..len].to_vec();
        if seal(&mut short).is_ok() {
            assert!(Model::parse(&aligned(&short)).is_err(), "{len} bytes, sealed");
        }
    }
    let mut long = blob.clone();
    long.push(0);
    assert!(matches!(Model::parse(&aligned(&long)), Err(ParseError::Length { .. })));
    long.resize(blob.len() + 16, 0);
    seal(&mut long).unwrap();
    assert_eq!(Model::parse(&aligned(&long)).unwrap_err(), ParseError::Trailing { bytes: 16 }, "a section too many");
}

#[test]
fn every_flipped_bit_is_noticed() {
    let blob = tiny_blob();
    for bit in 0..8 * blob.len() {
        let mut damaged = blob.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let damaged = aligned(&damaged);
        let error = Model::parse(&damaged).unwrap_err();
        match bit / 8 {
            0..4 => assert_eq!(error, ParseError::NotAModel),
            // Version 3 is read too.
            4 if bit == 4 * 8 => assert_eq!(error, ParseError::Checksum),
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
    // Most weights may have any value: the file is then another valid model.
    assert!(models > 4 * blob.len(), "{models} models");
}

/// A small version of the fuzz target: many mutations, the same in every run.
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
            // Mostly in the header, where changes have the most effects.
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
        Model::parse(&aligned(&blob)).unwrap_err()
    };
    assert_eq!(parse(&|b| b[0] = b'r'), ParseError::NotAModel);
    assert_eq!(parse(&|b| b[4] = 1), ParseError::Version { found: 1 });
    let stated = u16::from_le_bytes([blob[6], blob[7]]);
    assert!(!usize::from(stated).is_multiple_of(ALIGNMENT));
    assert_eq!(parse(&|b| b[6] = 0), ParseError::HeaderLength { stated: 0 }, "no header");
    assert_eq!(parse(&|b| b[6..8].fill(255)), ParseError::HeaderLength { stated: 65535 }, "longer than the file");
    assert_eq!(parse(&|b| b[6] += 1), ParseError::HeaderLength { stated: stated + 1 }, "a spare byte");
    // Without its last byte, the header ends within a scale; zeros up to the next section follow.
    assert_eq!(parse(&|b| b[6] -= 1), ParseError::Padding { at: 15 + u32::from(stated) }, "a byte too few");
    assert_eq!(
        parse(&|b| b[PREAMBLE + usize::from(stated)] = 7),
        ParseError::Padding { at: 16 + u32::from(stated) },
        "a byte between header and weights"
    );

    // With a changed header and the same sections.
    let with = |change: &dyn Fn(&mut Header)| {
        let mut header = Model::parse(&aligned(&blob)).unwrap().header();
        let mut buffer = vec![0; 256];
        let sections = header.encode(&mut buffer).unwrap();
        change(&mut header);
        let end = header.encode(&mut buffer).unwrap();
        buffer.truncate(end);
        buffer.extend_from_slice(&blob[sections..]);
        seal(&mut buffer).unwrap();
        Model::parse(&aligned(&buffer)).unwrap_err()
    };
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(with(&|h| h.layers[1].scale = scale), ParseError::Scale { layer: 1 }, "scale {scale}");
    }
    for slope in [-0.1, 1.1, 1e30, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = with(&|h| h.layers[1].spec.activation = Activation::LeakyRelu(slope));
        assert_eq!(error, ParseError::Spec(SpecError::Slope), "slope {slope}");
    }
    assert_eq!(with(&|h| h.inputs = 0), ParseError::Spec(SpecError::LatentLength));
    assert_eq!(with(&|h| h.layers.clear()), ParseError::Spec(SpecError::LayerCount));
    assert_eq!(with(&|h| h.layers.truncate(4)), ParseError::Spec(SpecError::OutputActivation));
    let header_end = PREAMBLE + usize::from(stated).next_multiple_of(ALIGNMENT);
    let left = (blob.len() - header_end) as u32;
    assert_eq!(
        with(&|h| h.inputs = 100),
        ParseError::Section { layer: 0, section: Section::Weights, needed: 2400, left },
        "more weights than the file has bytes"
    );

    // The last layer ends with 3 biases and two lists of 3 multipliers, each section padded to 16 bytes.
    let end = blob.len();
    let words = |changes: &[(usize, i32)]| {
        parse(&|b| changes.iter().for_each(|&(at, v)| b[end - at..end - at + 4].copy_from_slice(&v.to_le_bytes())))
    };
    let word = |at, value| words(&[(at, value)]);
    let (range, multiplier) = (ParseError::Range { layer: 4 }, ParseError::Multiplier { layer: 4 });
    assert_eq!(word(16, -1), multiplier, "a negative multiplier for negatives");
    assert_eq!(word(32, i32::MIN), multiplier, "a negative multiplier for positives");
    assert_eq!(words(&[(48, 1 << 22), (32, i32::MAX)]), range, "a product beyond 2^52");
    assert_eq!(word(48, i32::MAX), range, "a bias that overflows");
    assert_eq!(word(48, i32::MIN), range, "a bias without an absolute value");
    assert_eq!(word(4, 1), ParseError::Padding { at: end as u32 - 4 }, "padding that is not zero");

    // Truncated after this many bytes and with a new checksum, the file ends within a section of the last layer.
    for (cut, section, needed) in [
        (16, Section::Negative, 16),
        (17, Section::Positive, 16),
        (32, Section::Positive, 16),
        (48, Section::Biases, 16),
        (49, Section::Weights, 112),
    ] {
        let left = if section == Section::Weights { 111 } else { needed - 1 - (cut - 1) % 16 };
        assert_eq!(
            parse(&|b| b.truncate(b.len() - cut as usize)),
            ParseError::Section { layer: 4, section, needed, left },
            "{cut} bytes less"
        );
    }
}

/// A file with this header; the rest does not matter.
fn with_header(header: &[u8]) -> ParseError {
    let mut blob = vec![0; PREAMBLE];
    blob[..8].copy_from_slice(&[b'R', b'B', b'G', b'N', 2, 0, header.len() as u8, 0]);
    blob.extend_from_slice(header);
    blob.resize(blob.len().next_multiple_of(ALIGNMENT) + 256, 0);
    seal(&mut blob).unwrap();
    Model::parse(&aligned(&blob)).unwrap_err()
}

#[test]
fn a_header_that_cannot_be_read_names_the_place() {
    let dense = [0, 1, 1, 3, 1, 0, 0, 0, 0, 0x80, 0x3f];
    let conv = [1, 3, 3, 1, 0, 3, 0, 0, 0, 0, 0x80, 0x3f];
    let layers = |second: &[u8]| with_header(&[&[0, 1, 2], &dense[..], second].concat());
    let changed = |at: usize, value: u8| {
        let mut second = conv;
        second[at] = value;
        layers(&second)
    };
    // Unchanged, it is valid: its multipliers and weights are all 0. So each error below comes from the change.
    assert!(matches!(layers(&conv), ParseError::Trailing { .. }), "{:?}", layers(&conv));

    let start = ParseError::Header { layer: None };
    assert_eq!(with_header(&[&[33], &[b'a'; 40][..]].concat()), start, "a name that is too long");
    assert_eq!(with_header(&[1, 0xff, 1, 1]), start, "a name that is not UTF-8");
    assert_eq!(with_header(&[0, 0xff, 0xff, 0xff, 0xff, 1]), start, "a latent of more than 16 bits");
    let second = ParseError::Header { layer: Some(1) };
    assert_eq!(layers(&[1, 0xff, 0xff, 0x7f, 3, 1, 0, 3, 0, 0, 0, 0, 0x80, 0x3f]), second, "too many channels");

    let unknown = ParseError::Unknown { layer: 1 };
    assert_eq!(changed(0, 3), unknown, "an operation");
    assert_eq!(changed(4, 2), unknown, "a padding");
    assert_eq!(changed(5, 6), unknown, "an activation");
    assert_eq!(changed(6, 2), unknown, "a transform");

    for len in 0..conv.len() {
        let stated = 3 + dense.len() + len;
        assert_eq!(layers(&conv[..len]), ParseError::HeaderLength { stated: stated as u16 }, "{len} bytes of a layer");
    }
}

/// Every error has a message that says what is wrong, where, and mostly what to do; no two messages are equal.
#[test]
fn errors_speak_for_themselves() {
    let (needed, left, stated) = (16, 3, 9);
    let section = |section| ParseError::Section { layer: 3, section, needed, left };
    let errors = [
        ParseError::NotAModel,
        ParseError::Alignment { needed: 4 },
        ParseError::Version { found: 1 },
        ParseError::Version { found: VERSION + 1 },
        ParseError::Length { expected: 4, found: 5 },
        ParseError::Checksum,
        ParseError::Header { layer: None },
        ParseError::Header { layer: Some(3) },
        ParseError::HeaderLength { stated },
        ParseError::Unknown { layer: 3 },
        ParseError::Spec(SpecError::Slope),
        ParseError::Scale { layer: 3 },
        section(Section::Weights),
        section(Section::Biases),
        section(Section::Positive),
        section(Section::Negative),
        section(Section::Classes),
        ParseError::Classes,
        ParseError::Padding { at: 40 },
        ParseError::Trailing { bytes: 16 },
        ParseError::Multiplier { layer: 3 },
        ParseError::Range { layer: 3 },
        ParseError::Transform { layer: 3 },
        ParseError::Weights { layer: 3 },
    ];
    let words: BTreeSet<_> = errors.iter().map(|e| e.to_string()).collect();
    assert_eq!(words.len(), errors.len());
    assert!(words.iter().all(|text| text.contains("model")), "{words:#?}");
    // A small display has room for 126 characters.
    assert!(words.iter().all(|text| text.len() <= 110), "{words:#?}");
}

/// The limits in messages are the real limits.
#[test]
fn limits_in_messages_are_the_limits() {
    let names = |error: SpecError, limits: &[usize]| {
        let text = error.to_string();
        for limit in limits {
            assert!(text.contains(&limit.to_string()), "{limit}: {text}");
        }
        text
    };
    names(SpecError::LayerCount, &[MAX_LAYERS]);
    names(SpecError::LatentLength, &[MAX_LATENT]);
    let large = names(SpecError::TooLarge, &[MAX_SIDE.into(), MAX_CHANNELS.into(), MAX_TAPS]);
    assert!(large.ends_with(&format!("2^{}", MAX_WEIGHTS.ilog2())) && MAX_WEIGHTS.is_power_of_two(), "{large}");
}

/// Weights that no packer writes are rejected: they would make the arithmetic inexact, or allow several files for one
/// model.
#[test]
fn weights_that_a_form_does_not_allow_are_refused() {
    // One layer: transposed 4x4 with stride 2, from 3 to 3 channels. Both are padded with zeros, to a quad and to a
    // pair.
    let layers = [LayerSpec {
        op: Op::ConvTranspose { channels: 3, kernel: 4, stride: 2, padding: Padding::Same },
        activation: Activation::Tanh,
    }];
    let g = layers[0].geometry(Shape::latent(3)).unwrap();
    let transform = ParseError::Weights { layer: 0 };
    for (form_of, filler, names) in [
        (WeightTransform::None, vec![g.direct_index(1, 2, [0, 1], 3)], "direct"),
        (
            WeightTransform::Winograd,
            vec![g.winograd_index(1, 0, 1, 2, 3), g.winograd_index(2, 3, 0, 4, 0), g.winograd_index(0, 3, 1, 0, 3)],
            "winograd",
        ),
    ] {
        let blob = build_in_forms("padding", 3, &layers, &[form_of], 4);
        Model::parse(&aligned(&blob)).unwrap();
        // After the weights: 4 phases of 3 biases, two lists of 3 multipliers.
        let weights = blob.len() - (48 + 16 + 16) - g.packed_len(form_of).next_multiple_of(16);
        for phase in 0..g.phases() {
            for &at in &filler {
                let at = weights + g.packed_offset(form_of, phase) + at;
                let mut blob = blob.clone();
                blob[at] = 1;
                seal(&mut blob).unwrap();
                assert_eq!(Model::parse(&aligned(&blob)).unwrap_err(), transform, "{names}, phase {phase}, byte {at}");
            }
        }
        if form_of == WeightTransform::Winograd {
            // Values at a point that no int8 weights can give: off by one, and far off.
            for change in [1u8, 0x80] {
                let at = weights + g.winograd_index(0, 1, 0, 1, 2);
                let mut blob = blob.clone();
                blob[at] ^= change;
                seal(&mut blob).unwrap();
                assert_eq!(Model::parse(&aligned(&blob)).unwrap_err(), transform, "a point changed by {change}");
            }
        }
    }
}

#[test]
fn a_form_that_a_layer_cannot_have_is_refused() {
    let blob = tiny_blob();
    let with_form = |layer: usize| {
        let mut header = Model::parse(&aligned(&blob)).unwrap().header();
        let mut buffer = vec![0; 256];
        let sections = header.encode(&mut buffer).unwrap();
        header.layers[layer].transform = WeightTransform::Winograd;
        let end = header.encode(&mut buffer).unwrap();
        buffer.truncate(end);
        buffer.extend_from_slice(&blob[sections..]);
        seal(&mut buffer).unwrap();
        Model::parse(&aligned(&buffer)).unwrap_err()
    };
    // A dense layer, and one whose phases have 2 and 1 taps.
    assert_eq!(with_form(0), ParseError::Transform { layer: 0 });
    assert_eq!(with_form(2), ParseError::Transform { layer: 2 });
    // Another layer could have this transform, but then there are too few weights.
    let error = with_form(1);
    assert!(matches!(error, ParseError::Section { .. } | ParseError::Padding { .. }), "{error:?}");
}

/// 25,600 products of 127 · 128 exceed the sum that F(4, 5) computes exactly.
#[test]
fn sums_beyond_the_bound_of_a_form_are_refused() {
    let op = Op::Conv { channels: 3, kernel: 5, stride: 1, padding: Padding::Same };
    let layers = [LayerSpec { op, activation: Activation::Tanh }];
    for (inputs, allowed) in [(640, true), (1024, false)] {
        // Latents have at most 128 values, so a dense layer makes more.
        let dense = LayerSpec { op: Op::Dense { out: Shape::new(1, 5, inputs) }, activation: Activation::Relu };
        let layers = [dense, layers[0]];
        let g = layers[1].geometry(Shape::new(1, 5, inputs)).unwrap();
        for transform in [WeightTransform::None, WeightTransform::Winograd] {
            let mut blob = build_in_forms("bound", 1, &layers, &[WeightTransform::None, transform], 5);
            let len = g.packed_len(transform);
            let weights = blob.len() - 3 * 16 - len.next_multiple_of(16);
            blob[weights..weights + len].fill(0);
            g.pack(transform, |_, _, _, _| 127, &mut blob[weights..weights + len]);
            // Small multipliers, so that their product with the accumulator is not the reason.
            let end = blob.len();
            for (place, value) in [(2, 7), (1, 7)] {
                for channel in 0..3 {
                    let at = end - place * 16 + 4 * channel;
                    blob[at..at + 4].copy_from_slice(&i32::to_le_bytes(value));
                }
            }
            seal(&mut blob).unwrap();
            let blob = aligned(&blob);
            let refused = Model::parse(&blob).err();
            let expected =
                (transform == WeightTransform::Winograd && !allowed).then_some(ParseError::Range { layer: 1 });
            assert_eq!(refused, expected, "{inputs} inputs, {transform:?}");
        }
    }
}

proptest! {
    // A failing input is printed in full; add it as a test of its own.
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
