//! A board outside of the firmware's workspace: an Arm MPS2 with a Cortex-M4 (AN386), as QEMU emulates it.
#![no_std]
#![no_main]

mod paper;

use cortex_m_rt::entry;
use firmware_app::platform::Platform;
use firmware_app::settings::{Mode, Settings};
use firmware_support::product;
use paper::Paper;

/// The embedded model and the sizes that depend on it.
#[allow(dead_code, reason = "not every program needs every size")]
mod model {
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

/// The platform: what the app needs from the board besides the display.
struct Board {
    /// Time in microseconds. This example uses no timer: every reading adds 100 µs.
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
        core::hint::black_box((row, bytes)); // a real driver would send the bytes over SPI
    });
    let given = Settings::built_with(model::LATENT, model::CLASS);
    let settings = Settings { seed: Some(42), mode: Mode::Single, ..given };
    product::run(model::BLOB, WORKSPACE, &mut paper, Board { us: 0 }, settings)
}
