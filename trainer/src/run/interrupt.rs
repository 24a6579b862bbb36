//! Ctrl-C: the first one requests an orderly stop, the second one ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use log::warn;

/// The usual exit code of a program that was interrupted: 128 + SIGINT.
pub const EXIT_CODE: i32 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Installs the handler of Ctrl-C. Call it only once in a program.
///
/// # Errors
/// When the system refuses the handler.
pub fn listen() -> Result<()> {
    let handler = || {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(EXIT_CODE);
        }
        warn!("stopping: saving and exporting. Press Ctrl-C again to quit at once.");
    };
    ctrlc::set_handler(handler).context("cannot listen for Ctrl-C")
}

/// Whether Ctrl-C was pressed.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
