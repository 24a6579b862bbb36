//! Units whose input is 0 except for rounding.
//!
//! The derivative of a leaky ReLU is 1 above 0 and its slope below. A step has some
//! millions of such units, and the inputs of a few are so near 0 that float32 and
//! float64 are on different sides of it. One such unit changes gradients by 1e-3 of
//! their largest value and more, and neither side is wrong.
//!
//! If gradients are out of tolerance, such units are put on the other side of 0, one at a time,
//! nearest first. A unit stays there if the gradients are then nearer to the golden ones.
//! Nothing else is changed, so this cannot hide an error: in the end all gradients must be
//! within the tolerance.

use gen_core::Activation;

use crate::nn::Network;
use crate::train::ForwardPass;

/// Largest input of such a unit, as a share of its map's largest value: twice the largest error
/// of float32 that was observed.
const NEAR: f32 = 2e-6;
/// Maximum number of units that are tried for a network.
pub const MAX_UNITS: usize = 200;

/// One value of a leaky ReLU's output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// The forward pass of the unit.
    pub pass: ForwardPass,
    /// Index of its layer.
    pub layer: usize,
    /// Position in the layer's output.
    at: [usize; 2],
    /// Magnitude of the leaky ReLU's input, as a share of the map's largest value.
    pub size: f32,
}

/// The units of a pass whose input is nearly 0.
pub fn near(pass: ForwardPass, network: &Network) -> Vec<Unit> {
    let mut units = Vec::new();
    for (layer, block) in network.blocks().iter().enumerate() {
        let Activation::LeakyRelu(slope) = block.spec().layer.activation else { continue };
        let map = network.activation(layer);
        let largest = map.iter().fold(0.0f32, |largest, y| largest.max(y.abs()));
        for ((picture, value), &y) in map.indexed_iter() {
            let size = if y > 0.0 { y } else { -y / slope } / largest;
            if size < NEAR {
                units.push(Unit { pass, layer, at: [picture, value], size });
            }
        }
    }
    units
}

/// Puts the units of this pass on the other side of 0.
pub fn flip(pass: ForwardPass, network: &mut Network, units: &[Unit]) {
    for unit in units.iter().filter(|unit| unit.pass == pass) {
        let y = &mut network.activation_mut(unit.layer)[unit.at];
        *y = if *y > 0.0 { -f32::MIN_POSITIVE } else { f32::MIN_POSITIVE };
    }
}
