//! Where things stand on a display: the frog on the left, as large as it goes by
//! whole factors; its number and a hint beside it, if there is room.

#![forbid(unsafe_code)]

use core::fmt::{self, Write as _};

use embedded_graphics::mono_font::ascii::{FONT_6X10, FONT_6X13_BOLD};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, MonoTextStyleBuilder};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Baseline, Text};
use gen_core::spec::MAX_SIDE;
use gen_core::{Engine, Latent, Shape};
use heapless::{String, Vec};

use crate::ink::Ink;
use crate::picture;

/// Characters of the label; the longest seed has as many.
const COLUMNS: usize = 10;
/// Pixels between frog and label.
const GAP: u32 = 4;
/// Size of a character.
const GLYPH: Size = Size::new(6, 10);
/// Most lines of a message.
const LINES: usize = 8;
/// Longest message, in bytes; more is cut.
const MESSAGE: usize = 160;

/// The picture is larger than the display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisplayTooSmall {
    /// Shape of the picture.
    pub picture: Shape,
    /// Size of the display, in pixels.
    pub display: Size,
}

impl fmt::Display for DisplayTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size { width, height } = self.display;
        write!(f, "pictures of {}x{} pixels do not fit this display of ", self.picture.width, self.picture.height)?;
        write!(f, "{width}x{height}")
    }
}

impl core::error::Error for DisplayTooSmall {}

/// A display with a frog on it.
#[derive(Debug)]
pub struct View<'d, D> {
    display: &'d mut D,
    picture: Shape,
    scale: u32,
}

impl<'d, D: DrawTarget<Color: Ink>> View<'d, D> {
    /// Lays out pictures of this shape on a display.
    ///
    /// # Errors
    /// [`DisplayTooSmall`]
    pub fn new(display: &'d mut D, picture: Shape) -> Result<Self, DisplayTooSmall> {
        let size = display.bounding_box().size;
        let scale = (size.width / u32::from(picture.width)).min(size.height / u32::from(picture.height));
        if scale == 0 {
            return Err(DisplayTooSmall { picture, display: size });
        }
        Ok(Self { display, picture, scale })
    }

    /// The display.
    pub fn display(&self) -> &D {
        self.display
    }

    /// Clears the display and writes what never changes.
    ///
    /// # Errors
    /// Those of the display.
    pub fn start(&mut self) -> Result<(), D::Error> {
        self.display.clear(D::Color::BACKGROUND)?;
        self.line(2, "frog no.", &FONT_6X10)?;
        self.line(42, "SELECT:", &FONT_6X10)?;
        self.line(52, "next frog", &FONT_6X10)
    }

    /// Draws a frog row by row as it is generated; returns the picture's checksum.
    ///
    /// # Errors
    /// Those of the display.
    pub fn frog(&mut self, engine: &mut Engine<'_, '_>, latent: &Latent) -> Result<u32, D::Error> {
        let mut enlarger = Enlarger::new(self.picture, self.scale);
        let mut result = Ok(());
        let origin = self.display.bounding_box().top_left;
        let size = Size::new(u32::from(self.picture.width) * self.scale, 1);
        let checksum = picture::generate(engine, latent, |_, rgb| {
            if result.is_ok() {
                result = enlarger.row(rgb, |y, pixels| {
                    let line = Rectangle::new(origin + Point::new(0, y as i32), size);
                    let shades = pixels.zip(0..).map(|(rgb, x)| Ink::shade(rgb, x, y));
                    self.display.fill_contiguous(&line, shades)
                });
            }
        });
        result.map(|()| checksum)
    }

    /// Writes the frog's number, and the number of the frog that it turns into.
    ///
    /// # Errors
    /// Those of the display.
    pub fn label(&mut self, seed: u32, next: Option<u32>) -> Result<(), D::Error> {
        let mut text = String::<COLUMNS>::new();
        let _ = write!(text, "{seed:<COLUMNS$}"); // a u32 has at most 10 digits
        self.line(13, &text, &FONT_6X13_BOLD)?;
        text.clear();
        let _ = match next {
            // The arrow gives way to a number too long for it.
            Some(next) if next < 100_000_000 => write!(text, "> {next:<8}"),
            Some(next) => write!(text, "{next:<COLUMNS$}"),
            None => write!(text, "{:COLUMNS$}", ""),
        };
        self.line(26, &text, &FONT_6X10)
    }

    /// A line of the label, `y` pixels from the top; nothing where there is no room.
    fn line(&mut self, y: i32, text: &str, font: &MonoFont<'_>) -> Result<(), D::Error> {
        let area = self.display.bounding_box();
        let x = u32::from(self.picture.width) * self.scale + GAP;
        if x + COLUMNS as u32 * GLYPH.width > area.size.width {
            return Ok(());
        }
        let at = area.top_left + Point::new(x as i32, y);
        Text::with_baseline(text, at, style(font), Baseline::Top).draw(self.display).map(|_| ())
    }
}

/// Fills the display with a message, broken between words: for what cannot be put right.
///
/// # Errors
/// Those of the display.
pub fn message<D: DrawTarget<Color: Ink>>(display: &mut D, message: impl fmt::Display) -> Result<(), D::Error> {
    display.clear(D::Color::BACKGROUND)?;
    let area = display.bounding_box();
    let columns = (area.size.width / GLYPH.width) as usize;
    let mut text = Cut(String::<MESSAGE>::new());
    let _ = write!(text, "{message}"); // what is cut does not fit the display either
    for (i, line) in wrap(&text.0, columns).iter().enumerate() {
        let at = area.top_left + Point::new(0, i as i32 * GLYPH.height as i32);
        Text::with_baseline(line, at, style(&FONT_6X10), Baseline::Top).draw(display)?;
    }
    Ok(())
}

/// Takes what fits of a text, where `heapless::String` would take nothing of a piece too long.
struct Cut<const N: usize>(String<N>);

impl<const N: usize> fmt::Write for Cut<N> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        s.chars().try_for_each(|c| self.0.push(c)).map_err(|_| fmt::Error)
    }
}

/// Breaks a text into lines of at most `columns` characters; a longer word stands alone and is cut by the display.
fn wrap(text: &str, columns: usize) -> Vec<&str, LINES> {
    let mut lines = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = if rest.len() <= columns {
            rest.len()
        } else {
            let fits = rest.char_indices().take_while(|&(i, _)| i <= columns);
            let space = fits.filter(|(_, c)| *c == ' ').last().map(|(i, _)| i);
            space.or_else(|| rest.find(' ')).unwrap_or(rest.len())
        };
        let (line, tail) = rest.split_at(end);
        if lines.push(line).is_err() {
            break;
        }
        rest = tail.trim_start();
    }
    lines
}

fn style<'f, C: Ink>(font: &'f MonoFont<'f>) -> MonoTextStyle<'f, C> {
    // With a background a glyph is one block of pixels, and covers the one before.
    MonoTextStyleBuilder::new().font(font).text_color(C::TEXT).background_color(C::BACKGROUND).build()
}

type Rgb = [u8; 3];

/// Enlarges a picture by a whole factor, row by row, interpolating linearly
/// between the centres of pixels.
///
/// Output position `o` lies at `(2·o + 1 − scale) / (2·scale)` of the input, so
/// an output row needs two input rows: the latest, and the one before, kept here.
struct Enlarger {
    scale: u32,
    height: u32,
    /// Input rows seen.
    seen: u32,
    /// Output rows made.
    made: u32,
    before: Vec<Rgb, { MAX_SIDE as usize }>,
}

impl Enlarger {
    fn new(picture: Shape, scale: u32) -> Self {
        Self { scale, height: picture.height.into(), seen: 0, made: 0, before: Vec::new() }
    }

    /// Takes the next input row and hands out the output rows that it completes.
    fn row<E>(&mut self, rgb: &[u8], mut sink: impl FnMut(u32, Line<'_>) -> Result<(), E>) -> Result<(), E> {
        let (row, _) = rgb.as_chunks();
        let latest = self.seen as i32;
        self.seen += 1;
        while self.made < self.height * self.scale {
            // Lies between input rows `first` and `first + 1`; beyond the edge, on the row at the edge.
            let (first, weight) = position(self.made, self.scale);
            if first + 1 > latest && self.seen < self.height {
                break;
            }
            let upper = if (0..latest).contains(&first) { &self.before[..] } else { row };
            sink(self.made, Line { upper, lower: row, weight, scale: self.scale, x: 0 })?;
            self.made += 1;
        }
        self.before.clear();
        // Cannot be full: no picture is wider than MAX_SIDE.
        let _ = self.before.extend_from_slice(row);
        Ok(())
    }
}

/// Input position below (or left of) output position `o`, and the weight of the
/// one after it, in `1 / (2·scale)`.
fn position(o: u32, scale: u32) -> (i32, u32) {
    let (o, scale) = (o as i32, scale as i32);
    let p = 2 * o + 1 - scale;
    (p.div_euclid(2 * scale), p.rem_euclid(2 * scale) as u32)
}

/// Pixels of one output row: mixes those of two input rows.
struct Line<'a> {
    upper: &'a [Rgb],
    lower: &'a [Rgb],
    weight: u32,
    scale: u32,
    x: u32,
}

impl Iterator for Line<'_> {
    type Item = Rgb;

    fn next(&mut self) -> Option<Rgb> {
        let width = self.lower.len() as i32;
        if self.x >= width as u32 * self.scale {
            return None;
        }
        let (left, w) = position(self.x, self.scale);
        self.x += 1;
        let (left, right) = (left.max(0) as usize, (left + 1).min(width - 1) as usize);
        let one = 2 * self.scale;
        let (v, one_w, one_v) = (self.weight, one - w, one - self.weight);
        let mix = |c: usize| {
            let upper = u32::from(self.upper[left][c]) * one_w + u32::from(self.upper[right][c]) * w;
            let lower = u32::from(self.lower[left][c]) * one_w + u32::from(self.lower[right][c]) * w;
            ((upper * one_v + lower * v + one * one / 2) / (one * one)) as u8
        };
        Some([mix(0), mix(1), mix(2)])
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use embedded_graphics::mock_display::MockDisplay;
    use embedded_graphics::pixelcolor::{BinaryColor, Gray4};

    use super::*;

    /// Enlarges a picture given as rows of grey values.
    fn enlarge(rows: &[&[u8]], scale: u32) -> Vec<Vec<u8>> {
        let mut enlarger = Enlarger::new(Shape::new(rows.len() as u16, rows[0].len() as u16, 3), scale);
        let mut out = Vec::new();
        for row in rows {
            let rgb: Vec<u8> = row.iter().flat_map(|&v| [v; 3]).collect();
            let done: Result<(), ()> = enlarger.row(&rgb, |y, line| {
                assert_eq!(y as usize, out.len());
                out.push(line.map(|[r, ..]| r).collect());
                Ok(())
            });
            assert_eq!(done, Ok(()));
        }
        out
    }

    #[test]
    fn a_flat_picture_stays_flat() {
        for (scale, value) in (1..6).flat_map(|s| [0, 77, 255].map(|v| (s, v))) {
            let out = enlarge(&[&[value; 3][..]; 5], scale);
            assert_eq!(out.len(), 5 * scale as usize);
            assert!(out.iter().all(|row| row.len() == 3 * scale as usize && row.iter().all(|&v| v == value)));
        }
    }

    #[test]
    fn scale_one_is_the_picture() {
        assert_eq!(enlarge(&[&[1, 2, 3], &[4, 5, 6]], 1), [[1, 2, 3], [4, 5, 6]]);
    }

    #[test]
    fn scale_two_mixes_quarters() {
        // Along each axis: the edge, 3:1, 1:3, the edge.
        assert_eq!(
            enlarge(&[&[0, 160], &[80, 240]], 2),
            [[0, 40, 120, 160], [20, 60, 140, 180], [60, 100, 180, 220], [80, 120, 200, 240]]
        );
    }

    #[test]
    fn a_single_pixel_fills_everything() {
        assert_eq!(enlarge(&[&[9]], 3), [[9; 3]; 3]);
    }

    #[test]
    fn text_breaks_between_words() {
        let cases: [(&str, &[&str]); 5] = [
            ("", &[]),
            ("one", &["one"]),
            ("one two three", &["one two", "three"]),
            ("exactly 8", &["exactly", "8"]),
            ("a muchtoolongword b", &["a", "muchtoolongword", "b"]),
        ];
        for (text, lines) in cases {
            assert_eq!(wrap(text, 8), lines, "{text:?}");
        }
    }

    #[test]
    fn a_message_is_cut_not_lost() {
        let mut text = Cut(heapless::String::<8>::new());
        assert!(text.write_str("0123456789").is_err());
        assert_eq!(text.0, "01234567");
    }

    #[test]
    fn a_message_stands_in_the_corner() {
        let mut display = MockDisplay::<BinaryColor>::new();
        display.set_allow_overdraw(true); // clearing comes first
        message(&mut display, "-").ok();
        let on: Vec<_> = display_points(&display);
        assert_eq!(on, [0, 1, 2, 3, 4].map(|x| Point::new(x, 4)));
    }

    fn display_points(display: &MockDisplay<BinaryColor>) -> Vec<Point> {
        let area = Rectangle::new(Point::zero(), Size::new(64, 64));
        area.points().filter(|&p| display.get_pixel(p) == Some(BinaryColor::On)).collect()
    }

    #[test]
    fn too_small_a_display_is_refused_in_words() {
        let mut display = MockDisplay::<Gray4>::new(); // 64 x 64
        let error = View::new(&mut display, Shape::new(65, 32, 3)).map(|_| ()).expect_err("too high");
        let text: String = error.to_string();
        assert_eq!(text, "pictures of 32x65 pixels do not fit this display of 64x64");
    }
}
