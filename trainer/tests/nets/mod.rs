//! Layer lists that several tests share. All have latents of 32 values.

#![allow(dead_code, reason = "not every test needs all of it")]

use gen_core::LayerSpec;
use trainer::config::Config;

fn preset(name: &str) -> Vec<LayerSpec> {
    Config::preset(name).and_then(|config| config.generator.specs()).expect("presets are valid")
}

/// The generator of the shipped models.
pub fn pocket() -> Vec<LayerSpec> {
    preset("pocket")
}

/// The benchmark network.
pub fn reference_pocket() -> Vec<LayerSpec> {
    preset("reference-pocket")
}

/// The Keras tutorial's generator.
pub fn tutorial() -> Vec<LayerSpec> {
    preset("tutorial")
}
