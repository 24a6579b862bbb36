//! Builds the firmware for its boards, runs it under QEMU, and measures it: for the commands in `src/bin`, and for
//! the tests.
//!
//! | module | contents |
//! |---|---|
//! | [`boards`] | the facts of every board, from `board.toml` |
//! | [`build`] | builds a program of the firmware for a board |
//! | [`model`] | the model that is drawn with |
//! | [`qemu`] | runs a program: log, time limit, exit codes, display, buttons |
//! | [`screen`] | the contents of a display |
//! | [`controller`] | a model of the controllers of colour panels |
//! | [`replay`] | draws on the host what the log of a board names |
//! | [`pictures`] | the pictures of a model, on the host and on a board |
//! | [`elf`] | what a program takes of a chip's memory, and whether it can start there |
//! | [`count`] | what a picture takes on a board: instructions, RAM, flash |
//! | [`cycles`] | an estimate of cycles, by a static model |

pub mod boards;
pub mod build;
pub mod controller;
pub mod count;
pub mod cycles;
pub mod elf;
pub mod model;
pub mod pictures;
pub mod qemu;
pub mod replay;
pub mod screen;
