//! Runs a quantised image generator on fixed buffers: `no_std`, no allocation,
//! integers only, the same bits on every machine.
//!
//! ```
//! use gen_core::{Engine, Latent, Model};
//!
//! # fn demo(blob: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let model = Model::parse(blob)?; // checks everything, once
//! let mut workspace = [0i8; 16 * 1024]; // `model.workspace_len()` says how much is needed
//! let mut engine = Engine::new(&model, &mut workspace)?;
//!
//! let latent = Latent::from_seed(42, model.latent_len()); // frog number 42, everywhere
//! engine.generate(&latent, |y, rgb| {
//!     println!("row {y}: first pixel {:?}", &rgb[..3]);
//! });
//! # Ok(()) }
//! ```
//!
//! Read in this order:
//!
//! | module | what stands there |
//! |---|---|
//! | [`spec`] | layers and shapes; which input rows an output row needs |
//! | [`fixed`] | the arithmetic: accumulators, rounding, the tanh table |
//! | [`latent`] | seed → latent, a written contract |
//! | [`blob`] | the file format, and the parser that checks it |
//! | [`packing`] | where a weight lies in it |
//! | [`tiling`] | how a row is cut into blocks, and the memory bill |
//! | [`row`] | one output row of one layer: staging, edges, phases |
//! | [`kernels`] | multiplying, a file for each processor |
//! | [`winograd`] | fewer multiplications, the same bits |
//! | [`engine`] | which row is computed when, and where it is kept |
//! | `certain` | indices and divisors that are right, so that no panic is linked |
#![no_std]
#![deny(unsafe_code)] // `kernels` alone calls assembly and vector instructions
#![warn(missing_docs)]

// Doctests and unit tests run on the host, with std.
#[cfg(test)]
extern crate std;

pub mod blob;
mod certain;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod engine;
pub mod fixed;
pub mod kernels;
pub mod latent;
pub mod packing;
pub mod row;
pub mod spec;
pub mod tiling;
pub mod winograd;

pub use blob::{Model, ParseError};
pub use engine::{Engine, WorkspaceTooSmall};
pub use latent::Latent;
pub use spec::{Activation, Form, LayerSpec, Op, Padding, Shape, SpecError};
