//! Models with random weights: they draw noise, but the same noise everywhere.

use anyhow::{Context, Result};
use gen_core::blob::{ALIGNMENT, Header, LayerHeader, seal};
use gen_core::spec::{Activation, LayerSpec, Op, Padding, Shape};

/// The layers of the default generator: a latent of 32, pictures of 32 x 32.
pub fn pocket() -> (u16, Vec<LayerSpec>) {
    let up = |channels| LayerSpec {
        op: Op::ConvTranspose { channels, kernel: 4, stride: 2, padding: Padding::Same },
        activation: Activation::Relu,
    };
    let dense = LayerSpec { op: Op::Dense { out: Shape::new(4, 4, 48) }, activation: Activation::Relu };
    (32, vec![dense, up(32), up(24), up(12), rgb()])
}

/// A smaller one with all the rest of the operations: pictures 14 high and 16 wide.
pub fn tiny() -> (u16, Vec<LayerSpec>) {
    let leaky = Activation::LeakyRelu(0.25);
    let dense = LayerSpec { op: Op::Dense { out: Shape::new(7, 8, 5) }, activation: Activation::Linear };
    let up = Op::ConvTranspose { channels: 7, kernel: 4, stride: 2, padding: Padding::Valid };
    let down = Op::Conv { channels: 6, kernel: 3, stride: 1, padding: Padding::Valid };
    (10, vec![dense, LayerSpec { op: up, activation: leaky }, LayerSpec { op: down, activation: leaky }, rgb()])
}

fn rgb() -> LayerSpec {
    LayerSpec {
        op: Op::Conv { channels: 3, kernel: 3, stride: 1, padding: Padding::Same },
        activation: Activation::Tanh,
    }
}

/// A model file with these layers and random weights.
///
/// # Errors
/// When the layers make no generator.
pub fn random(name: &str, latent: u16, layers: &[LayerSpec]) -> Result<Vec<u8>> {
    let header = Header {
        name: name.try_into().ok().context("a model's name has at most 32 bytes")?,
        latent,
        layers: layers.iter().map(|&spec| LayerHeader { spec, zero_point: zero_point(spec), scale: 1.0 }).collect(),
    };
    let mut blob = vec![0; 1024];
    let end = header.encode(&mut blob)?;
    blob.truncate(end);

    let mut noise = Noise(1);
    let mut input = Shape::latent(latent);
    for &spec in layers {
        let g = spec.geometry(input)?;
        input = g.output;
        let channels = usize::from(g.output.channels);
        // The sum of `fan_in` products of two uniform int8 is about 64² · √fan_in: bring it
        // back to int8, for the last layer to a few units of tanh.
        let fan_in = g.fan_in(0) as f64;
        let step = if spec.activation.is_output() { 128.0 } else { 50.0 };
        let positive = (2f64.powi(32) * step / (64.0 * 64.0 * fan_in.sqrt())) as i32;
        let negative = match spec.activation {
            Activation::Relu => 0,
            Activation::LeakyRelu(slope) => (f64::from(positive) * f64::from(slope)) as i32,
            _ => positive,
        };
        section(&mut blob, (0..g.weight_count()).map(|_| noise.next() as u8));
        section(&mut blob, words((0..g.bias_count()).map(|_| noise.next() as i32 >> 20)));
        section(&mut blob, words((0..channels).map(|_| positive)));
        section(&mut blob, words((0..channels).map(|_| negative)));
    }
    seal(&mut blob)?;
    Ok(blob)
}

fn zero_point(spec: LayerSpec) -> i8 {
    match spec.activation {
        Activation::Relu => -128,
        Activation::LeakyRelu(_) | Activation::Linear => -20,
        Activation::Tanh | Activation::Sigmoid => 0,
    }
}

fn section(blob: &mut Vec<u8>, bytes: impl Iterator<Item = u8>) {
    blob.extend(bytes);
    blob.resize(blob.len().next_multiple_of(ALIGNMENT), 0);
}

fn words(values: impl Iterator<Item = i32>) -> impl Iterator<Item = u8> {
    values.flat_map(i32::to_le_bytes)
}

/// A linear congruential generator: its high bits are random enough for weights.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use gen_core::Model;

    use super::*;

    #[test]
    fn the_parser_accepts_them() -> Result<()> {
        for ((latent, layers), picture) in [(pocket(), Shape::new(32, 32, 3)), (tiny(), Shape::new(14, 16, 3))] {
            let blob = random("noise", latent, &layers)?;
            assert_eq!(Model::parse(&blob)?.picture(), picture);
        }
        Ok(())
    }
}
