//! Winograd's transforms: four neighbouring outputs of a row with fewer multiplications, and exactly the same bits.
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
//! on an Arm core, where an addition or subtraction can shift an operand and a multiplication can add, at no
//! cost.
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
//! integers everywhere. Factors of `cᵢₚ` that would cost the output transform an instruction
//! are moved to the taps, where they cost nothing. Therefore the table has 50 and not 31
//! for `F5`.
//!
//! This is Toom-Cook multiplication of polynomials (Toom 1963, Cook 1966: evaluate,
//! multiply, interpolate), transposed so that it computes a correlation. That such a
//! tile needs no more than `k + 3` multiplications, and no fewer, is shown by S. Winograd,
//! *Arithmetic Complexity of Computations*, SIAM 1980; its use in neural networks is due to
//! A. Lavin and S. Gray, *Fast Algorithms for Convolutional Neural Networks*, 2015
//! (arXiv:1509.09308). They compute with floats, where such transforms round; in integers they are
//! exact.
//!
//! # Why it is exact modulo 2³²
//! Multiplied by `S`, the identity has integer coefficients, so it holds in every commutative
//! ring, the integers modulo 2³² included: intermediate sums may overflow. An odd number has an inverse modulo 2³²,
//! so multiplying by the inverse of the odd part of `S` leaves `2ᵃ · y[i]` modulo 2³². If
//! `|2ᵃ · y[i]| < 2³¹`, then the word, read as an i32, *is* `2ᵃ · y[i]`, and an arithmetic
//! shift by `a` divides it without remainder. So only the magnitude of the outputs matters,
//! and [`Transform::MAX_SUM`] bounds it. (Some outputs could use a smaller shift; one bound for all is simpler.)
//!
//! # Two values in a word
//! A *packed pair* is the word `L + 65536 · H` modulo 2³², for two integers `L` and `H`. Sums, differences and left
//! shifts of packed pairs are the packed pairs of the sums, differences and shifts. So [`Transform::input`] transforms
//! two channels at once with ordinary instructions, and [`unpack_halves`] separates the results.
//! [`packed_pairs`] makes such words from int8.

use core::num::Wrapping;

use crate::no_panic::invariant;

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
    /// The outputs are exact if none of the four exceeds this in magnitude, even if intermediate values
    /// overflow. An output is the sum of its products of weights and inputs, without a bias.
    const MAX_SUM: i64;

    /// Transforms the taps of one channel and row. All int8 are allowed.
    ///
    /// # Panics
    /// If their number is not the type's `TAPS`.
    fn filter(taps: &[i8]) -> [i16; N];

    /// The inverse of [`filter`](Self::filter): `TAPS` taps, followed by zeros. `None` if these
    /// points are not the transform of any int8 taps. All points are checked.
    fn taps(points: [i16; N]) -> Option<[i8; N]>;

    /// Transforms the inputs of a tile: either single values, each an `i32` as a `u32`,
    /// or packed pairs (see the [module](self)). The transform of int8
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
    /// Points, and inputs of a tile.
    pub const POINTS: usize = 5;
    /// Taps of the filter.
    pub const TAPS: usize = 2;
}

impl F3 {
    /// Points, and inputs of a tile.
    pub const POINTS: usize = 6;
    /// Taps of the filter.
    pub const TAPS: usize = 3;
}

impl F5 {
    /// Points, and inputs of a tile.
    pub const POINTS: usize = 8;
    /// Taps of the filter.
    pub const TAPS: usize = 5;
}

impl Transform<{ F2::POINTS }> for F2 {
    const MAX_SUM: i64 = (1 << 30) - 1;

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
        // The comments give the coefficients of the inputs, here and in the other transforms.
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
    const MAX_SUM: i64 = (1 << 28) - 1;

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
    const MAX_SUM: i64 = (1 << 28) - 1;

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
        // If a division leaves a remainder, there are no such taps, and `accept` returns `None`.
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
        // sign, and reversing the tile swaps even with odd, 2 with ½ and 0 with ∞.
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

/// Transforms the inputs of one parity of a tile of [`F5`], in the order of growing powers: the
/// value at 0, and the terms of this parity at 1, 2 and ½. A factor 2 of the last two is left out.
///
/// Nine operations, which an exhaustive search (sums and differences with one operand
/// shifted by up to 4, coefficients up to 40) shows to be the minimum.
#[inline(always)]
fn f5_side(x0: Wrapping<u32>, x2: Wrapping<u32>, x4: Wrapping<u32>, x6: Wrapping<u32>) -> [Wrapping<u32>; 4] {
    let high = (x4 << 2) - x6; // 0 0 4 −1: coefficients of the inputs
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

/// The taps whose transform is `points`, followed by zeros; `None` if there are none.
///
/// `solved` is the only candidate. Transforming it again and comparing all points decides. This also refuses
/// taps outside of int8, which the cast changes.
#[inline(always)]
fn accept<F: Transform<N>, const N: usize, const K: usize>(solved: [i32; K], points: [i16; N]) -> Option<[i8; N]> {
    let found = solved.map(|w| w as i8);
    (F::filter(&found) == points).then(|| filled(found))
}

/// Most points of a transform.
pub const MAX_POINTS: usize = F5::POINTS;

/// Whether there is a transform with this number of points.
pub const fn has_points(points: usize) -> bool {
    matches!(points, F2::POINTS | F3::POINTS | F5::POINTS)
}

/// Points of the transform for this number of taps; `None` if there is no such transform.
pub const fn points_for(taps: usize) -> Option<usize> {
    match taps {
        F2::TAPS => Some(F2::POINTS),
        F3::TAPS => Some(F3::POINTS),
        F5::TAPS => Some(F5::POINTS),
        _ => None,
    }
}

/// Calls a function of the transform with this number of points. Its lists are the first parts of longer ones, so that
/// the code around the call is compiled once, not once for each transform.
macro_rules! of_points {
    ($points:expr, $transform:ident => $call:expr) => {
        match $points {
            F2::POINTS => {
                type $transform = F2;
                $call
            }
            F3::POINTS => {
                type $transform = F3;
                $call
            }
            points => {
                invariant!(points == F5::POINTS, "no Winograd transform has this number of points");
                type $transform = F5;
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

/// A list, followed by zeros.
#[inline(always)]
fn filled<T: Copy + Default, const K: usize, const N: usize>(list: [T; K]) -> [T; N] {
    core::array::from_fn(|i| if i < K { list[i] } else { T::default() })
}

/// [`Transform::MAX_SUM`] of the transform with this number of points: 5, 6 or 8.
pub const fn max_sum(points: usize) -> i64 {
    of_points!(points, F => F::MAX_SUM)
}

/// [`Transform::filter`] of the transform with this number of points, whose results are followed by zeros.
#[cfg(any(feature = "writer", feature = "conformance"))]
pub fn filter(points: usize, taps: &[i8]) -> [i16; MAX_POINTS] {
    of_points!(points, F => filled(F::filter(taps)))
}

/// [`Transform::taps`] of the transform with this number of points.
pub fn taps(points: usize, values: [i16; MAX_POINTS]) -> Option<[i8; MAX_POINTS]> {
    of_points!(points, F => F::taps(first(values)).map(filled))
}

/// [`Transform::input`] of the transform with this number of points.
#[inline]
pub fn input(points: usize, x: [u32; MAX_POINTS]) -> [u32; MAX_POINTS] {
    of_points!(points, F => filled(F::input(first(x))))
}

/// [`Transform::output`] of the transform with this number of points.
#[inline]
pub fn output(points: usize, sums: [u32; MAX_POINTS]) -> [i32; TILE] {
    of_points!(points, F => F::output(first(sums)))
}

/// Splits four int8 values, the bytes `c0 c1 c2 c3` of a little-endian word, into the packed pairs `(c0, c2)` and
/// `(c1, c3)`, the first of each in the low half.
#[inline(always)]
pub const fn packed_pairs(quad: u32) -> [u32; 2] {
    // c + 128 is never negative, so no value borrows from its neighbour before 128 is subtracted.
    let biased = quad ^ 0x8080_8080;
    [
        (biased & 0x00ff_00ff).wrapping_sub(0x0080_0080), //
        ((biased >> 8) & 0x00ff_00ff).wrapping_sub(0x0080_0080),
    ]
}

/// The two values of a packed pair as int16, each in its half. Both have to fit int16.
#[inline(always)]
pub const fn unpack_halves(packed: u32) -> u32 {
    // A negative low value has borrowed 1 from the high half.
    packed.wrapping_add((packed & 0x8000) << 1)
}

#[cfg(test)]
mod tests;
