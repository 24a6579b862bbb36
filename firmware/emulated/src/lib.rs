//! Chips: what programs that run on one need, and the modules of the emulated boards, each of
//! which defines a `Board` with `take()` and a `uart`.
//!
//! Under QEMU log, settings and exit go through semihosting, which on a chip without a
//! debugger is a fault; boards that one can hold use RTT. Unlike the rest of the crate this
//! module may use `unsafe`: for registers, for memory that `memory.x` lays out, and for
//! the entry of the fault handler.
#![allow(unsafe_code)]

#[cfg(any(feature = "emulated", feature = "rtt"))]
pub mod failure;
#[cfg(feature = "hardware")]
pub mod hardware;
#[cfg(feature = "emulated")]
mod register;
#[cfg(feature = "rtt")]
pub mod rtt;
pub mod stack;
#[cfg(feature = "emulated")]
mod uart;

// One of them: build.rs has seen to it.
#[cfg(feature = "lm3s6965evb")]
mod lm3s6965evb;
#[cfg(feature = "lm3s6965evb")]
pub use lm3s6965evb::*;
#[cfg(feature = "mps")]
pub mod instructions;
#[cfg(feature = "mps")]
mod mps;
#[cfg(feature = "mps")]
pub use mps::*;
#[cfg(feature = "mps")]
pub mod wire;

#[cfg(feature = "emulated")]
pub use register::Stuck;
#[cfg(feature = "emulated")]
pub use uart::Uart;

use static_cell::ConstStaticCell;

use crate::model::WORKSPACE_LEN;
#[cfg(feature = "emulated")]
use crate::settings::Settings;

/// The model's bytes, for [`gen_core::Model::parse`].
#[cfg(not(feature = "external-model"))]
pub fn model() -> &'static [u8] {
    // As they are in flash now: the compiler knows what was put there, and would otherwise answer
    // some of the parser's questions in advance.
    core::hint::black_box(crate::model::BLOB)
}

/// The bytes where the model should be, for [`gen_core::Model::parse`].
#[cfg(feature = "external-model")]
pub fn model() -> &'static [u8] {
    unsafe extern "C" {
        /// From `memory.x`: the start of the external memory.
        static _external_model: [u8; crate::model::MODEL_LEN];
    }
    // SAFETY: build.rs has checked that the memory is large enough. It is filled before
    // the program starts, and nothing writes to it afterwards.
    unsafe { &_external_model }
}

/// The engine's memory, as large as the model needs; a second call gets nothing.
pub fn workspace() -> &'static mut [i8] {
    // Where it stays from the start: unlike `singleton!`, it is never on the stack, whatever the optimiser does.
    static WORKSPACE: ConstStaticCell<[i8; WORKSPACE_LEN]> = ConstStaticCell::new([0; WORKSPACE_LEN]);
    WORKSPACE.try_take().map_or(&mut [], |all| all)
}

/// Memory for the check of the kernels; a second call gets nothing.
#[cfg(feature = "conformance")]
pub fn buffers() -> Option<&'static mut gen_core::conformance::Buffers> {
    use gen_core::conformance::Buffers;

    static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());
    BUFFERS.try_take()
}

/// Ends the program, and QEMU with it: success.
#[cfg(feature = "emulated")]
pub fn exit() -> ! {
    semihosting::process::exit(0)
}

/// The settings on the semihosting command line; words that are none are named in the log.
#[cfg(feature = "emulated")]
pub fn settings() -> Settings {
    settings_and(|_| false)
}

/// [`settings`] of a program that has words of its own: `more` takes them and says so.
#[cfg(feature = "emulated")]
pub fn settings_and(mut more: impl FnMut(&str) -> bool) -> Settings {
    let mut settings = Settings::default();
    let Ok(words) = semihosting::experimental::env::args::<256>() else { return settings };
    for word in &words {
        let word = word.unwrap_or("(not UTF-8)");
        if more(word) {
            continue;
        }
        if let Err(e) = settings.apply(word) {
            defmt::warn!("setting {=str} ignored: {}", word, defmt::Display2Format(&e));
        }
    }
    settings
}
