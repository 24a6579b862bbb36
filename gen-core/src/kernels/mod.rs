//! The code whose speed matters: it multiplies staged pixels with weights.
//!
//! [`Kernels`] is the interface to a processor's multiplication instructions, [`Native`] the best
//! implementation for the target. Blocks, edges and phases are the same for all kernels and are dealt with
//! in `row.rs`, which calls them.
//!
//! | file | processor | staged as |
//! |---|---|---|
//! | [`portable`] | any; reference for the others, and fallback. For WebAssembly it uses `simd128` if the target has it | int16 pairs |
//! | `arm/armv6m` | Cortex-M0 and M0+: two products with one multiplication | int32 |
//! | `arm/armv7em` | Cortex-M4, M7, M33: two products with one instruction | int16 pairs |
//! | `arm/armv7m` | Cortex-M3 | int32 |
//! | `arm/armv8_1m_mve` | Cortex-M55, with the feature `mve`: sixteen products with one instruction | int8 |
//! | `riscv32` | RV32 with the extension M: two products with one multiplication | int32 |
//! | `x86_64` | x86-64: SSE2, AVX2, AVX-512 | int16 pairs |
//!
//! With the feature `portable`, [`Native`] is the portable implementation on every processor.

mod args;
#[cfg(any(kernels = "armv6m", kernels = "armv7em", kernels = "armv7m", kernels = "armv8_1m_mve"))]
mod arm;
mod generic;
mod interface;
pub mod portable;
#[cfg(any(kernels = "armv6m", kernels = "armv7em", kernels = "armv7m", kernels = "armv8_1m_mve", kernels = "riscv32"))]
mod raw;
#[cfg(kernels = "riscv32")]
mod riscv32;
// Also where other kernels are chosen, as tests compare them. Not for targets without vector registers.
#[cfg(all(feature = "x86", target_arch = "x86_64", target_feature = "sse2"))]
pub mod x86_64;

pub use args::{Destination, KernelArgs};
pub(crate) use args::{channels4, widen_i8x4};
pub use interface::Kernels;

// build.rs chooses by the target's name.
/// Some of the kernels for the processor that this is compiled for: a [`kernel_set`](crate::plan::kernel_set). The others
/// are not linked. Only the kernels in assembly are that many; other processors have all of theirs.
#[cfg(kernels = "armv6m")]
pub type NativeFor<const SET: u32> = arm::armv6m::Armv6m<SET>;
/// As above.
#[cfg(kernels = "armv7em")]
pub type NativeFor<const SET: u32> = arm::armv7em::Armv7em<SET>;
/// As above.
#[cfg(kernels = "armv7m")]
pub type NativeFor<const SET: u32> = arm::armv7m::Armv7m<SET>;
/// As above.
#[cfg(kernels = "armv8_1m_mve")]
pub type NativeFor<const SET: u32> = arm::armv8_1m_mve::Armv8_1mMve<SET>;
/// As above.
#[cfg(kernels = "riscv32")]
pub type NativeFor<const SET: u32> = riscv32::Riscv32<SET>;
/// As above.
#[cfg(kernels = "x86_64")]
pub type NativeFor<const SET: u32> = x86_64::X86_64;
/// As above.
#[cfg(kernels = "portable")]
pub type NativeFor<const SET: u32> = portable::Portable;

/// The kernels for the processor that this is compiled for.
pub type Native = NativeFor<{ crate::plan::kernel_set::ALL }>;
