//! `trainer presets`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use trainer::config::{Config, PRESETS};

#[derive(Debug, Args)]
pub(crate) struct PresetsArgs {
    /// Print this one
    name: Option<String>,
}

pub(crate) fn presets(args: &PresetsArgs) -> Result<ExitCode> {
    match args.name.as_deref() {
        Some(name) => {
            Config::preset(name)?;
            let text = PRESETS.iter().find(|(n, _)| *n == name).map_or("", |(_, text)| text);
            print!("{text}");
        }
        None => {
            for (name, _) in PRESETS {
                let config = Config::preset(name)?;
                let (generator, discriminator) = config.networks()?;
                println!("{name}\n    {}", config.about);
                println!(
                    "    generator {} parameters, discriminator {}, {} steps of {} pictures",
                    generator.parameter_count(),
                    discriminator.parameter_count(),
                    config.steps,
                    config.batch
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
