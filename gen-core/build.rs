//! Chooses the kernels: stable Rust does not tell the code which instructions an Arm
//! target has, its name does.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    println!("cargo::rustc-check-cfg=cfg(kernels, values(\"mve\", \"dsp\", \"mla\", \"x86_64\", \"portable\"))");
    let feature = |name: &str| env::var_os(format!("CARGO_FEATURE_{name}")).is_some();
    let target = env::var("TARGET").unwrap_or_default();
    let kernels = match target.split('-').next() {
        _ if feature("PORTABLE") => "portable",
        Some("thumbv7em") => "dsp",
        Some("thumbv8m.main") if feature("MVE") => "mve",
        Some("thumbv8m.main") if !feature("NO_DSP") => "dsp",
        Some("thumbv7m" | "thumbv8m.main") => "mla",
        // Not where vector registers are off limits, as in kernels.
        Some("x86_64") if env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|f| f.split(',').any(|f| f == "sse2")) => {
            "x86_64"
        }
        _ => "portable",
    };
    println!("cargo::rustc-cfg=kernels=\"{kernels}\"");
    if target.starts_with("thumbv8m.main") {
        println!("cargo::rustc-cfg=armv8m");
    }
}
