//! `trainer bench`: its tables, and steps on request of another program.

use std::process::Stdio;

use crate::run_common::Place;

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
        &format!("processor: {}\n", trainer::machine::processor()),
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
fn a_bench_uses_no_better_vector_instructions_than_are_asked_for() {
    let place = Place::new();
    let text = place.run_well(&["bench", "--config", "tiny.toml", "--batch", "2", "--steps", "1", "--cpu", "scalar"]);
    let expected = format!("processor: {} with no vector instructions\n", std::env::consts::ARCH);
    assert!(text.contains(&expected), "{text}");
    let missing = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
    let output = place.run(&["bench", "--config", "tiny.toml", "--cpu", missing]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("this processor does not have "), "{text}");
}

#[test]
fn a_bench_of_layers_rates_each_against_the_peak() {
    let place = Place::new();
    let arguments = ["bench", "--layers", "--preset", "reference-pocket", "--config", "tiny.toml"];
    let text = place.run_well(&[&arguments[..], &["--batch", "2", "--seconds", "0", "--threads", "1"]].concat());
    for expected in [
        &format!("processor: {}\n", trainer::machine::processor()),
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
