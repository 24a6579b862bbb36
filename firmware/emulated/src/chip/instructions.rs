//! Counts instructions with a timer. With `-icount shift=6` QEMU advances the board's time by 64 ns for each instruction,
//! independent of the load of the host, so a timer of the board counts instructions.
//!
//! It counts only instructions: QEMU has no wait states, no dual issue and no loads that take longer. The number of cycles
//! on a real chip is different.
//!
//! The timer is SysTick at the core's clock. Its 24 bits last for some ten million instructions; an exception counts the
//! overflows. This works only on boards that do not use SysTick as their clock.

use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;

use super::mps::CLOCK_HZ;

/// Nanoseconds for each instruction: `shift=6` of QEMU's `-icount`.
const INSTRUCTION_NS: u64 = 64;
/// The value from which SysTick counts down to 0.
const RELOAD: u32 = 0xFF_FFFF;

/// How often SysTick has restarted.
static ROUNDS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    // Nothing else writes it. A Cortex-M0 has no instruction for an atomic addition.
    ROUNDS.store(ROUNDS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// A counter of instructions since the start of the program.
///
/// A duration is the difference of two values of [`read`](Self::read), in ticks of the timer. Add up many short durations
/// as ticks, and convert only the sum to [instructions](Self::instructions), so that it is rounded once.
#[derive(Debug)]
pub struct Counter {
    /// Ticks between two immediately successive readings: the cost of reading.
    pair: u64,
}

impl Counter {
    /// Starts the counter. Call it once, at the start.
    ///
    /// # Panics
    /// If a loop of known length counts as more than 64 instructions too many or too few, because QEMU runs without
    /// `-icount shift=6`. Also if the peripherals, of which SysTick is one, are already in use.
    pub fn start() -> Self {
        let mut timer = cortex_m::Peripherals::take().expect("nobody else uses SysTick").SYST;
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(RELOAD);
        timer.clear_current();
        timer.enable_interrupt();
        timer.enable_counter();
        while SYST::get_current() == 0 {} // waits for the first tick

        let mut counter = Self { pair: 0 };
        let start = counter.read();
        counter.pair = counter.read() - start;
        counter.check();
        counter
    }

    /// Checks that a million turns of a loop with two instructions count as two million.
    fn check(&self) {
        const TURNS: u64 = 1_000_000;
        let start = self.read();
        // SAFETY: the loop changes only its own register and the flags.
        unsafe {
            asm!(
                "2: subs {turns}, {turns}, #1",
                "bne 2b",
                turns = inout(reg) TURNS as u32 => _,
                options(nomem, nostack),
            );
        }
        let counted = self.instructions(self.since(start));
        assert!(
            counted.abs_diff(2 * TURNS) <= 64,
            "{} instructions count as {counted}: run this in QEMU with -icount shift=6",
            2 * TURNS
        );
    }

    /// Ticks since the start.
    #[inline(never)] // so that its cost is the same everywhere
    pub fn read(&self) -> u64 {
        loop {
            let rounds = ROUNDS.load(Ordering::Relaxed);
            let left = SYST::get_current();
            // At 0 the exception is pending; it is handled before the next turn of this loop.
            if left != 0 && rounds == ROUNDS.load(Ordering::Relaxed) {
                return u64::from(rounds) * u64::from(RELOAD + 1) + u64::from(RELOAD - left);
            }
        }
    }

    /// Ticks since `start`, without the cost of reading.
    pub fn since(&self, start: u64) -> u64 {
        (self.read() - start).saturating_sub(self.pair)
    }

    /// Converts ticks to instructions, rounded to the nearest.
    pub fn instructions(&self, ticks: u64) -> u64 {
        const NS: u64 = 1_000_000_000;
        // Rounded, because an instruction is not an integer number of ticks.
        (ticks * (NS / INSTRUCTION_NS) + u64::from(CLOCK_HZ / 2)) / u64::from(CLOCK_HZ)
    }
}
