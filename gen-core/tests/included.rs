//! What the compiler reads of a model file is what the parser reads.

use std::panic::catch_unwind;
use std::path::Path;

use gen_core::format::{PREAMBLE, seal};
use gen_core::{Engine, Model, ModelFile, Workspace, aligned, include_model};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;
use static_cell::ConstStaticCell;

use crate::common::{
    build, build_in_forms, build_with_classes, draw, fast_forms, picture, random_classes, random_layers, tiny,
};

const TINY: ModelFile = include_model!("golden/tiny.blob");

/// What a constant of these bytes would be: the file, or the compiler's error.
fn included(bytes: &[u8]) -> Result<ModelFile, String> {
    let bytes: &'static [u8] = bytes.to_vec().leak();
    catch_unwind(|| ModelFile::new(bytes))
        .map_err(|message| message.downcast_ref::<String>().cloned().unwrap_or_else(|| "no text".into()))
}

fn compare(blob: &[u8], name: &str) {
    let file = included(blob).unwrap_or_else(|e| panic!("{name}: {e}"));
    let bytes = aligned(blob);
    let model = Model::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    let layers: Vec<_> = model.layers().iter().map(|layer| layer.spec).collect();
    let transforms: Vec<_> = model.layers().iter().map(|layer| layer.transform).collect();
    assert_eq!((file.layers(), file.transforms()), (&layers[..], &transforms[..]), "{name}");
    assert_eq!(
        [file.input_len(), file.latent_len(), file.class_count(), file.workspace_len()],
        [model.input_len(), model.latent_len(), model.classes().len(), model.workspace_len()],
        "{name}"
    );
    assert_eq!((file.output_shape(), file.bytes()), (model.output_shape(), blob), "{name}");
}

#[test]
fn the_compiler_reads_what_the_parser_reads() {
    let mut shipped = 0;
    for folder in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models")).unwrap() {
        let path = folder.unwrap().path().join("model.gen");
        if let Ok(blob) = std::fs::read(&path) {
            compare(&blob, &path.display().to_string());
            shipped += 1;
        }
    }
    assert!(shipped >= 4, "only {shipped} models");
    let mut rng = Xoshiro128PlusPlus::seed_from_u64(23);
    for i in 0..100 {
        let latent = 1 + (rng.next_u32() % 90) as u16;
        let layers = random_layers(&mut rng, latent);
        let transforms = if i % 2 == 0 { Vec::new() } else { fast_forms(latent, &layers) };
        compare(
            &build_in_forms("random", latent, &layers, &transforms, i),
            &format!("{latent} {layers:?} {transforms:?}"),
        );
        // With classes, so many numbers are inputs of the first layer too.
        let classes = random_classes(&mut rng, 2 + (i % 63) as u8, 1 + (i % 5) as u8);
        let layers = random_layers(&mut rng, latent + u16::from(classes.header.width));
        compare(&build_with_classes(latent, &classes, &layers, &[], i), &format!("{latent} {classes:?} {layers:?}"));
    }
}

/// Every byte of the header with every value: what the parser accepts, the compiler accepts and reads alike; what it
/// refuses, it refuses in words.
#[test]
fn damaged_headers_are_refused_in_words_or_read_alike() {
    let mut rng = Xoshiro128PlusPlus::seed_from_u64(24);
    let classes = random_classes(&mut rng, 3, 2);
    let with_classes = build_with_classes(3, &classes, &tiny(), &[], 1);
    let (mut refused, mut read) = (0, 0);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {})); // hundreds of expected panics would fill the output
    for blob in
        [build("tiny", 5, &tiny(), 1), build_in_forms("tiny", 5, &tiny(), &fast_forms(5, &tiny()), 1), with_classes]
    {
        let header = PREAMBLE + usize::from(u16::from_le_bytes([blob[6], blob[7]]));
        for (at, value) in (0..header).flat_map(|at| [0, 1, 2, 3, 7, 127, 128, 255].map(|value| (at, value))) {
            let mut blob = blob.clone();
            blob[at] = value;
            if at >= PREAMBLE {
                seal(&mut blob).unwrap();
            }
            let (file, bytes) = (included(&blob), aligned(&blob));
            match (&file, Model::parse(&bytes)) {
                (Ok(_), Ok(_)) => {
                    compare(&blob, &format!("byte {at} is {value}"));
                    read += 1;
                }
                (Err(reason), Ok(_)) => panic!("byte {at} is {value}: {reason}, but the parser reads it"),
                (Err(reason), Err(_)) => {
                    assert!(reason.contains(' ') && !reason.contains("index"), "byte {at} is {value}: {reason}");
                    refused += 1;
                }
                (Ok(_), Err(_)) => {} // the parser checks more
            }
        }
    }
    std::panic::set_hook(hook);
    assert!(refused > 500 && read > 100, "{refused} refused, {read} read");
}

#[test]
fn errors_of_the_compiler_say_what_to_do() {
    let blob = build("tiny", 5, &tiny(), 1);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut blob = blob.clone();
        change(&mut blob);
        included(&blob).unwrap_err()
    };
    assert!(with(&|blob| blob.clear()).contains("does not begin with RBGN"));
    assert!(with(&|blob| blob.truncate(9)).contains("ends within its first 16 bytes"));
    assert!(with(&|blob| blob[4] = 99).contains("update gen-core"));
    assert!(with(&|blob| blob[4] = 1).contains("export the model again"));
    assert!(with(&|blob| blob.push(0)).contains("it was damaged"));
    assert!(with(&|blob| blob[6] = 3).contains("header cannot be read"));
    let longer = |blob: &mut Vec<u8>| {
        blob.extend([0; 16]);
        seal(blob).unwrap();
    };
    assert!(with(&longer).contains("do not have the length of the file"));
}

#[test]
fn a_workspace_of_a_known_size_is_enough() {
    static WORKSPACE: ConstStaticCell<Workspace<{ TINY.workspace_len() }>> = ConstStaticCell::new(Workspace::new());
    static MORE: Workspace<2000> = Workspace::for_file(&TINY);
    assert_eq!((MORE.len(), format!("{MORE:?}")), (2000, "Workspace(2000 bytes)".into()));
    let mut engine: Engine<'static> = Engine::new(TINY.model().unwrap(), WORKSPACE.take()).unwrap();
    let latent = engine.model().latent(42);
    assert_eq!(draw(&mut engine, &latent), picture(&TINY.model().unwrap(), &latent));
    assert!(format!("{TINY:?}").starts_with("ModelFile { 1088 bytes, 5 layers, picture: 8x12x3, workspace: "));
}

#[test]
fn pulled_rows_are_the_rows_that_are_pushed() {
    let model = TINY.model().unwrap();
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(model.clone(), &mut workspace).unwrap();
    let latents = [1, 2].map(|number| model.latent(number));
    assert!(engine.rows().next().is_none(), "no picture is begun");
    // A picture that is not finished does not change the next one.
    for rows_before in [0, 1, 5, 8] {
        let mut rows = engine.start(&latents[0]);
        for y in 0..rows_before {
            assert_eq!(rows.remaining(), 8 - y);
            assert_eq!(rows.next().unwrap().len(), 12);
        }
        let mut pulled = Vec::new();
        engine.start(&latents[1]);
        // As by a caller that keeps nothing but the engine.
        while let Some(row) = engine.rows().next() {
            pulled.extend_from_slice(row.bytes());
        }
        let mut rows = engine.rows();
        assert!(rows.next().is_none() && rows.next().is_none() && rows.remaining() == 0);
        assert!(format!("{rows:?}").starts_with("Rows { remaining: 0, engine: Engine { "));
        assert_eq!(pulled, picture(&model, &latents[1]));
    }
}
