//! Runs with pictures of other sizes and in grey, from the data to the model.

use std::fs;

use ndarray::{Array1, Array3, Array4};
use ndarray_npy::{NpzWriter, read_npy};
use trainer::config::Config;

use crate::run_common::Place;

/// Options of a run that takes seconds.
const SHORT: [&str; 8] =
    ["--steps", "3", "--set", "quantize.tune=0", "--set", "every.measure=3", "--set", "small_dataset.below=1"];

/// An IDX file.
fn idx(shape: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|n| bytes.extend(n.to_be_bytes()));
    [bytes, elements.to_vec()].concat()
}

/// Digits that are no two alike.
fn digits(count: usize) -> Vec<u8> {
    Array3::from_shape_fn((count, 28, 28), |(n, y, x)| (n * 5 + y * x + x) as u8).into_iter().collect()
}

#[test]
fn grey_rectangles_go_all_the_way() {
    let place = Place::new();
    place.run_well(&[&["--data", "pictures", "--size", "24x16", "--grey"][..], &SHORT].concat());
    let folder = place.folder("001-pocket-24x16-grey");
    let model = folder.file("model.gen");
    let bytes = fs::read(&model).unwrap();
    assert_eq!(bytes[4], 3, "grey needs version 3 of the format");
    for name in ["report.html", "reals.png", "samples.png", "best.gen"] {
        assert!(folder.file(name).is_file(), "{name}");
    }
    let model = model.to_str().unwrap();
    assert!(place.run_well(&["inspect", model]).contains("16x24x1"));
    place.run_well(&["verify", model, "-n", "5"]);
    place.run_well(&["sample", model, "-n", "9", "--npy", "g.npy", "--nearest", "pictures"]);
    let pictures: Array4<u8> = read_npy(place.path().join("g.npy")).unwrap();
    assert_eq!(pictures.dim(), (9, 16, 24, 1));
    place.run_well(&["walk", model, "--rows", "2", "--out", "w.png"]);
    place.run_well(&["like", model, "--seed", "3", "-n", "4", "--out", "l.png"]);
    place.run_well(&["eval", model, "g.npy", "-n", "9", "--data", "pictures"]);

    // The fast form draws the same.
    place.run_well(&["quantize", model, "--winograd", "-o", "fast.gen"]);
    place.run_well(&["sample", "fast.gen", "-n", "9", "--npy", "f.npy"]);
    assert_eq!(read_npy::<_, Array4<u8>>(place.path().join("f.npy")).unwrap(), pictures);

    // The float generator leaves and comes back.
    let checkpoint = folder.file("checkpoints/step-000003.ckpt");
    let checkpoint = checkpoint.to_str().unwrap();
    place.run_well(&["export", checkpoint, "--safetensors", "g.safetensors", "--onnx", "g.onnx"]);
    let config = folder.file("config.toml");
    place.run_well(&["import", "g.safetensors", "--config", config.to_str().unwrap(), "-o", "back.gen"]);
    place.run_well(&["verify", "back.gen", "-n", "3"]);
}

#[test]
fn the_size_of_the_data_picks_a_network() {
    let place = Place::new();
    let raw = place.path().join("data/MNIST/raw");
    fs::create_dir_all(&raw).unwrap();
    fs::write(raw.join("train-images-idx3-ubyte"), idx(&[40, 28, 28], &digits(40))).unwrap();
    let labels: Vec<u8> = (0..40).map(|n| n % 10).collect();
    fs::write(raw.join("train-labels-idx1-ubyte"), idx(&[40], &labels)).unwrap();
    let text = place.run_well(&["data", "--data", "data", "--size", "28", "--grey"]);
    assert!(text.contains("40 of 28x28 pixels, grey") && text.contains("brightness"), "{text}");
    assert!(text.contains("4  9"), "counts of the labels: {text}");

    place.run_well(&[&["--data", "data"][..], &SHORT].concat());
    let folder = place.folder("001-digits");
    place.run_well(&["verify", folder.file("model.gen").to_str().unwrap(), "-n", "3"]);
    assert_eq!(folder.config().unwrap().picture().unwrap().to_string(), "28x28x1");

    let path = place.path().join("mnist.npz");
    let mut npz = NpzWriter::new_compressed(fs::File::create(&path).unwrap());
    npz.add_array("x_train", &Array3::from_shape_vec((40, 28, 28), digits(40)).unwrap()).unwrap();
    npz.add_array("y_train", &Array1::from_vec(labels)).unwrap();
    npz.finish().unwrap();
    let text = place.run_well(&[&["--data", "mnist.npz", "--class", "7"][..], &SHORT].concat());
    assert!(text.contains("4 pictures of class 7"), "{text}");
    // The pictures are found again when the run goes on.
    place.run_well(&["resume", "runs/002-digits", "--steps", "4"]);
}

#[test]
fn a_way_to_fit_is_kept_with_the_run() {
    let place = Place::new();
    let options = ["--data", "pictures", "--size", "16x32", "--fit", "pad", "--background", "0000ff"];
    place.run_well(&[&options[..], &SHORT].concat());
    let folder = place.folder("001-pocket-16x32");
    let data = fs::read_to_string(folder.file("data.toml")).unwrap();
    assert!(data.contains("fit = \"pad\"") && data.contains("background = [0, 0, 255]"), "{data}");
    // With other pixels the fingerprint would differ.
    place.run_well(&["resume", "runs/001-pocket-16x32", "--steps", "4"]);
    let reals = image::open(folder.file("reals.png")).unwrap().to_rgb8();
    assert!(reals.pixels().any(|pixel| pixel.0 == [0, 0, 255]));
}

#[test]
fn sizes_that_make_no_sense_are_answered() {
    let place = Place::new();
    let cases: [(&[&str], &str); 8] = [
        (
            &["--data", "builtin", "--preset", "pocket", "--grey"],
            "draws pictures of 32x32 in color, not of 32x32 in grey",
        ),
        (&["--data", "builtin", "--preset", "pocket", "--size", "48"], "leave out the recipe"),
        (&["--data", "builtin", "--size", "33x50"], "such as 48x64, or write a recipe"),
        (&["--data", "builtin", "--size", "64x"], "a width and a height such as 64x32"),
        (&["--data", "builtin", "--size", "-4"], "a width and a height such as 64x32"),
        (&["--data", "builtin", "--size", "4x600"], "from 8 to 512"),
        (&["data", "--data", "builtin", "--background", "blue-ish"], "six hexadecimal digits, such as ff8000"),
        (&["data", "--data", "builtin", "--fit", "squash"], "possible values: crop, pad, stretch"),
    ];
    for (arguments, expected) in cases {
        let output = place.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!output.status.success() && text.contains(expected), "{arguments:?}: {text}");
    }
    assert!(!place.path().join("runs").exists());
}

#[test]
fn a_network_by_rule_is_printed_and_can_be_fed_back() {
    let place = Place::new();
    for (size, expected) in [("48", "48x48x3"), ("64x96", "96x64x3"), ("8x8", "8x8x3"), ("256", "256x256x3")] {
        let Some(text) = Some(place.run(&["presets", "--size", size])).filter(|output| output.status.success()) else {
            assert_eq!(size, "256", "the only one that is too large for the rule");
            continue;
        };
        let config = Config::from_toml(&String::from_utf8(text.stdout).unwrap()).unwrap();
        assert_eq!(config.picture().unwrap().to_string(), expected);
    }
    let grey = place.run_well(&["presets", "--size", "28", "--grey"]);
    assert_eq!(Config::from_toml(&grey).unwrap().picture().unwrap().to_string(), "28x28x1");
    assert_eq!(place.run_well(&["presets", "--size", "32"]), Config::preset("pocket").unwrap().to_toml());
}
