//! The memory bill: everything fits the real chips, with room to spare.

use anyhow::{Context, Result};
use firmware::model::{MODEL_LEN, WORKSPACE_LEN};
use object::read::elf::ElfFile32;
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind};
use workspace_tests::firmware::{BOARDS, Board, LM3S6965EVB, build};

/// Bytes that a program takes.
#[derive(Debug)]
struct Bill {
    flash: u64,
    statics: u64,
    stack: u64,
}

fn bill(elf: &[u8]) -> Result<Bill> {
    let elf: ElfFile32<'_> = ElfFile32::parse(elf)?;
    let symbol = |name| Ok::<_, anyhow::Error>(elf.symbol_by_name(name).context("no symbol for the stack")?.address());
    let mut bill = Bill { flash: 0, statics: 0, stack: symbol("_stack_start")? - symbol("_stack_end")? };
    for section in elf.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
        if sh_flags & u64::from(object::elf::SHF_ALLOC) == 0 {
            continue; // debug information, and the log's texts: they stay on the host
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

fn check(board: Board, program: &str) -> Result<()> {
    let bill = bill(&build(board, program, None)?)?;
    let Bill { flash, statics, stack } = bill;
    println!("{program} on {}:", board.name);
    println!("  flash {flash:>7} of {} bytes, {MODEL_LEN} of them the model", board.flash);
    println!(
        "  RAM   {:>7} of {} bytes: statics {statics} ({WORKSPACE_LEN} the engine), stack {stack}",
        statics + stack,
        board.ram
    );
    assert!(flash >= MODEL_LEN as u64 && statics >= WORKSPACE_LEN as u64, "something was not counted: {bill:?}");
    assert!(flash < board.flash, "{flash} bytes of flash are more than {} has", board.name);
    assert!(statics + stack < board.ram, "{statics} + {stack} bytes of RAM are more than {} has", board.name);
    Ok(())
}

#[test]
fn the_product_fits_the_lm3s6965() -> Result<()> {
    check(LM3S6965EVB, "frog")
}

#[test]
fn the_proof_fits_all_boards() -> Result<()> {
    BOARDS.into_iter().try_for_each(|board| check(board, "parity"))
}
