//! Reads a folder of pictures: finds files, decodes them, and brings them to the wanted size.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read as _, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use ndarray::Array3;
use rayon::prelude::*;

use super::keep::Keeper;
use super::labels::{Labels, OUTSIDE, Sorted};
use super::{Skipped, Target, jpeg, kinds};
use crate::grid;
use crate::store::PictureStore;
use crate::text::Plain;

/// Pictures with a side shorter than this, in pixels, are skipped, because they show nothing.
pub const MIN_SIDE: u32 = 8;

/// Pictures with a side longer than this, in pixels, are skipped.
pub const MAX_SIDE: u32 = 16_384;

/// Limit of a decoded picture in bytes; larger pictures are skipped.
const MAX_ALLOC: u64 = 256 << 20;

/// Limit in bytes of all pictures that are decoded at the same time. It is enough for one of the largest, with the
/// copies that cropping and resizing make, or for many of usual size.
const DECODING: u64 = COPIES * MAX_ALLOC;

/// Peak memory of cropping and resizing a picture, as a multiple of its decoded size.
const COPIES: u64 = 3;

/// Beginning of the reason for which a picture of another size than requested is skipped.
pub(super) const ANOTHER_SIZE: &str = "another size";

/// Files that are decoded before their pictures are kept, and most bytes of these pictures.
const TOGETHER: usize = 4096;
const TOGETHER_BYTES: usize = 32 << 20;

/// Pictures, their files relative to the root, the number of pictures in each folder (by its path relative to the root,
/// `.` for the root itself), and the skipped files.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) pictures: PictureStore,
    pub(super) files: Vec<PathBuf>,
    pub(super) groups: Vec<(String, usize)>,
    /// Number of pictures that had to be enlarged.
    pub(super) enlarged: usize,
    pub(super) skipped: Vec<Skipped>,
    pub(super) labels: Option<Labels>,
    /// Remarks on the labels.
    pub(super) notes: Vec<String>,
}

/// Why a folder below the root is left out; `None` if it is not. Folders made by the system or by this program
/// contain no training pictures.
fn is_foreign(folder: &Path) -> Option<&'static str> {
    // A run folder contains sheets of training pictures and of generated ones.
    if folder.join("data.toml").is_file() && folder.join("checkpoints").is_dir() {
        return Some("the folder of a run: what a training wrote");
    }
    let name = folder.file_name()?.to_string_lossy().to_lowercase();
    Some(match name.as_str() {
        "@eadir" | "@__thumb" | "__macosx" => "thumbnails and notes that a system keeps beside the pictures",
        "@recycle" | "#recycle" | "$recycle.bin" | "recycler" => "a waste bin",
        "@recently-snapshot" | "#snapshot" | "lost+found" | "system volume information" => "kept by the file system",
        _ => return None,
    })
}

/// Why a file is left out; `None` if it is not.
fn is_foreign_file(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let is_kept = ["thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"].contains(&name.as_str());
    is_kept.then_some("a note that a system keeps beside the pictures")
}

/// The files below `root`, sorted by path. Links are followed, each folder is read once, names that start with
/// a dot are left out, and so are the folders of [`is_foreign`]. Fails only if `root` itself cannot be read.
pub(super) fn list(root: &Path) -> io::Result<(Vec<PathBuf>, Vec<Skipped>)> {
    let (mut files, mut skipped) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut skip = |path: &Path, reason: String| skipped.push(Skipped { path: path.to_owned(), reason });
        if let Some(reason) = is_foreign(&folder).filter(|_| folder != root) {
            skip(&folder, reason.into());
            continue;
        }
        let entries = fs::canonicalize(&folder).and_then(|real| {
            // A folder that was already read, reached through a link: a loop, or pictures that would count twice.
            if seen.insert(real) { fs::read_dir(&folder).map(Some) } else { Ok(None) }
        });
        let entries = match entries {
            Ok(Some(entries)) => entries,
            Ok(None) => {
                skip(&folder, "a link to a folder that is read anyway".into());
                continue;
            }
            Err(error) if folder == root => return Err(error),
            Err(error) => {
                skip(&folder, format!("unreadable folder: {error}"));
                continue;
            }
        };
        let mut inner = Vec::new();
        for entry in entries {
            let path = match entry {
                Ok(entry) if entry.file_name().as_encoded_bytes().starts_with(b".") => continue,
                Ok(entry) => entry.path(),
                Err(error) => {
                    skip(&folder, format!("unreadable folder: {error}"));
                    break;
                }
            };
            match fs::metadata(&path) {
                Ok(meta) if meta.is_dir() => inner.push(path),
                Ok(meta) if meta.is_file() => match is_foreign_file(&path) {
                    Some(reason) => skip(&path, reason.into()),
                    None => files.push(path),
                },
                // Opening a pipe would block for ever.
                Ok(_) => skip(&path, "not a file".into()),
                Err(error) => skip(&path, format!("unreadable: {error}")),
            }
        }
        // Sorted backwards, because the last one is popped first.
        inner.sort_by(|a, b| b.cmp(a));
        folders.append(&mut inner);
    }
    files.sort();
    Ok((files, skipped))
}

/// What became of a file: whether its picture had to be enlarged, or why it has none.
type Outcome = Result<bool, String>;

/// Decodes `files` on all cores, or takes what `keeper` has of them; the pictures keep the order of the files. With
/// `exact`, pictures of another size than the target's are skipped and not resized. `sort` gets the files of all pictures
/// that can be read, relative to `root`, and returns their classes.
///
/// # Errors
/// The errors of `sort`, or when there is no room for the pictures.
pub(super) fn read(
    root: &Path,
    files: &[PathBuf],
    mut skipped: Vec<Skipped>,
    (target, exact): (&Target, bool),
    keeper: &Keeper<'_>,
    sort: impl FnOnce(&[&Path]) -> anyhow::Result<Sorted>,
) -> anyhow::Result<Found> {
    let (pictures, decoded): (PictureStore, Vec<Outcome>) = match keeper.reuse() {
        Some(kept) => kept,
        None => decode_all(files, target, exact, keeper)?,
    };
    let relative: Vec<_> = files.iter().map(|path| path.strip_prefix(root).unwrap_or(path)).collect();
    let readable = relative.iter().zip(&decoded).filter(|(_, decoded)| decoded.is_ok()).map(|(file, _)| *file);
    let Sorted { names, of, notes } = sort(&readable.collect::<Vec<_>>())?;
    let (mut classes, mut labels) = (of.iter(), Vec::new());
    let (mut found, mut enlarged, mut groups) = (Vec::new(), 0, BTreeMap::new());
    // The pictures that are used, by their place among all.
    let (mut place, mut used) = (0.., Vec::new());
    for ((&file, path), decoded) in relative.iter().zip(files).zip(decoded) {
        // Every picture that can be read has an entry in `of`, unless there are no labels.
        let placed = decoded.and_then(|is_enlarged| {
            let place = place.next().unwrap_or_default();
            match classes.next() {
                Some(None) => Err(OUTSIDE.to_owned()),
                Some(Some(class)) => Ok((place, is_enlarged, Some(*class))),
                None => Ok((place, is_enlarged, None)),
            }
        });
        match placed {
            Ok((place, is_enlarged, class)) => {
                used.push(place);
                enlarged += usize::from(is_enlarged);
                labels.extend(class);
                let name = file.parent().map(|parent| Plain::path(parent).to_string()).unwrap_or_default();
                found.push(file.to_owned());
                *groups.entry(if name.is_empty() { ".".into() } else { name }).or_insert(0) += 1;
            }
            Err(reason) => skipped.push(Skipped { path: path.clone(), reason }),
        }
    }
    skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Found {
        pictures: pictures.keep(&used)?,
        files: found,
        groups: groups.into_iter().collect(),
        enlarged,
        skipped,
        labels: (!names.is_empty()).then_some(Labels { names, of: labels }),
        notes,
    })
}

/// Decodes `files`, some at a time, and keeps their pictures.
///
/// # Errors
/// When there is no room for the pictures.
fn decode_all(
    files: &[PathBuf],
    target: &Target,
    exact: bool,
    keeper: &Keeper<'_>,
) -> anyhow::Result<(PictureStore, Vec<Outcome>)> {
    let length = target.shape.len();
    let room = Room::new(DECODING);
    let mut collector = keeper.collect();
    let mut all = Vec::with_capacity(files.len());
    for some in files.chunks((TOGETHER_BYTES / length).clamp(1, TOGETHER)) {
        let decoded: Vec<_> = some.par_iter().map(|path| decode(path, target, exact, &room)).collect();
        for decoded in decoded {
            if let Ok(decoded) = &decoded {
                collector.add_fitted(&decoded.pixels)?;
            }
            all.push(decoded.map(|decoded| decoded.is_enlarged));
        }
    }
    Ok((collector.finish(&all)?, all))
}

/// A budget of memory that several threads share. A thread that wants more than is left waits.
#[derive(Debug)]
struct Room {
    all: u64,
    left: Mutex<u64>,
    returned: Condvar,
}

/// A share of the budget, returned when dropped.
struct Taken<'a>(&'a Room, u64);

impl Room {
    fn new(all: u64) -> Self {
        Self { all, left: Mutex::new(all), returned: Condvar::new() }
    }

    /// Waits for and takes `wanted` bytes, or the whole budget if that is less.
    fn take(&self, wanted: u64) -> Taken<'_> {
        let wanted = wanted.min(self.all);
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = self.returned.wait_while(left, |left| *left < wanted).unwrap_or_else(PoisonError::into_inner);
        *left -= wanted;
        Taken(self, wanted)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.0.left.lock().unwrap_or_else(PoisonError::into_inner) += self.1;
        self.0.returned.notify_all();
    }
}

fn unreadable(error: io::Error) -> String {
    format!("unreadable: {error}")
}

struct Decoded {
    /// Of the wanted size and channels.
    pixels: Vec<u8>,
    /// Whether the picture was smaller and had to be enlarged.
    is_enlarged: bool,
}

fn decode(path: &Path, target: &Target, exact: bool, room: &Room) -> Result<Decoded, String> {
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut start = Vec::new();
    file.by_ref().take(kinds::START as u64).read_to_end(&mut start).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    if let Some(kind) = kinds::kind(&start, path) {
        return Err(format!("not a picture that is read, but {}: {}", kind.name, kind.advice(path)));
    }
    decode_from(file, target, exact, room)
}

/// Reads a single picture and brings it to a shape as training pictures are; `[height, width, channels]`.
///
/// # Errors
/// When the file is missing, damaged, or no picture; the message says which.
pub fn single_picture(path: &Path, target: &Target) -> anyhow::Result<Array3<u8>> {
    let decoded = decode(path, target, false, &Room::new(DECODING));
    let pixels = decoded.map_err(|reason| anyhow::anyhow!("{}: {reason}", Plain::path(path)))?.pixels;
    let shape = target.shape;
    Ok(Array3::from_shape_vec((shape.height.into(), shape.width.into(), shape.channels.into()), pixels)?)
}

/// Decodes the picture in `file`, its middle cropped and resized to `side` x `side`, or says why that is not possible. The
/// format is detected from the bytes, not from the file's name.
pub fn picture(file: impl BufRead + Seek, side: u32) -> Result<RgbImage, String> {
    let side = u16::try_from(side).map_err(|_| format!("{side} pixels a side are too many"))?;
    let target = Target::of(gen_core::Shape::new(side, side, 3));
    let pixels = decode_from(file, &target, false, &Room::new(DECODING))?.pixels;
    RgbImage::from_raw(side.into(), side.into(), pixels).ok_or_else(|| "a picture has another size than it says".into())
}

fn decode_from(file: impl BufRead + Seek, target: &Target, exact: bool, room: &Room) -> Result<Decoded, String> {
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(unreadable)?;
    match reader.format().filter(ImageFormat::reading_enabled) {
        None => Err("not a picture (PNG, JPEG, BMP, GIF, WebP or TIFF)".into()),
        Some(ImageFormat::Jpeg) => {
            // The file is read whole, as the decoder would do too.
            let mut bytes = Vec::new();
            let mut file = reader.into_inner();
            file.by_ref().take(MAX_ALLOC + 1).read_to_end(&mut bytes).map_err(unreadable)?;
            if bytes.len() as u64 > MAX_ALLOC {
                return Err(format!("too large: a file of more than {} MiB", MAX_ALLOC >> 20));
            }
            let whole = jpeg::check(&bytes);
            if let Ok(Some(end)) = whole {
                bytes.truncate(end);
                bytes.extend(b"\xff\xd9");
            }
            let reader = ImageReader::with_format(Cursor::new(bytes.as_slice()), ImageFormat::Jpeg);
            let is_whole = whole.map(|_| ()).map_err(|flaw| format!("corrupt: {flaw}"));
            decode_with(reader, target, exact, room, is_whole)
        }
        Some(ImageFormat::Png) => {
            let mut start = Vec::new();
            let mut file = reader.into_inner();
            file.by_ref().take(grid::MARK_WITHIN).read_to_end(&mut start).map_err(unreadable)?;
            if grid::is_sheet(&start) {
                return Err("a sheet of pictures that this program wrote".into());
            }
            file.rewind().map_err(unreadable)?;
            reader = ImageReader::with_format(file, ImageFormat::Png);
            decode_with(reader, target, exact, room, Ok(()))
        }
        Some(_) => decode_with(reader, target, exact, room, Ok(())),
    }
}

fn decode_with(
    mut reader: ImageReader<impl BufRead + Seek>,
    target: &Target,
    exact: bool,
    room: &Room,
    is_whole: Result<(), String>,
) -> Result<Decoded, String> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);

    const SMALLER: &str =
        "make it smaller first, with ImageMagick for example: magick FILE -resize 2000x2000 SMALL.png";
    let explain = |error: ImageError| match error {
        ImageError::Limits(_) => {
            format!("too large: more than {MAX_SIDE} pixels a side, or {} MiB; {SMALLER}", MAX_ALLOC >> 20)
        }
        ImageError::Unsupported(error) => {
            format!("a kind of picture that cannot be read: {error}; save it as PNG with 8 bits a channel")
        }
        error => format!("corrupt: {error}"),
    };
    let mut decoder = reader.into_decoder().map_err(explain)?;
    let (width, height) = decoder.dimensions();
    if width.min(height) < MIN_SIDE {
        return Err(format!("too small: {width}x{height}, and {MIN_SIDE}x{MIN_SIDE} is the least"));
    }
    let (to_width, to_height) = (u32::from(target.shape.width), u32::from(target.shape.height));
    if exact && (width, height) != (to_width, to_height) {
        return Err(format!(
            "{ANOTHER_SIZE}: {width}x{height}, not {to_width}x{to_height}; to resize it would be measured too, so bring all \
             pictures to one size first, with ImageMagick for example: magick mogrify -resize {to_width}x{to_height}! *.png"
        ));
    }
    let bytes = decoder.total_bytes();
    if bytes > MAX_ALLOC {
        return Err(format!(
            "too large: {width}x{height} take {} MiB, and {} MiB is the most; {SMALLER}",
            bytes >> 20,
            MAX_ALLOC >> 20
        ));
    }
    let _taken = room.take(COPIES * bytes);
    is_whole?;
    let orientation = orientation(&mut decoder);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(explain)?;
    let floats: &[f32] = match &picture {
        DynamicImage::ImageRgb32F(picture) => picture,
        DynamicImage::ImageRgba32F(picture) => picture,
        _ => &[],
    };
    if !floats.iter().all(|value| (0.0..=1.0).contains(value)) {
        return Err("its floats are not from 0 to 1; save it as PNG with 8 bits a channel".into());
    }
    picture.apply_orientation(orientation);
    let is_enlarged = target.enlarges((picture.width(), picture.height()));
    Ok(Decoded { pixels: target.fit(picture)?, is_enlarged })
}

/// Orientation of the camera according to the picture.
fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    let exif = decoder.exif_metadata().ok().flatten().unwrap_or_default();
    // This prefix belongs in JPEG files only, but many programs write it to other formats too.
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(&exif);
    // TIFF has it outside of EXIF data.
    let other = || decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Orientation::from_exif_chunk(exif).unwrap_or_else(other)
}
