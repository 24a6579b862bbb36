//! Layers with their gradients, over ndarray.
//!
//! A batch is an `[N, H·W·C]` matrix: one picture a row, values in `[H, W, C]`
//! order. A network's parameters are one flat vector, so optimisers, averages and
//! checkpoints know nothing of layers. In comments a `d` prefix is the gradient of
//! the loss with respect to the thing named after it.
//!
//! Results do not depend on the number of threads: work is cut into [`LANES`]
//! lanes whatever the machine, and sums over lanes are taken in order.

pub mod activation;
pub mod batch_norm;
pub mod block;
pub mod channels;
pub mod dropout;
pub mod fast;
pub mod gemm;
#[cfg(test)]
mod gradcheck;
pub mod init;
pub mod linear;
pub mod loss;
pub mod network;
pub mod optim;
pub mod patches;
pub mod penalty;

pub use block::{BlockSpec, Pass};
pub use network::Network;

/// Pieces that a batch is cut into for threads. More would waste time on adding
/// up weight gradients, fewer would leave the cores of a larger machine idle.
pub const LANES: usize = 8;

/// Pictures in a lane of a batch of `n`.
pub fn lane_len(n: usize) -> usize {
    n.div_ceil(LANES).max(1)
}
