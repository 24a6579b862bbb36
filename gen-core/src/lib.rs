//! Draws pictures with a quantised image generator on a microcontroller: `no_std`, no allocation, integer
//! arithmetic only, and the same bits on every machine.
//!
//! ```
//! use gen_core::{Engine, ModelFile, Workspace, include_model};
//!
//! # macro_rules! path { ($_:literal) => { concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny.blob") } }
//! const FROG: ModelFile = include_model!(path!("model.gen")); // a file that is no model does not compile
//!
//! let mut workspace = Workspace::<{ FROG.workspace_len() }>::new(); // the only buffer
//! let mut engine = Engine::new(FROG.model()?, &mut workspace)?; // checks everything, once
//!
//! let latent = engine.model().latent(42); // picture number 42, on every machine
//! let mut picture = Vec::new();
//! engine.generate(&latent, |_y, row| picture.extend_from_slice(row.bytes())); // row by row, here 3 bytes a pixel
//!
//! assert_eq!(picture.len(), FROG.output_shape().len());
//! # let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
//! # assert_eq!(crc.checksum(&picture), 0xdccb_c8bc);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | you have | use |
//! |---|---|
//! | a model file that becomes part of the program | [`include_model!`], then [`ModelFile::model`] |
//! | a workspace to declare as a `static` | [`Workspace`], with [`ModelFile::workspace_len`] bytes |
//! | the bytes of a model that is known at run time only | `aligned`, then [`Model::parse`] |
//! | a number, for a picture that is the same everywhere | [`Model::latent`] |
//! | two latents, for pictures between them | [`Latent::toward`] |
//! | the text of a latent, such as that of your own picture | [`Latent::from_hex`] |
//! | a place to send rows to, which may wait (`async`) or fail | [`Engine::start`] |
//! | a closure that takes the rows | [`Engine::generate`] |
//! | a display of embedded-graphics | `Engine::draw`, with the feature `embedded-graphics` |
//! | a row of a picture, grey or RGB | [`Pixels`] |
//!
//! # Alignment
//!
//! The address of a model is a multiple of 4, on every machine. [`include_model!`] and [`include_aligned!`] place a model
//! in the program accordingly, and `aligned` (feature `alloc`) does it for a `Vec<u8>`. For a model in a section of its own, the linker
//! script sets the alignment.
//!
//! # Memory
//!
//! The engine allocates nothing. It works in a buffer, whose size in bytes is [`Model::workspace_len`] at run time and
//! [`ModelFile::workspace_len`] at compile time. Weights are read where they are, in flash.
//!
//! # Errors
//!
//! [`Model::parse`] and [`Engine::new`] check everything, so drawing returns no errors. With the kernels for a Cortex-M3
//! or larger no panic is linked into a program for a chip.
//!
//! # Features
//!
//! | feature | effect |
//! |---|---|
//! | none | the fastest kernels for the target: Cortex-M3, M4, M7, M33, x86-64; plain Rust on others |
//! | `winograd` (default) | reads models whose weights have Winograd's transform. Without it they are refused, and programs are smaller |
//! | `x86` (default) | the kernels for x86-64; without it plain Rust there |
//! | `writer` | writes model files; for programs that make models |
//! | `portable` | plain Rust on every processor; overrides the next two |
//! | `no-dsp` | for a Cortex-M without DSP instructions whose target also has cores with them (Armv8-M): the kernels of the Cortex-M3. Without this feature it faults |
//! | `mve` | for a Cortex-M55 with MVE, whose target is that of the M33. The start-up code has to enable coprocessors 10 and 11. For another Cortex-M, or together with `no-dsp`, the build fails with a message |
//! | `embedded-graphics` | adds `Engine::draw` and `FromRgb`: pictures on displays of embedded-graphics |
//! | `alloc` | adds the function `aligned`, for models in a `Vec<u8>` |
//! | `defmt` | implements `defmt::Format` for errors and shapes |
//! | `conformance` | adds the module `conformance`: tests of the kernels that run on any processor |
//! | `pictures` | builds the program `pictures`, which needs an operating system |
//!
//! `no-dsp` and `mve` have no effect on targets other than a Cortex-M. All features together give plain Rust.
//!
//! # For contributors
//!
//! Modules import only from modules further down in this table.
//!
//! | module | contents |
//! |---|---|
//! | `graphics` | pictures on displays of embedded-graphics |
//! | `included` | a model file that the compiler reads, and a workspace of its size |
//! | `engine` | the order in which rows are computed, and where they are kept |
//! | `row` | one output row of one layer: blocks, staging, edges, phases |
//! | `kernels` | the multiplications, one implementation for each kind of processor |
//! | `model` | the file format, its parser, and the parsed model |
//! | `plan` | the sizes of the kernels, and the memory that follows from them |
//! | `packing` | the order of weights in a file |
//! | `quant` | the arithmetic: accumulators, rounding, the tables of tanh |
//! | `winograd` | transforms that save multiplications and change no bits |
//! | `latent` | the latent of a picture number, and its text |
//! | `upscale` | enlargement of a picture, row by row |
//! | `pixels` | a row of a picture |
//! | [`spec`] | layers and shapes; which input rows an output row needs |
//! | `aligned` | bytes of a model at an address where they can be read |
//! | `choice` | the kernels of each target |
//! | `no_panic` | indexing and division that link no panic |
//!
//! The modules `format`, `kernels`, `plan` and `quant` are public for the trainer and for tests. Except for `format`, they
//! are hidden from the documentation and may change in any version.
#![no_std]
#![deny(unsafe_code)] // allowed in `kernels` alone, for assembly and vector instructions
#![warn(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;

// Doctests and unit tests run on the host, with std.
#[cfg(test)]
extern crate std;

mod aligned;
mod choice;
#[cfg(feature = "conformance")]
pub mod conformance;
mod engine;
#[cfg(feature = "embedded-graphics")]
mod graphics;
mod included;
#[doc(hidden)]
pub mod kernels;
mod latent;
mod model;
mod no_panic;
mod packing;
mod pixels;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod quant;
mod row;
pub mod spec;
mod upscale;
mod winograd;

pub use aligned::Aligned;
#[cfg(feature = "alloc")]
pub use aligned::{AlignedBytes, aligned};
pub use engine::{Engine, EngineError, EngineFor, LayerObserver, Rows, workspace_len};
#[cfg(feature = "embedded-graphics")]
pub use graphics::FromRgb;
pub use included::{ModelFile, Workspace};
pub use latent::{ClassMix, Latent, LatentTextError};
pub use model::{Classes, Layer, Model, ParseError, Section, format};
pub use pixels::Pixels;
pub use spec::{Activation, LayerSpec, Op, Padding, Shape, SpecError, WeightTransform};
pub use upscale::{Band, BilinearUpscaler, MAX_SCALE, Rgb};
