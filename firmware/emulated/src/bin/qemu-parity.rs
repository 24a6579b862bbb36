//! For the test that this processor draws the same pictures as the host: sends the pictures of [`PARITY_SEEDS`], or the
//! one chosen by `seed=`, over UART 0, and logs their checksums.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use cortex_m_rt::entry;
use defmt::info;
use emulated_boards::model::{MODEL_CHECKSUM, MODEL_LEN, STRUCTS_LEN, WORKSPACE_LEN};
use emulated_boards::{self as board, Board, stack};
use firmware_app::picture::{self, PARITY_SEEDS};
use gen_core::{Engine, Latent, Model};

#[entry]
fn main() -> ! {
    let mut board = Board::take();
    let chosen = board::settings().seed;
    let seeds = if chosen.is_some() { chosen.as_slice() } else { &PARITY_SEEDS };
    info!(
        "model {=usize} bytes, workspace {=usize} bytes, structs {=usize} bytes",
        MODEL_LEN, WORKSPACE_LEN, STRUCTS_LEN
    );

    let model = Model::parse(board::model::bytes()).unwrap_or_else(|e| panic!("no model in memory: {e}"));
    assert_eq!(model.checksum(), MODEL_CHECKSUM, "another model in memory than the program was built for");
    let mut engine = Engine::new(&model, board::model::workspace()).expect("build.rs measured it");
    for &seed in seeds {
        let latent = Latent::from_seed(seed, model.latent_len());
        let crc = picture::generate(&mut engine, &latent, |_, row| {
            board.uart.write(row.bytes()).unwrap_or_else(|e| panic!("{e}"));
        });
        info!("picture {=u32} crc {=u32:08x}", seed, crc);
    }
    info!("stack: {=usize} of {=usize} bytes used", stack::used(), stack::size());
    board::exit()
}
