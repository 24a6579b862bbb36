//! x86-64: vectors of neighbouring pixels.
//!
//! A lane of a vector is a pixel. Its staged word is multiplied with weights that are the same in all lanes. The
//! pixels one column further are an unaligned load one word further. Several output channels are computed at once, so
//! that they share each load of pixels.
//!
//! | level | instructions | lanes | a lane multiplies | blocks in registers (channels × pixels) |
//! |---|---|---|---|---|
//! | [`SSE2`] | every x86-64 with vector registers | 4 | 2 int16, `pmaddwd` | 4 × 8, 4 × 4 |
//! | [`AVX2`] | most processors since 2013 | 8 | 2 int16, `vpmaddwd` | 4 × 16, 8 × 8, 8 × 4 |
//! | [`AVX512`] | Ice Lake, Zen 4: F, BW, VL and VNNI | 16 | 4 int8, `vpdpbusd` | 8 × 32, 8 × 16, 8 × 8, 8 × 4 |
//!
//! The level is detected at run time, once. All levels give the same bits.
//!
//! | file | contents |
//! |---|---|
//! | `detect` | the level of the processor |
//! | `vector` | vectors of int16 pairs, of each level |
//! | `block` | arguments and the interface of a level |
//! | `pairs`, `vnni` | blocks of pixels with SSE2 and AVX2, and with AVX-512 |
//! | `requantize` | accumulators to outputs |
//! | `dot`, `winograd`, `stage` | the other kernels |
//!
//! # Safety
//! The unsafe code relies on the following.
//! - The target has SSE2. For others, such as `x86_64-unknown-none`, this module is not compiled.
//! - Functions of a higher level run only if [`level`] has found it. They are called from the `target_feature`
//!   functions below. Everything that these call is inlined into them, and so compiled to the instructions of the
//!   level. Closures are not inlined reliably and are avoided.
//! - Pointers stay within slices whose lengths are checked on entry: at the beginning of the functions of [`UpTo`],
//!   and in `CheckedArgs::new`.

#![allow(unsafe_code, reason = "vector instructions")]
// Loops over a fixed number of elements of two or three arrays, which become registers.
#![allow(clippy::needless_range_loop, reason = "indices show which elements belong together")]

mod block;
mod detect;
mod dot;
mod pairs;
mod requantize;
mod stage;
mod vector;
mod vnni;
mod winograd;

use block::{CheckedArgs, GROUP, Level};
pub use detect::{AVX2, AVX512, SSE2, level};
use dot::dot;
use pairs::{Avx2Level, Sse2Level};
use requantize::finish;
use stage::stage;
use vector::{Avx2, Sse2, Vnni256};
use vnni::Avx512Level;
use winograd::{TILES, products};

use crate::kernels::args::{KernelArgs, refuse, stage_fits};
use crate::kernels::generic;
use crate::kernels::interface::{Kernels, Sealed};
use crate::plan::{self, KernelLayout, MAX_BLOCK_PIXELS, PAIR};

/// The fastest kernels that the processor can run.
pub type X86_64 = UpTo<AVX512>;

/// The fastest kernels that the processor can run, up to a level: lower levels are for tests.
#[derive(Debug, Clone, Copy)]
pub struct UpTo<const MOST: u8>;

impl<const MOST: u8> Sealed for UpTo<MOST> {}

impl<const MOST: u8> Kernels for UpTo<MOST> {
    const NAME: &'static str = match MOST {
        SSE2 => "x86_64-sse2",
        AVX2 => "x86_64-avx2",
        _ => "x86_64",
    };
    const LAYOUT: KernelLayout = plan::X86_64;

    fn stage(source: &[i8], step: usize, quads: usize, columns: usize, plane: usize, staged: &mut [u32]) {
        if columns == 0 || quads == 0 {
            return;
        }
        if !stage_fits([source.len(), staged.len()], step, Self::LAYOUT.words_per_quad, [quads, columns], plane) {
            return refuse();
        }
        // SAFETY: there are as many pixels, and all planes with `columns` words of the last.
        unsafe { stage(source.as_ptr(), step, quads, columns, plane, staged.as_mut_ptr()) }
    }

    fn pack(taps: usize, pixels: usize, staged: &mut [u32]) {
        if !Self::LAYOUT.has_block(taps, pixels) {
            return refuse();
        }
        if level().min(MOST) == AVX512 {
            let plane = pixels + taps;
            let quads = staged.len() / (2 * plane);
            // SAFETY: the processor has AVX-512.
            unsafe { vnni::pack(plane, quads, staged) }
        }
    }

    fn toeplitz(taps: usize, pixels: usize, column: usize, args: KernelArgs<'_>) {
        // The levels rely on blocks of a multiple of 4 pixels, no larger than `Accumulators`.
        const { assert!(Self::LAYOUT.is_valid() && Self::LAYOUT.shares_phases(1)) };
        if !Self::LAYOUT.has_block(taps, pixels) || column > 1 {
            return refuse();
        }
        let Some(job) = CheckedArgs::new(taps, pixels, column, [pixels + taps, KernelLayout::OVERREAD_WORDS], args)
        else {
            return refuse();
        };
        match level().min(MOST) {
            // SAFETY: the processor has AVX-512 and VNNI.
            AVX512 => unsafe { toeplitz_avx512(job) },
            // SAFETY: the processor has AVX2.
            AVX2 => unsafe { toeplitz_avx2(job) },
            // SAFETY: this module is compiled only where the target has SSE2.
            _ => unsafe { toeplitz::<Sse2Level>(job) },
        }
    }

    fn dot(args: KernelArgs<'_>) {
        let Some(job) = CheckedArgs::new(1, 1, 0, [1, 0], args) else { return refuse() };
        match level().min(MOST) {
            // SAFETY: the processor has AVX-512 and VNNI.
            AVX512 => unsafe { dot_avx512(job) },
            // SAFETY: the processor has AVX2.
            AVX2 => unsafe { dot_avx2(job) },
            // SAFETY: this module is compiled only where the target has SSE2.
            _ => unsafe { dot::<Sse2Level>(job) },
        }
    }

    fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
        generic::tile(columns, per_point, staged, &Self::LAYOUT);
    }

    fn winograd(points: usize, count: usize, args: KernelArgs<'_>) {
        generic::winograd(points, count, args, &Self::LAYOUT, Self::products);
    }
}

impl<const MOST: u8> UpTo<MOST> {
    /// The products for two output channels that [`generic::winograd`] asks for.
    fn products(staged: &[u32], filters: &[i8], points: usize, sums: &mut [u32]) {
        // The caller has checked its arguments. This bounds `points`, so that the products below cannot wrap around.
        assert!(points > 0 && points <= sums.len() / (PAIR * TILES));
        let quads = staged.len() / (points * 2 * TILES);
        assert_eq!(filters.len(), points * quads * 2 * PAIR * size_of::<u32>());
        let (staged, filters, sums) = (staged.as_ptr().cast(), filters.as_ptr().cast(), sums.as_mut_ptr().cast());
        match level().min(MOST) {
            // SAFETY: lengths are checked, and the processor has AVX-512 and VNNI.
            AVX512 => unsafe { products_avx512(staged, filters, points, quads, sums) },
            // SAFETY: lengths are checked, and the processor has AVX2.
            AVX2 => unsafe { products_avx2(staged, filters, points, quads, sums) },
            // SAFETY: lengths are checked, and this module is compiled only where the target has SSE2.
            _ => unsafe { products::<Sse2, 2>(staged, filters, points, quads, sums) },
        }
    }
}

#[target_feature(enable = "avx2")]
fn toeplitz_avx2(job: CheckedArgs<'_>) {
    // SAFETY: this function has the features of the level.
    unsafe { toeplitz::<Avx2Level>(job) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn toeplitz_avx512(job: CheckedArgs<'_>) {
    // SAFETY: this function has the features of the level.
    unsafe { toeplitz::<Avx512Level>(job) }
}

#[target_feature(enable = "avx2")]
fn dot_avx2(job: CheckedArgs<'_>) {
    // SAFETY: this function has the features of the level.
    unsafe { dot::<Avx2Level>(job) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn dot_avx512(job: CheckedArgs<'_>) {
    // SAFETY: this function has the features of the level.
    unsafe { dot::<Avx512Level>(job) }
}

/// # Safety
/// As [`products`].
#[target_feature(enable = "avx2")]
unsafe fn products_avx2(staged: *const i32, filters: *const i32, points: usize, quads: usize, sums: *mut i32) {
    // SAFETY: as the caller promises; this function has the features of the vector.
    unsafe { products::<Avx2, 1>(staged, filters, points, quads, sums) }
}

/// # Safety
/// As [`products`].
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn products_avx512(staged: *const i32, filters: *const i32, points: usize, quads: usize, sums: *mut i32) {
    // SAFETY: as the caller promises; this function has the features of the vector.
    unsafe { products::<Vnni256, 1>(staged, filters, points, quads, sums) }
}

/// A block of neighbouring pixels, for every output channel.
///
/// # Safety
/// The processor has the level.
#[inline(always)]
unsafe fn toeplitz<L: Level>(mut job: CheckedArgs<'_>) {
    let mut accs = [[0; MAX_BLOCK_PIXELS]; GROUP];
    let channels = job.args.biases.len();
    let mut channel = 0;
    while channel < channels {
        let count = GROUP.min(channels - channel);
        // SAFETY: the processor has the level.
        unsafe {
            L::accumulate(&job, channel, count, &mut accs);
            finish::<L>(&accs, job.pixels, channel, count, channels, &mut job.args.output);
        }
        channel += count;
    }
}
