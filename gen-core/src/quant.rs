//! The arithmetic of a quantised layer. This is its only definition.
//!
//! A value `v` of a layer is stored as the int8 `q = zero_point + v / scale`. For each output a layer computes
//!
//! 1. `acc = bias + Σ weight · q` in int32. The bias already holds
//!    `−zero_point · Σ weight`, and pixels over the edge read as the zero point.
//! 2. `n = round_half_up(acc · m / 2³²)`, [`Multiplier::apply`]. `m` is one of
//!    two multipliers, chosen by the sign of `acc`: equal for linear layers, the
//!    second smaller for leaky ones and 0 for ReLU.
//! 3. the int8 `clamp(zero_point_out + n, −128, 127)`, or for the last layer the
//!    pixel that [`pixel`] looks up for `n`: steps of the argument of a tanh.
//!
//! # Why it can be simulated in f64 without any error
//! The parser accepts a layer only if `|acc| ≤ A < 2³¹` for every possible input
//! and `A · m < 2⁵²`. Every intermediate value then fits the 53-bit mantissa of an f64: the sum, the
//! product, the sum with 2³¹, and the quotient by a power of two.
//!
//! # Why 2³²
//! `round_half_up(acc · m / 2³²)` is the rounded high word of a 32 × 32 multiply:
//! one instruction (`SMMULR`) on a Cortex-M4, M7 and M33, three on a Cortex-M3.

use core::fmt;

use crate::no_panic::{get_or_default, subslice};
use crate::spec::Activation;

/// Steps per unit of the argument of [`Activation::Tanh`]. Rounding a real argument to the nearest step changes
/// the pixel by at most one level: the slope of the pixel is at most 127.5, so half a step changes its real value
/// by less than half a level.
pub const TANH_STEPS: i32 = 128;

/// The same for [`Activation::TanhUnit`], whose pixels rise twice as fast.
pub const TANH_UNIT_STEPS: i32 = 256;

/// From this argument on the pixel is always 255; below its negative it is the darkest.
const TANH_END: i32 = 4;

/// The multipliers of one output channel: they convert an accumulator to the scale of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multiplier {
    /// `2³² · scale_in · scale_weight / scale_out`, for accumulators ≥ 0.
    pub positive: i32,
    /// `positive` times the slope of the activation, for accumulators < 0.
    pub negative: i32,
}

impl Multiplier {
    /// `round_half_up(acc · m / 2³²)`: exact halves go towards +∞, for both signs.
    #[inline(always)]
    pub const fn apply(self, acc: i32) -> i32 {
        let m = if acc < 0 { self.negative } else { self.positive };
        if cfg!(kernels = "armv6m") {
            rounded_high_word(acc, m)
        } else {
            ((acc as i64 * m as i64 + (1 << 31)) >> 32) as i32
        }
    }
}

/// `round_half_up(a · b / 2³²)` from products of 16-bit halves, for a processor whose products have 32 bits. The derivation is
/// in `kernels/arm/armv6m.s`.
const fn rounded_high_word(a: i32, b: i32) -> i32 {
    let (a_low, a_high, b_low, b_high) = (a & 0xffff, a >> 16, b & 0xffff, b >> 16);
    let low = (a_low as u32).wrapping_mul(b_low as u32);
    let t = a_high.wrapping_mul(b_low).wrapping_add((low >> 16) as i32);
    let w = a_low.wrapping_mul(b_high).wrapping_add(t & 0xffff);
    a_high.wrapping_mul(b_high).wrapping_add(t >> 16).wrapping_add(w >> 16).wrapping_add(w >> 15 & 1)
}

/// The multipliers of all output channels of a layer.
#[derive(Clone, Copy)]
pub struct MultiplierTable<'a> {
    /// For accumulators ≥ 0.
    pub positive: I32LeSlice<'a>,
    /// For accumulators < 0. If one multiplier gives the same results for both signs, this is the same slice as
    /// `positive`, so that kernels can skip the choice: see [`Layer::multipliers`](crate::Layer::multipliers).
    pub negative: I32LeSlice<'a>,
}

/// Their number, and whether negative accumulators have others.
impl fmt::Debug for MultiplierTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.positive.as_ptr() == self.negative.as_ptr();
        write!(f, "MultiplierTable({} channels, {})", self.positive.len(), if one { "one list" } else { "two lists" })
    }
}

impl MultiplierTable<'_> {
    /// The multipliers of a channel; `None` past the last one.
    #[inline(always)]
    pub fn get(&self, channel: usize) -> Option<Multiplier> {
        Some(Multiplier { positive: self.positive.get(channel)?, negative: self.negative.get(channel)? })
    }

    /// The multipliers of a channel, which exists.
    #[inline(always)]
    pub(crate) fn at(&self, channel: usize) -> Multiplier {
        Multiplier { positive: self.positive.at(channel), negative: self.negative.at(channel) }
    }
}

/// A list of little-endian `i32`, read in place from the bytes of a file on every machine.
#[derive(Clone, Copy)]
pub struct I32LeSlice<'a>(&'a [[u8; 4]]);

/// The length, without the values.
impl fmt::Debug for I32LeSlice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I32LeSlice({} values)", self.len())
    }
}

impl<'a> I32LeSlice<'a> {
    /// The list with these bytes.
    pub const fn new(words: &'a [[u8; 4]]) -> Self {
        Self(words)
    }

    /// Element `i`; `None` past the last one.
    #[inline(always)]
    pub fn get(&self, i: usize) -> Option<i32> {
        self.0.get(i).map(|&word| i32::from_le_bytes(word))
    }

    /// Element `i`, which exists.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn at(&self, i: usize) -> i32 {
        i32::from_le_bytes(get_or_default(self.0, i))
    }

    /// Elements `start` to `start + len`, which exist.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn slice(&self, start: usize, len: usize) -> Self {
        Self(subslice(self.0, start..start + len))
    }

    /// The address of the first element.
    pub(crate) fn as_ptr(&self) -> *const [u8; 4] {
        self.0.as_ptr()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All elements.
    pub fn iter(self) -> impl Iterator<Item = i32> + 'a {
        self.0.iter().map(|&b| i32::from_le_bytes(b))
    }
}

/// Adds the zero point and clamps to int8.
#[inline(always)]
pub const fn saturate(n: i32, zero_point: i8) -> i8 {
    let q = n.saturating_add(zero_point as i32);
    if q < i8::MIN as i32 {
        i8::MIN
    } else if q > i8::MAX as i32 {
        i8::MAX
    } else {
        q as i8
    }
}

/// The pixel of a last layer with this activation.
///
/// | activation | pixel |
/// |---|---|
/// | [`Tanh`](Activation::Tanh) | `round(255 · (tanh(n / 128) + 1) / 2)` |
/// | [`TanhUnit`](Activation::TanhUnit) | `round(255 · max(0, tanh(n / 256)))` |
/// | [`Sigmoid`](Activation::Sigmoid) | as `Tanh`: `σ(x) = (tanh(x/2) + 1) / 2`, so its multipliers are halved at export |
#[inline(always)]
pub const fn pixel(activation: Activation, n: i32) -> u8 {
    let (table, first) = match activation {
        Activation::TanhUnit => (&TANH_UNIT, 0),
        _ => (&TANH, -TANH_END * TANH_STEPS),
    };
    let i = n.saturating_sub(first);
    table[if i < 0 {
        0
    } else if i < ENTRIES as i32 {
        i as usize
    } else {
        ENTRIES - 1
    }]
}

impl Activation {
    /// Real value of one step of the argument that [`pixel`] takes; `None` for an activation whose output is no
    /// picture.
    pub const fn argument_step(self) -> Option<f32> {
        match self {
            Self::Linear | Self::Relu | Self::LeakyRelu(_) => None,
            Self::Tanh => Some(1.0 / TANH_STEPS as f32),
            // σ(x) is read from the same table at x / 2.
            Self::Sigmoid => Some(2.0 / TANH_STEPS as f32),
            Self::TanhUnit => Some(1.0 / TANH_UNIT_STEPS as f32),
        }
    }
}

/// From −4 to 4 in steps of 1/128, or from 0 to 4 in steps of 1/256.
const ENTRIES: usize = 1024;
const _: () = assert!(2 * TANH_END * TANH_STEPS == ENTRIES as i32 && TANH_END * TANH_UNIT_STEPS == ENTRIES as i32);

// Computed by the compiler, whose floating point is the same on every host.
static TANH: [u8; ENTRIES] = tanh_table(127.5, -TANH_END * TANH_STEPS, TANH_STEPS);
static TANH_UNIT: [u8; ENTRIES] = tanh_table(0.0, 0, TANH_UNIT_STEPS);

/// Pixels for the arguments first/steps, (first + 1)/steps …; the argument 0 gives `dark`.
const fn tanh_table(dark: f64, first: i32, steps: i32) -> [u8; ENTRIES] {
    let mut table = [0; ENTRIES];
    let mut i = 0;
    while i < ENTRIES {
        let x = (first + i as i32) as f64 / steps as f64;
        // tanh x = 1 − 2 / (e^{2x} + 1)
        let tanh = 1.0 - 2.0 / (exp(2.0 * x) + 1.0);
        table[i] = (dark + (255.0 - dark) * tanh + 0.5) as u8;
        i += 1;
    }
    table
}

/// `e^x` for |x| ≤ 8 by the Taylor series of `e^{x/16}`, to the 16th power.
const fn exp(x: f64) -> f64 {
    let small = x / 16.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1);
    while k < 20 {
        term *= small / k as f64;
        sum += term;
        k += 1;
    }
    let (mut power, mut squarings) = (sum, 0);
    while squarings < 4 {
        power *= power;
        squarings += 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rounded_high_word_from_halves() {
        let corners =
            [i32::MIN, i32::MIN + 1, -65_537, -65_536, -65_535, -32_768, -1, 0, 1, 32_767, 32_768, 65_535, 65_536];
        let mut random = 1u32;
        let random = core::iter::repeat_with(|| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            random.cast_signed() >> (random >> 27 & 15)
        });
        let values: std::vec::Vec<_> =
            corners.into_iter().chain([i32::MAX - 1, i32::MAX]).chain(random.take(500)).collect();
        for &a in &values {
            for &b in &values {
                let expected = (i64::from(a) * i64::from(b) + (1 << 31)) >> 32;
                assert_eq!(i64::from(rounded_high_word(a, b)), expected, "{a} {b}");
            }
        }
    }

    /// Steps, and the pixel as a real number.
    type Output = (Activation, i32, fn(f64) -> f64);

    const OUTPUTS: [Output; 3] = [
        (Activation::Tanh, TANH_STEPS, symmetric),
        (Activation::Sigmoid, TANH_STEPS, symmetric),
        (Activation::TanhUnit, TANH_UNIT_STEPS, unit),
    ];

    fn symmetric(x: f64) -> f64 {
        127.5 * (x.tanh() + 1.0)
    }

    fn unit(x: f64) -> f64 {
        255.0 * x.tanh().max(0.0)
    }

    #[test]
    fn every_step_gives_the_rounded_tanh() {
        for (activation, steps, exact) in OUTPUTS {
            // Twice as far as the tables reach.
            for n in -8 * steps..8 * steps {
                let level = (exact(f64::from(n) / f64::from(steps)) + 0.5).floor();
                assert_eq!(f64::from(pixel(activation, n)), level, "{activation:?}, step {n}");
            }
            assert_eq!((pixel(activation, i32::MIN), pixel(activation, i32::MAX)), (0, 255), "{activation:?}");
        }
    }

    #[test]
    fn any_real_argument_is_at_most_one_level_off() {
        for (activation, steps, exact) in OUTPUTS {
            for i in -700_000..700_000 {
                let x = f64::from(i) * 1e-5;
                let n = (x * f64::from(steps) + 0.5).floor() as i32;
                let level = (exact(x) + 0.5).floor();
                assert!((f64::from(pixel(activation, n)) - level).abs() <= 1.0, "{activation:?}, argument {x}");
            }
        }
    }

    #[test]
    fn every_level_can_be_drawn() {
        for (activation, steps, _) in OUTPUTS {
            let mut seen = [false; 256];
            (-4 * steps..4 * steps).for_each(|n| seen[usize::from(pixel(activation, n))] = true);
            assert!(seen.iter().all(|&s| s), "{activation:?}");
        }
    }

    #[test]
    fn exact_halves_go_up_for_both_signs() {
        let half = Multiplier { positive: 1 << 30, negative: 1 << 30 }; // times 1/4
        let cases = [(2, 1), (-2, 0), (6, 2), (-6, -1), (1, 0), (-1, 0), (3, 1), (-3, -1), (0, 0)];
        for (acc, expected) in cases {
            assert_eq!(half.apply(acc), expected, "{acc}/4");
        }
    }

    #[test]
    fn agrees_with_f64_at_the_ends_of_the_admitted_range() {
        // |acc · m| < 2^52
        for (acc, m) in
            [(i32::MAX, 1 << 20), (i32::MIN, 1 << 20), (1 << 21, i32::MAX), (-(1 << 21), i32::MAX), (-1, 1), (1, 1)]
        {
            let simulated = ((f64::from(acc) * f64::from(m) + 2f64.powi(31)) / 2f64.powi(32)).floor();
            assert_eq!(f64::from(Multiplier { positive: m, negative: m }.apply(acc)), simulated, "{acc} * {m}");
        }
    }

    #[test]
    fn saturates_at_both_ends() {
        assert_eq!((saturate(i32::MAX, 127), saturate(i32::MIN, -128)), (127, -128));
        assert_eq!((saturate(127, 1), saturate(-128, -1), saturate(-3, 5)), (127, -128, 2));
    }
}
