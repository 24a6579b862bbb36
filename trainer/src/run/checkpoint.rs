//! Checkpoints: one file with everything that a run needs to resume bit for bit.
//!
//! | bytes | content |
//! |---|---|
//! | 0–3 | magic `RBCK` |
//! | 4–7 | version; all numbers are little-endian |
//! | 8–11 | length of the header |
//! | 12– | [`Header`] in postcard; since version 2 a [`RunHealth`] follows, since version 3 the [`Updates`], since version 4 the pending penalties, since version 5 the pending distances |
//! | then | the lists of [`State`] as f32, in the order of [`lists`] |
//! | last 4 | CRC-32 of everything before |

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::guard::RunHealth;
use super::metrics::Pending;
use crate::config::Config;
use crate::train::State;

/// The first bytes of a checkpoint.
pub const MAGIC: [u8; 4] = *b"RBCK";
const VERSION: u32 = 5;
/// Oldest version that can be read.
const OLDEST: u32 = 1;
/// Number of lists in a [`State`].
const LISTS: usize = 7;

/// The complete state of a run after some step.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The recipe of the run.
    pub config: Config,
    /// Parameters, optimiser moments and number of steps.
    pub state: State,
    /// Losses since the last line of the metrics.
    pub pending: Pending,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Fingerprint of the pictures.
    pub data: String,
    /// The guard rails' record of the run.
    pub health: RunHealth,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    config: String,
    step: u64,
    pending: Pending,
    seconds: f64,
    data: String,
    lengths: [u64; LISTS],
}

/// Number of updates that each optimiser's moments include. After a roll-back they are fewer than the steps
/// of the run.
#[derive(Debug, Serialize, Deserialize)]
struct Updates {
    generator: u64,
    discriminator: u64,
}

fn lists(state: &mut State) -> [&mut Vec<f32>; LISTS] {
    [
        &mut state.generator,
        &mut state.average,
        &mut state.discriminator,
        &mut state.generator_moments.first,
        &mut state.generator_moments.second,
        &mut state.discriminator_moments.first,
        &mut state.discriminator_moments.second,
    ]
}

impl Checkpoint {
    /// Encodes the checkpoint as the bytes of a file.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut state = self.state.clone();
        let lists = lists(&mut state);
        let mut header = postcard::to_stdvec(&Header {
            config: self.config.to_toml(),
            step: self.state.step,
            pending: self.pending,
            seconds: self.seconds,
            data: self.data.clone(),
            lengths: std::array::from_fn(|i| lists[i].len() as u64),
        })?;
        header.extend(postcard::to_stdvec(&self.health)?);
        let [generator, discriminator] = [&self.state.generator_moments, &self.state.discriminator_moments];
        let updates = Updates { generator: generator.updates, discriminator: discriminator.updates };
        header.extend(postcard::to_stdvec(&updates)?);
        header.extend(postcard::to_stdvec(&self.pending.penalty)?);
        header.extend(postcard::to_stdvec(&self.pending.distance)?);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(u32::try_from(header.len())?.to_le_bytes());
        bytes.extend(header);
        for list in lists {
            bytes.extend(list.iter().flat_map(|v| v.to_le_bytes()));
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        Ok(bytes)
    }

    /// Decodes the bytes of a file.
    ///
    /// # Errors
    /// When they are not a checkpoint, are damaged, or have an unknown version.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        ensure!(bytes.starts_with(&MAGIC), "not a checkpoint (it does not begin with RBCK)");
        let Some((content, crc)) = bytes.split_last_chunk::<4>() else { bail!("it is cut off") };
        let number = |at: usize| content.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let (Some(version), Some(header_len)) = (number(4), number(8)) else { bail!("it is cut off") };
        ensure!(
            (OLDEST..=VERSION).contains(&version),
            "version {version}; this program reads versions {OLDEST} to {VERSION}"
        );
        ensure!(crc32fast::hash(content) == u32::from_le_bytes(*crc), "it is damaged or cut off (checksum)");
        let rest = &content[12..];
        let Some((header, mut numbers)) = rest.split_at_checked(header_len as usize) else { bail!("it is cut off") };
        let (header, rest): (Header, _) = postcard::take_from_bytes(header).context("its header is invalid")?;
        let (health, rest): (RunHealth, _) = match version {
            1 => (RunHealth::default(), rest),
            _ => postcard::take_from_bytes(rest).context("its header is invalid")?,
        };
        let (updates, rest): (Updates, _) = match version {
            // These versions used the number of steps as the number of updates.
            1 | 2 => (Updates { generator: header.step, discriminator: header.step }, rest),
            _ => postcard::take_from_bytes(rest).context("its header is invalid")?,
        };
        let mut pending = header.pending;
        if version >= 4 {
            let (penalty, rest) = postcard::take_from_bytes(rest).context("its header is invalid")?;
            pending.penalty = penalty;
            if version >= 5 {
                pending.distance = postcard::from_bytes(rest).context("its header is invalid")?;
            }
        }
        let config = Config::from_toml(&header.config).context("its configuration is invalid")?;

        let mut state = State { step: header.step, ..State::default() };
        state.generator_moments.updates = updates.generator;
        state.discriminator_moments.updates = updates.discriminator;
        for (list, len) in lists(&mut state).into_iter().zip(header.lengths) {
            let bytes = usize::try_from(len).ok().and_then(|len| numbers.split_at_checked(len.checked_mul(4)?));
            let Some((values, rest)) = bytes else { bail!("it is shorter than it says") };
            *list = values.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
            numbers = rest;
        }
        ensure!(numbers.is_empty(), "it is longer than it says");
        // The planning of a time budget divides by it.
        ensure!(header.seconds >= 0.0 && header.seconds.is_finite(), "it says that it took {} seconds", header.seconds);
        Ok(Self { config, state, pending, seconds: header.seconds, data: header.data, health })
    }

    /// Reads a checkpoint from a file.
    ///
    /// # Errors
    /// The errors of [`decode`](Self::decode), and when the file cannot be read. The message has the path.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read the checkpoint {}", path.display()))?;
        Self::decode(&bytes).with_context(|| format!("{} is no usable checkpoint", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{Losses, Trainer};

    fn example() -> Checkpoint {
        let mut config = Config::preset("pocket").unwrap();
        config.generator.layers.truncate(1);
        config.generator.layers[0].channels = 3;
        config.generator.layers[0].activation = crate::config::ActivationName::Tanh;
        config.generator.layers[0].batch_norm = false;
        config.discriminator.layers.drain(..3);
        (config.augment, config.small_dataset) = Default::default();
        let state = Trainer::new(config.clone()).unwrap().state;
        let mut health = RunHealth::default();
        health.keep(7, 41.5);
        let mut state = state;
        // After a roll-back the numbers of updates differ from the number of steps.
        (state.step, state.generator_moments.updates, state.discriminator_moments.updates) = (9, 5, 4);
        let mut pending = Pending::default();
        pending.add(&Losses { d_loss: 0.5, penalty: Some(0.25), distance: Some(2.0), ..Losses::default() });
        Checkpoint { config, state, pending, seconds: 1.5, data: "7".into(), health }
    }

    #[test]
    fn survives_the_way_through_bytes() {
        let checkpoint = example();
        assert_eq!(Checkpoint::decode(&checkpoint.encode().unwrap()).unwrap(), checkpoint);
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_noticed() {
        let bytes = example().encode().unwrap();
        for len in 0..bytes.len() {
            assert!(Checkpoint::decode(&bytes[..len]).is_err(), "cut to {len}");
        }
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x10;
            assert!(Checkpoint::decode(&damaged).is_err(), "byte {i}");
        }
    }

    #[test]
    fn older_versions_are_still_read() {
        let mut checkpoint = example();
        let step = 9;
        checkpoint.state.step = step;
        // Older versions used the number of steps as the number of updates.
        (checkpoint.state.generator_moments.updates, checkpoint.state.discriminator_moments.updates) = (step, step);
        let length = |bytes: Result<Vec<u8>, _>| bytes.unwrap().len();
        let updates = length(postcard::to_stdvec(&Updates { generator: step, discriminator: step }));
        checkpoint.pending.distance = (0.0, 0);
        let distance = length(postcard::to_stdvec(&checkpoint.pending.distance));
        for version in [4, 3, 2, 1] {
            if version == 3 {
                checkpoint.pending.penalty = (0.0, 0);
            }
            let penalty = length(postcard::to_stdvec(&checkpoint.pending.penalty));
            if version == 1 {
                checkpoint.health = RunHealth::default();
            }
            let health = length(postcard::to_stdvec(&checkpoint.health));
            let missing = distance + [penalty + updates + health, penalty + updates, penalty, 0][version as usize - 1];
            let mut bytes = checkpoint.encode().unwrap();
            let header = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
            let end = 12 + header as usize;
            bytes.drain(end - missing..end);
            bytes[4..8].copy_from_slice(&u32::to_le_bytes(version));
            bytes[8..12].copy_from_slice(&(header - missing as u32).to_le_bytes());
            bytes.truncate(bytes.len() - 4);
            bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
            assert_eq!(Checkpoint::decode(&bytes).unwrap(), checkpoint, "version {version}");
        }
    }

    #[test]
    fn lengths_that_lie_are_refused_even_with_a_right_checksum() {
        let mut bytes = example().encode().unwrap();
        bytes.truncate(bytes.len() - 8);
        let crc = crc32fast::hash(&bytes);
        bytes.extend(crc.to_le_bytes());
        assert!(Checkpoint::decode(&bytes).unwrap_err().to_string().contains("shorter"));
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        for seconds in [f64::NAN, f64::INFINITY, -1.0] {
            let bytes = Checkpoint { seconds, ..example() }.encode().unwrap();
            assert!(Checkpoint::decode(&bytes).unwrap_err().to_string().contains("seconds"), "{seconds}");
        }
    }
}
