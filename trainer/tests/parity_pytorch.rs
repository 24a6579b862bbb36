//! Compares a training step with PyTorch: losses, gradients and new weights of six tiny recipes, which together have all
//! layers, losses, optimisers and kinds of augmentation. `tests/run.sh --with-torch` compares all presets, in the other
//! direction.
//!
//! `trainer parity --write` wrote each step, and `trainer/interop/check_parity.py --record` computed its results in
//! float64:
//!
//! ```sh
//! trainer parity --write steps --config trainer/tests/golden/pytorch/hinge.toml
//! python trainer/interop/check_parity.py steps/hinge.safetensors --record trainer/tests/golden/pytorch/hinge.safetensors
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;

use trainer::config::Config;
use trainer::data::{self, BUILTIN, Labelling, Request, Target};
use trainer::parity::one_step;

const NAMES: [&str; 6] = ["conditional", "distilled", "hinge", "joint", "layered", "relativistic"];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pytorch").join(name)
}

#[test]
fn a_step_agrees_with_pytorch() {
    for name in NAMES {
        let report = one_step::check(&golden(&format!("{name}.safetensors"))).unwrap();
        println!("{report}");
        assert!(report.is_ok(), "{report}");
        for group in ["pictures and logits", "gradients", "optimiser alone", "weights, whole step", "moving average"] {
            assert!(report.checks.iter().filter(|check| check.group == group).count() >= 5, "{name}: {group}");
        }
        let measures = |loss| report.checks.iter().any(|check| check.tensor == loss);
        assert_eq!(measures("penalty"), ["hinge", "layered", "relativistic"].contains(&name));
        assert_eq!(measures("distance"), name == "distilled");
        for check in report.checks.iter().filter(|check| check.group == "gradients") {
            let is_zero = check.largest < 1e-12;
            assert!(is_zero || check.worst <= 1e-5 * check.largest, "{name}: {}: {:.1e}", check.tensor, check.worst);
        }
    }
}

/// A step with another recipe is not the one in the file. Each change is found where it has an effect.
#[test]
fn a_step_that_differs_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    for (name, from, to, named) in [
        ("conditional", "noise = 0.1", "noise = 0.2", "d_loss"),
        ("conditional", "dropout = 0.4", "dropout = 0.5", "d_logits"),
        ("conditional", "slope = 0.1", "slope = 0.2", "fake"),
        ("conditional", "lr_decay_start = 0.2", "lr_decay_start = 0.3", "after.generator.layers.0.linear.weight"),
        ("conditional", "ema_decay = 0.9", "ema_decay = 0.1", "average_after.generator.layers.0.linear.weight"),
        ("conditional", "beta2 = 0.99\\n", "beta2 = 0.97\\n", "after.discriminator.layers.0.linear.weight"),
        ("hinge", "real = 2.0", "real = 3.0", "penalty"),
        ("hinge", "clip = 0.01", "clip = 0.02", "after.generator.layers.4.linear.bias"),
        ("hinge", "freeze = 1", "freeze = 0", "gradient.generator.layers.0.linear.weight"),
        ("distilled", "pixels = 3.0", "pixels = 2.0", "images_gradient"),
        ("distilled", "ema_power = 3.0", "ema_power = 4.0", "average_after.generator.layers.0.linear.weight"),
        ("distilled", "features = 5.0", "features = 4.0", "distance"),
        ("distilled", "decay_start = 0.2", "decay_start = 0.3", "distance"),
        ("layered", "layer_norm = true", "batch_norm = true", "d_logits"),
        ("joint", "joint_batch_norm = 5", "joint_batch_norm = 1", "d_logits"),
        ("relativistic", "loss = \\\"relativistic\\\"", "loss = \\\"hinge\\\"       ", "g_loss"),
    ] {
        let bytes = std::fs::read(golden(&format!("{name}.safetensors"))).unwrap();
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes());
        let at = at.unwrap_or_else(|| panic!("{name}: no {from}"));
        assert_eq!(from.len(), to.len(), "the header keeps its length");
        let changed = [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat();
        let path = folder.path().join("changed.safetensors");
        std::fs::write(&path, changed).unwrap();
        let report = one_step::check(&path).unwrap();
        assert!(report.out().any(|check| check.tensor == named), "{to}: {report}");
    }
}

#[test]
fn the_program_writes_steps_and_compares_them() {
    let folder = tempfile::tempdir().unwrap();
    // The teacher of a recipe is found from there.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let run = |arguments: &[&str]| {
        let program = Command::new(env!("CARGO_BIN_EXE_trainer")).args(arguments).current_dir(root).output().unwrap();
        let text = String::from_utf8_lossy(&program.stdout).into_owned() + &String::from_utf8_lossy(&program.stderr);
        (program.status.success(), text)
    };
    let path = |name: &str| golden(name).display().to_string();
    let written = |name: &str| folder.path().join(name).display().to_string();
    let steps = &written("steps");
    for name in NAMES {
        let (well, text) = run(&["parity", "--write", steps, "--config", &path(&format!("{name}.toml"))]);
        assert!(well && text.contains(&format!("{name}.safetensors")), "{text}");
        // What this program has written it reads again: the step is the same.
        let (well, text) = run(&["parity", &written(&format!("steps/{name}.safetensors"))]);
        assert!(well && text.contains("comparisons are within tolerance"), "{text}");
    }
    std::fs::write(folder.path().join("cut.safetensors"), b"cut").unwrap();
    for (arguments, words) in [
        (&["parity", &written("cut.safetensors")][..], "cut.safetensors"),
        (&["parity", &written("none.safetensors")], "none.safetensors"),
        (&["parity", "--write", steps, "--preset", "pond"], "pocket"),
        (&["parity"], "--write"),
    ] {
        let (well, text) = run(arguments);
        assert!(!well && text.contains(words) && !text.contains("panicked"), "{text}");
    }
}

/// The file has what the function was given, in the order of the axes that PyTorch has.
#[test]
fn a_step_is_that_of_its_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(golden("relativistic.toml")).unwrap();
    let config = Config::from_toml(&text).unwrap();
    let request = Request {
        path: Some(BUILTIN.into()),
        labelling: Labelling::Asked,
        target: Target::of(config.picture().unwrap()),
        drawn: 64,
        ..Request::default()
    };
    let frogs = data::load(&request).unwrap();
    let config = Config { class_names: frogs.labels.clone().unwrap().names, ..config };
    let path = folder.path().join("step.safetensors");
    one_step::write(&config, &frogs, None, &path).unwrap();
    let report = one_step::check(&path).unwrap();
    assert!(report.is_ok() && report.network.contains("relativistic"), "{report}");
    // Rounding of a sum in float64 only: it is the same program.
    assert!(report.checks.iter().all(|check| check.group == "weights, whole step" || check.worst <= 1e-7), "{report}");
}
