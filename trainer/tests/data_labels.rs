//! Tests of labels: classes from subfolders, from the labels of files, and from the species of the drawn frogs.

use std::fs::{self, File};
use std::path::Path;

use image::{Rgb, RgbImage};
use ndarray::{Array1, Array3};
use ndarray_npy::NpzWriter;
use tempfile::TempDir;
use trainer::data::{self, BUILTIN, Class, Dataset, Labelling, Labels, MAX_CLASS_NAME, Request, Sources, frogs};

use crate::data_common::{Python, python_names, python_records, records};
use crate::logged::logged;
use crate::run_common::Place;

/// A picture of one colour, whose first byte is `mark`.
fn save(mark: u8, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(32, 32, Rgb([mark, 255 - mark, 7])).save(path).unwrap();
}

/// A folder with these pictures; the mark of each is its place in the list.
fn folder(files: &[&str]) -> TempDir {
    let root = TempDir::new().unwrap();
    files.iter().enumerate().for_each(|(mark, file)| save(mark as u8, &root.path().join(file)));
    root
}

fn try_load(path: &Path, labelling: Labelling) -> anyhow::Result<Dataset> {
    data::load(&Request { path: Some(path.to_owned()), labelling, drawn: 300, ..Request::default() })
}

#[track_caller]
fn load(path: &Path, labelling: Labelling) -> Dataset {
    try_load(path, labelling).unwrap()
}

#[track_caller]
fn error(path: &Path, labelling: Labelling) -> String {
    format!("{:#}", try_load(path, labelling).unwrap_err())
}

fn chosen(names: &[&str]) -> Labelling {
    Labelling::Chosen(names.iter().map(|name| (*name).to_owned()).collect())
}

/// The names of the classes, and the marks of the pictures of each.
fn classes(data: &Dataset) -> Vec<(&str, Vec<u8>)> {
    let labels = data.labels.as_ref().unwrap();
    assert_eq!(labels.of.len(), data.len());
    let pictures = data.pictures.to_array().unwrap();
    let marks = |class| labels.pictures(class).map(|index| pictures[[index, 0, 0, 0]]).collect();
    labels.names.iter().enumerate().map(|(class, name)| (name.as_str(), marks(class))).collect()
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

#[test]
fn the_subfolders_of_a_folder_are_its_classes() {
    let root = folder(&["dog/1.png", "cat/deep/er/1.png", "kind 10/1.png", "kind 2/1.png", "cat/2.png", "dog/2.png"]);
    let expected = [("cat", vec![4, 1]), ("dog", vec![0, 5]), ("kind 2", vec![3]), ("kind 10", vec![2])];
    let usual = load(root.path(), Labelling::default());
    assert_eq!(classes(&usual), expected);
    assert!(usual.labels_by_default && usual.notes.is_empty());
    for labelling in [Labelling::IfAny, Labelling::Asked] {
        let data = load(root.path(), labelling);
        assert_eq!(classes(&data), expected);
        assert!(!data.labels_by_default);
        assert_eq!(data.fingerprint().unwrap(), usual.fingerprint().unwrap());
    }
    let without = load(root.path(), Labelling::Unlabelled);
    assert_eq!(
        (without.labels.clone(), without.pictures.to_array().unwrap()),
        (None, usual.pictures.to_array().unwrap())
    );
    assert_eq!(without.groups, usual.groups);

    // The classes that are chosen, in that order; upper and lower case are equal.
    let data = load(root.path(), chosen(&[" kind 2 ", "CAT"]));
    assert_eq!(classes(&data), [("kind 2", vec![3]), ("cat", vec![4, 1])]);
    assert_eq!((data.len(), data.skipped.len()), (3, 0));
    let says = |names: &[&str], parts: &[&str]| assert_says(&error(root.path(), chosen(names)), parts);
    says(&["cat", "cow"], &["no class cow", "cat, dog, kind 2, kind 10"]);
    says(&["cat", "deep"], &["no class deep"]);
    says(&["cat", "dog", "Cat"], &["the class cat twice"]);
    says(&["cat", "dog", "cat "], &["the class cat twice"]);
    says(&["cat"], &["at least 2", "--class NAME"]);
    says(&["cat", " "], &["empty name"]);
    says(&["x"; 65], &["65 names", "at most 64"]);
}

#[test]
fn train_and_test_are_not_classes() {
    let expected = [("cat", vec![0]), ("newt", vec![1, 2])];
    let train = folder(&["train/cat/1.png", "train/newt/1.png", "train/newt/2.png"]);
    assert_eq!(classes(&load(train.path(), Labelling::default())), expected);
    assert_eq!(classes(&load(train.path(), chosen(&["newt", "cat"]))), [("newt", vec![1, 2]), ("cat", vec![0])]);
    let both = folder(&["Train/cat/1.png", "Train/newt/1.png", "TEST/newt/2.png"]);
    let data = load(both.path(), Labelling::default());
    assert_eq!(data.len(), 3);
    let names = |data: &Dataset| data.labels.as_ref().unwrap().names.join(" ");
    assert_eq!((names(&data), data.labels.unwrap().counts()), ("cat newt".into(), vec![1, 2]));
    fs::create_dir(both.path().join("notes")).unwrap();
    fs::write(both.path().join("notes/about.txt"), "x").unwrap();
    assert_eq!(classes(&load(both.path(), chosen(&["newt", "cat"]))).len(), 2);
    assert_says(&error(train.path(), chosen(&["newt", "train"])), &["no class train", "cat, newt"]);

    // Pictures directly in the parts have no classes.
    let flat = folder(&["train/1.png", "test/1.png"]);
    assert_eq!(load(flat.path(), Labelling::default()).labels, None);
    assert_eq!(load(flat.path(), Labelling::IfAny).len(), 2);
    assert_says(&error(flat.path(), Labelling::Asked), &["not in subfolders", "--classes none"]);
    // Beside other folders, they are classes.
    let rail = folder(&["train/1.png", "bus/1.png", "test/1.png"]);
    assert_eq!(names(&load(rail.path(), Labelling::default())), "bus test train");
    assert_eq!(names(&load(flat.path(), chosen(&["train", "test"]))), "train test");
}

#[test]
fn pictures_outside_of_subfolders_have_no_class() {
    let root = folder(&["0.png", "cat/1.png", "dog/1.png", "m.png", "z.png"]);
    let usual = load(root.path(), Labelling::default());
    assert_eq!((usual.len(), &usual.labels, usual.notes.len()), (5, &None, 0));
    // A recipe that asks for classes takes no picture away.
    let recipe = load(root.path(), Labelling::IfAny);
    assert_eq!((recipe.len(), &recipe.labels), (5, &None));
    assert!(recipe.notes[0].contains("3 of the 5 pictures are in none"), "{:?}", recipe.notes);
    for labelling in [Labelling::Asked, chosen(&["cat", "dog"])] {
        let data = load(root.path(), labelling);
        assert_eq!(classes(&data), [("cat", vec![1]), ("dog", vec![2])]);
        assert_eq!(data.skipped.len(), 3);
        for skipped in &data.skipped {
            assert_eq!(skipped.reason, "it is in no subfolder, so it has no class");
        }
        assert_eq!(data.files, [Path::new("cat/1.png"), Path::new("dog/1.png")]);
    }
    let flat = folder(&["1.png", "2.png"]);
    assert_eq!(load(flat.path(), Labelling::IfAny).labels, None);
    assert_says(&error(flat.path(), Labelling::Asked), &["no classes", "not in subfolders"]);
    let single = folder(&["frogs/green/1.png", "frogs/red/2.png"]);
    assert_eq!(load(single.path(), Labelling::IfAny).labels, None);
    assert_eq!(load(single.path(), Labelling::default()).labels, None);
    assert_says(&error(single.path(), Labelling::Asked), &["only one class, frogs", "--data"]);
}

#[test]
fn skipped_files_leave_labels_and_pictures_together() {
    let root = folder(&["a/1.png", "a/3.png", "b/1.png", "b/4.png", "c/2.png"]);
    for file in ["a/0.png", "a/2.png", "b/2.txt", "b/3.png", "c/1.png", "empty/1.png", "empty/2.txt", "readme.txt"] {
        fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
        fs::write(root.path().join(file), "no picture").unwrap();
    }
    let expected = [("a", vec![0, 1]), ("b", vec![2, 3]), ("c", vec![4])];
    let data = load(root.path(), Labelling::default());
    // A folder without a picture that can be read is not a class.
    assert_eq!(classes(&data), expected);
    assert_eq!(data.skipped.len(), 8);
    assert_eq!(classes(&load(root.path(), chosen(&["c", "a"]))), [("c", vec![4]), ("a", vec![0, 1])]);
    let text = error(root.path(), chosen(&["a", "empty"]));
    assert_says(&text, &["no picture of the class empty that can be read", "not a picture"]);
}

#[test]
fn at_most_64_subfolders_are_classes() {
    let root = TempDir::new().unwrap();
    let add = |i: u8| save(i, &root.path().join(format!("{i}/1.png")));
    (0..64).for_each(add);
    let data = load(root.path(), Labelling::default());
    let names: Vec<_> = (0..64).map(|i| i.to_string()).collect();
    assert_eq!(data.labels.as_ref().unwrap().names, names);
    let marks = classes(&data).into_iter().flat_map(|(_, marks)| marks);
    assert!(marks.eq(0..64), "numbers are sorted by value");
    add(64);
    for labelling in [Labelling::default(), Labelling::IfAny] {
        let data = load(root.path(), labelling);
        assert_eq!((data.len(), &data.labels), (65, &None));
        let (_, log) = logged(|| data::announce(&data).unwrap());
        assert_says(&log.join("\n"), &["65 subfolders are not used", "at most 64", "--classes NAME,NAME"]);
        assert_says(&data::describe(&data).unwrap(), &["note         65 subfolders"]);
    }
    assert_says(&error(root.path(), Labelling::Asked), &["65 subfolders", "at most 64", "--classes none"]);
    assert_eq!(classes(&load(root.path(), chosen(&["64", "7"]))), [("64", vec![64]), ("7", vec![7])]);
}

#[test]
fn names_of_classes() {
    let long = "蛙".repeat(40);
    let root =
        folder(&["Cat/1.png", "cat/1.png", "жаба/1.png", "καλό/1.png", &format!("{long}/1.png"), "a\u{1b}[2J/1.png"]);
    let data = load(root.path(), Labelling::default());
    let names = &data.labels.as_ref().unwrap().names;
    assert_eq!(names[..], ["Cat", r"a\u{1b}[2J", "cat", "καλό", "жаба", &"蛙".repeat(21)]);
    assert!(names.iter().all(|name| name.len() <= MAX_CLASS_NAME));
    assert_says(&data.notes.join("\n"), &["cut after 64 bytes: 蛙"]);
    let labels = data.labels.as_ref().unwrap();
    assert_eq!((labels.find("cat").unwrap(), labels.find("ЖАБА").unwrap()), (2, 4));
    assert_says(&labels.find("CAT").unwrap_err().to_string(), &["Cat or cat"]);
    assert_says(&labels.find("dog").unwrap_err().to_string(), &["no class dog", "καλό"]);
    let some = load(root.path(), chosen(&["a\u{1b}[2J", &long, "cat", "Cat"]));
    assert_eq!(some.labels.unwrap().names.len(), 4);
    assert_says(&some.notes.join("\n"), &["cut after 64 bytes: 蛙"]);
    assert_says(&error(root.path(), chosen(&["CAT", "жаба"])), &["CAT can be Cat or cat"]);

    // Two names that are equal after the cut.
    let same = folder(&[&format!("{long}a/1.png"), &format!("{long}b/1.png")]);
    let usual = load(same.path(), Labelling::default());
    assert_eq!((usual.len(), &usual.labels), (2, &None));
    assert_says(&usual.notes.join("\n"), &["not used as classes", "the same name", "rename"]);
    assert_says(&error(same.path(), Labelling::Asked), &["two classes of the same name", "rename"]);
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_are_shown() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let root = folder(&["frog/1.png", "frog/2.png"]);
    let latin = root.path().join(OsStr::from_bytes(b"kr\xf6te"));
    fs::create_dir(&latin).unwrap();
    fs::copy(root.path().join("frog/1.png"), latin.join("1.png")).unwrap();
    assert_eq!(classes(&load(root.path(), Labelling::default()))[1], (r"kr\x{f6}te", vec![0]));
    assert_eq!(classes(&load(root.path(), chosen(&[r"kr\x{f6}te", "frog"])))[0].1, [0]);
}

#[test]
fn labels_change_the_fingerprint() {
    let root = folder(&["a/1.png", "a/2.png", "b/1.png"]);
    let data = load(root.path(), Labelling::default());
    let unlabelled = load(root.path(), Labelling::Unlabelled);
    assert_ne!(data.fingerprint().unwrap(), unlabelled.fingerprint().unwrap());
    let with = |names: [&str; 2], of: [u8; 3]| {
        let labels = Labels { names: names.map(str::to_owned).to_vec(), of: of.to_vec() };
        Dataset { labels: Some(labels), ..data.clone() }.fingerprint().unwrap()
    };
    assert_eq!(with(["a", "b"], [0, 0, 1]), data.fingerprint().unwrap());
    assert_ne!(with(["a", "b"], [0, 1, 1]), data.fingerprint().unwrap());
    assert_ne!(with(["a", "c"], [0, 0, 1]), data.fingerprint().unwrap());
}

#[test]
fn the_labels_of_cifar_are_classes() {
    let binary = TempDir::new().unwrap();
    fs::write(binary.path().join("data_batch_1.bin"), records(&[6, 3, 6])).unwrap();
    fs::write(binary.path().join("data_batch_2.bin"), records(&[9, 6, 0, 6])).unwrap();
    let python = TempDir::new().unwrap();
    fs::write(python.path().join("data_batch_1"), python_records(Python::Three, "labels", &[6, 3, 6])).unwrap();
    fs::write(python.path().join("data_batch_2"), python_records(Python::Two, "labels", &[9, 6, 0, 6])).unwrap();
    fs::write(python.path().join("batches.meta"), python_names(Python::Two, "label_names", &data::cifar::CLASSES))
        .unwrap();
    for root in [&binary, &python] {
        for labelling in [Labelling::default(), Labelling::Unlabelled] {
            let data = load(root.path(), labelling);
            assert_eq!((data.len(), &data.labels, data.class.as_deref()), (4, &None, Some("frog")));
        }
        for labelling in [Labelling::IfAny, Labelling::Asked] {
            let data = load(root.path(), labelling);
            let expected = [("airplane", vec![2]), ("cat", vec![1]), ("frog", vec![0, 2, 1, 3]), ("truck", vec![0])];
            assert_eq!(classes(&data), expected);
            assert_says(&data.name, &["7 pictures of all classes"]);
            // A later run with the recorded class and labelling gets the same.
            let again = Request {
                path: Some(data.origin.clone()),
                class: Class::noted(data.class.clone()),
                labelling: Labelling::Asked,
                ..Request::default()
            };
            assert_eq!(data::load(&again).unwrap().fingerprint().unwrap(), data.fingerprint().unwrap());
        }
        let data = load(root.path(), chosen(&["truck", "Frog"]));
        assert_eq!(classes(&data), [("truck", vec![0]), ("frog", vec![0, 2, 1, 3])]);
        assert_says(&data.name, &["5 pictures of 2 classes"]);
        assert_says(&error(root.path(), chosen(&["frog", "newt"])), &["no class newt", "airplane, cat, frog, truck"]);
        // A single class has no labels, unless the user wants both.
        let with = |labelling| {
            let path = Some(root.path().to_owned());
            data::load(&Request { path, class: Class::Asked("frog".into()), labelling, ..Request::default() })
        };
        assert_eq!(with(Labelling::IfAny).unwrap().labels, None);
        for labelling in [Labelling::Asked, chosen(&["cat", "frog"])] {
            assert_says(&with(labelling).unwrap_err().to_string(), &["--class and --classes do not go together"]);
        }
    }

    // Frogs alone are one class, and the hundred classes of CIFAR-100 are too many.
    fs::remove_file(binary.path().join("data_batch_2.bin")).unwrap();
    fs::write(binary.path().join("data_batch_1.bin"), records(&[6, 6])).unwrap();
    assert_eq!(load(binary.path(), Labelling::IfAny).labels, None);
    assert_says(&error(binary.path(), Labelling::Asked), &["only one class, frog"]);
    let hundred = TempDir::new().unwrap();
    let record = |i: u8| [&[0, i][..], &[i; 3072]].concat();
    fs::write(hundred.path().join("train.bin"), (0..100).flat_map(record).collect::<Vec<u8>>()).unwrap();
    fs::write(hundred.path().join("test.bin"), record(0)).unwrap();
    let data = load(hundred.path(), Labelling::IfAny);
    assert_eq!((data.len(), &data.labels), (100, &None));
    assert_says(&data.notes.join("\n"), &["100 different labels", "at most 64"]);
    assert_says(&error(hundred.path(), Labelling::Asked), &["100 different labels"]);
    assert_eq!(classes(&load(hundred.path(), chosen(&["worm", "apple"]))), [("worm", vec![99]), ("apple", vec![0])]);
}

#[test]
fn labels_of_numbers_may_have_gaps() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("a.npz");
    let mut writer = NpzWriter::new_compressed(File::create(&path).unwrap());
    writer.add_array("x_train", &Array3::from_shape_fn((5, 32, 32), |(n, _, _)| n as u8)).unwrap();
    writer.add_array("y_train", &Array1::from_vec(vec![700_i64, 3, 12, 3, 700])).unwrap();
    writer.finish().unwrap();
    let expected = [("3", vec![1, 3]), ("12", vec![2]), ("700", vec![0, 4])];
    assert_eq!(load(&path, Labelling::default()).labels, None);
    assert_eq!(classes(&load(&path, Labelling::IfAny)), expected);
    assert_eq!(classes(&load(&path, chosen(&["700", "12"]))), [("700", vec![0, 4]), ("12", vec![2])]);
    assert_says(&error(&path, chosen(&["700", "4"])), &["no class 4", "the classes are 3, 12, 700"]);

    let idx = |magic: &[u8], rest: &[u8]| [magic, rest].concat();
    let images = root.path().join("train-images-idx3-ubyte");
    let pixels: Vec<u8> = (0..4).flat_map(|n| [n; 1024]).collect();
    fs::write(&images, idx(&[0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 32, 0, 0, 0, 32], &pixels)).unwrap();
    assert_eq!(load(&images, Labelling::IfAny).labels, None);
    assert_says(&error(&images, Labelling::Asked), &["has no labels", "--classes none"]);
    assert_says(&error(&images, chosen(&["1", "2"])), &["has no labels"]);
    let labels = root.path().join("train-labels-idx1-ubyte");
    fs::write(&labels, idx(&[0, 0, 8, 1, 0, 0, 0, 4], &[200, 1, 200, 9])).unwrap();
    let expected = [("1", vec![1]), ("9", vec![3]), ("200", vec![0, 2])];
    assert_eq!(classes(&load(&images, Labelling::Asked)), expected);
}

#[test]
fn the_species_of_the_drawn_frogs_are_classes() {
    let path = Path::new(BUILTIN);
    let usual = load(path, Labelling::default());
    assert_eq!((&usual.labels, usual.len()), (&None, 300));
    let data = load(path, Labelling::Asked);
    assert_eq!(data.pictures.to_array().unwrap(), usual.pictures.to_array().unwrap(), "labels change no picture");
    let labels = data.labels.as_ref().unwrap();
    assert!(labels.names.iter().map(String::as_str).eq(frogs::species_names()));
    let sorted: std::collections::BTreeMap<_, _> = labels.names.iter().cloned().zip(labels.counts()).collect();
    assert_eq!(data.groups, sorted.into_iter().collect::<Vec<_>>(), "as the pictures say");
    for index in [0, 1, 299] {
        let kind = frogs::picture(0, index, 32, 32).unwrap().1;
        assert_eq!(kind, labels.names[usize::from(labels.of[index as usize])]);
    }

    let some = load(path, chosen(&["glass frog", "Bullfrog"]));
    let labels = some.labels.as_ref().unwrap();
    assert_eq!((labels.names.join(", "), some.len()), ("glass frog, bullfrog".into(), 300));
    assert!(labels.counts().iter().all(|count| *count > 100));
    assert_says(&error(path, chosen(&["glass frog", "cat"])), &["no class cat", "glass frog"]);

    let of = |class| data::load(&Request { path: Some(path.into()), class, drawn: 20, ..Request::default() });
    let single = of(Class::Asked("Common Toad".into())).unwrap();
    assert_eq!(
        (single.groups.as_slice(), single.class.as_deref()),
        (&[("common toad".into(), 20)][..], Some("common toad"))
    );
    assert_eq!(of(Class::noted(single.class.clone())).unwrap().fingerprint().unwrap(), single.fingerprint().unwrap());
    for class in ["frog", "ALL"] {
        let all = of(Class::Asked(class.into())).unwrap();
        assert_eq!((all.pictures.to_array().unwrap(), all.class), (usual.pictures.first(20).unwrap(), None));
    }
    let text = format!("{:#}", of(Class::Asked("newt".into())).unwrap_err());
    assert_says(&text, &["frogs only, no newt", "common toad"]);
}

#[test]
fn classes_without_a_path_are_those_of_cifar_10() {
    let cache = TempDir::new().unwrap();
    let sources = Sources {
        cifar10_dir: None,
        cache: Some(cache.path().into()),
        others: Vec::new(),
        url: "http://localhost:1/".into(),
        md5: data::CIFAR10_MD5.into(),
        offline: true,
    };
    let take = |labelling| data::load_from(&Request { labelling, drawn: 50, ..Request::default() }, &sources);
    let error = |names: &[&str]| format!("{:#}", take(chosen(names)).unwrap_err());
    assert_says(&error(&["cat", "newt"]), &["no class newt", "airplane", "--data"]);
    assert_says(&error(&["cat", "dog"]), &["the class cat is CIFAR-10's", "RIBBIT_OFFLINE is set"]);
    assert!(take(Labelling::IfAny).unwrap().labels.is_some(), "the drawn frogs");
    let batches = cache.path().join("cifar-10-batches-bin");
    fs::create_dir(&batches).unwrap();
    fs::write(batches.join("data_batch_1.bin"), records(&[3, 6, 3])).unwrap();
    assert_eq!(take(Labelling::default()).unwrap_err().to_string().matches("too few").count(), 1, "a single frog");
    assert_eq!(classes(&take(Labelling::Asked).unwrap()), [("cat", vec![0, 2]), ("frog", vec![1])]);
}

#[test]
fn the_command_data_shows_classes() {
    let place = Place::new();
    for (class, count) in [("dog", 25), ("cat", 40), ("fish", 2)] {
        (0..count).for_each(|i| save(i, &place.path().join(format!("zoo/{class}/{i}.png"))));
    }
    let text = place.run_well(&["data", "--data", "zoo"]);
    assert_says(&text, &["classes           40  cat", "                  25  dog", "                   2  fish"]);
    assert_says(&text, &["fewer than 20 pictures: fish 2", "rows of the sheet, one for each class: cat, dog, fish"]);
    assert!(!text.contains("groups"), "{text}");
    let sheet = image::open(place.path().join("data.png")).unwrap().to_rgb8();
    // 16 columns and a row for each class, of pictures of 64 pixels with gaps of 2.
    assert_eq!(sheet.dimensions(), (16 * 66 + 2, 3 * 66 + 2));
    let red = |row: u32, column: u32| sheet.get_pixel(2 + 66 * column, 2 + 66 * row).0[0];
    assert_eq!((red(0, 0), red(1, 0), red(2, 1), red(2, 2)), (0, 0, 1, trainer::grid::GAP.0[0]));

    let text = place.run_well(&["data", "--data", "zoo", "--classes", "fish, dog"]);
    assert_says(&text, &["27 pictures", "one for each class: fish, dog"]);
    let text = place.run_well(&["data", "--data", "zoo", "--classes", "none"]);
    assert_says(&text, &["groups            40  cat"]);
    assert!(!text.contains("rows of the sheet") && !text.contains("classes "), "{text}");
    assert_says(
        &place.run_well(&["data", "--data", "builtin", "--classes", "labels"]),
        &["glass frog", "rows of the sheet"],
    );
    for (arguments, message) in [
        (&["--classes", "cat"][..], "at least two names"),
        (&["--classes", "cat,,dog"], "a name is empty"),
        (&["--classes", ""], "it has to be folders, none"),
        (&["--classes", "cat,cow"], "no class cow"),
        (&["--classes", "folders", "--class", "cat"], "do not go together"),
    ] {
        let output = place.run(&[&["data", "--data", "zoo"][..], arguments].concat());
        assert!(!output.status.success(), "{arguments:?}");
        assert_says(&String::from_utf8_lossy(&output.stderr), &[message]);
    }
    assert_says(&place.run_well(&["data", "--data", "zoo", "--class", "cat", "--classes", "none"]), &["40 pictures"]);

    let (_, log) = logged(|| data::announce(&load(&place.path().join("zoo"), Labelling::default())).unwrap());
    assert_says(&log.join("\n"), &["classes: 3 (cat 40, dog 25, fish 2)", "--classes none"]);
    let (_, log) = logged(|| data::announce(&load(&place.path().join("zoo"), Labelling::Asked)).unwrap());
    assert_says(&log.join("\n"), &["classes: 3 (cat 40, dog 25, fish 2)"]);
    assert!(!log.join("\n").contains("--classes none"));
}

#[test]
fn large_pictures_of_many_classes_fit_on_a_sheet() {
    let root = TempDir::new().unwrap();
    (0..40).for_each(|i| save(i, &root.path().join(format!("{i}/1.png"))));
    let target = data::Target::of(gen_core::Shape::new(512, 512, 1));
    let data = data::load(&Request { path: Some(root.path().into()), target, ..Request::default() }).unwrap();
    assert_eq!(data::sheet_rows(&data).len(), 31);
    let sheet = data::contact_sheet(&data, 4, 10, 2).unwrap();
    assert_eq!(sheet.dimensions(), (4 * 514 + 2, 31 * 514 + 2));
    assert_eq!(data::contact_sheet(&data, 0, 2, 2).unwrap().dimensions(), (0, 0));
}

#[test]
fn a_run_on_subfolders_can_be_resumed() {
    let place = Place::new();
    for i in 0..12 {
        save(i, &place.path().join(format!("zoo/{}/{i}.png", ["newt", "toad"][usize::from(i) % 2])));
    }
    place.run_well(&["--config", "tiny.toml", "--data", "zoo", "--steps", "2"]);
    place.run_well(&["resume", "runs/001-tiny", "--steps", "3"]);
}
