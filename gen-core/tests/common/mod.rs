//! Creates model files without the trainer.

#![allow(dead_code)] // each program uses only a part

pub mod exercise;
pub mod naive;

use gen_core::format::{ALIGNMENT, ClassHeader, Header, LayerHeader, seal};
use gen_core::kernels::Kernels;
use gen_core::spec::{Activation, Geometry, LayerSpec, Op, Padding, Shape, WeightTransform};
use gen_core::{Engine, Latent, Model};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;

/// Layers with every operation and every kind of activation, for pictures of 8x8 pixels.
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

/// A model file with random parameters that the parser accepts.
pub fn build(name: &str, latent: u16, specs: &[LayerSpec], seed: u64) -> Vec<u8> {
    build_in_forms(name, latent, specs, &[], seed)
}

/// The same parameters, with other weight transforms for the first layers.
pub fn build_in_forms(
    name: &str,
    latent: u16,
    specs: &[LayerSpec],
    transforms: &[WeightTransform],
    seed: u64,
) -> Vec<u8> {
    assemble(name, latent, specs, transforms, &random_numbers(latent, specs, seed))
}

/// The same for a model with classes: `latent` values of the latent, and behind them the numbers of a class.
pub fn build_with_classes(
    latent: u16,
    classes: &RandomClasses,
    specs: &[LayerSpec],
    transforms: &[WeightTransform],
    seed: u64,
) -> Vec<u8> {
    let inputs = latent + u16::from(classes.header.width);
    let numbers = random_numbers(inputs, specs, seed);
    assemble_with("classes", inputs, specs, transforms, &numbers, Some(classes))
}

/// Names and numbers of classes.
#[derive(Debug, Clone)]
pub struct RandomClasses {
    pub header: ClassHeader,
    /// `[class][width]`
    pub rows: Vec<i8>,
}

/// Classes with random numbers, which reach both ends of their range.
pub fn random_classes(rng: &mut Xoshiro128PlusPlus, count: u8, width: u8) -> RandomClasses {
    let name = |k| format!("class {k}").as_str().try_into().unwrap();
    let number = |rng: &mut Xoshiro128PlusPlus| match rng.next_u32() % 5 {
        0 => [-128, 127][rng.next_u32() as usize % 2],
        _ => rng.next_u32() as i8,
    };
    let rows = (0..usize::from(count) * usize::from(width)).map(|_| number(rng)).collect();
    RandomClasses { header: ClassHeader { width, names: (0..count).map(name).collect() }, rows }
}

fn random_numbers(latent: u16, specs: &[LayerSpec], seed: u64) -> Vec<Numbers> {
    let mut rng = Xoshiro128PlusPlus::seed_from_u64(seed);
    let numbers = geometries(latent, specs).into_iter().enumerate().map(|(i, g)| {
        let channels = usize::from(g.output.channels);
        // About one standard deviation of the accumulator becomes half of the int8 range.
        let deviation = (g.fan_in(0) as f64).sqrt() * 73.0 * 40.0;
        let multiplier = (64.0 / deviation * 4_294_967_296.0) as u32;
        Numbers {
            zero_point: [-128, -40, 7, 127][i % 4],
            weights: (0..g.weight_count()).map(|_| rng.next_u32() as i8).collect(),
            biases: (0..g.bias_count()).map(|_| (rng.next_u32() as i32) >> 18).collect(),
            multipliers: [1, 3].map(|share| {
                let mut positive = || (multiplier + rng.next_u32() % (multiplier / 4)) / share;
                (0..channels).map(|_| positive() as i32).collect()
            }),
        }
    });
    numbers.collect()
}

/// The parameters of a layer.
#[derive(Debug, Clone)]
pub struct Numbers {
    /// Zero point of the output; always 0 in the last layer.
    pub zero_point: i8,
    /// `[phase][output channel][tap row][tap column][input channel]`
    pub weights: Vec<i8>,
    /// `[phase][output channel]`
    pub biases: Vec<i32>,
    /// Multipliers for accumulators of at least 0 and for negative ones, `[output channel]`.
    pub multipliers: [Vec<i32>; 2],
}

/// The geometry of the layers, each for the output of the one before.
pub fn geometries(latent: u16, specs: &[LayerSpec]) -> Vec<Geometry> {
    let mut input = Shape::latent(latent);
    let join = |spec: &LayerSpec| {
        let g = spec.geometry(input).unwrap();
        input = g.output;
        g
    };
    specs.iter().map(join).collect()
}

/// The Winograd transform for all layers that can have it.
pub fn fast_forms(latent: u16, specs: &[LayerSpec]) -> Vec<WeightTransform> {
    let transform = |g: &Geometry| {
        if g.allows(WeightTransform::Winograd) { WeightTransform::Winograd } else { WeightTransform::None }
    };
    geometries(latent, specs).iter().map(transform).collect()
}

/// A model file with these parameters, which the parser may reject.
pub fn assemble(
    name: &str,
    latent: u16,
    specs: &[LayerSpec],
    transforms: &[WeightTransform],
    numbers: &[Numbers],
) -> Vec<u8> {
    assemble_with(name, latent, specs, transforms, numbers, None)
}

/// The same, with classes.
pub fn assemble_with(
    name: &str,
    inputs: u16,
    specs: &[LayerSpec],
    transforms: &[WeightTransform],
    numbers: &[Numbers],
    classes: Option<&RandomClasses>,
) -> Vec<u8> {
    let transform = |i| transforms.get(i).copied().unwrap_or_default();
    let layers = specs.iter().zip(numbers).enumerate().map(|(i, (&spec, numbers))| LayerHeader {
        spec,
        transform: transform(i),
        zero_point: if spec.activation.is_output() { 0 } else { numbers.zero_point },
        scale: 1.0 / 32.0,
    });
    let header = Header {
        name: name.try_into().unwrap(),
        inputs,
        layers: layers.collect(),
        classes: classes.map(|classes| classes.header.clone()),
    };
    let mut blob = vec![0; 8192];
    let start = header.encode(&mut blob).unwrap();
    blob.truncate(start);
    for (i, (g, numbers)) in geometries(inputs, specs).iter().zip(numbers).enumerate() {
        let channels = usize::from(g.output.channels);
        let starts: Vec<_> = (0..g.phases())
            .scan(0, |next, phase| {
                let start = *next;
                *next += g.fan_in(phase) * channels;
                Some(start)
            })
            .collect();
        let start = blob.len();
        blob.resize(start + g.packed_len(transform(i)), 0);
        let (columns, inputs) = (|phase| g.x.taps(phase % g.x.phases()), usize::from(g.input.channels));
        let weight = |phase, output, [t, u]: [usize; 2], input| {
            numbers.weights[starts[phase] + output * g.fan_in(phase) + (t * columns(phase) + u) * inputs + input]
        };
        g.pack(transform(i), weight, &mut blob[start..]);
        pad(&mut blob);
        for words in [&numbers.biases, &numbers.multipliers[0], &numbers.multipliers[1]] {
            blob.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            pad(&mut blob);
        }
    }
    if let Some(classes) = classes {
        blob.extend(classes.rows.iter().map(|number| number.cast_unsigned()));
        pad(&mut blob);
    }
    seal(&mut blob).unwrap();
    blob
}

fn pad(blob: &mut Vec<u8>) {
    blob.resize(blob.len().next_multiple_of(ALIGNMENT), 0);
}

/// The picture of a latent, from a new engine with a workspace of the required size.
pub fn picture(model: &Model<'_>, latent: &Latent) -> Vec<u8> {
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(model.clone(), &mut workspace).unwrap();
    draw(&mut engine, latent)
}

pub fn draw(engine: &mut Engine<'_>, latent: &Latent) -> Vec<u8> {
    let mut pixels = Vec::new();
    engine.generate(latent, |_, row| pixels.extend_from_slice(row.bytes()));
    pixels
}

/// The picture of a latent, computed with these kernels.
pub fn draw_with<K: Kernels>(model: &Model<'_>, latent: &Latent) -> Vec<u8> {
    let mut workspace = vec![0x55; model.workspace_plan(&K::LAYOUT).bytes()];
    let mut engine = Engine::<K>::with_kernels(model.clone(), &mut workspace).unwrap();
    let mut pixels = Vec::new();
    engine.generate(latent, |_, row| pixels.extend_from_slice(row.bytes()));
    pixels
}

/// A random generator with a few layers of all kinds, small enough for naive loops.
pub fn random_layers(rng: &mut Xoshiro128PlusPlus, latent: u16) -> Vec<LayerSpec> {
    let up_to = |rng: &mut Xoshiro128PlusPlus, n: u32| 1 + rng.next_u32() % n;
    loop {
        let mut layers = Vec::new();
        let mut shape = Shape::latent(latent);
        let depth = up_to(rng, 4);
        for i in 0..depth {
            let last = i + 1 == depth;
            // In half of the cases a number of channels that fills whole vectors.
            let channels = if last {
                [3, 3, 1][rng.next_u32() as usize % 3]
            } else {
                [up_to(rng, 24), 8 * up_to(rng, 3)][rng.next_u32() as usize % 2] as u16
            };
            let (kernel, stride) = (up_to(rng, 8) as u8, [1, 1, 2, 3][rng.next_u32() as usize % 4]);
            let padding = if rng.next_u32().is_multiple_of(2) { Padding::Same } else { Padding::Valid };
            // In a quarter of the cases a wide picture, for blocks of all sizes.
            let sides = [(6, 7), (3, 40), (1, 9), (9, 1)][rng.next_u32() as usize % 4];
            let op = match (i, rng.next_u32() % 5) {
                (0, _) | (_, 0) => {
                    Op::Dense { out: Shape::new(up_to(rng, sides.0) as u16, up_to(rng, sides.1) as u16, channels) }
                }
                (_, 1 | 2) => Op::Conv { channels, kernel, stride, padding },
                _ => Op::ConvTranspose { channels, kernel, stride, padding },
            };
            let inner = [Activation::Linear, Activation::Relu, Activation::LeakyRelu(0.3)];
            let outer = [Activation::Tanh, Activation::Sigmoid, Activation::TanhUnit];
            let activation = if last { outer } else { inner }[rng.next_u32() as usize % 3];
            let spec = LayerSpec { op, activation };
            let Ok(g) = spec.geometry(shape) else { break };
            if g.macs() > 400_000 || g.output.width > 100 {
                break;
            }
            shape = g.output;
            layers.push(spec);
        }
        if layers.len() == depth as usize {
            return layers;
        }
    }
}
