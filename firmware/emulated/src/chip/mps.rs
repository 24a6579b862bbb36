//! Arm MPS2 boards with different cores: Cortex-M3 (AN385), M4F (AN386), M7F (AN500) or M33F (AN505); and an MPS3 board
//! with a Cortex-M55 (AN547). Their displays are not used.

use super::register::Register;
use super::uart::Uart;

/// The board.
#[derive(Debug)]
pub struct Board {
    /// UART 0, for the bytes of pictures.
    pub uart: Uart,
}

impl Board {
    /// Sets up the board. Call it once, at the start.
    pub fn take() -> Self {
        super::mpu::guard_stack();
        BAUD_DIVIDER.write(16); // the smallest valid value
        Self::connect(true);
        Self { uart: Uart { data: DATA, status: STATE, full: FULL } }
    }

    /// Enables or disables the transmitter of UART 0. While it is disabled, the device accepts only one byte.
    pub fn connect(on: bool) {
        CONTROL.write(if on { TRANSMIT } else { 0 });
    }
}

/// Core clock, which also drives SysTick.
pub const CLOCK_HZ: u32 = match () {
    () if cfg!(feature = "mps2-an505") => 20_000_000,
    () if cfg!(feature = "mps3-an547") => 32_000_000,
    () => 25_000_000,
};

/// CMSDK APB UART 0; on the AN505 and AN547 at its address in the secure state.
const UART: usize = match () {
    () if cfg!(feature = "mps2-an505") => 0x5020_0000,
    () if cfg!(feature = "mps3-an547") => 0x5930_3000,
    () => 0x4000_4000,
};
// SAFETY: this is a register of UART 0, which has no access to memory.
const DATA: Register = unsafe { Register::at(UART) };
// SAFETY: as above.
const STATE: Register = unsafe { Register::at(UART + 0x04) };
// SAFETY: as above.
const CONTROL: Register = unsafe { Register::at(UART + 0x08) };
// SAFETY: as above.
const BAUD_DIVIDER: Register = unsafe { Register::at(UART + 0x10) };
const TRANSMIT: u32 = 1 << 0;
const FULL: u32 = 1 << 0;
