//! `trainer invert`: the latent of a picture.

use std::fs;

use image::RgbImage;

use crate::run_common::{MEASURED, Place, with};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/pocket-tiny-frogs");
const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/digits");
/// Enough for a test.
const EFFORT: [&str; 4] = ["--starts", "64", "--steps", "200"];

#[test]
fn pictures_that_the_model_drew_are_found_again() {
    let place = Place::new();
    let text = place.run_well(&[&["invert", "--model", TINY, "--drawn", "3"], &EFFORT[..]].concat());
    assert!(text.ends_with("3 of 3 above 30 dB\n"), "{text}");
}

fn open(place: &Place, name: &str) -> RgbImage {
    image::open(place.path().join(name)).unwrap().to_rgb8()
}

/// The picture of a sheet of scale 1 that begins this far from the left.
fn part(sheet: &RgbImage, left: u32) -> RgbImage {
    image::imageops::crop_imm(sheet, left, 2, 32, 32).to_image()
}

/// Checks found.txt and found.png: `text` names the command that draws the latent with the model `draws`, and the right half
/// of the pair is what it draws, to the pixel.
fn check_found(place: &Place, text: &str, draws: &str) {
    let words = fs::read_to_string(place.path().join("found.txt")).unwrap();
    let latent = words.trim().strip_prefix("latent=").unwrap();
    assert!(text.contains(&format!(" sample {draws} --latent {latent}\n")), "{text}");
    place.run_well(&["sample", draws, "--latent", latent, "--scale", "1", "--out", "again.png"]);
    assert!(part(&open(place, "found.png"), 36) == part(&open(place, "again.png"), 2), "{draws}");
}

#[test]
fn what_was_found_is_written_and_can_be_drawn_again() {
    let place = Place::new();
    place.run_well(&["sample", TINY, "-n", "1", "--seed", "7", "--pngs", "drawn"]);
    let invert = ["invert", "drawn/000007.png", "--model", TINY, "--scale", "1", "--out", "found.png"];
    let text = place.run_well(&[&invert[..], &EFFORT].concat());
    check_found(&place, &text, TINY);
    assert!(part(&open(&place, "found.png"), 2) == open(&place, "drawn/000007.png"));
}

#[test]
fn the_class_is_found_too() {
    let place = Place::new();
    place.run_well(&["sample", DIGITS, "-n", "1", "--seed", "3", "--class", "7", "--pngs", "drawn"]);
    let file = fs::read_dir(place.path().join("drawn")).unwrap().next().unwrap().unwrap().path();
    let invert = ["invert", file.to_str().unwrap(), "--model", DIGITS];
    place.run_well(&[&invert[..], &EFFORT].concat());
    let words = fs::read_to_string(place.path().join("invert.txt")).unwrap();
    assert!(words.lines().nth(1).is_some_and(|word| word == "class=7"), "{words}");
    place.run_well(&[&invert[..], &EFFORT, &["--class", "2"]].concat());
    assert!(fs::read_to_string(place.path().join("invert.txt")).unwrap().ends_with("class=2\n"));
}

/// A run, with its best snapshot or without one, and a checkpoint: the float generator of the checkpoint finds what its model
/// draws.
#[test]
fn a_run_and_a_checkpoint_are_generators_too() {
    let place = Place::new();
    let measured = [&MEASURED[..], &["--steps", "30"]].concat();
    place.run_well(&measured);
    place.run_well(&with(&["--steps", "12"]));
    assert!(place.folder("001-tiny").file("best.ckpt").is_file());
    assert!(!place.folder("002-tiny").file("best.ckpt").is_file());
    for (model, checkpoint, draws) in [
        ("runs/001-tiny", None, "runs/001-tiny"),
        ("runs/001-tiny/best.ckpt", None, "runs/001-tiny/model.gen"),
        ("runs/002-tiny", None, "runs/002-tiny"),
        ("runs/002-tiny/checkpoints/step-000010.ckpt", Some("runs/002-tiny/checkpoints/step-000010.ckpt"), "model.gen"),
    ] {
        let invert = ["invert", "pictures/3.png", "--model", model, "--scale", "1", "--out", "found.png"];
        let text = place.run_well(&[&invert[..], &EFFORT].concat());
        if let Some(checkpoint) = checkpoint {
            assert!(text.contains(&format!(" quantize {checkpoint} -o model.gen\n")), "{text}");
            place.run_well(&["quantize", checkpoint, "-o", "model.gen"]);
        } else {
            assert!(!text.contains(" quantize "), "{text}");
        }
        check_found(&place, &text, draws);
        let text = place.run_well(&[&["invert", "--model", model, "--drawn", "2"], &EFFORT[..]].concat());
        assert!(text.contains("2 of 2 above 30 dB\n"), "{model}: {text}");
    }

    // A run that is not at its end has no model yet.
    fs::remove_file(place.folder("002-tiny").file("model.gen")).unwrap();
    let text = place.run_well(&[&["invert", "pictures/3.png", "--model", "runs/002-tiny"], &EFFORT[..]].concat());
    assert!(text.contains("runs/002-tiny/checkpoints/step-000012.ckpt has no model yet"), "{text}");
    assert!(text.contains(" quantize runs/002-tiny/checkpoints/step-000012.ckpt -o model.gen\n"), "{text}");

    // A model of another generator.
    fs::copy(TINY.to_owned() + "/model.gen", place.folder("001-tiny").file("model.gen")).unwrap();
    let output = place.run(&["invert", "pictures/3.png", "--model", "runs/001-tiny"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("was not made of this generator"), "{text}");
    // A checkpoint that is cut.
    let path = place.folder("002-tiny").file("checkpoints/step-000010.ckpt");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let output = place.run(&["invert", "pictures/3.png", "--model", "runs/002-tiny/checkpoints/step-000010.ckpt"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("step-000010.ckpt is no usable checkpoint"), "{text}");
}

#[test]
fn mistakes_are_named() {
    let place = Place::new();
    for (arguments, says) in [
        (&["invert", "nowhere.png"][..], "nowhere.png"),
        (&["invert", "tiny.toml"], "tiny.toml: "),
        (&["invert", "pictures/1.png", "--class", "frog"], "no classes"),
        (&["invert", "pictures/1.png", "--model", "pictures"], "without a model.gen"),
        (&["invert", "pictures/1.png", "--out", "a.jpg"], "a.png"),
        (&["invert"], "required"),
        (&["sample", "--latent", "00ff"], "64 hexadecimal digits"),
    ] {
        let output = place.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(says), "{arguments:?}: {text}");
    }
}
