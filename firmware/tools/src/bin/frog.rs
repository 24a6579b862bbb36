//! `cargo frog`: the firmware on an emulated board with an OLED.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context, Result};
use clap::Parser;
use firmware_tools::boards::LM3S6965EVB;
use firmware_tools::build::{First, build_shown};
use firmware_tools::model::{self, class_setting, latent_setting};
use firmware_tools::qemu::{self, LIMIT, Options, Qemu};

/// Draws frogs on an emulated microcontroller.
///
/// Builds the firmware for a Cortex-M3 board with a small grey OLED (lm3s6965evb) and
/// runs it in QEMU. Where there is a display, the OLED opens in a window: the control
/// key is the board's select button and draws the next frog; left alone, one frog
/// turns into the next. Elsewhere, or with --out, a picture of the OLED is written.
#[derive(Debug, Parser)]
#[command(name = "cargo frog", bin_name = "cargo frog")]
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
    /// How often to press select before the picture is taken
    #[arg(long, value_name = "N", default_value_t = 0)]
    presses: u32,
    /// Writes a picture of the OLED there instead of opening a window [default without a display: frog.png]
    #[arg(long, value_name = "PNG")]
    out: Option<PathBuf>,
    /// Draws with this model instead of models/drawn-oled/model.gen
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    qemu::check_installed()?;
    let model = model::chosen_for_oled(arguments.model)?;
    let mut settings = vec![format!("seed={}", arguments.seed)];
    let blob = || fs::read(&model).with_context(|| format!("cannot read {}", model.display()));
    if let Some(latent) = &arguments.latent {
        settings.push(latent_setting(&blob()?, latent).with_context(|| model.display().to_string())?);
    }
    if let Some(class) = &arguments.class {
        settings.push(class_setting(&blob()?, class).with_context(|| model.display().to_string())?);
    }
    let program = build_shown(LM3S6965EVB, "qemu-oled", Some(&model), &[], First::default())?;
    match arguments.out {
        None if has_display() => {
            println!("control: the next frog; close the window to stop");
            let options = Options { settings, window: true, ..Options::default() };
            let code = Qemu::start(LM3S6965EVB, &program, &options)?.finish(|line| println!("{line}"))?;
            if code != 0 {
                println!("QEMU opened no window, or the program failed; --out frog.png needs no window");
            }
            Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
        }
        out => {
            let out = out.unwrap_or_else(|| "frog.png".into());
            // No frog moves by itself: the picture shows what was asked for.
            settings.push("idle=0".to_owned());
            let options = Options { settings, limit: Some(LIMIT), ..Options::default() };
            let mut qemu = Qemu::start(LM3S6965EVB, &program, &options)?;
            println!("{}", qemu.wait_for(" drawn")?);
            for _ in 0..arguments.presses {
                qemu.press("ctrl")?;
                println!("{}", qemu.wait_for(" drawn")?);
            }
            qemu.screen()?.write_png(&out)?;
            let path = out.canonicalize().with_context(|| format!("cannot find {}", out.display()))?;
            println!("{}", path.display());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Whether windows can be opened.
fn has_display() -> bool {
    cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}
