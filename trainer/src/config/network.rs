//! The two networks: layers and optimisers.

use std::fmt;

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::{Activation, LayerSpec, Op, Padding, Shape};

use super::is_zero;
use super::keys::recipe;
use crate::nn::optim::Optimiser;
use crate::nn::{BlockSpec, Norm};

recipe! {
    /// One of the two networks. The generator turns a latent vector into a picture, the discriminator a picture into one
    /// number (a logit): positive for "real", negative for "generated".
    #[derive(Debug, Clone, PartialEq)]
    pub struct NetworkConfig {
        /// How the weights are updated.
        #[serde(rename = "optimizer", alias = "optimiser")]
        pub optimiser: Optimiser,
        /// Number of first layers that keep the weights they begin with, such as those of an earlier run (`--from`). Fewer
        /// than there are. With few pictures, a discriminator whose first layers are frozen memorises less (FreezeD; Mo
        /// et al. 2020, arXiv:2002.10964).
        ///
        /// Default: `0`.
        #[serde(default, skip_serializing_if = "is_zero")]
        pub freeze: u8,
        /// The layers, first to last. A generator has at most 12, and the last one draws 1 channel (grey) or 3 with `tanh` or
        /// `sigmoid`. The discriminator ends in one linear output.
        pub layers: Vec<Layer>,
    }
}

recipe! {
    /// One layer. Which of the keys apply depends on `op`.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Layer {
        /// What the layer computes.
        pub op: OpName,
        /// Height and width of the output of a dense layer. Every dense layer has it, no other.
        ///
        /// Default: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub size: Option<[u16; 2]>,
        /// Output channels.
        pub channels: u16,
        /// Height and width of the kernel of a convolution. Every convolution has it, no dense layer.
        ///
        /// Default: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub kernel: Option<u8>,
        /// Step of a convolution; of a transposed one, how many times as large the output is.
        ///
        /// Default: `1`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stride: Option<u8>,
        /// How a convolution treats the edges.
        ///
        /// Default: `"same"`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub padding: Option<Padding>,
        /// Batch normalisation between the layer and its activation. In the generator it is folded into the weights
        /// when the model is exported, so it costs the device nothing.
        ///
        /// Default: `false`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub batch_norm: bool,
        /// Layer normalisation between the layer and its activation: with the mean and the variance of all values of a picture
        /// (Ba et al. 2016, arXiv:1607.06450), and a gain and a shift for each channel. Only in the discriminator, and not
        /// together with `batch_norm`.
        ///
        /// Default: `false`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub layer_norm: bool,
        /// A transposed convolution whose weights are kept such that output pixels at even and at odd rows and columns have the
        /// same sum of weights, so that an even map becomes no checkerboard (Sugawara et al. 2018, arXiv:1806.02658). Costs
        /// the device nothing. The kernel is at least as large as the stride.
        ///
        /// Default: `false`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub equal_gain: bool,
        /// Share of the input values that are set to 0 at random in training, 0 or more and under 1. Only in the
        /// discriminator.
        ///
        /// Default: `0.0`.
        #[serde(default, skip_serializing_if = "is_zero")]
        pub dropout: f32,
        /// Activation function.
        pub activation: ActivationName,
        /// Slope of `leaky_relu` for negative inputs, 0 to 1. No other activation has it.
        ///
        /// Default: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub slope: Option<f32>,
    }
}

recipe! {
    /// What a [`Layer`] computes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum OpName {
        /// Fully connected.
        Dense,
        /// Convolution.
        Conv,
        /// Transposed convolution: enlarges by `stride`.
        ConvTranspose,
    }
}

recipe! {
    /// Activation function of a [`Layer`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum ActivationName {
        /// None.
        Linear,
        /// Negative values become 0.
        Relu,
        /// Negative values are multiplied by `slope`.
        LeakyRelu,
        /// −1 to 1.
        Tanh,
        /// 0 to 1.
        Sigmoid,
    }
}

impl NetworkConfig {
    /// The layers in the form that [`Network`](crate::nn::Network) is built from.
    ///
    /// # Errors
    /// When the keys of a layer do not fit its operation; the message names the layer.
    pub fn blocks(&self) -> Result<Vec<BlockSpec>> {
        let block = |(i, layer): (usize, &Layer)| layer.block().with_context(|| format!("layer {i} ({})", layer.op));
        self.layers.iter().enumerate().map(block).collect()
    }

    /// The layers for inference: without batch normalisation and dropout.
    ///
    /// # Errors
    /// The errors of [`blocks`](Self::blocks).
    pub fn specs(&self) -> Result<Vec<LayerSpec>> {
        Ok(self.blocks()?.iter().map(|b| b.layer).collect())
    }
}

impl Layer {
    fn block(&self) -> Result<BlockSpec> {
        let is_dense = self.op == OpName::Dense;
        ensure!(self.size.is_some() == is_dense, "`size` belongs to dense layers, and every one has it");
        ensure!(self.kernel.is_none() == is_dense, "`kernel` belongs to convolutions, and every one has it");
        ensure!(
            !is_dense || (self.stride.is_none() && self.padding.is_none()),
            "a dense layer has no stride or padding"
        );
        ensure!((0.0..1.0).contains(&self.dropout), "`dropout` is 0 or more and under 1, not {}", self.dropout);
        ensure!(
            !self.equal_gain || (self.op == OpName::ConvTranspose && self.kernel >= self.stride),
            "`equal_gain` belongs to transposed convolutions whose kernel is at least as large as the stride"
        );
        let norm = match (self.batch_norm, self.layer_norm) {
            (true, true) => bail!("one of `batch_norm` and `layer_norm`, not both"),
            (true, false) => Some(Norm::Batch),
            (false, true) => Some(Norm::Layer),
            (false, false) => None,
        };
        let channels = self.channels;
        let (kernel, stride) = (self.kernel.unwrap_or(1), self.stride.unwrap_or(1));
        let padding = self.padding.unwrap_or(Padding::Same);
        let op = match self.op {
            OpName::Dense => {
                let [height, width] = self.size.unwrap_or([1, 1]);
                Op::Dense { out: Shape::new(height, width, channels) }
            }
            OpName::Conv => Op::Conv { channels, kernel, stride, padding },
            OpName::ConvTranspose => Op::ConvTranspose { channels, kernel, stride, padding },
        };
        let activation = match (self.activation, self.slope) {
            (ActivationName::LeakyRelu, Some(slope)) if (0.0..=1.0).contains(&slope) => Activation::LeakyRelu(slope),
            (ActivationName::LeakyRelu, _) => bail!("leaky_relu needs a `slope` between 0 and 1"),
            (_, Some(_)) => bail!("only leaky_relu has a `slope`"),
            (ActivationName::Linear, None) => Activation::Linear,
            (ActivationName::Relu, None) => Activation::Relu,
            (ActivationName::Tanh, None) => Activation::Tanh,
            (ActivationName::Sigmoid, None) => Activation::Sigmoid,
        };
        let layer = LayerSpec { op, activation };
        Ok(BlockSpec { layer, norm, dropout: self.dropout, equal_gain: self.equal_gain })
    }
}

impl fmt::Display for OpName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dense => "dense",
            Self::Conv => "conv",
            Self::ConvTranspose => "conv_transpose",
        })
    }
}
