//! Chooses the kernels of a target. `build.rs` compiles this file too, so that it has the same rule as
//! [`for_target`](crate::plan::for_target).
//!
//! | target | kernels | with `no-dsp` | with `mve` |
//! |---|---|---|---|
//! | `thumbv8m.main-*` | `armv7em` | `armv7m` | `armv8_1m_mve` |
//! | `thumbv7em-*` | `armv7em` | `armv7m` | refused |
//! | `thumbv7m-*` | `armv7m` | `armv7m` | refused |
//! | `thumbv6m-*`, `thumbv8m.base-*` | `armv6m` | `armv6m` | refused |
//! | `riscv32im*` | `riscv32` | `riscv32` | `riscv32` |
//! | x86-64 with SSE2 | `x86_64` | `x86_64` | `x86_64` |
//! | everything else | `portable` | `portable` | `portable` |
//!
//! The feature `portable` overrides the other two. On anything but a Cortex-M these have no effect, so that all
//! features together build and pass their tests on a host.

/// Name of the kernels of a target. `sse2`: whether the target has these instructions.
pub fn kernels(triple: &str, sse2: bool, feature: impl Fn(&str) -> bool) -> &'static str {
    match triple.split('-').next() {
        _ if feature("portable") => "portable",
        Some("thumbv8m.main") if feature("mve") => "armv8_1m_mve",
        Some("thumbv8m.main" | "thumbv7em") if !feature("no-dsp") => "armv7em",
        Some("thumbv8m.main" | "thumbv7em" | "thumbv7m") => "armv7m",
        Some("thumbv6m" | "thumbv8m.base") => "armv6m",
        Some(core) if core.starts_with("riscv32im") => "riscv32",
        Some("x86_64") if sse2 => "x86_64",
        _ => "portable",
    }
}

/// Why a program with these features cannot run on the target; `None` if it can.
#[allow(dead_code, reason = "only the build script calls it")]
pub fn contradiction(triple: &str, feature: impl Fn(&str) -> bool) -> Option<&'static str> {
    if feature("portable") || !feature("mve") {
        return None;
    }
    match triple.split('-').next() {
        Some("thumbv8m.main") if feature("no-dsp") => Some(
            "the features `mve` and `no-dsp` contradict each other: a processor with MVE has DSP instructions. Choose \
             one of them, or `portable`, which goes before both",
        ),
        Some("thumbv8m.main") => None,
        Some(core) if core.starts_with("thumb") => Some(
            "the feature `mve` is for an Armv8.1-M with MVE, such as the Cortex-M55, and its target thumbv8m.main: no \
             processor of this target has MVE. Leave it out",
        ),
        _ => None,
    }
}
