//! Panics: the runner must show the message and return 1.
#![no_std]
#![no_main]

use emulated_boards::entry; // and links the log and the panic and fault handlers

#[entry]
fn main() -> ! {
    panic!("this is a test")
}
