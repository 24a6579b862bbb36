//! Any folder of pictures: found, decoded, made square and small.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, RgbImage};
use rayon::prelude::*;

use super::Skipped;

/// Pictures with a shorter side than this, in pixels, are skipped: nothing can be seen on them.
pub const MIN_SIDE: u32 = 8;

/// Pictures with a longer side than this, in pixels, are skipped.
pub const MAX_SIDE: u32 = 16_384;

/// Bytes a picture may take while it is decoded; larger ones are skipped.
const MAX_ALLOC: u64 = 256 << 20;

/// Pictures (`pixels` is `[N, side, side, 3]` in one piece), their files below the root, how many each
/// folder had (by its path below the root, `.` for the root itself), and what was not taken.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) pixels: Vec<u8>,
    pub(super) files: Vec<PathBuf>,
    pub(super) groups: Vec<(String, usize)>,
    pub(super) skipped: Vec<Skipped>,
}

/// The files below `root`, sorted by path. Links are followed, each folder is read once, and names
/// that start with a dot are left out. Fails only if `root` itself cannot be read.
pub(super) fn list(root: &Path) -> io::Result<(Vec<PathBuf>, Vec<Skipped>)> {
    let (mut files, mut skipped) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut skip = |path: &Path, reason: String| skipped.push(Skipped { path: path.to_owned(), reason });
        let entries = fs::canonicalize(&folder).and_then(|real| {
            // A folder met before, through a link: a loop, or pictures that would count twice.
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
                Ok(meta) if meta.is_file() => files.push(path),
                // Opening a pipe would wait for ever.
                Ok(_) => skip(&path, "not a file".into()),
                Err(error) => skip(&path, format!("unreadable: {error}")),
            }
        }
        // The last one is popped first.
        inner.sort_by(|a, b| b.cmp(a));
        folders.append(&mut inner);
    }
    files.sort();
    Ok((files, skipped))
}

/// Decodes `files` on all cores; the pictures keep the order of the files.
pub(super) fn read(root: &Path, files: &[PathBuf], mut skipped: Vec<Skipped>, side: usize) -> Found {
    let decoded: Vec<_> = files.par_iter().map(|path| decode(path, side as u32)).collect();
    let mut found = Found::default();
    let mut groups = BTreeMap::new();
    for (path, decoded) in files.iter().zip(decoded) {
        match decoded {
            Ok(picture) => {
                found.pixels.extend_from_slice(picture.as_raw());
                let file = path.strip_prefix(root).unwrap_or(path);
                let name = file.parent().map(|parent| parent.display().to_string()).unwrap_or_default();
                found.files.push(file.to_owned());
                *groups.entry(if name.is_empty() { ".".into() } else { name }).or_insert(0) += 1;
            }
            Err(reason) => skipped.push(Skipped { path: path.clone(), reason }),
        }
    }
    skipped.sort_by(|a, b| a.path.cmp(&b.path));
    found.groups = groups.into_iter().collect();
    found.skipped = skipped;
    found
}

fn unreadable(error: io::Error) -> String {
    format!("unreadable: {error}")
}

fn decode(path: &Path, side: u32) -> Result<RgbImage, String> {
    picture(BufReader::new(File::open(path).map_err(unreadable)?), side)
}

/// The picture in `file`, `side` x `side`, or the reason why there is none. What it is its bytes
/// say: the ending of a name says little.
pub fn picture(file: impl BufRead + Seek, side: u32) -> Result<RgbImage, String> {
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(unreadable)?;
    if !reader.format().is_some_and(|format| format.reading_enabled()) {
        return Err("not a picture (PNG, JPEG, BMP, GIF or WebP)".into());
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);

    let explain = |error: ImageError| match error {
        ImageError::Limits(_) => format!("too large: more than {MAX_SIDE} pixels a side, or {} MB", MAX_ALLOC >> 20),
        ImageError::Unsupported(error) => format!("a kind of picture that cannot be read: {error}"),
        error => format!("corrupt: {error}"),
    };
    let mut decoder = reader.into_decoder().map_err(explain)?;
    let (width, height) = decoder.dimensions();
    if width.min(height) < MIN_SIDE {
        return Err(format!("too small: {width}x{height}, and {MIN_SIDE}x{MIN_SIDE} is the least"));
    }
    if decoder.total_bytes() > MAX_ALLOC {
        return Err(format!("too large: {width}x{height}"));
    }
    // Cameras store how they were held.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(explain)?;
    picture.apply_orientation(orientation);
    Ok(fit(&picture, side))
}

/// The square middle of `picture`, over white where it is transparent, resized to `side`.
fn fit(picture: &DynamicImage, side: u32) -> RgbImage {
    let square = picture.width().min(picture.height());
    let (left, top) = ((picture.width() - square) / 2, (picture.height() - square) / 2);
    let middle = picture.crop_imm(left, top, square, square);
    let rgb = if middle.color().has_alpha() {
        let mut over_white = RgbImage::new(square, square);
        for (out, pixel) in over_white.pixels_mut().zip(middle.to_rgba8().pixels()) {
            let [colour @ .., alpha] = pixel.0.map(u32::from);
            out.0 = colour.map(|v| ((v * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
        }
        over_white
    } else {
        middle.to_rgb8()
    };
    resize(rgb, side)
}

/// `picture` at `side` x `side`; as it is when it has that size already.
pub(super) fn resize(picture: RgbImage, side: u32) -> RgbImage {
    if picture.dimensions() == (side, side) {
        return picture;
    }
    // Widens with the scale when shrinking, so nothing aliases.
    imageops::resize(&picture, side, side, FilterType::CatmullRom)
}
