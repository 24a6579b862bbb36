//! The dot product: one output pixel.

use super::block::{CheckedArgs, GROUP, Level};
use super::requantize::finish;
use super::vector::Vector;
use crate::kernels::args::{KernelArgs, widen_i8x4};
use crate::plan::MAX_BLOCK_PIXELS;

/// One output pixel, for every output channel.
///
/// # Safety
/// The processor has the level.
#[inline(always)]
pub(super) unsafe fn dot<L: Level>(job: CheckedArgs<'_>) {
    /// Channels that are computed together, so that their additions do not wait for each other.
    const CHANNELS: usize = 4;
    let KernelArgs { staged, filters, biases, mut output } = job.args;
    let (lanes, words) = (L::Widest::LANES, 2 * job.quads);
    let mut accs = [[0; MAX_BLOCK_PIXELS]; GROUP];
    let mut channel = 0;
    while channel < biases.len() {
        let count = GROUP.min(biases.len() - channel);
        let mut c = 0;
        while c < count {
            let mut rows = [filters; CHANNELS];
            let mut lane_sums = [[0; 16]; CHANNELS];
            for (k, row) in rows.iter_mut().enumerate() {
                // Channels past the last repeat it; their results are ignored.
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
                        sums[k] =
                            sums[k].multiply_add(pixels, L::Widest::widen_side_by_side(rows[k].as_ptr().add(2 * at)));
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
                    let weights = widen_i8x4([0, 1, 2, 3].map(|j| rows[k][4 * i + j]), 2);
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
