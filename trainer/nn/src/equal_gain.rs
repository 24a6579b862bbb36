//! Transposed convolutions without a checkerboard.
//!
//! With stride `s`, output pixels have `s * s` phases: their row and column modulo `s`. Each phase has taps of its own. If the
//! sums of these taps, the gains of the phases, differ, an even map becomes a checkerboard. Here all phases get the same gain,
//! for each pair of an input and an output channel: the condition of Sugawara et al. 2018 (arXiv:1806.02658) that all polyphase
//! filters have the same steady-state value.

use gen_core::spec::Geometry;

/// Changes the weights of a transposed convolution as little as possible (in the sum of squares) such that all phases have
/// the same gain. Weights are `[input channels, kernel height, kernel width, output channels]`. Each side of the kernel is at
/// least as long as the stride.
pub(super) fn equalise(geometry: &Geometry, weights: &mut [f32]) {
    let (y, x, channels) = (geometry.y, geometry.x, usize::from(geometry.output.channels));
    let phases = geometry.phases();
    let taps: Vec<usize> = (0..y.kernel)
        .flat_map(|row| (0..x.kernel).map(move |column| [row % y.stride, column % x.stride].map(usize::from)))
        .map(|[row, column]| geometry.phase(row, column))
        .collect();
    let counts: Vec<f32> = (0..phases).map(|phase| taps.iter().filter(|&&tap| tap == phase).count() as f32).collect();
    // The changes `d` of the taps of a phase with `n` taps and gain `g` are equal; `g + n d` is the same `m` everywhere. The
    // sum of `n d^2 = (m - g)^2 / n` is least at the mean of the gains that weighs each by `1 / n`.
    let weight = counts.iter().map(|n| n.recip()).sum::<f32>();
    let mut gains = vec![0.0; phases * channels];
    for filters in weights.chunks_exact_mut(taps.len() * channels) {
        gains.fill(0.0);
        for (tap, &phase) in filters.chunks_exact(channels).zip(&taps) {
            gains[phase * channels..][..channels].iter_mut().zip(tap).for_each(|(gain, tap)| *gain += tap);
        }
        for channel in 0..channels {
            let gain = |phase: usize| gains[phase * channels + channel];
            let mean = (0..phases).map(|p| gain(p) / counts[p]).sum::<f32>() / weight;
            (0..phases).for_each(|p| {
                let change = &mut gains[p * channels + channel];
                *change = (mean - *change) / counts[p];
            });
        }
        for (tap, &phase) in filters.chunks_exact_mut(channels).zip(&taps) {
            tap.iter_mut().zip(&gains[phase * channels..][..channels]).for_each(|(tap, change)| *tap += change);
        }
    }
}

#[cfg(test)]
mod tests {
    use gen_core::{Activation, LayerSpec, Op, Padding, Shape};
    use ndarray::Array2;

    use crate::block::{BlockSpec, Dropout};
    use crate::init::{Init, normal, rng};
    use crate::network::Network;

    fn network(kernel: u8, stride: u8, equal_gain: bool) -> Network {
        let op = Op::ConvTranspose { channels: 5, kernel, stride, padding: Padding::Same };
        let layer = LayerSpec { op, activation: Activation::Linear };
        Network::new(Shape::new(7, 6, 3), &[BlockSpec { equal_gain, ..BlockSpec::plain(layer) }]).unwrap()
    }

    #[test]
    fn an_even_map_stays_even() {
        for (kernel, stride) in [(4, 2), (3, 2), (5, 2), (2, 2), (5, 3), (6, 3), (3, 1)] {
            for equal_gain in [true, false] {
                let mut network = network(kernel, stride, equal_gain);
                let params = network.init(Init::Normal(1.0), 1, 0);
                // Each input channel has a value of its own, the same in all pixels.
                let x = Array2::from_shape_fn((1, 7 * 6 * 3), |(_, i)| [1.0, -2.0, 0.5][i % 3]);
                let output = network.output();
                let y = network.forward(&params, x.view(), Dropout::Off).to_owned();
                let [height, width, channels] = [output.height, output.width, output.channels].map(usize::from);
                let at =
                    |row: usize, column: usize, channel: usize| y[(0, (row * width + column) * channels + channel)];
                // At the edges taps are missing.
                let edge = usize::from(kernel) - 1;
                let worst = (edge..height - edge)
                    .flat_map(|row| (edge..width - edge).map(move |column| (row, column)))
                    .flat_map(|(row, column)| (0..channels).map(move |c| (row, column, c)))
                    .map(|(row, column, c)| (at(row, column, c) - at(edge, edge, c)).abs())
                    .fold(0f32, f32::max);
                assert_eq!(worst < 1e-5, equal_gain || stride == 1, "{kernel}x{kernel}, stride {stride}: {worst}");
            }
        }
    }

    #[test]
    fn the_change_is_the_smallest_one() {
        let network = network(3, 2, true);
        let mut before = vec![0.0; network.parameter_count()];
        normal(&mut rng(3, 0, 0), 0.0, 1.0, &mut before);
        let mut after = before.clone();
        network.equalise(0, &mut after);
        let mut again = after.clone();
        network.equalise(0, &mut again);
        let weights = network.blocks()[0].weights();
        let difference = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert!(difference(&after, &before) > 0.1 && difference(&again, &after) < 1e-6);
        assert_eq!(after[weights.end..], before[weights.end..], "biases stay");
        // The change is at right angles to everything that keeps gains equal, such as other weights that are equalised.
        let mut others = vec![0.0; before.len()];
        normal(&mut rng(4, 0, 0), 0.0, 1.0, &mut others);
        network.equalise(0, &mut others);
        let product: f32 = weights.map(|i| (after[i] - before[i]) * others[i]).sum();
        assert!(product.abs() < 1e-3, "{product}");
        // Frozen layers stay.
        let mut frozen = before.clone();
        network.equalise(1, &mut frozen);
        assert_eq!(frozen, before);
    }
}
