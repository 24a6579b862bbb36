//! Fails while it writes a line of the log: with the setting `overflow` the stack overflows there, otherwise it begins a
//! line within the line. The runner must show the reason and return 1.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use defmt::{Format, Formatter};
use emulated_boards::{self as board, Board, entry};

/// A value whose `Format` implementation logs.
struct Talker;

impl Format for Talker {
    fn format(&self, line: Formatter<'_>) {
        defmt::info!("a line within another");
        defmt::write!(line, "never reached");
    }
}

/// A value whose `Format` implementation overflows the stack.
struct Deep;

impl Format for Deep {
    fn format(&self, line: Formatter<'_>) {
        defmt::write!(line, "{=u32}", deeper(1));
    }
}

#[inline(never)]
fn deeper(depth: u32) -> u32 {
    // Prevents the compiler from turning the recursion into a loop.
    let frame = core::hint::black_box([depth; 64]);
    if depth == u32::MAX { 0 } else { deeper(depth + 1) + frame[63] }
}

#[entry]
fn main() -> ! {
    Board::take();
    let mut overflows = false;
    _ = board::settings_and(|word| {
        overflows |= word == "overflow";
        word == "overflow"
    });
    if overflows {
        defmt::info!("{}", Deep);
    }
    defmt::info!("{}", Talker);
    board::exit()
}
