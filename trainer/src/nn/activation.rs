//! Activations, in place, and their derivatives from the output alone.

use gen_core::Activation;
use ndarray::{ArrayView2, ArrayViewMut2, Zip};

/// Replaces `x` by the activation of `x`.
pub fn forward(activation: Activation, mut x: ArrayViewMut2<'_, f32>) {
    match activation {
        Activation::Linear => {}
        Activation::Relu => x.par_mapv_inplace(|x| x.max(0.0)),
        Activation::LeakyRelu(slope) => x.par_mapv_inplace(|x| if x > 0.0 { x } else { slope * x }),
        Activation::Tanh => x.par_mapv_inplace(f32::tanh),
        Activation::Sigmoid => x.par_mapv_inplace(sigmoid),
    }
}

/// Multiplies `dy` by the derivative, given the output `y`. At a kink it is taken
/// from the left, as in Keras and PyTorch.
pub fn backward(activation: Activation, y: ArrayView2<'_, f32>, dy: ArrayViewMut2<'_, f32>) {
    let zip = Zip::from(dy).and(y);
    match activation {
        Activation::Linear => {}
        Activation::Relu => zip.par_for_each(|dy, &y| *dy = if y > 0.0 { *dy } else { 0.0 }),
        Activation::LeakyRelu(slope) => zip.par_for_each(|dy, &y| *dy *= if y > 0.0 { 1.0 } else { slope }),
        Activation::Tanh => zip.par_for_each(|dy, &y| *dy *= 1.0 - y * y),
        Activation::Sigmoid => zip.par_for_each(|dy, &y| *dy *= y * (1.0 - y)),
    }
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
