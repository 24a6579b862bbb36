//! Which kernels a build has: one rule for `build.rs`, which compiles this file too, and for
//! [`for_target`](crate::tiling::for_target).
//!
//! | target | kernels | with `no-dsp` | with `mve` |
//! |---|---|---|---|
//! | `thumbv8m.main-*` | `dsp` | `mla` | `mve` |
//! | `thumbv7em-*` | `dsp` | `mla` | refused |
//! | `thumbv7m-*` | `mla` | `mla` | refused |
//! | other Cortex-M (`thumbv6m-*`, `thumbv8m.base-*`) | `portable` | `portable` | refused |
//! | x86-64 with SSE2 | `x86_64` | `x86_64` | `x86_64` |
//! | everything else | `portable` | `portable` | `portable` |
//!
//! `portable` goes before all the others, wherever they come from. Off a Cortex-M the other two mean
//! nothing and are ignored, so that all features together build and test on a host.

/// Name of the kernels of a target. `sse2`: whether the target has these instructions.
pub fn kernels(triple: &str, sse2: bool, feature: impl Fn(&str) -> bool) -> &'static str {
    match triple.split('-').next() {
        _ if feature("portable") => "portable",
        Some("thumbv8m.main") if feature("mve") => "mve",
        Some("thumbv8m.main" | "thumbv7em") if !feature("no-dsp") => "dsp",
        Some("thumbv8m.main" | "thumbv7em" | "thumbv7m") => "mla",
        Some("x86_64") if sse2 => "x86_64",
        _ => "portable",
    }
}

/// Why these features make no program that runs on the target.
#[allow(dead_code, reason = "the build script asks, and this file is part of both")]
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
