//! The numbers that the convolutions multiply in training, and what a processor does that cannot.

use std::fmt;
use std::str::FromStr;

use super::keys::recipe;
use crate::nn::bf16::{Instruction, Unit};

recipe! {
    /// The numbers that the convolutions multiply in training. Weights, sums, gradients and everything else are float32
    /// with both. The finished generator is always drawn and fine-tuned in float32.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum Precision {
        /// 24 significant bits.
        #[default]
        Float32,
        /// 8 significant bits, rounded to the nearest: what mixed precision is called elsewhere (Kalamkar et al. 2019,
        /// arXiv:1905.12322). Used where it is faster, with the processor's AMX or AVX512-BF16 instructions.
        Bf16,
    }
}

recipe! {
    /// What `precision = "bf16"` does on a processor without such instructions. The instructions differ in the order of their
    /// sums, so that each gives bits of its own; the card of a model says which one it was.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum Fallback {
        /// Computes in float32. A processor that has the instructions uses the fastest.
        #[default]
        Float32,
        /// Computes what AMX computes, to the last bit, on every processor: slowly where it has to be emulated.
        Amx,
        /// Computes what AVX512-BF16 computes, to the last bit, on every processor: slowly where it has to be emulated.
        Avx512,
    }
}

impl Precision {
    /// The name in TOML and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Bf16 => "bf16",
        }
    }

    /// What multiplies bf16 numbers here; `None` if float32 numbers are multiplied.
    pub fn unit(self, fallback: Fallback) -> Option<Unit> {
        let always = |instruction| Unit::with(instruction).unwrap_or(Unit::emulating(instruction));
        match (self, fallback) {
            (Self::Float32, _) => None,
            (Self::Bf16, Fallback::Float32) => Unit::native(),
            (Self::Bf16, Fallback::Amx) => Some(always(Instruction::Amx)),
            (Self::Bf16, Fallback::Avx512) => Some(always(Instruction::Avx512)),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Float32, Self::Bf16].into_iter().find(|precision| precision.name() == text);
        found.ok_or_else(|| "it has to be float32 or bf16".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fallback_decides_only_where_it_has_to() {
        let named = [(Fallback::Amx, Instruction::Amx), (Fallback::Avx512, Instruction::Avx512)];
        for (fallback, instruction) in named {
            let unit = Precision::Bf16.unit(fallback).unwrap();
            assert_eq!(unit.instruction(), instruction);
            assert_eq!(unit.is_emulated(), Unit::with(instruction).is_none());
            assert_eq!(Precision::Float32.unit(fallback), None);
        }
        assert_eq!(Precision::Bf16.unit(Fallback::Float32), Unit::native());
        assert!(Unit::native().is_none_or(|unit| !unit.is_emulated()));
    }

    #[test]
    fn names_are_those_of_recipes() {
        for precision in [Precision::Float32, Precision::Bf16] {
            assert_eq!(precision.name().parse(), Ok(precision));
            assert_eq!(format!("\"{precision}\""), toml::Value::try_from(precision).unwrap().to_string());
        }
        assert!("bfloat16".parse::<Precision>().unwrap_err().contains("float32 or bf16"));
    }
}
