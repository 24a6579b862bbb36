//! Counts instructions with a timer. With `-icount shift=6` QEMU advances the board's time by 64 ns for each instruction,
//! independent of the load of the host, so a timer of the board counts instructions.
//!
//! It counts only instructions: QEMU has no wait states, no dual issue and no loads that take longer. The number of cycles
//! on a real chip is different.

#[cfg(feature = "riscv-virt")]
use super::riscv_virt as timer;
#[cfg(feature = "mps")]
use super::systick as timer;

/// Nanoseconds for each instruction: `shift=6` of QEMU's `-icount`.
const INSTRUCTION_NS: u64 = 64;

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
    /// `-icount shift=6`. Also if the timer is already in use.
    pub fn start() -> Self {
        timer::start();
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
        timer::spin(TURNS as u32);
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
        timer::now()
    }

    /// Ticks since `start`, without the cost of reading.
    pub fn since(&self, start: u64) -> u64 {
        (self.read() - start).saturating_sub(self.pair)
    }

    /// Converts ticks to instructions, rounded to the nearest.
    pub fn instructions(&self, ticks: u64) -> u64 {
        const NS: u64 = 1_000_000_000;
        // Rounded, because an instruction is not an integer number of ticks.
        (ticks * (NS / INSTRUCTION_NS) + u64::from(timer::CLOCK_HZ / 2)) / u64::from(timer::CLOCK_HZ)
    }
}
