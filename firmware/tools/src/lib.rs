//! Builds the firmware for its boards, runs it in emulators, and measures it. Used by the commands in `src/bin` and by the
//! tests.
//!
//! | module | contents |
//! |---|---|
//! | [`boards`] | the descriptions of all boards, from their `board.toml` |
//! | [`build`] | builds programs of the firmware for a board |
//! | [`model`] | the default model, and the choice of another |
//! | [`qemu`] | runs a program under QEMU: log, time limit, exit codes, display, buttons |
//! | [`screen`] | screenshots of a display |
//! | [`controller`] | a model of display controllers and their panels |
//! | [`panels`] | the physical properties of the panels |
//! | [`replay`] | draws the pictures that a board's log names on the host |
//! | [`pictures`] | the pictures of a model, on the host and on a board |
//! | [`elf`] | how much memory a program takes, and whether it can start on a chip |
//! | [`uf2`] | files that a Raspberry Pi Pico flashes itself |
//! | [`pico`] | runs the program of the Pico in an emulator: log, display, button |
//! | [`count`] | measures a picture on a board: instructions, RAM, flash |
//! | [`cycles`] | estimates cycles with a static model |

pub mod boards;
pub mod build;
pub mod controller;
pub mod count;
pub mod cycles;
pub mod elf;
pub mod model;
pub mod panels;
pub mod pico;
pub mod pictures;
pub mod qemu;
pub mod replay;
pub mod screen;
pub mod uf2;
