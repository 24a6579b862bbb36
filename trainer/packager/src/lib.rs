//! Packs a model into a folder with all that a program in C, for Arduino or in Rust needs: [`write`].
//!
//! | module | contents |
//! |---|---|
//! | [`c`], [`arduino`], [`rust`] | the files of each kind of package |
//! | [`libraries`] | the targets, and the static library for each |
//! | [`model_files`] | the model as an array in C, and its header |
//! | [`library`] | builds the static library of `gen-core/c` with cargo |
//! | [`archive`] | leaves out the parts of a static library that nothing in it uses |
//! | [`files`] | the files of a package, before they are written |

pub mod archive;
pub mod arduino;
pub mod c;
pub mod files;
pub mod libraries;
pub mod library;
pub mod model_files;
pub mod rust;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use gen_core::Model;

use files::{Files, check_folder};

/// What a package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A program in C or C++: header, libraries, model, Makefile.
    C,
    /// The Arduino IDE: a precompiled library with a sketch.
    Arduino,
    /// A program in Rust: a crate with a copy of gen-core.
    Rust,
}

/// What was written.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// The targets for which there is a library.
    pub targets: Vec<&'static str>,
    /// The targets that are left out, because they are not installed.
    pub left_out: Vec<&'static str>,
}

/// Writes the package of a model to a new or empty folder. `file` begins at a multiple of 4.
///
/// # Errors
/// If the folder has files in it, `file` is no model, cargo or the sources are missing, or a library cannot be built. The
/// folder is not written to then.
pub fn write(kind: Kind, file: &[u8], folder: &Path) -> Result<Written> {
    let model = Model::parse(file)?;
    check_folder(folder)?;
    let root = library::repository()?;
    let mut files = Files::default();
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        files.copy(&root.join(name), name)?;
    }
    let written = match kind {
        Kind::C => c::add(&mut files, root, file, &model)?,
        Kind::Arduino => arduino::add(&mut files, root, file, &model)?,
        Kind::Rust => {
            rust::add(&mut files, root, file, &model)?;
            Written::default()
        }
    };
    ensure!(!files.is_empty(), "a package has files");
    files.write(folder).with_context(|| format!("cannot write the package {}", folder.display()))?;
    Ok(written)
}

/// A model's name with only small letters, digits and dashes.
pub(crate) fn plain_name(model: &Model<'_>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = model.name().chars().map(plain).collect();
    let name: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    if name.is_empty() { "model".to_owned() } else { name.join("-") }
}
