//! The streams of random numbers of a step.

/// Streams of random numbers. Each purpose has its own, so that no two share numbers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    GeneratorInit,
    DiscriminatorInit,
    Latents,
    FreshLatents,
    Labels,
    Shuffle,
    /// Augmentation in the discriminator's pass 0, 1 or 2: on the generated pictures, on the real pictures, in the
    /// generator's update.
    Augment(u64),
    Dropout(u64),
    /// The order of the pictures of one class, with balanced classes.
    ShuffleClass(u64),
    /// Latents of the pictures whose logits are compared with those of held-out ones.
    Compared,
}

impl Stream {
    pub(super) fn number(self) -> u64 {
        match self {
            Self::GeneratorInit => 0,
            Self::DiscriminatorInit => 1,
            Self::Latents => 2,
            Self::FreshLatents => 3,
            Self::Labels => 4,
            Self::Shuffle => 5,
            Self::Augment(pass) => 8 + pass,
            Self::Dropout(pass) => 16 + pass,
            Self::Compared => 32,
            Self::ShuffleClass(class) => 64 + class,
        }
    }
}
