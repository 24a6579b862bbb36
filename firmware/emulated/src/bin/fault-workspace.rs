//! Starts the product with an empty workspace: log and display must report it, and the program keeps running.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use cortex_m_rt::entry;
use emulated_boards::{Board, model};
use firmware_app::settings::Settings;
use firmware_support::product;

#[entry]
fn main() -> ! {
    let mut board = Board::take();
    product::run(model::bytes(), &mut [], &mut board.oled, board.select, Settings::default())
}
