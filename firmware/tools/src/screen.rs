//! The picture on a display, read from QEMU's window or from the model of a display controller.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use emulated_boards::ssd0323::{HEIGHT, WIDTH};

/// QEMU shows each pixel of the OLED as a square with this side, in pixels.
const MAGNIFIED: usize = 4;

/// A picture with 8 bits for each colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The pixels row by row, three bytes (red, green, blue) each.
    pub rgb: Vec<u8>,
}

impl Screen {
    /// Reads a PPM file (P6, 8 bits), the format of QEMU's screenshots.
    ///
    /// # Errors
    /// If the bytes are not such a file.
    pub fn from_ppm(file: &[u8]) -> Result<Self> {
        Self::read_ppm(file).context("QEMU's screenshot is not the PPM file that it should be")
    }

    fn read_ppm(file: &[u8]) -> Option<Self> {
        // Four words, each followed by one white space character: P6, width, height, largest value.
        let mut parts = file.splitn(5, u8::is_ascii_whitespace);
        let mut word = || str::from_utf8(parts.next()?).ok();
        if word()? != "P6" {
            return None;
        }
        let (width, height) = (word()?.parse().ok()?, word()?.parse().ok()?);
        if word()? != "255" {
            return None;
        }
        let rgb = parts.next()?.to_vec();
        (rgb.len() == usize::checked_mul(width, height)?.checked_mul(3)?).then_some(Self { width, height, rgb })
    }

    /// The greys (0 … 15) of the OLED's pixels, row by row.
    ///
    /// # Errors
    /// If the picture is not one of the OLED.
    pub fn greys(&self) -> Result<Vec<u8>> {
        if (self.width, self.height) != (WIDTH * MAGNIFIED, HEIGHT * MAGNIFIED) {
            bail!("a screen of {}x{} pixels is not the OLED's", self.width, self.height);
        }
        let pixel = |i: usize| {
            let at = (i / WIDTH * self.width + i % WIDTH) * MAGNIFIED * 3;
            match self.rgb[at..at + 3] {
                [r, g, b] if r == g && g == b && r % 17 == 0 => Ok(r / 17),
                _ => bail!("pixel {},{} of the OLED is not one of its 16 greys", i % WIDTH, i / WIDTH),
            }
        };
        (0..WIDTH * HEIGHT).map(pixel).collect()
    }

    /// Red, green and blue at `x`, `y`; `None` outside.
    pub fn pixel(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        let inside = x < self.width && y < self.height;
        inside.then(|| self.rgb.as_chunks().0.get(y * self.width + x).copied()).flatten()
    }

    /// Writes the picture as a PNG file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        self.encode(BufWriter::new(file))
    }

    /// Writes the picture as PNG.
    pub(crate) fn encode(&self, to: impl Write) -> Result<()> {
        let mut png = png::Encoder::new(to, self.width as u32, self.height as u32);
        png.set_color(png::ColorType::Rgb);
        png.write_header()?.write_image_data(&self.rgb)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_oled_from_a_screenshot() -> Result<()> {
        let mut file = b"P6\n512 256\n255\n".to_vec();
        for i in 0..512 * 256 {
            let (x, y) = (i % 512 / 4, i / 512 / 4);
            file.extend([((x + y) % 16 * 17) as u8; 3]);
        }
        let greys = Screen::from_ppm(&file)?.greys()?;
        assert_eq!(greys.len(), 128 * 64);
        assert!((0..128 * 64).all(|i| usize::from(greys[i]) == (i % 128 + i / 128) % 16));
        Ok(())
    }

    #[test]
    fn refuses_other_files() -> Result<()> {
        for file in ["", "P5 1 1 255\n\0", "P6 1 1 255\n\0\0", "P6 9999999999 9999999999 255\n"] {
            assert!(Screen::from_ppm(file.as_bytes()).is_err(), "{file:?}");
        }
        assert!(Screen::from_ppm(b"P6 1 1 255\n\0\0\0")?.greys().is_err());
        Ok(())
    }
}
