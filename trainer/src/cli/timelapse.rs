//! `trainer timelapse`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use image::{Rgb, RgbImage};
use log::warn;

use super::args::whole;
use trainer::animation::{gif, gif_name};
use trainer::files::write_atomically;
use trainer::numbers::grouped;
use trainer::run::Folder;

#[derive(Debug, Args)]
pub(crate) struct TimelapseArgs {
    /// A folder such as runs/001-pocket
    run: PathBuf,
    /// Where to write the animation
    #[arg(long, num_args = 0..=1, default_value = "timelapse.gif", default_missing_value = "timelapse.gif",
        value_name = "GIF", value_parser = gif_name)]
    gif: PathBuf,
    /// Most frames; of more samples every second is taken, or every third, and so on
    #[arg(long, default_value_t = 100, allow_negative_numbers = true, value_parser = |t: &str| whole::<u16>(t, 2..=1000))]
    frames: u16,
    /// Milliseconds for which a frame is shown
    #[arg(long, default_value_t = 150, allow_negative_numbers = true, value_parser = |t: &str| whole::<u16>(t, 20..=10_000))]
    ms: u16,
}

/// How long the last frame is shown.
const LAST: Duration = Duration::from_secs(3);
/// Height of the progress bar below the samples, in pixels, and its colours.
const BAR: u32 = 6;
const DONE: Rgb<u8> = Rgb([60, 180, 75]);
const TO_DO: Rgb<u8> = Rgb([24, 24, 28]);

pub(crate) fn timelapse(args: &TimelapseArgs) -> Result<ExitCode> {
    let samples = Folder::open(&args.run)?.steps("samples", "png")?;
    let (first, last) = match samples.as_slice() {
        [(first, _), .., (last, _)] => (*first, *last),
        _ => bail!(
            "{} has fewer than two samples, which an animation needs. Train for longer, or with a smaller `every.sample`",
            args.run.display()
        ),
    };
    let stride = (samples.len() - 1).div_ceil(usize::from(args.frames) - 1).max(1);
    let end = samples.len() - 1;
    let mut frames: Vec<(RgbImage, Duration)> = Vec::new();
    for (_, (step, path)) in samples.iter().enumerate().filter(|(i, _)| i.is_multiple_of(stride) || *i == end) {
        let read = image::open(path).with_context(|| format!("cannot read {}", path.display()));
        let sheet = match read {
            Ok(sheet) => sheet.to_rgb8(),
            Err(error) => {
                warn!("{error:#}: left out");
                continue;
            }
        };
        let frame = with_bar(&sheet, *step as f64 / last.max(1) as f64);
        if frames.first().is_some_and(|(first, _)| first.dimensions() != frame.dimensions()) {
            warn!("{}: another size than the first one, left out", path.display());
            continue;
        }
        frames.push((frame, Duration::from_millis(args.ms.into())));
    }
    ensure!(frames.len() > 1, "no two samples of {} can be read", args.run.display());
    if let Some((_, shown)) = frames.last_mut() {
        *shown = LAST;
    }
    let count = frames.len();
    write_atomically(&args.gif, &gif(frames)?)?;
    println!(
        "animation: {} ({count} frames, from step {} to step {})",
        args.gif.display(),
        grouped(first),
        grouped(last)
    );
    Ok(ExitCode::SUCCESS)
}

/// The sheet above a bar that shows how much of the run is done, 0 to 1.
fn with_bar(sheet: &RgbImage, done: f64) -> RgbImage {
    let (width, height) = sheet.dimensions();
    let green = (f64::from(width) * done).round() as u32;
    RgbImage::from_fn(width, height + BAR, |x, y| match sheet.get_pixel_checked(x, y) {
        Some(pixel) => *pixel,
        None if x < green => DONE,
        None => TO_DO,
    })
}
