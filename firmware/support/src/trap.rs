//! Handlers for exceptions and interrupts of a RISC-V core: each writes the reason to the log and ends the program.
#![allow(unsafe_code)] // the names that the run time expects, the entry of riscv-rt

use riscv::register::{mcause, mepc, mtval};

use crate::fault::{fail, say};
use crate::stack;

/// The cause of an exception by which the watchpoint on the guard of the stack, which esp-hal sets, is noticed.
#[cfg(feature = "esp")]
const BREAKPOINT: usize = 3;

// Entry of every exception and interrupt of a program with riscv-rt, whose own entry would save the registers on the stack.
//
// A stack overflow is an exception too, so this one starts again at the top of the stack. The interrupted code never
// resumes.
#[cfg(not(feature = "esp"))]
core::arch::global_asm!(
    ".section .trap.start, \"ax\"",
    ".balign 4",
    ".global _start_trap",
    "_start_trap:",
    "la sp, _stack_start",
    "tail {report}",
    report = sym report,
);

/// Reports what has led to the entry.
#[cfg(not(feature = "esp"))]
extern "C" fn report() -> ! {
    if mcause::read().is_interrupt() { DefaultHandler() } else { ExceptionHandler(core::ptr::null()) }
}

/// Whether an exception with this value (`mtval`) comes from the guard of the stack.
#[cfg(not(feature = "esp"))]
fn is_overflow(cause: usize, value: usize) -> bool {
    const LOAD_FAULT: usize = 5;
    const STORE_FAULT: usize = 7;
    [LOAD_FAULT, STORE_FAULT].contains(&cause) && stack::is_guarded(value)
}

/// Whether an exception with this value (`mtval`) comes from the guard of the stack.
#[cfg(feature = "esp")]
fn is_overflow(cause: usize, value: usize) -> bool {
    cause == BREAKPOINT && value == stack::guard()
}

/// Reports an exception. The run time of esp-hal calls this for one without a handler of its own.
// SAFETY: the run time expects this name, and no other symbol has it.
#[unsafe(no_mangle)]
extern "C" fn ExceptionHandler(_registers: *const ()) -> ! {
    let (cause, pc, value) = (mcause::read().code(), mepc::read(), mtval::read());
    if is_overflow(cause, value) {
        say(format_args!("stack overflow at address {pc:#010x}: more than {} bytes were needed", stack::size()));
    } else {
        say(format_args!("exception {cause} (mcause) at address {pc:#010x}, value (mtval) {value:#010x}"));
    }
    fail()
}

/// Reports an interrupt. The run time of esp-hal calls this for one without a handler of its own.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn DefaultHandler() -> ! {
    say(format_args!("interrupt {} came, and nothing in the program handles it", mcause::read().code()));
    fail()
}
