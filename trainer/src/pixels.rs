//! Conversion between pixels 0 … 255 and the values of the networks.

use crate::config::Range;

/// Converts a pixel to a value in the networks' range.
pub fn to_float(pixel: u8, range: Range) -> f32 {
    match range {
        Range::Symmetric => f32::from(pixel) / 127.5 - 1.0,
        Range::Unit => f32::from(pixel) / 255.0,
    }
}

/// Converts a network's value to a pixel. Values outside of the range are clamped.
pub fn to_pixel(value: f32, range: Range) -> u8 {
    let scaled = match range {
        Range::Symmetric => (value + 1.0) * 127.5,
        Range::Unit => value * 255.0,
    };
    (scaled + 0.5).clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_survives_the_way_through_both_ranges() {
        for range in [Range::Symmetric, Range::Unit] {
            for pixel in 0..=255 {
                assert_eq!(to_pixel(to_float(pixel, range), range), pixel, "{range:?}");
            }
            assert_eq!((to_pixel(-9.0, range), to_pixel(9.0, range)), (0, 255), "{range:?}");
        }
    }
}
