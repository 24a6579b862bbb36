//! Settings of augmentation: random changes of the pictures that the discriminator sees. The changes themselves are
//! in [`crate::augment`].

use std::fmt;

use anyhow::{Result, ensure};
use gen_core::Shape;

use super::keys::recipe;

recipe! {
    /// Random changes that real and generated pictures undergo before the discriminator sees them (Zhao et al. 2020,
    /// arXiv:2006.10738). The generator does not learn to draw them. Without this table nothing is changed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Augment {
        /// Mirror half of the pictures left to right.
        ///
        /// Default: `false`.
        #[serde(default)]
        pub flip: bool,
        /// Shift by up to this many pixels in both directions. The uncovered edge is filled with 0, the middle grey of
        /// `range = "symmetric"`.
        ///
        /// Default: `0`.
        #[serde(default)]
        pub translate: u16,
        /// Side in pixels of a square at a random place that is set to 0.
        ///
        /// Default: `0`.
        #[serde(default)]
        pub cutout: u16,
        /// Change the brightness by up to ±0.5, the saturation by a factor of 0 to 2, the contrast by a factor of 0.5
        /// to 1.5.
        ///
        /// Default: `false`.
        #[serde(default, rename = "color", alias = "colour")]
        pub colour: bool,
    }
}

recipe! {
    /// A small data set is soon memorised: the discriminator recognises the real pictures, and the generator learns
    /// nothing more from it. Stronger augmentation delays that. When a run begins, this table is either applied to
    /// `augment` or dropped, so the run folder's `config.toml` does not have it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SmallDataset {
        /// The data set is small if it has fewer pictures than this.
        pub below: usize,
        /// Used instead of the recipe's `augment` if the data set is small.
        pub augment: Augment,
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.flip.then(|| "flip".to_owned()));
        parts.extend((self.translate > 0).then(|| format!("shift by up to {}", self.translate)));
        parts.extend((self.cutout > 0).then(|| format!("cutout {0}x{0}", self.cutout)));
        parts.extend(self.colour.then(|| "colours".to_owned()));
        f.write_str(if parts.is_empty() { "not at all" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

impl Augment {
    /// # Errors
    /// When `translate` or `cutout` leaves too little of a picture of this shape.
    pub fn check(&self, picture: Shape) -> Result<()> {
        let side = picture.height.min(picture.width);
        ensure!(
            self.translate < side && self.cutout < side,
            "`translate` and `cutout` must be under {side} pixels, the shorter side of the pictures; they are {} and {}",
            self.translate,
            self.cutout
        );
        Ok(())
    }
}
