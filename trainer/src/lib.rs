//! Trains a DCGAN on the CPU, quantises its generator and exports it for `gen-core`.
//!
//! Data flows one way:
//!
//! ```text
//! data::Dataset -> train::Trainer -> run::Checkpoint -> quantise::FloatModel -> quantise::QuantModel -> blob
//! ```
//!
//! | module | what stands there |
//! |---|---|
//! | [`config`] | presets: networks and recipes as data |
//! | [`data`] | pictures: CIFAR-10, folders, drawn frogs |
//! | [`nn`] | layers with their gradients, optimisers |
//! | [`augment`], [`mod@train`] | one step of the game |
//! | [`quantise`] | folding, calibration, packing, the proof |
//! | [`latents`] | ways between pictures, more like this one |
//! | [`nearest`] | the training pictures that are nearest to generated ones |
//! | [`quality`] | how far generated pictures are from real ones |
//! | [`phases`], [`usage`], [`bench`] | how fast that is |
//! | [`run`] | the folder of a run: checkpoints, samples, report |
//! | [`card`] | shipped models: where they come from, and how to make them again |
//! | [`parity`] | the step of the tutorial against Keras |
//! | [`tensors`] | named arrays in `.npz` and `.safetensors` files |
//! | [`interchange`] | generators from and for Keras, PyTorch and ONNX |
//! | [`inspect`], [`grid`], [`text`] | tables, pictures and text for people |

pub mod augment;
pub mod bench;
pub mod boards;
pub mod card;
pub mod config;
pub mod cost;
pub mod data;
pub mod files;
pub mod grid;
pub mod inspect;
pub mod interchange;
pub mod latents;
pub mod machine;
pub mod nearest;
pub use nn;
pub mod numbers;
pub mod parity;
pub mod phases;
pub mod pixels;
pub mod quality;
pub mod quantise;
pub mod run;
pub mod schedule;
pub mod tensors;
pub mod terminal;
pub mod text;
pub mod train;
pub mod usage;
