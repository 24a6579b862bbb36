//! SSE2 and AVX2: products of int16 pairs. The weights are widened for a group of output channels at a time, into a
//! buffer on the stack from which they are broadcast.

use core::mem::MaybeUninit;

use super::block::{Accumulators, CheckedArgs, GROUP, Level, Requantize};
use super::requantize;
use super::vector::{Avx2, Sse2, Vector};
use crate::kernels::args::widen_i8x4;
use crate::plan::MAX_BLOCK_PIXELS;

/// Quads of weights of a channel that are widened at a time.
const CHUNK: usize = 128;

/// Words from one widened channel to the next. Not a multiple of a page, as all channels would then compete for the
/// same few cache lines.
const STRIDE: usize = 2 * CHUNK + 16;

/// A level that multiplies pairs of int16, and widens the weights to them.
///
/// # Safety
/// All functions need a processor of the level.
trait PairLevel: Level {
    /// Adds the products of `pixels`, a multiple of 4, with the weights of 4 or [`GROUP`] channels.
    ///
    /// # Safety
    /// As [`pair_tile`].
    unsafe fn tiles(pixels: usize, channels: usize, tile: PairTile);
}

/// Pixels and weights of some of the quads, and the accumulators that their products are added to.
#[derive(Clone, Copy)]
struct PairTile {
    /// The first plane, from the first pixel on.
    staged: *const i32,
    /// Words from one plane to the next.
    plane: usize,
    /// Quads of all rows.
    quads: usize,
    taps: usize,
    /// The weights of the first channel. Those of the next are [`STRIDE`] words further.
    weights: *const i32,
    /// The accumulators of the first channel. Those of the next are [`MAX_BLOCK_PIXELS`] words further.
    accs: *mut i32,
}

impl PairTile {
    /// The same from another pixel and channel on.
    #[inline(always)]
    fn at(self, pixel: usize, channel: usize) -> Self {
        Self {
            staged: self.staged.wrapping_add(pixel),
            weights: self.weights.wrapping_add(channel * STRIDE),
            accs: self.accs.wrapping_add(channel * MAX_BLOCK_PIXELS + pixel),
            ..self
        }
    }
}

pub(super) struct Sse2Level;

impl Level for Sse2Level {
    type Widest = Sse2;

    #[inline(always)]
    unsafe fn accumulate(job: &CheckedArgs<'_>, channel: usize, count: usize, accs: &mut Accumulators) {
        // SAFETY: as the caller promises.
        unsafe { accumulate_pairs::<Self>(job, channel, count, accs) }
    }

    #[inline(always)]
    unsafe fn requantise(accs: *const i32, to: &Requantize<'_>) -> [[i8; GROUP]; 8] {
        // SAFETY: as the caller promises.
        unsafe { requantize::sse2(accs, to) }
    }
}

impl PairLevel for Sse2Level {
    #[inline(always)]
    unsafe fn tiles(pixels: usize, channels: usize, job: PairTile) {
        let mut at = 0;
        while at < pixels {
            let wide = pixels - at >= 8;
            let mut c = 0;
            while c < channels {
                // SAFETY: as the caller promises.
                unsafe {
                    if wide {
                        pair_tile::<Sse2, 2, 4>(job.at(at, c));
                    } else {
                        pair_tile::<Sse2, 1, 4>(job.at(at, c));
                    }
                }
                c += 4;
            }
            at += if wide { 8 } else { 4 };
        }
    }
}

pub(super) struct Avx2Level;

impl Level for Avx2Level {
    type Widest = Avx2;

    #[inline(always)]
    unsafe fn accumulate(job: &CheckedArgs<'_>, channel: usize, count: usize, accs: &mut Accumulators) {
        // SAFETY: as the caller promises.
        unsafe { accumulate_pairs::<Self>(job, channel, count, accs) }
    }

    #[inline(always)]
    unsafe fn requantise(accs: *const i32, to: &Requantize<'_>) -> [[i8; GROUP]; 8] {
        // SAFETY: as the caller promises.
        unsafe { requantize::avx2(accs, to) }
    }
}

impl PairLevel for Avx2Level {
    #[inline(always)]
    unsafe fn tiles(pixels: usize, channels: usize, job: PairTile) {
        let mut at = 0;
        while at < pixels {
            // SAFETY: as the caller promises.
            at += unsafe {
                match (pixels - at, channels) {
                    (16.., 4) => {
                        pair_tile::<Avx2, 2, 4>(job.at(at, 0));
                        16
                    }
                    (16.., _) => {
                        pair_tile::<Avx2, 2, 4>(job.at(at, 0));
                        pair_tile::<Avx2, 2, 4>(job.at(at, 4));
                        16
                    }
                    (8.., 4) => {
                        pair_tile::<Avx2, 1, 4>(job.at(at, 0));
                        8
                    }
                    (8.., _) => {
                        pair_tile::<Avx2, 1, 8>(job.at(at, 0));
                        8
                    }
                    (_, 4) => {
                        pair_tile::<Sse2, 1, 4>(job.at(at, 0));
                        4
                    }
                    _ => {
                        pair_tile::<Sse2, 1, 8>(job.at(at, 0));
                        4
                    }
                }
            };
        }
    }
}

/// Adds the products of some neighbouring pixels and some channels to their accumulators.
///
/// # Safety
/// The processor has the vectors. Behind the pointers are: the pixels of all planes
/// and taps − 1 columns more, `quads · taps` weights of each word and channel, and
/// accumulators.
#[inline(always)]
unsafe fn pair_tile<V: Vector, const VECTORS: usize, const CHANNELS: usize>(job: PairTile) {
    let PairTile { staged: mut first, plane, quads, taps, mut weights, accs } = job;
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = [[V::zero(); VECTORS]; CHANNELS];
        for c in 0..CHANNELS {
            for v in 0..VECTORS {
                sums[c][v] = V::load(accs.add(c * MAX_BLOCK_PIXELS + v * V::LANES));
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
                sums[c][v].store(accs.add(c * MAX_BLOCK_PIXELS + v * V::LANES));
            }
        }
    }
}

/// [`Level::accumulate`] with pairs.
///
/// # Safety
/// The processor has the level.
#[inline(always)]
unsafe fn accumulate_pairs<L: PairLevel>(job: &CheckedArgs<'_>, channel: usize, count: usize, accs: &mut Accumulators) {
    let CheckedArgs { taps, pixels, column, quads, ref args } = *job;
    let plane = pixels + taps;
    let filter = quads * taps * 4;
    let at_once = CHUNK / taps;
    // Channels past the last are computed with its weights, and their results are ignored.
    let computed = count.next_multiple_of(4);
    for (c, accs) in accs.iter_mut().enumerate().take(count) {
        accs[..pixels].fill(args.biases.at(channel + c));
    }
    let mut weights = [MaybeUninit::<[i32; STRIDE]>::uninit(); GROUP];
    let weights: *mut i32 = weights.as_mut_ptr().cast();
    let mut done = 0;
    while done < quads {
        let now = at_once.min(quads - done);
        for c in 0..computed {
            let from = &args.filters[(channel + c.min(count - 1)) * filter + done * taps * 4..][..now * taps * 4];
            // SAFETY: at most CHUNK quads, for which the channel has room.
            unsafe { widen_channel::<L::Widest>(from, weights.add(c * STRIDE)) };
        }
        let tile = PairTile {
            staged: args.staged[done * 2 * plane + column..].as_ptr().cast(),
            plane,
            quads: now,
            taps,
            weights,
            accs: accs.as_mut_ptr().cast(),
        };
        // SAFETY: the job has as many planes. The weights of all computed channels have been
        // widened, and there are accumulators for a GROUP.
        unsafe { L::tiles(pixels, computed, tile) };
        done += now;
    }
}

/// Widens the weights of an output channel to pairs: those of the input channels 0 and 2 of all quads, and
/// [`CHUNK`] words further those of 1 and 3.
///
/// # Safety
/// The processor has the vector. `to` has room for as many quads in both places.
#[inline(always)]
unsafe fn widen_channel<V: Vector>(from: &[i8], to: *mut i32) {
    let quads = from.len() / 4;
    if quads < V::LANES {
        for (i, &quad) in from.as_chunks::<4>().0.iter().enumerate() {
            let [first, second, ..] = widen_i8x4(quad, 2).map(u32::cast_signed);
            // SAFETY: there is room for it.
            unsafe {
                to.add(i).write(first);
                to.add(CHUNK + i).write(second);
            }
        }
        return;
    }
    // The last vector begins earlier if necessary, and widens some quads again.
    let last = quads - V::LANES;
    let mut at = 0;
    loop {
        // SAFETY: `at + LANES` does not exceed the number of quads.
        unsafe {
            let [first, second] = V::widen(from.as_ptr().add(4 * at));
            first.store(to.add(at));
            second.store(to.add(CHUNK + at));
        }
        if at >= last {
            return;
        }
        at = if at + V::LANES < last { at + V::LANES } else { last };
    }
}
