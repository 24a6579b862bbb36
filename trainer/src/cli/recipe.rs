//! Reads a recipe from a preset or a file.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use gen_core::Shape;

use super::args::{Size, size};
use trainer::config::Config;
use trainer::data::own_shape;
use trainer::text;

pub(crate) fn recipe(preset: &str, config: Option<&Path>) -> Result<Config> {
    let Some(path) = config else { return Config::preset(preset) };
    Config::from_toml(&text::read(path)?).with_context(|| path.display().to_string())
}

/// Options that select the size and the colours of the pictures.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct PictureArgs {
    /// Width and height of the pictures, such as 64x32; one number for both. Without --preset or --config a network
    /// for that size is built by rule
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true, value_parser = size)]
    pub(crate) size: Option<Size>,
    /// Grey pictures. Without --preset or --config a network for them is built by rule
    #[arg(long)]
    pub(crate) grey: bool,
}

impl PictureArgs {
    /// Whether one of the options is given.
    pub(crate) fn is_given(self) -> bool {
        self.size.is_some() || self.grey
    }

    /// The shape that the options ask for, or `None` if neither is given.
    fn shape(self) -> Option<Shape> {
        self.is_given().then(|| self.size.unwrap_or(Size { width: 32, height: 32 }).shape(self.grey))
    }

    /// The recipe of a preset, of a file, for the size that was asked for, or for the size of the pictures at `data`, if
    /// their format has one size; without any of them the preset `pocket`.
    ///
    /// # Errors
    /// When there is no such recipe, or a preset or file draws other pictures than were asked for.
    pub(crate) fn recipe(self, preset: Option<&str>, config: Option<&Path>, data: Option<&Path>) -> Result<Config> {
        let asked = self.shape();
        if preset.is_none() && config.is_none() {
            let own = data.map(own_shape).transpose()?.flatten();
            let shape = match (asked, own) {
                (None, own) => own,
                (Some(asked), Some(own)) if self.size.is_none() => Some(Shape { channels: asked.channels, ..own }),
                (asked, _) => asked,
            };
            return shape.map_or_else(|| Config::preset("pocket"), Config::for_picture);
        }
        let config = recipe(preset.unwrap_or_default(), config)?;
        if let Some(asked) = asked {
            let own = config.picture()?;
            let words = |shape: Shape| {
                format!("{}x{} in {}", shape.width, shape.height, if shape.channels == 1 { "grey" } else { "color" })
            };
            let is_same = asked.channels == own.channels
                && (self.size.is_none() || (asked.width, asked.height) == (own.width, own.height));
            ensure!(
                is_same,
                "the recipe {} draws pictures of {}, not of {}: leave out --size and --grey, or leave out the recipe, \
                 and a network for that size is built",
                config.name,
                words(own),
                words(asked)
            );
        }
        Ok(config)
    }
}
