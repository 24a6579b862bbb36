//! Tests of what the program prints and logs, and that nothing is lost when its output is closed.

use std::fs::{self, File};
use std::process::{Output, Stdio};

#[cfg(unix)]
use crate::run_common::interrupt;
use crate::run_common::{Place, result, with};

/// A closed pipe for standard output or error.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[cfg(target_os = "linux")]
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Ways in which writing to standard error can fail.
fn dead_ends() -> Vec<fn() -> Stdio> {
    let mut all: Vec<fn() -> Stdio> = vec![closed];
    #[cfg(target_os = "linux")]
    all.push(full);
    all
}

#[test]
fn a_run_goes_on_when_nobody_reads_its_messages() {
    let place = Place::new();
    place.run_well(&with(&[]));
    let whole = result(&place.folder("001-tiny"));
    for (i, dead_end) in dead_ends().into_iter().enumerate() {
        let output = place.command(&with(&[])).stderr(dead_end()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let folder = place.folder(&format!("{:03}-tiny", i + 2));
        assert!(result(&folder) == whole);
        assert!(fs::read_to_string(folder.file("log.txt")).unwrap().contains("INFO  step"), "nothing was logged");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_exports_when_nobody_reads_its_messages() {
    for dead_end in dead_ends() {
        let place = Place::new();
        let child = place.command(&with(&["--steps", "1000000"])).stderr(dead_end()).stdout(closed()).spawn().unwrap();
        let output = interrupt(child, || place.path().join("runs/001-tiny/metrics.jsonl").is_file());
        assert_eq!(output.status.code(), Some(130));
        let folder = place.folder("001-tiny");
        assert!(folder.file("model.gen").is_file() && folder.file("report.html").is_file());
        let log = fs::read_to_string(folder.file("log.txt")).unwrap();
        assert!(log.contains("WARN  stopping: saving and exporting"), "{log}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_an_error_and_no_panic() {
    let place = Place::new();
    place.run_well(&with(&["--steps", "2"]));
    let model = "runs/001-tiny/model.gen";
    for arguments in [
        &["presets", "pocket"][..],
        &["presets"],
        &["inspect", model],
        &["verify", model, "-n", "1"],
        &["sample", model, "-n", "1"],
        &["data", "--data", "pictures"],
        &["quantize", model, "-o", "again.gen"],
    ] {
        let output = place.command(arguments).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        assert!(errors(&output).contains("error: cannot print: No space left"), "{arguments:?}: {output:?}");
    }
    assert!(place.path().join("again.gen").is_file(), "the work is done all the same");
}

#[test]
fn quiet_and_verbose_change_what_is_shown_and_not_what_is_kept() {
    let place = Place::new();
    let shown = |more: &[&str]| {
        let output = place.run(&with(more));
        assert!(output.status.success(), "{output:?}");
        errors(&output)
    };
    let quiet = shown(&["--steps", "8", "-q"]);
    assert!(quiet.lines().all(|line| line.starts_with("warning: ")), "{quiet}");
    assert!(shown(&["--steps", "8"]).contains("run folder: "));
    assert!(shown(&["--steps", "8", "--verbose"]).contains("run folder: "));
    for name in ["001-tiny", "002-tiny"] {
        let log = fs::read_to_string(place.folder(name).file("log.txt")).unwrap();
        for line in log.lines() {
            let (time, message) = line.split_once(' ').unwrap();
            assert!(time.parse::<jiff::Timestamp>().is_ok() && !message.is_empty(), "{line}");
        }
        // The log also has messages from before the folder was created.
        assert!(log.contains("INFO  data: 20 pictures") && log.contains("INFO  run folder: "), "{log}");
    }
    // A global flag may follow the name of any command.
    let output = place.run(&["verify", "-q", "-n", "1"]);
    assert!(output.status.success() && errors(&output).is_empty(), "{output:?}");
    assert!(
        errors(&place.run(&["inspect", "nowhere.gen", "-q"])).starts_with("error: cannot read the model nowhere.gen")
    );
}

#[cfg(unix)]
#[test]
fn files_have_the_permissions_that_the_umask_leaves() {
    use std::os::unix::fs::PermissionsExt as _;

    for (umask, expected) in [("077", 0o600), ("022", 0o644), ("002", 0o664)] {
        let place = Place::new();
        let model = place.path().join("again.gen");
        let mut shell = std::process::Command::new("sh");
        let command = format!("umask {umask}; exec \"$0\" quantize model.gen -o again.gen");
        fs::copy(
            concat!(env!("CARGO_MANIFEST_DIR"), "/../models/pocket-drawn/model.gen"),
            place.path().join("model.gen"),
        )
        .unwrap();
        let output =
            shell.args(["-c", &command, env!("CARGO_BIN_EXE_trainer")]).current_dir(place.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(fs::metadata(model).unwrap().permissions().mode() & 0o777, expected, "umask {umask}");
    }
}

#[test]
fn a_log_goes_on_when_a_run_does() {
    let place = Place::new();
    place.run_well(&with(&["--steps", "8"]));
    place.run_well(&["resume", "runs/001-tiny", "--steps", "9"]);
    let log = fs::read_to_string(place.folder("001-tiny").file("log.txt")).unwrap();
    assert_eq!(log.matches("INFO  run folder: ").count(), 2, "{log}");
    assert!(log.contains("INFO  going on at step 8 of 9"), "{log}");
}
