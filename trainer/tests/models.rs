//! Tests that the shipped models agree with their cards.

use std::fs;
use std::path::{Path, PathBuf};

use gen_core::{Model, aligned};
use trainer::card::Shipped;
use trainer::quantise::compare::{int8_with_float, likeness};
use trainer::quantise::recover::parameters;
use trainer::quantise::{FloatModel, QuantModel};

/// The folders in `models/`.
fn folders() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let entries = fs::read_dir(&folder).unwrap();
    let folders: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty());
    folders
}

#[test]
fn every_shipped_model_belongs_to_its_card() {
    for path in folders() {
        let shipped = Shipped::open(&path).unwrap();
        assert_eq!(path.file_name().unwrap(), shipped.card.name.as_str());
        let readme = fs::read_to_string(path.join("README.md")).unwrap();
        assert_eq!(
            readme,
            shipped.readme(&Path::new("models").join(&shipped.card.name)).unwrap(),
            "README.md of {} is not what its card says",
            path.display()
        );
        assert!(path.join("samples.png").is_file());
        // These were made before the calibration was corrected: rebuilding them says why the bits differ.
        let is_old = shipped.card.program == "trainer 0.1.0";
        assert_eq!(shipped.card.version_warning().is_some(), is_old, "{}", shipped.card.name);
    }
}

#[test]
fn the_float_generator_recovered_from_the_integers_draws_their_pictures() {
    for path in folders() {
        let Shipped { card, blob } = Shipped::open(&path).unwrap();
        let bytes = aligned(&blob);
        let model = Model::parse(&bytes).unwrap();
        let float = FloatModel::of_integers(&QuantModel::from_model(&model).unwrap());
        let compared = int8_with_float(&float, &model, 32);
        let close = likeness(compared.int8.view(), compared.float.view());
        // Once more, with normalisation, as training continues it.
        let normalised = FloatModel::fold(&card.config, &parameters(&card.config, &float).unwrap()).unwrap();
        let trained = int8_with_float(&normalised, &model, 32);
        let also = likeness(trained.int8.view(), trained.float.view());
        println!("{}: {close}; with normalisation {also}", card.name);
        assert!(close.psnr > 30.0 && also.psnr > 30.0, "{}: {close}; with normalisation {also}", card.name);
    }
}
