//! Draws pictures and text on a display, in the places that [`layout`](crate::layout) computes.

use core::fmt::{self, Write as _};

use embedded_graphics::mono_font::ascii::{FONT_6X10, FONT_6X13_BOLD, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, MonoTextStyleBuilder};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Baseline, Text};
use gen_core::{BilinearUpscaler, Engine, FromRgb, Latent, Shape};
use heapless::{String, Vec};

use crate::class::ClassLabel;
use crate::layout::{DisplayTooSmall, FontSize, LONGEST_FIELD, Layout, TextBox};
use crate::picture::{self, Source};
use crate::settings::Mode;

/// Size of a character of a message, in pixels.
const GLYPH: Size = FontSize::Small.letter();
/// Pixels between a message and the edges of the display, whose outermost pixels a housing may cover.
const MARGIN: u32 = 2;
/// Largest number of lines of a message.
const LINES: usize = 8;
/// Longest message, in bytes; a longer one is truncated.
const MESSAGE: usize = 160;

/// Is called twice for each row while a picture is drawn.
pub trait FrameObserver {
    /// The engine has generated a row.
    fn row_rendered(&mut self);
    /// The display lines that the row completes have been sent.
    fn row_drawn(&mut self);
}

/// Ignores all rows.
impl FrameObserver for () {
    fn row_rendered(&mut self) {}
    fn row_drawn(&mut self) {}
}

/// The text about a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label<'a> {
    /// Number of the picture, or that its latent was given.
    pub source: Source,
    /// Number of the picture that a morph ends with.
    pub next: Option<u32>,
    /// The class of the picture; `None` for a model without classes.
    pub class: Option<ClassLabel<'a>>,
    /// The mode of the app.
    pub mode: Mode,
    /// Microseconds that the engine took; 0 if unknown.
    pub us: u32,
}

/// A display and its layout.
#[derive(Debug)]
pub struct View<'d, D> {
    display: &'d mut D,
    layout: Layout,
    shape: Shape,
}

impl<'d, D: DrawTarget<Color: FromRgb>> View<'d, D> {
    /// A view of `display` for pictures of shape `shape`.
    ///
    /// # Errors
    /// [`DisplayTooSmall`] if a picture does not fit.
    pub fn new(display: &'d mut D, shape: Shape) -> Result<Self, DisplayTooSmall> {
        let layout = Layout::new(display.bounding_box().size, shape)?;
        Ok(Self::with_layout(display, layout, shape))
    }

    /// A view with an existing layout, which must be for the size of this display and pictures of this shape.
    pub(crate) fn with_layout(display: &'d mut D, layout: Layout, shape: Shape) -> Self {
        Self { display, layout, shape }
    }

    /// The display.
    pub fn display(&self) -> &D {
        self.display
    }

    /// The layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Clears the display.
    ///
    /// # Errors
    /// The errors of the display.
    pub fn start(&mut self) -> Result<(), D::Error> {
        self.display.clear(background())
    }

    /// Draws a picture row by row while it is generated. Returns its checksum and the result of the display: even if
    /// the display fails, the picture is generated and the observer is called.
    pub fn picture(
        &mut self,
        engine: &mut Engine<'_>,
        latent: &Latent,
        observer: &mut impl FrameObserver,
    ) -> (u32, Result<(), D::Error>) {
        self.draw(engine, latent, self.layout.picture.top_left, self.layout.scale, observer)
    }

    /// Draws a picture as tile `i` of the grid; otherwise like [`picture`](Self::picture).
    pub fn tile(
        &mut self,
        i: u32,
        engine: &mut Engine<'_>,
        latent: &Latent,
        observer: &mut impl FrameObserver,
    ) -> (u32, Result<(), D::Error>) {
        let grid = self.layout.grid;
        self.draw(engine, latent, grid.place(i), grid.scale, observer)
    }

    fn draw(
        &mut self,
        engine: &mut Engine<'_>,
        latent: &Latent,
        at: Point,
        scale: u32,
        observer: &mut impl FrameObserver,
    ) -> (u32, Result<(), D::Error>) {
        let mut upscaler = BilinearUpscaler::new(self.shape, scale);
        let mut result = Ok(());
        let origin = self.display.bounding_box().top_left + at;
        let checksum = picture::generate(engine, latent, |_, row| {
            observer.row_rendered();
            if result.is_ok() {
                result = upscaler.row(row, |band| {
                    let at = origin + Point::new(0, band.top() as i32);
                    let area = Rectangle::new(at, Size::new(band.width(), band.height()));
                    self.display.fill_contiguous(&area, band.map(|(rgb, x, y)| FromRgb::from_rgb(rgb, x, y)))
                });
            }
            observer.row_drawn();
        });
        (checksum, result)
    }

    /// Writes the text about a picture, if there is room for text.
    ///
    /// The caption says what stands below it: a number; nothing if it is the word `latent`. The class stands in the place of
    /// the caption, if the layout has one. Otherwise it stands in the place of the next
    /// number, and during a morph, when that is shown, in the place of the mode.
    ///
    /// # Errors
    /// The errors of the display.
    pub fn label(&mut self, label: &Label<'_>) -> Result<(), D::Error> {
        let Some(text) = self.layout.text.filter(|_| self.has_text(label.mode)) else { return Ok(()) };
        self.write(text.number, &label.source)?;
        let mut class = label.class;
        if let Some(caption) = text.caption {
            match (class.take(), label.source) {
                (Some(class), _) => self.write(caption, &class.text(caption.columns))?,
                (None, Source::Seed(_)) => self.write(caption, &"number")?,
                (None, Source::Latent) => self.write(caption, &"")?,
            }
        }
        match (label.next, class) {
            // Without the arrow if the number needs its place.
            (Some(next), _) if text.next.columns < 12 && next >= 100_000_000 => self.write(text.next, &next)?,
            (Some(next), _) => self.write(text.next, &format_args!("> {next}"))?,
            (None, Some(class)) => self.write(text.next, &class.text(text.next.columns))?,
            (None, None) => self.write(text.next, &"")?,
        }
        match class.filter(|_| label.next.is_some()) {
            Some(class) => self.write(text.mode, &class.text(text.mode.columns))?,
            None => self.write(text.mode, &label.mode)?,
        }
        match label.us {
            0 => self.write(text.time, &""),
            us => self.write(text.time, &Duration(us)),
        }
    }

    fn has_text(&self, mode: Mode) -> bool {
        mode != Mode::Gallery || !self.layout.grid.covers_text
    }

    /// Writes a text into a field and clears the rest of the field.
    fn write(&mut self, field: TextBox, what: &dyn fmt::Display) -> Result<(), D::Error> {
        let mut text = Truncating(String::<LONGEST_FIELD>::new());
        let _ = write!(text, "{what}");
        let (mut line, columns) = (String::<LONGEST_FIELD>::new(), field.columns);
        let _ = if field.right { write!(line, "{:>columns$}", text.0) } else { write!(line, "{:<columns$}", text.0) };
        let at = self.display.bounding_box().top_left + field.at;
        let font = match field.font {
            FontSize::Small => &FONT_6X10,
            FontSize::Bold => &FONT_6X13_BOLD,
            FontSize::Large => &FONT_10X20,
        };
        Text::with_baseline(&line, at, style(font), Baseline::Top).draw(self.display).map(|_| ())
    }
}

/// Formats microseconds in at most 8 characters, rounded to the nearest.
struct Duration(u32);

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            us @ ..9_950 => write!(f, "{}.{} ms", (us + 50) / 1000, (us + 50) / 100 % 10),
            us @ ..9_999_500 => write!(f, "{} ms", (us + 500) / 1000),
            us => write!(f, "{} s", us / 1_000_000 + u32::from(us % 1_000_000 >= 500_000)),
        }
    }
}

/// Clears the display and writes a message, with line breaks between words.
///
/// # Errors
/// The errors of the display.
pub fn message<D: DrawTarget<Color: FromRgb>>(display: &mut D, message: impl fmt::Display) -> Result<(), D::Error> {
    display.clear(background())?;
    let area = display.bounding_box();
    let columns = (area.size.width.saturating_sub(2 * MARGIN) / GLYPH.width) as usize;
    let mut text = Truncating(String::<MESSAGE>::new());
    let _ = write!(text, "{message}"); // what is truncated would not fit the display either
    for (i, line) in wrap(&text.0, columns).iter().enumerate() {
        let at = area.top_left + Point::new(MARGIN as i32, (MARGIN + i as u32 * GLYPH.height) as i32);
        Text::with_baseline(line, at, style(&FONT_6X10), Baseline::Top).draw(display)?;
    }
    Ok(())
}

/// Keeps as much of a text as fits. `heapless::String` itself rejects a piece that is too long as a whole.
struct Truncating<const N: usize>(String<N>);

impl<const N: usize> fmt::Write for Truncating<N> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        s.chars().try_for_each(|c| self.0.push(c)).map_err(|_| fmt::Error)
    }
}

/// Breaks a text into lines of at most `columns` characters. A longer word gets a line of its own, which the display
/// cuts off.
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

/// The background of pictures and text: black, or off.
pub fn background<C: FromRgb>() -> C {
    C::from_rgb([0; 3], 0, 0)
}

/// The colour of text: white, or on.
pub fn foreground<C: FromRgb>() -> C {
    C::from_rgb([255; 3], 0, 0)
}

/// The style of text: colour, background and font.
pub(crate) fn style<'f, C: FromRgb>(font: &'f MonoFont<'f>) -> MonoTextStyle<'f, C> {
    // With a background colour a glyph is one solid block of pixels, which overwrites the previous text.
    MonoTextStyleBuilder::new().font(font).text_color(foreground()).background_color(background()).build()
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;

    use embedded_graphics::mock_display::MockDisplay;
    use embedded_graphics::pixelcolor::BinaryColor;

    use super::*;

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
        let mut text = Truncating(heapless::String::<8>::new());
        assert!(text.write_str("0123456789").is_err());
        assert_eq!(text.0, "01234567");
    }

    #[test]
    fn a_message_stands_in_the_corner() {
        let mut display = MockDisplay::<BinaryColor>::new();
        display.set_allow_overdraw(true); // the display is cleared before it is drawn on
        message(&mut display, "-").ok();
        let on: Vec<_> = display_points(&display);
        assert_eq!(on, [2, 3, 4, 5, 6].map(|x| Point::new(x, 6)));
    }

    fn display_points(display: &MockDisplay<BinaryColor>) -> Vec<Point> {
        let area = Rectangle::new(Point::zero(), Size::new(64, 64));
        area.points().filter(|&p| display.get_pixel(p) == Some(BinaryColor::On)).collect()
    }

    #[test]
    fn times_are_short() {
        let cases = [
            (1, "0.0 ms"),
            (940, "0.9 ms"),
            (950, "1.0 ms"),
            (9_949, "9.9 ms"),
            (9_950, "10 ms"),
            (10_000, "10 ms"),
            (88_999, "89 ms"),
            (9_999_499, "9999 ms"),
            (9_999_500, "10 s"),
            (10_000_000, "10 s"),
            (10_500_000, "11 s"),
            (u32::MAX, "4295 s"),
        ];
        for (us, text) in cases {
            assert_eq!(Duration(us).to_string(), text);
            assert!(text.len() <= 8);
        }
    }
}

#[cfg(test)]
mod class_tests;
