//! x86-64: vectors of neighbouring pixels.
//!
//! A lane of a vector is a pixel. Its staged word is multiplied with weights that are the same
//! in all lanes; pixels a column further are an unaligned load a word further. Several
//! channels are computed at once, so that a load of pixels serves them all.
//!
//! | level | has | lanes | a lane multiplies | blocks in registers (channels × pixels) |
//! |---|---|---|---|---|
//! | [`SSE2`] | every x86-64 with vector registers | 4 | 2 int16, `pmaddwd` | 4 × 8, 4 × 4 |
//! | [`AVX2`] | most since 2013 | 8 | 2 int16, `vpmaddwd` | 4 × 16, 8 × 8, 8 × 4 |
//! | [`AVX512`] | Ice Lake, Zen 4: F, BW, VL and VNNI | 16 | 4 int8, `vpdpbusd` | 8 × 32, 8 × 16, 8 × 8, 8 × 4 |
//!
//! The level is found out at run time, once. All give the same bits.
//!
//! Pairs need weights as int16. They are spread for a group of output channels at a time, into
//! a buffer on the stack from where they are broadcast.
//!
//! `vpdpbusd` multiplies unsigned with signed bytes and does not saturate. It takes weights as
//! they are in the blob, four with an instruction that loads, broadcasts, multiplies and adds.
//! Pixels are [packed](Kernels::pack) to bytes, 128 larger; what that makes too much, 128 times
//! the sum of a channel's weights, is subtracted where the accumulators begin. Modulo 2³² that
//! is exact. Winograd products have int16 factors and use `vpdpwssd`, as does the dot product.
//!
//! # What the unsafe code relies on
//! - The target has SSE2: on others, such as `x86_64-unknown-none`, this module is not compiled.
//! - Functions of a higher level run only if [`level`] has found it.
//! - Pointers stay within slices whose lengths are checked where the slices come in: at the
//!   beginning of [`UpTo`]'s functions, and in `Job::new`.

#![allow(unsafe_code, reason = "vector instructions")]
// Loops with a fixed number of turns over two or three arrays, which become registers.
#![allow(clippy::needless_range_loop, reason = "indices say better what belongs together")]

use core::arch::x86_64::*;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, Ordering};

use super::{Call, Kernels, Output, Requants, refuse, spread, stage_fits};
use crate::fixed::saturate;
use crate::packing::PAIR;
use crate::row::MAX_BLOCK;
use crate::tiling::{self, Tiling};

/// SSE2, which the target has, or this module would not be there.
pub const SSE2: u8 = 0;
/// AVX2.
pub const AVX2: u8 = 1;
/// AVX-512 with the extensions F, BW, VL and VNNI.
pub const AVX512: u8 = 2;

/// The best kernels of the processor at hand.
pub type X86_64 = UpTo<AVX512>;

/// The best kernels up to a level: lower ones are for tests.
#[derive(Debug, Clone, Copy)]
pub struct UpTo<const MOST: u8>;

/// The level of the processor at hand.
pub fn level() -> u8 {
    const UNKNOWN: u8 = u8::MAX;
    static LEVEL: AtomicU8 = AtomicU8::new(UNKNOWN);
    // Whoever comes first finds out; two at once find the same.
    match LEVEL.load(Ordering::Relaxed) {
        UNKNOWN => {
            let level = detect();
            LEVEL.store(level, Ordering::Relaxed);
            level
        }
        level => level,
    }
}

#[cold]
fn detect() -> u8 {
    cpufeatures::new!(avx2, "avx2");
    cpufeatures::new!(avx512, "avx512f", "avx512bw", "avx512vl");
    // The crate has no name for this one. That the system saves the registers it has seen to.
    let vnni = || __cpuid_count(7, 0).ecx & 1 << 11 != 0;
    match () {
        () if avx2::get() && avx512::get() && vnni() => AVX512,
        () if avx2::get() => AVX2,
        () => SSE2,
    }
}

impl<const MOST: u8> Kernels for UpTo<MOST> {
    const NAME: &'static str = match MOST {
        SSE2 => "x86_64-sse2",
        AVX2 => "x86_64-avx2",
        _ => "x86_64",
    };
    const TILING: Tiling = tiling::X86_64;

    fn stage(source: &[i8], step: usize, quads: usize, columns: usize, plane: usize, staged: &mut [u32]) {
        if columns == 0 || quads == 0 {
            return;
        }
        if !stage_fits([source.len(), staged.len()], step, Self::TILING.words, [quads, columns], plane) {
            return refuse();
        }
        // SAFETY: there are as many pixels, and all planes with `columns` words of the last.
        unsafe { stage(source.as_ptr(), step, quads, columns, plane, staged.as_mut_ptr()) }
    }

    fn pack(taps: usize, pixels: usize, staged: &mut [u32]) {
        if !Self::TILING.has_block(taps, pixels) {
            return refuse();
        }
        if level().min(MOST) == AVX512 {
            let plane = pixels + taps;
            let quads = staged.len() / (2 * plane);
            // SAFETY: the processor has AVX-512.
            unsafe { pack_avx512(plane, quads, staged) }
        }
    }

    fn toeplitz(taps: usize, pixels: usize, column: usize, call: Call<'_>) {
        // Blocks of these sizes are multiples of 4, and no larger than a buffer.
        const { assert!(Self::TILING.is_valid(MAX_BLOCK) && Self::TILING.shares(1)) };
        if !Self::TILING.has_block(taps, pixels) || column > 1 {
            return refuse();
        }
        let Some(job) = Job::new(taps, pixels, column, [pixels + taps, Tiling::SPARE], call) else { return refuse() };
        match level().min(MOST) {
            // SAFETY: the processor has AVX-512 and VNNI.
            AVX512 => unsafe { toeplitz_avx512(job) },
            // SAFETY: the processor has AVX2.
            AVX2 => unsafe { toeplitz_avx2(job) },
            // SAFETY: this module is there only where the target has SSE2.
            _ => unsafe { toeplitz::<Sse2Level>(job) },
        }
    }

    fn dot(call: Call<'_>) {
        let Some(job) = Job::new(1, 1, 0, [1, 0], call) else { return refuse() };
        match level().min(MOST) {
            // SAFETY: the processor has AVX-512 and VNNI.
            AVX512 => unsafe { dot_avx512(job) },
            // SAFETY: the processor has AVX2.
            AVX2 => unsafe { dot_avx2(job) },
            // SAFETY: this module is there only where the target has SSE2.
            _ => unsafe { dot::<Sse2Level>(job) },
        }
    }

    fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
        super::tile(columns, per_point, staged, &Self::TILING);
    }

    fn winograd(points: usize, count: usize, call: Call<'_>) {
        super::winograd(points, count, call, &Self::TILING, Self::products);
    }
}

impl<const MOST: u8> UpTo<MOST> {
    /// Products of two output channels, as [`super::winograd`] wants them.
    fn products(staged: &[u32], filters: &[i8], points: usize, sums: &mut [u32]) {
        // The caller has checked its call. This bounds `points`, so that lengths cannot wrap around.
        assert!(points > 0 && points <= sums.len() / (PAIR * TILES));
        let quads = staged.len() / (points * 2 * TILES);
        assert_eq!(filters.len(), points * quads * 2 * PAIR * size_of::<u32>());
        let (staged, filters, sums) = (staged.as_ptr().cast(), filters.as_ptr().cast(), sums.as_mut_ptr().cast());
        match level().min(MOST) {
            // SAFETY: lengths are checked, and the processor has AVX-512 and VNNI.
            AVX512 => unsafe { products_avx512(staged, filters, points, quads, sums) },
            // SAFETY: lengths are checked, and the processor has AVX2.
            AVX2 => unsafe { products_avx2(staged, filters, points, quads, sums) },
            // SAFETY: lengths are checked, and this module is there only where the target has SSE2.
            _ => unsafe { products::<Sse2, 2>(staged, filters, points, quads, sums) },
        }
    }
}

/// Output channels whose weights are spread at a time.
const GROUP: usize = 8;
/// Weight quads of a channel that are spread at a time.
const CHUNK: usize = 128;
/// Words from one spread channel to the next: no multiple of a page, where the cache would
/// keep them all in the same few lines.
const STRIDE: usize = 2 * CHUNK + 16;
/// Winograd tiles.
const TILES: usize = tiling::X86_64.tiles;

/// A [`Call`] whose lengths fit together.
struct Job<'a> {
    taps: usize,
    pixels: usize,
    /// Column where the first pixel begins: 0 or 1.
    column: usize,
    /// Quads of all rows.
    quads: usize,
    call: Call<'a>,
}

impl<'a> Job<'a> {
    /// `None` when the lists do not fit together.
    fn new(taps: usize, pixels: usize, column: usize, [plane, spare]: [usize; 2], call: Call<'a>) -> Option<Self> {
        let quads = call.quads(tiling::X86_64.words, [taps, pixels], plane, spare)?;
        Some(Self { taps, pixels, column, quads, call })
    }
}

/// # Safety
/// The processor has AVX-512. `staged` has `quads · 2 · plane` words or more.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn pack_avx512(plane: usize, quads: usize, staged: &mut [u32]) {
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

#[target_feature(enable = "avx2")]
fn toeplitz_avx2(job: Job<'_>) {
    // SAFETY: this function has the features of the level.
    unsafe { toeplitz::<Avx2Level>(job) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn toeplitz_avx512(job: Job<'_>) {
    // SAFETY: this function has the features of the level.
    unsafe { toeplitz::<Avx512Level>(job) }
}

#[target_feature(enable = "avx2")]
fn dot_avx2(job: Job<'_>) {
    // SAFETY: this function has the features of the level.
    unsafe { dot::<Avx2Level>(job) }
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn dot_avx512(job: Job<'_>) {
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

// Everything below is inlined into one of the functions above, and only there compiled to
// the instructions of its level: closures, which are not, have to be avoided.

/// Int32 lanes, each of which is also two int16.
///
/// # Safety
/// All functions need a processor with the instructions of the type, and pointers to
/// as many elements as their comments say, aligned or not.
trait Vector: Copy {
    const LANES: usize;

    /// `LANES` words.
    unsafe fn load(from: *const i32) -> Self;

    /// To `LANES` words.
    unsafe fn store(self, to: *mut i32);

    /// Zeros.
    unsafe fn zero() -> Self;

    /// The same word in all lanes.
    unsafe fn splat(from: *const i32) -> Self;

    /// `self + low · low + high · high` in each lane.
    unsafe fn multiply_add(self, a: Self, b: Self) -> Self;

    /// Sum in each lane.
    unsafe fn add(self, other: Self) -> Self;

    /// Pairs of `LANES` quads of int8: channels 0 and 2, and channels 1 and 3.
    unsafe fn pairs(from: *const i8) -> [Self; 2];

    /// Pairs of `LANES / 2` quads, in staged order.
    unsafe fn spread(from: *const i8) -> Self;
}

#[derive(Clone, Copy)]
struct Sse2(__m128i);

impl Vector for Sse2 {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { _mm_storeu_si128(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm_setzero_si128()) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm_set1_epi32(from.read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, a: Self, b: Self) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm_add_epi32(self.0, _mm_madd_epi16(a.0, b.0))) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm_add_epi32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn pairs(from: *const i8) -> [Self; 2] {
        // SAFETY: as the caller promises.
        unsafe {
            let quads = _mm_loadu_si128(from.cast());
            [Self(_mm_srai_epi16::<8>(_mm_slli_epi16::<8>(quads))), Self(_mm_srai_epi16::<8>(quads))]
        }
    }

    #[inline(always)]
    unsafe fn spread(from: *const i8) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let quads = _mm_loadl_epi64(from.cast());
            let [even, odd] = pairs(quads);
            Self(_mm_unpacklo_epi32(even, odd))
        }
    }
}

/// Channels 0 and 2, and channels 1 and 3, of quads of int8, as int16.
#[inline(always)]
fn pairs(quads: __m128i) -> [__m128i; 2] {
    // SAFETY: this module is there only where the target has SSE2.
    unsafe { [_mm_srai_epi16::<8>(_mm_slli_epi16::<8>(quads)), _mm_srai_epi16::<8>(quads)] }
}

/// For `pshufb`: exchanges the middle two of four int16.
const MIDDLE: [u8; 16] = [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15];

#[derive(Clone, Copy)]
struct Avx2(__m256i);

impl Vector for Avx2 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { _mm256_storeu_si256(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm256_setzero_si256()) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm256_set1_epi32(from.read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, a: Self, b: Self) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm256_add_epi32(self.0, _mm256_madd_epi16(a.0, b.0))) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm256_add_epi32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn pairs(from: *const i8) -> [Self; 2] {
        // SAFETY: as the caller promises.
        unsafe {
            let quads = _mm256_loadu_si256(from.cast());
            [Self(_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(quads))), Self(_mm256_srai_epi16::<8>(quads))]
        }
    }

    #[inline(always)]
    unsafe fn spread(from: *const i8) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let middle = _mm256_broadcastsi128_si256(_mm_loadu_si128(MIDDLE.as_ptr().cast()));
            Self(_mm256_shuffle_epi8(_mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())), middle))
        }
    }
}

/// As [`Avx2`], and multiplies and adds at once.
#[derive(Clone, Copy)]
struct Vnni256(Avx2);

impl Vector for Vnni256 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(Avx2::load(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { self.0.store(to) }
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(Avx2::zero()) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(Avx2::splat(from)) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, a: Self, b: Self) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(Avx2(_mm256_dpwssd_epi32(self.0.0, a.0.0, b.0.0))) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(self.0.add(other.0)) }
    }

    #[inline(always)]
    unsafe fn pairs(from: *const i8) -> [Self; 2] {
        // SAFETY: as the caller promises.
        unsafe { Avx2::pairs(from).map(Self) }
    }

    #[inline(always)]
    unsafe fn spread(from: *const i8) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(Avx2::spread(from)) }
    }
}

#[derive(Clone, Copy)]
struct Vnni512(__m512i);

impl Vector for Vnni512 {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm512_loadu_si512(from.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { _mm512_storeu_si512(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm512_setzero_si512()) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm512_set1_epi32(from.read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, a: Self, b: Self) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm512_dpwssd_epi32(self.0, a.0, b.0)) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self(_mm512_add_epi32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn pairs(from: *const i8) -> [Self; 2] {
        // SAFETY: as the caller promises.
        unsafe {
            let quads = _mm512_loadu_si512(from.cast());
            [Self(_mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(quads))), Self(_mm512_srai_epi16::<8>(quads))]
        }
    }

    #[inline(always)]
    unsafe fn spread(from: *const i8) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let middle = _mm512_broadcast_i32x4(_mm_loadu_si128(MIDDLE.as_ptr().cast()));
            Self(_mm512_shuffle_epi8(_mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast())), middle))
        }
    }
}

/// What becomes of a group's accumulators.
struct To<'a> {
    requants: Requants<'a>,
    /// Whether accumulators of both signs have the same multipliers.
    one_multiplier: bool,
    zero_point: i8,
    channel: usize,
    /// Up to [`GROUP`].
    count: usize,
}

/// Accumulators of a group of channels.
type Accs = [[i32; MAX_BLOCK]; GROUP];

/// What the levels do differently.
///
/// # Safety
/// All functions need a processor of the level.
trait Level {
    /// The widest vectors.
    type Widest: Vector;

    /// Computes the accumulators of `count` channels, from `channel` on. Those of other channels
    /// and pixels may be changed in any way.
    unsafe fn accumulate(job: &Job<'_>, channel: usize, count: usize, accs: &mut Accs);

    /// [`Requant::apply`](crate::fixed::Requant::apply) and [`saturate`] for eight pixels, pixel
    /// by pixel.
    ///
    /// # Safety
    /// `accs` points to eight of a channel, and those of the next are [`MAX_BLOCK`] further.
    unsafe fn requantise(accs: *const i32, to: &To<'_>) -> [[i8; GROUP]; 8];
}

/// A level whose weights are spread to pairs.
///
/// # Safety
/// All functions need a processor of the level.
trait PairLevel: Level {
    /// `pixels`, a multiple of 4, through the weights of 4 or `GROUP` channels.
    ///
    /// # Safety
    /// As [`strip`].
    unsafe fn strips(pixels: usize, channels: usize, strip: Strip);
}

/// Pixels and weights of part of the quads.
#[derive(Clone, Copy)]
struct Strip {
    /// First plane, at the first pixel.
    staged: *const i32,
    /// Words from a plane to the next.
    plane: usize,
    /// Quads of all rows.
    quads: usize,
    taps: usize,
    /// Those of the first channel; the next are [`STRIDE`] words further.
    weights: *const i32,
    /// Those of the first channel; the next are [`MAX_BLOCK`] words further.
    accs: *mut i32,
}

impl Strip {
    /// From another pixel and channel on.
    #[inline(always)]
    fn at(self, pixel: usize, channel: usize) -> Self {
        Self {
            staged: self.staged.wrapping_add(pixel),
            weights: self.weights.wrapping_add(channel * STRIDE),
            accs: self.accs.wrapping_add(channel * MAX_BLOCK + pixel),
            ..self
        }
    }
}

struct Sse2Level;

impl Level for Sse2Level {
    type Widest = Sse2;

    #[inline(always)]
    unsafe fn accumulate(job: &Job<'_>, channel: usize, count: usize, accs: &mut Accs) {
        // SAFETY: as the caller promises.
        unsafe { accumulate_pairs::<Self>(job, channel, count, accs) }
    }

    #[inline(always)]
    unsafe fn requantise(accs: *const i32, to: &To<'_>) -> [[i8; GROUP]; 8] {
        // It has no signed multiplication of 32 bits.
        let mut pixels = [[0; GROUP]; 8];
        for c in 0..to.count {
            let requant = to.requants.at(to.channel + c);
            for (i, pixel) in pixels.iter_mut().enumerate() {
                // SAFETY: as the caller promises.
                let acc = unsafe { accs.add(c * MAX_BLOCK + i).read() };
                pixel[c] = saturate(requant.apply(acc), to.zero_point);
            }
        }
        pixels
    }
}

impl PairLevel for Sse2Level {
    #[inline(always)]
    unsafe fn strips(pixels: usize, channels: usize, job: Strip) {
        let mut at = 0;
        while at < pixels {
            let wide = pixels - at >= 8;
            let mut c = 0;
            while c < channels {
                // SAFETY: as the caller promises.
                unsafe {
                    if wide {
                        strip::<Sse2, 2, 4>(job.at(at, c));
                    } else {
                        strip::<Sse2, 1, 4>(job.at(at, c));
                    }
                }
                c += 4;
            }
            at += if wide { 8 } else { 4 };
        }
    }
}

struct Avx2Level;

impl Level for Avx2Level {
    type Widest = Avx2;

    #[inline(always)]
    unsafe fn accumulate(job: &Job<'_>, channel: usize, count: usize, accs: &mut Accs) {
        // SAFETY: as the caller promises.
        unsafe { accumulate_pairs::<Self>(job, channel, count, accs) }
    }

    #[inline(always)]
    unsafe fn requantise(accs: *const i32, to: &To<'_>) -> [[i8; GROUP]; 8] {
        // SAFETY: as the caller promises.
        unsafe { requantise(accs, to) }
    }
}

impl PairLevel for Avx2Level {
    #[inline(always)]
    unsafe fn strips(pixels: usize, channels: usize, job: Strip) {
        let mut at = 0;
        while at < pixels {
            // SAFETY: as the caller promises.
            at += unsafe {
                match (pixels - at, channels) {
                    (16.., 4) => {
                        strip::<Avx2, 2, 4>(job.at(at, 0));
                        16
                    }
                    (16.., _) => {
                        strip::<Avx2, 2, 4>(job.at(at, 0));
                        strip::<Avx2, 2, 4>(job.at(at, 4));
                        16
                    }
                    (8.., 4) => {
                        strip::<Avx2, 1, 4>(job.at(at, 0));
                        8
                    }
                    (8.., _) => {
                        strip::<Avx2, 1, 8>(job.at(at, 0));
                        8
                    }
                    (_, 4) => {
                        strip::<Sse2, 1, 4>(job.at(at, 0));
                        4
                    }
                    _ => {
                        strip::<Sse2, 1, 8>(job.at(at, 0));
                        4
                    }
                }
            };
        }
    }
}

struct Avx512Level;

impl Level for Avx512Level {
    type Widest = Vnni512;

    #[inline(always)]
    unsafe fn accumulate(job: &Job<'_>, channel: usize, count: usize, accs: &mut Accs) {
        let Job { taps, pixels, column, quads, ref call } = *job;
        let filter = quads * taps * 4;
        let (mut filters, mut starts) = ([call.filters.as_ptr(); GROUP], [0; GROUP]);
        for c in 0..GROUP {
            // Channels past the last repeat it; what they give is thrown away.
            let channel = channel + c.min(count - 1);
            filters[c] = call.filters.as_ptr().wrapping_add(channel * filter);
            starts[c] = call.biases.at(channel);
        }
        // SAFETY: the processor has the level, and the job as many filters as biases.
        unsafe { subtract_sums(filters, filter, &mut starts) };
        let mut at = 0;
        while at < pixels {
            let strip = ByteStrip {
                staged: call.staged.as_ptr().wrapping_add(column + at).cast(),
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
                    (32.., ..=4) => byte_strip::<__m512i, 2, 4>(strip),
                    (32.., _) => byte_strip::<__m512i, 2, 8>(strip),
                    (16.., ..=4) => byte_strip::<__m512i, 1, 4>(strip),
                    (16.., _) => byte_strip::<__m512i, 1, 8>(strip),
                    (8.., ..=4) => byte_strip::<__m256i, 1, 4>(strip),
                    (8.., _) => byte_strip::<__m256i, 1, 8>(strip),
                    (_, ..=4) => byte_strip::<__m128i, 1, 4>(strip),
                    _ => byte_strip::<__m128i, 1, 8>(strip),
                }
            };
        }
    }

    #[inline(always)]
    unsafe fn requantise(accs: *const i32, to: &To<'_>) -> [[i8; GROUP]; 8] {
        // SAFETY: as the caller promises.
        unsafe { requantise(accs, to) }
    }
}

/// Subtracts 128 times the sum of each channel's weights: pixels are 128 too large, as they
/// have to be unsigned.
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

/// Pixels, and weights as they are in the blob.
#[derive(Clone, Copy)]
struct ByteStrip {
    /// First plane, packed, at the first pixel.
    staged: *const i32,
    /// Words from a plane to the next.
    plane: usize,
    /// Quads of all rows.
    quads: usize,
    taps: usize,
    /// Weights of each channel.
    filters: [*const i8; GROUP],
    /// What the accumulators of each channel begin with.
    starts: [i32; GROUP],
    /// Those of the first channel; the next are [`MAX_BLOCK`] words further.
    accs: *mut i32,
}

/// Int32 lanes, each of which is also a quad of int8.
///
/// # Safety
/// All functions need a processor with the instructions of the type, and pointers to
/// as many elements as their comments say, aligned or not.
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

impl Quads for __m128i {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { _mm_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { _mm_storeu_si128(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { _mm_loadu_si128(from.cast()) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, pixels: Self, weights: *const i8) -> Self {
        // SAFETY: as the caller promises.
        unsafe { _mm_dpbusd_epi32(self, pixels, _mm_set1_epi32(weights.cast::<i32>().read_unaligned())) }
    }
}

impl Quads for __m256i {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { _mm256_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { _mm256_storeu_si256(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, pixels: Self, weights: *const i8) -> Self {
        // SAFETY: as the caller promises.
        unsafe { _mm256_dpbusd_epi32(self, pixels, _mm256_set1_epi32(weights.cast::<i32>().read_unaligned())) }
    }
}

impl Quads for __m512i {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: as the caller promises.
        unsafe { _mm512_storeu_si512(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: as the caller promises.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, pixels: Self, weights: *const i8) -> Self {
        // SAFETY: as the caller promises.
        unsafe { _mm512_dpbusd_epi32(self, pixels, _mm512_set1_epi32(weights.cast::<i32>().read_unaligned())) }
    }
}

/// Computes the accumulators of some neighbouring pixels and some channels. Returns how many
/// pixels.
///
/// # Safety
/// The processor has the vectors. Behind the pointers are: the pixels of `quads` packed planes
/// and taps − 1 columns more, `4 · quads · taps` weights of each channel, and
/// accumulators.
#[inline(always)]
unsafe fn byte_strip<V: Quads, const VECTORS: usize, const CHANNELS: usize>(job: ByteStrip) -> usize {
    let ByteStrip { staged: mut first, plane, quads, taps, filters, starts, accs } = job;
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
                sums[c][v].store(accs.add(c * MAX_BLOCK + v * V::LANES));
            }
        }
    }
    VECTORS * V::LANES
}

/// Adds the products of some neighbouring pixels and some channels to their accumulators.
///
/// # Safety
/// The processor has the vectors. Behind the pointers are: the pixels of all planes
/// and taps − 1 columns more, `quads · taps` weights of each word and channel, and
/// accumulators.
#[inline(always)]
unsafe fn strip<V: Vector, const VECTORS: usize, const CHANNELS: usize>(job: Strip) {
    let Strip { staged: mut first, plane, quads, taps, mut weights, accs } = job;
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = [[V::zero(); VECTORS]; CHANNELS];
        for c in 0..CHANNELS {
            for v in 0..VECTORS {
                sums[c][v] = V::load(accs.add(c * MAX_BLOCK + v * V::LANES));
            }
        }
        for _ in 0..quads {
            for t in 0..taps {
                for word in 0..2 {
                    let from = first.add(word * plane + t);
                    let mut pixels = [V::load(from); VECTORS];
                    for v in 1..VECTORS {
                        pixels[v] = V::load(from.add(v * V::LANES));
                    }
                    for c in 0..CHANNELS {
                        let weight = V::splat(weights.add(c * STRIDE + word * CHUNK));
                        for v in 0..VECTORS {
                            sums[c][v] = sums[c][v].multiply_add(pixels[v], weight);
                        }
                    }
                }
                weights = weights.add(1);
            }
            first = first.add(2 * plane);
        }
        for c in 0..CHANNELS {
            for v in 0..VECTORS {
                sums[c][v].store(accs.add(c * MAX_BLOCK + v * V::LANES));
            }
        }
    }
}

/// # Safety
/// The processor has the level.
#[inline(always)]
unsafe fn toeplitz<L: Level>(mut job: Job<'_>) {
    let mut accs = [[0; MAX_BLOCK]; GROUP];
    let channels = job.call.biases.len();
    let mut channel = 0;
    while channel < channels {
        let count = GROUP.min(channels - channel);
        // SAFETY: the processor has the level.
        unsafe {
            L::accumulate(&job, channel, count, &mut accs);
            finish::<L>(&accs, job.pixels, channel, count, channels, &mut job.call.output);
        }
        channel += count;
    }
}

/// [`Level::accumulate`] with weights spread to pairs.
///
/// # Safety
/// The processor has the level.
#[inline(always)]
unsafe fn accumulate_pairs<L: PairLevel>(job: &Job<'_>, channel: usize, count: usize, accs: &mut Accs) {
    let Job { taps, pixels, column, quads, ref call } = *job;
    let plane = pixels + taps;
    let filter = quads * taps * 4;
    let at_once = CHUNK / taps;
    // Channels past the last repeat it; what they give is thrown away.
    let computed = count.next_multiple_of(4);
    for (c, accs) in accs.iter_mut().enumerate().take(count) {
        accs[..pixels].fill(call.biases.at(channel + c));
    }
    let mut weights = [MaybeUninit::<[i32; STRIDE]>::uninit(); GROUP];
    let weights: *mut i32 = weights.as_mut_ptr().cast();
    let mut done = 0;
    while done < quads {
        let now = at_once.min(quads - done);
        for c in 0..computed {
            let from = &call.filters[(channel + c.min(count - 1)) * filter + done * taps * 4..][..now * taps * 4];
            // SAFETY: at most CHUNK quads, for which the channel has room.
            unsafe { spread_all::<L::Widest>(from, weights.add(c * STRIDE)) };
        }
        let strip = Strip {
            staged: call.staged[done * 2 * plane + column..].as_ptr().cast(),
            plane,
            quads: now,
            taps,
            weights,
            accs: accs.as_mut_ptr().cast(),
        };
        // SAFETY: the job has as many planes. Weights of all computed channels have been
        // spread, and there are accumulators for a GROUP.
        unsafe { L::strips(pixels, computed, strip) };
        done += now;
    }
}

/// Spreads the weights of a channel to pairs: first those of channels 0 and 2 of all quads,
/// [`CHUNK`] words further those of 1 and 3.
///
/// # Safety
/// The processor has the vector. `to` has room for as many quads in both places.
#[inline(always)]
unsafe fn spread_all<V: Vector>(from: &[i8], to: *mut i32) {
    let quads = from.len() / 4;
    if quads < V::LANES {
        for (i, &quad) in from.as_chunks::<4>().0.iter().enumerate() {
            let [first, second, ..] = spread(quad, 2).map(u32::cast_signed);
            // SAFETY: there is room for it.
            unsafe {
                to.add(i).write(first);
                to.add(CHUNK + i).write(second);
            }
        }
        return;
    }
    // The last ones begin earlier, if need be, and are spread again.
    let last = quads - V::LANES;
    let mut at = 0;
    loop {
        // SAFETY: `at + LANES` does not exceed the number of quads.
        unsafe {
            let [first, second] = V::pairs(from.as_ptr().add(4 * at));
            first.store(to.add(at));
            second.store(to.add(CHUNK + at));
        }
        if at >= last {
            return;
        }
        at = if at + V::LANES < last { at + V::LANES } else { last };
    }
}

/// Hands `count` of `channels` channels to the output.
///
/// # Safety
/// The processor has the level, and the output has `channels` channels of `pixels` pixels.
#[inline(always)]
unsafe fn finish<L: Level>(
    accs: &Accs,
    pixels: usize,
    channel: usize,
    count: usize,
    channels: usize,
    output: &mut Output<'_>,
) {
    match output {
        Output::Int8 { requants, zero_point, row, step } => {
            let one_multiplier = core::ptr::eq(requants.positive.as_ptr(), requants.negative.as_ptr());
            let to = To { requants: *requants, one_multiplier, zero_point: *zero_point, channel, count };
            let mut i = 0;
            while i < pixels {
                // SAFETY: accumulators are those of MAX_BLOCK pixels, a multiple of 8. The row has
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
        Output::Accumulators(sums) => {
            for (i, sums) in sums.chunks_exact_mut(channels).enumerate().take(pixels) {
                for (c, sum) in sums[channel..channel + count].iter_mut().enumerate() {
                    *sum = accs[c][i];
                }
            }
        }
    }
}

/// [`Level::requantise`].
///
/// # Safety
/// As there; the processor has AVX2.
#[inline(always)]
unsafe fn requantise(accs: *const i32, to: &To<'_>) -> [[i8; GROUP]; 8] {
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
                let requant = to.requants.at(to.channel + c.min(to.count - 1));
                let acc = _mm256_loadu_si256(accs.add(c * MAX_BLOCK).cast());
                let (mut m, mut m_odd) = (_mm256_set1_epi32(requant.positive), _mm256_set1_epi32(requant.positive));
                if !to.one_multiplier {
                    // Chosen by the sign bit, which is that of the float with the same bits.
                    m = _mm256_castps_si256(_mm256_blendv_ps(
                        _mm256_castsi256_ps(m),
                        _mm256_castsi256_ps(_mm256_set1_epi32(requant.negative)),
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

/// # Safety
/// The processor has the level.
#[inline(always)]
unsafe fn dot<L: Level>(job: Job<'_>) {
    /// Channels at once: as many chains of additions.
    const CHANNELS: usize = 4;
    let Call { staged, filters, biases, mut output } = job.call;
    let (lanes, words) = (L::Widest::LANES, 2 * job.quads);
    let mut accs = [[0; MAX_BLOCK]; GROUP];
    let mut channel = 0;
    while channel < biases.len() {
        let count = GROUP.min(biases.len() - channel);
        let mut c = 0;
        while c < count {
            let mut rows = [filters; CHANNELS];
            let mut lane_sums = [[0; 16]; CHANNELS];
            for (k, row) in rows.iter_mut().enumerate() {
                // Channels past the last repeat it.
                let channel = channel + (c + k).min(count - 1);
                *row = &filters[channel * 2 * words..][..2 * words];
            }
            let whole = words - words % lanes;
            // SAFETY: `at + lanes` does not exceed the number of words, nor twice that of
            // weights; and no vector has more than 16 lanes.
            unsafe {
                let mut sums = [L::Widest::zero(); CHANNELS];
                let mut at = 0;
                while at < whole {
                    let pixels = L::Widest::load(staged.as_ptr().cast::<i32>().add(at));
                    for k in 0..CHANNELS {
                        sums[k] = sums[k].multiply_add(pixels, L::Widest::spread(rows[k].as_ptr().add(2 * at)));
                    }
                    at += lanes;
                }
                for k in 0..CHANNELS {
                    sums[k].store(lane_sums[k].as_mut_ptr());
                }
            }
            for k in 0..CHANNELS.min(count - c) {
                let mut acc = biases.at(channel + c + k);
                for sum in lane_sums[k] {
                    acc = acc.wrapping_add(sum);
                }
                for i in whole / 2..words / 2 {
                    let weights = spread([0, 1, 2, 3].map(|j| rows[k][4 * i + j]), 2);
                    for j in 0..2 {
                        acc = multiply_add(acc, staged[2 * i + j], weights[j]);
                    }
                }
                accs[c + k][0] = acc;
            }
            c += CHANNELS;
        }
        // SAFETY: the processor has the level.
        unsafe { finish::<L>(&accs, 1, channel, count, biases.len(), &mut output) };
        channel += count;
    }
}

/// One lane of [`Vector::multiply_add`].
#[inline(always)]
fn multiply_add(acc: i32, a: u32, b: u32) -> i32 {
    let low = i32::from(a as i16).wrapping_mul(i32::from(b as i16));
    let high = (a.cast_signed() >> 16).wrapping_mul(b.cast_signed() >> 16);
    acc.wrapping_add(low).wrapping_add(high)
}

/// # Safety
/// The processor has the vector, and `VECTORS` of them have a lane for each tile.
/// `staged` has `[points][quads][2][TILES]` words, `filters` `[points][quads][2][PAIR]`, and
/// `sums` `[points][PAIR][TILES]`.
#[inline(always)]
unsafe fn products<V: Vector, const VECTORS: usize>(
    staged: *const i32,
    filters: *const i32,
    points: usize,
    quads: usize,
    sums: *mut i32,
) {
    const { assert!(VECTORS * V::LANES == TILES) };
    let (mut staged, mut filters) = (staged, filters);
    for point in 0..points {
        // SAFETY: as the caller promises; each turn takes as much as there is of a quad.
        unsafe {
            // Sums of their own for both words: more chains of additions, which take their time.
            let mut accs = [[[V::zero(); VECTORS]; PAIR]; 2];
            for _ in 0..quads {
                for (word, accs) in accs.iter_mut().enumerate() {
                    for v in 0..VECTORS {
                        let tiles = V::load(staged.add(word * TILES + v * V::LANES));
                        for c in 0..PAIR {
                            accs[c][v] = accs[c][v].multiply_add(tiles, V::splat(filters.add(word * PAIR + c)));
                        }
                    }
                }
                staged = staged.add(2 * TILES);
                filters = filters.add(2 * PAIR);
            }
            for c in 0..PAIR {
                for v in 0..VECTORS {
                    let to = sums.add((point * PAIR + c) * TILES + v * V::LANES);
                    accs[0][c][v].add(accs[1][c][v]).store(to);
                }
            }
        }
    }
}

/// Four pixels and four quads at a time: a transposition.
///
/// # Safety
/// `source` has `columns` pixels of `quads` quads every `pixel` values, `staged` two planes a
/// quad, of which the last may end after `columns` words.
unsafe fn stage(source: *const i8, pixel: usize, quads: usize, columns: usize, plane: usize, staged: *mut u32) {
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
                        let [first, second, ..] = spread(quad, 2);
                        staged.add(2 * k * plane + i).write(first);
                        staged.add((2 * k + 1) * plane + i).write(second);
                    }
                    i += 1;
                    continue;
                }
                // The last ones begin earlier, if need be, and are staged again.
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
                    let [first, second] = pairs(quad);
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
