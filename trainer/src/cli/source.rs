//! Arguments of several commands that select training pictures.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use trainer::config::Config;
use trainer::data::{self, Class, Dataset};
use trainer::run::folder::DataRef;

#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Pictures: a folder of them, CIFAR-10 (folder, .bin or .tar.gz), or "builtin" for drawn frogs
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Which pictures: of CIFAR-10 a class, airplane ... truck; of a folder, the subfolder of that name; or "all"
    /// [default: frog of CIFAR-10, everything of a folder]
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
}

impl SourceArgs {
    /// Loads the pictures, resized to `side`, and logs a description.
    pub(crate) fn load(&self, side: usize) -> Result<Dataset> {
        self.load_silently(side).inspect(data::announce)
    }

    /// Loads the pictures, resized to `side`, and logs nothing about them.
    pub(crate) fn load_silently(&self, side: usize) -> Result<Dataset> {
        read(self.data.clone(), Class::asked(self.class.clone()), side)
    }
}

/// Loads the pictures that a run or a card records, and logs a description.
pub(crate) fn load(path: Option<PathBuf>, class: Class, side: usize) -> Result<Dataset> {
    read(path, class, side).inspect(data::announce)
}

fn read(path: Option<PathBuf>, class: Class, side: usize) -> Result<Dataset> {
    data::load(&data::Request { path, class, side, ..data::Request::default() })
}

/// The pictures that a run was started with.
pub(crate) fn reload(data: &DataRef, config: &Config) -> Result<Dataset> {
    load(Some(data.path.clone()), Class::noted(data.class.clone()), config.side()?)
}
