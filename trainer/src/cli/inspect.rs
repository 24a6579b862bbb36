//! `trainer inspect`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::args::CoreArg;
use super::model_file::{parse, read_model};
use trainer::inspect;
use trainer::numbers::grouped;

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A model, or the folder of a run or of a shipped model; the one in the firmware if not given
    model: Option<PathBuf>,
    /// Processor in the table of weight transforms [default: cortex-m4 and cortex-m3]
    #[arg(long, value_enum)]
    core: Option<CoreArg>,
}

pub(crate) fn inspect(args: &InspectArgs) -> Result<ExitCode> {
    let path = args.model.as_deref();
    let blob = read_model(path)?;
    let mut inspection = inspect::inspect(&parse(&blob, path)?);
    if let Some(core) = args.core {
        inspection.compared = vec![core.core()];
    }
    println!("{inspection}");
    println!("the file: {} bytes, CRC-32 {:08x}", grouped(blob.len()), crc32fast::hash(&blob));
    Ok(ExitCode::SUCCESS)
}
