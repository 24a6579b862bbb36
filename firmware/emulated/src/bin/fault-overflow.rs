//! Overflows the stack: the runner must report it and return 1.
#![no_std]
#![no_main]

use emulated_boards::{self as board, Board, entry};

#[entry]
fn main() -> ! {
    Board::take();
    defmt::info!("reached {=u32}", deeper(1));
    board::exit()
}

#[inline(never)]
fn deeper(depth: u32) -> u32 {
    // Prevents the compiler from turning the recursion into a loop.
    let frame = core::hint::black_box([depth; 64]);
    if depth == u32::MAX { 0 } else { deeper(depth + 1) + frame[63] }
}
