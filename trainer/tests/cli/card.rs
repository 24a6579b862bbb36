//! `trainer card` and `rebuild`: a model is trained again from its card.

use std::fs;
use std::process::Command;

use trainer::config::Config;

use crate::run_common::{Place, tiny, with};

#[test]
fn a_model_is_rebuilt_from_its_card_to_the_same_bits() {
    let place = Place::new();
    place.run_well(&with(&["--steps", "30", "--seed", "5"]));
    let run = "runs/001-tiny";
    let about = ["--about", "Bands of colour | for a test"];
    let fails = |arguments: &[&str]| {
        let output = place.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        text
    };
    // A path on this computer does not help other users, so a source is required.
    assert!(fails(&[&["card", run], &about[..]].concat()).contains("--source TEXT"));
    let scores = ["--source", "twenty bands", "--score", "recall=0.5", "--score", "judge=none"];
    let text = place.run_well(&[&["card", run, "--out", "models/bands"], &about[..], &scores].concat());
    assert!(text.contains("trainer rebuild models/bands"), "{text}");
    let file = |name: &str| place.path().join("models/bands").join(name);
    let (card, model) = (fs::read_to_string(file("card.toml")).unwrap(), fs::read(file("model.gen")).unwrap());
    assert_eq!(model, fs::read(place.path().join(run).join("model.gen")).unwrap());
    assert!(!card.contains(place.path().to_str().unwrap()), "{card}");
    let readme = fs::read_to_string(file("README.md")).unwrap();
    for part in [
        "# bands",
        "colour | for a test",
        "30 steps of 6 pictures, seed 5",
        "| recall | 0.5 |",
        "| judge | none |",
        "SSIM",
    ] {
        assert!(readme.contains(part), "no {part} in {readme}");
    }
    assert!(file("samples.png").is_file());

    let rebuild = ["rebuild", "models/bands", "--data", "pictures"];
    let text = place.run_well(&[&rebuild[..], &["--threads", "1"]].concat());
    assert!(text.contains("same bits") && !text.contains("will not be"), "{text}");
    // A finished run is only compared; a run with another recipe is refused.
    assert!(place.run_well(&[&rebuild[..], &["--resume", "runs/002-tiny"]].concat()).contains("same bits"));
    place.run_well(&with(&["--steps", "9"]));
    assert!(fails(&[&rebuild[..], &["--resume", "runs/003-tiny"]].concat()).contains("another recipe"));
    // The recipe can also be read from the last checkpoint.
    fs::write(place.path().join("runs/002-tiny/config.toml"), "damaged").unwrap();
    assert!(place.run_well(&[&rebuild[..], &["--resume", "runs/002-tiny"]].concat()).contains("same bits"));

    // Another seed gives other bits. The message cannot exclude that the machine is the reason.
    let processor = trainer::machine::processor();
    fs::write(file("card.toml"), card.replace("seed = 5", "seed = 6").replace(&processor, "an abacus")).unwrap();
    let text = fails(&rebuild);
    for part in
        ["will not be the same", "other bits: the models differ from byte", "trained on an abacus", ", this is "]
    {
        assert!(text.contains(part), "no {part} in {text}");
    }
    // Damage is found before any training.
    for (from, to, expected) in [
        ("batch = 6", "batch = 1", "batch"),
        ("bytes = ", "bites = ", "bytes"),
        ("crc32 = \"", "crc32 = \"0", "CRC-32"),
        ("[config]", "[confit]", "config"),
        ("name = ", "name : ", "card.toml"),
    ] {
        assert!(card.contains(from), "{from}");
        fs::write(file("card.toml"), card.replacen(from, to, 1)).unwrap();
        let text = fails(&rebuild);
        assert!(text.contains(expected) && text.contains("bands") && !text.contains("panicked"), "{from}: {text}");
    }
    fs::write(file("card.toml"), &card).unwrap();
    let mut damaged = model.clone();
    damaged[100] ^= 1;
    fs::write(file("model.gen"), &damaged).unwrap();
    assert!(fails(&rebuild).contains("is not the model of its card"));
    fs::write(file("model.gen"), &model).unwrap();
    place.add_picture(30);
    let text = fails(&rebuild);
    assert!(text.contains("other pictures: the model was trained on twenty bands"), "{text}");
}

#[test]
fn only_what_can_be_rebuilt_gets_a_card() {
    let place = Place::new();
    let card = |run: &str| {
        let output = place.run(&["card", run, "--about", "a test", "--source", "bands", "--force"]);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // The learning rates depended on the time budget.
    for (name, lr_decay_start) in [("falling.toml", 0.5), ("late.toml", 0.7), ("level.toml", 1.0)] {
        fs::write(place.path().join(name), Config { lr_decay_start, ..tiny() }.to_toml()).unwrap();
    }
    place.run_well(&["--config", "falling.toml", "--data", "pictures", "--minutes", "0.005"]);
    let (done, text) = card("runs/001-tiny");
    assert!(!done && text.contains("--minutes") && text.contains("Train with --steps"), "{text}");
    // Here the time budget only determined the number of steps, and this number is rebuilt.
    place.run_well(&["--config", "level.toml", "--data", "pictures", "--minutes", "0.005"]);
    let (done, text) = card("runs/002-tiny");
    assert!(done, "{text}");
    place.run_well(&["rebuild", "models/tiny", "--data", "pictures"]);
    // The run is not finished.
    let folder = place.folder("003-tiny");
    fs::remove_file(folder.checkpoints().unwrap().pop().unwrap()).unwrap();
    let (done, text) = card("runs/003-tiny");
    assert!(!done && text.contains("not finished") && text.contains("trainer resume"), "{text}");
    // The learning rates had fallen towards another number of steps, or one that a time budget planned.
    place.run_well(&["--config", "falling.toml", "--data", "pictures", "--steps", "8"]);
    for name in ["001-tiny", "004-tiny"] {
        let (run, steps) = (format!("runs/{name}"), place.folder(name).latest().unwrap().state.step + 2);
        place.run_well(&["resume", &run, "--steps", &steps.to_string()]);
        let (done, text) = card(&run);
        assert!(!done && text.contains(&format!("end was moved at step {}", steps - 2)), "{text}");
        assert!(text.contains(&format!("Train with --steps {steps}")), "{text}");
    }
    // The learning rates had not begun to fall when the number of steps was changed: a run with that number from the
    // start is the same.
    place.run_well(&["--config", "late.toml", "--data", "pictures", "--steps", "30"]);
    let folder = place.folder("005-tiny");
    while folder.latest().unwrap().state.step > 20 {
        fs::remove_file(folder.checkpoints().unwrap().pop().unwrap()).unwrap();
    }
    place.run_well(&["resume", "runs/005-tiny", "--steps", "40"]);
    // The same number of steps is no change either.
    fs::remove_file(folder.checkpoints().unwrap().pop().unwrap()).unwrap();
    place.run_well(&["resume", "runs/005-tiny", "--steps", "40"]);
    place.run_well(&["card", "runs/005-tiny", "--about", "a test", "--source", "bands", "--out", "models/longer"]);
    place.run_well(&["rebuild", "models/longer", "--data", "pictures"]);
    assert!(!card("pictures").0);
}

#[test]
fn a_card_is_not_written_over_and_its_readme_names_its_folder() {
    let place = Place::new();
    place.run_well(&with(&["--steps", "8"]));
    let card = ["card", "runs/001-tiny", "--about", "a test", "--source", "bands", "--out", "elsewhere/bands"];
    let text = place.run_well(&card);
    let data = place.path().canonicalize().unwrap().join("pictures");
    let typed = text.lines().find_map(|line| line.strip_prefix("prove it with: ")).unwrap();
    assert!(typed.contains("rebuild elsewhere/bands --data ") && typed.ends_with("/pictures"), "{typed}: {data:?}");
    let readme = place.path().join("elsewhere/bands/README.md");
    let text = fs::read_to_string(&readme).unwrap();
    assert!(text.contains("trainer sample elsewhere/bands/model.gen") && !text.contains("models/"), "{text}");
    fs::write(&readme, "mine").unwrap();
    let output = place.run(&card);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--force"), "{output:?}");
    assert_eq!(fs::read_to_string(&readme).unwrap(), "mine");
    place.run_well(&[&card[..], &["--force"]].concat());
    assert_eq!(fs::read_to_string(&readme).unwrap(), text);
    // The printed command works in a shell.
    let output = Command::new("sh").args(["-c", typed]).current_dir(place.path()).output().unwrap();
    assert!(output.status.success(), "{typed}: {output:?}");
}
