//! Panics: the runner must show the message and return 1.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use emulated_boards as _; // links the log and the panic and fault handlers

#[entry]
fn main() -> ! {
    panic!("this is a test")
}
