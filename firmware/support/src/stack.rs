//! The stack, as `memory.x` lays it out: below everything else in RAM.
#![allow(unsafe_code)] // reads and paints memory that the linker script sets aside

use core::sync::atomic::{AtomicUsize, Ordering};

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

/// What was in use before it was painted over.
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Bytes that have been in use at some time.
pub fn used() -> usize {
    touched().max(MOST.load(Ordering::Relaxed))
}

/// Bytes that have been in use since the stack was painted.
fn touched() -> usize {
    // What was never touched still has its paint, from the bottom up.
    let untouched = |i: &usize| {
        let word = (&raw const _stack_end).wrapping_add(*i);
        // SAFETY: it lies within the stack, which is RAM; volatile, as the compiler
        // knows of no variable there.
        unsafe { word.read_volatile() == PAINT }
    };
    size() - 4 * (0..size() / 4).take_while(untouched).count()
}

/// A place in the stack, from which the need of what is called there is measured.
#[derive(Debug, Clone, Copy)]
pub struct Mark(usize);

impl Mark {
    /// Here; paints what lies below once more.
    ///
    /// What is to be measured has to be a function of its own (`#[inline(never)]`), or its
    /// variables would lie above the mark, in the frame of the caller.
    #[inline(never)]
    pub fn set() -> Self {
        // More than this function can need: it may read the pointer before it pushes registers.
        const OWN: usize = 128;
        MOST.fetch_max(touched(), Ordering::Relaxed);
        let here = cortex_m::register::msp::read() as usize;
        for i in 0..(here - OWN - bottom()) / 4 {
            let word = (&raw const _stack_end).wrapping_add(i).cast_mut();
            // SAFETY: it lies within the stack and below all that is in use: nobody's memory.
            // An interrupt that comes in between is over before the next turn.
            unsafe { word.write_volatile(PAINT) };
        }
        Self(here)
    }

    /// Bytes below the mark that have been in use since.
    pub fn used(self) -> usize {
        touched().saturating_sub(bottom() + size() - self.0)
    }
}
