//! The default model, and the choice of another.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use crate::build::root;

/// The bytes of the model file that the firmware embeds by default.
pub const BLOB: &[u8] = gen_core::include_aligned!("../../../models/pocket-drawn/model.gen");
/// Length of the default model in bytes.
pub const MODEL_LEN: usize = BLOB.len();

/// The default model of commands for the OLED: grey, and as high as the OLED.
pub const OLED: &str = "models/drawn-oled/model.gen";

/// The model file for a command: the one given on the command line, or the one in the environment variable `FROG_MODEL`. As
/// in builds, a relative path in the variable starts at the root of the repository. `None` for the default model.
///
/// # Errors
/// If the root of the repository cannot be found.
pub fn chosen(named: Option<PathBuf>) -> Result<Option<PathBuf>> {
    match (named, env::var_os("FROG_MODEL")) {
        (None, Some(path)) => Ok(Some(root()?.join(path))),
        (named, _) => Ok(named),
    }
}

/// Like [`chosen`], for the OLED: [`OLED`] if no model is named.
///
/// # Errors
/// If the root of the repository cannot be found.
pub fn chosen_for_oled(named: Option<PathBuf>) -> Result<PathBuf> {
    chosen(named)?.map_or_else(|| Ok(root()?.join(OLED)), Ok)
}
