//! A display in memory, for tests.

use std::vec::Vec;

use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::prelude::*;

/// A display on which every pixel is checked: drawing outside is an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    pub size: Size,
    pub pixels: Vec<Rgb565>,
}

impl OriginDimensions for Frame {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Frame {
    type Color = Rgb565;
    type Error = core::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb565>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(at, colour) in pixels {
            assert!(self.bounding_box().contains(at), "{at} is outside");
            self.pixels[at.y as usize * self.size.width as usize + at.x as usize] = colour;
        }
        Ok(())
    }
}
