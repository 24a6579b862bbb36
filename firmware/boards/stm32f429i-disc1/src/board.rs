//! STM32F429I Discovery with the display on the board. Connections: the README of this package.

use cortex_m_rt::entry;
use embassy_stm32::gpio::{Input, Level, Output, Pull, Speed};
use embassy_stm32::peripherals::RNG;
use embassy_stm32::rcc::{APBPrescaler, Pll, PllMul, PllPDiv, PllPreDiv, PllQDiv, Sysclk};
use embassy_stm32::rng::{self, Rng};
use embassy_stm32::spi::{self, Spi};
use embassy_stm32::time::Hertz;
use embassy_stm32::{Config, bind_interrupts, pac};
use embassy_time::Delay;
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
    HASH_RNG => rng::InterruptHandler<RNG>;
});

/// A quarter of the bus clock. The ILI9341's data sheet specifies 10 MHz for writing; others use twice as much on this
/// board.
const SPI_HZ: Hertz = Hertz(21_000_000);

/// Clocks: 168 MHz for the core, and 42 MHz for the entropy source, which accepts at most 48 MHz.
///
/// The source is the chip's internal oscillator of 16 MHz, which is accurate to 1 %; nothing here needs more. At the pins
/// for an external clock there is either a crystal or the ST-LINK's clock, depending on the board's solder bridges, and
/// the ST-LINK's clock stops without a computer.
fn clocks() -> Config {
    let mut config = Config::default();
    config.rcc.pll = Some(Pll {
        prediv: PllPreDiv::DIV8,
        mul: PllMul::MUL168,
        divp: Some(PllPDiv::DIV2),
        divq: Some(PllQDiv::DIV8),
        divr: None,
    });
    config.rcc.sys = Sysclk::PLL1_P;
    config.rcc.apb1_pre = APBPrescaler::DIV4;
    config.rcc.apb2_pre = APBPrescaler::DIV2;
    config
}

#[entry]
fn main() -> ! {
    static mut BUFFER: [u8; 512] = [0; 512];
    static mut WORKSPACE: [i8; model::WORKSPACE_LEN] = [0; model::WORKSPACE_LEN];

    let commands = rtt::start();
    let p = embassy_stm32::init(clocks());
    // Caches and prefetch: without them the core waits five cycles for nearly every read from flash.
    pac::FLASH.acr().modify(|w| {
        w.set_icen(true);
        w.set_dcen(true);
        w.set_prften(true);
    });

    // Deselects the gyroscope, which is on the same bus, and keeps the display's read strobe inactive.
    let _unused = (Output::new(p.PC1, Level::High, Speed::Low), Output::new(p.PD12, Level::High, Speed::Low));
    let mut config = spi::Config::default();
    config.frequency = SPI_HZ;
    let bus = Spi::new_blocking_txonly(p.SPI5, p.PF7, p.PF9, config); // clock, data
    let Ok(device) = ExclusiveDevice::new_no_delay(bus, Output::new(p.PC2, Level::High, Speed::VeryHigh));
    let data = Output::new(p.PD13, Level::Low, Speed::VeryHigh);
    let mut display = panel::DISC1
        .describe(Builder::new(ILI9341Rgb565, SpiInterface::new(device, data, BUFFER)))
        .init(&mut Delay)
        // A display sends no answer, so this cannot detect a missing one: it fails only if the description is wrong.
        .expect("the panel's size and offset fit its controller");

    let button = Input::new(p.PA0, Pull::Down);
    let mut entropy = Rng::new(p.RNG, Interrupts);
    let platform = EmbassyPlatform { is_down: || button.is_high(), entropy: || entropy.next_u32(), commands };
    product::run(model::BLOB, WORKSPACE, &mut display, platform, Settings::built_with(model::LATENT, model::CLASS))
}
