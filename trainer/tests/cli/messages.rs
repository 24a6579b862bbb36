//! What the program prints: messages for mistakes, help, commands to type, names of files.

use std::fs;
use std::process::{Command, Stdio};

use super::SHIPPED;
use crate::run_common::{MEASURED, Place, interrupt, tiny, with};

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
        (&["package", "junk.gen", "--c", "--out", "package"], "junk.gen"),
        (&["package", "junk.gen", "--out", "package"], "--arduino"),
        (&["quantize", SHIPPED, "--flash", "64K"], "71616 bytes without weight transforms"),
        (&["quantize", SHIPPED, "--flash", "64Q"], "512K"),
        (&["quantize", SHIPPED, "--fast-layers", "5"], "they are 0 to 4"),
        (&["quantize", SHIPPED, "--fast-layers", "0"], "layer 0 cannot have Winograd weights"),
        (&["quantize", SHIPPED, "--fast", "--flash", "1M"], "--winograd"),
        (&["quantize", SHIPPED, "--tune", "100"], "--tune needs the float generator"),
        (&["quantize", SHIPPED, "--core", "cortex-m3"], "with --winograd or --flash"),
        (&["presets", "pond"], "pocket"),
        (&["parity", "empty"], "weights_init.npz"),
        (&["bench", "--preset", "pond"], "pocket"),
        (&["bench", "--config", "bad.toml"], "batch"),
        (&["bench", "--batch", "1"], "batch"),
        (&["bench", "--threads", "0"], "threads"),
        (&["bench", "--cpu", "avx1024"], "[possible values: scalar, neon, avx2, avx512]"),
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
        (&["sample", "--class", "frog"], "no classes"),
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
    let child = command(&[&with(&["--steps", "1000000"])[..], &run].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = interrupt(child, || place.path().join("my runs/001-tiny/metrics.jsonl").is_file());
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
        "train",
        "resume",
        "data",
        "presets",
        "sample",
        "walk",
        "timelapse",
        "like",
        "invert",
        "quantize",
        "verify",
        "import",
        "export",
        "parity",
        "card",
        "rebuild",
        "inspect",
        "eval",
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
fn a_file_that_cannot_be_written_is_named_without_the_temporary_one() {
    let place = Place::new();
    let output = place.run(&["sample", "-n", "1", "--out", "nope/x.png"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text.trim_end(), "error: cannot write nope/x.png: No such file or directory (os error 2)");
}
