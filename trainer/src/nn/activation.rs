//! Activations, in place, and their derivatives from the output alone.

use gen_core::Activation;
use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

use super::lane_len;

/// What negative inputs are multiplied by, if that is all that the activation does.
pub fn slope(activation: Activation) -> Option<f32> {
    match activation {
        Activation::Linear => Some(1.0),
        Activation::Relu => Some(0.0),
        Activation::LeakyRelu(slope) => Some(slope),
        Activation::Tanh | Activation::Sigmoid | Activation::TanhUnit => None,
    }
}

/// Replaces `x` by the activation of `x`.
pub fn forward(activation: Activation, x: ArrayViewMut2<'_, f32>) {
    match activation {
        Activation::Linear => {}
        Activation::Relu => map(x, |x| x.max(0.0)),
        Activation::LeakyRelu(slope) => map(x, |x| if x > 0.0 { x } else { slope * x }),
        Activation::Tanh => map(x, f32::tanh),
        Activation::Sigmoid => map(x, sigmoid),
        Activation::TanhUnit => map(x, |x| x.tanh().max(0.0)),
    }
}

/// Multiplies `dy` by the derivative, given the output `y`. At a kink it is taken
/// from the left, as in Keras and PyTorch.
pub fn backward(activation: Activation, y: ArrayView2<'_, f32>, dy: ArrayViewMut2<'_, f32>) {
    match activation {
        Activation::Linear => {}
        Activation::Relu => zip(dy, y, |dy, y| if y > 0.0 { dy } else { 0.0 }),
        Activation::LeakyRelu(slope) => zip(dy, y, |dy, y| if y > 0.0 { dy } else { slope * dy }),
        Activation::Tanh => zip(dy, y, |dy, y| dy * (1.0 - y * y)),
        Activation::Sigmoid => zip(dy, y, |dy, y| dy * (y * (1.0 - y))),
        Activation::TanhUnit => zip(dy, y, |dy, y| if y > 0.0 { dy * (1.0 - y * y) } else { 0.0 }),
    }
}

// Over slices, which the compiler turns into vector instructions; over ndarray's
// own element iterators it does not.

fn map(mut x: ArrayViewMut2<'_, f32>, f: impl Fn(f32) -> f32 + Sync) {
    let lane = lane_len(x.nrows()) * x.ncols();
    let x = x.as_slice_mut().expect("a batch is contiguous");
    x.par_chunks_mut(lane.max(1)).for_each(|x| x.iter_mut().for_each(|x| *x = f(*x)));
}

fn zip(mut x: ArrayViewMut2<'_, f32>, y: ArrayView2<'_, f32>, f: impl Fn(f32, f32) -> f32 + Sync) {
    let lane = (lane_len(x.nrows()) * x.ncols()).max(1);
    let x = x.as_slice_mut().expect("a batch is contiguous");
    let y = y.to_slice().expect("a batch is contiguous");
    x.par_chunks_mut(lane).zip(y.par_chunks(lane)).for_each(|(x, y)| {
        x.iter_mut().zip(y).for_each(|(x, &y)| *x = f(*x, y));
    });
}

/// `1 / (1 + e^{−x})`, without overflow at either end.
pub fn sigmoid(x: f32) -> f32 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}
