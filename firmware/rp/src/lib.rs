//! What the programs for the Raspberry Pi Pico and the Pico 2 share. The boards have the same pins, so the same displays
//! fit; the chips have the same units for SPI and pins. They differ in the clock and in the source of random numbers.
//!
//! | module | contents |
//! |---|---|
//! | `board` | sets up the chip, the display and the button, and runs the product |
//! | `rp2040`, `rp2350` | what differs: the clock of the display, the source of random numbers |
//!
//! On the host this crate is empty.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(all(target_os = "none", not(any(feature = "rp2040", feature = "rp2350"))))]
compile_error!("choose a chip: --features rp2040 or rp2350");

#[cfg(all(target_os = "none", any(feature = "rp2040", feature = "rp2350")))]
mod board;
#[cfg(all(target_os = "none", any(feature = "rp2040", feature = "rp2350")))]
pub use board::run;
#[cfg(all(target_os = "none", any(feature = "rp2040", feature = "rp2350")))]
pub use firmware_app::settings::Settings;

#[cfg(all(target_os = "none", feature = "rp2040"))]
mod rp2040;
#[cfg(all(target_os = "none", feature = "rp2350"))]
mod rp2350;
