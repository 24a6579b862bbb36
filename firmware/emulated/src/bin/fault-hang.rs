//! Never ends: the runner must give up in time and return 124.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use emulated_boards as _; // links the log and the panic and fault handlers

#[entry]
fn main() -> ! {
    defmt::info!("waiting for ever");
    loop {
        cortex_m::asm::nop();
    }
}
