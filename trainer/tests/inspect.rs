//! Tests of memory and instructions of the known networks.

use gen_core::aligned;
use gen_core::spec::{Activation, LayerSpec, Op, Padding};
use gen_core::{Model, Shape};
use trainer::cost::{CORES, Core};
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
fn the_table_compares_the_processors_that_are_asked_for() {
    let blob = QuantModel::random("pocket", 32, &nets::pocket(), 1).unwrap().to_blob().unwrap();
    let mut inspection = inspect(&Model::parse(&aligned(&blob)).unwrap());
    let has = |text: String, cores: &[&str]| {
        let shown = ["M4, instr.", "M3, instr.", "M0, instr.", "RV32, instr."].map(|head| text.contains(head));
        assert_eq!(shown, ["M4", "M3", "M0", "RV32"].map(|core| cores.contains(&core)), "{text}");
    };
    has(inspection.to_string(), &["M4", "M3"]);
    inspection.compared = vec![Core::Riscv];
    has(inspection.to_string(), &["RV32"]);
    // The sums are of all processors.
    for core in CORES {
        assert!(inspection.to_string().contains(&format!("as it is now, on a {}", core.name())), "{inspection}");
    }
}

#[test]
fn the_tutorial_fits_none_of_the_boards() {
    let model = QuantModel::random("tutorial", 32, &nets::tutorial(), 1).unwrap();
    let blob = model.to_blob().unwrap();
    let inspection = inspect(&Model::parse(&aligned(&blob)).unwrap());
    assert_eq!(inspection.parameters, 6_264_579);
    assert!(inspection.boards.iter().all(|b| b.flash_left < 0 && !b.fits()), "{inspection}");
}

#[test]
fn a_picture_may_be_too_large_for_a_boards_display() {
    // Width and height, and the boards whose displays are smaller.
    let cases: [((u16, u16), &[&str]); 4] = [
        ((28, 28), &[]),
        ((128, 64), &[]),
        ((160, 80), &["lm3s6965evb (QEMU)", "micro:bit v2", "ESP32-C3"]),
        ((64, 65), &["lm3s6965evb (QEMU)"]),
    ];
    for ((width, height), smaller) in cases {
        let layers = [
            LayerSpec { op: Op::Dense { out: Shape::new(height, width, 1) }, activation: Activation::Relu },
            LayerSpec {
                op: Op::Conv { channels: 1, kernel: 3, stride: 1, padding: Padding::Same },
                activation: Activation::Tanh,
            },
        ];
        let blob = QuantModel::random("grey", 1, &layers, 1).unwrap().to_blob().unwrap();
        let inspection = inspect(&Model::parse(&aligned(&blob)).unwrap());
        let refused = inspection.boards.iter().filter(|board| !board.fits_display);
        let names: Vec<_> = refused.map(|board| &*board.board.name).collect();
        assert_eq!(names, smaller, "{width}x{height}");
        let text = inspection.to_string();
        assert!(text.contains(&format!("1 latents -> {height}x{width}x1")), "{text}");
        for line in text.lines() {
            let is_smaller = smaller.iter().any(|board| line.starts_with(board));
            assert_eq!(line.ends_with("display too small"), is_smaller, "{text}");
        }
        assert!(inspection.boards.iter().all(|board| board.fits() == board.fits_display), "{text}");
    }
}
