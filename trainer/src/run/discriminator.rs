//! The weights of a discriminator as a file beside a shipped model, so that a run can start from both networks.
//!
//! The arrays of layer N are `discriminator.N.weight` in the layout of [`Linear`](crate::nn::linear::Linear),
//! `discriminator.N.bias` (with batch normalisation its beta) and `discriminator.N.gamma`; with classes
//! `discriminator.classes`, `[class, width]`. All are float32.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::checkpoint::Checkpoint;
use super::start::checkpoint_in;
use crate::config::Config;
use crate::nn::linear::weight_dim;
use crate::tensors::Tensors;

/// Name of the file in a model's folder.
pub const DISCRIMINATOR: &str = "discriminator.safetensors";

/// A part of the parameters: the name of its array, its shape, its place.
type Part = (String, Vec<usize>, std::ops::Range<usize>);

/// The parts of the discriminator's parameters, in their order, and their number.
fn parts(config: &Config) -> Result<(Vec<Part>, usize)> {
    let (_, network) = config.networks()?;
    let mut parts = Vec::new();
    for (i, block) in network.blocks().iter().enumerate() {
        let (rows, columns) = weight_dim(block.spec().layer.op, block.geometry());
        parts.push((format!("discriminator.{i}.weight"), vec![rows, columns], block.weights()));
        for (leaf, range) in [("bias", block.bias_or_beta()), ("gamma", block.gamma())] {
            if !range.is_empty() {
                parts.push((format!("discriminator.{i}.{leaf}"), vec![range.len()], range));
            }
        }
    }
    if let Some(classes) = network.classes() {
        parts.push(("discriminator.classes".into(), vec![classes.count, classes.width], classes.range.clone()));
    }
    Ok((parts, network.parameter_count()))
}

/// The bytes of the file for these parameters of the recipe's discriminator.
///
/// # Errors
/// When they are not as many as the recipe's discriminator has.
pub fn to_safetensors(config: &Config, params: &[f32]) -> Result<Vec<u8>> {
    let (parts, count) = parts(config)?;
    ensure!(params.len() == count, "{} parameters, the discriminator has {count}", params.len());
    let bytes = |range: &std::ops::Range<usize>| params[range.clone()].iter().flat_map(|v| v.to_le_bytes()).collect();
    let arrays: Vec<(_, _, Vec<u8>)> = parts.iter().map(|(name, shape, range)| (name, shape, bytes(range))).collect();
    let views = arrays
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.to_vec(), bytes)?)));
    let views: Vec<_> = views.collect::<Result<_>>()?;
    let metadata = HashMap::from([("preset".to_owned(), config.name.clone())]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// The bytes of the file for the discriminator of a finished run: that of its best snapshot, else of its last.
///
/// # Errors
/// When the run has no checkpoint, or it is damaged.
pub fn of_run(run: &Path) -> Result<Vec<u8>> {
    let file = checkpoint_in(run)?.with_context(|| format!("{} has no checkpoint", run.display()))?;
    let Checkpoint { config, state, .. } = Checkpoint::load(&file)?;
    to_safetensors(&config, &state.discriminator)
}

/// The parameters of the recipe's discriminator in a model's folder; `None` if it has no such file.
///
/// # Errors
/// When the file is damaged, or of another discriminator.
pub fn of_folder(folder: &Path, config: &Config) -> Result<Option<Vec<f32>>> {
    let path = folder.join(DISCRIMINATOR);
    if !path.exists() {
        return Ok(None);
    }
    let read = || {
        let tensors = Tensors::read(&path)?;
        let (parts, count) = parts(config)?;
        let mut params = vec![0.0; count];
        for (name, shape, range) in parts {
            let array = tensors.shaped(&name, &shape)?;
            params[range].iter_mut().zip(array).for_each(|(to, &from)| *to = from as f32);
        }
        ensure!(params.iter().all(|p| p.is_finite()), "a weight is not a number");
        anyhow::Ok(params)
    };
    read().map(Some).with_context(|| format!("{} (without it, the discriminator begins anew)", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Trainer;

    #[test]
    fn survives_the_way_through_a_file() {
        let pocket = Config::preset("pocket-tiny").unwrap();
        let class_names = ["cat", "dog"].map(str::to_owned).to_vec();
        for config in [pocket.clone(), Config { class_names, ..pocket.clone() }] {
            let folder = tempfile::tempdir().unwrap();
            assert_eq!(of_folder(folder.path(), &config).unwrap(), None);
            let params = Trainer::new(config.clone()).unwrap().state.discriminator;
            std::fs::write(folder.path().join(DISCRIMINATOR), to_safetensors(&config, &params).unwrap()).unwrap();
            assert_eq!(of_folder(folder.path(), &config).unwrap(), Some(params.to_vec()));
            let mut other = config.clone();
            other.discriminator.layers[0].channels += 1;
            let error = format!("{:#}", of_folder(folder.path(), &other).unwrap_err());
            assert!(error.contains("discriminator.0.weight") && error.contains("begins anew"), "{error}");
        }
    }
}
