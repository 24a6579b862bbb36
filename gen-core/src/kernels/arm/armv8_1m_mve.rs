//! Cortex-M55: sixteen products with one instruction (`VMLADAVA.S8`), with integer MVE.
//!
//! The kernels are assembly, `mve.s`: how they work, and what bounds them, stands
//! there.

#![allow(unsafe_code, reason = "assembly")]

use super::thumb::{RawCall, RawProducts, RawStage, thumb_kernels};
use super::{Call, Kernels, refuse};
use crate::tiling::{self, Tiling};

// No target of stable Rust has MVE.
core::arch::global_asm!(".cpu cortex-m55", include_str!("mve.s"), options(raw));

/// Staged as int8; Winograd tiles as pairs of int16.
#[derive(Debug, Clone, Copy)]
pub struct Mve;

thumb_kernels! {
    Mve, "mve", tiling::MVE,
    toeplitz: {
        (1, 8): gen_core_mve_toeplitz_1_8,
        (1, 4): gen_core_mve_toeplitz_1_4,
        (2, 8): gen_core_mve_toeplitz_2_8,
        (2, 4): gen_core_mve_toeplitz_2_4,
        (3, 8): gen_core_mve_toeplitz_3_8,
        (3, 4): gen_core_mve_toeplitz_3_4,
        (4, 8): gen_core_mve_toeplitz_4_8,
        (4, 4): gen_core_mve_toeplitz_4_4,
        (5, 8): gen_core_mve_toeplitz_5_8,
        (5, 4): gen_core_mve_toeplitz_5_4,
        (6, 8): gen_core_mve_toeplitz_6_8,
        (6, 4): gen_core_mve_toeplitz_6_4,
        (7, 8): gen_core_mve_toeplitz_7_8,
        (7, 4): gen_core_mve_toeplitz_7_4,
    },
    plane: |taps, pixels| (taps + pixels, 1),
    dot: gen_core_mve_dot,
    stage: gen_core_mve_stage,
    tile: tile,
    winograd: winograd,
}

unsafe extern "C" {
    fn gen_core_mve_winograd(call: *const RawProducts);
}

fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
    super::tile(columns, per_point, staged, &tiling::MVE);
}

// Its transforms are plain Rust: here a fast layer is slower than a direct one.
fn winograd(points: usize, count: usize, call: Call<'_>) {
    super::winograd(points, count, call, &tiling::MVE, products);
}

fn products(staged: &[u32], filters: &[i8], points: usize, sums: &mut [u32]) {
    let Some(call) = RawProducts::new(staged, filters, &tiling::MVE, points, sums) else { return refuse() };
    // SAFETY: `new` has checked that the lists are as long as the kernel takes them to be.
    unsafe { gen_core_mve_winograd(&call) }
}
