//! Files and folders that hold many pictures as numbers. Each format is one module with one implementation of [`Format`];
//! `FORMATS` in the module above lists them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::Shape;
use serde::{Deserialize, Serialize};

use super::keep::{Collector, Keeper};
use crate::store::PictureStore;
use crate::text::Plain;

/// A format of files that hold many pictures.
pub(super) trait Format: Sync {
    /// The training pictures of this format in the folder `path`: the file or folder to read, or `None` if there is none.
    ///
    /// # Errors
    /// When there are several, and nothing says which one is meant.
    fn in_folder(&self, path: &Path) -> Result<Option<PathBuf>>;

    /// Whether a file that begins with these bytes is of this format. `path` is for its name.
    fn is_file(&self, path: &Path, start: &[u8]) -> bool;

    /// Height, width and channels of the pictures in a file, without reading them.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or holds no pictures.
    fn shape(&self, path: &Path) -> Result<Shape>;

    /// The files that `path` stands for, and those beside it that are read too: if none of them changes, the pictures do
    /// not change.
    ///
    /// # Errors
    /// When a folder cannot be read.
    fn files(&self, path: &Path) -> Result<Vec<PathBuf>>;

    /// Reads the pictures of a file into a collector, a few at a time, and returns what else it says of them.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or holds no pictures, or the collector has no room for them.
    fn read(&self, path: &Path, into: &mut Collector<'_>) -> Result<Content>;
}

/// What a file says of its pictures beside their pixels.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Content {
    /// The class of each picture, or empty if the file has none.
    pub(super) labels: Vec<u32>,
    /// What the classes are called.
    pub(super) classes: Classes,
    /// The place at which the collector has each picture; `None`: in the order of the pictures.
    pub(super) order: Option<Vec<u32>>,
}

/// Pictures of one size as they are in a file, all in memory.
#[derive(Debug)]
pub struct Pictures {
    /// Height, width, and 1 or 3 channels.
    pub shape: Shape,
    /// All pictures, `[N, height, width, channels]`.
    pub pixels: Vec<u8>,
    /// The class of each picture, or empty if the file has none.
    pub labels: Vec<u32>,
    /// What the classes are called.
    pub classes: Classes,
}

/// What is known about classes beside their numbers: nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classes {
    /// Name of the data set, if the format says which one it is.
    pub set: Option<Cow<'static, str>>,
    /// Name of each class, in the order of their numbers.
    pub names: Vec<String>,
    /// The class that is taken if none is asked for; `None`: all.
    pub usual: Option<Cow<'static, str>>,
}

impl Classes {
    /// The number of a class, which is called by its name, or by its number if it has no name.
    pub(super) fn number(&self, class: &str) -> Option<u32> {
        let class = class.trim();
        match self.names.iter().position(|name| name.eq_ignore_ascii_case(class)) {
            Some(number) => u32::try_from(number).ok(),
            None => class.parse().ok().filter(|_| self.names.is_empty()),
        }
    }

    /// The name of a class, or its number if it has no name.
    pub(super) fn name(&self, number: u32) -> String {
        self.names.get(number as usize).map_or_else(|| number.to_string(), |name| Plain::text(name).to_string())
    }
}

impl Content {
    /// Of pictures whose classes are known by numbers, or not at all.
    pub(super) fn new(labels: Vec<u32>) -> Self {
        Self { labels, ..Self::default() }
    }

    /// Number of pictures of each class, without those that have none.
    pub(super) fn counts(&self) -> BTreeMap<u32, usize> {
        let mut counts = BTreeMap::new();
        for label in &self.labels {
            *counts.entry(*label).or_insert(0) += 1;
        }
        counts
    }

    /// The number of a class that some pictures have.
    ///
    /// # Errors
    /// When the pictures have no classes, or not this one.
    pub(super) fn find(&self, class: &str, path: &Path) -> Result<u32> {
        let (shown, asked) = (Plain::path(path), Plain::text(class));
        ensure!(
            !self.labels.is_empty(),
            "{shown} has no labels, so there is no class {asked} in it; leave out --class"
        );
        let known = self.counts();
        let number = self.classes.number(class);
        let Some(class) = number.filter(|number| known.contains_key(number)) else {
            ensure!(number.is_none() || self.classes.names.is_empty(), "{shown} holds no picture of the class {asked}");
            let known: Vec<_> = known.keys().take(100).map(|number| self.classes.name(*number)).collect();
            bail!("{shown} has no class {asked}; its classes are {}, and \"all\"", known.join(", "));
        };
        Ok(class)
    }

    /// Keeps the pictures whose classes have these numbers.
    ///
    /// # Errors
    /// When there are not as many pictures as labels.
    pub(super) fn keep(&mut self, pictures: PictureStore, is_kept: impl Fn(u32) -> bool) -> Result<PictureStore> {
        let labels = self.labels.iter().enumerate();
        let places: Vec<_> = labels.filter(|(_, label)| is_kept(**label)).map(|(place, _)| place).collect();
        self.labels.retain(|label| is_kept(*label));
        pictures.keep(&places)
    }

    /// Whether some pictures have this class.
    pub(super) fn has_class(&self, class: &str) -> bool {
        self.classes.number(class).is_some_and(|number| self.labels.contains(&number))
    }
}

impl Pictures {
    /// Collects pictures in memory, with what `read` says of them.
    ///
    /// # Errors
    /// The errors of `read`, or when the pictures take more than `limit` bytes.
    pub(super) fn collect<E>(
        limit: u64,
        read: impl FnOnce(&mut Collector<'_>) -> Result<Content, E>,
    ) -> Result<Self, E> {
        let keeper = Keeper::in_memory(limit);
        let mut collector = keeper.collect();
        let Content { labels, classes, order } = read(&mut collector)?;
        let (shape, mut pixels) = collector.into_pixels();
        let shape = shape.unwrap_or(Shape::new(1, 1, 1));
        if let Some(order) = order {
            let places = order.into_iter().map(|place| place as usize * shape.len());
            pixels = places.flat_map(|place| pixels[place..place + shape.len()].iter().copied()).collect();
        }
        Ok(Self { shape, pixels, labels, classes })
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.shape.len().max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }
}

/// Number of bytes of pictures that formats read at a time: whole pictures of `length` bytes, a megabyte or one picture.
pub(super) fn at_once(length: usize) -> usize {
    const BYTES: usize = 1 << 20;
    (BYTES / length.max(1)).max(1) * length
}

/// At most `length` bytes. Memory grows with what is read, not with what a header says, and never beyond `length`.
pub(super) fn read_up_to(mut from: impl Read, length: usize) -> io::Result<Vec<u8>> {
    const FIRST: usize = 1 << 20;
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let step = bytes.len().max(FIRST).min(length - bytes.len());
        bytes.try_reserve_exact(step)?;
        if from.by_ref().take(step as u64).read_to_end(&mut bytes)? < step {
            break;
        }
    }
    Ok(bytes)
}

/// A shape of pictures, if it is one that can be trained on.
pub(super) fn checked_shape(height: usize, width: usize, channels: usize) -> Result<Shape> {
    let length = |n: usize| u16::try_from(n).ok().filter(|n| *n > 0);
    let (height_, width_) =
        length(height).zip(length(width)).with_context(|| format!("pictures of {width}x{height} pixels"))?;
    ensure!(
        matches!(channels, 1 | 3),
        "its pictures have {channels} channels; 1 (grey) and 3 (red, green, blue) can be read"
    );
    Ok(Shape::new(height_, width_, channels as u16))
}
