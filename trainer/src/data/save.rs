//! Writes pictures as files, for other programs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rayon::prelude::*;

use super::Dataset;
use crate::grid::{grid, png};

/// Writes every picture as `NUMBER.png`, in a subfolder for each class if there are classes. Numbers have six digits or more
/// and follow the order of the data set. Returns the number of pictures.
///
/// # Errors
/// When the folder exists and is not empty, or cannot be written to.
pub fn save(data: &Dataset, folder: &Path) -> Result<usize> {
    let write =
        |path: &Path, bytes: &[u8]| fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()));
    let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    ensure!(is_empty, "{} is not empty; give a new folder", folder.display());
    // A name may have characters that separate folders.
    let subfolder = |name: &String| name.replace(['/', '\\'], "_");
    let names: Vec<_> = data.labels.iter().flat_map(|labels| labels.names.iter().map(subfolder)).collect();
    for path in names.iter().map(|name| folder.join(name)).chain([folder.to_owned()]) {
        fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
    }
    let place = |index: usize| {
        let class = data.labels.as_ref().and_then(|labels| names.get(usize::from(*labels.of.get(index)?)));
        class.map_or_else(|| folder.to_owned(), |name| folder.join(name)).join(format!("{index:06}.png"))
    };
    (0..data.len()).into_par_iter().try_for_each(|index| {
        let picture = data.pictures.select(&[index])?;
        write(&place(index), &png(&grid(picture.view(), 1, 0, 1)?)?)
    })?;
    Ok(data.len())
}
