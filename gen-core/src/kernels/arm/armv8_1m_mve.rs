//! Cortex-M55: sixteen products with one instruction (`VMLADAVA.S8`), with integer MVE.
//!
//! The kernels are in assembly, in `armv8_1m_mve.s`. How they work, and what bounds their speed, is explained there.

#![allow(unsafe_code, reason = "assembly")]

use super::processor::missing_mve;
use crate::kernels::args::{KernelArgs, refuse};
use crate::kernels::generic;
use crate::kernels::interface::{Kernels, Sealed};
use crate::kernels::raw::{RawArgs, RawProducts, RawStage, assembly_kernels};
use crate::plan::{self, KernelLayout, kernel_set};

// No target of stable Rust has MVE.
core::arch::global_asm!(".cpu cortex-m55", include_str!("armv8_1m_mve.s"), options(raw));

/// Staged as int8; Winograd tiles as pairs of int16.
#[derive(Debug, Clone, Copy)]
pub struct Armv8_1mMve<const SET: u32 = { kernel_set::ALL }>;

assembly_kernels! {
    Armv8_1mMve, "armv8_1m_mve", plan::ARMV8_1M_MVE,
    missing: missing_mve(),
    toeplitz: {
        (1, 8): gen_core_armv8_1m_mve_toeplitz_1_8,
        (1, 4): gen_core_armv8_1m_mve_toeplitz_1_4,
        (2, 8): gen_core_armv8_1m_mve_toeplitz_2_8,
        (2, 4): gen_core_armv8_1m_mve_toeplitz_2_4,
        (3, 8): gen_core_armv8_1m_mve_toeplitz_3_8,
        (3, 4): gen_core_armv8_1m_mve_toeplitz_3_4,
        (4, 8): gen_core_armv8_1m_mve_toeplitz_4_8,
        (4, 4): gen_core_armv8_1m_mve_toeplitz_4_4,
        (5, 8): gen_core_armv8_1m_mve_toeplitz_5_8,
        (5, 4): gen_core_armv8_1m_mve_toeplitz_5_4,
        (6, 8): gen_core_armv8_1m_mve_toeplitz_6_8,
        (6, 4): gen_core_armv8_1m_mve_toeplitz_6_4,
        (7, 8): gen_core_armv8_1m_mve_toeplitz_7_8,
        (7, 4): gen_core_armv8_1m_mve_toeplitz_7_4,
    },
    plane: |taps, pixels| (taps + pixels, 1),
    dot: gen_core_armv8_1m_mve_dot,
    stage: gen_core_armv8_1m_mve_stage,
    tile: tile,
    winograd: winograd,
}

unsafe extern "C" {
    fn gen_core_armv8_1m_mve_winograd(call: *const RawProducts);
}

fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
    generic::tile(columns, per_point, staged, &plan::ARMV8_1M_MVE);
}

// The transforms are in Rust: a layer with transformed weights is slower here than one without.
fn winograd(points: usize, count: usize, call: KernelArgs<'_>) {
    generic::winograd(points, count, call, &plan::ARMV8_1M_MVE, products);
}

fn products(staged: &[u32], filters: &[i8], points: usize, sums: &mut [u32]) {
    let Some(call) = RawProducts::new(staged, filters, &plan::ARMV8_1M_MVE, points, sums) else { return refuse() };
    // SAFETY: `new` has checked that the lists are as long as the kernel takes them to be.
    unsafe { gen_core_armv8_1m_mve_winograd(&call) }
}
