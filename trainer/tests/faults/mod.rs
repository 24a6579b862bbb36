//! Tests of faults during a run: kills, full and read-only disks, damaged files, changed pictures,
//! clocks that jump, training that diverges. Afterwards every file of the run must be identical
//! to that of a run without faults, and the user must have got a message.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use gen_core::Model;
use gen_core::aligned;
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro128PlusPlus;
use trainer::config::{Config, Every, NetworkConfig};
use trainer::files::WRITING;
use trainer::nn::optim::Optimiser;
use trainer::run::metrics::{self, to_jsonl_all};
use trainer::run::{Checkpoint, Folder};

use crate::logged::{logged, silent};
use crate::run_common::{MEASURED, Place, measured, with};

mod damaged;
#[cfg(target_os = "linux")]
mod disks;
#[cfg(unix)]
mod kills;
mod trouble;

/// All files of a folder and its subfolders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// The contents of all files of a run, without values that depend on the time or on the folder's name.
fn everything(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let timeless = |path: &Path| match path.file_name().unwrap().to_str().unwrap() {
        "report.html" | "play.html" | "log.txt" => Vec::new(),
        "metrics.jsonl" => {
            let mut lines = silent(|| metrics::load_all(path, u64::MAX)).unwrap();
            lines.rows.iter_mut().for_each(|row| (row.seconds, row.pictures_per_second) = (0.0, 0.0));
            lines.measured.iter_mut().for_each(|line| line.seconds = 0.0);
            lines.compared.iter_mut().for_each(|line| line.seconds = 0.0);
            to_jsonl_all(&lines).into_bytes()
        }
        name if name.ends_with(".ckpt") => {
            Checkpoint { seconds: 0.0, ..Checkpoint::load(path).unwrap() }.encode().unwrap()
        }
        _ => fs::read(path).unwrap(),
    };
    files(run).into_iter().map(|path| (path.strip_prefix(run).unwrap().to_owned(), timeless(&path))).collect()
}

/// The files in which two runs differ, including those that only one of them has.
fn difference(one: &BTreeMap<PathBuf, Vec<u8>>, two: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<PathBuf> {
    let names = one.keys().chain(two.keys().filter(|name| !one.contains_key(*name)));
    names.filter(|name| one.get(*name) != two.get(*name)).cloned().collect()
}

#[track_caller]
fn assert_same(run: &Path, whole: &BTreeMap<PathBuf, Vec<u8>>, what: &str) {
    let differing = difference(&everything(run), whole);
    assert!(differing.is_empty(), "{what}: {differing:?} differ");
}

/// Temporary files of a killed process.
fn half_written(run: &Path) -> Vec<PathBuf> {
    let is_half = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(WRITING);
    files(run).into_iter().filter(is_half).collect()
}

/// Checks that every file with a final name can be read.
#[track_caller]
fn assert_whole_files(run: &Path) {
    let half = half_written(run);
    for path in files(run).into_iter().filter(|path| !half.contains(path)) {
        let shown = path.display();
        let bytes = || fs::read(&path).unwrap();
        match path.extension().and_then(|extension| extension.to_str()).unwrap() {
            "ckpt" => _ = Checkpoint::load(&path).unwrap(),
            "gen" => assert!(Model::parse(&aligned(bytes())).is_ok(), "{shown}"),
            "png" => assert!(image::load_from_memory(&bytes()).is_ok(), "{shown}"),
            "toml" => _ = toml::from_str::<toml::Table>(&String::from_utf8(bytes()).unwrap()).expect("TOML"),
            "svg" => assert!(bytes().ends_with(b"</svg>\n"), "{shown}"),
            "html" => assert!(bytes().trim_ascii_end().ends_with(b"</html>"), "{shown}"),
            "jsonl" => _ = silent(|| metrics::load_all(&path, u64::MAX)).unwrap(),
            "txt" if path.ends_with("log.txt") => {}
            "txt" => assert!(bytes().ends_with(b"\n"), "{shown}"),
            _ => panic!("{shown} is of no kind that a run writes"),
        }
    }
}

/// A recipe that is smaller than that of other tests, because only the written files matter here.
fn small() -> Config {
    let mut config = measured();
    config.generator.layers.remove(3);
    config.discriminator.layers.remove(2);
    (config.augment.translate, config.augment.cutout) = (2.0, 8.0);
    config.steps = 30;
    config.every = Every { log: 4, sample: 10, checkpoint: 5, pair: None, measure: Some(12) };
    config
}

/// A folder with this recipe in two versions, without and with measurements.
fn place() -> Place {
    let place = Place::new();
    let mut config = small();
    fs::write(place.path().join("measured.toml"), config.to_toml()).unwrap();
    config.every.measure = None;
    fs::write(place.path().join("tiny.toml"), config.to_toml()).unwrap();
    place
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

impl Place {
    fn at(&self, name: &str) -> PathBuf {
        self.path().join("runs").join(name)
    }

    /// The program's message when it fails.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(!text.contains("panicked"), "{arguments:?}: {text}");
        text
    }

    #[track_caller]
    fn resume(&self, name: &str) -> String {
        self.run_well(&["resume", &format!("runs/{name}")])
    }

    /// A copy of a run, to be damaged.
    fn copy(&self, from: &str, to: &str) -> Folder {
        for path in files(&self.at(from)) {
            let copy = self.at(to).join(path.strip_prefix(self.at(from)).unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(path, copy).unwrap();
        }
        self.folder(to)
    }
}

/// Puts a run back to the state of having been stopped at a checkpoint.
fn go_back(folder: &Folder, step: u64) {
    for (at, path) in folder.steps("checkpoints", "ckpt").unwrap() {
        if at > step {
            fs::remove_file(path).unwrap();
        }
    }
}

/// The step of the best snapshot.
fn best_step(folder: &Folder) -> u64 {
    Checkpoint::load(&folder.file("best.ckpt")).unwrap().state.step
}

fn random(seed: u64) -> Xoshiro128PlusPlus {
    Xoshiro128PlusPlus::seed_from_u64(seed)
}

/// Prints a text even if the test passes.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
