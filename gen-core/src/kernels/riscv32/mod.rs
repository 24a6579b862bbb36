//! RV32 with the extension M: two products with one `mul`.
//!
//! The kernels are in assembly, in `riscv32.s`. How they work, and what bounds their speed, is explained there.

#![allow(unsafe_code, reason = "assembly")]

use super::args::{KernelArgs, refuse};
use super::generic;
use super::interface::{Kernels, Sealed};
use super::raw::{RawArgs, RawStage, assembly_kernels};
use crate::no_panic::checked_quotient;
use crate::plan::{self, KernelLayout, kernel_set};

core::arch::global_asm!(include_str!("riscv32.s"), options(raw));

/// Staged as int32; for Toeplitz blocks two of them are packed into one. Winograd tiles are pairs of int16.
#[derive(Debug, Clone, Copy)]
pub struct Riscv32<const SET: u32 = { kernel_set::ALL }>;

assembly_kernels! {
    Riscv32, "riscv32", plan::RISCV32,
    missing: None, // the target's name says that it has the instructions
    toeplitz: {
        (1, 8): gen_core_riscv32_toeplitz_1_8,
        (1, 4): gen_core_riscv32_toeplitz_1_4,
        (2, 8): gen_core_riscv32_toeplitz_2_8,
        (2, 4): gen_core_riscv32_toeplitz_2_4,
        (3, 8): gen_core_riscv32_toeplitz_3_8,
        (3, 4): gen_core_riscv32_toeplitz_3_4,
        (4, 8): gen_core_riscv32_toeplitz_4_8,
        (4, 4): gen_core_riscv32_toeplitz_4_4,
        (5, 8): gen_core_riscv32_toeplitz_5_8,
        (5, 4): gen_core_riscv32_toeplitz_5_4,
        (6, 8): gen_core_riscv32_toeplitz_6_8,
        (6, 4): gen_core_riscv32_toeplitz_6_4,
        (7, 8): gen_core_riscv32_toeplitz_7_8,
        (7, 4): gen_core_riscv32_toeplitz_7_4,
    },
    pack: {
        (1, 8): gen_core_riscv32_pack_1_8,
        (1, 4): gen_core_riscv32_pack_1_4,
        (2, 8): gen_core_riscv32_pack_2_8,
        (2, 4): gen_core_riscv32_pack_2_4,
        (3, 8): gen_core_riscv32_pack_3_8,
        (3, 4): gen_core_riscv32_pack_3_4,
        (4, 8): gen_core_riscv32_pack_4_8,
        (4, 4): gen_core_riscv32_pack_4_4,
        (5, 8): gen_core_riscv32_pack_5_8,
        (5, 4): gen_core_riscv32_pack_5_4,
        (6, 8): gen_core_riscv32_pack_6_8,
        (6, 4): gen_core_riscv32_pack_6_4,
        (7, 8): gen_core_riscv32_pack_7_8,
        (7, 4): gen_core_riscv32_pack_7_4,
    },
    plane: |taps, pixels| (pixels / 2 + taps, 1),
    dot: gen_core_riscv32_dot,
    stage: gen_core_riscv32_stage,
    tile: tile,
    winograd: winograd,
}

fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
    generic::tile(columns, per_point, staged, &plan::RISCV32);
}

// In Rust: a layer with transformed weights is slower here than one without.
fn winograd(points: usize, count: usize, call: KernelArgs<'_>) {
    generic::winograd(points, count, call, &plan::RISCV32, generic::pair_products);
}
