//! Settings of the guard rails: when a run counts as failing, and how it recovers. They are applied in
//! [`crate::run::guard`].

use anyhow::{Result, ensure};

use super::keys::recipe;

recipe! {
    /// When training counts as diverged or collapsed. The run then goes back to its best (or last) snapshot with lower
    /// learning rates. Without `every.measure` only divergence is noticed: `max_loss` and `max_weight`.
    #[derive(Debug, Clone, Copy, PartialEq)]
    #[serde(default)]
    pub struct Guard {
        /// A loss above this, or below minus this, counts as diverged.
        ///
        /// Default: `1000.0`.
        #[serde(alias = "loss")]
        pub max_loss: f64,
        /// A weight above this, or below minus this, counts as diverged.
        ///
        /// Default: `1000.0`.
        #[serde(alias = "weight")]
        pub max_weight: f32,
        /// A diversity (1 is that of the real pictures) below this counts as collapsed: all pictures look alike.
        ///
        /// Default: `0.15`.
        #[serde(alias = "diversity")]
        pub min_diversity: f64,
        /// A quality score of more than this many times the lowest one is bad (0 is best) ...
        ///
        /// Default: `2.5`.
        #[serde(alias = "worse")]
        pub max_score_ratio: f64,
        /// ... and this many bad measurements in a row count as collapsed.
        ///
        /// Default: `5`.
        pub patience: u32,
        /// This many steps in a row in which the discriminator makes no mistake count as trouble, since the generator
        /// learns nothing from them. A measurement that is kept as the best starts the count again.
        ///
        /// Default: `1000`.
        #[serde(alias = "winning")]
        pub max_winning_steps: u64,
        /// How often a run goes back before it gives up.
        ///
        /// Default: `4`.
        #[serde(alias = "rollbacks")]
        pub max_rollbacks: u32,
        /// The learning rates are multiplied by this each time the run goes back.
        ///
        /// Default: `0.5`.
        #[serde(alias = "rate")]
        pub lr_factor: f32,
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            max_loss: 1000.0,
            max_weight: 1000.0,
            min_diversity: 0.15,
            max_score_ratio: 2.5,
            patience: 5,
            max_winning_steps: 1000,
            max_rollbacks: 4,
            lr_factor: 0.5,
        }
    }
}

impl Guard {
    /// Whether all values are the defaults.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the ranges of the values.
    ///
    /// # Errors
    /// When a value is out of its range; the message names the first.
    pub fn check(&self) -> Result<()> {
        let Self { max_loss, max_weight, min_diversity, max_score_ratio, lr_factor, .. } = *self;
        ensure!(max_loss > 0.0, "guard: `max_loss` must be over 0, not {max_loss}");
        ensure!(max_weight > 0.0, "guard: `max_weight` must be over 0, not {max_weight}");
        ensure!(
            (0.0..1.0).contains(&min_diversity),
            "guard: `min_diversity` must be 0 or more and under 1, not {min_diversity}"
        );
        ensure!(max_score_ratio > 1.0, "guard: `max_score_ratio` must be over 1, not {max_score_ratio}");
        ensure!(self.patience > 0, "guard: `patience` must be at least 1");
        ensure!(self.max_winning_steps > 0, "guard: `max_winning_steps` must be at least 1");
        ensure!(
            lr_factor > 0.0 && lr_factor <= 1.0,
            "guard: `lr_factor` must be over 0 and at most 1, not {lr_factor}"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused() {
        assert!(Guard::default().check().is_ok());
        for bad in [
            Guard { max_score_ratio: 1.0, ..Guard::default() },
            Guard { lr_factor: 0.0, ..Guard::default() },
            Guard { patience: 0, ..Guard::default() },
            Guard { min_diversity: 1.0, ..Guard::default() },
            Guard { max_loss: f64::NAN, ..Guard::default() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
