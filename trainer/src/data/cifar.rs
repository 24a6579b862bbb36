//! The binary form of CIFAR-10: records of one label byte and 3 x 32 x 32 bytes (all red, then all
//! green, then all blue), in files called `data_batch_*.bin`.
//!
//! Reading any bytes gives either pictures or a [`CifarError`].

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use flate2::bufread::GzDecoder;
use thiserror::Error;

use super::kinds;
use crate::text::Plain;

/// Class names, in the order of their labels.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Side of a picture, in pixels.
pub const SIDE: usize = 32;

/// File name of the official archive.
pub const ARCHIVE: &str = "cifar-10-binary.tar.gz";

/// Folder inside the official archive.
pub const FOLDER: &str = "cifar-10-batches-bin";

const PLANE: usize = SIDE * SIDE;
const PICTURE: usize = 3 * PLANE;

/// Bytes of one record: the label and the three planes.
pub const RECORD: usize = 1 + PICTURE;

/// Maximum number of pictures, 600 MB. The real data set has 50,000 training pictures.
pub const MAX_PICTURES: usize = 200_000;

/// Limit of unpacked bytes that are read from an archive. The real one has 185 MB.
const MAX_UNPACKED: u64 = 2 << 30;

/// Selects pictures of CIFAR-10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassFilter {
    /// Every class.
    All,
    /// The class of this label, an index into [`CLASSES`].
    One(u8),
}

impl ClassFilter {
    /// Only frogs, the default.
    pub const FROG: Self = Self::One(6);

    fn takes(self, label: u8) -> bool {
        self == Self::All || self == Self::One(label)
    }
}

impl Default for ClassFilter {
    fn default() -> Self {
        Self::FROG
    }
}

impl fmt::Display for ClassFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::One(label) => CLASSES.get(usize::from(*label)).copied().unwrap_or("unknown"),
        })
    }
}

/// The name is neither `all` nor one of [`CLASSES`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown class {0:?}; the classes are {names} and all", names = CLASSES.join(", "))]
pub struct UnknownClass(pub String);

impl FromStr for ClassFilter {
    type Err = UnknownClass;

    fn from_str(name: &str) -> Result<Self, UnknownClass> {
        let lower = name.trim().to_lowercase();
        if lower == "all" {
            return Ok(Self::All);
        }
        let label = CLASSES.iter().position(|class| *class == lower);
        label.map(|label| Self::One(label as u8)).ok_or_else(|| UnknownClass(name.to_owned()))
    }
}

/// Why CIFAR-10 data could not be read. `file` is the path, including the path inside an archive.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CifarError {
    /// The length is not a whole number of records.
    #[error(
        "{file} is cut: after {records} whole records of {RECORD} bytes, {rest} bytes are left over; \
         copy or download it again"
    )]
    Cut { file: String, records: usize, rest: usize },
    /// A label byte above 9.
    #[error(
        "{file} is not CIFAR-10 in its binary form: record {record} has label {label}, and labels go from 0 to 9 \
         (the files of CIFAR-100 and of the Python and Matlab versions look alike but are not)"
    )]
    Label { file: String, record: usize, label: u8 },
    /// More than [`MAX_PICTURES`], or an archive that unpacks to far more than CIFAR-10 has.
    #[error("{file} is larger than CIFAR-10 ever is (more than {MAX_PICTURES} pictures); not reading on")]
    TooLarge { file: String },
    /// Nothing called `data_batch_*.bin` was found.
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
}

/// Pictures of some classes, `[N, 32, 32, 3]` contiguous, and the number of pictures of each class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pictures {
    pub pixels: Vec<u8>,
    pub counts: [usize; 10],
}

impl Pictures {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pixels.len() / PICTURE
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    fn append(&mut self, mut other: Self) {
        self.pixels.append(&mut other.pixels);
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
    }
}

/// Reads records to the end of `reader`; `file` is for messages.
pub fn read_batch(mut reader: impl Read, file: &str, filter: ClassFilter) -> Result<Pictures, CifarError> {
    let mut pictures = Pictures::default();
    let mut record = [0; RECORD];
    for index in 0.. {
        let length = fill(&mut reader, &mut record).map_err(|source| {
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
        if length < RECORD {
            return Err(CifarError::Cut { file: file.to_owned(), records: index, rest: length });
        }
        let (label, planes) = (record[0], &record[1..]);
        if usize::from(label) >= CLASSES.len() {
            return Err(CifarError::Label { file: file.to_owned(), record: index, label });
        }
        if index >= MAX_PICTURES {
            return Err(CifarError::TooLarge { file: file.to_owned() });
        }
        if filter.takes(label) {
            pictures.counts[usize::from(label)] += 1;
            for at in 0..PLANE {
                pictures.pixels.extend([planes[at], planes[PLANE + at], planes[2 * PLANE + at]]);
            }
        }
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

fn is_batch(name: &str) -> bool {
    name.starts_with("data_batch_") && name.ends_with(".bin")
}

/// Reads one `.bin` file.
pub fn read_bin(path: &Path, filter: ClassFilter) -> Result<Pictures, CifarError> {
    let file = Plain::path(path).to_string();
    match File::open(path) {
        Ok(open) => read_batch(BufReader::with_capacity(1 << 16, open), &file, filter),
        Err(source) => Err(CifarError::Io { file, source }),
    }
}

/// The training batches directly inside `folder`, by name; `test_batch.bin` is not one of them.
pub fn batches_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut batches = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(is_batch) && path.is_file() {
            batches.push(path);
        }
    }
    batches.sort();
    Ok(batches)
}

/// Reads these `.bin` files one after the other.
pub fn read_bins(paths: &[PathBuf], filter: ClassFilter) -> Result<Pictures, CifarError> {
    let mut all = Pictures::default();
    for path in paths {
        all.append(read_bin(path, filter)?);
        limit(&all, Plain::path(path))?;
    }
    Ok(all)
}

fn limit(pictures: &Pictures, file: impl fmt::Display) -> Result<(), CifarError> {
    if pictures.len() > MAX_PICTURES {
        return Err(CifarError::TooLarge { file: file.to_string() });
    }
    Ok(())
}

/// Reads the training batches of a `.tar.gz` or a plain `.tar` as a stream, without unpacking to
/// disk. Only the last part of the paths inside the archive counts. The pictures are in the
/// order of the batches' names, as from [`read_bins`]. `file` is for messages.
pub fn read_archive(reader: impl Read, file: &str, filter: ClassFilter) -> Result<Pictures, CifarError> {
    let damaged = |cause| CifarError::Archive { file: file.to_owned(), cause };
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let packed = io::BufRead::fill_buf(&mut reader).map_err(damaged)?.starts_with(&[0x1f, 0x8b]);
    let mut unpacked: Box<dyn Read + '_> = if packed { Box::new(GzDecoder::new(reader)) } else { Box::new(reader) };
    let mut unpacked = (&mut unpacked).take(MAX_UNPACKED);
    let mut start = Vec::new();
    (&mut unpacked).take(BLOCK as u64).read_to_end(&mut start).map_err(damaged)?;
    if packed && !is_tar(&start) {
        let what = match kinds::kind(&start, Path::new("")) {
            Some(kind) => format!("it is {}; {}", kind.name, kind.advice),
            None => "unpack it; of what is in it, pictures in a folder can be read".into(),
        };
        return Err(CifarError::NoArchive { file: file.to_owned(), what });
    }

    let mut batches = Vec::new();
    let mut other = None;
    let mut kept = 0;
    {
        let mut archive = tar::Archive::new(start.as_slice().chain(&mut unpacked));
        // With `raw`, long-name records are plain entries; otherwise the reader would load them whole into memory.
        for entry in archive.entries().map_err(damaged)?.raw(true) {
            let entry = entry.map_err(damaged)?;
            let path = entry.path_bytes();
            let name = path.rsplit(|&byte| byte == b'/' || byte == b'\\').next().unwrap_or_default();
            let name = String::from_utf8_lossy(name).into_owned();
            other = other.or(match name.as_str() {
                "data_batch_1" => {
                    Some("; it is the Python version, and the binary version (cifar-10-binary.tar.gz) is needed")
                }
                "data_batch_1.mat" => {
                    Some("; it is the Matlab version, and the binary version (cifar-10-binary.tar.gz) is needed")
                }
                "fine_label_names.txt" | "train.mat" | "train" => {
                    Some("; it seems to be CIFAR-100, which is not read; CIFAR-10 is (cifar-10-binary.tar.gz)")
                }
                _ => None,
            });
            if !entry.header().entry_type().is_file() || !is_batch(&name) {
                continue;
            }
            if entry.size() > (MAX_PICTURES * RECORD) as u64 {
                return Err(CifarError::TooLarge { file: format!("{} in {file}", Plain::text(&name)) });
            }
            let length = entry.size();
            let mut entry = entry.take(length);
            let pictures = match read_batch(&mut entry, &format!("{} in {file}", Plain::text(&name)), filter) {
                // The archive ended before the entry did.
                Ok(_) | Err(CifarError::Cut { .. }) if entry.limit() > 0 => {
                    return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
                }
                other => other?,
            };
            kept += pictures.len();
            if kept > MAX_PICTURES {
                return Err(CifarError::TooLarge { file: file.to_owned() });
            }
            batches.push((name, pictures));
        }
    }
    // The checksum of the compressed stream is after the last entry, so the stream is read to its end.
    io::copy(&mut unpacked, &mut io::sink()).map_err(damaged)?;
    if unpacked.limit() == 0 {
        return Err(CifarError::TooLarge { file: file.to_owned() });
    }
    if batches.is_empty() {
        let hint = other.unwrap_or(
            "; of archives, only that of CIFAR-10's binary version can be read: unpack others and give their folder",
        );
        return Err(CifarError::NoBatches { file: file.to_owned(), hint });
    }
    batches.sort_by(|a, b| a.0.cmp(&b.0));
    let mut all = Pictures::default();
    for (_, pictures) in batches {
        all.append(pictures);
    }
    Ok(all)
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
