//! Settings of augmentation: random changes of the pictures that the discriminator sees. The changes themselves are
//! in [`crate::augment`].

use std::fmt;

use anyhow::{Result, ensure};
use gen_core::Shape;

use super::keys::recipe;

recipe! {
    /// Random changes that real and generated pictures undergo before the discriminator sees them (Zhao et al. 2020,
    /// arXiv:2006.10738). The generator does not learn to draw them. Without this table nothing is changed.
    #[derive(Debug, Clone, Copy, PartialEq, Default)]
    pub struct Augment {
        /// Mirror half of the pictures left to right.
        ///
        /// Default: `false`.
        #[serde(default)]
        pub flip: bool,
        /// Shift in both directions by up to this share of the height and the width: `0.125` is 4 pixels of 32. From `1`
        /// on, a number of pixels. The uncovered edge is filled with 0, the middle grey of `range = "symmetric"`.
        ///
        /// Default: `0.0`.
        #[serde(default)]
        pub translate: f64,
        /// Height and width of a rectangle at a random place that is set to 0, as a share of the picture's: `0.5` is
        /// 16 pixels of 32. From `1` on, a number of pixels.
        ///
        /// Default: `0.0`.
        #[serde(default)]
        pub cutout: f64,
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
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct SmallDataset {
        /// The data set is small if it has fewer pictures than this.
        pub below: usize,
        /// Used instead of the recipe's `augment` if the data set is small.
        pub augment: Augment,
    }
}

/// Pixels of a side of `side` pixels: `extent` is a share of it below 1, and a number of pixels from 1 on.
fn pixels(extent: f64, side: u16) -> u16 {
    let pixels = if extent < 1.0 { extent * f64::from(side) } else { extent };
    // `as` cuts to 0..=65535.
    pixels.round() as u16
}

/// An extent as people read it: `0.125 of the side`, `4 pixels`.
struct Extent(f64);

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            share if share < 1.0 => write!(f, "{share} of the side"),
            pixels => write!(f, "{pixels} pixels"),
        }
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.flip.then(|| "flip".to_owned()));
        parts.extend((self.translate > 0.0).then(|| format!("shift by up to {}", Extent(self.translate))));
        parts.extend((self.cutout > 0.0).then(|| format!("cutout of {}", Extent(self.cutout))));
        parts.extend(self.colour.then(|| "colours".to_owned()));
        f.write_str(if parts.is_empty() { "not at all" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

impl Augment {
    /// Largest shift, in pixels, along a side of `side` pixels.
    pub fn shift(&self, side: u16) -> u16 {
        pixels(self.translate, side)
    }

    /// Length of the cutout, in pixels, along a side of `side` pixels.
    pub fn hole(&self, side: u16) -> u16 {
        pixels(self.cutout, side)
    }

    /// # Errors
    /// When `translate` or `cutout` is negative or not a number, or leaves nothing of a picture of this shape.
    pub fn check(&self, picture: Shape) -> Result<()> {
        let side = picture.height.min(picture.width);
        for (name, extent) in [("translate", self.translate), ("cutout", self.cutout)] {
            ensure!(
                extent >= 0.0 && pixels(extent, side) < side,
                "`{name}` must be a share of the side, such as 0.125, or a number of pixels under {side}, the shorter \
                 side of the pictures; it is {extent}"
            );
        }
        Ok(())
    }
}
