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
        (&["--from", "pictures"][..], "has no checkpoint and no card, so a run cannot start from it"),
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

#[test]
fn a_run_starts_from_the_generator_of_a_model() {
    let place = Place::new();
    place.run_well(&with(&["--steps", "20"]));
    let card = ["card", "runs/001-tiny", "--out", "models/bands", "--about", "bands", "--source", "twenty bands"];
    let read = |name: &str| fs::read(place.path().join(name)).unwrap();
    place.run_well(&card);
    let from = ["--data", "pictures", "--from", "models/bands", "--steps", "12"];

    // The discriminator is new, and learns alone at first: here the generator never does.
    let text = place.run_well(&[&from[..], &["--set", "warm_up=200"]].concat());
    assert!(text.contains("starts from models/bands/model.gen, whose float generator is recovered"), "{text}");
    assert!(text.contains("generator: layers 0 to 4; discriminator: nothing, new: layers 0 to 3"), "{text}");
    let config = fs::read_to_string(place.path().join("runs/002-tiny/config.toml")).unwrap();
    assert!(config.contains("warm_up = 200"), "{config}");
    let sheet = |run: &str, step: u32| read(&format!("runs/{run}/samples/step-{step:06}.png"));
    assert!(sheet("002-tiny", 0) == sheet("002-tiny", 12));

    // The model file in the folder of a model or of a run is enough. It learns, and resumes to the same bits.
    let learns = ["--set", "warm_up=5", "--threads", "1"];
    let text = place.run_well(
        &[&["--data", "pictures", "--from", "models/bands/model.gen", "--steps", "12"], &learns[..]].concat(),
    );
    assert!(text.contains("generator: layers 0 to 4"), "{text}");
    assert!(sheet("003-tiny", 0) == sheet("002-tiny", 0) && sheet("003-tiny", 0) != sheet("003-tiny", 12));
    place.run_and_kill(&[&from[..], &learns].concat(), "004-tiny", 1);
    place.run_well(&["resume", "runs/004-tiny"]);
    assert!(result(&place.folder("003-tiny")) == result(&place.folder("004-tiny")));

    // With the weights of the discriminator beside the model, both networks are taken over.
    place.run_well(&[&card[..], &["--force", "--discriminator"]].concat());
    let text = place.run_well(&from);
    assert!(text.contains("discriminator: layers 0 to 3") && !text.contains("new:"), "{text}");
    let discriminator = |run: &str, step: u64| {
        let file = place.folder(run).checkpoint(step);
        trainer::run::Checkpoint::load(&file).unwrap().state.discriminator
    };
    assert!(discriminator("005-tiny", 0) == discriminator("001-tiny", 20));
    let weights = read("models/bands/discriminator.safetensors");
    fs::remove_file(place.path().join("models/bands/discriminator.safetensors")).unwrap();
    place.run_well(&["rebuild", "models/bands", "--data", "pictures", "--discriminator"]);
    assert!(weights == read("models/bands/discriminator.safetensors"));

    // A card of such a run is rebuilt with the model that it started from.
    place.run_well(&["card", "runs/003-tiny", "--out", "models/more", "--about", "bands", "--source", "twenty bands"]);
    let rebuild = ["rebuild", "models/more", "--data", "pictures", "--from"];
    let other = place.run(&[&rebuild[..], &["models/bands"]].concat());
    assert!(String::from_utf8_lossy(&other.stderr).contains("is not what the model's run started from"));
    fs::remove_file(place.path().join("models/bands/discriminator.safetensors")).unwrap();
    let text = place.run_well(&[&rebuild[..], &["models/bands"]].concat());
    assert!(text.contains("same bits"), "{text}");

    // A file alone needs its recipe, and the right one.
    fs::copy(place.path().join("models/bands/model.gen"), place.path().join("alone.gen")).unwrap();
    let alone = ["--data", "pictures", "--from", "alone.gen", "--steps", "2"];
    place.run_well(&[&alone[..], &["--config", "tiny.toml"]].concat());
    for (more, says) in [
        (&[][..], "does not say with which recipe it was trained, and no preset has its name tiny"),
        (&["--preset", "pocket-tiny"], "is not one of the recipe pocket-tiny"),
    ] {
        let output = place.run(&[&alone[..], more].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains(says), "{text}");
    }
}
