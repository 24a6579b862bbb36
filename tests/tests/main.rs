//! One program for all tests across packages: it is compiled and linked once.
//! `cargo test --workspace --test workspace oled::` runs the tests of one file.

// Modules that several files use.
#[path = "../../trainer/examples/drawings/main.rs"]
mod drawings;
mod models;
mod pages;
mod seeds;
#[path = "../fuzz/targets.rs"]
mod targets;

mod build_errors;
mod colour;
mod conformance;
mod docs;
mod elf;
mod exit_codes;
mod external_model;
mod full_size;
mod fuzz;
mod gen_core;
mod instructions;
mod memory;
mod module_graph;
mod oled;
mod out_of_tree;
mod panics;
mod parity;
mod pico;
mod supply_chain;
mod uf2;
