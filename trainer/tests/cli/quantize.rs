//! `trainer quantize`: fine-tuning that the recipe asks for, and weight transforms.

use std::fs;

use super::SHIPPED;
use crate::run_common::{Place, tiny, with};

#[test]
fn a_recipe_can_ask_for_fine_tuning() {
    let place = Place::new();
    let mut config = tiny();
    config.quantise.tune = 12;
    config.steps = 10;
    fs::write(place.path().join("tiny.toml"), config.to_toml()).unwrap();
    let text = place.run_well(&with(&[]));
    assert!(text.contains("fine-tuning: 12 steps"), "{text}");
    // The recipe's fine-tuning also applies to the checkpoint.
    let checkpoint = place.folder("001-tiny").file("checkpoints/step-000010.ckpt");
    place.run_well(&["quantize", checkpoint.to_str().unwrap(), "-o", "again.gen"]);
    let [again, model] =
        [place.path().join("again.gen"), place.folder("001-tiny").file("model.gen")].map(|p| fs::read(p).unwrap());
    assert_eq!(again, model);
}

#[test]
fn a_model_can_be_packed_for_speed_and_draws_the_same() {
    let place = Place::new();
    let size = |name: &str| fs::metadata(place.path().join(name)).unwrap().len();
    let pictures = |model: &str| {
        let text = place.run_well(&["sample", model, "-n", "4", "--npy", "pictures.npy"]);
        (text, fs::read(place.path().join("pictures.npy")).unwrap()).1
    };
    let small = pictures(SHIPPED);

    let text = place.run_well(&["quantize", SHIPPED, "--winograd", "-o", "fast.gen"]);
    assert!(text.contains("Winograd layers 1,2,3"), "{text}");
    assert_eq!(pictures("fast.gen"), small);
    assert!(place.run_well(&["verify", "fast.gen", "-n", "3"]).contains("values are equal"));
    let text = place.run_well(&["inspect", "fast.gen"]);
    assert!(text.lines().any(|l| l.contains("1 transposed 4x4 x2") && l.contains("fast")), "{text}");

    // Some of the layers, chosen by the user or by size.
    let text = place.run_well(&["quantize", SHIPPED, "--winograd-layers", "3,2", "-o", "some.gen"]);
    assert!(text.contains("Winograd layers 2,3"), "{text}");
    assert_eq!(pictures("some.gen"), small);
    let text = place.run_well(&["quantize", "fast.gen", "--flash", "130KiB", "-o", "fits.gen"]);
    assert!(text.contains("Winograd layers") && size("fits.gen") <= 130 * 1024, "{text}");
    assert_eq!(pictures("fits.gen"), small);

    // The earlier names of the options.
    place.run_well(&["quantise", SHIPPED, "--fast-layers", "3,2", "-o", "old.gen"]);
    let read = |name: &str| fs::read(place.path().join(name)).unwrap();
    assert_eq!(read("old.gen"), read("some.gen"));

    // These have better kernels for weights without a transform.
    for (core, name) in [("cortex-m3", "Cortex-M3"), ("cortex-m0", "Cortex-M0, M0+"), ("riscv32", "RISC-V (RV32IM)")] {
        let text = place.run_well(&["quantize", SHIPPED, "--fast", "--core", core, "-o", "other.gen"]);
        assert!(text.contains(&format!("none that fits gains on a {name}")), "{text}");
        let text = place.run_well(&["inspect", SHIPPED, "--core", core]);
        assert!(text.contains(&format!("as it is now, on a {name}: about")), "{text}");
    }

    // Packs the model back to the smallest file.
    place.run_well(&["quantize", "some.gen", "-o", "small.gen"]);
    assert_eq!(fs::read(place.path().join("small.gen")).unwrap(), fs::read(SHIPPED).unwrap());
}
