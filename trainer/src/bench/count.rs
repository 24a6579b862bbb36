//! How much arithmetic a step is, by the definition of its layers.
//!
//! The count is that of the direct computation: a layer's forward pass multiplies and
//! adds once for every weight at every place ([`Geometry::macs`], taps over the edge
//! included), and so does each of its two gradients. It follows from the geometry alone,
//! whatever is really computed, so that programs that take different ways to the same
//! result can be compared. Activations, normalisations, augmentation and optimisers are
//! not counted.

use anyhow::Result;
use gen_core::spec::Geometry;

use crate::config::Config;
use crate::nn::Network;
use crate::phases::Phase;

/// Multiplications and additions of one pass of a layer over `pictures`.
pub fn layer_flop(geometry: &Geometry, pictures: usize) -> u64 {
    2 * geometry.macs() * pictures as u64
}

/// Multiplications and additions of a step, by the definition of its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count([u64; Phase::ALL.len()]);

impl Count {
    /// Of a step with this configuration. The first layer of the network that learns needs no
    /// gradient of its input; the frozen discriminator needs it in all layers, and no other.
    ///
    /// # Errors
    /// When the configuration makes no networks.
    pub fn of(config: &Config) -> Result<Self> {
        let (generator, discriminator) = config.networks()?;
        let n = config.batch;
        let forward = |network: &Network, pictures| -> u64 {
            network.blocks().iter().map(|block| layer_flop(block.geometry(), pictures)).sum()
        };
        let first = |network: &Network, pictures| layer_flop(network.blocks()[0].geometry(), pictures);
        Ok(Self(Phase::ALL.map(|phase| match phase {
            Phase::GForward => forward(&generator, n),
            Phase::GForwardAgain if config.fresh_latents => forward(&generator, n),
            Phase::DForward => forward(&discriminator, 2 * n),
            Phase::DBackward => 2 * forward(&discriminator, 2 * n) - first(&discriminator, 2 * n),
            Phase::DForwardAgain | Phase::PictureGradient => forward(&discriminator, n),
            Phase::GBackward => 2 * forward(&generator, n) - first(&generator, n),
            Phase::GForwardAgain | Phase::Data | Phase::DOptimiser | Phase::GOptimiser => 0,
        })))
    }

    /// Of one phase.
    pub fn phase(&self, phase: Phase) -> u64 {
        self.0[phase as usize]
    }

    /// Of the whole step.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
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
    fn without_fresh_latents_a_forward_pass_is_saved() {
        let mut config = Config::preset("pocket").unwrap();
        let saved = Count::of(&config).unwrap();
        config.fresh_latents = true;
        let fresh = Count::of(&config).unwrap();
        assert_eq!(saved.phase(Phase::GForwardAgain), 0);
        assert_eq!(fresh.total() - saved.total(), saved.phase(Phase::GForward));
    }
}
