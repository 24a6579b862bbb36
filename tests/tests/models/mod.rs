//! Models with random weights: they draw noise, but the same noise everywhere.

#![allow(dead_code)] // every test file uses another part

use anyhow::Result;
use gen_core::spec::{Activation, LayerSpec, Op, Padding, Shape};
use trainer::config::Config;
use trainer::quantise::QuantModel;

/// A model file with these layers.
pub fn random(name: &str, latent: u16, layers: &[LayerSpec]) -> Result<Vec<u8>> {
    Ok(QuantModel::random(name, latent.into(), layers, 1)?.to_blob()?)
}

/// What the default generator lacks: the other operations, activations and paddings,
/// an odd number of channels, a picture that is not square (14 high, 16 wide).
pub fn tiny() -> Result<Vec<u8>> {
    let leaky = Activation::LeakyRelu(0.25);
    let up = Op::ConvTranspose { channels: 7, kernel: 4, stride: 2, padding: Padding::Valid };
    let down = Op::Conv { channels: 6, kernel: 3, stride: 1, padding: Padding::Valid };
    let rgb = Op::Conv { channels: 3, kernel: 3, stride: 1, padding: Padding::Same };
    let layers = [
        LayerSpec { op: Op::Dense { out: Shape::new(7, 8, 5) }, activation: Activation::Linear },
        LayerSpec { op: up, activation: leaky },
        LayerSpec { op: down, activation: leaky },
        LayerSpec { op: rgb, activation: Activation::TanhUnit },
    ];
    random("tiny", 10, &layers)
}

/// The generator of the Keras tutorial, 6.3 million weights.
pub fn tutorial() -> Result<Vec<u8>> {
    let config = Config::preset("tutorial")?;
    random(&config.name, config.latent, &config.generator.specs()?)
}
