//! Memory-mapped registers.

/// A 32-bit device register.
#[derive(Debug, Clone, Copy)]
pub struct Register(*mut u32);

impl Register {
    /// The register at `address`.
    ///
    /// # Safety
    /// The chip has a register there, and no value read or written breaks memory
    /// safety (it starts no transfer into RAM, for one).
    pub const unsafe fn at(address: usize) -> Self {
        Self(address as *mut u32)
    }

    /// Its value.
    pub fn read(self) -> u32 {
        // SAFETY: `at` was promised a device register.
        unsafe { self.0.read_volatile() }
    }

    /// Writes a value.
    pub fn write(self, value: u32) {
        // SAFETY: `at` was promised a device register.
        unsafe { self.0.write_volatile(value) }
    }

    /// Sets the bits that are 1 in `bits`.
    #[allow(dead_code, reason = "not every board has registers shared between devices")]
    pub fn set(self, bits: u32) {
        self.write(self.read() | bits);
    }
}
