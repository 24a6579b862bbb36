//! Cortex-M3, which has no DSP instructions: four products with one `SMLAL`, or one with an `MLA`.
//!
//! The kernels are assembly, `mla.s`: how they work, and why it is the best that the
//! registers allow, stands there.

#![allow(unsafe_code, reason = "assembly")]

use super::thumb::{RawCall, RawProducts, RawStage, thumb_kernels};
use super::{Call, Kernels, refuse};
use crate::tiling::{self, Tiling};

core::arch::global_asm!(include_str!("mla.s"), options(raw));

/// Staged as int32; for Toeplitz blocks two of them are packed into one.
#[derive(Debug, Clone, Copy)]
pub struct Mla;

thumb_kernels! {
    Mla, "mla", tiling::MLA,
    toeplitz: {
        (1, 8): gen_core_mla_toeplitz_1_8,
        (1, 4): gen_core_mla_toeplitz_1_4,
        (2, 8): gen_core_mla_toeplitz_2_8,
        (2, 4): gen_core_mla_toeplitz_2_4,
        (3, 8): gen_core_mla_toeplitz_3_8,
        (3, 4): gen_core_mla_toeplitz_3_4,
        (4, 6): gen_core_mla_toeplitz_4_6,
        (4, 4): gen_core_mla_toeplitz_4_4,
        (5, 6): gen_core_mla_toeplitz_5_6,
        (5, 4): gen_core_mla_toeplitz_5_4,
        (6, 4): gen_core_mla_toeplitz_6_4,
        (7, 4): gen_core_mla_toeplitz_7_4,
    },
    pack: {
        (1, 8): gen_core_mla_pack_1_8,
        (1, 4): gen_core_mla_pack_1_4,
        (2, 8): gen_core_mla_pack_2_8,
        (2, 4): gen_core_mla_pack_2_4,
        (3, 8): gen_core_mla_pack_3_8,
        (3, 4): gen_core_mla_pack_3_4,
        (4, 6): gen_core_mla_pack_4_6,
        (4, 4): gen_core_mla_pack_4_4,
        (5, 6): gen_core_mla_pack_5_6,
        (5, 4): gen_core_mla_pack_5_4,
        (6, 4): gen_core_mla_pack_6_4,
        (7, 4): gen_core_mla_pack_7_4,
    },
    plane: |taps, pixels| if taps == 2 { (pixels + 2, pixels / 2 + 1) } else { (pixels / 2 + taps - 1, 0) },
    dot: gen_core_mla_dot,
    stage: gen_core_mla_stage,
    tile: tile,
    winograd: winograd,
}

unsafe extern "C" {
    fn gen_core_mla_winograd(call: *const RawProducts);
}

fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
    super::tile(columns, per_point, staged, &tiling::MLA);
}

// Its transforms are plain Rust: here a fast layer is slower than a direct one.
fn winograd(points: usize, count: usize, call: Call<'_>) {
    super::winograd(points, count, call, &tiling::MLA, products);
}

fn products(staged: &[u32], filters: &[i8], points: usize, sums: &mut [u32]) {
    let Some(call) = RawProducts::new(staged, filters, &tiling::MLA, points, sums) else { return refuse() };
    // SAFETY: `new` has checked that the lists are as long as the kernel takes them to be.
    unsafe { gen_core_mla_winograd(&call) }
}
