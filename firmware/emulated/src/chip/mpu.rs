//! Makes accesses below the stack fault, so that a stack overflow is detected.

/// Does nothing: a Cortex-M33 or M55 has a stack limit register, which the run time has set (feature `set-msplim` of
/// cortex-m-rt).
#[cfg(any(feature = "mps2-an505", feature = "mps3-an547"))]
pub(super) fn guard_stack() {}

/// Makes accesses below the stack fault. On real chips they fault anyway, but QEMU ignores accesses to addresses without
/// memory.
#[cfg(not(any(feature = "mps2-an505", feature = "mps3-an547")))]
pub(super) fn guard_stack() {
    const SIZE: usize = 64 * 1024;
    const SIZE_FIELD: u32 = SIZE.ilog2() - 1;
    let base = (firmware_support::stack::bottom() - SIZE) as u32;
    // SAFETY: region 0 forbids only addresses that the program does not use. The default map applies to all others.
    unsafe {
        let mpu = &*cortex_m::peripheral::MPU::PTR;
        mpu.rbar.write(base | 1 << 4); // region 0
        mpu.rasr.write(1 << 28 | SIZE_FIELD << 1 | 1); // no access, no execution, on
        mpu.ctrl.write(1 << 2 | 1); // default map for the rest, on; off within the fault handler
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}
