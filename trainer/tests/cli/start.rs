//! `trainer --from`: a run that starts with the networks of an earlier one.

use std::fs;

use trainer::config::Config;

use crate::run_common::{Place, lines, result, with};

#[test]
fn a_run_starts_where_another_one_ended() {
    let place = Place::new();
    place.run_well(&with(&[]));
    // Without a recipe, that of the earlier run.
    let text = place.run_well(&["--data", "pictures", "--from", "runs/001-tiny", "--steps", "20"]);
    assert!(
        text.contains("starts from runs/001-tiny/checkpoints/step-000060.ckpt, step 60; generator: layers 0 to 4;"),
        "{text}"
    );
    assert!(!text.contains("new:"), "{text}");
    let (before, after) = (place.folder("001-tiny"), place.folder("002-tiny"));
    let sheet = |folder: &trainer::run::Folder, name: &str| fs::read(folder.file(name)).unwrap();
    assert!(sheet(&before, "samples/step-000060.png") == sheet(&after, "samples/step-000000.png"));
    assert!(sheet(&after, "samples/step-000000.png") != sheet(&after, "samples/step-000020.png"));
    assert_eq!(lines(&after).0.last().unwrap().step, 14, "steps are counted from 0");
    let start = fs::read_to_string(after.file("start.toml")).unwrap();
    assert!(start.contains("step = 60") && start.contains("crc32 = \""), "{start}");

    // It resumes like any other run, without the earlier one.
    let whole = result(&after);
    place.run_well(&["--data", "pictures", "--from", "runs/001-tiny", "--steps", "20", "--threads", "1"]);
    assert!(whole == result(&place.folder("003-tiny")));
    let kept = place.path().join("kept.ckpt");
    fs::copy(before.file("checkpoints/step-000060.ckpt"), &kept).unwrap();
    fs::remove_dir_all(before.path()).unwrap();
    place.run_well(&["resume", "runs/002-tiny", "--steps", "30"]);

    // A card records the start, and a rebuilt model needs it.
    let card = ["card", "runs/003-tiny", "--out", "models/bands", "--about", "bands", "--source", "twenty bands"];
    place.run_well(&card);
    let readme = fs::read_to_string(place.path().join("models/bands/README.md")).unwrap();
    assert!(readme.contains("from the networks of an earlier run"), "{readme}");
    let rebuild = ["rebuild", "models/bands", "--data", "pictures"];
    let refused = |more: &[&str]| {
        let output = place.run(&[&rebuild[..], more].concat());
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&[]).contains("give it with --from"));
    assert!(refused(&["--from", "runs/002-tiny"]).contains("is not what the model's run started from"));
    let text = place.run_well(&[&rebuild[..], &["--from", "kept.ckpt"]].concat());
    assert!(text.contains("same bits"), "{text}");
}

#[test]
fn what_the_recipe_does_not_share_begins_anew_and_frozen_layers_stay() {
    let place = Place::new();
    place.run_well(&with(&["--steps", "10"]));
    let config = Config::from_toml(&fs::read_to_string(place.path().join("tiny.toml")).unwrap()).unwrap();
    let mut other = config.clone();
    other.discriminator.layers[2].channels = 10;
    other.discriminator.freeze = 2;
    fs::write(place.path().join("other.toml"), other.to_toml()).unwrap();
    let arguments = ["--config", "other.toml", "--data", "pictures", "--from", "runs/001-tiny", "--steps", "12"];
    let text = place.run_well(&arguments);
    assert!(text.contains("discriminator: layers 0 to 1, new: layers 2 to 3"), "{text}");
    let state = |name: &str| place.folder(name).latest().unwrap().state;
    let (before, after) = (state("001-tiny"), state("002-tiny"));
    let (_, network) = other.networks().unwrap();
    let end = |layer: usize| network.blocks()[layer].end();
    assert_eq!(before.discriminator[..end(1)], after.discriminator[..end(1)], "frozen");
    assert_ne!(before.generator, after.generator);

    for (arguments, says) in [
        (&["--from", "pictures"][..], "has no checkpoint, so a run cannot start from it"),
        (&["--from", "nowhere"], "nowhere"),
        (&["--from", "tiny.toml"], "tiny.toml"),
        (&["--from", "runs/001-tiny", "--set", "discriminator.freeze=4"], "fewer than its 4 layers"),
    ] {
        let output = place.run(&[&["--data", "pictures"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains(says), "{arguments:?}: {text}");
    }
    assert!(!place.path().join("runs/003-tiny").exists());
}
