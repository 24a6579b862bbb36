//! What happens when something goes wrong: it is said in words, and that is the end of the
//! program. Under QEMU it ends with exit code 1; a chip stops, and a debugger learns of it.
//! No failure is silent, none leaves QEMU running, and none makes a board start again.

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

#[cfg(feature = "rtt")]
use cortex_m::peripheral::DCB;
use cortex_m::peripheral::SCB;
use cortex_m_rt::ExceptionFrame;
#[cfg(feature = "emulated")]
use defmt_semihosting as _; // the log

use super::stack;

/// Ends the program, and QEMU with it: failure.
#[cfg(feature = "emulated")]
fn fail() -> ! {
    semihosting::process::exit(1)
}

/// Stops for good: what is on the display stays there.
#[cfg(feature = "rtt")]
fn fail() -> ! {
    // With no debugger to stop for, a breakpoint would be one more fault.
    if DCB::is_debugger_attached() {
        cortex_m::asm::bkpt();
    }
    loop {
        cortex_m::asm::wfe();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static PANICKING: AtomicBool = AtomicBool::new(false);
    // The log itself may be what panics: one try.
    if !PANICKING.load(Ordering::Relaxed) {
        PANICKING.store(true, Ordering::Relaxed);
        defmt::error!("{}", defmt::Display2Format(info));
    }
    fail()
}

/// Entry of the fault handler.
///
/// Running out of stack is a fault too, so the handler must not use the stack that
/// it finds: it begins a new one, and looks at the old one for the place of the fault.
// SAFETY: the name is the one that the vector table expects; nothing else bears it.
#[unsafe(no_mangle)]
#[unsafe(naked)]
extern "C" fn HardFault() {
    core::arch::naked_asm!(
        "mrs r0, msp",
        "ldr r1, =_stack_start",
        "msr msp, r1",
        "b {report}",
        report = sym report,
    )
}

/// In the fault status: the stack pointer would have passed its limit (Cortex-M33 and M55).
const STACK_LIMIT: u32 = 1 << 20;

/// Reports a fault. `frame` is where the stack ended: the registers pushed by the
/// processor, unless there was no stack left to push them on.
extern "C" fn report(frame: *const ExceptionFrame) -> ! {
    // SAFETY: reading the fault status has no side effect.
    let status = unsafe { (*SCB::PTR).cfsr.read() };
    if frame.addr() < stack::bottom() || status & STACK_LIMIT != 0 {
        defmt::error!("stack overflow: more than the {=usize} bytes of memory.x were needed", stack::size());
    } else {
        // SAFETY: the processor has just pushed it, within the stack.
        let pc = unsafe { (*frame).pc() };
        defmt::error!("hard fault at address {=u32:#010x}, status (CFSR) {=u32:#010x}", pc, status);
    }
    fail()
}
