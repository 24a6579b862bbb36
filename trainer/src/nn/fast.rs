//! Convolutions with fewer multiplications than their definition has.
//!
//! Every convolution of the presets is a correlation with stride 1 once pixels are
//! seen as `step × step` squares: a 4x4 convolution with stride 2 reads its input in
//! squares of 2x2 and has 2x2 taps, a transposed one writes its output in squares.
//! Their gradients are the same with the sides exchanged. So there is one form,
//! [`Correlation`], and two domains in which it is a product:
//!
//! | taps | | real products an output | instead of |
//! |---|---|---|---|
//! | 2x2 | Winograd F(3×3) or F(2×2) | 1.78, 2.25 | 4 |
//! | 2x2, [`Kernels::Faster`](super::linear::Kernels) | Winograd F(4×4) | 1.56 | 4 |
//! | 3x3 | Winograd F(2×2) | 4 | 9 |
//! | 5x5 | Fourier, 12x12 tiles | 3.34 | 25 |
//!
//! A complex product takes three real ones (Gauss), so the 4 real and 70 complex values
//! of a tile's Fourier transform take 214 for its 64 outputs.
//!
//! Larger tiles of Winograd's need fewer products but lose digits: F(4×4, 5×5), with 4,
//! has ten times the rounding error of the definition, too much for the agreement
//! with Keras that `trainer parity` asks for. With the points 0, ±1 and ∞ alone, and
//! with the Fourier transform, the error stays where it is.
//!
//! | file | what stands there |
//! |---|---|
//! | [`correlation`] | tiles, blocks, threads |
//! | [`domain`] | the transforms' common form |
//! | [`points`], [`transform`] | Winograd's |
//! | [`fourier`] | Fourier's |
//! | [`panel`] | the products |

// Loops over constant ranges become straight code over registers; iterators over the
// same arrays are compiled as functions of their own, without vector instructions.
#![allow(clippy::needless_range_loop)]

pub mod correlation;
pub mod domain;
pub mod fourier;
pub mod panel;
pub mod points;
pub mod transform;

pub use correlation::{Correlation, Epilogue, Plan, Points, Scratch, Side};
