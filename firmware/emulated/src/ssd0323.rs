//! Solomon SSD0323: a controller for OLEDs of up to 128 x 80 pixels in 16 greys.
//!
//! The controller cannot be read over SPI, and packs two pixels in a byte, so the driver keeps a copy of the controller's
//! memory. Every drawing call sends its changes at once: a rectangle as one window, a single pixel as one byte.
//!
//! The first drawing call initialises the display. So does the first call after an error, because the display may have
//! been without power since.

#![forbid(unsafe_code)]

use core::mem;

use embedded_graphics::pixelcolor::Gray4;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// Pixels in a row.
pub const WIDTH: usize = 128;
/// Rows.
pub const HEIGHT: usize = 64;
/// Bytes in a row; the left pixel is the high nibble.
const ROW: usize = WIDTH / 2;

/// The interface to the controller: SPI, and a D/C line that distinguishes commands from data.
pub trait Interface {
    /// The error type.
    type Error;

    /// Sends the bytes of a command (D/C low).
    ///
    /// # Errors
    /// If the bytes cannot be sent.
    fn command(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Sends data bytes (D/C high).
    ///
    /// # Errors
    /// If the bytes cannot be sent.
    fn data(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

const DISPLAY_OFF: u8 = 0xAE;
const DISPLAY_ON: u8 = 0xAF;
const REMAP: u8 = 0xA0;
/// Rows count as on the glass, bytes run along a row, the left pixel is the high
/// nibble. Sets bit 6 (odd and even common lines on either side, as panels of 64
/// rows are wired), bit 4 (reverse common lines) and bit 1 (swap nibbles).
const REMAP_ROWS: u8 = 0x52;
const COLUMNS: u8 = 0x15;
const ROWS: u8 = 0x75;

/// A copy of the controller's memory, 4 KiB. Keep it in a static, because a small stack has no room for it.
pub type FrameBuffer = [[u8; ROW]; HEIGHT];
/// A black [`FrameBuffer`].
pub const BLACK: FrameBuffer = [[0; ROW]; HEIGHT];

/// The driver of the display.
#[derive(Debug)]
pub struct Ssd0323<'m, I> {
    interface: I,
    memory: &'m mut FrameBuffer,
    /// Whether the display is initialised and its memory equals `memory`.
    is_on: bool,
}

impl<'m, I: Interface> Ssd0323<'m, I> {
    /// A driver that first shows the contents of `memory`, and then what is drawn over them.
    pub fn new(interface: I, memory: &'m mut FrameBuffer) -> Self {
        Self { interface, memory, is_on: false }
    }

    /// The grey (0 … 15) of the pixel at `x`, `y`; 0 outside.
    pub fn grey(&self, x: usize, y: usize) -> u8 {
        let byte = self.memory.get(y).and_then(|row| row.get(x / 2)).copied().unwrap_or(0);
        byte >> shift(x) & 0xF
    }

    fn set(&mut self, x: usize, y: usize, colour: Gray4) {
        let byte = &mut self.memory[y][x / 2];
        *byte = *byte & !(0xF << shift(x)) | colour.luma() << shift(x);
    }

    /// Sends the bytes `left ..= right` of the rows `top ..= bottom`; if the display is not initialised, initialises it
    /// and sends everything.
    fn show(&mut self, left: usize, right: usize, top: usize, bottom: usize) -> Result<(), I::Error> {
        if mem::replace(&mut self.is_on, false) {
            self.send(left, right, top, bottom)?;
        } else {
            self.interface.command(&[DISPLAY_OFF, REMAP, REMAP_ROWS])?;
            self.send(0, ROW - 1, 0, HEIGHT - 1)?;
            self.interface.command(&[DISPLAY_ON])?;
        }
        self.is_on = true;
        Ok(())
    }

    fn send(&mut self, left: usize, right: usize, top: usize, bottom: usize) -> Result<(), I::Error> {
        self.interface.command(&[COLUMNS, left as u8, right as u8, ROWS, top as u8, bottom as u8])?;
        self.memory[top..=bottom].iter().try_for_each(|row| self.interface.data(&row[left..=right]))
    }
}

const fn shift(x: usize) -> u32 {
    if x.is_multiple_of(2) { 4 } else { 0 }
}

impl<I> OriginDimensions for Ssd0323<'_, I> {
    fn size(&self) -> Size {
        Size::new(WIDTH as u32, HEIGHT as u32)
    }
}

impl<I: Interface> DrawTarget for Ssd0323<'_, I> {
    type Color = Gray4;
    type Error = I::Error;

    fn draw_iter<P: IntoIterator<Item = Pixel<Gray4>>>(&mut self, pixels: P) -> Result<(), I::Error> {
        let area = self.bounding_box();
        for Pixel(point, colour) in pixels {
            if area.contains(point) {
                let (x, y) = (point.x as usize, point.y as usize);
                self.set(x, y, colour);
                self.show(x / 2, x / 2, y, y)?;
            }
        }
        Ok(())
    }

    fn fill_contiguous<C: IntoIterator<Item = Gray4>>(&mut self, area: &Rectangle, colours: C) -> Result<(), I::Error> {
        let visible = area.intersection(&self.bounding_box());
        let Some(last) = visible.bottom_right() else { return Ok(()) };
        for (point, colour) in area.points().zip(colours) {
            if visible.contains(point) {
                self.set(point.x as usize, point.y as usize, colour);
            }
        }
        let first = visible.top_left;
        self.show(first.x as usize / 2, last.x as usize / 2, first.y as usize, last.y as usize)
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Gray4) -> Result<(), I::Error> {
        self.fill_contiguous(&area.intersection(&self.bounding_box()), core::iter::repeat(colour))
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// A model of the controller, as far as the driver relies on it.
    #[derive(Debug, Default)]
    struct Controller {
        memory: Vec<Vec<u8>>,
        window: [usize; 4],
        at: (usize, usize),
        sent: usize,
        on: bool,
        unplugged: bool,
    }

    /// An interface that loses all bytes.
    #[derive(Debug, PartialEq, Eq)]
    struct Unplugged;

    impl Interface for Controller {
        type Error = Unplugged;

        fn command(&mut self, bytes: &[u8]) -> Result<(), Unplugged> {
            if self.unplugged {
                *self = Self { unplugged: true, ..Self::default() };
                return Err(Unplugged);
            }
            self.memory.resize(HEIGHT, [0xFF; ROW].to_vec());
            let mut bytes = bytes.iter().copied();
            while let Some(command) = bytes.next() {
                let mut argument = || usize::from(bytes.next().expect("an argument"));
                match command {
                    DISPLAY_OFF => self.on = false,
                    DISPLAY_ON => self.on = true,
                    REMAP => assert_eq!(argument(), 0x52),
                    COLUMNS => self.window[..2].copy_from_slice(&[argument(), argument()]),
                    ROWS => self.window[2..].copy_from_slice(&[argument(), argument()]),
                    _ => panic!("command {command:#x}"),
                }
                self.at = (self.window[0], self.window[2]);
            }
            Ok(())
        }

        fn data(&mut self, bytes: &[u8]) -> Result<(), Unplugged> {
            let [left, right, top, bottom] = self.window;
            for &byte in bytes {
                self.memory[self.at.1][self.at.0] = byte;
                self.sent += 1;
                self.at.0 += 1;
                if self.at.0 > right {
                    self.at = (left, if self.at.1 == bottom { top } else { self.at.1 + 1 });
                }
            }
            Ok(())
        }
    }

    fn check(display: &Ssd0323<'_, Controller>) {
        assert!(display.interface.on);
        for (y, row) in display.interface.memory.iter().enumerate() {
            assert_eq!(row[..], display.memory[y], "row {y}");
        }
    }

    #[test]
    fn the_first_pixel_switches_it_on() {
        let mut memory = BLACK;
        let mut display = Ssd0323::new(Controller::default(), &mut memory);
        Pixel(Point::zero(), Gray4::WHITE).draw(&mut display).unwrap();
        check(&display);
        assert!((1..WIDTH * HEIGHT).all(|i| display.grey(i % WIDTH, i / WIDTH) == 0));
    }

    #[test]
    fn a_display_that_was_unplugged_shows_everything_again() {
        let mut memory = BLACK;
        let mut display = Ssd0323::new(Controller { unplugged: true, ..Controller::default() }, &mut memory);
        assert_eq!(display.clear(Gray4::new(3)), Err(Unplugged));
        display.interface.unplugged = false;
        Pixel(Point::zero(), Gray4::WHITE).draw(&mut display).unwrap();
        check(&display);

        display.interface.unplugged = true;
        assert_eq!(Pixel(Point::new(9, 9), Gray4::WHITE).draw(&mut display), Err(Unplugged));
        display.interface.unplugged = false;
        Pixel(Point::new(20, 20), Gray4::WHITE).draw(&mut display).unwrap();
        check(&display);
        assert_eq!([(0, 0), (9, 9), (20, 20), (1, 0)].map(|(x, y)| display.grey(x, y)), [15, 15, 15, 3]);
    }

    #[test]
    fn a_rectangle_keeps_its_neighbours() {
        let mut memory = BLACK;
        let mut display = Ssd0323::new(Controller::default(), &mut memory);
        display.clear(Gray4::new(5)).ok();
        display.fill_solid(&Rectangle::new(Point::new(3, 2), Size::new(4, 2)), Gray4::new(9)).ok();
        check(&display);
        let row: Vec<_> = (0..9).map(|x| display.grey(x, 3)).collect();
        assert_eq!(row, [5, 5, 5, 9, 9, 9, 9, 5, 5]);
        assert_eq!((display.grey(4, 1), display.grey(4, 4)), (5, 5));
    }

    #[test]
    fn only_what_changed_is_sent() {
        let mut memory = BLACK;
        let mut display = Ssd0323::new(Controller::default(), &mut memory);
        display.clear(Gray4::BLACK).ok();
        let before = display.interface.sent;
        display.fill_contiguous(&Rectangle::new(Point::new(0, 7), Size::new(64, 1)), [Gray4::WHITE; 64]).ok();
        assert_eq!(display.interface.sent - before, 32);
        Pixel(Point::new(127, 63), Gray4::WHITE).draw(&mut display).ok();
        assert_eq!(display.interface.sent - before, 33);
        check(&display);
    }

    #[test]
    fn what_lies_outside_is_dropped() {
        let mut memory = BLACK;
        let mut display = Ssd0323::new(Controller::default(), &mut memory);
        let colours = (0..16).map(|i| Gray4::new(i + 1));
        display.fill_contiguous(&Rectangle::new(Point::new(-2, -2), Size::new(4, 4)), colours).ok();
        display.fill_solid(&Rectangle::new(Point::new(200, 0), Size::new(4, 4)), Gray4::WHITE).ok();
        Pixel(Point::new(128, 0), Gray4::WHITE).draw(&mut display).ok();
        check(&display);
        assert_eq!([(0, 0), (1, 0), (0, 1), (1, 1), (2, 0)].map(|(x, y)| display.grey(x, y)), [11, 12, 15, 0, 0]);
    }
}
