//! The start of a run from the networks of an earlier one, for other pictures or classes.
//!
//! Layers that are the same in both recipes are taken over, and vectors of classes with the same name. Everything else
//! begins with random numbers, as do the moments of the optimisers and the count of steps.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::folder::{BEST, Folder};
use crate::config::Config;
use crate::nn::Network;
use crate::text;
use crate::train::{State, Trainer};

/// File name of the [`Origin`] in a run's folder.
pub const START: &str = "start.toml";

/// The checkpoint that a run starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Where it is, to be written down.
    pub origin: Origin,
    /// The recipe and the networks.
    pub checkpoint: Checkpoint,
}

/// What a run folder and a card record of a start: `start.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The checkpoint file.
    pub path: PathBuf,
    /// Its number of steps.
    pub step: u64,
    /// CRC-32 (as in zip) of its average generator and its discriminator, eight hexadecimal digits.
    pub crc32: String,
}

impl Origin {
    /// The start of a run that has one.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub fn of(run: &Folder) -> Result<Option<Self>> {
        let path = run.file(START);
        if !path.exists() {
            return Ok(None);
        }
        let read = || -> Result<Self> { Ok(toml::from_str(&text::read(&path)?)?) };
        read().map(Some).with_context(|| format!("cannot read {}", path.display()))
    }
}

impl Start {
    /// Opens a checkpoint, or the best one (else the last one) of a run's folder.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let file = match path {
            folder if !folder.is_dir() => path.to_owned(),
            folder if folder.join(BEST).is_file() => folder.join(BEST),
            folder if folder.join("checkpoints").is_dir() => {
                let last = Folder::open(folder)?.checkpoints()?.pop();
                last.with_context(|| format!("{} has no checkpoint yet", folder.display()))?
            }
            folder => anyhow::bail!(
                "{} has no checkpoint, so a run cannot start from it: the discriminator is needed too, and a model has \
                 only the generator. Give a run's folder or a checkpoint; `trainer rebuild` trains a shipped model again",
                folder.display()
            ),
        };
        let checkpoint = Checkpoint::load(&file)?;
        let State { step, average, discriminator, .. } = &checkpoint.state;
        let mut crc = crc32fast::Hasher::new();
        average.iter().chain(discriminator.iter()).for_each(|value| crc.update(&value.to_le_bytes()));
        let origin = Origin { path: file, step: *step, crc32: format!("{:08x}", crc.finalize()) };
        Ok(Self { origin, checkpoint })
    }

    /// The recipe of the earlier run, for other pictures: without the names of its classes. What few pictures need is no
    /// longer in the recipe of a run, so it is taken from the preset of the same name.
    pub fn recipe(&self) -> Config {
        let config = self.checkpoint.config.clone();
        let small_dataset = Config::preset(&config.name).ok().and_then(|preset| preset.small_dataset);
        Config { class_names: Vec::new(), small_dataset, ..config }
    }

    /// A trainer for `config` that begins with the networks of this checkpoint, and what was taken over.
    ///
    /// # Errors
    /// When the recipe is invalid, or has no layer of the checkpoint's generator.
    pub fn trainer(&self, config: Config) -> Result<(Trainer, TakenOver)> {
        let (before, now) = (self.checkpoint.config.networks()?, config.networks()?);
        let names = [&self.checkpoint.config.class_names[..], &config.class_names];
        let mut taken_over = TakenOver::default();
        let generator = shared(&before.0, &now.0, names, "generator", &mut taken_over);
        ensure!(
            !generator.is_empty(),
            "no layer of the generator of {} is one of the recipe {}: start without --from, or with the recipe of that run",
            self.origin.path.display(),
            config.name
        );
        let discriminator = shared(&before.1, &now.1, names, "discriminator", &mut taken_over);
        let mut state = Trainer::new(config.clone())?.state;
        let from = &self.checkpoint.state;
        for (source, target, parts) in [
            (&from.generator, &mut state.generator, &generator),
            (&from.average, &mut state.average, &generator),
            (&from.discriminator, &mut state.discriminator, &discriminator),
        ] {
            for (theirs, ours) in parts {
                target[ours.clone()].copy_from_slice(&source[theirs.clone()]);
            }
        }
        Ok((Trainer::with_state(config, state)?, taken_over))
    }
}

/// Parameters that two networks share: where they are in the one, and in the other.
type Shared = Vec<(Range<usize>, Range<usize>)>;

/// Finds what the network `now` takes over from the network `before`.
fn shared(
    before: &Network,
    now: &Network,
    names: [&[String]; 2],
    network: &'static str,
    said: &mut TakenOver,
) -> Shared {
    let mut parts = Vec::new();
    let (mut taken, mut new) = (Vec::new(), Vec::new());
    for (i, ours) in now.blocks().iter().enumerate() {
        let theirs = before.blocks().get(i).filter(|theirs| {
            let same_layer = theirs.spec().layer.op == ours.spec().layer.op;
            same_layer && theirs.geometry() == ours.geometry() && theirs.gamma().is_empty() == ours.gamma().is_empty()
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
            let theirs = before.classes().zip(place).map(|(theirs, class)| theirs.vector(class as u8));
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
        state.step = 70;
        let checkpoint = Checkpoint {
            config: config.clone(),
            state,
            pending: Default::default(),
            seconds: 0.0,
            data: String::new(),
            health: Default::default(),
        };
        Start { origin: Origin { path: "a.ckpt".into(), step: 70, crc32: String::new() }, checkpoint }
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
        let (from, to) = (&start.checkpoint.state, &trainer.state);
        assert_eq!(
            (&to.generator, &to.average, &to.discriminator),
            (&from.generator, &from.average, &from.discriminator)
        );
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
        assert_eq!(trainer.state.generator, start.checkpoint.state.generator);
        let fresh = Trainer::new(other.clone()).unwrap().state.discriminator;
        let (_, network) = other.networks().unwrap();
        for (i, block) in network.blocks().iter().enumerate() {
            let part = block.weights().start..block.end();
            let is_new = trainer.state.discriminator[part.clone()] == fresh[part];
            assert_eq!(is_new, i >= last, "layer {i}");
        }
        assert!(said.to_string().ends_with(&format!("new: layers {last} to {}", last + 1)), "{said}");
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
        let before = &start.checkpoint;
        assert_eq!(vector(&now, &trainer.state.average, 0), vector(&before.config, &before.state.average, 1));
        let fresh = Trainer::new(now.clone()).unwrap().state.average;
        assert_eq!(vector(&now, &trainer.state.average, 1), vector(&now, &fresh, 1));
        assert!(said.to_string().contains("classes dog, new: classes owl; "), "{said}");
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
