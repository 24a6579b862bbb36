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
/// Name of the array of the classes of these latents, `[N]`; only in the file of a generator with classes.
pub const CHECK_CLASS: &str = "check.class";
/// Name of the array of class vectors, which the first layer reads behind the latent; `[classes, width]`.
pub const CLASS_EMBEDDING: &str = "class_embedding";
/// Key of the [`Layout`] in the header of a `.safetensors` file. Its value is spelt as on the command line.
pub const HEADER_LAYOUT: &str = "layout";
/// Key of the [`DenseOrder`] in the header.
pub const HEADER_DENSE: &str = "dense";
/// Key of the names of the classes, one a line.
pub const HEADER_CLASSES: &str = "classes";

/// The value of [`HEADER_CLASSES`]. A line break in a name becomes a space.
fn class_lines(classes: &crate::classes::ClassTable) -> String {
    let lines: Vec<_> = classes.names.iter().map(|name| name.replace('\n', " ")).collect();
    lines.join("\n")
}

/// The values as bytes: little-endian, in the order of the axes.
fn bytes<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<u8> {
    values.into_iter().flat_map(|v| v.to_le_bytes()).collect()
}
