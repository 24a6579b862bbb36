//! What the families of Thumb kernels share: how Rust calls them.
//!
//! The assembly trusts its arguments. Here they are checked, so that [`Kernels`] is safe
//! to call with anything; it costs a few instructions a block. Arguments that do not fit
//! together are refused, as [`Kernels`] says. [`row`](crate::row) has none.
//!
//! Products of lengths are checked as well: one that wraps around could fit.
//!
//! [`Kernels`]: super::Kernels

use super::{Call, Output, stage_fits};
use crate::tiling::Tiling;
#[cfg(not(kernels = "dsp"))]
use crate::{blob::ADDRESS_ALIGNMENT, packing::PAIR};

/// Arguments of the Toeplitz and dot kernels; the assembly knows the offsets.
#[repr(C)]
pub struct RawCall {
    input: *const u32,
    input_end: *const u32,
    filters: *const i8,
    biases: *const [u8; 4],
    positive: *const [u8; 4],
    negative: *const [u8; 4],
    zero_point: i32,
    output: *mut i8,
    step: usize,
    channels: usize,
}

/// Arguments of the Winograd kernels that only multiply.
#[cfg(not(kernels = "dsp"))]
#[repr(C)]
pub struct RawProducts {
    input: *const u32,
    filters: *const i8,
    quads: usize,
    points: usize,
    sums: *mut u32,
}

/// Arguments of the staging.
#[repr(C)]
pub struct RawStage {
    source: *const i8,
    columns: usize,
    quads: usize,
    pixel: usize,
    output: *mut u32,
    plane: usize,
}

/// The part of the arguments that says where results go.
pub struct RawOutput {
    /// Null for accumulators as they are.
    pub positive: *const [u8; 4],
    /// The same as `positive` where one multiplier does.
    pub negative: *const [u8; 4],
    pub zero_point: i32,
    pub output: *mut i8,
    /// Bytes from a pixel to the next.
    pub step: usize,
}

impl RawOutput {
    /// Of an output that was found to fit so many channels.
    pub fn new(output: Output<'_>, channels: usize) -> Self {
        match output {
            Output::Int8 { requants, zero_point, row, step } => Self {
                positive: requants.positive.as_ptr(),
                negative: requants.negative.as_ptr(),
                zero_point: zero_point.into(),
                output: row.as_mut_ptr(),
                step,
            },
            Output::Accumulators(sums) => Self {
                positive: core::ptr::null(),
                negative: core::ptr::null(),
                zero_point: 0,
                output: sums.as_mut_ptr().cast(),
                // No more than the bytes of the list.
                step: channels * size_of::<i32>(),
            },
        }
    }
}

impl RawCall {
    /// Checked arguments of a Toeplitz kernel for `pixels` outputs through `taps` columns. It reads
    /// planes of `plane` words, which are no longer than those that were staged, from word `first` on,
    /// and past them up to `first` words, or up to what there are to
    /// [spare](crate::tiling::Tiling::SPARE). `None` when the lists do not fit together.
    pub fn toeplitz(
        call: Call<'_>,
        words: usize,
        [taps, pixels]: [usize; 2],
        plane: usize,
        first: usize,
    ) -> Option<Self> {
        let quads = call.quads(words, [taps, pixels], taps + pixels, Tiling::SPARE)?;
        Self::new(call, quads * words * plane, first)
    }

    /// Checked arguments of the dot kernel. `None` when the lists do not fit together.
    pub fn dot(call: Call<'_>, words: usize) -> Option<Self> {
        let quads = call.quads(words, [1, 1], 1, 0)?;
        Self::new(call, quads * words, 0)
    }

    /// Of a call that was found to fit, whose kernel reads `len` words from word `first` on.
    fn new(call: Call<'_>, len: usize, first: usize) -> Option<Self> {
        let Call { staged, filters, biases, output } = call;
        let channels = biases.len();
        let input = staged.get(first..)?.as_ptr();
        let RawOutput { positive, negative, zero_point, output, step } = RawOutput::new(output, channels);
        Some(Self {
            input,
            input_end: input.wrapping_add(len), // compared, never read
            filters: filters.as_ptr(),
            biases: biases.as_ptr(),
            positive,
            negative,
            zero_point,
            output,
            step,
            channels,
        })
    }
}

#[cfg(not(kernels = "dsp"))]
impl RawProducts {
    /// Checked arguments for two output channels of all tiles; `None` when the lists do not fit together.
    pub fn new(staged: &[u32], filters: &[i8], tiling: &Tiling, points: usize, sums: &mut [u32]) -> Option<Self> {
        // This bounds `points`, so that the other lengths cannot wrap around.
        if points > sums.len() / (PAIR * tiling.tiles) {
            return None;
        }
        let quads = staged.len().checked_div(points * tiling.winograd_words * tiling.tiles)?;
        let fit = quads > 0
            && filters.len() == (points * 4 * PAIR * size_of::<i16>()).checked_mul(quads)?
            && filters.as_ptr().addr().is_multiple_of(ADDRESS_ALIGNMENT);
        let (input, filters, sums) = (staged.as_ptr(), filters.as_ptr(), sums.as_mut_ptr());
        fit.then_some(Self { input, filters, quads, points, sums })
    }
}

impl RawStage {
    /// Checked arguments; `None` when the lists do not fit together. A quad has `words` planes.
    pub fn new(
        source: &[i8],
        step: usize,
        words: usize,
        [quads, columns]: [usize; 2],
        plane: usize,
        staged: &mut [u32],
    ) -> Option<Self> {
        let fit = stage_fits([source.len(), staged.len()], step, words, [quads, columns], plane);
        let (source, output) = (source.as_ptr(), staged.as_mut_ptr());
        fit.then_some(Self { source, columns, quads, pixel: step, output, plane })
    }
}

/// Implements [`Kernels`](super::Kernels) by calling assembly.
macro_rules! thumb_kernels {
    (
        $type:ident, $name:literal, $tiling:expr,
        toeplitz: { $(($taps:literal, $pixels:literal): $toeplitz:ident,)* },
        $(pack: { $(($pack_taps:literal, $pack_pixels:literal): $pack:ident,)* },)?
        // Words in a plane, and those that column 1 begins after, for (taps, pixels).
        plane: $plane:expr,
        dot: $dot:ident,
        stage: $stage:ident,
        tile: $tile:path,
        winograd: $winograd:path $(,)?
    ) => {
        unsafe extern "C" {
            $(fn $toeplitz(call: *const RawCall);)*
            $($(fn $pack(input: *const u32, output: *mut u32, planes: usize, plane_bytes: usize);)*)?
            fn $dot(call: *const RawCall);
            fn $stage(call: *const RawStage);
        }

        impl Kernels for $type {
            const NAME: &'static str = $name;
            const TILING: Tiling = $tiling;

            #[inline]
            fn stage(
                source: &[i8],
                step: usize,
                quads: usize,
                columns: usize,
                plane: usize,
                staged: &mut [u32],
            ) {
                if columns == 0 || quads == 0 {
                    return;
                }
                let call = RawStage::new(source, step, Self::TILING.words, [quads, columns], plane, staged);
                let Some(call) = call else { return refuse() };
                // SAFETY: `new` has checked that the lists are as long as the kernel takes them to be.
                unsafe { $stage(&call) }
            }

            $(#[inline]
            fn pack(taps: usize, pixels: usize, staged: &mut [u32]) {
                let kernel: unsafe extern "C" fn(*const u32, *mut u32, usize, usize) = match (taps, pixels) {
                    $(($pack_taps, $pack_pixels) => $pack,)*
                    _ => return refuse(),
                };
                let (words, plane) = (staged.as_mut_ptr(), pixels + taps);
                match staged.len().saturating_sub(Tiling::SPARE).checked_div(plane) {
                    None | Some(0) => refuse(),
                    // SAFETY: it reads so many planes from the list's start on, and writes no more than it has read.
                    Some(planes) => unsafe { kernel(words, words, planes, plane * size_of::<u32>()) },
                }
            })?

            #[inline]
            fn toeplitz(taps: usize, pixels: usize, column: usize, call: Call<'_>) {
                let kernel: unsafe extern "C" fn(*const RawCall) = match (taps, pixels) {
                    $(($taps, $pixels) => $toeplitz,)*
                    _ => return refuse(),
                };
                if column > usize::from(Self::TILING.shares(taps)) {
                    return refuse();
                }
                let (plane, after): (usize, usize) = $plane(taps, pixels);
                let call = RawCall::toeplitz(call, Self::TILING.words, [taps, pixels], plane, column * after);
                let Some(call) = call else { return refuse() };
                // SAFETY: as above.
                unsafe { kernel(&call) }
            }

            #[inline]
            fn dot(call: Call<'_>) {
                let Some(call) = RawCall::dot(call, Self::TILING.words) else { return refuse() };
                // SAFETY: as above.
                unsafe { $dot(&call) }
            }

            fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
                $tile(columns, per_point, staged);
            }

            fn winograd(points: usize, count: usize, call: Call<'_>) {
                $winograd(points, count, call);
            }
        }
    };
}
pub(super) use thumb_kernels;
