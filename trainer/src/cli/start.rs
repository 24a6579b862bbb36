//! What `--from` names: a run, a checkpoint, the folder of a shipped model, or a model file.

use std::path::Path;

use anyhow::{Context as _, Result};
use gen_core::format::MAGIC;
use gen_core::{Model, aligned};

use super::model_file::begins_with;
use trainer::card::Shipped;
use trainer::config::Config;
use trainer::run::start::TeacherModel;
use trainer::run::{Folder, Start, discriminator, start};

/// Opens what `--from` names. `recipe` is the one that the user chose, if any: a model file of its own has none.
///
/// # Errors
/// When there is no such thing, it is damaged, or nothing says with which recipe a model was trained.
pub(crate) fn open(path: &Path, recipe: Option<&Config>) -> Result<Start> {
    if path.is_dir() {
        return match start::checkpoint_in(path)? {
            None if path.join("card.toml").is_file() => shipped(path),
            _ => Start::open(path),
        };
    }
    if is_model(path) { model_file(path, recipe) } else { Start::open(path) }
}

/// Opens the teacher that a recipe names: a run, a checkpoint, the folder of a shipped model, or a model file.
///
/// # Errors
/// When there is no such thing, or it is damaged.
pub(crate) fn teacher(config: &Config) -> Result<Option<TeacherModel>> {
    let Some(distil) = &config.distil else { return Ok(None) };
    let open = |path: &Path| match path {
        folder if folder.is_dir() && start::checkpoint_in(folder)?.is_none() && folder.join("card.toml").is_file() => {
            TeacherModel::of_model(folder.join("model.gen"), &Shipped::open(folder)?.blob)
        }
        file if is_model(file) => {
            let blob = std::fs::read(file).with_context(|| format!("cannot read the model {}", file.display()))?;
            TeacherModel::of_model(file.to_owned(), &blob)
        }
        other => TeacherModel::open(other),
    };
    open(&distil.teacher).context("distil: teacher").map(Some)
}

/// Whether this is a file that begins as a model does.
fn is_model(path: &Path) -> bool {
    begins_with(path, MAGIC)
}

/// A shipped model: its card has the recipe, its folder may have the discriminator.
fn shipped(folder: &Path) -> Result<Start> {
    let Shipped { card, blob } = Shipped::open(folder)?;
    let discriminator = discriminator::of_folder(folder, &card.config)?;
    Start::of_model(folder.join("model.gen"), &blob, &card.config, discriminator)
}

/// A model file: the recipe is that of the card or of the run beside it, else the one that the user chose, else the preset
/// of its name.
fn model_file(path: &Path, recipe: Option<&Config>) -> Result<Start> {
    let blob = std::fs::read(path).with_context(|| format!("cannot read the model {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    if folder.join("card.toml").is_file() && Shipped::open(folder).is_ok_and(|shipped| shipped.blob == blob) {
        return shipped(folder);
    }
    let name = Model::parse(&aligned(&blob)).with_context(|| path.display().to_string())?.name().to_owned();
    let of_run = Folder::open(folder).and_then(|run| run.config()).ok();
    let config = of_run.or_else(|| recipe.cloned()).or_else(|| Config::preset(&name).ok());
    let config = config.with_context(|| {
        format!(
            "{} does not say with which recipe it was trained, and no preset has its name {name}: give the recipe with \
             --config",
            path.display()
        )
    })?;
    Start::of_model(path.to_owned(), &blob, &config, None)
}
