//! The first micro:bit, as QEMU emulates it: nRF51822, a Cortex-M0 with 16 KiB of RAM. Its display is not used.

use super::register::{BusTimeout, Register};

/// The board.
#[derive(Debug)]
pub struct Board {
    /// The UART, for the bytes of pictures.
    pub uart: Uart,
}

impl Board {
    /// Sets up the board. Call it once, at the start.
    pub fn take() -> Self {
        ENABLE.write(4);
        START.write(1);
        Self { uart: Uart(()) }
    }
}

/// The UART of an nRF51. It reports the end of a byte, not that it has room for one.
#[derive(Debug, Clone, Copy)]
pub struct Uart(());

impl Uart {
    /// Sends bytes; waits while the device is busy.
    ///
    /// # Errors
    /// [`BusTimeout`] if the device does not become ready.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BusTimeout> {
        bytes.iter().try_for_each(|&byte| {
            DATA.write(byte.into());
            SENT.wait(1, 1)?;
            SENT.write(0);
            Ok(())
        })
    }
}

const UART: usize = 0x4000_2000;
// SAFETY: this is a register of the UART, which has no access to memory.
const START: Register = unsafe { Register::at(UART + 0x008) };
// SAFETY: as above.
const SENT: Register = unsafe { Register::at(UART + 0x11C) };
// SAFETY: as above.
const ENABLE: Register = unsafe { Register::at(UART + 0x500) };
// SAFETY: as above.
const DATA: Register = unsafe { Register::at(UART + 0x51C) };
