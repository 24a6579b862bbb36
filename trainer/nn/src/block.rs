//! One layer of a network: dropout of the input, the linear part, a bias or a normalisation, and the activation.

use std::ops::Range;

use gen_core::LayerSpec;
use gen_core::spec::{Geometry, Shape, SpecError};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use rand_xoshiro::Xoshiro128PlusPlus;

use super::batch_norm::BatchNorm;
use super::bf16::Unit;
use super::fast::Epilogue;
use super::init::Init;
use super::layer_norm::LayerNorm;
use super::linear::{Kernels, Linear};
use super::params::Params;
use super::scratch::resize;
use super::{activation, dropout, equal_gain};

/// The description of one layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockSpec {
    /// Operation and activation.
    pub layer: LayerSpec,
    /// The normalisation between operation and activation. With one the operation has no bias.
    pub norm: Option<Norm>,
    /// Fraction of the input that is dropped during training, 0 … 1.
    pub dropout: f32,
    /// Whether a transposed convolution draws no checkerboard of an even map: see
    /// [`Network::equalise`](super::Network::equalise).
    pub equal_gain: bool,
}

impl BlockSpec {
    /// A layer and nothing else.
    pub const fn plain(layer: LayerSpec) -> Self {
        Self { layer, norm: None, dropout: 0.0, equal_gain: false }
    }
}

/// What the mean and the variance of a normalisation are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// Each channel of a batch: [`BatchNorm`].
    Batch,
    /// Each picture: [`LayerNorm`].
    Layer,
}

/// Whether a forward pass applies dropout (Srivastava et al. 2014), and with which masks.
#[derive(Debug, Clone, Copy)]
pub enum Dropout {
    /// Applies dropout, with masks computed from this seed.
    Seed(u64),
    /// No dropout. Batch normalisation still uses the statistics of the batch.
    Off,
}

/// A normalisation, with the memory that it needs.
#[derive(Debug)]
enum Normalisation {
    Batch(BatchNorm),
    Layer(LayerNorm),
}

impl Normalisation {
    fn new(norm: Norm, channels: usize) -> Self {
        match norm {
            Norm::Batch => Self::Batch(BatchNorm::new(channels)),
            Norm::Layer => Self::Layer(LayerNorm::new(channels)),
        }
    }

    fn forward(&mut self, gamma: &[f32], beta: &[f32], slope: f32, x: ArrayViewMut2<'_, f32>) {
        match self {
            Self::Batch(norm) => norm.forward(gamma, beta, slope, x),
            Self::Layer(norm) => norm.forward(gamma, beta, slope, x),
        }
    }

    fn backward(&mut self, gamma: &[f32], grads: Option<(&mut [f32], &mut [f32])>, dy: ArrayViewMut2<'_, f32>) {
        match self {
            Self::Batch(norm) => norm.backward(gamma, grads, dy),
            Self::Layer(norm) => norm.backward(gamma, grads, dy),
        }
    }
}

/// A layer, with the memory that it needs.
#[derive(Debug)]
pub struct Block {
    spec: BlockSpec,
    linear: Linear,
    norm: Option<Normalisation>,
    dropped: Array2<f32>,
    /// Scratch memory for the gradient of the bias.
    sums: Vec<f32>,
    /// The ranges of this block's parameters in the network's vector.
    weights: Range<usize>,
    shift: Range<usize>,
    gamma: Range<usize>,
}

impl Block {
    /// A block for inputs of shape `input`, whose parameters begin at index `start` of the network's vector.
    ///
    /// # Errors
    /// If the layer does not fit its input.
    pub fn new(spec: BlockSpec, input: Shape, start: usize) -> Result<Self, SpecError> {
        let geometry = spec.layer.geometry(input)?;
        let linear = Linear::new(&spec.layer, geometry, Kernels::default());
        let channels = geometry.output.channels as usize;
        let weights = start..start + geometry.weight_count();
        let shifts = if spec.norm.is_some() { channels } else { spec.layer.op.bias_count() };
        let shift = weights.end..weights.end + shifts;
        let gamma = shift.end..shift.end + if spec.norm.is_some() { channels } else { 0 };
        let norm = spec.norm.map(|norm| Normalisation::new(norm, channels));
        Ok(Self { spec, linear, norm, dropped: Array2::zeros((0, 0)), sums: Vec::new(), weights, shift, gamma })
    }

    /// The description of the layer.
    pub fn spec(&self) -> &BlockSpec {
        &self.spec
    }

    /// The linear part.
    pub fn linear(&self) -> &Linear {
        &self.linear
    }

    /// The shapes of input, output and kernel.
    pub fn geometry(&self) -> &Geometry {
        &self.linear.geometry
    }

    /// The range of the weight matrix in the parameters, in the layout of [`Linear`].
    pub fn weights(&self) -> Range<usize> {
        self.weights.clone()
    }

    /// The range of the bias, or of beta of the normalisation.
    pub fn bias_or_beta(&self) -> Range<usize> {
        self.shift.clone()
    }

    /// The range of gamma of the normalisation; empty without normalisation.
    pub fn gamma(&self) -> Range<usize> {
        self.gamma.clone()
    }

    /// Index after this block's last parameter.
    pub fn end(&self) -> usize {
        self.gamma.end
    }

    /// Whether batch normalisation keeps the mean and variance of the last batch, as constants.
    pub(super) fn hold_statistics(&mut self, hold: bool) {
        if let Some(Normalisation::Batch(norm)) = &mut self.norm {
            norm.held = hold;
        }
    }

    /// Mean and variance of each channel before batch normalisation, in the last batch; `None` without batch normalisation.
    pub fn statistics(&self) -> Option<(&[f32], &[f32])> {
        match &self.norm {
            Some(Normalisation::Batch(norm)) => Some((&norm.mean, &norm.variance)),
            _ => None,
        }
    }

    /// Computes the linear part with these kernels, and multiplies in bf16 with this unit where that is faster; `None` for
    /// float32 only.
    pub fn use_kernels(&mut self, kernels: Kernels, unit: Option<Unit>) {
        self.linear = Linear::new(&self.spec.layer, self.linear.geometry, kernels).with_bf16(unit);
    }

    /// Gives all phases of a transposed convolution with `equal_gain` the same gain.
    pub fn equalise(&self, params: &mut [f32]) {
        if self.spec.equal_gain {
            equal_gain::equalise(self.geometry(), &mut params[self.weights()]);
        }
    }

    /// Writes the initial parameters of this block to `params`.
    pub fn init(&self, init: Init, rng: &mut Xoshiro128PlusPlus, params: &mut [f32]) {
        init.weights(self.spec.layer.op, self.geometry(), rng, &mut params[self.weights()]);
        params[self.bias_or_beta()].fill(0.0);
        init.gamma(rng, &mut params[self.gamma()]);
        self.equalise(params);
    }

    /// Computes the output `y`, `[N, output]`, of the input `x`, `[N, input]`.
    pub fn forward(
        &mut self,
        params: &Params,
        x: ArrayView2<'_, f32>,
        mut y: ArrayViewMut2<'_, f32>,
        dropout: Dropout,
    ) {
        let mask = self.mask(dropout);
        if let Some(seed) = mask {
            resize(&mut self.dropped, x.dim());
            self.dropped.assign(&x);
            dropout::apply(self.spec.dropout, seed, self.dropped.view_mut());
        }
        let x = if mask.is_some() { self.dropped.view() } else { x };
        let (weights, shift) = (params.weights(self.weights.clone()), &params[self.shift.clone()]);
        let activation = self.spec.layer.activation;
        match &mut self.norm {
            Some(norm) => {
                self.linear.forward(weights, x, y.view_mut(), Epilogue::Store);
                let slope = activation.negative_slope();
                norm.forward(&params[self.gamma.clone()], shift, slope.unwrap_or(1.0), y.view_mut());
                if slope.is_none() {
                    activation::forward(activation, y);
                }
            }
            None => self.linear.forward_activated(weights, shift, activation, x, y),
        }
    }

    /// Computes gradients. Replaces `dy` by the gradient before the activation, adds the gradient of the parameters to
    /// `grads` if given, and writes the gradient of the input to `dx` if given. `x`, `y` and `dropout` must be those of the
    /// last [`forward`](Self::forward).
    pub fn backward(
        &mut self,
        params: &Params,
        mut grads: Option<&mut [f32]>,
        x: ArrayView2<'_, f32>,
        y: ArrayView2<'_, f32>,
        mut dy: ArrayViewMut2<'_, f32>,
        mut dx: Option<ArrayViewMut2<'_, f32>>,
        dropout: Dropout,
    ) {
        let activation = self.spec.layer.activation;
        match (&mut self.norm, grads.as_deref_mut()) {
            (Some(norm), grads) => {
                activation::backward(activation, y, dy.view_mut());
                let grads = grads.map(|g| {
                    let (shift, gamma) = g[self.shift.start..self.gamma.end].split_at_mut(self.shift.len());
                    (gamma, shift)
                });
                norm.backward(&params[self.gamma.clone()], grads, dy.view_mut());
            }
            (None, Some(g)) => {
                let d_bias = &mut g[self.shift.clone()];
                activation::backward_with_bias(activation, y, dy.view_mut(), d_bias, &mut self.sums);
            }
            (None, None) => activation::backward(activation, y, dy.view_mut()),
        }
        let mask = self.mask(dropout);
        let x = if mask.is_some() { self.dropped.view() } else { x };
        let d_weights = grads.map(|g| &mut g[self.weights.clone()]);
        self.linear.backward(
            params.weights(self.weights.clone()),
            d_weights,
            x,
            dy.view(),
            dx.as_mut().map(|dx| dx.view_mut()),
        );
        if let (Some(seed), Some(dx)) = (mask, dx) {
            dropout::apply(self.spec.dropout, seed, dx);
        }
    }

    /// The seed of the dropout mask in a pass, for [`dropout::apply`]; `None` without dropout.
    pub fn mask(&self, dropout: Dropout) -> Option<u64> {
        match dropout {
            Dropout::Seed(seed) if self.spec.dropout > 0.0 => Some(seed ^ self.weights.start as u64),
            _ => None,
        }
    }
}
