//! Atomic writes of files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

/// Prefix of the names of temporary files.
pub const WRITING: &str = ".writing-";

/// Writes a file atomically: after a crash or a power cut the path has either the old content or the new one.
///
/// The bytes are written to a temporary file in the same folder, which is synchronised and renamed.
///
/// # Errors
/// When the folder cannot be written to or the disk is full. The old file is then unchanged.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = AtomicFile::create(path)?;
        file.write_all(bytes)?;
        file.commit()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// A file that is written bit by bit, and has its name only when it is whole. Dropped before, it is removed.
#[derive(Debug)]
pub struct AtomicFile {
    file: NamedTempFile<File>,
    path: PathBuf,
}

impl AtomicFile {
    /// Begins a temporary file in the folder of `path`.
    ///
    /// # Errors
    /// When the folder does not exist or cannot be written to.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(WRITING);
        // Opened here so that the user's umask applies, and errors do not name the temporary file.
        let open = |path: &Path| File::options().write(true).create_new(true).open(path);
        let file = builder.make_in(folder_of(path), open)?;
        // The lock tells `remove_abandoned` that the file is in use. Not every file system has locks.
        let _ = file.as_file().try_lock();
        Ok(Self { file, path: path.to_owned() })
    }

    /// Gives the file its name, also after a power cut. A file of that name is replaced.
    ///
    /// # Errors
    /// When the disk is full, or the file of that name cannot be replaced. It is then unchanged.
    pub fn commit(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(&self.path)?;
        // The folder is synchronised so that the new name survives a power cut. Not every system can open a folder.
        if let Ok(folder) = File::open(folder_of(&self.path)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes the temporary files that a killed process left in a folder, but none that a running process is writing.
pub fn remove_abandoned(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|e| e.file_name().as_encoded_bytes().starts_with(WRITING.as_bytes())) {
        // The lock of a process that has ended is free.
        if File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            // If this fails, the file does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_was_writing_is_removed_and_what_a_living_one_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let [abandoned, at_work, other] = [".writing-a", ".writing-b", "c"].map(|name| folder.path().join(name));
        for path in [&abandoned, &at_work, &other] {
            fs::write(path, "half").unwrap();
        }
        let lock = File::open(&at_work).unwrap();
        lock.try_lock().unwrap();
        remove_abandoned(folder.path());
        assert_eq!([&abandoned, &at_work, &other].map(|path| path.exists()), [false, true, true]);
        drop(lock);
        remove_abandoned(folder.path());
        assert!(!at_work.exists());
        remove_abandoned(&folder.path().join("missing"));
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomically(&path, b"old").unwrap();
        let error = write_atomically(&folder.path().join("missing/a"), b"new").unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("missing/a: No such file") && !text.contains(WRITING), "{text}");
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }
}
