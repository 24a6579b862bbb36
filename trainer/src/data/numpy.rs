//! NumPy's `.npy` and `.npz` with pictures, such as Keras' `mnist.npz`.
//!
//! An array of pictures is `[N, height, width]`, `[N, height, width, channels]` or `[N, channels, height, width]`. Floats
//! from 0 to 1, from -1 to 1 or from 0 to 255 are converted to bytes.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::Shape;
use ndarray::{Array4, ArrayD, Ix3, Ix4};
use zip::ZipArchive;

use super::format::{Content, Format, Pictures, at_once, checked_shape, read_up_to};
use super::keep::Collector;
use crate::npy::{self, Element, Header, Npy};
use crate::numbers::megabytes;
use crate::text::Plain;

/// Names of the array of training pictures in an archive, the likeliest first.
const PICTURES: [&str; 8] = ["x_train", "train_images", "images", "x", "X", "data", "pictures", "arr_0"];
/// Names of the array of their classes.
const LABELS: [&str; 7] = ["y_train", "train_labels", "labels", "y", "Y", "targets", "arr_1"];

/// The format; see the [module](self).
#[derive(Debug)]
pub(super) struct NumPy;

impl Format for NumPy {
    fn in_folder(&self, path: &Path) -> Result<Option<PathBuf>> {
        // Keras' file. A folder of other archives says nothing about which one is meant.
        Ok(Some(path.join("mnist.npz")).filter(|file| file.is_file()))
    }

    fn is_file(&self, path: &Path, start: &[u8]) -> bool {
        let is_npz = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"));
        start.starts_with(npy::MAGIC) || (is_npz && start.starts_with(b"PK\x03\x04"))
    }

    fn shape(&self, path: &Path) -> Result<Shape> {
        let mut file = Arrays::open(File::open(path)?)?;
        let name = file.pictures()?;
        Ok(order(&file.with(&name, |mut file| Header::read(&mut file))?.shape)?.0)
    }

    fn files(&self, path: &Path) -> Result<Vec<PathBuf>> {
        Ok(vec![path.to_owned()])
    }

    fn read(&self, path: &Path, into: &mut Collector<'_>) -> Result<Content> {
        collect(File::open(path)?, into)
    }
}

/// The pictures in a file, and their labels.
///
/// # Errors
/// When it is damaged or holds no pictures, or they take more than `limit` bytes.
pub fn read(file: impl Read + Seek, limit: u64) -> Result<Pictures> {
    Pictures::collect(limit, |into| collect(file, into))
}

/// Adds the pictures in a file to a collector.
fn collect(file: impl Read + Seek, into: &mut Collector<'_>) -> Result<Content> {
    let mut file = Arrays::open(file)?;
    let name = file.pictures()?;
    let count = file.read_pictures(&name, into)?;
    let labels = match file.known(&LABELS) {
        Some(name) => file.with(&name, |file| {
            // The largest type takes eight bytes.
            let bytes = all(file, 8 * count as u64)?;
            labels(&Npy::parse(&bytes)?, count)
        })?,
        None => Vec::new(),
    };
    Ok(Content::new(labels))
}

/// The arrays in a file: one in an `.npy`, any number in an `.npz`, which is a zip archive of the former.
enum Arrays<R> {
    One(R),
    Many { zip: ZipArchive<R>, names: Vec<String> },
}

impl<R: Read + Seek> Arrays<R> {
    fn open(mut file: R) -> Result<Self> {
        let mut start = [0; 2];
        file.read_exact(&mut start).context("it is empty")?;
        if &start != b"PK" {
            return Ok(Self::One(file));
        }
        let zip = ZipArchive::new(file).context("it is damaged")?;
        let names = zip.file_names().map(|name| name.trim_end_matches(".npy").to_owned()).collect();
        Ok(Self::Many { zip, names })
    }

    fn names(&self) -> &[String] {
        match self {
            Self::One(_) => &[],
            Self::Many { names, .. } => names,
        }
    }

    /// The first name of the list that an array has.
    fn known(&self, list: &[&str]) -> Option<String> {
        list.iter().find(|name| self.names().iter().any(|n| n == *name)).map(|name| (*name).to_owned())
    }

    /// The name of the array of training pictures; empty for an `.npy`.
    fn pictures(&self) -> Result<String> {
        match (self, self.known(&PICTURES), self.names()) {
            (Self::One(_), ..) => Ok(String::new()),
            (_, Some(name), _) => Ok(name),
            (_, None, [only]) => Ok(only.clone()),
            (_, None, names) => bail!(
                "it holds the arrays {}, and none of them has a name for pictures, such as {}",
                names.iter().map(|name| Plain::text(name).to_string()).collect::<Vec<_>>().join(", "),
                PICTURES[..3].join(", ")
            ),
        }
    }

    /// Reads an array from its beginning.
    fn with<T>(&mut self, name: &str, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        match self {
            Self::One(file) => {
                file.seek(SeekFrom::Start(0))?;
                read(&mut BufReader::with_capacity(1 << 16, file))
            }
            Self::Many { zip, .. } => {
                let entry = zip.by_name(&format!("{name}.npy"));
                entry.map_err(Into::into).and_then(|mut entry| read(&mut entry))
            }
            .with_context(|| format!("array \"{}\"", Plain::text(name))),
        }
    }

    /// Adds an array of pictures to a collector, and returns their number. Types other than bytes are read twice: first
    /// for the range of their values, by which they become bytes.
    fn read_pictures(&mut self, name: &str, into: &mut Collector<'_>) -> Result<usize> {
        let header = self.with(name, |mut file| Header::read(&mut file))?;
        let (shape, channels_first) = order(&header.shape)?;
        let (len, _) = header.lengths()?;
        ensure!(len > 0, "it has no pictures");
        let count = len / shape.len();
        if header.fortran {
            // Its pictures are not one behind the other, so they are read as a whole: as they are, as floats in both
            // orders, and as bytes.
            const TOGETHER: u64 = 8 + 8 + 1;
            let needed = (len as u64).saturating_mul(TOGETHER + header.element.size() as u64);
            ensure!(
                needed <= into.limit(),
                "it has the order of Fortran, in which {len} values are read as a whole and take {} of memory, and \
                 pictures may have {} (--memory): convert it with numpy.ascontiguousarray",
                megabytes(needed),
                megabytes(into.limit())
            );
            let pixels = self.with(name, |file| {
                let bytes = all(file, needed)?;
                let values = channels_last(Npy::parse(&bytes)?.to_f64(), channels_first)?;
                let mut range = Range::default();
                values.iter().for_each(|&value| range.add(value));
                let byte = range.to_byte(header.element)?;
                Ok(values.iter().map(|&value| byte(value)).collect::<Vec<_>>())
            })?;
            into.add(shape, &pixels)?;
            return Ok(count);
        }
        let mut range = Range::default();
        if header.element != Element::U8 {
            self.with(name, |file| {
                parts(file, shape, |bytes| {
                    header.element.to_f64(bytes).into_iter().for_each(|value| range.add(value));
                    Ok(())
                })
            })?;
        }
        let byte = if header.element == Element::U8 { None } else { Some(range.to_byte(header.element)?) };
        let mut planes = vec![0; shape.len()];
        self.with(name, |file| {
            parts(file, shape, |bytes| {
                let mut pixels: Vec<u8> = match &byte {
                    Some(byte) => header.element.to_f64(bytes).into_iter().map(byte).collect(),
                    None => bytes.to_vec(),
                };
                if channels_first {
                    for picture in pixels.chunks_exact_mut(shape.len()) {
                        planes.copy_from_slice(picture);
                        interleave(&planes, picture, shape);
                    }
                }
                into.add(shape, &pixels)
            })
        })?;
        Ok(count)
    }
}

/// All bytes of a file, with elements of at most `limit` bytes.
fn all(from: impl Read, limit: u64) -> Result<Vec<u8>> {
    let limit = usize::try_from(limit.saturating_add(1 << 16))?;
    let bytes = read_up_to(from, limit).context("it is damaged")?;
    ensure!(bytes.len() < limit, "it takes {limit} bytes or more");
    Ok(bytes)
}

/// Passes the elements of an array in row-major order to `each`, the bytes of a few whole pictures at a time.
fn parts(mut file: &mut dyn Read, shape: Shape, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let header = Header::read(&mut file)?;
    let (_, needed) = header.lengths()?;
    let size = shape.len() * header.element.size();
    let mut got = 0;
    while got < needed {
        let most = at_once(size).min(needed - got);
        let bytes = read_up_to(&mut file, most).context("it is damaged")?;
        got += bytes.len();
        each(&bytes[..bytes.len() - bytes.len() % size])?;
        if bytes.len() < most {
            break;
        }
    }
    check_length(needed, got, file)
}

/// Compares the length of the elements with what was read; `rest` must be empty.
fn check_length(needed: usize, got: usize, rest: &mut dyn Read) -> Result<()> {
    ensure!(got == needed, "its elements take {needed} bytes, and it has {got}: it is cut; copy or download it again");
    ensure!(rest.read(&mut [0]).context("it is damaged")? == 0, "it goes on behind its elements: it is damaged");
    Ok(())
}

/// Planes of a picture, one behind the other, to pixels.
fn interleave(planes: &[u8], pixels: &mut [u8], shape: Shape) {
    let channels = usize::from(shape.channels);
    for (channel, plane) in planes.chunks_exact(planes.len() / channels.max(1)).enumerate() {
        pixels.iter_mut().skip(channel).step_by(channels).zip(plane).for_each(|(pixel, &value)| *pixel = value);
    }
}

fn labels(array: &Npy<'_>, count: usize) -> Result<Vec<u32>> {
    ensure!(
        array.len == count,
        "it has the shape {:?}; a label for each of the {count} pictures is needed",
        array.header.shape
    );
    let label = |&v: &f64| {
        let is_class = v >= 0.0 && v <= f64::from(u32::MAX) && v.fract() == 0.0;
        if is_class { Ok(v as u32) } else { bail!("{v} is not the number of a class") }
    };
    array.to_f64().iter().map(label).collect()
}

/// Height, width and channels of the pictures in an array of this shape, and whether the channels are in front.
fn order(shape: &[usize]) -> Result<(Shape, bool)> {
    let is_channels = |n: usize| matches!(n, 1 | 3);
    match *shape {
        [_, height, width] => Ok((checked_shape(height, width, 1)?, false)),
        [_, channels, height, width] if is_channels(channels) && !is_channels(width) => {
            Ok((checked_shape(height, width, channels)?, true))
        }
        [_, height, width, channels] => Ok((checked_shape(height, width, channels)?, false)),
        _ => bail!(
            "its shape {shape:?} is none of pictures: [N, height, width], [N, height, width, channels] or \
             [N, channels, height, width] are"
        ),
    }
}

/// The range of the values of an array, which says how they become bytes.
#[derive(Debug)]
struct Range {
    low: f64,
    high: f64,
    /// Whether all values are numbers.
    is_finite: bool,
}

impl Default for Range {
    fn default() -> Self {
        Self { low: f64::INFINITY, high: f64::NEG_INFINITY, is_finite: true }
    }
}

impl Range {
    fn add(&mut self, value: f64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
        self.is_finite &= value.is_finite();
    }

    /// The conversion of values to bytes.
    fn to_byte(&self, element: Element) -> Result<impl Fn(f64) -> u8 + use<>> {
        ensure!(self.is_finite, "some of its values are not numbers");
        let (offset, scale) = match (self.low, self.high) {
            (0.0.., ..=1.0) if element.is_float() => (0.0, 255.0),
            (-1.0.., ..=1.0) if element.is_float() => (1.0, 127.5),
            (0.0.., ..=255.0) => (0.0, 1.0),
            (low, high) => bail!("its values go from {low} to {high}; 0 to 255, 0 to 1 and -1 to 1 can be read"),
        };
        Ok(move |value: f64| ((value + offset) * scale).round() as u8)
    }
}

/// The values as `[N, height, width, channels]`, in this order.
fn channels_last(values: ArrayD<f64>, channels_first: bool) -> Result<Array4<f64>> {
    if values.ndim() == 3 {
        let values = values.into_dimensionality::<Ix3>()?;
        return Ok(values.insert_axis(ndarray::Axis(3)).as_standard_layout().into_owned());
    }
    let values = values.into_dimensionality::<Ix4>()?;
    let values = if channels_first { values.permuted_axes([0, 2, 3, 1]) } else { values };
    Ok(values.as_standard_layout().into_owned())
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array3, ShapeBuilder as _};
    use ndarray_npy::{NpzWriter, write_npy};

    use super::super::keep::Keeper;
    use super::*;

    #[test]
    fn mnist_as_keras_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mnist.npz");
        let mut writer = NpzWriter::new_compressed(File::create(&path).unwrap());
        writer.add_array("x_test", &Array3::<u8>::zeros((1, 4, 4))).unwrap();
        writer.add_array("x_train", &Array3::from_shape_fn((3, 2, 2), |(n, y, x)| (n * 4 + y * 2 + x) as u8)).unwrap();
        writer.add_array("y_train", &Array1::from_vec(vec![5u8, 0, 5])).unwrap();
        writer.finish().unwrap();
        assert_eq!(NumPy.in_folder(folder.path()).unwrap(), Some(path.clone()));
        assert_eq!(NumPy.shape(&path).unwrap(), Shape::new(2, 2, 1));
        let read = || Pictures::collect(1 << 20, |into| NumPy.read(&path, into));
        let pictures = read().unwrap();
        assert_eq!((&pictures.pixels[..], &pictures.labels[..]), (&(0..12).collect::<Vec<_>>()[..], &[5, 0, 5][..]));
        let keeper = Keeper::in_memory(1 << 20);
        let content = NumPy.read(&path, &mut keeper.collect()).unwrap();
        let error = |class: &str| content.find(class, &path).unwrap_err().to_string();
        assert!(error("7").contains("no class 7; its classes are 0, 5"), "{}", error("7"));
        assert!(error("frog").contains("no class frog"), "{}", error("frog"));
    }

    #[test]
    fn arrays_of_other_orders_and_types() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let read = || {
            Pictures::collect(1 << 20, |into| NumPy.read(&path, into)).map(|pictures| (pictures.shape, pictures.pixels))
        };
        let bytes = Array4::from_shape_fn((2, 4, 5, 3), |(n, y, x, c)| (n * 100 + y * 20 + x * 3 + c) as u8);
        let expected = (Shape::new(4, 5, 3), bytes.iter().copied().collect::<Vec<u8>>());
        write_npy(&path, &bytes).unwrap();
        assert_eq!(read().unwrap(), expected);
        let mut fortran = Array4::zeros((2, 4, 5, 3).f());
        fortran.assign(&bytes);
        write_npy(&path, &fortran).unwrap();
        assert_eq!(read().unwrap(), expected);
        write_npy(&path, &bytes.view().permuted_axes([0, 3, 1, 2]).as_standard_layout().to_owned()).unwrap();
        assert_eq!(read().unwrap(), expected);
        write_npy(&path, &bytes.mapv(f32::from)).unwrap();
        assert_eq!(read().unwrap(), expected);
        write_npy(&path, &bytes.mapv(|v| f32::from(v) / 255.0)).unwrap();
        assert_eq!(read().unwrap(), expected);
        write_npy(&path, &bytes.mapv(|v| f64::from(v) / 127.5 - 1.0)).unwrap();
        assert_eq!(read().unwrap(), expected);
        write_npy(&path, &bytes.mapv(i64::from)).unwrap();
        assert_eq!(read().unwrap(), expected);

        let planes = bytes.view().permuted_axes([0, 3, 1, 2]).mapv(|v| f32::from(v) / 255.0);
        write_npy(&path, &planes.as_standard_layout()).unwrap();
        assert_eq!(read().unwrap(), expected);

        let error = || format!("{:#}", read().unwrap_err());
        for whole in [false, true] {
            if whole {
                write_npy(&path, &bytes).unwrap();
            }
            let file = std::fs::read(&path).unwrap();
            std::fs::write(&path, &file[..file.len() - 1]).unwrap();
            assert!(error().contains("it is cut"), "{}", error());
            std::fs::write(&path, [&file[..], &[0]].concat()).unwrap();
            assert!(error().contains("goes on behind"), "{}", error());
        }
        write_npy(&path, &bytes.mapv(|v| f32::from(v) * 2.0)).unwrap();
        assert!(error().contains("go from 0 to"), "{}", error());
        write_npy(&path, &bytes.mapv(|_| f32::NAN)).unwrap();
        assert!(error().contains("not numbers"), "{}", error());
        write_npy(&path, &Array1::<u8>::zeros(9)).unwrap();
        assert!(error().contains("[9] is none of pictures"), "{}", error());
        write_npy(&path, &Array4::<u8>::zeros((2, 4, 5, 2))).unwrap();
        assert!(error().contains("2 channels"), "{}", error());
    }

    #[test]
    fn an_archive_without_pictures_says_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.npz");
        let mut writer = NpzWriter::new(File::create(&path).unwrap());
        writer.add_array("kernel", &Array3::<u8>::zeros((1, 4, 4))).unwrap();
        writer.add_array("bias", &Array3::<u8>::zeros((1, 4, 4))).unwrap();
        writer.finish().unwrap();
        let error = format!("{:#}", read(File::open(&path).unwrap(), 1 << 20).unwrap_err());
        assert!(error.contains("kernel, bias") && error.contains("x_train"), "{error}");
    }
}
