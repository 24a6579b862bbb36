//! A row of a picture, with its kind of pixels.

/// A row of a picture, from left to right. It says which kind of pixels it has, so that bytes of grey are never taken for
/// red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixels<'a> {
    /// One byte a pixel: its brightness, 0 is black.
    Grey(&'a [u8]),
    /// Three bytes a pixel: red, green, blue.
    Rgb(&'a [[u8; 3]]),
}

impl<'a> Pixels<'a> {
    /// The row of pixels in `bytes`: grey if a pixel has one channel, otherwise red, green and blue.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], channels: u16) -> Self {
        // The rest is empty: the parser allows 1 and 3 channels.
        if channels == 1 { Self::Grey(bytes) } else { Self::Rgb(bytes.as_chunks().0) }
    }

    /// The bytes of all pixels: one for each pixel of a grey row, three for each of the other kind.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Grey(row) => row,
            Self::Rgb(row) => row.as_flattened(),
        }
    }

    /// Number of pixels.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Grey(row) => row.len(),
            Self::Rgb(row) => row.len(),
        }
    }

    /// Whether there are no pixels.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Red, green and blue of pixel `x`, counted from 0 at the left; all three are the brightness of a grey pixel.
    /// `None` at the end of the row and behind it.
    #[inline]
    pub fn rgb(self, x: usize) -> Option<[u8; 3]> {
        match self {
            Self::Grey(row) => row.get(x).map(|&grey| [grey; 3]),
            Self::Rgb(row) => row.get(x).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pixels;

    #[test]
    fn a_row_knows_its_kind() {
        let grey = Pixels::new(&[1, 2, 3], 1);
        assert_eq!(grey, Pixels::Grey(&[1, 2, 3]));
        assert_eq!((grey.len(), grey.bytes(), grey.rgb(2), grey.rgb(3)), (3, &[1, 2, 3][..], Some([3; 3]), None));
        let rgb = Pixels::new(&[1, 2, 3], 3);
        assert_eq!(rgb, Pixels::Rgb(&[[1, 2, 3]]));
        assert_eq!((rgb.len(), rgb.bytes(), rgb.rgb(0), rgb.rgb(1)), (1, &[1, 2, 3][..], Some([1, 2, 3]), None));
        assert!(!grey.is_empty() && Pixels::new(&[], 3).is_empty());
    }
}
