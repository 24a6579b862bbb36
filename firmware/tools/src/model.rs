//! The default model, and the choice of another.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use firmware_app::class::{self, ClassChoice};
use gen_core::{Latent, Model, aligned};

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

/// What `--class` means for a model.
///
/// # Errors
/// If the model does not have this class. The message lists those that it has.
pub fn class_choice(model: &Model<'_>, word: &str) -> Result<ClassChoice> {
    let classes = model.classes();
    ClassChoice::find(classes, word).with_context(|| format!("there is no class {word}: {}", class::list(classes)))
}

/// What `--latent` means for a model.
///
/// # Errors
/// If the text is not that of a latent of this model.
pub fn given_latent(model: &Model<'_>, text: &str) -> Result<Latent> {
    Latent::from_hex(text, model.latent_len()).context("--latent")
}

/// The setting `latent=...` for a program, from what `--latent` says about the model file `blob`.
///
/// # Errors
/// If `blob` is not a valid model, or the text is not that of a latent of this model.
pub fn latent_setting(blob: &[u8], text: &str) -> Result<String> {
    let latent = given_latent(&Model::parse(&aligned(blob))?, text)?;
    Ok(format!("latent={}", latent.hex()))
}

/// The setting `class=...` for a program, from what `--class` says about the model file `blob`. Settings are separated by
/// white space, so a class with white space in its name is passed by its number.
///
/// # Errors
/// If `blob` is not a valid model or does not have this class, or if the class cannot be passed.
pub fn class_setting(blob: &[u8], word: &str) -> Result<String> {
    let bytes = aligned(blob);
    let model = Model::parse(&bytes)?;
    let choice = class_choice(&model, word)?;
    let number = match choice {
        ClassChoice::One(class) => class.to_string(),
        ClassChoice::All => "all".to_owned(),
    };
    for word in [word, &number] {
        if !word.contains(char::is_whitespace) && ClassChoice::find(model.classes(), word) == Some(choice) {
            return Ok(format!("class={word}"));
        }
    }
    bail!("the class {word} has white space in its name, and another is called {number}: it cannot be passed")
}
