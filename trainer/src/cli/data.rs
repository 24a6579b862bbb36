//! `trainer data`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::args::side;
use super::source::SourceArgs;
use trainer::data::contact_sheet;
use trainer::files::write_atomically;
use trainer::grid::png_name;
use trainer::grid::sheet_png;

#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Height and width to which pictures are cropped and resized
    #[arg(long, default_value_t = 32, allow_negative_numbers = true, value_parser = side)]
    side: usize,
    /// Where to write the sheet
    #[arg(long, default_value = "data.png", value_name = "PNG", value_parser = png_name)]
    out: PathBuf,
}

pub(crate) fn data(args: &DataArgs) -> Result<ExitCode> {
    // Remarks are not logged, because the description contains them.
    let data = args.source.load_silently(args.side)?;
    trainer::data::how_to_choose(&data);
    print!("{}", trainer::data::describe(&data));
    write_atomically(&args.out, &sheet_png(&contact_sheet(&data, 16, 10, 2)?)?)?;
    println!("sheet: {}", args.out.display());
    Ok(ExitCode::SUCCESS)
}
