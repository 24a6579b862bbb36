//! Training that diverges or collapses: each alert ends at the best snapshot.

use super::*;

/// A run with a best snapshot and a later checkpoint, of step 27 of 36, in which `trouble` makes
/// something wrong. No later snapshot will be good enough to replace the best.
fn with_trouble(place: &Place, name: &str, trouble: impl FnOnce(&mut Checkpoint)) -> Folder {
    if !place.at("001-tiny").exists() {
        place.run_well(&[&MEASURED[..], &["--steps", "26"]].concat());
    }
    let folder = place.copy("001-tiny", name);
    let mut checkpoint = silent(|| folder.latest()).unwrap();
    checkpoint.state.step = 27;
    checkpoint.config.steps = 36;
    // After a few steps all pictures look alike, which must not be an alert here.
    checkpoint.config.guard.min_diversity = 0.0;
    checkpoint.health.best.as_mut().expect("it was measured").lowest = 1e-9;
    trouble(&mut checkpoint);
    folder.save(&checkpoint).unwrap();
    folder
}

fn best(folder: &Folder) -> [Vec<u8>; 2] {
    ["best.ckpt", "best.gen"].map(|name| fs::read(folder.file(name)).unwrap())
}

fn set_rate(network: &mut NetworkConfig, rate: f32) {
    let (Optimiser::Adam { lr, .. } | Optimiser::RmsProp { lr, .. }) = &mut network.optimiser;
    *lr = rate;
}

/// Makes a generator that draws every picture white, and stays so: only its last biases are not 0.
fn draw_white(checkpoint: &mut Checkpoint) {
    set_rate(&mut checkpoint.config.generator, 1e-9);
    for weights in [&mut checkpoint.state.generator, &mut checkpoint.state.average] {
        let biases = weights.len() - 3;
        weights[..biases].fill(0.0);
        weights[biases..].fill(9.0);
    }
}

/// Every kind of alert that makes a run go back is raised and answered by rolling back to the best snapshot.
#[test]
fn trouble_of_every_kind_ends_at_the_best_snapshot() {
    let place = place();
    type Trouble = fn(&mut Checkpoint);
    let troubles: [(&str, Trouble); 6] = [
        ("training diverged, a loss is not a number", |c| c.state.discriminator[0] = f32::NAN),
        ("training diverged, a weight is not a number", |c| c.state.average[0] = f32::NAN),
        // The weights are not checked in the last step.
        ("training diverged, a weight is ", |c| {
            (c.state.average[0], c.config.steps, c.config.every.log) = (1e9, 29, 50);
        }),
        ("all pictures look alike (diversity 0.00", |c| {
            c.config.guard.min_diversity = 0.15;
            draw_white(c);
        }),
        ("times as far from real ones as the best were, 1 times in a row", |c| c.config.guard.patience = 1),
        // The generator does not change, so the discriminator only has to learn its pictures.
        ("the discriminator was not wrong once in 5 steps", |c| {
            (c.config.guard.max_winning_steps, c.config.guard.lr_factor, c.config.steps) = (5, 1e-9, 300);
            c.config.every = Every { sample: 100, checkpoint: 100, measure: None, ..c.config.every };
            set_rate(&mut c.config.generator, 1e-9);
            set_rate(&mut c.config.discriminator, 0.002);
        }),
    ];
    for (i, (words, trouble)) in troubles.into_iter().enumerate() {
        let name = format!("{:03}-tiny", i + 2);
        let folder = with_trouble(&place, &name, trouble);
        let (kept, step) = (best(&folder), best_step(&folder));
        let back = format!("going back to the weights of step {step}");
        let text = place.resume(&name);
        for expected in [words, &back, "(1 of 4 times)", "gone back: "] {
            assert!(text.contains(expected), "{words}: no {expected} in {text}");
        }
        assert!(best(&folder) == kept, "{words}: the best snapshot was overwritten");
        assert!(fs::read(folder.file("model.gen")).unwrap() == kept[1], "{words}: not what the run ends with");
        let last = silent(|| folder.latest()).unwrap();
        assert_eq!(last.state.step, last.config.steps, "{words}");
        assert_eq!(last.health.rate, last.config.guard.lr_factor.powi(last.health.rollbacks as i32), "{words}");
        assert!(last.state.average.iter().all(|w| w.abs() < 1000.0), "{words}");
    }
}

/// Neither network changes: the discriminator calls everything generated, and all pictures are white.
#[test]
fn a_discriminator_that_guesses_is_reported_and_the_run_goes_on() {
    let place = place();
    with_trouble(&place, "002-tiny", |c| {
        (c.state.step, c.config.steps, c.config.guard.patience) = (3000, 3010, 1000);
        // The steps before, in which it did not guess.
        c.pending = Default::default();
        draw_white(c);
        set_rate(&mut c.config.discriminator, 1e-9);
        c.state.discriminator.fill(0.0);
    });
    let text = place.resume("002-tiny");
    let words = "the discriminator guesses, so the generator learns nothing: it was right about 50 % of the pictures";
    assert_eq!(text.matches(words).count(), 2, "once during the run, once at its end: {text}");
    assert!(text.contains("a quarter of the discriminator's") && !text.contains("going back"), "{text}");
    assert!(fs::read_to_string(place.at("002-tiny/report.html")).unwrap().contains(words));
}

#[test]
fn a_run_in_trouble_whose_best_snapshot_is_damaged_goes_back_to_its_last_checkpoint() {
    let place = place();
    let folder = with_trouble(&place, "002-tiny", |c| c.config.guard.patience = 1);
    // Its checkpoint is no longer kept either.
    let _ = fs::remove_file(folder.checkpoint(best_step(&folder)));
    fs::write(folder.file("best.ckpt"), "damaged").unwrap();
    let model = fs::read(folder.file("best.gen")).unwrap();
    let text = place.resume("002-tiny");
    for expected in [
        "best.ckpt is no usable checkpoint",
        "best.gen stays until a snapshot is as good",
        "as far from real ones",
        "taking the last checkpoint",
        "going back to the weights of step 35",
        "model.gen is of the last step, best.gen of the best snapshot",
    ] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    assert!(fs::read(folder.file("best.gen")).unwrap() == model);
}

/// A step with a roll-back ends with its checkpoint, whatever else is due in it.
#[test]
fn a_run_that_is_killed_when_it_has_gone_back_comes_to_the_same_bits() {
    let place = place();
    let folder = with_trouble(&place, "002-tiny", |c| {
        (c.state.step, c.config.steps, c.config.every.sample) = (35, 45, 12);
        c.state.discriminator[0] = f32::NAN;
    });
    assert!(place.resume("002-tiny").contains("step 36: training diverged"));
    let whole = everything(folder.path());
    assert!(!whole.contains_key(Path::new("samples/step-000036.png")));
    let other = place.copy("002-tiny", "003-tiny");
    go_back(&other, 36);
    assert!(place.resume("003-tiny").contains("going on at step 36 of 45"));
    assert_same(other.path(), &whole, "killed in step 36");
}
