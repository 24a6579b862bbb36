//! The largest networks that the format and the engine accept.

/// A limit as a literal, so that error messages can contain it.
macro_rules! limit {
    (layers) => {
        12
    };
    (latent) => {
        128
    };
    (classes) => {
        64
    };
    (taps) => {
        16
    };
    (side) => {
        256
    };
    (channels) => {
        1024
    };
    (weights, log2) => {
        28
    };
}
pub(super) use limit;

/// Most layers a generator may have.
pub const MAX_LAYERS: usize = limit!(layers);
/// Most inputs of the first layer: the values of the latent, and behind them the numbers of the class.
pub const MAX_LATENT: usize = limit!(latent);
/// Most classes of a model.
pub const MAX_CLASSES: usize = limit!(classes);
/// Longest name of a class, in bytes of UTF-8.
pub const MAX_CLASS_NAME: usize = 64;
/// Most input rows that one output row may need.
pub const MAX_TAPS: usize = limit!(taps);
/// Largest height or width, in pixels.
pub const MAX_SIDE: u16 = limit!(side);
/// Most channels.
pub const MAX_CHANNELS: u16 = limit!(channels);
/// Most weights of one layer. With this limit all lengths fit the 32-bit `usize` of a microcontroller.
pub const MAX_WEIGHTS: u64 = 1 << limit!(weights, log2);
