//! Computes the matrices of Winograd's minimal filtering from interpolation points (the Cook-Toom construction).
//!
//! F(m, r) computes `m` outputs of a correlation with `r` taps from `t = m + r − 1` inputs, with `t` multiplications
//! (Winograd 1980; Lavin & Gray 2015, arXiv:1509.09308; points as in Barabasz et al. 2018, arXiv:1803.10986):
//!
//! ```text
//! y = Aᵀ [(G w) ⊙ (Bᵀ x)]
//!
//! G   t×r  evaluates a polynomial with r coefficients at the t points
//! A   t×m  evaluates a polynomial with m coefficients at the t points
//! B   t×t  interpolates from the t points
//! ```
//!
//! The gradient of the weights is the same formula with `w` and `y` exchanged: `dw = E_rᵀ [(E_m dy / N) ⊙ (Bᵀ x)]`.
//! `E_n` is the evaluation matrix without scaling: `A = E_m`, and `G` is `E_r` with each row divided by the factor `N` of
//! its point.

/// The finite points; `t` products use the first `t − 1` of them, and infinity. Opposite points are neighbours, because
/// their rows share partial sums (`transform.rs`). With the fourth point the rounding error is about ten times as large.
const POINTS: [f64; 4] = [0.0, 1.0, -1.0, 0.5];

/// The factor `N` of point `p`: `Π (p − q)` over the other finite points `q`.
const fn factor(t: usize, p: usize) -> f64 {
    let (mut product, mut q) = (1.0, 0);
    while q + 1 < t {
        if q != p {
            product *= POINTS[p] - POINTS[q];
        }
        q += 1;
    }
    product
}

/// `Bᵀ`: row `p` has the coefficients of `Π (x − q)` over the finite points `q` other than `p`; the last row has those of
/// the product over all finite points.
pub const fn interpolate<const T: usize>() -> [[f32; T]; T] {
    let mut matrix = [[0.0; T]; T];
    let mut p = 0;
    while p < T {
        let mut polynomial = [0.0f64; T];
        polynomial[0] = 1.0;
        let mut q = 0;
        while q + 1 < T {
            if q != p {
                // times (x − point)
                let mut j = T - 1;
                while j > 0 {
                    polynomial[j] = polynomial[j - 1] - POINTS[q] * polynomial[j];
                    j -= 1;
                }
                polynomial[0] *= -POINTS[q];
            }
            q += 1;
        }
        let mut j = 0;
        while j < T {
            matrix[p][j] = polynomial[j] as f32;
            j += 1;
        }
        p += 1;
    }
    matrix
}

/// `E_n`: row `p` has the powers `pʲ`, `j < n`, divided by `N` if `divide`. The last row selects the leading coefficient,
/// which is the value at infinity.
pub const fn evaluate<const T: usize, const N: usize>(divide: bool) -> [[f32; N]; T] {
    let mut matrix = [[0.0; N]; T];
    let mut p = 0;
    while p + 1 < T {
        let (mut power, mut j) = (if divide { 1.0 / factor(T, p) } else { 1.0 }, 0);
        while j < N {
            matrix[p][j] = power as f32;
            power *= POINTS[p];
            j += 1;
        }
        p += 1;
    }
    matrix[T - 1][N - 1] = 1.0;
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const M: usize, const R: usize, const T: usize>() {
        let (bt, g, a) = (interpolate::<T>(), evaluate::<T, R>(true), evaluate::<T, M>(false));
        let x: Vec<f64> = (0..T).map(|i| (i * i % 7) as f64 - 2.5).collect();
        let w: Vec<f64> = (0..R).map(|i| (i * 3 % 5) as f64 - 1.25).collect();
        let mut y = [0.0; M];
        for p in 0..T {
            let v: f64 = (0..T).map(|j| f64::from(bt[p][j]) * x[j]).sum();
            let u: f64 = (0..R).map(|j| f64::from(g[p][j]) * w[j]).sum();
            y.iter_mut().zip(a[p]).for_each(|(y, a)| *y += f64::from(a) * u * v);
        }
        for (i, y) in y.into_iter().enumerate() {
            let direct: f64 = (0..R).map(|j| x[i + j] * w[j]).sum();
            // The matrices are rounded to f32.
            assert!((y - direct).abs() < 2e-5, "F({M},{R})[{i}]: {y} {direct}");
        }
    }

    #[test]
    fn every_tile_size_computes_the_correlation() {
        check::<2, 2, 3>();
        check::<3, 2, 4>();
        check::<4, 2, 5>();
        check::<2, 3, 4>();
    }
}
