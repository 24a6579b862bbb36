//! The folder of a run: its files, its lock, and its checkpoints.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use log::warn;
use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use crate::config::Config;
use crate::data::Fitting;
use crate::files::{remove_abandoned, write_atomically};
pub(super) use crate::grid::png;
use crate::grid::sheet_png;
use crate::text::{self, Plain};

/// Number of checkpoints that are kept; older ones are removed.
const KEPT: usize = 3;

/// File name of the checkpoint of the best snapshot.
pub const BEST: &str = "best.ckpt";

/// Name of the file that stands for the folder where a folder cannot be locked.
const LOCK: &str = ".lock";

/// File name of a note that exists while a run is stopped before its end. Fine-tuning is part of the run.
pub const UNFINISHED: &str = "unfinished.txt";

/// The training pictures of a run, with enough information to load them again. If a user has to write this file
/// by hand, the path alone is enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataRef {
    /// Description for people.
    #[serde(default)]
    pub name: String,
    /// The argument of `--data` that loads the pictures.
    pub path: PathBuf,
    /// Class of CIFAR-10 (frogs if the key is missing), or the label of a format with labels (all if the key is missing).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// How the pictures were brought to the size of the recipe.
    #[serde(default, skip_serializing_if = "Fitting::is_default")]
    pub fitting: Fitting,
    /// Fingerprint of the pictures.
    #[serde(default)]
    pub fingerprint: String,
    /// Time budget of `--minutes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// Step at which `resume --steps` changed the length of the run, if earlier steps would have had another result
    /// with the new length. Such a run cannot be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_moved: Option<u64>,
}

/// The folder of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// Creates the folder `NNN-name` in `parent` with the next free number. Never uses an existing folder.
    ///
    /// # Errors
    /// When `parent` cannot be written to.
    pub fn create(parent: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
        let entries = fs::read_dir(parent).with_context(|| format!("cannot list {}", parent.display()))?;
        let numbers = entries.flatten().filter_map(|e| {
            let name = e.file_name();
            name.to_str()?.split('-').next()?.parse::<u32>().ok()
        });
        let mut number = numbers.max().map_or(1, |n| n.saturating_add(1));
        loop {
            let path = parent.join(format!("{number:03}-{name}"));
            match fs::create_dir(&path) {
                Ok(()) => {
                    for sub in ["samples", "checkpoints"] {
                        fs::create_dir(path.join(sub))
                            .inspect_err(|_| _ = fs::remove_dir_all(&path))
                            .with_context(|| format!("cannot write to {}", path.display()))?;
                    }
                    return Ok(Self(path));
                }
                // Another run started at the same moment.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(e).with_context(|| format!("cannot make the folder {}", path.display())),
            }
        }
    }

    /// Opens the folder of an existing run.
    ///
    /// # Errors
    /// When `path` is not a run folder.
    pub fn open(path: &Path) -> Result<Self> {
        ensure!(path.exists(), "there is no run folder {}", path.display());
        ensure!(path.join("checkpoints").is_dir(), "{} is no run folder: it lacks checkpoints/", path.display());
        Ok(Self(path.to_owned()))
    }

    /// Locks the folder for this process until the returned file is dropped, and removes temporary files that a
    /// killed process left. `None` if the system has no such locks.
    ///
    /// # Errors
    /// When another process has locked the folder.
    pub fn take(&self) -> Result<Option<File>> {
        // Windows opens no folder as a file, so a file in it is locked there. Not every file system has locks.
        let lock = match cfg!(windows) {
            false => File::open(&self.0),
            true => File::options().create(true).truncate(false).write(true).open(self.file(LOCK)),
        };
        let lock = lock.ok();
        if let Some(Err(TryLockError::WouldBlock)) = lock.as_ref().map(File::try_lock) {
            bail!("another trainer is at work in {}: let it finish, or stop it with Ctrl-C", self.0.display());
        }
        for folder in [".", "samples", "checkpoints", "pairs"] {
            remove_abandoned(&self.file(folder));
        }
        Ok(lock)
    }

    /// Reads `data.toml`: the training pictures of the run.
    ///
    /// # Errors
    /// When `data.toml` is missing or damaged.
    pub fn data_ref(&self) -> Result<DataRef> {
        let path = self.file("data.toml");
        let read = || -> Result<DataRef> { Ok(toml::from_str(&text::read(&path)?)?) };
        read().with_context(|| {
            format!(
                "{} is missing or damaged. Write where the pictures are, such as path = \"/home/me/pictures\", for \
                 CIFAR-10 of which class, such as class = \"frog\", and if the run was started with --minutes, \
                 minutes = 30.0; if `resume --steps` moved its end, at which step, such as end_moved = 500",
                path.display()
            )
        })
    }

    /// Reads `config.toml`: the recipe that the run was started with.
    ///
    /// # Errors
    /// When `config.toml` is missing or damaged.
    pub fn config(&self) -> Result<Config> {
        let path = self.file("config.toml");
        Config::from_toml(&text::read(&path)?).with_context(|| Plain::path(&path).to_string())
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in the folder atomically.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_atomically(&self.file(name), bytes)
    }

    /// Writes a sheet of pictures in the folder as PNG.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_picture(&self, name: &str, picture: &image::RgbImage) -> Result<()> {
        self.write(name, &sheet_png(picture)?)
    }

    /// Writes a checkpoint and removes the oldest ones.
    ///
    /// # Errors
    /// When it cannot be written. The earlier checkpoints are then kept.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<PathBuf> {
        let path = self.checkpoint(checkpoint.state.step);
        write_atomically(&path, &checkpoint.encode()?)?;
        let mut all = self.steps("checkpoints", "ckpt")?;
        // Damaged checkpoints of later steps may remain until the run reaches these steps again.
        all.retain(|(step, _)| *step <= checkpoint.state.step);
        all.truncate(all.len().saturating_sub(KEPT));
        for (_, old) in all {
            // If this fails, one checkpoint too many is kept, which does no harm.
            let _ = fs::remove_file(old);
        }
        Ok(path)
    }

    /// Path of a step's checkpoint, whether it exists or not.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.file(&format!("checkpoints/step-{step:06}.ckpt"))
    }

    /// Paths of the checkpoints, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn checkpoints(&self) -> Result<Vec<PathBuf>> {
        Ok(self.steps("checkpoints", "ckpt")?.into_iter().map(|(_, path)| path).collect())
    }

    /// The files `step-NNNNNN.extension` in a subfolder, each with its step, in the order of the steps.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn steps(&self, folder: &str, extension: &str) -> Result<Vec<(u64, PathBuf)>> {
        let folder = self.file(folder);
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        let step = |path: &Path| path.file_stem()?.to_str()?.strip_prefix("step-")?.parse::<u64>().ok();
        let mut all: Vec<_> = entries
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == extension))
            .filter_map(|p| Some((step(&p)?, p)))
            .collect();
        all.sort();
        Ok(all)
    }

    /// The newest undamaged checkpoint; damaged ones are logged. Checkpoints from before the best snapshot are not
    /// considered, because they do not record it.
    ///
    /// # Errors
    /// When there is none.
    pub fn latest(&self) -> Result<Checkpoint> {
        self.latest_of(|_| true)
    }

    /// Like [`latest`](Self::latest), among the checkpoints whose step satisfies `is_one`.
    ///
    /// # Errors
    /// When there is none.
    pub fn latest_of(&self, is_one: impl Fn(u64) -> bool) -> Result<Checkpoint> {
        let path = self.0.display();
        let mut all = self.steps("checkpoints", "ckpt")?;
        all.retain(|&(step, _)| is_one(step));
        let mut whole = all
            .iter()
            .rev()
            .filter_map(|(_, path)| Checkpoint::load(path).inspect_err(|e| warn!("{e:#}; trying the one before")).ok());
        let last = whole.next();
        drop(whole);
        let step = last.as_ref().map(|last| last.state.step);
        let best =
            Checkpoint::load(&self.file(BEST)).ok().filter(|best| step.is_none_or(|step| step < best.state.step));
        if let Some(best) = &best {
            warn!("the best snapshot, {BEST} of step {}, is whole and is taken", best.state.step);
        }
        match best.or(last) {
            Some(checkpoint) => Ok(checkpoint),
            None if all.is_empty() => {
                bail!("{path} has no checkpoint: the run was stopped before it had learnt anything; start it again")
            }
            None => bail!(
                "there is no usable checkpoint in {path}: the run cannot be resumed. Start it again, with --config \
                 {path}/config.toml and the same --data and --class"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_and_nothing_is_overwritten() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("notes")).unwrap();
        let name = |f: &Folder| f.path().file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name(&Folder::create(parent.path(), "pocket").unwrap()), "001-pocket");
        assert_eq!(name(&Folder::create(parent.path(), "tutorial").unwrap()), "002-tutorial");
        fs::create_dir(parent.path().join("041-x")).unwrap();
        assert_eq!(name(&Folder::create(parent.path(), "pocket").unwrap()), "042-pocket");
    }

    #[test]
    fn a_folder_that_is_no_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Folder::open(folder.path()).unwrap_err().to_string().contains("no run folder"));
        assert!(Folder::open(&folder.path().join("x")).unwrap_err().to_string().contains("there is no"));
    }
}
