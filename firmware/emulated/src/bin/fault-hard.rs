//! Executes an undefined instruction: the runner must show the fault and return 1.
#![no_std]
#![no_main]
#![allow(unsafe_code)] // one instruction that the libraries have no name for on every processor

use emulated_boards::entry; // and links the log and the panic and fault handlers

#[entry]
fn main() -> ! {
    // SAFETY: a permanently undefined instruction, after which nothing is reached.
    unsafe {
        #[cfg(target_arch = "arm")]
        core::arch::asm!("udf #0", options(noreturn));
        #[cfg(target_arch = "riscv32")]
        core::arch::asm!("unimp", options(noreturn));
    }
}
