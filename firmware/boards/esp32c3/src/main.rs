//! The product on this board. The program is in `board.rs`; on the host it only prints how to flash it.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
mod board;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this program is for a board: cd firmware/boards/esp32c3 && cargo run --release");
}
