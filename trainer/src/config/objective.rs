//! What the two networks are trained for: labels and gradient penalties.

use super::keys::recipe;

recipe! {
    /// Targets of the discriminator. They belong to `loss = "bce"`.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Labels {
        /// For real pictures, −10 to 10. The generator is trained to get this answer for its pictures.
        pub real: f32,
        /// For generated pictures, −10 to 10.
        pub generated: f32,
        /// Label noise: a random number from 0 to this is added to each of the discriminator's targets.
        ///
        /// Default: `0.0`.
        #[serde(default)]
        pub noise: f32,
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self { real: 1.0, generated: 0.0, noise: 0.0 }
    }
}

recipe! {
    /// Gradient penalties R1 and R2 of the discriminator, in the convention of StyleGAN's gamma: `weight / 2` times the
    /// mean squared gradient of the logit with respect to the picture is added to the loss. Without this table there
    /// are none.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Penalty {
        /// Weight on real pictures (R1), 0 to 1e6.
        ///
        /// Default: `0.0`.
        #[serde(default)]
        pub real: f32,
        /// Weight on generated pictures (R2), 0 to 1e6.
        ///
        /// Default: `0.0`.
        #[serde(default)]
        pub generated: f32,
        /// Steps between two penalties, which are then as many times as heavy (lazy regularisation; Karras et al. 2020,
        /// arXiv:1912.04958).
        pub every: u64,
    }
}
