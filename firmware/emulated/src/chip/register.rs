//! Memory-mapped registers.

use core::fmt;

use embedded_hal::{digital, spi};

/// Number of readings of a status register after which a wait fails. The slowest device here, a serial port with
/// 115,200 baud, needs some two hundred readings for a byte.
const PATIENCE: u32 = 10_000;

/// A device did not become ready in time. The bytes that it should have sent are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusTimeout;

impl fmt::Display for BusTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bus is stuck")
    }
}

impl core::error::Error for BusTimeout {}

impl spi::Error for BusTimeout {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

impl digital::Error for BusTimeout {
    fn kind(&self) -> digital::ErrorKind {
        digital::ErrorKind::Other
    }
}

/// A 32-bit device register.
#[derive(Debug, Clone, Copy)]
pub struct Register(*mut u32);

impl Register {
    /// The register at `address`.
    ///
    /// # Safety
    /// The chip must have a 32-bit register at `address`. No access to it may break memory safety; for example, none may
    /// start a transfer into RAM.
    pub const unsafe fn at(address: usize) -> Self {
        Self(address as *mut u32)
    }

    /// Reads the value.
    pub fn read(self) -> u32 {
        // SAFETY: the caller of `at` has guaranteed that this is a device register.
        unsafe { self.0.read_volatile() }
    }

    /// Writes a value.
    pub fn write(self, value: u32) {
        // SAFETY: the caller of `at` has guaranteed that this is a device register.
        unsafe { self.0.write_volatile(value) }
    }

    /// Sets the bits that are 1 in `bits`.
    #[allow(dead_code, reason = "not every board has registers shared between devices")]
    pub fn set(self, bits: u32) {
        self.write(self.read() | bits);
    }

    /// Waits until the register's bits selected by `mask` equal `bits`.
    ///
    /// # Errors
    /// [`BusTimeout`] after 10,000 readings.
    pub fn wait(self, mask: u32, bits: u32) -> Result<(), BusTimeout> {
        if (0..PATIENCE).any(|_| self.read() & mask == bits) { Ok(()) } else { Err(BusTimeout) }
    }
}
