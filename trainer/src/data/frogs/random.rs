//! Random choices that are the same on every machine.

use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A fixed generator with 32-bit draws only, because `SmallRng` and `usize` ranges differ between machines,
/// and the range sampling of `rand` may change between its versions.
pub(super) struct Random(Xoshiro128PlusPlus);

impl Random {
    /// The random numbers of picture `index` of `seed`; they depend only on these two.
    pub(super) fn new(seed: u64, index: u64) -> Self {
        let base = Xoshiro128PlusPlus::seed_from_u64(seed).next_u64();
        Self(Xoshiro128PlusPlus::seed_from_u64(base.wrapping_add(index)))
    }

    /// Uniform in `[0, 1)`, 24 bits.
    pub(super) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// Uniform in `[low, high)`.
    pub(super) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// `true` with probability `p`.
    pub(super) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// Uniform in `0..n`; 0 for an empty range.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.0.next_u32()) * n as u64) >> 32) as usize
    }
}
