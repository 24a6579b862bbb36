//! A test card that shows which field of a panel's description is wrong. The product shows it while the button is held
//! at the start.
//!
//! | you see | field to change in the panel's description |
//! |---|---|
//! | a side of the white frame is missing, or there is noise beside it | `offset`, `visible_size` |
//! | a white background and black letters | `inversion` |
//! | the letters R, G, B on blue, green, red | `order` |
//! | mirrored letters, or TOP is not at the top | `orientation` |

use core::fmt::Write as _;

use embedded_graphics::mono_font::ascii::FONT_6X10;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use gen_core::FromRgb;
use heapless::String;

use crate::view::{background, foreground, style};

/// The colour bars: letter and RGB colour.
const BARS: [(char, [u8; 3]); 8] = [
    ('W', [255; 3]),
    ('Y', [255, 255, 0]),
    ('C', [0, 255, 255]),
    ('G', [0, 255, 0]),
    ('M', [255, 0, 255]),
    ('R', [255, 0, 0]),
    ('B', [0, 0, 255]),
    ('K', [0; 3]),
];
/// Number of grey steps from black to white.
const GREYS: u32 = 16;

/// Draws the test card on the whole display.
///
/// # Errors
/// The errors of the display.
pub fn draw<D: DrawTarget<Color: FromRgb>>(display: &mut D) -> Result<(), D::Error> {
    let Rectangle { top_left, size: Size { width, height } } = display.bounding_box();
    let area = |x: u32, y: u32, width, height| {
        Rectangle::new(top_left + Point::new(x as i32, y as i32), Size::new(width, height))
    };
    let ink = |rgb| D::Color::from_rgb(rgb, 0, 0);
    display.clear(background())?;
    // A frame of the outermost pixels.
    for edge in
        [area(0, 0, width, 1), area(0, height - 1, width, 1), area(0, 0, 1, height), area(width - 1, 0, 1, height)]
    {
        display.fill_solid(&edge, foreground())?;
    }

    // Colour bars in the middle, grey steps below them.
    let (left, top) = (4, 14);
    let (inner, bars) = (width.saturating_sub(2 * left), height.saturating_sub(top + 26));
    for (i, (_, rgb)) in BARS.into_iter().enumerate() {
        let x = |i: usize| inner * i as u32 / BARS.len() as u32;
        display.fill_solid(&area(left + x(i), top, x(i + 1) - x(i), bars), ink(rgb))?;
    }
    for i in 0..GREYS {
        let x = |i: u32| inner * i / GREYS;
        let grey = ink([(255 * i / (GREYS - 1)) as u8; 3]);
        display.fill_solid(&area(left + x(i), top + bars, x(i + 1) - x(i), 10), grey)?;
    }

    let centred = TextStyleBuilder::new().alignment(Alignment::Center).baseline(Baseline::Top).build();
    let mut write = |text: &str, x: u32, y: u32| {
        let at = top_left + Point::new(x as i32, y as i32);
        Text::with_text_style(text, at, style(&FONT_6X10), centred).draw(display).map(|_| ())
    };
    let mut text = String::<16>::new();
    for (i, (letter, _)) in BARS.into_iter().enumerate() {
        text.clear();
        let _ = text.push(letter);
        write(&text, left + inner * (2 * i as u32 + 1) / (2 * BARS.len() as u32), top + bars / 2)?;
    }
    write("TOP", width / 2, 2)?;
    text.clear();
    let _ = write!(text, "{width}x{height}");
    write(&text, width / 2, height.saturating_sub(12))
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use embedded_graphics::pixelcolor::Rgb565;

    use super::*;
    use crate::test_frame::Frame;

    #[test]
    fn it_reaches_the_edges_and_has_every_colour() {
        for (width, height) in [(240, 240), (240, 135), (240, 320), (320, 240), (128, 160), (128, 64)] {
            let size = Size::new(width, height);
            let mut frame = Frame { size, pixels: vec![Rgb565::BLACK; (width * height) as usize] };
            let Ok(()) = draw(&mut frame);
            let at = |x: u32, y: u32| frame.pixels[(y * width + x) as usize];
            assert!((0..width).all(|x| at(x, 0) == Rgb565::WHITE && at(x, height - 1) == Rgb565::WHITE));
            assert!((0..height).all(|y| at(0, y) == Rgb565::WHITE && at(width - 1, y) == Rgb565::WHITE));
            let colours: Vec<_> = (0..8).map(|i| at(4 + (width - 8) * (2 * i + 1) / 16, 15)).collect();
            let expected = [
                Rgb565::WHITE,
                Rgb565::YELLOW,
                Rgb565::CYAN,
                Rgb565::GREEN,
                Rgb565::MAGENTA,
                Rgb565::RED,
                Rgb565::BLUE,
                Rgb565::BLACK,
            ];
            assert_eq!(colours, expected, "{width}x{height}");
        }
    }
}
