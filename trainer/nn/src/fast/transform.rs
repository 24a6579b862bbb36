//! Products of a small constant matrix with a vector of registers. Opposite points share partial sums.
//!
//! A macro unrolls the loops, so that every matrix element is a constant for the compiler, which then removes products
//! with 0 and ±1. Closures do not work here: the compiler makes them functions of their own, without the vector
//! instructions of their caller.

use pulp::Simd;

/// Repeats a block with `$i` = 0, 1, … as a constant, up to `$n` of at most 5.
macro_rules! unroll {
    ($i:ident in 0..$n:expr, $body:block) => {
        unroll!(@ $i, $n, $body, 0 1 2 3 4)
    };
    (@ $i:ident, $n:expr, $body:block, $($k:literal)*) => {
        $(if $k < $n { const $i: usize = $k; $body })*
    };
}

/// Whether the rows `row` and `row + 1` belong to opposite points `a` and `−a`. Only rows 1 and 2 do.
const fn is_pair(points: usize, row: usize) -> bool {
    row % 2 == 1 && row + 2 < points
}

/// `matrix · x` for a matrix with one row for each point.
///
/// If every finite point except 0 has an opposite, the rows of opposite points differ only in the signs of the odd
/// columns. Their results are then the sum and the difference of two partial sums, over even and over odd columns.
#[inline(always)]
pub fn multiply<S: Simd, const T: usize, const N: usize>(
    simd: S,
    matrix: &[[f32; N]; T],
    x: [S::f32s; N],
) -> [S::f32s; T] {
    let mut y = [simd.splat_f32s(0.0); T];
    unroll!(I in 0..T, {
        if T.is_multiple_of(2) && is_pair(T, I) {
            let even = dot::<S, T, N>(simd, matrix, I, x, true, false);
            let odd = dot::<S, T, N>(simd, matrix, I, x, false, true);
            y[I] = simd.add_f32s(even, odd);
            y[I + 1] = simd.sub_f32s(even, odd);
        } else if !T.is_multiple_of(2) || I == 0 || !is_pair(T, I.wrapping_sub(1)) {
            y[I] = dot::<S, T, N>(simd, matrix, I, x, true, true);
        }
    });
    y
}

/// `matrixᵀ · x` for a matrix of powers, with one row for each point.
#[inline(always)]
pub fn multiply_transposed<S: Simd, const T: usize, const N: usize>(
    simd: S,
    matrix: &[[f32; N]; T],
    x: [S::f32s; T],
) -> [S::f32s; N] {
    // Opposite points are first replaced by their sum and their difference.
    let (mut even, mut odd) = (x, x);
    unroll!(I in 0..T, {
        if is_pair(T, I) {
            even[I] = simd.add_f32s(x[I], x[I + 1]);
            odd[I] = simd.sub_f32s(x[I], x[I + 1]);
        }
    });
    let mut y = [simd.splat_f32s(0.0); N];
    unroll!(J in 0..N, {
        let x = if J.is_multiple_of(2) { even } else { odd };
        let mut sum = None;
        unroll!(I in 0..T, {
            if I == 0 || !is_pair(T, I.wrapping_sub(1)) {
                sum = add_product::<S>(simd, sum, matrix[I][J], x[I]);
            }
        });
        if let Some(sum) = sum {
            y[J] = sum;
        }
    });
    y
}

/// The dot product of a row of the matrix with `x`, over the even columns, the odd columns, or both.
#[inline(always)]
fn dot<S: Simd, const T: usize, const N: usize>(
    simd: S,
    matrix: &[[f32; N]; T],
    row: usize,
    x: [S::f32s; N],
    even: bool,
    odd: bool,
) -> S::f32s {
    let mut sum = None;
    unroll!(J in 0..N, {
        if if J.is_multiple_of(2) { even } else { odd } {
            sum = add_product::<S>(simd, sum, matrix[row][J], x[J]);
        }
    });
    match sum {
        Some(sum) => sum,
        None => simd.splat_f32s(0.0),
    }
}

/// `sum + factor · x`, without a multiplication if the factor is 0 or ±1.
#[inline(always)]
fn add_product<S: Simd>(simd: S, sum: Option<S::f32s>, factor: f32, x: S::f32s) -> Option<S::f32s> {
    match (sum, factor) {
        (_, 0.0) => sum,
        (None, 1.0) => Some(x),
        (None, _) => Some(simd.mul_f32s(simd.splat_f32s(factor), x)),
        (Some(sum), 1.0) => Some(simd.add_f32s(sum, x)),
        (Some(sum), -1.0) => Some(simd.sub_f32s(sum, x)),
        (Some(sum), _) => Some(simd.mul_add_f32s(simd.splat_f32s(factor), x, sum)),
    }
}
