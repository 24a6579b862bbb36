//! Cortex-M4, M7 and M33: two products with one instruction (`SMLAD`).
//!
//! The kernels are assembly, `dsp.s` and `dsp_winograd.s`: how they work, and why it is the
//! best that the registers allow, stands there.

#![allow(unsafe_code, reason = "assembly")]

use super::thumb::{self, RawCall, RawStage, thumb_kernels};
use super::{Call, Kernels};
use crate::packing::PAIR;
use crate::tiling::{self, Tiling};
use crate::winograd::{F2, F3, F5, MAX_POINTS, TILE};

#[cfg(not(armv8m))]
core::arch::global_asm!(include_str!("dsp.s"), include_str!("dsp_winograd.s"), options(raw));
// The target's name leaves open whether an Armv8-M has the DSP extension.
#[cfg(armv8m)]
core::arch::global_asm!(".cpu cortex-m33", include_str!("dsp.s"), include_str!("dsp_winograd.s"), options(raw));

/// Staged as pairs of int16.
#[derive(Debug, Clone, Copy)]
pub struct Dsp;

thumb_kernels! {
    Dsp, "dsp", tiling::DSP,
    toeplitz: {
        (1, 8): gen_core_dsp_toeplitz_1_8,
        (1, 4): gen_core_dsp_toeplitz_1_4,
        (2, 8): gen_core_dsp_toeplitz_2_8,
        (2, 4): gen_core_dsp_toeplitz_2_4,
        (3, 8): gen_core_dsp_toeplitz_3_8,
        (3, 4): gen_core_dsp_toeplitz_3_4,
        (4, 6): gen_core_dsp_toeplitz_4_6,
        (4, 4): gen_core_dsp_toeplitz_4_4,
        (5, 6): gen_core_dsp_toeplitz_5_6,
        (5, 5): gen_core_dsp_toeplitz_5_5,
        (5, 4): gen_core_dsp_toeplitz_5_4,
        (6, 5): gen_core_dsp_toeplitz_6_5,
        (6, 4): gen_core_dsp_toeplitz_6_4,
        (7, 4): gen_core_dsp_toeplitz_7_4,
    },
    plane: |taps, pixels| (pixels + taps, 1),
    dot: gen_core_dsp_dot,
    stage: gen_core_dsp_stage,
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
    fn gen_core_dsp_tile_2(call: *const RawTile);
    fn gen_core_dsp_tile_3(call: *const RawTile);
    fn gen_core_dsp_tile_5(call: *const RawTile);
    fn gen_core_dsp_winograd_2(call: *const RawWinograd);
    fn gen_core_dsp_winograd_3(call: *const RawWinograd);
    fn gen_core_dsp_winograd_5(call: *const RawWinograd);
}

/// Words of a staged quad: two of each tile.
const QUAD: usize = tiling::DSP.words * tiling::DSP.tiles;

fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
    let (points, pixel) = (columns.len(), columns.first().map_or(0, |column| column.len()));
    let kernel = match points {
        F2::POINTS => gen_core_dsp_tile_2,
        F3::POINTS => gen_core_dsp_tile_3,
        F5::POINTS => gen_core_dsp_tile_5,
        _ => return,
    };
    if !pixel.is_multiple_of(4) {
        return super::tile(columns, per_point, staged, &tiling::DSP);
    }
    let quads = pixel / 4;
    // The other tile's word, the last of all, may lie before this one's first.
    let fit = columns.iter().all(|column| column.len() == pixel)
        && (quads > 0 && quads * QUAD <= per_point && per_point <= staged.len())
        && staged.len() > (points - 1) * per_point + quads * QUAD - tiling::DSP.tiles;
    if !fit {
        return;
    }
    let mut pointers = [core::ptr::null(); MAX_POINTS];
    for (pointer, column) in pointers.iter_mut().zip(columns) {
        *pointer = column.as_ptr();
    }
    let call = RawTile { columns: pointers.as_ptr(), quads, output: staged.as_mut_ptr(), per_point };
    // SAFETY: the lists are as long as the kernel takes them to be.
    unsafe { kernel(&call) }
}

fn winograd(points: usize, count: usize, call: Call<'_>) {
    let kernel = match points {
        F2::POINTS => gen_core_dsp_winograd_2,
        F3::POINTS => gen_core_dsp_winograd_3,
        F5::POINTS => gen_core_dsp_winograd_5,
        _ => return,
    };
    let Call { staged, filters, biases, output } = call;
    let channels = biases.len();
    let quads = staged.len() / (points * QUAD);
    let fit = (quads > 0 && channels > 0 && (1..=TILE * tiling::DSP.tiles).contains(&count))
        && filters.len() == channels.div_ceil(PAIR) * points * quads * 4 * PAIR * size_of::<i16>()
        && filters.as_ptr().addr().is_multiple_of(thumb::ALIGNMENT);
    let output = thumb::RawOutput::new(output, channels, count).filter(|_| fit);
    let Some(thumb::RawOutput { positive, negative, zero_point, output, step }) = output else { return };
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
    // SAFETY: as above.
    unsafe { kernel(&call) }
}
