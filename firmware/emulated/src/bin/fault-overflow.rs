//! Runs out of stack: the runner must show it and return 1.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use emulated_boards::{self as board, Board};

#[entry]
fn main() -> ! {
    Board::take();
    defmt::info!("reached {=u32}", deeper(1));
    board::exit()
}

#[inline(never)]
fn deeper(depth: u32) -> u32 {
    // Keeps the compiler from making a loop of it.
    let frame = core::hint::black_box([depth; 64]);
    if depth == u32::MAX { 0 } else { deeper(depth + 1) + frame[63] }
}
