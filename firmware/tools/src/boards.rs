//! The boards. Their facts are in `board.toml` in the folder of each; the build script makes constants of them.

use anyhow::{Context, Result};

/// A board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Board {
    /// Name: that of its folder. QEMU's name for an emulated board, the name of the package of a hardware board.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Rust's target.
    pub triple: &'static str,
    /// Bytes of flash.
    pub flash: u64,
    /// First address of the flash.
    pub flash_origin: u64,
    /// Bytes of RAM.
    pub ram: u64,
    /// First address of the RAM.
    pub ram_origin: u64,
    /// probe-rs's name for the chip of a hardware board.
    pub chip: Option<&'static str>,
    /// The display: a panel of the firmware's, or `ssd0323`.
    pub display: Option<&'static str>,
    /// Displays that can be chosen instead.
    pub other_displays: &'static [&'static str],
    /// The version of probe-rs to install, if not the newest.
    pub probe_rs: Option<&'static str>,
    /// The short name of `cargo flash NAME`.
    pub alias: Option<&'static str>,
    /// Whether the processor has MVE.
    pub has_mve: bool,
}

include!(concat!(env!("OUT_DIR"), "/boards.rs"));

impl Board {
    /// The emulated board with this name.
    ///
    /// # Errors
    /// If there is none; the message lists all.
    pub fn emulated(name: &str) -> Result<Self> {
        let known = || EMULATED_BOARDS.map(|board| board.name).join(", ");
        let found = EMULATED_BOARDS.into_iter().find(|board| board.name == name);
        found.with_context(|| format!("no board {name}; there are {}", known()))
    }

    /// Whether this is a board that programs are flashed to.
    pub const fn is_hardware(&self) -> bool {
        self.chip.is_some()
    }

    /// The command that flashes it.
    pub fn flash_command(&self) -> String {
        self.alias.map_or_else(|| format!("cargo flash {}", self.name), |alias| format!("cargo {alias}"))
    }
}
