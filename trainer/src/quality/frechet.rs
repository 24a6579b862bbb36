//! The Fréchet distance between two normal distributions (Dowson & Landau 1982), as
//! Heusel et al. 2017 (arXiv:1706.08500) use it to compare sets of pictures:
//! `|m₁ − m₂|² + tr(C₁ + C₂ − 2 √(C₁ C₂))`.
//!
//! With `C₁ = A Aᵀ` and `C₂ = B Bᵀ` the trace of the root is the sum of the singular
//! values of `Aᵀ B`. So no matrix has to be diagonalised twice, and no root of a negative
//! number can occur.

use ndarray::{Array1, Array2, ArrayView2, Axis};

/// Mean and covariance of a set of vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    mean: Array1<f64>,
    /// Triangular Cholesky factor of the covariance; `[D, D]`.
    factor: Array2<f64>,
    /// Trace of the covariance.
    spread: f64,
}

impl Moments {
    /// Moments of the rows of `x`, `[N, D]`.
    pub fn of(x: ArrayView2<'_, f32>) -> Self {
        let mut x = x.mapv(f64::from);
        let n = x.nrows();
        let mean = x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(x.ncols()));
        x -= &mean;
        let covariance = x.t().dot(&x) / n.saturating_sub(1).max(1) as f64;
        let spread = covariance.diag().sum();
        Self { mean, factor: cholesky(covariance), spread }
    }

    /// Trace of the covariance: half of the mean squared distance between two vectors of the set.
    pub fn total_variance(&self) -> f64 {
        self.spread
    }

    /// Fréchet distance, 0 or more. Both must have the same number of dimensions.
    pub fn distance(&self, other: &Self) -> f64 {
        let between = (&self.mean - &other.mean).mapv(|d| d * d).sum();
        let root = nuclear_norm(self.factor.t().dot(&other.factor));
        (between + self.spread + other.spread - 2.0 * root).max(0.0)
    }
}

/// Lower triangular `L` with `L Lᵀ = c`. Directions in which `c` has no variance are left out, as when
/// there are fewer vectors than dimensions.
fn cholesky(mut c: Array2<f64>) -> Array2<f64> {
    let n = c.nrows();
    let least = c.diag().iter().fold(0.0f64, |m, &v| m.max(v)) * 1e-12;
    for k in 0..n {
        let pivot = c[[k, k]];
        if pivot <= least {
            c.column_mut(k).fill(0.0);
            continue;
        }
        let root = pivot.sqrt();
        for i in 0..n {
            c[[i, k]] = if i < k { 0.0 } else { c[[i, k]] / root };
        }
        for j in k + 1..n {
            let factor = c[[j, k]];
            for i in j..n {
                c[[i, j]] -= c[[i, k]] * factor;
            }
        }
    }
    // Values above the diagonal were not used; they are set to 0.
    for ((i, j), v) in c.indexed_iter_mut() {
        if j > i {
            *v = 0.0;
        }
    }
    c
}

/// Sum of the singular values. Pairs of rows are rotated until all rows are orthogonal
/// (Hestenes 1958); the sum of their lengths is the result.
fn nuclear_norm(matrix: Array2<f64>) -> f64 {
    const SWEEPS: usize = 40;
    // Relative to the lengths of the two rows. The error of the sum is far smaller than this.
    const ORTHOGONAL: f64 = 1e-7;
    let mut rows: Vec<Vec<f64>> = matrix.rows().into_iter().map(|row| row.to_vec()).collect();
    // Sorted with the longest row first, most rows need few rotations.
    rows.sort_by(|a, b| dot(b, b).total_cmp(&dot(a, a)));
    let mut squares: Vec<f64> = rows.iter().map(|row| dot(row, row)).collect();
    let negligible = squares.iter().sum::<f64>() * 1e-24;
    for _ in 0..SWEEPS {
        let mut is_orthogonal = true;
        for p in 0..rows.len() {
            let (head, tail) = rows.split_at_mut(p + 1);
            let a = &mut head[p];
            for (q, b) in (p + 1..).zip(tail) {
                let product = dot(a, b);
                if product.abs() <= ORTHOGONAL * (squares[p] * squares[q]).sqrt() + negligible {
                    continue;
                }
                is_orthogonal = false;
                let zeta = (squares[q] - squares[p]) / (2.0 * product);
                let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = cosine * tangent;
                for (a, b) in a.iter_mut().zip(b) {
                    (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
                }
                squares[p] -= tangent * product;
                squares[q] += tangent * product;
            }
        }
        squares.iter_mut().zip(&rows).for_each(|(square, row)| *square = dot(row, row));
        if is_orthogonal {
            break;
        }
    }
    squares.iter().map(|square| square.sqrt()).sum()
}

/// Dot product in eight partial sums, which fill vector registers.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use rand::RngExt as _;

    use super::*;

    fn random(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
        let mut rng = crate::nn::init::rng(seed, 0, 0);
        Array2::from_shape_simple_fn((rows, columns), || rng.random_range(-1.0..1.0))
    }

    #[test]
    fn a_factor_times_its_transpose_is_the_matrix() {
        let x = random(30, 12, 1).mapv(f64::from);
        let c = x.t().dot(&x);
        let l = cholesky(c.clone());
        let worst = (l.dot(&l.t()) - c).mapv(f64::abs).fold(0.0, |a: f64, &b| a.max(b));
        assert!(worst < 1e-9, "{worst}");
        // Fewer vectors than dimensions.
        let x = random(5, 12, 2).mapv(f64::from);
        let c = x.t().dot(&x);
        let l = cholesky(c.clone());
        let worst = (l.dot(&l.t()) - c).mapv(f64::abs).fold(0.0, |a: f64, &b| a.max(b));
        assert!(worst < 1e-6, "{worst}");
    }

    #[test]
    fn singular_values_are_summed() {
        assert!((nuclear_norm(array![[3.0, 0.0], [0.0, -4.0]]) - 7.0).abs() < 1e-12);
        // The singular value of a matrix of rank one is the product of the lengths.
        assert!((nuclear_norm(array![[1.0, 2.0], [2.0, 4.0]]) - 5.0).abs() < 1e-9);
        assert_eq!(nuclear_norm(Array2::zeros((3, 3))), 0.0);
        // Squares of the singular values of a 2x2 matrix: trace t and determinant d give √(t + 2 |d|).
        let m = array![[0.3, -1.2], [2.0, 0.7]];
        let expected = (m.iter().map(|v: &f64| v * v).sum::<f64>() + 2.0f64 * (0.3 * 0.7 + 1.2 * 2.0)).sqrt();
        assert!((nuclear_norm(m) - expected).abs() < 1e-12);
    }

    #[test]
    fn one_dimension_is_the_textbooks() {
        // (m1 - m2)^2 + (s1 - s2)^2, with means 2 and 5, deviations 1 and 2.
        let a = Moments::of(array![[1.0], [2.0], [3.0]].view());
        let b = Moments::of(array![[3.0], [5.0], [7.0]].view());
        assert!((a.distance(&b) - 10.0).abs() < 1e-9, "{}", a.distance(&b));
    }

    #[test]
    fn distances_are_symmetric_and_0_to_oneself() {
        let (x, y) = (random(80, 20, 3), random(90, 20, 4).mapv(|v| 1.5 * v + 0.2));
        let (a, b) = (Moments::of(x.view()), Moments::of(y.view()));
        assert!(a.distance(&a) < 1e-9);
        assert!((a.distance(&b) - b.distance(&a)).abs() < 1e-9 && a.distance(&b) > 0.5);
    }

    /// For covariances that commute, the root is computed axis by axis.
    #[test]
    fn scaling_by_two_costs_the_spread() {
        let x = random(200, 10, 5);
        let a = Moments::of(x.view());
        let mean = x.mean_axis(Axis(0)).unwrap();
        let b = Moments::of(((&x - &mean) * 2.0 + &mean).view());
        assert!((a.distance(&b) / a.total_variance() - 1.0).abs() < 1e-5, "{} {}", a.distance(&b), a.total_variance());
    }
}
