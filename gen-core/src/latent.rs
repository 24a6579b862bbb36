//! The latent of a picture number. The rule is fixed, as it decides which picture has which number.
//!
//! 1. Xoshiro128++ is seeded from the number with `seed_from_u64`.
//! 2. Values come in pairs from a Box–Muller transform of two 24-bit draws. Its
//!    logarithm, root and cosine are micromath's, called on the [`F32`] newtype, so that no function of a
//!    platform's library can replace them: all machines run the same source. One Newton step refines
//!    micromath's square root (error up to 6 %). The remaining error does no harm, as the trainer
//!    draws its latents with the same function.
//! 3. Each value is rounded to an int8 in steps of 1/32, in the range ±127/32.
//!
//! The tests compare the first values of several seeds with a table.

use core::f32::consts::{FRAC_PI_2, TAU};
use core::fmt;

use heapless::Vec;
use micromath::F32;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;

use crate::spec::MAX_LATENT;

/// The input of a generator: up to [`MAX_LATENT`] values, each an int8 in steps of 1/32, and the class to draw.
///
/// A model without classes ignores the class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latent {
    steps: Vec<i8, MAX_LATENT>,
    class: ClassMix,
}

/// A class, or a mixture of two classes. The default is the first class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ClassMix {
    from: u8,
    to: u8,
    /// Share of `to` in 256ths, 0 to 256.
    share: u16,
}

impl ClassMix {
    /// One class, by its number from 0 on.
    pub const fn one(class: u8) -> Self {
        Self { from: class, to: class, share: 0 }
    }

    /// A mixture: `from` (`t = 0`) to `to` (`t = 256`; larger values count as 256).
    pub const fn between(from: u8, to: u8, t: u16) -> Self {
        match t {
            0 => Self::one(from),
            256.. => Self::one(to),
            _ if from == to => Self::one(from),
            share => Self { from, to, share },
        }
    }

    /// The two classes, and the share of the second in 256ths. For a single class both are the same, and the share is 0.
    pub const fn parts(self) -> (u8, u8, u16) {
        (self.from, self.to, self.share)
    }

    /// The class with the larger share; with equal shares the first.
    pub const fn nearest(self) -> u8 {
        if self.share > 128 { self.to } else { self.from }
    }

    /// A mixture between two: of the two classes if both are single, and else the nearer of the two mixtures, because a
    /// mixture has at most two classes.
    const fn toward(self, other: Self, t: u16) -> Self {
        match (self.share, other.share) {
            (0, 0) => Self::between(self.from, other.from, t),
            _ if t > 128 => other,
            _ => self,
        }
    }

    /// One number of the mixture, from that of the first and that of the second class:
    /// `⌊((256 − share) · from + share · to + 128) / 256⌋`. Halves are rounded up. It is between the two numbers, and
    /// for a single class it is the class's own.
    #[inline(always)]
    pub const fn number(self, from: i8, to: i8) -> i8 {
        let share = self.share as i32;
        (((256 - share) * from as i32 + share * to as i32 + 128) >> 8) as i8
    }
}

impl Latent {
    /// Real value of one step: a value of the latent is `step · SCALE`.
    pub const SCALE: f32 = 1.0 / 32.0;

    /// The latent of picture number `seed`, with `len` values, at most [`MAX_LATENT`].
    pub fn from_seed(seed: u32, len: usize) -> Self {
        let mut rng = Xoshiro128PlusPlus::seed_from_u64(u64::from(seed));
        Self::sample(|| rng.next_u32(), len)
    }

    /// Draws a latent from a source of random numbers: `len` values of a normal distribution, at most [`MAX_LATENT`]. Each
    /// call of `random` returns 32 random bits.
    pub fn sample(mut random: impl FnMut() -> u32, len: usize) -> Self {
        let mut values = Vec::new();
        while values.len() < len {
            let (a, b) = gaussian_pair(&mut random);
            if values.push(a).is_err() || (values.len() < len && values.push(b).is_err()) {
                break;
            }
        }
        Self { steps: values, class: ClassMix::default() }
    }

    /// A latent from its steps; `None` when there are more than [`MAX_LATENT`].
    pub fn from_steps(steps: &[i8]) -> Option<Self> {
        Vec::from_slice(steps).ok().map(|steps| Self { steps, class: ClassMix::default() })
    }

    /// The latent with this [text form](Self::hex), for a model that reads `len` values: [`Model::latent_len`]. A `len` above
    /// [`MAX_LATENT`] counts as [`MAX_LATENT`]. Letters may be of either case.
    ///
    /// # Errors
    /// [`LatentTextError`] when a character is no hexadecimal digit, or their number is not `2 * len`.
    ///
    /// [`Model::latent_len`]: crate::Model::latent_len
    pub fn from_hex(text: &str, len: usize) -> Result<Self, LatentTextError> {
        let len = len.min(MAX_LATENT);
        if let Some(at) = text.chars().position(|c| !c.is_ascii_hexdigit()) {
            return Err(LatentTextError::NotADigit { at: at + 1 });
        }
        let (pairs, odd) = text.as_bytes().as_chunks();
        if !odd.is_empty() || pairs.len() != len {
            return Err(LatentTextError::Length { digits: text.len(), len });
        }
        let digit = |c: u8| char::from(c).to_digit(16).unwrap_or_default() as u8; // all of them are digits
        let steps = pairs.iter().map(|&[high, low]| ((digit(high) << 4) | digit(low)).cast_signed()).collect();
        Ok(Self { steps, class: ClassMix::default() })
    }

    /// The text form, which [`from_hex`](Self::from_hex) reads: two hexadecimal digits for each value, its int8 in two's
    /// complement, in order. The class is not in it.
    pub fn hex(&self) -> impl fmt::Display {
        Hex(&self.steps)
    }

    /// The values, in steps of [`SCALE`](Self::SCALE).
    pub fn steps(&self) -> &[i8] {
        &self.steps
    }

    /// The same latent, for a class of the model, by its number from 0 on. A number past the model's last class draws its
    /// last one. Without this call the class is the first.
    #[must_use]
    pub fn with_class(self, class: u8) -> Self {
        self.with_mix(ClassMix::one(class))
    }

    /// The same latent, for a mixture of two classes: the picture changes from one to the other.
    #[must_use]
    pub fn with_mix(mut self, class: ClassMix) -> Self {
        self.class = class;
        self
    }

    /// The class, or the mixture of two.
    pub fn class(&self) -> ClassMix {
        self.class
    }

    /// A latent between `self` (`t = 0`) and `other` (`t = 256`; larger values count as 256).
    ///
    /// It is `cos θ · self + sin θ · other` with `θ = t / 256 · π / 2`. Two independent latents are nearly
    /// orthogonal, so this is their spherical interpolation, and every result has the variance that the generator
    /// was trained with. The result is as long as the shorter of the two. Its class is a mixture of the two classes, with
    /// `t` as the share of the second. (A latent that is for a mixture already counts as a whole: up to `t = 128` the
    /// result has the class of `self`, then that of `other`.)
    pub fn toward(&self, other: &Self, t: u16) -> Self {
        let angle = F32(f32::from(t.min(256)) / 256.0 * FRAC_PI_2);
        // micromath's cosine does not reach 1 and 0 exactly, but both ends have to be exact.
        let (a, b) = match t {
            0 => (1.0, 0.0),
            256.. => (0.0, 1.0),
            _ => (angle.cos().0, angle.sin().0),
        };
        let pairs = self.steps.iter().zip(&other.steps);
        let steps = pairs.map(|(&p, &q)| to_step(a * f32::from(p) + b * f32::from(q))).collect();
        Self { steps, class: self.class.toward(other.class, t) }
    }

    /// The latent scaled by `share` / 256 (larger values count as 256), with halves rounded away from 0.
    ///
    /// This is the truncation trick: a generator was trained most often on latents near zero, so its pictures are
    /// better there, and more alike. Brock et al. (2019, arXiv:1809.11096) resample values beyond a bound. This
    /// function scales all of them, as the ψ of StyleGAN does (Karras et al. 2019, arXiv:1812.04948), so that a
    /// number keeps its picture while it becomes more typical. The class stays.
    pub fn truncated(&self, share: u16) -> Self {
        let share = i32::from(share.min(256));
        let shrunk = |&q: &i8| {
            let product = i32::from(q) * share;
            ((product + 128 * product.signum()) / 256) as i8
        };
        Self { steps: self.steps.iter().map(shrunk).collect(), class: self.class }
    }
}

/// Why a text is not that of a latent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LatentTextError {
    /// A character is no hexadecimal digit.
    NotADigit {
        /// Its place, counted from 1.
        at: usize,
    },
    /// The text has another number of digits than a latent of the model.
    Length {
        /// Digits of the text.
        digits: usize,
        /// Values of the model's latent.
        len: usize,
    },
}

impl fmt::Display for LatentTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADigit { at } => write!(f, "character {at} of the latent is no hexadecimal digit"),
            Self::Length { digits, len } => write!(
                f,
                "the latent of this model has {len} values, so its text has {} hexadecimal digits, two for each; this one \
                 has {digits}",
                2 * len
            ),
        }
    }
}

impl core::error::Error for LatentTextError {}

/// Writes steps as hexadecimal digits.
struct Hex<'a>(&'a [i8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "{step:02x}"))
    }
}

fn gaussian_pair(random: &mut impl FnMut() -> u32) -> (i8, i8) {
    const UNIT: f32 = 1.0 / (1 << 24) as f32;
    // In (0, 1]: the logarithm of 0 is never taken.
    let u = ((random() >> 8) + 1) as f32 * UNIT;
    let angle = F32((random() >> 8) as f32 * UNIT * TAU);
    // micromath's ln 1 may be slightly above 0.
    let squared = (-2.0 * F32(u).ln().0).max(0.0);
    let root = F32(squared).sqrt().0;
    // A Newton step. The approximate root of 0 is a tiny positive number, so this never divides by 0.
    let radius = 0.5 * (root + squared / root) / Latent::SCALE;
    (to_step(radius * angle.cos().0), to_step(radius * angle.sin().0))
}

/// Rounds to the nearest step and clamps to ±127, so that a latent can be negated.
fn to_step(value: f32) -> i8 {
    // Truncating a positive number rounds down on every target alike.
    ((value.clamp(-127.0, 127.0) + 128.5) as i32 - 128) as i8
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn close_to_a_unit_gaussian() {
        let mut rng = Xoshiro128PlusPlus::seed_from_u64(7);
        let (n, mut sum, mut squares) = (200_000, 0.0, 0.0);
        for _ in 0..n / 100 {
            for &q in Latent::sample(|| rng.next_u32(), 100).steps() {
                let v = f64::from(q) * f64::from(Latent::SCALE);
                sum += v;
                squares += v * v;
            }
        }
        let (mean, variance) = (sum / f64::from(n), squares / f64::from(n));
        assert!(mean.abs() < 0.02, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.1, "variance {variance}");
    }

    #[test]
    fn a_shorter_latent_is_a_prefix() {
        assert_eq!(Latent::from_seed(5, 9).steps(), &Latent::from_seed(5, 32).steps()[..9]);
        assert_eq!(Latent::from_seed(5, 1000).steps().len(), MAX_LATENT);
    }

    #[test]
    fn interpolation_begins_and_ends_exactly() {
        let (a, b) = (Latent::from_seed(1, 32), Latent::from_seed(2, 32));
        assert_eq!((a.toward(&b, 0), a.toward(&b, 256), a.toward(&b, 999)), (a.clone(), b.clone(), b.clone()));
        assert_ne!(a.toward(&b, 128), a);
    }

    #[test]
    fn a_mixture_begins_and_ends_at_its_classes_and_rounds_halves_up() {
        let (a, b) = (Latent::from_seed(1, 9).with_class(3), Latent::from_seed(2, 9).with_class(7));
        assert_eq!((a.toward(&b, 0), a.toward(&b, 256), a.toward(&b, 999)), (a.clone(), b.clone(), b.clone()));
        assert_eq!(a.toward(&b, 64).class(), ClassMix::between(3, 7, 64));
        assert_eq!(a.toward(&a, 64).class(), ClassMix::one(3));
        assert_eq!(a.truncated(128).class(), ClassMix::one(3));
        assert_eq!((ClassMix::between(3, 7, 128).nearest(), ClassMix::between(3, 7, 129).nearest()), (3, 7));
        let mixed = a.clone().with_mix(ClassMix::between(1, 2, 100));
        assert_eq!((mixed.toward(&b, 128).class(), mixed.toward(&b, 129).class()), (mixed.class(), b.class()));
        let half = ClassMix::between(0, 1, 128);
        assert_eq!([(0, 1), (1, 0), (-1, 0), (-2, -1), (-128, 127)].map(|(p, q)| half.number(p, q)), [1, 1, 0, -1, 0]);
        for share in 0..=256 {
            let mix = ClassMix::between(0, 1, share);
            for (p, q) in [(-128, 127), (127, -128), (5, 5), (-128, -128), (127, 127), (-1, 1)] {
                let exact = (f64::from(p) * f64::from(256 - share) + f64::from(q) * f64::from(share)) / 256.0;
                let expected = if share == 256 { q } else { (exact + 0.5).floor() as i8 };
                let (from, to) = if share == 256 { (q, q) } else { (p, q) };
                assert_eq!(mix.number(from, to), expected, "{share} of {p} and {q}");
            }
        }
    }

    #[test]
    fn truncation_goes_from_zero_to_the_latent_itself() {
        let latent = Latent::from_seed(1, MAX_LATENT);
        assert_eq!((latent.truncated(256), latent.truncated(999)), (latent.clone(), latent.clone()));
        assert!(latent.truncated(0).steps().iter().all(|&q| q == 0));
        let steps = [-128, -127, -3, -2, -1, 0, 1, 2, 3, 127];
        let cases = [
            (128, [-64, -64, -2, -1, -1, 0, 1, 1, 2, 64]), // halves away from 0, for both signs
            (179, [-90, -89, -2, -1, -1, 0, 1, 1, 2, 89]),
            (1, [-1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ];
        for (share, expected) in cases {
            assert_eq!(Latent::from_steps(&steps).unwrap().truncated(share).steps(), expected, "{share}");
        }
    }

    #[test]
    fn a_latent_survives_its_text() {
        let latent = Latent::from_steps(&[0, 1, -1, 127, -128]).unwrap();
        assert_eq!(latent.hex().to_string(), "0001ff7f80");
        assert_eq!(Latent::from_hex("0001fF7F80", 5), Ok(latent));
        for len in 0..=MAX_LATENT {
            let latent = Latent::from_seed(len as u32, len);
            let text = latent.clone().with_class(3).hex().to_string();
            assert_eq!(text.len(), 2 * len);
            assert_eq!(Latent::from_hex(&text, len).as_ref(), Ok(&latent));
            if len == MAX_LATENT {
                assert_eq!(Latent::from_hex(&text, 1000).as_ref(), Ok(&latent));
            }
        }
        for step in i8::MIN..=i8::MAX {
            let latent = Latent::from_steps(&[step]).unwrap();
            let text = latent.hex().to_string();
            assert_eq!(Latent::from_hex(&text, 1), Ok(latent));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let longer = "0".repeat(2 * MAX_LATENT + 2);
        for (text, len, digits) in [("", 1, 0), ("f", 1, 1), ("fff", 1, 3), ("ffff", 1, 4), ("00", 2, 2), ("0", 0, 1)] {
            assert_eq!(Latent::from_hex(text, len), Err(LatentTextError::Length { digits, len }), "{text}");
        }
        let error = LatentTextError::Length { digits: 2 * MAX_LATENT + 2, len: MAX_LATENT };
        assert_eq!(Latent::from_hex(&longer, MAX_LATENT + 1), Err(error));
        assert_eq!(
            error.to_string(),
            "the latent of this model has 128 values, so its text has 256 hexadecimal digits, two for each; this one has 258"
        );
        for (text, at) in [("0g", 2), ("+1", 1), ("é", 1), ("0é", 2), ("ff ", 3), ("0x", 2), ("00-1", 3)] {
            assert_eq!(Latent::from_hex(text, 1), Err(LatentTextError::NotADigit { at }), "{text}");
        }
        let error = LatentTextError::NotADigit { at: 3 };
        assert_eq!(error.to_string(), "character 3 of the latent is no hexadecimal digit");
    }

    #[test]
    fn rounds_to_the_nearest_step() {
        let cases = [(0.4, 0), (0.6, 1), (-0.4, 0), (-0.6, -1), (500.0, 127), (-500.0, -127)];
        for (value, step) in cases {
            assert_eq!(to_step(value), step, "{value}");
        }
    }
}
