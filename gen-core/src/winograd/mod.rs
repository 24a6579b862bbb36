//! Four neighbouring outputs of a row for fewer multiplications, and the same bits.
//!
//! A correlation with `k` taps, `y[i] = Σₜ w[t] · x[t + i]`, needs `4k` multiplications
//! for a tile of [`TILE`] = 4 outputs. F(4, k) needs one for each of `N = k + 3` *points*:
//! it transforms the taps (once, at export) and the `N` inputs of the tile, multiplies
//! point by point, and transforms the products into the outputs. All three transforms
//! are linear, so the products may first be summed over the input channels and the rows
//! of the filter, and the output transform runs once for each output channel.
//!
//! | | k | points | `S` | `2ᵃ` | 1 / odd part of `S` mod 2³² | `\|input\|` | `\|filter\|` | [`MAX_SUM`](Transform::MAX_SUM) | input, output |
//! |---|---|---|---|---|---|---|---|---|---|
//! | [`F2`] | 2 | 0, ±1, 2, ∞ | 6 | 2 | `0xaaaa_aaab` (3) | 6 · 128 | 3 · 128 | 2³⁰ − 1 | 9, 11 |
//! | [`F3`] | 3 | 0, ±1, ±2, ∞ | 24 | 8 | `0xaaaa_aaab` (3) | 10 · 128 | 7 · 128 | 2²⁸ − 1 | 12, 16 |
//! | [`F5`] | 5 | 0, ±1, ±2, ±½, ∞ | 360 | 8 | `0xa4fa_4fa5` (45) | 50 · 128 | 50 · 128 | 2²⁸ − 1 | 24, 22 |
//!
//! `|input|` and `|filter|` bound the transforms of int8 values (−128 included); both fit
//! int16. The last column counts the operations of [`Transform::input`] and [`Transform::output`]
//! for an Arm core, whose additions and subtractions shift an operand for nothing and
//! whose multiplications add for nothing.
//!
//! # The identity
//! Write a point as a fraction `a/b`, with ∞ = 1/0, and let "the value at a/b" of a
//! polynomial with coefficients `c₀ … cₙ` stand for the integer `Σⱼ cⱼ · aʲ bⁿ⁻ʲ`. For each
//! point p = a/b let
//!
//! - `W(p) = Σₜ w[t] · aᵗ bᵏ⁻¹⁻ᵗ`, the value at p of the taps as a polynomial;
//! - `L(z) = Π (b′z − a′)` over the other points a′/b′, with N coefficients `Lⱼ`, and
//!   `X(p) = Σⱼ Lⱼ · x[j]`;
//! - `D(p) = Π (b′a − a′b)` over the same points, the value of `L` at p.
//!
//! Then `y[i] = Σₚ aⁱ b³⁻ⁱ / D(p) · W(p) · X(p)`. Proof: both sides are linear in `x`, and
//! the N sequences `x[j] = αʲ βᴺ⁻¹⁻ʲ`, one for each point α/β, span all inputs
//! (Vandermonde). For such an `x` the left side is `αⁱ β³⁻ⁱ W(α/β)`. On the right, `X(p)` is
//! the value of `L` at α/β: 0 at every other point and `D` at its own, so that only this
//! term is left, and it equals the left side.
//!
//! `S` is the least common multiple of the `D(p)`, so `S · y[i] = Σₚ cᵢₚ · W(p) X(p)` has
//! integers everywhere. Factors of `cᵢₚ` that cost the output transform an instruction
//! have moved to the taps, where they cost nothing: that is why `F5` has 50 and not 31
//! in the table.
//!
//! This is Toom-Cook multiplication of polynomials (Toom 1963, Cook 1966: evaluate,
//! multiply, interpolate), transposed so that it computes a correlation. That such a
//! tile needs no more than `k + 3` multiplications, and no fewer, is from S. Winograd,
//! *Arithmetic Complexity of Computations*, SIAM 1980; its use in neural networks from
//! A. Lavin and S. Gray, *Fast Algorithms for Convolutional Neural Networks*, 2015
//! (arXiv:1509.09308). They compute with floats, where such transforms round; here they
//! do not.
//!
//! # Why it is exact modulo 2³²
//! With `S` in it the identity has integer coefficients, so it holds in every commutative
//! ring, and that includes the integers modulo 2³²: sums may overflow as often as they
//! like on the way. An odd number has an inverse modulo 2³²,
//! so multiplying by the inverse of the odd part of `S` leaves `2ᵃ · y[i]` modulo 2³². If
//! `|2ᵃ · y[i]| < 2³¹`, then the word, read as an i32, *is* `2ᵃ · y[i]`, and an arithmetic
//! shift by `a` divides it without remainder. So the result depends on the outputs alone,
//! and [`Transform::MAX_SUM`] bounds those. (Some outputs would get by with a smaller shift.
//! One bound for all is simpler.)
//!
//! # Two values in a word
//! A *plain* word is `L + 65536 · H` modulo 2³², for two integers `L` and `H`. Sums,
//! differences and left shifts of plain words are plain words of the sums, differences
//! and shifts. So [`Transform::input`] transforms two channels at once, in ordinary
//! instructions, and [`halves`] takes the result apart. [`plain_pairs`] makes such words
//! from int8.

use core::num::Wrapping;

use crate::certain::certain;

/// Outputs of a tile.
pub const TILE: usize = 4;

/// 1/3 modulo 2³².
const THIRD: Wrapping<u32> = Wrapping(0xaaaa_aaab);

/// 1/45 modulo 2³².
const FORTY_FIFTH: Wrapping<u32> = Wrapping(0xa4fa_4fa5);

const _: () = assert!(THIRD.0.wrapping_mul(3) == 1 && FORTY_FIFTH.0.wrapping_mul(45) == 1);

/// A correlation with `N - 3` taps, computed at `N` points, for tiles of [`TILE`] outputs.
///
/// With `x` the `N` inputs of a tile, of each channel and row of the filter, and a sum
/// over all of these: `output(Σ filter(w)[p] · input(x)[p]) = Σ correlation(w, x)`.
pub trait Transform<const N: usize> {
    /// Points, and inputs of a tile.
    const POINTS: usize = N;

    /// Taps of the filter.
    const TAPS: usize;

    /// The outputs are exact if none of the four exceeds this in magnitude, whatever
    /// overflows on the way. An output is the sum of all products of a weight and an
    /// input that it consists of; a bias has to be added later.
    const MAX_SUM: i64;

    /// Transforms the taps of one channel and row. All int8 are allowed.
    ///
    /// # Panics
    /// If there are not [`TAPS`](Self::TAPS) of them.
    fn filter(taps: &[i8]) -> [i16; N];

    /// The inverse of [`filter`](Self::filter): [`TAPS`](Self::TAPS) taps, and zeros behind
    /// them. `None` if these points are not the transform of any int8 taps. All points are
    /// checked.
    fn taps(points: [i16; N]) -> Option<[i8; N]>;

    /// Transforms the inputs of a tile: either single values, each an `i32` as a `u32`,
    /// or plain words, two values each (see the [module](self)). The transform of int8
    /// fits int16.
    fn input(x: [u32; N]) -> [u32; N];

    /// The outputs, from the sums of products at each point, modulo 2³².
    fn output(sums: [u32; N]) -> [i32; TILE];
}

/// F(4, 2): 2 taps at the points 0, 1, −1, 2, ∞ (in this order).
#[derive(Debug, Clone, Copy)]
pub struct F2;

/// F(4, 3): 3 taps at the points 0, 1, −1, 2, −2, ∞ (in this order).
#[derive(Debug, Clone, Copy)]
pub struct F3;

/// F(4, 5): 5 taps at the points 0, 1, −1, 2, −2, ½, −½, ∞ (in this order).
#[derive(Debug, Clone, Copy)]
pub struct F5;

impl F2 {
    /// [`Transform::POINTS`]
    pub const POINTS: usize = 5;
    /// [`Transform::TAPS`]
    pub const TAPS: usize = 2;
    /// [`Transform::MAX_SUM`]
    pub const MAX_SUM: i64 = (1 << 30) - 1;
}

impl F3 {
    /// [`Transform::POINTS`]
    pub const POINTS: usize = 6;
    /// [`Transform::TAPS`]
    pub const TAPS: usize = 3;
    /// [`Transform::MAX_SUM`]
    pub const MAX_SUM: i64 = (1 << 28) - 1;
}

impl F5 {
    /// [`Transform::POINTS`]
    pub const POINTS: usize = 8;
    /// [`Transform::TAPS`]
    pub const TAPS: usize = 5;
    /// [`Transform::MAX_SUM`]
    pub const MAX_SUM: i64 = (1 << 28) - 1;
}

impl Transform<{ F2::POINTS }> for F2 {
    const TAPS: usize = F2::TAPS;
    const MAX_SUM: i64 = F2::MAX_SUM;

    #[inline(always)]
    fn filter(taps: &[i8]) -> [i16; 5] {
        let &[w0, w1] = taps else { panic!("F(4, 2) has 2 taps") };
        let [w0, w1] = [w0, w1].map(i16::from);
        [w0, -(w0 + w1), w0 - w1, w0 + 2 * w1, w1]
    }

    #[inline(always)]
    fn taps(points: [i16; 5]) -> Option<[i8; 5]> {
        let [w0, .., w1] = points.map(i32::from);
        accept::<F2, 5, 2>([w0, w1], points)
    }

    #[inline(always)]
    fn input(x: [u32; 5]) -> [u32; 5] {
        let [x0, x1, x2, x3, x4] = x.map(Wrapping);
        let x31 = x3 - x1;
        let x32 = x3 - x2;
        // Beside each point, here and below, the coefficients of the inputs.
        [
            x31 + ((x0 - x2) << 1), // 2 −1 −2 1 0
            x32 - (x1 << 1),        // 0 −2 −1 1 0
            x32 - ((x2 - x1) << 1), // 0 2 −3 1 0
            x31,                    // 0 −1 0 1 0
            (x4 - x2) - (x31 << 1), // 0 2 −1 −2 1
        ]
        .map(|point| point.0)
    }

    // With m(p) for the sum at the point p:
    //
    //   2 y0 = m(0) + m(1) + (m(2) − m(−1)) / 3
    //   2 y1 =        m(1) + (2 m(2) + m(−1)) / 3
    //   2 y2 =        m(1) + (4 m(2) − m(−1)) / 3
    //   2 y3 =        m(1) + (8 m(2) + m(−1)) / 3 + 2 m(∞)
    //
    // All four fractions differ from multiples of the first one by integers.
    #[inline(always)]
    fn output(sums: [u32; 5]) -> [i32; TILE] {
        let [zero, plus, minus, two, infinity] = sums.map(Wrapping);
        let even = (two - minus) * THIRD + plus;
        let odd = (even << 1) + (minus - plus);
        let y1 = shifted(odd, 1);
        // y3 − y1 is an integer combination, so y3 needs no shift of its own.
        let y3 = Wrapping(y1.cast_unsigned()) + two + infinity;
        [shifted(even + zero, 1), y1, shifted(even + two, 1), y3.0.cast_signed()]
    }
}

impl Transform<{ F3::POINTS }> for F3 {
    const TAPS: usize = F3::TAPS;
    const MAX_SUM: i64 = F3::MAX_SUM;

    #[inline(always)]
    fn filter(taps: &[i8]) -> [i16; 6] {
        let &[w0, w1, w2] = taps else { panic!("F(4, 3) has 3 taps") };
        let [w0, w1, w2] = [w0, w1, w2].map(i16::from);
        let (even1, even2) = (w0 + w2, w0 + 4 * w2);
        [w0, -(even1 + w1), w1 - even1, even2 + 2 * w1, even2 - 2 * w1, w2]
    }

    #[inline(always)]
    fn taps(points: [i16; 6]) -> Option<[i8; 6]> {
        let [w0, plus1, _, _, _, w2] = points.map(i32::from);
        accept::<F3, 6, 3>([w0, -plus1 - w0 - w2, w2], points)
    }

    #[inline(always)]
    fn input(x: [u32; 6]) -> [u32; 6] {
        let [x0, x1, x2, x3, x4, x5] = x.map(Wrapping);
        // The polynomials of ±1 and of ±2 share their even and odd terms, up to the sign.
        let (even1, odd1) = (x4 - (x2 << 2), x3 - (x1 << 2));
        let (even2, odd2) = (x4 - x2, x3 - x1); // the latter without its factor 2
        [
            even2 + ((x0 - x2) << 2), // 4 0 −5 0 1 0
            even1 + odd1,             // 0 −4 −4 1 1 0
            even1 - odd1,             // 0 4 −4 −1 1 0
            even2 + (odd2 << 1),      // 0 −2 −1 2 1 0
            even2 - (odd2 << 1),      // 0 2 −1 −2 1 0
            (x5 - x3) - (odd2 << 2),  // 0 4 0 −5 0 1
        ]
        .map(|point| point.0)
    }

    // With e and o for the sum and the difference at p and −p, the even and the odd
    // outputs are
    //
    //   8 y0 = 2 m(0) + (e2 + 4 e1) / 3      2 y2 = (e2 + e1) / 3
    //   4 y1 = (o2 + 2 o1) / 3               2 y3 = (2 o2 + o1) / 3 + 2 m(∞)
    //
    // and again one division does for two outputs.
    #[inline(always)]
    fn output(sums: [u32; 6]) -> [i32; TILE] {
        let [zero, plus1, minus1, plus2, minus2, infinity] = sums.map(Wrapping);
        let (even1, odd1) = (plus1 + minus1, plus1 - minus1);
        let (even2, odd2) = (plus2 + minus2, plus2 - minus2);
        let even = (even2 + even1) * THIRD;
        let odd = (odd2 + (odd1 << 1)) * THIRD;
        [
            shifted((even + even1) + (zero << 1), 3),
            shifted(odd, 2),
            shifted(even, 1),
            shifted(((odd << 1) - odd1) + (infinity << 1), 1),
        ]
    }
}

impl Transform<{ F5::POINTS }> for F5 {
    const TAPS: usize = F5::TAPS;
    const MAX_SUM: i64 = F5::MAX_SUM;

    #[inline(always)]
    fn filter(taps: &[i8]) -> [i16; 8] {
        let &[w0, w1, w2, w3, w4] = taps else { panic!("F(4, 5) has 5 taps") };
        let [w0, w1, w2, w3, w4] = [w0, w1, w2, w3, w4].map(i16::from);
        let (even1, odd1) = (10 * (w0 + w2 + w4), 10 * (w1 + w3));
        let (even2, odd2) = (w0 + 4 * w2 + 16 * w4, 2 * w1 + 8 * w3);
        let (even_half, odd_half) = (16 * w0 + 4 * w2 + w4, 8 * w1 + 2 * w3);
        [
            2 * w0,
            even1 + odd1,
            even1 - odd1,
            even2 + odd2,
            even2 - odd2,
            even_half + odd_half,
            even_half - odd_half,
            2 * w4,
        ]
    }

    #[inline(always)]
    fn taps(points: [i16; 8]) -> Option<[i8; 8]> {
        let [zero, plus1, minus1, plus2, minus2, _, _, infinity] = points.map(i32::from);
        // Where a division leaves a remainder there are no such taps, and `accept` notices.
        let (w0, w4) = (zero / 2, infinity / 2);
        let w2 = ((plus2 + minus2) / 2 - w0 - 16 * w4) / 4;
        let w13 = (plus1 - minus1) / 20; // w1 + w3
        let w3 = ((plus2 - minus2) / 4 - w13) / 3;
        accept::<F5, 8, 5>([w0, w13 - w3, w2, w3, w4], points)
    }

    #[inline(always)]
    fn input(x: [u32; 8]) -> [u32; 8] {
        let [x0, x1, x2, x3, x4, x5, x6, x7] = x.map(Wrapping);
        // The polynomials of ±1, of ±2 and of ±½ share their even and odd terms, up to the
        // sign, and turning the tile around swaps even with odd, 2 with ½ and 0 with ∞.
        let [zero, even1, even2, even_half] = f5_side(x0, x2, x4, x6);
        let [infinity, odd1, odd_half, odd2] = f5_side(x7, x5, x3, x1);
        [
            zero,                        // 4 0 −21 0 21 0 −4 0
            even1 + odd1,                // 0 −4 −4 17 17 −4 −4 0
            even1 - odd1,                // 0 4 −4 −17 17 4 −4 0
            even2 + (odd2 << 1),         // 0 2 1 −10 −5 8 4 0
            even2 - (odd2 << 1),         // 0 −2 1 10 −5 −8 4 0
            (even_half << 1) + odd_half, // 0 4 8 −5 −10 1 2 0
            (even_half << 1) - odd_half, // 0 −4 8 5 −10 −1 2 0
            infinity,                    // 0 −4 0 21 0 −21 0 4
        ]
        .map(|point| point.0)
    }

    // With e and o for the sum and the difference at p and −p:
    //
    //   8 y0 = (2 e1 + e2 + 8 e½) / 45 + m(0)      4 y2 = (e1 + 2 e2 + e½) / 45
    //   4 y1 = (o1 + o2 + 2 o½) / 45               8 y3 = (2 o1 + 8 o2 + o½) / 45 + m(∞)
    #[inline(always)]
    fn output(sums: [u32; 8]) -> [i32; TILE] {
        let [zero, plus1, minus1, plus2, minus2, plus_half, minus_half, infinity] = sums.map(Wrapping);
        let (even1, odd1) = (plus1 + minus1, plus1 - minus1);
        let (even2, odd2) = (plus2 + minus2, plus2 - minus2);
        let (even_half, odd_half) = (plus_half + minus_half, plus_half - minus_half);
        let y0 = even2 + (even1 << 1) + (even_half << 3);
        let y1 = odd2 + odd1 + (odd_half << 1);
        let y2 = even_half + even1 + (even2 << 1);
        let y3 = odd_half + (odd1 << 1) + (odd2 << 3);
        [
            shifted(y0 * FORTY_FIFTH + zero, 3),
            shifted(y1 * FORTY_FIFTH, 2),
            shifted(y2 * FORTY_FIFTH, 2),
            shifted(y3 * FORTY_FIFTH + infinity, 3),
        ]
    }
}

/// The inputs of one parity of a tile of [`F5`], in the order of growing powers: the
/// transform at 0, and the terms of this parity at 1, 2 and ½, the latter two without
/// their factor 2 where they have one.
///
/// Nine operations, which an exhaustive search (sums and differences with one operand
/// shifted by up to 4, coefficients up to 40) shows to be the least.
#[inline(always)]
fn f5_side(x0: Wrapping<u32>, x2: Wrapping<u32>, x4: Wrapping<u32>, x6: Wrapping<u32>) -> [Wrapping<u32>; 4] {
    let high = (x4 << 2) - x6; // 0 0 4 −1, as everywhere here the coefficients of the inputs
    let low = (x2 << 2) - x4; // 0 4 −1 0
    let pair = x2 - (x4 << 2); // 0 1 −4 0
    let at_half = low - high; // 0 4 −5 1
    let at_1 = (high << 2) - low; // 0 −4 17 −4
    let sum = pair - at_1; // 0 5 −21 4
    let at_2 = sum - (pair << 2); // 0 1 −5 4
    let at_0 = ((x0 - (x2 << 2)) << 2) - sum; // 4 −21 21 −4
    [at_0, at_1, at_2, at_half]
}

/// Divides by a power of two: `2ᵃ · y` modulo 2³², with `|2ᵃ · y| < 2³¹`, gives `y`.
#[inline(always)]
fn shifted(word: Wrapping<u32>, a: u32) -> i32 {
    word.0.cast_signed() >> a
}

/// The only taps that `points` can come from, if they really do, and zeros behind them.
///
/// `solved` is right if there are such taps, and anything else if not. Transforming it
/// once more settles that at all points, for taps outside int8 as well: those are no
/// longer themselves after the cast.
#[inline(always)]
fn accept<F: Transform<N>, const N: usize, const K: usize>(solved: [i32; K], points: [i16; N]) -> Option<[i8; N]> {
    let found = solved.map(|w| w as i8);
    (F::filter(&found) == points).then(|| filled(found))
}

/// Most points of a form.
pub const MAX_POINTS: usize = F5::POINTS;

/// Whether there is a form with so many points.
pub const fn has_points(points: usize) -> bool {
    matches!(points, F2::POINTS | F3::POINTS | F5::POINTS)
}

/// Calls a function of the form with so many points, whose lists are the first parts of longer
/// ones: code that goes round these calls is then there once, not once for each form.
macro_rules! of_points {
    ($points:expr, $form:ident => $call:expr) => {
        match $points {
            F2::POINTS => {
                type $form = F2;
                $call
            }
            F3::POINTS => {
                type $form = F3;
                $call
            }
            points => {
                certain!(points == F5::POINTS, "no Winograd form has so many points");
                type $form = F5;
                $call
            }
        }
    };
}

/// The first elements of a longer list.
#[inline(always)]
fn first<T: Copy, const N: usize>(list: [T; MAX_POINTS]) -> [T; N] {
    core::array::from_fn(|i| list[i])
}

/// A list with zeros behind it.
#[inline(always)]
fn filled<T: Copy + Default, const K: usize, const N: usize>(list: [T; K]) -> [T; N] {
    core::array::from_fn(|i| if i < K { list[i] } else { T::default() })
}

/// [`Transform::MAX_SUM`] of the form with so many points: 5, 6 or 8.
pub const fn max_sum(points: usize) -> i64 {
    of_points!(points, F => F::MAX_SUM)
}

/// [`Transform::filter`] of the form with so many points, whose results are followed by zeros.
pub fn filter(points: usize, taps: &[i8]) -> [i16; MAX_POINTS] {
    of_points!(points, F => filled(F::filter(taps)))
}

/// [`Transform::taps`] of the form with so many points.
pub fn taps(points: usize, values: [i16; MAX_POINTS]) -> Option<[i8; MAX_POINTS]> {
    of_points!(points, F => F::taps(first(values)).map(filled))
}

/// [`Transform::input`] of the form with so many points.
#[inline]
pub fn input(points: usize, x: [u32; MAX_POINTS]) -> [u32; MAX_POINTS] {
    of_points!(points, F => filled(F::input(first(x))))
}

/// [`Transform::output`] of the form with so many points.
#[inline]
pub fn output(points: usize, sums: [u32; MAX_POINTS]) -> [i32; TILE] {
    of_points!(points, F => F::output(first(sums)))
}

/// Splits four int8 values, the bytes `c0 c1 c2 c3` of a little-endian word, into the
/// plain words of `(c0, c2)` and of `(c1, c3)`, the former of each pair in the low half.
#[inline(always)]
pub const fn plain_pairs(quad: u32) -> [u32; 2] {
    // c + 128 is never negative, so nothing borrows from a neighbour until 128 is taken off.
    let biased = quad ^ 0x8080_8080;
    [
        (biased & 0x00ff_00ff).wrapping_sub(0x0080_0080), //
        ((biased >> 8) & 0x00ff_00ff).wrapping_sub(0x0080_0080),
    ]
}

/// The two values of a plain word as int16, each in its half. Both have to fit int16.
#[inline(always)]
pub const fn halves(plain: u32) -> u32 {
    // A negative low value has borrowed 1 from the high half.
    plain.wrapping_add((plain & 0x8000) << 1)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::array::from_fn;
    use std::vec::Vec;

    use super::*;

    /// What the tests know about a form, apart from its code.
    struct Facts<const N: usize> {
        /// Each point a/b, as `(a, b)`.
        points: [(i128, i128); N],
        /// Odd part of `S`.
        odd: u32,
        /// 2ᵃ.
        power: u32,
        /// `|input(x)| <= 128 · input`, and so for the filter.
        input: i32,
        filter: i32,
    }

    const FACTS2: Facts<5> =
        Facts { points: [(0, 1), (1, 1), (-1, 1), (2, 1), (1, 0)], odd: 3, power: 2, input: 6, filter: 3 };
    const FACTS3: Facts<6> =
        Facts { points: [(0, 1), (1, 1), (-1, 1), (2, 1), (-2, 1), (1, 0)], odd: 3, power: 8, input: 10, filter: 7 };
    const FACTS5: Facts<8> = Facts {
        points: [(0, 1), (1, 1), (-1, 1), (2, 1), (-2, 1), (1, 2), (-1, 2), (1, 0)],
        odd: 45,
        power: 8,
        input: 50,
        filter: 50,
    };

    /// xorshift64*: small, and the same everywhere.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u32 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
        }

        fn int8<const K: usize>(&mut self) -> [i8; K] {
            from_fn(|_| self.next() as i8)
        }

        /// −128 or 127 only.
        fn extremes<const K: usize>(&mut self) -> [i8; K] {
            from_fn(|_| if self.next() & 1 == 0 { i8::MIN } else { i8::MAX })
        }
    }

    /// All arrays that consist of these values.
    fn all<const K: usize>(values: &[i8]) -> impl Iterator<Item = [i8; K]> {
        let n = values.len();
        (0..n.pow(K as u32)).map(move |index| from_fn(|k| values[index / n.pow(k as u32) % n]))
    }

    /// The `i`-th unit vector.
    fn unit<const K: usize>(i: usize) -> [i8; K] {
        from_fn(|k| i8::from(k == i))
    }

    fn words<const K: usize>(x: [i8; K]) -> [u32; K] {
        x.map(|x| i32::from(x).cast_unsigned())
    }

    /// The definition.
    fn correlation<const N: usize, const K: usize>(w: [i8; K], x: [i8; N]) -> [i64; TILE] {
        from_fn(|i| (0..K).map(|t| i64::from(w[t]) * i64::from(x[t + i])).sum())
    }

    /// Sums over channels: as the engine has them, and without any overflow.
    struct Sums<const N: usize> {
        wrapped: [u32; N],
        points: [i64; N],
        outputs: [i64; TILE],
    }

    impl<const N: usize> Sums<N> {
        fn new() -> Self {
            Self { wrapped: [0; N], points: [0; N], outputs: [0; TILE] }
        }

        fn add<F: Transform<N>, const K: usize>(&mut self, w: [i8; K], x: [i8; N]) {
            let (filter, input) = (F::filter(&w), F::input(words(x)));
            for p in 0..N {
                // As staged for the kernels: both factors in int16.
                let product = i32::from(filter[p]) * i32::from(input[p] as i16);
                self.wrapped[p] = self.wrapped[p].wrapping_add(product.cast_unsigned());
                self.points[p] += i64::from(product);
            }
            for (sum, y) in self.outputs.iter_mut().zip(correlation(w, x)) {
                *sum += y;
            }
        }

        /// Adds `y` to all four outputs, in channels as large as possible.
        fn add_constant<F: Transform<N>, const K: usize>(&mut self, mut y: i64) {
            while y != 0 {
                let x = y.clamp(-127, 127);
                let w = (y / x).min(127);
                self.add::<F, K>(unit::<K>(0).map(|u| u * w as i8), [x as i8; N]);
                y -= w * x;
            }
        }

        fn computed<F: Transform<N>>(&self) -> [i64; TILE] {
            F::output(self.wrapped).map(i64::from)
        }
    }

    /// An exact fraction in lowest terms, the denominator positive.
    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Fraction(i128, i128);

    impl Fraction {
        const ZERO: Self = Self(0, 1);
        const ONE: Self = Self(1, 1);

        fn new(numerator: i128, denominator: i128) -> Self {
            let (mut a, mut b) = (numerator.abs(), denominator.abs());
            while b != 0 {
                (a, b) = (b, a % b);
            }
            let a = a * denominator.signum();
            Self(numerator / a, denominator / a)
        }

        fn plus(self, other: Self) -> Self {
            Self::new(self.0 * other.1 + other.0 * self.1, self.1 * other.1)
        }

        fn times(self, other: Self) -> Self {
            Self::new(self.0 * other.0, self.1 * other.1)
        }

        fn over(self, other: Self) -> Self {
            Self::new(self.0 * other.1, self.1 * other.0)
        }

        fn minus(self, other: Self) -> Self {
            self.plus(Self(-other.0, other.1))
        }

        fn power(self, exponent: usize) -> Self {
            (0..exponent).fold(Self::ONE, |power, _| power.times(self))
        }
    }

    /// The three matrices of Toom-Cook, by the textbook: Lagrange interpolation at the
    /// finite points, the leading coefficient for ∞, and no scaling.
    struct ToomCook<const N: usize, const K: usize> {
        output: [[Fraction; N]; TILE],
        filter: [[Fraction; K]; N],
        input: [[Fraction; N]; N],
    }

    impl<const N: usize, const K: usize> ToomCook<N, K> {
        fn new(points: [(i128, i128); N]) -> Self {
            let values: Vec<Fraction> = points[..N - 1].iter().map(|&(a, b)| Fraction::new(a, b)).collect();
            assert_eq!(points[N - 1], (1, 0));
            let powers = |p: usize, i: usize, last: usize| match values.get(p) {
                Some(value) => value.power(i),
                None if i == last => Fraction::ONE,
                None => Fraction::ZERO,
            };
            Self {
                output: from_fn(|i| from_fn(|p| powers(p, i, TILE - 1))),
                filter: from_fn(|p| from_fn(|t| powers(p, t, K - 1))),
                input: from_fn(|p| {
                    // Π (z − q) over the other finite points, 1 at p.
                    let mut polynomial = [Fraction::ZERO; N];
                    polynomial[0] = Fraction::ONE;
                    for (_, &value) in values.iter().enumerate().filter(|&(q, _)| q != p) {
                        let scale = values.get(p).map_or(Fraction::ONE, |at| at.minus(value));
                        polynomial = from_fn(|j| {
                            let shifted = if j == 0 { Fraction::ZERO } else { polynomial[j - 1] };
                            shifted.minus(value.times(polynomial[j])).over(scale)
                        });
                    }
                    polynomial
                }),
            }
        }
    }

    /// The factor between two vectors of which one is a multiple of the other.
    fn factor<const K: usize>(ours: [i128; K], theirs: [Fraction; K]) -> Fraction {
        let at = theirs.iter().position(|&c| c != Fraction::ZERO).expect("not all 0");
        let factor = Fraction(ours[at], 1).over(theirs[at]);
        assert_eq!(ours.map(|c| Fraction(c, 1)), theirs.map(|c| c.times(factor)));
        assert_ne!(factor, Fraction::ZERO);
        factor
    }

    /// Columns are the transforms of unit vectors.
    fn filter_matrix<F: Transform<N>, const N: usize, const K: usize>() -> [[i32; K]; N] {
        let columns: [[i16; N]; K] = from_fn(|t| F::filter(&unit::<K>(t)));
        from_fn(|p| from_fn(|t| columns[t][p].into()))
    }

    fn input_matrix<F: Transform<N>, const N: usize>() -> [[i32; N]; N] {
        let columns: [[u32; N]; N] = from_fn(|j| F::input(words(unit(j))));
        from_fn(|p| from_fn(|j| columns[j][p].cast_signed()))
    }

    /// A proof for one form, because all maps here are linear: `filter` and `input` are
    /// sums of multiples of their arguments, and `output`, up to its final exact shifts,
    /// is one modulo 2³². Linear maps are equal if they are on all unit vectors.
    fn derivation<F: Transform<N>, const N: usize, const K: usize>(facts: &Facts<N>) {
        let toom_cook = ToomCook::<N, K>::new(facts.points);

        // Textbook matrices compute the correlation.
        for (t, j, i) in (0..K).flat_map(|t| (0..N).flat_map(move |j| (0..TILE).map(move |i| (t, j, i)))) {
            let y = (0..N).fold(Fraction::ZERO, |sum, p| {
                let product = toom_cook.filter[p][t].times(toom_cook.input[p][j]);
                sum.plus(toom_cook.output[i][p].times(product))
            });
            assert_eq!(y, Fraction((t + i == j).into(), 1), "tap {t}, input {j}, output {i}");
        }

        // Ours are the same with a factor for each point...
        let (filter, input) = (filter_matrix::<F, N, K>(), input_matrix::<F, N>());
        let odd = facts.odd;
        for p in 0..N {
            let ours = factor(filter[p].map(i128::from), toom_cook.filter[p])
                .times(factor(input[p].map(i128::from), toom_cook.input[p]));
            // ...and the output transform takes it off again: these are S times the
            // coefficients, once in full and once without their `a` lowest bits.
            let coefficients: [i128; TILE] = from_fn(|i| {
                let scale = i128::from(odd * facts.power);
                let Fraction(c, 1) = toom_cook.output[i][p].times(Fraction(scale, 1)).over(ours) else {
                    panic!("S is no multiple of the denominator of output {i} at point {p}");
                };
                c
            });
            let sums = |n: u32| from_fn(|q| if q == p { n } else { 0 });
            assert_eq!(F::output(sums(odd * facts.power)).map(i128::from), coefficients);
            assert_eq!(F::output(sums(odd)).map(i128::from), coefficients.map(|c| c.div_euclid(facts.power.into())));
        }

        // The code as a whole, on all pairs of unit vectors.
        for (t, j) in (0..K).flat_map(|t| (0..N).map(move |j| (t, j))) {
            let mut sums = Sums::new();
            sums.add::<F, K>(unit(t), unit(j));
            assert_eq!(sums.computed::<F>(), from_fn(|i| (t + i == j).into()));
        }
    }

    #[test]
    fn transforms_are_those_of_toom_and_cook() {
        derivation::<F2, 5, 2>(&FACTS2);
        derivation::<F3, 6, 3>(&FACTS3);
        derivation::<F5, 8, 5>(&FACTS5);
    }

    /// That the transforms are the matrices, and with them linear, on more than units.
    fn linear<F: Transform<N>, const N: usize, const K: usize>(facts: &Facts<N>) {
        let (filter, input) = (filter_matrix::<F, N, K>(), input_matrix::<F, N>());
        let columns: [[i32; TILE]; N] =
            from_fn(|p| F::output(from_fn(|q| if q == p { facts.odd * facts.power } else { 0 })));
        let mut random = Random(1);
        for _ in 0..10_000 {
            let w: [i8; K] = random.int8();
            let expected = from_fn(|p| (0..K).map(|t| filter[p][t] as i16 * i16::from(w[t])).sum());
            assert_eq!(F::filter(&w), expected);

            let x: [u32; N] = from_fn(|_| random.next());
            let expected =
                from_fn(|p| (0..N).fold(0, |sum: u32, j| sum.wrapping_add(x[j].wrapping_mul(input[p][j] as u32))));
            assert_eq!(F::input(x), expected);

            let sums: [i32; N] = from_fn(|_| i32::from(random.next() as i16));
            let expected: [i32; TILE] = from_fn(|i| (0..N).map(|p| columns[p][i] * sums[p]).sum());
            let scaled = sums.map(|sum| sum.cast_unsigned().wrapping_mul(facts.odd * facts.power));
            assert_eq!(F::output(scaled), expected);
        }
    }

    #[test]
    fn transforms_are_linear() {
        linear::<F2, 5, 2>(&FACTS2);
        linear::<F3, 6, 3>(&FACTS3);
        linear::<F5, 8, 5>(&FACTS5);
    }

    fn ranges<F: Transform<N>, const N: usize, const K: usize>(facts: &Facts<N>) {
        fn gain<const K: usize>(row: &[i32; K]) -> i32 {
            row.iter().map(|c| c.abs()).sum()
        }
        let (filter, input) = (filter_matrix::<F, N, K>(), input_matrix::<F, N>());
        assert_eq!(filter.iter().map(gain).max(), Some(facts.filter));
        assert_eq!(input.iter().map(gain).max(), Some(facts.input));
        let int16 = 0..=i32::from(i16::MAX);
        assert!(int16.contains(&(128 * facts.filter)) && int16.contains(&(128 * facts.input)));

        // A linear function is largest in a corner; these are all of them.
        for x in all::<N>(&[i8::MIN, i8::MAX]) {
            for (p, value) in F::input(words(x)).into_iter().enumerate() {
                assert!(value.cast_signed().abs() <= 128 * gain(&input[p]), "{x:?} at point {p}: {value}");
            }
        }
        for w in all::<K>(&[i8::MIN, i8::MAX]) {
            for (p, value) in F::filter(&w).into_iter().enumerate() {
                // The same in i32, to notice an overflow of i16.
                let exact: i32 = (0..K).map(|t| filter[p][t] * i32::from(w[t])).sum();
                assert_eq!(i32::from(value), exact);
                assert!(exact.abs() <= 128 * gain(&filter[p]), "{w:?} at point {p}: {value}");
            }
        }
    }

    #[test]
    fn transforms_fit_int16() {
        ranges::<F2, 5, 2>(&FACTS2);
        ranges::<F3, 6, 3>(&FACTS3);
        ranges::<F5, 8, 5>(&FACTS5);
    }

    fn overflow<F: Transform<N>, const N: usize, const K: usize>(facts: &Facts<N>) {
        assert_eq!((F::POINTS, F::TAPS), (N, K));
        assert_eq!((F::MAX_SUM + 1) * i64::from(facts.power), 1 << 31);

        // Random extremes, turned around so that the products at one point all have one
        // sign, and left out where an output would pass the bound.
        let mut random = Random(2);
        for p in 0..N {
            let mut sums = Sums::new();
            for _ in 0..200_000 {
                let (w, mut x): ([i8; K], [i8; N]) = (random.extremes(), random.extremes());
                let product = i32::from(F::filter(&w)[p]) * F::input(words(x))[p].cast_signed();
                if product < 0 {
                    x = x.map(|x| !x);
                }
                let next = correlation(w, x).into_iter().zip(sums.outputs).map(|(y, sum)| (y + sum).abs());
                if next.max() <= Some(F::MAX_SUM) {
                    sums.add::<F, K>(w, x);
                    assert_eq!(sums.computed::<F>(), sums.outputs);
                }
            }
            assert!(sums.points[p] > 1 << 32, "no overflow at point {p}");
        }

        // Extremes that add up, to the last channel that is allowed, and to the last unit.
        for (w, x) in [(i8::MIN, i8::MIN), (i8::MAX, i8::MAX), (i8::MIN, i8::MAX), (i8::MAX, i8::MIN)] {
            let step = K as i64 * i64::from(w) * i64::from(x);
            let bound = F::MAX_SUM * step.signum();
            let mut sums = Sums::new();
            for _ in 0..bound / step {
                sums.add::<F, K>([w; K], [x; N]);
            }
            assert_eq!(sums.outputs, [bound / step * step; TILE]);
            assert_eq!(sums.computed::<F>(), sums.outputs);

            sums.add_constant::<F, K>(bound % step);
            assert_eq!(sums.outputs, [bound; TILE]);
            assert_eq!(sums.computed::<F>(), sums.outputs);

            // −2³¹ is an i32 as well, so the first wrong sum is one further down than up.
            sums.add_constant::<F, K>(if bound < 0 { -2 } else { 1 });
            assert_ne!(sums.computed::<F>(), sums.outputs, "beyond the bound");
        }
    }

    #[test]
    fn sums_may_overflow_on_the_way() {
        overflow::<F2, 5, 2>(&FACTS2);
        overflow::<F3, 6, 3>(&FACTS3);
        overflow::<F5, 8, 5>(&FACTS5);
    }

    fn round_trip<F: Transform<N>, const N: usize, const K: usize>() {
        let mut random = Random(3);
        let corners: Vec<[i8; K]> = all(&[i8::MIN, -127, -1, 0, 1, i8::MAX]).collect();
        let samples: Vec<[i8; K]> = (0..10_000).map(|_| random.int8()).collect();
        let behind = |w: [i8; K]| filled::<_, K, N>(w);
        for w in corners.into_iter().chain(samples) {
            let points = F::filter(&w);
            assert_eq!(F::taps(points), Some(behind(w)));
            for p in 0..N {
                for change in [1, -1, 2, -2, 256, i16::MIN, random.next() as i16 | 1] {
                    let mut changed = points;
                    changed[p] = changed[p].wrapping_add(change);
                    assert_eq!(F::taps(changed), None, "{w:?} with point {p} changed by {change}");
                }
            }
        }

        // Right in every respect but the range.
        for t in 0..K {
            let column = F::filter(&unit::<K>(t));
            for outside in [128, -129, 255, 256, -256] {
                let points = column.map(|c| c * outside);
                assert_eq!(F::taps(points), None, "tap {t} = {outside}");
            }
        }

        // Every bit pattern has an answer, and it is right.
        for _ in 0..100_000 {
            let points = from_fn(|_| random.next() as i16);
            assert!(F::taps(points).is_none_or(|taps| F::filter(&taps[..K]) == points));
        }
        assert_eq!([i16::MIN, i16::MAX].map(|point| F::taps([point; N])), [None; 2]);
    }

    #[test]
    fn filters_can_be_taken_back() {
        round_trip::<F2, 5, 2>();
        round_trip::<F3, 6, 3>();
        round_trip::<F5, 8, 5>();

        for w in 0..=u16::MAX {
            let w = w.to_le_bytes().map(u8::cast_signed);
            assert_eq!(F2::taps(F2::filter(&w)), Some(filled(w)));
        }
    }

    #[test]
    #[should_panic = "3 taps"]
    fn filter_needs_all_taps() {
        F3::filter(&[1, 2]);
    }

    fn pair(low: i8, high: i8) -> u32 {
        u32::from(i16::from(low).cast_unsigned()) | u32::from(i16::from(high).cast_unsigned()) << 16
    }

    #[test]
    fn pairs_of_all_bytes() {
        for (a, b) in (i8::MIN..=i8::MAX).flat_map(|a| (i8::MIN..=i8::MAX).map(move |b| (a, b))) {
            let quad = |bytes: [i8; 4]| u32::from_le_bytes(bytes.map(i8::cast_unsigned));
            let plain = 65536i32.wrapping_mul(b.into()).wrapping_add(a.into()).cast_unsigned();
            let other = plain_pairs(quad([b, a, a, b]));
            assert_eq!(plain_pairs(quad([a, b, b, a])), [plain, other[0]]);
            assert_eq!(other[1], plain);
            assert_eq!(halves(plain), pair(a, b));
        }
        for a in i16::MIN..=i16::MAX {
            for b in [i16::MIN, -1, 0, 1, i16::MAX] {
                let plain = 65536i32.wrapping_mul(b.into()).wrapping_add(a.into()).cast_unsigned();
                let expected = u32::from(a.cast_unsigned()) | u32::from(b.cast_unsigned()) << 16;
                assert_eq!(halves(plain), expected);
            }
        }
    }

    /// Four channels at once, as the engine stages them, against one at a time.
    fn check_packed<F: Transform<N>, const N: usize>(tile: [[i8; 4]; N]) {
        let single: [[u32; N]; 4] = from_fn(|c| F::input(words(tile.map(|quad| quad[c]))));
        let pairs = tile.map(|quad| plain_pairs(u32::from_le_bytes(quad.map(i8::cast_unsigned))));
        for (word, [low, high]) in [[0, 2], [1, 3]].into_iter().enumerate() {
            let packed = F::input(pairs.map(|pair| pair[word])).map(halves);
            let expected = from_fn(|p| single[low][p] & 0xffff | single[high][p] << 16);
            assert_eq!(packed, expected, "{tile:?}, channels {low} and {high}");
        }
    }

    fn packed<F: Transform<N>, const N: usize>() {
        let mut random = Random(4);
        // Every pair of bytes in all inputs at once, alternating, and at random places.
        for (a, b) in (i8::MIN..=i8::MAX).flat_map(|a| (i8::MIN..=i8::MAX).map(move |b| (a, b))) {
            check_packed::<F, N>([[a, b, b, a]; N]);
            check_packed::<F, N>(from_fn(|j| if j % 2 == 0 { [a, b, b, a] } else { [b, b, a, a] }));
            check_packed::<F, N>(from_fn(|_| from_fn(|_| if random.next() & 1 == 0 { a } else { b })));
        }
        // Every corner of the low half with every corner of the high one.
        for low in all::<N>(&[i8::MIN, i8::MAX]) {
            for high in all::<N>(&[i8::MIN, i8::MAX]) {
                check_packed::<F, N>(from_fn(|j| [low[j], high[j], high[j], low[j]]));
            }
        }
    }

    #[test]
    fn two_channels_in_a_word() {
        packed::<F2, 5>();
        packed::<F3, 6>();
        packed::<F5, 8>();
    }
}
