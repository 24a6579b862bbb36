//! Waveshare's Pico-LCD-1.3, or Pimoroni's Pico Display (feature `pico-display`), on the pins of either board. Wiring: the
//! README of the board's package.

use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::spi::{self, Spi};
use embassy_time::Delay;
use embedded_hal_bus::spi::ExclusiveDevice;
use firmware_app::panel;
use firmware_app::settings::Settings;
use firmware_support::embassy::EmbassyPlatform;
use firmware_support::{product, rtt};
use mipidsi::Builder;
use mipidsi::interface::SpiInterface;
use mipidsi::models::ST7789;

#[cfg(feature = "rp2040")]
use crate::rp2040 as chip;
#[cfg(feature = "rp2350")]
use crate::rp2350 as chip;

/// Runs the product with a model. `buffer` collects pixels on their way to the display.
pub fn run(model: &'static [u8], workspace: &'static mut [i8], buffer: &'static mut [u8], settings: Settings) -> ! {
    // Below the RAM of an RP2040 are the addresses of its flash controller. The RP2350 has a register with the stack's limit.
    #[cfg(feature = "rp2040")]
    firmware_support::stack::guard();
    let commands = rtt::start();
    let p = embassy_rp::init(embassy_rp::config::Config::default());

    let mut config = spi::Config::default();
    config.frequency = chip::SPI_HZ;
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
    let driver = panel.describe(Builder::new(ST7789, SpiInterface::new(device, data, buffer)));
    #[cfg(not(feature = "pico-display"))]
    let driver = driver.reset_pin(Output::new(p.PIN_12, Level::High));
    // A display sends no answer, so this cannot detect a missing one: it fails only if the description is wrong.
    let mut display = driver.init(&mut Delay).expect("the panel's size and offset fit its controller");
    let _light = Output::new(light, Level::High);

    #[cfg(feature = "rp2040")]
    let entropy = chip::entropy();
    #[cfg(feature = "rp2350")]
    let entropy = chip::entropy(p.TRNG);
    let platform = EmbassyPlatform { is_down: || button.is_low(), entropy, commands };
    product::run(model, workspace, &mut display, platform, settings)
}
