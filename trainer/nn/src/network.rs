//! A network: a chain of blocks with one parameter vector.

use gen_core::Shape;
use gen_core::spec::SpecError;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

use super::bf16::Unit;
use super::block::{Block, BlockSpec, Dropout};
use super::classes::{Batch, ClassVectors, Place};
use super::init::{self, Init};
use super::linear::Kernels;
use super::params::Params;
use super::scratch::resize;

/// A chain of blocks, with the maps of the last batch.
#[derive(Debug)]
pub struct Network {
    input: Shape,
    blocks: Vec<Block>,
    classes: Option<ClassVectors>,
    /// The classes of the last batch.
    seen: Vec<u8>,
    /// The input, then the output of each block, `[N, values]` each.
    maps: Vec<Array2<f32>>,
    d_maps: Vec<Array2<f32>>,
    /// Gradients that the next backward pass adds to that of a block's output.
    extra: Vec<Option<Array2<f32>>>,
}

/// The error for a layer that does not fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("layer {layer}: {reason}")]
pub struct LayerError {
    /// Index of the layer, from 0.
    pub layer: usize,
    /// The reason.
    pub reason: SpecError,
}

impl Network {
    /// A network of these layers; the input of each block is the output of the previous one.
    ///
    /// # Errors
    /// If a layer does not fit its input: the first such layer.
    pub fn new(input: Shape, specs: &[BlockSpec]) -> Result<Self, LayerError> {
        let (mut shape, mut start, mut blocks) = (input, 0, Vec::new());
        for (layer, &spec) in specs.iter().enumerate() {
            let block = Block::new(spec, shape, start).map_err(|reason| LayerError { layer, reason })?;
            (shape, start) = (block.geometry().output, block.end());
            blocks.push(block);
        }
        let maps = || vec![Array2::zeros((0, 0)); specs.len() + 1];
        Ok(Self {
            input,
            blocks,
            classes: None,
            seen: Vec::new(),
            maps: maps(),
            d_maps: maps(),
            extra: vec![None; specs.len()],
        })
    }

    /// A generator for `count` classes: the first of these layers reads `latent` values and behind them `width` numbers of
    /// the class.
    ///
    /// # Errors
    /// The errors of [`new`](Self::new).
    pub fn with_embedding(latent: u16, count: usize, width: u8, specs: &[BlockSpec]) -> Result<Self, LayerError> {
        let mut network = Self::new(Shape::latent(latent + u16::from(width)), specs)?;
        let vectors = ClassVectors::new(Place::Input, count, width.into(), network.parameter_count());
        network.classes = Some(vectors);
        Ok(network)
    }

    /// The same discriminator for `count` classes. Its last layer has to be a linear one with a single output.
    #[must_use]
    pub fn with_projection(mut self, count: usize) -> Self {
        let width = self.blocks.last().map_or(0, |last| last.geometry().input.len());
        self.classes = Some(ClassVectors::new(Place::Output, count, width, self.parameter_count()));
        self
    }

    /// The vectors of its classes; `None` for a network without classes.
    pub fn classes(&self) -> Option<&ClassVectors> {
        self.classes.as_ref()
    }

    /// Number of values of the latent: the first layer's input without the numbers of the class.
    pub fn latent_len(&self) -> usize {
        let width = self.classes.iter().filter(|classes| classes.place == Place::Input).map(|classes| classes.width);
        self.input.len() - width.sum::<usize>()
    }

    /// The same network, computed with these kernels, and multiplied in bf16 by this unit where that is faster; `None` for
    /// float32 only.
    #[must_use]
    pub fn with_kernels(mut self, kernels: Kernels, unit: Option<Unit>) -> Self {
        self.blocks.iter_mut().for_each(|block| block.use_kernels(kernels, unit));
        self
    }

    /// The blocks, first to last.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Shape of one input, with the numbers of the class.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// Shape of one output.
    pub fn output(&self) -> Shape {
        self.blocks.last().map_or(self.input, |b| b.geometry().output)
    }

    /// Number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        let blocks = self.blocks.last().map_or(0, Block::end);
        self.classes.as_ref().map_or(blocks, |classes| classes.range.end)
    }

    /// Initial parameters, which depend only on the seed and `stream`.
    pub fn init(&self, init: Init, seed: u64, stream: u64) -> Params {
        let mut params = vec![0.0; self.parameter_count()];
        for (i, block) in self.blocks.iter().enumerate() {
            block.init(init, &mut init::rng(seed, i as u64, stream), &mut params);
        }
        if let (Some(classes), Some(last)) = (&self.classes, self.blocks.last()) {
            classes.init(init, last, &mut init::rng(seed, self.blocks.len() as u64, stream), &mut params);
        }
        params.into()
    }

    /// Changes the weights of transposed convolutions with `equal_gain`, except in the first `frozen` blocks, such that all
    /// output pixels, at any row and column modulo the stride, have the same sum of weights: an even map gives no checkerboard.
    /// To be called after each update; initial parameters are equalised.
    pub fn equalise(&self, frozen: usize, params: &mut [f32]) {
        self.blocks.iter().skip(frozen).for_each(|block| block.equalise(params));
    }

    /// With `true`, batch normalisation keeps the mean and variance of the last batch and takes them as constants, until this is
    /// called with `false`. Then each batch has its own again. There must have been a batch.
    pub fn hold_statistics(&mut self, hold: bool) {
        self.blocks.iter_mut().for_each(|block| block.hold_statistics(hold));
    }

    /// Computes the output, `[N, output]`, of a batch. A network with classes needs the class of each input.
    pub fn forward<'a>(
        &mut self,
        params: &Params,
        batch: impl Into<Batch<'a>>,
        dropout: Dropout,
    ) -> ArrayView2<'_, f32> {
        let Batch { x, classes } = batch.into();
        assert!(
            self.classes.is_none() || classes.len() == x.nrows(),
            "a network with classes needs one for each input"
        );
        self.seen.clear();
        self.seen.extend(classes);
        resize(&mut self.maps[0], (x.nrows(), self.input.len()));
        self.maps[0].slice_mut(s![.., ..x.ncols()]).assign(&x);
        if let Some(classes) = self.classes.as_ref().filter(|classes| classes.place == Place::Input) {
            classes.append(params, &self.seen, self.maps[0].view_mut());
        }
        for (i, block) in self.blocks.iter_mut().enumerate() {
            let (before, after) = self.maps.split_at_mut(i + 1);
            resize(&mut after[0], (x.nrows(), block.geometry().output.len()));
            block.forward(params, before[i].view(), after[0].view_mut(), dropout);
        }
        if let (Some(classes), [.., features, logits]) = (self.classes.as_ref(), &mut self.maps[..])
            && classes.place == Place::Output
        {
            classes.project(params, &self.seen, features.view(), logits.view_mut());
        }
        self.maps[self.blocks.len()].view()
    }

    /// Output of block `i` for the last batch; `[N, values]`.
    pub fn activation(&self, i: usize) -> ArrayView2<'_, f32> {
        self.maps[i + 1].view()
    }

    /// The same output, mutable: [`backward`](Self::backward) computes derivatives from the changed values.
    pub fn activation_mut(&mut self, i: usize) -> ArrayViewMut2<'_, f32> {
        self.maps[i + 1].view_mut()
    }

    /// The memory for the gradient of the last batch's output. Fill it before [`backward`](Self::backward).
    pub fn d_output(&mut self) -> ArrayViewMut2<'_, f32> {
        let last = self.blocks.len();
        resize(&mut self.d_maps[last], self.maps[last].dim());
        self.d_maps[last].view_mut()
    }

    /// Adds `gradient`, `[N, values]`, to that of the output of block `i` in the next [`backward`](Self::backward), for a loss
    /// that depends on this output directly.
    pub fn add_gradient(&mut self, i: usize, gradient: Array2<f32>) {
        assert_eq!(gradient.dim(), self.maps[i + 1].dim(), "a gradient has the shape of the output");
        match &mut self.extra[i] {
            Some(sum) => *sum += &gradient,
            none => *none = Some(gradient),
        }
    }

    /// Computes the gradients of the last forward pass, which must have had the same `dropout`. Adds the gradient of the
    /// parameters to `grads` unless the network is frozen; returns the gradient of the input if requested, without that of
    /// the class's numbers.
    pub fn backward(
        &mut self,
        params: &Params,
        mut grads: Option<&mut [f32]>,
        want_dx: bool,
        dropout: Dropout,
    ) -> Option<ArrayView2<'_, f32>> {
        let (count, latent) = (self.blocks.len(), self.latent_len());
        let embedding = self.classes.as_ref().filter(|classes| classes.place == Place::Input);
        let wants_input = want_dx || (embedding.is_some() && grads.is_some());
        for (i, block) in self.blocks.iter_mut().enumerate().rev() {
            let (before, after) = self.d_maps.split_at_mut(i + 1);
            resize(&mut before[i], self.maps[i].dim());
            if let Some(extra) = self.extra[i].take() {
                after[0] += &extra;
            }
            let dx = (i > 0 || wants_input).then(|| before[i].view_mut());
            let (x, y) = (self.maps[i].view(), self.maps[i + 1].view());
            block.backward(params, grads.as_deref_mut(), x, y, after[0].view_mut(), dx, dropout);
            if let Some(classes) = self.classes.as_ref().filter(|c| c.place == Place::Output && i + 1 == count) {
                // The last layer is linear, so this is still the gradient of the logits.
                let (d_logits, d_features) = (after[0].view(), (i > 0 || want_dx).then(|| before[i].view_mut()));
                classes.project_backward(params, grads.as_deref_mut(), &self.seen, x, d_logits, d_features);
            }
        }
        if let (Some(classes), Some(grads)) = (embedding, grads) {
            classes.append_backward(grads, &self.seen, self.d_maps[0].view());
        }
        want_dx.then(|| self.d_maps[0].slice(s![.., ..latent]))
    }
}
