//! The machine and the program's version, which determine the last bits of training together with recipe and pictures.
//!
//! Sums of f32 depend on the order of summation. The order does not depend on the number of threads,
//! but it depends on the width of vector instructions, on whether they fuse multiplication
//! and addition, and on the size of the caches, because `gemm` splits long sums into parts that
//! fit. Instead of all these properties, a card stores a checksum of the first steps of its own
//! recipe: a machine and a program with the same checksum give the same bits to the end.

use std::env::consts::ARCH;

use anyhow::Result;

use crate::config::Config;
use crate::nn::vectors::Vectors;
use crate::train::{Examples, Trainer};

/// Name and version of this program, as cards and reports name it.
pub fn program() -> String {
    format!("trainer {}", env!("CARGO_PKG_VERSION"))
}

/// Number of steps after which every operation has affected the weights.
const STEPS: usize = 2;

/// The kind of this processor: the set of vector instructions that this process uses.
pub fn processor() -> String {
    format!("{ARCH} with {}", Vectors::used())
}

/// The kind of this processor, and with what it multiplies bf16 numbers in this recipe, if it does.
pub fn arithmetic(config: &Config) -> String {
    let bf16 = config.bf16().map(|unit| {
        let emulated = if unit.is_emulated() { ", emulated" } else { "" };
        format!(", bf16 products as {} computes them{emulated}", unit.instruction().name())
    });
    format!("{}{}", processor(), bf16.unwrap_or_default())
}

/// CRC-32, in eight hexadecimal digits, of both networks' weights after two steps of this
/// recipe on `pictures`, `[N, side, side, 3]`, without a teacher.
///
/// # Errors
/// When the recipe is invalid, or a step fails.
pub fn first_steps<'a>(config: &Config, examples: impl Into<Examples<'a>>) -> Result<String> {
    let examples = examples.into();
    let mut trainer = Trainer::new(Config { distil: None, ..config.clone() })?;
    for _ in 0..STEPS {
        trainer.step(examples)?;
    }
    let mut crc = crc32fast::Hasher::new();
    for weights in [&trainer.state.generator, &trainer.state.discriminator] {
        weights.iter().for_each(|weight| crc.update(&weight.to_le_bytes()));
    }
    Ok(format!("{:08x}", crc.finalize()))
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::*;
    use crate::store::PictureStore;

    #[test]
    fn first_steps_tell_recipes_and_pictures_apart_but_not_repetitions() {
        let config = Config::preset("pocket").unwrap().narrowed(16);
        let array = Array4::from_shape_fn((40, 32, 32, 3), |(n, y, x, c)| (n * 6 + y * 5 + x * 3 + c) as u8);
        let pictures = PictureStore::from(array.view());
        let first = first_steps(&config, &pictures).unwrap();
        assert_eq!(first_steps(&config, &pictures).unwrap(), first);
        let other = Config { seed: config.seed + 1, ..config.clone() };
        assert_ne!(first_steps(&other, &pictures).unwrap(), first);
        assert_ne!(first_steps(&config, &PictureStore::from(array.mapv(|v| v / 2))).unwrap(), first);
        assert!(processor().starts_with(ARCH));
    }
}
