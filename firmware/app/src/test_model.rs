//! Models for the tests.

use std::vec;
use std::vec::Vec;

use gen_core::format::{ALIGNMENT, ClassHeader, Header, LayerHeader, seal};
use gen_core::spec::{Activation, LayerSpec, Op, Shape};
use gen_core::{AlignedBytes, aligned};

/// Values of the latent, and numbers of a class.
const LATENT: u16 = 4;
const WIDTH: u8 = 3;

/// A model with these classes, which draws grey noise of 32 x 32 pixels: one dense layer with random weights.
pub fn with_classes(names: &[&str]) -> AlignedBytes<'static> {
    let mut random = 7_u32;
    let mut random = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    };
    let inputs = LATENT + u16::from(WIDTH);
    let spec = LayerSpec { op: Op::Dense { out: Shape::new(32, 32, 1) }, activation: Activation::Tanh };
    let names: Vec<_> = names.iter().map(|&name| name.try_into().expect("short")).collect();
    let header = Header {
        name: "noise".try_into().expect("short"),
        inputs,
        layers: [LayerHeader { spec, transform: Default::default(), zero_point: 0, scale: 1.0 }].into_iter().collect(),
        classes: Some(ClassHeader { width: WIDTH, names: names.iter().cloned().collect() }),
    };
    let mut blob = vec![0; 8192];
    let len = header.encode(&mut blob).expect("it fits");
    blob.truncate(len);
    let pad = |blob: &mut Vec<u8>| blob.resize(blob.len().next_multiple_of(ALIGNMENT), 0);
    let geometry = spec.geometry(Shape::latent(inputs)).expect("it is valid");
    let start = blob.len();
    blob.resize(start + geometry.packed_len(Default::default()), 0);
    let weight = |_, output, [t, u]: [usize; 2], input| (97 * output + 31 * t + 57 * u + 71 * input) as i8;
    geometry.pack(Default::default(), weight, &mut blob[start..]);
    pad(&mut blob);
    blob.resize(blob.len() + 4 * geometry.bias_count(), 0);
    pad(&mut blob);
    // About one standard deviation of a sum becomes half of the range of the output.
    let multiplier = (4_294_967_296.0 * 64.0 / (f64::from(inputs).sqrt() * 73.0 * 40.0)) as u32;
    for _ in 0..2 {
        blob.extend(multiplier.to_le_bytes());
        pad(&mut blob);
    }
    blob.extend((0..names.len() * usize::from(WIDTH)).map(|_| random()));
    pad(&mut blob);
    seal(&mut blob).expect("it has a header");
    aligned(blob)
}
