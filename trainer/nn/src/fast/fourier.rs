//! The discrete Fourier transform of a real 12×12 tile, and its inverse.
//!
//! A 5x5 correlation by this transform takes 3.3 real multiplications for each output. Winograd's F(4×4, 5×5) takes 4 and
//! loses five binary digits. The Fourier transform loses none, because its matrices are orthogonal up to a factor.
//!
//! The transform of length 12 is a prime-factor transform (Good 1958): transforms of length 3 and of length 4 without
//! twiddle factors, because 3 and 4 have no common divisor. With `n = 4·n₁ + 3·n₂ mod 12`,
//! `X[k] = Σ x[n] e^{−2πi·n₁k/3} e^{−2πi·n₂k/4}`.
//!
//! The transform of a real tile has 144 independent values: 4 real points, then the real and the imaginary part of 70
//! complex points.

use pulp::Simd;

use super::domain::{Domain, Load, Store};

/// Side of a tile.
pub const SIDE: usize = 12;

/// Number of points whose values are real. They come first.
pub const REAL: usize = 4;

const SIN_60: f32 = 0.866_025_4;

/// A complex number in each lane.
type Complex<V> = (V, V);

/// Frequencies 0 … 6 of the transform of 12 real numbers; the others are their complex conjugates. Frequencies 0 and 6
/// are real.
#[inline(always)]
fn real<S: Simd>(simd: S, x: [S::f32s; SIDE]) -> [Complex<S::f32s>; 7] {
    let zero = simd.splat_f32s(0.0);
    let (half, sin) = (simd.splat_f32s(-0.5), simd.splat_f32s(SIN_60));
    let mut sums = [zero; 4];
    let mut ones = [(zero, zero); 4];
    for n2 in 0..4 {
        let (a, b, c) = (x[3 * n2 % 12], x[(4 + 3 * n2) % 12], x[(8 + 3 * n2) % 12]);
        let t = simd.add_f32s(b, c);
        sums[n2] = simd.add_f32s(a, t);
        ones[n2] = (simd.mul_add_f32s(half, t, a), simd.mul_f32s(sin, simd.sub_f32s(c, b)));
    }
    let (even, odd) = (simd.add_f32s(sums[0], sums[2]), simd.add_f32s(sums[1], sums[3]));
    let three = (simd.sub_f32s(sums[0], sums[2]), simd.sub_f32s(sums[1], sums[3]));
    let [four, one, ten, seven] = four::<S>(simd, ones);
    [
        (simd.add_f32s(even, odd), zero),
        one,
        (ten.0, simd.sub_f32s(zero, ten.1)),
        three,
        four,
        (seven.0, simd.sub_f32s(zero, seven.1)),
        (simd.sub_f32s(even, odd), zero),
    ]
}

/// The inverse of [`real`], times 12.
#[inline(always)]
fn real_inverse<S: Simd>(simd: S, x: [Complex<S::f32s>; 7]) -> [S::f32s; SIDE] {
    let zero = simd.splat_f32s(0.0);
    let (two, root) = (simd.splat_f32s(2.0), simd.splat_f32s(2.0 * SIN_60));
    let minus_root = simd.splat_f32s(-2.0 * SIN_60);
    let (even, odd) = (simd.add_f32s(x[0].0, x[6].0), simd.sub_f32s(x[0].0, x[6].0));
    let three = (simd.mul_f32s(two, x[3].0), simd.mul_f32s(two, x[3].1));
    let sums = [
        simd.add_f32s(even, three.0),
        simd.add_f32s(odd, three.1),
        simd.sub_f32s(even, three.0),
        simd.sub_f32s(odd, three.1),
    ];
    let ten = (x[2].0, simd.sub_f32s(zero, x[2].1));
    let seven = (x[5].0, simd.sub_f32s(zero, x[5].1));
    let ones = four_inverse::<S>(simd, [x[4], x[1], ten, seven]);
    let mut y = [zero; SIDE];
    for n2 in 0..4 {
        let (re, im) = ones[n2];
        let rest = simd.sub_f32s(sums[n2], re);
        y[3 * n2 % 12] = simd.mul_add_f32s(two, re, sums[n2]);
        y[(4 + 3 * n2) % 12] = simd.mul_add_f32s(minus_root, im, rest);
        y[(8 + 3 * n2) % 12] = simd.mul_add_f32s(root, im, rest);
    }
    y
}

/// The transform of 4 complex numbers.
#[inline(always)]
fn four<S: Simd>(simd: S, x: [Complex<S::f32s>; 4]) -> [Complex<S::f32s>; 4] {
    let a = (simd.add_f32s(x[0].0, x[2].0), simd.add_f32s(x[0].1, x[2].1));
    let b = (simd.sub_f32s(x[0].0, x[2].0), simd.sub_f32s(x[0].1, x[2].1));
    let c = (simd.add_f32s(x[1].0, x[3].0), simd.add_f32s(x[1].1, x[3].1));
    let d = (simd.sub_f32s(x[1].0, x[3].0), simd.sub_f32s(x[1].1, x[3].1));
    [
        (simd.add_f32s(a.0, c.0), simd.add_f32s(a.1, c.1)),
        (simd.add_f32s(b.0, d.1), simd.sub_f32s(b.1, d.0)),
        (simd.sub_f32s(a.0, c.0), simd.sub_f32s(a.1, c.1)),
        (simd.sub_f32s(b.0, d.1), simd.add_f32s(b.1, d.0)),
    ]
}

/// The inverse of [`four`], times 4.
#[inline(always)]
fn four_inverse<S: Simd>(simd: S, x: [Complex<S::f32s>; 4]) -> [Complex<S::f32s>; 4] {
    let [a, b, c, d] = four::<S>(simd, x);
    [a, d, c, b]
}

/// The transform of 12 complex numbers.
#[inline(always)]
fn complex<S: Simd>(simd: S, x: [Complex<S::f32s>; SIDE]) -> [Complex<S::f32s>; SIDE] {
    let zero = simd.splat_f32s(0.0);
    let (half, sin) = (simd.splat_f32s(-0.5), simd.splat_f32s(SIN_60));
    let minus_sin = simd.splat_f32s(-SIN_60);
    let mut thirds = [[(zero, zero); 4]; 3];
    for n2 in 0..4 {
        let (a, b, c) = (x[3 * n2 % 12], x[(4 + 3 * n2) % 12], x[(8 + 3 * n2) % 12]);
        let t = (simd.add_f32s(b.0, c.0), simd.add_f32s(b.1, c.1));
        let m = (simd.mul_add_f32s(half, t.0, a.0), simd.mul_add_f32s(half, t.1, a.1));
        let d = (simd.sub_f32s(b.0, c.0), simd.sub_f32s(b.1, c.1));
        thirds[0][n2] = (simd.add_f32s(a.0, t.0), simd.add_f32s(a.1, t.1));
        // m ∓ i·sin·d
        thirds[1][n2] = (simd.mul_add_f32s(sin, d.1, m.0), simd.mul_add_f32s(minus_sin, d.0, m.1));
        thirds[2][n2] = (simd.mul_add_f32s(minus_sin, d.1, m.0), simd.mul_add_f32s(sin, d.0, m.1));
    }
    let mut y = [(zero, zero); SIDE];
    for k1 in 0..3 {
        let fours = four::<S>(simd, thirds[k1]);
        for k2 in 0..4 {
            // The k with remainders k1 by 3 and k2 by 4.
            y[(4 * k1 + 9 * k2) % 12] = fours[k2];
        }
    }
    y
}

/// The transform of a tile whose first `N` rows and columns are `x` and whose other values are 0. Writes 144 values, those
/// of the [`REAL`] real points first.
#[inline(always)]
pub fn transform<S: Simd, const N: usize>(simd: S, x: &impl Load<S>, to: &mut impl Store<S>) {
    let zero = simd.splat_f32s(0.0);
    let mut columns = [[(zero, zero); SIDE]; 7];
    for j in 0..N {
        let mut column = [zero; SIDE];
        for i in 0..N {
            column[i] = x.load(i * N + j);
        }
        let column = real::<S>(simd, column);
        for i in 0..7 {
            columns[i][j] = column[i];
        }
    }
    for n in 0..2 {
        let mut row = [zero; SIDE];
        for j in 0..N {
            row[j] = columns[6 * n][j].0;
        }
        let row = real::<S>(simd, row);
        to.store(2 * n, row[0].0);
        to.store(2 * n + 1, row[6].0);
        for k in 0..5 {
            to.store_complex(5 * n + k, row[k + 1].0, row[k + 1].1);
        }
    }
    for n in 0..5 {
        let row = complex::<S>(simd, columns[n + 1]);
        for k in 0..SIDE {
            to.store_complex(10 + 12 * n + k, row[k].0, row[k].1);
        }
    }
}

/// The first `N` rows and columns of the inverse of [`transform`], times 144.
#[inline(always)]
pub fn inverse_transform<S: Simd, const N: usize>(simd: S, y: &impl Load<S>, to: &mut impl Store<S>) {
    let zero = simd.splat_f32s(0.0);
    let mut columns = [[(zero, zero); N]; 7];
    for n in 0..2 {
        let mut row = [(zero, zero); 7];
        row[0].0 = y.load(2 * n);
        row[6].0 = y.load(2 * n + 1);
        for k in 0..5 {
            row[k + 1] = complex_at(y, 5 * n + k);
        }
        let row = real_inverse::<S>(simd, row);
        for j in 0..N {
            columns[6 * n][j].0 = row[j];
        }
    }
    for n in 0..5 {
        // The inverse is the transform with real and imaginary parts exchanged.
        let mut row = [(zero, zero); SIDE];
        for k in 0..SIDE {
            let (re, im) = complex_at(y, 10 + 12 * n + k);
            row[k] = (im, re);
        }
        let row = complex::<S>(simd, row);
        for j in 0..N {
            columns[n + 1][j] = (row[j].1, row[j].0);
        }
    }
    for j in 0..N {
        let mut column = [(zero, zero); 7];
        for i in 0..7 {
            column[i] = columns[i][j];
        }
        let column = real_inverse::<S>(simd, column);
        for i in 0..N {
            to.store(i * N + j, column[i]);
        }
    }
}

#[inline(always)]
fn complex_at<S: Simd>(y: &impl Load<S>, point: usize) -> Complex<S::f32s> {
    (y.load(REAL + 2 * point), y.load(REAL + 2 * point + 1))
}

/// The Fourier transform of tiles of 12×12 inputs: 8×8 outputs of a 5x5 kernel.
///
/// A correlation is the product with the conjugate of the transformed weights. The inverse transform lacks the factor
/// 1/144. The weights, or their gradient, are multiplied by it, because they have the fewest values.
#[derive(Debug)]
pub struct Fourier;

impl Domain<8, 5, SIDE> for Fourier {
    const REAL: usize = REAL;

    #[inline(always)]
    fn input<S: Simd>(simd: S, x: &impl Load<S>, to: &mut impl Store<S>) {
        transform::<S, 12>(simd, x, to);
    }

    #[inline(always)]
    fn weights<S: Simd>(simd: S, w: &impl Load<S>, to: &mut impl Store<S>) {
        transform::<S, 5>(simd, &Scaled { simd, values: w }, &mut Conjugated { simd, to });
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, y: &impl Load<S>, to: &mut impl Store<S>) {
        inverse_transform::<S, 8>(simd, y, to);
    }

    #[inline(always)]
    fn d_output<S: Simd>(simd: S, dy: &impl Load<S>, to: &mut impl Store<S>) {
        transform::<S, 8>(simd, dy, &mut Conjugated { simd, to });
    }

    #[inline(always)]
    fn d_weights<S: Simd>(simd: S, dw: &impl Load<S>, to: &mut impl Store<S>) {
        inverse_transform::<S, 5>(simd, dw, &mut Scaled { simd, values: to });
    }
}

/// Divides values by 144 as they are loaded or stored.
struct Scaled<S, V> {
    simd: S,
    values: V,
}

impl<S: Simd, L: Load<S>> Load<S> for Scaled<S, &L> {
    #[inline(always)]
    fn load(&self, at: usize) -> S::f32s {
        self.simd.mul_f32s(self.simd.splat_f32s(1.0 / 144.0), self.values.load(at))
    }
}

impl<S: Simd, W: Store<S>> Store<S> for Scaled<S, &mut W> {
    #[inline(always)]
    fn store(&mut self, at: usize, value: S::f32s) {
        self.values.store(at, self.simd.mul_f32s(self.simd.splat_f32s(1.0 / 144.0), value));
    }

    #[inline(always)]
    fn store_complex(&mut self, _: usize, _: S::f32s, _: S::f32s) {
        unreachable!("taps are real");
    }
}

/// Stores the complex conjugates of values.
struct Conjugated<'a, S, W> {
    simd: S,
    to: &'a mut W,
}

impl<S: Simd, W: Store<S>> Store<S> for Conjugated<'_, S, W> {
    #[inline(always)]
    fn store(&mut self, at: usize, value: S::f32s) {
        self.to.store(at, value);
    }

    #[inline(always)]
    fn store_complex(&mut self, point: usize, re: S::f32s, im: S::f32s) {
        // Not `neg_f32s`, which pulp does not inline.
        self.to.store_complex(point, re, self.simd.sub_f32s(self.simd.splat_f32s(0.0), im));
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;

    struct Values([f32; 144]);

    impl Load<Scalar> for Values {
        fn load(&self, at: usize) -> f32 {
            self.0[at]
        }
    }

    impl Store<Scalar> for Values {
        fn store(&mut self, at: usize, value: f32) {
            self.0[at] = value;
        }

        fn store_complex(&mut self, point: usize, re: f32, im: f32) {
            (self.0[REAL + 2 * point], self.0[REAL + 2 * point + 1]) = (re, im);
        }
    }

    fn tile(seed: usize) -> Values {
        Values(std::array::from_fn(|i| ((i / 12 * 7 + i % 12 * 5 + seed * 11) * 37 % 41) as f32 - 20.0))
    }

    fn transform<const N: usize>(x: &Values) -> Values {
        let mut y = Values([f32::NAN; 144]);
        super::transform::<Scalar, N>(Scalar, x, &mut y);
        y
    }

    fn inverse<const N: usize>(y: &Values) -> Values {
        let mut x = Values([0.0; 144]);
        super::inverse_transform::<Scalar, N>(Scalar, y, &mut x);
        x
    }

    #[test]
    fn the_inverse_restores_a_tile() {
        let x = tile(1);
        let back = inverse::<12>(&transform::<12>(&x));
        for (a, b) in x.0.iter().zip(back.0) {
            assert!((a - b / 144.0).abs() < 1e-4, "{a} {b}");
        }
    }

    #[test]
    fn a_smaller_tile_is_padded_with_zeros() {
        let (corner, mut whole) = (tile(3), Values([0.0; 144]));
        for i in 0..25 {
            whole.0[i / 5 * 12 + i % 5] = corner.0[i];
        }
        let (ours, expected) = (transform::<5>(&corner), transform::<12>(&whole));
        for (a, b) in ours.0.iter().zip(expected.0) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
        let back = inverse::<5>(&ours);
        for i in 0..25 {
            assert!((back.0[i] / 144.0 - corner.0[i]).abs() < 1e-4, "{} {}", back.0[i], corner.0[i]);
        }
    }

    #[test]
    fn products_of_transforms_are_circular_correlations() {
        let (x, w) = (tile(1), tile(2));
        let (a, b) = (transform::<12>(&x).0, transform::<12>(&w).0);
        let mut products = Values([0.0; 144]);
        for p in 0..REAL {
            products.0[p] = a[p] * b[p];
        }
        for p in (REAL..144).step_by(2) {
            // The second factor conjugated.
            products.0[p] = a[p] * b[p] + a[p + 1] * b[p + 1];
            products.0[p + 1] = a[p + 1] * b[p] - a[p] * b[p + 1];
        }
        let y = inverse::<12>(&products);
        for i in 0..144 {
            let at = |t: usize| (i / 12 + t / 12) % 12 * 12 + (i % 12 + t % 12) % 12;
            let direct: f32 = (0..144).map(|t| w.0[t] * x.0[at(t)]).sum();
            assert!((y.0[i] / 144.0 - direct).abs() < 0.05, "{i}: {} {direct}", y.0[i] / 144.0);
        }
    }
}
