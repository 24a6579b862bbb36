//! NumPy's `.npy` and `.npz` with pictures, such as Keras' `mnist.npz`.
//!
//! An array of pictures is `[N, height, width]`, `[N, height, width, channels]` or `[N, channels, height, width]`. Floats
//! from 0 to 1, from -1 to 1 or from 0 to 255 are converted to bytes.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::Shape;
use ndarray::{Array4, ArrayD, Ix3, Ix4};
use zip::ZipArchive;

use super::format::{Format, Pictures, checked_shape};
use crate::npy::{self, Element, Header, Npy};
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
        let header = match Archive::open(path)? {
            Some(mut archive) => {
                let name = archive.pictures()?;
                Header::read(&mut archive.entry(&name)?).with_context(|| format!("array \"{name}\""))?
            }
            None => Header::read(&mut File::open(path)?)?,
        };
        Ok(order(&header.shape)?.0)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Pictures> {
        let Some(mut archive) = Archive::open(path)? else {
            let (shape, pixels) = pictures(&Npy::parse(&all(File::open(path)?, limit)?)?)?;
            return Ok(Pictures { shape, pixels, labels: Vec::new() });
        };
        let name = archive.pictures()?;
        let (shape, pixels) = archive.read(&name, limit, pictures)?;
        let count = pixels.len() / shape.len().max(1);
        let labels = match archive.known(&LABELS) {
            Some(name) => archive.read(&name, limit, |array| labels(array, count))?,
            None => Vec::new(),
        };
        Ok(Pictures { shape, pixels, labels })
    }
}

/// An `.npz`: a zip archive of arrays.
struct Archive {
    zip: ZipArchive<File>,
    /// Names of the arrays.
    names: Vec<String>,
}

impl Archive {
    /// The archive at `path`; `None` if the file is no archive.
    fn open(path: &Path) -> Result<Option<Self>> {
        let mut file = File::open(path)?;
        let mut start = [0; 2];
        file.read_exact(&mut start).context("it is empty")?;
        if &start != b"PK" {
            return Ok(None);
        }
        let zip = ZipArchive::new(file).context("it is damaged")?;
        let names = zip.file_names().map(|name| name.trim_end_matches(".npy").to_owned()).collect();
        Ok(Some(Self { zip, names }))
    }

    /// The first name of the list that an array has.
    fn known(&self, list: &[&str]) -> Option<String> {
        list.iter().find(|name| self.names.iter().any(|n| n == *name)).map(|name| (*name).to_owned())
    }

    /// The name of the array of training pictures.
    fn pictures(&self) -> Result<String> {
        match (self.known(&PICTURES), &self.names[..]) {
            (Some(name), _) => Ok(name),
            (None, [only]) => Ok(only.clone()),
            (None, names) => bail!(
                "it holds the arrays {}, and none of them has a name for pictures, such as {}",
                names.iter().map(|name| Plain::text(name).to_string()).collect::<Vec<_>>().join(", "),
                PICTURES[..3].join(", ")
            ),
        }
    }

    /// The file of an array.
    fn entry(&mut self, name: &str) -> Result<impl Read> {
        Ok(self.zip.by_name(&format!("{name}.npy"))?)
    }

    /// Reads an array and converts it.
    fn read<T>(&mut self, name: &str, limit: u64, convert: impl FnOnce(&Npy<'_>) -> Result<T>) -> Result<T> {
        let array = self.entry(name).and_then(|entry| all(entry, limit));
        let convert = |bytes: Vec<u8>| convert(&Npy::parse(&bytes)?);
        array.and_then(convert).with_context(|| format!("array \"{name}\""))
    }
}

/// All bytes of an entry of an archive, or of a file.
fn all(from: impl Read, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Floats take eight times as much as the bytes that they become.
    let limit = limit.saturating_mul(8).saturating_add(1 << 16);
    from.take(limit).read_to_end(&mut bytes).context("it is damaged")?;
    ensure!((bytes.len() as u64) < limit, "it takes {limit} bytes or more");
    Ok(bytes)
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

/// Shape and bytes of an array of pictures.
fn pictures(array: &Npy<'_>) -> Result<(Shape, Vec<u8>)> {
    let (shape, channels_first) = order(&array.header.shape)?;
    ensure!(array.len > 0, "it has no pictures");
    if let (Element::U8, false, Some(bytes)) = (array.header.element, channels_first, array.rows()) {
        return Ok((shape, bytes.to_vec()));
    }
    let values = channels_last(array.to_f64(), channels_first)?;
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    ensure!(values.iter().all(|v| v.is_finite()), "some of its values are not numbers");
    let (offset, scale) = match (low, high) {
        (0.0.., ..=1.0) if array.header.element.is_float() => (0.0, 255.0),
        (-1.0.., ..=1.0) if array.header.element.is_float() => (1.0, 127.5),
        (0.0.., ..=255.0) => (0.0, 1.0),
        _ => bail!("its values go from {low} to {high}; 0 to 255, 0 to 1 and -1 to 1 can be read"),
    };
    Ok((shape, values.iter().map(|v| ((v + offset) * scale).round() as u8).collect()))
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
        let pictures = NumPy.read(&path, 1 << 20).unwrap();
        assert_eq!((&pictures.pixels[..], &pictures.labels[..]), (&(0..12).collect::<Vec<_>>()[..], &[5, 0, 5][..]));
        let error = |class: &str| {
            let pictures = NumPy.read(&path, 1 << 20).unwrap();
            pictures.of_class(class, &path).unwrap_err().to_string()
        };
        assert!(error("7").contains("no class 7; its classes are 0, 5"), "{}", error("7"));
        assert!(error("frog").contains("no class frog"), "{}", error("frog"));
    }

    #[test]
    fn arrays_of_other_orders_and_types() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let read = || NumPy.read(&path, 1 << 20).map(|pictures| (pictures.shape, pictures.pixels));
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

        let error = || format!("{:#}", read().unwrap_err());
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
        let error = format!("{:#}", NumPy.read(&path, 1 << 20).unwrap_err());
        assert!(error.contains("kernel, bias") && error.contains("x_train"), "{error}");
    }
}
