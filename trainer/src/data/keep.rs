//! Pictures on their way from a source to a [`PictureStore`]: brought to the wanted shape one after the other, and kept in
//! memory, or, if they are too many for that, in a file in the cache folder.
//!
//! The source is never whole in memory. The file stays, so that the next command need not decode the source again:
//!
//! ```text
//! pictures, one behind the other: [N, height, width, channels]
//! what the source said beside its pixels, such as labels (postcard)
//! the trailer: CRC-32 of both, their lengths, MAGIC
//! ```
//!
//! Its name is a checksum of the source's path and of how its pictures are brought to the shape. Its stamp, which is in it, is a checksum of the
//! lengths and times of the source's files: if these have changed, the file is written again.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result, ensure};
use gen_core::Shape;
use log::{info, warn};
use md5::{Digest as _, Md5};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Target;
use super::download::hex;
use crate::files::{AtomicFile, remove_abandoned};
use crate::numbers::megabytes;
use crate::store::PictureStore;
use crate::text::Plain;

/// Last bytes of a file. The digit is the version of its format.
const MAGIC: [u8; 8] = *b"ribbitP1";

/// Two CRC-32, two lengths, and [`MAGIC`].
const TRAILER: usize = 2 * 4 + 2 * 8 + MAGIC.len();

/// Bytes of pictures that wait until they are brought to the wanted shape together, on all cores.
const WAITING: usize = 4 << 20;

/// Where the pictures of one source are kept.
#[derive(Debug)]
pub(super) struct Keeper<'a> {
    /// Most bytes of pictures in memory.
    pub(super) limit: u64,
    /// The file for more; `None` without a cache folder.
    file: Option<PathBuf>,
    /// Changes with the files of the source.
    stamp: String,
    /// How the pictures are brought to a shape; `None`: they stay as they are.
    target: Option<&'a Target>,
}

/// What a file has behind its pictures.
#[derive(Serialize, Deserialize)]
struct Beside<M> {
    stamp: String,
    /// Height, width, channels.
    shape: [u16; 3],
    source: M,
}

impl<'a> Keeper<'a> {
    /// For the pictures of the source at `path`, which is made of `files`. `limit` is the most bytes of pictures in memory,
    /// and `options` is everything beside the target that changes them.
    pub(super) fn new(
        cache: Option<&Path>,
        limit: u64,
        target: &'a Target,
        path: &Path,
        options: &str,
        files: &[PathBuf],
    ) -> Self {
        let absolute = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut name = Md5::new();
        name.update(absolute.as_os_str().as_encoded_bytes());
        name.update(format!("{target:?} {options}"));
        let mut stamp = Md5::new();
        stamp.update(env!("CARGO_PKG_VERSION"));
        for file in files {
            stamp.update(file.as_os_str().as_encoded_bytes());
            // A file that cannot be read gives an error elsewhere.
            let state = fs::metadata(file).map(|meta| {
                let changed = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                (meta.len(), changed.unwrap_or_default().as_nanos())
            });
            stamp.update(format!("{state:?}"));
        }
        let name = format!("pictures-{}.bytes", &hex(&name.finalize())[..16]);
        let file = cache.map(|cache| cache.join(name));
        Self { limit, file, stamp: hex(&stamp.finalize()), target: Some(target) }
    }

    /// For pictures that stay as they are, in memory.
    pub(super) fn in_memory(limit: u64) -> Self {
        Self { limit, file: None, stamp: String::new(), target: None }
    }

    /// The pictures that an earlier command left in the file, and what the source said beside them. `None` if there are
    /// none, they are few enough for memory, the source has changed, or the file is damaged.
    pub(super) fn reuse<M: DeserializeOwned>(&self) -> Option<(PictureStore, M)> {
        let (path, target) = (self.file.as_ref()?, self.target?);
        let shown = Plain::path(path);
        let mut file = File::open(path).ok()?;
        let read = read::<M>(&mut file)
            .inspect_err(|error| warn!("data: {shown} is of no use and is made again: {error:#}"))
            .ok()?;
        let (length, Beside { stamp, shape: [height, width, channels], source }) = read;
        if stamp != self.stamp {
            info!("data: the pictures have changed since {shown} was made");
            return None;
        }
        if length <= self.limit || target.shape != Shape::new(height, width, channels) {
            return None;
        }
        let store = PictureStore::in_file(target.shape, file, path.clone(), length).ok()?;
        info!("data: the pictures take {}, and are read from {shown}", megabytes(length));
        Some((store, source))
    }

    /// Begins to collect the pictures of the source.
    pub(super) fn collect(&'a self) -> Collector<'a> {
        Collector { keeper: self, from: None, waiting: Vec::new(), place: Place::Memory(Vec::new()), has_failed: false }
    }

    /// What to do if the pictures cannot be kept in a file.
    fn advice(&self) -> String {
        format!(
            "the pictures take more than the {} of memory that they may have, so they are kept in a file. Free space on \
             its disk, or name another folder with the environment variable RIBBIT_CACHE, or give them more memory with \
             --memory",
            megabytes(self.limit)
        )
    }
}

/// Reads a file of pictures, without the pictures: their length, and what is beside them.
fn read<M: DeserializeOwned>(file: &mut File) -> Result<(u64, Beside<M>)> {
    let whole = file.metadata()?.len();
    let end = whole.checked_sub(TRAILER as u64).context("it is cut")?;
    file.seek(SeekFrom::Start(end))?;
    let mut trailer = [0; TRAILER];
    file.read_exact(&mut trailer)?;
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| trailer[8 + 8 * at + i]));
    let sum = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| trailer[4 * at + i]));
    let (length, beside) = (number(0), number(1));
    ensure!(trailer.ends_with(&MAGIC) && length.checked_add(beside) == Some(end), "it is cut, or of another version");
    file.seek(SeekFrom::Start(0))?;
    ensure!(checksum(file, length)? == sum(0), "its pictures are damaged");
    let mut bytes = Vec::new();
    file.take(beside).read_to_end(&mut bytes)?;
    ensure!(crc32fast::hash(&bytes) == sum(1), "it is damaged");
    Ok((length, postcard::from_bytes(&bytes)?))
}

/// CRC-32 of the next `length` bytes, or of fewer if the file ends.
fn checksum(file: &mut File, length: u64) -> io::Result<u32> {
    let mut crc = crc32fast::Hasher::new();
    let (mut buffer, mut left) = (vec![0; 1 << 20], length);
    while left > 0 {
        let most = left.min(buffer.len() as u64) as usize;
        let read = file.read(&mut buffer[..most])?;
        if read == 0 {
            break;
        }
        crc.update(&buffer[..read]);
        left -= read as u64;
    }
    Ok(crc.finalize())
}

/// Collects the pictures of a source, one after the other.
pub(super) struct Collector<'a> {
    keeper: &'a Keeper<'a>,
    /// Height, width and channels of the source's pictures; `None` before the first.
    from: Option<Shape>,
    /// Pictures that are not yet of the wanted shape.
    waiting: Vec<u8>,
    place: Place,
    /// Whether there was no room for some pictures.
    has_failed: bool,
}

enum Place {
    Memory(Vec<u8>),
    File(Writing),
}

/// A file that grows.
struct Writing {
    file: BufWriter<AtomicFile>,
    path: PathBuf,
    crc: crc32fast::Hasher,
    length: u64,
}

impl fmt::Debug for Collector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("keeper", self.keeper).field("from", &self.from).finish_non_exhaustive()
    }
}

impl Collector<'_> {
    /// Most bytes of pictures that are kept in memory.
    pub(super) fn limit(&self) -> u64 {
        self.keeper.limit
    }

    /// Adds pictures of a source, opaque and all of the shape `from`. Whoever has many adds a few at a time.
    ///
    /// # Errors
    /// When there is no room for them, or they are not whole pictures of the same shape as before.
    pub(super) fn add(&mut self, from: Shape, pixels: &[u8]) -> Result<()> {
        let before = *self.from.get_or_insert(from);
        ensure!(
            before == from && pixels.len().is_multiple_of(from.len().max(1)),
            "pictures of {before} and of {from} (height, width, channels) cannot be one data set"
        );
        if self.keeper.target.is_none_or(|target| target.shape == from) {
            return self.append(pixels);
        }
        self.waiting.extend_from_slice(pixels);
        if self.waiting.len() >= WAITING { self.fit() } else { Ok(()) }
    }

    /// Adds pictures that have the wanted shape.
    ///
    /// # Errors
    /// When there is no room for them.
    pub(super) fn add_fitted(&mut self, pixels: &[u8]) -> Result<()> {
        self.append(pixels)
    }

    /// Brings the pictures that wait to the wanted shape.
    fn fit(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        match (self.keeper.target, self.from) {
            (Some(target), Some(from)) => self.append(&target.fit_all(from, waiting)),
            _ => Ok(()),
        }
    }

    /// Whether an error was that of keeping the pictures, and not that of reading them.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    fn append(&mut self, pixels: &[u8]) -> Result<()> {
        self.try_append(pixels).inspect_err(|_| self.has_failed = true)
    }

    fn try_append(&mut self, pixels: &[u8]) -> Result<()> {
        if let Place::Memory(all) = &mut self.place {
            if (all.len() + pixels.len()) as u64 <= self.keeper.limit {
                all.try_reserve(pixels.len()).context("there is not enough memory; give a smaller --memory")?;
                all.extend_from_slice(pixels);
                return Ok(());
            }
            let all = std::mem::take(all);
            self.place = Place::File(self.begin()?);
            self.write(&all)?;
        }
        self.write(pixels)
    }

    /// Begins the file.
    fn begin(&self) -> Result<Writing> {
        let limit = megabytes(self.keeper.limit);
        let path = self.keeper.file.clone().with_context(|| {
            format!(
                "the pictures take more than {limit}, and there is no cache folder to keep them in: name one with the \
                 environment variable RIBBIT_CACHE, or give the pictures more memory with --memory"
            )
        })?;
        info!("data: the pictures take more than {limit} (--memory), and are written to {}", Plain::path(&path));
        let folder = path.parent().unwrap_or(Path::new(""));
        let create = || -> io::Result<AtomicFile> {
            fs::create_dir_all(folder)?;
            remove_abandoned(folder);
            AtomicFile::create(&path)
        };
        let file = create().with_context(|| self.cannot_write(&path))?;
        Ok(Writing { file: BufWriter::with_capacity(1 << 20, file), path, crc: crc32fast::Hasher::new(), length: 0 })
    }

    fn cannot_write(&self, path: &Path) -> String {
        format!("cannot write {}: {}", Plain::path(path), self.keeper.advice())
    }

    fn write(&mut self, pixels: &[u8]) -> Result<()> {
        if let Place::File(Writing { file, crc, length, .. }) = &mut self.place {
            crc.update(pixels);
            *length += pixels.len() as u64;
            let written = file.write_all(pixels);
            if let (Err(error), Place::File(writing)) = (written, &self.place) {
                return Err(error).with_context(|| self.cannot_write(&writing.path));
            }
        }
        Ok(())
    }

    /// The pictures. `beside` is what the source said beside their pixels; [`Keeper::reuse`] returns it again.
    ///
    /// # Errors
    /// When the file cannot be written to its end.
    pub(super) fn finish<M: Serialize>(mut self, beside: &M) -> Result<PictureStore> {
        self.fit()?;
        let shape = self.keeper.target.map(|target| target.shape).or(self.from).unwrap_or(Shape::new(1, 1, 1));
        match std::mem::replace(&mut self.place, Place::Memory(Vec::new())) {
            Place::Memory(mut pixels) => {
                pixels.shrink_to_fit();
                PictureStore::in_memory(shape, pixels)
            }
            Place::File(Writing { mut file, path, crc, length }) => {
                let beside = Beside {
                    stamp: self.keeper.stamp.clone(),
                    shape: [shape.height, shape.width, shape.channels],
                    source: beside,
                };
                let beside = postcard::to_allocvec(&beside)?;
                let end = || -> io::Result<()> {
                    file.write_all(&beside)?;
                    file.write_all(&crc.finalize().to_le_bytes())?;
                    file.write_all(&crc32fast::hash(&beside).to_le_bytes())?;
                    file.write_all(&length.to_le_bytes())?;
                    file.write_all(&(beside.len() as u64).to_le_bytes())?;
                    file.write_all(&MAGIC)?;
                    file.flush()
                };
                let whole = end().and_then(|()| file.into_inner()?.commit()).and_then(|()| File::open(&path));
                let file = whole.with_context(|| self.cannot_write(&path))?;
                info!("data: the pictures take {}", megabytes(length));
                PictureStore::in_file(shape, file, path, length)
            }
        }
    }

    /// The pixels of a collector that keeps all in memory, and the shape of the pictures.
    pub(super) fn into_pixels(self) -> (Option<Shape>, Vec<u8>) {
        match self.place {
            Place::Memory(pixels) => (self.from, pixels),
            Place::File(_) => (self.from, Vec::new()),
        }
    }
}
