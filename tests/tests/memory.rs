//! Memory: every program fits its real chip, with room to spare.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use firmware_build::ROOM_FOR_CODE;
use firmware_tools::boards::{Board, EMULATED_BOARDS, HEADLESS_BOARDS, LM3S6965EVB, MPS2_AN386, MPS3_AN547};
use firmware_tools::build::{build, build_debug, build_with, root};
use firmware_tools::count::INT8;
use firmware_tools::elf::MemoryUsage;
use firmware_tools::model::{BLOB, MODEL_LEN};
use firmware_tools::qemu::{LIMIT, Options, Qemu};
use gen_core::Model;
use workspace_tests::budget::check_flash;

/// The bytes of used stack that a program logs, in the line that contains `mark`.
fn stack_used(board: Board, elf: &[u8], mark: &str) -> Result<u64> {
    let options = Options { settings: vec!["seed=42".to_owned()], limit: Some(LIMIT), ..Options::default() };
    let line = Qemu::start(board, elf, &options)?.wait_for(mark)?;
    let (_, used) = line.split_once(mark).context("the line that was waited for")?;
    used.split_whitespace().next().and_then(|n| n.parse().ok()).with_context(|| format!("no number in: {line}"))
}

fn check(board: Board, program: &str, mark: &str) -> Result<()> {
    let elf = build(board, program, None)?;
    let bill = MemoryUsage::of(&elf)?;
    let used = stack_used(board, &elf, mark)?;
    let MemoryUsage { flash, statics, stack } = bill;
    let workspace = Model::parse(BLOB)?.workspace_plan(&INT8.tiling(board)).bytes();
    println!("{program} on {}:", board.name);
    println!("  flash {flash:>7} of {} bytes, {MODEL_LEN} of them the model", board.flash);
    println!(
        "  RAM   {:>7} of {} bytes: statics {statics} ({workspace} the engine), stack {stack}, of which {used} were used",
        statics + stack,
        board.ram
    );
    assert!(flash >= MODEL_LEN as u64 && statics >= workspace as u64, "something was not counted: {bill:?}");
    assert!(flash < board.flash, "{flash} bytes of flash are more than {} has", board.name);
    let code = flash - MODEL_LEN as u64;
    assert!(code <= ROOM_FOR_CODE as u64, "{code} bytes of code, build.rs keeps {ROOM_FOR_CODE} for {program}");
    // The stack does not depend on the picture. The margin is for interrupts and other versions of the compiler.
    assert!(used * 4 <= stack * 3, "{used} bytes of {stack} are too much of the stack of {}", board.name);
    assert!(statics + stack < board.ram, "{statics} + {stack} bytes of RAM are more than {} has", board.name);
    Ok(())
}

#[test]
fn the_product_fits_the_lm3s6965() -> Result<()> {
    check(LM3S6965EVB, "qemu-oled", "stack used ")
}

/// An unoptimised build for debugging must not create large arrays on the stack either.
#[test]
fn a_debug_build_has_enough_stack() -> Result<()> {
    let elf = build_debug(MPS2_AN386, "qemu-parity", None)?;
    let (used, stack) = (stack_used(MPS2_AN386, &elf, "stack: ")?, MemoryUsage::of(&elf)?.stack);
    println!("parity on mps2-an386, not optimised: {used} bytes of {stack}");
    assert!(used < stack, "{used} bytes of {stack}");
    Ok(())
}

#[test]
fn the_proof_fits_all_boards() -> Result<()> {
    EMULATED_BOARDS.into_iter().try_for_each(|board| check(board, "qemu-parity", "stack: "))
}

/// `trainer inspect` must report that a model fits a board exactly if the firmware's build accepts it.
#[test]
fn trainer_and_firmware_keep_the_same_room_for_code() {
    assert_eq!(trainer::inspect::CODE_FLASH, ROOM_FOR_CODE);
}

/// The size of gen-core in a program that draws pictures: code and tables, without the model.
#[test]
fn gen_core_is_as_small_as_it_was() -> Result<()> {
    let mut targets = BTreeMap::new();
    for board in HEADLESS_BOARDS {
        // Cortex-M55 and M33 have the same target; a feature selects other kernels for the M55.
        let target = if board == MPS3_AN547 { format!("{}+mve", board.triple) } else { board.triple.to_owned() };
        if targets.contains_key(&target) {
            continue; // all boards with the same core have the same code
        }
        let flash = |program| Ok::<_, anyhow::Error>(MemoryUsage::of(&build_with(board, program, None, &[])?)?.flash);
        let bytes = flash("size-probe")? - MODEL_LEN as u64 - flash("size-probe-empty")?;
        println!("{target}: {bytes}");
        targets.insert(target, bytes);
    }
    for (name, level, features) in [
        ("one model", "s", ""),
        ("one model, opt-level 3", "3", ""),
        ("one model, winograd", "s", "winograd"),
        ("one model, winograd, opt-level 3", "3", "winograd"),
    ] {
        let bytes = one_model(level, features)?;
        let target = format!("{}, {name}", MPS2_AN386.triple);
        println!("{target}: {bytes}");
        assert!(
            bytes <= 24 * 1024 || level != "s" || !features.is_empty(),
            "{bytes} bytes of code and tables for one model are more than 24 KB"
        );
        targets.insert(target, bytes);
    }
    check_flash(&targets)
}

/// The size of gen-core in the smallest program of `gen-core/examples/cortex-m`, which has the kernels of one model only,
/// with an optimisation level and features of that package.
fn one_model(level: &str, features: &str) -> Result<u64> {
    let folder = root()?.join("gen-core/examples/cortex-m");
    let target_dir = root()?.join("target/gen-core-crates");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder).args(["build", "-q", "--release", "--bins", "--features", features, "--target-dir"]);
    cargo.arg(&target_dir).env_remove("RUSTFLAGS").env("CARGO_PROFILE_RELEASE_OPT_LEVEL", level);
    let output = cargo.stdin(Stdio::null()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let flash = |program| -> Result<u64> {
        Ok(MemoryUsage::of(&fs::read(target_dir.join(MPS2_AN386.triple).join("release").join(program))?)?.flash)
    };
    Ok(flash("smallest")? - MODEL_LEN as u64 - flash("empty")?)
}
