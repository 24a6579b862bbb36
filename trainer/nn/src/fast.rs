//! Convolutions with fewer multiplications than their definition.
//!
//! Every convolution of the presets is a correlation with stride 1 if pixels are grouped into squares of `step × step`: a
//! 4x4 convolution with stride 2 reads its input in squares of 2x2 and has 2x2 taps, and a transposed convolution writes its
//! output in squares. Their gradients are correlations too, with input and output exchanged. So there is one type,
//! [`Correlation`], and two transforms to a domain in which a correlation is a product:
//!
//! | taps | transform | real products for each output | by definition |
//! |---|---|---|---|
//! | 2x2 | Winograd F(3×3) or F(2×2) | 1.78, 2.25 | 4 |
//! | 2x2, [`Kernels::Faster`](super::linear::Kernels) | Winograd F(4×4) | 1.56 | 4 |
//! | 3x3 | Winograd F(2×2) | 4 | 9 |
//! | 5x5 | Fourier, 12x12 tiles | 3.34 | 25 |
//!
//! A complex product takes three real ones (Gauss), so the 4 real and 70 complex values
//! of a tile's Fourier transform take 214 for its 64 outputs.
//!
//! Larger Winograd tiles need fewer products but lose digits. F(4×4, 5×5), with 4 products for each output, has ten times the
//! rounding error of the definition, too much for the agreement with Keras that `trainer parity` requires. With only the
//! points 0, ±1 and ∞, and with the Fourier transform, the error is that of the definition.
//!
//! Data passes through these stages:
//!
//! ```text
//! map -> gather tiles -> transform -> products with the transformed weights -> inverse transform -> scatter to the map
//! ```
//!
//! | file | contents |
//! |---|---|
//! | `geometry.rs` | maps as squares, positions of tiles, positions of weights |
//! | `cost.rs` | estimates which tile size is fastest |
//! | `plan.rs` | a correlation in one or several parts; choice of vector instructions |
//! | `forward.rs` | outputs: all stages for a block of tiles that fits the cache |
//! | `gradient.rs` | gradient of the weights |
//! | `weights.rs`, `tiles.rs` | gather weights and tiles, and transform them |
//! | `memory.rs` | memory that is reused between calls |
//! | `domain.rs` | the trait of the transforms |
//! | `winograd.rs`, `points.rs`, `transform.rs` | the Winograd transform, its matrices, products with a small matrix |
//! | `fourier.rs` | the Fourier transform |
//! | `panel.rs` | matrix products: pack, micro-kernel |

// The compiler unrolls loops over constant ranges and keeps the arrays in registers. It makes closures of iterators
// functions of their own, without vector instructions.
#![allow(clippy::needless_range_loop)]

mod cost;
mod domain;
mod forward;
mod fourier;
mod geometry;
mod gradient;
mod memory;
mod panel;
mod plan;
mod points;
mod tiles;
mod transform;
mod weights;
mod winograd;

pub use forward::Epilogue;
pub use geometry::{Correlation, Side};
pub use memory::{Scratch, TransformedWeights};
pub use plan::Plan;
