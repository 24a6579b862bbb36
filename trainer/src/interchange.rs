//! Float generators from other programs, and for them.
//!
//! ```text
//! .npz, .safetensors -> import -> FloatModel -> export -> .safetensors
//!                                           '-> onnx   -> .onnx
//! ```
//!
//! [`layout`] knows where others keep a weight; `docs/interchange.md` has the same for people.

pub mod export;
pub mod import;
pub mod layout;
pub mod onnx;

pub use export::to_safetensors;
pub use import::import;
pub use layout::{DenseOrder, Format, Layout};
pub use onnx::to_onnx;

/// Latents that prove an import: the array that holds them, `[N, latent]`.
pub const CHECK_LATENT: &str = "check.latent";
/// What the other program draws for them, in the generator's range: `[N, H, W, 3]`
/// in a file of [`Layout::Hwio`], `[N, 3, H, W]` in one of [`Layout::Oihw`].
pub const CHECK_IMAGE: &str = "check.image";
/// Where the header of a `.safetensors` says its [`Layout`], as the command line spells it.
pub const HEADER_LAYOUT: &str = "layout";
/// The same for its [`DenseOrder`].
pub const HEADER_DENSE: &str = "dense";
