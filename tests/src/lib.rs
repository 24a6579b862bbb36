//! What spans the workspace: the firmware, built for its boards and run under QEMU.
//!
//! | module | what stands there |
//! |---|---|
//! | [`firmware`] | boards, and how a program is built for one |
//! | [`qemu`] | runs a program: log, time limit, exit codes, display, buttons |
//! | [`screen`] | what a display shows |
//! | [`controller`] | what a colour panel shows: a model of its controller |
//! | [`replay`] | what a board's log says that it drew, drawn on the host |
//! | [`count`] | what a picture takes on a board: instructions, RAM, flash |
//! | [`cycles`] | what it would take in cycles, by a static model |
//! | [`elf`] | what a program takes of a chip, and whether it can start there |
//! | [`budget`] | that it does not take more than last time |
//! | [`pictures`] | what a model draws, on the host and on a board |
//! | [`golden`] | files that say what came out last time |

pub mod budget;
pub mod controller;
pub mod count;
pub mod cycles;
pub mod elf;
pub mod firmware;
pub mod golden;
pub mod pictures;
pub mod qemu;
pub mod replay;
pub mod screen;
