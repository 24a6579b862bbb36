//! Position, size and use of the stack. `memory.x` places it at the bottom of RAM; the linker script of esp-hal gives it all
//! RAM above the variables (feature `esp`).
//!
//! The use is measured by painting: cortex-m-rt fills the stack with a pattern before the program starts, and words that
//! have changed were used.
#![allow(unsafe_code)] // reads and paints memory that the linker script sets aside; the memory protection unit

use core::sync::atomic::{AtomicUsize, Ordering};

unsafe extern "C" {
    /// Symbols of `memory.x`: only their addresses have a meaning.
    static _stack_start: u32;
    #[cfg(not(feature = "esp"))]
    static _stack_end: u32;
    /// A word that esp-hal watches. The stack continues below it, so there is room to report an overflow.
    #[cfg(feature = "esp")]
    static __stack_chk_guard: u32;
}

/// The address of the guard. Writing there is an exception.
#[cfg(feature = "esp")]
pub(crate) fn guard() -> usize {
    (&raw const __stack_chk_guard).addr()
}

/// The lowest word of the stack.
#[cfg(not(feature = "esp"))]
fn lowest() -> *const u32 {
    &raw const _stack_end
}

/// The lowest word of the stack that may be used.
#[cfg(feature = "esp")]
fn lowest() -> *const u32 {
    (&raw const __stack_chk_guard).wrapping_add(1)
}

/// How many bytes below the stack are guarded.
#[cfg(any(
    all(target_arch = "arm", not(target_has_atomic = "32")),
    all(target_arch = "riscv32", not(feature = "esp"))
))]
const GUARDED: usize = 64 * 1024;

/// Makes accesses to the 64 KiB below the stack a fault, with the memory protection unit. For chips on which these addresses
/// belong to something else than memory, or where it is not known what an access does.
///
/// Only for Armv6-M. Armv8-M has a limit register for the stack, which cortex-m-rt sets (its feature `set-msplim`).
#[cfg(all(target_arch = "arm", not(target_has_atomic = "32")))]
pub fn guard() {
    const SIZE_FIELD: u32 = GUARDED.ilog2() - 1;
    const VALID: u32 = 1 << 4; // region 0
    const NO_EXECUTION: u32 = 1 << 28;
    const DEFAULT_MAP: u32 = 1 << 2;
    let base = (bottom() - GUARDED) as u32;
    // SAFETY: the region, without any permission, has only addresses that the program does not use. The default map applies
    // to all others. The unit is off within the fault handler.
    unsafe {
        let mpu = &*cortex_m::peripheral::MPU::PTR;
        mpu.rbar.write(base | VALID);
        mpu.rasr.write(NO_EXECUTION | SIZE_FIELD << 1 | 1);
        mpu.ctrl.write(DEFAULT_MAP | 1);
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// Makes accesses to the 64 KiB below the stack an exception, with entry 0 of the physical memory protection. It is locked
/// until the next reset, as only locked entries hold in machine mode. Memory without an entry stays as it was.
#[cfg(all(target_arch = "riscv32", not(feature = "esp")))]
pub fn guard() {
    use riscv::register::{Permission, Range, pmpaddr0, pmpcfg0};

    // A range of 2^n bytes: the address of its start, in words, with n - 3 ones at the end.
    let range = ((bottom() - GUARDED) >> 2) | ((GUARDED >> 3) - 1);
    // SAFETY: the range, without any permission, has only addresses that the program does not use.
    unsafe {
        pmpaddr0::write(range);
        pmpcfg0::set_pmp(0, Range::NAPOT, Permission::NONE, true);
    }
}

/// Whether an address is in the guarded memory below the stack.
#[cfg(all(target_arch = "riscv32", not(feature = "esp")))]
pub(crate) fn is_guarded(address: usize) -> bool {
    (bottom() - GUARDED..bottom()).contains(&address)
}

/// The pattern with which cortex-m-rt fills the stack before the program starts.
#[cfg(target_arch = "arm")]
const PAINT: u32 = cortex_m_rt::STACK_PAINT_VALUE;

/// The pattern with which [`paint`] fills the stack.
#[cfg(target_arch = "riscv32")]
const PAINT: u32 = 0xcccc_cccc;

/// The stack pointer.
#[cfg(target_arch = "arm")]
fn pointer() -> usize {
    cortex_m::register::msp::read() as usize
}

/// The stack pointer.
#[cfg(target_arch = "riscv32")]
#[inline(always)]
fn pointer() -> usize {
    let sp;
    // SAFETY: only reads a register.
    unsafe { core::arch::asm!("mv {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// Lowest address of the stack.
pub fn bottom() -> usize {
    lowest().addr()
}

/// Size of the stack in bytes.
pub fn size() -> usize {
    (&raw const _stack_start).addr() - bottom()
}

/// The largest use in bytes before the stack was last painted again.
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The largest number of bytes that have been in use since the start of the program.
pub fn used() -> usize {
    touched().max(MOST.load(Ordering::Relaxed))
}

/// The largest number of bytes that have been in use since the stack was last painted.
fn touched() -> usize {
    // Words that were never used still have the pattern, from the bottom up.
    let untouched = |i: &usize| {
        let word = lowest().wrapping_add(*i);
        // SAFETY: the address is within the stack, which is RAM. Volatile, because the compiler
        // knows no variable there.
        unsafe { word.read_volatile() == PAINT }
    };
    size() - 4 * (0..size() / 4).take_while(untouched).count()
}

/// Paints the stack below `here`, the stack pointer of the caller.
#[inline(always)]
fn paint_below(here: usize) {
    // More than the caller can use itself: it may read the stack pointer before it pushes registers.
    const OWN: usize = 128;
    for i in 0..(here - OWN - bottom()) / 4 {
        let word = lowest().wrapping_add(i).cast_mut();
        // SAFETY: the address is within the stack and below everything in use. An interrupt
        // uses this memory only until it returns.
        unsafe { word.write_volatile(PAINT) };
    }
}

/// Paints the stack for the first time. A program for RISC-V calls this when it starts; cortex-m-rt does it by itself.
#[cfg(target_arch = "riscv32")]
#[inline(never)]
pub fn paint() {
    paint_below(pointer());
}

/// A position in the stack, to measure how much stack the functions called from there use.
#[derive(Debug, Clone, Copy)]
pub struct Mark(usize);

impl Mark {
    /// Sets a mark at the current stack pointer, and paints the stack below it again.
    ///
    /// The code to measure has to be a function of its own (`#[inline(never)]`): otherwise its variables would be above
    /// the mark, in the frame of the caller.
    #[inline(never)]
    pub fn set() -> Self {
        // Two steps, because Armv6-M has no atomic maximum. No interrupt handler sets a mark.
        MOST.store(used(), Ordering::Relaxed);
        let here = pointer();
        paint_below(here);
        Self(here)
    }

    /// The largest number of bytes below the mark that have been in use since it was set.
    pub fn used(self) -> usize {
        touched().saturating_sub(bottom() + size() - self.0)
    }
}
