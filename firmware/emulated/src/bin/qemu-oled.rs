//! The product on the board with the grey OLED: draws a picture, and a new one at every press of the select button.
//!
//! A setting besides the usual ones: `unplugged=N` starts with the display unplugged, until the button was tapped N times.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use cortex_m_rt::entry;
use emulated_boards::{self as board, Board, model};
use firmware_support::product;

#[entry]
fn main() -> ! {
    let mut board = Board::take();
    let settings = board::settings_and(|word| {
        let taps = word.strip_prefix("unplugged=").and_then(|taps| taps.parse().ok());
        taps.map(|taps| board.unplug(taps)).is_some()
    });
    product::run(model::bytes(), model::workspace(), &mut board.oled, board.select, settings)
}
