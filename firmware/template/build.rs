//! Hands the memory map to the linker.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    // Two chips here; most boards have one, whose map is `memory.x` beside Cargo.toml: the linker looks there first.
    let map = match env::var("TARGET").expect("cargo sets it").starts_with("thumbv8m") {
        true => include_str!("memory-an505.x"),
        false => include_str!("memory-an386.x"),
    };
    fs::write(out.join("memory.x"), map).expect("cargo made the folder");
    println!("cargo::rustc-link-search={}", out.display());
    for file in ["memory-an386.x", "memory-an505.x"] {
        println!("cargo::rerun-if-changed={file}");
    }
    for argument in ["--nmagic", "-Tlink.x", "-Tdefmt.x"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
