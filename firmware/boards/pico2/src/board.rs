//! Raspberry Pi Pico 2 with Waveshare's Pico-LCD-1.3, or with Pimoroni's Pico Display (feature
//! `pico-display`). Wiring: the README of this package.

use cortex_m_rt::entry;
use embassy_rp::bind_interrupts;
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::peripherals::TRNG;
use embassy_rp::spi::{self, Spi};
use embassy_rp::trng::{self, Trng};
use embassy_time::Delay;
use embedded_hal_bus::spi::ExclusiveDevice;
use firmware_app::panel;
use firmware_app::settings::Settings;
use firmware_support::embassy::EmbassyPlatform;
use firmware_support::{product, rtt};
use mipidsi::Builder;
use mipidsi::interface::SpiInterface;
use mipidsi::models::ST7789;

/// The embedded model and the sizes that depend on it.
#[allow(dead_code, reason = "not every program needs every size")]
mod model {
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

bind_interrupts!(struct Interrupts {
    TRNG_IRQ => trng::InterruptHandler<TRNG>;
});

/// The ST7789 accepts at most 62.5 MHz. The clock of 150 MHz that embassy-rp sets can be divided into 75 MHz, which is
/// too fast, and 37.5 MHz.
const SPI_HZ: u32 = 37_500_000;

#[entry]
fn main() -> ! {
    static mut BUFFER: [u8; 512] = [0; 512];
    static mut WORKSPACE: [i8; model::WORKSPACE_LEN] = [0; model::WORKSPACE_LEN];

    let commands = rtt::start();
    let p = embassy_rp::init(embassy_rp::config::Config::default());

    let mut config = spi::Config::default();
    config.frequency = SPI_HZ;
    #[cfg(not(feature = "pico-display"))]
    let (bus, select, data, light, button, panel) = (
        Spi::new_blocking_txonly(p.SPI1, p.PIN_10, p.PIN_11, config), // clock, data
        Output::new(p.PIN_9, Level::High),
        Output::new(p.PIN_8, Level::Low),
        p.PIN_13,
        Input::new(p.PIN_15, Pull::Up), // key A
        panel::PICO_LCD_1_3,
    );
    #[cfg(feature = "pico-display")]
    let (bus, select, data, light, button, panel) = (
        Spi::new_blocking_txonly(p.SPI0, p.PIN_18, p.PIN_19, config), // clock, data
        Output::new(p.PIN_17, Level::High),
        Output::new(p.PIN_16, Level::Low),
        p.PIN_20,
        Input::new(p.PIN_12, Pull::Up), // button A
        panel::PICO_DISPLAY,
    );
    // The LED of this display is on when the pins are low, and glows faintly when they are not driven.
    #[cfg(feature = "pico-display")]
    let _dark =
        (Output::new(p.PIN_6, Level::High), Output::new(p.PIN_7, Level::High), Output::new(p.PIN_8, Level::High));

    let Ok(device) = ExclusiveDevice::new_no_delay(bus, select);
    let driver = panel.describe(Builder::new(ST7789, SpiInterface::new(device, data, BUFFER)));
    #[cfg(not(feature = "pico-display"))]
    let driver = driver.reset_pin(Output::new(p.PIN_12, Level::High));
    // A display sends no answer, so this cannot detect a missing one: it fails only if the description is wrong.
    let mut display = driver.init(&mut Delay).expect("the panel's size and offset fit its controller");
    let _light = Output::new(light, Level::High);

    // The health tests of the entropy source sometimes stop it until a reset. The number of a picture does not need them.
    let mut tests = trng::Config::default();
    tests.disable_autocorrelation_test = true;
    tests.disable_crngt_test = true;
    tests.disable_von_neumann_balancer = true;
    let mut entropy = Trng::new(p.TRNG, Interrupts, tests);
    let entropy = move || {
        // Neighbouring bits are correlated, so all 24 bytes of one reading are combined into one number.
        let mut bytes = [0; 24];
        entropy.blocking_fill_bytes(&mut bytes);
        let (words, _) = bytes.as_chunks();
        words.iter().fold(0, |all, &word| all ^ u32::from_ne_bytes(word))
    };
    let platform = EmbassyPlatform { is_down: || button.is_low(), entropy, commands };
    product::run(model::BLOB, WORKSPACE, &mut display, platform, Settings::default())
}
