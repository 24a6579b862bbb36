//! Pictures are kept once, as bytes: the memory that loading them takes.
//!
//! `PICTURES=200000 cargo test --workspace --test trainer data_memory:: -- --nocapture` measures as many.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;

use gen_core::Shape;
use tempfile::TempDir;
use trainer::config::Config;
use trainer::data::{self, Request, Target};
use trainer::quantise::FloatModel;
use trainer::run::evaluator::QualityEvaluator;
use trainer::train::Trainer;
use trainer::usage::peak_memory;

/// The file that the other process loads.
const FILE: &str = "RIBBIT_TEST_FILE";
/// The memory that its pictures may take.
const MEMORY: &str = "RIBBIT_TEST_MEMORY";
const SHAPE: Shape = Shape::new(64, 64, 3);

/// An array of pictures, no two alike.
fn write(path: &Path, descr: &str, shape: &str, count: usize) {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({count}, {shape}), }}\n");
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    file.write_all(b"\x93NUMPY\x01\0").unwrap();
    file.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    for index in 0..count {
        let byte = |at: usize| (at.wrapping_mul(index | 1) >> 3) as u8 ^ (index >> 8) as u8;
        let picture: Vec<u8> = match descr {
            "|u1" => (0..SHAPE.len()).map(byte).collect(),
            _ => (0..SHAPE.len()).flat_map(|at| (f32::from(byte(at)) / 255.0).to_le_bytes()).collect(),
        };
        file.write_all(&picture).unwrap();
    }
    file.into_inner().unwrap();
}

/// Loads a file in a process of its own, with `memory` for its pictures; peak memory as a multiple of the pictures.
fn peak_of(path: &Path, count: usize, memory: u64) -> f64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "data_memory::another_process", "--ignored", "--nocapture"])
        .env(FILE, path)
        .env(MEMORY, memory.to_string())
        .env("RIBBIT_CACHE", path.with_extension("cache"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let peak = text.split_once("peak ").and_then(|(_, peak)| peak.split_whitespace().next()?.parse::<u64>().ok());
    let (peak, size) = (peak.unwrap_or_else(|| panic!("{text}")), (count * SHAPE.len()) as u64);
    println!("{}: {} MB of pictures, peak {} MB", path.display(), size / 1_000_000, peak / 1_000_000);
    peak as f64 / size as f64
}

const ENOUGH: u64 = 1 << 40;

/// A run's first steps are included: it trains, and measures the quality of its pictures.
#[cfg(target_os = "linux")]
#[test]
fn pictures_in_a_file_take_no_memory() {
    let count = std::env::var("PICTURES").map_or(40_000, |count| count.parse().unwrap());
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("pictures.npy");
    write(&path, "|u1", "64, 64, 3", count);
    // Of 491 MB of pictures a few are in memory at a time. Most of the peak is the measurement, which prepares 5,000 of them.
    let peak = peak_of(&path, count, 8 << 20) * (count * SHAPE.len()) as f64;
    assert!(peak < 430e6 + 100.0 * (count - 40_000) as f64, "{peak} bytes");
}

#[cfg(target_os = "linux")]
#[test]
fn pictures_are_kept_once() {
    let count = std::env::var("PICTURES").map_or(20_000, |count| count.parse().unwrap());
    // The folder for temporary files may be in memory.
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("pictures.npy");
    write(&path, "|u1", "64, 64, 3", count);
    let peak = peak_of(&path, count, ENOUGH);
    assert!(peak <= 1.3, "{peak} times");
    // Floats take four times as much in the file; 50 MB are for the program.
    let few = count / 5;
    write(&path, "<f4", "3, 64, 64", few);
    let peak = peak_of(&path, few, ENOUGH);
    assert!(peak <= 1.3 + 50e6 / (few * SHAPE.len()) as f64, "{peak} times");
}

/// Loads and describes the pictures as a run does.
#[test]
#[ignore = "the test above runs it in a process of its own"]
fn another_process() {
    let path = std::env::var_os(FILE).unwrap().into();
    let memory = std::env::var(MEMORY).unwrap().parse().unwrap();
    let request = Request { path: Some(path), target: Target::of(SHAPE), memory: Some(memory), ..Request::default() };
    let dataset = data::load(&request).unwrap();
    assert!(data::describe(&dataset).unwrap().contains("fingerprint"));
    if dataset.pictures.is_in_file() {
        let config = Config { batch: 8, ..Config::preset("pocket-64").unwrap().narrowed(4) };
        let mut trainer = Trainer::new(config.clone()).unwrap();
        (0..2).for_each(|_| _ = trainer.step(&dataset).unwrap());
        let evaluator = QualityEvaluator::new(&dataset).unwrap().unwrap();
        evaluator.measure(&FloatModel::fold(&config, &trainer.state.average).unwrap()).unwrap();
    }
    println!("peak {} bytes", peak_memory().unwrap());
}
