//! Which instructions the processor has, as its identification registers say.
//!
//! Sources: Armv7-M Architecture Reference Manual (DDI 0403), `CPUID` and `ID_ISAR3`; Armv8-M Architecture Reference
//! Manual (DDI 0553), `ID_ISAR3` and `MVFR1`.

#![allow(unsafe_code, reason = "identification registers")]

#[cfg(kernels = "armv7em")]
const CPUID: *const u32 = 0xe000_ed00 as *const u32;
#[cfg(kernels = "armv7em")]
const ID_ISAR3: *const u32 = 0xe000_ed6c as *const u32;
#[cfg(kernels = "armv8_1m_mve")]
const MVFR1: *const u32 = 0xe000_ef44 as *const u32;

/// `DSP`, if the processor lacks the instructions of the DSP extension.
#[cfg(kernels = "armv7em")]
pub fn missing_dsp() -> Option<&'static str> {
    // A Cortex-M4 (0xc24) or M7 (0xc27) always has them. QEMU's M4 has the `ID_ISAR3` of an M3.
    if matches!(bits(CPUID, 4, 12)?, 0xc24 | 0xc27) {
        return None;
    }
    // SIMD: 3 with the DSP extension, 1 without.
    (bits(ID_ISAR3, 4, 4)? < 3).then_some("DSP")
}

/// `MVE`, if the processor lacks integer vector instructions.
#[cfg(kernels = "armv8_1m_mve")]
pub fn missing_mve() -> Option<&'static str> {
    // MVE: 0 without, 1 for integers, 2 for integers and floats.
    (bits(MVFR1, 8, 4)? == 0).then_some("MVE")
}

/// `count` bits of an identification register from bit `shift` on. `None` for an unprivileged program, for which reading the
/// register is a fault.
#[inline(never)]
fn bits(register: *const u32, shift: u32, count: u32) -> Option<u32> {
    let (control, ipsr): (u32, u32);
    // SAFETY: both registers can be read at any privilege; reading has no effect.
    unsafe {
        core::arch::asm!("mrs {}, CONTROL", out(reg) control, options(nomem, nostack, preserves_flags));
        core::arch::asm!("mrs {}, IPSR", out(reg) ipsr, options(nomem, nostack, preserves_flags));
    }
    // Bit 0 of CONTROL: threads are unprivileged. An unprivileged program reads IPSR as 0; in an interrupt, which is
    // privileged, its lower nine bits are the number of the exception.
    let is_privileged = control & 1 == 0 || ipsr & 0x1ff != 0;
    // SAFETY: every Armv7-M and Armv8-M with the Main Extension has these registers at these addresses, and the program is
    // allowed to read them.
    is_privileged.then(|| unsafe { register.read_volatile() } >> shift & ((1 << count) - 1))
}
