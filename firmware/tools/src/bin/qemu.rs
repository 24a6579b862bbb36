//! Runs a firmware program under QEMU: cargo's runner for the boards' targets.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use firmware_tools::boards::Board;
use firmware_tools::qemu::{Options, Qemu};

/// Runs a firmware program under QEMU, decodes its log, and returns its exit code:
/// 0 success, 1 panic or fault, 134 lock-up, 124 out of time.
#[derive(Debug, Parser)]
#[command(name = "qemu", bin_name = "cargo run -p firmware-tools --bin qemu --")]
struct Arguments {
    /// Board: lm3s6965evb, mps2-an385, mps2-an386, mps2-an500, mps2-an505 or mps3-an547
    board: String,
    /// The program, an ELF file
    program: PathBuf,
    /// Words for the program, such as seed=7, class=frog or idle=0
    settings: Vec<String>,
    /// Seconds that it may run; 0 for ever
    #[arg(long, default_value_t = 0)]
    limit: u64,
    /// Model for the external memory of the board, as a program built with external-model expects it
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// File for the bytes that the program sends over UART 0
    #[arg(long, value_name = "FILE")]
    serial: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let limit = (arguments.limit > 0).then(|| Duration::from_secs(arguments.limit));
    let options = Options {
        settings: arguments.settings,
        serial: arguments.serial,
        external_model: arguments.model,
        real_time: false,
        record: None,
        window: false,
        limit,
    };
    let path = &arguments.program;
    let program = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let qemu = Qemu::start(Board::emulated(&arguments.board)?, &program, &options)?;
    let code = qemu.finish(|line| println!("{line}"))?;
    std::process::exit(code)
}
