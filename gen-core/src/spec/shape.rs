//! Height, width and channels.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::limits::{MAX_CHANNELS, MAX_SIDE};

/// Height, width and channels of a picture or feature map, stored in that order
/// (channels of one pixel are neighbours).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Shape {
    /// Rows.
    pub height: u16,
    /// Pixels in a row.
    pub width: u16,
    /// Values in a pixel.
    pub channels: u16,
}

impl Shape {
    /// A shape from its three lengths.
    pub const fn new(height: u16, width: u16, channels: u16) -> Self {
        Self { height, width, channels }
    }

    /// The shape of a latent: one pixel.
    pub const fn latent(len: u16) -> Self {
        Self::new(1, 1, len)
    }

    /// Number of values.
    pub const fn len(self) -> usize {
        self.height as usize * self.row_len()
    }

    /// Number of values in a row.
    pub const fn row_len(self) -> usize {
        self.width as usize * self.channels as usize
    }

    /// Whether a length is zero.
    pub const fn is_empty(self) -> bool {
        // Not by `len`, which 32 bits may not hold before the lengths are checked.
        self.height == 0 || self.width == 0 || self.channels == 0
    }

    pub(super) const fn is_too_large(self) -> bool {
        self.height > MAX_SIDE || self.width > MAX_SIDE || self.channels > MAX_CHANNELS
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}
