//! Bilinear enlargement of a picture while its rows arrive.

use core::ops::Range;

use heapless::Vec;

use crate::pixels::Pixels;
use crate::spec::{MAX_SIDE, Shape};

/// Largest factor. With it the coordinates of an enlarged picture fit 16 bits.
pub const MAX_SCALE: u32 = 255;

/// A pixel: red, green, blue, each 0 to 255.
pub type Rgb = [u8; 3];

/// Enlarges a picture by an integer factor, row by row, with linear interpolation between the centres of pixels.
///
/// Output position `o` is at position `(2·o + 1 − scale) / (2·scale)` of the input, so an output row needs at most two
/// input rows: the latest row, and the row before it, which is kept here.
#[derive(Debug)]
pub struct BilinearUpscaler {
    scale: u32,
    height: u32,
    /// Number of input rows so far.
    seen: u32,
    /// Number of output rows so far.
    made: u32,
    /// The bytes of the row before the latest, in the format of the picture.
    before: Vec<u8, { 3 * MAX_SIDE as usize }>,
}

impl BilinearUpscaler {
    /// An upscaler for one picture of shape `picture`, with a factor `scale` of at least 1.
    pub fn new(picture: Shape, scale: u32) -> Self {
        Self { scale, height: picture.height.into(), seen: 0, made: 0, before: Vec::new() }
    }

    /// Takes the next input row. If that completes output rows, passes them to `sink` as one band.
    ///
    /// # Errors
    /// The errors of `sink`.
    pub fn row<E>(&mut self, row: Pixels<'_>, sink: impl FnOnce(Band<'_>) -> Result<(), E>) -> Result<(), E> {
        let latest = self.seen as i32;
        self.seen += 1;
        let top = self.made;
        while self.made < self.height * self.scale {
            // The output row is between input rows `first` and `first + 1`; outside the picture, the row at the edge
            // is used for both.
            let (first, _) = position(self.made, self.scale);
            if first + 1 > latest && self.seen < self.height {
                break;
            }
            self.made += 1;
        }
        let result = if self.made > top {
            let before = match row {
                _ if latest == 0 => row,
                Pixels::Grey(_) => Pixels::Grey(&self.before),
                Pixels::Rgb(_) => Pixels::Rgb(self.before.as_chunks().0),
            };
            sink(Band::new(before, row, latest, self.scale, top..self.made))
        } else {
            Ok(())
        };
        self.before.clear();
        // Cannot be full: no picture is wider than MAX_SIDE.
        let _ = self.before.extend_from_slice(row.bytes());
        result
    }
}

/// The input position at or before output position `o`, and the weight of the next input position in units of
/// `1 / (2·scale)`.
fn position(o: u32, scale: u32) -> (i32, u32) {
    let (o, scale) = (o as i32, scale as i32);
    let p = 2 * o + 1 - scale;
    (p.div_euclid(2 * scale), p.rem_euclid(2 * scale) as u32)
}

/// A band of output rows. Iterates over its pixels row by row: colour, column `x`, row `y`.
#[derive(Debug)]
pub struct Band<'a> {
    /// The input row before the latest; for the first row, that row itself.
    before: Pixels<'a>,
    row: Pixels<'a>,
    /// Index of the latest input row.
    latest: i32,
    scale: u32,
    top: u32,
    bottom: u32,
    x: u32,
    y: u32,
    /// The input rows above and below `y`, and the weight of the lower one.
    upper: Pixels<'a>,
    lower: Pixels<'a>,
    down: u32,
    /// Input position left of `x`, and the weight of the position right of it.
    left: i32,
    right: u32,
}

impl<'a> Band<'a> {
    fn new(before: Pixels<'a>, row: Pixels<'a>, latest: i32, scale: u32, rows: Range<u32>) -> Self {
        let (x, y) = (0, rows.start);
        let (top, bottom) = (rows.start, rows.end);
        let mut band =
            Self { before, row, latest, scale, top, bottom, x, y, upper: row, lower: row, down: 0, left: 0, right: 0 };
        band.begin_row();
        band
    }

    /// Computes what is the same for all pixels of row `y`, and starts at its first pixel.
    fn begin_row(&mut self) {
        let (first, down) = position(self.y, self.scale);
        // Outside the picture both are the row at the edge.
        self.upper = if first < self.latest { self.before } else { self.row };
        self.lower = if first + 1 < self.latest { self.before } else { self.row };
        self.down = down;
        self.x = 0;
        (self.left, self.right) = position(0, self.scale);
    }

    /// Index of the first output row.
    pub fn top(&self) -> u32 {
        self.top
    }

    /// Number of rows.
    pub fn height(&self) -> u32 {
        self.bottom - self.top
    }

    /// Pixels in each row.
    pub fn width(&self) -> u32 {
        self.row.len() as u32 * self.scale
    }
}

impl Iterator for Band<'_> {
    type Item = (Rgb, u32, u32);

    fn next(&mut self) -> Option<Self::Item> {
        if self.y >= self.bottom {
            return None;
        }
        let Self { x, y, upper, lower, down, left, right, .. } = *self;
        let one = 2 * self.scale;
        // Advances to `position` of the next pixel without a division.
        self.x += 1;
        self.right += 2;
        if self.right >= one {
            (self.left, self.right) = (left + 1, self.right - one);
        }
        if self.x == self.width() {
            self.y += 1;
            self.begin_row();
        }

        let last = self.row.len() as i32 - 1;
        let (l, r) = (left.max(0) as usize, (left + 1).min(last) as usize);
        // The weighted mean of four channels: above on the left and right, then below.
        let mix = |[a, b, c, d]: [u8; 4]| {
            let upper = u32::from(a) * (one - right) + u32::from(b) * right;
            let lower = u32::from(c) * (one - right) + u32::from(d) * right;
            ((upper * (one - down) + lower * down + one * one / 2) / (one * one)) as u8
        };
        let rgb = match (upper, lower) {
            (Pixels::Rgb(upper), Pixels::Rgb(lower)) => {
                let [a, b, c, d] = [upper[l], upper[r], lower[l], lower[r]];
                [0, 1, 2].map(|i| mix([a[i], b[i], c[i], d[i]]))
            }
            // All rows of a picture are of the same kind, so both are grey.
            (upper, lower) => {
                let (upper, lower) = (upper.bytes(), lower.bytes());
                [mix([upper[l], upper[r], lower[l], lower[r]]); 3]
            }
        };
        Some((rgb, x, y))
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// Enlarges a picture given as rows of grey values, once as a grey picture and once as a coloured one.
    fn enlarge(rows: &[&[u8]], scale: u32) -> Vec<Vec<u8>> {
        let [grey, rgb] = [false, true].map(|rgb| enlarge_as(rgb, rows, scale));
        assert_eq!(grey, rgb);
        grey
    }

    fn enlarge_as(is_rgb: bool, rows: &[&[u8]], scale: u32) -> Vec<Vec<u8>> {
        let channels = if is_rgb { 3 } else { 1 };
        let mut upscaler = BilinearUpscaler::new(Shape::new(rows.len() as u16, rows[0].len() as u16, channels), scale);
        let mut out: Vec<Vec<u8>> = Vec::new();
        for row in rows {
            let rgb: Vec<Rgb> = row.iter().map(|&v| [v; 3]).collect();
            let row = if is_rgb { Pixels::Rgb(&rgb) } else { Pixels::Grey(row) };
            let done: Result<(), ()> = upscaler.row(row, |band| {
                assert_eq!(band.top() as usize, out.len());
                let (width, height) = (band.width() as usize, band.height() as usize);
                for ([r, g, b], x, y) in band {
                    assert!(r == g && g == b);
                    if x == 0 {
                        assert_eq!(y as usize, out.len());
                        out.push(Vec::new());
                    }
                    out[y as usize].push(r);
                }
                assert!(out[out.len() - height..].iter().all(|row| row.len() == width));
                Ok(())
            });
            assert_eq!(done, Ok(()));
        }
        out
    }

    /// The definition: each output pixel is interpolated from the four input pixels around its centre.
    fn by_definition(rows: &[&[u8]], scale: usize) -> Vec<Vec<u8>> {
        let (height, width) = (rows.len(), rows[0].len());
        let around = |o: usize, len: usize| {
            let p = ((2 * o + 1) as f64 / (2 * scale) as f64 - 0.5).clamp(0.0, (len - 1) as f64);
            (p as usize, (p as usize + 1).min(len - 1), p.fract())
        };
        let pixel = |y: usize, x: usize| {
            let ((top, bottom, v), (left, right, w)) = (around(y, height), around(x, width));
            let mix = |row: &[u8]| f64::from(row[left]) * (1.0 - w) + f64::from(row[right]) * w;
            (mix(rows[top]) * (1.0 - v) + mix(rows[bottom]) * v + 1e-9).round() as u8
        };
        (0..height * scale).map(|y| (0..width * scale).map(|x| pixel(y, x)).collect()).collect()
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
        // The weights along each axis: edge, 3:1, 1:3, edge.
        assert_eq!(
            enlarge(&[&[0, 160], &[80, 240]], 2),
            [[0, 40, 120, 160], [20, 60, 140, 180], [60, 100, 180, 220], [80, 120, 200, 240]]
        );
    }

    #[test]
    fn other_scales_follow_the_definition() {
        let rows: [&[u8]; 4] = [&[3, 200, 17], &[90, 4, 255], &[0, 255, 128], &[61, 62, 230]];
        for scale in 1..9 {
            assert_eq!(enlarge(&rows, scale), by_definition(&rows, scale as usize), "{scale}");
        }
    }

    #[test]
    fn a_single_pixel_fills_everything() {
        assert_eq!(enlarge(&[&[9]], 3), [[9; 3]; 3]);
    }
}
