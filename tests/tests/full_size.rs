//! The generator of the Keras tutorial, 6.3 MB of weights and 3.9 G multiply-accumulates
//! a picture, row by row on a Cortex-M: the weights lie in external memory, as they would in
//! a flash chip, and all that moves fits 256 KiB of RAM. Its instructions have budgets as
//! those of the small networks in `instructions.rs`; they are counted here, so that it runs once.

use std::time::Instant;

use anyhow::{Result, ensure};
use firmware_tools::boards::{Board, MPS2_AN386, MPS2_AN500};
use firmware_tools::count::count;
use workspace_tests::budget::check_instructions;

use crate::models;

/// RAM that the engine may take: workspace, structs, stack.
const RAM: usize = 256 * 1024;

/// That the picture is the host's, checksum and bytes, and the model the one that was built
/// for, is seen to by `count`.
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
