//! Faults where faults cannot be handled: the processor locks up, the runner must return 134.
#![no_std]
#![no_main]
#![allow(unsafe_code)] // one instruction that the runtime has no name for

use cortex_m_rt::entry;
use emulated_boards as _; // log, panic and fault handlers

#[entry]
fn main() -> ! {
    // FAULTMASK holds back even the fault handler.
    set_faultmask();
    cortex_m::asm::udf()
}

fn set_faultmask() {
    // SAFETY: faults go unhandled from here on, which is the point.
    unsafe { core::arch::asm!("cpsid f") }
}
