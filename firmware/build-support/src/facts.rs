//! Reads `board.toml`, the description of a board, and lists the boards.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Name of the file in a board's folder.
pub const FILE: &str = "board.toml";

/// The contents of `board.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Facts {
    /// Name: the name of the folder.
    #[serde(skip)]
    pub name: String,
    /// Name for people.
    pub title: String,
    /// QEMU's name of the machine, for an emulated board with another name.
    pub machine: Option<String>,
    /// Target triple.
    pub target: String,
    /// The flash that holds program and model.
    pub flash: Region,
    /// The RAM that holds stack, variables and workspace.
    pub ram: Region,
    /// probe-rs's name for the chip. Emulated boards have none.
    pub chip: Option<String>,
    /// The display. Headless boards have none.
    pub display: Option<Display>,
    /// Displays that can be used instead; the name of each is a feature of the board's package.
    #[serde(default)]
    pub other_displays: Vec<Display>,
    /// The version of probe-rs to install, if newer ones do not flash the chip.
    pub probe_rs: Option<String>,
    /// The short command for `cargo flash NAME`, an alias in `.cargo/config.toml`.
    pub alias: Option<String>,
    /// The linker script of the HAL, if it brings its own with a memory map. The board then has no `memory.x`.
    pub linker_script: Option<String>,
    /// Whether the processor has MVE (Cortex-M55).
    #[serde(default)]
    pub has_mve: bool,
}

/// A display.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Display {
    /// Name of a panel in `firmware/app/src/panel.rs`, or `ssd0323`.
    pub name: String,
    /// Width and height in pixels, as it is held.
    pub size: [u16; 2],
}

/// A range of addresses in a chip's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// First address.
    pub origin: u64,
    /// Length in KiB.
    pub kib: u64,
}

impl Region {
    /// Length in bytes.
    pub fn bytes(self) -> u64 {
        self.kib * 1024
    }
}

impl Facts {
    /// Reads `board.toml` in a board's folder. The name of the folder is the name of the board.
    ///
    /// # Errors
    /// If the file cannot be read, a key is missing or a key is unknown. The message names file and reason.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let mut facts: Self = toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        facts.name = folder.file_name().ok_or("a board's folder needs a name")?.to_string_lossy().into_owned();
        Ok(facts)
    }
}

/// The folders of the hardware boards and of the emulated boards, relative to the root of the repository.
pub const FOLDERS: [&str; 2] = ["firmware/boards", "firmware/emulated/boards"];

/// The root of the repository that contains this crate.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The boards in one of [`FOLDERS`], in alphabetical order.
///
/// # Errors
/// As [`Facts::read`].
pub fn all_in(folder: &str) -> Result<Vec<Facts>, String> {
    let folder = repository().join(folder);
    let entries = fs::read_dir(&folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let mut boards: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    boards.retain(|board| board.join(FILE).is_file());
    boards.sort();
    boards.iter().map(|board| Facts::read(board)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_here_has_its_facts() {
        let [hardware, emulated] = FOLDERS.map(|folder| all_in(folder).expect("every file is complete"));
        assert!(hardware.len() >= 4 && hardware.iter().all(|board| board.chip.is_some() && board.display.is_some()));
        assert!(emulated.len() >= 6 && emulated.iter().all(|board| board.chip.is_none()));
    }

    #[test]
    fn a_fact_that_nobody_knows_is_refused_with_file_and_line() {
        let folder = std::env::temp_dir().join(format!("board-facts-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the test");
        let good = fs::read_to_string(repository().join("firmware/boards/pico2/board.toml")).expect("it is there");
        fs::write(folder.join(FILE), good + "colour = 3\n").expect("it can be written");
        let said = Facts::read(&folder).expect_err("nobody knows `colour`");
        fs::remove_dir_all(&folder).expect("it can be removed");
        assert!(said.contains("board.toml") && said.contains("unknown field `colour`"), "{said}");
    }
}
