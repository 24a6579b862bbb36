//! A display driver: 96x64 pixels, black or white, such as a small e-paper display. Every drawing call sends the changed
//! rows at once, with eight pixels in a byte.

use core::convert::Infallible;

use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

pub const WIDTH: usize = 96;
pub const HEIGHT: usize = 64;

/// The display: a frame buffer, and a function that sends its rows.
pub struct Paper<S> {
    bytes: [[u8; WIDTH / 8]; HEIGHT],
    /// Sends one row: its index and its bytes.
    send: S,
}

impl<S: FnMut(usize, &[u8])> Paper<S> {
    pub fn new(send: S) -> Self {
        Self { bytes: [[0; WIDTH / 8]; HEIGHT], send }
    }

    fn set(&mut self, at: Point, colour: BinaryColor) {
        let (x, y) = (at.x as usize, at.y as usize);
        let bit = 0x80 >> (x % 8);
        match colour {
            BinaryColor::On => self.bytes[y][x / 8] |= bit,
            BinaryColor::Off => self.bytes[y][x / 8] &= !bit,
        }
    }

    fn refresh(&mut self, area: &Rectangle) {
        for y in area.rows() {
            (self.send)(y as usize, &self.bytes[y as usize]);
        }
    }
}

impl<S> OriginDimensions for Paper<S> {
    fn size(&self) -> Size {
        Size::new(WIDTH as u32, HEIGHT as u32)
    }
}

impl<S: FnMut(usize, &[u8])> DrawTarget for Paper<S> {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        let area = self.bounding_box();
        for Pixel(at, colour) in pixels {
            if area.contains(at) {
                self.set(at, colour);
                self.refresh(&Rectangle::new(at, Size::new(1, 1)));
            }
        }
        Ok(())
    }

    /// The app draws a picture in bands of rows, one call for each band. This sends a band row by row, not pixel by pixel.
    fn fill_contiguous<I: IntoIterator<Item = BinaryColor>>(
        &mut self,
        area: &Rectangle,
        colours: I,
    ) -> Result<(), Infallible> {
        let visible = area.intersection(&self.bounding_box());
        for (at, colour) in area.points().zip(colours) {
            if visible.contains(at) {
                self.set(at, colour);
            }
        }
        self.refresh(&visible);
        Ok(())
    }
}
