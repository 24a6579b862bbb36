//! Training pictures: CIFAR, other files of many pictures, a folder of the user's pictures, or frogs that the program draws.
//!
//! [`load`] finds and reads a source. Every source becomes a [`Dataset`]: bytes of grey or RGB,
//! `[N, height, width, channels]`, always in the same order.

pub mod cifar;
mod describe;
pub mod download;
mod fit;
mod folder;
mod format;
pub mod frogs;
mod holdout;
mod idx;
mod jpeg;
mod keep;
mod kinds;
pub mod labels;
pub mod manifest;
mod numpy;
mod open;
mod pickle;
mod save;

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use gen_core::Shape;
use log::{info, warn};
use md5::{Digest, Md5};

pub use cifar::UnknownClass;
use describe::reasons;
pub use describe::{announce, contact_sheet, describe, how_to_choose, sheet_rows};
pub use fit::{Fit, Fitting, Target};
pub use folder::{picture, single_picture};
pub use format::{Classes, Pictures};
pub use holdout::held_out_count;
pub use idx::read as read_idx;
pub use labels::{Labelling, Labels, MAX_CLASS_NAME, MAX_CLASSES};
pub use numpy::read as read_numpy;
pub use open::own_shape;
pub use save::save;

use crate::numbers::grouped;
use crate::store::PictureStore;
use crate::text::Plain;
use crate::usage;
use cifar::{CifarError, Set};
use open::open;

/// The official home of CIFAR-10 in its binary form.
pub const CIFAR10_URL: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";

/// MD5 of the official archive (170,052,171 bytes), from the same page.
pub const CIFAR10_MD5: &str = "c32a1d4ab5d03f1284b67883e8d87530";

/// The path that selects the drawn frogs. A folder of that name can be given as `./builtin`.
pub const BUILTIN: &str = "builtin";

/// Minimum number of pictures. A data set with fewer is refused.
pub const MIN_PICTURES: usize = 2;

/// A file or folder that was found but not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub path: PathBuf,
    /// Reason for people.
    pub reason: String,
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const LONGEST: usize = 300;
        // Reasons may come from other libraries and contain names from the file.
        let mut reason: String = self.reason.split_whitespace().collect::<Vec<_>>().join(" ");
        if reason.chars().count() > LONGEST {
            reason = reason.chars().take(LONGEST - 1).chain(['…']).collect();
        }
        write!(f, "{}: {}", Plain::path(&self.path), Plain::text(&reason))
    }
}

/// Training pictures.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Description in one line: contents, number of pictures, source.
    pub name: String,
    /// The [`Request::path`] that loads these pictures again.
    pub origin: PathBuf,
    /// The class that was taken of a source with classes; "all" if the source has a usual one.
    pub class: Option<String>,
    /// `[N, height, width, channels]`: one channel of grey, or red, green and blue. In memory, or in a file if they take
    /// more than [`Request::memory`].
    pub pictures: PictureStore,
    /// Number of pictures of each class, folder or kind of frog; only those with any.
    pub groups: Vec<(String, usize)>,
    /// The class of each picture; `None` if the pictures have no classes, or these are not used.
    pub labels: Option<Labels>,
    /// Whether [`labels`](Self::labels) come from subfolders without being asked for.
    pub labels_by_default: bool,
    /// Whether the labels are kinds, found by clustering.
    pub are_kinds: bool,
    /// Remarks on the labels, for people: why there are none, or what happened to their names.
    pub notes: Vec<String>,
    /// Path of each picture's file relative to [`origin`](Self::origin); empty if several pictures share a file.
    pub files: Vec<PathBuf>,
    /// Number of pictures that were smaller and had to be enlarged.
    pub enlarged: usize,
    pub skipped: Vec<Skipped>,
    /// Whether the user chose the source.
    pub chosen: bool,
}

/// Selects the pictures of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// Not specified: the frogs of CIFAR-10, and all pictures of any other source.
    #[default]
    Usual,
    /// Requested by the user, who gets this class or an error: a class of CIFAR, a label, the subfolder of this name
    /// (in the folder of pictures or in its `train`), or `all`.
    Asked(String),
    /// Recorded by an earlier run, whose pictures may be of any source. Ignored if this one does not have it.
    Noted(String),
}

impl Class {
    /// [`Asked`](Self::Asked) for this class, or [`Usual`](Self::Usual) for `None`.
    pub fn asked(class: Option<String>) -> Self {
        class.map_or(Self::Usual, Self::Asked)
    }

    /// [`Noted`](Self::Noted) with this class, or [`Usual`](Self::Usual) for `None`.
    pub fn noted(class: Option<String>) -> Self {
        class.map_or(Self::Usual, Self::Noted)
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Usual => None,
            Self::Asked(name) | Self::Noted(name) => Some(name),
        }
    }

    /// Whether the user asked for one class, and not for all.
    fn is_single(&self) -> bool {
        matches!(self, Self::Asked(name) if !is_all(name))
    }
}

/// Whether the name of a class stands for all classes.
fn is_all(class: &str) -> bool {
    class.trim().eq_ignore_ascii_case("all")
}

/// Which pictures [`load`] should load.
#[derive(Clone, Debug)]
pub struct Request {
    /// A folder of pictures, CIFAR (folder, file of it or archive), IDX, `.npz`, `.npy`, or [`BUILTIN`]. `None`: the
    /// first that is available of `CIFAR10_DIR`, cache, other programs' folders, download and drawn frogs.
    pub path: Option<PathBuf>,
    /// Selects the pictures of the source.
    pub class: Class,
    /// Whether the pictures get labels. A single class of [`Class::Asked`] gets none; it is an error together with
    /// [`Labelling::Asked`] and [`Labelling::Chosen`].
    pub labelling: Labelling,
    /// Size and channels of the pictures, and how others are brought to them. Height and width are within
    /// [`frogs::SIDES`].
    pub target: Target,
    /// Seed of the drawn frogs.
    pub seed: u64,
    /// Number of frogs that are drawn.
    pub drawn: usize,
    /// Whether a folder that contains a picture of another size is refused. If not, pictures are cropped and resized.
    pub exact: bool,
    /// Most bytes of pictures that are kept in memory. More are kept in a file in [`Sources::cache`]; training then has
    /// the same results. `None`: half of the machine's memory, or 4 GiB if the system does not say how much it has.
    pub memory: Option<u64>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            path: None,
            class: Class::Usual,
            labelling: Labelling::default(),
            target: Target::default(),
            seed: 0,
            drawn: 5000,
            exact: false,
            memory: None,
        }
    }
}

impl Request {
    /// [`memory`](Self::memory), or its default.
    fn memory(&self) -> u64 {
        const UNKNOWN: u64 = 8 << 30;
        self.memory.unwrap_or_else(|| usage::machine_memory().unwrap_or(UNKNOWN) / 2)
    }

    /// The labelling that applies: none to a single class.
    fn labelling(&self) -> &Labelling {
        if self.class.is_single() { &Labelling::Unlabelled } else { &self.labelling }
    }

    /// Checks that class and labelling go together.
    fn check(&self) -> Result<()> {
        ensure!(
            !(self.labelling.is_asked() && matches!(self.class, Class::Asked(_))),
            "--class and --classes do not go together: --class loads the pictures of one class, and --classes needs \
             several. Leave one of them out (--classes none and auto:N go with --class). To use the subfolders of one folder as classes, give its path with --data"
        );
        if let Labelling::Chosen(names) = &self.labelling { labels::check(names) } else { Ok(()) }
    }
}

/// Where pictures are searched for when no path is given.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `CIFAR10_DIR`: any value that [`Request::path`] may have.
    pub cifar10_dir: Option<PathBuf>,
    /// `RIBBIT_CACHE`, or `ribbit` in the user's cache folder. `None`: nothing is cached or downloaded.
    pub cache: Option<PathBuf>,
    /// Folders in which other programs may have left CIFAR-10: Keras in `KERAS_HOME` or `~/.keras`, examples of
    /// torchvision in `data`.
    pub others: Vec<PathBuf>,
    /// `RIBBIT_CIFAR10_URL`, or [`CIFAR10_URL`].
    pub url: String,
    /// MD5 of the archive in hexadecimal digits. A mirror must have the same file.
    pub md5: String,
    /// `RIBBIT_OFFLINE`: nothing is downloaded.
    pub offline: bool,
}

impl Sources {
    /// Reads the environment variables. An empty variable counts as not set.
    pub fn from_env() -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let keras =
            variable("KERAS_HOME").map(PathBuf::from).or_else(|| dirs::home_dir().map(|home| home.join(".keras")));
        Self {
            cifar10_dir: variable("CIFAR10_DIR").map(PathBuf::from),
            cache: variable("RIBBIT_CACHE")
                .map(PathBuf::from)
                .or_else(|| dirs::cache_dir().map(|cache| cache.join("ribbit"))),
            others: keras.map(|keras| keras.join("datasets")).into_iter().chain(["data".into()]).collect(),
            url: variable("RIBBIT_CIFAR10_URL")
                .map_or_else(|| CIFAR10_URL.into(), |url| url.to_string_lossy().into_owned()),
            md5: CIFAR10_MD5.into(),
            offline: variable("RIBBIT_OFFLINE").is_some_and(|value| value != "0"),
        }
    }
}

/// Finds and reads a data set: [`Request::path`]; else `CIFAR10_DIR`; else CIFAR-10 in the cache folder, or where Keras
/// or torchvision left it; else the official archive, downloaded into the cache folder; else, if no class was asked for,
/// the drawn frogs.
///
/// # Errors
/// When a source that the user requested (by path, by class or by `CIFAR10_DIR`) cannot be loaded. A source that
/// is only tried is skipped without an error if it does not exist, cannot be downloaded, or is damaged. If it
/// exists and another problem occurs (memory, permissions, the disk), that is an error too.
pub fn load(request: &Request) -> Result<Dataset> {
    load_from(request, &Sources::from_env())
}

/// Like [`load`], with `sources` instead of the environment variables.
pub fn load_from(request: &Request, sources: &Sources) -> Result<Dataset> {
    let Shape { height, width, channels } = request.target.shape;
    ensure!(
        frogs::SIDES.contains(&height.into()) && frogs::SIDES.contains(&width.into()),
        "pictures of {width}x{height} pixels are not possible; height and width go from {} to {}",
        frogs::SIDES.start(),
        frogs::SIDES.end()
    );
    ensure!(matches!(channels, 1 | 3), "pictures have 1 channel (grey) or 3 (red, green, blue), not {channels}");
    request.check()?;
    let cache = sources.cache.as_deref();
    let mut dataset = match (&request.path, &sources.cifar10_dir) {
        (Some(path), _) => open(path, request, cache)?,
        (None, Some(path)) => {
            open(path, request, cache).context("the environment variable CIFAR10_DIR was followed")?
        }
        (None, None) => automatic(request, sources)?,
    };
    let count = dataset.len();
    ensure!(
        count >= MIN_PICTURES,
        "too few pictures: {}; at least {MIN_PICTURES} are needed{}",
        dataset.name,
        reasons(&dataset.skipped, 5)
    );
    dataset.chosen = request.path.is_some() || sources.cifar10_dir.is_some();
    Ok(dataset)
}

/// Tries the cache, the folders of other programs, a download, and the drawn frogs, in this order.
fn automatic(request: &Request, sources: &Sources) -> Result<Dataset> {
    // An unknown class is refused before anything is downloaded.
    request.class.name().map_or(Ok(()), |class| Set::Ten.check(class))?;
    let chosen: &[String] = if let Labelling::Chosen(names) = &request.labelling { names } else { &[] };
    for name in chosen {
        labels::find(&cifar::CLASSES, name).context("--classes of CIFAR-10, because no --data was given")?;
    }
    if let Some(dataset) = on_disk(request, sources)? {
        return Ok(dataset);
    }
    let reason = match downloaded(request, sources)? {
        Ok(dataset) => return Ok(dataset),
        Err(reason) => reason,
    };
    if let Some(class) = request.class.name().or(chosen.first().map(String::as_str)) {
        bail!(
            "the class {} is CIFAR-10's, which cannot be had: {reason}. Give CIFAR-10 with --data PATH (folder or \
             archive, from {CIFAR10_URL}), or the drawn frogs with --data {BUILTIN} and no class",
            Plain::text(class)
        );
    }
    warn!("data: no CIFAR-10: {reason}");
    warn!("data: DRAWN FROGS STAND IN FOR IT: pictures will look drawn, and not like photographs");
    open(Path::new(BUILTIN), request, sources.cache.as_deref())
        .context("CIFAR-10 is not available, and the drawn frogs would stand in for it")
}

/// CIFAR-10 from the cache folder, or from where another program has left it.
fn on_disk(request: &Request, sources: &Sources) -> Result<Option<Dataset>> {
    if let Some(cache) = &sources.cache {
        for path in [cache.join(cifar::ARCHIVE), cache.join(cifar::FOLDER)] {
            if !path.try_exists().with_context(|| format!("cannot read {}", Plain::path(&path)))? {
                continue;
            }
            match open(&path, request, sources.cache.as_deref()) {
                Ok(dataset) => return Ok(Some(dataset)),
                Err(error) if is_damaged(&error, &path, sources)? => warn!("data: the cache is no use: {error:#}"),
                Err(error) => return Err(error),
            }
        }
    }
    for path in sources.others.iter().flat_map(|folder| cifar::find(folder, Set::Ten)) {
        match open(&path, request, sources.cache.as_deref()) {
            Ok(dataset) => {
                info!("data: CIFAR-10 was found in {}, so it is not downloaded", Plain::path(&path));
                return Ok(Some(dataset));
            }
            Err(error) if error.is::<CifarError>() => warn!("data: found, but no use: {error:#}"),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// CIFAR-10, downloaded into the cache folder. The inner `Err` says why that is not possible.
fn downloaded(request: &Request, sources: &Sources) -> Result<Result<Dataset, String>> {
    let Some(cache) = &sources.cache else {
        return Ok(Err("there is no cache folder (RIBBIT_CACHE names one)".into()));
    };
    if sources.offline {
        return Ok(Err("RIBBIT_OFFLINE is set, so it was not downloaded".into()));
    }
    let archive = cache.join(cifar::ARCHIVE);
    if archive.exists() {
        fs::remove_file(&archive).with_context(|| format!("cannot remove {}", Plain::path(&archive)))?;
    }
    let into = Plain::path(cache);
    info!("data: downloading CIFAR-10 (170 MB) from {} into {into}", Plain::text(&sources.url));
    match download::fetch(&sources.url, &sources.md5, &archive) {
        Ok(()) => open(&archive, request, Some(cache)).map(Ok),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// Whether `path` in the cache could not be read because its bytes are wrong, so that it can be deleted and
/// downloaded again. An archive with the right checksum is never damaged.
fn is_damaged(error: &anyhow::Error, path: &Path, sources: &Sources) -> Result<bool> {
    let is_content = match error.downcast_ref::<CifarError>() {
        Some(CifarError::Io { .. }) | None => false,
        Some(_) => true,
    };
    if !is_content || path.is_dir() {
        return Ok(is_content);
    }
    let unreadable = || format!("cannot read {}", Plain::path(path));
    let mut hash = Md5::new();
    let mut file = io::BufReader::new(File::open(path).with_context(unreadable)?);
    loop {
        let read = io::BufRead::fill_buf(&mut file).with_context(unreadable)?;
        if read.is_empty() {
            break;
        }
        hash.update(read);
        let length = read.len();
        io::BufRead::consume(&mut file, length);
    }
    Ok(!download::hex(&hash.finalize()).eq_ignore_ascii_case(&sources.md5))
}

impl Dataset {
    /// A data set of these pictures.
    fn new(pictures: PictureStore) -> Self {
        Self {
            name: String::new(),
            origin: PathBuf::new(),
            class: None,
            pictures,
            groups: Vec::new(),
            labels: None,
            labels_by_default: false,
            are_kinds: false,
            notes: Vec::new(),
            files: Vec::new(),
            enlarged: 0,
            skipped: Vec::new(),
            chosen: false,
        }
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Height, width and channels of a picture.
    pub fn shape(&self) -> Shape {
        self.pictures.shape()
    }

    /// MD5 of shape, pixels and, if there are any, labels with their names: 32 hexadecimal digits. The same pictures with
    /// the same labels in the same order have the same fingerprint, on any machine and from any source. Kinds are left out:
    /// they follow from the pictures, and on another kind of processor a picture may be of another kind.
    ///
    /// # Errors
    /// When the pictures are in a file that cannot be read.
    pub fn fingerprint(&self) -> Result<String> {
        let mut hash = Md5::new();
        let (count, height, width, channels) = self.pictures.dim();
        for length in [count, height, width, channels] {
            hash.update((length as u64).to_le_bytes());
        }
        for part in self.pictures.some_parts() {
            hash.update(part?.as_standard_layout().as_slice().unwrap_or_default());
        }
        if let Some(labels) = self.labels.as_ref().filter(|_| !self.are_kinds) {
            hash.update(b"labels");
            hash.update((labels.names.len() as u64).to_le_bytes());
            for name in &labels.names {
                hash.update((name.len() as u64).to_le_bytes());
                hash.update(name);
            }
            hash.update(&labels.of);
        }
        Ok(download::hex(&hash.finalize()))
    }

    /// Number of distinct pictures. Pictures with the same pixels count once.
    ///
    /// # Errors
    /// When the pictures are in a file that cannot be read.
    pub fn distinct(&self) -> Result<usize> {
        Ok(self.pictures.distinct()?.len())
    }

    /// All skipped files with the reasons, one a line.
    pub fn skipped_list(&self) -> String {
        self.skipped.iter().map(|skipped| format!("{skipped}\n")).collect()
    }

    fn count_in_words(&self, what: &str) -> String {
        format!("{} {what}{}", grouped(self.len()), if self.len() == 1 { "" } else { "s" })
    }
}
