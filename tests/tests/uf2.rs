//! UF2 files of the Pico and the Pico 2, read as their boot ROMs read them.

use anyhow::{Context, Result, ensure};
use firmware_tools::boards::{Board, MICROBIT_V2, PICO, PICO2};
use firmware_tools::build::build;
use firmware_tools::model::BLOB;
use firmware_tools::uf2;
use object::{Object, ObjectSection};

/// The contents of the flash after a boot ROM has read a file for this family. Everything that it would not accept, or
/// would leave out, is an error.
fn flashed(file: &[u8], family: u32, board: &Board) -> Result<Vec<u8>> {
    let (blocks, rest) = file.as_chunks::<512>();
    ensure!(rest.is_empty() && !blocks.is_empty(), "{} bytes are no whole blocks", file.len());
    let mut flash = vec![0xFF; usize::try_from(board.flash)?];
    for (number, block) in blocks.iter().enumerate() {
        let word = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        let [first, second, flags, address, len, own, count, chip] = [0, 4, 8, 12, 16, 20, 24, 28].map(word);
        ensure!((first, second, word(508)) == (0x0A32_4655, 0x9E5D_5157, 0x0AB1_6F30), "block {number} has no marks");
        ensure!(flags == 0x2000 && chip == family, "block {number} is for {chip:#x}, flags {flags:#x}");
        ensure!((own as usize, count as usize) == (number, blocks.len()), "block {own} of {count}, as number {number}");
        ensure!(len == 256 && address % 256 == 0, "block {number}: {len} bytes to {address:#x}");
        let at = usize::try_from(u64::from(address).checked_sub(board.flash_origin).context("below the flash")?)?;
        flash.get_mut(at..at + 256).context("above the flash")?.copy_from_slice(&block[32..288]);
        ensure!(block[288..508].iter().all(|&byte| byte == 0), "block {number} has more than a page");
    }
    // RP2040-E14: only whole parts of 4096 bytes, in order.
    ensure!(blocks.len() % 16 == 0, "{} pages are no whole sectors", blocks.len());
    Ok(flash)
}

#[test]
fn a_file_flashes_the_whole_program() -> Result<()> {
    for (board, family) in [(PICO, 0xE48B_FF56), (PICO2, 0xE48B_FF59)] {
        let program = build(board, board.name, None)?;
        let file = uf2::file(&program, &board)?;
        let flash = flashed(&file, family, &board)?;
        let elf = object::File::parse(&*program)?;
        let mut bytes = 0;
        // All sections that are read from the flash. Variables with initial values have none in these programs.
        for section in elf.sections() {
            let Some(at) = section.address().checked_sub(board.flash_origin) else { continue };
            if at < board.flash {
                let (at, data) = (usize::try_from(at)?, section.data()?);
                ensure!(flash[at..at + data.len()] == *data, "{}: {} differs", board.name, section.name()?);
                bytes += data.len();
            }
        }
        ensure!(bytes > BLOB.len() && flash.windows(BLOB.len()).any(|part| part == BLOB), "{bytes} bytes compared");
        ensure!(file.len() < 2 * (bytes + 4096 + 512), "{} bytes for a program of {bytes}", file.len());
    }
    Ok(())
}

#[test]
fn a_file_for_another_chip_or_a_damaged_one_is_noticed() -> Result<()> {
    let mut file = uf2::file(&build(PICO, PICO.name, None)?, &PICO)?;
    assert!(flashed(&file, 0xE48B_FF59, &PICO2).is_err());
    file[3 * 512 + 12] ^= 1; // an address within a page
    assert!(flashed(&file, 0xE48B_FF56, &PICO).is_err());
    let said = uf2::file(&build(MICROBIT_V2, MICROBIT_V2.name, None)?, &MICROBIT_V2).map_err(|e| e.to_string());
    assert_eq!(said, Err("microbit-v2 takes no UF2 files".to_owned()));
    Ok(())
}
