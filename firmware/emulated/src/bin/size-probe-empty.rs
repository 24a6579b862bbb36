//! [`size-probe`](size-probe.rs) without gen-core. The difference in size between the two programs is the size of
//! gen-core.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::hint::black_box;
use core::panic::PanicInfo;

use cortex_m_rt::entry;

#[entry]
fn main() -> ! {
    let picture = [0u8; 3];
    _ = black_box(&picture[..]);
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
