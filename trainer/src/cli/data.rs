//! `trainer data`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::args::{Size, size};
use super::source::SourceArgs;
use trainer::data::{contact_sheet, sheet_rows};
use trainer::files::write_atomically;
use trainer::grid::png_name;
use trainer::grid::sheet_png;

#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Width and height to which pictures are brought, such as 64x32; one number for both
    #[arg(long, alias = "side", default_value = "32", value_name = "SIZE", allow_negative_numbers = true, value_parser = size)]
    size: Size,
    /// Bring pictures to grey
    #[arg(long)]
    grey: bool,
    /// Where to write the sheet
    #[arg(long, default_value = "data.png", value_name = "PNG", value_parser = png_name)]
    out: PathBuf,
    /// Also write every picture as a PNG file into this new folder, with a subfolder for each class: for programs that
    /// are to see the same pictures, such as trainer/interop/train_pytorch.py
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
}

pub(crate) fn data(args: &DataArgs) -> Result<ExitCode> {
    // Remarks are not logged, because the description contains them.
    let data = args.source.load_silently(args.size.shape(args.grey))?;
    trainer::data::how_to_choose(&data);
    print!("{}", trainer::data::describe(&data)?);
    write_atomically(&args.out, &sheet_png(&contact_sheet(&data, 16, 10, 2)?)?)?;
    println!("sheet: {}", args.out.display());
    let (rows, labels) = (sheet_rows(&data), data.labels.as_ref());
    if !rows.is_empty() {
        let left = labels.map_or(0, |labels| labels.names.len()) - rows.len();
        let more = if left > 0 { format!("; there is no room for the other {left}") } else { String::new() };
        println!("rows of the sheet, one for each class: {}{more}", rows.join(", "));
    }
    if let Some(folder) = &args.save {
        let count = trainer::data::save(&data, folder)?;
        println!("pictures: {count} in {}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}
