//! Handlers of panics, faults, and exceptions that nothing else handles.
//!
//! The reason is written to the log, and the program ends: under QEMU with exit code 1, on a chip by stopping,
//! which a debugger notices. No failure is silent, leaves QEMU running, or restarts a board.
#![allow(unsafe_code)] // the entry of the fault handler, and the fault status register

use core::fmt::{self, Display};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU8, Ordering};

#[cfg(feature = "rtt")]
use cortex_m::peripheral::DCB;
use cortex_m::peripheral::SCB;
#[cfg(feature = "semihosting")]
use cortex_m::register::primask;
use cortex_m_rt::{ExceptionFrame, exception};
use defmt::Display2Format;
#[cfg(feature = "semihosting")]
use defmt_semihosting as _; // the log

#[cfg(feature = "rtt")]
use crate::rtt;
use crate::stack;

/// Says in the log why the program ends, even if it was about to write a line there.
#[cfg(feature = "semihosting")]
fn say(why: impl Display) {
    // While interrupts are off a line may be half written, and its writer refuses another. QEMU's standard error
    // takes text as it is.
    if primask::read().is_inactive() {
        semihosting::eprintln!("ERROR {why}");
    } else {
        defmt::error!("{}", Display2Format(&why));
    }
}

/// Says in the log why the program ends, even if it was about to write a line there.
#[cfg(feature = "rtt")]
fn say(why: impl Display) {
    rtt::take_over();
    defmt::error!("{}", Display2Format(&why));
}

/// Ends the program, and QEMU with it: failure.
#[cfg(feature = "semihosting")]
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
    // A log that nobody has read so far is full: whoever reads it in the end learns the reason too.
    while !rtt::is_out() {}
    loop {
        cortex_m::asm::wfe();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static PANICS: AtomicU8 = AtomicU8::new(0);
    let before = PANICS.load(Ordering::Relaxed);
    PANICS.store(before.saturating_add(1), Ordering::Relaxed);
    // The report itself may be what panics: then without what it was to tell.
    match before {
        0 => say(info),
        1 => say("a panic while another was reported"),
        _ => {}
    }
    fail()
}

/// What an exception is that nothing else handles: interrupts that nobody asked for, and the processor's own.
struct Unhandled(i16);

impl Display for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            -14 => "NMI",
            -12 => "MemManage",
            -11 => "BusFault",
            -10 => "UsageFault",
            -9 => "SecureFault",
            -5 => "SVCall",
            -4 => "DebugMonitor",
            -2 => "PendSV",
            -1 => "SysTick",
            number => return write!(f, "interrupt {number} came, and nothing in the program handles it"),
        };
        write!(f, "exception {name} came, and nothing in the program handles it")
    }
}

// SAFETY: it touches nothing that what it has interrupted could miss, as that does not go on.
#[exception]
unsafe fn DefaultHandler(number: i16) -> ! {
    say(Unhandled(number));
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
        say(format_args!("stack overflow: more than the {} bytes of memory.x were needed", stack::size()));
    } else {
        // SAFETY: the processor has just pushed it, within the stack.
        let pc = unsafe { (*frame).pc() };
        say(format_args!("hard fault at address {pc:#010x}, status (CFSR) {status:#010x}"));
    }
    fail()
}
