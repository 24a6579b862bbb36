//! One program for all tests of the crate's interface: it is compiled and linked once.
//! `cargo test --workspace --test gen-core kernels::` runs the tests of one file.

mod common;

mod blob;
mod classes;
mod engine;
mod extremes;
mod geometry;
mod included;
mod kernels;
mod latent;
