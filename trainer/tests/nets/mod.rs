//! Layer lists that several tests share.

use gen_core::spec::{Activation, LayerSpec, Op, Padding, Shape};

pub fn dense(height: u16, width: u16, channels: u16, activation: Activation) -> LayerSpec {
    LayerSpec { op: Op::Dense { out: Shape::new(height, width, channels) }, activation }
}

pub fn conv(channels: u16, kernel: u8, activation: Activation) -> LayerSpec {
    LayerSpec { op: Op::Conv { channels, kernel, stride: 1, padding: Padding::Same }, activation }
}

/// Kernel 4, stride 2: twice as high and wide.
pub fn double(channels: u16, activation: Activation) -> LayerSpec {
    LayerSpec { op: Op::ConvTranspose { channels, kernel: 4, stride: 2, padding: Padding::Same }, activation }
}

/// Three doublings from 4x4 to 32x32 and a 3x3 convolution to RGB.
fn doubling(first: u16, then: [u16; 3]) -> Vec<LayerSpec> {
    let mut layers = vec![dense(4, 4, first, Activation::Relu)];
    layers.extend(then.map(|channels| double(channels, Activation::Relu)));
    layers.push(conv(3, 3, Activation::Tanh));
    layers
}

/// The generator that boards run; latent 32.
pub fn pocket() -> Vec<LayerSpec> {
    doubling(48, [32, 24, 12])
}

/// The benchmark net; latent 32.
pub fn reference_pocket() -> Vec<LayerSpec> {
    doubling(64, [48, 32, 24])
}

/// The Keras tutorial's generator; latent 32.
pub fn tutorial() -> Vec<LayerSpec> {
    let leaky = Activation::LeakyRelu(0.3);
    vec![
        dense(16, 16, 128, leaky),
        conv(256, 5, leaky),
        double(256, leaky),
        conv(256, 5, leaky),
        conv(256, 5, leaky),
        conv(3, 7, Activation::Tanh),
    ]
}
