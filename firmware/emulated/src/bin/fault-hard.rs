//! Executes an undefined instruction: the runner must show the fault and return 1.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use emulated_boards as _; // links the log and the panic and fault handlers

#[entry]
fn main() -> ! {
    // A permanently undefined instruction.
    cortex_m::asm::udf()
}
