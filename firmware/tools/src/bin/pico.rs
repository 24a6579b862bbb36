//! `cargo pico`: the firmware of the Raspberry Pi Pico on an emulated one.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use firmware_app::settings::Mode;
use firmware_tools::boards::PICO;
use firmware_tools::build::{First, build_shown};
use firmware_tools::model::{self, BLOB, class_setting, latent_setting};
use firmware_tools::pico::{CLOCK_HZ, Display, Options, Pico, check_installed};
use firmware_tools::replay::Drawn;

/// Draws frogs on an emulated Raspberry Pi Pico.
///
/// Builds the firmware that cargo flash-pico flashes, runs it in rp2040js, an emulator of
/// the RP2040 for Node.js, and writes what is on the display. Prints the log and the cycles
/// that each picture took. The emulator does not model the cache of the flash, so a real
/// chip takes longer.
#[derive(Debug, Parser)]
#[command(name = "cargo pico", bin_name = "cargo pico")]
struct Arguments {
    /// Number of the first frog
    #[arg(long, default_value_t = 42)]
    seed: u32,
    /// Latent of the first frog, instead of that of a number: two hexadecimal digits for each value, as trainer invert
    /// prints them
    #[arg(long, value_name = "HEX", conflicts_with = "seed")]
    latent: Option<String>,
    /// Class of the frogs, by name or number, for a model with classes [default: the first, then the next ones]
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// How often to press the button before the picture is taken
    #[arg(long, value_name = "N", default_value_t = 0)]
    presses: u32,
    /// The test card instead of a frog
    #[arg(long, conflicts_with_all = ["seed", "latent", "class", "presses"])]
    card: bool,
    /// Another display than Waveshare's pico-lcd-1.3: pico-display
    #[arg(long, value_name = "NAME")]
    display: Option<String>,
    /// File for the picture of the display
    #[arg(long, value_name = "PNG", default_value = "pico.png")]
    out: PathBuf,
    /// Draws with this model instead of models/pocket-drawn/model.gen
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Seconds after which the emulator is stopped
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    limit: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let display = Display::find(arguments.display.as_deref())?;
    check_installed()?;
    let model = model::chosen(arguments.model)?;
    let blob = || match &model {
        Some(path) => fs::read(path).with_context(|| format!("cannot read {}", path.display())),
        None => Ok(BLOB.to_vec()),
    };
    let mut words = vec![format!("mode={}", Mode::Single)];
    if let Some(class) = &arguments.class {
        words.push(class_setting(&blob()?, class)?);
    }
    words.push(match &arguments.latent {
        Some(latent) => latent_setting(&blob()?, latent)?,
        None => format!("seed={}", arguments.seed),
    });
    let features: Vec<_> =
        arguments.display.iter().map(String::as_str).filter(|name| Some(*name) != PICO.display).collect();
    let program = build_shown(PICO, PICO.name, model.as_deref(), &features, First::default())?;
    let limit = Duration::from_secs(arguments.limit);
    let mut pico = Pico::start(&program, display, Options { is_down: arguments.card, raises_faults: false, limit })?;
    if arguments.card {
        println!("{}", pico.wait_for("test card")?);
        pico.run(500)?; // it has no line of its own when it is complete
    } else {
        // The app has drawn a picture of its own when it reads the first word, and draws again after each word.
        pico.type_words(&words.join(" "))?;
        for _ in 0..=words.len() {
            shown(&pico.wait_for(" drawn")?);
        }
        for _ in 0..arguments.presses {
            pico.tap()?;
            shown(&pico.wait_for(" drawn")?);
        }
    }
    pico.screen()?.write_png(&arguments.out)?;
    let path = arguments.out.canonicalize().with_context(|| format!("cannot find {}", arguments.out.display()))?;
    println!("{}", path.display());
    Ok(())
}

/// Prints a line of the log about a picture, and the cycles that it took. The program measures the time, in microseconds.
fn shown(line: &str) {
    println!("{line}");
    if let Some(Drawn { us, .. }) = Drawn::parse(line) {
        let cycles = u64::from(us) * (CLOCK_HZ / 1_000_000);
        println!("      {:.2} million cycles, at {} MHz", cycles as f64 / 1e6, CLOCK_HZ / 1_000_000);
    }
}
