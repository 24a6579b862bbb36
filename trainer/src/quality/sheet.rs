//! A sheet of the generated pictures that are most similar to a training picture.

use anyhow::Result;
use image::RgbImage;
use ndarray::{Array4, ArrayView4, s};

use super::{NEIGHBOURHOOD, even_places};
use crate::grid::grid;
use crate::nearest::Neighbour;
use crate::store::PictureStore;

/// Number of pairs on the sheet.
const PAIRS: usize = 16;
/// Pairs in a row of the sheet.
const COLUMNS: usize = 8;

/// The 16 pictures that are nearest to a training picture, nearest first, eight in a row. Below
/// each row are their training pictures, mirrored where that is nearer. `neighbours` is the result of
/// [`copies::find`](super::copies::find) for these sets.
///
/// # Errors
/// When the sheet would be too large, or the references are in a file that cannot be read.
pub fn nearest(
    pictures: ArrayView4<'_, u8>,
    references: impl Into<PictureStore>,
    neighbours: &[Neighbour],
) -> Result<RgbImage> {
    let references = references.into();
    let places = even_places(pictures.dim().0, NEIGHBOURHOOD);
    let mut order: Vec<_> = places.into_iter().zip(neighbours).collect();
    order.sort_by(|a, b| a.1.distance.total_cmp(&b.1.distance));
    order.truncate(PAIRS);
    let (_, height, width, channels) = pictures.dim();
    let rows = order.len().div_ceil(COLUMNS);
    let mut cells = Array4::zeros((2 * rows * COLUMNS, height, width, channels));
    for (i, (place, neighbour)) in order.into_iter().enumerate() {
        let above = i / COLUMNS * 2 * COLUMNS + i % COLUMNS;
        cells.slice_mut(s![above, .., .., ..]).assign(&pictures.slice(s![place, .., .., ..]));
        let real = references.select(&[neighbour.index])?;
        let real = real.slice(s![0, .., .., ..]);
        let real = if neighbour.mirrored { real.slice_move(s![.., ..;-1, ..]) } else { real };
        cells.slice_mut(s![above + COLUMNS, .., .., ..]).assign(&real);
    }
    grid(cells.view(), COLUMNS, 2, 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::{blobs, copies};

    #[test]
    fn training_pictures_stand_below_what_is_like_them() {
        let training = blobs(1, 40, 8);
        let mirrored = training.slice(s![..20, .., ..;-1, ..]).to_owned();
        let (_, neighbours) = copies::find(mirrored.view(), training.view()).unwrap().unwrap();
        let sheet = nearest(mirrored.view(), training.view(), &neighbours).unwrap();
        // Two rows of pairs of 8 pixels, twice as large, with gaps of 2.
        assert_eq!(sheet.dimensions(), (8 * 18 + 2, 4 * 18 + 2));
        let tile = |x: u32, y: u32| image::imageops::crop_imm(&sheet, 2 + 18 * x, 2 + 18 * y, 16, 16).to_image();
        for x in 0..8 {
            assert_eq!(tile(x, 0), tile(x, 1));
            assert_eq!(tile(x, 2), tile(x, 3));
        }
    }
}
