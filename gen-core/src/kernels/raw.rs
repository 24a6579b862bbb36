//! How Rust calls kernels in assembly, on Arm and RISC-V.
//!
//! The assembly trusts its arguments. They are checked here, so that [`Kernels`] is safe to call with any lists;
//! the checks take a few instructions a block. Arguments that do not fit together are refused. Products of
//! lengths are checked for overflow too, as one that wraps around could seem to fit.
//!
//! [`Kernels`]: super::interface::Kernels

use super::args::{Destination, KernelArgs, stage_fits};
#[cfg(any(kernels = "armv7m", kernels = "armv8_1m_mve"))]
use crate::aligned::ADDRESS_ALIGNMENT;
#[cfg(any(kernels = "armv7m", kernels = "armv8_1m_mve"))]
use crate::packing::PAIR;
use crate::plan::KernelLayout;

/// Arguments of the Toeplitz and dot kernels. The assembly reads the fields at their offsets.
#[repr(C)]
pub struct RawArgs {
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

/// Arguments of the Winograd kernels that only multiply, and transform nothing.
#[cfg(any(kernels = "armv7m", kernels = "armv8_1m_mve"))]
#[repr(C)]
pub struct RawProducts {
    input: *const u32,
    filters: *const i8,
    quads: usize,
    points: usize,
    sums: *mut u32,
}

/// Arguments of the staging of pixels.
#[repr(C)]
pub struct RawStage {
    source: *const i8,
    columns: usize,
    quads: usize,
    pixel: usize,
    output: *mut u32,
    plane: usize,
}

/// Where results go: a part of the arguments.
pub struct RawOutput {
    /// Null if accumulators are stored unchanged.
    pub positive: *const [u8; 4],
    /// The same pointer as `positive` if both signs have the same multipliers.
    pub negative: *const [u8; 4],
    pub zero_point: i32,
    pub output: *mut i8,
    /// Bytes from one pixel to the next.
    pub step: usize,
}

impl RawOutput {
    /// From a destination that was found to fit this many channels.
    pub fn new(output: Destination<'_>, channels: usize) -> Self {
        match output {
            Destination::Int8 { multipliers, zero_point, row, step } => Self {
                positive: multipliers.positive.as_ptr(),
                negative: multipliers.negative.as_ptr(),
                zero_point: zero_point.into(),
                output: row.as_mut_ptr(),
                step,
            },
            Destination::Accumulators(sums) => Self {
                positive: core::ptr::null(),
                negative: core::ptr::null(),
                zero_point: 0,
                output: sums.as_mut_ptr().cast(),
                // At most the bytes of the list, so this cannot overflow.
                step: channels * size_of::<i32>(),
            },
        }
    }
}

impl RawArgs {
    /// Checked arguments of a Toeplitz kernel for `pixels` outputs through `taps` columns, or `None` when the lists
    /// do not fit together.
    ///
    /// The kernel reads planes of `plane` words from word `first` on. A plane is no longer than one that was
    /// staged. Behind the planes it may read `first` or [`KernelLayout::OVERREAD_WORDS`] words more.
    pub fn toeplitz(
        call: KernelArgs<'_>,
        words: usize,
        [taps, pixels]: [usize; 2],
        plane: usize,
        first: usize,
    ) -> Option<Self> {
        let quads = call.quads(words, [taps, pixels], taps + pixels, KernelLayout::OVERREAD_WORDS)?;
        Self::new(call, quads * words * plane, first)
    }

    /// Checked arguments of the dot kernel, or `None` when the lists do not fit together.
    pub fn dot(call: KernelArgs<'_>, words: usize) -> Option<Self> {
        let quads = call.quads(words, [1, 1], 1, 0)?;
        Self::new(call, quads * words, 0)
    }

    /// From arguments that were found to fit, for a kernel that reads `len` words from word `first` on.
    fn new(call: KernelArgs<'_>, len: usize, first: usize) -> Option<Self> {
        let KernelArgs { staged, filters, biases, output } = call;
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

#[cfg(any(kernels = "armv7m", kernels = "armv8_1m_mve"))]
impl RawProducts {
    /// Checked arguments for two output channels of all tiles, or `None` when the lists do not fit together.
    pub fn new(staged: &[u32], filters: &[i8], layout: &KernelLayout, points: usize, sums: &mut [u32]) -> Option<Self> {
        // This bounds `points`, so that the products below cannot wrap around.
        if points > sums.len() / (PAIR * layout.winograd_tiles) {
            return None;
        }
        let quads = staged.len().checked_div(points * layout.winograd_words * layout.winograd_tiles)?;
        let fit = quads > 0
            && filters.len() == (points * 4 * PAIR * size_of::<i16>()).checked_mul(quads)?
            && filters.as_ptr().addr().is_multiple_of(ADDRESS_ALIGNMENT);
        let (input, filters, sums) = (staged.as_ptr(), filters.as_ptr(), sums.as_mut_ptr());
        fit.then_some(Self { input, filters, quads, points, sums })
    }
}

impl RawStage {
    /// Checked arguments, or `None` when the lists do not fit together. A quad has `words` planes.
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

/// Implements [`Kernels`](super::interface::Kernels) by calling assembly.
macro_rules! assembly_kernels {
    (
        $type:ident, $name:literal, $layout:expr,
        missing: $missing:expr,
        toeplitz: { $(($taps:literal, $pixels:literal): $toeplitz:ident,)* },
        $(pack: { $(($pack_taps:literal, $pack_pixels:literal): $pack:ident,)* },)?
        // For (taps, pixels): words of a plane, and the word of it at which column 1 begins.
        plane: $plane:expr,
        dot: $dot:ident,
        stage: $stage:ident,
        tile: $tile:path,
        winograd: $winograd:path $(,)?
    ) => {
        unsafe extern "C" {
            $(fn $toeplitz(call: *const RawArgs);)*
            $($(fn $pack(input: *const u32, output: *mut u32, planes: usize, plane_bytes: usize);)*)?
            fn $dot(call: *const RawArgs);
            fn $stage(call: *const RawStage);
        }

        impl<const SET: u32> Sealed for $type<SET> {}

        impl<const SET: u32> Kernels for $type<SET> {
            const NAME: &'static str = $name;
            const LAYOUT: KernelLayout = $layout;
            const KERNELS: u32 = SET & kernel_set::ALL;

            #[inline]
            fn missing_instructions() -> Option<&'static str> {
                $missing
            }

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
                let call = RawStage::new(source, step, Self::LAYOUT.words_per_quad, [quads, columns], plane, staged);
                let Some(call) = call else { return refuse() };
                // SAFETY: `new` has checked that the lists are as long as the kernel takes them to be.
                unsafe { $stage(&call) }
            }

            $(#[inline]
            fn pack(taps: usize, pixels: usize, staged: &mut [u32]) {
                let kernel: unsafe extern "C" fn(*const u32, *mut u32, usize, usize) = match (taps, pixels) {
                    // The compiler drops the kernels that are not in the set.
                    $(($pack_taps, $pack_pixels) if SET & kernel_set::toeplitz($pack_taps) != 0 => $pack,)*
                    _ => return refuse(),
                };
                let (words, plane) = (staged.as_mut_ptr(), pixels + taps);
                match checked_quotient(staged.len().saturating_sub(KernelLayout::OVERREAD_WORDS), plane) {
                    None | Some(0) => refuse(),
                    // SAFETY: the kernel reads this many planes from the start of the list, and writes no more than
                    // it has read.
                    Some(planes) => unsafe { kernel(words, words, planes, plane * size_of::<u32>()) },
                }
            })?

            #[inline]
            fn toeplitz(taps: usize, pixels: usize, column: usize, call: KernelArgs<'_>) {
                let kernel: unsafe extern "C" fn(*const RawArgs) = match (taps, pixels) {
                    $(($taps, $pixels) if SET & kernel_set::toeplitz($taps) != 0 => $toeplitz,)*
                    _ => return refuse(),
                };
                if column > usize::from(Self::LAYOUT.shares_phases(taps)) {
                    return refuse();
                }
                let (plane, column_1): (usize, usize) = $plane(taps, pixels);
                let call = RawArgs::toeplitz(call, Self::LAYOUT.words_per_quad, [taps, pixels], plane, column * column_1);
                let Some(call) = call else { return refuse() };
                // SAFETY: as above.
                unsafe { kernel(&call) }
            }

            #[inline]
            fn dot(call: KernelArgs<'_>) {
                let Some(call) = RawArgs::dot(call, Self::LAYOUT.words_per_quad) else { return refuse() };
                // SAFETY: as above.
                unsafe { $dot(&call) }
            }

            fn tile(columns: &[&[i8]], per_point: usize, staged: &mut [u32]) {
                $tile(columns, per_point, staged);
            }

            fn winograd(points: usize, count: usize, call: KernelArgs<'_>) {
                $winograd(points, count, call);
            }
        }
    };
}
pub(super) use assembly_kernels;
