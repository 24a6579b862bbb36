//! Distillation: the generator learns from the pictures of a trained one, its teacher, too.

use std::path::PathBuf;

use super::keys::recipe;

recipe! {
    /// Distillation from a teacher: a trained generator, usually a larger one. Both draw the same latents, and two distances
    /// between their pictures are added to the generator's loss. Without this table there is no teacher.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Distil {
        /// The folder of a run or of a shipped model, a checkpoint, or a model file. Its pictures have the size and the
        /// `range` of this recipe, and it has the same classes or none. A shorter latent reads the first values, a longer one
        /// also sums of all values with fixed random signs.
        pub teacher: PathBuf,
        /// Weight of the distance of the pictures, 0 to 1e6: the mean absolute difference of the pixels, plus that of
        /// the means over squares of 2x2 pixels, plus that over squares of 4x4.
        ///
        /// Default: `10.0`.
        #[serde(default = "ten")]
        pub pixels: f32,
        /// Weight of the distance of the features, 0 to 1e6: the mean absolute difference of the discriminator's maps for
        /// both pictures, summed over its hidden layers.
        ///
        /// Default: `10.0`.
        #[serde(default = "ten")]
        pub features: f32,
        /// The weights are constant up to this share of the steps and then fall linearly to 0 at the end; 1 for constant
        /// weights.
        ///
        /// Default: `1.0`.
        #[serde(default = "one")]
        pub decay_start: f32,
    }
}

impl Default for Distil {
    /// The weights that a recipe has if it names the teacher only.
    fn default() -> Self {
        Self { teacher: PathBuf::new(), pixels: ten(), features: ten(), decay_start: one() }
    }
}

fn ten() -> f32 {
    10.0
}

fn one() -> f32 {
    1.0
}
