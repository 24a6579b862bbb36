//! Classes at both ends of a GAN: an embedding at the input of the generator, a projection at the output of the
//! discriminator.
//!
//! The generator reads the latent `z` and, behind it, a learnt vector `e(y)` of its class `y` (Mirza & Osindero 2014,
//! arXiv:1411.1784). The discriminator adds to its logit the inner product of a learnt vector `V(y)` with the input `φ(x)`
//! of its last layer: `D(x, y) = ψ(φ(x)) + V(y) · φ(x)` (Miyato & Koyama 2018, arXiv:1802.05637).

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};
use rand_xoshiro::Xoshiro128PlusPlus;

use super::block::Block;
use super::init::{self, Init};

/// A batch: inputs, and the class of each.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// `[N, input]`
    pub x: ArrayView2<'a, f32>,
    /// `[N]`, each below the number of classes; empty for a network without classes, which ignores them.
    pub classes: &'a [u8],
}

impl<'a> From<ArrayView2<'a, f32>> for Batch<'a> {
    fn from(x: ArrayView2<'a, f32>) -> Self {
        Self { x, classes: &[] }
    }
}

/// Where the classes enter a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first layer reads the class's vector behind the input.
    Input,
    /// The class's vector times the input of the last layer is added to the logit.
    Output,
}

/// The vectors of all classes, `[class][width]`, as a part of a network's parameters.
#[derive(Debug, Clone)]
pub struct ClassVectors {
    /// Where they enter the network.
    pub place: Place,
    /// Number of classes.
    pub count: usize,
    /// Numbers of a vector.
    pub width: usize,
    /// Their range in the network's parameters.
    pub range: Range<usize>,
}

impl ClassVectors {
    /// The vectors behind the parameters of a network's blocks.
    pub fn new(place: Place, count: usize, width: usize, start: usize) -> Self {
        Self { place, count, width, range: start..start + count * width }
    }

    /// Writes the initial vectors to `params`. Those of the generator are N(0, 1), the distribution of the latent beside
    /// them; those of the discriminator are initialised as the last layer's weights, to which they are added.
    pub fn init(&self, init: Init, last: &Block, rng: &mut Xoshiro128PlusPlus, params: &mut [f32]) {
        let vectors = &mut params[self.range.clone()];
        match self.place {
            Place::Input => init::normal(rng, 0.0, 1.0, vectors),
            Place::Output => vectors
                .chunks_exact_mut(self.width)
                .for_each(|vector| init.weights(last.spec().layer.op, last.geometry(), rng, vector)),
        }
    }

    /// The range of a class's vector in the network's parameters.
    pub fn vector(&self, class: u8) -> Range<usize> {
        let start = self.range.start + usize::from(class) * self.width;
        start..start + self.width
    }

    /// Writes the vectors of `classes` to the last columns of `input`, `[N, values + width]`.
    pub fn append(&self, params: &[f32], classes: &[u8], input: ArrayViewMut2<'_, f32>) {
        each_row(input, classes, |row, class| {
            let start = row.len() - self.width;
            row[start..].copy_from_slice(&params[self.vector(class)]);
        });
    }

    /// Adds the gradient of the vectors to `grads`, from the gradient of the input that [`append`](Self::append) completed.
    pub fn append_backward(&self, grads: &mut [f32], classes: &[u8], d_input: ArrayView2<'_, f32>) {
        for (row, &class) in d_input.rows().into_iter().zip(classes) {
            let start = row.len() - self.width;
            grads[self.vector(class)].iter_mut().zip(row.iter().skip(start)).for_each(|(g, d)| *g += d);
        }
    }

    /// Adds `V(y) · φ` to the logits, `[N, 1]`; `features` are `φ`, `[N, width]`.
    pub fn project(
        &self,
        params: &[f32],
        classes: &[u8],
        features: ArrayView2<'_, f32>,
        mut logits: ArrayViewMut2<'_, f32>,
    ) {
        for ((mut logit, features), &class) in logits.rows_mut().into_iter().zip(features.rows()).zip(classes) {
            let products = features.iter().zip(&params[self.vector(class)]);
            logit[0] += products.map(|(f, v)| f * v).sum::<f32>();
        }
    }

    /// The backward pass of [`project`](Self::project): adds the gradient of the vectors to `grads` if given, and that of
    /// the features to `d_features` if given. `d_logits` is `[N, 1]`.
    pub fn project_backward(
        &self,
        params: &[f32],
        grads: Option<&mut [f32]>,
        classes: &[u8],
        features: ArrayView2<'_, f32>,
        d_logits: ArrayView2<'_, f32>,
        d_features: Option<ArrayViewMut2<'_, f32>>,
    ) {
        if let Some(grads) = grads {
            for ((features, &d), &class) in features.rows().into_iter().zip(d_logits.column(0)).zip(classes) {
                grads[self.vector(class)].iter_mut().zip(features).for_each(|(g, f)| *g += d * f);
            }
        }
        if let Some(mut d_features) = d_features {
            let rows = d_features.rows_mut().into_iter().zip(d_logits.column(0)).zip(classes);
            rows.for_each(|((mut row, &d), &class)| {
                row.iter_mut().zip(&params[self.vector(class)]).for_each(|(r, v)| *r += d * v);
            });
        }
    }
}

fn each_row(mut map: ArrayViewMut2<'_, f32>, classes: &[u8], f: impl Fn(&mut [f32], u8)) {
    for (mut row, &class) in map.rows_mut().into_iter().zip(classes) {
        f(row.as_slice_mut().expect("a batch is contiguous"), class);
    }
}
