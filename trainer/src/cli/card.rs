//! `trainer card`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::source::{MemoryArgs, reload};
use trainer::card::{CardInput, describe};
use trainer::files::write_atomically;
use trainer::numbers::grouped;
use trainer::run::Folder;
use trainer::run::discriminator::{self, DISCRIMINATOR};
use trainer::terminal::{self, quoted};

#[derive(Debug, Args)]
pub(crate) struct CardArgs {
    /// A folder such as runs/001-pocket
    run: PathBuf,
    /// Short description: what the model draws and what it is for
    #[arg(long, value_name = "TEXT")]
    about: String,
    /// What the pictures are and where others find them; not needed for the drawn frogs
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Licence of the model, as the Hugging Face Hub writes it, such as mit; may be given more than once
    #[arg(long, value_name = "ID", value_parser = licence)]
    license: Vec<String>,
    /// A measurement, a number or a text; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = score)]
    score: Vec<(String, toml::Value)>,
    /// Folder to write, named as the model [default: models/ and the name of the recipe]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Also write the weights of the discriminator (discriminator.safetensors), so that other runs can start from both
    /// networks: train --from FOLDER
    #[arg(long)]
    discriminator: bool,
    /// Write into the folder even if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    memory: MemoryArgs,
}

/// Parses the identifier of a licence.
fn licence(text: &str) -> Result<String, String> {
    let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let is_right = !text.is_empty() && text.chars().all(is_id);
    is_right.then(|| text.to_owned()).ok_or_else(|| {
        "a licence is small letters, digits, \"-\" and \".\", as in apache-2.0; https://huggingface.co/docs/hub/repositories-licenses \
         lists them"
            .into()
    })
}

/// Parses a measurement such as recall=0.52 or judge=ResNet-20.
fn score(text: &str) -> Result<(String, toml::Value), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("a score is NAME=VALUE")?;
    let whole = value.parse::<i64>().map(toml::Value::from).ok();
    let number = || value.parse::<f64>().ok().filter(|number| number.is_finite()).map(toml::Value::from);
    Ok((name.to_owned(), whole.or_else(number).unwrap_or_else(|| value.into())))
}

pub(crate) fn card(args: &CardArgs) -> Result<ExitCode> {
    let out = match &args.out {
        Some(out) => out.clone(),
        None => Path::new("models").join(Folder::open(&args.run)?.config()?.name),
    };
    let name = out.file_name().and_then(|name| name.to_str()).context("--out needs the name of a folder")?;
    let input = CardInput {
        name: name.to_owned(),
        about: args.about.clone(),
        license: args.license.clone(),
        source: args.source.clone(),
        scores: args.score.iter().cloned().collect(),
    };
    let is_free = !out.exists() || std::fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_none());
    ensure!(
        is_free || args.force,
        "{} is there already: give another --out, or --force to write its model, samples and card again (scores that were \
         given before are lost)",
        out.display()
    );
    let shipped = describe(&args.run, input, |data, config| reload(data, config, args.memory))?;
    shipped.write(&out)?;
    println!("model: {} ({} bytes)", out.join("model.gen").display(), grouped(shipped.blob.len()));
    println!("card: {}", out.join("README.md").display());
    if args.discriminator {
        let file = out.join(DISCRIMINATOR);
        let bytes = discriminator::of_run(&args.run)?;
        write_atomically(&file, &bytes)?;
        println!("discriminator: {} ({} bytes)", file.display(), grouped(bytes.len()));
    }
    let data = match &shipped.card.data.source {
        Some(_) => String::new(),
        None => format!(" --data {}", quoted(&Folder::open(&args.run)?.data_ref()?.path)),
    };
    println!("prove it with: {} rebuild {}{data}", terminal::program(), quoted(&out));
    Ok(ExitCode::SUCCESS)
}
