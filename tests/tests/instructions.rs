//! The instructions of a picture and of each layer do not exceed their budgets, on any core. `full_size.rs` checks those of
//! the full-size network.

use anyhow::Result;
use firmware_tools::boards::{
    Board, HEADLESS_BOARDS, MPS2_AN385, MPS2_AN385_V6M, MPS2_AN386, MPS2_AN500, MPS2_AN505, MPS3_AN547, RISCV_VIRT,
};
use firmware_tools::build::build;
use firmware_tools::count::{INT8, count};
use firmware_tools::qemu::{LIMIT, Options, Qemu};
use workspace_tests::budget::{check_instructions, instructions_known};

use crate::models;

/// Counts the small networks, and reports all differences from their budgets.
fn check(board: Board) -> Result<()> {
    let mut problems = String::new();
    for name in models::counted_on(board).iter().filter(|name| !models::LARGE.contains(name)) {
        for &variant in models::variants_of(board, name) {
            let network = models::network(name, variant)?;
            let count = count(board, &network, variant)?;
            let (flash, ram) = (count.model, count.ram());
            println!(
                "{}, {name}, {}: {} instructions, {} MAC, flash {flash}, RAM {ram}",
                board.name,
                variant.name,
                count.picture,
                count.macs()
            );
            if let Some(limits) = models::limits(name).filter(|_| board == MPS2_AN386 && variant == INT8)
                && (flash > limits[0] || ram > limits[1])
            {
                problems += &format!("{name}: flash {flash} and RAM {ram}, with limits of {limits:?} bytes\n");
            }
            if variant.features.is_empty() {
                problems += &models::estimates_off(board, &network, &count)?;
            }
            if let Err(e) = check_instructions(board, &network, variant, &count) {
                problems.extend([&format!("{e:#}"), "\n"]);
            }
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
    Ok(())
}

/// Its code, which QEMU runs on a Cortex-M3.
#[test]
fn of_a_cortex_m0() -> Result<()> {
    check(MPS2_AN385_V6M)
}

#[test]
fn of_a_risc_v() -> Result<()> {
    check(RISCV_VIRT)
}

#[test]
fn of_a_cortex_m3() -> Result<()> {
    check(MPS2_AN385)
}

#[test]
fn of_a_cortex_m4() -> Result<()> {
    check(MPS2_AN386)
}

#[test]
fn of_a_cortex_m7() -> Result<()> {
    check(MPS2_AN500)
}

#[test]
fn of_a_cortex_m33() -> Result<()> {
    check(MPS2_AN505)
}

#[test]
fn of_a_cortex_m55() -> Result<()> {
    check(MPS3_AN547)
}

#[test]
fn time_that_does_not_count_instructions_is_refused() -> Result<()> {
    let program = build(MPS2_AN386, "qemu-count-instructions", None)?;
    let options = Options { real_time: true, limit: Some(LIMIT), ..Options::default() };
    let mut log = String::new();
    let code = Qemu::start(MPS2_AN386, &program, &options)?.finish(|line| log.extend([line, "\n"]))?;
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("run this in QEMU with -icount shift=6") && !log.contains("picture"), "{log}");
    println!("{log}");
    Ok(())
}

#[test]
fn no_budget_is_of_something_that_nobody_counts() -> Result<()> {
    for [machine, network, variant] in instructions_known()? {
        let counted = HEADLESS_BOARDS.iter().any(|board| {
            board.name == machine
                && models::counted_on(*board).contains(&&*network)
                && models::variants_of(*board, &network).iter().any(|v| v.name == variant)
        });
        assert!(counted, "golden/instructions.toml: remove [{machine}.{network}.{variant}]");
    }
    Ok(())
}
