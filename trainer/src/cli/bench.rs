//! `trainer bench`.

use std::ffi::OsString;
use std::io::{stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Args;
use log::info;

use super::args::{number, precision, steps, threads, vectors, whole, with_threads};
use super::recipe::recipe;
use trainer::bench::layers::Limits;
use trainer::bench::{self, Limit, Measurement, Table};
use trainer::config::{Config, Precision};
use trainer::nn::vectors::Vectors;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Measure this one; may be given more than once [default: tutorial, reference-pocket, pocket, pocket-64]
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Vec<String>,
    /// Measure a recipe of your own; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,
    /// Pictures in a batch, instead of the recipe's
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = |t: &str| whole::<usize>(t, 2..=4096))]
    pub(crate) batch: Option<usize>,
    /// The numbers that convolutions multiply, instead of the recipe's
    #[arg(long, value_name = "PRECISION", value_parser = precision())]
    pub(crate) precision: Option<Precision>,
    /// Steps to measure of each one
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = steps,
        conflicts_with_all = ["seconds", "paired"])]
    pub(crate) steps: Option<u64>,
    /// Time to measure each one for, if it takes three steps (or rounds of its layers) or more
    #[arg(long, default_value_t = 10.0, value_name = "S", conflicts_with = "paired", allow_negative_numbers = true,
        value_parser = |t: &str| number(t, 0.0..=86_400.0))]
    pub(crate) seconds: f64,
    /// Threads to use [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    pub(crate) threads: Option<usize>,
    /// Compute with these vector instructions, to measure what another processor gets [default: the best of this one]
    #[arg(long, value_name = "KIND", value_parser = vectors())]
    pub(crate) cpu: Option<Vectors>,
    /// Measure each layer instead: how it is computed, and how near it comes to what the machine can do
    #[arg(long, conflicts_with_all = ["steps", "paired"])]
    pub(crate) layers: bool,
    /// For developers' scripts: one step for each line of standard input, answered by a line of JSON
    #[arg(long)]
    paired: bool,
}

/// Presets that `trainer bench` measures by default.
const BENCHED: [&str; 4] = ["tutorial", "reference-pocket", "pocket", "pocket-64"];

impl BenchArgs {
    /// Time for which each recipe is measured.
    fn time(&self) -> Result<Duration> {
        ensure!((0.0..=86_400.0).contains(&self.seconds), "--seconds must be 0 or more and at most a day");
        Ok(Duration::from_secs_f64(self.seconds))
    }

    /// All recipes, each with the arguments that select it in a worker process.
    fn recipes(&self) -> Result<Vec<(Config, [OsString; 2])>> {
        let presets = self.preset.iter().map(|name| (name.as_str(), None));
        let files = self.config.iter().map(|path| ("", Some(path.as_path())));
        let mut recipes: Vec<_> = presets.chain(files).collect();
        if recipes.is_empty() {
            recipes = BENCHED.map(|name| (name, None)).to_vec();
        }
        let recipe = |(name, path): (&str, Option<&Path>)| {
            let mut config = recipe(name, path)?;
            config.batch = self.batch.unwrap_or(config.batch);
            config.precision = self.precision.unwrap_or(config.precision);
            config.check()?;
            ensure!(
                config.distil.is_none(),
                "bench times a step without a teacher: leave `distil` out of {}",
                config.name
            );
            let argument = match path {
                Some(path) => ["--config".into(), path.into()],
                None => ["--preset".into(), name.into()],
            };
            Ok((config, argument))
        };
        recipes.into_iter().map(recipe).collect()
    }
}

pub(crate) fn bench(args: &BenchArgs) -> Result<ExitCode> {
    args.cpu.map_or(Ok(()), Vectors::limit_to)?;
    match (args.layers, args.paired) {
        (true, _) => with_threads(args.threads, || layers(args)),
        (_, true) => with_threads(args.threads, || worker(args)),
        // Each recipe is measured in a separate process with its own threads.
        _ => table(args),
    }
}

fn table(args: &BenchArgs) -> Result<ExitCode> {
    let limit = match args.steps {
        Some(steps) => Limit::Steps(steps),
        None => Limit::Time(args.time()?),
    };
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut measurements = Vec::new();
    for (config, argument) in args.recipes()? {
        info!("{} ...", config.name);
        let mut command = process::Command::new(&program);
        command.args(["bench", "--paired"]).args(argument);
        for (name, value) in [("--batch", args.batch), ("--threads", args.threads)] {
            command.args(value.map(|value| format!("{name}={value}")));
        }
        command.args(args.precision.map(|precision| format!("--precision={precision}")));
        command.args(args.cpu.map(|kind| format!("--cpu={}", kind.name())));
        let measurement = Measurement::take(&config, command, limit).with_context(|| config.name.clone())?;
        measurements.push(measurement);
    }
    println!("{}", Table(measurements));
    Ok(ExitCode::SUCCESS)
}

fn layers(args: &BenchArgs) -> Result<ExitCode> {
    let configs: Vec<_> = args.recipes()?.into_iter().map(|(config, _)| config).collect();
    println!("{}", Limits::measure(&configs, args.time()? * configs.len() as u32)?);
    Ok(ExitCode::SUCCESS)
}

fn worker(args: &BenchArgs) -> Result<ExitCode> {
    let [(config, _)] = <[_; 1]>::try_from(args.recipes()?).map_err(|recipes| {
        anyhow!("--paired steps one network, not {}: give one --preset or --config", recipes.len())
    })?;
    bench::worker(config, stdin().lock(), stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}
