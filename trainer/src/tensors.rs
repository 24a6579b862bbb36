//! Named arrays in files: `.npz` (NumPy) and `.safetensors` (Hugging Face).
//!
//! Values are widened to f64, which represents every f16, bf16, f32, i32 and u8 exactly, so callers
//! need not know the type in the file. (PyTorch counts batches in an i64; such counts are small
//! enough to be exact too.)
//!
//! Files are not trusted: before memory is allocated, lengths are compared with the bytes that the file
//! has, and the number of values, each of which takes 8 bytes here, is limited.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use ndarray::ArrayD;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use zip::ZipArchive;

use crate::npy::Npy;
use crate::terminal;

/// Limit in bytes of a file, and of the unpacked size of a compressed one. The
/// `tutorial` generator takes 25 MB.
const MAX_FILE: u64 = 1 << 30;
/// Limit of the number of values in a file: 1 GiB as f64. The `tutorial` generator has 6 million.
const MAX_VALUES: usize = 1 << 27;

/// Named arrays and their source.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensors {
    /// Path of the file, for messages.
    pub source: String,
    /// The arrays by name.
    pub map: BTreeMap<String, ArrayD<f64>>,
    /// Metadata in the header of a `.safetensors` file; empty for an `.npz`.
    pub header: BTreeMap<String, String>,
    /// Type of the arrays that are stored in 16 bits, by name.
    pub halves: BTreeMap<String, Half>,
}

type Arrays = BTreeMap<String, ArrayD<f64>>;

/// The 16-bit floating-point types, the finer one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Half {
    /// `float16`: 11 significant bits.
    F16,
    /// `bfloat16`: 8 significant bits.
    BF16,
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
        })
    }
}

/// The two kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `.npz`
    Npz,
    /// `.safetensors`
    Safetensors,
}

impl Tensors {
    /// Reads a file. Its kind is detected from its first bytes, otherwise from the end of its name.
    ///
    /// # Errors
    /// When the file cannot be read, is of neither kind (the message says what it is and how to convert it), is
    /// damaged, is larger than 1 GiB or has more than 2²⁷ values.
    pub fn read(path: &Path) -> Result<Self> {
        let source = path.display().to_string();
        let read = || {
            let mut file = File::open(path)?;
            let metadata = file.metadata()?;
            ensure!(!metadata.is_dir(), "it is a folder; give the file in it");
            let kind = kind_of(path, &mut file)?;
            let len = metadata.len();
            ensure!(len <= MAX_FILE, "{len} bytes are more than the {MAX_FILE} that are read");
            file.rewind()?;
            Self::parse(kind, file, &source)
        };
        read().with_context(|| format!("cannot read {source}"))
    }

    /// Reads the bytes of a file; `source` is for messages.
    ///
    /// # Errors
    /// When the bytes are damaged, unpack to more than 1 GiB or have more than 2²⁷ values.
    pub fn parse(kind: Kind, mut file: impl Read + Seek, source: &str) -> Result<Self> {
        let source = source.to_owned();
        match kind {
            Kind::Npz => Ok(Self { source, map: npz(file)?, header: BTreeMap::new(), halves: BTreeMap::new() }),
            Kind::Safetensors => {
                let mut bytes = Vec::new();
                file.by_ref().take(MAX_FILE).read_to_end(&mut bytes)?;
                safetensors(source, &bytes)
            }
        }
    }

    /// The array of this name.
    ///
    /// # Errors
    /// When there is none; the message lists the existing names.
    pub fn get(&self, name: &str) -> Result<&ArrayD<f64>> {
        self.map.get(name).ok_or_else(|| {
            let names: Vec<_> = self.map.keys().map(String::as_str).collect();
            anyhow!("{} has no array \"{name}\"; it has: {}", self.source, names.join(", "))
        })
    }

    /// The array of this name, with this shape.
    ///
    /// # Errors
    /// When there is none, or it has another shape; the message gives both.
    pub fn shaped(&self, name: &str, shape: &[usize]) -> Result<&ArrayD<f64>> {
        let array = self.get(name)?;
        ensure!(
            array.shape() == shape,
            "{}: \"{name}\" has the shape {:?}, the network needs {shape:?}",
            self.source,
            array.shape()
        );
        Ok(array)
    }
}

/// Detects the kind of a file from its first bytes.
fn kind_of(path: &Path, file: &mut File) -> Result<Kind> {
    const PYTORCH: &str = "trainer/interop/pytorch_to_safetensors.py";
    const KERAS: &str = "trainer/interop/keras_to_safetensors.py";
    let mut start = Vec::new();
    file.by_ref().take(1024).read_to_end(&mut start)?;
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let text = String::from_utf8_lossy(&start).trim_start().to_ascii_lowercase();
    match &start[..] {
        [] => bail!("it is empty"),
        [b'P', b'K', 3, 4, ..] => {
            file.rewind()?;
            // A damaged archive is reported when it is read.
            let Ok(archive) = ZipArchive::new(&*file) else { return Ok(Kind::Npz) };
            let has = |end: &str| archive.file_names().any(|name| name.ends_with(end));
            if has("data.pkl") {
                bail!("it is a file of PyTorch (a pickle in a zip archive); {PYTORCH} makes a .safetensors of it");
            }
            if has("model.weights.h5") {
                bail!("it is a network of Keras (.keras); {KERAS} makes a .safetensors of it");
            }
            ensure!(
                has(".npy") || (extension == "npz" && archive.is_empty()),
                "it is a zip archive without .npy arrays in it; unpack it and give the file that holds the weights"
            );
            Ok(Kind::Npz)
        }
        [0x89, b'H', b'D', b'F', ..] => {
            bail!("it is HDF5, which Keras writes as .h5; {KERAS} makes a .safetensors of it")
        }
        // A .safetensors file begins with the length of its JSON header (8 bytes), and that length may be 0x0280 to 0x0580.
        [_, _, _, _, _, _, 0, 0, b'{', ..] => Ok(Kind::Safetensors),
        // The protocol numbers of pickle, and the magic number of PyTorch's oldest files.
        [0x80, 2..=5, ..] => {
            bail!("it is a pickle, as older versions of PyTorch wrote it; {PYTORCH} makes a .safetensors of it")
        }
        [b'R', b'B', b'G', b'N', ..] => {
            bail!("it is a model of Ribbit already: `{} inspect` shows it", terminal::program())
        }
        [b'R', b'B', b'C', b'K', ..] => {
            bail!(
                "it is a checkpoint of Ribbit: `{0} quantize` makes a model of it, `{0} export` a .safetensors",
                terminal::program()
            )
        }
        [_, _, _, _, b'T', b'F', b'L', b'3', ..] => {
            bail!("it is a .tflite, whose int8 is another; the network that it was made from is needed")
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => {
            bail!("it is one array (.npy); numpy.savez writes several with their names into an .npz")
        }
        _ if text.starts_with("version https://git-lfs") => {
            bail!(
                "it is a Git LFS pointer, not the file itself: `git lfs pull` brings it, or a download of the raw file"
            )
        }
        _ if text.starts_with("<!doctype") || text.starts_with("<html") => {
            bail!("it is a web page, not the file that it should lead to; download that")
        }
        _ => match &*extension {
            "npz" => Ok(Kind::Npz),
            "safetensors" => Ok(Kind::Safetensors),
            "onnx" => bail!("ONNX is written, not read; {PYTORCH} reads the state_dict of the same network"),
            "pth" | "pt" | "ckpt" | "bin" => {
                bail!("it is no .npz or .safetensors; if PyTorch wrote it, {PYTORCH} makes a .safetensors of it")
            }
            "h5" | "hdf5" | "keras" => {
                bail!("it is no .npz or .safetensors; if Keras wrote it, {KERAS} makes a .safetensors of it")
            }
            _ => bail!(
                "it is neither .npz nor .safetensors. {PYTORCH} and {KERAS} write the latter from what PyTorch and Keras save"
            ),
        },
    }
}

/// Subtracts the values of an array from the number that may still be read.
fn take_values(left: &mut usize, count: usize) -> Result<()> {
    *left = left.checked_sub(count).with_context(|| {
        format!("with it the file holds more than the {MAX_VALUES} values that are read; leave out what the generator does not need")
    })?;
    Ok(())
}

fn npz(file: impl Read + Seek) -> Result<Arrays> {
    let mut archive = ZipArchive::new(file)?;
    let mut map = BTreeMap::new();
    let mut left = MAX_FILE;
    let mut values = MAX_VALUES;
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i)?;
        let name = entry.name().trim_end_matches(".npy").to_owned();
        let array = match left.checked_sub(entry.size()) {
            Some(rest) => {
                left = rest;
                let len = usize::try_from(entry.size())?;
                unpack(&mut entry, len).and_then(|bytes| npy(&bytes, &mut values))
            }
            None => Err(anyhow!("the archive unpacks to more than the {MAX_FILE} bytes that are read")),
        };
        map.insert(name.clone(), array.with_context(|| format!("array \"{name}\""))?);
    }
    Ok(map)
}

/// The `len` bytes of an entry. The end of the entry is read too, because the checksum is verified there.
fn unpack(entry: &mut impl Read, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    entry.read_exact(&mut bytes)?;
    ensure!(entry.read(&mut [0])? == 0, "it is longer than it says");
    Ok(bytes)
}

fn npy(bytes: &[u8], values: &mut usize) -> Result<ArrayD<f64>> {
    let array = Npy::parse(bytes)?;
    take_values(values, array.len)?;
    Ok(array.to_f64())
}

fn safetensors(source: String, bytes: &[u8]) -> Result<Tensors> {
    let file = SafeTensors::deserialize(bytes).context("it is cut or damaged, or no .safetensors")?;
    let (mut map, mut halves) = (BTreeMap::new(), BTreeMap::new());
    let mut left = MAX_VALUES;
    for (name, view) in file.iter() {
        let values = take_values(&mut left, view.shape().iter().product()).and_then(|()| widen(&view));
        let values = values.with_context(|| format!("tensor \"{name}\""))?;
        match view.dtype() {
            Dtype::F16 => drop(halves.insert(name.to_owned(), Half::F16)),
            Dtype::BF16 => drop(halves.insert(name.to_owned(), Half::BF16)),
            _ => {}
        }
        map.insert(name.to_owned(), ArrayD::from_shape_vec(view.shape(), values)?);
    }
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let header = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone()));
    Ok(Tensors { source, map, header: header.collect(), halves })
}

/// Converts the elements to f64. The format is little-endian and row-major on every machine.
fn widen(view: &TensorView<'_>) -> Result<Vec<f64>> {
    fn each<const N: usize>(bytes: &[u8], widen: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks().0.iter().map(|&b| widen(b)).collect()
    }
    let bytes = view.data();
    Ok(match view.dtype() {
        Dtype::F32 => each(bytes, |b| f32::from_le_bytes(b).into()),
        Dtype::F64 => each(bytes, f64::from_le_bytes),
        Dtype::F16 => each(bytes, |b| f16_to_f64(u16::from_le_bytes(b))),
        Dtype::BF16 => each(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16).into()),
        Dtype::U8 => each(bytes, |[b]: [u8; 1]| b.into()),
        Dtype::I32 => each(bytes, |b| i32::from_le_bytes(b).into()),
        Dtype::I64 => each(bytes, |b| i64::from_le_bytes(b) as f64),
        other => bail!("its type {other:?} is none of F32, F64, F16, BF16, U8, I32 and I64"),
    })
}

/// Converts an IEEE 754 binary16, given by its bits; exact. A NaN keeps no payload.
fn f16_to_f64(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 31);
    let fraction = f64::from(bits & 1023);
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use ndarray::{Array2, ShapeBuilder as _, arr0, arr1};
    use ndarray_npy::NpzWriter;

    use super::*;

    #[test]
    fn npz_of_every_type_order_and_compression() {
        let folder = tempfile::tempdir().unwrap();
        for compressed in [false, true] {
            let path = folder.path().join("x.npz");
            let file = File::create(&path).unwrap();
            let mut writer = if compressed { NpzWriter::new_compressed(file) } else { NpzWriter::new(file) };
            let counted = |(i, j)| (3 * i + j) as f32;
            writer.add_array("c", &Array2::from_shape_fn((2, 3), counted)).unwrap();
            writer.add_array("fortran", &Array2::from_shape_fn((2, 3).f(), counted)).unwrap();
            writer.add_array("g.dense.kernel", &arr0(0.1f64)).unwrap();
            writer.add_array("bytes", &arr1(&[0u8, 255])).unwrap();
            writer.add_array("count", &arr0(20_000i64)).unwrap();
            writer.finish().unwrap();
            let tensors = Tensors::read(&path).unwrap();
            assert_eq!(tensors.shaped("c", &[2, 3]).unwrap()[[1, 2]], 5.0);
            assert_eq!(tensors.map["c"], tensors.map["fortran"]);
            assert_eq!(tensors.get("g.dense.kernel").unwrap()[[]], 0.1);
            assert_eq!(tensors.get("count").unwrap()[[]], 20_000.0);
            assert_eq!(tensors.map["bytes"], arr1(&[0.0, 255.0]).into_dyn());
            let error = tensors.get("d").unwrap_err().to_string();
            assert!(error.contains("\"d\"") && error.contains("bytes, c, count, fortran"), "{error}");
            let error = tensors.shaped("c", &[3, 2]).unwrap_err().to_string();
            assert!(error.contains("[2, 3]") && error.contains("[3, 2]"), "{error}");
        }
    }

    #[test]
    fn safetensors_of_every_type() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let bytes: [(&str, Dtype, Vec<u8>); 5] = [
            ("f32", Dtype::F32, 1.5f32.to_le_bytes().into()),
            ("f64", Dtype::F64, 0.1f64.to_le_bytes().into()),
            ("f16", Dtype::F16, f16::from_f32(-2.0).to_le_bytes().into()),
            ("bf16", Dtype::BF16, bf16::from_f32(3.0).to_le_bytes().into()),
            ("u8", Dtype::U8, vec![200]),
        ];
        let views = bytes.iter().map(|(n, t, b)| (*n, TensorView::new(*t, vec![1, 1], b).unwrap()));
        let header = [("layout".to_owned(), "oihw".to_owned())];
        std::fs::write(&path, safetensors::serialize(views, Some(header.clone().into())).unwrap()).unwrap();
        let tensors = Tensors::read(&path).unwrap();
        assert_eq!(tensors.header, header.into());
        let values: Vec<_> = ["f32", "f64", "f16", "bf16", "u8"].map(|n| tensors.map[n][[0, 0]]).into();
        assert_eq!(values, [1.5, 0.1, -2.0, 3.0, 200.0]);
        assert_eq!(tensors.halves, [("f16".to_owned(), Half::F16), ("bf16".to_owned(), Half::BF16)].into());
    }

    #[test]
    fn a_header_whose_length_looks_like_the_start_of_a_pickle_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let view = |name: &str| (name.to_owned(), TensorView::new(Dtype::U8, vec![1], &[200]).unwrap());
        let mut seen = Vec::new();
        // The header is padded to 8 bytes, so some name gives each length.
        for length in 1..1500 {
            let bytes = safetensors::serialize([view(&"n".repeat(length))], None).unwrap();
            if let [0x80, protocol @ 2..=5, ..] = bytes[..] {
                std::fs::write(&path, &bytes).unwrap();
                assert_eq!(Tensors::read(&path).unwrap().map.len(), 1, "{length}");
                seen.push(protocol);
            }
        }
        seen.dedup();
        assert_eq!(seen, [2, 3, 4, 5]);
    }

    #[test]
    fn every_half_is_converted_exactly() {
        for bits in 0..=u16::MAX {
            let (ours, expected) = (f16_to_f64(bits), f64::from(f16::from_bits(bits)));
            assert!(ours.to_bits() == expected.to_bits() || (ours.is_nan() && expected.is_nan()), "{bits:#x}");
        }
    }

    #[test]
    fn damaged_and_foreign_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let zip_of = |names: &[&str]| {
            let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
            for name in names {
                zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            }
            zip.finish().unwrap().into_inner()
        };
        let (pytorch, keras) = ("interop/pytorch_to_safetensors.py", "interop/keras_to_safetensors.py");
        let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 14329052\n";
        let (pth, zipped) = (zip_of(&["netG/data.pkl", "netG/data/0"]), zip_of(&["readme.txt"]));
        let cases: [(&str, &[u8], &str); 22] = [
            ("a.npz", b"not an archive", "a.npz"),
            ("a.safetensors", b"not an archive", "cut or damaged"),
            ("a.h5", b"not an archive", keras),
            ("a.pth", b"not an archive", pytorch),
            ("a.onnx", b"\x08\x08\x12\x06ribbit", "ONNX is written, not read"),
            ("a.txt", b"not an archive", "neither .npz nor .safetensors"),
            ("netG.pth", &pth, pytorch),
            ("netG.safetensors", &pth, "a file of PyTorch"),
            ("netG.npz", &pth, "a file of PyTorch"),
            ("old.safetensors", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a pickle"),
            ("g3.keras", &zip_of(&["metadata.json", "config.json", "model.weights.h5"]), keras),
            ("g3.npz", b"\x89HDF\r\n\x1a\n", "HDF5"),
            ("x.npz", &zipped, "without .npy arrays"),
            ("empty.safetensors", b"", "it is empty"),
            ("EMPTY.NPZ", b"", "it is empty"),
            ("lfs.safetensors", lfs, "git lfs pull"),
            ("lfs.npz", lfs, "git lfs pull"),
            ("page.safetensors", b"\n<!DOCTYPE html><html>", "a web page"),
            ("step.ckpt", b"RBCK\x01", " quantize` makes a model"),
            ("model.safetensors", b"RBGN\x02", "a model of Ribbit already"),
            ("g.tflite", b"\x1c\0\0\0TFL3", "a .tflite"),
            ("a.npy", b"\x93NUMPY\x01\0", "numpy.savez"),
        ];
        for (name, bytes, expected) in cases {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let error = format!("{:#}", Tensors::read(&path).unwrap_err());
            assert!(error.contains(expected) && error.contains(name), "{name}: {error}");
        }
        assert!(Tensors::read(&folder.path().join("none.npz")).is_err());
        assert!(format!("{:#}", Tensors::read(folder.path()).unwrap_err()).contains("a folder"));

        // The detected kind does not depend on the file's name.
        for (name, bytes) in well_formed() {
            let other = if name.ends_with("npz") { "x.safetensors" } else { "x.npz" };
            for name in [name.to_uppercase(), other.to_owned(), "x.bin".to_owned()] {
                let path = folder.path().join(name);
                std::fs::write(&path, &bytes).unwrap();
                assert_eq!(Tensors::read(&path).unwrap().map.len(), 2, "{}", path.display());
            }
        }
    }

    /// A byte in the file takes eight bytes in memory.
    #[test]
    fn more_values_than_fit_into_memory_are_refused_before_they_are_widened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.safetensors");
        let mut header =
            format!(r#"{{"a":{{"dtype":"U8","shape":[{0}],"data_offsets":[0,{0}]}}}}"#, MAX_VALUES + 1).into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let file = File::create(&path).unwrap();
        std::fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], &header].concat()).unwrap();
        // A sparse file, which takes no space on the disk.
        file.set_len((8 + header.len() + MAX_VALUES + 1) as u64).unwrap();
        let error = format!("{:#}", Tensors::read(&path).unwrap_err());
        assert!(error.contains("tensor \"a\"") && error.contains("134217728 values"), "{error}");

        let [(_, npz), _] = well_formed();
        let mut archive = ZipArchive::new(std::io::Cursor::new(npz)).unwrap();
        let mut entry = archive.by_name("a.npy").unwrap();
        let len = usize::try_from(entry.size()).unwrap();
        let bytes = unpack(&mut entry, len).unwrap();
        let mut left = 6;
        assert_eq!((npy(&bytes, &mut left).unwrap().len(), left), (6, 0));
        assert!(npy(&bytes, &mut 5).unwrap_err().to_string().contains("values that are read"));
    }

    #[test]
    fn an_npy_that_lies_is_refused_before_memory_is_asked_for() {
        let npy_of = |header: &str| {
            let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
            bytes.extend((header.len() as u32).to_le_bytes());
            bytes.extend(header.as_bytes());
            bytes
        };
        let lies = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        let cases = [
            (npy_of(&lies("(1000000000000000,)")), "bytes"),
            (npy_of(&lies("(4000000000, 4000000000, 4000000000)")), "too large"),
            (npy_of(&lies(&"(".repeat(60_000))), "header of"),
            (npy_of(&lies(&"(".repeat(800))), "header"),
            (b"\x93NUMPY".to_vec(), "cut"),
        ];
        for (bytes, expected) in cases {
            let error = format!("{:#}", npy(&bytes, &mut { MAX_VALUES }).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }

    /// Files of both kinds, with arrays of every type.
    fn well_formed() -> [(&'static str, Vec<u8>); 2] {
        let mut npz = std::io::Cursor::new(Vec::new());
        let mut writer = NpzWriter::new(&mut npz);
        writer.add_array("a", &Array2::from_elem((2, 3), 0.5f32)).unwrap();
        writer.add_array("b", &arr1(&[1u8, 2])).unwrap();
        writer.finish().unwrap();
        let (floats, bytes) = ([0u8; 24], [7u8; 2]);
        let views = [
            ("a", TensorView::new(Dtype::F32, vec![2, 3], &floats).unwrap()),
            ("b", TensorView::new(Dtype::U8, vec![2], &bytes).unwrap()),
        ];
        [("x.npz", npz.into_inner()), ("x.safetensors", safetensors::serialize(views, None).unwrap())]
    }

    proptest::proptest! {
        #[test]
        fn damaged_bytes_are_an_error_or_arrays_but_no_panic(
            changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0..=255u8), 0..6),
            keep in 0.0..1.5f64,
        ) {
            let folder = tempfile::tempdir().unwrap();
            for (name, mut bytes) in well_formed() {
                let len = bytes.len();
                changes.iter().for_each(|(at, byte)| bytes[at.index(len)] = *byte);
                bytes.truncate((keep * len as f64) as usize);
                let path = folder.path().join(name);
                std::fs::write(&path, &bytes).unwrap();
                let read = Tensors::read(&path);
                if changes.is_empty() && keep >= 1.0 {
                    assert_eq!(read.unwrap().shaped("a", &[2, 3]).unwrap().len(), 6);
                }
            }
        }
    }
}
