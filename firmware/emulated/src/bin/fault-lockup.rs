//! Causes a fault in the handler of an exception that faults cannot interrupt: the processor locks up, and the runner must
//! return 134.
#![no_std]
#![no_main]
#![allow(unsafe_code)] // a handler of the run time, the register that raises the exception

use cortex_m::peripheral::SCB;
use cortex_m_rt::{entry, exception};
use emulated_boards as _; // links the log and the panic and fault handlers

const NMI_PENDING: u32 = 1 << 31;

#[entry]
fn main() -> ! {
    // SAFETY: the write only raises the exception.
    unsafe { (*SCB::PTR).icsr.write(NMI_PENDING) };
    cortex_m::asm::isb();
    unreachable!("its handler does not return");
}

// SAFETY: the interrupted code never resumes.
#[exception]
unsafe fn NonMaskableInt() -> ! {
    cortex_m::asm::udf()
}
