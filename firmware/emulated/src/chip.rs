//! Everything that exists only on the emulated chips. The build script has checked that the features choose one board.
#![allow(unsafe_code)] // registers, external memory, the counted loop

#[cfg(feature = "counts")]
pub mod instructions;
#[cfg(feature = "lm3s6965evb")]
mod lm3s6965evb;
#[cfg(feature = "microbit")]
mod microbit;
pub mod model;
#[cfg(feature = "mps")]
mod mps;
#[cfg(any(feature = "lm3s6965evb", feature = "mps"))]
mod mpu;
#[cfg_attr(feature = "riscv-virt", allow(dead_code, reason = "the registers of its UART are bytes"))]
mod register;
#[cfg(feature = "riscv-virt")]
mod riscv_virt;
#[cfg(feature = "mps")]
pub mod spi_recorder;
#[cfg(feature = "mps")]
mod systick;
#[cfg(any(feature = "lm3s6965evb", feature = "mps"))]
mod uart;

/// The attribute of the function with which a program begins.
#[cfg(feature = "arm")]
pub use cortex_m_rt::entry;
use firmware_app::settings::Settings;
pub use firmware_support::stack;
#[cfg(feature = "lm3s6965evb")]
pub use lm3s6965evb::*;
#[cfg(feature = "microbit")]
pub use microbit::*;
#[cfg(feature = "mps")]
pub use mps::*;
pub use register::BusTimeout;
/// The attribute of the function with which a program begins.
#[cfg(feature = "riscv-virt")]
pub use riscv_rt::entry;
#[cfg(feature = "riscv-virt")]
pub use riscv_virt::*;
#[cfg(any(feature = "lm3s6965evb", feature = "mps"))]
pub use uart::Uart;

/// Ends the program and QEMU with exit code 0.
pub fn exit() -> ! {
    semihosting::process::exit(0)
}

/// Reads the settings from the semihosting command line. Words that are not settings are logged and ignored.
pub fn settings() -> Settings {
    settings_and(|_| false)
}

/// Like [`settings`], for a program with settings of its own: `more` takes a word and returns whether it was one of them.
pub fn settings_and(mut more: impl FnMut(&str) -> bool) -> Settings {
    let mut settings = Settings::built_with(model::LATENT, model::CLASS);
    let Ok(words) = semihosting::experimental::env::args::<512>() else { return settings };
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

/// The memory for the conformance tests. Only the first call gets it.
#[cfg(feature = "conformance")]
pub fn buffers() -> Option<&'static mut gen_core::conformance::Buffers> {
    use gen_core::conformance::Buffers;
    use static_cell::ConstStaticCell;

    static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());
    BUFFERS.try_take()
}
