//! The model that is drawn with, if nobody chooses another.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use crate::build::root;

/// The model that the firmware draws with by default.
pub const BLOB: &[u8] = gen_core::include_aligned!("../../../models/pocket-drawn/model.gen");
/// Bytes of it.
pub const MODEL_LEN: usize = BLOB.len();

/// The file that a command draws with: the one that was named, or that of the environment variable `FROG_MODEL`,
/// whose path counts from the repository's root as while building. `None` for the default.
///
/// # Errors
/// If the repository cannot be found.
pub fn chosen(named: Option<PathBuf>) -> Result<Option<PathBuf>> {
    match (named, env::var_os("FROG_MODEL")) {
        (None, Some(path)) => Ok(Some(root()?.join(path))),
        (named, _) => Ok(named),
    }
}
