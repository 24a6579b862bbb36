//! Tests of memory and instructions of the known networks.

use gen_core::Model;
use gen_core::aligned;
use trainer::inspect::inspect;
use trainer::quantise::QuantModel;

use crate::nets;

#[test]
fn the_reference_pocket_costs_what_is_published() {
    let model = QuantModel::random("reference-pocket", 32, &nets::reference_pocket(), 1).unwrap();
    let blob = model.to_blob().unwrap();
    let inspection = inspect(&Model::parse(&aligned(&blob)).unwrap());
    assert_eq!(inspection.macs, 6_201_344);
    assert_eq!(inspection.flash, blob.len());
    let rings: usize = inspection.layers.iter().map(|l| l.ring).sum();
    for workspace in inspection.workspaces {
        assert_eq!(workspace.rings, rings);
        assert!(workspace.bytes() < 10 * 1024, "{inspection}");
    }
    let weights: usize = inspection.layers.iter().map(|l| l.weights).sum();
    // Header and padding are small.
    assert!((weights..weights + 512).contains(&blob.len()), "{inspection}");
    assert!(inspection.boards.iter().all(|b| b.fits()), "{inspection}");
    let text = inspection.to_string();
    assert!(text.contains("6,201,344") && text.contains("transposed 4x4 x2"), "{text}");
}

#[test]
fn the_pocket_is_smaller_still() {
    let blob = QuantModel::random("pocket", 32, &nets::pocket(), 1).unwrap().to_blob().unwrap();
    let inspection = inspect(&Model::parse(&aligned(&blob)).unwrap());
    assert_eq!(inspection.macs, 2_715_648);
    assert!(inspection.flash < 72 * 1024 && inspection.workspaces[0].bytes() < 5 * 1024, "{inspection}");
}

#[test]
fn the_tutorial_fits_none_of_the_boards() {
    let model = QuantModel::random("tutorial", 32, &nets::tutorial(), 1).unwrap();
    let blob = model.to_blob().unwrap();
    let inspection = inspect(&Model::parse(&aligned(&blob)).unwrap());
    assert_eq!(inspection.parameters, 6_264_579);
    assert!(inspection.boards.iter().all(|b| b.flash_left < 0 && !b.fits()), "{inspection}");
}
