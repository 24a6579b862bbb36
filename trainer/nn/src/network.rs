//! A network: a chain of blocks with one parameter vector.

use gen_core::Shape;
use gen_core::spec::SpecError;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::block::{Block, BlockSpec, Dropout};
use super::init::{self, Init};
use super::linear::Kernels;

/// A chain of blocks, with the maps of the last batch.
#[derive(Debug)]
pub struct Network {
    input: Shape,
    blocks: Vec<Block>,
    /// The input, then the output of each block, `[N, values]` each.
    maps: Vec<Array2<f32>>,
    d_maps: Vec<Array2<f32>>,
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
        Ok(Self { input, blocks, maps: maps(), d_maps: maps() })
    }

    /// The same network, computed with these kernels.
    #[must_use]
    pub fn with_kernels(mut self, kernels: Kernels) -> Self {
        self.blocks.iter_mut().for_each(|block| block.use_kernels(kernels));
        self
    }

    /// The blocks, first to last.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Shape of one input.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// Shape of one output.
    pub fn output(&self) -> Shape {
        self.blocks.last().map_or(self.input, |b| b.geometry().output)
    }

    /// Number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        self.blocks.last().map_or(0, Block::end)
    }

    /// Initial parameters, which depend only on the seed and `stream`.
    pub fn init(&self, init: Init, seed: u64, stream: u64) -> Vec<f32> {
        let mut params = vec![0.0; self.parameter_count()];
        for (i, block) in self.blocks.iter().enumerate() {
            block.init(init, &mut init::rng(seed, i as u64, stream), &mut params);
        }
        params
    }

    /// Computes the output, `[N, output]`, of a batch, `[N, input]`.
    pub fn forward(&mut self, params: &[f32], x: ArrayView2<'_, f32>, dropout: Dropout) -> ArrayView2<'_, f32> {
        resize(&mut self.maps[0], x.dim());
        self.maps[0].assign(&x);
        for (i, block) in self.blocks.iter_mut().enumerate() {
            let (before, after) = self.maps.split_at_mut(i + 1);
            resize(&mut after[0], (x.nrows(), block.geometry().output.len()));
            block.forward(params, before[i].view(), after[0].view_mut(), dropout);
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

    /// Computes the gradients of the last forward pass, which must have had the same `dropout`. Adds the gradient of the
    /// parameters to `grads` unless the network is frozen; returns the gradient of the input if requested.
    pub fn backward(
        &mut self,
        params: &[f32],
        mut grads: Option<&mut [f32]>,
        want_dx: bool,
        dropout: Dropout,
    ) -> Option<ArrayView2<'_, f32>> {
        for (i, block) in self.blocks.iter_mut().enumerate().rev() {
            let (before, after) = self.d_maps.split_at_mut(i + 1);
            resize(&mut before[i], self.maps[i].dim());
            let dx = (i > 0 || want_dx).then(|| before[i].view_mut());
            let (x, y) = (self.maps[i].view(), self.maps[i + 1].view());
            block.backward(params, grads.as_deref_mut(), x, y, after[0].view_mut(), dx, dropout);
        }
        want_dx.then(|| self.d_maps[0].view())
    }
}

fn resize(map: &mut Array2<f32>, dim: (usize, usize)) {
    if map.dim() != dim {
        *map = Array2::zeros(dim);
    }
}
