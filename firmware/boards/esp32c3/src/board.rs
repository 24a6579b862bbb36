//! ESP32-C3 with a 1.8 inch module, or with a 240x240 module (feature `pico-lcd-1.3`). Wiring: the README of this package.

use embedded_hal::delay::DelayNs;
use embedded_hal_bus::spi::ExclusiveDevice;
use esp_hal::clock::CpuClock;
use esp_hal::gpio::{Input, InputConfig, Level, Output, OutputConfig, Pull};
use esp_hal::rng::Rng;
use esp_hal::spi::master::{Config, Spi};
use esp_hal::time::{Duration, Instant, Rate};
use firmware_app::panel;
use firmware_app::platform::{Command, Platform};
use firmware_app::settings::Settings;
use firmware_support::rtt::{self, Commands};
use firmware_support::{product, stack};
use mipidsi::Builder;
use mipidsi::interface::SpiInterface;
#[cfg(not(feature = "pico-lcd-1.3"))]
use mipidsi::models::ST7735s;
#[cfg(feature = "pico-lcd-1.3")]
use mipidsi::models::ST7789;
use static_cell::ConstStaticCell;

/// The embedded model and the sizes that depend on it.
#[allow(dead_code, reason = "not every program needs every size")]
mod model {
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

// The application descriptor, which the boot loader reads first. Without the time of the build, so that the same source makes
// the same program.
esp_bootloader_esp_idf::esp_app_desc!(
    env!("CARGO_PKG_VERSION"),
    env!("CARGO_PKG_NAME"),
    "-", // time
    "-", // date
    esp_bootloader_esp_idf::ESP_IDF_COMPATIBLE_VERSION,
    esp_bootloader_esp_idf::MMU_PAGE_SIZE,
    0, // the oldest revision of the chip
    u16::MAX,
    esp_bootloader_esp_idf::SECURE_VERSION
);

/// The ST7735S accepts a bit every 66 ns, that is, 15 MHz. The chip divides 80 MHz by whole numbers.
#[cfg(not(feature = "pico-lcd-1.3"))]
const SPI: Rate = Rate::from_mhz(10);
/// The ST7789 accepts a bit every 16 ns, but jumper wires do not carry that.
#[cfg(feature = "pico-lcd-1.3")]
const SPI: Rate = Rate::from_mhz(40);

#[esp_hal::main]
fn main() -> ! {
    static BUFFER: ConstStaticCell<[u8; 512]> = ConstStaticCell::new([0; 512]);
    static WORKSPACE: ConstStaticCell<[i8; model::WORKSPACE_LEN]> = ConstStaticCell::new([0; model::WORKSPACE_LEN]);

    stack::paint(); // esp-hal does not do it
    let commands = rtt::start();
    // Also switches the watchdogs off, which the boot loader has started.
    let p = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));

    let output = OutputConfig::default();
    let bus = Spi::new(p.SPI2, Config::default().with_frequency(SPI))
        .expect("the chip can divide its clock to this frequency")
        .with_sck(p.GPIO6)
        .with_mosi(p.GPIO7);
    let Ok(device) = ExclusiveDevice::new_no_delay(bus, Output::new(p.GPIO10, Level::High, output));
    let interface = SpiInterface::new(device, Output::new(p.GPIO4, Level::Low, output), BUFFER.take());
    #[cfg(not(feature = "pico-lcd-1.3"))]
    let driver = panel::MODULE_1_8.describe(Builder::new(ST7735s, interface));
    #[cfg(feature = "pico-lcd-1.3")]
    let driver = panel::PICO_LCD_1_3.describe(Builder::new(ST7789, interface));
    let mut display = driver
        .reset_pin(Output::new(p.GPIO3, Level::High, output))
        .init(&mut Delay)
        // A display sends no answer, so this cannot detect a missing one: it fails only if the description is wrong.
        .expect("the panel's size and offset fit its controller");
    let _light = Output::new(p.GPIO5, Level::High, output);

    let pull_up = InputConfig::default().with_pull(Pull::Up);
    let platform =
        Esp { boot: Input::new(p.GPIO9, pull_up), key: Input::new(p.GPIO1, pull_up), entropy: Rng::new(), commands };
    product::run(
        model::BLOB,
        WORKSPACE.take(),
        &mut display,
        platform,
        Settings::built_with(model::LATENT, model::CLASS),
    )
}

/// The clock, the buttons and the random numbers of the chip.
struct Esp {
    /// The button BOOT of the board.
    boot: Input<'static>,
    /// A second button, if there is one: unlike BOOT it can be held while the board starts.
    key: Input<'static>,
    entropy: Rng,
    commands: Commands,
}

impl Platform for Esp {
    fn now_us(&mut self) -> u64 {
        Instant::now().duration_since_epoch().as_micros()
    }

    fn is_down(&mut self) -> bool {
        self.boot.is_low() || self.key.is_low()
    }

    fn entropy(&mut self) -> Option<u32> {
        Some(self.entropy.random())
    }

    fn command(&mut self) -> Option<Command> {
        self.commands.read()
    }

    fn wait(&mut self) {
        Delay.delay_ms(5);
    }
}

/// Waits by reading the clock. That of esp-hal is not part of its stable API.
struct Delay;

impl DelayNs for Delay {
    fn delay_ns(&mut self, ns: u32) {
        let (start, least) = (Instant::now(), Duration::from_micros(u64::from(ns.div_ceil(1000))));
        while start.elapsed() < least {}
    }
}
