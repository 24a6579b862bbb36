//! Files that a Raspberry Pi Pico flashes itself: started with its button BOOTSEL held, it is a USB drive, and writes what
//! is copied there to its flash.
//!
//! The format UF2 (<https://github.com/microsoft/uf2>) consists of blocks of 512 bytes. Each contains 256 bytes for one page
//! of the flash, its address, its number, and the family of chips that the file is for. A chip ignores blocks for others.

use anyhow::{Context, Result};

use crate::boards::Board;
use crate::elf::flash_image;

/// First, second and last word of a block.
const MAGIC: [u32; 3] = [0x0A32_4655, 0x9E5D_5157, 0x0AB1_6F30];
/// Flag: the block names the family of the chip.
const HAS_FAMILY: u32 = 0x2000;
/// Length of a block in bytes.
const BLOCK: usize = 512;
/// Bytes of a block before the contents of the page.
const HEADER: usize = 32;
/// Length in bytes of a page of the flash.
const PAGE: usize = 256;
/// Length in bytes of the parts in which the flash is erased. The boot ROM of an RP2040 writes a part that comes only in
/// pieces wrongly (RP2040-E14 in its data sheet), so a file contains whole ones.
const SECTOR: usize = 4096;

/// The family of a chip with this name of probe-rs; `None` if the chip takes no UF2 files.
pub fn family(chip: &str) -> Option<u32> {
    match chip {
        "RP2040" => Some(0xE48B_FF56),
        // Programs for its Arm cores, in the secure state.
        "RP235x" => Some(0xE48B_FF59),
        _ => None,
    }
}

/// The UF2 file of a program for a board.
///
/// # Errors
/// If the board takes no such files, or the bytes are not a program for it.
pub fn file(elf: &[u8], board: &Board) -> Result<Vec<u8>> {
    let family = board.chip.and_then(family).with_context(|| format!("{} takes no UF2 files", board.name))?;
    let mut image = flash_image(elf, board)?;
    image.resize(image.len().next_multiple_of(SECTOR), 0xFF);
    let pages = image.chunks_exact(PAGE);
    let count = u32::try_from(pages.len())?;
    let mut file = Vec::with_capacity(pages.len() * BLOCK);
    for (number, page) in (0..count).zip(pages) {
        let address = u32::try_from(board.flash_origin)? + number * PAGE as u32;
        let header = [MAGIC[0], MAGIC[1], HAS_FAMILY, address, PAGE as u32, number, count, family];
        file.extend(header.iter().flat_map(|word| word.to_le_bytes()));
        file.extend_from_slice(page);
        file.extend_from_slice(&[0; BLOCK - HEADER - PAGE - 4]);
        file.extend_from_slice(&MAGIC[2].to_le_bytes());
    }
    Ok(file)
}
