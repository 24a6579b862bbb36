//! The app with a colour display that is not emulated: the driver's bytes are sent over UART 0, and a model of the
//! display controller on the host reconstructs the picture.
//!
//! Settings besides the usual ones: `panel=NAME`, `events=N` (ends after N pictures), `tap=N` (taps the button after
//! every N pictures), `stuck=N` (blocks the bus after N pictures), and `card` (draws the test card first).
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use cortex_m_rt::entry;
use defmt::info;
use embedded_graphics::pixelcolor::Rgb565;
use emulated_boards::instructions::Counter;
use emulated_boards::spi_recorder::{DcPin, NoDelay, RecordingSpi, ResetPin};
use emulated_boards::{self as board, Board, CLOCK_HZ, Uart};
use firmware_app::app::App;
use firmware_app::panel::{self, Controller, Panel};
use firmware_app::platform::Platform;
use firmware_app::settings::Settings;
use firmware_app::testcard;
use firmware_support::product::Log;
use gen_core::Model;
use mipidsi::interface::SpiInterface;
use mipidsi::models::{ILI9341Rgb565, ST7735s, ST7789};
use mipidsi::{Builder, models};

/// A platform with a clock and planned taps of the button.
struct Plan {
    clock: Counter,
    tap_now: bool,
}

impl Platform for Plan {
    fn now_us(&mut self) -> u64 {
        self.clock.read() * 1_000_000 / u64::from(CLOCK_HZ)
    }

    fn is_down(&mut self) -> bool {
        false
    }

    fn was_tapped(&mut self) -> bool {
        core::mem::take(&mut self.tap_now)
    }
}

/// The settings of this program.
struct Wanted {
    panel: Panel,
    events: u32,
    /// Number of pictures between two taps; 0 for no taps.
    tap: u32,
    /// Number of pictures after which the bus is blocked; 0 for never.
    stuck: u32,
    card: bool,
}

impl Wanted {
    fn take(&mut self, word: &str) -> bool {
        let number = |value: &str| value.parse().ok();
        match word.split_once('=') {
            Some(("panel", name)) => {
                let found = panel::ALL.into_iter().find(|panel| panel.name == name);
                self.panel = found.unwrap_or(self.panel);
                found.is_some()
            }
            Some(("events", n)) => number(n).map(|n| self.events = n).is_some(),
            Some(("tap", n)) => number(n).map(|n| self.tap = n).is_some(),
            Some(("stuck", n)) => number(n).map(|n| self.stuck = n).is_some(),
            None if word == "card" => {
                self.card = true;
                true
            }
            _ => false,
        }
    }
}

#[entry]
fn main() -> ! {
    let board = Board::take();
    let mut wanted = Wanted { panel: panel::PICO_LCD_1_3, events: 1, tap: 0, stuck: 0, card: false };
    let settings = board::settings_and(|word| wanted.take(word));
    match wanted.panel.controller {
        Controller::St7789 => show(ST7789, &wanted, board.uart, settings),
        Controller::Ili9341 => show(ILI9341Rgb565, &wanted, board.uart, settings),
        Controller::St7735s => show(ST7735s, &wanted, board.uart, settings),
    }
}

fn show(
    controller: impl models::Model<ColorFormat = Rgb565>,
    wanted: &Wanted,
    mut uart: Uart,
    settings: Settings,
) -> ! {
    let mut buffer = [0; 512];
    let bus = SpiInterface::new(RecordingSpi(uart), DcPin, &mut buffer);
    let driver = wanted.panel.describe(Builder::new(controller, bus)).reset_pin(ResetPin(uart));
    let mut display = driver.init(&mut NoDelay).unwrap_or_else(|_| panic!("the panel is larger than the memory"));
    if wanted.card {
        testcard::draw(&mut display).unwrap_or_else(|e| panic!("{e:?}"));
        RecordingSpi::mark(&mut uart).unwrap_or_else(|e| panic!("{e}"));
    }

    let model = Model::parse(board::model::bytes()).unwrap_or_else(|e| panic!("no model in memory: {e}"));
    let plan = Plan { clock: Counter::start(), tap_now: false };
    let mut log = Log::new(model.classes());
    let mut app = App::new(model, board::model::workspace(), &mut display, plan, settings)
        .unwrap_or_else(|refused| panic!("the app does not start: {}", refused.error));
    let mut events = 0;
    while events < wanted.events {
        let step = app.step();
        if !log.step(step, app.word()) {
            continue;
        }
        _ = RecordingSpi::mark(&mut uart); // the host notices missing marks
        events += 1;
        if events == wanted.stuck {
            Board::connect(false);
        }
        app.platform().tap_now = wanted.tap > 0 && events % wanted.tap == 0;
    }
    info!("done");
    board::exit()
}
