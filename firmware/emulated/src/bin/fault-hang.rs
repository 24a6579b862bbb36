//! Never ends: the runner must give up in time and return 124.
#![no_std]
#![no_main]

use emulated_boards::entry; // and links the log and the panic and fault handlers

#[entry]
fn main() -> ! {
    defmt::info!("waiting for ever");
    loop {
        core::hint::spin_loop();
    }
}
