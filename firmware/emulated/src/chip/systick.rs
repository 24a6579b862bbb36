//! SysTick as a clock of instructions, at the core's clock. Its 24 bits last for some ten million instructions; an exception
//! counts the overflows. This works only on boards that do not use SysTick as their clock.

use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;

pub use super::mps::CLOCK_HZ;

/// The value from which SysTick counts down to 0.
const RELOAD: u32 = 0xFF_FFFF;

/// How often SysTick has restarted.
static ROUNDS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    // Nothing else writes it. A Cortex-M0 has no instruction for an atomic addition.
    ROUNDS.store(ROUNDS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Starts it.
///
/// # Panics
/// If the peripherals, of which SysTick is one, are already in use.
pub fn start() {
    let mut timer = cortex_m::Peripherals::take().expect("nobody else uses SysTick").SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(RELOAD);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();
    while SYST::get_current() == 0 {} // waits for the first tick
}

/// Ticks since the start.
#[inline(always)]
pub fn now() -> u64 {
    loop {
        let rounds = ROUNDS.load(Ordering::Relaxed);
        let left = SYST::get_current();
        // At 0 the exception is pending; it is handled before the next turn of this loop.
        if left != 0 && rounds == ROUNDS.load(Ordering::Relaxed) {
            return u64::from(rounds) * u64::from(RELOAD + 1) + u64::from(RELOAD - left);
        }
    }
}

/// A loop of two instructions.
pub fn spin(turns: u32) {
    // SAFETY: the loop changes only its own register and the flags.
    unsafe {
        asm!(
            "2: subs {turns}, {turns}, #1",
            "bne 2b",
            turns = inout(reg) turns => _,
            options(nomem, nostack),
        );
    }
}
