//! Chips: each board's module defines a `Board` with `take()` and a `uart`.
//!
//! The boards run under QEMU: log, settings and exit go through semihosting, which
//! on a chip without a debugger is a fault. Unlike the rest of the crate this
//! module may use `unsafe`, for registers and for the entry of the fault handler.
#![allow(unsafe_code)]

#[cfg(not(target_os = "none"))]
compile_error!(
    "a board feature needs the board's target: lm3s6965evb --target thumbv7m-none-eabi, mps2-an386 --target thumbv7em-none-eabihf"
);

#[cfg(all(feature = "lm3s6965evb", feature = "mps2-an386"))]
compile_error!("choose one board: the features lm3s6965evb and mps2-an386 exclude each other");
#[cfg(not(any(feature = "lm3s6965evb", feature = "mps2-an386")))]
compile_error!("choose a board: --features lm3s6965evb or --features mps2-an386");

pub mod failure;
mod register;
pub mod stack;
mod uart;

#[cfg(feature = "lm3s6965evb")]
mod lm3s6965evb;
#[cfg(feature = "lm3s6965evb")]
pub use lm3s6965evb::*;
#[cfg(all(feature = "mps2-an386", not(feature = "lm3s6965evb")))]
mod mps2_an386;
#[cfg(all(feature = "mps2-an386", not(feature = "lm3s6965evb")))]
pub use mps2_an386::*;

pub use uart::Uart;

use crate::model::WORKSPACE_LEN;
use crate::settings::Settings;

/// The engine's memory, as large as the model needs; a second call gets nothing.
pub fn workspace() -> &'static mut [i8] {
    cortex_m::singleton!(: [i8; WORKSPACE_LEN] = [0; WORKSPACE_LEN]).map_or(&mut [], |all| all)
}

/// Ends the program, and QEMU with it: success.
pub fn exit() -> ! {
    semihosting::process::exit(0)
}

/// The settings on the semihosting command line; words that are none are named in the log.
pub fn settings() -> Settings {
    let mut settings = Settings::default();
    let Ok(words) = semihosting::experimental::env::args::<256>() else { return settings };
    for word in &words {
        let word = word.unwrap_or("(not UTF-8)");
        if let Err(e) = settings.apply(word) {
            defmt::warn!("setting {=str} ignored: {}", word, defmt::Display2Format(&e));
        }
    }
    settings
}
