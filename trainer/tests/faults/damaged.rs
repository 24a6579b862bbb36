//! Damaged files of a run, and training pictures that change during it.

use super::*;

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
