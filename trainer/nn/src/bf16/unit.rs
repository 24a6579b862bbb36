//! The choice between the instructions that multiply bf16 numbers, and their emulation.

use super::operands::{Columns, Instruction, Rows, Source, Sums, TILE_WORDS, Target};
use super::portable;
#[cfg(target_arch = "x86_64")]
use crate::vectors::Vectors;

/// How products of bf16 numbers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    instruction: Instruction,
    emulated: bool,
}

impl Unit {
    /// The fastest instruction of this processor; `None` if it has none, or none that is faster than float32.
    ///
    /// AVX512-BF16 is used on AMD's processors. On Intel's (measured on a Xeon of 2023) it does half as many multiplications
    /// in a cycle as float32 instructions do.
    pub fn native() -> Option<Self> {
        Self::with(Instruction::Amx).or_else(|| Self::with(Instruction::Avx512).filter(|_| is_amd()))
    }

    /// This instruction of this processor; `None` if it lacks it.
    pub fn with(instruction: Instruction) -> Option<Self> {
        has(instruction).then_some(Self { instruction, emulated: false })
    }

    /// Computes what this instruction computes, bit for bit, on any processor, and slowly.
    pub fn emulating(instruction: Instruction) -> Self {
        Self { instruction, emulated: true }
    }

    /// The instruction that computes, or that is emulated.
    pub fn instruction(self) -> Instruction {
        self.instruction
    }

    /// Whether the instruction is emulated.
    pub fn is_emulated(self) -> bool {
        self.emulated
    }

    /// Writes to `sums`, or adds with `add`, the products of tiles of rows, which begin at `starts`, with one or two tiles of columns.
    ///
    /// # Panics
    /// If an operand is too short.
    pub(super) fn multiply(self, rows: Rows<'_>, starts: &[usize], columns: Columns<'_>, add: bool, sums: &mut [Sums]) {
        assert_eq!(sums.len(), starts.len().div_ceil(2), "a block of sums for two tiles of rows");
        assert!(matches!(columns.tiles, 1 | 2), "one or two tiles of columns");
        assert!(columns.words.len() >= rows.chunks.len() * columns.tiles * TILE_WORDS, "all chunks of the columns");
        let end = starts.iter().copied().max().unwrap_or(0) + rows.reach();
        assert!(end <= rows.values.len(), "rows end at {end} of {}", rows.values.len());
        #[cfg(target_arch = "x86_64")]
        if !self.emulated {
            return match self.instruction {
                Instruction::Amx => super::amx::multiply(rows, starts, columns, add, sums),
                Instruction::Avx512 => super::avx512::multiply(rows, starts, columns, add, sums),
            };
        }
        portable::multiply(self.instruction, rows, starts, columns, add, sums);
    }

    /// See [`portable::store`].
    pub(super) fn store(self, sums: &Sums, to: Target<'_>, y: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if !self.emulated {
            return super::avx512::store(sums, to, y);
        }
        portable::store(sums, to, y);
    }

    /// See [`portable::pairs`].
    pub(super) fn pairs(self, from: Source<'_>, to: &mut [u32]) {
        #[cfg(target_arch = "x86_64")]
        if !self.emulated {
            return super::avx512::pairs(from, to);
        }
        portable::pairs(from, to);
    }

    /// See [`portable::round`].
    pub(super) fn round(self, from: &[f32], to: &mut [u16]) {
        #[cfg(target_arch = "x86_64")]
        if !self.emulated {
            return super::avx512::round(from, to);
        }
        portable::round(from, to);
    }

    /// See [`portable::transpose`].
    pub(super) fn transpose(self, rows: &[u16], stride: usize, channels: usize, to: &mut [u16], to_stride: usize) {
        #[cfg(target_arch = "x86_64")]
        if !self.emulated {
            return super::avx512::transpose(rows, stride, channels, to, to_stride);
        }
        portable::transpose(rows, stride, channels, to, to_stride);
    }
}

#[cfg(target_arch = "x86_64")]
fn has(instruction: Instruction) -> bool {
    static AMX: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let vectors = Vectors::used() == Vectors::Avx512
        && is_x86_feature_detected!("avx512bf16")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    vectors && (instruction == Instruction::Avx512 || *AMX.get_or_init(super::amx::available))
}

#[cfg(target_arch = "x86_64")]
fn is_amd() -> bool {
    // Leaf 0 of CPUID: EBX, EDX, ECX are the maker's name.
    let leaf = std::arch::x86_64::__cpuid(0);
    [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes).concat() == b"AuthenticAMD"
}

#[cfg(not(target_arch = "x86_64"))]
fn has(_: Instruction) -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn is_amd() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::super::operands::{CHUNK, OUTSIDE, Segment, TILE};
    use super::*;

    /// Rounding by the processor and by its emulation, for every upper half of a float32 with lower halves around a tie.
    #[test]
    fn rounding_is_emulated_to_the_last_bit() {
        let Some(unit) = Unit::with(Instruction::Avx512) else { return };
        let halves = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff];
        let values: Vec<f32> = (0..=u16::MAX)
            .flat_map(|upper| halves.map(|lower| f32::from_bits(u32::from(upper) << 16 | lower)))
            .collect();
        let [mut native, mut emulated] = [vec![1; values.len()], vec![2; values.len()]];
        unit.round(&values, &mut native);
        Unit::emulating(Instruction::Avx512).round(&values, &mut emulated);
        assert_eq!(native, emulated);
    }

    /// Segments of all lengths, at neighbouring and at distant channels, with rows that do not exist.
    #[test]
    fn pairs_are_emulated_to_the_last_bit() {
        let Some(unit) = Unit::with(Instruction::Avx512) else { return };
        let values: Vec<f32> = (0..5000).map(|i| (i as f32 * 0.37).sin() * 1e-3).collect();
        for (distance, len) in [(1, 16), (1, 5), (7, 16), (48, 11)] {
            let segments = [
                Segment { column: 0, len, pixel: 0, channel: 0 },
                Segment { column: TILE + 3, len: 9, pixel: 1, channel: 2 },
            ];
            let rows: Vec<u32> = (0..2 * CHUNK as u32).map(|i| if i % 5 == 3 { OUTSIDE } else { i * 67 }).collect();
            let from = Source { values: &values, rows: &rows, step: 2, segments: &segments, distance };
            let [mut native, mut emulated] = [vec![0; 2 * TILE_WORDS], vec![0; 2 * TILE_WORDS]];
            unit.pairs(from, &mut native);
            Unit::emulating(Instruction::Avx512).pairs(from, &mut emulated);
            assert_eq!(native, emulated, "distance {distance}, {len} channels");
            assert!(native.iter().any(|&word| word != 0));
        }
    }
}
