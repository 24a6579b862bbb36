//! Tests of the program as a user runs it: runs, interruptions, mistakes.

use std::fs;
use std::process::{Command, Stdio};

use trainer::config::{Config, Quantise};
use trainer::data;
use trainer::nn::init::Init;
use trainer::pixels::to_pixel;
use trainer::run::{Checkpoint, Folder, guard};
use trainer::train::Trainer;

use crate::run_common::{MEASURED, Place, lines, measured, result, tiny, with};

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
    ] {
        assert!(folder.file(name).is_file(), "{name}");
    }
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
fn a_recipe_can_ask_for_fine_tuning() {
    let place = Place::new();
    let mut config = tiny();
    config.quantise.tune = 12;
    config.steps = 10;
    fs::write(place.path().join("tiny.toml"), config.to_toml()).unwrap();
    let text = place.run_well(&with(&[]));
    assert!(text.contains("fine-tuning: 12 steps"), "{text}");
    // The recipe's fine-tuning also applies to the checkpoint.
    let checkpoint = place.folder("001-tiny").file("checkpoints/step-000010.ckpt");
    place.run_well(&["quantize", checkpoint.to_str().unwrap(), "-o", "again.gen"]);
    let [again, model] =
        [place.path().join("again.gen"), place.folder("001-tiny").file("model.gen")].map(|p| fs::read(p).unwrap());
    assert_eq!(again, model);
}

/// The shipped model.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/pocket-drawn/model.gen");

#[test]
fn a_model_can_be_packed_for_speed_and_draws_the_same() {
    let place = Place::new();
    let size = |name: &str| fs::metadata(place.path().join(name)).unwrap().len();
    let pictures = |model: &str| {
        let text = place.run_well(&["sample", model, "-n", "4", "--npy", "pictures.npy"]);
        (text, fs::read(place.path().join("pictures.npy")).unwrap()).1
    };
    let small = pictures(SHIPPED);

    let text = place.run_well(&["quantize", SHIPPED, "--winograd", "-o", "fast.gen"]);
    assert!(text.contains("fast layers 1,2,3"), "{text}");
    assert_eq!(pictures("fast.gen"), small);
    assert!(place.run_well(&["verify", "fast.gen", "-n", "3"]).contains("values are equal"));
    let text = place.run_well(&["inspect", "fast.gen"]);
    assert!(text.lines().any(|l| l.contains("1 transposed 4x4 x2") && l.contains("fast")), "{text}");

    // Some of the layers, chosen by the user or by size.
    let text = place.run_well(&["quantize", SHIPPED, "--winograd-layers", "3,2", "-o", "some.gen"]);
    assert!(text.contains("fast layers 2,3"), "{text}");
    assert_eq!(pictures("some.gen"), small);
    let text = place.run_well(&["quantize", "fast.gen", "--flash", "130KiB", "-o", "fits.gen"]);
    assert!(text.contains("fast layers") && size("fits.gen") <= 130 * 1024, "{text}");
    assert_eq!(pictures("fits.gen"), small);

    // The earlier names of the options.
    place.run_well(&["quantise", SHIPPED, "--fast-layers", "3,2", "-o", "old.gen"]);
    let read = |name: &str| fs::read(place.path().join(name)).unwrap();
    assert_eq!(read("old.gen"), read("some.gen"));

    // A Cortex-M3 has better kernels for weights without a transform.
    let text = place.run_well(&["quantize", SHIPPED, "--fast", "--core", "cortex-m3", "-o", "m3.gen"]);
    assert!(text.contains("none that fits gains on a Cortex-M3"), "{text}");

    // Packs the model back to the smallest file.
    place.run_well(&["quantize", "some.gen", "-o", "small.gen"]);
    assert_eq!(fs::read(place.path().join("small.gen")).unwrap(), fs::read(SHIPPED).unwrap());
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

#[cfg(unix)]
#[test]
fn ctrl_c_saves_exports_and_stops() {
    let place = Place::new();
    let child =
        place.command(&with(&["--steps", "1000000"])).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let metrics = place.path().join("runs/001-tiny/metrics.jsonl");
    while !metrics.is_file() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = place.folder("001-tiny");
    assert!(folder.file("model.gen").is_file() && folder.file("report.html").is_file());
    let step = folder.latest().unwrap().state.step;
    assert!(step >= 7, "{step}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("trainer resume"));
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
fn a_bench_prints_a_table() {
    let place = Place::new();
    let text = place.run_well(&[
        "bench",
        "--preset",
        "reference-pocket",
        "--config",
        "tiny.toml",
        "--batch",
        "2",
        "--steps",
        "2",
    ]);
    for expected in [
        "threads: ",
        "batch",
        "steps",
        "median s",
        "min s",
        "pictures",
        "GFLOP by",
        "needed",
        "CPU-s",
        "cores",
        "peak",
        "phase",
        "reference-pocket     2      2 ",
        "tiny                 2      2 ",
        "data and random numbers",
        "D's turn: G forward",
        "D forward",
        "D backward",
        "D optimiser",
        "G's turn: G forward",
        "gradient of the pictures",
        "G backward",
        "G optimiser and average",
    ] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    assert_eq!(text.contains('?'), !cfg!(target_os = "linux"), "{text}");
    let text = place.run_well(&["bench", "--config", "tiny.toml", "--seconds", "0", "--threads", "1"]);
    assert!(text.contains("threads: 1") && text.contains("tiny                 6      3 "), "{text}");
}

#[test]
fn a_bench_of_layers_rates_each_against_the_peak() {
    let place = Place::new();
    let arguments = ["bench", "--layers", "--preset", "reference-pocket", "--config", "tiny.toml"];
    let text = place.run_well(&[&arguments[..], &["--batch", "2", "--seconds", "0", "--threads", "1"]].concat());
    for expected in [
        "threads: 1",
        "peak of the machine: ",
        "reference-pocket, batch 2",
        "tiny, batch 2",
        "G0 dense 1x1x32 to 4x4x64",
        "D2 conv 4x4 s2 8x8x128 to 4x4x256",
        "forward",
        "dX",
        "dW",
        "product, mirrored",
        "Winograd F(",
        " %",
    ] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
}

#[test]
fn a_bench_can_be_stepped_by_another_program() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let place = Place::new();
    let mut child = place
        .command(&["bench", "--paired", "--preset", "reference-pocket", "--batch", "2", "--threads", "2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut ask, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut answers = answers.lines().map(Result::unwrap);
    assert_eq!(answers.next().unwrap(), "ready");
    for _ in 0..2 {
        // The answer comes before the next question.
        ask.write_all(b"go\n").unwrap();
        let step: serde_json::Value = serde_json::from_str(&answers.next().unwrap()).unwrap();
        assert!(step["seconds"].as_f64().unwrap() > 0.0, "{step}");
        assert_eq!(step["cpu_seconds"].is_number(), cfg!(unix), "{step}");
    }
    drop(ask);
    let end: serde_json::Value = serde_json::from_str(&answers.next().unwrap()).unwrap();
    assert_eq!((&end["steps"], &end["batch"], &end["threads"]), (&2.into(), &2.into(), &2.into()));
    assert_eq!(end["peak_memory"].is_number(), cfg!(target_os = "linux"), "{end}");
    assert!(answers.next().is_none() && child.wait().unwrap().success());
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
    let first: Vec<_> = pictures.slice(ndarray::s![60 % 20, .., .., ..]).iter().copied().collect();
    assert_eq!(pixels("pairs/real-000011.png"), first);

    // Repeats step 11 from the checkpoint before it.
    let Checkpoint { config, state, .. } = Checkpoint::load(&folder.file("checkpoints/step-000010.ckpt")).unwrap();
    let mut trainer = Trainer::with_state(config, state).unwrap();
    trainer.step(&pictures).unwrap();
    let image = trainer.trace().discriminator.images.row(0).mapv(|v| to_pixel(v, trainer.config.range));
    assert_eq!(pixels("pairs/generated-000011.png"), image.to_vec());
}

#[test]
fn truncated_pictures_are_more_alike() {
    let place = Place::new();
    let spread = |more: &[&str]| {
        place.run_well(&[&["sample", "-n", "16", "--npy", "pictures.npy"], more].concat());
        let pictures: ndarray::Array4<u8> = ndarray_npy::read_npy(place.path().join("pictures.npy")).unwrap();
        pictures.mapv(f64::from).std_axis(ndarray::Axis(0), 0.0).mean().unwrap()
    };
    let all = spread(&[]);
    assert_eq!(spread(&["--truncation", "1"]), all);
    let half = spread(&["--truncation", "0.5"]);
    assert!(half < 0.9 * all, "{half} of {all}");
    assert_eq!(spread(&["--truncation", "0"]), 0.0);

    place.run_well(&with(&["--steps", "5"]));
    let float = ["--float", "runs/001-tiny/checkpoints/step-000005.ckpt", "--truncation", "0"];
    assert_eq!(spread(&float), 0.0);
}

/// The picture at a position of a sheet with the default enlargement and gaps.
fn cell(sheet: &image::RgbImage, column: u32, row: u32) -> Vec<u8> {
    let (left, top) = (2 + 66 * column, 2 + 66 * row);
    image::imageops::crop_imm(sheet, left, top, 64, 64).to_image().into_raw()
}

#[test]
fn a_walk_leads_from_picture_to_picture() {
    let place = Place::new();
    let open = |name: &str| image::open(place.path().join(name)).unwrap().to_rgb8();
    let sample = |seed: u32| {
        place.run_well(&["sample", "-n", "1", "--seed", &seed.to_string(), "--out", "one.png"]);
        cell(&open("one.png"), 0, 0)
    };
    let text =
        place.run_well(&["walk", "--from", "3", "--to", "8", "--through", "5,9", "--steps", "4", "--out", "walk.png"]);
    assert!(text.contains("row 1: 3 to 5") && text.contains("row 3: 9 to 8"), "{text}");
    let walk = open("walk.png");
    assert_eq!(walk.dimensions(), (4 * 66 + 2, 3 * 66 + 2));
    for (column, row, seed) in [(0, 0, 3), (3, 0, 5), (0, 1, 5), (3, 1, 9), (0, 2, 9), (3, 2, 8)] {
        assert!(cell(&walk, column, row) == sample(seed), "column {column} of row {row} is not picture {seed}");
    }
    assert_ne!(cell(&walk, 1, 0), cell(&walk, 0, 0));

    // Without --from and --to: pairs of pictures with consecutive seeds.
    let text = place.run_well(&["walk", SHIPPED, "--rows", "2", "--seed", "7"]);
    assert!(text.contains("row 1: 7 to 8") && text.contains("row 2: 9 to 10"), "{text}");
    assert!(cell(&open("walk.png"), 9, 1) == sample(10));
}

#[test]
fn more_like_this_one() {
    let place = Place::new();
    let open = |name: &str| image::open(place.path().join(name)).unwrap().to_rgb8();
    let text = place.run_well(&["like", "--seed", "2", "-n", "8", "--out", "like.png"]);
    assert!(
        text.contains("0 to 8, without the seed itself") && text.contains("toward(&Latent::from_seed(OTHER, len), 77)")
    );
    let like = open("like.png");
    assert_eq!(like.dimensions(), (3 * 66 + 2, 3 * 66 + 2));
    place.run_well(&["sample", "-n", "9", "--out", "sample.png"]);
    let sample = open("sample.png");
    let itself = cell(&sample, 2, 0);
    assert!(cell(&like, 0, 0) == itself);
    let apart = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum::<u64>();
    let (mut near, mut far) = (0, 0);
    for i in 1..9 {
        near += apart(&itself, &cell(&like, i % 3, i / 3));
        far += apart(&itself, &cell(&sample, i % 3, i / 3));
    }
    assert!(near > 0 && near < far, "{near} and {far}");

    // Draws one of them again with the printed numbers: 2 in the direction of 3.
    place.run_well(&["like", "--seed", "2", "--distance", "0.3", "--toward", "3", "-n", "1", "--out", "again.png"]);
    assert!(cell(&open("again.png"), 1, 0) == cell(&like, 0, 1));
    // A distance of 1 gives the other picture.
    place.run_well(&["like", "--seed", "2", "--distance", "1", "--toward", "0", "-n", "1", "--out", "far.png"]);
    assert!(cell(&open("far.png"), 1, 0) == cell(&sample, 0, 0));
}

#[test]
fn nearest_pictures_stand_beside_samples() {
    let place = Place::new();
    // Copies are found, including mirrored ones.
    place.run_well(&["sample", "-n", "3", "--pngs", "copies"]);
    let path = place.path().join("copies/000001.png");
    let copy = image::open(&path).unwrap().to_rgb8();
    image::imageops::flip_horizontal(&copy).save(&path).unwrap();
    let text = place.run_well(&["sample", "-n", "4", "--nearest", "copies", "--out", "near.png"]);
    assert!(text.contains("0: 0.000 (000000.png), ") && text.contains("1: 0.000 (000001.png, mirrored), "), "{text}");
    assert!(text.contains("closest: 0.000, median: "), "{text}");
    let sheet = image::open(place.path().join("near.png")).unwrap().to_rgb8();
    // Each sample in a frame, three neighbours beside it, and a wider gap.
    assert_eq!(sheet.dimensions(), (16 * 66 + 2 + 3 * 8, 66 + 2));
    let tile = |sample: u32, i: u32| {
        let left = 2 + 66 * (4 * sample + i) + 8 * sample;
        image::imageops::crop_imm(&sheet, left, 2, 64, 64).to_image().into_raw()
    };
    for i in 0..4 {
        assert_eq!(tile(i, 0) == tile(i, 1), i < 3, "sample {i} and its copy");
        let frame = *sheet.get_pixel(66 * 4 * i + 8 * i, 30);
        assert_eq!(frame, trainer::grid::FRAME, "sample {i}");
    }
    assert_eq!(*sheet.get_pixel(66 + 66, 30), trainer::grid::GAP);
    // Fewer pictures than columns.
    fs::remove_file(&path).unwrap();
    place.run_well(&["sample", "-n", "9", "--nearest", "copies", "--scale", "1"]);
}

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
    for part in ["will not be the same", "other bits: the models differ from byte", "trained on an abacus, this is "] {
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
fn mistakes_get_a_message_an_exit_code_and_no_run_folder() {
    let place = Place::new();
    let path = |name: &str| place.path().join(name);
    fs::create_dir(path("empty")).unwrap();
    fs::create_dir(path("text")).unwrap();
    fs::write(path("text/a.png"), "no picture").unwrap();
    fs::write(path("cut.bin"), [0; 5000]).unwrap();
    fs::write(path("cut.tar.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]).unwrap();
    fs::write(path("junk.gen"), "junk").unwrap();
    fs::write(path("junk.ckpt"), "junk").unwrap();
    fs::write(path("bad.toml"), tiny().to_toml().replace("batch = 6", "batch = 0")).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["--data", "nowhere"], "nowhere"),
        (&["--data", "empty"], "empty"),
        (&["--data", "text"], "a.png"),
        (&["--data", "cut.bin"], "cut.bin"),
        (&["--data", "cut.tar.gz"], "cut.tar.gz"),
        (&["--data", "builtin", "--class", "toad"], "frogs only, no toad"),
        (&["--data", "pictures", "--preset", "pond"], "pocket"),
        (&["--data", "pictures", "--config", "bad.toml"], "batch"),
        (&["--data", "pictures", "--config", "none.toml"], "none.toml"),
        (&["--data", "pictures", "--config", "tiny.toml", "--set", "bach=4"], "batch"),
        (&["--data", "pictures", "--config", "tiny.toml", "--set", "batch=many"], "batch"),
        (&["--data", "pictures", "--config", "tiny.toml", "--set", "batch=0"], "batch"),
        (&["--data", "pictures", "--minutes", "0"], "minutes"),
        (&["--data", "pictures", "--threads", "0"], "threads"),
        (&["resume", "nowhere"], "nowhere"),
        (&["inspect", "junk.gen"], "junk.gen"),
        (&["verify", "nowhere.gen"], "nowhere.gen"),
        (&["sample", "--float", "junk.ckpt"], "junk.ckpt"),
        (&["quantize", "junk.ckpt"], "junk.ckpt"),
        (&["quantize", SHIPPED, "--flash", "64K"], "71616 bytes in its smallest form"),
        (&["quantize", SHIPPED, "--flash", "64Q"], "512K"),
        (&["quantize", SHIPPED, "--fast-layers", "5"], "they are 0 to 4"),
        (&["quantize", SHIPPED, "--fast-layers", "0"], "layer 0 has no fast form"),
        (&["quantize", SHIPPED, "--fast", "--flash", "1M"], "--winograd"),
        (&["quantize", SHIPPED, "--tune", "100"], "--tune needs the float generator"),
        (&["quantize", SHIPPED, "--core", "cortex-m3"], "with --winograd or --flash"),
        (&["presets", "pond"], "pocket"),
        (&["parity", "empty"], "weights_init.npz"),
        (&["bench", "--preset", "pond"], "pocket"),
        (&["bench", "--config", "bad.toml"], "batch"),
        (&["bench", "--batch", "1"], "batch"),
        (&["bench", "--threads", "0"], "threads"),
        (&["bench", "--seconds=-1"], "from 0 to 86400"),
        (&["bench", "--steps", "0"], "steps"),
        (&["bench", "--steps", "2", "--seconds", "2"], "--seconds"),
        (&["bench", "--layers", "--steps", "2"], "--layers"),
        (&["bench", "--paired"], "one --preset"),
        (&["bench", "--paired", "--preset", "pocket", "--config", "tiny.toml"], "one --preset"),
        (&["bench", "--paired", "--preset", "pocket", "--steps", "2"], "--paired"),
        (&["sample", "-n", "0"], "100000"),
        (&["sample", "-n", "4000000000"], "100000"),
        (&["sample", "--truncation", "1.5"], "from 0 to 1"),
        (&["sample", "--nearest", "nowhere"], "nowhere"),
        (&["sample", "--class", "frog"], "--nearest"),
        (&["walk", "--from", "1"], "--to"),
        (&["walk", "--through", "1"], "--from"),
        (&["walk", "--steps", "1"], "from 2 to 256"),
        (&["walk", "--seed", "4294967295"], "last seed"),
        (&["like"], "--seed"),
        (&["like", "--seed", "1", "--distance", "nan"], "from 0 to 1"),
        (&["like", "junk.gen", "--seed", "1"], "junk.gen"),
        (&["card", "nowhere", "--about", "x"], "nowhere"),
        (&["card", "nowhere", "--about", "x", "--score", "recall"], "NAME=VALUE"),
        (&["rebuild", "nowhere"], "nowhere"),
    ];
    for (arguments, expected) in cases {
        let output = place.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?} went through");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(!text.contains("panicked"), "{arguments:?}: {text}");
        assert!(!path("runs").exists(), "{arguments:?} left a run folder");
    }
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
fn presets_are_shown_and_can_be_fed_back() {
    let place = Place::new();
    assert!(place.run_well(&["presets"]).contains("6264579 parameters"));
    fs::write(place.path().join("mine.toml"), place.run_well(&["presets", "pocket"])).unwrap();
    place.run_well(&["--config", "mine.toml", "--data", "pictures", "--steps", "1"]);
}

#[test]
fn without_data_or_network_the_drawn_frogs_are_taken_and_named() {
    let place = Place::new();
    let text = place.run_well(&["data"]);
    assert!(text.contains("drawn") && text.contains("RIBBIT_OFFLINE"), "{text}");
    assert!(place.path().join("data.png").is_file());
}

#[test]
fn output_that_nobody_reads_is_no_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let grid = folder.path().join("grid.png");
    let sample = ["sample", "-n", "1", "--out", grid.to_str().unwrap()];
    for arguments in [&["inspect"][..], &["presets"], &["presets", "tutorial"], &sample] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_trainer")).args(arguments).stdout(writer).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{arguments:?}: {errors}");
    }
    assert!(grid.exists());
}

/// The state and the model of the best snapshot, which must always be kept.
fn best(folder: &Folder) -> (Checkpoint, Vec<u8>) {
    let mut checkpoint = Checkpoint::load(&folder.file("best.ckpt")).unwrap();
    checkpoint.seconds = 0.0;
    (checkpoint, fs::read(folder.file("best.gen")).unwrap())
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
fn sets_of_pictures_are_measured_side_by_side() {
    let place = Place::new();
    place.run_well(&["sample", SHIPPED, "-n", "20", "--npy", "drawn.npy", "--pngs", "drawn"]);
    place.run_well(&with(&["--steps", "3"]));
    let checkpoint = "runs/001-tiny/checkpoints/step-000003.ckpt";
    let sets = [SHIPPED, "drawn.npy", "drawn", "pictures-32", checkpoint];
    fs::create_dir(place.path().join("pictures-32")).unwrap();
    for i in 0..20u8 {
        let name = format!("{i}.png");
        let picture = image::open(place.path().join("pictures").join(&name)).unwrap().crop_imm(4, 0, 32, 32);
        picture.save(place.path().join("pictures-32").join(&name)).unwrap();
    }
    let eval = [&["eval"][..], &sets, &["--data", "pictures", "-n", "20"]].concat();
    let text = place.run_well(&[&eval[..], &["--sheet", "near.png"]].concat());
    for expected in
        ["quality", "frechet", "recall", "coverage", "diversity", "memorised", "drawn.npy", "step-000003.ckpt"]
    {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    assert!(image::open(place.path().join("near.png")).is_ok());

    let json = place.run(&[&eval[..], &["--json", "--threads", "1"]].concat());
    let rows: Vec<serde_json::Value> =
        String::from_utf8_lossy(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let headline = |i: usize| rows[i]["scores"]["quality_score"].as_f64().unwrap();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0]["scores"], rows[1]["scores"], "a model, and the array that it drew");
    assert_eq!(rows[0]["scores"], rows[2]["scores"], "a model, and the folder that it drew");
    // The training pictures themselves.
    assert!(headline(3) < 1e-3 && headline(4) > headline(3), "{rows:?}");
    assert!(
        rows[3]["copies"]["memorised_fraction"].as_f64().unwrap() > 0.9 && rows[3]["copies"]["nearest"] == 0.0,
        "{rows:?}"
    );

    fs::create_dir(place.path().join("few")).unwrap();
    fs::copy(place.path().join("pictures-32/1.png"), place.path().join("few/1.png")).unwrap();
    fs::create_dir(place.path().join("wide")).unwrap();
    fs::copy(place.path().join("pictures/1.png"), place.path().join("wide/1.png")).unwrap();
    for (set, expected) in [("nowhere", "nowhere"), ("few", "too few"), ("wide", "40x32"), ("tiny.toml", "no model")] {
        let output = place.run(&["eval", set, "--data", "pictures"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(expected), "{set}: {text}");
        assert!(!text.contains("panicked"), "{set}: {text}");
    }
}

#[test]
fn sheets_keep_every_picture_in_its_column_or_are_refused() {
    let place = Place::new();
    let size = |name: &str| image::open(place.path().join(name)).unwrap().to_rgb8().dimensions();
    // 64 pictures of 32 pixels in a row, 16 times as large: 32,898 pixels would be wanted.
    let text = place.run_well(&["walk", "--rows", "2", "--steps", "64", "--scale", "16"]);
    assert!(text.contains("enlarged 7 times instead of 16 times"), "{text}");
    assert_eq!(size("walk.png"), (64 * 226 + 2, 2 * 226 + 2));
    let sheet = image::open(place.path().join("walk.png")).unwrap().to_rgb8();
    let place_of = |column: u32, row: u32| {
        image::imageops::crop_imm(&sheet, 2 + 226 * column, 2 + 226 * row, 224, 224).to_image().into_raw()
    };
    place.run_well(&["sample", "-n", "4", "--scale", "7"]);
    let sample = image::open(place.path().join("sample.png")).unwrap().to_rgb8();
    let ends = [(0, 0), (63, 0), (0, 1), (63, 1)];
    for (seed, (column, row)) in ends.into_iter().enumerate() {
        let (x, y) = (2 + 226 * (seed as u32 % 2), 2 + 226 * (seed as u32 / 2));
        let alone = image::imageops::crop_imm(&sample, x, y, 224, 224).to_image().into_raw();
        assert!(place_of(column, row) == alone, "seed {seed}");
    }
    // The largest side of pictures: 16 of them in a row.
    let text = place.run_well(&["data", "--data", "pictures", "--side", "512"]);
    assert!(text.contains("enlarged 1 times instead of 2 times") || size("data.png").0 == 16 * 1026 + 2, "{text}");
}

#[test]
fn grids_have_names_of_their_own_and_say_what_is_on_them() {
    let place = Place::new();
    let text = place.run_well(&["sample", "-n", "3", "--seed", "7"]);
    assert!(text.contains("grid: sample.png (seeds 7 to 9, row by row)"), "{text}");
    let text = place.run_well(&["sample", "-n", "1", "--seed", "7"]);
    assert!(text.contains("(seeds 7, row by row)"), "{text}");
    assert!(place.run_well(&["walk", "--rows", "1", "--steps", "2"]).contains("grid: walk.png"));
    let text = place.run_well(&["like", "--seed", "4", "-n", "2"]);
    assert!(text.contains("grid: like.png (seed 4, then 4 on its way to each of 0 to 1"), "{text}");
    assert!(!place.path().join("grid.png").exists());
}

#[test]
fn a_run_folder_stands_for_its_model_and_a_checkpoint_says_what_it_is() {
    let place = Place::new();
    place.run_well(&MEASURED.into_iter().chain(["--steps", "15"]).collect::<Vec<_>>());
    let run = "runs/001-tiny";
    let model = &fs::read(place.path().join(run).join("model.gen")).unwrap();
    for command in ["inspect", "verify", "sample", "walk"] {
        let file = place.run_well(&[command, "runs/001-tiny/model.gen"]);
        assert_eq!(place.run_well(&[command, run]), file, "{command}");
    }
    place.run_well(&["quantise", run, "-o", "again.gen"]);
    assert_eq!(&fs::read(place.path().join("again.gen")).unwrap(), model);
    let fails = |arguments: &[&str]| {
        let output = place.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        text
    };
    let best = "runs/001-tiny/best.ckpt";
    for command in ["inspect", "verify", "sample", "walk"] {
        let text = fails(&[command, best]);
        assert!(text.contains("is a checkpoint, not a model") && text.contains(&format!("quantize {best}")), "{text}");
        assert!(text.contains(&format!("--float {best}")), "{text}");
    }
    assert!(fails(&["sample", "--float", run]).contains(&format!("give one of its checkpoints, such as {best}")));
    assert!(fails(&["inspect", "pictures"]).contains("without a model.gen"));
    assert!(fails(&["quantize", "tiny.toml"]).contains("neither a whole checkpoint of a run nor a model"));
    // The printed command works when it is pasted.
    let output = place.run(&["resume", run, "--steps", "3"]);
    assert!(!output.status.success());
    let text = fails(&["sample", best]);
    let command = text.split("Make a model of it with: ").nth(1).unwrap().split(". (To draw").next().unwrap();
    let output = Command::new("sh").args(["-c", command]).current_dir(place.path()).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    assert!(place.path().join("model.gen").is_file());
}

/// The commands that a text suggests: from `cargo trainer` to the end of the sentence or the quotation.
fn hints(text: &str) -> Vec<String> {
    let rest = text.split("cargo trainer").skip(1);
    let ends = |rest: &str| rest.find(['\n', '`']).into_iter().chain(rest.find(". ")).chain(rest.find(".)")).min();
    rest.map(|rest| format!("cargo trainer{}", &rest[..ends(rest).unwrap_or(rest.len())])).collect()
}

#[cfg(unix)]
#[test]
fn what_is_printed_to_be_typed_works_when_it_is_pasted() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    // A `cargo` that starts this program, as the alias in `.cargo/config.toml` does.
    let cargo = place.path().join("bin/cargo");
    fs::create_dir(place.path().join("bin")).unwrap();
    fs::write(&cargo, format!("#!/bin/sh\nshift\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_trainer"))).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", cargo.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let command = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("CARGO", &cargo).env("PATH", &path);
        command
    };
    let said = |arguments: &[&str]| {
        let output = command(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let mut seen = 0;
    let mut paste_all = |text: &str| {
        for hint in hints(text) {
            let mut shell = Command::new("sh");
            shell.args(["-c", &hint]).current_dir(place.path()).stdin(Stdio::null());
            shell.env("CARGO", &cargo).env("PATH", &path).env("RIBBIT_OFFLINE", "1");
            let output = shell.output().unwrap();
            assert!(output.status.success(), "{hint}: {output:?}");
            seen += 1;
        }
    };
    // An interrupted run in a folder with a space in its name, and the commands that messages about it suggest.
    let run = ["--out", "my runs"];
    let mut child = command(&[&with(&["--steps", "1000000"])[..], &run].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !place.path().join("my runs/001-tiny/metrics.jsonl").is_file() {
        assert!(child.try_wait().unwrap().is_none(), "the run is over");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let interrupted = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(hints(&interrupted), ["cargo trainer resume 'my runs/001-tiny'"], "{interrupted}");
    // All of its steps would take hours, so it is resumed for only a few more than it has done.
    let step = place.folder_in("my runs", "001-tiny").latest().unwrap().state.step;
    place.run_well(&["resume", "my runs/001-tiny", "--steps", &(step + 5).to_string()]);
    paste_all(&interrupted);
    // A checkpoint given instead of a model, a card, and variations of a picture.
    let best = place.folder_in("my runs", "001-tiny").checkpoints().unwrap().pop().unwrap();
    paste_all(&said(&["inspect", best.to_str().unwrap()]));
    let source = ["--source", "bands", "--out", "models/my bands"];
    place.run_well(&with(&["--steps", "4", "--out", "my runs"]));
    paste_all(&said(&[&["card", "my runs/002-tiny", "--about", "a test"][..], &source].concat()));
    paste_all(&said(&["like", "--seed", "4", "-n", "2"]));
    paste_all(&said(&["--data", "models/my bands/model.gen"]));
    assert!(seen >= 5, "{seen}");
    // Without cargo, the suggested command starts with the program's path.
    let text = place.run_well(&["like", "--seed", "4", "-n", "2"]);
    assert!(
        text.contains(&format!("{} like --seed 4", env!("CARGO_BIN_EXE_trainer"))) && hints(&text).is_empty(),
        "{text}"
    );
    assert!(said(&["sample", "--help"]).contains("Usage: cargo trainer sample"));
    assert!(said(&["sample", "--help"]).contains("  cargo trainer sample runs/001-pocket -n 16"));
}

#[test]
fn the_crc_is_that_of_the_file_everywhere() {
    let place = Place::new();
    let crc = format!("CRC-32 {:08x}", crc32fast::hash(&fs::read(SHIPPED).unwrap()));
    let text = place.run_well(&["inspect", SHIPPED]);
    assert!(text.contains(&crc) && text.matches("crc-32").count() == 0 && text.ends_with('\n'), "{text}");
    let card = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/pocket-drawn/README.md");
    assert!(fs::read_to_string(card).unwrap().contains(&crc));
    let text = place.run_well(&with(&["--steps", "9"]));
    let run = place.folder("001-tiny");
    let crc = format!("CRC-32 {:08x}", crc32fast::hash(&fs::read(run.file("model.gen")).unwrap()));
    let report = fs::read_to_string(run.file("report.html")).unwrap();
    assert!(text.contains(&crc) && report.contains(&crc), "{text}");
    // The comparison of int8 with float has the same value, over the same latents, wherever it is printed.
    let of = |text: &str| {
        let words = text.split("int8 against float: ").nth(1).unwrap().split(" pictures").next().unwrap();
        words.to_owned()
    };
    let quantized = place.run_well(&["quantize", "runs/001-tiny/checkpoints/step-000009.ckpt", "-o", "again.gen"]);
    assert_eq!(of(&quantized), of(&text));
    let figures: std::collections::BTreeSet<_> = report.split("PSNR ").skip(1).map(|t| &t[..8]).collect();
    assert_eq!(figures.len(), 1, "{figures:?}");
}

#[test]
fn numbers_that_are_none_or_out_of_range_are_answered_with_the_range() {
    let place = Place::new();
    let cases: &[(&[&str], &str)] = &[
        (&["--steps", "abc"], "a whole number from 1 to 1000000000"),
        (&["--steps", "-1"], "a whole number from 1 to 1000000000"),
        (&["--steps", "1.5"], "a whole number from 1 to 1000000000"),
        (&["--seed", "-1"], "a whole number from 0 to 9223372036854775807"),
        (&["--seed", "18446744073709551615"], "a whole number from 0 to 9223372036854775807"),
        (&["--minutes", "-3"], "a number from 0 to 525600"),
        (&["--minutes", "soon"], "a number from 0 to 525600"),
        (&["--threads", "-2"], "a whole number from 1 to 1024"),
        (&["resume", "runs/001-x", "--steps", "x"], "a whole number from 0 to 1000000000"),
        (&["data", "--side", "-5"], "a whole number from 8 to 512"),
        (&["sample", "-n", "-1"], "a whole number from 1 to 100000"),
        (&["sample", "--seed", "x"], "a whole number from 0 to 4294967295"),
        (&["sample", "--truncation", "-1"], "a number from 0 to 1"),
        (&["sample", "--scale", "17"], "a whole number from 1 to 16"),
        (&["walk", "--from", "-1", "--to", "2"], "a whole number from 0 to 4294967295"),
        (&["walk", "--from", "1", "--to", "2", "--through", "3,x"], "a whole number from 0 to 4294967295"),
        (&["like", "--seed", "-4"], "a whole number from 0 to 4294967295"),
        (&["like", "--seed", "4", "--distance", "-0.5"], "a number from 0 to 1"),
        (&["eval", "-n", "3"], "a whole number from 8 to 100000"),
        (&["verify", "-n", "0"], "a whole number from 1 to 100000"),
        (&["quantize", SHIPPED, "--tune", "-1"], "a whole number from 0 to 1000000000"),
        (&["bench", "--batch", "1"], "a whole number from 2 to 4096"),
    ];
    for (arguments, expected) in cases {
        let output = place.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected) && !text.contains("invalid digit"), "{arguments:?}: {text}");
    }
}

#[test]
fn helps_have_examples_and_one_figure_for_the_program_on_a_chip() {
    let place = Place::new();
    for command in [
        "train", "resume", "data", "presets", "sample", "walk", "like", "quantize", "verify", "import", "export",
        "parity", "card", "rebuild", "inspect", "eval",
    ] {
        let text = place.run_well(&[command, "--help"]);
        assert!(
            text.contains("Example") && text.contains(&format!("trainer {command}").replace(" train", "")),
            "{text}"
        );
    }
    assert!(place.run_well(&["--help"]).contains("trainer --data ~/pictures/mushrooms"));
    let figure = format!("{} KiB are allowed", trainer::inspect::CODE_FLASH / 1024);
    for command in ["quantize", "import"] {
        let text = place.run_well(&[command, "--help"]);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&figure) && !text.contains("48K"), "{text}");
    }
    assert!(
        place
            .run_well(&["inspect"])
            .contains(&format!("{} KiB of flash for code", trainer::inspect::CODE_FLASH / 1024))
    );
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
fn ctrl_c_ends_fine_tuning_and_resume_does_it() {
    let place = Place::new();
    // Fine-tuning takes long enough that the signal comes during it.
    let config = Config { quantise: Quantise { tune: 1500 }, steps: 8, ..tiny() };
    fs::write(place.path().join("tiny.toml"), config.to_toml()).unwrap();
    let mut child = place.command(&with(&[])).stderr(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let log = place.path().join("runs/001-tiny/log.txt");
    while !fs::read_to_string(&log).is_ok_and(|text| text.contains("fine-tuning the integers")) {
        assert!(child.try_wait().unwrap().is_none(), "the run is over");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
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

#[cfg(unix)]
#[test]
fn an_interrupted_run_is_not_fine_tuned() {
    let place = Place::new();
    let config = Config { quantise: Quantise { tune: 100_000 }, ..tiny() };
    fs::write(place.path().join("tiny.toml"), config.to_toml()).unwrap();
    let mut child =
        place.command(&with(&["--steps", "1000000"])).stderr(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    while !place.path().join("runs/001-tiny/metrics.jsonl").is_file() {
        assert!(child.try_wait().unwrap().is_none(), "the run is over");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("fine-tuning: left out, as the run was stopped"), "{said}");
}

#[test]
fn a_file_that_cannot_be_written_is_named_without_the_temporary_one() {
    let place = Place::new();
    let output = place.run(&["sample", "-n", "1", "--out", "nope/x.png"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text.trim_end(), "error: cannot write nope/x.png: No such file or directory (os error 2)");
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
