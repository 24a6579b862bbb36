//! The boards for which memory is compared. Their facts come from the firmware's `board.toml` files.

use serde::{Deserialize, Serialize};

use crate::cost::Core;

/// A microcontroller board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Board {
    /// Name.
    pub name: String,
    /// Bytes of flash; of external flash if code runs from it.
    pub flash: usize,
    /// Bytes of internal RAM.
    pub ram: usize,
    /// Processor core.
    pub core: Core,
    /// Width and height of the firmware's display, in pixels.
    pub display: Option<[u16; 2]>,
}

/// The contents of every `board.toml`, collected by the build script.
const FILES: &[&str] = include!(concat!(env!("OUT_DIR"), "/boards.rs"));

/// The keys of a `board.toml` that are used here.
#[derive(Deserialize)]
struct Facts {
    title: String,
    target: String,
    flash: Region,
    ram: Region,
    display: Option<Display>,
}

#[derive(Deserialize)]
struct Display {
    size: [u16; 2],
}

#[derive(Deserialize)]
struct Region {
    kib: usize,
}

/// The firmware's boards that have a display, and one without firmware, smallest RAM first.
pub fn all() -> Vec<Board> {
    let facts = FILES.iter().map(|text| toml::from_str::<Facts>(text).expect("a test reads all of them"));
    let mut boards: Vec<_> = facts
        .filter(|facts| facts.display.is_some())
        .map(|facts| Board {
            name: facts.title,
            flash: facts.flash.kib * 1024,
            ram: facts.ram.kib * 1024,
            core: Core::of_target(&facts.target),
            display: facts.display.map(|display| display.size),
        })
        .collect();
    boards.push(Board {
        name: "Nucleo-F411RE".into(),
        flash: 512 << 10,
        ram: 128 << 10,
        core: Core::Dsp,
        display: None,
    });
    boards.sort_by_key(|board| (board.ram, board.flash));
    boards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_with_a_display_is_listed() {
        let boards = all();
        let names: Vec<_> = boards.iter().map(|board| &*board.name).collect();
        let hardware = ["micro:bit v2", "STM32F429I-DISC1", "nRF52840-DK", "Raspberry Pi Pico", "Raspberry Pi Pico 2"];
        for name in ["lm3s6965evb (QEMU)", "ESP32-C3"].into_iter().chain(hardware) {
            assert!(names.contains(&name), "{name} is not among {names:?}");
        }
        assert!(FILES.len() >= 11 && !names.iter().any(|name| name.contains("MPS2")), "{names:?}");
        assert!(boards.is_sorted_by_key(|board| board.ram));
        assert_eq!((boards[0].core, boards[0].flash, boards[0].display), (Core::Mla, 256 << 10, Some([128, 64])));
    }
}
