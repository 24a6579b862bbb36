//! The model that a program embeds.

use std::path::{Path, PathBuf};
use std::{env, fs};

use gen_core::aligned;
use gen_core::{Latent, Model};

use crate::facts::repository;

/// The default model, relative to the root of the repository.
pub const DEFAULT_MODEL: &str = "models/pocket-drawn/model.gen";
/// The environment variable that names another model. A relative path starts at the root of the repository or, for a
/// package outside of the repository, at the package's folder.
pub const VARIABLE: &str = "FROG_MODEL";

/// The environment variable with the latent of the first picture: two hexadecimal digits for each value, as `trainer invert`
/// prints them.
pub const LATENT: &str = "FROG_LATENT";
/// The environment variable with the class of the pictures: a name, or a number from 0 on.
pub const CLASS: &str = "FROG_CLASS";

/// What the first picture of a program shows, if the environment says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct First {
    latent: Option<Latent>,
    class: Option<String>,
}

/// What [`LATENT`] and [`CLASS`] say for a model.
pub(crate) fn first(model: &Model<'_>) -> Result<First, String> {
    let read = |name| {
        println!("cargo::rerun-if-env-changed={name}");
        match env::var(name) {
            Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(e) => Err(format!("{name}: {e}")),
        }
    };
    first_of(model, read(LATENT)?, read(CLASS)?)
}

/// [`first`] for these values of the variables.
fn first_of(model: &Model<'_>, latent: Option<String>, class: Option<String>) -> Result<First, String> {
    let latent = latent.map(|text| Latent::from_hex(&text, model.latent_len())).transpose();
    let latent = latent.map_err(|e| format!("{LATENT}: {e}"))?;
    let classes = model.classes();
    if let Some(class) = &class
        && classes.find(class).is_none()
        && class.parse().ok().is_none_or(|number: usize| number >= classes.len())
    {
        let names: Vec<_> = classes.names().collect();
        return Err(match names[..] {
            [] => format!("{CLASS}: the model has no classes, so none is called {class:?}"),
            _ => format!("{CLASS}: the model has no class {class:?}. Its classes are {}", names.join(", ")),
        });
    }
    Ok(First { latent, class })
}

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
pub(crate) fn constants(model: &Model<'_>, path: &Path, is_external: bool, first: &First) -> String {
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
         pub const STRUCTS_LEN: usize = size_of::<gen_core::Engine<'_>>();\n\
         /// Steps of the latent that was given when the program was built.\n\
         pub const LATENT: Option<&[i8]> = {};\n\
         /// The class that was given when the program was built, by name or number.\n\
         pub const CLASS: Option<&str> = {:?};\n",
        model.checksum(),
        picture.width,
        picture.height,
        first.latent.as_ref().map_or("None".to_owned(), |latent| format!("Some(&{:?})", latent.steps())),
        first.class,
    );
    if !is_external {
        source += &format!(
            "/// The model.\n\
             pub static BLOB: &[u8] = gen_core::include_aligned!({path:?});\n"
        );
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &[u8] = include_bytes!("../../../models/digits/model.gen");
    const DRAWN: &[u8] = include_bytes!("../../../models/pocket-drawn/model.gen");

    fn of(blob: &[u8], latent: Option<&str>, class: Option<&str>) -> Result<First, String> {
        let bytes = aligned(blob.to_vec());
        let model = Model::parse(&bytes).expect("it is whole");
        first_of(&model, latent.map(str::to_owned), class.map(str::to_owned))
    }

    #[test]
    fn the_first_picture_is_checked_for_the_model() {
        assert_eq!(of(DRAWN, None, None), Ok(First::default()));
        let bytes = aligned(DIGITS);
        let latent = Model::parse(&bytes).expect("it is whole").latent(3);
        let text = latent.hex().to_string();
        let first = First { latent: Some(latent), class: Some("7".to_owned()) };
        assert_eq!(of(DIGITS, Some(&text), Some("7")), Ok(first.clone()));
        assert!(
            of(DIGITS, Some(&text[1..]), None).is_err_and(|e| e.starts_with("FROG_LATENT: the latent of this model"))
        );
        let error = of(DIGITS, None, Some("frog")).err();
        assert_eq!(
            error.as_deref(),
            Some("FROG_CLASS: the model has no class \"frog\". Its classes are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9")
        );
        let error = of(DRAWN, None, Some("0")).err();
        assert_eq!(error.as_deref(), Some("FROG_CLASS: the model has no classes, so none is called \"0\""));

        let source = |blob: &[u8], first: &First| {
            let bytes = aligned(blob.to_vec());
            constants(&Model::parse(&bytes).expect("it is whole"), Path::new("model.gen"), true, first)
        };
        let none = source(DRAWN, &First::default());
        assert!(
            none.contains("LATENT: Option<&[i8]> = None;") && none.contains("CLASS: Option<&str> = None;"),
            "{none}"
        );
        let short = Latent::from_steps(&[1, -2]);
        let given = source(DIGITS, &First { latent: short, ..first });
        assert!(given.contains("= Some(&[1, -2]);") && given.contains("CLASS: Option<&str> = Some(\"7\");"), "{given}");
    }
}
