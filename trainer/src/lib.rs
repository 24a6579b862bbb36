//! Trains a DCGAN on the CPU, quantises its generator and exports it for `gen-core`.

pub mod augment;
pub mod config;
pub mod inspect;
pub mod nn;
pub mod quantise;
pub mod train;
pub mod data;
pub mod grid;
