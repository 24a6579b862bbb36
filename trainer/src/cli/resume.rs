//! `trainer resume`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use log::info;

use super::args::{threads, whole};
use super::source::{MemoryArgs, reload};
use super::start;
use super::train::finish;
use trainer::config::{Config, MAX_STEPS};
use trainer::run::folder::DataRef;
use trainer::run::{Session, interrupt};

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// A folder such as runs/001-pocket
    pub(crate) run: PathBuf,
    /// Where the pictures of the run are now, if they have moved
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Train up to this many steps in all, instead of what the run was started with
    #[arg(long, allow_negative_numbers = true, value_parser = |t: &str| whole::<u64>(t, 0..=MAX_STEPS))]
    pub(crate) steps: Option<u64>,
    /// Also write losses, scores and samples for TensorBoard; on without this option if the run was started with it
    #[arg(long)]
    pub(crate) tensorboard: bool,
    /// Threads to use; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = threads)]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    memory: MemoryArgs,
}

pub(crate) fn resume(args: &ResumeArgs) -> Result<ExitCode> {
    interrupt::listen()?;
    let load = |data: &DataRef, config: &Config| match &args.data {
        Some(path) => reload(&DataRef { path: path.clone(), ..data.clone() }, config, args.memory),
        None => reload(data, config, args.memory),
    };
    let mut session = Session::resume(&args.run, load, start::teacher)?;
    if let Some(steps) = args.steps {
        session.set_steps(steps)?;
    }
    if args.tensorboard || session.has_events() {
        session.write_events()?;
    }
    info!("going on at step {} of {}.", session.steps().0, session.steps().1);
    finish(session)
}
