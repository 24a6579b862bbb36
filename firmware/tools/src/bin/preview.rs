//! `cargo preview`: what a board's display will show, on the host.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use embedded_graphics::pixelcolor::{Gray4, Rgb565, Rgb888};
use embedded_graphics::prelude::*;
use embedded_graphics_simulator::{OutputSettings, OutputSettingsBuilder, SimulatorDisplay};
use emulated_boards::ssd0323;
use firmware_app::app::{App, Event};
use firmware_app::class;
use firmware_app::panel;
use firmware_app::platform::Platform;
use firmware_app::settings::{Mode, Settings};
use firmware_app::{testcard, view};
use firmware_tools::boards::{Board, EMULATED_BOARDS, HARDWARE_BOARDS};
use firmware_tools::model::{self, BLOB};
use gen_core::{FromRgb, Model, aligned};

/// Runs the firmware's app on a display of the board's size and writes what is on it as PNG.
///
/// Built with --features window (it needs SDL 2: libsdl2-dev), --window opens one: the space
/// bar is the button, escape closes.
#[derive(Debug, Parser)]
#[command(name = "cargo preview", bin_name = "cargo preview")]
struct Arguments {
    /// Board: pico, pico2, esp32c3, stm32f429i-disc1, nrf52840-dk, microbit-v2 or lm3s6965evb; or a panel, such as
    /// pico-display (240x135) or pico-lcd-0.96 (160x80)
    #[arg(long, default_value = "pico2")]
    board: String,
    /// Number of the first picture
    #[arg(long, default_value_t = 42)]
    seed: u32,
    /// Latent of the first picture, instead of that of a number: two hexadecimal digits for each value, as trainer invert
    /// prints them
    #[arg(long, value_name = "HEX", conflicts_with = "seed")]
    latent: Option<String>,
    /// Class of the pictures, by name or number, for a model with classes [default: the first; in modes with several
    /// pictures all in turn]
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// What the app does: single, classes, morph, gallery or slides
    #[arg(long, default_value = "single", value_parser = mode)]
    mode: Mode,
    /// Pictures until the display is looked at [default: 1, in a gallery as many as it has]
    #[arg(long, value_name = "N")]
    pictures: Option<u32>,
    /// Milliseconds that a picture takes on the board, to be shown on the display [default: no time is shown]
    #[arg(long)]
    ms: Option<u32>,
    /// The test card instead of a picture
    #[arg(long)]
    card: bool,
    /// Draws with this model instead of models/pocket-drawn/model.gen (drawn-oled on lm3s6965evb)
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Times that pixels are enlarged
    #[arg(long, default_value_t = 2)]
    scale: u32,
    /// File for the picture
    #[arg(long, value_name = "PNG", default_value = "preview.png")]
    out: PathBuf,
    /// Opens a window instead
    #[cfg(feature = "window")]
    #[arg(long)]
    window: bool,
}

fn mode(name: &str) -> Result<Mode, String> {
    Mode::ALL.into_iter().find(|mode| mode.name() == name).ok_or_else(|| {
        let names = Mode::ALL.map(Mode::name).join(", ");
        format!("the modes are {names}")
    })
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    arguments.model = model::chosen(arguments.model.take())?;
    let display = display(&arguments.board)?;
    if display == "ssd0323" {
        arguments.model = Some(model::chosen_for_oled(arguments.model.take())?);
        return show::<Gray4>(&arguments, Size::new(ssd0323::WIDTH as u32, ssd0323::HEIGHT as u32));
    }
    let panel = panel::ALL.into_iter().find(|panel| panel.name == display);
    let panel = panel.with_context(|| {
        format!("board.toml of {} names the display {display}, which firmware/app/src/panel.rs lacks", arguments.board)
    })?;
    show::<Rgb565>(&arguments, panel.size())
}

/// The display of a board. Instead of a board, a panel can be named.
fn display(name: &str) -> Result<&'static str> {
    let boards: Vec<Board> = HARDWARE_BOARDS.into_iter().chain(EMULATED_BOARDS).collect();
    let known = || {
        let with_display = boards.iter().filter_map(|board| Some((board.name, board.display?)));
        with_display.chain(panel::ALL.map(|panel| (panel.name, panel.name)))
    };
    known().find(|(known, _)| *known == name).map(|(_, display)| display).with_context(|| {
        let names: Vec<_> = known().map(|(known, _)| known).collect();
        format!("no board {name}; there are {}", names.join(", "))
    })
}

/// Draws, and writes or shows it.
fn show<C: FromRgb + Into<Rgb888> + From<Rgb888>>(arguments: &Arguments, size: Size) -> Result<()> {
    let settings = OutputSettingsBuilder::new().scale(arguments.scale.max(1)).build();
    let mut display = SimulatorDisplay::<C>::with_default_color(size, view::background());
    let blob = match &arguments.model {
        Some(path) => std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?,
        None => BLOB.to_vec(),
    };
    let bytes = aligned(&blob);
    let model = Model::parse(&bytes).with_context(|| match &arguments.model {
        Some(path) => path.display().to_string(),
        None => "the shipped model".to_owned(),
    })?;
    if let Some(class) = &arguments.class {
        model::class_choice(&model, class)?;
    }
    let app_settings = arguments.settings(&model)?;
    if arguments.card {
        let Ok(()) = testcard::draw(&mut display);
        return write(&display, &settings, &arguments.out);
    }
    #[cfg(feature = "window")]
    if arguments.window {
        return window::run(arguments, &model, display, &settings, app_settings);
    }

    let mut workspace = vec![0; model.workspace_len()];
    let (us, rows) = (u64::from(arguments.ms.unwrap_or(0)) * 1000, u64::from(model.output_shape().height));
    let platform = HostPlatform { us, rows, now: 0, reads: 0 };
    let mut app =
        App::new(model.clone(), &mut workspace, &mut display, platform, app_settings).map_err(|no| no.error)?;
    let classes = model.classes();
    let mut left = match (arguments.pictures, arguments.mode) {
        (Some(n), _) => n,
        (None, Mode::Gallery) => app.grid(),
        (None, _) => 1,
    };
    while left > 0 {
        let Ok(event) = app.step();
        match event {
            Some(Event::Drawn { source, class, crc, .. }) => {
                println!("picture {source}{}, crc {crc:08x}", class::note(classes, class, None));
            }
            Some(Event::Morph { from, to, classes: way, t, crc, .. }) => {
                let class = class::note(classes, way.map(|[from, _]| from), way.map(|[_, to]| to));
                println!("picture {from} on the way to {to}: {t}/256{class}, crc {crc:08x}");
            }
            // Nobody types, and latent and class were checked.
            Some(Event::Unknown | Event::UnknownClass | Event::BadLatent(_)) => continue,
            None if matches!(arguments.mode, Mode::Single | Mode::Classes | Mode::Gallery) => break, // nothing more comes
            None => {
                app.platform().wait();
                continue;
            }
        }
        left -= 1;
    }
    drop(app);
    write(&display, &settings, &arguments.out)
}

impl Arguments {
    /// The settings of the app.
    fn settings(&self, model: &Model<'_>) -> Result<Settings> {
        let latent = self.latent.as_ref().map(|text| model::given_latent(model, text)).transpose()?;
        let mut settings = Settings { seed: Some(self.seed), latent, mode: self.mode, ..Settings::default() };
        if let Some(class) = &self.class {
            settings.apply(&format!("class={class}"))?;
        }
        Ok(settings)
    }
}

fn write<C: FromRgb + Into<Rgb888>>(
    display: &SimulatorDisplay<C>,
    settings: &OutputSettings,
    out: &Path,
) -> Result<()> {
    let image = display.to_rgb_output_image(settings);
    image.save_png(out).with_context(|| format!("cannot write {}", out.display()))?;
    println!("{}", out.canonicalize()?.display());
    Ok(())
}

/// A platform without hardware. Its clock advances only by the given duration of a picture.
struct HostPlatform {
    /// Duration of a picture, in microseconds.
    us: u64,
    /// Rows of a picture.
    rows: u64,
    /// The present time, in microseconds.
    now: u64,
    /// How often the clock was read.
    reads: u64,
}

impl Platform for HostPlatform {
    fn now_us(&mut self) -> u64 {
        // The app reads the clock three times for every row of a picture, and attributes the time before one of these
        // reads, always the same one, to the engine. All three reads of a row therefore advance the clock equally, and the
        // advances of `rows` consecutive rows add up to exactly `us`.
        let row = self.reads / 3;
        self.now += (row + 1) * self.us / self.rows - row * self.us / self.rows;
        self.reads += 1;
        self.now
    }

    fn is_down(&mut self) -> bool {
        false
    }

    fn wait(&mut self) {
        self.now += 10_000;
    }
}

#[cfg(feature = "window")]
mod window {
    use std::cell::Cell;
    use std::thread;
    use std::time::{Duration, Instant};

    use embedded_graphics_simulator::sdl2::Keycode;
    use embedded_graphics_simulator::{SimulatorEvent, Window};

    use super::*;

    /// A platform with the clock of the host and the space bar as button.
    struct HostPlatform<'a> {
        start: Instant,
        space: &'a Cell<bool>,
    }

    impl Platform for HostPlatform<'_> {
        fn now_us(&mut self) -> u64 {
            self.start.elapsed().as_micros() as u64
        }

        fn is_down(&mut self) -> bool {
            self.space.get()
        }
    }

    /// A display that the app draws to while the window shows it.
    struct Shared<'a, C: FromRgb>(&'a std::cell::RefCell<SimulatorDisplay<C>>);

    impl<C: FromRgb> Dimensions for Shared<'_, C> {
        fn bounding_box(&self) -> embedded_graphics::primitives::Rectangle {
            self.0.borrow().bounding_box()
        }
    }

    impl<C: FromRgb> DrawTarget for Shared<'_, C> {
        type Color = C;
        type Error = core::convert::Infallible;

        fn draw_iter<I: IntoIterator<Item = Pixel<C>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
            self.0.borrow_mut().draw_iter(pixels)
        }
    }

    pub fn run<C: FromRgb + Into<Rgb888> + From<Rgb888>>(
        arguments: &Arguments,
        model: &Model<'_>,
        display: SimulatorDisplay<C>,
        settings: &OutputSettings,
        app_settings: Settings,
    ) -> Result<()> {
        let display = std::cell::RefCell::new(display);
        let mut shared = Shared(&display);
        let space = Cell::new(false);
        let platform = HostPlatform { start: Instant::now(), space: &space };
        let mut workspace = vec![0; model.workspace_len()];
        let mut app =
            App::new(model.clone(), &mut workspace, &mut shared, platform, app_settings).map_err(|no| no.error)?;
        let mut window = Window::new(&format!("{}: space is the button", arguments.board), settings);
        loop {
            let Ok(event) = app.step();
            window.update(&display.borrow());
            for event in window.events() {
                match event {
                    SimulatorEvent::Quit => return Ok(()),
                    SimulatorEvent::KeyDown { keycode: Keycode::Escape, .. } => return Ok(()),
                    SimulatorEvent::KeyDown { keycode: Keycode::Space, .. } => space.set(true),
                    SimulatorEvent::KeyUp { keycode: Keycode::Space, .. } => space.set(false),
                    _ => {}
                }
            }
            if event.is_none() {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}
