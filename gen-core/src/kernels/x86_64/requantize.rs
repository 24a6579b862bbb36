//! Accumulators to outputs.

use core::arch::x86_64::*;

use super::block::{Accumulators, GROUP, Level, Requantize};
use crate::kernels::args::Destination;
use crate::plan::MAX_BLOCK_PIXELS;
use crate::quant::saturate;

/// Writes `count` of `channels` channels to the output.
///
/// # Safety
/// The processor has the level, and the output has `channels` channels of `pixels` pixels.
#[inline(always)]
pub(super) unsafe fn finish<L: Level>(
    accs: &Accumulators,
    pixels: usize,
    channel: usize,
    count: usize,
    channels: usize,
    output: &mut Destination<'_>,
) {
    match output {
        Destination::Int8 { multipliers, zero_point, row, step } => {
            let one_multiplier = core::ptr::eq(multipliers.positive.as_ptr(), multipliers.negative.as_ptr());
            let to = Requantize { multipliers: *multipliers, one_multiplier, zero_point: *zero_point, channel, count };
            let mut i = 0;
            while i < pixels {
                // SAFETY: accumulators are those of MAX_BLOCK_PIXELS pixels, a multiple of 8. The row has
                // all channels of pixel `i + j`, the last one at most.
                unsafe {
                    let bytes = L::requantise(accs.as_ptr().cast::<i32>().add(i), &to);
                    let row = row.as_mut_ptr().add(i * *step + channel);
                    for (j, bytes) in bytes.iter().enumerate().take(pixels - i) {
                        let row = row.add(j * *step);
                        if count == GROUP {
                            row.cast::<[i8; GROUP]>().write(*bytes);
                        } else {
                            for (k, &byte) in bytes.iter().enumerate().take(count) {
                                row.add(k).write(byte);
                            }
                        }
                    }
                }
                i += 8;
            }
        }
        Destination::Accumulators(sums) => {
            for (i, sums) in sums.chunks_exact_mut(channels).enumerate().take(pixels) {
                for (c, sum) in sums[channel..channel + count].iter_mut().enumerate() {
                    *sum = accs[c][i];
                }
            }
        }
    }
}

/// [`Level::requantise`] with AVX2.
///
/// # Safety
/// As there; the processor has AVX2.
#[inline(always)]
pub(super) unsafe fn avx2(accs: *const i32, to: &Requantize<'_>) -> [[i8; GROUP]; 8] {
    // SAFETY: as the caller promises; the result has the size of what is stored.
    unsafe {
        let half = _mm256_set1_epi64x(1 << 31);
        let zero_point = _mm256_set1_epi32(to.zero_point.into());
        let by_pixel = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        let mut fours = [zero_point; 2];
        for (first, four) in [0, 4].into_iter().zip(&mut fours) {
            if first >= to.count {
                break;
            }
            let mut n = [zero_point; 4];
            for c in first..first + 4 {
                let multiplier = to.multipliers.at(to.channel + c.min(to.count - 1));
                let acc = _mm256_loadu_si256(accs.add(c * MAX_BLOCK_PIXELS).cast());
                let (mut m, mut m_odd) =
                    (_mm256_set1_epi32(multiplier.positive), _mm256_set1_epi32(multiplier.positive));
                if !to.one_multiplier {
                    // Chosen by the sign bit, which is that of the float with the same bits.
                    m = _mm256_castps_si256(_mm256_blendv_ps(
                        _mm256_castsi256_ps(m),
                        _mm256_castsi256_ps(_mm256_set1_epi32(multiplier.negative)),
                        _mm256_castsi256_ps(acc),
                    ));
                    m_odd = _mm256_srli_epi64::<32>(m);
                }
                let even = _mm256_add_epi64(_mm256_mul_epi32(acc, m), half);
                let odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64::<32>(acc), m_odd), half);
                let high = _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd);
                // The high word of a product is no more than 2³⁰: the sum does not overflow.
                n[c - first] = _mm256_add_epi32(high, zero_point);
            }
            // Both saturate; four pixels of a channel after the other, in each half.
            let bytes = _mm256_packs_epi16(_mm256_packs_epi32(n[0], n[1]), _mm256_packs_epi32(n[2], n[3]));
            *four = _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(by_pixel));
        }
        // Pixels 0, 1, 4, 5 and 2, 3, 6, 7.
        let (low, high) = (_mm256_unpacklo_epi32(fours[0], fours[1]), _mm256_unpackhi_epi32(fours[0], fours[1]));
        let mut pixels = [[0; GROUP]; 8];
        let to = pixels.as_mut_ptr().cast::<__m256i>();
        _mm256_storeu_si256(to, _mm256_permute2x128_si256::<0x20>(low, high));
        _mm256_storeu_si256(to.add(1), _mm256_permute2x128_si256::<0x31>(low, high));
        pixels
    }
}

/// [`Level::requantise`] with SSE2, which has no signed 32-bit multiplication: value by value.
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn sse2(accs: *const i32, to: &Requantize<'_>) -> [[i8; GROUP]; 8] {
    let mut pixels = [[0; GROUP]; 8];
    for c in 0..to.count {
        let multiplier = to.multipliers.at(to.channel + c);
        for (i, pixel) in pixels.iter_mut().enumerate() {
            // SAFETY: as the caller promises.
            let acc = unsafe { accs.add(c * MAX_BLOCK_PIXELS + i).read() };
            pixel[c] = saturate(multiplier.apply(acc), to.zero_point);
        }
    }
    pixels
}
