//! Recognises files that cannot be used as training pictures by their first bytes, and says what to do with them.

use std::path::Path;

use crate::terminal::{self, quoted};

/// Number of bytes from the start of a file that [`kind`] needs.
pub(super) const START: usize = 4096;

/// The kind of a file, with advice for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Such as "a HEIC picture".
    pub(super) name: &'static str,
    /// Such as "convert it to PNG or JPEG".
    advice: &'static str,
}

impl Kind {
    /// What to do with the file at `path`, with the command to type.
    pub(super) fn advice(&self, path: &Path) -> String {
        self.advice.replace("{trainer}", &terminal::program()).replace("{path}", &quoted(path))
    }
}

/// What to do with a file of many pictures that is read, but not as one picture of a folder.
const ARRAYS: &str = "to train on the pictures in it, give the file itself with --data";

const PICKLE: &str = "to train on CIFAR, give its folder or archive with --data";

const CONVERT: &str = "convert it to PNG or JPEG, with ImageMagick for example: magick FILE FILE.png";
const DRAWING: &str = "draw it as pixels first and save those as PNG";
const DEVELOP: &str = "develop it first and save the picture as PNG or JPEG";
const FRAMES: &str = "save its frames as PNG or JPEG first, with ffmpeg for example: ffmpeg -i FILE %06d.png";
const UNPACK: &str = "unpack it and give its folder";
const NUMPY: &str = "save each picture as a PNG into one folder and give that, in Python for example: \
     PIL.Image.fromarray(array[i]).save(f\"pictures/{i:05}.png\")";
const BINARY: &str = "of CIFAR-10 the binary version and the Python version are read: \
     https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";

const fn kind_of(name: &'static str, advice: &'static str) -> Option<Kind> {
    Some(Kind { name, advice })
}

/// The kind of a file with this name that begins with these bytes. `None` if the kind is unknown, or the file is a
/// picture that can be read.
pub(super) fn kind(start: &[u8], path: &Path) -> Option<Kind> {
    let at = |place: usize, mark: &[u8]| start.get(place..).is_some_and(|rest| rest.starts_with(mark));
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let ends = |endings: &[&str]| endings.contains(&ending.as_str());
    match start {
        [] => return kind_of("an empty file", "copy or download it again"),
        // ISO base media files; the brand says which format.
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => {
            let brands = brand.get(..brand.len().min(56)).unwrap_or_default();
            let has = |names: &[&[u8; 4]]| brands.chunks(4).any(|brand| names.iter().any(|name| brand == *name));
            return match brand {
                _ if has(&[b"avif", b"avis"]) => kind_of("an AVIF picture", CONVERT),
                [b'c', b'r', b'x', ..] => kind_of("a camera's raw picture (CR3)", DEVELOP),
                _ if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) => {
                    kind_of("a HEIC picture", CONVERT)
                }
                _ => kind_of("a film", FRAMES),
            };
        }
        [0xff, 0x0a, ..] => return kind_of("a JPEG XL picture", CONVERT),
        [0xff, 0x4f, 0xff, 0x51, ..] => return kind_of("a JPEG 2000 picture", CONVERT),
        [b'I', b'I', 0xbc, ..] => return kind_of("a JPEG XR picture", CONVERT),
        [b'I', b'I', b'U', 0, ..] | [b'I', b'I', b'R', b'O' | b'S', ..] | [b'M', b'M', b'O', b'R', ..] => {
            return kind_of("a camera's raw picture", DEVELOP);
        }
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => {
            let raw =
                ["dng", "cr2", "nef", "nrw", "arw", "sr2", "srf", "srw", "pef", "3fr", "iiq", "erf", "kdc", "dcr"];
            let is_big = matches!(start, [_, _, 43, ..] | [_, _, _, 43, ..]);
            return match () {
                () if at(8, b"CR") || ends(&raw) => kind_of("a camera's raw picture", DEVELOP),
                () if is_big => kind_of("a BigTIFF picture", CONVERT),
                () => None,
            };
        }
        [0, 0, 1 | 2, 0, 1..=0xff, 0, ..] => return kind_of("an icon (ICO or CUR)", CONVERT),
        [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n' | b'#', ..] => {
            return kind_of("a PNM picture (PPM, PGM, PBM or PAM)", CONVERT);
        }
        [0x80, 2..=5, ..] => {
            return kind_of("a Python pickle (CIFAR-10 and CIFAR-100 in their Python version are such)", PICKLE);
        }
        // IDX files, as of MNIST: two zeros, the type of the numbers, the number of dimensions.
        [0, 0, 0x08 | 0x09 | 0x0b..=0x0e, 1..=4, ..] => {
            return kind_of("an IDX file (MNIST is kept in such files)", ARRAYS);
        }
        _ => {}
    }
    // Magic numbers at a fixed offset.
    const MARKS: &[(usize, &[u8], &str, &str)] = &[
        (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture", CONVERT),
        (0, b"\0\0\0\x0cjP", "a JPEG 2000 picture", CONVERT),
        (0, b"FUJIFILMCCD-RAW", "a camera's raw picture", DEVELOP),
        (0, b"FOVb", "a camera's raw picture", DEVELOP),
        (0, b"8BPS", "a Photoshop picture", CONVERT),
        (0, b"gimp xcf", "a GIMP picture", CONVERT),
        (0, b"qoif", "a QOI picture", CONVERT),
        (0, b"farbfeld", "a farbfeld picture", CONVERT),
        (0, b"DDS ", "a DDS picture", CONVERT),
        (0, b"BPG\xfb", "a BPG picture", CONVERT),
        (0, b"FLIF", "a FLIF picture", CONVERT),
        (0, b"v/1\x01", "an OpenEXR picture", CONVERT),
        (0, b"#?RADIANCE", "a Radiance HDR picture", CONVERT),
        (0, b"SIMPLE  =", "a FITS picture", CONVERT),
        (128, b"DICM", "a DICOM picture", CONVERT),
        (0, b"%PDF", "a PDF document", DRAWING),
        (0, b"%!PS", "a PostScript document", DRAWING),
        (0, b"\xd7\xcd\xc6\x9a", "a WMF drawing", DRAWING),
        (40, b" EMF", "an EMF drawing", DRAWING),
        (8, b"AVI ", "a film", FRAMES),
        (0, b"\x1a\x45\xdf\xa3", "a film", FRAMES),
        (0, b"\0\0\x01\xba", "a film", FRAMES),
        (0, b"\x1f\x8b", "compressed with gzip", UNPACK),
        (257, b"ustar", "a tar archive", UNPACK),
        (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
        (0, b"Rar!", "a RAR archive", UNPACK),
        (0, b"\xfd7zXZ", "compressed with xz", UNPACK),
        (0, b"BZh", "compressed with bzip2", UNPACK),
        (0, b"\x28\xb5\x2f\xfd", "compressed with zstd", UNPACK),
        (0, b"\x04\x22\x4d\x18", "compressed with LZ4", UNPACK),
        (0, b"\x93NUMPY", "a NumPy array", ARRAYS),
        (0, b"\x89HDF\r\n", "an HDF5 file", NUMPY),
        (0, b"PAR1", "a Parquet file", "save its pictures as files into one folder and give that"),
        (0, b"ARROW1", "an Arrow file", "save its pictures as files into one folder and give that"),
        (0, b"MATLAB 5.0", "a Matlab file (CIFAR-10 in its Matlab version is such)", BINARY),
        (0, b"SQLite format 3", "a database", "save its pictures as files into one folder and give that"),
        (0, b"RBGN", "a model of this program", "it draws pictures: {trainer} sample {path} --pngs drawn"),
        (0, b"RBCK", "a checkpoint of this program", "it draws pictures: {trainer} sample --float {path} --pngs drawn"),
        (
            0,
            b"version https://git-lfs",
            "a pointer of Git LFS, not the file itself",
            "fetch the file with: git lfs pull",
        ),
    ];
    if at(0, b"PK\x03\x04") || at(0, b"PK\x05\x06") {
        // The name of the first file in the archive.
        let length = usize::from(start.get(26..28).map_or(0, |pair| u16::from_le_bytes([pair[0], pair[1]])));
        let first = start.get(30..30 + length).unwrap_or_default();
        return if ends(&["npz"]) || first.ends_with(b".npy") {
            kind_of("a NumPy archive (.npz)", ARRAYS)
        } else {
            kind_of("a zip archive", UNPACK)
        };
    }
    if let Some(&(.., name, advice)) = MARKS.iter().find(|(place, mark, ..)| at(*place, mark)) {
        return kind_of(name, advice);
    }
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start().to_ascii_lowercase();
    let holds = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    if text.starts_with(b"<svg") || text.starts_with(b"<?xml") && holds(b"<svg") {
        return kind_of("an SVG drawing", DRAWING);
    }
    if text.starts_with(b"<!doctype html") || text.starts_with(b"<html") || text.starts_with(b"<") && holds(b"<html") {
        return kind_of(
            "a web page, as a server sends it in place of a file that is not there or needs a login",
            "download the file itself",
        );
    }
    // Formats without a magic number.
    match ending.as_str() {
        "tga" => kind_of("a TGA picture", CONVERT),
        "heic" | "heif" | "avif" | "jxl" | "jp2" => {
            kind_of("a damaged picture of a kind that is not read", "copy it again, then convert it to PNG or JPEG")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let name = |start: &[u8], path: &str| kind(start, Path::new(path)).map_or("", |kind| kind.name);
        for (start, path, expected) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "x", "HEIC"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "x", "AVIF"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "x", "HEIC"),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01", "x.cr3", "raw"),
            (b"\0\0\0\x18ftypisom\0\0\0\0mp42", "x.mp4", "film"),
            (b"II*\0\x08\0\0\0", "x.tif", ""),
            (b"II+\0\x08\0\0\0", "x.tif", "BigTIFF"),
            (b"MM\0*\0\0\0\x08", "x.nef", "raw"),
            (b"II*\0\x10\0\0\0CR\x02\0", "x", "raw"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "x", "JPEG XL"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "x", "JPEG 2000"),
            (b"\xff\x0a\xfa\x1f", "x", "JPEG XL"),
            (b"\0\0\x01\0\x01\0\x20\x20", "x.ico", "icon"),
            (b"P6\n64 64\n255\n", "x.ppm", "PNM"),
            (b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<svg xmlns", "x", "SVG"),
            (b"<!DOCTYPE HTML><html>", "x.jpg", "web page"),
            (b"%PDF-1.4", "x", "PDF"),
            (b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0x.npy", "x", ".npz"),
            (b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0x.png", "x", "zip"),
            (b"\x80\x04\x95\0", "data_batch_1", "pickle"),
            (b"\0\0\x08\x03\0\0\xea\x60", "train-images-idx3-ubyte", "IDX"),
            (b"version https://git-lfs.github.com/spec/v1\n", "x.png", "LFS"),
            (b"\0\0\x02\0\0\0\0\0", "x.tga", "TGA"),
            (b"", "x.png", "empty"),
            (b"hello", "x.txt", ""),
            (b"\x89PNG\r\n\x1a\n", "x.png", ""),
            (b"\xff\xd8\xff\xe0", "x.jpg", ""),
            (b"BM6\0\0\0", "x.bmp", ""),
        ] {
            let found = name(start, path);
            assert!(found.contains(expected) && expected.is_empty() == found.is_empty(), "{path}: {found}");
        }
    }
}
