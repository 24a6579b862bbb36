//! How much of a chip's memory a program takes, and whether it can start there.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use object::read::elf::{ElfFile32, ProgramHeader};
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind, SymbolKind};

use crate::boards::Board;
use crate::model::{BLOB, MODEL_LEN};

/// Length in bytes of the second stage of an RP2040's boot loader, with its checksum.
const BOOT2_LEN: usize = 256;
/// The checksum of that stage, as the boot ROM computes it (RP2040 data sheet, 2.8.1.3.1).
const BOOT2_CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_MPEG_2);

/// Alignment of a model in bytes.
const ALIGNMENT: u64 = 16;

/// Sections of esp-hal's linker script that are not a part of the program: the stack, which has symbols, and the addresses of
/// code in flash at which data are.
const NOT_USED: [&str; 2] = [".stack", ".rotext_dummy"];

/// Where an ESP32-C3 reads code from its flash, and from its RAM. Data are read from other addresses of the same memories.
const ESP_CODE_IN_FLASH: u64 = 0x4200_0000;
const ESP_CODE_IN_RAM: u64 = 0x4038_0000;
/// The application descriptor begins with this word.
const ESP_DESCRIPTOR: u32 = 0xABCD_5432;
/// The flash is mapped in pages of 64 KiB; the headers of the image come first.
const ESP_HEADERS: u64 = 0x20;

/// The memory that a program takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUsage {
    /// Flash: code, tables, the model, initial values of variables.
    pub flash: u64,
    /// RAM: variables.
    pub statics: u64,
    /// RAM: reserved for the stack. esp-hal reserves all that is left.
    pub stack: u64,
}

impl MemoryUsage {
    /// Adds up the sections of a program, an ELF file.
    ///
    /// # Errors
    /// If the bytes are not a valid ELF file.
    pub fn of(elf: &[u8]) -> Result<Self> {
        let elf: ElfFile32<'_> = ElfFile32::parse(elf)?;
        let stack = symbol(&elf, "_stack_start")? - symbol(&elf, "_stack_end")?;
        let mut bill = Self { flash: 0, statics: 0, stack };
        for section in elf.sections() {
            let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
            if sh_flags & u64::from(object::elf::SHF_ALLOC) == 0 {
                continue; // debug information and the texts of the log, which stay on the host
            }
            if NOT_USED.contains(&section.name()?) {
                continue;
            }
            let nothing_in_flash = section.kind() == SectionKind::UninitializedData;
            if !nothing_in_flash {
                bill.flash += section.size();
            }
            if nothing_in_flash || section.kind() == SectionKind::Data {
                bill.statics += section.size();
            }
        }
        Ok(bill)
    }
}

/// Displays how much of a board's memory a program takes, as a table.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a>(pub &'a Board, pub &'a MemoryUsage);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(board, MemoryUsage { flash, statics, stack }) = self;
        f.write_str(board.name)?;
        for (what, used, of) in [("flash", *flash, board.flash), ("RAM", statics + stack, board.ram)] {
            let percent = (200 * used + of) / (2 * of); // to the nearest
            write!(f, "\n{what:<6} {used:>8} of {of:>8} bytes, {percent:>3} %")?;
        }
        write!(f, " (variables {statics}, stack {stack})")
    }
}

fn symbol(elf: &ElfFile32<'_>, name: &str) -> Result<u64> {
    Ok(elf.symbol_by_name(name).with_context(|| format!("the program has no symbol {name}"))?.address())
}

/// The address of a symbol.
///
/// # Errors
/// If the file is not a program, or has no such symbol.
pub fn address(file: &[u8], name: &str) -> Result<u64> {
    symbol(&ElfFile32::parse(file)?, name)
}

/// The contents of the flash, from its first address to the last byte of the program. Gaps are 0xFF, as in erased flash.
///
/// # Errors
/// If the file is not a program, has nothing to load, or does not fit the flash of the board.
pub fn flash_image(file: &[u8], board: &Board) -> Result<Vec<u8>> {
    let elf: ElfFile32<'_> = ElfFile32::parse(file)?;
    let endian = Endianness::Little;
    let mut image = Vec::new();
    for segment in elf.elf_program_headers() {
        let (start, len) = (u64::from(segment.p_paddr(endian)), u64::from(segment.p_filesz(endian)));
        if segment.p_type(endian) != object::elf::PT_LOAD || len == 0 {
            continue;
        }
        let fits = start >= board.flash_origin && start + len <= board.flash_origin + board.flash;
        ensure!(fits, "{len} bytes are to be loaded to {start:#x}, where {} has no flash", board.name);
        let bytes = segment.data(endian, file).ok().context("a segment lies outside of the file")?;
        let at = usize::try_from(start - board.flash_origin)?;
        image.resize(image.len().max(at + bytes.len()), 0xFF);
        image[at..at + bytes.len()].copy_from_slice(bytes);
    }
    ensure!(!image.is_empty(), "the program has nothing to load");
    Ok(image)
}

/// Checks that a program can start on a board: all sections are in the chip's memory, the vector table comes first, or
/// directly behind the boot loader of an RP2040, and points into the program, the stack is at the bottom of RAM so that an
/// overflow faults, and the model is complete and aligned. The program of an ESP32-C3 has an application descriptor instead of
/// a vector table, and its stack is all RAM above the variables.
///
/// # Errors
/// If the program cannot start. The message gives the reason.
pub fn check(file: &[u8], board: &Board) -> Result<()> {
    let elf: ElfFile32<'_> = ElfFile32::parse(file)?;
    if board.chip == Some("esp32c3") {
        check_esp(&elf, board)?;
        return holds_model(file);
    }
    let flash = board.flash_origin..board.flash_origin + board.flash;
    let ram = board.ram_origin..board.ram_origin + board.ram;
    let within =
        |range: &std::ops::Range<u64>, start: u64, len: u64| range.contains(&start) && start + len <= range.end;

    let top = symbol(&elf, "_stack_start")?;
    for section in elf.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
        if sh_flags & u64::from(object::elf::SHF_ALLOC) == 0 || section.size() == 0 {
            continue;
        }
        let (name, start, len) = (section.name()?, section.address(), section.size());
        ensure!(
            !within(&ram, start, len) || start >= top,
            "section {name}, at {start:#x}, lies in the stack, which ends at {top:#x}"
        );
        ensure!(
            within(&flash, start, len) || within(&ram, start, len),
            "section {name}, {len} bytes at {start:#x}, lies outside of the memory of {}",
            board.name
        );
    }
    // The boot ROM of an RP2350 requires an image definition in the first 4 KiB, which begins with this word (RP2350 data
    // sheet, 5.9.1).
    if board.chip == Some("RP235x") {
        let block = elf.section_by_name(".start_block").context("no image definition for the boot ROM")?;
        let end = block.address() + block.size();
        let marked = block.data()?.starts_with(&0xFFFF_DED3_u32.to_le_bytes());
        ensure!(marked && end <= flash.start + 4096, "the image definition at {:#x} is not one", block.address());
    }
    let image = flash_image(file, board)?;
    // The boot ROM of an RP2040 starts the first 256 bytes if their last four are the checksum of the rest.
    let program = if board.chip == Some("RP2040") {
        let (loader, sum) =
            image.first_chunk::<BOOT2_LEN>().and_then(|first| first.split_last_chunk()).context("no boot loader")?;
        let right = BOOT2_CRC.checksum(loader);
        ensure!(u32::from_le_bytes(*sum) == right, "the checksum of the boot loader is not {right:#010x}");
        flash.start + BOOT2_LEN as u64
    } else {
        flash.start
    };

    let vectors = elf.section_by_name(".vector_table").context("the program has no vector table")?;
    ensure!(vectors.address() == program, "the vector table lies at {:#x}, not first", vectors.address());
    let words: Vec<u64> = vectors.data()?.chunks_exact(4).map(word).collect();
    let [stack, reset, rest @ ..] = &words[..] else { bail!("the vector table is too short") };
    ensure!(
        *stack == top && stack.is_multiple_of(8),
        "the first stack pointer is {stack:#x}, the stack begins at {top:#x}"
    );
    for (i, &entry) in [*reset].iter().chain(rest).enumerate() {
        let into_code = entry % 2 == 1 && within(&flash, entry - 1, 2);
        ensure!(into_code || (i > 0 && entry == 0), "vector {} leads to {entry:#x}, where no code is", i + 1);
    }
    ensure!(elf.entry() == *reset, "the program begins at {:#x}, the reset vector leads to {reset:#x}", elf.entry());

    let bottom = symbol(&elf, "_stack_end")?;
    ensure!(bottom == ram.start && top > bottom, "the stack ends at {bottom:#x}, above other variables");
    holds_model(file)
}

/// The part of [`check`] that is for an ESP32-C3.
fn check_esp(elf: &ElfFile32<'_>, board: &Board) -> Result<()> {
    let (flash, ram) =
        (board.flash_origin..board.flash_origin + board.flash, board.ram_origin..board.ram_origin + board.ram);
    let memory = |start: u64, len: u64| {
        let [data, code, variables, routines] = [
            (flash.start, board.flash),
            (ESP_CODE_IN_FLASH, board.flash),
            (ram.start, board.ram),
            (ESP_CODE_IN_RAM, board.ram),
        ]
        .map(|(origin, size)| start.checked_sub(origin).filter(|at| at + len <= size));
        data.or(code).map(|at| ("flash", at)).or(variables.or(routines).map(|at| ("RAM", at)))
    };
    // What takes which part of flash and RAM, by the place in the memory.
    let mut taken = Vec::new();
    for section in elf.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
        let name = section.name()?;
        // The script reserves the place of the routines in RAM by `.rwdata_dummy`.
        let is_other = [NOT_USED[1], ".rwdata_dummy"].contains(&name);
        if sh_flags & u64::from(object::elf::SHF_ALLOC) == 0 || section.size() == 0 || is_other {
            continue;
        }
        let (start, len) = (section.address(), section.size());
        let Some((memory, at)) = memory(start, len) else {
            bail!("section {name}, {len} bytes at {start:#x}, lies outside of the memory of {}", board.name);
        };
        taken.push((memory, at, at + len, name));
    }
    taken.sort_unstable();
    for pair in taken.windows(2) {
        let [(memory, _, end, name), (other, start, _, next)] = pair else { continue };
        ensure!(memory != other || end <= start, "the sections {name} and {next} overlap in the {memory}");
    }
    let descriptor = elf.section_by_name(".flash.appdesc").context("no application descriptor for the boot loader")?;
    let is_first = descriptor.address() == flash.start + ESP_HEADERS;
    ensure!(is_first, "the application descriptor lies at {:#x}, not first", descriptor.address());
    ensure!(
        descriptor.data()?.starts_with(&ESP_DESCRIPTOR.to_le_bytes()),
        "the application descriptor at {:#x} is not one",
        descriptor.address()
    );
    let text = elf.section_by_name(".text").context("the program has no code")?;
    let begins = (text.address()..text.address() + text.size()).contains(&elf.entry());
    ensure!(begins, "the program begins at {:#x}, where no code is", elf.entry());

    let [top, bottom, guard] = ["_stack_start", "_stack_end", "__stack_chk_guard"].map(|name| symbol(elf, name));
    let (top, bottom, guard) = (top?, bottom?, guard?);
    ensure!(top == ram.end, "the stack begins at {top:#x}, the RAM ends at {:#x}", ram.end);
    ensure!(bottom < guard && guard < top, "the guard of the stack lies at {guard:#x}, outside of it");
    Ok(())
}

/// Checks that a program holds the model, complete and aligned.
fn holds_model(file: &[u8]) -> Result<()> {
    let within =
        |range: &std::ops::Range<u64>, start: u64, len: u64| range.contains(&start) && start + len <= range.end;
    let place = file.windows(MODEL_LEN).position(|part| part == BLOB).context("the program does not hold the model")?;
    let holds = |s: &object::Section<'_, '_>| {
        s.file_range().is_some_and(|(start, len)| within(&(start..start + len), place as u64, MODEL_LEN as u64))
    };
    let file = object::File::parse(file)?;
    let section = file.sections().find(holds).context("the model lies in no section")?;
    let (start, _) = section.file_range().context("it has a place in the file")?;
    let address = section.address() + (place as u64 - start);
    ensure!(address.is_multiple_of(ALIGNMENT), "the model lies at {address:#x}, which is no multiple of {ALIGNMENT}");
    Ok(())
}

/// Parts of the names of functions that a panic calls, in the standard library and in the panic handler.
const PANICS: [&str; 4] = ["panic", "fail", "unwrap", "unwind"];

/// The linker symbols of a program's functions that a panic calls. The list is empty if nothing in the program can panic,
/// because functions that are never called are not linked.
///
/// # Errors
/// If the file is not a program, or has no symbols.
pub fn panics(file: &[u8]) -> Result<Vec<String>> {
    let elf: ElfFile32<'_> = ElfFile32::parse(file)?;
    let functions = elf.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
    let mut names = functions.map(|function| function.name()).collect::<Result<Vec<_>, _>>()?;
    let is_ours = |name: &&str| ["gen_core", "firmware"].iter().any(|ours| name.contains(ours));
    ensure!(names.iter().any(is_ours), "the program does not name its functions");
    names.retain(|name| PANICS.iter().any(|part| name.contains(part)));
    Ok(names.into_iter().map(str::to_owned).collect())
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}
