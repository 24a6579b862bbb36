//! For the test that this processor draws the same pictures as the host: sends the pictures of [`PARITY_SEEDS`], or of the
//! one chosen by `seed=`, over UART 0, and logs their checksums. [`picture::parity_mixes`] gives their classes.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use defmt::{Display2Format, info};
use emulated_boards::model::{MODEL_CHECKSUM, MODEL_LEN, STRUCTS_LEN, WORKSPACE_LEN};
use emulated_boards::{self as board, Board, entry, stack};
use firmware_app::picture::{self, PARITY_SEEDS};
use gen_core::{Engine, Model};

#[entry]
fn main() -> ! {
    let mut board = Board::take();
    let chosen = board::settings().seed;
    let seeds = if chosen.is_some() { chosen.as_slice() } else { &PARITY_SEEDS };
    info!(
        "model {=usize} bytes, workspace {=usize} bytes, structs {=usize} bytes",
        MODEL_LEN, WORKSPACE_LEN, STRUCTS_LEN
    );

    let mut engine = engine();
    let classes = engine.model().classes();
    for &seed in seeds {
        for mix in picture::parity_mixes(seed, classes) {
            let latent = engine.model().latent(seed).with_mix(mix);
            let crc = picture::generate(&mut engine, &latent, |_, row| {
                board.uart.write(row.bytes()).unwrap_or_else(|e| panic!("{e}"));
            });
            let class = picture::parity_note(mix, classes);
            info!("picture {=u32}{} crc {=u32:08x}", seed, Display2Format(&class), crc);
        }
    }
    info!("stack: {=usize} of {=usize} bytes used", stack::used(), stack::size());
    board::exit()
}

/// The engine. A function of its own, so that the copies that a build without optimisation makes of it are not on the stack
/// while pictures are drawn.
#[inline(never)]
fn engine() -> Engine<'static> {
    let model = Model::parse(board::model::bytes()).unwrap_or_else(|e| panic!("no model in memory: {e}"));
    assert_eq!(model.checksum(), MODEL_CHECKSUM, "another model in memory than the program was built for");
    Engine::new(model, board::model::workspace()).expect("build.rs measured it")
}
