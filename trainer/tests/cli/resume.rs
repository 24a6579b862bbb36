//! `trainer resume`: after kills and interruptions, with other options, recipes and pictures.

use std::fs;
use std::process::Stdio;

use trainer::config::{Config, Quantise};

use super::best;
use crate::run_common::{MEASURED, Place, interrupt, measured, result, tiny, with};

#[cfg(unix)]
#[test]
fn a_killed_run_resumes_to_the_same_bits() {
    let place = Place::new();
    let long = with(&["--steps", "200"]);
    place.run_well(&long);
    let whole = result(&place.folder("001-tiny"));
    // Killed when the metrics have this many lines, whatever the program is doing at that moment.
    for (i, lines) in [1, 3, 6].into_iter().enumerate() {
        let name = format!("{:03}-tiny", i + 2);
        place.run_and_kill(&long, &name, lines);
        place.run_well(&["resume", &format!("runs/{name}")]);
        assert!(result(&place.folder(&name)) == whole, "killed after {lines} lines");
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let place = Place::new();
    place.run_well(&with(&["--steps", "30"]));
    let folder = place.folder("001-tiny");
    let last = folder.checkpoints().unwrap().pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() / 2]).unwrap();
    let text = place.run_well(&["resume", "runs/001-tiny"]);
    assert!(text.contains("step-000030.ckpt") && text.contains("going on at step 20"), "{text}");
}

#[test]
fn a_run_can_be_made_longer_but_not_shorter() {
    let place = Place::new();
    place.run_well(&with(&["--minutes", "0.001"]));
    for steps in ["0", "1"] {
        let output = place.run(&["resume", "runs/001-tiny", "--steps", steps]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("already"), "{steps}");
    }
    place.run_well(&["resume", "runs/001-tiny", "--steps", "40"]);
    assert_eq!(place.folder("001-tiny").latest().unwrap().state.step, 40);
    let text = place.run_well(&["resume", "runs/001-tiny"]);
    assert!(text.contains("step 40 of 40"), "the time budget is forgotten: {text}");
}

#[test]
fn a_mistyped_resume_leaves_the_fine_tuned_model() {
    let place = Place::new();
    let recipe = Config { quantise: Quantise { tune: 30 }, ..measured() };
    fs::write(place.path().join("tuned.toml"), recipe.to_toml()).unwrap();
    place.run_well(&["--config", "tuned.toml", "--data", "pictures", "--steps", "15"]);
    let read = |name: &str| fs::read(place.path().join("runs/001-tiny").join(name)).unwrap();
    let tuned = read("model.gen");
    assert!(tuned != read("best.gen"), "fine-tuning changed nothing");
    assert!(!place.run(&["resume", "runs/001-tiny", "--steps", "3"]).status.success());
    assert!(tuned == read("model.gen"));
}

#[test]
fn other_pictures_are_not_resumed_with() {
    let place = Place::new();
    place.run_well(&with(&["--steps", "5"]));
    place.add_picture(30);
    let output = place.run(&["resume", "runs/001-tiny", "--steps", "9"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("not those that the run was started with"));
}

#[cfg(unix)]
#[test]
fn a_killed_run_keeps_its_best_to_the_bit() {
    let place = Place::new();
    let long = [&MEASURED[..], &["--steps", "130"]].concat();
    place.run_well(&long);
    let whole = (result(&place.folder("001-tiny")), best(&place.folder("001-tiny")));
    for (i, lines) in [3, 8, 14].into_iter().enumerate() {
        let name = format!("{:03}-tiny", i + 2);
        place.run_and_kill(&long, &name, lines);
        place.run_well(&["resume", &format!("runs/{name}")]);
        let folder = place.folder(&name);
        assert!((result(&folder), best(&folder)) == whole, "killed after {lines} lines");
    }
}

#[test]
fn a_recipe_that_was_edited_is_ignored_and_that_is_said() {
    let place = Place::new();
    place.run_well(&with(&["--steps", "8"]));
    let folder = place.folder("001-tiny");
    let before = folder.latest().unwrap().config;
    assert!(!place.run_well(&["resume", "runs/001-tiny", "--steps", "9"]).contains("config.toml"));
    let edited = Config { batch: 5, ..folder.config().unwrap() };
    fs::write(folder.file("config.toml"), edited.to_toml().replacen("lr = 0.0002", "lr = 0.5", 1)).unwrap();
    let text = place.run_well(&["resume", "runs/001-tiny"]);
    assert!(text.contains("batch, generator.optimizer.lr are ignored") && text.contains("--config"), "{text}");
    assert_eq!(folder.latest().unwrap().config, Config { steps: 9, ..before });
    let output = place.run(&["card", "runs/001-tiny", "--about", "x", "--source", "y"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("batch, generator.optimizer.lr differ"), "{text}");
}

#[test]
fn pictures_that_have_moved_are_found_with_data() {
    let place = Place::new();
    place.run_well(&with(&["--steps", "8"]));
    fs::rename(place.path().join("pictures"), place.path().join("moved")).unwrap();
    let output = place.run(&["resume", "runs/001-tiny"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("resume runs/001-tiny --data PATH"), "{text}");
    place.run_well(&["resume", "runs/001-tiny", "--data", "moved", "--steps", "9"]);
    // From then on `--data` is not needed: the run records the new path.
    place.run_well(&["resume", "runs/001-tiny", "--steps", "10"]);
    fs::create_dir(place.path().join("others")).unwrap();
    fs::copy(place.path().join("moved/1.png"), place.path().join("others/1.png")).unwrap();
    fs::copy(place.path().join("moved/2.png"), place.path().join("others/2.png")).unwrap();
    let output = place.run(&["resume", "runs/001-tiny", "--data", "others"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("not those that the run was started with"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_fine_tuning_and_resume_does_it() {
    let place = Place::new();
    // Fine-tuning takes long enough that the signal comes during it.
    let config = Config { quantise: Quantise { tune: 1500 }, steps: 8, ..tiny() };
    fs::write(place.path().join("tiny.toml"), config.to_toml()).unwrap();
    let child = place.command(&with(&[])).stderr(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let log = place.path().join("runs/001-tiny/log.txt");
    let is_tuned = || fs::read_to_string(&log).is_ok_and(|text| text.contains("fine-tuning the integers"));
    let output = interrupt(child, is_tuned);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("(stopped; 1500 were asked for)") && said.contains("continue with: "), "{said}");
    let folder = place.folder("001-tiny");
    assert!(folder.file("model.gen").is_file() && folder.file("report.html").is_file());
    // An unfinished run gets no card.
    assert!(folder.file("unfinished.txt").is_file());
    let output = place.run(&["card", "runs/001-tiny", "--about", "x", "--source", "y"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopped while it was fine-tuned"), "{output:?}");
    let text = place.run_well(&["resume", "runs/001-tiny"]);
    assert!(text.contains("fine-tuning: 1500 steps, PSNR"), "{text}");
    assert!(!folder.file("unfinished.txt").exists());
}
