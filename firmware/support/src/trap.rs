//! Handlers for exceptions and interrupts of a RISC-V core: each writes the reason to the log and ends the program.
#![allow(unsafe_code)] // the names that the run time expects

use riscv::register::{mcause, mepc, mtval};

use crate::fault::{fail, say};
#[cfg(feature = "esp")]
use crate::stack;

/// The cause of an exception by which the watchpoint on the guard of the stack, which esp-hal sets, is noticed.
#[cfg(feature = "esp")]
const BREAKPOINT: usize = 3;

/// The run time, riscv-rt or that of esp-hal, calls this for an exception without a handler of its own.
// SAFETY: the run time expects this name, and no other symbol has it.
#[unsafe(no_mangle)]
extern "C" fn ExceptionHandler(_registers: *const ()) -> ! {
    let (cause, pc, value) = (mcause::read().code(), mepc::read(), mtval::read());
    #[cfg(feature = "esp")]
    if cause == BREAKPOINT && value == stack::guard() {
        say(format_args!("stack overflow at address {pc:#010x}: more than {} bytes were needed", stack::size()));
        fail();
    }
    say(format_args!("exception {cause} (mcause) at address {pc:#010x}, value (mtval) {value:#010x}"));
    fail()
}

/// The run time calls this for an interrupt without a handler of its own.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn DefaultHandler() -> ! {
    say(format_args!("interrupt {} came, and nothing in the program handles it", mcause::read().code()));
    fail()
}
