//! The start of a run from the networks of an earlier one, or from the generator of a model, for other pictures or classes.
//!
//! Layers that are the same in both recipes are taken over, and vectors of classes with the same name. Everything else
//! begins with random numbers, as do the moments of the optimisers and the count of steps. A model has only a generator, as
//! integers: its float generator is [recovered](crate::quantise::recover) from them. Its discriminator begins anew, unless a
//! file has one.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use gen_core::{Model, aligned};
use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::folder::{BEST, Folder};
use crate::config::Config;
use crate::nn::{Network, Params};
use crate::numbers::grouped;
use crate::quantise::recover::parameters;
use crate::quantise::{FloatModel, QuantModel};
use crate::text;
use crate::train::{State, Trainer};

/// File name of the [`Origin`] in a run's folder.
pub const START: &str = "start.toml";
/// File name of the [`Origin`] of its teacher.
pub const TEACHER: &str = "teacher.toml";

/// The networks that a run starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Where they are, to be written down.
    pub origin: Origin,
    config: Config,
    /// The generator's parameters, and their moving average.
    generator: [Params; 2],
    /// `None`: it begins anew.
    discriminator: Option<Params>,
}

/// What a run folder and a card record of a start: `start.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The checkpoint, or the model file.
    pub path: PathBuf,
    /// Number of steps of the checkpoint; 0 for a model.
    pub step: u64,
    /// CRC-32 (as in zip), eight hexadecimal digits: of a checkpoint's average generator and its discriminator, of a model's
    /// file and its discriminator.
    pub crc32: String,
    /// Whether it is a model.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_model: bool,
}

impl Origin {
    /// The start of a run that has one.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub fn of(run: &Folder) -> Result<Option<Self>> {
        Self::read(&run.file(START))
    }

    /// The origin that a file records; `None` without the file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let read = || -> Result<Self> { Ok(toml::from_str(&text::read(path)?)?) };
        read().map(Some).with_context(|| format!("cannot read {}", path.display()))
    }
}

impl Origin {
    /// The origin that is a model file with these bytes, and a discriminator with these weights, if there is one.
    fn of_model<'a>(path: PathBuf, blob: &[u8], discriminator: impl Iterator<Item = &'a f32>) -> Self {
        let mut crc = crc32fast::Hasher::new();
        crc.update(blob);
        Self { path, step: 0, crc32: crc_of(crc, discriminator), is_model: true }
    }

    /// Checks that `found` is this origin; `what` is what it has to be.
    ///
    /// # Errors
    /// When it has other weights.
    pub fn check(&self, found: &Self, what: &str) -> Result<()> {
        ensure!(
            self.crc32 == found.crc32,
            "{} is not {what}: CRC-32 {} of its weights instead of {}",
            found.path.display(),
            found.crc32,
            self.crc32
        );
        Ok(())
    }
}

impl fmt::Display for Origin {
    /// Such as `runs/001-pocket/best.ckpt, step 3,000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, step, is_model, .. } = self;
        match is_model {
            true => write!(f, "{}, whose float generator is recovered from its integers", path.display()),
            false => write!(f, "{}, step {}", path.display(), grouped(*step)),
        }
    }
}

impl Start {
    /// Opens a checkpoint, or the best one (else the last one) of a run's folder.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let Some(file) = checkpoint_in(path)? else {
            anyhow::bail!(
                "{} has no checkpoint and no card, so a run cannot start from it: give a run's folder, a checkpoint, the \
                 folder of a shipped model, or a model file",
                path.display()
            )
        };
        let Checkpoint { config, state, .. } = Checkpoint::load(&file)?;
        let State { step, generator, average, discriminator, .. } = state;
        let crc32 = crc_of(crc32fast::Hasher::new(), average.iter().chain(discriminator.iter()));
        let origin = Origin { path: file, step, crc32, is_model: false };
        Ok(Self { origin, config, generator: [generator, average], discriminator: Some(discriminator) })
    }

    /// The generator of a model file with these bytes, for the recipe that it was trained with, and the parameters of its
    /// discriminator if they are known.
    ///
    /// # Errors
    /// When the file is damaged, or its generator is not that of the recipe.
    pub fn of_model(path: PathBuf, blob: &[u8], config: &Config, discriminator: Option<Vec<f32>>) -> Result<Self> {
        let read = || {
            let float = recovered(blob)?;
            let class_names = float.classes.as_ref().map_or(Vec::new(), |classes| classes.names.clone());
            let config = Config { class_names, ..config.clone() };
            let generator = parameters(&config, &float)?;
            anyhow::Ok((config, generator))
        };
        let (config, generator) = read().with_context(|| format!("cannot start from {}", path.display()))?;
        let origin = Origin::of_model(path, blob, discriminator.iter().flatten());
        let generator = Params::from(generator);
        let discriminator = discriminator.map(Params::from);
        Ok(Self { origin, config, generator: [generator.clone(), generator], discriminator })
    }

    /// The recipe of the earlier run, for other pictures: without the names of its classes, and without its teacher, which
    /// draws the pictures of that run. What few pictures need is no
    /// longer in the recipe of a run, so it is taken from the preset of the same name.
    pub fn recipe(&self) -> Config {
        let config = self.config.clone();
        let small_dataset = Config::preset(&config.name).ok().and_then(|preset| preset.small_dataset);
        Config { class_names: Vec::new(), distil: None, small_dataset, warm_up: 0, ..config }
    }

    /// A trainer for `config` that begins with these networks, and what was taken over.
    ///
    /// # Errors
    /// When the recipe is invalid, or has no layer of this generator.
    pub fn trainer(&self, config: Config) -> Result<(Trainer, TakenOver)> {
        let (before, now) = (self.config.networks()?, config.networks()?);
        let names = [&self.config.class_names[..], &config.class_names];
        let mut taken_over = TakenOver::default();
        let generator = shared(Some(&before.0), &now.0, names, "generator", &mut taken_over);
        ensure!(
            !generator.is_empty(),
            "no layer of the generator of {} is one of the recipe {}: start without --from, or with the recipe of that run",
            self.origin.path.display(),
            config.name
        );
        let known = self.discriminator.as_ref().map(|_| &before.1);
        let discriminator = shared(known, &now.1, names, "discriminator", &mut taken_over);
        let mut state = Trainer::new(config.clone())?.state;
        let [params, average] = &self.generator;
        for (source, target, parts) in [
            (params, &mut state.generator, &generator),
            (average, &mut state.average, &generator),
            (self.discriminator.as_ref().unwrap_or(&Params::default()), &mut state.discriminator, &discriminator),
        ] {
            for (theirs, ours) in parts {
                target[ours.clone()].copy_from_slice(&source[theirs.clone()]);
            }
        }
        Ok((Trainer::with_state(config, state)?, taken_over))
    }
}

/// The teacher of a run, as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct TeacherModel {
    /// Where it is, to be written down.
    pub origin: Origin,
    /// The generator.
    pub model: FloatModel,
}

impl TeacherModel {
    /// The average generator of a checkpoint, or of the best one (else the last one) of a run's folder.
    ///
    /// # Errors
    /// The errors of [`Start::open`].
    pub fn open(path: &Path) -> Result<Self> {
        let Start { origin, config, generator: [_, average], .. } = Start::open(path)?;
        let model = FloatModel::fold(&config, &average).with_context(|| origin.path.display().to_string())?;
        Ok(Self { origin, model })
    }

    /// The generator of a model file with these bytes, recovered from its integers.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn of_model(path: PathBuf, blob: &[u8]) -> Result<Self> {
        let model = recovered(blob).with_context(|| path.display().to_string())?;
        Ok(Self { origin: Origin::of_model(path, blob, std::iter::empty()), model })
    }
}

/// The checkpoint that a run starts from if `path` is given: the file itself; of a run's folder the best one, else the last
/// one. `None` for a folder without checkpoints.
///
/// # Errors
/// When the folder is a run that has none yet.
pub fn checkpoint_in(path: &Path) -> Result<Option<PathBuf>> {
    Ok(match path {
        file if !file.is_dir() => Some(file.to_owned()),
        folder if folder.join(BEST).is_file() => Some(folder.join(BEST)),
        folder if folder.join("checkpoints").is_dir() => {
            let last = Folder::open(folder)?.checkpoints()?.pop();
            Some(last.with_context(|| format!("{} has no checkpoint yet", folder.display()))?)
        }
        _ => None,
    })
}

/// The float generator of a model file with these bytes, recovered from its integers.
fn recovered(blob: &[u8]) -> Result<FloatModel> {
    Ok(FloatModel::of_integers(&QuantModel::from_model(&Model::parse(&aligned(blob))?)?))
}

/// The CRC-32 of these values, behind what `crc` has already read.
fn crc_of<'a>(mut crc: crc32fast::Hasher, values: impl Iterator<Item = &'a f32>) -> String {
    values.for_each(|value| crc.update(&value.to_le_bytes()));
    format!("{:08x}", crc.finalize())
}

/// Parameters that two networks share: where they are in the one, and in the other.
type Shared = Vec<(Range<usize>, Range<usize>)>;

/// Finds what the network `now` takes over from the network `before`; nothing if there is none.
fn shared(
    before: Option<&Network>,
    now: &Network,
    names: [&[String]; 2],
    network: &'static str,
    said: &mut TakenOver,
) -> Shared {
    let mut parts = Vec::new();
    let (mut taken, mut new) = (Vec::new(), Vec::new());
    for (i, ours) in now.blocks().iter().enumerate() {
        let theirs = before.and_then(|before| before.blocks().get(i)).filter(|theirs| {
            let same_layer = theirs.spec().layer.op == ours.spec().layer.op;
            same_layer && theirs.geometry() == ours.geometry() && theirs.spec().norm == ours.spec().norm
        });
        match theirs {
            Some(theirs) => {
                parts.push((theirs.weights().start..theirs.end(), ours.weights().start..ours.end()));
                taken.push(i);
            }
            None => new.push(i),
        }
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    if let Some(ours) = now.classes() {
        for (class, name) in names[1].iter().enumerate() {
            let place = names[0].iter().position(|other| other == name);
            let theirs = before.and_then(Network::classes).zip(place).map(|(theirs, class)| theirs.vector(class as u8));
            let ours = ours.vector(class as u8);
            match theirs.filter(|theirs| theirs.len() == ours.len()) {
                Some(theirs) => {
                    parts.push((theirs, ours));
                    known.push(name.clone());
                }
                None => unknown.push(name.clone()),
            }
        }
    }
    said.networks.push(Part { network, taken, new, known, unknown });
    parts
}

/// What a run takes over, and what is new in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakenOver {
    networks: Vec<Part>,
}

/// The same for one network: numbers of layers, names of classes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    network: &'static str,
    taken: Vec<usize>,
    new: Vec<usize>,
    known: Vec<String>,
    unknown: Vec<String>,
}

impl fmt::Display for TakenOver {
    /// Such as `generator: layers 0 to 4; discriminator: layers 0 to 3, new: layer 4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Part { network, taken, new, known, unknown }) in self.networks.iter().enumerate() {
            let words = |layers: &[usize], classes: &[String]| {
                let layers = match layers {
                    [] => None,
                    [one] => Some(format!("layer {one}")),
                    [first, .., last] if last - first + 1 == layers.len() => Some(format!("layers {first} to {last}")),
                    some => {
                        Some(format!("layers {}", some.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")))
                    }
                };
                let classes = (!classes.is_empty()).then(|| format!("classes {}", classes.join(", ")));
                layers.into_iter().chain(classes).collect::<Vec<_>>().join(", ")
            };
            let (taken, new) = (words(taken, known), words(new, unknown));
            let gap = if i > 0 { "; " } else { "" };
            write!(f, "{gap}{network}: {}", if taken.is_empty() { "nothing" } else { &taken })?;
            if !new.is_empty() {
                write!(f, ", new: {new}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(config: &Config) -> Start {
        let mut state = Trainer::new(config.clone()).unwrap().state;
        // Other numbers than a new run has.
        for list in [&mut state.generator, &mut state.average, &mut state.discriminator] {
            list.iter_mut().for_each(|value| *value += 1.0);
        }
        let origin = Origin { path: "a.ckpt".into(), step: 70, crc32: String::new(), is_model: false };
        let State { generator, average, discriminator, .. } = state;
        Start { origin, config: config.clone(), generator: [generator, average], discriminator: Some(discriminator) }
    }

    fn small() -> Config {
        let mut config = Config::preset("pocket-tiny").unwrap();
        config.small_dataset = None;
        config
    }

    #[test]
    fn the_same_recipe_takes_everything_over_but_steps_and_moments() {
        let start = start(&small());
        let (trainer, said) = start.trainer(small()).unwrap();
        let to = &trainer.state;
        assert_eq!([&to.generator, &to.average], [&start.generator[0], &start.generator[1]]);
        assert_eq!(Some(&to.discriminator), start.discriminator.as_ref());
        assert_eq!(to.step, 0);
        assert!(to.generator_moments.first.iter().all(|&m| m == 0.0));
        assert!(!said.to_string().contains("new"), "{said}");
    }

    #[test]
    fn other_layers_begin_anew_and_the_others_do_not() {
        let start = start(&small());
        let mut other = small();
        let last = other.discriminator.layers.len() - 2;
        other.discriminator.layers[last].channels += 8;
        let (trainer, said) = start.trainer(other.clone()).unwrap();
        assert_eq!(trainer.state.generator, start.generator[0]);
        let fresh = Trainer::new(other.clone()).unwrap().state.discriminator;
        let (_, network) = other.networks().unwrap();
        for (i, block) in network.blocks().iter().enumerate() {
            let part = block.weights().start..block.end();
            let is_new = trainer.state.discriminator[part.clone()] == fresh[part];
            assert_eq!(is_new, i >= last, "layer {i}");
        }
        assert!(said.to_string().ends_with(&format!("new: layers {last} to {}", last + 1)), "{said}");
        // The same numbers would mean something else behind another normalisation.
        let mut other = small();
        let layer = &mut other.discriminator.layers[last];
        (layer.batch_norm, layer.layer_norm) = (false, true);
        let (_, said) = start.trainer(other).unwrap();
        assert!(said.to_string().ends_with(&format!("new: layer {last}")), "{said}");
    }

    #[test]
    fn classes_are_taken_over_by_name() {
        let with = |names: &[&str]| {
            let class_names = names.iter().map(|&name| name.to_owned()).collect();
            Config { class_names, ..small() }
        };
        let start = start(&with(&["cat", "dog"]));
        let now = with(&["dog", "owl"]);
        let (trainer, said) = start.trainer(now.clone()).unwrap();
        let vector = |config: &Config, params: &[f32], class| {
            params[config.networks().unwrap().0.classes().unwrap().vector(class)].to_vec()
        };
        assert_eq!(vector(&now, &trainer.state.average, 0), vector(&start.config, &start.generator[1], 1));
        let fresh = Trainer::new(now.clone()).unwrap().state.average;
        assert_eq!(vector(&now, &trainer.state.average, 1), vector(&now, &fresh, 1));
        assert!(said.to_string().contains("classes dog, new: classes owl; "), "{said}");
    }

    #[test]
    fn without_a_discriminator_it_begins_anew() {
        let before = Start { discriminator: None, ..start(&small()) };
        let (trainer, said) = before.trainer(small()).unwrap();
        assert_eq!(trainer.state.discriminator, Trainer::new(small()).unwrap().state.discriminator);
        assert_eq!(trainer.state.average, before.generator[1]);
        assert!(said.to_string().contains("discriminator: nothing, new: layers 0 to"), "{said}");
    }

    #[test]
    fn a_recipe_with_nothing_in_common_is_refused() {
        let mut other = small();
        other.latent += 1;
        for layer in &mut other.generator.layers {
            layer.channels += 1;
        }
        other.generator.layers.last_mut().unwrap().channels = 3;
        let error = start(&small()).trainer(other).unwrap_err().to_string();
        assert!(error.contains("no layer of the generator of a.ckpt"), "{error}");
    }
}
