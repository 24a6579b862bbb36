//! `trainer presets`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::recipe::PictureArgs;
use trainer::config::{self, Config, PRESETS};

#[derive(Debug, Args)]
pub(crate) struct PresetsArgs {
    /// Name of a preset to print as TOML
    name: Option<String>,
    #[command(flatten)]
    picture: PictureArgs,
    /// Print all keys of a recipe with their types, defaults and meaning, as Markdown
    #[arg(long, conflicts_with = "name")]
    keys: bool,
}

pub(crate) fn presets(args: &PresetsArgs) -> Result<ExitCode> {
    if args.keys {
        print!("{}", config::keys_page());
        return Ok(ExitCode::SUCCESS);
    }
    match args.name.as_deref() {
        None if args.picture.is_given() => print!("{}", args.picture.recipe(None, None, None)?.to_toml()),
        Some(name) => {
            args.picture.recipe(Some(name), None, None)?;
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
