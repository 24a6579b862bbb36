//! Serial ports that are all alike for sending: a register for data, and a bit that
//! says when it can take no more.

use super::register::{BusTimeout, Register};

/// A serial port that is set up for sending.
#[derive(Debug, Clone, Copy)]
pub struct Uart {
    pub(super) data: Register,
    pub(super) status: Register,
    /// The bit of `status` that is set while `data` can take no more.
    pub(super) full: u32,
}

impl Uart {
    /// Sends bytes; waits while the device is busy.
    ///
    /// # Errors
    /// [`BusTimeout`], when it does not become ready again.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BusTimeout> {
        bytes.iter().try_for_each(|&byte| {
            self.status.wait(self.full, 0)?;
            self.data.write(byte.into());
            Ok(())
        })
    }
}
