//! Causes a fault while fault handlers are masked: the processor locks up, and the runner must return 134.
#![no_std]
#![no_main]
#![allow(unsafe_code)] // one instruction that the runtime has no name for

use cortex_m_rt::entry;
use emulated_boards as _; // links the log and the panic and fault handlers

#[entry]
fn main() -> ! {
    // FAULTMASK masks even the hard fault handler.
    set_faultmask();
    cortex_m::asm::udf()
}

fn set_faultmask() {
    // SAFETY: from here on faults are not handled, which is what this program tests.
    unsafe { core::arch::asm!("cpsid f") }
}
