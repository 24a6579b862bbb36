//! Memory that is kept between calls: transformed weights, tiles, and each thread's block.

use std::cell::RefCell;

use super::geometry::Correlation;
use super::panel::{Group, Packed};

/// Groups of weights at the points that a layer keeps, at most: 8 MB. A discriminator's are
/// used three times a step. Of the largest layers a generator has one or two uses a step,
/// and there they save less time than they take memory.
pub(super) const KEPT_GROUPS: usize = 1 << 17;

/// The weights of a layer at the points, which are computed again when they change.
#[derive(Debug, Default)]
pub struct TransformedWeights {
    /// What `values` are of: no correlation, if they are not to be found again.
    pub(super) correlation: Option<Correlation>,
    pub(super) params: Vec<f32>,
    /// `[point][output group][product][input channel]`.
    pub(super) values: Vec<Group>,
}

/// Memory that all layers share; it grows to what the largest one needs.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Those of layers that keep none; they lie under the gradient's sums.
    pub(super) points: TransformedWeights,
    /// Tiles of the input and of the output's gradient: `[group][point][tile]`.
    pub(super) input: Vec<Group>,
    pub(super) output: Vec<Group>,
    /// The gradient in the order of the layer's parameters, cut into input groups.
    pub(super) gradient: Vec<f32>,
}

/// A thread's memory for the tiles that it takes through all stages.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) input: Vec<Group>,
    pub(super) output: Vec<Group>,
    /// Where the values of each tile are read, or `OUTSIDE`.
    pub(super) places: Vec<u32>,
    pub(super) packed: Packed,
}

thread_local! {
    /// Each thread's own.
    pub(super) static BLOCK: RefCell<Block> = RefCell::default();
}

pub(super) fn grow(memory: &mut Vec<Group>, len: usize) {
    if memory.len() < len {
        memory.resize(len, Group::ZERO);
    }
}
