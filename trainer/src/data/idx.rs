//! IDX, the format of MNIST, Fashion-MNIST, EMNIST and KMNIST (<http://yann.lecun.com/exdb/mnist/>), also compressed with
//! gzip. Labels are read from the file beside it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use gen_core::Shape;

use super::format::{Content, Format, Pictures, at_once, checked_shape, read_up_to};
use super::keep::Collector;
use crate::text::Plain;

/// The type number of unsigned bytes.
const BYTES: u8 = 8;
/// First bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Folders in which torchvision and Keras keep such files, relative to the one that users know.
const BELOW: [&str; 4] = ["", "raw", "MNIST/raw", "FashionMNIST/raw"];

/// The format; see the [module](self).
#[derive(Debug)]
pub(super) struct Idx;

/// Whether a file name says that the file has pictures in this format: `…images-idx3-ubyte`, `…images.idx3-ubyte`, each
/// also with `.gz`.
fn has_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.ends_with("images-idx3-ubyte") || name.ends_with("images.idx3-ubyte")
}

impl Format for Idx {
    fn in_folder(&self, path: &Path) -> Result<Option<PathBuf>> {
        for below in BELOW {
            let entries = std::fs::read_dir(path.join(below)).into_iter().flatten().flatten();
            let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(|file| has_name(file)).collect();
            files.sort();
            // Of a file and its compressed form one is enough.
            files.dedup_by(|b, a| b.with_extension("") == *a);
            let is_train = |file: &&PathBuf| file.file_name().unwrap_or_default().to_string_lossy().contains("train");
            let train: Vec<_> = files.iter().filter(is_train).cloned().collect();
            let candidates = if train.is_empty() { files } else { train };
            match &candidates[..] {
                [] => {}
                [file] => return Ok(Some(file.clone())),
                [first, ..] => bail!(
                    "{} holds {} files of training pictures; give one of them, such as {}",
                    Plain::path(path),
                    candidates.len(),
                    Plain::path(first)
                ),
            }
        }
        Ok(None)
    }

    fn is_file(&self, _: &Path, start: &[u8]) -> bool {
        let is_pictures = |start: &[u8]| matches!(start, [0, 0, BYTES, 3 | 4, ..]);
        let mut unpacked = [0; 4];
        let mut is_packed = || MultiGzDecoder::new(start).read_exact(&mut unpacked).is_ok() && is_pictures(&unpacked);
        is_pictures(start) || (start.starts_with(&GZIP) && is_packed())
    }

    fn shape(&self, path: &Path) -> Result<Shape> {
        Ok(Array::open(path)?.pictures()?.0)
    }

    fn files(&self, path: &Path) -> Result<Vec<PathBuf>> {
        Ok([path.to_owned()].into_iter().chain(beside(path)).collect())
    }

    fn read(&self, path: &Path, into: &mut Collector<'_>) -> Result<Content> {
        let array = Array::open(path)?;
        let (shape, _) = array.pictures()?;
        // EMNIST keeps its pictures with rows and columns exchanged.
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_turned = name.starts_with("emnist") && shape.height == shape.width;
        let count = array.collect(is_turned, into)?;
        let labels = match beside(path) {
            Some(path) => labels(&path, count).with_context(|| Plain::path(&path).to_string())?,
            None => Vec::new(),
        };
        Ok(Content::new(labels))
    }
}

/// The pictures in a file, without their labels, which are in another one.
///
/// # Errors
/// When it is damaged or holds no pictures, or they take more than `limit` bytes.
pub fn read(file: impl BufRead, limit: u64) -> Result<Pictures> {
    Pictures::collect(limit, |into| Array::read(file)?.collect(false, into).map(|_| Content::default()))
}

fn transpose(picture: &mut [u8], side: usize) {
    for y in 0..side {
        for x in 0..y {
            picture.swap(y * side + x, x * side + y);
        }
    }
}

/// The file with the labels of these pictures, if it exists, in compressed form or not.
fn beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let name = name.replace("images", "labels").replace("idx3", "idx1");
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    let candidates =
        [path.with_file_name(&name), path.with_file_name(plain), path.with_file_name(format!("{plain}.gz"))];
    candidates.into_iter().find(|file| file.is_file() && file != path)
}

fn labels(path: &Path, count: usize) -> Result<Vec<u32>> {
    let array = Array::open(path)?;
    ensure!(
        array.shape == [count],
        "it has the shape {:?}; a label for each of the {count} pictures is needed",
        array.shape
    );
    Ok(array.elements(count as u64)?.into_iter().map(u32::from).collect())
}

/// An array of bytes: its shape, and its file, positioned behind the header.
struct Array<R> {
    shape: Vec<usize>,
    file: R,
}

impl Array<()> {
    fn open(path: &Path) -> Result<Array<impl Read>> {
        Self::read(BufReader::new(File::open(path)?))
    }

    fn read(mut file: impl BufRead) -> Result<Array<impl Read>> {
        let is_gzip = file.fill_buf()?.starts_with(&GZIP);
        Self::parse(if is_gzip { Either::Packed(Box::new(MultiGzDecoder::new(file))) } else { Either::Plain(file) })
    }

    fn parse<R: Read>(mut file: R) -> Result<Array<R>> {
        let mut magic = [0; 4];
        file.read_exact(&mut magic).context("it is cut in its header")?;
        let [0, 0, element, axes] = magic else { bail!("it is no IDX file: it does not begin with two zeros") };
        ensure!(element == BYTES, "its numbers have the type {element:#04x}; bytes ({BYTES:#04x}) can be read");
        ensure!((1..=4).contains(&axes), "it has {axes} axes");
        let mut shape = Vec::new();
        for _ in 0..axes {
            let mut length = [0; 4];
            file.read_exact(&mut length).context("it is cut in its header")?;
            shape.push(u32::from_be_bytes(length) as usize);
        }
        Ok(Array { shape, file })
    }
}

/// A file that is compressed or not.
enum Either<R> {
    Plain(R),
    Packed(Box<MultiGzDecoder<R>>),
}

impl<R: Read> Read for Either<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Packed(file) => file.read(buffer),
        }
    }
}

impl<R: Read> Array<R> {
    /// Height, width and channels of a picture, and the number of pictures.
    fn pictures(&self) -> Result<(Shape, usize)> {
        match self.shape[..] {
            [count, height, width] => Ok((checked_shape(height, width, 1)?, count)),
            [count, height, width, channels] => Ok((checked_shape(height, width, channels)?, count)),
            _ => bail!("it has the shape {:?}, which is not one of pictures (number, height, width)", self.shape),
        }
    }

    /// Adds all pictures to a collector, with rows and columns exchanged if `is_turned`. Returns their number.
    fn collect(mut self, is_turned: bool, into: &mut Collector<'_>) -> Result<usize> {
        let (shape, count) = self.pictures()?;
        let (len, mut read) = (self.len()?, 0);
        while read < len {
            let most = at_once(shape.len()).min(len - read);
            let mut pixels = read_up_to(&mut self.file, most).context("it is damaged")?;
            read += pixels.len();
            let is_cut = pixels.len() < most;
            pixels.truncate(pixels.len() - pixels.len() % shape.len());
            if is_turned {
                pixels.chunks_exact_mut(shape.len()).for_each(|picture| transpose(picture, shape.width.into()));
            }
            into.add(shape, &pixels)?;
            if is_cut {
                break;
            }
        }
        self.check_end(len, read)?;
        Ok(count)
    }

    /// Number of all elements.
    fn len(&self) -> Result<usize> {
        let len = self.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        len.with_context(|| format!("its shape {:?} is too large", self.shape))
    }

    /// Checks that `read` of `len` elements have been read, and that no more follow.
    fn check_end(mut self, len: usize, read: usize) -> Result<()> {
        let goes_on = read == len && self.file.read(&mut [0]).context("it is damaged")? > 0;
        ensure!(
            read == len && !goes_on,
            "its shape {:?} needs {len} bytes, and it has {}: copy or download it again",
            self.shape,
            if goes_on { "more".into() } else { read.to_string() }
        );
        Ok(())
    }

    /// All elements, at most `limit`.
    fn elements(mut self, limit: u64) -> Result<Vec<u8>> {
        let len = self.len()?;
        ensure!(len as u64 <= limit, "its shape {:?} takes more than {limit} bytes", self.shape);
        let elements = read_up_to(&mut self.file, len).context("it is damaged")?;
        self.check_end(len, elements.len())?;
        Ok(elements)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::Target;
    use super::super::keep::Keeper;
    use super::*;

    fn read_all(path: &Path, limit: u64) -> Result<Pictures> {
        Pictures::collect(limit, |into| Idx.read(path, into))
    }

    fn idx(shape: &[u32], elements: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, BYTES, shape.len() as u8];
        shape.iter().for_each(|n| bytes.extend(n.to_be_bytes()));
        [bytes, elements.to_vec()].concat()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn pictures_and_labels_are_read_compressed_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let (images, labels) = (idx(&[3, 2, 2], &(0..12).collect::<Vec<_>>()), idx(&[3], &[7, 1, 7]));
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("train-images-idx3-ubyte.gz", &gzip(&images));
        write("train-labels-idx1-ubyte", &labels);
        write("t10k-images-idx3-ubyte", &idx(&[1, 2, 2], &[0; 4]));
        let file = Idx.in_folder(folder.path()).unwrap().unwrap();
        assert_eq!(file, folder.path().join("train-images-idx3-ubyte.gz"));
        assert_eq!(Idx.shape(&file).unwrap(), Shape::new(2, 2, 1));
        let pictures = read_all(&file, 1 << 20).unwrap();
        assert_eq!((pictures.len(), &pictures.labels[..]), (3, &[7, 1, 7][..]));
        let target = Target::of(Shape::new(2, 2, 1));
        let keeper = Keeper::new(None, 12, &target, &file, "", &[]);
        let mut collector = keeper.collect();
        let mut content = Idx.read(&file, &mut collector).unwrap();
        let seven = content.find("7", &file).unwrap();
        let sevens = content.keep(collector.finish(&()).unwrap(), |label| label == seven).unwrap();
        assert_eq!(sevens.to_array().unwrap().into_raw_vec_and_offset().0, [0, 1, 2, 3, 8, 9, 10, 11]);
        // A copy that was unpacked counts once, as does torchvision's folder.
        write("train-images-idx3-ubyte", &images);
        assert_eq!(Idx.in_folder(folder.path()).unwrap().unwrap(), folder.path().join("train-images-idx3-ubyte"));
        let raw = folder.path().join("data/MNIST/raw");
        std::fs::create_dir_all(&raw).unwrap();
        std::fs::write(raw.join("train-images-idx3-ubyte"), &images).unwrap();
        assert_eq!(Idx.in_folder(&folder.path().join("data")).unwrap().unwrap(), raw.join("train-images-idx3-ubyte"));
    }

    #[test]
    fn emnist_is_turned_upright() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emnist-letters-train-images-idx3-ubyte");
        std::fs::write(&path, idx(&[1, 2, 2], &[1, 2, 3, 4])).unwrap();
        assert_eq!(read_all(&path, 100).unwrap().pixels, [1, 3, 2, 4]);
    }

    #[test]
    fn damaged_files_are_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train-images-idx3-ubyte");
        let good = idx(&[3, 2, 2], &[0; 12]);
        let cases: [(Vec<u8>, &str); 9] = [
            (good[..20].to_vec(), "needs 12 bytes, and it has 4"),
            ([&good[..], &[0]].concat(), "it has more"),
            (good[..9].to_vec(), "cut in its header"),
            (b"PK\x03\x04 what".to_vec(), "no IDX file"),
            ([&[0, 0, 0x0d, 3][..], &good[4..]].concat(), "the type 0x0d"),
            (idx(&[12], &[0; 12]), "not one of pictures"),
            (idx(&[1, 2, 3, 2], &[0; 12]), "2 channels"),
            (idx(&[u32::MAX, 60_000, 60_000], &[]), "and it has 0"),
            (gzip(&good)[..15].to_vec(), ""),
        ];
        for (bytes, expected) in cases {
            std::fs::write(&path, bytes).unwrap();
            let error = format!("{:#}", read_all(&path, 1 << 20).unwrap_err());
            assert!(error.contains(expected), "{expected}: {error}");
        }
        std::fs::write(&path, &good).unwrap();
        std::fs::write(folder.path().join("train-labels-idx1-ubyte"), idx(&[2], &[0; 2])).unwrap();
        let error = format!("{:#}", read_all(&path, 1 << 20).unwrap_err());
        assert!(error.contains("train-labels") && error.contains("each of the 3 pictures"), "{error}");
    }
}
