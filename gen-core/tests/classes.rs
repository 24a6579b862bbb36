//! Models with classes: the file, the errors, and what the engine draws.

use gen_core::format::{ALIGNMENT, ClassHeader, Header, PREAMBLE, VERSION, seal};
use gen_core::spec::{MAX_CLASS_NAME, MAX_CLASSES, MAX_LATENT};
use gen_core::{ClassMix, Latent, Model, ParseError, Section, aligned, workspace_len};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro128PlusPlus;

use crate::common::exercise::exercise;
use crate::common::naive::{Naive, Order};
use crate::common::{RandomClasses, build, build_with_classes, picture, random_classes, tiny};

const LATENT: u16 = 5;

fn three() -> RandomClasses {
    let mut classes = random_classes(&mut Xoshiro128PlusPlus::seed_from_u64(4), 3, 6);
    let names = ["cat", "Dog", "лягушка"].map(|name| name.try_into().unwrap());
    classes.header.names = names.into_iter().collect();
    classes
}

fn blob_of(classes: &RandomClasses) -> Vec<u8> {
    build_with_classes(LATENT, classes, &tiny(), &[], 1)
}

#[test]
fn a_model_knows_its_classes() {
    let classes = three();
    let blob = blob_of(&classes);
    let blob = aligned(&blob);
    let model = Model::parse(&blob).unwrap();
    let found = model.classes();
    assert_eq!((model.latent_len(), model.input_len(), found.len(), found.width()), (5, 11, 3, 6));
    assert_eq!(found.names().collect::<Vec<_>>(), ["cat", "Dog", "лягушка"]);
    assert_eq!([0, 1, 2, 3].map(|class| found.name(class)), [Some("cat"), Some("Dog"), Some("лягушка"), None]);
    assert_eq!(
        ["Dog", "DOG", "лягушка", "do", ""].map(|name| found.find(name)),
        [Some(1), Some(1), Some(2), None, None]
    );
    assert_eq!([0, 1, 2, 3].map(|class| found.row(class)), [0, 6, 12, 12].map(|at| &classes.rows[at..at + 6]));
    assert_eq!(model.header().classes.as_ref(), Some(&classes.header));
    assert_eq!((model.header().version(), format!("{found:?}")), (VERSION, r#"["cat", "Dog", "лягушка"]"#.into()));
    let specs: Vec<_> = model.layers().iter().map(|layer| layer.spec).collect();
    assert_eq!(workspace_len(11, &specs, &[]), Ok(model.workspace_len()));
    // The class is input of the first layer, so it costs as many bytes in the ring, and a word or two of staging.
    let without = build("tiny", LATENT, &tiny(), 1);
    let without = aligned(&without);
    let without = Model::parse(&without).unwrap();
    assert!(without.classes().is_empty() && without.classes().row(0).is_empty());
    assert!(model.workspace_len() - without.workspace_len() <= 6 + 16);
}

#[test]
fn every_class_and_every_mixture_is_drawn_as_the_naive_loops_draw_it() {
    let blob = blob_of(&three());
    let blob = aligned(&blob);
    let model = Model::parse(&blob).unwrap();
    let naive = Naive::new(&model, Order::OutputFirst);
    let latent = Latent::from_seed(3, LATENT.into());
    let mut pictures = Vec::new();
    for share in [0, 1, 64, 128, 200, 255, 256, 1000] {
        let latent = latent.clone().with_mix(ClassMix::between(0, 2, share));
        pictures.push(picture(&model, &latent));
        assert_eq!(pictures.last(), Some(&naive.draw(&latent)), "{share}");
    }
    let of = |class| picture(&model, &latent.clone().with_class(class));
    assert_eq!((&pictures[0], &pictures[6], &pictures[7]), (&of(0), &of(2), &of(2)));
    assert_eq!(
        (of(0), of(2)),
        (picture(&model, &latent), of(200)),
        "the first is the default; past the last: the last"
    );
    assert!(of(0) != of(1) && of(1) != of(2) && of(0) != of(2) && pictures[3] != pictures[0]);
    // A longer latent is cut, and does not reach into the class; a shorter one is padded.
    let long = Latent::from_seed(3, MAX_LATENT).with_class(1);
    assert_eq!(picture(&model, &long), of(1));
    let short = Latent::from_steps(&latent.steps()[..2]).unwrap().with_class(1);
    assert_eq!(picture(&model, &short), naive.draw(&short));
}

#[test]
fn a_model_without_classes_ignores_them() {
    let blob = build("tiny", LATENT, &tiny(), 1);
    let blob = aligned(&blob);
    let model = Model::parse(&blob).unwrap();
    let latent = Latent::from_seed(3, LATENT.into());
    let mixed = latent.clone().with_mix(ClassMix::between(1, 2, 9));
    assert_eq!(picture(&model, &latent), picture(&model, &mixed));
}

#[test]
fn the_largest_classes_fit() {
    let mut rng = Xoshiro128PlusPlus::seed_from_u64(4);
    let mut classes = random_classes(&mut rng, MAX_CLASSES as u8, (MAX_LATENT - 1) as u8);
    for (i, name) in classes.header.names.iter_mut().enumerate() {
        *name = format!("{i:0>width$}", width = MAX_CLASS_NAME).as_str().try_into().unwrap();
    }
    let blob = build_with_classes(1, &classes, &tiny(), &[], 1);
    let blob = aligned(&blob);
    let model = Model::parse(&blob).unwrap();
    assert_eq!((model.latent_len(), model.classes().len(), model.classes().width()), (1, 64, 127));
    assert_eq!(model.header().classes, Some(classes.header));
    exercise(&blob);
}

/// The tail of a header, as bytes: the classes in postcard.
fn with_tail(tail: &[u8], rows: usize) -> Result<(), ParseError> {
    let classes = three();
    let blob = blob_of(&classes);
    let header = Model::parse(&aligned(&blob)).unwrap().header();
    // All up to the classes.
    let mut start = vec![0; 4096];
    let len = Header { classes: None, ..header.clone() }.encode(&mut start).unwrap();
    let stated = usize::from(u16::from_le_bytes([start[6], start[7]]));
    let old = header.encode(&mut vec![0; 4096]).unwrap();
    assert!(len <= old);
    let mut new = start[..PREAMBLE + stated].to_vec();
    new.extend(tail);
    new[4..6].copy_from_slice(&VERSION.to_le_bytes());
    new[6..8].copy_from_slice(&((stated + tail.len()) as u16).to_le_bytes());
    new.resize(new.len().next_multiple_of(ALIGNMENT), 0);
    new.extend(&blob[old..blob.len() - classes.rows.len().next_multiple_of(ALIGNMENT)]);
    new.extend((0..rows).map(|i| u8::from(i < 12)));
    new.resize(new.len().next_multiple_of(ALIGNMENT), 0);
    seal(&mut new).unwrap();
    exercise(&new);
    Model::parse(&aligned(&new)).map(|_| ())
}

#[test]
fn bad_classes_are_refused() {
    assert_eq!(with_tail(b"\x01\x06\x02\x01a\x02bc", 12), Ok(()));
    assert_eq!(with_tail(b"\x00", 0), Ok(()), "none: a newer version may need it for something else");
    let bad: [(&str, &[u8]); 9] = [
        ("one class", b"\x01\x06\x01\x01a"),
        ("no classes", b"\x01\x06\x00"),
        ("65 classes", &[&b"\x01\x06\x41"[..], &b"\x01a".repeat(65)].concat()),
        ("no numbers", b"\x01\x00\x02\x01a\x01b"),
        ("no latent left", b"\x01\x0b\x02\x01a\x01b"),
        ("an empty name", b"\x01\x06\x02\x00\x01b"),
        ("a long name", &[&b"\x01\x06\x02\x01a\x41"[..], &[b'x'; 65]].concat()),
        ("not UTF-8", b"\x01\x06\x02\x01a\x01\xff"),
        ("cut", b"\x01\x06\x02\x01a"),
    ];
    for (what, tail) in bad {
        assert_eq!(with_tail(tail, 12), Err(ParseError::Classes), "{what}");
    }
    assert_eq!(with_tail(b"\x02", 12), Err(ParseError::Classes), "an option has two values");
    assert_eq!(with_tail(b"", 0), Err(ParseError::Classes));
    let spare = with_tail(b"\x01\x06\x02\x01a\x01bc", 12);
    assert!(matches!(spare, Err(ParseError::HeaderLength { .. })), "{spare:?}");
    assert_eq!(with_tail(b"\x01\x06\x02\x01a\x01b", 32), Err(ParseError::Trailing { bytes: 16 }));
    let short = with_tail(b"\x01\x06\x02\x01a\x01b", 0).unwrap_err();
    assert_eq!(short, ParseError::Section { layer: 0, section: Section::Classes, needed: 16, left: 0 });
    assert!(short.to_string().contains("within its classes: 16 bytes needed"), "{short}");
    // An older version has no classes: its reader finds bytes behind the layers.
    let mut old = blob_of(&three());
    old[4..6].copy_from_slice(&3u16.to_le_bytes());
    seal(&mut old).unwrap();
    let old = Model::parse(&aligned(&old)).unwrap_err();
    assert!(matches!(old, ParseError::HeaderLength { .. } | ParseError::Trailing { .. }), "{old:?}");
}

#[test]
fn a_header_of_classes_is_laid_out_as_version_4_says() {
    let classes =
        ClassHeader { width: 9, names: ["a", "bc"].into_iter().map(|name| name.try_into().unwrap()).collect() };
    let blob = blob_of(&three());
    let header = Model::parse(&aligned(&blob)).unwrap().header();
    let (mut with, mut without) = (vec![0; 4096], vec![0; 4096]);
    Header { classes: Some(classes), ..header.clone() }.encode(&mut with).unwrap();
    Header { classes: None, ..header }.encode(&mut without).unwrap();
    let len = |blob: &[u8]| PREAMBLE + usize::from(u16::from_le_bytes([blob[6], blob[7]]));
    assert_eq!([with[4], without[4]], [4, 2]);
    assert_eq!(with[PREAMBLE..len(&without)], without[PREAMBLE..len(&without)]);
    assert_eq!(with[len(&without)..len(&with)], *b"\x01\x09\x02\x01a\x02bc");
}

#[test]
fn damage_never_panics() {
    let blob = blob_of(&three());
    for bit in 0..8 * 300.min(blob.len()) {
        let mut damaged = blob.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        seal(&mut damaged).unwrap();
        exercise(&damaged);
    }
}
