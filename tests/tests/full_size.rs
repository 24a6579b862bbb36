//! The generator of the Keras tutorial (6.3 MB of weights, 3.9 G multiply-accumulates a picture) runs on a Cortex-M. The
//! weights are in external memory, as in a flash chip; workspace, structs and stack fit 256 KiB of RAM. Its budgets of
//! instructions are checked here and not in `instructions.rs`, so that it runs only once.

use std::time::Instant;

use anyhow::{Result, ensure};
use firmware_tools::boards::{Board, MPS2_AN386, MPS2_AN500};
use firmware_tools::count::count;
use workspace_tests::budget::check_instructions;

use crate::models;

/// Limit in bytes for the engine's RAM: workspace, structs and stack.
const RAM: usize = 256 * 1024;

/// `count` checks that the picture equals the host's and that the model is the one the program was built for.
fn check(board: Board) -> Result<()> {
    for &variant in models::variants_of("tutorial") {
        let network = models::network("tutorial", variant)?;
        let start = Instant::now();
        let count = count(board, &network, variant)?;
        println!(
            "{} ({:.0} s): {} instructions, workspace {}, structs {}, {:?}",
            board.name,
            start.elapsed().as_secs_f64(),
            count.picture,
            count.workspace,
            count.structs,
            count.stack
        );
        let mut levels = count.pixels.clone();
        levels.sort_unstable();
        levels.dedup();
        ensure!(levels.len() > 200, "{} levels: too flat a picture to prove anything", levels.len());
        ensure!(count.ram() <= RAM, "{} bytes of RAM are more than {RAM}", count.ram());
        let off = models::estimates_off(board, &network, &count)?;
        ensure!(off.is_empty(), "\n{off}");
        check_instructions(board, &network, variant, &count)?;
    }
    Ok(())
}

#[test]
fn the_tutorial_draws_the_same_on_a_cortex_m7() -> Result<()> {
    check(MPS2_AN500)
}

#[test]
fn the_tutorial_draws_the_same_on_a_cortex_m4() -> Result<()> {
    check(MPS2_AN386)
}
