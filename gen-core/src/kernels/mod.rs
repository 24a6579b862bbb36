//! The code whose speed matters: it multiplies staged pixels with weights.
//!
//! [`Kernels`] is the interface to a processor's multiplication instructions, [`Native`] the best
//! implementation for the target. Blocks, edges and phases are the same for all kernels and are dealt with
//! in `row.rs`, which calls them.
//!
//! | file | processor | staged as |
//! |---|---|---|
//! | [`portable`] | any; reference for the others, and fallback | int16 pairs |
//! | `arm/armv7em` | Cortex-M4, M7, M33: two products with one instruction | int16 pairs |
//! | `arm/armv7m` | Cortex-M3 | int32 |
//! | `arm/armv8_1m_mve` | Cortex-M55, with the feature `mve`: sixteen products with one instruction | int8 |
//! | `x86_64` | x86-64: SSE2, AVX2, AVX-512 | int16 pairs |
//!
//! With the feature `portable`, [`Native`] is the portable implementation on every processor.

mod args;
#[cfg(any(kernels = "armv7em", kernels = "armv7m", kernels = "armv8_1m_mve"))]
mod arm;
mod generic;
mod interface;
pub mod portable;
// Also where other kernels are chosen, as tests compare them. Not for targets without vector registers.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub mod x86_64;

pub use args::{Destination, KernelArgs};
pub(crate) use args::{channels4, widen_i8x4};
pub use interface::Kernels;

// build.rs chooses by the target's name.
/// The kernels for the processor that this is compiled for.
#[cfg(kernels = "armv7em")]
pub type Native = arm::armv7em::Armv7em;
/// The kernels for the processor that this is compiled for.
#[cfg(kernels = "armv7m")]
pub type Native = arm::armv7m::Armv7m;
/// The kernels for the processor that this is compiled for.
#[cfg(kernels = "armv8_1m_mve")]
pub type Native = arm::armv8_1m_mve::Armv8_1mMve;
/// The kernels for the processor that this is compiled for.
#[cfg(kernels = "x86_64")]
pub type Native = x86_64::X86_64;
/// The kernels for the processor that this is compiled for.
#[cfg(kernels = "portable")]
pub type Native = portable::Portable;
