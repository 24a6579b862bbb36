//! Proof that this chip draws the same bits: writes the pictures of
//! [`PARITY_SEEDS`] to UART 0 and their checksums to the log.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use cortex_m_rt::entry;
use defmt::info;
use firmware::board::{self, Board, stack};
use firmware::model::BLOB;
use firmware::picture::{self, PARITY_SEEDS};
use gen_core::{Engine, Latent, Model};

#[entry]
fn main() -> ! {
    let mut board = Board::take();
    let model = Model::parse(BLOB).expect("build.rs parsed it");
    let mut engine = Engine::new(&model, board::workspace()).expect("build.rs measured it");
    for seed in PARITY_SEEDS {
        let latent = Latent::from_seed(seed, model.latent_len());
        let crc = picture::generate(&mut engine, &latent, |_, rgb| board.uart.write(rgb));
        info!("frog {=u32} crc {=u32:08x}", seed, crc);
    }
    info!("stack: {=usize} of {=usize} bytes used", stack::used(), stack::size());
    board::exit()
}
