//! Animated GIFs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame, RgbImage};

use crate::text::Plain;

/// Quality of the palettes, from 1 (best, slow) to 30. Sheets of small pictures look the same up to about here.
const SPEED: i32 = 10;

/// The longest side of a GIF, in pixels.
const MAX_SIDE: u32 = u16::MAX as u32;

/// Encodes an animation that repeats for ever. Each frame has its own palette of 256 colours, and is shown for the time
/// beside it, which GIF rounds to hundredths of a second. All frames should have the same size.
///
/// # Errors
/// When there is no frame, or a frame has no pixels or a side of more than 65,535.
pub fn gif(frames: impl IntoIterator<Item = (RgbImage, Duration)>) -> Result<Vec<u8>> {
    let (mut bytes, mut count) = (Vec::new(), 0);
    {
        let mut encoder = GifEncoder::new_with_speed(&mut bytes, SPEED);
        encoder.set_repeat(Repeat::Infinite)?;
        for (picture, shown) in frames {
            let (width, height) = picture.dimensions();
            let fits = |side| (1..=MAX_SIDE).contains(&side);
            ensure!(fits(width) && fits(height), "a GIF cannot have frames of {width}x{height} pixels");
            let picture = DynamicImage::ImageRgb8(picture).to_rgba8();
            let frame = Frame::from_parts(picture, 0, 0, Delay::from_saturating_duration(shown));
            encoder.encode_frame(frame).context("a frame of the GIF")?;
            count += 1;
        }
    }
    ensure!(count > 0, "there is no picture for the GIF");
    Ok(bytes)
}

/// The path of a GIF to be written.
///
/// # Errors
/// When the name does not end in `.gif`; the message suggests another name.
pub fn gif_name(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gif")) {
        return Ok(path);
    }
    let better = path.with_extension("gif");
    Err(format!("a GIF is written: give it a name such as {}", Plain::path(Path::new(&better))))
}

#[cfg(test)]
mod tests {
    use image::AnimationDecoder as _;
    use image::codecs::gif::GifDecoder;

    use super::*;

    #[test]
    fn frames_come_back_in_order_with_their_times() {
        let frames = [([255, 0, 0], 80), ([0, 0, 255], 2000)];
        let bytes =
            gif(frames.map(|(c, ms)| (RgbImage::from_pixel(4, 3, image::Rgb(c)), Duration::from_millis(ms)))).unwrap();
        let decoder = GifDecoder::new(std::io::Cursor::new(bytes)).unwrap();
        let read = decoder.into_frames().collect_frames().unwrap();
        assert_eq!(read.len(), 2);
        for (frame, (colour, ms)) in read.iter().zip(frames) {
            assert_eq!(frame.buffer().dimensions(), (4, 3));
            assert_eq!(frame.buffer().get_pixel(3, 2).0[..3], colour);
            assert_eq!(Duration::from(frame.delay()), Duration::from_millis(ms));
        }
    }

    #[test]
    fn what_cannot_be_a_gif_is_refused() {
        assert!(gif([]).unwrap_err().to_string().contains("no picture"));
        assert!(gif([(RgbImage::new(0, 0), Duration::ZERO)]).unwrap_err().to_string().contains("0x0"));
        assert!(gif([(RgbImage::new(1 << 16, 1), Duration::ZERO)]).unwrap_err().to_string().contains("65536x1"));
        assert_eq!(gif_name("a/b.GIF").unwrap(), Path::new("a/b.GIF"));
        assert!(gif_name("a.png").unwrap_err().contains("a.gif"));
    }
}
