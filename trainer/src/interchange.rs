//! Import of float generators from other programs, and export for them.
//!
//! ```text
//! .npz, .safetensors -> import -> FloatModel -> export -> .safetensors
//!                                           '-> onnx   -> .onnx
//! ```
//!
//! [`layout`] describes the weight layouts of other programs; `docs/interchange.md` explains them to users.

pub mod export;
pub mod import;
pub mod layout;
pub mod onnx;

pub use export::to_safetensors;
pub use import::import;
pub use layout::{DenseOrder, Format, Layout};
pub use onnx::to_onnx;

/// Name of the array of latents with which an import is checked; `[N, latent]`.
pub const CHECK_LATENT: &str = "check.latent";
/// Name of the array of pictures that the other program draws from these latents, in the generator's range:
/// `[N, H, W, 3]` in a file with [`Layout::Hwio`], `[N, 3, H, W]` with [`Layout::Oihw`].
pub const CHECK_IMAGE: &str = "check.image";
/// Key of the [`Layout`] in the header of a `.safetensors` file. Its value is spelt as on the command line.
pub const HEADER_LAYOUT: &str = "layout";
/// Key of the [`DenseOrder`] in the header.
pub const HEADER_DENSE: &str = "dense";
