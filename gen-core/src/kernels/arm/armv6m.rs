//! Cortex-M0 and M0+: two products with one `MULS`.
//!
//! The kernels are in assembly, in `armv6m.s`. How they work, and what bounds their speed, is explained there.

#![allow(unsafe_code, reason = "assembly")]

use crate::kernels::args::{KernelArgs, refuse};
use crate::kernels::generic;
use crate::kernels::interface::{Kernels, Sealed};
use crate::kernels::raw::{RawArgs, RawStage, assembly_kernels};
use crate::no_panic::checked_quotient;
use crate::plan::{self, KernelLayout, kernel_set};

core::arch::global_asm!(include_str!("armv6m.s"), options(raw));

/// Staged as int32; for Toeplitz blocks two of them are packed into one. Winograd tiles are pairs of int16.
#[derive(Debug, Clone, Copy)]
pub struct Armv6m<const SET: u32 = { kernel_set::ALL }>;

assembly_kernels! {
    Armv6m, "armv6m", plan::ARMV6M,
    missing: None, // every Armv6-M has these instructions
    toeplitz: {
        (1, 8): gen_core_armv6m_toeplitz_1_8,
        (1, 4): gen_core_armv6m_toeplitz_1_4,
        (2, 8): gen_core_armv6m_toeplitz_2_8,
        (2, 4): gen_core_armv6m_toeplitz_2_4,
        (3, 8): gen_core_armv6m_toeplitz_3_8,
        (3, 4): gen_core_armv6m_toeplitz_3_4,
        (4, 8): gen_core_armv6m_toeplitz_4_8,
        (4, 4): gen_core_armv6m_toeplitz_4_4,
        (5, 8): gen_core_armv6m_toeplitz_5_8,
        (5, 4): gen_core_armv6m_toeplitz_5_4,
        (6, 8): gen_core_armv6m_toeplitz_6_8,
        (6, 4): gen_core_armv6m_toeplitz_6_4,
        (7, 8): gen_core_armv6m_toeplitz_7_8,
        (7, 4): gen_core_armv6m_toeplitz_7_4,
    },
    pack: {
        (1, 8): gen_core_armv6m_pack_1_8,
        (1, 4): gen_core_armv6m_pack_1_4,
        (2, 8): gen_core_armv6m_pack_2_8,
        (2, 4): gen_core_armv6m_pack_2_4,
        (3, 8): gen_core_armv6m_pack_3_8,
        (3, 4): gen_core_armv6m_pack_3_4,
        (4, 8): gen_core_armv6m_pack_4_8,
        (4, 4): gen_core_armv6m_pack_4_4,
        (5, 8): gen_core_armv6m_pack_5_8,
        (5, 4): gen_core_armv6m_pack_5_4,
        (6, 8): gen_core_armv6m_pack_6_8,
        (6, 4): gen_core_armv6m_pack_6_4,
        (7, 8): gen_core_armv6m_pack_7_8,
        (7, 4): gen_core_armv6m_pack_7_4,
    },
    plane: |taps, pixels| (pixels / 2 + taps, 2),
    dot: gen_core_armv6m_dot,
    stage: gen_core_armv6m_stage,
    tile: tile,
    winograd: winograd,
}

fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
    generic::tile(columns, per_point, staged, &plan::ARMV6M);
}

// In Rust: a layer with transformed weights is slower here than one without.
fn winograd(points: usize, count: usize, call: KernelArgs<'_>) {
    generic::winograd(points, count, call, &plan::ARMV6M, generic::pair_products);
}
