//! The commands, one file each. A command's function has the command's name.

use std::io::{Error, ErrorKind};

use trainer::terminal;

// Unlike the standard library's macros, these do not panic when standard output is a closed pipe
// (`trainer inspect | head -1`) or the disk is full.
macro_rules! print {
    ($($text:tt)*) => { trainer::terminal::print(format_args!($($text)*)) };
}
macro_rules! println {
    ($($text:tt)*) => { trainer::terminal::print(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) mod args;
pub(crate) mod bench;
pub(crate) mod card;
pub(crate) mod data;
pub(crate) mod eval;
pub(crate) mod export;
mod generator;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod invert;
pub(crate) mod like;
mod model_file;
pub(crate) mod package;
mod packing;
pub(crate) mod parity;
mod picture_set;
pub(crate) mod presets;
pub(crate) mod quantize;
pub(crate) mod rebuild;
mod recipe;
pub(crate) mod resume;
pub(crate) mod sample;
mod source;
mod start;
pub(crate) mod timelapse;
pub(crate) mod train;
pub(crate) mod verify;
pub(crate) mod walk;

/// Advice for errors of the system when a file is written or read.
pub(crate) fn advice(error: &anyhow::Error) -> Option<&'static str> {
    Some(match error.chain().find_map(|cause| cause.downcast_ref::<Error>())?.kind() {
        ErrorKind::StorageFull => "The disk is full: make room, or choose a folder on another disk.",
        ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "You may not write as much there: make room, or choose another folder."
        }
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            "That is not allowed there: change the permissions, or choose another folder."
        }
        _ => return None,
    })
}

/// Replaces `trainer` in examples by the way in which this program was started, so that they can be pasted.
pub(crate) fn as_typed(examples: &str) -> String {
    examples.replace("trainer ", &format!("{} ", terminal::program()))
}

/// The name of the program in usage lines.
pub(crate) fn name_in_usage() -> &'static str {
    if terminal::is_started_by_cargo() { "cargo trainer" } else { env!("CARGO_PKG_NAME") }
}
