//! Sending over a serial port, for all types of UART here: a data register, and a status bit that is set while the data
//! register is full.

use super::register::{BusTimeout, Register};

/// A serial port that is set up for sending.
#[derive(Debug, Clone, Copy)]
pub struct Uart {
    pub(super) data: Register,
    pub(super) status: Register,
    /// The bit of `status` that is set while `data` accepts no more bytes.
    pub(super) full: u32,
}

impl Uart {
    /// Sends bytes; waits while the device is busy.
    ///
    /// # Errors
    /// [`BusTimeout`] if the device does not become ready.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BusTimeout> {
        bytes.iter().try_for_each(|&byte| {
            self.status.wait(self.full, 0)?;
            self.data.write(byte.into());
            Ok(())
        })
    }
}
