//! Pictures that take more memory than they may: they are kept in a file, and nothing else changes.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use gen_core::Shape;
use image::RgbImage;
use ndarray::{Array1, Array4};
use ndarray_npy::{NpzWriter, write_npy};
use tempfile::TempDir;
use trainer::config::Config;
use trainer::data::{self, BUILTIN, Class, Dataset, Labelling, Request, Sources, Target};
use trainer::quality::kinds::kinds;
use trainer::quality::{Reference, copies};
use trainer::run::evaluator::QualityEvaluator;
use trainer::train::{State, Trainer};

use crate::data_common::{records, tar_gz};
use crate::logged::logged;

/// Memory for less than three pictures of 32x32 in colour.
const LITTLE: u64 = 9000;

fn sources(cache: Option<&Path>) -> Sources {
    Sources {
        cifar10_dir: None,
        cache: cache.map(Into::into),
        others: Vec::new(),
        url: String::new(),
        md5: String::new(),
        offline: true,
    }
}

/// Loads pictures that may take this much memory.
fn load(request: &Request, memory: u64, cache: &Path) -> Dataset {
    data::load_from(&Request { memory: Some(memory), ..request.clone() }, &sources(Some(cache))).unwrap()
}

/// The files in the cache folder.
fn kept(cache: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(cache).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// Twelve pictures, no two alike.
fn pictures() -> Array4<u8> {
    Array4::from_shape_fn((12, 20, 24, 3), |(n, y, x, c)| (n * 19 + y * 7 + x * 3 + c * 50) as u8)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx(shape: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|n| bytes.extend(n.to_be_bytes()));
    [bytes, elements.to_vec()].concat()
}

/// A source of each format.
fn all_formats(root: &Path) -> Vec<Request> {
    let at = |name: &str| root.join(name);
    let all = pictures();
    for (n, picture) in all.outer_iter().enumerate() {
        let folder = at(&format!("folder/{}", if n % 3 == 0 { "cat" } else { "dog" }));
        fs::create_dir_all(&folder).unwrap();
        let picture = RgbImage::from_raw(24, 20, picture.iter().copied().collect()).unwrap();
        picture.save(folder.join(format!("{n:02}.png"))).unwrap();
    }
    fs::write(at("folder/dog/text.png"), "no picture").unwrap();
    fs::write(at("folder/outside.png"), fs::read(at("folder/cat/00.png")).unwrap()).unwrap();
    write_npy(at("bytes.npy"), &all).unwrap();
    let floats = all.mapv(|v| f32::from(v) / 255.0).permuted_axes([0, 3, 1, 2]);
    write_npy(at("floats.npy"), &floats.as_standard_layout()).unwrap();
    let labels = Array1::from_shape_fn(12, |n| (n % 4) as i64);
    let mut npz = NpzWriter::new_compressed(fs::File::create(at("labels.npz")).unwrap());
    npz.add_array("x_train", &all).unwrap();
    npz.add_array("y_train", &labels).unwrap();
    npz.finish().unwrap();
    let grey: Vec<u8> = all.iter().copied().step_by(3).collect();
    fs::write(at("emnist-train-images-idx3-ubyte.gz"), gzip(&idx(&[12, 20, 24], &grey))).unwrap();
    let of: Vec<u8> = (0..12).map(|n| n % 3).collect();
    fs::write(at("emnist-train-labels-idx1-ubyte"), idx(&[12], &of)).unwrap();
    let (first, second) = (records(&[6, 3, 6, 1]), records(&[9, 6, 0, 6]));
    // The batches are in another order than their names.
    let archive = tar_gz(&[("x/data_batch_2.bin", &second), ("x/data_batch_1.bin", &first)]);
    fs::write(at("cifar.tar.gz"), archive).unwrap();
    fs::create_dir(at("cifar")).unwrap();
    fs::write(at("cifar/data_batch_1.bin"), first).unwrap();
    fs::write(at("cifar/data_batch_2.bin"), second).unwrap();

    let of = |path: &str| Request { path: Some(at(path)), ..Request::default() };
    let labelled = |path: &str| Request { labelling: Labelling::Asked, ..of(path) };
    let names = ["glass frog", "bullfrog"].map(str::to_owned).to_vec();
    vec![
        of("folder"),
        labelled("folder"),
        Request { labelling: Labelling::Chosen(vec!["dog".into(), "cat".into()]), ..of("folder") },
        of("bytes.npy"),
        of("floats.npy"),
        Request { target: Target::of(Shape::new(20, 24, 3)), ..of("bytes.npy") },
        labelled("labels.npz"),
        Request { class: Class::Asked("2".into()), ..of("labels.npz") },
        labelled("emnist-train-images-idx3-ubyte.gz"),
        Request { target: Target::of(Shape::new(32, 16, 1)), ..labelled("emnist-train-images-idx3-ubyte.gz") },
        of("cifar.tar.gz"),
        Request { class: Class::Asked("all".into()), ..of("cifar.tar.gz") },
        Request { class: Class::Asked("all".into()), ..of("cifar") },
        labelled("cifar"),
        Request { path: Some(BUILTIN.into()), drawn: 9, ..Request::default() },
        Request { path: Some(BUILTIN.into()), drawn: 9, labelling: Labelling::Chosen(names), ..Request::default() },
    ]
}

/// Everything that is known about a data set.
fn facts(data: &Dataset) -> String {
    let Dataset { name, origin, class, groups, labels, labels_by_default, notes, files, enlarged, skipped, .. } = data;
    let pictures = data.pictures.to_array().unwrap();
    format!(
        "{name} {origin:?} {class:?} {groups:?} {labels:?} {labels_by_default} {notes:?} {files:?} {enlarged} {skipped:?} {pictures:?} {}",
        data.fingerprint().unwrap()
    )
}

#[test]
fn every_format_gives_the_same_pictures_from_a_file() {
    let place = TempDir::new().unwrap();
    for (i, request) in all_formats(place.path()).into_iter().enumerate() {
        let cache = place.path().join(format!("cache/{i}"));
        let memory = Request { memory: Some(1 << 30), ..request.clone() };
        let memory = data::load_from(&memory, &sources(None)).unwrap();
        assert!(!memory.pictures.is_in_file());
        let limit = memory.pictures.byte_len() / memory.len() as u64 * 2;
        let first = load(&request, limit, &cache);
        assert!(first.pictures.is_in_file(), "{request:?}");
        assert_eq!(facts(&first), facts(&memory), "{request:?}");
        let [file] = &kept(&cache)[..] else { panic!("{:?}", kept(&cache)) };
        let written = fs::metadata(file).unwrap().modified().unwrap();
        let again = load(&request, limit, &cache);
        assert!(again.pictures.is_in_file());
        assert_eq!(facts(&again), facts(&memory), "{request:?}");
        assert_eq!(fs::metadata(file).unwrap().modified().unwrap(), written, "it is not written again");
        assert!(!load(&request, 1 << 30, &cache).pictures.is_in_file(), "enough memory");
    }
}

#[test]
fn training_and_measuring_have_the_same_bits() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("folder");
    for n in 0..30_u32 {
        let folder = path.join(["cat", "dog", "owl"][n as usize % 3]);
        fs::create_dir_all(&folder).unwrap();
        // Every tenth is a copy.
        let seed = u64::from(n / 10 * 10 + n % 10 % 9);
        let (frog, _) = data::frogs::picture(1, seed, 32, 32).unwrap();
        frog.save(folder.join(format!("{n}.png"))).unwrap();
    }
    let request = Request { path: Some(path), ..Request::default() };
    let all = [1 << 30, LITTLE].map(|memory| load(&request, memory, &place.path().join("cache")));
    assert_eq!(all.each_ref().map(|data| data.pictures.is_in_file()), [false, true]);
    let class_names = ["cat", "dog", "owl"].map(str::to_owned).to_vec();
    let config = Config { batch: 7, ..Config::preset("pocket-tiny").unwrap().narrowed(2) };
    let with_classes = Config { class_names, ..config.clone() };
    for config in [config, Config { balance_classes: true, ..with_classes.clone() }, with_classes] {
        let weights = |data: &Dataset| -> State {
            let mut trainer = Trainer::new(config.clone()).unwrap();
            // More than two passes.
            (0..10).for_each(|_| _ = trainer.step(data).unwrap());
            trainer.state
        };
        assert_eq!(weights(&all[0]), weights(&all[1]));
    }
    let [memory, file] = all;
    let some = memory.pictures.first(9).unwrap();
    let scores = |data: &Dataset| {
        let scores = Reference::new(&data.pictures).unwrap().score(some.view()).unwrap();
        let copies = copies::find(some.view(), &data.pictures).unwrap().unwrap();
        let kinds = kinds(&data.pictures, 4).unwrap();
        let evaluator = QualityEvaluator::new(data).unwrap().is_some();
        format!("{scores:?} {copies:?} {kinds:?} {evaluator} {}", data.distinct().unwrap())
    };
    assert_eq!(scores(&memory), scores(&file));
    assert_eq!(memory.distinct().unwrap(), 27);
    assert_eq!(data::describe(&memory).unwrap(), data::describe(&file).unwrap());
    let sheet = |data: &Dataset| data::contact_sheet(data, 5, 3, 1).unwrap();
    assert_eq!(sheet(&memory), sheet(&file));
    let list = |data: &Dataset| data::manifest::list(data).unwrap().unwrap();
    assert_eq!(list(&memory), list(&file));
}

#[test]
fn the_file_follows_its_source() {
    let place = TempDir::new().unwrap();
    let (path, cache) = (place.path().join("a.npy"), place.path().join("cache"));
    write_npy(&path, &pictures()).unwrap();
    let request = Request { path: Some(path.clone()), ..Request::default() };
    let before = load(&request, LITTLE, &cache);
    // Fit options have files of their own.
    let mut stretched = request.clone();
    stretched.target.fitting.fit = data::Fit::Stretch;
    let stretched = load(&stretched, LITTLE, &cache);
    assert_ne!(stretched.fingerprint().unwrap(), before.fingerprint().unwrap());
    assert_eq!(kept(&cache).len(), 2);
    write_npy(&path, &pictures().mapv(|v| v / 2)).unwrap();
    // A file system may have coarse times.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let (after, log) = logged(|| load(&request, LITTLE, &cache));
    assert!(log.concat().contains("the pictures have changed"), "{log:?}");
    let memory = load(&request, 1 << 30, &cache);
    assert_eq!(after.fingerprint().unwrap(), memory.fingerprint().unwrap());
    assert_ne!(after.fingerprint().unwrap(), before.fingerprint().unwrap());
    assert_eq!(kept(&cache).len(), 2, "it took the place of the old one");

    // Any damage is noticed.
    let original: Vec<_> = kept(&cache).into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect();
    let length = original[0].0.len();
    for damage in [0, 1000, length - 45, length - 20, length - 1] {
        for (bytes, file) in &original {
            let mut bytes = bytes.clone();
            bytes[damage] ^= 1;
            fs::write(file, bytes).unwrap();
        }
        let (again, log) = logged(|| load(&request, LITTLE, &cache));
        assert!(log.concat().contains("is of no use and is made again"), "{damage}: {log:?}");
        assert_eq!(again.fingerprint().unwrap(), memory.fingerprint().unwrap());
    }
    for length in [0, 20, length / 2, length - 1] {
        original.iter().for_each(|(bytes, file)| fs::write(file, &bytes[..length]).unwrap());
        assert_eq!(load(&request, LITTLE, &cache).fingerprint().unwrap(), memory.fingerprint().unwrap());
    }
}

#[test]
fn without_a_place_for_the_file_the_error_says_what_to_do() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("a.npy");
    write_npy(&path, &pictures()).unwrap();
    let request = Request { path: Some(path.clone()), memory: Some(LITTLE), ..Request::default() };
    let error = |cache: Option<&Path>| format!("{:#}", data::load_from(&request, &sources(cache)).unwrap_err());
    for part in ["there is no cache folder", "RIBBIT_CACHE", "--memory"] {
        assert!(error(None).contains(part), "{}", error(None));
    }
    // A file stands where the folder has to be.
    let text = error(Some(&path));
    assert!(text.starts_with("cannot write ") && text.contains("RIBBIT_CACHE") && text.contains("--memory"), "{text}");

    // An array of another order is read as a whole.
    let mut fortran = Array4::zeros(ndarray::ShapeBuilder::f((12, 20, 24, 3)));
    fortran.assign(&pictures());
    write_npy(&path, &fortran).unwrap();
    let cache = place.path().join("cache");
    let text = error(Some(&cache));
    assert!(text.contains("order of Fortran") && text.contains("ascontiguousarray"), "{text}");
    assert_eq!(kept(&cache).len(), 0);
}

#[test]
fn a_source_that_cannot_be_read_to_its_end_leaves_no_file() {
    let place = TempDir::new().unwrap();
    let (path, cache) = (place.path().join("a.npy"), place.path().join("cache"));
    write_npy(&path, &pictures()).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let request = Request { path: Some(path), memory: Some(LITTLE), ..Request::default() };
    let error = format!("{:#}", data::load_from(&request, &sources(Some(&cache))).unwrap_err());
    assert!(error.contains("it is cut"), "{error}");
    assert_eq!(kept(&cache).len(), 0);
}
