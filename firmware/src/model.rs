//! The model in flash, checked and measured at build time.
//!
//! It is `assets/frog.gen`, or the file that the environment variable `FROG_MODEL`
//! names (relative to the workspace) while building. `build.rs` parses it, so a
//! damaged model, or one too large for the board, never reaches a chip.

#![forbid(unsafe_code)]

/// Keeps the weights where word loads are cheap.
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// The model's bytes, for [`gen_core::Model::parse`].
pub static BLOB: &[u8] = &ALIGNED.0;
