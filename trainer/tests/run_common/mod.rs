//! Functions that several tests of runs need: a small recipe, and a folder to run the program in.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use trainer::config::Config;
use trainer::run::metrics::{self, Measured, Row};
use trainer::run::{Checkpoint, Folder};

use crate::logged::silent;

/// A recipe small enough to train in seconds, with all kinds of layers and dropout.
pub fn tiny() -> Config {
    let mut config = Config::preset("pocket").unwrap();
    let tutorial = Config::preset("tutorial").unwrap();
    config.name = "tiny".into();
    config.batch = 6;
    config.steps = 60;
    config.every.log = 7;
    config.every.sample = 25;
    config.every.checkpoint = 10;
    config.every.measure = None;
    (config.small_dataset, config.quantise) = Default::default();
    for layer in &mut config.generator.layers[..4] {
        layer.channels = 6;
    }
    for layer in &mut config.discriminator.layers[..3] {
        layer.channels = 8;
    }
    // One layer with each normalisation, and joint steps for the one that has them.
    let normalised = &mut config.discriminator.layers[1];
    (normalised.batch_norm, normalised.layer_norm) = (true, false);
    config.joint_batch_norm = 20;
    config.discriminator.layers[3].dropout = tutorial.discriminator.layers[4].dropout;
    config.labels.noise = tutorial.labels.noise;
    config
}

/// The recipe [`tiny`] with measurements of quality.
pub fn measured() -> Config {
    let mut config = tiny();
    config.every.measure = Some(15);
    config
}

/// A folder with these recipes, `tiny.toml` and `measured.toml`, and 20 pictures.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path().join("tiny.toml"), tiny().to_toml()).unwrap();
        fs::write(place.path().join("measured.toml"), measured().to_toml()).unwrap();
        fs::create_dir(place.path().join("pictures")).unwrap();
        (0..20).for_each(|i| place.add_picture(i));
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn add_picture(&self, i: u8) {
        let colour = |x: u32, y: u32| image::Rgb([i * 5, (x * 6) as u8, (y * 7) as u8]);
        image::RgbImage::from_fn(40, 32, colour).save(self.path().join(format!("pictures/{i}.png"))).unwrap();
    }

    /// Starts the run that will be called `name`, and kills it when its metrics have this many lines,
    /// whatever it is doing at that moment.
    #[cfg(unix)]
    pub fn run_and_kill(&self, arguments: &[&str], name: &str, lines: usize) {
        use std::os::unix::process::ExitStatusExt as _;

        let mut child = self.command(arguments).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let metrics = self.path().join("runs").join(name).join("metrics.jsonl");
        while child.try_wait().unwrap().is_none() {
            if fs::read_to_string(&metrics).is_ok_and(|text| text.lines().count() >= lines) {
                child.kill().unwrap(); // SIGKILL
            }
        }
        assert_eq!(child.wait().unwrap().signal(), Some(9), "the run was over before it could be killed");
    }

    /// A command that runs the program in this folder, without the user's environment and network.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        // The program must not believe that cargo started it.
        command.env_remove("CARGO");
        command.env_remove("CIFAR10_DIR").env("RIBBIT_OFFLINE", "1").env("RIBBIT_CACHE", self.path().join("cache"));
        command.env("KERAS_HOME", self.path().join("keras"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn run_well(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}");
        text
    }

    pub fn folder(&self, name: &str) -> Folder {
        self.folder_in("runs", name)
    }

    pub fn folder_in(&self, runs: &str, name: &str) -> Folder {
        Folder::open(&self.path().join(runs).join(name)).unwrap()
    }
}

/// Presses Ctrl-C as soon as `is_time`, and returns what the program answers. Panics if the program ends before.
#[cfg(unix)]
pub fn interrupt(mut child: Child, is_time: impl Fn() -> bool) -> Output {
    while !is_time() {
        assert!(child.try_wait().unwrap().is_none(), "the run is over");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    child.wait_with_output().unwrap()
}

pub const TINY: [&str; 4] = ["--config", "tiny.toml", "--data", "pictures"];
pub const MEASURED: [&str; 4] = ["--config", "measured.toml", "--data", "pictures"];

pub fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    TINY.into_iter().chain(more.iter().copied()).collect()
}

/// The metrics of a run; panics if a line is incomplete.
pub fn lines(folder: &Folder) -> (Vec<Row>, Vec<Measured>) {
    let lines = silent(|| metrics::load_all(&folder.file("metrics.jsonl"), u64::MAX)).unwrap();
    (lines.rows, lines.measured)
}

/// The results of a run that must not depend on interruptions, threads or time.
pub fn result(folder: &Folder) -> (Checkpoint, Vec<Row>, Vec<u8>, Vec<u8>) {
    let mut checkpoint = silent(|| folder.latest()).unwrap();
    checkpoint.seconds = 0.0;
    let mut rows = lines(folder).0;
    for row in &mut rows {
        (row.seconds, row.pictures_per_second) = (0.0, 0.0);
    }
    let read = |name: &str| fs::read(folder.file(name)).unwrap();
    (checkpoint, rows, read("model.gen"), read("samples.png"))
}
