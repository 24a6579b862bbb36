//! A board: an Arm MPS2 with a Cortex-M4 (AN386), as QEMU has it, set up from scratch.
#![no_std]
#![no_main]

mod paper;

use cortex_m_rt::entry;
use firmware_app::platform::Platform;
use firmware_app::settings::{Mode, Settings};
use firmware_support::product;
use paper::Paper;

/// The model, and the sizes that follow from it.
#[allow(dead_code, reason = "not every program needs every size")]
mod model {
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

/// What the app has to know about the board.
struct Board {
    /// There is no clock here: time passes with every look at it.
    us: u64,
}

impl Platform for Board {
    fn now_us(&mut self) -> u64 {
        self.us += 100;
        self.us
    }

    fn is_down(&mut self) -> bool {
        false
    }
}

#[entry]
fn main() -> ! {
    static mut WORKSPACE: [i8; model::WORKSPACE_LEN] = [0; model::WORKSPACE_LEN];

    let mut paper = Paper::new(|row, bytes: &[u8]| {
        core::hint::black_box((row, bytes)); // a real driver would send them over SPI
    });
    let settings = Settings { seed: Some(42), mode: Mode::Single, ..Settings::default() };
    product::run(model::BLOB, WORKSPACE, &mut paper, Board { us: 0 }, settings)
}
