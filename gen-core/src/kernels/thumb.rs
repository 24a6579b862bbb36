//! What the families of Thumb kernels share: how Rust calls them.
//!
//! The assembly trusts its arguments. Here they are checked, so that [`Kernels`] is safe
//! to call with anything; it costs a few instructions a block. Arguments that do not fit
//! together are refused: nothing is computed. [`row`](crate::row) has none.
//!
//! [`Kernels`]: super::Kernels

use super::{Call, Output};
#[cfg(not(kernels = "dsp"))]
use crate::packing::PAIR;
use crate::tiling::Tiling;

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

/// Words that a weight is loaded in begin at multiples of this.
pub const ALIGNMENT: usize = 4;

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
    /// Checked arguments; `None` when there is no room for so many channels of so many pixels, or
    /// there are fewer multipliers.
    pub fn new(output: Output<'_>, channels: usize, pixels: usize) -> Option<Self> {
        match output {
            Output::Int8 { requants, zero_point, row, step } => {
                let enough = requants.positive.len() == channels && requants.negative.len() == channels;
                let len = (pixels - 1).checked_mul(step)?.checked_add(channels)?;
                (enough && len <= row.len()).then_some(Self {
                    positive: requants.positive.as_ptr(),
                    negative: requants.negative.as_ptr(),
                    zero_point: zero_point.into(),
                    output: row.as_mut_ptr(),
                    step,
                })
            }
            Output::Accumulators(sums) => (sums.len() >= pixels * channels).then_some(Self {
                positive: core::ptr::null(),
                negative: core::ptr::null(),
                zero_point: 0,
                output: sums.as_mut_ptr().cast(),
                step: channels * size_of::<i32>(),
            }),
        }
    }
}

impl RawCall {
    /// Checked arguments for `pixels` outputs through `taps` columns. A quad is staged in `words`
    /// planes of `plane` words; the kernel begins at word `first`, and reads past the planes
    /// up to `first` words, or up to what there are to [spare](crate::tiling::Tiling::SPARE).
    /// `None` when a list is too short for what the others say, or weights are not aligned.
    pub fn new(call: Call<'_>, words: usize, [taps, pixels]: [usize; 2], plane: usize, first: usize) -> Option<Self> {
        let Call { staged, filters, biases, output } = call;
        let channels = biases.len();
        let quads = filters.len().checked_div(channels * taps * 4)?;
        let len = quads * words * plane;
        let fit = quads > 0
            && filters.len() == quads * channels * taps * 4
            && staged.len() >= len + if first == 0 { 0 } else { Tiling::SPARE }
            && filters.as_ptr().addr().is_multiple_of(ALIGNMENT);
        let input = staged.get(first..).filter(|_| fit)?.as_ptr();
        let RawOutput { positive, negative, zero_point, output, step } = RawOutput::new(output, channels, pixels)?;
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
    /// Checked arguments for two output channels of all tiles; `None` when a list is too short for
    /// what the others say, or weights are not aligned.
    pub fn new(staged: &[u32], filters: &[i8], tiling: &Tiling, points: usize, sums: &mut [u32]) -> Option<Self> {
        // This bounds `points`, so that the other lengths cannot wrap around.
        if points > sums.len() / (PAIR * tiling.tiles) {
            return None;
        }
        let quads = staged.len().checked_div(points * tiling.winograd_words * tiling.tiles)?;
        let fit = quads > 0
            && filters.len() == points * quads * 4 * PAIR * size_of::<i16>()
            && filters.as_ptr().addr().is_multiple_of(ALIGNMENT);
        let (input, filters, sums) = (staged.as_ptr(), filters.as_ptr(), sums.as_mut_ptr());
        fit.then_some(Self { input, filters, quads, points, sums })
    }
}

impl RawStage {
    /// Checked arguments; `None` when there is nothing to stage, or a list is too short for what
    /// the others say. A quad has `words` planes.
    pub fn new(
        source: &[i8],
        step: usize,
        words: usize,
        [quads, columns]: [usize; 2],
        plane: usize,
        staged: &mut [u32],
    ) -> Option<Self> {
        if columns == 0 || quads == 0 {
            return None;
        }
        let read = (columns - 1).checked_mul(step)?.checked_add(quads.checked_mul(4)?)?;
        let written = (quads.checked_mul(words)? - 1).checked_mul(plane)?.checked_add(columns)?;
        let (from, output) = (source.as_ptr(), staged.as_mut_ptr());
        let fit = read <= source.len() && written <= staged.len();
        fit.then_some(Self { source: from, columns, quads, pixel: step, output, plane })
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
            const ALIGNMENT: usize = thumb::ALIGNMENT;

            #[inline]
            fn stage(
                source: &[i8],
                step: usize,
                quads: usize,
                columns: usize,
                plane: usize,
                staged: &mut [u32],
            ) {
                if let Some(call) = RawStage::new(source, step, Self::TILING.words, [quads, columns], plane, staged) {
                    // SAFETY: `new` has checked that the lists are as long as the kernel takes them to be.
                    unsafe { $stage(&call) }
                }
            }

            $(#[inline]
            fn pack(taps: usize, pixels: usize, staged: &mut [u32]) {
                let kernel: unsafe extern "C" fn(*const u32, *mut u32, usize, usize) = match (taps, pixels) {
                    $(($pack_taps, $pack_pixels) => $pack,)*
                    _ => return,
                };
                let (words, plane) = (staged.as_mut_ptr(), pixels + taps);
                match staged.len().saturating_sub(Tiling::SPARE).checked_div(plane) {
                    None | Some(0) => {}
                    // SAFETY: it reads so many planes from the list's start on, and writes no more than it has read.
                    Some(planes) => unsafe { kernel(words, words, planes, plane * size_of::<u32>()) },
                }
            })?

            #[inline]
            fn toeplitz(taps: usize, pixels: usize, column: usize, call: Call<'_>) {
                let kernel: unsafe extern "C" fn(*const RawCall) = match (taps, pixels) {
                    $(($taps, $pixels) => $toeplitz,)*
                    _ => return,
                };
                if column > usize::from(Self::TILING.shares(taps)) {
                    return;
                }
                let (plane, after): (usize, usize) = $plane(taps, pixels);
                if let Some(call) = RawCall::new(call, Self::TILING.words, [taps, pixels], plane, column * after) {
                    // SAFETY: as above.
                    unsafe { kernel(&call) }
                }
            }

            #[inline]
            fn dot(call: Call<'_>) {
                if let Some(call) = RawCall::new(call, Self::TILING.words, [1, 1], 1, 0) {
                    // SAFETY: as above.
                    unsafe { $dot(&call) }
                }
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
