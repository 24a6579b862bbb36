//! The product: a frog on the OLED, a new one at every press.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::fmt;

use cortex_m_rt::entry;
use defmt::{Display2Format, error, info};
use embedded_graphics::draw_target::DrawTarget;
use firmware::app::{App, Counter, Event};
use firmware::board::{self, Board, stack};
use firmware::ink::Ink;
use firmware::model::{MODEL_LEN, PICTURE_HEIGHT, PICTURE_WIDTH, WORKSPACE_LEN};
use firmware::{ssd0323, view};
use gen_core::Model;

const _: () = assert!(
    PICTURE_WIDTH <= ssd0323::WIDTH && PICTURE_HEIGHT <= ssd0323::HEIGHT,
    "the model's pictures are larger than the OLED, which has 128 x 64 pixels"
);

#[entry]
fn main() -> ! {
    let mut board = Board::take();
    let settings = board::settings();
    info!("model {=usize} bytes, workspace {=usize} bytes", MODEL_LEN, WORKSPACE_LEN);

    let model = match Model::parse(board::model()) {
        Ok(model) => model,
        Err(e) => stop(&mut board.oled, e),
    };
    let seeds = Counter::from(settings.first_seed());
    let mut app = match App::new(&model, board::workspace(), &mut board.oled, seeds, board.select, &settings) {
        Ok(app) => app,
        Err(e) => stop(&mut board.oled, e),
    };
    loop {
        let Ok(event) = app.step(board::now_ms());
        match event {
            Some(Event::Drawn { seed, crc }) => {
                info!("frog {=u32} drawn, crc {=u32:08x}, stack used {=usize} bytes", seed, crc, stack::used());
            }
            Some(Event::Morph { from, to, t, crc }) => {
                info!("frog {=u32} on the way to {=u32}: {=u16}/256, crc {=u32:08x}", from, to, t, crc);
            }
            None => board::sleep(),
        }
    }
}

/// Says what is wrong on the display and in the log, and stays there.
fn stop<D: DrawTarget<Color: Ink>>(display: &mut D, problem: impl fmt::Display) -> ! {
    let _ = view::message(display, &problem);
    error!("{}", Display2Format(&problem));
    loop {
        board::sleep();
    }
}
