//! `trainer parity`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{ArgGroup, Args};

use super::recipe::recipe;
use super::source::labelling;
use super::start;
use trainer::config::{Config, PRESETS};
use trainer::data::{self, BUILTIN, Request, Target};
use trainer::parity::{self, one_step};

/// Frogs that are drawn for a step that is written.
const DRAWN: usize = 256;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("task").args(["golden", "write"]).required(true))]
pub(crate) struct ParityArgs {
    /// A golden set: a folder with weights_init.npz, inputs.npz, step1.npz and activations.npz from Keras, or a
    /// .safetensors file with a step from PyTorch
    golden: Option<PathBuf>,
    /// Write a step of this program for trainer/interop/check_parity.py, as NAME.safetensors in this folder: of every
    /// preset, or of one recipe
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
    /// The preset of the step that is written
    #[arg(long, value_name = "NAME", requires = "write", conflicts_with = "config")]
    preset: Option<String>,
    /// The recipe of the step that is written
    #[arg(long, value_name = "FILE", requires = "write")]
    config: Option<PathBuf>,
}

pub(crate) fn parity(args: &ParityArgs) -> Result<ExitCode> {
    if let Some(folder) = &args.write {
        let chosen = args.preset.is_some() || args.config.is_some();
        let recipes = match chosen {
            true => vec![recipe(args.preset.as_deref().unwrap_or_default(), args.config.as_deref())?],
            false => PRESETS.iter().map(|(name, _)| Config::preset(name)).collect::<Result<_>>()?,
        };
        return write(folder, recipes);
    }
    let golden = args.golden.as_deref().unwrap_or(Path::new("."));
    let is_file = golden.extension().is_some_and(|ending| ending == "safetensors");
    let (report, other) = match is_file {
        true => (one_step::check(golden)?, "PyTorch"),
        false => (parity::check(golden)?, "Keras"),
    };
    println!("{report}");
    ensure!(report.is_ok(), "{} does not agree with {other}", golden.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes a step of each recipe, on drawn frogs.
fn write(folder: &Path, recipes: Vec<Config>) -> Result<ExitCode> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for config in recipes {
        let teacher = start::teacher(&config)?.map(|teacher| teacher.model);
        let request = Request {
            path: Some(BUILTIN.into()),
            labelling: labelling(config.classes, &config.class_names),
            target: Target::of(config.picture()?),
            drawn: DRAWN,
            ..Request::default()
        };
        let frogs = data::load(&request)?.with_kinds(config.classes)?;
        let class_names = frogs.labels.as_ref().map_or_else(Vec::new, |labels| labels.names.clone());
        let config = Config { class_names, ..config };
        let path = folder.join(format!("{}.safetensors", config.name));
        one_step::write(&config, &frogs, teacher, &path)?;
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
