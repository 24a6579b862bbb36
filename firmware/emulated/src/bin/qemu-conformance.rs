//! Runs gen-core's conformance tests on the kernels of this processor: all sizes around the edges of a block, the largest
//! and smallest values. Logs how much was compared, or the first difference.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use defmt::info;
use emulated_boards::{self as board, Board, entry};
use gen_core::conformance::{Count, check};
use gen_core::kernels::{Kernels, Native};

#[entry]
fn main() -> ! {
    let _board = Board::take();
    let buffers = board::buffers().expect("nobody else takes them");
    let Count { calls, values } = check::<Native>(buffers).unwrap_or_else(|failure| panic!("{failure}"));
    info!("kernels {=str}", <Native as Kernels>::NAME);
    info!("{=u32} calls, {=u32} values, all as defined", calls, values);
    board::exit()
}
