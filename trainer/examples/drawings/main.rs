//! The drawings of the documentation, as SVG files in `docs/drawings`.
//!
//! ```sh
//! cargo run --release -p trainer --example drawings
//! ```
//!
//! Shapes, block sizes and bytes come from gen-core, for the model in the firmware on a Cortex-M4. The same model
//! gives the same files, byte for byte; `tests/tests/docs.rs` compares the committed files with the result of
//! [`drawings`].

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use gen_core::Model;
use gen_core::aligned;

mod blocks;
mod phases;
mod rings;
mod svg;
mod workspace;

/// The folder of the drawings, relative to the repository's root.
pub const FOLDER: &str = "docs/drawings";

/// The model whose numbers are shown, relative to the repository's root.
pub const MODEL: &str = "models/pocket-drawn/model.gen";

/// Name and text of every drawing, for the model file `blob`.
///
/// # Errors
/// When `blob` is not a model, or has layers that do not fit into the drawings.
pub fn drawings(blob: &[u8]) -> Result<Vec<(&'static str, String)>> {
    let blob = aligned(blob);
    let model = Model::parse(&blob).context(MODEL)?;
    Ok(vec![
        ("blocks.svg", blocks::draw(&model)?),
        ("phases.svg", phases::draw(&model)?),
        ("rings.svg", rings::draw(&model)?),
        ("workspace.svg", workspace::draw()),
    ])
}

#[allow(dead_code)] // not called by the test, which includes this file as a module
fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let model = root.join(MODEL);
    let blob = fs::read(&model).with_context(|| format!("cannot read {}", model.display()))?;
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, text) in drawings(&blob)? {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{FOLDER}/{name}");
    }
    Ok(())
}
