//! Activations, computed in place, and their derivatives, computed from the output.

use gen_core::Activation;
use ndarray::{ArrayView2, ArrayViewMut2};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::channels::Channels;
use super::lane_len;
use super::vectors::arch;

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

/// Calls `$then` with the function of `dy` and `y` that multiplies by the derivative. At a kink this is the derivative from
/// the left, as in Keras and PyTorch.
macro_rules! with_derivative {
    ($activation:expr, $then:expr) => {
        match $activation {
            Activation::Linear => $then(|dy: f32, _: f32| dy),
            Activation::Relu => $then(|dy: f32, y: f32| if y > 0.0 { dy } else { 0.0 }),
            Activation::LeakyRelu(slope) => $then(move |dy: f32, y: f32| if y > 0.0 { dy } else { slope * dy }),
            Activation::Tanh => $then(|dy: f32, y: f32| dy * (1.0 - y * y)),
            Activation::Sigmoid => $then(|dy: f32, y: f32| dy * (y * (1.0 - y))),
            Activation::TanhUnit => $then(|dy: f32, y: f32| if y > 0.0 { dy * (1.0 - y * y) } else { 0.0 }),
        }
    };
}

/// Multiplies `dy` by the derivative of the activation, given its output `y`. Same shapes.
pub fn backward(activation: Activation, y: ArrayView2<'_, f32>, dy: ArrayViewMut2<'_, f32>) {
    if activation != Activation::Linear {
        with_derivative!(activation, |f| zip(dy, y, f));
    }
}

/// Multiplies `dy` by the derivative, and adds the sums of the results, one for each channel, to the gradient of the bias.
/// This is one pass over the maps instead of two.
pub fn backward_with_bias(
    activation: Activation,
    y: ArrayView2<'_, f32>,
    dy: ArrayViewMut2<'_, f32>,
    d_bias: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let channels = Channels::of(d_bias.len(), y.ncols());
    with_derivative!(activation, |f| channels.change_and_sum(dy, y, d_bias, scratch, f));
}

// Over slices, because the compiler vectorises these loops, but not ndarray's element iterators.

fn map(mut x: ArrayViewMut2<'_, f32>, f: impl Fn(f32) -> f32 + Sync) {
    let lane = lane_len(x.nrows()) * x.ncols();
    let x = x.as_slice_mut().expect("a batch is contiguous");
    x.par_chunks_mut(lane.max(1)).for_each(|x| arch().dispatch(Map { x, f: &f }));
}

fn zip(mut x: ArrayViewMut2<'_, f32>, y: ArrayView2<'_, f32>, f: impl Fn(f32, f32) -> f32 + Sync) {
    let lane = (lane_len(x.nrows()) * x.ncols()).max(1);
    let x = x.as_slice_mut().expect("a batch is contiguous");
    let y = y.to_slice().expect("a batch is contiguous");
    x.par_chunks_mut(lane).zip(y.par_chunks(lane)).for_each(|(x, y)| {
        arch().dispatch(Zip { x, y, f: &f });
    });
}

struct Map<'a, F> {
    x: &'a mut [f32],
    f: &'a F,
}

impl<F: Fn(f32) -> f32> WithSimd for Map<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for x in self.x {
            *x = (self.f)(*x);
        }
    }
}

struct Zip<'a, F> {
    x: &'a mut [f32],
    y: &'a [f32],
    f: &'a F,
}

impl<F: Fn(f32, f32) -> f32> WithSimd for Zip<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (x, &y) in self.x.iter_mut().zip(self.y) {
            *x = (self.f)(*x, y);
        }
    }
}

/// `1 / (1 + e^{−x})`, without overflow for large or small `x`.
pub fn sigmoid(x: f32) -> f32 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}
