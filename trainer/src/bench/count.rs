//! Counts the arithmetic of a training step, in two ways.
//!
//! The first count is by definition: a layer's forward pass multiplies and
//! adds once for every weight at every position ([`Geometry::macs`], taps in the padding
//! included), and so does each of its two gradients. It depends on the geometry only, not on
//! the algorithm, so that programs with different algorithms can be compared. The second
//! count is that of the multiplications which the chosen algorithms really compute
//! ([`Linear::multiplications`]). Neither includes activations, normalisations, augmentation
//! and optimisers.

use anyhow::Result;
use gen_core::spec::Geometry;

use crate::config::Config;
use crate::nn::Network;
use crate::nn::linear::{Linear, Task};
use crate::phases::Phase;

/// Multiplications and additions of one pass of a layer over `pictures`.
pub fn layer_flop(geometry: &Geometry, pictures: usize) -> u64 {
    2 * geometry.macs() * pictures as u64
}

/// Multiplications and additions of a step, phase by phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    by_definition: [u64; Phase::ALL.len()],
    needed: [u64; Phase::ALL.len()],
}

impl Count {
    /// Counts a step with this configuration. The trained network's first layer needs no gradient of its
    /// input. The frozen discriminator needs the gradient of the input in all layers, and no gradient of weights.
    ///
    /// # Errors
    /// When the configuration is invalid.
    pub fn of(config: &Config) -> Result<Self> {
        let (generator, discriminator) = config.networks()?;
        let n = config.batch;
        let step = |layer: &dyn Fn(&Linear, Task, usize) -> u64| {
            let all = |network: &Network, task, pictures| -> u64 {
                network.blocks().iter().map(|block| layer(block.linear(), task, pictures)).sum()
            };
            let forward = |network, pictures| all(network, Task::Forward, pictures);
            let backward = |network: &Network, pictures| {
                let first = layer(network.blocks()[0].linear(), Task::InputGradient, pictures);
                all(network, Task::InputGradient, pictures) - first + all(network, Task::WeightGradient, pictures)
            };
            Phase::ALL.map(|phase| match phase {
                Phase::GForward => forward(&generator, n),
                Phase::GForwardAgain if config.fresh_latents => forward(&generator, n),
                // A relativistic loss needs two forward passes of the real pictures.
                Phase::DForward => forward(&discriminator, if config.loss.compares() { 3 * n } else { 2 * n }),
                Phase::DBackward => backward(&discriminator, 2 * n),
                // The mean over the steps. Each picture takes three passes, one of them for the slope only.
                Phase::DPenalty => config.penalty.map_or(0, |p| {
                    let kinds = u64::from(p.real > 0.0) + u64::from(p.generated > 0.0);
                    let one = 3 * forward(&discriminator, n)
                        + all(&discriminator, Task::InputGradient, n)
                        + 2 * backward(&discriminator, n);
                    kinds * one / p.every
                }),
                Phase::DForwardAgain => forward(&discriminator, n),
                Phase::PictureGradient => all(&discriminator, Task::InputGradient, n),
                Phase::GBackward => backward(&generator, n),
                Phase::GForwardAgain | Phase::Data | Phase::DOptimiser | Phase::GOptimiser => 0,
                // Not counted: the recipe does not have the teacher's network.
                Phase::Teacher => 0,
            })
        };
        Ok(Self {
            by_definition: step(&|linear, _, pictures| layer_flop(&linear.geometry, pictures)),
            needed: step(&|linear, task, pictures| 2 * linear.multiplications(task, pictures)),
        })
    }

    /// Count of one phase, by the definition of the layers.
    pub fn phase(&self, phase: Phase) -> u64 {
        self.by_definition[phase as usize]
    }

    /// Count of the whole step, by the definition of the layers.
    pub fn total(&self) -> u64 {
        self.by_definition.iter().sum()
    }

    /// Count of one phase, as really computed.
    pub fn needed_in(&self, phase: Phase) -> u64 {
        self.needed[phase as usize]
    }

    /// Count of the whole step, as really computed.
    pub fn needed(&self) -> u64 {
        self.needed.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(preset: &str) -> Count {
        Count::of(&Config::preset(preset).unwrap()).unwrap()
    }

    #[test]
    fn steps_of_the_comparison_are_as_much_work_as_was_counted_by_hand() {
        let gflop = |preset| (count(preset).total() as f64 / 1e8).round() / 10.0;
        assert_eq!(gflop("tutorial"), 640.2);
        assert_eq!(gflop("reference-pocket"), 21.0);
    }

    #[test]
    fn a_step_of_the_tutorial_layer_by_layer() {
        let (n, k) = (20, 2);
        let g = [
            32 * 16 * 16 * 128,
            16 * 16 * 25 * 128 * 256,
            16 * 16 * 16 * 256 * 256,
            32 * 32 * 25 * 256 * 256,
            32 * 32 * 25 * 256 * 256,
            32 * 32 * 49 * 256 * 3,
        ];
        let d = [30 * 30 * 9 * 3 * 128, 14 * 14 * 16 * 128 * 128, 6 * 6 * 16 * 128 * 128, 2 * 2 * 16 * 128 * 128, 512];
        let (g_sum, d_sum) = (g.iter().sum::<u64>(), d.iter().sum::<u64>());
        let count = count("tutorial");
        assert_eq!(count.phase(Phase::GForward), k * n * g_sum);
        assert_eq!(count.phase(Phase::GForwardAgain), k * n * g_sum);
        assert_eq!(count.phase(Phase::GBackward), k * n * (2 * g_sum - g[0]));
        assert_eq!(count.phase(Phase::DForward), 2 * k * n * d_sum);
        assert_eq!(count.phase(Phase::DBackward), 2 * k * n * (2 * d_sum - d[0]));
        assert_eq!(count.phase(Phase::DForwardAgain), k * n * d_sum);
        assert_eq!(count.phase(Phase::PictureGradient), k * n * d_sum);
        assert_eq!(count.total(), k * n * (4 * g_sum - g[0] + 8 * d_sum - 2 * d[0]));
    }

    #[test]
    fn a_layer_needs_what_its_form_multiplies() {
        let (generator, discriminator) = Config::preset("tutorial").unwrap().networks().unwrap();
        let (n, tasks) = (20, Task::ALL);
        // 5x5, 32x32 outputs: 4 x 4 tiles of 8 x 8, 4 real and 70 complex products each.
        let linear = generator.blocks()[3].linear();
        let fourier = n * 16 * (4 + 70 * 3) * 256 * 256;
        assert!(linear.algorithm(Task::Forward).starts_with("Fourier"), "{}", linear.algorithm(Task::Forward));
        assert_eq!(tasks.map(|task| linear.multiplications(task, 20)), [fourier; 3]);
        assert_eq!(tasks.map(|task| linear.padding_fraction(task)), [0.0; 3]);
        // 7x7 to three channels: a matrix product with as many multiplications as the definition.
        let linear = generator.blocks()[5].linear();
        assert_eq!(linear.algorithm(Task::Forward), "product, mirrored");
        assert_eq!(tasks.map(|task| 2 * linear.multiplications(task, 20)), [layer_flop(&linear.geometry, 20); 3]);
        // 4x4 with stride 2 and 14x14 outputs: 2x2 taps over squares of 2x2 pixels.
        let linear = discriminator.blocks()[1].linear();
        let (tiles, points) = if linear.algorithm(Task::Forward).contains("F(3x3") { (5 * 5, 16) } else { (7 * 7, 9) };
        assert_eq!(linear.multiplications(Task::Forward, 20), n * tiles * points * 512 * 128);
        let count = count("tutorial");
        assert!(count.needed() < count.total() / 4, "{} of {}", count.needed(), count.total());
        assert_eq!(count.needed(), Phase::ALL.iter().map(|&phase| count.needed_in(phase)).sum::<u64>());
    }

    #[test]
    fn what_is_multiplied_in_vain_is_known() {
        let networks = |name: &str| Config::preset(name).unwrap().networks().unwrap();
        // A map of 32x32 pixels, whose squares of 2x2 begin one pixel outside of the edge: 17x17 squares, which
        // tiles of three round up to 18x18.
        let (generator, _) = networks("tutorial");
        let linear = generator.blocks()[2].linear();
        assert_eq!(linear.algorithm(Task::Forward), "Winograd F(3x3, 2x2)");
        let empty = linear.padding_fraction(Task::Forward);
        assert!((empty - (1.0 - 32.0 * 32.0 / (36.0 * 36.0))).abs() < 1e-9, "{empty}");
        // An 8x8 map would be 5x5 squares; split by pixel it is four maps of 4x4.
        let (_, discriminator) = networks("reference-pocket");
        let linear = discriminator.blocks()[2].linear();
        assert!(linear.algorithm(Task::InputGradient).contains("apart"), "{}", linear.algorithm(Task::InputGradient));
        assert_eq!(linear.padding_fraction(Task::InputGradient), 0.0);
    }

    #[test]
    fn without_fresh_latents_a_forward_pass_is_saved() {
        let mut config = Config::preset("pocket").unwrap();
        let saved = Count::of(&config).unwrap();
        config.fresh_latents = true;
        let fresh = Count::of(&config).unwrap();
        assert_eq!(saved.phase(Phase::GForwardAgain), 0);
        assert_eq!(fresh.total() - saved.total(), saved.phase(Phase::GForward));
    }
}
