//! Files that hold many pictures as numbers. Each format is one module with one implementation of [`Format`]; `FORMATS` in
//! the module above lists them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::Shape;

use crate::text::Plain;

/// A format of files that hold many pictures.
pub(super) trait Format: Sync {
    /// The training pictures of this format in the folder `path`: the file to read, or `None` if there is none.
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

    /// Reads the pictures of a file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or holds no pictures, or they take more than `limit` bytes.
    fn read(&self, path: &Path, limit: u64) -> Result<Pictures>;
}

/// Pictures of one size as they are in a file.
#[derive(Debug)]
pub(super) struct Pictures {
    /// Height, width, and 1 or 3 channels.
    pub(super) shape: Shape,
    /// All pictures, `[N, height, width, channels]`.
    pub(super) pixels: Vec<u8>,
    /// The class of each picture, or empty if the file has none.
    pub(super) labels: Vec<u32>,
}

impl Pictures {
    /// Keeps the pictures of one class, which is named by its number.
    ///
    /// # Errors
    /// When the pictures have no classes, or not this one.
    pub(super) fn of_class(mut self, class: &str, path: &Path) -> Result<Self> {
        let (shown, asked) = (Plain::path(path), Plain::text(class));
        ensure!(
            !self.labels.is_empty(),
            "{shown} has no labels, so there is no class {asked} in it; leave out --class"
        );
        let mut known: Vec<u32> = self.labels.clone();
        known.sort_unstable();
        known.dedup();
        let Some(class) = class.parse::<u32>().ok().filter(|class| known.contains(class)) else {
            let known: Vec<_> = known.iter().take(100).map(ToString::to_string).collect();
            bail!("{shown} has no class {asked}; its classes are {}, and \"all\"", known.join(", "));
        };
        let pictures = self.pixels.chunks_exact(self.shape.len()).zip(&self.labels);
        self.pixels =
            pictures.filter(|(_, label)| **label == class).flat_map(|(picture, _)| picture).copied().collect();
        self.labels.retain(|label| *label == class);
        Ok(self)
    }

    /// Whether some pictures have this class, which is named by its number.
    pub(super) fn has_class(&self, class: &str) -> bool {
        class.parse().is_ok_and(|class| self.labels.contains(&class))
    }

    /// Number of pictures.
    pub(super) fn len(&self) -> usize {
        self.pixels.len() / self.shape.len().max(1)
    }
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
