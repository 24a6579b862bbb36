//! Arm MPS2 boards, alike but for the core: Cortex-M3 (AN385), M4F (AN386), M7F (AN500)
//! or M33F (AN505); and an MPS3 board, with a Cortex-M55 (AN547). No display worth the name.

use super::register::Register;
use super::uart::Uart;

/// The board.
#[derive(Debug)]
pub struct Board {
    /// UART 0: pictures, byte for byte.
    pub uart: Uart,
}

impl Board {
    /// Sets the board up; once, at the start.
    pub fn take() -> Self {
        super::mpu::guard_stack();
        BAUD_DIVIDER.write(16); // the least it accepts
        Self::connect(true);
        Self { uart: Uart { data: DATA, status: STATE, full: FULL } }
    }

    /// Switches the sender of UART 0 off and on: while it is off, the device takes one byte and no more.
    pub fn connect(on: bool) {
        CONTROL.write(if on { TRANSMIT } else { 0 });
    }
}

/// Core clock, which is SysTick's too.
pub const CLOCK_HZ: u32 = match () {
    () if cfg!(feature = "mps2-an505") => 20_000_000,
    () if cfg!(feature = "mps3-an547") => 32_000_000,
    () => 25_000_000,
};

/// CMSDK APB UART 0; on the AN505 and AN547 as the secure state sees it.
const UART: usize = match () {
    () if cfg!(feature = "mps2-an505") => 0x5020_0000,
    () if cfg!(feature = "mps3-an547") => 0x5930_3000,
    () => 0x4000_4000,
};
// SAFETY: registers of UART 0 in the board's memory map; the device has no access to memory.
const DATA: Register = unsafe { Register::at(UART) };
// SAFETY: as above.
const STATE: Register = unsafe { Register::at(UART + 0x04) };
// SAFETY: as above.
const CONTROL: Register = unsafe { Register::at(UART + 0x08) };
// SAFETY: as above.
const BAUD_DIVIDER: Register = unsafe { Register::at(UART + 0x10) };
const TRANSMIT: u32 = 1 << 0;
const FULL: u32 = 1 << 0;
