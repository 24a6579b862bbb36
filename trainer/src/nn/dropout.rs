//! Inverted dropout (Srivastava et al. 2014): a value is zeroed with probability
//! `rate`, the others grow by `1 / (1 − rate)`, so nothing changes at inference.

use ndarray::{ArrayViewMut2, Axis, Zip};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;

/// Applies the mask of `seed`. The same call on the gradient is the backward pass.
///
/// Each picture draws from a generator of its own, so threads change nothing.
pub fn apply(rate: f32, seed: u64, mut x: ArrayViewMut2<'_, f32>) {
    let keep = 1.0 / (1.0 - rate);
    // A value survives when its 32-bit draw is at or over this.
    let threshold = (f64::from(rate) * 2f64.powi(32)) as u32;
    Zip::indexed(x.axis_iter_mut(Axis(0))).par_for_each(|picture, mut values| {
        let mut rng = Xoshiro128PlusPlus::seed_from_u64(seed ^ (picture as u64) << 32);
        values.mapv_inplace(|x| if rng.next_u32() >= threshold { x * keep } else { 0.0 });
    });
}
