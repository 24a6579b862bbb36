//! Opens models and checkpoints, with error messages that say what to do.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::{AlignedBytes, aligned};
use gen_core::{Model, include_aligned};

use trainer::run::{Checkpoint, checkpoint, start};
use trainer::terminal::{self, quoted};

/// The model that is built into the firmware.
pub(crate) const SHIPPED: &[u8] = include_aligned!("../../../models/pocket-drawn/model.gen");

/// Reads the bytes of a model: of a file, or of `model.gen` in a folder. `None` gives the firmware's model.
pub(crate) fn read_model(path: Option<&Path>) -> Result<AlignedBytes<'static>> {
    let Some(path) = path else { return Ok(aligned(SHIPPED)) };
    let file = if path.is_dir() { path.join("model.gen") } else { path.to_owned() };
    ensure!(
        file == path || file.is_file(),
        "{} is a folder without a model.gen: give a model, or a run that has written its first checkpoint",
        path.display()
    );
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read the model {}", file.display()))?;
    Ok(aligned(bytes))
}

/// The checkpoint of a run's result: its best snapshot, or without one the newest. `None` if the folder is no run, or has no
/// checkpoint yet.
pub(crate) fn checkpoint_in(folder: &Path) -> Option<PathBuf> {
    start::checkpoint_in(folder).ok().flatten()
}

/// Whether a file begins with these bytes, as a checkpoint or a model does. A file that cannot be read does not.
pub(crate) fn begins_with<const N: usize>(path: &Path, magic: [u8; N]) -> bool {
    let mut start = [0; N];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == magic
}

/// Reads a checkpoint. If the file is something else, the error says which file to give.
pub(crate) fn load_checkpoint(path: &Path) -> Result<Checkpoint> {
    if path.is_dir() {
        match checkpoint_in(path) {
            Some(checkpoint) => {
                bail!("{} is a folder: give one of its checkpoints, such as {}", path.display(), quoted(&checkpoint))
            }
            None => bail!(
                "{} is a folder, and has no checkpoints: give a file such as runs/001-pocket/best.ckpt",
                path.display()
            ),
        }
    }
    Checkpoint::load(path)
}

pub(crate) fn parse<'a>(blob: &'a [u8], path: Option<&Path>) -> Result<Model<'a>> {
    let name = || path.map_or_else(|| "the shipped model".to_owned(), |p| p.display().to_string());
    if let Some(path) = path {
        ensure!(
            !blob.starts_with(&checkpoint::MAGIC),
            "{} is a checkpoint, not a model. Make a model of it with: {} quantize {} -o model.gen. (To draw with its \
             float generator: sample, walk and like take --float {})",
            path.display(),
            terminal::program(),
            quoted(path),
            quoted(path)
        );
    }
    Model::parse(blob).with_context(name)
}
