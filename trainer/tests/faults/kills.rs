//! Kills at any moment, clocks that jump, and runs in the same folder.

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
            _ if !run.join("play.html").is_file() => "after its last checkpoint",
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
