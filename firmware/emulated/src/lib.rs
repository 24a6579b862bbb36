//! What programs on an emulated board need: the `Board` that the features choose, with `take()` and a `uart`,
//! the model, and settings and exit through semihosting.
//!
//! | module | contents |
//! |---|---|
//! | `lm3s6965evb`, `mps` | the boards: registers and devices |
//! | `register`, `uart`, `mpu` | what these share |
//! | `instructions` | SysTick as a counter of instructions |
//! | `spi_recorder` | the SPI bus of a display, recorded over a serial port |
//! | [`ssd0323`] | driver of the grey OLED, also for the host |
#![no_std]
#![deny(unsafe_code)] // `chip` alone touches registers
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

#[cfg(all(target_os = "none", feature = "board"))]
mod chip;
pub mod ssd0323;

#[cfg(all(target_os = "none", feature = "board"))]
pub use chip::*;
