//! The quality of a generator's pictures during training.

use anyhow::{Context as _, Result};

use crate::data::Dataset;

use crate::latents::{latents, sample_budget};
use crate::quality::{MIN_PICTURES, Reference, Scores};
use crate::quantise::FloatModel;

/// Pictures that are drawn for a measurement; fewer by a large generator, but not under [`MIN_PICTURES_DRAWN`].
const MAX_PICTURES: u32 = 1000;
const MIN_PICTURES_DRAWN: u32 = 200;
/// Number of the first latent: not those that people ask for, nor those of another purpose.
const FIRST: u32 = 0x6800_0000;

/// Scores snapshots of a run against its training pictures.
#[derive(Debug)]
pub struct QualityEvaluator(Reference);

impl QualityEvaluator {
    /// Prepares the pictures of a run: some seconds for thousands of them. `None` when too few are distinct to
    /// be compared with: then the run goes without.
    ///
    /// # Errors
    /// When they are too small.
    pub fn new(data: &Dataset) -> Result<Option<Self>> {
        if data.distinct() < MIN_PICTURES {
            return Ok(None);
        }
        let reference = Reference::new(data.pictures.view());
        Ok(Some(Self(reference.context("every.measure: leave it out, or give other pictures")?)))
    }

    /// Measures a generator by its pictures of the same latents every time.
    ///
    /// # Errors
    /// When they have another size than the real ones.
    pub fn measure(&self, model: &FloatModel) -> Result<Scores> {
        let count = sample_budget(model.macs(), MAX_PICTURES).max(MIN_PICTURES_DRAWN);
        self.0.score(model.pictures(latents(FIRST, count, model.latent).view()).view())
    }
}
