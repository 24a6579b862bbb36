//! Measures the quality of a generator's pictures during training.

use anyhow::{Context as _, Result};
use log::info;

use crate::data::Dataset;

use crate::latents::sample_budget;
use crate::quality::{MIN_PICTURES, Reference, Scores};
use crate::quantise::FloatModel;

/// Pictures that are drawn for a measurement. A large generator draws fewer, but at least [`MIN_PICTURES_DRAWN`].
const MAX_PICTURES: u32 = 1000;
const MIN_PICTURES_DRAWN: u32 = 200;
/// Seed of the first latent. The range is used for nothing else, and is far from the seeds that users type.
const FIRST: u32 = 0x6800_0000;

/// Scores snapshots of a run against its training pictures.
#[derive(Debug)]
pub struct QualityEvaluator(Reference);

impl QualityEvaluator {
    /// Prepares the training pictures for comparison, and says so, because that takes some seconds for thousands of them,
    /// and longer for pictures of 64x64. If they have labels, classes are measured too. `None` if fewer than
    /// [`MIN_PICTURES`] of them are distinct: the run then does without measurements.
    ///
    /// # Errors
    /// When the pictures are too small, the labels of the data set do not belong to them, or the pictures are in a file
    /// that cannot be read.
    pub fn new(data: &Dataset) -> Result<Option<Self>> {
        if data.distinct()? < MIN_PICTURES {
            return Ok(None);
        }
        info!("measuring the training pictures, for the quality score");
        let classes = data.labels.as_ref().map(|labels| (labels.of.as_slice(), labels.names.as_slice()));
        let reference = Reference::with_classes(&data.pictures, classes);
        Ok(Some(Self(reference.context("every.measure: leave it out, or give other pictures")?)))
    }

    /// Scores a generator by the pictures that it draws from a fixed list of latents.
    ///
    /// # Errors
    /// When these pictures do not have the size of the real ones.
    pub fn measure(&self, model: &FloatModel) -> Result<Scores> {
        let count = sample_budget(model.macs(), MAX_PICTURES).max(MIN_PICTURES_DRAWN);
        self.0.score(model.pictures(model.input().range(FIRST, count).view()).view())
    }
}
