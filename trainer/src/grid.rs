//! Many pictures on one sheet.

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use ndarray::ArrayView4;

use crate::text::Plain;

/// The longest side of a sheet, in pixels; [`grid`] leaves out what would go beyond.
pub const MAX_SIDE: usize = 1 << 14;

/// What a sheet's PNG file says of itself, so that it is not taken for a picture to learn from.
const MARK: &[u8] = b"Software\0ribbit, a sheet of pictures";

/// Where that stands: right behind the header of the file.
const MARK_AT: usize = 8 + 25;

/// Bytes from the start of a file that [`is_sheet`] needs.
pub const MARK_WITHIN: u64 = (MARK_AT + 12 + MARK.len()) as u64;

/// Colour of the gaps between pictures.
pub const GAP: Rgb<u8> = Rgb([24, 24, 28]);

/// Lays `pictures` (`[N, height, width, 3]`, RGB) out row by row, `columns` in a row, each pixel
/// drawn as a block of `scale` x `scale`, with `pad` pixels of gap between the pictures and around
/// them.
///
/// `columns` and `scale` of 0 count as 1, unused places of the last row keep the colour of the
/// gaps, and channels beyond the third are ignored. Without pictures, or with pictures of no size
/// or fewer than three channels, the sheet has no size. Pictures that would make the sheet wider
/// or higher than [`MAX_SIDE`] are left out.
pub fn grid(pictures: ArrayView4<'_, u8>, columns: usize, pad: usize, scale: usize) -> RgbImage {
    let (count, height, width, channels) = pictures.dim();
    let (columns, scale) = (columns.max(1), scale.max(1));
    let cell = |length: usize| length.saturating_mul(scale).saturating_add(pad);
    let (cell_x, cell_y) = (cell(width), cell(height));
    let room = |cell: usize| MAX_SIDE.saturating_sub(pad) / cell.max(1);
    if width * height == 0 || channels < 3 {
        return RgbImage::new(0, 0);
    }
    let columns = columns.min(count).min(room(cell_x));
    if columns == 0 {
        return RgbImage::new(0, 0);
    }
    let rows = count.div_ceil(columns).min(room(cell_y));
    if rows == 0 {
        return RgbImage::new(0, 0);
    }
    let (sheet_x, sheet_y) = (columns * cell_x + pad, rows * cell_y + pad);
    let mut sheet = RgbImage::from_pixel(sheet_x as u32, sheet_y as u32, GAP);
    for (index, picture) in pictures.outer_iter().take(columns * rows).enumerate() {
        let left = pad + index % columns * cell_x;
        let top = pad + index / columns * cell_y;
        for y in 0..height * scale {
            for x in 0..width * scale {
                let at = |channel| picture[[y / scale, x / scale, channel]];
                let colour = Rgb([at(0), at(1), at(2)]);
                sheet.put_pixel((left + x) as u32, (top + y) as u32, colour);
            }
        }
    }
    sheet
}

/// The PNG file of a sheet with the remark that it is one, which [`is_sheet`] finds again; `png` is the same file
/// without it.
pub fn marked(png: &[u8]) -> Vec<u8> {
    let (head, rest) = png.split_at(MARK_AT.min(png.len()));
    let chunk = [&b"tEXt"[..], MARK].concat();
    let parts = [head, &(MARK.len() as u32).to_be_bytes(), &chunk, &crc32fast::hash(&chunk).to_be_bytes(), rest];
    parts.concat()
}

/// Whether a file that begins with these bytes is a sheet that [`marked`] wrote.
pub fn is_sheet(start: &[u8]) -> bool {
    start.get(MARK_AT + 8..).is_some_and(|text| text.starts_with(MARK))
}

/// The path of a sheet to be written, if its name does not promise another kind of picture.
///
/// # Errors
/// In words, with a name that would do.
pub fn png_name(name: &str) -> Result<PathBuf, String> {
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
        let sheet = grid(pictures.view(), 2, 1, 2);
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
    fn odd_sizes_give_a_sheet_all_the_same() {
        let of = |shape: [usize; 4], columns, pad, scale| {
            grid(Array4::zeros(shape).view(), columns, pad, scale).dimensions()
        };
        assert_eq!(of([2, 4, 4, 3], 0, 0, 0), (4, 8), "zeros count as one");
        assert_eq!(of([2, 4, 4, 3], 9, 1, 1), (11, 6), "no wider than there are pictures");
        assert_eq!(of([1, 4, 4, 3], usize::MAX, 0, usize::MAX), (0, 0), "nothing fits");
        assert_eq!(of([1, 4, 4, 3], 1, usize::MAX, 1), (0, 0));
        for empty in [[0, 4, 4, 3], [1, 0, 4, 3], [1, 4, 0, 3], [1, 4, 4, 1]] {
            assert_eq!(of(empty, 1, 1, 1), (0, 0), "{empty:?}");
        }
        let (x, y) = of([1000, 1, 1, 3], 1000, 100, 1);
        assert!(x as usize <= MAX_SIDE && y as usize <= MAX_SIDE);
    }
}
