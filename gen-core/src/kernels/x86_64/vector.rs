//! Vectors of int32 lanes, for kernels that multiply pairs of int16.

use core::arch::x86_64::*;

/// Int32 lanes, each of which also holds two int16.
///
/// # Safety
/// The processor must have the instructions of the type. Pointers must point to as many elements as the
/// comments say; they may have any alignment.
pub(super) trait Vector: Copy {
    const LANES: usize;

    /// Loads `LANES` words.
    unsafe fn load(from: *const i32) -> Self;

    /// Stores to `LANES` words.
    unsafe fn store(self, to: *mut i32);

    /// Zeros.
    unsafe fn zero() -> Self;

    /// The same word in all lanes.
    unsafe fn splat(from: *const i32) -> Self;

    /// `self + low · low + high · high` in each lane.
    unsafe fn multiply_add(self, a: Self, b: Self) -> Self;

    /// The sum in each lane.
    unsafe fn add(self, other: Self) -> Self;

    /// Widens `LANES` quads of int8 to pairs: one vector for channels 0 and 2, one for 1 and 3.
    unsafe fn widen(from: *const i8) -> [Self; 2];

    /// Widens `LANES / 2` quads of int8 to pairs, both pairs of a quad side by side as in staged pixels.
    unsafe fn widen_side_by_side(from: *const i8) -> Self;
}

/// Defines a type and implements [`Vector`] for it, which is the same for all register widths but for the names of
/// the instructions. Not with closures: they would not be compiled for the instructions of their caller.
macro_rules! vector {
    (
        $(#[$doc:meta])*
        $name:ident($register:ty), $lanes:literal,
        [$load:ident, $store:ident, $zero:ident, $splat:ident, $add:ident, $shift_left:ident, $shift_right:ident],
        multiply_add($sum:ident, $a:ident, $b:ident): $multiply_add:expr,
        widen_side_by_side($from:ident): $side_by_side:expr $(,)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $name($register);

        impl Vector for $name {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn load(from: *const i32) -> Self {
                // SAFETY: as the caller promises; so in all functions of this trait.
                unsafe { Self($load(from.cast())) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut i32) {
                // SAFETY: as the caller promises.
                unsafe { $store(to.cast(), self.0) }
            }

            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: as the caller promises.
                unsafe { Self($zero()) }
            }

            #[inline(always)]
            unsafe fn splat(from: *const i32) -> Self {
                // SAFETY: as the caller promises.
                unsafe { Self($splat(from.read_unaligned())) }
            }

            #[inline(always)]
            unsafe fn multiply_add(self, a: Self, b: Self) -> Self {
                let ($sum, $a, $b) = (self.0, a.0, b.0);
                // SAFETY: as the caller promises.
                unsafe { Self($multiply_add) }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: as the caller promises.
                unsafe { Self($add(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn widen(from: *const i8) -> [Self; 2] {
                // SAFETY: as the caller promises.
                unsafe {
                    let quads = $load(from.cast());
                    [Self($shift_right::<8>($shift_left::<8>(quads))), Self($shift_right::<8>(quads))]
                }
            }

            #[inline(always)]
            unsafe fn widen_side_by_side($from: *const i8) -> Self {
                // SAFETY: as the caller promises.
                unsafe { Self($side_by_side) }
            }
        }
    };
}

vector! {
    /// SSE2.
    Sse2(__m128i), 4,
    [
        _mm_loadu_si128, _mm_storeu_si128, _mm_setzero_si128, _mm_set1_epi32, _mm_add_epi32, _mm_slli_epi16,
        _mm_srai_epi16
    ],
    multiply_add(sum, a, b): _mm_add_epi32(sum, _mm_madd_epi16(a, b)),
    widen_side_by_side(from): {
        let [even, odd] = widen_128(_mm_loadl_epi64(from.cast()));
        _mm_unpacklo_epi32(even, odd)
    },
}

vector! {
    /// AVX2.
    Avx2(__m256i), 8,
    [
        _mm256_loadu_si256, _mm256_storeu_si256, _mm256_setzero_si256, _mm256_set1_epi32, _mm256_add_epi32,
        _mm256_slli_epi16, _mm256_srai_epi16
    ],
    multiply_add(sum, a, b): _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)),
    widen_side_by_side(from): widen_side_by_side_256(from),
}

vector! {
    /// AVX2 with VNNI, which multiplies and adds with one instruction.
    Vnni256(__m256i), 8,
    [
        _mm256_loadu_si256, _mm256_storeu_si256, _mm256_setzero_si256, _mm256_set1_epi32, _mm256_add_epi32,
        _mm256_slli_epi16, _mm256_srai_epi16
    ],
    multiply_add(sum, a, b): _mm256_dpwssd_epi32(sum, a, b),
    widen_side_by_side(from): widen_side_by_side_256(from),
}

vector! {
    /// AVX-512 with VNNI.
    Vnni512(__m512i), 16,
    [
        _mm512_loadu_si512, _mm512_storeu_si512, _mm512_setzero_si512, _mm512_set1_epi32, _mm512_add_epi32,
        _mm512_slli_epi16, _mm512_srai_epi16
    ],
    multiply_add(sum, a, b): _mm512_dpwssd_epi32(sum, a, b),
    widen_side_by_side(from): {
        let middle = _mm512_broadcast_i32x4(_mm_loadu_si128(EXCHANGE_MIDDLE.as_ptr().cast()));
        _mm512_shuffle_epi8(_mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast())), middle)
    },
}

/// Widens quads of int8 to int16: channels 0 and 2, and channels 1 and 3.
#[inline(always)]
pub(super) fn widen_128(quads: __m128i) -> [__m128i; 2] {
    // SAFETY: this module is compiled only where the target has SSE2.
    unsafe { [_mm_srai_epi16::<8>(_mm_slli_epi16::<8>(quads)), _mm_srai_epi16::<8>(quads)] }
}

/// Index for `pshufb` that exchanges the middle two of four int16.
const EXCHANGE_MIDDLE: [u8; 16] = [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15];

/// [`Vector::widen_side_by_side`].
///
/// # Safety
/// The processor has AVX2. `from` points to 16 values.
#[inline(always)]
unsafe fn widen_side_by_side_256(from: *const i8) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe {
        let middle = _mm256_broadcastsi128_si256(_mm_loadu_si128(EXCHANGE_MIDDLE.as_ptr().cast()));
        _mm256_shuffle_epi8(_mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())), middle)
    }
}
