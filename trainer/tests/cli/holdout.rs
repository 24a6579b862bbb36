//! `--holdout`: pictures that training never sees.

use std::fs;
use std::path::Path;

use trainer::run::metrics::{self, Lines};
use trainer::run::{Checkpoint, Folder};

use crate::run_common::{MEASURED, Place};

const HOLDOUT: [&str; 6] = ["--holdout", "0.25", "--seed", "5", "--steps", "40"];

fn metrics_of(folder: &Folder) -> Lines {
    metrics::load_all(&folder.file("metrics.jsonl"), u64::MAX).unwrap()
}

fn weights(folder: &Folder) -> (Vec<f32>, Vec<f32>) {
    let Checkpoint { state, .. } = Checkpoint::load(&folder.file("checkpoints/step-000040.ckpt")).unwrap();
    (state.generator.to_vec(), state.discriminator.to_vec())
}

#[test]
fn a_run_compares_held_out_pictures_and_does_not_learn_them() {
    let place = Place::new();
    let text = place.run_well(&[&MEASURED[..], &HOLDOUT, &["--tensorboard"]].concat());
    assert!(text.contains("held out: 5 pictures, which training never sees; it has the other 15"), "{text}");
    let folder = place.folder("001-tiny");
    let lines = metrics_of(&folder);
    let steps = |lines: &Lines| lines.compared.iter().map(|line| line.step).collect::<Vec<_>>();
    assert_eq!(steps(&lines), [15, 30, 40], "at each measurement, and at the end");
    assert_eq!(lines.measured.iter().map(|line| line.step).collect::<Vec<_>>(), [15, 30, 40]);
    let read = |name: &str| fs::read_to_string(folder.file(name)).unwrap();
    let held_out = read("held-out.txt");
    assert_eq!((held_out.lines().count(), read("pictures.txt").lines().count()), (5, 20));
    assert!(read("config.toml").contains("holdout = 0.25"));
    let report = read("report.html");
    for part in ["<h2>Held-out pictures</h2>", "mean logit of the discriminator", "5 of 20 pictures; mean logit of"] {
        assert!(report.contains(part), "{part}");
    }

    // A picture that is held out is another one: training has the same bits, and only its logits differ.
    let changed = held_out.lines().next().unwrap();
    let path = place.path().join("pictures").join(changed);
    let original = fs::read(&path).unwrap();
    image::RgbImage::from_pixel(32, 32, image::Rgb([9, 200, 77])).save(&path).unwrap();
    place.run_well(&[&MEASURED[..], &HOLDOUT].concat());
    let other = place.folder("002-tiny");
    assert_eq!(weights(&other), weights(&folder));
    let logits = |folder: &Folder| metrics_of(folder).compared.last().unwrap().logits;
    let (before, after) = (logits(&folder), logits(&other));
    assert_eq!((before.training, before.generated), (after.training, after.generated));
    assert_ne!(before.held_out, after.held_out);
    fs::write(&path, original).unwrap();

    // Nothing is held out by default, and nothing is said of it.
    place.run_well(&[&MEASURED[..], &HOLDOUT[2..]].concat());
    let usual = place.folder("003-tiny");
    assert_ne!(weights(&usual), weights(&folder));
    assert!(metrics_of(&usual).compared.is_empty() && !usual.file("held-out.txt").exists());
    assert!(!fs::read_to_string(usual.file("report.html")).unwrap().contains("Held-out"));
}

#[test]
fn a_run_that_goes_on_and_one_that_is_rebuilt_hold_out_the_same() {
    let place = Place::new();
    let from = ["--config", "measured.toml", "--data", "pictures"];
    place.run_well(&[&from[..], &HOLDOUT].concat());
    let whole = place.folder("001-tiny");
    // Goes on from step 20, as a run does that was killed.
    let copy = place.path().join("runs/002-tiny");
    copy_folder(whole.path(), &copy);
    for step in [30, 40] {
        fs::remove_file(copy.join(format!("checkpoints/step-0000{step}.ckpt"))).unwrap();
    }
    fs::remove_file(copy.join("best.ckpt")).unwrap();
    place.run_well(&["resume", "runs/002-tiny"]);
    let again = place.folder("002-tiny");
    assert_eq!(weights(&again), weights(&whole));
    let logits = |folder: &Folder| metrics_of(folder).compared.iter().map(|line| line.logits).collect::<Vec<_>>();
    assert_eq!(logits(&again), logits(&whole));

    let about = ["--about", "Bands", "--source", "twenty bands", "--out", "models/bands"];
    place.run_well(&[&["card", "runs/001-tiny"][..], &about].concat());
    let read = |name: &str| fs::read_to_string(place.path().join("models/bands").join(name)).unwrap();
    assert!(read("card.toml").contains("held_out = 5") && read("card.toml").contains("holdout = 0.25"));
    assert!(read("README.md").contains("| held out | 5 of these pictures, which training never saw |"));
    let text = place.run_well(&["rebuild", "models/bands", "--data", "pictures"]);
    assert!(text.contains("same bits") && !text.contains("will not be"), "{text}");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to)
        } else {
            _ = fs::copy(entry.path(), to).unwrap()
        }
    }
}

#[test]
fn what_cannot_be_held_out_is_refused_before_a_run_is_begun() {
    let place = Place::new();
    for (holdout, words) in [
        ("0.6", "a share of the pictures from 0 to 0.5, or a number of 2 or more"),
        ("1.5", "a share of the pictures"),
        ("-1", "from 0 to"),
        ("11", "of 20 pictures 11 would be held out"),
        ("0.01", "of 20 pictures 0 would be held out"),
    ] {
        let output = place.run(&[&MEASURED[..], &["--holdout", holdout]].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(words), "{holdout}: {text}");
    }
    assert!(!place.path().join("runs").exists());
}
