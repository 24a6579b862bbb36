//! Classes from the folder of pictures to the model: `train`, `resume`, `data`, `eval`, `sample`, `walk`, `like`, `verify`
//! and `inspect`.

use std::fs;

use gen_core::{Model, aligned};
use image::{Rgb, RgbImage};

use crate::run_common::{Place, result};

/// A folder with the recipe `tiny.toml` and three classes, one of them with two pictures.
fn place() -> Place {
    let place = Place::new();
    for (class, count) in [("cat", 12), ("dog", 8), ("лягушка", 2)] {
        add_class(&place, class, count);
    }
    place
}

fn add_class(place: &Place, class: &str, count: u8) {
    let folder = place.path().join("animals").join(class);
    fs::create_dir_all(&folder).unwrap();
    let shade = class.bytes().fold(0u8, u8::wrapping_add);
    for i in 0..count {
        let colour = |x: u32, y: u32| Rgb([shade, (x * 6) as u8 ^ i, (y * 7) as u8]);
        RgbImage::from_fn(32, 32, colour).save(folder.join(format!("{i}.png"))).unwrap();
    }
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["--config", "tiny.toml", "--data", "animals", "--steps", "6"], more].concat()
}

/// The error message of a command that fails without a panic.
fn refused(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && !text.contains("panicked"), "{arguments:?}: {text}");
    text
}

fn classes_of(place: &Place, run: &str) -> Vec<String> {
    let blob = fs::read(place.folder(run).file("model.gen")).unwrap();
    Model::parse(&aligned(&blob)).unwrap().classes().names().map(str::to_owned).collect()
}

#[test]
fn a_folder_with_subfolders_is_trained_by_class_and_each_class_is_drawn_by_its_name() {
    let place = place();
    let text = place.run_well(&with(&[]));
    assert!(text.contains("classes: 3 (cat 12, dog 8, лягушка 2)") && text.contains("--classes none"), "{text}");
    assert_eq!(classes_of(&place, "001-tiny"), ["cat", "dog", "лягушка"]);
    let config = place.folder("001-tiny").config().unwrap();
    assert_eq!(config.class_names, ["cat", "dog", "лягушка"]);
    let report = fs::read_to_string(place.folder("001-tiny").file("report.html")).unwrap();
    assert!(report.contains("лягушка 2"));
    // Eight pictures of each class in a row: 66 pixels each, and a gap.
    let sheet = image::open(place.folder("001-tiny").file("samples.png")).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (8 * 66 + 2, 3 * 66 + 2));

    let model = "runs/001-tiny";
    let text = place.run_well(&["inspect", model]);
    assert!(text.contains("3 classes of 8 numbers each: cat, dog, лягушка"), "{text}");
    let text = place.run_well(&["verify", model]);
    assert!(text.contains("3 classes in turn") && text.contains("values are equal"), "{text}");

    let text = place.run_well(&["sample", model, "--npy", "all.npy"]);
    assert!(text.contains("row 2: class dog") && text.contains("a row for each class, seeds 0 to 7"), "{text}");
    let array = |name: &str| -> ndarray::Array4<u8> { ndarray_npy::read_npy(place.path().join(name)).unwrap() };
    let all = array("all.npy");
    assert_eq!(all.dim(), (24, 32, 32, 3));
    for (row, class) in ["cat", "DOG", "2"].into_iter().enumerate() {
        place.run_well(&["sample", model, "--class", class, "-n", "8", "--npy", "one.npy", "--pngs", "pngs"]);
        assert!(array("one.npy") == all.slice(ndarray::s![8 * row..8 * row + 8, .., .., ..]), "{class}");
    }
    assert!(place.path().join("pngs/01-dog-000007.png").is_file());
    assert!(all.slice(ndarray::s![..8, .., .., ..]) != all.slice(ndarray::s![8..16, .., .., ..]));
    let text = refused(&place, &["sample", model, "--class", "fish"]);
    assert!(text.contains("no class fish") && text.contains("cat, dog, лягушка"), "{text}");
    let text = refused(&place, &["sample", "--class", "fish"]);
    assert!(text.contains("no classes"), "{text}");

    // The float generator of a checkpoint has the same classes.
    let float = ["--float", "runs/001-tiny/checkpoints/step-000006.ckpt"];
    place.run_well(&[&["sample"][..], &float, &["--class", "dog", "-n", "4", "--npy", "float.npy"]].concat());
    assert_eq!(array("float.npy").dim().0, 4);
}

#[test]
fn walks_and_variations_go_across_classes() {
    let place = place();
    place.run_well(&with(&[]));
    let model = "runs/001-tiny";
    let walk = ["walk", model, "--from", "4", "--to", "4", "--class", "dog", "--class", "cat", "--steps", "3"];
    let text = place.run_well(&walk);
    assert!(text.contains("row 1: 4, class dog to 4, class cat"), "{text}");
    let text = place.run_well(&["walk", model, "--rows", "3"]);
    assert!(text.contains("row 3: 4, class лягушка to 5, class cat"), "they take turns: {text}");
    let text = place.run_well(&["like", model, "--seed", "4", "--class", "dog", "--toward-class", "cat", "-n", "3"]);
    assert!(text.contains("seed 4, class dog, then 4 on its way") && text.contains("--class dog --toward-class cat"));
    assert!(text.contains("len).with_class(1).toward(&Latent::from_seed(OTHER, len).with_class(0), 77)"), "{text}");
    let text = refused(&place, &["walk", model, "--class", "cat", "--class", "cow"]);
    assert!(text.contains("no class cow"), "{text}");
}

#[test]
fn a_conditional_run_that_is_stopped_goes_on_to_the_same_bits() {
    let place = place();
    let classes = ["--classes", "dog,cat"];
    place.run_well(&with(&[&classes[..], &["--set", "balance_classes=true", "--set", "lr_decay_start=1"]].concat()));
    assert_eq!(classes_of(&place, "001-tiny"), ["dog", "cat"], "in the order that was asked for");
    let mut short = with(&[&classes[..], &["--set", "balance_classes=true", "--set", "lr_decay_start=1"]].concat());
    let steps = short.iter().position(|argument| *argument == "6").unwrap();
    short[steps] = "3";
    place.run_well(&short);
    place.run_well(&["resume", "runs/002-tiny", "--steps", "6"]);
    assert!(result(&place.folder("001-tiny")) == result(&place.folder("002-tiny")));
    // A changed class is a changed data set.
    fs::rename(place.path().join("animals/cat/1.png"), place.path().join("animals/dog/100.png")).unwrap();
    let text = refused(&place, &["resume", "runs/002-tiny", "--steps", "9"]);
    assert!(text.contains("not those that the run was started with"), "{text}");
}

#[test]
fn kinds_are_found_where_there_are_no_labels() {
    let place = place();
    let text = place.run_well(&with(&["--classes", "auto:3"]));
    assert!(text.contains("classes: 3 (kind 1 "), "{text}");
    assert_eq!(classes_of(&place, "001-tiny"), ["kind 1", "kind 2", "kind 3"]);
    let mut recipe = fs::read_to_string(place.folder("001-tiny").file("config.toml")).unwrap();
    assert!(recipe.contains("classes = \"auto:3\""), "{recipe}");
    place.run_well(&["resume", "runs/001-tiny", "--steps", "8"]);
    recipe = recipe.replace("\"kind 1\", \"kind 2\", \"kind 3\"", "");
    fs::write(place.path().join("again.toml"), recipe).unwrap();
    place.run_well(&["--config", "again.toml", "--data", "animals", "--steps", "8"]);
    let text = place.run_well(&["data", "--data", "animals", "--classes", "auto:3"]);
    assert!(text.contains("kind 3") && text.contains("rows of the sheet"), "{text}");
    for wrong in ["auto:1", "auto:65", "auto:", "auto:x"] {
        let text = refused(&place, &with(&["--classes", wrong]));
        assert!(text.contains("2 to 64 kinds"), "{text}");
    }
}

#[test]
fn classes_can_be_left_out_and_too_many_are_told() {
    let place = place();
    let text = place.run_well(&with(&["--classes", "none"]));
    assert!(!text.contains("classes: 3"), "{text}");
    assert_eq!(classes_of(&place, "001-tiny"), [""; 0]);
    let text = refused(&place, &with(&["--classes", "cat,cow"]));
    assert!(text.contains("cow") && text.contains("dog"), "{text}");
    for class in 0..62 {
        add_class(&place, &format!("class {class}"), 2);
    }
    let text = refused(&place, &with(&["--classes", "folders"]));
    assert!(text.contains("65") && text.contains("64"), "{text}");
    // Nobody has asked for classes: the pictures are trained on without them.
    let text = place.run_well(&with(&[]));
    assert!(text.contains("65"), "{text}");
    assert_eq!(classes_of(&place, "002-tiny"), [""; 0]);
}

#[test]
fn quality_is_measured_by_class() {
    let place = place();
    place.run_well(&["--config", "measured.toml", "--data", "animals", "--steps", "15"]);
    let metrics = fs::read_to_string(place.folder("001-tiny").file("metrics.jsonl")).unwrap();
    assert!(metrics.contains(r#""name":"dog""#), "{metrics}");
    let text = place.run_well(&["eval", "runs/001-tiny", "--data", "animals", "-n", "30"]);
    assert!(text.contains("least drawn") && text.contains("лягушка"), "{text}");
    let text = place.run_well(&["eval", "runs/001-tiny", "--data", "animals", "-n", "30", "--classes", "none"]);
    assert!(!text.contains("least drawn"), "{text}");
}

/// Files as those of MNIST, with 30 digits of three classes.
fn add_idx(place: &Place) {
    let folder = place.path().join("digits");
    fs::create_dir(&folder).unwrap();
    let pixels = (0..30u32).flat_map(|n| (0..28 * 28u32).map(move |i| ((i * (n % 3 + 1) + 7 * n) % 251) as u8));
    let pictures: Vec<u8> = [0, 0, 8, 3, 0, 0, 0, 30, 0, 0, 0, 28, 0, 0, 0, 28].into_iter().chain(pixels).collect();
    let labels: Vec<u8> = [0, 0, 8, 1, 0, 0, 0, 30].into_iter().chain((0..30).map(|n| n % 3 * 4)).collect();
    fs::write(folder.join("train-images-idx3-ubyte"), pictures).unwrap();
    fs::write(folder.join("train-labels-idx1-ubyte"), labels).unwrap();
}

#[test]
fn a_model_with_classes_is_compared_with_all_classes_of_its_data() {
    let place = Place::new();
    add_idx(&place);
    place.run_well(&["--config", "tiny.toml", "--data", "digits", "--classes", "labels", "--steps", "3"]);
    assert_eq!(classes_of(&place, "001-tiny"), ["0", "4", "8"]);
    let text = place.run_well(&["eval", "runs/001-tiny", "--data", "digits", "-n", "30"]);
    assert!(text.contains("by class") && text.contains("least drawn"), "{text}");
    place.run_well(&["sample", "runs/001-tiny", "--class", "4", "-n", "2", "--nearest", "digits"]);
    // A recipe that asks for labels says when there are none.
    fs::remove_file(place.path().join("digits/train-labels-idx1-ubyte")).unwrap();
    let text = place.run_well(&["--preset", "digits", "--data", "digits", "--steps", "2"]);
    assert!(text.contains("the recipe asks for classes, and it has no labels"), "{text}");
    assert_eq!(classes_of(&place, "002-digits"), [""; 0]);
}

#[test]
fn a_sheet_has_the_first_pictures_of_each_class_and_the_array_all() {
    let place = place();
    place.run_well(&with(&[]));
    let text = place.run_well(&["sample", "runs/001-tiny", "-n", "600", "--npy", "all.npy"]);
    assert!(text.contains("seeds 0 to 31"), "{text}");
    let all: ndarray::Array4<u8> = ndarray_npy::read_npy(place.path().join("all.npy")).unwrap();
    assert_eq!(all.dim().0, 1800);
    let text = refused(&place, &["sample", "runs/001-tiny", "--class", "cat", "--class", "0"]);
    assert!(text.contains("--class names cat twice"), "{text}");
}

#[test]
fn the_species_of_the_drawn_frogs_are_classes() {
    let place = Place::new();
    let text = place.run_well(&["--config", "tiny.toml", "--data", "builtin", "--classes", "labels", "--steps", "3"]);
    let names = classes_of(&place, "001-tiny");
    assert!(names.len() >= 2 && text.contains(&format!("classes: {}", names.len())), "{text}");
    place.run_well(&["sample", "runs/001-tiny", "--class", &names[1]]);
}
