//! Arguments of several commands that select training pictures.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use gen_core::Shape;

use super::args::{colour, fit};

use trainer::config::Config;
use trainer::data::{self, Class, Dataset, Fit, Fitting, Target};
use trainer::run::folder::DataRef;

#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Pictures: a folder of them, CIFAR-10 or CIFAR-100 (folder, file or .tar.gz, binary or Python), MNIST and its
    /// like (IDX, .npz, .npy), or "builtin" for drawn frogs
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Which pictures: of CIFAR a class, such as frog; of a folder, the subfolder of that name; of IDX and .npz, a
    /// number among the labels; or "all"
    /// [default: frog of CIFAR-10, everything of other sources]
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
    /// What happens to pictures of other proportions
    #[arg(long, default_value_t = Fit::Crop, value_parser = fit())]
    pub(crate) fit: Fit,
    /// Colour behind transparent pixels and beside padded pictures: white, black, or RRGGBB
    #[arg(long, default_value = "white", value_name = "COLOR", value_parser = colour)]
    pub(crate) background: Background,
}

/// A colour, red, green and blue.
pub(crate) type Background = [u8; 3];

impl SourceArgs {
    /// Loads the pictures, brought to this shape, and logs a description.
    pub(crate) fn load(&self, shape: Shape) -> Result<Dataset> {
        self.load_silently(shape).inspect(data::announce)
    }

    /// Loads the pictures, brought to this shape, and logs nothing about them.
    pub(crate) fn load_silently(&self, shape: Shape) -> Result<Dataset> {
        read(self.data.clone(), Class::asked(self.class.clone()), Target { shape, fitting: self.fitting() })
    }

    /// How pictures are brought to a shape.
    pub(crate) fn fitting(&self) -> Fitting {
        Fitting { fit: self.fit, background: self.background }
    }
}

/// Loads the pictures that a run or a card records, and logs a description.
pub(crate) fn load(path: Option<PathBuf>, class: Class, target: Target) -> Result<Dataset> {
    read(path, class, target).inspect(data::announce)
}

fn read(path: Option<PathBuf>, class: Class, target: Target) -> Result<Dataset> {
    data::load(&data::Request { path, class, target, ..data::Request::default() })
}

/// The pictures that a run was started with.
pub(crate) fn reload(data: &DataRef, config: &Config) -> Result<Dataset> {
    load(
        Some(data.path.clone()),
        Class::noted(data.class.clone()),
        Target { shape: config.picture()?, fitting: data.fitting },
    )
}
