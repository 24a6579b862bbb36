//! The boards. The build script generates constants from the `board.toml` of each.

use anyhow::{Context, Result};

/// The description of a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Board {
    /// Name of the folder; for a hardware board also the name of the package.
    pub name: &'static str,
    /// Full name of the board.
    pub title: &'static str,
    /// QEMU's name of the machine, for an emulated board.
    pub machine: &'static str,
    /// Target triple.
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
    /// The display: the name of a panel in `firmware/app/src/panel.rs`, or `ssd0323`.
    pub display: Option<&'static str>,
    /// Displays that can be used instead.
    pub other_displays: &'static [&'static str],
    /// The version of probe-rs to install; `None` for the newest.
    pub probe_rs: Option<&'static str>,
    /// The short command for `cargo flash NAME`, if there is one.
    pub alias: Option<&'static str>,
    /// The linker script of the HAL, if it brings its own with a memory map.
    pub linker_script: Option<&'static str>,
    /// Whether the processor has MVE.
    pub has_mve: bool,
}

include!(concat!(env!("OUT_DIR"), "/boards.rs"));

impl Board {
    /// The emulated board with this name.
    ///
    /// # Errors
    /// If there is no such board. The message lists all names.
    pub fn emulated(name: &str) -> Result<Self> {
        let known = || EMULATED_BOARDS.map(|board| board.name).join(", ");
        let found = EMULATED_BOARDS.into_iter().find(|board| board.name == name);
        found.with_context(|| format!("no board {name}; there are {}", known()))
    }

    /// Whether the processor is an Arm. The others are RISC-V.
    pub fn is_arm(&self) -> bool {
        self.triple.starts_with("thumb")
    }

    /// Whether this is a hardware board, to which programs are flashed.
    pub const fn is_hardware(&self) -> bool {
        self.chip.is_some()
    }

    /// The command that flashes a program to this board.
    pub fn flash_command(&self) -> String {
        self.alias.map_or_else(|| format!("cargo flash {}", self.name), |alias| format!("cargo {alias}"))
    }
}
