//! nRF52840 Development Kit with Adafruit's 2.8 inch shield, or a module with the same controller.
//! Wiring: the README of this package.

use cortex_m_rt::entry;
use embassy_nrf::gpio::{Input, Level, Output, OutputDrive, Pull};
use embassy_nrf::peripherals::SPI2;
use embassy_nrf::rng::Rng;
use embassy_nrf::spim::{self, Frequency, Spim};
use embassy_nrf::{bind_interrupts, pac};
use embassy_time::{Delay, Duration, block_for};
use embedded_hal_bus::spi::ExclusiveDevice;
use firmware_app::panel;
use firmware_app::settings::Settings;
use firmware_support::embassy::EmbassyPlatform;
use firmware_support::{product, rtt};
use mipidsi::Builder;
use mipidsi::interface::SpiInterface;
use mipidsi::models::ILI9341Rgb565;

/// The embedded model and the sizes that depend on it.
#[allow(dead_code, reason = "not every program needs every size")]
mod model {
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

bind_interrupts!(struct Interrupts {
    SPI2 => spim::InterruptHandler<SPI2>;
});

/// The ILI9341's data sheet specifies 10 MHz for writing. SPIM3 could send at 16 MHz and more, but its data may be
/// corrupted while anything else uses the same 8 KiB of RAM (nRF52840 anomaly 198), so SPIM2 is used.
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
    let bus = Spim::new_txonly(p.SPI2, Interrupts, p.P1_15, p.P1_13, config); // clock, data
    let output = OutputDrive::HighDrive;
    let Ok(device) = ExclusiveDevice::new_no_delay(bus, Output::new(p.P1_12, Level::High, output));
    let data = Output::new(p.P1_11, Level::Low, output);
    // Resets a module. The shield has no reset wire; the driver's first command resets it.
    let mut reset = Output::new(p.P1_10, Level::Low, output);
    block_for(Duration::from_millis(10));
    reset.set_high();
    block_for(Duration::from_millis(120));
    let mut display = panel::SHIELD_2_8
        .describe(Builder::new(ILI9341Rgb565, SpiInterface::new(device, data, BUFFER)))
        .init(&mut Delay)
        // A display sends no answer, so this cannot detect a missing one: it fails only if the description is wrong.
        .expect("the panel's size and offset fit its controller");

    let button = Input::new(p.P0_11, Pull::Up);
    let mut entropy = Rng::new_blocking(p.RNG);
    let platform = EmbassyPlatform { is_down: || button.is_low(), entropy: || entropy.blocking_next_u32(), commands };
    product::run(model::BLOB, WORKSPACE, &mut display, platform, Settings::built_with(model::LATENT, model::CLASS))
}
