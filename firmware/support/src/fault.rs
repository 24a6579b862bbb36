//! Handlers for panics, faults, and exceptions without a handler of their own.
//!
//! Each writes the reason to the log and ends the program: under QEMU with exit code 1, on a chip by stopping at a
//! breakpoint. No failure is silent, leaves QEMU running, or restarts a board.
#![allow(unsafe_code)] // the entry of the fault handler, and the fault status register

#[cfg(target_arch = "arm")]
use core::fmt;
use core::fmt::Display;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU8, Ordering};

#[cfg(all(feature = "rtt", target_arch = "arm"))]
use cortex_m::peripheral::DCB;
#[cfg(all(target_arch = "arm", target_has_atomic = "32"))]
use cortex_m::peripheral::SCB;
#[cfg(all(feature = "semihosting", target_arch = "arm"))]
use cortex_m::register::primask;
#[cfg(target_arch = "arm")]
use cortex_m_rt::{ExceptionFrame, exception};
use defmt::Display2Format;
#[cfg(feature = "semihosting")]
use defmt_semihosting as _; // the log

#[cfg(feature = "rtt")]
use crate::rtt;
#[cfg(target_arch = "arm")]
use crate::stack;

/// Whether interrupts are off.
#[cfg(all(feature = "semihosting", target_arch = "arm"))]
fn interrupts_are_off() -> bool {
    primask::read().is_inactive()
}

/// Whether interrupts are off. A program for RISC-V switches them on when it starts.
#[cfg(all(feature = "semihosting", target_arch = "riscv32"))]
fn interrupts_are_off() -> bool {
    !riscv::register::mstatus::read().mie()
}

/// Writes the reason for the end of the program to the log, even if a line of the log was interrupted.
#[cfg(feature = "semihosting")]
pub(crate) fn say(why: impl Display) {
    // While interrupts are off, a line may be half written, and its writer rejects another one. Then the reason goes
    // to QEMU's standard error as plain text.
    if interrupts_are_off() {
        semihosting::eprintln!("ERROR {why}");
    } else {
        defmt::error!("{}", Display2Format(&why));
    }
}

/// Writes the reason for the end of the program to the log, even if a line of the log was interrupted.
#[cfg(feature = "rtt")]
pub(crate) fn say(why: impl Display) {
    rtt::take_over();
    defmt::error!("{}", Display2Format(&why));
}

/// Ends the program and QEMU with exit code 1.
#[cfg(feature = "semihosting")]
pub(crate) fn fail() -> ! {
    semihosting::process::exit(1)
}

/// Stops the program for ever; the display keeps its contents.
#[cfg(feature = "rtt")]
pub(crate) fn fail() -> ! {
    // Without a debugger, a breakpoint would be another fault. On Armv6-M software cannot read whether there is one.
    #[cfg(target_arch = "arm")]
    if cfg!(target_has_atomic = "32") && DCB::is_debugger_attached() {
        cortex_m::asm::bkpt();
    }
    // If the log is full, waits until a debugger reads it, so that the reason is not lost.
    while !rtt::is_out() {}
    loop {
        #[cfg(target_arch = "arm")]
        cortex_m::asm::wfe();
        // Does not sleep: a debugger should reach the core.
        #[cfg(not(target_arch = "arm"))]
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static PANICS: AtomicU8 = AtomicU8::new(0);
    let before = PANICS.load(Ordering::Relaxed);
    PANICS.store(before.saturating_add(1), Ordering::Relaxed);
    // The report may panic itself: then only that is reported.
    match before {
        0 => say(info),
        1 => say("a panic while another was reported"),
        _ => {}
    }
    fail()
}

/// The number of an exception or interrupt without a handler; displays as a message.
#[cfg(target_arch = "arm")]
struct Unhandled(i16);

#[cfg(target_arch = "arm")]
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

// SAFETY: the interrupted code never resumes, so no state of it has to be preserved.
#[cfg(target_arch = "arm")]
#[exception]
unsafe fn DefaultHandler(number: i16) -> ! {
    say(Unhandled(number));
    fail()
}

/// Entry of the fault handler.
///
/// A stack overflow is a fault too, so the handler must not use the current stack. It starts again at the top of the
/// stack and passes the old stack pointer to [`report`], which finds the address of the fault there.
// SAFETY: the vector table expects this name, and no other symbol has it.
#[cfg(target_arch = "arm")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
extern "C" fn HardFault() {
    core::arch::naked_asm!(
        "mrs r0, msp",
        "ldr r1, =_stack_start",
        "msr msp, r1",
        "bl {report}", // and not `b`, which reaches only 2 KiB on Armv6-M
        report = sym report,
    )
}

/// The fault status register CFSR, which Armv6-M does not have. rustc has no name for that architecture, but of the Cortex-M
/// targets it is the only one without atomic operations that read and write.
#[cfg(target_arch = "arm")]
fn fault_status() -> Option<u32> {
    #[cfg(target_has_atomic = "32")]
    // SAFETY: reading the fault status has no side effect.
    let status = Some(unsafe { (*SCB::PTR).cfsr.read() });
    #[cfg(not(target_has_atomic = "32"))]
    let status = None;
    status
}

/// Bit STKOF of CFSR: the stack pointer would have passed its limit (Cortex-M33 and M55).
#[cfg(target_arch = "arm")]
const STACK_LIMIT: u32 = 1 << 20;

/// Reports a fault. `frame` is the stack pointer at the fault. It points to the registers that the processor has pushed,
/// unless there was no stack left for them.
#[cfg(target_arch = "arm")]
extern "C" fn report(frame: *const ExceptionFrame) -> ! {
    let status = fault_status();
    if frame.addr() < stack::bottom() || status.is_some_and(|status| status & STACK_LIMIT != 0) {
        say(format_args!("stack overflow: more than the {} bytes of memory.x were needed", stack::size()));
    } else {
        // SAFETY: the processor has just pushed these registers, and they are within the stack.
        let pc = unsafe { (*frame).pc() };
        match status {
            Some(status) => say(format_args!("hard fault at address {pc:#010x}, status (CFSR) {status:#010x}")),
            None => say(format_args!("hard fault at address {pc:#010x}")),
        }
    }
    fail()
}
