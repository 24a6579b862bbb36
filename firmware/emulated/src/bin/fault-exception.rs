//! Raises an exception or interrupt without a handler, given as a setting. The runner must show its name or number and
//! return 1.
//!
//! | processor | settings |
//! |---|---|
//! | Cortex-M | `pendsv`, `nmi`, `interrupt` (number 3) |
//! | RISC-V | `breakpoint`, `ecall`, `interrupt` (that of software, number 3) |
#![no_std]
#![no_main]
#![allow(unsafe_code)] // registers and instructions that raise exceptions

use emulated_boards::{self as board, entry};

#[entry]
fn main() -> ! {
    _ = board::settings_and(raise);
    board::exit()
}

/// Raises what a word names, unless it names nothing here.
#[cfg(target_arch = "arm")]
fn raise(word: &str) -> bool {
    use cortex_m::interrupt::InterruptNumber;
    use cortex_m::peripheral::{NVIC, SCB};

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
    cortex_m::asm::isb();
    true
}

/// Raises what a word names, unless it names nothing here.
#[cfg(target_arch = "riscv32")]
fn raise(word: &str) -> bool {
    use core::arch::asm;

    /// The register of the board that raises the interrupt.
    const PENDING: *mut u32 = 0x0200_0000 as *mut u32;
    // SAFETY: the interrupted code does not resume, and no critical section is open.
    unsafe {
        match word {
            "breakpoint" => asm!("ebreak"),
            "ecall" => asm!("ecall"),
            "interrupt" => {
                riscv::register::mie::set_msoft();
                PENDING.write_volatile(1);
                riscv::interrupt::enable();
            }
            _ => return false,
        }
    }
    true
}
