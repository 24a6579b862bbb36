//! `trainer train`: what a run leaves, what stops it, which snapshot it ends with.

use std::fs;
use std::process::Stdio;

use trainer::config::{Config, Fallback, Precision, Quantise};
use trainer::data;
use trainer::nn::init::Init;
use trainer::pixels::to_pixel;
use trainer::run::{Checkpoint, guard};
use trainer::train::Trainer;

use super::best;
use crate::run_common::{MEASURED, Place, interrupt, lines, measured, result, tiny, with};

#[test]
fn a_run_leaves_all_that_it_promises() {
    let place = Place::new();
    let text = place.run_well(&with(&[]));
    assert!(text.contains("20 pictures") && !text.contains("--data PATH"), "says which data; they were chosen: {text}");
    let folder = place.folder("001-tiny");
    for name in [
        "config.toml",
        "data.toml",
        "metrics.jsonl",
        "losses.svg",
        "reals.png",
        "samples/step-000000.png",
        "samples/step-000025.png",
        "samples/step-000060.png",
        "samples.png",
        "checkpoints/step-000060.ckpt",
        "model.gen",
        "report.html",
        "play.html",
    ] {
        assert!(folder.file(name).is_file(), "{name}");
    }
    let [report, play] = ["report.html", "play.html"].map(|name| fs::read_to_string(folder.file(name)).unwrap());
    assert!(report.contains("<a href=\"play.html\">"));
    assert_eq!(play, web_page::self_contained("001-tiny", &fs::read(folder.file("model.gen")).unwrap()));
    assert_eq!(Config::from_toml(&fs::read_to_string(folder.file("config.toml")).unwrap()).unwrap(), tiny());
    assert_eq!(lines(&folder).0.len(), 60 / 7);

    let model = folder.file("model.gen");
    let model = model.to_str().unwrap();
    assert!(place.run_well(&["inspect", model]).contains("lm3s6965evb"));
    place.run_well(&["verify", model, "-n", "3"]);
    place.run_well(&["verify", model, "-n", "1", "--seed", "4294967295"]);
    place
        .run_well(&["sample", model, "-n", "5", "--seed", "7", "--out", "g.png", "--npy", "g.npy", "--pngs", "single"]);
    let pictures: ndarray::Array4<u8> = ndarray_npy::read_npy(place.path().join("g.npy")).unwrap();
    assert_eq!(pictures.dim(), (5, 32, 32, 3));
    let single = image::open(place.path().join("single/000009.png")).unwrap().to_rgb8();
    assert_eq!(single.as_raw()[..], pictures.slice(ndarray::s![2, .., .., ..]).iter().copied().collect::<Vec<_>>()[..]);

    let checkpoint = folder.file("checkpoints/step-000060.ckpt");
    let checkpoint = checkpoint.to_str().unwrap();
    place.run_well(&["quantize", checkpoint, "-o", "again.gen"]);
    assert_eq!(fs::read(place.path().join("again.gen")).unwrap(), fs::read(model).unwrap());
    place.run_well(&["sample", "--float", checkpoint, "-n", "4"]);

    // With fine-tuning the model is another one, not worse, and exact too; the noise of its layers is printed.
    let text = place.run_well(&["quantize", checkpoint, "--tune", "24", "-o", "tuned.gen"]);
    assert!(text.contains("fine-tuning: 24 steps") && text.contains("loses most"), "{text}");
    let psnr = text.split("PSNR ").nth(1).and_then(|t| t.split(" dB").next()).unwrap();
    let (before, after) = psnr.split_once(" -> ").unwrap();
    assert!(after.parse::<f64>().unwrap() >= before.parse().unwrap(), "{text}");
    assert_ne!(fs::read(place.path().join("tuned.gen")).unwrap(), fs::read(model).unwrap());
    place.run_well(&["verify", "tuned.gen", "-n", "3"]);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let place = Place::new();
    place.run_well(&with(&["--threads", "1"]));
    place.run_well(&with(&["--threads", "2"]));
    place.run_well(&with(&["--threads", "3"]));
    place.run_well(&with(&["--threads", "3", "--seed", "2"]));
    let one = result(&place.folder("001-tiny"));
    assert!(one == result(&place.folder("002-tiny")), "1 and 2 threads differ");
    assert!(one == result(&place.folder("003-tiny")), "1 and 3 threads differ");
    assert!(one.2 != result(&place.folder("004-tiny")).2, "another seed gives another model");
}

#[test]
fn bf16_is_written_down_and_gives_the_same_bits_again() {
    let place = Place::new();
    let bf16 = |threads| with(&["--precision", "bf16", "--set", "fallback=amx", "--threads", threads]);
    let text = place.run_well(&bf16("1"));
    let unit = Precision::Bf16.unit(Fallback::Amx).unwrap();
    assert!(text.contains(if unit.is_emulated() { "emulating AMX-BF16" } else { "numbers with AMX-BF16" }), "{text}");
    place.run_well(&bf16("3"));
    place.run_well(&with(&["--precision", "float32"]));
    let folders = ["001-tiny", "002-tiny", "003-tiny"].map(|name| place.folder(name));
    let [one, three, float32] = folders.each_ref().map(result);
    assert!(one == three, "1 and 3 threads differ");
    assert!(one.2 != float32.2, "nothing was multiplied in bf16");
    let reports = folders.map(|folder| fs::read_to_string(folder.file("report.html")).unwrap());
    assert_eq!(reports.map(|report| report.contains("bf16 products as AMX-BF16 computes them")), [true, true, false]);

    // Without a fallback the processor decides, and the log says what it did.
    let text = place.run_well(&with(&["--precision", "bf16", "--steps", "1"]));
    assert!(text.contains("multiply bf16 numbers"), "{text}");
    let refused = place.run(&with(&["--precision", "half"]));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && text.contains("[possible values: float32, bf16]"), "{text}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_exports_and_stops() {
    let place = Place::new();
    let child =
        place.command(&with(&["--steps", "1000000"])).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let output = interrupt(child, || place.path().join("runs/001-tiny/metrics.jsonl").is_file());
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = place.folder("001-tiny");
    assert!(folder.file("model.gen").is_file() && folder.file("report.html").is_file());
    let step = folder.latest().unwrap().state.step;
    assert!(step >= 7, "{step}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("trainer resume"));
}

#[test]
fn a_dry_run_measures_and_writes_nothing() {
    let place = Place::new();
    let recipe = Config { quantise: Quantise { tune: 2 }, ..measured() };
    fs::write(place.path().join("tuned.toml"), recipe.to_toml()).unwrap();
    let text =
        place.run_well(&["train", "--config", "tuned.toml", "--data", "pictures", "--steps", "12345", "--dry-run"]);
    for expected in [
        "seconds per step: ",
        "expected total: ",
        "12,345 steps",
        "what is not training adds ",
        "peak memory: ",
        "0.1 MB",
    ] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    assert_eq!(text.contains("peak memory: unknown"), !cfg!(target_os = "linux"), "{text}");
    assert!(!place.path().join("runs").exists());
    assert!(!place.run(&with(&["--dry-run", "--data", "nowhere"])).status.success());
}

#[test]
fn pairs_show_what_the_discriminator_saw() {
    let place = Place::new();
    let mut config = tiny();
    (config.shuffle, config.every.pair) = (false, Some(11));
    fs::write(place.path().join("pairs.toml"), config.to_toml()).unwrap();
    place.run_well(&["--config", "pairs.toml", "--data", "pictures", "--steps", "12"]);
    let folder = place.folder("001-tiny");
    let names: Vec<_> = fs::read_dir(folder.file("pairs")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let pixels = |name: &str| image::open(folder.file(name)).unwrap().to_rgb8().into_raw();

    // Without shuffling, the eleventh batch of six of 20 pictures begins with picture 60 mod 20.
    let request = data::Request { path: Some(place.path().join("pictures")), ..Default::default() };
    let pictures = data::load(&request).unwrap().pictures;
    let first: Vec<_> = pictures.select(&[60 % 20]).unwrap().into_iter().collect();
    assert_eq!(pixels("pairs/real-000011.png"), first);

    // Repeats step 11 from the checkpoint before it.
    let Checkpoint { config, state, .. } = Checkpoint::load(&folder.file("checkpoints/step-000010.ckpt")).unwrap();
    let mut trainer = Trainer::with_state(config, state).unwrap();
    trainer.step(&pictures).unwrap();
    let image = trainer.trace().discriminator.images.row(0).mapv(|v| to_pixel(v, trainer.config.range));
    assert_eq!(pixels("pairs/generated-000011.png"), image.to_vec());
}

#[test]
fn single_keys_of_a_recipe_are_set_and_the_run_keeps_them() {
    let place = Place::new();
    let keys = ["--set", "batch=4", "--set", "every.log=2", "--set", "generator.layers[0].channels=5"];
    place.run_well(&with(&[&keys[..], &["--steps", "3"]].concat()));
    let recipe = place.folder("001-tiny").config().unwrap();
    assert_eq!((recipe.batch, recipe.every.log, recipe.generator.layers[0].channels), (4, 2, 5));
    assert_eq!((recipe.steps, recipe.every.sample), (3, tiny().every.sample));
}

#[test]
fn few_pictures_are_changed_more_strongly_and_the_run_says_and_keeps_that() {
    let place = Place::new();
    let few = Config::preset("pocket").unwrap().small_dataset.unwrap();
    fs::write(place.path().join("tiny.toml"), Config { small_dataset: Some(few), ..tiny() }.to_toml()).unwrap();
    let output = place
        .command(&["--config", "tiny.toml", "--data", "pictures", "--steps", "2"])
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("20 pictures are few") && said.contains("colours"), "{said}");
    let config = fs::read_to_string(place.path().join("runs/001-tiny/config.toml")).unwrap();
    let config = Config::from_toml(&config).unwrap();
    assert_eq!((config.augment, config.small_dataset), (few.augment, None));
}

#[test]
fn the_best_snapshot_is_kept_and_is_what_a_run_ends_with() {
    let place = Place::new();
    let text = place.run_well(&[&MEASURED[..], &["--steps", "70"]].concat());
    assert!(text.contains(guard::RULE) && text.contains("The lowest score was "), "{text}");
    let folder = place.folder("001-tiny");
    let (rows, scores) = lines(&folder);
    let steps: Vec<_> = scores.iter().map(|m| m.step).collect();
    assert_eq!((rows.len(), steps), (10, vec![15, 30, 45, 60, 70]));
    // The rule is in the log, too.
    let log = fs::read_to_string(folder.file("log.txt")).unwrap();
    assert!(log.contains("(kept: ") && log.contains(", lowest: ") && !log.contains("headline"), "{log}");
    // The expected snapshot is the last one that was not clearly worse than the lowest score before it.
    let (mut lowest, mut kept) = (f64::INFINITY, 0);
    for measured in &scores {
        let headline = measured.scores.quality_score;
        if headline <= 1.25 * lowest {
            kept = measured.step;
        }
        lowest = lowest.min(headline);
    }
    let (checkpoint, model) = best(&folder);
    assert_eq!(checkpoint.state.step, kept);
    assert_eq!(fs::read(folder.file("model.gen")).unwrap(), model);
    let path = folder.file("best.ckpt");
    place.run_well(&["quantize", path.to_str().unwrap(), "-o", "again.gen"]);
    assert_eq!(fs::read(place.path().join("again.gen")).unwrap(), model);
    let report = fs::read_to_string(folder.file("report.html")).unwrap();
    assert!(report.contains("<h2>Quality score</h2>") && report.contains(guard::RULE));
}

#[test]
fn a_run_that_diverges_goes_back_and_says_so() {
    let place = Place::new();
    let text = tiny().to_toml().replace("lr = 0.0002", "lr = 1000.0");
    assert!(text.contains("1000.0"), "{text}");
    fs::write(place.path().join("wild.toml"), &text).unwrap();
    let output = place.run(&["--config", "wild.toml", "--data", "pictures"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    for expected in ["diverged", "going back to the weights of step 0", "(4 of 4 times)", "lower `lr`"] {
        assert!(said.contains(expected), "no {expected} in {said}");
    }
    // With enough roll-backs the learning rates become low enough to train.
    let patient = format!("{text}\n[guard]\nrollbacks = 40\nrate = 0.25\n");
    fs::write(place.path().join("wild.toml"), patient).unwrap();
    let text = place.run_well(&["--config", "wild.toml", "--data", "pictures", "--steps", "40"]);
    assert!(text.contains("diverged") && text.contains("gone back"), "{text}");
    let checkpoint = place.folder("002-tiny").latest().unwrap();
    assert_eq!(checkpoint.state.step, 40);
    assert!(checkpoint.health.rollbacks > 3 && checkpoint.health.rate < 0.01, "{:?}", checkpoint.health);
}

#[test]
fn a_run_whose_pictures_are_all_alike_says_so_at_its_end() {
    let place = Place::new();
    // Learning rates of nearly 0 change nothing, and the diversity of an untrained generator is below the limit.
    for (name, mut config) in [("tiny.toml", tiny()), ("measured.toml", measured())] {
        config.guard.min_diversity = 0.9;
        config.init = Init::Normal(1e-5);
        fs::write(place.path().join(name), config.to_toml().replace("lr = 0.0002", "lr = 1e-12")).unwrap();
    }
    let runs = [with(&["--steps", "4"]), [&MEASURED[..], &["--steps", "30"]].concat()];
    for (i, arguments) in runs.iter().enumerate() {
        let output = place.run(arguments);
        assert!(output.status.success(), "{output:?}");
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("pictures: all pictures look alike (diversity 0."), "{said}");
        assert!(said.contains("If more steps do not help: lower `lr`"), "{said}");
        assert!(!said.contains("inf") && !errors.contains("inf "), "{said} {errors}");
        let folder = place.folder(&format!("{:03}-tiny", i + 1));
        assert!(fs::read_to_string(folder.file("log.txt")).unwrap().contains("WARN  all pictures look alike"));
        assert!(fs::read_to_string(folder.file("report.html")).unwrap().contains("all pictures look alike"));
    }
    // The first measurement also warns.
    let log = fs::read_to_string(place.folder("002-tiny").file("log.txt")).unwrap();
    assert!(log.contains("step 15: all pictures look alike"), "{log}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_is_not_fine_tuned() {
    let place = Place::new();
    let config = Config { quantise: Quantise { tune: 100_000 }, ..tiny() };
    fs::write(place.path().join("tiny.toml"), config.to_toml()).unwrap();
    let child =
        place.command(&with(&["--steps", "1000000"])).stderr(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let output = interrupt(child, || place.path().join("runs/001-tiny/metrics.jsonl").is_file());
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("fine-tuning: left out, as the run was stopped"), "{said}");
}

#[test]
fn the_report_has_what_a_reader_asks_for() {
    let place = Place::new();
    place.run_well(&[&MEASURED[..], &["--steps", "15", "--seed", "1234"]].concat());
    let report = fs::read_to_string(place.folder("001-tiny").file("report.html")).unwrap();
    let row = |label: &str| {
        let text = report.split(&format!("<tr><td>{label}</td><td>")).nth(1);
        text.unwrap_or_else(|| panic!("no {label}")).split("</td>").next().unwrap().to_owned()
    };
    assert_eq!(row("seed"), "1,234");
    assert_eq!(row("by"), format!("trainer {}", env!("CARGO_PKG_VERSION")));
    assert!(row("on").contains(&trainer::machine::processor()) && row("written").ends_with(" UTC"));
    for part in ["real pictures that it was trained on", "float, as trained", "int8, as the", "<details>", "0 is best"]
    {
        assert!(report.contains(part), "no {part}");
    }
    assert!(!report.contains("headline"));
}
