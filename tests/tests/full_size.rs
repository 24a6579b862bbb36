//! Generators of full size run on a Cortex-M: that of the Keras tutorial (6.3 MB of weights, 3.9 G multiply-accumulates a
//! picture), and that of PyTorch's DCGAN example (3.6 MB, 105 M), as it is and with twice as many channels. Weights that do
//! not fit the board's flash are in external memory; workspace, structs and stack fit 256 KiB of RAM. Their budgets of
//! instructions are checked here and not in `instructions.rs`, so that they run only once.

use std::time::Instant;

use anyhow::{Result, ensure};
use firmware_tools::boards::{Board, MPS2_AN386, MPS2_AN500, MPS2_AN505};
use firmware_tools::count::count;
use workspace_tests::budget::check_instructions;

use crate::models;

/// Limit in bytes for the engine's RAM: workspace, structs and stack.
const RAM: usize = 256 * 1024;

/// `count` checks that the picture equals the host's and that the model is the one the program was built for.
fn check(board: Board, name: &'static str) -> Result<()> {
    for &variant in models::variants_of(board, name) {
        let network = models::network(name, variant)?;
        let start = Instant::now();
        let count = count(board, &network, variant)?;
        println!(
            "{}, {name}, {} ({:.0} s): {} instructions, {} MAC, flash {}, RAM {}: workspace {}, structs {}, {:?}",
            board.name,
            variant.name,
            start.elapsed().as_secs_f64(),
            count.picture,
            count.macs(),
            count.model,
            count.ram(),
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
    check(MPS2_AN500, "tutorial")
}

#[test]
fn the_tutorial_draws_the_same_on_a_cortex_m4() -> Result<()> {
    check(MPS2_AN386, "tutorial")
}

#[test]
fn the_dcgan_draws_the_same_on_a_cortex_m4() -> Result<()> {
    check(MPS2_AN386, "dcgan-64")
}

#[test]
fn the_dcgan_draws_the_same_on_a_cortex_m33() -> Result<()> {
    check(MPS2_AN505, "dcgan-64")
}

#[test]
fn a_dcgan_with_twice_as_many_channels_draws_the_same_on_a_cortex_m4() -> Result<()> {
    check(MPS2_AN386, "dcgan-64-wide")
}
