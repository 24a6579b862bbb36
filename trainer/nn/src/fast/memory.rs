//! Memory that is reused between calls: transformed weights, tiles, and a block for each thread.

use std::cell::RefCell;

use super::geometry::Correlation;
use super::panel::{Group, Packed};

/// Largest number of groups of transformed weights that a layer keeps: 8 MB. A discriminator uses them three times a step.
/// A generator uses those of its largest layers only once or twice a step, where the time saved is not worth the memory.
pub(super) const KEPT_GROUPS: usize = 1 << 17;

/// The transformed weights of a layer, which are computed again when the weights change.
#[derive(Debug, Default)]
pub struct TransformedWeights {
    /// The correlation and the version of the weights that `values` belong to; `None` if they must not be reused.
    pub(super) of: Option<(Correlation, u64)>,
    /// `[point][output group][product][input channel]`.
    pub(super) values: Vec<Group>,
}

/// Memory that all layers share. It grows to the size that the largest layer needs.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Transformed weights of layers that do not keep them; the sums of the gradient use the same memory.
    pub(super) points: TransformedWeights,
    /// Tiles of the input and of the output's gradient: `[group][point][tile]`.
    pub(super) input: Vec<Group>,
    pub(super) output: Vec<Group>,
    /// The gradient in the order of the layer's parameters, divided into input groups.
    pub(super) gradient: Vec<f32>,
}

/// The memory of a thread for the tiles that it processes.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) input: Vec<Group>,
    pub(super) output: Vec<Group>,
    /// The offsets in the map of the values of each tile, or `OUTSIDE`.
    pub(super) offsets: Vec<u32>,
    pub(super) packed: Packed,
}

thread_local! {
    /// The block of this thread.
    pub(super) static BLOCK: RefCell<Block> = RefCell::default();
}

pub(super) fn grow(memory: &mut Vec<Group>, len: usize) {
    if memory.len() < len {
        memory.resize(len, Group::ZERO);
    }
}
