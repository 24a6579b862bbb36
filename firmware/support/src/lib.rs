//! What programs on a chip share, whatever the board.
//!
//! | module | contents |
//! |---|---|
//! | `product` | the product's main loop |
//! | `stack` | the stack as `memory.x` lays it out, and how much of it was used |
//! | `fault` | panics, faults and exceptions that nothing handles, with the feature `rtt` or `semihosting` |
//! | `rtt` | log and typed commands through RTT, with the feature of this name |
//! | `embassy` | a platform for chips with a HAL from embassy, with the feature of this name |
//! | [`lines`] | lines of a log that go out as a whole or not at all |
//!
//! A program under QEMU uses `semihosting` for log, settings and exit code; on a chip without a debugger,
//! semihosting is a fault, so hardware boards use `rtt`. On the host this crate has nothing but [`lines`].
#![no_std]
#![deny(unsafe_code)] // but for memory that the linker lays out, and the entry of the fault handler
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

#[cfg(all(target_os = "none", feature = "rtt", feature = "semihosting"))]
compile_error!(
    "the features rtt and semihosting of firmware-support exclude each other: hardware boards log through rtt, \
     emulated boards through semihosting"
);

#[cfg(all(target_os = "none", feature = "embassy"))]
pub mod embassy;
#[cfg(all(target_os = "none", any(feature = "rtt", feature = "semihosting")))]
pub mod fault;
pub mod lines;
#[cfg(target_os = "none")]
pub mod product;
#[cfg(all(target_os = "none", feature = "rtt"))]
pub mod rtt;
#[cfg(target_os = "none")]
pub mod stack;
