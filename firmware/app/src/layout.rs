//! The layout of a display of any size: one picture, enlarged by the largest integer factor that fits; text beside or
//! below the picture, if there is room; and a grid of pictures for the gallery mode.

use core::fmt;

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use gen_core::Shape;

/// Pixels between the picture and the text beside it; also the largest margin between text and the display's edges.
const GAP: u32 = 4;
/// Longest line of text about a picture, in characters.
pub const LONGEST_FIELD: usize = 12;
/// Smallest number of pictures in a row and in a column of the grid, if they fit.
const GRID: u32 = 3;

/// The picture is larger than the display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisplayTooSmall {
    /// Shape of the picture, in pixels.
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

/// The size of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FontSize {
    /// 6x10 pixels.
    Small,
    /// 6x13 pixels, bold.
    Bold,
    /// 10x20 pixels.
    Large,
}

impl FontSize {
    /// Width and height of a character, in pixels.
    pub const fn letter(self) -> Size {
        match self {
            Self::Small => Size::new(6, 10),
            Self::Bold => Size::new(6, 13),
            Self::Large => Size::new(10, 20),
        }
    }
}

/// The place of one line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextBox {
    /// Top left corner, in pixels from the display's top left corner.
    pub at: Point,
    /// Width in characters.
    pub columns: usize,
    /// Size of the characters.
    pub font: FontSize,
    /// Whether the text is aligned to the right.
    pub right: bool,
}

impl TextBox {
    const fn new(x: u32, y: u32, columns: usize, font: FontSize) -> Self {
        Self { at: Point::new(x as i32, y as i32), columns, font, right: false }
    }

    const fn at_right(self) -> Self {
        Self { right: true, ..self }
    }
}

/// The places of the text about a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// The word or the class above the number, if there is room.
    pub caption: Option<TextBox>,
    /// The picture's number, at most 10 digits.
    pub number: TextBox,
    /// The number of the picture that a morph ends with. Without a caption also the class, while there is no morph.
    pub next: TextBox,
    /// The mode of the app. Without a caption also the class, during a morph.
    pub mode: TextBox,
    /// The time that the picture took.
    pub time: TextBox,
}

/// A grid of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Top left corner of the first picture, in pixels.
    pub origin: Point,
    /// Factor by which pictures are enlarged, at least 1.
    pub scale: u32,
    /// Pictures in a row.
    pub columns: u32,
    /// Rows of pictures.
    pub rows: u32,
    /// Distance between the corners of neighbouring pictures, in pixels.
    pub pitch: Size,
    /// Whether the grid covers the places of the text, so that no text can be shown.
    pub covers_text: bool,
}

impl Grid {
    /// The top left corner of picture `i`, counted row by row from 0, in pixels.
    pub fn place(&self, i: u32) -> Point {
        let (x, y) = (i % self.columns * self.pitch.width, i / self.columns * self.pitch.height);
        self.origin + Point::new(x as i32, y as i32)
    }

    /// Number of pictures.
    pub fn len(&self) -> u32 {
        self.columns * self.rows
    }

    /// Whether the grid has no pictures. Never true, because a layout has at least one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `area` with as many pictures of size `one` as fit, centred.
    fn fill(area: Size, one: Size, scale: u32, covers_text: bool) -> Self {
        let (columns, rows) = (area.width / one.width, area.height / one.height);
        // Pixels that are left over are distributed between the pictures and around them.
        let between = |whole: u32, n: u32, size: u32| size + ((whole - n * size) / (n + 1)).min(GAP);
        let pitch = Size::new(between(area.width, columns, one.width), between(area.height, rows, one.height));
        let around = |whole: u32, n: u32, pitch: u32, size: u32| ((whole - (n - 1) * pitch - size) / 2) as i32;
        let x = around(area.width, columns, pitch.width, one.width);
        let y = around(area.height, rows, pitch.height, one.height);
        Self { origin: Point::new(x, y), scale, columns, rows, pitch, covers_text }
    }
}

/// The places of the picture, the text and the grid, in pixels from the display's top left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Factor by which a single picture is enlarged, at least 1.
    pub scale: u32,
    /// The place of a single picture.
    pub picture: Rectangle,
    /// The text about the picture, if there is room.
    pub text: Option<Text>,
    /// The grid of the gallery mode.
    pub grid: Grid,
}

impl Layout {
    /// Lays out a display of size `display` for pictures of shape `picture`.
    ///
    /// # Errors
    /// [`DisplayTooSmall`] if the picture does not fit without enlarging.
    pub fn new(display: Size, picture: Shape) -> Result<Self, DisplayTooSmall> {
        let one = Size::new(picture.width.into(), picture.height.into());
        let largest = largest(display, one, 1);
        if largest == 0 {
            return Err(DisplayTooSmall { picture, display });
        }
        // From a factor of 4, one less is acceptable if that makes room for text.
        let scales = [largest, if largest >= 4 { largest - 1 } else { largest }];
        let with_text = scales.into_iter().find_map(|scale| Some((scale, Placed::new(display, one * scale)?)));
        let (scale, placed) = match with_text {
            Some((scale, placed)) => (scale, Some(placed)),
            None => (largest, None),
        };
        let size = one * scale;
        // The area without the text; a single picture is centred in it.
        let area = placed.map_or(display, |placed| placed.leaves);
        let top_left = Point::new((area.width - size.width) as i32 / 2, (area.height - size.height) as i32 / 2);
        Ok(Self {
            scale,
            picture: Rectangle::new(top_left, size),
            text: placed.map(|placed| placed.text),
            grid: Self::grid(display, area, one),
        })
    }

    fn grid(display: Size, area: Size, one: Size) -> Grid {
        for (area, covers_text) in [(area, false), (display, area != display)] {
            let scale = largest(area, one, GRID);
            if scale > 0 {
                return Grid::fill(area, one * scale, scale, covers_text);
            }
        }
        Grid::fill(display, one, 1, area != display)
    }
}

/// The largest factor by which `n` pictures in each direction can be enlarged; 0 if they do not fit.
fn largest(area: Size, one: Size, n: u32) -> u32 {
    (area.width / (one.width * n)).min(area.height / (one.height * n))
}

/// The places of the text, and the size of the area left for pictures, which begins at the display's top left corner.
#[derive(Clone, Copy)]
struct Placed {
    text: Text,
    leaves: Size,
}

impl Placed {
    /// Places text beside or below a picture of size `picture`; `None` if there is no room.
    fn new(display: Size, picture: Size) -> Option<Self> {
        let (beside, below) = (display.width - picture.width, display.height - picture.height);
        let fits_beside = beside >= GAP + 10 * 6 && display.height >= 64;
        if fits_beside && beside >= below {
            return Some(Self::beside(display, picture));
        }
        for font in [FontSize::Large, FontSize::Bold] {
            let letter = font.letter();
            if below >= 2 * letter.height && display.width >= 20 * letter.width {
                return Some(Self::in_two_lines(display, below, font));
            }
        }
        if below >= 13 && display.width >= 40 * 6 {
            return Some(Self::in_one_line(display, below));
        }
        fits_beside.then(|| Self::beside(display, picture))
    }

    fn beside(display: Size, picture: Size) -> Self {
        let Size { width, height } = picture;
        let x = width + GAP;
        let columns = (((display.width - x) / 6) as usize).min(LONGEST_FIELD);
        // The text begins beside the top of the picture.
        let top = ((display.height - height) / 2).min(display.height - 64);
        let field = |y, font| TextBox::new(x, top + y, columns, font);
        let text = Text {
            caption: Some(field(2, FontSize::Small)),
            number: field(13, FontSize::Bold),
            next: field(28, FontSize::Small),
            mode: field(42, FontSize::Small),
            time: field(53, FontSize::Small),
        };
        Self { text, leaves: Size::new(width, display.height) }
    }

    /// Number and time in the first line, next number and mode in the second: 20 characters.
    fn in_two_lines(display: Size, below: u32, font: FontSize) -> Self {
        let Size { width, height } = font.letter();
        // Pixels that are left over become margins.
        let side = ((display.width - 20 * width) / 2).min(GAP);
        let under = ((below - 2 * height) / 2).min(GAP);
        let right = |columns: u32| display.width - side - columns * width;
        let (first, second) = (display.height - under - 2 * height, display.height - under - height);
        let text = Text {
            caption: None,
            number: TextBox::new(side, first, 10, font),
            time: TextBox::new(right(8), first, 8, font).at_right(),
            next: TextBox::new(side, second, 12, font),
            mode: TextBox::new(right(7), second, 7, font).at_right(),
        };
        Self { text, leaves: Size::new(display.width, first) }
    }

    /// Number, next number, mode and time in one line: 37 characters, and the width of three more for gaps.
    fn in_one_line(display: Size, below: u32) -> Self {
        let y = display.height - below + (below - 13).div_ceil(2);
        let font = FontSize::Bold;
        // The remaining width is distributed between the fields and to both sides.
        let left = display.width - 37 * 6;
        let side = ((left - 3 * GAP) / 2).min(GAP);
        let between = ((left - 2 * side) / 3).min(6);
        let time = display.width - side - 8 * 6;
        let text = Text {
            caption: None,
            number: TextBox::new(side, y, 10, font),
            next: TextBox::new(side + 10 * 6 + between, y, 12, font),
            mode: TextBox::new(time - between - 7 * 6, y, 7, font),
            time: TextBox::new(time, y, 8, font).at_right(),
        };
        Self { text, leaves: Size::new(display.width, display.height - below) }
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    fn layout(width: u32, height: u32) -> Layout {
        layout_of(width, height, (32, 32))
    }

    /// The layout for pictures of a width and a height.
    fn layout_of(width: u32, height: u32, picture: (u16, u16)) -> Layout {
        Layout::new(Size::new(width, height), Shape::new(picture.1, picture.0, 3)).expect("it fits")
    }

    #[test]
    fn nothing_overlaps_or_leaves_any_display() {
        for (w, h) in [(32, 32), (28, 28), (64, 64), (128, 64), (80, 40), (160, 80), (24, 72), (256, 8)] {
            let (width, height) = (u32::from(w), u32::from(h));
            for display in (width..400).step_by(7).flat_map(|w| (height..400).step_by(5).map(move |h| (w, h))) {
                check_display(display, (w, h));
            }
        }
    }

    fn check_display((width, height): (u32, u32), picture: (u16, u16)) {
        let layout = layout_of(width, height, picture);
        let display = Rectangle::new(Point::zero(), Size::new(width, height));
        let mut areas: Vec<Rectangle> = [layout.picture].into();
        if let Some(text) = layout.text {
            let fields = [Some(text.number), Some(text.next), Some(text.mode), Some(text.time), text.caption];
            areas.extend(fields.into_iter().flatten().map(|field| {
                let letter = field.font.letter();
                Rectangle::new(field.at, Size::new(letter.width * field.columns as u32, letter.height))
            }));
        }
        let inside = |area: &Rectangle| display.intersection(area) == *area;
        assert!(areas.iter().all(inside), "{width}x{height}: {areas:?}");
        for (i, a) in areas.iter().enumerate() {
            for b in &areas[..i] {
                assert!(a.intersection(b).is_zero_sized(), "{width}x{height}: {a:?} {b:?}");
            }
        }

        let grid = layout.grid;
        let one = Size::new(picture.0.into(), picture.1.into());
        assert_eq!(layout.picture.size, one * layout.scale);
        let cells = |i| Rectangle::new(grid.place(i), one * grid.scale);
        let cells: Vec<_> = (0..grid.len()).map(cells).collect();
        assert!(!grid.is_empty() && cells.iter().all(inside), "{width}x{height}: {grid:?}");
        for (i, a) in cells.iter().enumerate() {
            let others = cells[..i].iter().chain(areas[1..].iter().filter(|_| !grid.covers_text));
            for b in others {
                assert!(a.intersection(b).is_zero_sized(), "{width}x{height}: {a:?} {b:?}");
            }
        }
    }

    #[test]
    fn boards_have_large_pictures_and_text() {
        // Size of the display; factor of a single picture; columns and rows of the grid.
        let cases = [
            ((128, 64), 2, (4, 2)),  // OLED: the grid covers the whole display
            ((240, 240), 7, (3, 3)), // Pico-LCD-1.3
            ((240, 135), 4, (4, 4)), // Pico Display
            ((240, 320), 7, (3, 4)), // STM32F429 Discovery
            ((320, 240), 7, (3, 3)), // shield
            ((128, 160), 4, (4, 4)), // 1.8 inch module
        ];
        for ((width, height), scale, (columns, rows)) in cases {
            let layout = layout(width, height);
            assert!(layout.text.is_some(), "{width}x{height}");
            assert_eq!(
                (layout.scale, layout.grid.columns, layout.grid.rows),
                (scale, columns, rows),
                "{width}x{height}"
            );
        }
    }

    #[test]
    fn pictures_of_other_shapes_have_text_where_there_is_room() {
        // Sizes of the display and of the picture; factor and place of a single picture; the place of its number, if there
        // is room; columns and rows of the grid.
        type Case = ((u32, u32), (u16, u16), u32, (i32, i32), Option<(i32, i32)>, (u32, u32));
        let cases: [Case; 13] = [
            ((240, 240), (28, 28), 8, (8, 0), Some((3, 226)), (4, 4)),
            ((240, 240), (64, 64), 3, (24, 2), Some((4, 196)), (3, 3)),
            ((240, 240), (128, 64), 1, (56, 66), Some((4, 196)), (1, 3)),
            ((320, 240), (64, 64), 3, (0, 24), Some((196, 37)), (3, 3)),
            ((320, 240), (128, 64), 2, (32, 34), Some((4, 196)), (2, 3)),
            ((128, 160), (64, 64), 2, (0, 1), Some((4, 131)), (2, 2)),
            ((128, 64), (28, 28), 2, (0, 4), Some((60, 13)), (4, 2)),
            ((128, 64), (64, 64), 1, (0, 0), Some((68, 13)), (2, 1)),
            ((128, 64), (128, 64), 1, (0, 0), None, (1, 1)),
            ((160, 80), (64, 64), 1, (0, 8), Some((68, 21)), (2, 1)),
            ((160, 80), (80, 40), 2, (0, 0), None, (2, 2)),
            ((160, 80), (160, 80), 1, (0, 0), None, (1, 1)),
            ((240, 135), (160, 80), 1, (0, 27), Some((164, 40)), (1, 1)),
        ];
        for ((width, height), picture, scale, at, number, grid) in cases {
            let layout = layout_of(width, height, picture);
            let place = |at: Point| (at.x, at.y);
            assert_eq!(
                (
                    layout.scale,
                    place(layout.picture.top_left),
                    layout.text.map(|text| place(text.number.at)),
                    (layout.grid.columns, layout.grid.rows)
                ),
                (scale, at, number, grid),
                "{picture:?} on {width}x{height}"
            );
        }
    }

    #[test]
    fn text_keeps_off_the_edges() {
        // Size of the display; free pixels at the sides and below.
        for ((width, height), side, under) in [((240, 240), 3, 1), ((240, 320), 4, 4), ((128, 160), 4, 3)] {
            let Some(Text { number, next, mode, time, .. }) = layout(width, height).text else { panic!("no text") };
            let right = |field: TextBox| field.at.x + (field.columns as u32 * field.font.letter().width) as i32;
            assert_eq!((number.at.x, next.at.x.min(number.at.x)), (side, side), "{width}x{height}");
            assert_eq!((right(time), right(mode).max(right(time))), (width as i32 - side, width as i32 - side));
            let bottom = mode.at.y + mode.font.letter().height as i32;
            assert!(bottom <= height as i32 - under, "{width}x{height}: {bottom}");
        }
    }

    #[test]
    fn a_picture_gives_way_to_text_but_not_for_long() {
        assert_eq!((layout(128, 128).scale, layout(128, 128).text.is_some()), (3, true));
        assert_eq!((layout(64, 64).scale, layout(64, 64).text.is_some()), (2, false));
    }

    #[test]
    fn too_small_a_display_is_refused_in_words() {
        let error = Layout::new(Size::new(64, 64), Shape::new(65, 32, 3)).expect_err("too high");
        let text: String = error.to_string();
        assert_eq!(text, "pictures of 32x65 pixels do not fit this display of 64x64");
    }
}
