//! Brings pictures of any size and kind to the size and channels that a network draws.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, bail};
use gen_core::Shape;
use image::imageops::{self, FilterType};
use image::{DynamicImage, Rgb, RgbImage};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What happens to a picture whose proportions are not the wanted ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Its middle is cut out.
    #[default]
    Crop,
    /// It is kept whole; what is left free is filled with the background.
    Pad,
    /// It is stretched or squeezed.
    Stretch,
}

impl Fit {
    /// All values with their names and meanings.
    pub const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Crop, "crop", "Cut out the middle"),
        (Self::Pad, "pad", "Keep the whole picture and fill the rest with the background"),
        (Self::Stretch, "stretch", "Stretch or squeeze"),
    ];
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::ALL.iter().filter(|(fit, ..)| fit == self);
        names.map(|(_, name, _)| *name).try_for_each(|name| f.write_str(name))
    }
}

impl FromStr for Fit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match Self::ALL.iter().find(|(_, name, _)| *name == text) {
            Some((fit, ..)) => Ok(*fit),
            None => bail!("\"{text}\" is none of crop, pad and stretch"),
        }
    }
}

/// How pictures of other proportions, and transparent ones, are brought to the wanted shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fitting {
    /// For pictures of other proportions.
    pub fit: Fit,
    /// Colour that transparent pixels and [`Fit::Pad`] show: red, green, blue.
    pub background: [u8; 3],
}

impl Default for Fitting {
    fn default() -> Self {
        Self { fit: Fit::Crop, background: [255; 3] }
    }
}

impl Fitting {
    /// Whether it is the default: crop, on white.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What pictures are brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Height, width, and 1 channel (grey) or 3 (red, green, blue).
    pub shape: Shape,
    /// For pictures of other proportions, and transparent ones.
    pub fitting: Fitting,
}

impl Default for Target {
    fn default() -> Self {
        Self::of(Shape::new(32, 32, 3))
    }
}

impl Target {
    /// Pictures of this shape, cut out of the middle, on white.
    pub fn of(shape: Shape) -> Self {
        Self { shape, fitting: Fitting::default() }
    }

    /// Width and height, in pixels.
    fn size(&self) -> (u32, u32) {
        (self.shape.width.into(), self.shape.height.into())
    }

    /// The part of a picture of this size that is used, and the size to which that part is resized: each width and
    /// height.
    fn parts(&self, (width, height): (u32, u32)) -> [(u32, u32); 2] {
        let (to_width, to_height) = self.size();
        // `a` scaled by `b / c`, rounded to the nearest whole number of at least 1 and at most `most`.
        let scaled = |a: u32, b: u32, c: u32, most: u32| {
            let (a, b, c) = (u64::from(a), u64::from(b), u64::from(c));
            ((a * b + c / 2) / c).clamp(1, most.into()) as u32
        };
        match self.fitting.fit {
            Fit::Crop => {
                let used = (scaled(height, to_width, to_height, width), scaled(width, to_height, to_width, height));
                [used, (to_width, to_height)]
            }
            Fit::Pad => {
                let shown = (scaled(to_height, width, height, to_width), scaled(to_width, height, width, to_height));
                [(width, height), shown]
            }
            Fit::Stretch => [(width, height), (to_width, to_height)],
        }
    }

    /// Whether a picture of this width and height has to be enlarged.
    pub(super) fn enlarges(&self, size: (u32, u32)) -> bool {
        let [used, shown] = self.parts(size);
        used.0 < shown.0 || used.1 < shown.1
    }

    /// The pixels of a picture in the wanted size and channels, row by row.
    ///
    /// # Errors
    /// When nothing can be seen because all of it is transparent.
    pub(super) fn fit(&self, picture: DynamicImage) -> Result<Vec<u8>, String> {
        let part = self.used_part(picture);
        let rgb = if part.color().has_alpha() {
            let part = part.into_rgba8();
            if part.pixels().all(|pixel| pixel.0[3] == 0) {
                return Err("nothing can be seen: it is wholly transparent".into());
            }
            let mut over = RgbImage::new(part.width(), part.height());
            for (out, pixel) in over.pixels_mut().zip(part.pixels()) {
                let [colour @ .., alpha] = pixel.0.map(u32::from);
                out.0 = std::array::from_fn(|c| {
                    ((colour[c] * alpha + u32::from(self.fitting.background[c]) * (255 - alpha) + 127) / 255) as u8
                });
            }
            over
        } else {
            part.into_rgb8()
        };
        Ok(self.resized(rgb))
    }

    /// Opaque pictures of the shape `from`, all in the wanted size and channels.
    pub(super) fn fit_all(&self, from: Shape, pixels: Vec<u8>) -> Vec<u8> {
        if from == self.shape {
            return pixels;
        }
        let (width, height) = (from.width.into(), from.height.into());
        // Each picture is written to its place, so that all of them exist only once.
        let mut fitted = vec![0; pixels.len() / from.len() * self.shape.len()];
        let places = fitted.par_chunks_exact_mut(self.shape.len());
        pixels.par_chunks_exact(from.len()).zip(places).for_each(|(picture, place)| {
            let picture = match from.channels {
                1 => picture.iter().flat_map(|&grey| [grey; 3]).collect(),
                _ => picture.to_vec(),
            };
            place.copy_from_slice(&self.fit_rgb(RgbImage::from_raw(width, height, picture).unwrap_or_default()));
        });
        fitted
    }

    /// The pixels of an opaque picture in the wanted size and channels, row by row.
    pub(super) fn fit_rgb(&self, picture: RgbImage) -> Vec<u8> {
        self.resized(self.used_part(picture.into()).into_rgb8())
    }

    /// The middle of a picture that is cropped, or all of it.
    fn used_part(&self, picture: DynamicImage) -> DynamicImage {
        let size @ (width, height) = (picture.width(), picture.height());
        let [used, _] = self.parts(size);
        if used == size {
            return picture;
        }
        picture.crop_imm((width - used.0) / 2, (height - used.1) / 2, used.0, used.1)
    }

    /// Resizes the used part of a picture, and puts it on the background if it leaves something free.
    fn resized(&self, part: RgbImage) -> Vec<u8> {
        let shown = match self.fitting.fit {
            Fit::Pad => self.parts(part.dimensions())[1],
            Fit::Crop | Fit::Stretch => self.size(),
        };
        let part = if part.dimensions() == shown {
            part
        } else {
            // When shrinking, the filter is widened by the scale, which avoids aliasing.
            imageops::resize(&part, shown.0, shown.1, FilterType::CatmullRom)
        };
        let picture = if shown == self.size() {
            part
        } else {
            let (width, height) = self.size();
            let mut padded = RgbImage::from_pixel(width, height, Rgb(self.fitting.background));
            imageops::replace(&mut padded, &part, ((width - shown.0) / 2).into(), ((height - shown.1) / 2).into());
            padded
        };
        self.channels_of(picture)
    }

    /// The bytes of a picture of the wanted size, in the wanted channels.
    pub(super) fn channels_of(&self, picture: RgbImage) -> Vec<u8> {
        if self.shape.channels == 1 {
            picture.pixels().map(|pixel| grey(pixel.0)).collect()
        } else {
            picture.into_raw()
        }
    }
}

/// Brightness of a colour: ITU-R BT.601, as Pillow and torchvision convert to grey, rounded. A grey pixel keeps its value.
pub(super) fn grey([red, green, blue]: [u8; 3]) -> u8 {
    ((299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue) + 500) / 1000) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(width: u16, height: u16, channels: u16, fit: Fit) -> Target {
        Target { shape: Shape::new(height, width, channels), fitting: Fitting { fit, background: [1, 2, 3] } }
    }

    #[test]
    fn greys_keep_their_value_and_white_stays_white() {
        assert!((0..=255).all(|v| grey([v; 3]) == v));
        assert_eq!([grey([255, 0, 0]), grey([0, 255, 0]), grey([0, 0, 255])], [76, 150, 29]);
    }

    #[test]
    fn each_way_to_fit_uses_the_right_part() {
        let size = (40, 10);
        assert_eq!(target(8, 8, 3, Fit::Crop).parts(size), [(10, 10), (8, 8)]);
        assert_eq!(target(8, 8, 3, Fit::Pad).parts(size), [(40, 10), (8, 2)]);
        assert_eq!(target(8, 8, 3, Fit::Stretch).parts(size), [(40, 10), (8, 8)]);
        assert_eq!(target(16, 8, 3, Fit::Crop).parts(size), [(20, 10), (16, 8)]);
        assert_eq!(target(64, 8, 3, Fit::Crop).parts(size), [(40, 5), (64, 8)]);
        // Never empty, however extreme the proportions.
        assert_eq!(target(8, 256, 3, Fit::Crop).parts((16_384, 8)), [(1, 8), (8, 256)]);
        assert_eq!(target(8, 8, 3, Fit::Pad).parts((16_384, 8)), [(16_384, 8), (8, 1)]);
        assert!(target(64, 8, 3, Fit::Crop).enlarges(size) && !target(8, 8, 3, Fit::Crop).enlarges(size));
    }

    #[test]
    fn pictures_are_cropped_padded_and_stretched() {
        // Left half red, right half blue.
        let picture = RgbImage::from_fn(16, 8, |x, _| if x < 8 { Rgb([200, 0, 0]) } else { Rgb([0, 0, 200]) });
        let of = |target: Target| target.fit_rgb(picture.clone());
        let cropped = of(target(8, 8, 3, Fit::Crop));
        assert_eq!((&cropped[..3], &cropped[21..24]), (&[200, 0, 0][..], &[0, 0, 200][..]));
        let padded = of(target(16, 16, 3, Fit::Pad));
        assert_eq!((&padded[..3], &padded[16 * 3 * 4..][..3], padded.len()), (&[1, 2, 3][..], &[200, 0, 0][..], 768));
        let grey = of(target(16, 8, 1, Fit::Stretch));
        assert_eq!((grey.len(), grey[0], grey[15]), (128, super::grey([200, 0, 0]), super::grey([0, 0, 200])));
    }

    #[test]
    fn transparent_pixels_show_the_background() {
        let mut picture = image::RgbaImage::from_pixel(8, 8, image::Rgba([9, 9, 9, 255]));
        picture.put_pixel(0, 0, image::Rgba([200, 200, 200, 0]));
        let pixels = target(8, 8, 3, Fit::Crop).fit(picture.into()).unwrap();
        assert_eq!((&pixels[..3], &pixels[3..6]), (&[1, 2, 3][..], &[9, 9, 9][..]));
        let nothing = image::RgbaImage::new(8, 8);
        assert!(target(8, 8, 3, Fit::Crop).fit(nothing.into()).unwrap_err().contains("transparent"));
    }
}
