//! Pixels 0 … 255 and the values that networks have for them.

use crate::config::Range;

/// A pixel as a value of the networks' range.
pub fn to_float(pixel: u8, range: Range) -> f32 {
    match range {
        Range::Symmetric => f32::from(pixel) / 127.5 - 1.0,
        Range::Unit => f32::from(pixel) / 255.0,
    }
}

/// A network's value as a pixel; values outside the range are clamped.
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
