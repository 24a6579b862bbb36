//! Counts instructions, as QEMU has them with `-icount shift=6`: there one instruction
//! takes 64 ns of the board's own time, whatever the machine that QEMU runs on is busy
//! with, so that a timer that reads this time counts instructions.
//!
//! It counts nothing else: no wait states, no second instruction at once, no load that takes
//! longer. Cycles of a real chip are another matter.
//!
//! The timer is SysTick at the core's clock. It has 24 bits, which last for some ten
//! million instructions; an exception counts how often they ran out. It is therefore for boards
//! that do not use SysTick as their clock.

use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;

use super::mps::CLOCK_HZ;

/// Nanoseconds of an instruction: `shift=6` of QEMU's `-icount`.
const INSTRUCTION_NS: u64 = 64;
/// From here SysTick counts down to 0.
const RELOAD: u32 = 0xFF_FFFF;

/// How often SysTick has begun anew.
static ROUNDS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    ROUNDS.fetch_add(1, Ordering::Relaxed);
}

/// A count of instructions that runs since the start of the program.
///
/// Spans are differences of [`read`](Self::read), in ticks of the timer: those of many short
/// pieces are summed as ticks, and only the sum becomes a [number](Self::instructions)
/// of instructions.
#[derive(Debug)]
pub struct Counter {
    /// Ticks between two readings that follow each other at once.
    pair: u64,
}

impl Counter {
    /// Starts to count; once, at the start.
    ///
    /// # Panics
    /// When a loop whose instructions are known counts as anything else: QEMU runs without
    /// `-icount shift=6`, or this is a chip. And if SysTick is in use.
    pub fn start() -> Self {
        let mut timer = cortex_m::Peripherals::take().expect("nobody else uses SysTick").SYST;
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(RELOAD);
        timer.clear_current();
        timer.enable_interrupt();
        timer.enable_counter();
        while SYST::get_current() == 0 {} // until the first tick

        let mut counter = Self { pair: 0 };
        let start = counter.read();
        counter.pair = counter.read() - start;
        counter.check();
        counter
    }

    /// A loop of two instructions, a million times, must count as two million.
    fn check(&self) {
        const TURNS: u64 = 1_000_000;
        let start = self.read();
        // SAFETY: it changes a register of its own and the flags, nothing else.
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
    #[inline(never)] // its own cost is then the same everywhere
    pub fn read(&self) -> u64 {
        loop {
            let rounds = ROUNDS.load(Ordering::Relaxed);
            let left = SYST::get_current();
            // At 0 the exception is due; in a loop it has come before the next reading.
            if left != 0 && rounds == ROUNDS.load(Ordering::Relaxed) {
                return u64::from(rounds) * u64::from(RELOAD + 1) + u64::from(RELOAD - left);
            }
        }
    }

    /// Ticks since `start`, without what reading takes.
    pub fn since(&self, start: u64) -> u64 {
        (self.read() - start).saturating_sub(self.pair)
    }

    /// The instructions that take so many ticks.
    pub fn instructions(&self, ticks: u64) -> u64 {
        const NS: u64 = 1_000_000_000;
        // Rounded: ticks are shorter than instructions, but none is a whole part of one.
        (ticks * (NS / INSTRUCTION_NS) + u64::from(CLOCK_HZ / 2)) / u64::from(CLOCK_HZ)
    }
}
