//! Inverted dropout (Srivastava et al. 2014): each value is set to 0 with probability `rate`, and the others are multiplied
//! by `1 / (1 − rate)`, so that inference needs no change.

use ndarray::{ArrayViewMut2, Axis, Zip};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;

/// Multiplies a batch, `[N, values]`, by the mask of `seed`. The same call for the gradient is the backward pass.
///
/// Each picture has its own random generator, so the result does not depend on the number of threads.
pub fn apply(rate: f32, seed: u64, mut x: ArrayViewMut2<'_, f32>) {
    let keep = 1.0 / (1.0 - rate);
    // A value is kept if its 32-bit random number is at least this.
    let threshold = (f64::from(rate) * 2f64.powi(32)) as u32;
    Zip::indexed(x.axis_iter_mut(Axis(0))).par_for_each(|picture, mut values| {
        let mut rng = Xoshiro128PlusPlus::seed_from_u64(seed ^ (picture as u64) << 32);
        values.mapv_inplace(|x| if rng.next_u32() >= threshold { x * keep } else { 0.0 });
    });
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn drops_its_share_keeps_the_mean_and_repeats_its_mask() {
        let ones = Array2::<f32>::ones((20, 2048));
        let masked = |seed| {
            let mut x = ones.clone();
            apply(0.4, seed, x.view_mut());
            x
        };
        let x = masked(1);
        assert!(x.iter().all(|&x| x == 0.0 || (x - 1.0 / 0.6).abs() < 1e-6));
        let dropped = x.iter().filter(|&&x| x == 0.0).count() as f64 / x.len() as f64;
        assert!((dropped - 0.4).abs() < 0.01, "{dropped}");
        assert_eq!(x, masked(1));
        assert_ne!(x, masked(2));
        assert_ne!(x.row(0), x.row(1), "every picture has a mask of its own");
    }
}
