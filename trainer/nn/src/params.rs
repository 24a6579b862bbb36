//! The parameters of a network, and which version of them a layer has seen.
//!
//! A layer transforms or packs its weights before it multiplies them, and keeps the result while the weights stay the same.
//! Comparing all weights would take as long as some of the products, so they carry a number that changes when they may have
//! changed.

use std::ops::{Deref, DerefMut, Range};
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of the next version. 0 is never used.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The parameters of a network, one after the other. Equal versions have equal values.
#[derive(Debug, Clone)]
pub struct Params {
    values: Vec<f32>,
    version: u64,
}

impl Params {
    /// The weights of a layer, for [`Linear`](super::linear::Linear).
    pub fn weights(&self, range: Range<usize>) -> Weights<'_> {
        Weights { values: &self.values[range], version: self.version }
    }
}

impl From<Vec<f32>> for Params {
    fn from(values: Vec<f32>) -> Self {
        Self { values, version: NEXT.fetch_add(1, Ordering::Relaxed) }
    }
}

impl From<&[f32]> for Params {
    fn from(values: &[f32]) -> Self {
        values.to_vec().into()
    }
}

impl Default for Params {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl Deref for Params {
    type Target = Vec<f32>;

    fn deref(&self) -> &Vec<f32> {
        &self.values
    }
}

impl DerefMut for Params {
    /// Makes a new version.
    fn deref_mut(&mut self) -> &mut Vec<f32> {
        self.version = NEXT.fetch_add(1, Ordering::Relaxed);
        &mut self.values
    }
}

impl PartialEq for Params {
    /// Whether the values are equal.
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

/// The weights of a layer. Equal versions of one layer's weights have equal values.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// The values.
    pub values: &'a [f32],
    /// The version.
    pub(crate) version: u64,
}

impl<'a> From<&'a [f32]> for Weights<'a> {
    /// A version of its own, for which nothing is kept.
    fn from(values: &'a [f32]) -> Self {
        Self { values, version: NEXT.fetch_add(1, Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A version stands for values: it changes when they may have changed, and clones share it.
    #[test]
    fn a_version_changes_with_the_values() {
        let mut params = Params::from(vec![1.0, 2.0, 3.0]);
        let copy = params.clone();
        assert_eq!(copy.weights(0..2).version, params.weights(1..3).version);
        params[1] = 5.0;
        assert_ne!(copy.weights(0..2).version, params.weights(0..2).version);
        assert_ne!(copy, params);
        assert_ne!(Params::from(vec![1.0, 2.0, 3.0]).weights(0..1).version, copy.weights(0..1).version);
    }
}
