//! gen-core for programs in C and C++: a static library and the header `ribbit.h`. It allocates nothing, and with the
//! kernels for a Cortex-M3 or larger no panic is linked.
//!
//! | module | contents |
//! |---|---|
//! | [`exports`] | the functions that C calls |
//! | [`model`] | the struct whose memory the caller gives, and what is in it |
//! | [`status`] | what the functions return |
//!
//! `README.md` has a program. A test writes `ribbit.h` from these files with cbindgen, and compares it.
#![no_std]

// On a host a panic needs the standard library.
#[cfg(not(target_os = "none"))]
extern crate std;

pub mod exports;
pub mod model;
pub mod status;

#[cfg(all(target_os = "none", feature = "panic-handler"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
