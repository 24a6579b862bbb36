//! The product on the board with the grey OLED: draws a picture, and a new one at every press of the select button.
//!
//! Settings besides the usual ones: `unplugged=N` starts with the display unplugged, until the button was tapped N times;
//! `typed=WORD` passes the word to the app after the first picture, as if the user had typed it.
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
        if let Some(typed) = word.strip_prefix("typed=") {
            board.select.typed = typed.try_into().ok();
            return true;
        }
        let taps = word.strip_prefix("unplugged=").and_then(|taps| taps.parse().ok());
        taps.map(|taps| board.unplug(taps)).is_some()
    });
    product::run(model::bytes(), model::workspace(), &mut board.oled, board.select, settings)
}
