//! gen-core in WebAssembly: draws the pictures of a model for a page.
//!
//! | module | contents |
//! |---|---|
//! | `exports` | the functions that the page calls, only in WebAssembly |
//! | [`player`] | a model with two latents; draws a picture as RGBA, enlarged as a chip does it |
//! | [`facts`] | what the page shows about a model: sizes, classes, memory on each kind of processor |
//!
//! `web/page.js` is the other side. `./web/build.sh` builds the module `web/player.wasm`.

#[cfg(target_arch = "wasm32")]
mod exports;
pub mod facts;
pub mod player;

#[cfg(test)]
mod tests;
