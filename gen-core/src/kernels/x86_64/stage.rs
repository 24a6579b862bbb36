//! Staging of pixels, with SSE2.

use core::arch::x86_64::*;

use super::vector::widen_128;
use crate::kernels::args::widen_i8x4;

/// Stages pixels: four of them and four quads at a time, as a transposition.
///
/// # Safety
/// `source` has `columns` pixels of `quads` quads every `pixel` values, `staged` two planes a
/// quad, of which the last may end after `columns` words.
pub(super) unsafe fn stage(
    source: *const i8,
    pixel: usize,
    quads: usize,
    columns: usize,
    plane: usize,
    staged: *mut u32,
) {
    let mut q = 0;
    while q < quads {
        let some = (quads - q).min(4);
        let mut i = 0;
        while i < columns {
            // SAFETY: where there are four columns from `i` on, 16 values of each of four pixels
            // are loaded if they have four quads from `q` on, else word by word; what
            // is stored lies within the planes of these quads.
            unsafe {
                if columns < 4 {
                    for k in q..q + some {
                        let quad = source.add(i * pixel + 4 * k).cast::<[i8; 4]>().read();
                        let [first, second, ..] = widen_i8x4(quad, 2);
                        staged.add(2 * k * plane + i).write(first);
                        staged.add((2 * k + 1) * plane + i).write(second);
                    }
                    i += 1;
                    continue;
                }
                // The last four columns begin earlier if necessary, and some are staged again.
                let at = i.min(columns - 4);
                let from = source.add(at * pixel + 4 * q);
                let by_quad = if some == 4 {
                    let mut rows = [_mm_setzero_si128(); 4];
                    for (k, row) in rows.iter_mut().enumerate() {
                        *row = _mm_loadu_si128(from.add(k * pixel).cast());
                    }
                    let [a, b, c, d] = rows;
                    let (ab, cd) = (_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, d));
                    let (ab_high, cd_high) = (_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d));
                    [
                        _mm_unpacklo_epi64(ab, cd),
                        _mm_unpackhi_epi64(ab, cd),
                        _mm_unpacklo_epi64(ab_high, cd_high),
                        _mm_unpackhi_epi64(ab_high, cd_high),
                    ]
                } else {
                    let mut columns = [_mm_setzero_si128(); 4];
                    for (k, column) in columns.iter_mut().enumerate().take(some) {
                        let word = |i: usize| from.add(i * pixel + 4 * k).cast::<i32>().read_unaligned();
                        *column = _mm_setr_epi32(word(0), word(1), word(2), word(3));
                    }
                    columns
                };
                for (k, &quad) in by_quad.iter().enumerate().take(some) {
                    let [first, second] = widen_128(quad);
                    let to = staged.add(2 * (q + k) * plane + at);
                    _mm_storeu_si128(to.cast(), first);
                    _mm_storeu_si128(to.add(plane).cast(), second);
                }
            }
            i += 4;
        }
        q += some;
    }
}
