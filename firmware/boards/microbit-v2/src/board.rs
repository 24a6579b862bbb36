//! BBC micro:bit V2 with a 1.8 inch module. Wiring: the README of this package.

use cortex_m_rt::entry;
use embassy_nrf::gpio::{Input, Level, Output, OutputDrive, Pull};
use embassy_nrf::peripherals::SPI2;
use embassy_nrf::rng::Rng;
use embassy_nrf::spim::{self, Frequency, Spim};
use embassy_nrf::{bind_interrupts, pac};
use embassy_time::Delay;
use embedded_hal_bus::spi::ExclusiveDevice;
use firmware_app::panel;
use firmware_app::settings::Settings;
use firmware_support::embassy::EmbassyPlatform;
use firmware_support::{product, rtt};
use mipidsi::Builder;
use mipidsi::interface::SpiInterface;
use mipidsi::models::ST7735s;

/// The embedded model and the sizes that depend on it.
#[allow(dead_code, reason = "not every program needs every size")]
mod model {
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

bind_interrupts!(struct Interrupts {
    SPI2 => spim::InterruptHandler<SPI2>;
});

/// The ST7735S accepts a bit every 66 ns, that is, 15 MHz; the chip's next step above 8 MHz is 16 MHz, which is too fast.
const SPI: Frequency = Frequency::M8;

#[entry]
fn main() -> ! {
    static mut BUFFER: [u8; 512] = [0; 512];
    static mut WORKSPACE: [i8; model::WORKSPACE_LEN] = [0; model::WORKSPACE_LEN];

    let commands = rtt::start();
    // Internal oscillators: they are sufficient for the core's 64 MHz; the clock that counts microseconds may be wrong
    // by some per cent.
    let p = embassy_nrf::init(embassy_nrf::config::Config::default());
    pac::NVMC.icachecnf().write(|w| w.set_cacheen(true)); // without the cache the core waits for the flash

    let mut config = spim::Config::default();
    config.frequency = SPI;
    let bus = Spim::new_txonly(p.SPI2, Interrupts, p.P0_17, p.P0_13, config); // clock, data
    let output = OutputDrive::HighDrive;
    let Ok(device) = ExclusiveDevice::new_no_delay(bus, Output::new(p.P1_02, Level::High, output));
    let data = Output::new(p.P0_12, Level::Low, output);
    let mut display = panel::MODULE_1_8
        .describe(Builder::new(ST7735s, SpiInterface::new(device, data, BUFFER)))
        .reset_pin(Output::new(p.P0_03, Level::High, output))
        .init(&mut Delay)
        // A display sends no answer, so this cannot detect a missing one: it fails only if the description is wrong.
        .expect("the panel's size and offset fit its controller");

    let button = Input::new(p.P0_14, Pull::Up);
    let mut entropy = Rng::new_blocking(p.RNG);
    let platform = EmbassyPlatform { is_down: || button.is_low(), entropy: || entropy.blocking_next_u32(), commands };
    product::run(model::BLOB, WORKSPACE, &mut display, platform, Settings::built_with(model::LATENT, model::CLASS))
}
