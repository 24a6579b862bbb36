//! Arranges pictures on a sheet.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use image::{Rgb, RgbImage};
use log::warn;
use ndarray::ArrayView4;

use crate::text::Plain;

/// The longest side of a sheet, in pixels.
pub const MAX_SIDE: usize = 1 << 14;

/// Text in a sheet's PNG file that marks it as a sheet, so that it is not used as a training picture.
const MARK: &[u8] = b"Software\0ribbit, a sheet of pictures";

/// Offset of the chunk with this text: directly after the header of the file.
const MARK_AT: usize = 8 + 25;

/// Bytes from the start of a file that [`is_sheet`] needs.
pub const MARK_WITHIN: u64 = (MARK_AT + 12 + MARK.len()) as u64;

/// Colour of the gaps between pictures.
pub const GAP: Rgb<u8> = Rgb([24, 24, 28]);

/// Colour of the frame around the first picture of a group.
pub const FRAME: Rgb<u8> = Rgb([255, 196, 0]);

/// Arrangement of pictures on a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Pictures in a row; 0 counts as 1.
    pub columns: usize,
    /// Pixels of gap between the pictures and around them.
    pub pad: usize,
    /// Each pixel is drawn as a block of `scale` x `scale`; 0 counts as 1.
    pub scale: usize,
    /// Pictures in a group; 0 for no groups. Groups are separated by four more gaps, and the first
    /// picture of each has a [`FRAME`] as wide as the gap. A row contains complete groups.
    pub group: usize,
}

/// Arranges `pictures` (`[N, height, width, channels]`, grey or RGB) in rows of `columns`. Each pixel is
/// drawn as a block of `scale` x `scale`, and there are `pad` pixels between the pictures and around
/// them; see [`Layout`].
///
/// # Errors
/// The errors of [`Layout::sheet`].
pub fn grid(pictures: ArrayView4<'_, u8>, columns: usize, pad: usize, scale: usize) -> Result<RgbImage> {
    Layout { columns, pad, scale, group: 0 }.sheet(pictures)
}

impl Layout {
    /// Draws the sheet. It always has all pictures in `columns` columns. If it would be larger
    /// than [`MAX_SIDE`], the pictures are enlarged less, which is logged as a warning.
    ///
    /// Unused places of the last row keep the colour of the gaps, and channels beyond the third are ignored.
    /// Without pictures, or with pictures of no size or with two channels, the sheet has no size.
    ///
    /// # Errors
    /// When the sheet would be too large even without enlargement; the message has its size.
    pub fn sheet(&self, pictures: ArrayView4<'_, u8>) -> Result<RgbImage> {
        let (count, height, width, channels) = pictures.dim();
        if count * width * height == 0 || matches!(channels, 0 | 2) {
            return Ok(RgbImage::new(0, 0));
        }
        let group = self.group.max(1);
        // The number of columns is rounded down to complete groups.
        let columns = (self.columns.clamp(1, count) / group).max(1) * group;
        let rows = count.div_ceil(columns);
        let size = |scale: usize| {
            let length = |pictures: usize, side: usize, groups: usize| {
                let cells = pictures.saturating_mul(side.saturating_mul(scale).saturating_add(self.pad));
                cells.saturating_add(self.pad).saturating_add(self.apart().saturating_mul(groups))
            };
            (length(columns, width, columns / group - 1), length(rows, height, 0))
        };
        let fits = |scale: usize| size(scale).0.max(size(scale).1) <= MAX_SIDE;
        let wanted = self.scale.max(1);
        // A picture has at least one pixel, so no larger scale can fit.
        let Some(scale) = (1..=wanted.min(MAX_SIDE)).rev().find(|&scale| fits(scale)) else {
            let (x, y) = size(1);
            anyhow::bail!(
                "a sheet of {count} pictures of {width}x{height}, {columns} in a row, would be {x}x{y} pixels large; \
                 {MAX_SIDE} a side are the most. Ask for fewer pictures"
            );
        };
        if scale < wanted {
            warn!(
                "the sheet would be {}x{} pixels large, and {MAX_SIDE} a side are the most: its pictures are enlarged \
                 {scale} times instead of {wanted} times",
                size(wanted).0,
                size(wanted).1
            );
        }
        let (sheet_x, sheet_y) = size(scale);
        ensure!(u32::try_from(sheet_x.max(sheet_y)).is_ok(), "a sheet of {sheet_x}x{sheet_y} pixels is too large");
        let mut sheet = RgbImage::from_pixel(sheet_x as u32, sheet_y as u32, GAP);
        for (index, picture) in pictures.outer_iter().enumerate() {
            let (row, column) = (index / columns, index % columns);
            let left = self.pad + column * (width * scale + self.pad) + column / group * self.apart();
            let top = self.pad + row * (height * scale + self.pad);
            if self.group > 0 && column.is_multiple_of(group) {
                let frame = |at: usize, side: usize| at - self.pad..at + side * scale + self.pad;
                for (y, x) in frame(top, height).flat_map(|y| frame(left, width).map(move |x| (y, x))) {
                    sheet.put_pixel(x as u32, y as u32, FRAME);
                }
            }
            for y in 0..height * scale {
                for x in 0..width * scale {
                    let at = |channel| picture[[y / scale, x / scale, channel]];
                    let colour = Rgb(if channels == 1 { [at(0); 3] } else { [at(0), at(1), at(2)] });
                    sheet.put_pixel((left + x) as u32, (top + y) as u32, colour);
                }
            }
        }
        Ok(sheet)
    }

    /// Pixels between groups in addition to the usual gap.
    fn apart(&self) -> usize {
        if self.group == 0 { 0 } else { self.pad.saturating_mul(4) }
    }
}

/// Encodes a picture as a PNG file.
///
/// # Errors
/// When encoding fails.
pub fn png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).context("cannot encode a PNG")?;
    Ok(bytes.into_inner())
}

/// Encodes a sheet as a PNG file that is marked as a sheet, so that it is not used as a training picture.
///
/// # Errors
/// When encoding fails.
pub fn sheet_png(picture: &RgbImage) -> Result<Vec<u8>> {
    Ok(marked(&png(picture)?))
}

/// Adds the mark of a sheet to the PNG file `png`. [`is_sheet`] recognises it.
pub fn marked(png: &[u8]) -> Vec<u8> {
    let (head, rest) = png.split_at(MARK_AT.min(png.len()));
    let chunk = [&b"tEXt"[..], MARK].concat();
    let parts = [head, &(MARK.len() as u32).to_be_bytes(), &chunk, &crc32fast::hash(&chunk).to_be_bytes(), rest];
    parts.concat()
}

/// Whether a file that begins with these bytes has the mark of a sheet.
pub fn is_sheet(start: &[u8]) -> bool {
    start.get(MARK_AT + 8..).is_some_and(|text| text.starts_with(MARK))
}

/// The path of a sheet to be written. The name must not have the extension of another picture format.
///
/// # Errors
/// When it has; the message suggests another name.
pub fn png_name(name: &str) -> std::result::Result<PathBuf, String> {
    let path = PathBuf::from(name);
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    const OTHERS: [&str; 14] =
        ["jpg", "jpeg", "jpe", "gif", "webp", "bmp", "tif", "tiff", "heic", "avif", "jxl", "svg", "pdf", "ppm"];
    if OTHERS.contains(&ending.as_str()) {
        let better = path.with_extension("png");
        return Err(format!("a PNG is written: give it a name such as {}", Plain::path(Path::new(&better))));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    #[test]
    fn pictures_lie_in_rows_with_gaps() {
        let pictures = Array4::from_shape_fn((3, 2, 1, 3), |(n, y, _, c)| (100 * n + 10 * y + c) as u8);
        let sheet = grid(pictures.view(), 2, 1, 2).unwrap();
        // Two columns of 2 and three gaps; two rows of 4 and three gaps.
        assert_eq!(sheet.dimensions(), (7, 11));
        for (x, y, expected) in [
            (0, 0, GAP),
            (1, 1, Rgb([0, 1, 2])),
            (2, 4, Rgb([10, 11, 12])),
            (3, 1, GAP),
            (4, 1, Rgb([100, 101, 102])),
            (1, 6, Rgb([200, 201, 202])),
            (4, 6, GAP),
        ] {
            assert_eq!(*sheet.get_pixel(x, y), expected, "at {x}, {y}");
        }
    }

    #[test]
    fn grey_pictures_are_grey_on_a_sheet() {
        let sheet = grid(Array4::from_elem((1, 1, 2, 1), 77).view(), 1, 0, 1).unwrap();
        assert_eq!((sheet.dimensions(), sheet.into_raw()), ((2, 1), vec![77; 6]));
    }

    #[test]
    fn groups_are_framed_and_set_apart() {
        let pictures = Array4::from_shape_fn((6, 3, 3, 3), |(n, ..)| n as u8);
        let layout = Layout { columns: 5, pad: 1, scale: 1, group: 2 };
        let sheet = layout.sheet(pictures.view()).unwrap();
        // Five columns hold two whole groups: four pictures of 3, five gaps of 1, and 4 between the groups.
        assert_eq!(sheet.dimensions(), (4 * 3 + 5 + 4, 2 * 3 + 3));
        let places = [(1, 1), (5, 1), (13, 1), (17, 1), (1, 5), (5, 5)];
        for (n, (x, y)) in places.into_iter().enumerate() {
            assert_eq!(*sheet.get_pixel(x, y), Rgb([n as u8; 3]), "picture {n}");
        }
        assert_eq!(*sheet.get_pixel(0, 0), FRAME);
        assert_eq!(*sheet.get_pixel(12, 3), FRAME);
        assert_eq!(*sheet.get_pixel(10, 3), GAP);
        assert_eq!(*sheet.get_pixel(8, 3), GAP, "a neighbour has no frame");
    }

    #[test]
    fn no_picture_is_left_out_and_none_shifts() {
        let sheet = |count: usize, side: usize, columns: usize, scale: usize| {
            let pictures = Array4::from_shape_fn((count, side, side, 3), |(n, ..)| (n % 251) as u8);
            grid(pictures.view(), columns, 2, scale)
        };
        // 64 in a row of 64 pixels, eight times as large, would be 32,898 wide; four times is too large as well.
        let of_64 = sheet(64 * 3, 64, 64, 8).unwrap();
        assert_eq!(of_64.dimensions(), (64 * (64 * 3 + 2) + 2, 3 * (64 * 3 + 2) + 2));
        for index in 0..64 * 3 {
            let (row, column) = (index / 64, index % 64);
            let pixel = of_64.get_pixel(2 + column * 194, 2 + row * 194);
            assert_eq!(pixel.0[0], (index % 251) as u8, "picture {index}");
        }
        // The highest sheet that is possible.
        assert_eq!(sheet(2000, 4, 2, 16).unwrap().dimensions(), (2 * 14 + 2, 1000 * 14 + 2));
        let error = sheet(300, 64, 300, 2).unwrap_err().to_string();
        assert!(error.contains("300 pictures of 64x64") && error.contains("19802x68"), "{error}");
    }

    #[test]
    fn odd_sizes_give_a_sheet_all_the_same() {
        let of = |shape: [usize; 4], columns, pad, scale| {
            grid(Array4::zeros(shape).view(), columns, pad, scale).unwrap().dimensions()
        };
        assert_eq!(of([2, 4, 4, 3], 0, 0, 0), (4, 8), "zeros count as one");
        assert_eq!(of([2, 4, 4, 3], 9, 1, 1), (11, 6), "no wider than there are pictures");
        assert_eq!(of([1, 1, 1, 3], usize::MAX, 0, 300), (300, 300));

        assert!(grid(Array4::zeros([1, 4, 4, 3]).view(), 1, usize::MAX, 1).is_err());
        for empty in [[0, 4, 4, 3], [1, 0, 4, 3], [1, 4, 0, 3], [1, 4, 4, 2]] {
            assert_eq!(of(empty, 1, 1, 1), (0, 0), "{empty:?}");
        }
    }
}
