//! Units that are 0 but for rounding.
//!
//! The derivative of a leaky ReLU is 1 above 0 and its slope below. A step has some
//! millions of such units, and a few of them come out so near 0 that float32 and
//! float64 are on different sides of it. One such unit moves gradients by 1e-3 of
//! their largest and more, and neither side is wrong.
//!
//! Such units are put on the other side, one at a time and nearest first, where
//! gradients are out of tolerance. A unit stays there if the gradients then come nearer
//! to the golden ones. There is no other choice to make, so this cannot hide a mistake:
//! with every unit on its side, all gradients must be within the tolerance.

use gen_core::Activation;

use crate::nn::Network;
use crate::train::ForwardPass;

/// How near 0 a unit must be, in shares of its map's largest value: twice what
/// float32 was seen to be off by.
const NEAR: f32 = 2e-6;
/// Most units that are tried for a player.
pub const MAX_UNITS: usize = 200;

/// One value that came out of a leaky ReLU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// The pass it came out of.
    pub pass: ForwardPass,
    /// Index of its layer.
    pub layer: usize,
    /// Where it is in the layer's output.
    at: [usize; 2],
    /// What went into the leaky ReLU, in shares of the map's largest value.
    pub size: f32,
}

/// The units of a pass that are nearly 0.
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

/// Puts those of the units that came out of this pass on the other side of 0.
pub fn flip(pass: ForwardPass, network: &mut Network, units: &[Unit]) {
    for unit in units.iter().filter(|unit| unit.pass == pass) {
        let y = &mut network.activation_mut(unit.layer)[unit.at];
        *y = if *y > 0.0 { -f32::MIN_POSITIVE } else { f32::MIN_POSITIVE };
    }
}
