//! Code that the programs of all boards share.
//!
//! | module | contents |
//! |---|---|
//! | `product` | main loop of the product |
//! | `stack` | position, size and use of the stack |
//! | `fault` | handlers for panics, faults and unhandled exceptions, with the feature `rtt` or `semihosting` |
//! | `trap` | those of a RISC-V core |
//! | `rtt` | log and typed commands over RTT, with the feature `rtt` |
//! | `embassy` | the `Platform` of chips with a HAL from embassy, with the feature `embassy` |
//! | [`lines`] | log lines that are sent whole or not at all |
//!
//! Under QEMU a program uses `semihosting` for log, settings and exit code. On a chip without a debugger, semihosting
//! causes a fault, so hardware boards use `rtt`. On the host this crate contains only [`lines`].
#![no_std]
#![deny(unsafe_code)] // allowed in fault, rtt and stack: linker symbols, the shared log, the fault handler's entry
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
#[cfg(all(target_arch = "riscv32", target_os = "none", any(feature = "rtt", feature = "semihosting")))]
mod trap;
