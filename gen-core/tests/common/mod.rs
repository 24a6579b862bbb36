//! Blobs made from code, without the trainer.

#![allow(dead_code)] // every test file uses another part

pub mod exercise;
pub mod naive;

use gen_core::blob::{ALIGNMENT, Header, LayerHeader, seal};
use gen_core::spec::{Activation, Form, LayerSpec, Op, Padding, Shape};
use gen_core::{Engine, Latent, Model};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;

/// Every operation and every kind of activation on the way to 8x8 pixels.
pub fn tiny() -> Vec<LayerSpec> {
    let same = Padding::Same;
    vec![
        LayerSpec { op: Op::Dense { out: Shape::new(2, 3, 4) }, activation: Activation::Relu },
        LayerSpec {
            op: Op::ConvTranspose { channels: 3, kernel: 4, stride: 2, padding: same },
            activation: Activation::LeakyRelu(0.3),
        },
        LayerSpec {
            op: Op::ConvTranspose { channels: 2, kernel: 3, stride: 2, padding: Padding::Valid },
            activation: Activation::Linear,
        },
        LayerSpec {
            op: Op::Conv { channels: 3, kernel: 2, stride: 1, padding: Padding::Valid },
            activation: Activation::Relu,
        },
        LayerSpec { op: Op::Conv { channels: 3, kernel: 3, stride: 1, padding: same }, activation: Activation::Tanh },
    ]
}

/// A blob with random numbers of a size that the parser admits.
pub fn build(name: &str, latent: u16, specs: &[LayerSpec], seed: u64) -> Vec<u8> {
    build_in_forms(name, latent, specs, &[], seed)
}

/// The same numbers with the weights of the first layers in other forms.
pub fn build_in_forms(name: &str, latent: u16, specs: &[LayerSpec], forms: &[Form], seed: u64) -> Vec<u8> {
    let mut rng = Xoshiro128PlusPlus::seed_from_u64(seed);
    let layers = specs.iter().enumerate().map(|(i, &spec)| LayerHeader {
        spec,
        form: forms.get(i).copied().unwrap_or_default(),
        zero_point: if spec.activation.is_output() { 0 } else { [-128, -40, 7, 127][i % 4] },
        scale: 1.0 / 32.0,
    });
    let header = Header { name: name.try_into().unwrap(), latent, layers: layers.collect() };
    let mut blob = vec![0; 1024];
    let start = header.encode(&mut blob).unwrap();
    blob.truncate(start);
    let mut input = Shape::latent(latent);
    for (i, spec) in specs.iter().enumerate() {
        let g = spec.geometry(input).unwrap();
        input = g.output;
        let channels = usize::from(g.output.channels);
        // One deviation of the accumulator, roughly, becomes half the int8 range.
        let deviation = (g.fan_in(0) as f64).sqrt() * 73.0 * 40.0;
        let multiplier = (64.0 / deviation * 4_294_967_296.0) as u32;
        // `[phase][output channel][tap row][tap column][input channel]`
        let weights: Vec<_> = (0..g.weight_count()).map(|_| rng.next_u32() as i8).collect();
        let starts: Vec<_> = (0..g.phases())
            .scan(0, |next, phase| {
                let start = *next;
                *next += g.fan_in(phase) * channels;
                Some(start)
            })
            .collect();
        let form = forms.get(i).copied().unwrap_or_default();
        let start = blob.len();
        blob.resize(start + g.packed_len(form), 0);
        let (columns, inputs) = (|phase| g.x.taps(phase % g.x.phases()), usize::from(g.input.channels));
        let weight = |phase, output, [t, u]: [usize; 2], input| {
            weights[starts[phase] + output * g.fan_in(phase) + (t * columns(phase) + u) * inputs + input]
        };
        g.pack(form, weight, &mut blob[start..]);
        pad(&mut blob);
        let bias = |rng: &mut Xoshiro128PlusPlus| (rng.next_u32() as i32) >> 18;
        blob.extend((0..g.bias_count()).flat_map(|_| bias(&mut rng).to_le_bytes()));
        pad(&mut blob);
        for share in [1, 3] {
            let positive = |rng: &mut Xoshiro128PlusPlus| (multiplier + rng.next_u32() % (multiplier / 4)) / share;
            blob.extend((0..channels).flat_map(|_| positive(&mut rng).to_le_bytes()));
            pad(&mut blob);
        }
    }
    seal(&mut blob).unwrap();
    blob
}

fn pad(blob: &mut Vec<u8>) {
    blob.resize(blob.len().next_multiple_of(ALIGNMENT), 0);
}

/// The picture of a latent, from a fresh engine with a workspace of the size it asks for.
pub fn picture(model: &Model<'_>, latent: &Latent) -> Vec<u8> {
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(model, &mut workspace).unwrap();
    draw(&mut engine, latent)
}

pub fn draw(engine: &mut Engine<'_, '_>, latent: &Latent) -> Vec<u8> {
    let mut pixels = Vec::new();
    engine.generate(latent, |_, row| pixels.extend_from_slice(row));
    pixels
}
