//! `trainer --teacher`: a run whose generator learns from the pictures of a trained one, too.

use std::fs;

use trainer::config::Distil;
use trainer::run::metrics::load_all;

use crate::run_common::{Place, result, tiny, with};

#[cfg(unix)]
#[test]
fn a_run_with_a_teacher_resumes_and_is_rebuilt_with_the_same_one() {
    let place = Place::new();
    place.run_well(&with(&[]));
    let taught = with(&["--seed", "5", "--teacher", "runs/001-tiny/model.gen"]);
    let text = place.run_well(&taught);
    assert!(text.contains("distillation: the teacher is runs/001-tiny/model.gen, whose float generator"), "{text}");
    let whole = place.folder("002-tiny");
    let rows = load_all(&whole.file("metrics.jsonl"), u64::MAX).unwrap().rows;
    assert!(rows.iter().all(|row| row.losses.distance.is_some_and(|distance| distance > 0.0)));

    // Killed and resumed, it ends with the same bits. A checkpoint as teacher is another one than the model made of it.
    place.run_and_kill(&taught, "003-tiny", 3);
    place.run_well(&["resume", "runs/003-tiny"]);
    assert!(result(&place.folder("003-tiny")) == result(&whole));
    place.run_well(&with(&["--seed", "5", "--teacher", "runs/001-tiny"]));
    assert!(result(&place.folder("004-tiny")) != result(&whole));
    place.run_well(&with(&["--seed", "5"]));
    assert!(result(&place.folder("005-tiny")) != result(&whole));

    // A card names it, and a model is rebuilt with the same teacher.
    place.run_well(&["card", "runs/002-tiny", "--out", "models/bands", "--about", "bands", "--source", "twenty bands"]);
    let readme = fs::read_to_string(place.path().join("models/bands/README.md")).unwrap();
    assert!(readme.contains("| distilled from | runs/001-tiny/model.gen, CRC-32 "), "{readme}");
    let rebuild = ["rebuild", "models/bands", "--data", "pictures"];
    let text = place.run_well(&rebuild);
    assert!(text.contains("same bits"), "{text}");

    let refused = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // Another model at its place.
    fs::copy(place.path().join("runs/005-tiny/model.gen"), place.path().join("runs/001-tiny/model.gen")).unwrap();
    let text = refused(&rebuild);
    assert!(text.contains("is not the teacher of the model's run"), "{text}");
    let text = refused(&["resume", "runs/003-tiny", "--steps", "80"]);
    assert!(text.contains("is not the one that the run was started with"), "{text}");
    fs::remove_file(place.path().join("runs/001-tiny/model.gen")).unwrap();
    let text = refused(&["resume", "runs/003-tiny", "--steps", "80"]);
    assert!(text.contains("distil: teacher") && text.contains("runs/001-tiny/model.gen"), "{text}");

    // A run that starts from a taught one has no teacher.
    place.run_well(&["--data", "pictures", "--from", "runs/002-tiny", "--steps", "5"]);
    let recipe = fs::read_to_string(place.folder("007-tiny").file("config.toml")).unwrap();
    assert!(!recipe.contains("distil"), "{recipe}");
}

#[test]
fn a_teacher_that_cannot_be_one_is_refused_before_anything_is_written() {
    let place = Place::new();
    place.run_well(&with(&["--steps", "5"]));
    for (arguments, says) in [
        (&["--teacher", "nothing"][..], "nothing"),
        (&["--teacher", "tiny.toml"], "tiny.toml"),
        (&["--teacher", "runs/001-tiny", "--set", "distil.pixels=0", "--set", "distil.features=0"], "needs a weight"),
    ] {
        let output = place.run(&with(arguments));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && text.contains(says), "{arguments:?}: {text}");
    }
    let mut recipe = tiny();
    recipe.distil = Some(Distil { teacher: "runs/001-tiny".into(), ..Distil::default() });
    fs::write(place.path().join("taught.toml"), recipe.to_toml()).unwrap();
    let output = place.run(&["bench", "--config", "taught.toml"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && text.contains("leave `distil` out of tiny"), "{text}");
    assert_eq!(fs::read_dir(place.path().join("runs")).unwrap().count(), 1);
}
