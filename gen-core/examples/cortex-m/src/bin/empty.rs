//! A program that does nothing, to be compared with `smallest`.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m as _;
use cortex_m_rt::entry;

#[entry]
fn main() -> ! {
    loop {}
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
