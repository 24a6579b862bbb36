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

/// All files of a folder and its subfolders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// The contents of all files of a run, without values that depend on the time.
fn everything(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let timeless = |path: &Path| match path.file_name().unwrap().to_str().unwrap() {
        "report.html" | "log.txt" => Vec::new(),
        "metrics.jsonl" => {
            let (mut rows, mut scores) = silent(|| metrics::load_all(path, u64::MAX)).unwrap();
            rows.iter_mut().for_each(|row| (row.seconds, row.pictures_per_second) = (0.0, 0.0));
            scores.iter_mut().for_each(|line| line.seconds = 0.0);
            to_jsonl_all(&rows, &scores).into_bytes()
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
            "html" => assert!(bytes().ends_with(b"</html>"), "{shown}"),
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

fn random(seed: u64) -> Xoshiro128PlusPlus {
    Xoshiro128PlusPlus::seed_from_u64(seed)
}

/// Prints a text even if the test passes.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(unix)]
mod kills {
    use std::collections::BTreeSet;
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    /// When a process is killed.
    enum Moment {
        /// This long after its start.
        After(Duration),
        /// When it has been seen writing files this many times.
        Writing(usize),
    }

    /// Runs and kills the program; `false` if it ended before.
    fn kill(place: &Place, arguments: &[&str], run: &Path, moment: &Moment) -> bool {
        let mut child = place.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (start, mut seen) = (Instant::now(), BTreeSet::new());
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            let is_due = match moment {
                Moment::After(time) => start.elapsed() >= *time,
                Moment::Writing(count) => {
                    for folder in [".", "samples", "checkpoints", "pairs"] {
                        let entries = fs::read_dir(run.join(folder)).into_iter().flatten().flatten();
                        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
                        seen.extend(names.filter(|name| name.starts_with(WRITING)));
                    }
                    seen.len() >= *count
                }
            };
            if is_due {
                child.kill().unwrap(); // SIGKILL
                break child.wait().unwrap();
            }
            std::thread::sleep(Duration::from_micros(200));
        };
        assert!(status.signal() == Some(9) || status.success(), "{arguments:?}: {status}");
        !status.success()
    }

    /// What a run was doing when it was killed.
    fn stage(run: &Path) -> &'static str {
        let Ok(folder) = Folder::open(run) else { return "before its folder was made" };
        match folder.checkpoints().unwrap().last() {
            None => "before its first checkpoint",
            Some(last) => match Checkpoint::load(last).unwrap() {
                Checkpoint { state, .. } if state.step == 0 => "before its second checkpoint",
                Checkpoint { state, config, .. } if state.step < config.steps => "between two checkpoints",
                _ if !run.join("report.html").is_file() => "after its last checkpoint",
                _ => "after its report",
            },
        }
    }

    /// `KILLS=200 cargo test --workspace --test trainer faults::kills` for more of them.
    #[test]
    fn a_run_survives_kills_at_any_moment() {
        let kills: usize = std::env::var("KILLS").map_or(12, |text| text.parse().expect("KILLS is a number"));
        let place = place();
        let mut config = small();
        (config.every.pair, config.every.checkpoint, config.quantise.tune) = (Some(15), 3, 4);
        fs::write(place.path().join("measured.toml"), config.to_toml()).unwrap();
        let start = Instant::now();
        place.run_well(&MEASURED);
        let whole_time = start.elapsed();
        let whole = everything(&place.at("001-tiny"));
        assert!(whole.contains_key(Path::new("best.ckpt")) && whole.contains_key(Path::new("pairs/real-000030.png")));

        // Another number of kills uses other moments.
        let mut random = random(kills as u64);
        let (mut tally, mut writing, mut survived, mut done, mut runs) = (BTreeMap::new(), 0, 0, 0, 1);
        let mut failures = Vec::new();
        while done < kills {
            // A run, from its start to its end.
            runs += 1;
            let name = format!("{runs:03}-tiny");
            let (run, resume) = (place.at(&name), ["resume", &format!("runs/{name}")].map(str::to_owned));
            let (mut arguments, mut of_this, mut had_model) = (MEASURED.to_vec(), 0, false);
            let is_run = loop {
                let moment = if random.random::<bool>() {
                    Moment::After(whole_time.mul_f64(random.random_range(0.0..1.1)))
                } else {
                    Moment::Writing(random.random_range(1..=40))
                };
                if done == kills || !kill(&place, &arguments, &run, &moment) {
                    break true;
                }
                (done, of_this) = (done + 1, of_this + 1);
                let stage = stage(&run);
                let life = if arguments.len() > 2 { "in its first life" } else { "resumed" };
                *tally.entry((life, stage)).or_insert(0) += 1;
                if run.exists() {
                    writing += usize::from(!half_written(&run).is_empty());
                    assert_whole_files(&run);
                    assert!(run.join("model.gen").exists() || !had_model, "a model is gone");
                    had_model = run.join("model.gen").exists();
                }
                if ["before its folder was made", "before its first checkpoint"].contains(&stage) {
                    let text = place.fails(&[&resume[0], &resume[1]]);
                    let expected = ["there is no run folder", "is no run folder", "start it again"];
                    assert!(expected.iter().any(|words| text.contains(words)), "{text}");
                    survived += of_this;
                    break false;
                }
                arguments = resume.iter().map(String::as_str).collect();
            };
            if is_run {
                // Resuming is always possible: it changes nothing in a finished run.
                if run.exists() {
                    place.resume(&name);
                } else {
                    place.run_well(&MEASURED);
                }
                match difference(&everything(&run), &whole) {
                    differing if differing.is_empty() => survived += of_this,
                    differing => failures.push((name, differing)),
                }
            } else if !run.exists() {
                runs -= 1;
            }
        }
        say(&format!("{survived} of {done} kills survived; {writing} of them while a file was being written"));
        for ((life, stage), count) in &tally {
            say(&format!("    {count:>4} {life}, {stage}"));
        }
        assert!(failures.is_empty(), "{failures:?}");
        assert!(writing > 0 || kills < 100, "no kill hit a file that was being written");
    }

    #[test]
    fn two_processes_are_not_let_into_one_run() {
        let place = place();
        let mut child =
            place.command(&with(&["--steps", "1000000"])).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        while !place.at("001-tiny").join("metrics.jsonl").is_file() {
            assert!(child.try_wait().unwrap().is_none(), "it is over");
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = place.fails(&["resume", "runs/001-tiny"]);
        assert!(text.contains("another trainer is at work in runs/001-tiny"), "{text}");
        child.kill().unwrap();
        child.wait().unwrap();
        // The lock is free when its process has ended, in whatever way.
        assert!(place.folder("001-tiny").take().unwrap().is_some());
    }

    /// Modification times of files must not matter.
    #[test]
    fn a_clock_that_jumps_changes_nothing() {
        let place = place();
        place.run_well(&MEASURED);
        let whole = everything(&place.at("001-tiny"));
        for (name, time) in
            [("002-tiny", SystemTime::UNIX_EPOCH), ("003-tiny", SystemTime::now() + Duration::from_secs(1 << 30))]
        {
            place.run_and_kill(&MEASURED, name, 2);
            for path in [&place.at(name), &place.path().join("pictures")].into_iter().flat_map(|path| files(path)) {
                File::open(path).unwrap().set_modified(time).unwrap();
            }
            place.resume(name);
            assert_same(&place.at(name), &whole, name);
        }
    }
}

/// Tests with mounts in a separate mount namespace, which end with the test.
#[cfg(target_os = "linux")]
mod disks {
    use super::*;

    impl Place {
        /// Runs a shell script that may mount file systems. `None`, with a message, if the system forbids that.
        fn mounted(&self, script: &str) -> Option<Output> {
            let shell = |script: &str| {
                let inner = self.command(&[]);
                let mut command = Command::new("unshare");
                command.args(["--mount", "--map-root-user", "sh", "-c", script]).current_dir(self.path());
                for (name, value) in inner.get_envs() {
                    if let Some(value) = value {
                        command.env(name, value);
                    }
                }
                command.env_remove("CIFAR10_DIR").env("TRAINER", inner.get_program()).stdin(Stdio::null()).output()
            };
            fs::create_dir_all(self.path().join("runs")).unwrap();
            match shell("mount -t tmpfs -o size=64k tmpfs runs") {
                Ok(output) if output.status.success() => Some(shell(script).unwrap()),
                why => {
                    let why = why.map_or_else(|error| error.to_string(), |output| said(&output));
                    say(&format!("LEFT OUT, full and read-only disks: nothing can be mounted here: {}", why.trim()));
                    None
                }
            }
        }
    }

    #[test]
    fn a_full_disk_stops_a_run_which_then_goes_on() {
        let place = place();
        place.run_well(&MEASURED);
        fs::rename(place.path().join("runs"), place.path().join("good")).unwrap();
        let whole_run = place.path().join("good/001-tiny");
        let whole = everything(&whole_run);
        let pages: u64 = files(&whole_run).iter().map(|path| fs::metadata(path).unwrap().len().div_ceil(4096)).sum();

        let mut resumed = 0;
        for percent in [4, 40, 60, 80, 95] {
            let script = format!(
                "mount -t tmpfs -o size={}k tmpfs runs
                 \"$TRAINER\" {train} >log 2>&1; echo $? >code
                 rm -rf between after; cp -a runs between
                 mount -o remount,size=100m runs
                 [ ! -d runs/001-tiny ] || \"$TRAINER\" resume runs/001-tiny; cp -a runs after",
                pages * 4 * percent / 100,
                train = MEASURED.join(" ")
            );
            let Some(output) = place.mounted(&script) else { return };
            let [log, code] = ["log", "code"].map(|name| fs::read_to_string(place.path().join(name)).unwrap());
            assert_eq!(code.trim(), "1", "{percent} %: {log}");
            for expected in ["cannot write runs/001-tiny/", "No space left", "The disk is full: make room"] {
                assert!(log.contains(expected), "{percent} %: no {expected} in {log}");
            }
            let between = place.path().join("between/001-tiny");
            if !between.exists() {
                // The run had not begun.
                assert!(!log.contains("resume"), "{log}");
                continue;
            }
            assert!(log.contains("trainer resume runs/001-tiny"), "{percent} %: {log}");
            assert!(half_written(&between).is_empty(), "{percent} %");
            assert_whole_files(&between);
            assert!(output.status.success(), "{percent} %: {}", said(&output));
            assert_same(&place.path().join("after/001-tiny"), &whole, &format!("{percent} %"));
            resumed += 1;
        }
        assert!((2..5).contains(&resumed), "{resumed} of the runs had begun when the disk was full");
    }

    #[test]
    fn a_folder_that_becomes_read_only_stops_a_run_which_then_goes_on() {
        let place = place();
        place.run_well(&with(&[]));
        let whole = everything(&place.at("001-tiny"));
        let read_only = |folder: &str, command: &str| {
            place.mounted(&format!(
                "mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && \"$TRAINER\" {command}"
            ))
        };
        for (i, folder) in ["samples", "checkpoints", "."].into_iter().enumerate() {
            let name = format!("{:03}-tiny", i + 2);
            go_back(&place.copy("001-tiny", &name), 20);
            let Some(output) = read_only(&format!("runs/{name}/{folder}"), &format!("resume runs/{name}")) else {
                return;
            };
            let text = said(&output);
            assert_eq!(output.status.code(), Some(1), "{folder}: {text}");
            for expected in [&format!("cannot write runs/{name}/"), "Read-only file system", "not allowed there"] {
                assert!(text.contains(expected), "{folder}: no {expected} in {text}");
            }
            assert_whole_files(&place.at(&name));
            place.resume(&name);
            assert_same(&place.at(&name), &whole, folder);
        }
        // The error must come before any training.
        fs::create_dir(place.path().join("out")).unwrap();
        let text = said(&read_only("out", &with(&["--out", "out"]).join(" ")).unwrap());
        for expected in ["cannot make the folder out/001-tiny", "Read-only file system", "choose another folder"] {
            assert!(text.contains(expected), "no {expected} in {text}");
        }
        assert!(!text.contains("Run folder") && files(&place.path().join("out")).is_empty(), "{text}");
    }
}

/// Truncates a file, or flips one of its bits.
fn damage(path: &Path, random: &mut Xoshiro128PlusPlus) {
    let mut bytes = fs::read(path).unwrap();
    let at = random.random_range(0..bytes.len() as u64) as usize;
    if random.random::<bool>() {
        bytes.truncate(at);
    } else {
        bytes[at] ^= 1 << random.random_range(0..8u32);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_last_checkpoint_that_is_whole_is_used() {
    let place = place();
    place.run_well(&MEASURED);
    let whole = everything(&place.at("001-tiny"));
    let folder = place.copy("001-tiny", "002-tiny");
    // This test is about the checkpoints only.
    fs::remove_file(folder.file("best.ckpt")).unwrap();
    let [oldest, middle, newest]: [PathBuf; 3] = folder.checkpoints().unwrap().try_into().expect("three are kept");
    let steps = folder.steps("checkpoints", "ckpt").unwrap();
    for (step, _) in steps {
        assert_eq!(folder.latest_of(|found| found == step).unwrap().state.step, step);
    }
    let mut random = random(3);
    let mut step = |damaged: &[&PathBuf]| {
        let before: Vec<_> = damaged.iter().map(|path| fs::read(path).unwrap()).collect();
        damaged.iter().for_each(|path| damage(path, &mut random));
        let (found, said) = logged(|| folder.latest());
        let said = said.join("\n");
        for (path, bytes) in damaged.iter().zip(before) {
            assert!(said.contains(path.to_str().unwrap()), "{said}");
            fs::write(path, bytes).unwrap();
        }
        found.map(|checkpoint| folder.checkpoint(checkpoint.state.step))
    };
    for _ in 0..50 {
        assert_eq!(step(&[&newest]).unwrap(), middle);
        assert_eq!(step(&[&newest, &middle]).unwrap(), oldest);
        let error = step(&[&newest, &middle, &oldest]).unwrap_err().to_string();
        assert!(error.contains("Start it again, with --config") && error.contains("002-tiny/config.toml"), "{error}");
    }

    // The program also ends with the same result from the best snapshot alone.
    let best = best_step(&place.folder("001-tiny"));
    for (name, damaged) in [("003-tiny", 1), ("004-tiny", 2), ("005-tiny", 3)] {
        let folder = place.copy("001-tiny", name);
        let all = folder.steps("checkpoints", "ckpt").unwrap();
        all.iter().rev().take(damaged).for_each(|(_, path)| damage(path, &mut random));
        let last = all.iter().rev().nth(damaged).map_or(best, |(step, _)| {
            fs::remove_file(folder.file("best.ckpt")).unwrap();
            *step
        });
        let text = place.resume(name);
        assert!(text.contains("is no usable checkpoint"), "{text}");
        assert!(text.contains(&format!("going on at step {last} of 30")), "{damaged} damaged: {text}");
        let mut expected = whole.clone();
        for (_, path) in all.iter().filter(|(step, _)| *step < last) {
            // A damaged checkpoint that is no longer needed.
            if Checkpoint::load(path).is_err() {
                fs::remove_file(path).unwrap();
                expected.remove(path.strip_prefix(folder.path()).unwrap());
            }
        }
        assert_same(folder.path(), &expected, name);
    }
    let folder = place.copy("001-tiny", "006-tiny");
    folder.checkpoints().unwrap().iter().chain([&folder.file("best.ckpt")]).for_each(|path| damage(path, &mut random));
    assert!(place.fails(&["resume", "runs/006-tiny"]).contains("cannot be resumed. Start it again"));
}

#[test]
fn a_damaged_sample_does_not_keep_a_run_from_ending() {
    let place = place();
    place.run_well(&with(&[]));
    let whole = everything(&place.at("001-tiny"));
    let folder = place.copy("001-tiny", "002-tiny");
    go_back(&folder, 20);
    let sample = folder.file("samples/step-000010.png");
    let bytes = fs::read(&sample).unwrap();
    fs::write(&sample, &bytes[..bytes.len() / 2]).unwrap();
    let text = place.resume("002-tiny");
    assert!(text.contains("step-000010.png") && text.contains("the report leaves it out"), "{text}");
    fs::write(&sample, bytes).unwrap();
    assert_same(&place.at("002-tiny"), &whole, "a damaged sample");
}

#[test]
fn damaged_checkpoints_of_later_steps_do_not_push_out_new_ones() {
    let place = place();
    place.run_well(&with(&[]));
    let folder = place.folder("001-tiny");
    let whole = everything(folder.path());
    let [oldest, middle, newest]: [PathBuf; 3] = folder.checkpoints().unwrap().try_into().expect("three are kept");
    let first = Checkpoint::load(&oldest).unwrap();
    // Renames them to much later steps.
    for (path, step) in [(&oldest, 70), (&middle, 80), (&newest, 90)] {
        fs::rename(path, folder.checkpoint(step)).unwrap();
        fs::write(folder.checkpoint(step), "damaged").unwrap();
    }
    folder.save(&first).unwrap();
    place.resume("001-tiny");
    for step in [70, 80, 90] {
        fs::remove_file(folder.checkpoint(step)).unwrap();
    }
    assert_same(folder.path(), &whole, "resumed");
}

#[test]
fn damaged_files_of_the_best_snapshot_are_written_anew() {
    let place = place();
    // The best snapshot must be one of the three checkpoints, and not the last.
    let mut config = small();
    config.every.measure = Some(25);
    fs::write(place.path().join("measured.toml"), config.to_toml()).unwrap();
    place.run_well(&MEASURED);
    let folder = place.folder("001-tiny");
    let mut last = Checkpoint::load(&folder.checkpoint(30)).unwrap();
    let best = last.health.best.as_mut().unwrap();
    (best.step, best.lowest) = (25, 1e-9);
    fs::copy(folder.checkpoint(25), folder.file("best.ckpt")).unwrap();
    fs::write(folder.checkpoint(30), last.encode().unwrap()).unwrap();
    place.run_well(&["quantize", "runs/001-tiny/best.ckpt", "-o", "runs/001-tiny/best.gen"]);
    place.resume("001-tiny");
    let whole = everything(folder.path());
    for (i, file) in ["best.ckpt", "best.gen", "model.gen"].into_iter().enumerate() {
        let name = format!("{:03}-tiny", i + 2);
        let path = place.copy("001-tiny", &name).file(file);
        damage(&path, &mut random(i as u64));
        assert!(place.resume(&name).contains("is damaged: all are written again from step 25"), "{file}");
        assert_same(&place.at(&name), &whole, file);
    }
}

#[test]
fn damaged_notes_of_a_run_are_mended_or_asked_for() {
    let place = place();
    place.run_well(&with(&[]));
    let whole = everything(&place.at("001-tiny"));
    let mut case = 1;
    let mut copy = || {
        case += 1;
        let name = format!("{case:03}-tiny");
        let folder = place.copy("001-tiny", &name);
        go_back(&folder, 20);
        (name, folder)
    };
    // Losses are only for people: lost lines stay lost, with a warning.
    let losses = fs::read(place.at("001-tiny").join("metrics.jsonl")).unwrap();
    let line = losses.iter().position(|&byte| byte == b'\n').unwrap();
    let garbage = [&losses[..line / 2], b"\xff\xfe\n", &losses[line + 1..]].concat();
    for (bytes, expected) in [
        (Some(&garbage[..]), "metrics.jsonl: damaged lines, which are left out: 1"),
        (Some(&losses[..3 * line]), "lines before the checkpoint are missing"),
        (None, "lines before the checkpoint are missing"),
    ] {
        let (name, folder) = copy();
        match bytes {
            Some(bytes) => fs::write(folder.file("metrics.jsonl"), bytes).unwrap(),
            None => fs::remove_file(folder.file("metrics.jsonl")).unwrap(),
        }
        let text = place.resume(&name);
        assert!(text.contains(expected), "no {expected} in {text}");
        let differing = difference(&everything(&place.at(&name)), &whole);
        assert_eq!(differing, ["losses.svg", "metrics.jsonl"].map(PathBuf::from));
    }
    // The recipe is restored from the checkpoint.
    for text in ["", "name = \"tiny", "\0\0\0"] {
        let (name, folder) = copy();
        fs::write(folder.file("config.toml"), text).unwrap();
        assert!(place.resume(&name).contains("written again from the checkpoint"));
        assert_same(folder.path(), &whole, "config.toml");
    }
    // The path of the pictures is not in the checkpoint.
    let (name, folder) = copy();
    fs::write(folder.file("data.toml"), "name = \"20 pict").unwrap();
    let text = place.fails(&["resume", &format!("runs/{name}")]);
    assert!(text.contains("data.toml is missing or damaged. Write where the pictures are"), "{text}");
    fs::write(folder.file("data.toml"), "path = \"nowhere\"").unwrap();
    let text = place.fails(&["resume", &format!("runs/{name}")]);
    assert!(text.contains("there is nothing at nowhere") && text.contains("--data PATH"), "{text}");
    fs::write(folder.file("data.toml"), format!("path = \"{}\"", place.path().join("pictures").display())).unwrap();
    place.resume(&name);
    // The data set's name contains the new path.
    assert_eq!(difference(&everything(folder.path()), &whole), [PathBuf::from("data.toml")]);
    assert_eq!(folder.data_ref().unwrap().fingerprint, place.folder("001-tiny").data_ref().unwrap().fingerprint);
}

#[test]
fn pictures_may_go_while_a_run_is_at_work_and_must_be_back_when_it_goes_on() {
    let place = place();
    place.run_well(&with(&[]));
    let whole = everything(&place.at("001-tiny"));
    let pictures = place.path().join("pictures");

    // The pictures are read only once.
    let mut child = place.command(&with(&[])).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    while !place.at("002-tiny").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it is over");
        std::thread::sleep(Duration::from_millis(1));
    }
    fs::rename(&pictures, place.path().join("away")).unwrap();
    assert!(child.wait().unwrap().success());
    assert_same(&place.at("002-tiny"), &whole, "pictures that are gone");
    fs::rename(place.path().join("away"), &pictures).unwrap();

    go_back(&place.folder("002-tiny"), 20);
    let before = everything(&place.at("002-tiny"));
    let seven = pictures.join("7.png");
    let good = fs::read(&seven).unwrap();
    let check = |expected: &str| {
        let text = place.fails(&["resume", "runs/002-tiny"]);
        assert!(text.contains(expected) && text.contains("Put them back as they were"), "no {expected} in {text}");
        assert_same(&place.at("002-tiny"), &before, expected);
        fs::write(&seven, &good).unwrap();
    };
    fs::write(&seven, &good[..good.len() / 2]).unwrap();
    check("7.png: corrupt");
    fs::write(&seven, "no picture").unwrap();
    check("7.png: not a picture");
    fs::remove_file(&seven).unwrap();
    check("7.png: it is gone");
    fs::copy(pictures.join("8.png"), &seven).unwrap();
    check("7.png: it has changed");
    place.add_picture(30);
    check("30.png: it is new");
    fs::remove_file(pictures.join("30.png")).unwrap();
    place.resume("002-tiny");
    assert_same(&place.at("002-tiny"), &whole, "pictures that are back");
}

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

fn best_step(folder: &Folder) -> u64 {
    Checkpoint::load(&folder.file("best.ckpt")).unwrap().state.step
}

fn best(folder: &Folder) -> [Vec<u8>; 2] {
    ["best.ckpt", "best.gen"].map(|name| fs::read(folder.file(name)).unwrap())
}

fn set_rate(network: &mut NetworkConfig, rate: f32) {
    let (Optimiser::Adam { lr, .. } | Optimiser::RmsProp { lr, .. }) = &mut network.optimiser;
    *lr = rate;
}

/// Every kind of alert is raised and answered by rolling back to the best snapshot.
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
            // Only the last biases change, permanently: every picture is white.
            set_rate(&mut c.config.generator, 1e-9);
            for weights in [&mut c.state.generator, &mut c.state.average] {
                let biases = weights.len() - 3;
                weights[..biases].fill(0.0);
                weights[biases..].fill(9.0);
            }
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
