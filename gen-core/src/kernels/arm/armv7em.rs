//! Cortex-M4, M7 and M33: two products with one instruction (`SMLAD`).
//!
//! The kernels are in assembly, in `armv7em.s` and `armv7em_winograd.s`. How they work, and what bounds their speed,
//! is explained there.

#![allow(unsafe_code, reason = "assembly")]

use super::processor::missing_dsp;
use crate::kernels::args::{KernelArgs, refuse, tile_quads};
use crate::kernels::generic;
use crate::kernels::interface::{Kernels, Sealed};
use crate::kernels::raw::{RawArgs, RawOutput, RawStage, assembly_kernels};
use crate::plan::{self, KernelLayout, kernel_set};
use crate::winograd::{F2, F3, F5, MAX_POINTS};

#[cfg(not(armv8m))]
core::arch::global_asm!(include_str!("armv7em.s"), include_str!("armv7em_winograd.s"), options(raw));
// The target's name leaves open whether an Armv8-M has the DSP extension.
#[cfg(armv8m)]
core::arch::global_asm!(".cpu cortex-m33", include_str!("armv7em.s"), include_str!("armv7em_winograd.s"), options(raw));

/// Staged as pairs of int16.
#[derive(Debug, Clone, Copy)]
pub struct Armv7em<const SET: u32 = { kernel_set::ALL }>;

assembly_kernels! {
    Armv7em, "armv7em", plan::ARMV7EM,
    missing: missing_dsp(),
    toeplitz: {
        (1, 8): gen_core_armv7em_toeplitz_1_8,
        (1, 4): gen_core_armv7em_toeplitz_1_4,
        (2, 8): gen_core_armv7em_toeplitz_2_8,
        (2, 4): gen_core_armv7em_toeplitz_2_4,
        (3, 8): gen_core_armv7em_toeplitz_3_8,
        (3, 4): gen_core_armv7em_toeplitz_3_4,
        (4, 6): gen_core_armv7em_toeplitz_4_6,
        (4, 4): gen_core_armv7em_toeplitz_4_4,
        (5, 6): gen_core_armv7em_toeplitz_5_6,
        (5, 5): gen_core_armv7em_toeplitz_5_5,
        (5, 4): gen_core_armv7em_toeplitz_5_4,
        (6, 5): gen_core_armv7em_toeplitz_6_5,
        (6, 4): gen_core_armv7em_toeplitz_6_4,
        (7, 4): gen_core_armv7em_toeplitz_7_4,
    },
    plane: |taps, pixels| (pixels + taps, 1),
    dot: gen_core_armv7em_dot,
    stage: gen_core_armv7em_stage,
    tile: tile, winograd: winograd,
}

/// Arguments of the staging of a tile.
#[repr(C)]
struct RawTile {
    columns: *const *const i8,
    quads: usize,
    output: *mut u32,
    per_point: usize,
}

/// Arguments of the multiplication of two tiles.
#[repr(C)]
struct RawWinograd {
    input: *const u32,
    quads: usize,
    filters: *const i8,
    biases: *const [u8; 4],
    positive: *const [u8; 4],
    negative: *const [u8; 4],
    zero_point: i32,
    output: *mut i8,
    step: usize,
    channels: usize,
    pixels: usize,
}

unsafe extern "C" {
    fn gen_core_armv7em_tile_2(call: *const RawTile);
    fn gen_core_armv7em_tile_3(call: *const RawTile);
    fn gen_core_armv7em_tile_5(call: *const RawTile);
    fn gen_core_armv7em_winograd_2(call: *const RawWinograd);
    fn gen_core_armv7em_winograd_3(call: *const RawWinograd);
    fn gen_core_armv7em_winograd_5(call: *const RawWinograd);
}

fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
    let kernel = match columns.len() {
        F2::POINTS => gen_core_armv7em_tile_2,
        F3::POINTS => gen_core_armv7em_tile_3,
        F5::POINTS => gen_core_armv7em_tile_5,
        _ => return refuse(),
    };
    if !columns.first().is_some_and(|column| column.len().is_multiple_of(4)) {
        return generic::tile(columns, per_point, staged, &plan::ARMV7EM);
    }
    let Some(quads) = tile_quads(columns, per_point, staged.len(), &plan::ARMV7EM) else { return refuse() };
    let mut pointers = [core::ptr::null(); MAX_POINTS];
    for (pointer, column) in pointers.iter_mut().zip(columns) {
        *pointer = column.as_ptr();
    }
    let call = RawTile { columns: pointers.as_ptr(), quads, output: staged.as_mut_ptr(), per_point };
    // SAFETY: the lists are as long as the kernel takes them to be: `tile_quads` has checked that.
    unsafe { kernel(&call) }
}

fn winograd(points: usize, count: usize, call: KernelArgs<'_>) {
    let kernel = match points {
        F2::POINTS => gen_core_armv7em_winograd_2,
        F3::POINTS => gen_core_armv7em_winograd_3,
        F5::POINTS => gen_core_armv7em_winograd_5,
        _ => return refuse(),
    };
    let Some(quads) = call.winograd_quads(points, count, &plan::ARMV7EM) else { return refuse() };
    let KernelArgs { staged, filters, biases, output } = call;
    let channels = biases.len();
    let RawOutput { positive, negative, zero_point, output, step } = RawOutput::new(output, channels);
    let call = RawWinograd {
        input: staged.as_ptr(),
        quads,
        filters: filters.as_ptr(),
        biases: biases.as_ptr(),
        positive,
        negative,
        zero_point,
        output,
        step,
        channels,
        pixels: count,
    };
    // SAFETY: the lists are as long as the kernel takes them to be: `winograd_quads` has checked that.
    unsafe { kernel(&call) }
}
