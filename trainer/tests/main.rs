//! One test program for all tests of the trainer that can share it, so that it is compiled and linked only once.
//! `cargo test --workspace --test trainer cli::` runs the tests of one file or folder.

// Modules that several files use.
mod data_common;
mod logged;
mod nets;
#[path = "../../tests/tests/pages/mod.rs"]
mod pages;
mod run_common;

mod bit_exact;
mod cli;
mod data;
mod data_cifar;
mod data_download;
mod data_folders;
mod data_frogs;
mod data_labels;
mod data_large;
mod data_memory;
mod data_pictures;
mod data_tls;
mod digits;
mod docs;
mod faults;
mod inspect;
mod interchange;
mod models;
mod output;
mod parity;
mod parity_conditional;
mod parity_pytorch;
mod sizes;
