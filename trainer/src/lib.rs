//! Trains a DCGAN on the CPU, quantises its generator and exports it for `gen-core`.
//!
//! Data flows one way:
//!
//! ```text
//! data::Dataset -> train::Trainer -> run::Checkpoint -> quantise::FloatModel -> quantise::QuantModel -> blob
//! ```
//!
//! | module | contents |
//! |---|---|
//! | [`config`] | networks and recipes as data, the presets |
//! | [`data`] | training pictures: CIFAR-10, folders, drawn frogs |
//! | [`store`] | many pictures, in memory or in a file |
//! | [`nn`] | layers with their gradients, optimisers |
//! | [`augment`], [`schedule`], [`mod@train`] | augmentation, learning rates, one training step |
//! | [`quantise`] | folding, calibration, fine-tuning, packing, comparison with float, verification |
//! | [`classes`] | names and numbers of a generator's classes; what its first layer reads |
//! | [`animation`] | animated GIFs |
//! | [`latents`], [`pixels`] | latents as batches, interpolation and variations; pixels as floats and back |
//! | [`nearest`] | the training pictures nearest to generated ones |
//! | [`quality`] | how far generated pictures are from real ones |
//! | [`phases`], [`usage`], [`bench`] | speed and memory of training steps |
//! | [`run`] | the folder of a run: checkpoints, samples, report |
//! | [`card`] | shipped models: their origin, and rebuilding them |
//! | [`machine`] | processor and program version, on which the last bits of a training result depend |
//! | [`parity`] | a training step of the tutorial against Keras |
//! | [`tensors`] | named arrays in `.npz` and `.safetensors` files |
//! | [`interchange`] | import and export of generators: Keras, PyTorch, ONNX |
//! | [`inspect`], [`grid`], [`numbers`], [`text`], [`terminal`] | tables, sheets of pictures, numbers, text and messages for people |
//! | [`files`] | atomic writes of files |
//!
//! Modules import only from modules of a lower layer; the program's `cli/` is the top layer.

pub mod animation;
pub mod augment;
pub mod bench;
pub mod boards;
pub mod card;
pub mod classes;
pub mod config;
pub mod cost;
pub mod data;
pub mod distil;
pub mod files;
pub mod grid;
pub mod inspect;
pub mod interchange;
pub mod invert;
pub mod latents;
pub mod machine;
pub mod nearest;
pub use nn;
pub mod npy;
pub mod numbers;
pub mod parity;
pub mod phases;
pub mod pixels;
pub mod quality;
pub mod quantise;
pub mod run;
pub mod schedule;
pub mod store;
pub mod tensors;
pub mod terminal;
pub mod text;
pub mod train;
pub mod usage;
