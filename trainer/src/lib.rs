//! Trains a DCGAN on the CPU, quantises its generator and exports it for `gen-core`.

pub mod nn;
pub mod quantise;
