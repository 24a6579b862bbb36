//! Full and read-only disks: tests with mounts in a separate mount namespace, which end with the test.

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
