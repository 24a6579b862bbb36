//! Chooses the kernels by the name of the target, as stable Rust has no `cfg` for the instructions of an Arm target.

use std::env;

#[path = "src/choice.rs"]
mod choice;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/choice.rs");
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    println!(
        "cargo::rustc-check-cfg=cfg(kernels, values(\"armv6m\", \"armv8_1m_mve\", \"armv7em\", \"armv7m\", \"riscv32\", \"x86_64\", \"portable\"))"
    );
    let feature =
        |name: &str| env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase().replace('-', "_"))).is_some();
    let target = env::var("TARGET").unwrap_or_default();
    // Operating system kernels may not use vector registers.
    let sse2 =
        feature("x86") && env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|all| all.split(',').any(|one| one == "sse2"));
    if let Some(reason) = choice::contradiction(&target, feature) {
        println!("cargo::error={reason} (target {target})");
    }
    println!("cargo::rustc-cfg=kernels=\"{}\"", choice::kernels(&target, sse2, feature));
    if target.starts_with("thumbv8m.main") {
        println!("cargo::rustc-cfg=armv8m");
    }
}
