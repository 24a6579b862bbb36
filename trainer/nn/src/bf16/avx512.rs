//! Products with AVX512-BF16, and data movement with AVX-512. Each function does what the one of the same name in
//! `portable.rs` does.
#![allow(unsafe_code)] // vector instructions, and loads and stores through pointers

use std::arch::x86_64::*;

use super::operands::{CHUNK, Columns, OUTSIDE, Rows, Segment, Source, Sums, TILE, TILE_WORDS, Target};

/// Rows whose sums are in registers at a time.
const ROWS: usize = 8;

pub(super) fn multiply(rows: Rows<'_>, starts: &[usize], columns: Columns<'_>, add: bool, sums: &mut [Sums]) {
    for (i, &start) in starts.iter().enumerate() {
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
                    let stored = u32::from(first_lanes(len));
                    let value = _mm512_maskz_compress_ps((stored << lane) as u16, value);
                    _mm512_mask_storeu_ps(to_y.as_mut_ptr(), stored as u16, value);
                }
            }
        }
    }
}

pub(super) fn round(from: &[f32], to: &mut [u16]) {
    // SAFETY: a `Unit` exists only for processors with these instructions.
    unsafe { round_values(from, to) }
}

#[target_feature(enable = "avx512bf16,avx512f,avx512bw,avx512vl")]
fn round_values(from: &[f32], to: &mut [u16]) {
    for (from, to) in from.chunks(TILE).zip(to.chunks_mut(TILE)) {
        let mask = first_lanes(from.len().min(to.len()));
        // SAFETY: the mask leaves out what is behind the values.
        unsafe {
            let rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from.as_ptr()));
            _mm256_mask_storeu_epi16(to.as_mut_ptr().cast(), mask, std::mem::transmute::<__m256bh, __m256i>(rounded));
        }
    }
}

/// A mask of the first `len` of 16 lanes.
fn first_lanes(len: usize) -> u16 {
    ((1u32 << len) - 1) as u16
}

pub(super) fn pairs(from: Source<'_>, to: &mut [u32]) {
    // SAFETY: a `Unit` exists only for processors with these instructions.
    unsafe { round_pairs(from, to) }
}

#[target_feature(enable = "avx512bf16,avx512f,avx512bw,avx512vl")]
fn round_pairs(from: Source<'_>, to: &mut [u32]) {
    let lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    let distances = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(from.distance as i32));
    for (p, rows) in from.rows.chunks_exact(2 * from.step).enumerate() {
        let (firsts, seconds) = rows.split_at(from.step);
        for segment in from.segments {
            let first = round_words(from, firsts[segment.pixel], segment, distances);
            let second = round_words(from, seconds[segment.pixel], segment, distances);
            let words = _mm512_or_si512(first, _mm512_slli_epi32::<16>(second));
            let at = segment.column / TILE * TILE_WORDS + p * TILE + segment.column % TILE;
            let to = &mut to[at..at + segment.len];
            // SAFETY: the mask leaves out what is behind the segment.
            unsafe { _mm512_mask_storeu_epi32(to.as_mut_ptr().cast(), first_lanes(segment.len), words) };
        }
    }
}

/// The numbers of a segment of a row, in the lower halves of words. `distances` are those from channel 0.
#[inline]
#[target_feature(enable = "avx512bf16,avx512f,avx512bw,avx512vl")]
fn round_words(from: Source<'_>, row: u32, segment: &Segment, distances: __m512i) -> __m512i {
    if row == OUTSIDE {
        return _mm512_setzero_si512();
    }
    let (first, mask) = (row as usize + segment.channel * from.distance, first_lanes(segment.len));
    let values = &from.values[first..][..(segment.len - 1) * from.distance + 1];
    // SAFETY: the mask leaves out the lanes behind the segment.
    let values = unsafe {
        match from.distance {
            1 => _mm512_maskz_loadu_ps(mask, values.as_ptr()),
            _ => _mm512_mask_i32gather_ps::<4>(_mm512_setzero_ps(), mask, distances, values.as_ptr()),
        }
    };
    // SAFETY: both types are 256 bits, and all bits are valid.
    let numbers = unsafe { std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(values)) };
    _mm512_cvtepu16_epi32(numbers)
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
    let mask = first_lanes(channels);
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
