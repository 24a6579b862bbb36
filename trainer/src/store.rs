//! Many pictures of one size, in memory or in a file.
//!
//! Whoever reads them does not see the difference: a picture is asked for by its index, and a large set is gone through
//! in parts. A file is read at the positions of the pictures, not mapped into memory. So no page of it counts as memory
//! of this process, and an error of the disk is an error and not the end of the program.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result, ensure};
use gen_core::Shape;
use md5::{Digest as _, Md5};
use ndarray::{Array4, ArrayView4, CowArray, Ix4};

use crate::text::Plain;

/// Bytes of pictures that are read from a file at a time by those who go through all of them.
const AT_ONCE: usize = 8 << 20;

/// Pictures of one size; a copy shares their bytes.
#[derive(Debug, Clone)]
pub struct PictureStore {
    shape: Shape,
    bytes: Arc<Bytes>,
    /// The pictures of this set as places in `bytes`; `None`: all, in their order.
    places: Option<Arc<[u32]>>,
    /// For each picture the first one with the same pixels, once it is known.
    firsts: Arc<OnceLock<Vec<u32>>>,
}

/// The bytes of pictures, one behind the other, each `[height, width, channels]`.
#[derive(Debug)]
enum Bytes {
    Memory(Vec<u8>),
    File {
        file: File,
        /// For messages.
        path: PathBuf,
        /// Length of the pictures in bytes. They are at the beginning of the file.
        length: u64,
    },
}

/// Some of the pictures, one behind the other.
type Part<'a> = CowArray<'a, u8, Ix4>;

impl PictureStore {
    /// Pictures in memory. `pixels` is `[N, height, width, channels]`.
    ///
    /// # Errors
    /// When it is not a whole number of pictures, or more than 2³² − 1 of them.
    pub fn in_memory(shape: Shape, pixels: Vec<u8>) -> Result<Self> {
        let length = pixels.len() as u64;
        Self::new(shape, Bytes::Memory(pixels), length)
    }

    /// Pictures at the beginning of a file, of which `length` bytes are pictures.
    ///
    /// # Errors
    /// When that is not a whole number of pictures, or more than 2³² − 1 of them.
    pub fn in_file(shape: Shape, file: File, path: PathBuf, length: u64) -> Result<Self> {
        Self::new(shape, Bytes::File { file, path, length }, length)
    }

    fn new(shape: Shape, bytes: Bytes, length: u64) -> Result<Self> {
        let size = shape.len() as u64;
        ensure!(
            size > 0 && length.is_multiple_of(size) && length / size <= u64::from(u32::MAX),
            "{length} bytes are no pictures of {shape} (height, width, channels), or too many"
        );
        Ok(Self { shape, bytes: Arc::new(bytes), places: None, firsts: Arc::default() })
    }

    /// Height, width and channels of each picture.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        match (&self.places, &*self.bytes) {
            (Some(places), _) => places.len(),
            (None, Bytes::Memory(pixels)) => pixels.len() / self.shape.len(),
            // At most u32::MAX, as `new` has checked.
            (None, Bytes::File { length, .. }) => (length / self.shape.len() as u64) as usize,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number, height, width, channels.
    pub fn dim(&self) -> (usize, usize, usize, usize) {
        let Shape { height, width, channels } = self.shape;
        (self.len(), height.into(), width.into(), channels.into())
    }

    /// Length of all pictures in bytes.
    pub fn byte_len(&self) -> u64 {
        self.len() as u64 * self.shape.len() as u64
    }

    /// Whether the pictures are read from a file whenever they are needed.
    pub fn is_in_file(&self) -> bool {
        matches!(*self.bytes, Bytes::File { .. })
    }

    /// The place of a picture in the bytes.
    fn place(&self, index: usize) -> Result<usize> {
        let place = match &self.places {
            Some(places) => places.get(index).map(|&place| place as usize),
            None => Some(index).filter(|&index| index < self.len()),
        };
        place.with_context(|| format!("there is no picture {index}: there are {}", self.len()))
    }

    /// The bytes of a picture. Those of a file are read into `buffer`.
    ///
    /// # Errors
    /// When there is no such picture, or the file cannot be read.
    pub fn picture<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        let (place, size) = (self.place(index)?, self.shape.len());
        match &*self.bytes {
            Bytes::Memory(pixels) => Ok(&pixels[place * size..][..size]),
            Bytes::File { .. } => {
                buffer.resize(size, 0);
                self.read_file(place, buffer)?;
                Ok(buffer)
            }
        }
    }

    /// Reads pictures from the file, from this place on, until `buffer` is full.
    fn read_file(&self, place: usize, buffer: &mut [u8]) -> Result<()> {
        let Bytes::File { file, path, .. } = &*self.bytes else { return Ok(()) };
        let offset = place as u64 * self.shape.len() as u64;
        read_exact_at(file, buffer, offset)
            .with_context(|| format!("cannot read the pictures in {}", Plain::path(path)))
    }

    /// A copy of the pictures with these indices, `[indices, height, width, channels]`.
    ///
    /// # Errors
    /// When there is no such picture, or the file cannot be read.
    pub fn select(&self, indices: &[usize]) -> Result<Array4<u8>> {
        let (_, height, width, channels) = self.dim();
        let mut pixels = Vec::with_capacity(indices.len() * self.shape.len());
        let mut buffer = Vec::new();
        for &index in indices {
            pixels.extend_from_slice(self.picture(index, &mut buffer)?);
        }
        Ok(Array4::from_shape_vec((indices.len(), height, width, channels), pixels)?)
    }

    /// A copy of the first pictures, at most `most`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn first(&self, most: usize) -> Result<Array4<u8>> {
        self.select(&(0..self.len().min(most)).collect::<Vec<_>>())
    }

    /// All pictures in parts of `count`, the last one with what is left. Those in memory are not copied.
    ///
    /// # Errors
    /// Each part is an error if the file cannot be read.
    pub fn parts(&self, count: usize) -> impl Iterator<Item = Result<Part<'_>>> {
        let (count, all) = (count.max(1), self.len());
        (0..all).step_by(count).map(move |first| self.part(first, count.min(all - first)))
    }

    /// All pictures in parts of a few megabytes.
    ///
    /// # Errors
    /// Each part is an error if the file cannot be read.
    pub fn some_parts(&self) -> impl Iterator<Item = Result<Part<'_>>> {
        self.parts(AT_ONCE / self.shape.len())
    }

    fn part(&self, first: usize, count: usize) -> Result<Part<'_>> {
        let ((_, height, width, channels), size) = (self.dim(), self.shape.len());
        let shape = (count, height, width, channels);
        Ok(match (&self.places, &*self.bytes) {
            (Some(_), _) => self.select(&(first..first + count).collect::<Vec<_>>())?.into(),
            (None, Bytes::Memory(pixels)) => {
                ArrayView4::from_shape(shape, &pixels[first * size..][..count * size])?.into()
            }
            (None, Bytes::File { .. }) => {
                let mut pixels = vec![0; count * size];
                self.read_file(first, &mut pixels)?;
                Array4::from_shape_vec(shape, pixels)?.into()
            }
        })
    }

    /// The pictures with these indices as a set of their own, in this order. Nothing is copied.
    ///
    /// # Errors
    /// When there is no such picture.
    pub fn subset(&self, indices: &[usize]) -> Result<Self> {
        let places = indices.iter().map(|&index| Ok(self.place(index)? as u32)).collect::<Result<_>>()?;
        Ok(Self { places: Some(places), firsts: Arc::default(), ..self.clone() })
    }

    /// The index of each picture in `all`, of which this is a [`subset`](Self::subset).
    ///
    /// # Errors
    /// When it is not.
    pub fn indices_in(&self, all: &Self) -> Result<Vec<usize>> {
        ensure!(Arc::ptr_eq(&self.bytes, &all.bytes), "these pictures are not some of the others");
        let indices = |places: &[u32]| places.iter().zip(0..).map(|(&place, index)| (place as usize, index)).collect();
        let index_of: Option<HashMap<usize, usize>> = all.places.as_deref().map(indices);
        let index = |index| {
            let place = self.place(index)?;
            match &index_of {
                None => Ok(place),
                Some(index_of) => index_of.get(&place).copied().context("a picture is not one of the others"),
            }
        };
        (0..self.len()).map(index).collect()
    }

    /// Like [`subset`](Self::subset), but the memory of the other pictures is given back where that is possible: the
    /// pictures are in memory, nobody else has them, and they stay in the order of their bytes.
    ///
    /// # Errors
    /// When there is no such picture.
    pub fn keep(self, indices: &[usize]) -> Result<Self> {
        if indices.len() == self.len() && indices.iter().enumerate().all(|(i, &index)| i == index) {
            return Ok(self);
        }
        let subset = self.subset(indices)?;
        drop(self);
        let Self { shape, bytes, places, firsts } = subset;
        match (Arc::try_unwrap(bytes), places) {
            // Each picture moves towards the beginning, where no other picture is needed any more.
            (Ok(Bytes::Memory(mut pixels)), Some(places)) if places.is_sorted_by(|a, b| a < b) => {
                let size = shape.len();
                for (to, &from) in places.iter().enumerate() {
                    let from = from as usize;
                    pixels.copy_within(from * size..(from + 1) * size, to * size);
                }
                pixels.truncate(places.len() * size);
                pixels.shrink_to_fit();
                Self::in_memory(shape, pixels)
            }
            (Ok(bytes), places) => Ok(Self { shape, bytes: Arc::new(bytes), places, firsts }),
            (Err(bytes), places) => Ok(Self { shape, bytes, places, firsts }),
        }
    }

    /// For each picture the index of the first one with the same pixels: its own, unless it is an exact copy of an
    /// earlier one. Mirrored pictures are no copies. It is computed once.
    ///
    /// Pictures in a file are compared by their MD5. So they take 16 bytes each meanwhile, and not their own length.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn firsts(&self) -> Result<&[u32]> {
        if let Some(firsts) = self.firsts.get() {
            return Ok(firsts);
        }
        let firsts = match &*self.bytes {
            Bytes::Memory(pixels) => {
                let size = self.shape.len();
                first_equals((0..self.len()).map(|index| Ok(&pixels[self.place(index)? * size..][..size])))
            }
            Bytes::File { .. } => {
                let sums = self.some_parts().flat_map(|part| match part {
                    Ok(part) => part.outer_iter().map(|picture| Ok(sum(picture))).collect(),
                    Err(error) => vec![Err(error)],
                });
                first_equals(sums)
            }
        }?;
        Ok(self.firsts.get_or_init(|| firsts))
    }

    /// Indices of the distinct pictures in ascending order: of exact copies the first one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn distinct(&self) -> Result<Vec<usize>> {
        let firsts = self.firsts()?.iter().enumerate();
        Ok(firsts.filter(|&(index, &first)| index == first as usize).map(|(index, _)| index).collect())
    }

    /// A copy of all pictures in memory, `[N, height, width, channels]`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn to_array(&self) -> Result<Array4<u8>> {
        self.first(self.len())
    }
}

/// MD5 of a picture.
fn sum(picture: ndarray::ArrayView3<'_, u8>) -> [u8; 16] {
    let mut hash = Md5::new();
    match picture.as_slice() {
        Some(bytes) => hash.update(bytes),
        None => picture.iter().for_each(|byte| hash.update([*byte])),
    }
    hash.finalize().into()
}

/// For each key the index of the first that is equal.
fn first_equals<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = Result<K>>) -> Result<Vec<u32>> {
    let mut seen = HashMap::new();
    let first = |(index, key): (u32, Result<K>)| {
        Ok(match seen.entry(key?) {
            Entry::Occupied(first) => *first.get(),
            Entry::Vacant(place) => *place.insert(index),
        })
    };
    (0..).zip(keys).map(first).collect()
}

impl From<&PictureStore> for PictureStore {
    fn from(store: &PictureStore) -> Self {
        store.clone()
    }
}

impl From<ArrayView4<'_, u8>> for PictureStore {
    /// A copy in memory. No side may be longer than 65,535.
    fn from(pictures: ArrayView4<'_, u8>) -> Self {
        let (_, height, width, channels) = pictures.dim();
        let shape = Shape::new(height as u16, width as u16, channels as u16);
        let bytes = Arc::new(Bytes::Memory(pictures.iter().copied().collect()));
        Self { shape, bytes, places: None, firsts: Arc::default() }
    }
}

impl From<Array4<u8>> for PictureStore {
    /// A copy in memory. No side may be longer than 65,535.
    fn from(pictures: Array4<u8>) -> Self {
        pictures.view().into()
    }
}

/// Fills `buffer` with the bytes at `offset`.
#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

/// Fills `buffer` with the bytes at `offset`.
#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const SHAPE: Shape = Shape::new(2, 1, 3);

    /// Seven pictures, of which some are equal, in memory and in a file.
    fn both() -> [PictureStore; 2] {
        let pixels: Vec<u8> = [0, 1, 0, 2, 1, 3, 4].iter().flat_map(|&n| [n, n + 10, n, n, n, n + 1]).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&pixels).unwrap();
        file.write_all(b"more").unwrap();
        let length = pixels.len() as u64;
        [
            PictureStore::in_memory(SHAPE, pixels).unwrap(),
            PictureStore::in_file(SHAPE, file, "x".into(), length).unwrap(),
        ]
    }

    #[test]
    fn memory_and_file_hold_the_same() {
        let [memory, file] = both();
        assert!(!memory.is_in_file() && file.is_in_file());
        let all = memory.to_array().unwrap();
        for store in [&memory, &file] {
            assert_eq!((store.dim(), store.byte_len()), ((7, 2, 1, 3), 42));
            assert_eq!(store.to_array().unwrap(), all);
            assert_eq!(store.firsts().unwrap(), [0, 1, 0, 3, 1, 5, 6]);
            assert_eq!(store.distinct().unwrap(), [0, 1, 3, 5, 6]);
            assert_eq!(store.select(&[5, 0]).unwrap().iter().next(), Some(&3));
            let parts: Vec<_> = store.parts(3).map(|part| part.unwrap().into_owned()).collect();
            assert_eq!(parts.iter().map(|part| part.dim().0).collect::<Vec<_>>(), [3, 3, 1]);
            assert_eq!(
                ndarray::concatenate(ndarray::Axis(0), &[parts[0].view(), parts[1].view()]).unwrap(),
                all.slice(ndarray::s![..6, .., .., ..])
            );
            assert!(store.picture(7, &mut Vec::new()).unwrap_err().to_string().contains("no picture 7"));
        }
    }

    #[test]
    fn a_part_is_a_set_of_its_own() {
        for store in both() {
            let few = store.subset(&[4, 1, 6, 3]).unwrap();
            assert_eq!((few.len(), few.firsts().unwrap()), (4, &[0, 0, 2, 3][..]));
            let fewer = few.subset(&[3, 0]).unwrap();
            assert_eq!(fewer.to_array().unwrap(), store.select(&[3, 4]).unwrap());
            assert_eq!((fewer.indices_in(&store).unwrap(), fewer.indices_in(&few).unwrap()), (vec![3, 4], vec![3, 0]));
            assert!(few.indices_in(&fewer).is_err() && few.indices_in(&both()[0]).is_err());
            let expected = store.select(&[1, 2, 6]).unwrap();
            assert_eq!(store.clone().keep(&[1, 2, 6]).unwrap().to_array().unwrap(), expected, "shared");
            drop((few, fewer));
            let turned = store.subset(&[6, 0, 1, 2]).unwrap();
            assert_eq!(turned.keep(&[1, 3]).unwrap().to_array().unwrap(), store.select(&[0, 2]).unwrap());
            let [memory, file] = both();
            let owned = if store.is_in_file() { file } else { memory };
            let turned = owned.keep(&[6, 0, 3, 2]).unwrap().keep(&[0, 2, 3]).unwrap();
            assert_eq!(
                turned.to_array().unwrap(),
                store.select(&[6, 3, 2]).unwrap(),
                "in another order, nobody else has it"
            );
            let kept = store.keep(&[1, 2, 6]).unwrap();
            assert_eq!(kept.to_array().unwrap(), expected);
            assert_eq!(kept.places.is_none(), !kept.is_in_file(), "memory is given back");
            assert!(kept.subset(&[3]).is_err());
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        assert!(PictureStore::in_memory(SHAPE, vec![0; 7]).is_err());
        assert!(PictureStore::in_memory(Shape::new(0, 1, 3), Vec::new()).is_err());
        let file = tempfile::tempfile().unwrap();
        let store = PictureStore::in_file(SHAPE, file, "x".into(), 12).unwrap();
        assert!(format!("{:#}", store.to_array().unwrap_err()).contains("cannot read the pictures in x"));
    }
}
