//! Initial weights, and the random generators of a run.

use gen_core::spec::{Geometry, Op};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;
use serde::{Deserialize, Serialize};

/// The distribution of initial weights. Biases and a normalisation's beta start at 0, gamma at 1, or in [`Init::Normal`] at
/// N(1, deviation) as in DCGAN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Init {
    /// N(0, deviation): 0.02 in DCGAN (Radford et al. 2015, arXiv:1511.06434).
    Normal(f32),
    /// As [`Init::Normal`], but transposed convolutions begin as bilinear enlargements whose channels are mixed by normally
    /// distributed weights, so that the first pictures have no checkerboard (compare ICNR, Aitken et al. 2017,
    /// arXiv:1707.02937). The mean square of the weights is the same.
    Smooth(f32),
    /// U(−a, a) with a = √(6 / (fan in + fan out)) (Glorot & Bengio 2010): Keras's default.
    GlorotUniform,
}

impl Init {
    /// Fills the weights of a layer with initial values.
    pub fn weights(self, op: Op, g: &Geometry, rng: &mut Xoshiro128PlusPlus, weights: &mut [f32]) {
        match self {
            Self::Smooth(deviation) if let Op::ConvTranspose { channels, .. } = op => {
                let (y, x) = (bilinear(g.y.kernel, g.y.stride), bilinear(g.x.kernel, g.x.stride));
                let mut mixed = vec![0.0; channels.into()];
                for row in weights.chunks_mut(y.len() * x.len() * mixed.len()) {
                    normal(rng, 0.0, deviation, &mut mixed);
                    for (tap, outputs) in row.chunks_mut(mixed.len()).enumerate() {
                        let factor = y[tap / x.len()] * x[tap % x.len()];
                        outputs.iter_mut().zip(&mixed).for_each(|(to, weight)| *to = factor * weight);
                    }
                }
            }
            Self::Normal(deviation) | Self::Smooth(deviation) => normal(rng, 0.0, deviation, weights),
            Self::GlorotUniform => {
                let (taps, inputs, outputs) = match op {
                    Op::Dense { .. } => (1, g.input.len(), g.output.len()),
                    _ => ((g.y.kernel * g.x.kernel) as usize, g.input.channels as usize, g.output.channels as usize),
                };
                let limit = (6.0 / (taps * (inputs + outputs)) as f32).sqrt();
                weights.fill_with(|| rng.random_range(-limit..limit));
            }
        }
    }

    /// Fills a normalisation's gamma with initial values.
    pub fn gamma(self, rng: &mut Xoshiro128PlusPlus, gamma: &mut [f32]) {
        match self {
            Self::Normal(deviation) | Self::Smooth(deviation) => normal(rng, 1.0, deviation, gamma),
            Self::GlorotUniform => gamma.fill(1.0),
        }
    }
}

/// The kernel of a linear enlargement by `stride`, with a mean square of 1.
fn bilinear(kernel: u16, stride: u16) -> Vec<f32> {
    let middle = (f32::from(kernel) - 1.0) / 2.0;
    let taps: Vec<f32> =
        (0..kernel).map(|i| (1.0 - (f32::from(i) - middle).abs() / f32::from(stride)).max(0.0)).collect();
    let square = taps.iter().map(|tap| tap * tap).sum::<f32>() / f32::from(kernel);
    taps.iter().map(|tap| tap / square.sqrt().max(f32::MIN_POSITIVE)).collect()
}

/// A normally distributed number, by the Box–Muller transform.
pub(super) fn normal(rng: &mut Xoshiro128PlusPlus, mean: f32, deviation: f32, values: &mut [f32]) {
    for pair in values.chunks_mut(2) {
        let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt() * deviation;
        let (sin, cos) = (std::f32::consts::TAU * rng.random::<f32>()).sin_cos();
        for (value, unit) in pair.iter_mut().zip([cos, sin]) {
            *value = mean + radius * unit;
        }
    }
}

/// A random generator for one purpose (`stream`) at one step of a run. All random numbers of a run come from such
/// generators, so a checkpoint needs no generator state.
pub fn rng(seed: u64, step: u64, stream: u64) -> Xoshiro128PlusPlus {
    // Odd multipliers prevent the three numbers from cancelling each other.
    let mixed = seed
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(step.wrapping_mul(0xD1B5_4A32_D192_ED03))
        .wrapping_add(stream.wrapping_mul(0x8CB9_2BA7_2F3D_8DD7));
    Xoshiro128PlusPlus::seed_from_u64(mixed)
}

#[cfg(test)]
mod tests {
    use gen_core::{Padding, Shape};

    use super::*;

    #[test]
    fn a_smooth_transposed_convolution_enlarges_bilinearly() {
        use ndarray::Array2;

        use crate::block::{BlockSpec, Dropout};
        use crate::network::Network;
        use crate::params::Params;

        for kernel in [4, 5] {
            let op = Op::ConvTranspose { channels: 2, kernel, stride: 2, padding: Padding::Same };
            let layer = gen_core::LayerSpec { op, activation: gen_core::Activation::Linear };
            let input = Shape::new(6, 6, 1);
            let mut network = Network::new(input, &[BlockSpec::plain(layer)]).unwrap();
            let params: Params = network.init(Init::Smooth(0.02), 5, 0);
            // A slope along x stays one, without a step between neighbours, away from the edges.
            let slope = Array2::from_shape_fn((1, 36), |(_, i)| (i % 6) as f32);
            let y = network.forward(&params, slope.view(), Dropout::Off).to_owned();
            for channel in 0..2 {
                let row: Vec<f32> = (2..10).map(|x| y[(0, (6 * 12 + x) * 2 + channel)]).collect();
                let steps: Vec<f32> = row.windows(2).map(|pair| pair[1] - pair[0]).collect();
                let largest = steps.iter().fold(0f32, |most, step| most.max(step.abs()));
                assert!(largest > 0.0 && steps.iter().all(|step| (step - steps[0]).abs() < 1e-4 * largest), "{row:?}");
            }
        }
    }

    #[test]
    fn smooth_weights_are_as_large_as_normal_ones() {
        let op = Op::ConvTranspose { channels: 64, kernel: 4, stride: 2, padding: Padding::Same };
        let spec = gen_core::LayerSpec { op, activation: gen_core::Activation::Linear };
        let geometry = spec.geometry(Shape::new(8, 8, 64)).unwrap();
        let mut weights = vec![0.0; geometry.weight_count()];
        Init::Smooth(0.02).weights(op, &geometry, &mut rng(1, 0, 0), &mut weights);
        let square = weights.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / weights.len() as f64;
        assert!((square.sqrt() / 0.02 - 1.0).abs() < 0.05, "{square}");
        // The discriminator's convolutions and the dense layer begin as with `normal`.
        for op in [
            Op::Conv { channels: 8, kernel: 4, stride: 2, padding: Padding::Same },
            Op::Dense { out: Shape::new(2, 2, 8) },
        ] {
            let spec = gen_core::LayerSpec { op, activation: gen_core::Activation::Linear };
            let geometry = spec.geometry(Shape::new(8, 8, 4)).unwrap();
            let [smooth, normal] = [Init::Smooth(0.02), Init::Normal(0.02)].map(|init| {
                let mut weights = vec![0.0; geometry.weight_count()];
                init.weights(op, &geometry, &mut rng(1, 0, 0), &mut weights);
                weights
            });
            assert_eq!(smooth, normal);
        }
    }

    #[test]
    fn glorot_weights_have_the_spread_that_keras_gives_them() {
        let valid = Padding::Valid;
        // As in Keras: fan in + fan out, each times the kernel's area; for dense layers, the numbers of values.
        let cases = [
            (Op::Dense { out: Shape::new(16, 16, 128) }, Shape::latent(32), 32 + 16 * 16 * 128),
            (Op::Conv { channels: 128, kernel: 3, stride: 1, padding: valid }, Shape::new(32, 32, 3), 9 * (3 + 128)),
            (
                Op::ConvTranspose { channels: 256, kernel: 4, stride: 2, padding: Padding::Same },
                Shape::new(16, 16, 256),
                16 * (256 + 256),
            ),
            (Op::Dense { out: Shape::new(1, 1, 1) }, Shape::new(2, 2, 128), 512 + 1),
        ];
        for (op, input, fans) in cases {
            let spec = gen_core::LayerSpec { op, activation: gen_core::Activation::Linear };
            let geometry = spec.geometry(input).unwrap();
            let mut weights = vec![0.0; geometry.weight_count()];
            Init::GlorotUniform.weights(op, &geometry, &mut rng(1, 0, 0), &mut weights);
            let limit = (6.0 / f64::from(fans)).sqrt();
            let largest = weights.iter().fold(0.0f32, |m, w| m.max(w.abs()));
            assert!(f64::from(largest) <= limit * 1.000_001 && f64::from(largest) > limit * 0.98, "{op:?}: {largest}");
            let square = weights.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / weights.len() as f64;
            // The variance of U(−a, a) is a² / 3.
            assert!((square / (limit * limit / 3.0) - 1.0).abs() < 0.15, "{op:?}: {square}");
        }
    }
}
