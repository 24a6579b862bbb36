//! AVX-512 with VNNI: products of four int8, with weights in the order of the model file.
//!
//! `vpdpbusd` multiplies unsigned with signed bytes and does not saturate. One instruction loads four weights,
//! broadcasts, multiplies and adds them. Pixels are packed to unsigned bytes by adding 128:
//! [`Kernels::pack`](crate::kernels::interface::Kernels::pack). The excess, 128 times the sum of a channel's weights, is
//! subtracted from the initial value of the accumulators. Modulo 2³² this is exact. Winograd products have int16
//! factors and use `vpdpwssd`, as does the dot product.

use core::arch::x86_64::*;

use super::block::{Accumulators, CheckedArgs, GROUP, Level, Requantize};
use super::requantize;
use super::vector::Vnni512;
use crate::plan::MAX_BLOCK_PIXELS;

pub(super) struct Avx512Level;

impl Level for Avx512Level {
    type Widest = Vnni512;

    #[inline(always)]
    unsafe fn accumulate(job: &CheckedArgs<'_>, channel: usize, count: usize, accs: &mut Accumulators) {
        let CheckedArgs { taps, pixels, column, quads, ref args } = *job;
        let filter = quads * taps * 4;
        let (mut filters, mut starts) = ([args.filters.as_ptr(); GROUP], [0; GROUP]);
        for c in 0..GROUP {
            // Channels past the last are computed with its weights, and their results are ignored.
            let channel = channel + c.min(count - 1);
            filters[c] = args.filters.as_ptr().wrapping_add(channel * filter);
            starts[c] = args.biases.at(channel);
        }
        // SAFETY: the processor has the level, and the job as many filters as biases.
        unsafe { subtract_sums(filters, filter, &mut starts) };
        let mut at = 0;
        while at < pixels {
            let tile = ByteTile {
                staged: args.staged.as_ptr().wrapping_add(column + at).cast(),
                plane: pixels + taps,
                quads,
                taps,
                filters,
                starts,
                accs: accs.as_mut_ptr().cast::<i32>().wrapping_add(at),
            };
            // SAFETY: the job has as many planes, whose last columns are for a pixel that begins
            // at 1, and as many filters as biases; there are accumulators for a GROUP.
            at += unsafe {
                match (pixels - at, count) {
                    (32.., ..=4) => byte_tile::<__m512i, 2, 4>(tile),
                    (32.., _) => byte_tile::<__m512i, 2, 8>(tile),
                    (16.., ..=4) => byte_tile::<__m512i, 1, 4>(tile),
                    (16.., _) => byte_tile::<__m512i, 1, 8>(tile),
                    (8.., ..=4) => byte_tile::<__m256i, 1, 4>(tile),
                    (8.., _) => byte_tile::<__m256i, 1, 8>(tile),
                    (_, ..=4) => byte_tile::<__m128i, 1, 4>(tile),
                    _ => byte_tile::<__m128i, 1, 8>(tile),
                }
            };
        }
    }

    #[inline(always)]
    unsafe fn requantise(accs: *const i32, to: &Requantize<'_>) -> [[i8; GROUP]; 8] {
        // SAFETY: as the caller promises.
        unsafe { requantize::avx2(accs, to) }
    }
}

/// Subtracts 128 times the sum of each channel's weights from `starts`: packed pixels are 128 too large, because the
/// instruction takes them as unsigned.
///
/// # Safety
/// The processor has AVX-512 and VNNI, and each channel `len` weights.
#[inline(always)]
unsafe fn subtract_sums(filters: [*const i8; GROUP], len: usize, starts: &mut [i32; GROUP]) {
    // SAFETY: as the caller promises; bits of the mask are set for what is left.
    unsafe {
        let excess = _mm512_set1_epi8(i8::MIN); // read as 128
        let mut halves = [_mm256_setzero_si256(); GROUP];
        for c in 0..GROUP {
            let mut sum = _mm512_setzero_si512();
            let mut at = 0;
            while at + 64 <= len {
                sum = _mm512_dpbusd_epi32(sum, excess, _mm512_loadu_si512(filters[c].add(at).cast()));
                at += 64;
            }
            if at < len {
                let left = _mm512_maskz_loadu_epi8((1 << (len - at)) - 1, filters[c].add(at));
                sum = _mm512_dpbusd_epi32(sum, excess, left);
            }
            halves[c] = _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum));
        }
        // Eight vectors to one: pairs of channels and of lanes, then pairs of pairs, then halves.
        let mut twos = [halves[0]; 4];
        for i in 0..4 {
            let (a, b) = (halves[2 * i], halves[2 * i + 1]);
            twos[i] = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        }
        let mut fours = [halves[0]; 2];
        for i in 0..2 {
            let (a, b) = (twos[2 * i], twos[2 * i + 1]);
            fours[i] = _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
        }
        let sums = _mm256_add_epi32(
            _mm256_permute2x128_si256::<0x20>(fours[0], fours[1]),
            _mm256_permute2x128_si256::<0x31>(fours[0], fours[1]),
        );
        let to = starts.as_mut_ptr().cast();
        _mm256_storeu_si256(to, _mm256_sub_epi32(_mm256_loadu_si256(to), sums));
    }
}

/// Packed pixels, and weights in the order of the model file.
#[derive(Clone, Copy)]
struct ByteTile {
    /// The first plane, packed, from the first pixel on.
    staged: *const i32,
    /// Words from one plane to the next.
    plane: usize,
    /// Quads of all rows.
    quads: usize,
    taps: usize,
    /// The weights of each channel.
    filters: [*const i8; GROUP],
    /// The initial accumulator of each channel.
    starts: [i32; GROUP],
    /// The accumulators of the first channel. Those of the next are [`MAX_BLOCK_PIXELS`] words further.
    accs: *mut i32,
}

/// Int32 lanes, each of which is also a quad of int8.
///
/// # Safety
/// The processor must have the instructions of the type. Pointers must point to as many elements as the
/// comments say; they may have any alignment.
trait Quads: Copy {
    const LANES: usize;

    /// The same value in all lanes.
    unsafe fn splat(value: i32) -> Self;

    /// To `LANES` words.
    unsafe fn store(self, to: *mut i32);

    /// `LANES` words.
    unsafe fn load(from: *const i32) -> Self;

    /// `self` + the products of four pixels and the same four weights in each lane.
    unsafe fn multiply_add(self, pixels: Self, weights: *const i8) -> Self;
}

macro_rules! quads {
    ($register:ty, $lanes:literal, $load:ident, $store:ident, $splat:ident, $multiply_add:ident) => {
        impl Quads for $register {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn splat(value: i32) -> Self {
                // SAFETY: as the caller promises; so in all functions of this trait.
                unsafe { $splat(value) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut i32) {
                // SAFETY: as the caller promises.
                unsafe { $store(to.cast(), self) }
            }

            #[inline(always)]
            unsafe fn load(from: *const i32) -> Self {
                // SAFETY: as the caller promises.
                unsafe { $load(from.cast()) }
            }

            #[inline(always)]
            unsafe fn multiply_add(self, pixels: Self, weights: *const i8) -> Self {
                // SAFETY: as the caller promises.
                unsafe { $multiply_add(self, pixels, $splat(weights.cast::<i32>().read_unaligned())) }
            }
        }
    };
}

quads!(__m128i, 4, _mm_loadu_si128, _mm_storeu_si128, _mm_set1_epi32, _mm_dpbusd_epi32);
quads!(__m256i, 8, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32, _mm256_dpbusd_epi32);
quads!(__m512i, 16, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32, _mm512_dpbusd_epi32);

/// Computes the accumulators of some neighbouring pixels and some channels, and returns the number of pixels.
///
/// # Safety
/// The processor has the vectors. Behind the pointers are: the pixels of `quads` packed planes
/// and taps − 1 columns more, `4 · quads · taps` weights of each channel, and
/// accumulators.
#[inline(always)]
unsafe fn byte_tile<V: Quads, const VECTORS: usize, const CHANNELS: usize>(job: ByteTile) -> usize {
    let ByteTile { staged: mut first, plane, quads, taps, filters, starts, accs } = job;
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = [[V::splat(0); VECTORS]; CHANNELS];
        for c in 0..CHANNELS {
            sums[c] = [V::splat(starts[c]); VECTORS];
        }
        let mut at = 0;
        for _ in 0..quads {
            for t in 0..taps {
                let from = first.add(t);
                let mut pixels = [V::load(from); VECTORS];
                for v in 1..VECTORS {
                    pixels[v] = V::load(from.add(v * V::LANES));
                }
                for c in 0..CHANNELS {
                    for v in 0..VECTORS {
                        sums[c][v] = sums[c][v].multiply_add(pixels[v], filters[c].add(at));
                    }
                }
                at += 4;
            }
            first = first.add(plane);
        }
        for c in 0..CHANNELS {
            for v in 0..VECTORS {
                sums[c][v].store(accs.add(c * MAX_BLOCK_PIXELS + v * V::LANES));
            }
        }
    }
    VECTORS * V::LANES
}

/// # Safety
/// The processor has AVX-512. `staged` has `quads · 2 · plane` words or more.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn pack(plane: usize, quads: usize, staged: &mut [u32]) {
    let staged = staged.as_mut_ptr().cast::<i32>();
    for q in 0..quads {
        let mut i = 0;
        while i < plane {
            // SAFETY: what is read are words of the planes of this quad, as many as the mask
            // says; what is written lies in front of all that is still to be read, or was just
            // read.
            unsafe {
                let mask = if plane - i < 16 { (1 << (plane - i)) - 1 } else { u16::MAX };
                let first = _mm512_maskz_loadu_epi32(mask, staged.add(2 * q * plane + i));
                let second = _mm512_maskz_loadu_epi32(mask, staged.add((2 * q + 1) * plane + i));
                _mm512_mask_storeu_epi32(staged.add(q * plane + i), mask, join(first, second));
            }
            i += 16;
        }
    }
}

/// Quads of unsigned values, 128 larger, from the staged pairs `(c0, c2)` and `(c1, c3)`.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn join(first: __m512i, second: __m512i) -> __m512i {
    /// Truth table of `if first { second } else { third }`.
    const SELECT: i32 = 0b1100_1010;
    let high = _mm512_slli_epi16::<8>(second);
    let quads = _mm512_ternarylogic_epi32::<SELECT>(_mm512_set1_epi16(255), first, high);
    _mm512_xor_si512(quads, _mm512_set1_epi8(i8::MIN))
}
