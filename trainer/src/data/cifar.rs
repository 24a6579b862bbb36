//! CIFAR-10 and CIFAR-100 in the forms that people have: the binary version, the Python version that Keras and torchvision
//! leave on the disk, each as a folder, as the official `.tar.gz`, or as one of its files.
//!
//! The binary version has records of one label byte (CIFAR-100: two, the second one is the class) and 3 x 32 x 32 bytes:
//! all red, then all green, then all blue. The Python version has the same in pickles ([`super::pickle`]).
//!
//! Reading any bytes gives either pictures or a [`CifarError`].

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::bufread::GzDecoder;
use gen_core::Shape;
use log::warn;
use thiserror::Error;

use super::format::{Classes, Content, Format, Pictures, at_once, read_up_to};
use super::keep::Collector;
use super::pickle::{Pickle, is_pickle};
use super::{CIFAR10_URL, kinds};
use crate::npy::Element;
use crate::text::Plain;

/// Class names of CIFAR-10, in the order of their labels.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Class names of CIFAR-100, in the order of their labels.
#[rustfmt::skip]
const HUNDRED: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
    "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
    "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
    "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
    "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
];

/// Side of a picture, in pixels.
pub const SIDE: usize = 32;

/// File name of the official archive of CIFAR-10 in its binary version.
pub const ARCHIVE: &str = "cifar-10-binary.tar.gz";

/// Folder inside the official archive.
pub const FOLDER: &str = "cifar-10-batches-bin";

const PLANE: usize = SIDE * SIDE;
const PICTURE: usize = 3 * PLANE;

/// Bytes of a record of CIFAR-10: the label and the three planes.
pub const RECORD: usize = 1 + PICTURE;

/// Maximum number of pictures, 600 MB. The real data sets have 50,000 training pictures.
pub const MAX_PICTURES: usize = 200_000;

/// Limit of unpacked bytes that are read from an archive. The real ones have 185 MB.
const MAX_UNPACKED: u64 = 2 << 30;

/// Limit of a file of the Python version in bytes.
const MAX_FILE: usize = MAX_PICTURES * (RECORD + 100);

/// Limit of a file with names of classes in bytes. The real ones have 158 and 1,499.
const MAX_NAMES: usize = 1 << 16;

/// One of the two data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// CIFAR-10.
    Ten,
    /// CIFAR-100, with its 100 fine classes.
    Hundred,
}

impl Set {
    /// Bytes of a record of the binary version.
    pub fn record(self) -> usize {
        self.labels() + PICTURE
    }

    /// Number of label bytes of a record. The last one is the class.
    fn labels(self) -> usize {
        match self {
            Self::Ten => 1,
            Self::Hundred => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ten => "CIFAR-10",
            Self::Hundred => "CIFAR-100",
        }
    }

    /// The names of the classes.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Ten => &CLASSES,
            Self::Hundred => &HUNDRED,
        }
    }

    /// What is known about the classes. The frogs of CIFAR-10 are taken if none is asked for.
    fn classes(self) -> Classes {
        Classes {
            set: Some(self.name().into()),
            names: self.names().iter().map(|name| (*name).to_owned()).collect(),
            usual: (self == Self::Ten).then(|| "frog".into()),
        }
    }

    /// Checks the name of a class.
    ///
    /// # Errors
    /// When it is neither `all` nor the name of a class.
    pub fn check(self, class: &str) -> Result<(), UnknownClass> {
        let is_class = |name: &&str| name.eq_ignore_ascii_case(class.trim());
        let is_known = is_class(&"all") || self.names().iter().any(is_class);
        if is_known { Ok(()) } else { Err(UnknownClass { class: class.to_owned(), set: self }) }
    }

    /// Folders in which the files are, relative to the one that users know: the archives', Keras', torchvision's.
    fn folders(self) -> [&'static str; 4] {
        match self {
            Self::Ten => ["", FOLDER, "cifar-10-batches-py", "cifar-10-batches-py-target/cifar-10-batches-py"],
            Self::Hundred => ["", "cifar-100-binary", "cifar-100-python", "cifar-100-python-target/cifar-100-python"],
        }
    }

    /// Names of the archives: the official ones, and those that Keras gives them.
    fn archives(self) -> &'static [&'static str] {
        match self {
            Self::Ten => &[
                ARCHIVE,
                "cifar-10-python.tar.gz",
                "cifar-10-batches-py.tar.gz",
                "cifar-10-batches-py-target.tar.gz",
                "cifar-10-batches-py-target_archive",
            ],
            Self::Hundred => &[
                "cifar-100-binary.tar.gz",
                "cifar-100-python.tar.gz",
                "cifar-100-python-target.tar.gz",
                "cifar-100-python-target_archive",
            ],
        }
    }
}

/// What a file is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Training pictures of the binary version.
    Binary(Set),
    /// Training pictures of the Python version.
    Python(Set),
    /// The names of the classes in the Python version.
    Names(Set),
}

impl Part {
    fn of(name: &str) -> Option<Self> {
        match name {
            "train.bin" => Some(Self::Binary(Set::Hundred)),
            "train" => Some(Self::Python(Set::Hundred)),
            "batches.meta" => Some(Self::Names(Set::Ten)),
            "meta" => Some(Self::Names(Set::Hundred)),
            _ => {
                let number = name.strip_prefix("data_batch_")?;
                let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                match number.strip_suffix(".bin") {
                    Some(_) => Some(Self::Binary(Set::Ten)),
                    None => is_number.then_some(Self::Python(Set::Ten)),
                }
            }
        }
    }

    /// The set whose training pictures these are.
    fn pictures(self) -> Option<Set> {
        match self {
            Self::Binary(set) | Self::Python(set) => Some(set),
            Self::Names(_) => None,
        }
    }
}

/// The name is neither `all` nor that of a class.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown class {class:?}; the classes are {} and all", set.names().join(", "))]
pub struct UnknownClass {
    class: String,
    set: Set,
}

/// Why CIFAR could not be read. `file` is the path, including the path inside an archive.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CifarError {
    /// The length is not a whole number of records.
    #[error(
        "{file} is cut: after {records} whole records of {record} bytes, {rest} bytes are left over; \
         copy or download it again"
    )]
    Cut { file: String, records: usize, record: usize, rest: usize },
    /// A label that no class has.
    #[error(
        "{file} is not {set} in its binary form: record {record} has label {label}, and labels go from 0 to {most} \
         (the files of other versions look alike but are not)"
    )]
    Label { file: String, set: &'static str, record: usize, label: u8, most: usize },
    /// A file of the Python version that cannot be read.
    #[error("{file} is not CIFAR in its Python form: {cause}")]
    Python { file: String, cause: String },
    /// More than [`MAX_PICTURES`], or an archive that unpacks to far more than CIFAR has.
    #[error("{file} is larger than CIFAR ever is (more than {MAX_PICTURES} pictures); not reading on")]
    TooLarge { file: String },
    /// No training pictures were found.
    #[error("{file} holds no data_batch_*.bin{hint}")]
    NoBatches { file: String, hint: &'static str },
    /// The compressed data is not a tar archive.
    #[error("{file} is compressed, but no tar archive: {what}")]
    NoArchive { file: String, what: String },
    /// The archive ends early or is damaged.
    #[error("{file} is cut or damaged ({cause}); download it again")]
    Archive { file: String, cause: io::Error },
    /// The file could not be read.
    #[error("cannot read {file}")]
    Io { file: String, source: io::Error },
    /// There is no room for the pictures.
    #[error(transparent)]
    NoRoom(anyhow::Error),
}

/// The format; see the [module](self).
#[derive(Debug)]
pub(super) struct Cifar(pub(super) Set);

impl Format for Cifar {
    fn in_folder(&self, path: &Path) -> Result<Option<PathBuf>> {
        let found = find(path, self.0).into_iter().next();
        if found.is_none() && self.0 == Set::Ten {
            let matlab = ["data_batch_1.mat", "cifar-10-batches-mat/data_batch_1.mat"];
            ensure!(
                !matlab.iter().any(|name| path.join(name).is_file()),
                "{} holds CIFAR-10 in its Matlab version; the binary version ({ARCHIVE}) or the Python version is \
                 needed: {CIFAR10_URL}",
                Plain::path(path)
            );
        }
        Ok(found)
    }

    fn is_file(&self, path: &Path, start: &[u8]) -> bool {
        // Which of the two an archive or a pickle holds is known when it has been read.
        if is_archive(start) || is_pickle(start) {
            return self.0 == Set::Ten;
        }
        let is_bin = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("bin"));
        // A record is a label and arbitrary pixels, so its first bytes may look like another format.
        let length = fs::metadata(path).map_or(0, |meta| meta.len());
        let is_whole = |set: Set| length > 0 && length.is_multiple_of(set.record() as u64);
        let is_other = || kinds::kind(start, path).is_some() || image::guess_format(start).is_ok();
        is_bin && set_of(path, is_whole) == self.0 && (is_whole(self.0) || !is_other())
    }

    fn shape(&self, _: &Path) -> Result<Shape> {
        Ok(SHAPE)
    }

    fn files(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let mut files = self.with_pictures(path)?;
        files.extend(files.first().and_then(|file| names_beside(file)).map(|(_, names)| names));
        Ok(files)
    }

    fn read(&self, path: &Path, into: &mut Collector<'_>) -> Result<Content> {
        read_files(&self.with_pictures(path)?, self.0, into).map_err(|error| match error {
            // It says nothing of the file.
            CifarError::NoRoom(error) => error,
            error => error.into(),
        })
    }
}

impl Cifar {
    /// The files with pictures that a path stands for.
    fn with_pictures(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        if path.is_dir() { parts(path, self.0) } else { Ok(vec![path.to_owned()]) }
    }
}

const SHAPE: Shape = Shape::new(SIDE as u16, SIDE as u16, 3);

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Whether a file that begins with these bytes is a tar archive, or compressed and perhaps one.
fn is_archive(start: &[u8]) -> bool {
    start.starts_with(&GZIP) || start.get(257..262) == Some(b"ustar")
}

/// The set that a `.bin` file is of: by its name, else by its length.
fn set_of(path: &Path, is_whole: impl Fn(Set) -> bool) -> Set {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match (Part::of(&name), &*name) {
        (Some(Part::Binary(set)), _) => set,
        (_, "test.bin") => Set::Hundred,
        (_, "test_batch.bin") => Set::Ten,
        _ if !is_whole(Set::Ten) && is_whole(Set::Hundred) => Set::Hundred,
        _ => Set::Ten,
    }
}

/// The folders and archives in `folder` that hold this set, also where Keras and torchvision put them, the best one first.
pub fn find(folder: &Path, set: Set) -> Vec<PathBuf> {
    let folders =
        set.folders().into_iter().map(|below| if below.is_empty() { folder.into() } else { folder.join(below) });
    // A folder that cannot be read gives an error elsewhere.
    let folders = folders.filter(|folder| !parts(folder, set).unwrap_or_default().is_empty());
    let archives = set.archives().iter().map(|name| folder.join(name)).filter(|file| file.is_file());
    folders.chain(archives).collect()
}

/// The files with training pictures directly inside `folder`, by name, of one version.
fn parts(folder: &Path, set: Set) -> io::Result<Vec<PathBuf>> {
    let (mut binary, mut python) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(part) = path.file_name().and_then(|name| Part::of(name.to_str()?)) else { continue };
        if part.pictures() != Some(set) || !path.is_file() {
            continue;
        }
        match part {
            // Other data may have these names too, but not beside the test pictures.
            Part::Binary(Set::Hundred) if !folder.join("test.bin").is_file() => {}
            Part::Python(Set::Hundred) if !folder.join("test").is_file() => {}
            Part::Binary(_) => binary.push(path),
            _ => python.push(path),
        }
    }
    let mut parts = if binary.is_empty() { python } else { binary };
    parts.sort();
    Ok(parts)
}

/// Reads files of one version, one after the other.
fn read_files(files: &[PathBuf], set: Set, into: &mut Collector<'_>) -> Result<Content, CifarError> {
    let mut all = None;
    for path in files {
        let more = read_file(path, set, into)?;
        match &mut all {
            None => all = Some(more),
            Some(all) => append(all, more, &Plain::path(path).to_string())?,
        }
    }
    let mut all = all.unwrap_or_else(|| none(set));
    let Some(path) = files.first() else { return Ok(all) };
    if let Some((set, names)) = names_beside(path)
        && let Ok(bytes) = File::open(&names).and_then(|file| read_up_to(file, MAX_NAMES))
    {
        set_names(&mut all.classes, &bytes, set, &Plain::path(&names).to_string());
    }
    checked(all, &Plain::path(path).to_string())
}

/// The file with the names of the classes beside a file of the Python version.
fn names_beside(path: &Path) -> Option<(Set, PathBuf)> {
    match path.file_name().and_then(|name| Part::of(name.to_str()?))? {
        Part::Python(Set::Ten) => Some((Set::Ten, path.with_file_name("batches.meta"))),
        Part::Python(Set::Hundred) => Some((Set::Hundred, path.with_file_name("meta"))),
        _ => None,
    }
}

/// Reads one file: a `.bin`, a pickle, or an archive.
fn read_file(path: &Path, set: Set, into: &mut Collector<'_>) -> Result<Content, CifarError> {
    let file = Plain::path(path).to_string();
    let unreadable = |source| CifarError::Io { file: file.clone(), source };
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path).map_err(unreadable)?);
    let start = io::BufRead::fill_buf(&mut reader).map_err(unreadable)?;
    if is_archive(start) {
        collect_archive(reader, &file, into)
    } else if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("bin")) {
        collect_batch(reader, &file, set, into)
    } else {
        collect_python(&read_up_to(reader, MAX_FILE).map_err(unreadable)?, &file, into)
    }
}

/// Pictures to which others are appended.
fn none(set: Set) -> Content {
    Content { labels: Vec::new(), classes: set.classes(), order: None }
}

fn append(all: &mut Content, mut more: Content, file: &str) -> Result<(), CifarError> {
    all.labels.append(&mut more.labels);
    if all.labels.len() > MAX_PICTURES { Err(CifarError::TooLarge { file: file.to_owned() }) } else { Ok(()) }
}

/// Takes the names of the classes from `batches.meta` or `meta`. Without them the known ones remain.
fn set_names(classes: &mut Classes, bytes: &[u8], set: Set, file: &str) {
    let key = match set {
        Set::Ten => "label_names",
        Set::Hundred => "fine_label_names",
    };
    match Pickle::parse(bytes).and_then(|pickle| pickle.texts(key)) {
        Ok(names) => classes.names = names,
        Err(error) => {
            warn!("data: the names of the classes cannot be read from {file}, and the usual ones are used: {error:#}")
        }
    }
    classes.usual = classes.usual.take().filter(|usual| classes.names.iter().any(|name| name == usual));
}

/// Checks that every picture has a class.
fn checked(pictures: Content, file: &str) -> Result<Content, CifarError> {
    let most = pictures.classes.names.len();
    match pictures.labels.iter().find(|label| **label as usize >= most) {
        Some(label) => Err(CifarError::Python {
            file: file.to_owned(),
            cause: format!("a picture has label {label}, and there are {most} classes"),
        }),
        None => Ok(pictures),
    }
}

/// Reads a file of the Python version; `file` is for messages.
pub fn read_python(bytes: &[u8], file: &str) -> Result<Pictures, CifarError> {
    Pictures::collect(u64::MAX, |into| collect_python(bytes, file, into))
}

fn collect_python(bytes: &[u8], file: &str, into: &mut Collector<'_>) -> Result<Content, CifarError> {
    let python = python(bytes, into);
    python.map_err(|error| match into.has_failed() {
        true => CifarError::NoRoom(error),
        false => CifarError::Python { file: file.to_owned(), cause: format!("{error:#}") },
    })
}

fn python(bytes: &[u8], into: &mut Collector<'_>) -> Result<Content> {
    if !is_pickle(bytes)
        && let Some(kind) = kinds::kind(bytes.get(..kinds::START).unwrap_or(bytes), Path::new(""))
    {
        bail!("it is {}; {}", kind.name, kind.advice(Path::new("FILE")));
    }
    let pickle = Pickle::parse(bytes)?;
    let array = pickle.array("data")?;
    let (shape, element) = (&array.header.shape, array.header.element);
    ensure!(element == Element::U8, "its pictures have the type {element:?}; bytes (uint8) can be read");
    let is_planes = match shape[..] {
        [_, PICTURE] | [_, 3, SIDE, SIDE] => true,
        [_, SIDE, SIDE, 3] => false,
        _ => bail!("its pictures have the shape {shape:?}; [N, {PICTURE}] can be read"),
    };
    let rows = array.rows().context("its pictures are in Fortran's order; numpy.ascontiguousarray changes it")?;
    let (set, key) = match (pickle.has("fine_labels"), pickle.has("labels")) {
        (true, _) => (Set::Hundred, "fine_labels"),
        (false, true) => (Set::Ten, "labels"),
        _ => bail!("it has no \"labels\" or \"fine_labels\"; its keys are {}", pickle.keys()),
    };
    let mut pictures = none(set);
    pictures.labels = pickle.numbers(key)?;
    let count = rows.len() / PICTURE;
    ensure!(count <= MAX_PICTURES, "it has more than {MAX_PICTURES} pictures");
    ensure!(pictures.labels.len() == count, "it has {count} pictures, and {} labels", pictures.labels.len());
    let mut pixels = Vec::new();
    for some in rows.chunks(at_once(PICTURE)) {
        if is_planes {
            pixels.clear();
            some.chunks_exact(PICTURE).for_each(|planes| push_pixels(&mut pixels, planes));
            into.add(SHAPE, &pixels)?;
        } else {
            into.add(SHAPE, some)?;
        }
    }
    Ok(pictures)
}

/// Appends a picture that is stored as planes.
fn push_pixels(pixels: &mut Vec<u8>, planes: &[u8]) {
    for at in 0..PLANE {
        pixels.extend([planes[at], planes[PLANE + at], planes[2 * PLANE + at]]);
    }
}

/// Reads records of the binary version to the end of `reader`; `file` is for messages.
pub fn read_batch(reader: impl Read, file: &str, set: Set) -> Result<Pictures, CifarError> {
    Pictures::collect(u64::MAX, |into| collect_batch(reader, file, set, into))
}

fn collect_batch(mut reader: impl Read, file: &str, set: Set, into: &mut Collector<'_>) -> Result<Content, CifarError> {
    let mut pictures = none(set);
    let mut pixels = Vec::with_capacity(PICTURE);
    let mut buffer = [0; 2 + PICTURE];
    let record = &mut buffer[..set.record()];
    for index in 0.. {
        let length = fill(&mut reader, record).map_err(|source| {
            // A decompressor reports damaged data with these kinds; errors of the disk have others.
            let damaged = matches!(
                source.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
            );
            let file = file.to_owned();
            if damaged { CifarError::Archive { file, cause: source } } else { CifarError::Io { file, source } }
        })?;
        if length == 0 {
            break;
        }
        if length < record.len() {
            return Err(CifarError::Cut { file: file.to_owned(), records: index, record: record.len(), rest: length });
        }
        let (labels, planes) = record.split_at(set.labels());
        let label = labels[labels.len() - 1];
        let most = set.names().len() - 1;
        if usize::from(label) > most {
            return Err(CifarError::Label { file: file.to_owned(), set: set.name(), record: index, label, most });
        }
        if index >= MAX_PICTURES {
            return Err(CifarError::TooLarge { file: file.to_owned() });
        }
        pictures.labels.push(label.into());
        pixels.clear();
        push_pixels(&mut pixels, planes);
        into.add(SHAPE, &pixels).map_err(CifarError::NoRoom)?;
    }
    Ok(pictures)
}

/// Reads until `buffer` is full or the input ends; returns the number of bytes.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Reads the training pictures of a `.tar.gz` or a plain `.tar` as a stream, without unpacking to
/// disk. Only the last part of the paths inside the archive counts. The pictures are in the
/// order of the files' names, as in a folder. `file` is for messages.
pub fn read_archive(reader: impl Read, file: &str) -> Result<Pictures, CifarError> {
    Pictures::collect(u64::MAX, |into| collect_archive(reader, file, into))
}

fn collect_archive(reader: impl Read, file: &str, into: &mut Collector<'_>) -> Result<Content, CifarError> {
    let damaged = |cause| CifarError::Archive { file: file.to_owned(), cause };
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let packed = io::BufRead::fill_buf(&mut reader).map_err(damaged)?.starts_with(&GZIP);
    let mut unpacked: Box<dyn Read + '_> = if packed { Box::new(GzDecoder::new(reader)) } else { Box::new(reader) };
    let mut unpacked = (&mut unpacked).take(MAX_UNPACKED);
    let mut start = Vec::new();
    (&mut unpacked).take(BLOCK as u64).read_to_end(&mut start).map_err(damaged)?;
    if packed && !is_tar(&start) {
        let what = match kinds::kind(&start, Path::new("")) {
            Some(kind) => format!("it is {}; {}", kind.name, kind.advice(Path::new(file))),
            None => "unpack it; of what is in it, pictures in a folder can be read".into(),
        };
        return Err(CifarError::NoArchive { file: file.to_owned(), what });
    }

    let mut batches = Vec::new();
    // The first file with pictures says which set and version this is.
    let mut first = None;
    let mut names = Vec::new();
    let mut is_matlab = false;
    let mut kept = 0;
    {
        let mut archive = tar::Archive::new(start.as_slice().chain(&mut unpacked));
        // With `raw`, long-name records are plain entries; otherwise the reader would load them whole into memory.
        for entry in archive.entries().map_err(damaged)?.raw(true) {
            let entry = entry.map_err(damaged)?;
            let path = entry.path_bytes();
            let name = path.rsplit(|&byte| byte == b'/' || byte == b'\\').next().unwrap_or_default();
            let name = String::from_utf8_lossy(name).into_owned();
            is_matlab |= matches!(&*name, "data_batch_1.mat" | "train.mat");
            let Some(part) = Part::of(&name).filter(|_| entry.header().entry_type().is_file()) else { continue };
            let is_names = part.pictures().is_none();
            if !is_names && *first.get_or_insert(part) != part {
                continue;
            }
            let inside = format!("{} in {file}", Plain::text(&name));
            if is_names && (entry.size() > MAX_NAMES as u64 || names.len() > 1) {
                continue;
            }
            if entry.size() > MAX_FILE as u64 {
                return Err(CifarError::TooLarge { file: inside });
            }
            let length = entry.size();
            let mut entry = entry.take(length);
            let pictures = match part {
                Part::Binary(set) => match collect_batch(&mut entry, &inside, set, into) {
                    // The archive ended before the entry did.
                    Ok(_) | Err(CifarError::Cut { .. }) if entry.limit() > 0 => {
                        return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
                    }
                    other => other?,
                },
                Part::Python(_) | Part::Names(_) => {
                    let bytes = read_up_to(&mut entry, length as usize).map_err(damaged)?;
                    if entry.limit() > 0 {
                        return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
                    }
                    if let Part::Names(set) = part {
                        names.push((set, bytes));
                        continue;
                    }
                    collect_python(&bytes, &inside, into)?
                }
            };
            let first = kept;
            kept += pictures.labels.len();
            if kept > MAX_PICTURES {
                return Err(CifarError::TooLarge { file: file.to_owned() });
            }
            batches.push((name, first as u32..kept as u32, pictures));
        }
    }
    // The checksum of the compressed stream is after the last entry, so the stream is read to its end.
    io::copy(&mut unpacked, &mut io::sink()).map_err(damaged)?;
    if unpacked.limit() == 0 {
        return Err(CifarError::TooLarge { file: file.to_owned() });
    }
    let Some(set) = first.and_then(Part::pictures) else {
        let hint = if is_matlab {
            "; it is the Matlab version, and the binary version (cifar-10-binary.tar.gz) or the Python version is needed"
        } else {
            ", nor another file of CIFAR; of archives, only those of CIFAR can be read: unpack others and give their folder"
        };
        return Err(CifarError::NoBatches { file: file.to_owned(), hint });
    };
    batches.sort_by(|a, b| a.0.cmp(&b.0));
    let mut all = none(set);
    let mut order = Vec::with_capacity(kept);
    for (name, places, pictures) in batches {
        order.extend(places);
        append(&mut all, pictures, &name)?;
    }
    all.order = (!order.is_sorted()).then_some(order);
    for (_, bytes) in names.iter().filter(|(of, _)| *of == set) {
        set_names(&mut all.classes, bytes, set, file);
    }
    checked(all, file)
}

/// Bytes of a block of a tar archive.
const BLOCK: usize = 512;

/// Whether a block begins a tar archive: it has the magic number or the right checksum, or it is the end marker.
fn is_tar(start: &[u8]) -> bool {
    let Some(block) = start.first_chunk::<BLOCK>() else { return false };
    let sum = block.iter().enumerate().map(|(i, &byte)| u32::from(if (148..156).contains(&i) { b' ' } else { byte }));
    let noted = block[148..156].iter().filter(|byte| byte.is_ascii_digit());
    let noted = noted.fold(0_u32, |sum, digit| sum << 3 | u32::from(digit - b'0'));
    block[257..262] == *b"ustar" || block.iter().all(|&byte| byte == 0) || sum.sum::<u32>() == noted
}
