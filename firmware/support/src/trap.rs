//! Handlers for exceptions and interrupts of a RISC-V core: each writes the reason to the log and ends the program.
#![allow(unsafe_code)] // the names that riscv-rt expects

use riscv::register::{mcause, mepc, mtval};
use riscv_rt::TrapFrame;

use crate::fault::{fail, say};

/// riscv-rt calls this for an exception without a handler of its own.
// SAFETY: riscv-rt expects this name, and no other symbol has it.
#[unsafe(no_mangle)]
extern "C" fn ExceptionHandler(_: &TrapFrame) -> ! {
    let (cause, pc, value) = (mcause::read().code(), mepc::read(), mtval::read());
    say(format_args!("exception {cause} (mcause) at address {pc:#010x}, value (mtval) {value:#010x}"));
    fail()
}

/// riscv-rt calls this for an interrupt without a handler of its own.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn DefaultHandler() -> ! {
    say(format_args!("interrupt {} came, and nothing in the program handles it", mcause::read().code()));
    fail()
}
