//! The kernels for Arm. [`raw`](super::raw) calls their assembly.

#[cfg(kernels = "armv6m")]
pub mod armv6m;
#[cfg(kernels = "armv7em")]
pub mod armv7em;
#[cfg(kernels = "armv7m")]
pub mod armv7m;
#[cfg(kernels = "armv8_1m_mve")]
pub mod armv8_1m_mve;
#[cfg(any(kernels = "armv7em", kernels = "armv8_1m_mve"))]
mod processor;
