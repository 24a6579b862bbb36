//! Trains a DCGAN on the CPU, quantises its generator and exports it for `gen-core`.

pub mod inspect;
pub mod quantise;
