//! Measures how fast the engine draws on this machine with one thread:
//! `cargo run --release -p trainer --example engine_speed`.
//!
//! The weights are random; speed does not depend on them.

#[path = "../tests/nets/mod.rs"]
mod nets;

use std::time::Instant;

use gen_core::aligned;
use gen_core::{Engine, Latent, Model};
use trainer::quantise::QuantModel;

fn main() -> anyhow::Result<()> {
    let networks = [
        ("pocket", nets::pocket(), 400),
        ("reference-pocket", nets::reference_pocket(), 200),
        ("tutorial", nets::tutorial(), 1),
    ];
    for (name, layers, pictures) in networks {
        let blob = QuantModel::random(name, 32, &layers, 1)?.to_blob()?;
        let bytes = aligned(&blob);
        let model = Model::parse(&bytes)?;
        let mut workspace = vec![0; model.workspace_len()];
        let mut engine = Engine::new(model.clone(), &mut workspace)?;
        // The best of three counts, because the others were disturbed by other load.
        let mut best = f64::INFINITY;
        let mut sum = 0u64;
        for _ in 0..3 {
            let start = Instant::now();
            for seed in 0..pictures {
                engine.generate(&Latent::from_seed(seed, 32), |_, row| {
                    sum += row.bytes().iter().map(|&v| u64::from(v)).sum::<u64>();
                });
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        let rate = f64::from(pictures) / best;
        println!("{name:<18} {rate:>9.1} pictures/s {:>7.2} GMAC/s  (sum {sum})", rate * model.macs() as f64 / 1e9);
    }
    Ok(())
}
