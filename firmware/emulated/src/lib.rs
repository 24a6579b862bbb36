//! Library for programs on an emulated board: the `Board` that the features choose, with `take()` and a `uart`; the model;
//! settings and exit code over semihosting.
//!
//! | module | contents |
//! |---|---|
//! | `lm3s6965evb`, `microbit`, `mps`, `riscv_virt` | the boards: registers and devices |
//! | `register`, `uart`, `mpu` | code that the boards share |
//! | `instructions` | counts instructions with a timer of the processor |
//! | `spi_recorder` | records the SPI bus of a display and sends the record over a UART |
//! | [`ssd0323`] | driver of the grey OLED; also compiled for the host |
#![no_std]
#![deny(unsafe_code)] // only `chip` accesses registers
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

#[cfg(all(target_os = "none", feature = "board"))]
mod chip;
pub mod ssd0323;

#[cfg(all(target_os = "none", feature = "board"))]
pub use chip::*;
