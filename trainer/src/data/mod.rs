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
mod idx;
mod jpeg;
mod kinds;
pub mod manifest;
mod numpy;
mod pickle;

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use gen_core::Shape;
use log::{info, warn};
use md5::{Digest, Md5};
use ndarray::Array4;
use rayon::prelude::*;

pub use cifar::UnknownClass;
pub use describe::{announce, contact_sheet, describe, how_to_choose};
use describe::{listed, reasons};
pub use fit::{Fit, Fitting, Target};
pub use folder::picture;
pub use format::{Classes, Pictures};
pub use idx::read as read_idx;
pub use numpy::read as read_numpy;

use crate::numbers::grouped;
use crate::quality;
use crate::terminal::{self, quoted};
use crate::text::Plain;
use cifar::{Cifar, CifarError, Set};
use format::Format;
use idx::Idx;
use numpy::NumPy;

/// The official home of CIFAR-10 in its binary form.
pub const CIFAR10_URL: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";

/// MD5 of the official archive (170,052,171 bytes), from the same page.
pub const CIFAR10_MD5: &str = "c32a1d4ab5d03f1284b67883e8d87530";

/// All formats, in the order in which they are tried.
const FORMATS: [&dyn Format; 4] = [&Idx, &NumPy, &Cifar(Set::Ten), &Cifar(Set::Hundred)];

/// The path that selects the drawn frogs. A folder of that name can be given as `./builtin`.
pub const BUILTIN: &str = "builtin";

/// Minimum number of pictures. A data set with fewer is refused.
pub const MIN_PICTURES: usize = 2;

/// Limit in bytes of the pixels of all pictures, which are kept in memory.
const MAX_BYTES: u64 = 4 << 30;

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
    /// `[N, height, width, channels]`: one channel of grey, or red, green and blue.
    pub pictures: Array4<u8>,
    /// Number of pictures of each class, folder or kind of frog; only those with any.
    pub groups: Vec<(String, usize)>,
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
}

/// Which pictures [`load`] should load.
#[derive(Clone, Debug)]
pub struct Request {
    /// A folder of pictures, CIFAR (folder, file of it or archive), IDX, `.npz`, `.npy`, or [`BUILTIN`]. `None`: the
    /// first that is available of `CIFAR10_DIR`, cache, other programs' folders, download and drawn frogs.
    pub path: Option<PathBuf>,
    /// Selects the pictures of the source.
    pub class: Class,
    /// Size and channels of the pictures, and how others are brought to them. Height and width are within
    /// [`frogs::SIDES`].
    pub target: Target,
    /// Seed of the drawn frogs.
    pub seed: u64,
    /// Number of frogs that are drawn.
    pub drawn: usize,
    /// Whether a folder that contains a picture of another size is refused. If not, pictures are cropped and resized.
    pub exact: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self { path: None, class: Class::Usual, target: Target::default(), seed: 0, drawn: 5000, exact: false }
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
    let mut dataset = match (&request.path, &sources.cifar10_dir) {
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
    dataset.chosen = request.path.is_some() || sources.cifar10_dir.is_some();
    Ok(dataset)
}

/// Tries the cache, the folders of other programs, a download, and the drawn frogs, in this order.
fn automatic(request: &Request, sources: &Sources) -> Result<Dataset> {
    // An unknown class is refused before anything is downloaded.
    request.class.name().map_or(Ok(()), |class| Set::Ten.check(class))?;
    if let Some(dataset) = on_disk(request, sources)? {
        return Ok(dataset);
    }
    let reason = match downloaded(request, sources)? {
        Ok(dataset) => return Ok(dataset),
        Err(reason) => reason,
    };
    if let Some(class) = request.class.name() {
        bail!(
            "the class {} is CIFAR-10's, which cannot be had: {reason}. Give CIFAR-10 with --data PATH (folder or \
             archive, from {CIFAR10_URL}), or the drawn frogs with --data {BUILTIN} and no class",
            Plain::text(class)
        );
    }
    warn!("data: no CIFAR-10: {reason}");
    warn!("data: DRAWN FROGS STAND IN FOR IT: pictures will look drawn, and not like photographs");
    open(Path::new(BUILTIN), request).context("CIFAR-10 is not available, and the drawn frogs would stand in for it")
}

/// CIFAR-10 from the cache folder, or from where another program has left it.
fn on_disk(request: &Request, sources: &Sources) -> Result<Option<Dataset>> {
    if let Some(cache) = &sources.cache {
        for path in [cache.join(cifar::ARCHIVE), cache.join(cifar::FOLDER)] {
            if !path.try_exists().with_context(|| format!("cannot read {}", Plain::path(&path)))? {
                continue;
            }
            match open(&path, request) {
                Ok(dataset) => return Ok(Some(dataset)),
                Err(error) if is_damaged(&error, &path, sources)? => warn!("data: the cache is no use: {error:#}"),
                Err(error) => return Err(error),
            }
        }
    }
    for path in sources.others.iter().flat_map(|folder| cifar::find(folder, Set::Ten)) {
        match open(&path, request) {
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
        Ok(()) => open(&archive, request).map(Ok),
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

/// Reads the source at `path`, of any kind.
fn open(path: &Path, request: &Request) -> Result<Dataset> {
    if path == Path::new(BUILTIN) {
        return Ok(Dataset { origin: path.to_owned(), ..builtin(request)? });
    }
    let (dataset, path) = open_pictures(path, request)?;
    // Stored as an absolute path, because the current folder may be another one next time.
    let origin = std::path::absolute(&path).unwrap_or(path);
    Ok(Dataset { origin, ..dataset })
}

/// The pictures, and the folder that they are in: `path`, or for a class a folder below it.
fn open_pictures(path: &Path, request: &Request) -> Result<(Dataset, PathBuf)> {
    let shown = Plain::path(path);
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "there is nothing at {shown}; --data takes a folder of pictures, CIFAR-10 or CIFAR-100 in the binary or \
             the Python version (folder, file or .tar.gz), IDX or .npz (MNIST), or the word {BUILTIN}"
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    if !meta.is_dir() {
        return Ok((open_file(path, request)?, path.to_owned()));
    }
    if let Some((format, file)) = find_format(path, true, &[])? {
        return Ok((open_format(format, &file, request)?, file));
    }
    let chosen = match &request.class {
        Class::Asked(name) => subfolder(path, name)?,
        Class::Usual | Class::Noted(_) => path.to_owned(),
    };
    Ok((open_folder(&chosen, request)?, chosen))
}

/// The folder of a class, or `path` itself for `all`.
fn subfolder(path: &Path, class: &str) -> Result<PathBuf> {
    let is_inside = |component: Component<'_>| matches!(component, Component::Normal(_));
    let train = path.join("train");
    if !class.is_empty() && Path::new(class).components().all(is_inside) {
        let found = [path.join(class), train.join(class)].into_iter().find(|folder| folder.is_dir());
        if let Some(found) = found {
            return Ok(found);
        }
    }
    if class.eq_ignore_ascii_case("all") {
        return Ok(path.to_owned());
    }
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
        let mut names: Vec<_> = folders
            .filter(|name| !name.as_encoded_bytes().starts_with(b"."))
            .map(|name| Plain::path(Path::new(&name)).to_string())
            .collect();
        names.sort();
        names
    };
    let (shown, class) = (Plain::path(path), Plain::text(class));
    let (mut found, mut at) = (names(path), String::new());
    let inner = names(&train);
    if !inner.is_empty() {
        (found, at) = (inner, "train in ".into());
    }
    let more = found.len().saturating_sub(20);
    found.truncate(20);
    if more > 0 {
        found.push(format!("{more} more"));
    }
    ensure!(
        !found.is_empty(),
        "{shown} has no subfolder {class}, nor any other: --class chooses a class of CIFAR-10 or a subfolder; \
         leave it out to take all pictures"
    );
    bail!(
        "{shown} has no subfolder {class}: --class takes the name of one, and those of {at}{shown} are {}; leave it \
         out to take all pictures",
        found.join(", ")
    )
}

fn open_folder(path: &Path, request: &Request) -> Result<Dataset> {
    let shown = Plain::path(path);
    let (files, skipped) = folder::list(path).with_context(|| format!("cannot read {shown}"))?;
    ensure!(
        !files.is_empty(),
        "{shown} is empty: it holds neither pictures nor data_batch_*.bin{}",
        reasons(&skipped, 5)
    );
    check_memory(files.len(), request.target.shape, path)?;
    let found = folder::read(path, &files, skipped, &request.target, request.exact);
    if let Some(other) = found.skipped.iter().find(|skipped| skipped.reason.starts_with(folder::ANOTHER_SIZE)) {
        bail!("{}: {}", Plain::path(&other.path), other.reason);
    }
    ensure!(
        !found.pixels.is_empty(),
        "{shown} holds no picture that can be read (PNG, JPEG, BMP, GIF, WebP or TIFF){}",
        reasons(&found.skipped, 5)
    );
    let mut dataset = Dataset::new(found.pixels, request.target.shape)?;
    dataset.name = format!("{} from the folder {shown}", dataset.count_in_words("picture"));
    (dataset.groups, dataset.files, dataset.skipped) = (found.groups, found.files, found.skipped);
    dataset.enlarged = found.enlarged;
    Ok(dataset)
}

fn open_file(path: &Path, request: &Request) -> Result<Dataset> {
    let shown = Plain::path(path);
    let mut start = Vec::new();
    let unreadable = || format!("cannot read {shown}");
    let file = File::open(path).with_context(unreadable)?;
    file.take(kinds::START as u64).read_to_end(&mut start).with_context(unreadable)?;
    if let Some((format, file)) = find_format(path, false, &start)? {
        return open_format(format, &file, request);
    }
    if let Some(kind) = kinds::kind(&start, path) {
        let advice = kind.advice.replace("{trainer}", &terminal::program()).replace("{path}", &quoted(path));
        bail!("{shown} is {}; {advice}", kind.name);
    }
    ensure!(
        image::guess_format(&start).is_err(),
        "{shown} is a single picture; give the folder that holds it and others"
    );
    bail!(
        "{shown} is neither a folder of pictures nor CIFAR, IDX, .npz or .npy{}",
        if path.to_string_lossy().ends_with("gz") { "; as an archive it is damaged or something else" } else { "" }
    )
}

/// The format of the file or folder at `path`, and the file or folder to read; `None` if it is of none of [`FORMATS`].
///
/// # Errors
/// When a folder holds several data sets, and nothing says which one is meant.
fn find_format(path: &Path, is_folder: bool, start: &[u8]) -> Result<Option<(&'static dyn Format, PathBuf)>> {
    if !is_folder {
        let format = FORMATS.into_iter().find(|format| format.is_file(path, start));
        return Ok(format.map(|format| (format, path.to_owned())));
    }
    let mut all = Vec::new();
    for format in FORMATS {
        all.extend(format.in_folder(path)?.map(|file| (format, file)));
    }
    ensure!(
        all.len() < 2,
        "{} holds several data sets; give one of them with --data: {}",
        Plain::path(path),
        all.iter().map(|(_, file)| Plain::path(file).to_string()).collect::<Vec<_>>().join(", ")
    );
    Ok(all.pop())
}

/// Reads a file or folder that holds many pictures as numbers.
fn open_format(format: &dyn Format, path: &Path, request: &Request) -> Result<Dataset> {
    let shown = Plain::path(path);
    let mut pictures = format.read(path, MAX_BYTES).map_err(|error| match error.is::<CifarError>() {
        true => error, // it has the path already
        false => error.context(format!("cannot read {shown}")),
    })?;
    ensure!(!pictures.is_empty(), "{shown} holds no pictures");
    let is_all = |class: &str| class.trim().eq_ignore_ascii_case("all");
    let usual = pictures.classes.usual;
    let class = match &request.class {
        Class::Asked(class) | Class::Noted(class) if is_all(class) => None,
        Class::Asked(class) => Some(class.as_str()),
        // What was noted for another source is ignored.
        Class::Noted(class) if pictures.has_class(class) => Some(class.as_str()),
        Class::Usual | Class::Noted(_) => usual,
    };
    let class = class.map(|class| pictures.keep_class(class, path)).transpose()?;
    check_memory(pictures.len(), request.target.shape, path)?;
    let (counts, classes) = (pictures.counts(), pictures.classes);
    let target = &request.target;
    let is_enlarged = target.enlarges((pictures.shape.width.into(), pictures.shape.height.into()));
    let mut dataset = Dataset::new(target.fit_all(pictures.shape, pictures.pixels), target.shape)?;
    dataset.name = match (classes.set, &class) {
        (Some(set), Some(class)) => format!("{set}, {} {class} pictures, from {shown}", grouped(dataset.len())),
        (Some(set), None) => format!("{set}, {} pictures of all classes, from {shown}", grouped(dataset.len())),
        (None, Some(class)) => format!("{} of class {class} from {shown}", dataset.count_in_words("picture")),
        (None, None) => format!("{} from {shown}", dataset.count_in_words("picture")),
    };
    dataset.groups = counts.into_iter().map(|(number, count)| (classes.name(number), count)).collect();
    dataset.enlarged = if is_enlarged { dataset.len() } else { 0 };
    dataset.class = class.or_else(|| usual.map(|_| "all".into()));
    Ok(dataset)
}

/// Height, width and channels of the pictures at [`Request::path`], if its format says so. The pictures of a folder may
/// have any sizes.
///
/// # Errors
/// When the file is damaged or holds no pictures.
pub fn own_shape(path: &Path) -> Result<Option<Shape>> {
    let Ok(meta) = fs::metadata(path) else { return Ok(None) }; // `load` says why
    let mut start = Vec::new();
    if !meta.is_dir() {
        let unreadable = || format!("cannot read {}", Plain::path(path));
        let file = File::open(path).with_context(unreadable)?;
        file.take(kinds::START as u64).read_to_end(&mut start).with_context(unreadable)?;
    }
    let found = find_format(path, meta.is_dir(), &start)?;
    let shape = |(format, file): (&dyn Format, PathBuf)| {
        format.shape(&file).with_context(|| format!("cannot read {}", Plain::path(&file)))
    };
    found.map(shape).transpose()
}

/// Draws the frogs.
fn builtin(request: &Request) -> Result<Dataset> {
    if let Class::Asked(class) = &request.class {
        ensure!(
            ["frog", "all"].iter().any(|known| class.trim().eq_ignore_ascii_case(known)),
            "the built-in data set has frogs only, no {}; give CIFAR-10 with --data PATH, from {CIFAR10_URL}",
            Plain::text(class)
        );
    }
    let shape = request.target.shape;
    check_memory(request.drawn, shape, Path::new(BUILTIN))?;
    let mut pixels = vec![0; request.drawn * shape.len()];
    let places = pixels.par_chunks_exact_mut(shape.len()).enumerate();
    let kinds: Option<Vec<_>> = places
        .map(|(index, place)| {
            let (height, width) = (shape.height.into(), shape.width.into());
            let (picture, kind) = frogs::picture(request.seed, index as u64, height, width)?;
            place.copy_from_slice(&request.target.channels_of(picture));
            Some(kind)
        })
        .collect();
    let mut groups = std::collections::BTreeMap::new();
    for kind in kinds.context("frogs of this size cannot be drawn")? {
        *groups.entry(kind).or_insert(0) += 1;
    }
    let mut dataset = Dataset::new(pixels, shape)?;
    dataset.name = format!("the built-in frogs, {} of seed {}", dataset.count_in_words("drawing"), request.seed);
    dataset.groups = groups.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect();
    Ok(dataset)
}

fn check_memory(count: usize, shape: Shape, path: &Path) -> Result<()> {
    ensure!(
        (count as u64).saturating_mul(shape.len() as u64) <= MAX_BYTES,
        "{}: {} pictures of {}x{} pixels take more than {} GiB; use fewer or a smaller size",
        Plain::path(path),
        grouped(count),
        shape.width,
        shape.height,
        MAX_BYTES >> 30
    );
    Ok(())
}

impl Dataset {
    /// A data set from contiguous pixels, `[N, height, width, channels]`.
    fn new(pixels: Vec<u8>, shape: Shape) -> Result<Self> {
        let count = pixels.len() / shape.len().max(1);
        let shape = (count, shape.height.into(), shape.width.into(), shape.channels.into());
        let pictures = Array4::from_shape_vec(shape, pixels)?;
        Ok(Self {
            name: String::new(),
            origin: PathBuf::new(),
            class: None,
            pictures,
            groups: Vec::new(),
            files: Vec::new(),
            enlarged: 0,
            skipped: Vec::new(),
            chosen: false,
        })
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pictures.dim().0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Height, width and channels of a picture.
    pub fn shape(&self) -> Shape {
        let (_, height, width, channels) = self.pictures.dim();
        // No length exceeds what a request allows.
        Shape::new(height as u16, width as u16, channels as u16)
    }

    /// MD5 of shape and pixels, 32 hexadecimal digits. The same pictures in the same order have the
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

    /// Number of distinct pictures. Pictures with the same pixels count once.
    pub fn distinct(&self) -> usize {
        quality::distinct(self.pictures.view()).len()
    }

    /// All skipped files with the reasons, one a line.
    pub fn skipped_list(&self) -> String {
        self.skipped.iter().map(|skipped| format!("{skipped}\n")).collect()
    }

    fn count_in_words(&self, what: &str) -> String {
        format!("{} {what}{}", grouped(self.len()), if self.len() == 1 { "" } else { "s" })
    }
}
