//! Models with random weights. They draw noise, which is the same on every machine.

#![allow(dead_code)] // each program uses only a part

use anyhow::Result;
use firmware_tools::boards::{Board, MPS2_AN386, MPS2_AN500, MPS2_AN505};
use firmware_tools::count::{Count, FAST, INT8, Network, PORTABLE, Variant};
use firmware_tools::model::BLOB;
use gen_core::Model;
use gen_core::aligned;
use gen_core::spec::{Activation, LayerSpec, Op, Padding, Shape};
use ndarray::Array2;
use trainer::classes::ClassTable;
use trainer::config::Config;
use trainer::cost::Core;
use trainer::quantise::QuantModel;
use trainer::quantise::weight_transforms::{self, PackingPolicy};

/// A model file with these layers.
pub fn random(name: &str, latent: u16, layers: &[LayerSpec]) -> Result<Vec<u8>> {
    Ok(QuantModel::random(name, latent.into(), layers, 1)?.to_blob()?)
}

/// A model with everything that the default generator lacks: the other operations, activations and paddings, an odd number
/// of channels, and a picture that is not square (14 high, 16 wide).
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

/// A small model with a latent of this length, for grey pictures of 32 x 32 pixels.
pub fn with_latent(len: usize) -> Result<Vec<u8>> {
    let up = Op::ConvTranspose { channels: 1, kernel: 4, stride: 2, padding: Padding::Same };
    let layers = [
        LayerSpec { op: Op::Dense { out: Shape::new(16, 16, 1) }, activation: Activation::Relu },
        LayerSpec { op: up, activation: Activation::Tanh },
    ];
    random("long", len as u16, &layers)
}

/// A model with these classes, of 7 numbers each. Both ends of their range occur.
pub fn conditional(names: &[&str], latent: usize, layers: &[LayerSpec]) -> Result<Vec<u8>> {
    const WIDTH: usize = 7;
    let mut model = QuantModel::random("classes", latent + WIDTH, layers, 1)?;
    let number = |(class, i)| match (class + i) % 5 {
        0 => -128,
        1 => 127,
        _ => (89 * class + 31 * i + 5) as i8,
    };
    let rows = Array2::from_shape_fn((names.len(), WIDTH), number);
    model.latent = latent;
    model.classes = Some(ClassTable { names: names.iter().map(|&name| name.to_owned()).collect(), rows });
    Ok(model.to_blob()?)
}

/// A small model with these classes, for grey pictures of 32 x 32 pixels.
pub fn conditional_32(names: &[&str]) -> Result<Vec<u8>> {
    let up = Op::ConvTranspose { channels: 1, kernel: 4, stride: 2, padding: Padding::Same };
    let layers = [
        LayerSpec { op: Op::Dense { out: Shape::new(16, 16, 3) }, activation: Activation::Relu },
        LayerSpec { op: up, activation: Activation::Tanh },
    ];
    conditional(names, 5, &layers)
}

/// The networks with millions of weights. They take seconds to emulate, so they are not counted on every core, and
/// `full_size.rs` checks their budgets.
pub const LARGE: [&str; 3] = ["tutorial", "dcgan-64", DCGAN_64_WIDE];

/// `dcgan-64` with twice as many channels.
const DCGAN_64_WIDE: &str = "dcgan-64-wide";

/// The names of the networks that are counted on a board; [`network`] creates them.
pub fn counted_on(board: Board) -> &'static [&'static str] {
    match board {
        MPS2_AN386 => &["reference-pocket", "pocket", "pocket-64", "digits", "tutorial", "dcgan-64", DCGAN_64_WIDE],
        MPS2_AN500 => &["reference-pocket", "pocket", "pocket-64", "digits", "tutorial"],
        MPS2_AN505 => &["reference-pocket", "pocket", "pocket-64", "digits", "dcgan-64"],
        _ => &["reference-pocket", "pocket", "pocket-64", "digits"],
    }
}

/// The variants of a network that are counted on a board: only two networks in all, because each is a build.
pub fn variants_of(board: Board, name: &str) -> &'static [Variant] {
    match name {
        "pocket" | "reference-pocket" => &[INT8, FAST, PORTABLE],
        "pocket-64" if board != MPS2_AN386 => &[INT8],
        "digits" => &[INT8],
        _ => &[INT8, FAST],
    }
}

/// Limit for the model in the fast variant, in bytes: the size of external flash on many boards, and of the external memory
/// of the emulated boards.
const FLASH: usize = 16 << 20;

/// The shipped model of digits.
const DIGITS: &[u8] = include_bytes!("../../../models/digits/model.gen");

/// A network to count: a shipped model, or a preset with random weights, because counts do not depend on weights.
pub fn network(name: &'static str, variant: Variant) -> Result<Network> {
    let mut blob = match name {
        "pocket" => BLOB.to_vec(),
        "digits" => DIGITS.to_vec(),
        DCGAN_64_WIDE => wide(name, "dcgan-64")?,
        _ => preset(name)?,
    };
    if variant.fast {
        let mut model = QuantModel::from_model(&Model::parse(&aligned(&blob))?)?;
        weight_transforms::choose(&mut model, &PackingPolicy::Flash(FLASH), Core::Dsp)?;
        blob = model.to_blob()?;
    }
    Ok(Network { name, blob })
}

/// Limits in bytes for flash and RAM on a Cortex-M4 that a preset was made for.
pub fn limits(name: &str) -> Option<[usize; 2]> {
    match name {
        "digits" => Some([32_000, 6_000]),
        "pocket-64" => Some([192_000, 24_000]),
        _ => None,
    }
}

/// Allowed error of the trainer's estimate of a layer's instructions, in per cent …
const PER_CENT: u64 = 10;
/// … or in instructions, whichever is larger.
const FEW: u64 = 10_000;

/// Names the layers whose instructions the trainer estimates wrongly: people choose by them
/// which layers are to be fast.
pub fn estimates_off(board: Board, network: &Network, count: &Count) -> Result<String> {
    if board.has_mve {
        return Ok(String::new()); // nobody estimates these kernels
    }
    let core = Core::of_target(board.triple);
    let mut off = String::new();
    for (layer, counted) in Model::parse(&aligned(&network.blob))?.layers().iter().zip(&count.layers) {
        let (estimate, counted, name) =
            (core.instructions(&layer.spec, &layer.geometry, layer.transform), counted.instructions, &counted.name);
        println!("  {name}: {counted}, estimated {estimate} ({:.3})", estimate as f64 / counted as f64);
        if estimate.abs_diff(counted) > FEW.max(counted * PER_CENT / 100) {
            off += &format!("{}, {name}: {counted} instructions, trainer/src/cost.rs says {estimate}\n", board.name);
        }
    }
    Ok(off)
}

/// The generator of a preset with twice as many channels, its weights random.
fn wide(name: &str, preset: &str) -> Result<Vec<u8>> {
    let mut config = Config::preset(preset)?;
    let last = config.generator.layers.len() - 1;
    config.generator.layers[..last].iter_mut().for_each(|layer| layer.channels *= 2);
    random(name, config.latent, &config.generator.specs()?)
}

/// The generator of a preset with another first map (height, width), and pictures of 1 or 3 channels. Random weights.
pub fn reshaped(preset: &str, map: [u16; 2], channels: u16) -> Result<Vec<u8>> {
    let mut config = Config::preset(preset)?;
    let layers = &mut config.generator.layers;
    layers[0].size = Some(map);
    let last = layers.len() - 1;
    layers[last].channels = channels;
    random(preset, config.latent, &config.generator.specs()?)
}

/// The generator of a preset, its weights random.
pub fn preset(name: &str) -> Result<Vec<u8>> {
    let config = Config::preset(name)?;
    random(&config.name, config.latent, &config.generator.specs()?)
}
