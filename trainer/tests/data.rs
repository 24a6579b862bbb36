//! Tests of sources on disk: the formats of CIFAR-10, folders of pictures, and their errors.

use std::fs;
use std::path::{Path, PathBuf};

use gen_core::Shape;
use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use tempfile::TempDir;
use trainer::data::cifar::{CLASSES, RECORD, Set};
use trainer::data::{self, Class, Dataset, Request, Sources, Target};

use crate::data_common::{Python, python_names, python_records, records, tar_gz};
use crate::logged::logged;

fn request(path: &Path) -> Request {
    Request { path: Some(path.to_owned()), ..Request::default() }
}

fn load(path: &Path) -> Dataset {
    data::load(&request(path)).unwrap()
}

/// The whole error message, including causes.
fn error(request: &Request) -> String {
    format!("{:#}", data::load(request).unwrap_err())
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

/// A folder with the two batches of two frogs each, and a test batch that must not be used.
fn cifar_folder(below: &str) -> TempDir {
    let root = TempDir::new().unwrap();
    let folder = root.path().join(below);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("data_batch_1.bin"), records(&[6, 3, 6])).unwrap();
    fs::write(folder.join("data_batch_2.bin"), records(&[9, 6, 0, 6])).unwrap();
    fs::write(folder.join("test_batch.bin"), records(&[6; 9])).unwrap();
    fs::write(folder.join("batches.meta.txt"), "frog").unwrap();
    root
}

/// The first byte of every picture, which identifies the pictures of [`records`].
fn marks(dataset: &Dataset) -> Vec<u8> {
    dataset.pictures.to_array().unwrap().outer_iter().map(|picture| picture[[0, 0, 0]]).collect()
}

#[test]
fn every_form_of_cifar_gives_the_same_pictures() {
    let (flat, nested) = (cifar_folder("."), cifar_folder("cifar-10-batches-bin"));
    let packed = TempDir::new().unwrap();
    let archive = packed.path().join("cifar-10-binary.tar.gz");
    // In another order, and with paths that point outside of the folder.
    let bytes = tar_gz(&[
        ("x/data_batch_2.bin", &records(&[9, 6, 0, 6])),
        ("x/test_batch.bin", &records(&[6; 9])),
        ("y/z/data_batch_1.bin", &records(&[6, 3, 6])),
        ("x/readme.html", b"hello"),
    ]);
    fs::write(&archive, bytes).unwrap();

    let first = load(flat.path());
    assert_eq!(marks(&first), [0, 2, 1, 3]);
    assert_eq!(first.groups, [("frog".to_owned(), 4)]);
    for path in [nested.path(), &nested.path().join("cifar-10-batches-bin"), &archive, packed.path()] {
        let other = load(path);
        assert_eq!(other.fingerprint().unwrap(), first.fingerprint().unwrap(), "{}", path.display());
    }

    let bin = load(&flat.path().join("data_batch_2.bin"));
    assert_eq!(marks(&bin), [1, 3]);
    assert_ne!(bin.fingerprint().unwrap(), first.fingerprint().unwrap());
}

#[test]
fn classes_are_chosen_by_name() {
    let root = cifar_folder(".");
    let with = |class: &str, path: &Path| data::load(&Request { class: Class::Asked(class.into()), ..request(path) });
    let all = with("ALL", root.path()).unwrap();
    assert_eq!(all.len(), 7);
    let expected = [("airplane", 1), ("cat", 1), ("frog", 4), ("truck", 1)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(all.groups, expected);
    assert_says(&format!("{:#}", with("cat", root.path()).unwrap_err()), &["too few", "1 cat", "at least 2"]);
    assert_says(&format!("{:#}", with("ship", root.path()).unwrap_err()), &["no picture of the class ship"]);

    for name in CLASSES {
        Set::Ten.check(&name.to_uppercase()).unwrap();
    }
    let unknown = Set::Ten.check("newt").unwrap_err().to_string();
    assert_says(&unknown, &["\"newt\"", "and all"]);
    assert_says(&unknown, &CLASSES);
    assert_says(
        &format!("{:#}", with("newt", root.path()).unwrap_err()),
        &["no class newt", "airplane, cat, frog, truck"],
    );
}

/// CIFAR-10 in its Python version, with the pictures of [`cifar_folder`].
fn python_folder(python: Python, below: &str) -> TempDir {
    let root = TempDir::new().unwrap();
    let folder = root.path().join(below);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("data_batch_1"), python_records(python, "labels", &[6, 3, 6])).unwrap();
    fs::write(folder.join("data_batch_2"), python_records(python, "labels", &[9, 6, 0, 6])).unwrap();
    fs::write(folder.join("test_batch"), python_records(python, "labels", &[6; 9])).unwrap();
    fs::write(folder.join("batches.meta"), python_names(python, "label_names", &CLASSES)).unwrap();
    root
}

#[test]
fn the_python_version_gives_the_same_pictures_as_the_binary_one() {
    let binary = cifar_folder(".");
    let expected = load(binary.path());
    for python in [Python::Two, Python::Three] {
        // As Keras 2 and torchvision, and as Keras 3 leave it.
        for below in ["cifar-10-batches-py", "cifar-10-batches-py-target/cifar-10-batches-py"] {
            let root = python_folder(python, below);
            for path in [root.path(), &root.path().join(below)] {
                let dataset = load(path);
                assert_eq!(dataset.fingerprint().unwrap(), expected.fingerprint().unwrap());
                assert_eq!((&dataset.groups, &dataset.class), (&expected.groups, &Some("frog".into())));
                assert_eq!(dataset.origin, root.path().join(below));
                assert_says(&dataset.name, &["CIFAR-10, 4 frog pictures, from"]);
            }
            let all = data::load(&Request { class: Class::Asked("all".into()), ..request(root.path()) }).unwrap();
            assert_eq!((all.len(), all.class.as_deref()), (7, Some("all")));
            let one = load(&root.path().join(below).join("data_batch_2"));
            assert_eq!(marks(&one), [1, 3]);
        }
        let root = TempDir::new().unwrap();
        let bytes = tar_gz(&[
            ("cifar-10-batches-py/data_batch_2", &python_records(python, "labels", &[9, 6, 0, 6])),
            ("cifar-10-batches-py/batches.meta", &python_names(python, "label_names", &CLASSES)),
            ("cifar-10-batches-py/test_batch", &python_records(python, "labels", &[6; 9])),
            ("cifar-10-batches-py/data_batch_1", &python_records(python, "labels", &[6, 3, 6])),
        ]);
        for name in ["cifar-10-python.tar.gz", "cifar-10-batches-py-target_archive"] {
            let path = root.path().join(name);
            fs::write(&path, &bytes).unwrap();
            for path in [root.path(), &path] {
                assert_eq!(load(path).fingerprint().unwrap(), expected.fingerprint().unwrap());
            }
            fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn the_names_of_classes_come_from_the_file_beside_the_pictures() {
    let root = python_folder(Python::Two, ".");
    let names: Vec<_> = (0..10).map(|i| format!("kind-{i}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    fs::write(root.path().join("batches.meta"), python_names(Python::Two, "label_names", &names)).unwrap();
    let dataset = load(root.path());
    assert_eq!(dataset.len(), 7, "without frogs, all are taken");
    assert_eq!(dataset.groups[2], ("kind-6".to_owned(), 4));
    fs::write(root.path().join("batches.meta"), python_names(Python::Two, "label_names", &names[..5])).unwrap();
    assert_says(&error(&request(root.path())), &["label 6, and there are 5 classes"]);
    // A damaged file is told, and the usual names are used.
    fs::write(root.path().join("batches.meta"), "x").unwrap();
    let (dataset, lines) = logged(|| load(root.path()));
    assert_eq!(dataset.len(), 4);
    assert_says(&lines.join("\n"), &["names of the classes cannot be read", "batches.meta"]);
}

#[test]
fn cifar_100_is_read_in_each_version() {
    // Coarse and fine labels; a castle, two worms.
    let labels = [17, 99, 99];
    let record = |index: usize| [&[3, labels[index] as u8][..], &[index as u8; 3072]].concat();
    let binary: Vec<u8> = (0..3).flat_map(record).collect();
    let python = python_records(Python::Two, "fine_labels", &labels);
    let mut fingerprints = Vec::new();
    for (folder, archive, suffix, bytes) in [
        ("cifar-100-binary", "cifar-100-binary.tar.gz", ".bin", binary),
        ("cifar-100-python", "cifar-100-python.tar.gz", "", python),
    ] {
        let root = TempDir::new().unwrap();
        let inner = root.path().join(folder);
        fs::create_dir(&inner).unwrap();
        for name in ["train", "test"] {
            fs::write(inner.join(format!("{name}{suffix}")), &bytes).unwrap();
        }
        let packed = TempDir::new().unwrap();
        let archive = packed.path().join(archive);
        let train = format!("{folder}/train{suffix}");
        fs::write(&archive, tar_gz(&[("x/test", b"x"), ("x/test.bin", b"x"), (&train, &bytes)])).unwrap();
        for path in [root.path(), &inner, &inner.join(format!("train{suffix}")), packed.path(), &archive] {
            let dataset = load(path);
            assert_eq!((dataset.len(), &dataset.class), (3, &None), "{}", path.display());
            assert_eq!(dataset.groups, [("castle".to_owned(), 1), ("worm".to_owned(), 2)]);
            assert_says(&dataset.name, &["CIFAR-100, 3 pictures of all classes, from"]);
            let worms = data::load(&Request { class: Class::Asked("worm".into()), ..request(path) }).unwrap();
            assert_eq!((marks(&worms), worms.class.as_deref()), (vec![1, 2], Some("worm")));
            fingerprints.push(dataset.fingerprint().unwrap());
        }
    }
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 1);
}

#[test]
fn a_folder_with_several_data_sets_asks_which_one() {
    let root = python_folder(Python::Three, "cifar-10-batches-py");
    let other = root.path().join("cifar-100-python");
    fs::create_dir(&other).unwrap();
    for name in ["train", "test"] {
        fs::write(other.join(name), python_records(Python::Two, "fine_labels", &[1, 2])).unwrap();
    }
    assert_says(&error(&request(root.path())), &["several data sets", "cifar-10-batches-py", "cifar-100-python"]);
    assert_eq!(load(&other).len(), 2);
}

#[test]
fn cifar_is_resized_to_other_sides() {
    let root = cifar_folder(".");
    let of = |height, width, channels| Request {
        target: Target::of(Shape::new(height, width, channels)),
        ..request(root.path())
    };
    let dataset = data::load(&of(16, 16, 3)).unwrap();
    assert_eq!(dataset.pictures.dim(), (4, 16, 16, 3));
    assert_eq!(marks(&dataset), [0, 2, 1, 3]);
    assert_eq!(data::load(&of(16, 24, 1)).unwrap().pictures.dim(), (4, 16, 24, 1));
    for side in [0, 7, 4096] {
        for request in [of(side, 16, 3), of(16, side, 3)] {
            assert_says(&error(&request), &["height and width go from 8 to 512"]);
        }
    }
    assert_says(&error(&of(16, 16, 2)), &["1 channel (grey) or 3 (red, green, blue), not 2"]);
}

#[test]
fn broken_cifar_is_explained() {
    let root = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = root.path().join(name);
        fs::write(&path, bytes).unwrap();
        error(&request(&path))
    };
    let good = records(&[6, 6, 6]);
    assert_says(&write("cut.bin", &good[..2 * RECORD + 5]), &["cut.bin is cut", "2 whole records", "5 bytes"]);
    assert_says(&write("label.bin", &records(&[6, 10])), &["label.bin", "record 1 has label 10", "0 to 9"]);
    assert_says(&write("empty.bin", b""), &["empty.bin is an empty file"]);

    let archive = tar_gz(&[("data_batch_1.bin", &good)]);
    assert_says(&write("cut.tar.gz", &archive[..archive.len() / 2]), &["cut.tar.gz", "cut or damaged", "download it"]);
    assert_says(
        &write("no.tar.gz", &tar_gz(&[("frog.jpg", b"x")])),
        &["no.tar.gz holds no data_batch_*.bin", "unpack"],
    );
    let python = tar_gz(&[("cifar-10-batches-py/data_batch_1", b"x")]);
    assert_says(&write("py.tar.gz", &python), &["data_batch_1 in ", "py.tar.gz is not CIFAR in its Python form"]);
    let inside = tar_gz(&[("data_batch_1.bin", &good[..RECORD + 1])]);
    assert_says(&write("inside.tar.gz", &inside), &["data_batch_1.bin in ", "inside.tar.gz is cut"]);
    // Compressed files that are not CIFAR-10: MNIST is stored this way, and servers may send pages so.
    let gz = |bytes: &[u8]| {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, bytes).unwrap();
        gz.finish().unwrap()
    };
    let idx = [&b"\0\0\x08\x03\0\0\xea\x60\0\0\0\x1c\0\0\0\x1c"[..], &[7; 7840]].concat();
    assert_says(&write("idx3-ubyte.gz", &gz(&idx)), &["needs 47040000 bytes, and it has 7840"]);
    assert_says(&write("idx3-ubyte", &idx), &["idx3-ubyte: its shape [60000, 28, 28] needs 47040000 bytes"]);
    assert_says(&write("page.tar.gz", &gz(b"<html><body>log in")), &["no tar archive", "web page"]);
    assert_says(&write("list.gz", &gz(b"one, two")), &["no tar archive", "unpack it"]);
    assert_says(
        &write("pickle", b"\x80\x04\x95\0\0"),
        &["pickle is not CIFAR in its Python form: at byte 2: it is cut"],
    );
    assert_says(&write("a.parquet", b"PAR1\x15\0"), &["Parquet", "save its pictures"]);
    assert_says(&write("a.mat", b"MATLAB 5.0 MAT-file"), &["Matlab", "binary version"]);
    let npz = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0x.npy";
    assert_says(&write("x.npz", npz), &["x.npz: it is damaged"]);
    let matlab = tar_gz(&[("cifar-10-batches-mat/data_batch_1.mat", b"x")]);
    assert_says(&write("mat.tar.gz", &matlab), &["Matlab version", "binary version"]);
    let hundred = tar_gz(&[("cifar-100-binary/fine_label_names.txt", b"x"), ("cifar-100-binary/train.bin", b"x")]);
    assert_says(&write("100.tar.gz", &hundred), &["train.bin in", "100.tar.gz is cut: after 0 whole records of 3074"]);
    assert_says(&write("a.zip", b"PK\x03\x04"), &["zip archive", "unpack"]);
    assert_says(&write("a.tar.gz", b"<html>"), &["a.tar.gz is a web page", "download the file itself"]);
    assert_says(&write("b.tar.gz", b"what"), &["neither", "damaged or something else"]);
    assert_says(&write("notes.txt", b"hello"), &["notes.txt is neither a folder of pictures nor CIFAR"]);

    // The error of a folder with one bad batch names the batch.
    let folder = cifar_folder(".");
    fs::write(folder.path().join("data_batch_2.bin"), &good[..100]).unwrap();
    assert_says(&error(&request(folder.path())), &["data_batch_2.bin is cut"]);
    let python = TempDir::new().unwrap();
    fs::write(python.path().join("data_batch_1"), "x").unwrap();
    assert_says(&error(&request(python.path())), &["data_batch_1 is not CIFAR in its Python form", "no pickle"]);
    let matlab = TempDir::new().unwrap();
    fs::write(matlab.path().join("data_batch_1.mat"), "x").unwrap();
    assert_says(&error(&request(matlab.path())), &["Matlab version", "https://"]);
}

fn red(width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb([200, 40, 20]))
}

#[test]
fn a_folder_of_every_kind_of_picture() {
    let root = TempDir::new().unwrap();
    for folder in ["frog/deep", "toad", ".hidden"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    let at = |name: &str| root.path().join(name);
    red(40, 40).save(at("frog/b.png")).unwrap();
    red(64, 32).save(at("frog/deep/a.jpg")).unwrap();
    red(32, 50).save(at("frog/a.bmp")).unwrap();
    red(33, 32).save(at("toad/c.gif")).unwrap();
    red(32, 32).save(at("toad/d.webp")).unwrap();
    // A wrong file extension with a valid picture.
    red(32, 32).save_with_format(at("top.txt"), ImageFormat::Png).unwrap();
    red(32, 32).save(at(".hidden/x.png")).unwrap();

    fs::write(at("toad/text.png"), "just text").unwrap();
    fs::write(at("toad/nothing.jpg"), "").unwrap();
    let jpeg = fs::read(at("frog/deep/a.jpg")).unwrap();
    fs::write(at("toad/cut.jpg"), &jpeg[..jpeg.len() / 3]).unwrap();
    let png = fs::read(at("frog/b.png")).unwrap();
    fs::write(at("toad/cut.png"), &png[..png.len() / 2]).unwrap();
    red(7, 40).save(at("toad/small.png")).unwrap();
    // A header that claims 60,000 x 60,000 pixels.
    let mut huge = fs::read(at("frog/a.bmp")).unwrap();
    huge[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
    huge[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
    fs::write(at("toad/huge.bmp"), huge).unwrap();
    red(16_385, 8).save(at("toad/wide.png")).unwrap();

    let dataset = load(root.path());
    let groups: Vec<_> = dataset.groups.iter().map(|(name, n)| (name.replace('\\', "/"), *n)).collect();
    let expected = [(".", 1), ("frog", 2), ("frog/deep", 1), ("toad", 2)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(groups, expected);
    assert_eq!(dataset.pictures.dim(), (6, 32, 32, 3));
    for picture in dataset.pictures.to_array().unwrap().outer_iter() {
        for (channel, expected) in [200_i32, 40, 20].into_iter().enumerate() {
            assert!((i32::from(picture[[16, 16, channel]]) - expected).abs() < 12);
        }
    }
    let skipped: Vec<_> = dataset
        .skipped
        .iter()
        .map(|s| {
            (
                s.path.file_name().unwrap().to_str().unwrap(),
                s.reason.split([':', ' ']).take(2).collect::<Vec<_>>().join(" "),
            )
        })
        .collect();
    let names: Vec<_> = skipped.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["cut.jpg", "cut.png", "huge.bmp", "nothing.jpg", "small.png", "text.png", "wide.png"]);
    let reasons: Vec<_> = skipped.iter().map(|(_, reason)| reason.trim()).collect();
    assert_says(reasons[2], &["too large"]);
    assert_says(reasons[3], &["not a"]);
    assert_says(reasons[4], &["too small"]);
    assert_says(reasons[5], &["not a"]);
    assert_says(reasons[6], &["too large"]);
    assert!(reasons[0].starts_with("corrupt") && reasons[1].starts_with("corrupt"), "{reasons:?}");
    assert_eq!(load(root.path()).fingerprint().unwrap(), dataset.fingerprint().unwrap());

    let text = data::describe(&dataset).unwrap();
    assert_says(&text, &["6 of 32x32 pixels", "frog", "skipped      7:", "text.png: not a picture", "fingerprint"]);
    assert_eq!(data::contact_sheet(&dataset, 3, 2, 2).unwrap().dimensions(), (3 * 66 + 2, 2 * 66 + 2));
    assert_eq!(data::contact_sheet(&dataset, 0, 2, 2).unwrap().dimensions(), (0, 0));
}

#[test]
fn pictures_are_cropped_and_laid_over_white() {
    let root = TempDir::new().unwrap();
    // The green sides of a wide picture are cropped, and the transparent lower half becomes white.
    let wide = RgbaImage::from_fn(64, 32, |x, y| match (x, y) {
        (0..16 | 48..64, _) => Rgba([0, 255, 0, 255]),
        (_, 0..16) => Rgba([10, 20, 30, 255]),
        _ => Rgba([10, 20, 30, 0]),
    });
    wide.save(root.path().join("a.png")).unwrap();
    // A grey picture with sixteen bits.
    let grey = DynamicImage::ImageLuma8(GrayImage::from_pixel(32, 32, image::Luma([99]))).into_luma16();
    grey.save(root.path().join("b.png")).unwrap();
    let dataset = load(root.path());
    let pictures = dataset.pictures.to_array().unwrap();
    let pixel = |n: usize, y: usize, x: usize| [0, 1, 2].map(|c| pictures[[n, y, x, c]]);
    assert_eq!(pixel(0, 0, 0), [10, 20, 30]);
    assert_eq!(pixel(0, 15, 31), [10, 20, 30]);
    assert_eq!(pixel(0, 16, 0), [255; 3]);
    assert_eq!(pixel(1, 7, 7), [99; 3]);
}

#[test]
fn folders_without_pictures_are_explained() {
    let root = TempDir::new().unwrap();
    assert_says(&error(&request(root.path())), &["is empty"]);
    fs::create_dir(root.path().join("deeper")).unwrap();
    assert_says(&error(&request(root.path())), &["is empty"]);
    fs::write(root.path().join("frog.png"), "not a frog").unwrap();
    assert_says(&error(&request(root.path())), &["no picture that can be read", "frog.png: not a picture"]);
    red(32, 32).save(root.path().join("one.png")).unwrap();
    assert_says(
        &error(&request(root.path())),
        &["too few pictures: 1 picture from the folder", "at least 2", "frog.png"],
    );
    assert_says(&error(&request(&root.path().join("one.png"))), &["single picture", "give the folder"]);
    assert_says(&error(&request(&root.path().join("gone"))), &["there is nothing at", "gone", "--data takes"]);
}

#[cfg(unix)]
#[test]
fn links_that_go_in_circles_end() {
    use std::os::unix::fs::symlink;
    let root = TempDir::new().unwrap();
    let inner = root.path().join("inner");
    fs::create_dir(&inner).unwrap();
    red(32, 32).save(inner.join("a.png")).unwrap();
    red(32, 32).save(inner.join("b.png")).unwrap();
    symlink(root.path(), inner.join("loop")).unwrap();
    symlink(&inner, inner.join("self")).unwrap();
    symlink("nowhere", inner.join("dangling.png")).unwrap();
    let dataset = load(root.path());
    assert_eq!(dataset.len(), 2);
    let names: Vec<_> = dataset.skipped.iter().map(|s| s.path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["dangling.png", "loop", "self"]);
}

/// Sources without a network and with an empty cache.
fn nowhere(cache: &Path) -> Sources {
    Sources {
        cifar10_dir: None,
        cache: Some(cache.to_owned()),
        url: "http://127.0.0.1:9/".into(),
        md5: String::new(),
        offline: true,
        others: Vec::new(),
    }
}

#[test]
fn sources_are_tried_in_order() {
    let (given, variable, cache) = (cifar_folder("."), cifar_folder("."), TempDir::new().unwrap());
    fs::remove_file(variable.path().join("data_batch_2.bin")).unwrap();
    let mut sources = Sources { cifar10_dir: Some(variable.path().into()), ..nowhere(cache.path()) };
    let small = Request { drawn: 3, ..Request::default() };
    let take = |request: &Request, sources: &Sources| {
        let (result, lines) =
            logged(|| data::load_from(request, sources).inspect(|data| data::announce(data).unwrap()));
        (result, lines.join("\n"))
    };

    let path = Some(PathBuf::from(given.path()));
    assert_eq!(take(&Request { path, ..small.clone() }, &sources).0.unwrap().len(), 4);
    assert_eq!(take(&small, &sources).0.unwrap().len(), 2);

    sources.cifar10_dir = Some(cache.path().join("gone"));
    let text = format!("{:#}", take(&small, &sources).0.unwrap_err());
    assert_says(&text, &["CIFAR10_DIR", "there is nothing at"]);

    sources.cifar10_dir = None;
    let (drawn, log) = take(&small, &sources);
    assert_eq!(drawn.unwrap().len(), 3);
    assert_says(&log, &["RIBBIT_OFFLINE is set", "built-in frogs, 3 drawings of seed 0", "--data PATH", "CIFAR10_DIR"]);
    assert_says(&log, &["DRAWN FROGS STAND IN"]);
    // The drawn frogs are not used if the user requested a class, even that of frogs.
    for class in ["cat", "frog"] {
        let asked = Request { class: Class::Asked(class.into()), ..small.clone() };
        let error = format!("{:#}", take(&asked, &sources).0.unwrap_err());
        assert_says(&error, &[class, "cannot be had: RIBBIT_OFFLINE is set", "--data PATH"]);
    }

    // A damaged cache is reported, and the drawn frogs are used.
    let archive = cache.path().join("cifar-10-binary.tar.gz");
    fs::write(&archive, &tar_gz(&[("data_batch_1.bin", &records(&[6; 5]))])[..60]).unwrap();
    let (drawn, log) = take(&small, &sources);
    assert_eq!(drawn.unwrap().len(), 3);
    assert_says(&log, &["the cache is no use", "cut or damaged"]);
    assert!(archive.exists(), "kept while there is no better one");

    fs::write(&archive, tar_gz(&[("data_batch_1.bin", &records(&[6; 5]))])).unwrap();
    let (cached, log) = take(&small, &sources);
    assert_eq!(cached.unwrap().len(), 5);
    assert_says(&log, &["CIFAR-10, 5 frog pictures, from"]);

    sources.cache = None;
    let (drawn, log) = take(&small, &sources);
    assert_eq!(drawn.unwrap().len(), 3);
    assert_says(&log, &["RIBBIT_CACHE"]);
}
