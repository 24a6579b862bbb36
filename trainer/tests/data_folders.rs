//! Tests of folders of pictures as users have them: with files of the system and of this program, with classes,
//! copies, unusual names, and too few pictures.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use tempfile::TempDir;
use trainer::data::{self, Class, Dataset, Request};

use crate::run_common::{MEASURED, Place, TINY, lines, with};

/// A different picture for every `i`.
fn scene(i: u32) -> RgbImage {
    RgbImage::from_fn(32, 32, |x, y| Rgb([(i * 7 + x) as u8, (i * 13 + 5 * y) as u8, (x * y + i) as u8]))
}

fn save(i: u32, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    scene(i).save(path).unwrap();
}

fn try_load(path: &Path, class: Class) -> anyhow::Result<Dataset> {
    data::load(&Request { path: Some(path.to_owned()), class, ..Request::default() })
}

fn load(path: &Path) -> Dataset {
    try_load(path, Class::Usual).unwrap()
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

#[test]
fn thumbnails_and_waste_bins_of_systems_are_left_out() {
    let root = TempDir::new().unwrap();
    for i in 0..3 {
        save(i, &root.path().join(format!("{i}.png")));
        for folder in [
            "@eaDir/0.png",
            "album/@eaDir",
            ".@__thumb",
            "@Recycle",
            "#recycle/old",
            "__MACOSX",
            "$RECYCLE.BIN",
            "lost+found",
            "@Recently-Snapshot",
            "System Volume Information",
        ] {
            save(50 + i, &root.path().join(folder).join(format!("SYNOPHOTO_THUMB_{i}.png")));
        }
    }
    save(9, &root.path().join("album/9.png"));
    for name in ["Thumbs.db", "desktop.ini", ".DS_Store"] {
        fs::write(root.path().join(name), "x").unwrap();
    }
    let dataset = load(root.path());
    assert_eq!(dataset.len(), 4);
    let text = data::describe(&dataset).unwrap();
    assert_says(&text, &["@eaDir: thumbnails", "#recycle: a waste bin", "__MACOSX", "lost+found", "Thumbs.db: a note"]);
    // Such a folder is read if the user names it.
    assert_eq!(load(&root.path().join("@eaDir/0.png")).len(), 3);
}

#[test]
fn a_run_beside_the_pictures_is_not_learnt_and_can_be_resumed() {
    let place = Place::new();
    let run = ["--config", "tiny.toml", "--data", "pictures", "--out", "pictures/runs", "--steps", "4"];
    place.run_well(&run);
    place.run_well(&["data", "--data", "pictures", "--out", "pictures/data.png"]);
    place.run_well(&["resume", "pictures/runs/001-tiny", "--steps", "5"]);
    let text = place.run_well(&run);
    assert_says(&text, &["20 pictures", "001-tiny: the folder of a run", "data.png: a sheet of pictures"]);
    place.run_well(&["resume", "pictures/runs/002-tiny", "--steps", "6"]);
    // Single pictures that a model drew are used as pictures.
    let model = "pictures/runs/001-tiny/model.gen";
    place.run_well(&["sample", model, "-n", "3", "--out", "pictures/grid.png", "--pngs", "drawn"]);
    assert_eq!(load(&place.path().join("drawn")).len(), 3);
    assert_eq!(load(&place.path().join("pictures")).len(), 20);
}

#[test]
fn a_class_of_a_folder_is_its_subfolder() {
    let root = TempDir::new().unwrap();
    for i in 0..6 {
        let class = ["cat", "frog"][i as usize % 2];
        save(i, &root.path().join("train").join(class).join(format!("{i}.png")));
        save(20 + i, &root.path().join("test").join(class).join(format!("{i}.png")));
    }
    let of = |path: &Path, class: &str| try_load(path, Class::Asked(class.into()));
    assert_eq!(of(root.path(), "cat").unwrap().len(), 3);
    let train = root.path().join("train");
    let cats = of(&train, "cat").unwrap();
    assert_eq!(cats.fingerprint().unwrap(), of(root.path(), "cat").unwrap().fingerprint().unwrap());
    assert_eq!(cats.origin, train.join("cat"), "found again without a class");
    assert_eq!(cats.class, None);
    assert_eq!(of(root.path(), "all").unwrap().len(), 12);
    assert_eq!(load(root.path()).len(), 12);
    assert_eq!(of(root.path(), "train/frog").unwrap().len(), 3);
    let error = |path: &Path, class: &str| format!("{:#}", of(path, class).unwrap_err());
    assert_says(&error(root.path(), "newt"), &["no subfolder newt", "cat, frog"]);
    assert_says(&error(&train, "Frogs"), &["no subfolder Frogs", "cat, frog"]);
    assert_says(&error(&train.join("cat"), "frog"), &["no subfolder frog, nor any other"]);
    for class in ["../test", "/", "", "."] {
        assert_says(&error(&train, class), &["no subfolder"]);
    }
    // A class that was recorded for another source is ignored.
    assert_eq!(try_load(&train, Class::Noted("frog".into())).unwrap().len(), 6);
}

#[test]
fn a_run_of_a_class_goes_on_with_it() {
    let place = Place::new();
    for i in 0..6 {
        save(i, &place.path().join("zoo/train/newt").join(format!("{i}.png")));
        save(9 + i, &place.path().join("zoo/train/toad").join(format!("{i}.png")));
    }
    let text = place.run_well(&["--config", "tiny.toml", "--data", "zoo", "--class", "newt", "--steps", "3"]);
    assert_says(&text, &["6 pictures from the folder"]);
    let noted = fs::read_to_string(place.folder("001-tiny").file("data.toml")).unwrap();
    assert!(!noted.contains("class") && noted.contains("newt"), "{noted}");
    place.run_well(&["resume", "runs/001-tiny", "--steps", "4"]);
    // `data.toml` as earlier versions wrote it for a folder.
    let path = place.folder("001-tiny").file("data.toml");
    fs::write(&path, noted + "class = \"frog\"\n").unwrap();
    place.run_well(&["resume", "runs/001-tiny", "--steps", "5"]);
    let output = place.run(&["data", "--data", "zoo", "--class", "frog"]);
    assert!(!output.status.success());
    assert_says(&String::from_utf8_lossy(&output.stderr), &["no subfolder frog", "newt, toad"]);
}

#[test]
fn everything_that_is_skipped_is_listed() {
    let place = Place::new();
    for i in 0..30 {
        fs::write(place.path().join(format!("pictures/bad-{i:02}.png")), "no picture").unwrap();
    }
    let data = place.run_well(&["data", "--data", "pictures"]);
    let run = place.run_well(&with(&["--steps", "2"]));
    let list = fs::read_to_string(place.folder("001-tiny").file("skipped.txt")).unwrap();
    for i in 0..30 {
        let name = format!("bad-{i:02}.png: not a picture");
        assert!(data.contains(&name) && list.contains(&name), "{name}");
    }
    assert_eq!(list.lines().count(), 30);
    assert_says(&run, &["30 skipped", "skipped.txt", "and 27 more"]);
}

#[cfg(unix)]
#[test]
fn names_cannot_steer_the_terminal_or_break_a_list() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let pictures = place.path().join("pictures");
    let title = "evil\x1b]0;owned\x07";
    fs::write(pictures.join(format!("{title}.txt")), "x").unwrap();
    fs::write(pictures.join("two\nlines.txt"), "x").unwrap();
    save(60, &pictures.join(format!("{title}.png")));
    save(61, &pictures.join("two\nlines.png"));
    save(62, &pictures.join("a\u{202e}gnp.png"));
    save(63, &pictures.join("über 蛙.png"));
    let latin = pictures.join(OsStr::from_bytes(b"fr\xf6sche.png"));
    fs::write(latin, fs::read(pictures.join("0.png")).unwrap()).unwrap();
    fs::create_dir(pictures.join("sub\x1b[31m")).unwrap();
    save(64, &pictures.join("sub\x1b[31m/a.png"));

    let raw = ['\x1b', '\x07', '\u{202e}'];
    let shown = place.run_well(&["data", "--data", "pictures"]) + &place.run_well(&with(&["--steps", "2"]));
    assert!(!shown.contains(raw), "{shown:?}");
    assert_says(&shown, &[r"evil\u{1b}]0;owned\u{7}.txt", r"two\u{a}lines.txt", r"sub\u{1b}[31m"]);
    let folder = place.folder("001-tiny");
    let listed = fs::read_to_string(folder.file("pictures.txt")).unwrap();
    assert!(!listed.contains(raw), "{listed:?}");
    assert_eq!(listed.lines().count(), 26);
    assert!(listed.lines().all(|line| line.len() > 9 && line.as_bytes()[8] == b' '), "{listed:?}");
    assert_says(&listed, &["über 蛙.png", r"fr\x{f6}sche.png", r"two\u{a}lines.png"]);
    assert_eq!(fs::read_to_string(folder.file("skipped.txt")).unwrap().lines().count(), 2);

    // Names are also escaped in errors, and changed pictures are found by these names.
    fs::remove_file(pictures.join("two\nlines.png")).unwrap();
    let output = place.run(&["resume", "runs/001-tiny", "--steps", "4"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_says(&error, &[r"two\u{a}lines.png: it is gone", "Put them back"]);
    assert!(!error.contains(raw), "{error:?}");
    for arguments in
        [["data", "--data", "no\x1b[2Jthing"], ["inspect", "no\x1b[2Jthing", "--help"], ["data", "--class", "\x1b[2J"]]
    {
        let output = place.run(&arguments);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("\x1b[2J"), "{arguments:?}");
    }
}

#[test]
fn copies_are_told_and_change_no_quality() {
    let place = Place::new();
    // The same 20 pictures, six copies of each.
    for i in 0..20 {
        for copy in 0..6 {
            let name = format!("often/{i}-{copy}.png");
            fs::create_dir_all(place.path().join("often")).unwrap();
            fs::copy(place.path().join(format!("pictures/{i}.png")), place.path().join(name)).unwrap();
        }
    }
    let text = place.run_well(&["data", "--data", "often"]);
    assert_says(&text, &["100 of the 120 pictures are exact copies"]);
    assert!(!place.run_well(&["data", "--data", "pictures"]).contains("exact copies"));
    let eval = |data: &str| {
        let output = place.run(&["eval", "--data", data, "-n", "40", "--json"]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(eval("often"), eval("pictures"));
}

#[test]
fn a_run_with_too_few_different_pictures_goes_without_quality() {
    let place = Place::new();
    for i in 0..12 {
        save(1, &place.path().join(format!("same/{i}.png")));
    }
    for count in [2, 4, 7, 8] {
        for i in 0..count {
            save(i, &place.path().join(format!("few-{count}/{i}.png")));
        }
    }
    let measured = |data: &str| {
        let text = place.run_well(&["--config", "measured.toml", "--data", data, "--steps", "15", "--out", data]);
        let folder = trainer::run::Folder::open(&place.path().join(data).join("001-tiny")).unwrap();
        assert!(!text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "inf"), "{text}");
        (text, lines(&folder).1.len())
    };
    let (text, count) = measured("same");
    assert_eq!(count, 0);
    assert_says(&text, &["11 of the 12 pictures are exact copies", "that takes 8 distinct pictures, and there are 1"]);
    for few in ["few-2", "few-4", "few-7"] {
        let (text, count) = measured(few);
        assert_eq!((text.matches("quality is not measured").count(), count), (1, 0), "{text}");
    }
    let (text, count) = measured("few-8");
    assert_eq!((text.contains("quality is not measured"), count), (false, 1), "{text}");
    assert_says(&text, &["distinct pictures: 8. So few are memorised"]);

    save(0, &place.path().join("one/0.png"));
    let output = place.run(&["--config", "measured.toml", "--data", "one"]);
    assert_says(&String::from_utf8_lossy(&output.stderr), &["too few pictures", "at least 2"]);
    let output = place.run(&["eval", "--data", "same"]);
    assert_says(&String::from_utf8_lossy(&output.stderr), &["of 12 real pictures 1 are distinct, and 8 is the least"]);
}

#[test]
fn recipes_of_every_encoding_are_read() {
    let place = Place::new();
    let text = fs::read_to_string(place.path().join("tiny.toml")).unwrap();
    let text = format!("# Frösche\n{text}").replace('\n', "\r\n");
    let utf16: Vec<u8> =
        "\u{feff}".chars().chain(text.chars()).collect::<String>().encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes) in [("utf16.toml", utf16), ("bom.toml", ["\u{feff}", &text].concat().into_bytes())] {
        fs::write(place.path().join(name), bytes).unwrap();
        place.run_well(&["--config", name, "--data", "pictures", "--steps", "2"]);
    }
    fs::write(place.path().join("latin.toml"), b"# Fr\xf6sche\n").unwrap();
    let output = place.run(&["--config", "latin.toml", "--data", "pictures"]);
    assert_says(&String::from_utf8_lossy(&output.stderr), &["latin.toml", "line 1", "UTF-8"]);
}

#[test]
fn a_sheet_has_the_name_of_a_png() {
    let place = Place::new();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/pocket-drawn/model.gen");
    for arguments in [
        &["data", "--data", "pictures", "--out", "x.JPG"][..],
        &["sample", model, "-n", "4", "--out", "x.jpg"],
        &["walk", model, "--out", "x.webp"],
        &["like", model, "--seed", "1", "-n", "3", "--out", "x.gif"],
        &["eval", "--data", "pictures", "--sheet", "x.jpeg"],
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_says(&String::from_utf8_lossy(&output.stderr), &["a PNG is written", "x.png"]);
    }
    place.run_well(&["data", "--data", "pictures", "--out", "sheet"]);
    assert!(place.path().join("sheet").is_file());
}

#[test]
fn a_folder_can_be_measured_against_itself() {
    let place = Place::new();
    let text = place.run_well(&["eval", "pictures", "--data", "pictures"]);
    assert_says(&text, &["pictures"]);
    // Another folder with pictures of another size is refused, and the message says why and what to do.
    fs::create_dir_all(place.path().join("other/deep")).unwrap();
    fs::copy(place.path().join("pictures/1.png"), place.path().join("other/deep/1.png")).unwrap();
    let output = place.run(&["eval", "other", "--data", "pictures"]);
    assert_says(&String::from_utf8_lossy(&output.stderr), &["1.png", "40x32, not 32x32", "magick"]);
}

#[test]
fn how_to_choose_data_is_told_to_whom_it_concerns() {
    let place = Place::new();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/pocket-drawn/model.gen");
    place.run_well(&[&TINY[..], &["--steps", "2"]].concat());
    for arguments in [
        &["data", "--data", "pictures"][..],
        &["eval", "--data", "pictures"],
        &["sample", model, "-n", "2", "--nearest", "pictures"],
        &["resume", "runs/001-tiny", "--steps", "3"],
    ] {
        assert!(!place.run_well(arguments).contains("another data set"), "{arguments:?}");
    }
    assert!(place.run_well(&["data"]).contains("another data set: --data PATH"));
    _ = MEASURED;
}
