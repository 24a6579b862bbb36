//! Runs a quantised image generator on fixed buffers: `no_std`, no allocation,
//! integers only, the same bits on every machine.
//!
//! ```
//! use gen_core::{Engine, Latent, Model, include_aligned};
//!
//! # macro_rules! path { ($_:literal) => { concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny.blob") } }
//! static MODEL: &[u8] = include_aligned!(path!("model.gen"));
//!
//! let model = Model::parse(MODEL)?; // checks everything, once
//! let mut workspace = [0i8; 4 * 1024]; // `model.workspace_len()` says how much is needed
//! let mut engine = Engine::new(&model, &mut workspace)?;
//!
//! let latent = Latent::from_seed(42, model.latent_len()); // picture number 42, everywhere
//! engine.generate(&latent, |y, rgb| {
//!     println!("row {y}: first pixel {:?}", &rgb[..3]);
//! });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Alignment
//!
//! A model begins at an address that is a multiple of 4, on every machine: see [`aligned`].
//!
//! # Workspace
//!
//! The engine allocates nothing; its memory is a buffer. [`Model::workspace_len`] says at run time how long
//! it has to be, [`workspace_len()`] as a `const`, and that is how firmware gets a `static` of the right size:
//! there is the build script for it.
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | none | the kernels for the target: Cortex-M3, M4, M7, M33, x86-64; plain Rust on others |
//! | `portable` | plain Rust on every processor; goes before the next two |
//! | `no-dsp` | on a Cortex-M without DSP instructions that has the target of one with them (an Armv8-M), where they would fault: the kernels of the Cortex-M3 |
//! | `mve` | a Cortex-M55 with MVE, whose target is the M33's. The start-up code has to turn coprocessors 10 and 11 on. For another Cortex-M, or with `no-dsp`, the build fails and says why |
//! | `alloc` | [`aligned`] has a function for models in a `Vec<u8>` |
//! | `defmt` | `defmt::Format` for errors and shapes |
//! | `conformance` | the module `conformance`: tests of the kernels that run on any processor |
//! | `pictures` | the program `pictures`, which needs an operating system |
//!
//! Off a Cortex-M `no-dsp` and `mve` mean nothing. All features together are plain Rust.
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
//! | [`mod@aligned`] | bytes of a model at an address where they can be read |
//! | `choice` | which kernels a target has |
//! | `certain` | indices and divisors that are right, so that no panic is linked |
#![no_std]
#![deny(unsafe_code)] // `kernels` alone calls assembly and vector instructions
#![warn(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;

// Doctests and unit tests run on the host, with std.
#[cfg(test)]
extern crate std;

pub mod aligned;
pub mod blob;
mod certain;
mod choice;
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

pub use aligned::Aligned;
pub use blob::{Model, ParseError};
pub use engine::{Engine, WorkspaceTooSmall, workspace_len};
pub use latent::Latent;
pub use spec::{Activation, Form, LayerSpec, Op, Padding, Shape, SpecError};
