//! Arm MPS2 with the AN386 image: Cortex-M4F, no display worth the name.

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
        super::stack::guard();
        BAUD_DIVIDER.write(16); // the least it accepts
        CONTROL.write(TRANSMIT);
        Self { uart: Uart { data: DATA, status: STATE, full: FULL } }
    }
}

// CMSDK APB UART 0.
// SAFETY: registers of UART 0 in the AN386 memory map; the device has no access to memory.
const DATA: Register = unsafe { Register::at(0x4000_4000) };
// SAFETY: as above.
const STATE: Register = unsafe { Register::at(0x4000_4004) };
// SAFETY: as above.
const CONTROL: Register = unsafe { Register::at(0x4000_4008) };
// SAFETY: as above.
const BAUD_DIVIDER: Register = unsafe { Register::at(0x4000_4010) };
const TRANSMIT: u32 = 1 << 0;
const FULL: u32 = 1 << 0;
