//! Cortex-M3, which has no DSP instructions: four products with one `SMLAL`, or one with an `MLA`.
//!
//! The kernels are in assembly, in `armv7m.s`. How they work, and what bounds their speed, is explained there.

#![allow(unsafe_code, reason = "assembly")]

use crate::kernels::args::{KernelArgs, refuse};
use crate::kernels::generic;
use crate::kernels::interface::{Kernels, Sealed};
use crate::kernels::raw::{RawArgs, RawProducts, RawStage, assembly_kernels};
use crate::no_panic::checked_quotient;
use crate::plan::{self, KernelLayout, kernel_set};

core::arch::global_asm!(include_str!("armv7m.s"), options(raw));

/// Staged as int32; for Toeplitz blocks two of them are packed into one.
#[derive(Debug, Clone, Copy)]
pub struct Armv7m<const SET: u32 = { kernel_set::ALL }>;

assembly_kernels! {
    Armv7m, "armv7m", plan::ARMV7M,
    missing: None, // every Armv7-M has these instructions
    toeplitz: {
        (1, 8): gen_core_armv7m_toeplitz_1_8,
        (1, 4): gen_core_armv7m_toeplitz_1_4,
        (2, 8): gen_core_armv7m_toeplitz_2_8,
        (2, 4): gen_core_armv7m_toeplitz_2_4,
        (3, 8): gen_core_armv7m_toeplitz_3_8,
        (3, 4): gen_core_armv7m_toeplitz_3_4,
        (4, 6): gen_core_armv7m_toeplitz_4_6,
        (4, 4): gen_core_armv7m_toeplitz_4_4,
        (5, 6): gen_core_armv7m_toeplitz_5_6,
        (5, 4): gen_core_armv7m_toeplitz_5_4,
        (6, 4): gen_core_armv7m_toeplitz_6_4,
        (7, 4): gen_core_armv7m_toeplitz_7_4,
    },
    pack: {
        (1, 8): gen_core_armv7m_pack_1_8,
        (1, 4): gen_core_armv7m_pack_1_4,
        (2, 8): gen_core_armv7m_pack_2_8,
        (2, 4): gen_core_armv7m_pack_2_4,
        (3, 8): gen_core_armv7m_pack_3_8,
        (3, 4): gen_core_armv7m_pack_3_4,
        (4, 6): gen_core_armv7m_pack_4_6,
        (4, 4): gen_core_armv7m_pack_4_4,
        (5, 6): gen_core_armv7m_pack_5_6,
        (5, 4): gen_core_armv7m_pack_5_4,
        (6, 4): gen_core_armv7m_pack_6_4,
        (7, 4): gen_core_armv7m_pack_7_4,
    },
    plane: |taps, pixels| if taps == 2 { (pixels + 2, pixels / 2 + 1) } else { (pixels / 2 + taps - 1, 0) },
    dot: gen_core_armv7m_dot,
    stage: gen_core_armv7m_stage,
    tile: tile,
    winograd: winograd,
}

unsafe extern "C" {
    fn gen_core_armv7m_winograd(call: *const RawProducts);
}

fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
    generic::tile(columns, per_point, staged, &plan::ARMV7M);
}

// The transforms are in Rust: a layer with transformed weights is slower here than one without.
fn winograd(points: usize, count: usize, call: KernelArgs<'_>) {
    generic::winograd(points, count, call, &plan::ARMV7M, products);
}

fn products(staged: &[u32], filters: &[i8], points: usize, sums: &mut [u32]) {
    let Some(call) = RawProducts::new(staged, filters, &plan::ARMV7M, points, sums) else { return refuse() };
    // SAFETY: `new` has checked that the lists are as long as the kernel takes them to be.
    unsafe { gen_core_armv7m_winograd(&call) }
}
