//! Layers and shapes: everything that follows from a layer list alone.
//!
//! The engine treats all three operations alike. Along each axis an output position `o` reads a run of consecutive
//! input positions, its [`Window`], with weights that depend only on the *phase* of the position:
//!
//! | operation | phases | phase of `o` | taps | first input |
//! |---|---|---|---|---|
//! | convolution, kernel `k`, stride `s` | 1 | 0 | `k` | `o·s − pad` |
//! | transposed convolution | `s` | `r = (o + pad) mod s` | `⌈(k − r)/s⌉` | `⌊(o + pad)/s⌋ − taps + 1` |
//! | dense, seen as one window over the whole input | output length | `o` | input length | 0 |
//!
//! The second row is the gather form of a transposed convolution, without zeros between inputs and without
//! scattered writes. Output `o` collects
//! `in[i]·K[a]` with `o = s·i + a − pad`; so `a = r + s·j` and
//! `i = ⌊(o + pad)/s⌋ − j` for `j = 0 … taps−1`.

mod axis;
mod error;
mod geometry;
mod layer;
mod limits;
mod op;
mod shape;

pub use axis::{Axis, Padding, Window};
pub use error::SpecError;
pub use geometry::Geometry;
pub(crate) use layer::start;
pub use layer::{LayerSpec, WeightTransform, check};
pub use limits::{MAX_CHANNELS, MAX_CLASS_NAME, MAX_CLASSES, MAX_LATENT, MAX_LAYERS, MAX_SIDE, MAX_TAPS, MAX_WEIGHTS};
pub use op::{Activation, Op};
pub use shape::Shape;
