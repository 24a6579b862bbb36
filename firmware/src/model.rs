//! The model, checked and measured at build time.
//!
//! It is `models/pocket-drawn/model.gen`, or the file that the environment variable `FROG_MODEL`
//! names (relative to the workspace) while building. `build.rs` parses it, so a
//! damaged model, or one too large for the board, never reaches a chip.
//!
//! With the feature `external-model` only its measures become part of the program. The
//! bytes are to be found where the board's `memory.x` says, and are checked at the start.

#![forbid(unsafe_code)]

use gen_core::kernels::{Kernels, Native};

/// Keeps the weights where word loads are cheap.
#[cfg(not(feature = "external-model"))]
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// Bytes of workspace that [`gen_core::Engine`] needs for it, with the kernels that gen-core was built with: whoever
/// chose them, this package's features or somebody else's.
pub const WORKSPACE_LEN: usize = match Native::LAYOUT.workspace_len(layers::LATENT, &layers::LAYERS, &layers::FORMS) {
    Ok(len) => len,
    Err(e) => panic!("{}", e.message()), // build.rs has parsed the model
};

/// RAM of the engine beside its workspace: the structs, wherever the program keeps them.
pub const STRUCTS_LEN: usize = size_of::<gen_core::Model<'_>>() + size_of::<gen_core::Engine<'_, '_>>();

/// The model's bytes, for [`gen_core::Model::parse`].
#[cfg(not(feature = "external-model"))]
pub static BLOB: &[u8] = &ALIGNED.0;
