//! NumPy's format `.npy`: one array, a text header with type, order and shape, then the elements.
//!
//! Source: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. Files are not trusted: the shape is
//! compared with the bytes that the file has before memory is allocated.

use std::io::{self, Read, Write};

use anyhow::{Context as _, Result, bail, ensure};
use ndarray::{ArrayD, ArrayView, Dimension, IxDyn, ShapeBuilder as _};

/// First bytes of every file.
pub const MAGIC: &[u8] = b"\x93NUMPY";
/// Limit in bytes of a header. NumPy's headers take 118 bytes.
const MAX_HEADER: usize = 1024;

/// The types of elements that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// `float32`
    F32,
    /// `float64`
    F64,
    /// `int32`
    I32,
    /// `int64`
    I64,
    /// `uint8`
    U8,
}

impl Element {
    /// Whether the elements are floating-point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// Size in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// Reads the `descr` of a header. Its first character is the order of the bytes, which single bytes do not have.
    ///
    /// # Errors
    /// When it is none of these types.
    pub fn parse(descr: &str) -> Result<Self> {
        Ok(match descr {
            "|u1" | "<u1" | ">u1" | "=u1" => Self::U8,
            "<f4" => Self::F32,
            "<f8" => Self::F64,
            "<i4" => Self::I32,
            "<i8" => Self::I64,
            _ => bail!(
                "its type {descr} is none of float32, float64, uint8, int32 and int64 in little-endian order: \
                 convert it with .astype(\"float32\")"
            ),
        })
    }

    /// The elements in these bytes, converted to f64.
    pub fn to_f64(self, bytes: &[u8]) -> Vec<f64> {
        fn each<const N: usize>(bytes: &[u8], widen: impl Fn([u8; N]) -> f64) -> Vec<f64> {
            bytes.as_chunks().0.iter().map(|&b| widen(b)).collect()
        }
        match self {
            Self::F32 => each(bytes, |b| f32::from_le_bytes(b).into()),
            Self::F64 => each(bytes, f64::from_le_bytes),
            Self::I32 => each(bytes, |b| i32::from_le_bytes(b).into()),
            Self::I64 => each(bytes, |b| i64::from_le_bytes(b) as f64),
            Self::U8 => each(bytes, |[b]: [u8; 1]| b.into()),
        }
    }
}

/// What is in front of the elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Type of the elements.
    pub element: Element,
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// Whether the first axis is the one whose elements are neighbours, as in Fortran.
    pub fortran: bool,
}

impl Header {
    /// Reads a header. The elements follow in `file`.
    ///
    /// # Errors
    /// When the header is damaged, or the type of the elements is not one of [`Element`].
    pub fn read(file: &mut impl Read) -> Result<Self> {
        const CUT: &str = "it is cut in its header";
        let mut start = Vec::new();
        file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start)?;
        ensure!(start == MAGIC, "it is no .npy: it does not begin with \\x93NUMPY");
        // The version, then the length of the header: two bytes, in later versions four.
        let mut version = [0; 2];
        file.read_exact(&mut version).context(CUT)?;
        let mut len = [0; 4];
        match version[0] {
            1 => file.read_exact(&mut len[..2]),
            2 | 3 => file.read_exact(&mut len),
            version => bail!("its version {version} of the format is unknown"),
        }
        .context(CUT)?;
        let len = u32::from_le_bytes(len) as usize;
        ensure!(len <= MAX_HEADER, "its header of {len} bytes is none that NumPy writes");
        let mut text = vec![0; len];
        file.read_exact(&mut text).context(CUT)?;
        let text = std::str::from_utf8(&text).context("its header is no text")?;
        let (descr, fortran, shape) = header_of(text).context("its header is damaged")?;
        Ok(Self { element: Element::parse(descr)?, shape, fortran })
    }

    /// Number of the elements, and their length in bytes.
    ///
    /// # Errors
    /// When they do not fit into memory.
    pub fn lengths(&self) -> Result<(usize, usize)> {
        let len = self.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        len.and_then(|len| Some((len, len.checked_mul(self.element.size())?)))
            .with_context(|| format!("its shape {:?} is too large", self.shape))
    }
}

/// An array in the bytes of a file.
#[derive(Debug)]
pub struct Npy<'a> {
    /// Type, shape and order.
    pub header: Header,
    /// Number of the elements: the product of the shape.
    pub len: usize,
    /// The elements.
    data: &'a [u8],
}

impl<'a> Npy<'a> {
    /// Reads the header and compares it with the length of the elements.
    ///
    /// # Errors
    /// Those of [`Header::read`], or when the bytes are fewer or more than the shape needs.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut data = bytes;
        let header = Header::read(&mut data)?;
        Self::new(header, data)
    }

    /// An array with these elements.
    ///
    /// # Errors
    /// When the bytes are fewer or more than the shape needs.
    pub fn new(header: Header, data: &'a [u8]) -> Result<Self> {
        let (len, needed) = header.lengths()?;
        ensure!(
            data.len() == needed,
            "its shape {:?} needs {needed} bytes, it has {}: it is cut or damaged",
            header.shape,
            data.len()
        );
        Ok(Self { header, len, data })
    }

    /// The bytes of all elements in row-major order; `None` if the file has another order.
    pub fn rows(&self) -> Option<&'a [u8]> {
        (!self.header.fortran).then_some(self.data)
    }

    /// The elements, converted to f64.
    pub fn to_f64(&self) -> ArrayD<f64> {
        let shape = IxDyn(&self.header.shape).set_f(self.header.fortran);
        ArrayD::from_shape_vec(shape, self.header.element.to_f64(self.data))
            .expect("`new` has compared the shape with the length")
    }
}

/// The values of `descr`, `fortran_order` and `shape` in a header: a Python dictionary with these three keys, in any order.
fn header_of(text: &str) -> Option<(&str, bool, Vec<usize>)> {
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    let mut rest = text.trim().strip_prefix('{')?.trim_start();
    while !rest.starts_with('}') {
        let (key, after) = quoted(rest)?;
        rest = after.trim_start().strip_prefix(':')?.trim_start();
        match key {
            "descr" => {
                let (value, after) = quoted(rest)?;
                (descr, rest) = (Some(value), after);
            }
            "fortran_order" => {
                let value = rest.starts_with("True");
                rest = rest.strip_prefix(if value { "True" } else { "False" })?;
                fortran = Some(value);
            }
            "shape" => {
                let (value, after) = rest.strip_prefix('(')?.split_once(')')?;
                let lengths = value.split(',').map(str::trim).filter(|n| !n.is_empty());
                shape = Some(lengths.map(|n| n.parse().ok()).collect::<Option<Vec<usize>>>()?);
                rest = after;
            }
            _ => return None,
        }
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
    (rest == "}").then_some((descr?, fortran?, shape?))
}

/// The text between quotation marks at the beginning, and what follows. NumPy escapes nothing.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mark = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(mark)
}

/// Writes an array of bytes, row by row.
///
/// # Errors
/// When `to` cannot be written.
pub fn write_bytes<D: Dimension>(mut to: impl Write, array: ArrayView<'_, u8, D>) -> io::Result<()> {
    /// The elements begin at a multiple of this offset.
    const ALIGNMENT: usize = 64;
    let shape: String = array.shape().iter().map(|n| format!("{n}, ")).collect();
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    let before = MAGIC.len() + 4;
    let len = (before + header.len() + 1).next_multiple_of(ALIGNMENT) - before;
    to.write_all(MAGIC)?;
    to.write_all(&[1, 0])?;
    to.write_all(&u16::try_from(len).expect("a shape has few axes").to_le_bytes())?;
    writeln!(to, "{header:<0$}", len - 1)?;
    to.write_all(&array.as_standard_layout().iter().copied().collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, Array4, ArrayD, ShapeBuilder as _};
    use ndarray_npy::{ReadNpyExt as _, WriteNpyExt as _};

    use super::*;

    #[test]
    fn what_another_library_writes_is_read() {
        fn check<T: ndarray_npy::WritableElement + Copy + Into<f64>>(value: impl Fn(usize) -> T) {
            for shape in [&[2, 3, 4][..], &[5], &[], &[0, 3]] {
                for fortran in [false, true] {
                    let n: usize = shape.iter().product();
                    let values = (0..n).map(&value).collect();
                    let array = ArrayD::from_shape_vec(IxDyn(shape).set_f(fortran), values).unwrap();
                    let mut bytes = Vec::new();
                    array.write_npy(&mut bytes).unwrap();
                    let read = Npy::parse(&bytes).unwrap();
                    assert_eq!(read.len, n);
                    assert_eq!(read.to_f64(), array.mapv(Into::into), "{shape:?} {fortran}");
                }
            }
        }
        check(|i| i as f32 - 1.5);
        check(|i| i as f64 / 3.0);
        check(|i| i as u8);
        check(|i| i as i32 - 3);
        let mut bytes = Vec::new();
        Array::from_vec(vec![-1i64, 1 << 40]).write_npy(&mut bytes).unwrap();
        assert_eq!(Npy::parse(&bytes).unwrap().to_f64().as_slice(), Some(&[-1.0, (1u64 << 40) as f64][..]));
    }

    #[test]
    fn another_library_reads_what_is_written() {
        let array = Array4::from_shape_fn((2, 3, 4, 3), |(n, y, x, c)| (n * 100 + y * 20 + x * 3 + c) as u8);
        for view in [array.view(), array.view().permuted_axes([0, 2, 1, 3])] {
            let mut bytes = Vec::new();
            write_bytes(&mut bytes, view).unwrap();
            assert_eq!(Array4::<u8>::read_npy(&bytes[..]).unwrap(), view);
            assert_eq!(bytes.len() % 64, array.len() % 64);
        }
    }

    #[test]
    fn damaged_headers_are_refused() {
        let header = |text: &str| [MAGIC, &[1, 0, text.len() as u8, 0], text.as_bytes(), &[0; 8]].concat();
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
        assert_eq!(Npy::parse(&header(good)).unwrap().header.shape, [2]);
        assert_eq!(
            Npy::parse(&header("{\"shape\":(1,2),\"descr\":\"<f4\",\"fortran_order\":True}")).unwrap().header.shape,
            [1, 2]
        );
        for (text, part) in [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "needs 12 bytes, it has 8"),
            ("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", ">f4 is none of"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "damaged"),
            ("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,), }", "damaged"),
            ("{'descr': '<f4', 'fortran_order': False}", "damaged"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } more", "damaged"),
            ("{'descr': '<f4' 'fortran_order': False, 'shape': (2,), }", "damaged"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "damaged"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }", "too large"),
            ("{'é", "damaged"),
            ("", "damaged"),
        ] {
            let message = format!("{:#}", Npy::parse(&header(text)).unwrap_err());
            assert!(message.contains(part), "{text}: {message}");
        }
        for len in 0..header(good).len() {
            Npy::parse(&header(good)[..len]).unwrap_err();
        }
    }
}
