//! QEMU's board for RISC-V, which exists only there: a core, RAM and a UART.

use core::arch::asm;

use firmware_support::stack;

use super::register::BusTimeout;

/// The board.
#[derive(Debug)]
pub struct Board {
    /// The UART, for the bytes of pictures.
    pub uart: Uart,
}

impl Board {
    /// Sets up the board. Call it once, at the start.
    pub fn take() -> Self {
        stack::guard();
        stack::paint(); // riscv-rt does not do it
        // SAFETY: no interrupt is enabled by itself, so none comes. That they are on as a whole shows the panic handler that
        // no line of the log is half written.
        unsafe { riscv::interrupt::enable() };
        Self { uart: Uart(()) }
    }
}

/// A UART of the kind 16550, whose registers are bytes.
#[derive(Debug, Clone, Copy)]
pub struct Uart(());

impl Uart {
    /// Sends bytes; waits while the device is busy.
    ///
    /// # Errors
    /// [`BusTimeout`] if the device does not become ready.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BusTimeout> {
        const DATA: *mut u8 = 0x1000_0000 as *mut u8;
        const STATUS: *const u8 = 0x1000_0005 as *const u8;
        const EMPTY: u8 = 1 << 5;
        const PATIENCE: u32 = 10_000;
        bytes.iter().try_for_each(|&byte| {
            // SAFETY: these are registers of the UART, which has no access to memory.
            unsafe {
                if !(0..PATIENCE).any(|_| STATUS.read_volatile() & EMPTY != 0) {
                    return Err(BusTimeout);
                }
                DATA.write_volatile(byte);
            }
            Ok(())
        })
    }
}

/// What the counter of cycles advances by in a second of the board's time. QEMU counts nanoseconds, and calls them cycles.
pub const CLOCK_HZ: u32 = 1_000_000_000;

/// The counter of cycles always counts.
pub fn start() {}

/// Cycles since the start.
#[inline(always)]
pub fn now() -> u64 {
    riscv::register::mcycle::read64()
}

/// A loop of two instructions.
pub fn spin(turns: u32) {
    // SAFETY: the loop changes only its own register.
    unsafe {
        asm!("2: addi {turns}, {turns}, -1", "bnez {turns}, 2b", turns = inout(reg) turns => _, options(nomem, nostack));
    }
}
