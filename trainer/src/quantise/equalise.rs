//! Cross-layer equalisation (Nagel et al. 2019, arXiv:1906.04721, section 4.1).
//!
//! All channels of a feature map share one scale, so a channel that reaches only a tenth of the range
//! has only a tenth of the quantisation steps. ReLU, LeakyReLU and the identity commute with
//! positive factors: a channel can be scaled up in its own weights and bias, and scaled down
//! again in the next layer's weights. The network still computes the same function.

use gen_core::spec::Geometry;
use ndarray::{Array2, Axis};

use super::fold::FloatModel;

/// Default `power` of [`equalise`], the strength of equalisation: a channel with the largest magnitude `reach`
/// has the largest magnitude `reach^(1 − POWER)` afterwards.
///
/// At 1 all channels use all quantisation steps, but the weights of the next layer, which share one
/// scale for each of *their* output channels, become as unequal as the channels were. On two
/// generators, pictures at 0.5 to 0.625 were 0.3 to 0.5 dB closer to the float ones than at
/// 0, and 0.8 to 1.0 dB closer than at 1 (`docs/recipes.md`, `examples/int8_choices.rs`).
pub const POWER: f32 = 0.625;

/// Largest factor. A channel that would need more is nearly always 0.
const MAX_CHANNEL_SCALE: f32 = 64.0;

/// Equalises the output channels of layer `i`, which the next layer reads, and scales `map`, the outputs of
/// layer `i`, `[N, values]`, accordingly. Does nothing for the last layer.
pub fn equalise(model: &mut FloatModel, i: usize, map: &mut Array2<f32>, power: f32) {
    let [writer, reader, ..] = &mut model.layers[i..] else { return };
    if writer.spec.activation.negative_slope().is_none() {
        return;
    }
    let channels = usize::from(writer.geometry.output.channels);
    let mut reach = vec![0f32; channels];
    for row in map.rows() {
        for (j, v) in row.iter().enumerate() {
            reach[j % channels] = reach[j % channels].max(v.abs());
        }
    }
    let furthest = reach.iter().copied().fold(0f32, f32::max);
    let factor = |&r: &f32| if r > 0.0 { (furthest / r).powf(power).min(MAX_CHANNEL_SCALE) } else { 1.0 };
    let factors: Vec<f32> = reach.iter().map(factor).collect();

    // In every layout the output channel varies fastest along a row.
    for mut values in [&mut writer.weights, map].into_iter().flat_map(|m| m.axis_iter_mut(Axis(0))) {
        values.iter_mut().zip(factors.iter().cycle()).for_each(|(v, f)| *v *= f);
    }
    writer.biases.iter_mut().zip(factors.iter().cycle()).for_each(|(b, f)| *b *= f);
    let geometry = reader.geometry;
    for (row, mut weights) in reader.weights.rows_mut().into_iter().enumerate() {
        weights /= factors[input_channel(row, &geometry)];
    }
}

/// The input channel of a row of a weight matrix. In every layout it varies fastest along a column.
pub(super) fn input_channel(row: usize, geometry: &Geometry) -> usize {
    row % usize::from(geometry.input.channels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::train::Trainer;

    #[test]
    fn the_function_stays_and_channels_come_together() {
        let config = Config::preset("pocket").unwrap();
        let mut params = Trainer::new(config.clone()).unwrap().state.generator;
        // Changes the initial parameters, with which all channels are alike.
        for (i, p) in params.iter_mut().enumerate() {
            *p += 0.1 * ((i * 7919) % 13) as f32 / 13.0 - 0.05;
        }
        let model = FloatModel::fold(&config, &params).unwrap();
        let batch = model.input().range(0, 32);
        let mut equal = model.clone();
        let before = model.activations(batch.view());
        let mut scaled = before.clone();
        (0..model.layers.len()).for_each(|i| equalise(&mut equal, i, &mut scaled[i], POWER));
        let after = equal.activations(batch.view());

        let close = |a: &Array2<f32>, b: &Array2<f32>| {
            let largest = a.iter().fold(0f32, |m, v| m.max(v.abs()));
            a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-4 * largest)
        };
        assert!(close(before.last().unwrap(), after.last().unwrap()), "the pictures changed");
        for (i, (scaled, after)) in scaled.iter().zip(&after).enumerate() {
            assert!(close(scaled, after), "map {i} was not scaled along");
        }
        let spread = |map: &Array2<f32>, channels: usize| {
            let reach =
                |c| map.columns().into_iter().skip(c).step_by(channels).flatten().fold(0f32, |m, v| m.max(v.abs()));
            let reaches: Vec<f32> = (0..channels).map(reach).filter(|&r| r > 0.0).collect();
            reaches.iter().fold(0f32, |m, &r| m.max(r)) / reaches.iter().fold(f32::MAX, |m, &r| m.min(r))
        };
        let channels = usize::from(model.layers[0].geometry.output.channels);
        assert!(spread(&after[0], channels) < 0.8 * spread(&before[0], channels));
    }
}
