//! Products with AVX512-BF16, and data movement with AVX-512. Each function does what the one of the same name in
//! `portable.rs` does.
#![allow(unsafe_code)] // vector instructions, and loads and stores through pointers

use std::arch::x86_64::*;

use super::operands::{CHUNK, Columns, OUTSIDE, Rows, Segment, Sums, TILE, TILE_WORDS, Target};

/// Rows whose sums are in registers at a time.
const ROWS: usize = 8;

pub(super) fn multiply(rows: Rows<'_>, columns: Columns<'_>, add: bool, sums: &mut [Sums]) {
    for (i, &start) in rows.starts.iter().enumerate() {
        let sums = &mut sums[i / 2].0[i % 2 * TILE..][..TILE];
        for (part, sums) in sums.chunks_exact_mut(ROWS).enumerate() {
            let start = start + part * ROWS * rows.stride;
            // SAFETY: a `Unit` exists only for instructions that the processor has. `Unit::multiply` has checked that all rows
            // have all chunks, and that there are columns for all of them.
            unsafe {
                match columns.tiles {
                    1 => block::<1>(rows, start, columns.words, add, sums),
                    _ => block::<2>(rows, start, columns.words, add, sums),
                }
            }
        }
    }
}

/// # Safety
/// The processor must have the instructions. The rows from `start` must have all chunks, and `words` all columns.
#[target_feature(enable = "avx512bf16,avx512f,avx512bw,avx512vl")]
unsafe fn block<const TILES: usize>(
    rows: Rows<'_>,
    start: usize,
    words: &[u32],
    add: bool,
    sums: &mut [[f32; 2 * TILE]],
) {
    let mut totals = [[_mm512_setzero_ps(); TILES]; ROWS];
    if add {
        for (totals, sums) in totals.iter_mut().zip(&*sums) {
            for (t, total) in totals.iter_mut().enumerate() {
                // SAFETY: a row of sums is two tiles wide.
                *total = unsafe { _mm512_loadu_ps(sums[t * TILE..].as_ptr()) };
            }
        }
    }
    for (k, chunk) in rows.chunks.iter().enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let row = rows.values.as_ptr().add(start + chunk);
            let words = words.as_ptr().add(k * TILES * TILE_WORDS);
            for p in 0..CHUNK / 2 {
                let mut columns = [_mm512_setzero_si512(); TILES];
                for (t, column) in columns.iter_mut().enumerate() {
                    *column = _mm512_loadu_si512(words.add(t * TILE_WORDS + p * TILE).cast());
                }
                for (r, totals) in totals.iter_mut().enumerate() {
                    let x = _mm512_set1_epi32(row.add(r * rows.stride + 2 * p).cast::<i32>().read_unaligned());
                    for t in 0..TILES {
                        totals[t] = _mm512_dpbf16_ps(totals[t], bf16(x), bf16(columns[t]));
                    }
                }
            }
        }
    }
    for (totals, sums) in totals.iter().zip(sums) {
        for (t, total) in totals.iter().enumerate() {
            // SAFETY: a row of sums is two tiles wide.
            unsafe { _mm512_storeu_ps(sums[t * TILE..].as_mut_ptr(), *total) };
        }
    }
}

/// The same bits as another type.
#[inline]
#[target_feature(enable = "avx512bf16,avx512f")]
fn bf16(x: __m512i) -> __m512bh {
    // SAFETY: both types are 512 bits, and all bits are valid.
    unsafe { std::mem::transmute(x) }
}

pub(super) fn store(sums: &Sums, to: Target<'_>, y: &mut [f32]) {
    // SAFETY: a `Unit` exists only for processors with these instructions.
    unsafe { store_rows(sums, to, y) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn store_rows(sums: &Sums, to: Target<'_>, y: &mut [f32]) {
    let slope = _mm512_set1_ps(to.slope);
    for (row, pixels) in sums.0.iter().zip(to.pixels.chunks_exact(to.step)) {
        for &Segment { column, len, pixel, channel } in to.segments {
            let first = pixels[pixel];
            if first == OUTSIDE {
                continue;
            }
            let to_y = &mut y[first as usize + channel..][..len];
            let (tile, lane) = (column / TILE * TILE, column % TILE);
            // SAFETY: a row and the bias are two tiles wide, and only the first `len` values are stored.
            unsafe {
                let value = _mm512_loadu_ps(row[tile..].as_ptr());
                let value = _mm512_add_ps(value, _mm512_loadu_ps(to.bias[tile..].as_ptr()));
                let negative = _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(value, _mm512_setzero_ps());
                let value = _mm512_mask_mul_ps(value, negative, value, slope);
                if len == TILE {
                    _mm512_storeu_ps(to_y.as_mut_ptr(), value);
                } else {
                    let stored = (1u32 << len) - 1;
                    let value = _mm512_maskz_compress_ps((stored << lane) as u16, value);
                    _mm512_mask_storeu_ps(to_y.as_mut_ptr(), stored as u16, value);
                }
            }
        }
    }
}

pub(super) fn pairs(first: &[u16], second: &[u16], to: &mut [u32]) {
    // SAFETY: a `Unit` exists only for processors with these instructions.
    unsafe { interleave(first, second, to) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn interleave(first: &[u16], second: &[u16], to: &mut [u32]) {
    super::portable::pairs(first, second, to);
}

pub(super) fn transpose(rows: &[u16], stride: usize, channels: usize, to: &mut [u16], to_stride: usize) {
    assert!(
        (CHUNK - 1) * stride + channels <= rows.len() && (1..=TILE).contains(&channels),
        "all channels of all rows"
    );
    assert!((channels - 1) * to_stride + CHUNK <= to.len(), "all rows of all channels");
    // SAFETY: a `Unit` exists only for processors with these instructions; the lengths were just checked.
    unsafe { transpose_tile(rows, stride, channels, to, to_stride) }
}

/// # Safety
/// See the assertions of [`transpose`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn transpose_tile(rows: &[u16], stride: usize, channels: usize, to: &mut [u16], to_stride: usize) {
    let mask = ((1u32 << channels) - 1) as u16;
    // Two rows become one register of pairs, so that words are transposed instead of half words.
    let mut t = [_mm512_setzero_si512(); 16];
    for (p, t) in t.iter_mut().enumerate() {
        // SAFETY: the caller's; the mask leaves out what is behind the channels.
        let [a, b] = [2 * p, 2 * p + 1].map(|row| unsafe {
            _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, rows.as_ptr().add(row * stride).cast()))
        });
        *t = _mm512_or_si512(a, _mm512_slli_epi32::<16>(b));
    }
    let mut u = t;
    for i in 0..8 {
        u[2 * i] = _mm512_unpacklo_epi32(t[2 * i], t[2 * i + 1]);
        u[2 * i + 1] = _mm512_unpackhi_epi32(t[2 * i], t[2 * i + 1]);
    }
    for i in 0..4 {
        for j in 0..2 {
            t[4 * i + 2 * j] = _mm512_unpacklo_epi64(u[4 * i + j], u[4 * i + j + 2]);
            t[4 * i + 2 * j + 1] = _mm512_unpackhi_epi64(u[4 * i + j], u[4 * i + j + 2]);
        }
    }
    // Now lane group l of t[4·i + j] is channel 4·l + j of rows 8·i to 8·i + 7.
    for j in 0..4 {
        let low = [_mm512_shuffle_i32x4::<0x88>(t[j], t[j + 4]), _mm512_shuffle_i32x4::<0xdd>(t[j], t[j + 4])];
        let high =
            [_mm512_shuffle_i32x4::<0x88>(t[j + 8], t[j + 12]), _mm512_shuffle_i32x4::<0xdd>(t[j + 8], t[j + 12])];
        for odd in 0..2 {
            u[j + 4 * odd] = _mm512_shuffle_i32x4::<0x88>(low[odd], high[odd]);
            u[j + 4 * odd + 8] = _mm512_shuffle_i32x4::<0xdd>(low[odd], high[odd]);
        }
    }
    for (channel, u) in u.iter().take(channels).enumerate() {
        // SAFETY: the caller's.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().add(channel * to_stride).cast(), *u) };
    }
}
