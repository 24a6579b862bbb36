//! Starts the product without memory for its engine: log and display must say so, and the program waits.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use cortex_m_rt::entry;
use firmware::board::{self, Board};
use firmware::product;
use firmware::settings::Settings;

#[entry]
fn main() -> ! {
    let mut board = Board::take();
    _ = board::workspace(); // whoever asks now gets nothing
    product::run(&mut board.oled, board.select, Settings::default())
}
