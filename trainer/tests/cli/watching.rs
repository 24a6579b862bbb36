//! How people watch a run: the report while it goes on, TensorBoard, animations.

use std::fs;
use std::io::BufReader;

use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder as _, Frame, RgbaImage};

use super::SHIPPED;
use crate::run_common::{Place, lines, with};

/// The frames of a GIF that the program wrote.
fn frames(place: &Place, name: &str) -> Vec<Frame> {
    let file = fs::File::open(place.path().join(name)).unwrap();
    GifDecoder::new(BufReader::new(file)).unwrap().into_frames().collect_frames().unwrap()
}

/// Mean difference of two pictures in pixel values.
fn difference(a: &RgbaImage, b: &RgbaImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.as_raw().len() as f64
}

#[cfg(unix)]
#[test]
fn the_report_is_there_while_the_run_goes_on() {
    use std::cell::RefCell;
    use std::process::Stdio;

    use crate::run_common::interrupt;

    let place = Place::new();
    let child = place
        .command(&with(&["--steps", "1000000", "--set", "every.log=5"]))
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let path = place.path().join("runs/001-tiny/report.html");
    let (first, later) = (RefCell::new(String::new()), RefCell::new(String::new()));
    let output = interrupt(child, || {
        if let Ok(page) = fs::read_to_string(&path) {
            assert!(page.ends_with("</html>"), "half a page");
            if first.borrow().is_empty() {
                first.replace(page.clone());
            }
            // A page with losses is not the first one.
            if page.contains("<h2>Losses</h2>") {
                later.replace(page);
            }
        }
        !later.borrow().is_empty()
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("watch it in a browser: runs/001-tiny/report.html"), "{said}");
    let (first, later) = (first.into_inner(), later.into_inner());
    assert!(first.contains("Training: step 0 of 1,000,000. "), "the first page");
    for page in [&first, &later] {
        for part in ["http-equiv=\"refresh\"", "generated: float, at step", "real pictures that it is trained on"] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("play.html"));
    }
    assert!(!later.contains("step 0 of") && later.contains(" left. This page"), "the time that is left");
    // After the end it is the whole report, and stands still.
    let last = fs::read_to_string(&path).unwrap();
    assert!(last.contains("play.html") && !last.contains("refresh") && !last.contains("Training: step"));
}

/// Number of whole records in an event file.
fn records(file: &[u8]) -> usize {
    let (mut rest, mut count) = (file, 0);
    while let Some((length, more)) = rest.split_first_chunk::<8>() {
        rest = more.get(4 + u64::from_le_bytes(*length) as usize + 4..).expect("a record is cut off");
        count += 1;
    }
    assert!(rest.is_empty());
    count
}

/// `tests/run.sh` reads such a file with TensorBoard itself.
#[test]
fn an_event_file_has_all_metrics_and_samples_also_after_a_resume() {
    let place = Place::new();
    let arguments = ["--config", "measured.toml", "--data", "pictures", "--steps", "30", "--tensorboard"];
    place.run_well(&arguments);
    let folder = place.folder("001-tiny");
    let events = || {
        let mut files = fs::read_dir(folder.file("tensorboard")).unwrap().flatten();
        let one = files.next().unwrap();
        assert!(files.next().is_none(), "more than one event file");
        records(&fs::read(one.path()).unwrap())
    };
    // The first record is the version. Samples are of steps 0, 25 and the last.
    let expected = |samples: usize| {
        let (rows, measured) = lines(&folder);
        assert!(!rows.is_empty() && !measured.is_empty());
        1 + rows.len() + measured.len() + samples
    };
    assert_eq!(events(), expected(3));
    place.run_well(&["resume", "runs/001-tiny", "--steps", "55"]);
    assert_eq!(events(), expected(5)); // and 30, 50, 55, of which 30 was there

    place.run_well(&with(&["--steps", "8"]));
    assert!(!place.folder("002-tiny").file("tensorboard").exists());
    place.run_well(&["resume", "runs/002-tiny", "--steps", "16", "--tensorboard"]);
    assert!(place.folder("002-tiny").file("tensorboard").is_dir());
}

#[test]
fn a_walk_as_an_animation_passes_the_pictures_and_returns() {
    let place = Place::new();
    let one = |seed: u32| {
        place.run_well(&["sample", SHIPPED, "-n", "1", "--seed", &seed.to_string(), "--pngs", "one"]);
        image::open(place.path().join(format!("one/{seed:06}.png"))).unwrap().to_rgba8()
    };
    let text =
        place.run_well(&["walk", SHIPPED, "--gif", "--rows", "3", "--seed", "7", "--steps", "5", "--scale", "1"]);
    assert!(text.contains("row 3: 9 to 7") && text.contains("walk.gif (12 pictures, 80 ms each)"), "{text}");
    assert!(!place.path().join("walk.png").exists());
    let walk = frames(&place, "walk.gif");
    assert_eq!(walk.len(), 12);
    for (frame, seed) in [(0, 7), (4, 8), (8, 9)] {
        let differences = [7, 8, 9].map(|other| difference(walk[frame].buffer(), &one(other)));
        // 256 colours are not all that a picture has.
        assert!(differences[seed - 7] < 8.0, "frame {frame}: {differences:?}");
        assert_eq!(differences.iter().filter(|&&d| d < 8.0).count(), 1, "frame {frame}: {differences:?}");
    }

    let text = place
        .run_well(&["walk", SHIPPED, "--from", "3", "--to", "8", "--steps", "2", "--gif", "to.gif", "--ms", "300"]);
    assert!(text.contains("row 2: 8 to 3"), "{text}");
    let [first, second] = &frames(&place, "to.gif")[..] else { panic!("two frames") };
    assert_eq!(first.buffer().dimensions(), (32 * 8, 32 * 8));
    assert_eq!(second.delay().numer_denom_ms(), (300, 1));
    for (arguments, says) in [
        (&["walk", "--gif", "x.png"][..], "a name such as x.gif"),
        (&["walk", "--gif", "--out", "x.png"], "cannot be used with"),
        (&["walk", "--ms", "50"], "--gif"),
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(says), "{arguments:?}");
    }
}

#[test]
fn a_timelapse_has_the_samples_of_a_run() {
    let place = Place::new();
    place.run_well(&with(&["--set", "every.sample=10"]));
    let text = place.run_well(&["timelapse", "runs/001-tiny", "--gif"]);
    assert!(text.contains("timelapse.gif (7 frames, from step 0 to step 60)"), "{text}");
    let all = frames(&place, "timelapse.gif");
    assert_eq!(all.len(), 7);
    let folder = place.folder("001-tiny");
    for (frame, step) in all.iter().zip((0..=60).step_by(10)) {
        let sheet = image::open(folder.file(&format!("samples/step-{step:06}.png"))).unwrap().to_rgba8();
        let (width, height) = sheet.dimensions();
        assert_eq!(frame.buffer().dimensions(), (width, height + 6));
        let shown = image::imageops::crop_imm(frame.buffer(), 0, 0, width, height).to_image();
        assert!(difference(&shown, &sheet) < 4.0, "step {step}: {}", difference(&shown, &sheet));
        let green = (0..width).filter(|&x| frame.buffer().get_pixel(x, height + 3)[1] > 100).count() as f64;
        assert!((green / f64::from(width) - f64::from(step) / 60.0).abs() < 0.02, "step {step}: {green} of {width}");
    }
    assert_eq!(all.last().unwrap().delay().numer_denom_ms().0, 3000);

    // Of many samples some are left out, never the last. A damaged one is left out too, and named.
    fs::write(folder.file("samples/step-000020.png"), "no picture").unwrap();
    let text = place.run_well(&["timelapse", "runs/001-tiny", "--frames", "4", "--gif", "few.gif"]);
    assert!(text.contains("3 frames, from step 0 to step 60") && text.contains("step-000020.png"), "{text}");

    place.run_well(&with(&["--steps", "1"]));
    fs::remove_file(place.folder("002-tiny").file("samples/step-000001.png")).unwrap();
    for (run, says) in [("runs/002-tiny", "fewer than two samples"), ("pictures", "is no run folder")] {
        let output = place.run(&["timelapse", run]);
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(says), "{text}");
    }
}
