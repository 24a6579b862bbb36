//! The model that a program embeds.

use std::path::{Path, PathBuf};
use std::{env, fs};

use gen_core::Model;
use gen_core::aligned;

use crate::facts::repository;

/// The default model, relative to the root of the repository.
pub const DEFAULT_MODEL: &str = "models/pocket-drawn/model.gen";
/// The environment variable that names another model. A relative path starts at the root of the repository or, for a
/// package outside of the repository, at the package's folder.
pub const VARIABLE: &str = "FROG_MODEL";

/// The path of the model to embed, for the package in the folder `package`.
pub(crate) fn chosen(package: &Path) -> Result<PathBuf, String> {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let repository = repository();
    let is_here = repository.canonicalize().is_ok_and(|here| package.starts_with(here));
    let path = match env::var_os(VARIABLE) {
        Some(path) if is_here => repository.join(path),
        Some(path) => package.join(path),
        None => repository.join(DEFAULT_MODEL),
    };
    path.canonicalize().map_err(|e| format!("cannot find the model {}: {e}", path.display()))
}

/// Reads and checks a model file, and passes the model to `with`.
pub(crate) fn parsed<T>(path: &Path, with: impl FnOnce(&Model<'_>) -> Result<T, String>) -> Result<T, String> {
    println!("cargo::rerun-if-changed={}", path.display());
    let blob = aligned(fs::read(path).map_err(|e| format!("cannot read the model {}: {e}", path.display()))?);
    let model = Model::parse(&blob).map_err(|e| format!("{}: {e}", path.display()))?;
    with(&model)
}

/// The source of `model.rs`, the constants that a program includes. The compiler reads the file too, for the length of the
/// workspace, which depends on the kernels of the target.
pub(crate) fn constants(model: &Model<'_>, path: &Path, is_external: bool) -> String {
    let (picture, size) = (model.output_shape(), model.size());
    let mut source = format!(
        "/// Bytes of the model.\n\
         pub const MODEL_LEN: usize = {size};\n\
         /// Checksum of the model: [`gen_core::Model::checksum`].\n\
         pub const MODEL_CHECKSUM: u32 = {:#x};\n\
         /// Width of a picture, in pixels.\n\
         pub const PICTURE_WIDTH: usize = {};\n\
         /// Height of a picture, in pixels.\n\
         pub const PICTURE_HEIGHT: usize = {};\n\
         /// Bytes of workspace that the engine needs, with the kernels that gen-core was built with.\n\
         pub const WORKSPACE_LEN: usize = gen_core::include_model!({path:?}).workspace_len();\n\
         /// Bytes of the engine's structs, which the program needs in addition to the workspace.\n\
         pub const STRUCTS_LEN: usize = size_of::<gen_core::Engine<'_>>();\n",
        model.checksum(),
        picture.width,
        picture.height,
    );
    if !is_external {
        source += &format!(
            "/// The model.\n\
             pub static BLOB: &[u8] = gen_core::include_aligned!({path:?});\n"
        );
    }
    source
}
