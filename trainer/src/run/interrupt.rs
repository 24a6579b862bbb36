//! Ctrl-C: the first asks for an orderly stop, the second quits at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use log::warn;

/// Exit code of a program that was interrupted, as shells know it.
pub const EXIT_CODE: i32 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Starts listening. Once in a program.
///
/// # Errors
/// When the system does not let it.
pub fn listen() -> Result<()> {
    let handler = || {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(EXIT_CODE);
        }
        warn!("stopping: saving and exporting. Press Ctrl-C again to quit at once.");
    };
    ctrlc::set_handler(handler).context("cannot listen for Ctrl-C")
}

/// Whether a stop was asked for.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
