//! Measures based on neighbourhoods: precision and recall (Kynkäänniemi et al. 2019,
//! arXiv:1904.06991), density and coverage (Naeem et al. 2020, arXiv:2002.09797).
//!
//! A vector's neighbourhood is the ball whose radius is the distance to its [`K`]-th neighbour in its own set.

use ndarray::{Array2, ArrayView2, Axis, s};

use crate::nn::gemm::gemm;
use crate::numbers::median;

/// Number of neighbours in a neighbourhood; fewer in a very small set.
pub const K: usize = 5;

/// The real vectors.
#[derive(Debug)]
pub struct Neighbours {
    real: Array2<f32>,
    /// Squared distances between all pairs of them; `[N, N]`.
    among: Array2<f32>,
}

/// Comparison of another set with the real vectors. [`Scores`](super::Scores) explains the measures.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Share of the other vectors that lie in the neighbourhood of a real vector, 0 … 1.
    pub precision: f64,
    /// Share of the real vectors that lie in the neighbourhood of another vector, 0 … 1.
    pub recall: f64,
    /// Mean number of real neighbourhoods that another vector lies in, divided by [`K`].
    pub density: f64,
    /// Share of the real neighbourhoods that contain another vector, 0 … 1.
    pub coverage: f64,
    /// Median distance to the nearest vector of the same set, divided by the same for as many real vectors.
    pub diversity_ratio: f64,
    /// For each real vector, whether it lies in the neighbourhood of another vector. Recall is their share.
    pub recalled: Vec<bool>,
    /// For each real vector, whether its neighbourhood contains another vector. Coverage is their share.
    pub covered: Vec<bool>,
}

impl Neighbours {
    /// Prepares the real vectors, `[N, D]`.
    pub fn new(real: Array2<f32>) -> Self {
        let among = squares(real.view(), real.view());
        Self { real, among }
    }

    /// Compares vectors, `[N, D]`, with the real ones. Both sets must have at least two vectors.
    pub fn compare(&self, other: ArrayView2<'_, f32>) -> Figures {
        let (n, m) = (self.real.nrows(), other.nrows());
        let k = K.min(n.saturating_sub(1)).min(m.saturating_sub(1)).max(1);
        let among_others = squares(other, other);
        // `[real, other]`
        let between = squares(self.real.view(), other);
        let real_radius = radii(&self.among, k);
        let other_radius = radii(&among_others, k);

        let (mut precise, mut inside) = (vec![false; m], 0usize);
        let (mut recalled, mut covered) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for (row, &radius) in between.rows().into_iter().zip(&real_radius) {
            let (mut is_recalled, mut is_covered) = (false, false);
            for (j, &square) in row.iter().enumerate() {
                // `<=`: a set that is compared with itself must lie in its own neighbourhoods.
                let is_inside = square <= radius;
                precise[j] |= is_inside;
                inside += usize::from(is_inside);
                is_covered |= is_inside;
                is_recalled |= square <= other_radius[j];
            }
            recalled.push(is_recalled);
            covered.push(is_covered);
        }
        let size = n.min(m);
        let real_apart = median_nearest(&self.among.slice(s![..size, ..size]));
        let apart = median_nearest(&among_others.slice(s![..size, ..size]));
        Figures {
            precision: share(&precise),
            recall: share(&recalled),
            density: inside as f64 / m.max(1) as f64 / k as f64,
            coverage: share(&covered),
            diversity_ratio: apart / real_apart.max(1e-6),
            recalled,
            covered,
        }
    }
}

/// Share of the values that are true, 0 … 1.
fn share(values: &[bool]) -> f64 {
    values.iter().filter(|&&value| value).count() as f64 / values.len().max(1) as f64
}

/// Squared distances of all rows of `a` to all rows of `b`; `[rows of a, rows of b]`.
fn squares(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f32> {
    let lengths = |x: ArrayView2<'_, f32>| -> Vec<f32> { x.rows().into_iter().map(|row| row.dot(&row)).collect() };
    let (of_a, of_b) = (lengths(a), lengths(b));
    let mut products = Array2::zeros((a.nrows(), b.nrows()));
    gemm(a, b.t(), products.view_mut(), false);
    for (mut row, a) in products.axis_iter_mut(Axis(0)).zip(of_a) {
        row.iter_mut().zip(&of_b).for_each(|(p, b)| *p = (a + b - 2.0 * *p).max(0.0));
    }
    products
}

/// Squared distance of each row to its `k`-th neighbour in its own set, where the 0-th is the row itself.
fn radii(among: &Array2<f32>, k: usize) -> Vec<f32> {
    let radius = |row: ndarray::ArrayView1<'_, f32>| {
        let mut row = row.to_vec();
        *row.select_nth_unstable_by(k, f32::total_cmp).1
    };
    among.rows().into_iter().map(radius).collect()
}

/// Median of the distances to the nearest other row.
fn median_nearest(among: &ArrayView2<'_, f32>) -> f64 {
    let nearest = |(i, row): (usize, ndarray::ArrayView1<'_, f32>)| {
        let others = row.iter().enumerate().filter(|&(j, _)| j != i);
        f64::from(others.map(|(_, &square)| square).fold(f32::INFINITY, f32::min)).sqrt()
    };
    median(among.rows().into_iter().enumerate().map(nearest))
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;

    fn cloud(count: usize, centre: f32, size: f32, seed: u64) -> Array2<f32> {
        let mut rng = crate::nn::init::rng(seed, 0, 0);
        Array2::from_shape_simple_fn((count, 3), || centre + size * rng.random_range(-1.0f32..1.0))
    }

    #[test]
    fn figures_see_what_is_missing_and_what_is_wrong() {
        let real = Neighbours::new(cloud(400, 0.0, 1.0, 1));
        let alike = real.compare(cloud(400, 0.0, 1.0, 2).view());
        assert!(alike.precision > 0.85 && alike.recall > 0.85 && alike.coverage > 0.9, "{alike:?}");
        assert!((alike.density - 1.0).abs() < 0.15 && (alike.diversity_ratio - 1.0).abs() < 0.1, "{alike:?}");
        // Vectors within the real ones that cover only a small part of them.
        let narrow = real.compare(cloud(400, 0.0, 0.3, 3).view());
        assert!(narrow.precision > 0.95 && narrow.recall < 0.2 && narrow.coverage < 0.3, "{narrow:?}");
        assert!(narrow.diversity_ratio < 0.4, "{narrow:?}");
        let far = real.compare(cloud(400, 9.0, 1.0, 4).view());
        assert_eq!((far.precision, far.recall, far.density, far.coverage), (0.0, 0.0, 0.0, 0.0));
        // The neighbourhoods of widely spread vectors contain the real ones, but not the other way round.
        let wide = real.compare(cloud(400, 0.0, 5.0, 5).view());
        assert!(wide.precision < 0.1 && wide.recall > 0.5, "{wide:?}");
    }

    #[test]
    fn very_small_sets_have_smaller_neighbourhoods() {
        let real = Neighbours::new(cloud(3, 0.0, 1.0, 1));
        let figures = real.compare(cloud(2, 0.0, 1.0, 2).view());
        assert!(
            [figures.precision, figures.recall, figures.diversity_ratio].iter().all(|v| v.is_finite()),
            "{figures:?}"
        );
    }
}
