//! The gradient penalties R1 (for real pictures) and R2 (for generated ones) of a discriminator (Mescheder et al. 2018,
//! arXiv:1801.04406), computed with first-order passes only.
//!
//! The penalty is `(weight / 2) * mean over pictures of |dD/dx|^2`. Its gradient with respect to
//! the parameters is a second derivative, but only in one direction: with `v = dD/dx` held fixed,
//!
//! ```text
//! d/dtheta (|v|^2 / 2) = d/dtheta (dD/dx * v) ~ (dD/dtheta(x + h v) - dD/dtheta(x - h v)) / 2h
//! ```
//!
//! so three ordinary forward and backward passes suffice, and no layer needs a second derivative. `h` is chosen for each
//! picture so that all pictures move by the same small distance.

use ndarray::{Array2, Zip};

use super::classes::Batch;
use super::{Dropout, Network, Params};

/// The distance by which a picture is moved: the root of the sum of squares over its values, whose range has a width of 2.
const DISTANCE: f32 = 0.1;

/// Scratch memory of [`Penalty::add`].
#[derive(Debug, Default)]
pub struct Penalty {
    slopes: Array2<f32>,
    moved: Array2<f32>,
}

impl Penalty {
    /// Adds the gradient of the penalty on these pictures, `[N, H*W*C]`, to `grads`; returns the
    /// mean of `|dD/dx|^2`. `network` ends in one logit.
    pub fn add<'a>(
        &mut self,
        network: &mut Network,
        params: &Params,
        pictures: impl Into<Batch<'a>>,
        weight: f32,
        dropout: Dropout,
        grads: &mut [f32],
    ) -> f64 {
        let batch = pictures.into();
        let pictures = batch.x;
        if self.slopes.dim() != pictures.dim() {
            (self.slopes, self.moved) = (Array2::zeros(pictures.dim()), Array2::zeros(pictures.dim()));
        }
        let count = pictures.nrows() as f32;
        network.forward(params, batch, dropout);
        network.d_output().fill(1.0);
        if let Some(slopes) = network.backward(params, None, true, dropout) {
            self.slopes.assign(&slopes);
        }
        let norms: Vec<f32> = self.slopes.rows().into_iter().map(|row| row.dot(&row).sqrt()).collect();
        for sign in [1.0, -1.0] {
            for (i, &norm) in norms.iter().enumerate() {
                let step = if norm > 0.0 { sign * DISTANCE / norm } else { 0.0 };
                Zip::from(self.moved.row_mut(i))
                    .and(pictures.row(i))
                    .and(self.slopes.row(i))
                    .for_each(|moved, &x, &v| *moved = x + step * v);
            }
            network.forward(params, Batch { x: self.moved.view(), ..batch }, dropout);
            for (mut d, &norm) in network.d_output().rows_mut().into_iter().zip(&norms) {
                d.fill(sign * weight * norm / (2.0 * DISTANCE * count));
            }
            network.backward(params, Some(&mut *grads), false, dropout);
        }
        norms.iter().map(|&n| f64::from(n).powi(2)).sum::<f64>() / f64::from(count)
    }
}
