//! The recipes that come with the program.

use anyhow::{Context as _, Result, bail};

use super::Config;

/// Name and text of every preset.
pub const PRESETS: &[(&str, &str)] = &[
    ("pocket", include_str!("../../presets/pocket.toml")),
    ("pocket-tiny", include_str!("../../presets/pocket-tiny.toml")),
    ("pocket-large", include_str!("../../presets/pocket-large.toml")),
    ("pocket-64", include_str!("../../presets/pocket-64.toml")),
    ("oled", include_str!("../../presets/oled.toml")),
    ("digits", include_str!("../../presets/digits.toml")),
    ("animals", include_str!("../../presets/animals.toml")),
    ("tutorial", include_str!("../../presets/tutorial.toml")),
    ("reference-pocket", include_str!("../../presets/reference-pocket.toml")),
    ("dcgan-64", include_str!("../../presets/dcgan-64.toml")),
];

impl Config {
    /// The preset with this name.
    ///
    /// # Errors
    /// When there is none; the message lists all names.
    pub fn preset(name: &str) -> Result<Self> {
        let Some((_, text)) = PRESETS.iter().find(|(n, _)| *n == name) else {
            let names: Vec<_> = PRESETS.iter().map(|(n, _)| *n).collect();
            bail!("there is no preset \"{name}\"; there are: {}", names.join(", "));
        };
        Self::from_toml(text).with_context(|| format!("preset {name}"))
    }
}
