//! The machine and the version of this program: what decides the last bits of training besides recipe and pictures.
//!
//! Sums of f32 depend on their order. That does not depend on the number of threads,
//! but it does on the width of vector instructions, on whether they fuse multiplication
//! and addition, and, because `gemm` cuts long sums into parts that fit, on the size of
//! the caches. Instead of listing all that can matter, a card keeps what the first steps
//! of its own recipe came to: a machine and a program that agree there agree to the end.

use std::env::consts::ARCH;

use anyhow::Result;
use ndarray::Array4;
use pulp::Arch;

use crate::config::Config;
use crate::train::Trainer;

/// Name and version of this program, as cards and reports name it.
pub fn program() -> String {
    format!("trainer {}", env!("CARGO_PKG_VERSION"))
}

/// Steps that are enough for every operation to have had its effect on the weights.
const STEPS: usize = 2;

/// The kind of this processor, as far as vector instructions go.
pub fn processor() -> String {
    // "V4(...)" with all features in it; the kind is enough.
    let kind = format!("{:?}", Arch::new());
    let kind = kind.split('(').next().unwrap_or_default();
    let words = match (ARCH, kind) {
        ("x86_64", "V4") => "AVX-512",
        ("x86_64", "V3") => "AVX2 and FMA",
        ("aarch64", "Neon") => "NEON",
        _ => kind,
    };
    format!("{ARCH} with {words}")
}

/// CRC-32, in eight hexadecimal digits, of both networks' weights after two steps of this
/// recipe on `pictures`, `[N, side, side, 3]`.
///
/// # Errors
/// When the recipe makes no networks, or a step fails.
pub fn first_steps(config: &Config, pictures: &Array4<u8>) -> Result<String> {
    let mut trainer = Trainer::new(config.clone())?;
    for _ in 0..STEPS {
        trainer.step(pictures)?;
    }
    let mut crc = crc32fast::Hasher::new();
    for weights in [&trainer.state.generator, &trainer.state.discriminator] {
        weights.iter().for_each(|weight| crc.update(&weight.to_le_bytes()));
    }
    Ok(format!("{:08x}", crc.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_steps_tell_recipes_and_pictures_apart_but_not_repetitions() {
        let config = Config::preset("pocket").unwrap().narrowed(16);
        let pictures = Array4::from_shape_fn((40, 32, 32, 3), |(n, y, x, c)| (n * 6 + y * 5 + x * 3 + c) as u8);
        let first = first_steps(&config, &pictures).unwrap();
        assert_eq!(first_steps(&config, &pictures).unwrap(), first);
        let other = Config { seed: config.seed + 1, ..config.clone() };
        assert_ne!(first_steps(&other, &pictures).unwrap(), first);
        assert_ne!(first_steps(&config, &pictures.mapv(|v| v / 2)).unwrap(), first);
        assert!(processor().starts_with(ARCH));
    }
}
