//! Every kernel computes the same as the definition, on the emulated processor that it is for.

use anyhow::{Context, Result, ensure};
use firmware_tools::boards::{
    Board, EMULATED_BOARDS, LM3S6965EVB, MICROBIT, MPS2_AN385, MPS2_AN385_V6M, MPS2_AN505, MPS3_AN547, RISCV_VIRT,
};
use firmware_tools::build::build_with;
use firmware_tools::qemu::{LIMIT, Options, Qemu};

/// Runs the conformance tests on a board; `kernels` is the expected name of its kernels.
fn check(board: Board, features: &[&str], kernels: &str) -> Result<()> {
    let features = [&["conformance"], features].concat();
    let program = build_with(board, "qemu-conformance", None, &features)?;
    let options = Options { limit: Some(LIMIT), ..Options::default() };
    let mut log = String::new();
    let code = Qemu::start(board, &program, &options)?.finish(|line| log.extend([line, "\n"]))?;
    ensure!(code == 0, "{}, {kernels}: {log}", board.name);
    ensure!(log.contains(&format!("kernels {kernels}\n")), "{}: not {kernels}: {log}", board.name);
    let values = log.split(" values, all as defined").next().and_then(|head| head.rsplit(' ').next());
    let values: u64 = values.and_then(|n| n.parse().ok()).with_context(|| format!("no count: {log}"))?;
    ensure!(values > 100_000, "{}, {kernels}: only {values} values were compared", board.name);
    println!("{}, {kernels}: {values} values", board.name);
    Ok(())
}

/// The kernels that gen-core chooses for a board.
fn native(board: Board) -> &'static str {
    match board {
        MPS2_AN385_V6M => "armv6m",
        MPS3_AN547 => "armv8_1m_mve",
        RISCV_VIRT => "riscv32",
        LM3S6965EVB | MPS2_AN385 => "armv7m",
        _ => "armv7em",
    }
}

/// The boards with memory for the tests, which take 24 KB.
fn boards() -> impl Iterator<Item = Board> {
    EMULATED_BOARDS.into_iter().filter(|&board| board != MICROBIT)
}

#[test]
fn the_kernels_of_every_board() -> Result<()> {
    boards().try_for_each(|board| check(board, &[], native(board)))
}

/// The kernels for an Armv8-M without DSP instructions.
#[test]
fn the_kernels_of_a_cortex_m3_on_a_cortex_m33() -> Result<()> {
    check(MPS2_AN505, &["no-dsp"], "armv7m")
}

#[test]
fn plain_rust_on_every_board() -> Result<()> {
    boards().try_for_each(|board| check(board, &["portable"], "portable"))
}
