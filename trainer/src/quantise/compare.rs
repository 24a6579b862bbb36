//! Compares the pictures of a quantised model with those of its float generator.

use std::fmt;

use gen_core::Model;
use ndarray::{Array4, ArrayView3, ArrayView4, Axis, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::draw::first_pictures;
use super::fold::FloatModel;

/// Pictures of the same latents, drawn by both models; `[N, side, side, 3]` each.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Drawn by the quantised model, identical to the device's pictures.
    pub int8: Array4<u8>,
    /// Drawn by the float generator.
    pub float: Array4<u8>,
}

/// Draws the pictures of the seeds from 0 on with a quantised model and with the float generator that it was made
/// from: at most `most`, fewer with a large generator.
pub fn int8_with_float(float: &FloatModel, model: &Model<'_>, most: u32) -> Comparison {
    let int8 = first_pictures(model, most);
    let batch = float.input().range(0, int8.dim().0 as u32);
    Comparison { float: float.pictures(batch.view()), int8 }
}

impl fmt::Display for Comparison {
    /// `PSNR 48.1 dB, SSIM 0.9931 over 128 pictures`, and a note if all pictures are the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let close = likeness(self.float.view(), self.int8.view());
        let alike = if are_identical(self.int8.view()) { ", and all of them are the same one" } else { "" };
        write!(f, "{close} over {} pictures{alike}", self.int8.dim().0)
    }
}

/// Similarity of two sets of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Likeness {
    /// Peak signal-to-noise ratio in dB; more is closer.
    pub psnr: f64,
    /// Structural similarity (Wang et al. 2004) over 7x7 windows; 1 is equal.
    pub ssim: f64,
}

impl fmt::Display for Likeness {
    /// `PSNR 48.1 dB, SSIM 0.9931`, or a text that says that there is no difference.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { psnr, ssim } = self;
        if psnr.is_finite() {
            write!(f, "PSNR {psnr:.1} dB, SSIM {ssim:.4}")
        } else {
            f.write_str("equal in every pixel")
        }
    }
}

/// Whether there is more than one picture, `[N, height, width, 3]`, and all are the same.
pub fn are_identical(pictures: ArrayView4<'_, u8>) -> bool {
    let mut all = pictures.outer_iter();
    let Some(first) = all.next() else { return false };
    pictures.dim().0 > 1 && all.all(|other| other == first)
}

/// Compares each picture of `a` with the one of `b` at the same index. Both are `[N, height, width, 3]`.
pub fn likeness(a: ArrayView4<'_, u8>, b: ArrayView4<'_, u8>) -> Likeness {
    let squared: f64 = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    let mean = squared / a.len().max(1) as f64;
    let psnr = if mean == 0.0 { f64::INFINITY } else { 10.0 * (255.0f64.powi(2) / mean).log10() };
    let pairs: Vec<_> = a.axis_iter(Axis(0)).zip(b.axis_iter(Axis(0))).collect();
    let ssims: Vec<f64> = pairs.par_iter().map(|(a, b)| ssim(a, b)).collect();
    Likeness { psnr, ssim: ssims.iter().sum::<f64>() / ssims.len().max(1) as f64 }
}

/// Mean SSIM over all channels and all windows inside the picture.
fn ssim(a: &ArrayView3<'_, u8>, b: &ArrayView3<'_, u8>) -> f64 {
    const WINDOW: usize = 7;
    // The constants of the paper for 8-bit pictures: (0.01·255)² and (0.03·255)².
    const C1: f64 = 6.5025;
    const C2: f64 = 58.5225;
    let (h, w, channels) = a.dim();
    let window = WINDOW.min(h).min(w);
    let n = (window * window) as f64;
    let (mut sum, mut count) = (0.0, 0);
    for c in 0..channels {
        for y in 0..=h - window {
            for x in 0..=w - window {
                let part = s![y..y + window, x..x + window, c];
                let (mut sa, mut sb, mut saa, mut sbb, mut sab) = (0.0, 0.0, 0.0, 0.0, 0.0);
                for (&a, &b) in a.slice(part).iter().zip(b.slice(part)) {
                    let (a, b) = (f64::from(a), f64::from(b));
                    (sa, sb, saa, sbb, sab) = (sa + a, sb + b, saa + a * a, sbb + b * b, sab + a * b);
                }
                let (ma, mb) = (sa / n, sb / n);
                let (va, vb, cov) = (saa / n - ma * ma, sbb / n - mb * mb, sab / n - ma * mb);
                sum += (2.0 * ma * mb + C1) * (2.0 * cov + C2) / ((ma * ma + mb * mb + C1) * (va + vb + C2));
                count += 1;
            }
        }
    }
    sum / f64::from(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pictures_are_equal_and_others_are_not() {
        let a = Array4::from_shape_fn((2, 9, 9, 3), |(n, y, x, c)| ((n * 90 + y * 20 + x * 5 + c) % 250) as u8);
        let same = likeness(a.view(), a.view());
        assert!(same.psnr.is_infinite() && (same.ssim - 1.0).abs() < 1e-12);
        assert_eq!(same.to_string(), "equal in every pixel");
        let brighter = a.mapv(|v| v + 1);
        let close = likeness(a.view(), brighter.view());
        assert!((close.psnr - 48.13).abs() < 0.01 && close.ssim > 0.98, "{close:?}");
        assert!(close.to_string().starts_with("PSNR 48.1 dB, SSIM "), "{close}");
        assert!(
            !are_identical(a.view())
                && !are_identical(a.slice(s![..1, .., .., ..]))
                && !are_identical(a.slice(s![..0, .., .., ..]))
        );
        assert!(are_identical(a.select(Axis(0), &[1, 1, 1]).view()));
        let inverted = a.mapv(|v| 255 - v);
        assert!(likeness(a.view(), inverted.view()).ssim < 0.0);
    }
}
