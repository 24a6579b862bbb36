//! Makes a card from the folder of a finished run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::aligned;
use gen_core::{Model, WeightTransform};

use super::{Card, Data, File, Shipped, Training};
use crate::config::Config;
use crate::data::{BUILTIN, Dataset};
use crate::machine;
use crate::quantise::{FloatModel, QuantModel, noise, quantise_tuned};
use crate::run::folder::{BEST, DataRef, UNFINISHED};
use crate::run::session::resume_command;
use crate::run::start::{Origin, TEACHER};
use crate::run::{Checkpoint, Folder};

/// The part of a card that the user has to write.
#[derive(Debug, Clone, Default)]
pub struct CardInput {
    /// Name of the model.
    pub name: String,
    /// Short description: what the model draws and what it is for.
    pub about: String,
    /// Identifiers of the licences of the model, as the Hugging Face Hub writes them.
    pub license: Vec<String>,
    /// Contents and source of the pictures; required unless they are built in.
    pub source: Option<String>,
    /// Measurements.
    pub scores: BTreeMap<String, toml::Value>,
}

/// The card and the model of a finished run. `load` loads its training pictures.
///
/// # Errors
/// When the folder is not a run, the run is not finished, its pictures have changed or their
/// source is not given, or when the run cannot be reproduced bit for bit because its result
/// depended on the time or its number of steps was changed.
pub fn describe(
    path: &Path,
    input: CardInput,
    load: impl FnOnce(&DataRef, &Config) -> Result<Dataset>,
) -> Result<Shipped> {
    let folder = Folder::open(path)?;
    let data_ref = folder.data_ref()?;
    let checkpoint = folder.latest()?;
    // The recipe may have been changed during the run; a rebuilt run starts with the original one.
    let mut config = folder.config()?;
    let (step, steps) = (checkpoint.state.step, checkpoint.config.steps);
    ensure!(
        step >= steps,
        "the run is not finished: step {step} of {steps}. Continue with: {}",
        resume_command(path, "")
    );
    ensure!(
        !folder.file(UNFINISHED).exists(),
        "the run is not finished: it was stopped while it was fine-tuned. Continue with: {}",
        resume_command(path, "")
    );
    let mut edited = checkpoint.config.differences(&config);
    edited.retain(|key| key != "steps");
    ensure!(
        edited.is_empty(),
        "{} is not the recipe that the run followed: {} differ from its checkpoint. Undo that first",
        folder.file("config.toml").display(),
        edited.join(", ")
    );
    if let Some(minutes) = data_ref.minutes {
        ensure!(
            !config.depends_on_length(),
            "a run with --minutes {minutes} cannot be rebuilt to the same bits: its learning rate fell towards an end \
             that the clock moved while it ran. Train with --steps {step} instead"
        );
    }
    if let Some(moved) = data_ref.end_moved {
        bail!(
            "a run whose end was moved at step {moved}, by `resume --steps`, cannot be rebuilt to the same bits: the \
             steps before had been on their way to another end. Train with --steps {step} from the start instead"
        );
    }
    config.steps = step;
    let source = (data_ref.path == Path::new(BUILTIN)).then(|| PathBuf::from(BUILTIN));
    let about = match (input.source, &source) {
        (Some(about), _) => about,
        (None, Some(_)) => data_ref.name.clone(),
        (None, None) => bail!(
            "say with --source TEXT what the pictures are and where others find them: {} means nothing elsewhere",
            data_ref.path.display()
        ),
    };
    let file = folder.file("model.gen");
    let blob = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let fast_layers = fast_layers(&blob).with_context(|| file.display().to_string())?;
    let data = load(&data_ref, &config)?;
    let (training, _) = data.split(config.holdout, config.seed)?;
    let mut scores = likeness_of(&folder, &blob)?;
    scores.extend(input.scores);
    let card = Card {
        name: input.name,
        about: input.about,
        license: input.license,
        program: machine::program(),
        data: Data {
            about,
            source,
            class: data_ref.class,
            fitting: data_ref.fitting,
            count: data.len(),
            held_out: data.len() - training.len(),
            fingerprint: checkpoint.data,
        },
        training: Training {
            minutes: tenths(checkpoint.seconds / 60.0),
            processor: machine::arithmetic(&config),
            first_steps: machine::first_steps(&config, &training)?,
            start: Origin::of(&folder)?,
            teacher: Origin::read(&folder.file(TEACHER))?,
        },
        model: File::of(&blob, fast_layers),
        scores,
        config,
    };
    card.check_data(&data)?;
    Ok(Shipped { card, blob })
}

/// Layers of a model with Winograd-transformed weights.
fn fast_layers(blob: &[u8]) -> Result<Vec<usize>> {
    let model = QuantModel::from_model(&Model::parse(&aligned(blob))?)?;
    let fast = model.layers.iter().enumerate().filter(|(_, layer)| layer.transform == WeightTransform::Winograd);
    Ok(fast.map(|(i, _)| i).collect())
}

/// Similarity of the model's pictures to those of its float generator: the run's best snapshot or one of its
/// checkpoints. Empty if the model comes from none of those that still exist.
fn likeness_of(folder: &Folder, blob: &[u8]) -> Result<BTreeMap<String, toml::Value>> {
    let mut scores = BTreeMap::new();
    let last_first = folder.checkpoints()?.into_iter().rev();
    for path in std::iter::once(folder.file(BEST)).chain(last_first) {
        let Ok(checkpoint) = Checkpoint::load(&path) else { continue };
        let float = FloatModel::fold(&checkpoint.config, &checkpoint.state.average)?;
        if quantise_tuned(&float, checkpoint.config.quantise.tune)?.model.to_blob()? != blob {
            continue;
        }
        let bytes = aligned(blob);
        let model = Model::parse(&bytes).context("model.gen")?;
        // The same measurement as in the run's report.
        let close = noise::measure(&float, &model)?.pictures;
        if close.psnr.is_finite() {
            scores.insert("int8 against float, PSNR in dB".into(), tenths(close.psnr).into());
        }
        scores.insert("int8 against float, SSIM".into(), ((close.ssim * 1e4).round() / 1e4).into());
        break;
    }
    Ok(scores)
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
