//! Pictures on displays of `embedded-graphics`: feature `embedded-graphics`.
//!
//! Dithering is ordered: a pixel gets one of the two nearest shades, depending only on its colour and its position.
//! Rows can therefore be streamed, and a morph does not flicker as it would with error diffusion. With 16 greys on
//! 64x64 pixels, photographs looked equally good with both methods.

use embedded_graphics_core::pixelcolor::{
    Bgr555, Bgr565, Bgr666, Bgr888, BinaryColor, Gray2, Gray4, Gray8, Rgb555, Rgb565, Rgb666, Rgb888,
};
use embedded_graphics_core::prelude::*;
use embedded_graphics_core::primitives::Rectangle;

use crate::engine::Engine;
use crate::kernels::Kernels;
use crate::latent::Latent;
use crate::upscale::{BilinearUpscaler, MAX_SCALE};

impl<K: Kernels> Engine<'_, K> {
    /// Draws the picture of `latent` on a display, with its top left corner at `position`. Every pixel becomes `scale` x
    /// `scale` pixels, with [linear interpolation](BilinearUpscaler) between them. `scale` is 1 to [`MAX_SCALE`]; other
    /// values count as the nearest of these.
    ///
    /// A row of the picture is computed, and the lines of the display that it completes are sent, before the next one is
    /// computed. Pixels over the edge of the display are its own affair; those of `embedded-graphics` ignore them.
    ///
    /// ```
    /// use embedded_graphics::{mock_display::MockDisplay, pixelcolor::Rgb888, prelude::*};
    /// use gen_core::{Engine, Workspace, include_model};
    ///
    /// let file = include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny.blob"));
    /// let mut workspace = Workspace::<1024>::new();
    /// let mut engine = Engine::new(file.model()?, &mut workspace)?;
    ///
    /// let latent = engine.model().latent(42);
    /// let mut display = MockDisplay::<Rgb888>::new();
    /// engine.draw(&latent, &mut display, Point::new(4, 8), 2).expect("this display cannot fail");
    /// assert_eq!(display.affected_area().size, Size::new(2 * 12, 2 * 8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of the display. The rest of the picture is not computed then.
    pub fn draw<D: DrawTarget<Color: FromRgb>>(
        &mut self,
        latent: &Latent,
        target: &mut D,
        position: Point,
        scale: u32,
    ) -> Result<(), D::Error> {
        let scale = scale.clamp(1, MAX_SCALE);
        let mut upscaler = BilinearUpscaler::new(self.model().output_shape(), scale);
        let mut rows = self.start(latent);
        while let Some(row) = rows.next() {
            upscaler.row(row, |band| {
                let area =
                    Rectangle::new(position + Point::new(0, band.top() as i32), Size::new(band.width(), band.height()));
                target.fill_contiguous(&area, band.map(|(rgb, x, y)| FromRgb::from_rgb(rgb, x, y)))
            })?;
        }
        Ok(())
    }
}

/// Colours that pictures can be drawn in.
pub trait FromRgb: PixelColor {
    /// Converts a pixel (red, green, blue, each 0 to 255) at column `x` and row `y` of the picture; dithers if the
    /// display has fewer shades. Black and white stay pure.
    ///
    /// A display with 2, 4 or 16 greys gets more contrast.
    fn from_rgb(rgb: [u8; 3], x: u32, y: u32) -> Self;
}

impl FromRgb for BinaryColor {
    fn from_rgb(rgb: [u8; 3], x: u32, y: u32) -> Self {
        (dither(contrast(luma(rgb)), 1, x, y) != 0).into()
    }
}

impl FromRgb for Gray2 {
    fn from_rgb(rgb: [u8; 3], x: u32, y: u32) -> Self {
        Self::new(dither(contrast(luma(rgb)), 3, x, y))
    }
}

impl FromRgb for Gray4 {
    fn from_rgb(rgb: [u8; 3], x: u32, y: u32) -> Self {
        Self::new(dither(contrast(luma(rgb)), 15, x, y))
    }
}

impl FromRgb for Gray8 {
    fn from_rgb(rgb: [u8; 3], _: u32, _: u32) -> Self {
        Self::new(luma(rgb))
    }
}

macro_rules! colours {
    ($($colour:ident),*) => {$(
        impl FromRgb for $colour {
            fn from_rgb([r, g, b]: [u8; 3], x: u32, y: u32) -> Self {
                Self::new(dither(r, Self::MAX_R, x, y), dither(g, Self::MAX_G, x, y), dither(b, Self::MAX_B, x, y))
            }
        }
    )*};
}
colours!(Rgb555, Bgr555, Rgb565, Bgr565, Rgb666, Bgr666, Rgb888, Bgr888);

/// Luma by ITU-R BT.601, with coefficients in 1/256.
const fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((77 * r as u32 + 150 * g as u32 + 29 * b as u32 + 128) >> 8) as u8
}

/// Raises the contrast of the middle greys by 11/8, because foreground and background often have a similar brightness.
const fn contrast(v: u8) -> u8 {
    let stretched = 128 + (v as i32 - 128) * 11 / 8;
    if stretched < 0 {
        0
    } else if stretched > 255 {
        255
    } else {
        stretched as u8
    }
}

/// Bayer matrix: the order in which the pixels of an 8 x 8 tile get brighter.
const ORDER: [[u8; 8]; 8] = {
    let mut order = [[0; 8]; 8];
    let mut i = 0;
    while i < 64 {
        // Interleaves the bits of x ^ y and y, lowest bit first.
        let (x, y) = (i % 8, i / 8);
        let (mut value, mut bit) = (0, 0);
        while bit < 3 {
            value = value << 2 | (((x ^ y) >> bit) & 1) << 1 | (y >> bit) & 1;
            bit += 1;
        }
        order[y][x] = value as u8;
        i += 1;
    }
    order
};

/// Quantises a value of 0 … 255 to a shade of 0 … `top`. The average over a tile is `value · top / 255`.
const fn dither(value: u8, top: u8, x: u32, y: u32) -> u8 {
    let threshold = 2 * ORDER[y as usize % 8][x as usize % 8] as u32 + 1; // 1 … 127, in units of 1/128
    ((value as u32 * top as u32 * 128 + threshold * 255) / (255 * 128)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_the_tile_has_its_turn() {
        let mut turns = [false; 64];
        for value in ORDER.as_flattened() {
            turns[usize::from(*value)] = true;
        }
        assert!(turns.iter().all(|&t| t));
        assert_eq!(ORDER[0][..4], [0, 32, 8, 40]);
    }

    #[test]
    fn a_tile_has_the_average_of_its_value() {
        for (value, top) in (0..=255).flat_map(|v| [1, 15, 31, 63].map(|top| (v, top))) {
            let sum: u32 = (0..64).map(|i| u32::from(dither(value, top, i % 8, i / 8))).sum();
            let exact = f64::from(value) * f64::from(top) / 255.0 * 64.0;
            assert!((f64::from(sum) - exact).abs() <= 0.5, "{value} in {top} steps: {sum}, not {exact}");
        }
    }

    #[test]
    fn black_and_white_stay_pure() {
        for (x, y) in (0..64).map(|i| (i % 8, i / 8)) {
            assert_eq!(Gray4::from_rgb([0; 3], x, y), Gray4::BLACK);
            assert_eq!(Gray4::from_rgb([255; 3], x, y), Gray4::WHITE);
            assert_eq!(Rgb565::from_rgb([255; 3], x, y), Rgb565::WHITE);
            assert_eq!(BinaryColor::from_rgb([255; 3], x, y), BinaryColor::On);
            assert_eq!(Gray2::from_rgb([255; 3], x, y), Gray2::WHITE);
            assert_eq!(Gray8::from_rgb([255; 3], x, y), Gray8::WHITE);
            assert_eq!(Bgr666::from_rgb([255, 0, 0], x, y), Bgr666::RED);
            assert_eq!(Rgb888::from_rgb([1, 77, 254], x, y), Rgb888::new(1, 77, 254));
        }
    }

    #[test]
    fn green_is_brighter_than_red_and_red_than_blue() {
        assert_eq!([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3]].map(luma), [77, 149, 29, 255]);
        assert_eq!([0, 34, 35, 128, 220, 221, 255].map(contrast), [0, 0, 1, 128, 254, 255, 255]);
    }
}
