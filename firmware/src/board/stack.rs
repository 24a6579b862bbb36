//! The stack, as `memory.x` lays it out: below everything else in RAM.

unsafe extern "C" {
    /// Both from `memory.x`; only their addresses mean something.
    static _stack_start: u32;
    static _stack_end: u32;
}

/// What the run time fills the stack with before the program starts.
const PAINT: u32 = cortex_m_rt::STACK_PAINT_VALUE;

/// Lowest address of the stack.
pub fn bottom() -> usize {
    (&raw const _stack_end).addr()
}

/// Its size in bytes.
pub fn size() -> usize {
    (&raw const _stack_start).addr() - bottom()
}

/// Bytes that have been in use at some time.
pub fn used() -> usize {
    // What was never touched still has its paint, from the bottom up.
    let untouched = |i: &usize| {
        let word = (&raw const _stack_end).wrapping_add(*i);
        // SAFETY: it lies within the stack, which is RAM; volatile, as the compiler
        // knows of no variable there.
        unsafe { word.read_volatile() == PAINT }
    };
    size() - 4 * (0..size() / 4).take_while(untouched).count()
}

/// Makes the addresses below the stack fault: a Cortex-M33 has a register for it, which
/// the run time has set (feature `set-msplim`).
#[cfg(feature = "mps2-an505")]
pub fn guard() {}

/// Makes the addresses below the stack fault. On the chips they do so anyhow, but
/// QEMU's boards ignore accesses to where nothing is.
#[cfg(not(feature = "mps2-an505"))]
pub fn guard() {
    const SIZE: usize = 64 * 1024;
    const SIZE_FIELD: u32 = SIZE.ilog2() - 1;
    let base = (bottom() - SIZE) as u32;
    // SAFETY: region 0 forbids everything where the program has nothing; elsewhere
    // the default map stays in force.
    unsafe {
        let mpu = &*cortex_m::peripheral::MPU::PTR;
        mpu.rbar.write(base | 1 << 4); // region 0
        mpu.rasr.write(1 << 28 | SIZE_FIELD << 1 | 1); // no access, no execution, on
        mpu.ctrl.write(1 << 2 | 1); // default map for the rest, on; off within the fault handler
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}
