//! The program of each hardware board builds without warnings, fits the chip with room to spare, can start there, and
//! takes no more memory than its budget.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use firmware_build::ROOM_FOR_CODE;
use firmware_tools::boards::{
    Board, EMULATED_BOARDS, ESP32C3, HARDWARE_BOARDS, MICROBIT_V2, PICO, PICO2, STM32F429I_DISC1,
};
use firmware_tools::build::{build, build_with};
use firmware_tools::elf::{MemoryUsage, Table, check};
use firmware_tools::model::{BLOB, MODEL_LEN};
use object::{Object, ObjectSection};
use workspace_tests::budget::check_boards;

#[test]
fn real_boards_can_start_and_stay_within_their_budget() -> Result<()> {
    let mut sizes = BTreeMap::new();
    for board in HARDWARE_BOARDS {
        let program = build(board, board.name, None)?;
        check(&program, &board)?;
        let bill = MemoryUsage::of(&program)?;
        println!(
            "{:<18} flash {:>7} of {:>7}, RAM {:>6} of {:>6}",
            board.name,
            bill.flash,
            board.flash,
            bill.statics + bill.stack,
            board.ram
        );
        // esp-hal makes all RAM that is left the stack.
        let taken = if board.linker_script.is_some() { bill.statics } else { bill.statics + bill.stack };
        ensure!(taken <= board.ram / 2, "{}: {bill:?} is more than half of its RAM", board.name);
        let code = bill.flash - MODEL_LEN as u64;
        // The code for RISC-V is larger: board.toml leaves out as much of the flash.
        let room = ROOM_FOR_CODE + if board.is_arm() { 0 } else { 64 * 1024 };
        ensure!(code <= room as u64, "{}: {code} bytes of code, there is room for {room}", board.name);
        sizes.insert(board.name.to_owned(), [bill.flash, bill.statics]);
    }
    check_boards(&sizes)
}

#[test]
fn shares_are_rounded_to_the_nearest() {
    let bill = |flash, stack| MemoryUsage { flash, statics: 0, stack };
    let table = |flash, stack| Table(&MICROBIT_V2, &bill(flash, stack)).to_string();
    // 34.97 and 13.97 per cent, as it was; then halves and whole ones.
    let shares = |text: String| -> Vec<String> {
        text.split(" %").take(2).filter_map(|part| Some(part.rsplit_once(", ")?.1.trim().to_owned())).collect()
    };
    assert_eq!(shares(table(183_348, 18_312)), ["35", "14"]);
    assert_eq!(shares(table(2_621, 655)), ["0", "0"]); // just below a half
    assert_eq!(shares(table(2_622, 656)), ["1", "1"]);
    assert_eq!(shares(table(512 * 1024, 128 * 1024)), ["100", "100"]);
    assert_eq!(
        table(183_348, 18_312),
        "microbit-v2\nflash    183348 of   524288 bytes,  35 %\nRAM       18312 of   131072 bytes,  14 % (variables 0, stack 18312)"
    );
}

#[test]
fn so_can_a_board_with_another_display() -> Result<()> {
    [(PICO, "pico-display"), (PICO2, "pico-display"), (ESP32C3, "pico-lcd-1.3")]
        .into_iter()
        .try_for_each(|(board, display)| check(&build_with(board, board.name, None, &[display])?, &board))
}

#[test]
fn emulated_boards_can_start() -> Result<()> {
    // A program for RISC-V has no vector table; that it starts shows the parity test.
    let mut arm = EMULATED_BOARDS.into_iter().filter(Board::is_arm);
    arm.try_for_each(|board| check(&build(board, "qemu-parity", None)?, &board))
}

#[test]
fn what_cannot_start_is_noticed() -> Result<()> {
    let (pico2, f429) = (PICO2, STM32F429I_DISC1);
    let program = build(pico2, "pico2", None)?;
    let refusal = |board| check(&program, &board).err().map_or("nothing".to_owned(), |e| format!("{e:#}"));
    // The program of another chip, and a chip with too little memory.
    assert!(refusal(f429).contains("lies outside of the memory of stm32f429i-disc1"), "{}", refusal(f429));
    let small = firmware_tools::boards::Board { flash: 64 * 1024, ..pico2 };
    assert!(refusal(small).contains("lies outside of the memory of pico2"), "{}", refusal(small));
    let shifted = firmware_tools::boards::Board { flash_origin: pico2.flash_origin - 16, ..pico2 };
    assert!(refusal(shifted).contains("the vector table lies at 0x10000000, not first"), "{}", refusal(shifted));
    // A program with wrong vectors, image definition or model.
    let patched = |at: usize, byte: u8| {
        let mut program = program.clone();
        program[at] ^= byte;
        check(&program, &pico2).err().map_or("nothing".to_owned(), |e| format!("{e:#}"))
    };
    let file = object::File::parse(&*program)?;
    let place = |name| file.section_by_name(name).and_then(|s| s.file_range()).context("it has a place");
    let (vectors, _) = place(".vector_table")?;
    let (block, _) = place(".start_block")?;
    let vectors = usize::try_from(vectors)?;
    assert!(patched(vectors, 8).contains("the first stack pointer is"), "{}", patched(vectors, 8));
    assert!(patched(vectors + 4, 1).contains("where no code is"), "{}", patched(vectors + 4, 1)); // not Thumb
    assert!(patched(vectors + 7, 0x80).contains("vector 1 leads to"), "{}", patched(vectors + 7, 0x80));
    assert!(patched(usize::try_from(block)?, 1).contains("the image definition"));
    let model = program.windows(BLOB.len()).position(|part| part == BLOB).context("it holds the model")?;
    assert!(patched(model + 100, 1).contains("does not hold the model"));
    let elsewhere = firmware_tools::boards::Board { ram_origin: pico2.ram_origin - 16, ..pico2 };
    assert!(refusal(elsewhere).contains("the stack ends at 0x20000000"), "{}", refusal(elsewhere));
    Ok(())
}

#[test]
fn what_cannot_start_on_an_esp32c3_is_noticed() -> Result<()> {
    let program = build(ESP32C3, ESP32C3.name, None)?;
    let refusal =
        |program: &[u8], board| check(program, &board).err().map_or("nothing".to_owned(), |e| format!("{e:#}"));
    let said = refusal(&program, Board { flash: 64 * 1024, ..ESP32C3 });
    assert!(said.contains("lies outside of the memory of esp32c3"), "{said}");
    let said = refusal(&program, Board { flash_origin: ESP32C3.flash_origin - 16, ..ESP32C3 });
    assert!(said.contains("the application descriptor lies at 0x3c000020, not first"), "{said}");
    let said = refusal(&program, Board { ram: ESP32C3.ram + 1024, ..ESP32C3 });
    assert!(said.contains("the stack begins at 0x3fcce400, the RAM ends at 0x3fcce800"), "{said}");
    let said = refusal(&program, PICO2);
    assert!(said.contains("lies outside of the memory of pico2"), "{said}");
    let (descriptor, _) = object::File::parse(&*program)?
        .section_by_name(".flash.appdesc")
        .and_then(|section| section.file_range())
        .context("it has a place")?;
    let model = program.windows(BLOB.len()).position(|part| part == BLOB).context("it holds the model")?;
    for (at, reason) in [(usize::try_from(descriptor)?, "is not one"), (model + 100, "does not hold the model")] {
        let mut program = program.clone();
        program[at] ^= 1;
        let said = refusal(&program, ESP32C3);
        assert!(said.contains(reason), "{said}");
    }
    Ok(())
}

/// The boot ROM of an RP2040 starts nothing if the checksum of the boot loader is wrong.
#[test]
fn a_damaged_boot_loader_is_noticed() -> Result<()> {
    let mut program = build(PICO, PICO.name, None)?;
    let (place, _) = object::File::parse(&*program)?
        .section_by_name(".boot2")
        .and_then(|section| section.file_range())
        .context("it has a boot loader")?;
    program[usize::try_from(place)? + 100] ^= 1;
    let said = check(&program, &PICO).err().map_or("nothing".to_owned(), |e| format!("{e:#}"));
    assert!(said.contains("the checksum of the boot loader"), "{said}");
    // On a chip without a boot loader the vector table would be in the wrong place.
    let other = firmware_tools::boards::Board { chip: None, ..PICO };
    let said = check(&program, &other).err().map_or("nothing".to_owned(), |e| format!("{e:#}"));
    assert!(said.contains("the vector table lies at 0x10000100, not first"), "{said}");
    Ok(())
}
