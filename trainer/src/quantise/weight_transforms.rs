//! Chooses which layers store Winograd-transformed weights. Such a layer needs more flash and fewer instructions.

use anyhow::{Result, ensure};
use gen_core::format::ALIGNMENT;
use gen_core::spec::WeightTransform;

use super::model::{QuantLayer, QuantModel};
use crate::cost::Core;

/// How to choose the layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PackingPolicy {
    /// The smallest file.
    #[default]
    Small,
    /// The fewest instructions.
    Fast,
    /// Winograd-transformed weights in these layers, counted from 0.
    Layers(Vec<usize>),
    /// The fewest instructions in a file of at most this many bytes.
    Flash(usize),
}

/// Sets the weight transform of every layer by `policy`. Instructions are counted for the processor `core`.
///
/// # Errors
/// When a named layer does not exist or cannot be transformed, or when even the smallest
/// file is larger than allowed.
pub fn choose(model: &mut QuantModel, policy: &PackingPolicy, core: Core) -> Result<()> {
    let count = model.layers.len();
    for layer in &mut model.layers {
        layer.transform = WeightTransform::None;
    }
    let gains: Vec<_> = (0..count)
        .map(|i| model.can_transform(i, WeightTransform::Winograd).then(|| gain(&model.layers[i], core)))
        .collect();
    let fast: Vec<bool> = match policy {
        PackingPolicy::Small => vec![false; count],
        PackingPolicy::Fast => gains.iter().map(|g| g.is_some_and(|g| g.instructions > 0)).collect(),
        PackingPolicy::Layers(layers) => {
            for &layer in layers {
                ensure!(layer < count, "there is no layer {layer}: they are 0 to {}", count - 1);
                ensure!(
                    model.layers[layer].geometry.allows(WeightTransform::Winograd),
                    "layer {layer} cannot have Winograd weights: that takes 2, 3 or 5 tap columns without a stride \
                     (a transposed 4x4 with stride 2 has 2)"
                );
                ensure!(
                    gains[layer].is_some(),
                    "layer {layer} cannot have Winograd weights: its weights are so many and so large that sums could be \
                     inexact"
                );
            }
            (0..count).map(|layer| layers.contains(&layer)).collect()
        }
        PackingPolicy::Flash(budget) => {
            let small = model.to_blob()?.len();
            ensure!(
                small <= *budget,
                "the model takes {small} bytes without weight transforms, more than the {budget} of --flash"
            );
            best(&gains, budget - small)
        }
    };
    for (layer, fast) in model.layers.iter_mut().zip(fast) {
        layer.transform = if fast { WeightTransform::Winograd } else { WeightTransform::None };
    }
    Ok(())
}

/// Effect of transforming the weights of a layer.
#[derive(Debug, Clone, Copy)]
struct Gain {
    /// Instructions saved for a picture.
    instructions: i64,
    /// Additional bytes in the file.
    bytes: usize,
}

fn gain(layer: &QuantLayer, core: Core) -> Gain {
    let g = &layer.geometry;
    let [direct, fast] = [WeightTransform::None, WeightTransform::Winograd].map(|transform| {
        let bytes = g.packed_len(transform).next_multiple_of(ALIGNMENT);
        (bytes, core.instructions(&layer.spec, g, transform) as i64)
    });
    Gain { instructions: direct.1 - fast.1, bytes: fast.0 - direct.0 }
}

/// The set of layers that saves the most instructions with at most `room` additional bytes. Tries all sets, which
/// are at most 2¹².
fn best(gains: &[Option<Gain>], room: usize) -> Vec<bool> {
    let chosen = |set: usize| move |layer: usize| set >> layer & 1 == 1;
    let worth = |set: usize| {
        let (mut saved, mut bytes) = (0, 0);
        for (layer, gain) in gains.iter().enumerate() {
            if chosen(set)(layer) {
                let gain = gain.filter(|g| g.instructions > 0)?;
                saved += gain.instructions;
                bytes += gain.bytes;
            }
        }
        // Of two sets that save the same, the smaller one is chosen.
        (bytes <= room).then_some((saved, std::cmp::Reverse(bytes)))
    };
    let set = (0..1usize << gains.len()).filter(|&set| worth(set).is_some()).max_by_key(|&set| worth(set));
    (0..gains.len()).map(chosen(set.unwrap_or(0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::unnecessary_wraps, reason = "a column of the table")]
    fn gain(instructions: i64, bytes: usize) -> Option<Gain> {
        Some(Gain { instructions, bytes })
    }

    #[test]
    fn the_best_set_is_found_not_the_greediest() {
        let gains = [gain(60, 60), gain(50, 50), gain(49, 50), None, gain(-5, 1)];
        let sets = [
            (0, [false, false, false]),
            (49, [false, false, false]),
            (50, [false, true, false]),
            (60, [true, false, false]),
            (100, [false, true, true]),
            (160, [true, true, true]),
        ];
        for (room, expected) in sets {
            let best = best(&gains, room);
            assert_eq!(best[..3], expected, "room {room}");
            assert!(!best[3] && !best[4], "room {room}");
        }
    }
}
