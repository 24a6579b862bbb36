//! Raises an exception without a handler: `pendsv`, `nmi` or `interrupt` (number 3), given as a setting. The runner must
//! show its name and return 1.
#![no_std]
#![no_main]
#![allow(unsafe_code)] // registers that raise exceptions

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::{NVIC, SCB};
use cortex_m_rt::entry;
use emulated_boards as board;

/// An interrupt that no device on the boards uses.
#[derive(Clone, Copy)]
struct Third;

// SAFETY: every board has more interrupts than that.
unsafe impl InterruptNumber for Third {
    fn number(self) -> u16 {
        3
    }
}

const NMI_PENDING: u32 = 1 << 31;

#[entry]
fn main() -> ! {
    _ = board::settings_and(|word| {
        match word {
            "pendsv" => SCB::set_pendsv(),
            // SAFETY: the write only raises the exception.
            "nmi" => unsafe { (*SCB::PTR).icsr.write(NMI_PENDING) },
            "interrupt" => {
                // SAFETY: no critical section is open that the interrupt could break.
                unsafe { NVIC::unmask(Third) };
                NVIC::pend(Third);
            }
            _ => return false,
        }
        true
    });
    cortex_m::asm::isb();
    board::exit()
}
