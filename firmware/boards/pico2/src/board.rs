//! Raspberry Pi Pico 2 with Waveshare's Pico-LCD-1.3, or with Pimoroni's Pico Display (feature `pico-display`). The program
//! is in `firmware/rp`, because the Pico shares it; here are its memory and its entry.

use cortex_m_rt::entry;
use firmware_rp::Settings;

/// The embedded model and the sizes that depend on it.
#[allow(dead_code, reason = "not every program needs every size")]
mod model {
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

#[entry]
fn main() -> ! {
    static mut BUFFER: [u8; 512] = [0; 512];
    static mut WORKSPACE: [i8; model::WORKSPACE_LEN] = [0; model::WORKSPACE_LEN];

    let settings = Settings::built_with(model::LATENT, model::CLASS);
    firmware_rp::run(model::BLOB, WORKSPACE, BUFFER, settings)
}
