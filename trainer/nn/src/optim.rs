//! Optimisers over a flat parameter vector.

use anyhow::{Result, ensure};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// An optimiser and its constants. [`step`](Self::step) can scale the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "rule", deny_unknown_fields)]
pub enum Optimiser {
    /// Kingma & Ba 2015, arXiv:1412.6980, as PyTorch computes it: epsilon is added
    /// to the root of the corrected second moment.
    Adam {
        /// Learning rate.
        lr: f32,
        /// Decay of the first moment.
        beta1: f32,
        /// Decay of the second moment.
        beta2: f32,
        /// Epsilon, which prevents a division by 0.
        epsilon: f32,
    },
    /// RMSprop as Keras 2.2 computes it: epsilon is added to the root, the gradient is clipped by value, and the learning
    /// rate is `lr / (1 + decay · t)`.
    RmsProp {
        /// Learning rate.
        lr: f32,
        /// Decay of the mean square.
        rho: f32,
        /// Epsilon, which prevents a division by 0.
        epsilon: f32,
        /// Largest magnitude of a gradient; larger ones are clipped. 0 for no limit.
        clip: f32,
        /// Inverse-time decay for each step.
        decay: f64,
    },
}

/// The state of an optimiser: running means, and the number of updates that they contain. With RMSprop the first list is
/// empty.
///
/// Both belong together: Adam divides each mean by `1 − beta^t`, which is correct only for the number of updates `t` of this
/// mean (Kingma and Ba 2015, arXiv:1412.6980, section 3).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Moments {
    /// Updates so far: `t` of Adam, `iterations` of Keras.
    pub updates: u64,
    /// Mean gradient.
    pub first: Vec<f32>,
    /// Mean squared gradient.
    pub second: Vec<f32>,
}

/// Number of parameters that a thread updates at a time.
const PIECE: usize = 1 << 13;

impl Optimiser {
    /// Checks the constants.
    ///
    /// # Errors
    /// If a constant is not valid. The message names it.
    pub fn check(&self) -> Result<()> {
        let share = |name: &str, value: f32| {
            ensure!((0.0..1.0).contains(&value), "`{name}` is 0 or more and under 1, not {value}");
            Ok(())
        };
        let (lr, epsilon) = match *self {
            Self::Adam { lr, beta1, beta2, epsilon } => {
                share("beta1", beta1)?;
                share("beta2", beta2)?;
                (lr, epsilon)
            }
            Self::RmsProp { lr, rho, epsilon, clip, decay } => {
                share("rho", rho)?;
                ensure!(clip.is_finite() && clip >= 0.0, "`clip` is 0 or more, not {clip}");
                ensure!(decay.is_finite() && decay >= 0.0, "`decay` is 0 or more, not {decay}");
                (lr, epsilon)
            }
        };
        ensure!(lr.is_finite() && lr > 0.0, "`lr` must be over 0, not {lr}");
        ensure!(epsilon.is_finite() && epsilon > 0.0, "`epsilon` must be over 0, not {epsilon}");
        Ok(())
    }

    /// The moments of `len` parameters before the first update.
    pub fn moments(&self, len: usize) -> Moments {
        let [first, second] = self.moment_lengths(len).map(|len| vec![0.0; len]);
        Moments { updates: 0, first, second }
    }

    /// Lengths of both lists of [`Moments`] for `len` parameters.
    pub fn moment_lengths(&self, len: usize) -> [usize; 2] {
        [if matches!(self, Self::Adam { .. }) { len } else { 0 }, len]
    }

    /// Updates `params` and `moments` with `gradient`; `factor` multiplies the learning rate.
    ///
    /// `params` and `gradient` must have the length for which `moments` was created.
    pub fn step(&self, factor: f32, params: &mut [f32], gradient: &[f32], moments: &mut Moments) {
        let t = moments.updates;
        moments.updates += 1;
        let pieces =
            params.par_chunks_mut(PIECE).zip(gradient.par_chunks(PIECE)).zip(moments.second.par_chunks_mut(PIECE));
        match *self {
            Self::Adam { lr, beta1, beta2, epsilon } => {
                let n = (t + 1).min(i32::MAX as u64) as i32;
                let (correct1, correct2) = (1.0 - f64::from(beta1).powi(n), 1.0 - f64::from(beta2).powi(n));
                let rate = (f64::from(lr * factor) / correct1) as f32;
                let scale = (1.0 / correct2.sqrt()) as f32;
                pieces.zip(moments.first.par_chunks_mut(PIECE)).for_each(|(((p, g), v), m)| {
                    for (((p, &g), v), m) in p.iter_mut().zip(g).zip(v).zip(m) {
                        *m += (1.0 - beta1) * (g - *m);
                        *v += (1.0 - beta2) * (g * g - *v);
                        *p -= rate * *m / (v.sqrt() * scale + epsilon);
                    }
                });
            }
            Self::RmsProp { lr, rho, epsilon, clip, decay } => {
                let rate = (f64::from(lr * factor) / (1.0 + decay * t as f64)) as f32;
                let limit = if clip > 0.0 { clip } else { f32::INFINITY };
                pieces.for_each(|((p, g), v)| {
                    for ((p, &g), v) in p.iter_mut().zip(g).zip(v) {
                        let g = g.clamp(-limit, limit);
                        *v = rho * *v + (1.0 - rho) * g * g;
                        *p -= rate * g / (v.sqrt() + epsilon);
                    }
                });
            }
        }
    }
}

/// Updates an exponential moving average of `params`. With a `decay` of 0 it becomes equal to `params`.
pub fn average(average: &mut [f32], params: &[f32], decay: f32) {
    average.par_chunks_mut(PIECE).zip(params.par_chunks(PIECE)).for_each(|(average, params)| {
        if decay == 0.0 {
            average.copy_from_slice(params);
            return;
        }
        for (a, p) in average.iter_mut().zip(params) {
            *a += (1.0 - decay) * (*p - *a);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One parameter, gradients 0.5 and then −2; the expected values were computed in f64 from the papers' formulas.
    fn two_steps(optimiser: Optimiser) -> f64 {
        let (mut p, mut moments) = (vec![1.0f32], optimiser.moments(1));
        for g in [0.5f32, -2.0] {
            optimiser.step(1.0, &mut p, &[g], &mut moments);
        }
        assert_eq!(moments.updates, 2);
        p[0].into()
    }

    #[test]
    fn adam_follows_the_paper() {
        let (lr, b1, b2, eps) = (0.1, 0.5, 0.999, 1e-8);
        let (mut p, mut m, mut v) = (1.0, 0.0, 0.0);
        for (t, g) in [(1, 0.5), (2, -2.0f64)] {
            m = b1 * m + (1.0 - b1) * g;
            v = b2 * v + (1.0 - b2) * g * g;
            let (mh, vh) = (m / (1.0 - f64::powi(b1, t)), v / (1.0 - f64::powi(b2, t)));
            p -= lr * mh / (vh.sqrt() + eps);
        }
        let ours = two_steps(Optimiser::Adam { lr: 0.1, beta1: 0.5, beta2: 0.999, epsilon: 1e-8 });
        assert!((ours - p).abs() < 1e-5, "{ours} {p}");
    }

    #[test]
    fn rmsprop_follows_keras() {
        let (mut p, mut a) = (1.0, 0.0);
        for (t, g) in [(0, 0.5), (1, -1.0f64)] {
            // the second gradient is clipped
            a = 0.9 * a + 0.1 * g * g;
            p -= 0.1 / (1.0 + 0.01 * f64::from(t)) * g / (a.sqrt() + 1e-7);
        }
        let ours = two_steps(Optimiser::RmsProp { lr: 0.1, rho: 0.9, epsilon: 1e-7, clip: 1.0, decay: 0.01 });
        assert!((ours - p).abs() < 1e-5, "{ours} {p}");
    }
}
