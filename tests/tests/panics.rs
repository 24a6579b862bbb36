//! Drawing a picture cannot panic, whatever the model: the program `size-probe`, which does nothing else, contains no
//! function of the panic machinery, with the kernels of all boards.

use anyhow::{Result, ensure};
use firmware_tools::boards::{MPS2_AN385, MPS2_AN385_V6M, MPS2_AN386, MPS2_AN505, MPS3_AN547, RISCV_VIRT};
use firmware_tools::build::{build, build_with};
use firmware_tools::elf::panics;

#[test]
fn the_inference_path_cannot_panic() -> Result<()> {
    // The M7 has the same target as the M4.
    for board in [MPS2_AN385, MPS2_AN385_V6M, MPS2_AN386, MPS2_AN505, MPS3_AN547, RISCV_VIRT] {
        let found = panics(&build_with(board, "size-probe", None, &[])?)?;
        ensure!(found.is_empty(), "{}: a panic is linked, as {found:#?}", board.name);
    }
    Ok(())
}

/// The kernels in plain Rust check their indices, so that this program can panic: see `gen_core::no_panic`.
#[test]
fn a_program_that_can_panic_is_noticed() -> Result<()> {
    for found in [
        panics(&build(MPS2_AN386, "fault-panic", None)?)?,
        panics(&build_with(MPS2_AN386, "size-probe", None, &["portable"])?)?,
    ] {
        ensure!(found.iter().any(|name| name.contains("panic_fmt")), "no panic in {found:?}");
    }
    Ok(())
}
