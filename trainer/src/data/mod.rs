//! Pictures to learn from: CIFAR-10, a folder of anybody's own, or frogs drawn on the spot.
//!
//! [`load`] finds a source, reads it and says which one it took. Every source ends up as the same
//! [`Dataset`]: bytes, RGB, `[N, side, side, 3]`, always in the same order.

pub mod cifar;
pub mod download;
mod folder;
pub mod frogs;
pub mod manifest;

use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use image::RgbImage;
use indicatif::HumanCount;
use log::{info, warn};
use md5::{Digest, Md5};
use ndarray::{Array4, s};
use rayon::prelude::*;

pub use cifar::{ClassFilter, UnknownClass};
pub use folder::picture;

/// The official home of CIFAR-10 in its binary form.
pub const CIFAR10_URL: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";

/// MD5 of the official archive (170,052,171 bytes), from the same page.
pub const CIFAR10_MD5: &str = "c32a1d4ab5d03f1284b67883e8d87530";

/// The path that stands for the drawn frogs; a folder of that name is `./builtin`.
pub const BUILTIN: &str = "builtin";

/// Fewer pictures than this are refused: there would be nothing to tell apart.
pub const MIN_PICTURES: usize = 2;

/// Pixels of all pictures together, in bytes, that are kept in memory at most.
const MAX_BYTES: u64 = 4 << 30;

/// How to choose, for the log.
const HOW_TO_CHOOSE: &str = "another data set: --data PATH (a folder of pictures, or CIFAR-10 in its binary form: \
     folder, .bin or .tar.gz), --data builtin (drawn frogs), or the environment variable CIFAR10_DIR";

/// Something that was found but not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub path: PathBuf,
    /// Why, in words.
    pub reason: String,
}

/// Pictures to learn from.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// One line in words: what, how many, where from.
    pub name: String,
    /// The path that [`Request::path`] would have to be to get these pictures again.
    pub origin: PathBuf,
    /// `[N, side, side, 3]`, RGB.
    pub pictures: Array4<u8>,
    /// How many pictures each class, folder or kind of frog has; only those that have any.
    pub groups: Vec<(String, usize)>,
    /// The file of each picture, below [`origin`](Self::origin); none if several share a file.
    pub files: Vec<PathBuf>,
    pub skipped: Vec<Skipped>,
}

/// What [`load`] should look for.
#[derive(Clone, Debug)]
pub struct Request {
    /// A folder of pictures, CIFAR-10 in its binary form (folder, `.bin`, `.tar.gz`), or
    /// [`BUILTIN`]. `None`: the first of `CIFAR10_DIR`, cache, download and drawn frogs.
    pub path: Option<PathBuf>,
    /// Of CIFAR-10, which class. Folders are taken whole.
    pub class: ClassFilter,
    /// Side of the pictures in pixels, within [`frogs::SIDES`].
    pub side: usize,
    /// Seed of the drawn frogs.
    pub seed: u64,
    /// How many frogs are drawn.
    pub drawn: usize,
}

impl Default for Request {
    fn default() -> Self {
        Self { path: None, class: ClassFilter::FROG, side: 32, seed: 0, drawn: 5000 }
    }
}

/// Where data is looked for when no path is given.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `CIFAR10_DIR`: anything that [`Request::path`] may be.
    pub cifar10_dir: Option<PathBuf>,
    /// `RIBBIT_CACHE`, or `ribbit` in the user's cache folder. `None`: nothing is kept or fetched.
    pub cache: Option<PathBuf>,
    /// `RIBBIT_CIFAR10_URL`, or [`CIFAR10_URL`].
    pub url: String,
    /// MD5 of the archive, in hexadecimal digits. A mirror has the same file.
    pub md5: String,
    /// `RIBBIT_OFFLINE`: nothing is fetched.
    pub offline: bool,
}

impl Sources {
    /// As the environment has it; a variable that is empty counts as not set.
    pub fn from_env() -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        Self {
            cifar10_dir: variable("CIFAR10_DIR").map(PathBuf::from),
            cache: variable("RIBBIT_CACHE")
                .map(PathBuf::from)
                .or_else(|| dirs::cache_dir().map(|cache| cache.join("ribbit"))),
            url: variable("RIBBIT_CIFAR10_URL")
                .map_or_else(|| CIFAR10_URL.into(), |url| url.to_string_lossy().into_owned()),
            md5: CIFAR10_MD5.into(),
            offline: variable("RIBBIT_OFFLINE").is_some_and(|value| value != "0"),
        }
    }
}

/// Finds and reads a data set: [`Request::path`]; else `CIFAR10_DIR`; else the cache folder; else
/// the official archive, downloaded into the cache folder; else the drawn frogs.
///
/// # Errors
/// A source that was asked for (by path or by `CIFAR10_DIR`) and cannot be read is an error; one
/// that was merely tried is not, unless a class was asked for that only CIFAR-10 has.
pub fn load(request: &Request) -> Result<Dataset> {
    load_from(request, &Sources::from_env())
}

/// As [`load`], with `sources` in place of the environment.
pub fn load_from(request: &Request, sources: &Sources) -> Result<Dataset> {
    ensure!(
        frogs::SIDES.contains(&request.side),
        "pictures of {0}x{0} pixels are not possible; the side goes from {1} to {2}",
        request.side,
        frogs::SIDES.start(),
        frogs::SIDES.end()
    );
    let dataset = match (&request.path, &sources.cifar10_dir) {
        (Some(path), _) => open(path, request)?,
        (None, Some(path)) => open(path, request).context("the environment variable CIFAR10_DIR was followed")?,
        (None, None) => automatic(request, sources)?,
    };
    let count = dataset.len();
    ensure!(
        count >= MIN_PICTURES,
        "too few pictures: {}; at least {MIN_PICTURES} are needed{}",
        dataset.name,
        reasons(&dataset.skipped, 5)
    );
    Ok(dataset)
}

/// Tells which data set was taken, what was skipped, and how to choose another.
pub fn announce(dataset: &Dataset) {
    info!("data: {}", dataset.name);
    if !dataset.skipped.is_empty() {
        warn!("data: {} skipped{}", number(dataset.skipped.len()), reasons(&dataset.skipped, 3));
    }
    info!("{HOW_TO_CHOOSE}");
}

/// Cache, download, drawn frogs.
fn automatic(request: &Request, sources: &Sources) -> Result<Dataset> {
    let reason = match &sources.cache {
        None => "there is no cache folder (RIBBIT_CACHE names one)".into(),
        Some(cache) => match cached(request, sources, cache) {
            Ok(dataset) => return Ok(dataset),
            Err(error) => format!("{error:#}"),
        },
    };
    warn!("data: no CIFAR-10: {reason}");
    open(Path::new(BUILTIN), request).context("CIFAR-10 is not available, and the drawn frogs would stand in for it")
}

/// CIFAR-10 from the cache folder, downloaded first if it is not there.
fn cached(request: &Request, sources: &Sources, cache: &Path) -> Result<Dataset> {
    let archive = cache.join(cifar::ARCHIVE);
    for path in [&archive, &cache.join(cifar::FOLDER)] {
        if path.exists() {
            match open(path, request) {
                Ok(dataset) => return Ok(dataset),
                Err(error) => warn!("data: the cache is no use: {error:#}"),
            }
        }
    }
    ensure!(!sources.offline, "RIBBIT_OFFLINE is set, so it was not downloaded");
    if archive.exists() {
        fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))?;
    }
    info!("data: downloading CIFAR-10 (170 MB) from {} into {}", sources.url, cache.display());
    download::fetch(&sources.url, &sources.md5, &archive)?;
    open(&archive, request)
}

/// Reads what `path` names, whatever it is.
fn open(path: &Path, request: &Request) -> Result<Dataset> {
    if path == Path::new(BUILTIN) {
        return Ok(Dataset { origin: path.to_owned(), ..builtin(request)? });
    }
    let dataset = open_pictures(path, request)?;
    // A path is taken as seen from the current folder, which may be another one next time.
    let origin = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok(Dataset { origin, ..dataset })
}

fn open_pictures(path: &Path, request: &Request) -> Result<Dataset> {
    let shown = path.display();
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "there is nothing at {shown}; --data takes a folder of pictures, CIFAR-10 in its binary form \
             (folder, .bin or .tar.gz), or the word {BUILTIN}"
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    if meta.is_dir() { open_folder(path, request) } else { open_file(path, request) }
}

fn open_folder(path: &Path, request: &Request) -> Result<Dataset> {
    let shown = path.display();
    for folder in [path.to_owned(), path.join(cifar::FOLDER)] {
        // A folder that cannot be read says so below; one that is not there is none of CIFAR-10's.
        let batches = cifar::batches_in(&folder).unwrap_or_default();
        if !batches.is_empty() {
            return from_cifar(cifar::read_bins(&batches, request.class)?, path, request);
        }
    }
    let archive = path.join(cifar::ARCHIVE);
    if archive.is_file() {
        return open_file(&archive, request);
    }
    let python = ["data_batch_1", "cifar-10-batches-py/data_batch_1"];
    ensure!(
        !python.iter().any(|name| path.join(name).is_file()),
        "{shown} holds CIFAR-10 in its Python version; the binary version ({}) is needed: {CIFAR10_URL}",
        cifar::ARCHIVE
    );

    let (files, skipped) = folder::list(path).with_context(|| format!("cannot read {shown}"))?;
    ensure!(
        !files.is_empty(),
        "{shown} is empty: it holds neither pictures nor data_batch_*.bin{}",
        reasons(&skipped, 5)
    );
    check_memory(files.len(), request.side, path)?;
    let found = folder::read(path, &files, skipped, request.side);
    ensure!(
        !found.pixels.is_empty(),
        "{shown} holds no picture that can be read (PNG, JPEG, BMP, GIF or WebP){}",
        reasons(&found.skipped, 5)
    );
    let mut dataset = Dataset::new(found.pixels, request.side)?;
    let class = match request.class {
        ClassFilter::FROG | ClassFilter::All => String::new(),
        class => format!(", all of them: the class {class} can only be told apart in CIFAR-10's binary form"),
    };
    dataset.name = format!("{} from the folder {shown}{class}", dataset.count_in_words("picture"));
    (dataset.groups, dataset.files, dataset.skipped) = (found.groups, found.files, found.skipped);
    Ok(dataset)
}

fn open_file(path: &Path, request: &Request) -> Result<Dataset> {
    let shown = path.display();
    let mut start = Vec::new();
    let unreadable = || format!("cannot read {shown}");
    // Enough for the mark of a tar file, at byte 257. None of these marks begins with a label.
    File::open(path).with_context(unreadable)?.take(512).read_to_end(&mut start).with_context(unreadable)?;
    if start.starts_with(&[0x1f, 0x8b]) || start.get(257..262) == Some(b"ustar") {
        let file = File::open(path).with_context(unreadable)?;
        return from_cifar(cifar::read_archive(file, &shown.to_string(), request.class)?, path, request);
    }
    ensure!(!start.starts_with(b"PK"), "{shown} is a zip archive; unpack it and give its folder");
    ensure!(
        image::guess_format(&start).is_err(),
        "{shown} is a single picture; give the folder that holds it and others"
    );
    let is_bin = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("bin"));
    ensure!(
        is_bin,
        "{shown} is neither a folder of pictures nor CIFAR-10 in its binary form (folder, .bin or .tar.gz){}",
        if path.to_string_lossy().ends_with("gz") { "; as an archive it is damaged or something else" } else { "" }
    );
    ensure!(!start.is_empty(), "{shown} is an empty file; copy or download it again");
    from_cifar(cifar::read_bin(path, request.class)?, path, request)
}

fn from_cifar(pictures: cifar::Pictures, path: &Path, request: &Request) -> Result<Dataset> {
    ensure!(!pictures.is_empty(), "{} holds no picture of the class {}", path.display(), request.class);
    check_memory(pictures.len(), request.side, path)?;
    let pixels = if request.side == cifar::SIDE {
        pictures.pixels
    } else {
        let side = cifar::SIDE as u32;
        let larger = pictures.pixels.par_chunks_exact(3 * cifar::SIDE * cifar::SIDE).flat_map_iter(|picture| {
            let picture = RgbImage::from_raw(side, side, picture.to_vec()).unwrap_or_default();
            folder::resize(picture, request.side as u32).into_raw()
        });
        larger.collect()
    };
    let mut dataset = Dataset::new(pixels, request.side)?;
    let what = match request.class {
        ClassFilter::All => "pictures of all classes".into(),
        class => format!("{class} pictures"),
    };
    dataset.name = format!("CIFAR-10, {} {what}, from {}", number(dataset.len()), path.display());
    let counts = cifar::CLASSES.iter().zip(pictures.counts).filter(|(_, count)| *count > 0);
    dataset.groups = counts.map(|(name, count)| ((*name).to_owned(), count)).collect();
    Ok(dataset)
}

/// The drawn frogs.
fn builtin(request: &Request) -> Result<Dataset> {
    ensure!(
        matches!(request.class, ClassFilter::FROG | ClassFilter::All),
        "the built-in data set has frogs only, no {}; give CIFAR-10 with --data PATH, from {CIFAR10_URL}",
        request.class
    );
    check_memory(request.drawn, request.side, Path::new(BUILTIN))?;
    let drawn: Option<Vec<_>> = (0..request.drawn)
        .into_par_iter()
        .map(|index| frogs::picture(request.seed, index as u64, request.side))
        .collect();
    let drawn = drawn.context("frogs of this size cannot be drawn")?;
    let mut groups = std::collections::BTreeMap::new();
    let mut pixels = Vec::with_capacity(request.drawn * request.side * request.side * 3);
    for (picture, kind) in drawn {
        pixels.extend_from_slice(picture.as_raw());
        *groups.entry(kind).or_insert(0) += 1;
    }
    let mut dataset = Dataset::new(pixels, request.side)?;
    dataset.name = format!("the built-in frogs, {} of seed {}", dataset.count_in_words("drawing"), request.seed);
    dataset.groups = groups.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect();
    Ok(dataset)
}

fn check_memory(count: usize, side: usize, path: &Path) -> Result<()> {
    ensure!(
        (count as u64).saturating_mul((side * side * 3) as u64) <= MAX_BYTES,
        "{}: {} pictures of {side}x{side} pixels take more than {} GB; use fewer or a smaller side",
        path.display(),
        number(count),
        MAX_BYTES >> 30
    );
    Ok(())
}

impl Dataset {
    /// `pixels` is `[N, side, side, 3]` in one piece.
    fn new(pixels: Vec<u8>, side: usize) -> Result<Self> {
        let count = pixels.len() / (side * side * 3);
        let pictures = Array4::from_shape_vec((count, side, side, 3), pixels)?;
        let (name, origin) = Default::default();
        Ok(Self { name, origin, pictures, groups: Vec::new(), files: Vec::new(), skipped: Vec::new() })
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pictures.dim().0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Side of a picture, in pixels.
    pub fn side(&self) -> usize {
        self.pictures.dim().1
    }

    /// MD5 over shape and bytes, 32 hexadecimal digits: the same data in the same order has the
    /// same fingerprint, on any machine and from any source.
    pub fn fingerprint(&self) -> String {
        let mut hash = Md5::new();
        for &length in self.pictures.shape() {
            hash.update((length as u64).to_le_bytes());
        }
        match self.pictures.as_slice() {
            Some(bytes) => hash.update(bytes),
            None => self.pictures.iter().for_each(|byte| hash.update([*byte])),
        }
        download::hex(&hash.finalize())
    }

    fn count_in_words(&self, what: &str) -> String {
        format!("{} {what}{}", number(self.len()), if self.len() == 1 { "" } else { "s" })
    }

    /// Mean and standard deviation of red, green and blue, 0 to 255.
    fn colours(&self) -> [(f64, f64); 3] {
        // Sums of bytes and of their squares stay exact in 64 bits.
        let mut sums = [(0_u64, 0_u64); 3];
        for pixel in self.pictures.rows() {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                sum.0 += u64::from(value);
                sum.1 += u64::from(value).pow(2);
            }
        }
        let n = (self.pictures.len() / 3).max(1) as f64;
        sums.map(|(sum, squares)| {
            let mean = sum as f64 / n;
            (mean, (squares as f64 / n - mean * mean).max(0.0).sqrt())
        })
    }
}

/// What a data set holds, in a few lines: source, number and size, classes or folders, colours,
/// and what was skipped, with the first reasons.
pub fn describe(dataset: &Dataset) -> String {
    let mut text = String::new();
    let mut line = |text_of_line: String| _ = writeln!(text, "{text_of_line}");
    line(format!("source       {}", dataset.name));
    line(format!("pictures     {} of {side}x{side} pixels, RGB", number(dataset.len()), side = dataset.side()));
    const MOST: usize = 20;
    for (index, (name, count)) in dataset.groups.iter().take(MOST).enumerate() {
        line(format!("{:<12} {:>7}  {name}", if index == 0 { "groups" } else { "" }, number(*count)));
    }
    if dataset.groups.len() > MOST {
        line(format!("{:<12} and {} more", "", dataset.groups.len() - MOST));
    }
    let [red, green, blue] = dataset.colours().map(|(mean, spread)| format!("{mean:.0} ± {spread:.0}"));
    line(format!("colour       red {red}, green {green}, blue {blue} (mean ± standard deviation, 0 to 255)"));
    line(format!("fingerprint  {}", dataset.fingerprint()));
    if dataset.skipped.is_empty() {
        line("skipped      nothing".into());
    } else {
        line(format!("skipped      {}{}", number(dataset.skipped.len()), reasons(&dataset.skipped, 10)));
    }
    text
}

/// The first `most` of what was skipped, each on a line of its own, after a colon; nothing for
/// nothing.
fn reasons(skipped: &[Skipped], most: usize) -> String {
    if skipped.is_empty() {
        return String::new();
    }
    let line = |Skipped { path, reason }: &Skipped| {
        let mut reason: String = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        if reason.chars().count() > 120 {
            reason = reason.chars().take(119).chain(['…']).collect();
        }
        format!("{}: {reason}", path.display())
    };
    ":".to_owned() + &listed(skipped.iter().map(line), most)
}

/// The first `most` texts, each on a line of its own, and how many more there are.
fn listed(texts: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = texts.len().saturating_sub(most);
    let mut list: String = texts.take(most).map(|text| format!("\n  {text}")).collect();
    if more > 0 {
        _ = write!(list, "\n  and {} more", number(more));
    }
    list
}

/// With commas between the thousands; a string, because `HumanCount` knows no width.
fn number(n: usize) -> String {
    HumanCount(n as u64).to_string()
}

/// `columns` x `rows` pictures, taken evenly from the whole set so that every class is likely to
/// show, each pixel drawn as a block of `scale` x `scale`.
///
/// # Errors
/// When the sheet would be too large.
pub fn contact_sheet(dataset: &Dataset, columns: usize, rows: usize, scale: usize) -> Result<RgbImage> {
    let shown = columns.saturating_mul(rows).min(dataset.len());
    let mut pictures = Array4::zeros((shown, dataset.side(), dataset.side(), 3));
    for (index, mut place) in pictures.outer_iter_mut().enumerate() {
        // Even steps: index * len / shown, without overflow for any set that fits in memory.
        let from = (index as u128 * dataset.len() as u128 / shown as u128) as usize;
        place.assign(&dataset.pictures.slice(s![from, .., .., ..]));
    }
    crate::grid::grid(pictures.view(), columns, 2, scale)
}
