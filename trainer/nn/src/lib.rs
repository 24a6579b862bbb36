//! Layers of a DCGAN with their gradients, losses and optimisers, over ndarray.
//!
//! A batch is an `[N, H·W·C]` matrix: one picture a row, values in `[H, W, C]` order. All parameters of
//! a network are one flat vector, so optimisers, averages and checkpoints do not depend on the layers.
//! A name with the prefix `d_` (or `d` before a letter, as in `dx`) is the gradient of the loss with
//! respect to the rest of the name.
//!
//! Results do not depend on the number of threads: a batch is always divided into [`LANES`] lanes, and sums over lanes are
//! added in the order of the lanes.
//!
//! This is a crate of its own because most of its code is compiled once for each kind of vector instructions, which takes
//! long. Cargo builds it in parallel with the trainer's other dependencies, and again only if it changes.
//!
//! | module | contents |
//! |---|---|
//! | [`params`] | the parameters of a network, and their version |
//! | [`network`], [`block`] | a chain of layers; one layer with its bias or normalisation and activation |
//! | [`linear`], [`patches`], [`gemm`] | dense layers and convolutions as matrix products |
//! | `equal_gain` | transposed convolutions without a checkerboard |
//! | [`fast`] | convolutions with fewer multiplications: Winograd, Fourier |
//! | [`bf16`] | convolutions as products of bf16 matrices |
//! | [`activation`], [`batch_norm`], [`layer_norm`], [`dropout`], [`channels`] | the other parts of a layer; loops over channels |
//! | [`classes`] | conditional networks: the embedding of a generator, the projection of a discriminator |
//! | [`vectors`] | the vector instructions that are used |
//! | [`init`], [`loss`], [`penalty`], [`optim`] | initial weights, losses, the penalties R1 and R2, optimisers |

pub mod activation;
pub mod batch_norm;
pub mod bf16;
pub mod block;
pub mod channels;
pub mod classes;
pub mod dropout;
mod equal_gain;
pub mod fast;
pub mod gemm;
#[cfg(test)]
mod gradcheck;
pub mod init;
pub mod layer_norm;
pub mod linear;
pub mod loss;
pub mod network;
pub mod optim;
pub mod params;
pub mod patches;
pub mod penalty;
mod scratch;
#[cfg(test)]
mod textbook;
pub mod vectors;

pub use block::{BlockSpec, Dropout, Norm};
pub use classes::Batch;
pub use network::Network;
pub use params::{Params, Weights};

/// Number of lanes into which a batch is divided; each lane is computed by one thread. With more lanes, adding their weight
/// gradients takes longer; with fewer, larger machines would have idle cores.
pub const LANES: usize = 8;

/// Pictures in a lane of a batch of `n`.
pub fn lane_len(n: usize) -> usize {
    n.div_ceil(LANES).max(1)
}
