//! Reads a recipe from a preset or a file.

use std::path::Path;

use anyhow::{Context as _, Result};

use trainer::config::Config;
use trainer::text;

pub(crate) fn recipe(preset: &str, config: Option<&Path>) -> Result<Config> {
    let Some(path) = config else { return Config::preset(preset) };
    Config::from_toml(&text::read(path)?).with_context(|| path.display().to_string())
}
