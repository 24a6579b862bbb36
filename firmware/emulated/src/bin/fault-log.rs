//! Fails while a line of the log is written: with the word `overflow` it runs out of stack there, otherwise it
//! begins a line within the line. The runner must show what happened and return 1.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use cortex_m_rt::entry;
use defmt::{Format, Formatter};
use emulated_boards::{self as board, Board};

/// What logs while it is logged.
struct Talker;

impl Format for Talker {
    fn format(&self, line: Formatter<'_>) {
        defmt::info!("a line within another");
        defmt::write!(line, "never reached");
    }
}

/// What takes more stack to log than there is.
struct Deep;

impl Format for Deep {
    fn format(&self, line: Formatter<'_>) {
        defmt::write!(line, "{=u32}", deeper(1));
    }
}

#[inline(never)]
fn deeper(depth: u32) -> u32 {
    // Keeps the compiler from making a loop of it.
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
