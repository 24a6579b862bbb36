//! Proofs of the transforms by exact arithmetic, and their bounds.

extern crate std;

use core::array::from_fn;
use std::vec::Vec;

use super::*;

/// What the tests know about a transform, apart from its code.
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

/// A proof for one transform, because all maps here are linear: `filter` and `input` are
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
    assert_eq!([(F2::POINTS, F2::TAPS), (F3::POINTS, F3::TAPS), (F5::POINTS, F5::TAPS)], [(5, 2), (6, 3), (8, 5)]);
    assert_eq!([0, 1, 2, 3, 4, 5, 6].map(points_for), [None, None, Some(5), Some(6), None, Some(8), None]);
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
        let packed = 65536i32.wrapping_mul(b.into()).wrapping_add(a.into()).cast_unsigned();
        let other = packed_pairs(quad([b, a, a, b]));
        assert_eq!(packed_pairs(quad([a, b, b, a])), [packed, other[0]]);
        assert_eq!(other[1], packed);
        assert_eq!(unpack_halves(packed), pair(a, b));
    }
    for a in i16::MIN..=i16::MAX {
        for b in [i16::MIN, -1, 0, 1, i16::MAX] {
            let packed = 65536i32.wrapping_mul(b.into()).wrapping_add(a.into()).cast_unsigned();
            let expected = u32::from(a.cast_unsigned()) | u32::from(b.cast_unsigned()) << 16;
            assert_eq!(unpack_halves(packed), expected);
        }
    }
}

/// Four channels at once, as the engine stages them, against one at a time.
fn check_packed<F: Transform<N>, const N: usize>(tile: [[i8; 4]; N]) {
    let single: [[u32; N]; 4] = from_fn(|c| F::input(words(tile.map(|quad| quad[c]))));
    let pairs = tile.map(|quad| packed_pairs(u32::from_le_bytes(quad.map(i8::cast_unsigned))));
    for (word, [low, high]) in [[0, 2], [1, 3]].into_iter().enumerate() {
        let packed = F::input(pairs.map(|pair| pair[word])).map(unpack_halves);
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
