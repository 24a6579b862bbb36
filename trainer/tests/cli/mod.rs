//! Tests of the program as a user runs it: runs, interruptions, mistakes. One file for each command, or for commands
//! that share their subject.

use std::fs;

use trainer::run::{Checkpoint, Folder};

mod bench;
mod card;
mod classes;
mod distil;
mod eval;
mod holdout;
mod invert;
mod messages;
mod package;
mod quantize;
mod resume;
mod sample;
mod start;
mod train;
mod watching;

/// The shipped model.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/pocket-drawn/model.gen");

/// The state and the model of the best snapshot, which must always be kept.
fn best(folder: &Folder) -> (Checkpoint, Vec<u8>) {
    let mut checkpoint = Checkpoint::load(&folder.file("best.ckpt")).unwrap();
    checkpoint.seconds = 0.0;
    (checkpoint, fs::read(folder.file("best.gen")).unwrap())
}
