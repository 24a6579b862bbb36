//! A precompiled library for the Arduino IDE, as the [Arduino library
//! specification](https://docs.arduino.cc/arduino-cli/library-specification/) describes it.

use std::path::Path;

use anyhow::Result;
use gen_core::Model;

use crate::files::Files;
use crate::{Written, libraries, model_files, plain_name};

const PROPERTIES: &str = include_str!("../templates/arduino/library.properties");
const README: &str = include_str!("../templates/arduino/README.md.txt");
const SKETCH: &str = include_str!("../templates/arduino/TFT.ino");

/// Adds its files.
///
/// # Errors
/// If a library cannot be built, or a file of gen-core cannot be read.
pub fn add(files: &mut Files, root: &Path, file: &[u8], model: &Model<'_>) -> Result<Written> {
    let chips = libraries::for_chips(root)?;
    let name = plain_name(model);
    files
        .add("library.properties", PROPERTIES.replace("@NAME@", &name).replace("@VERSION@", env!("CARGO_PKG_VERSION")));
    files.copy(&root.join("gen-core/c/ribbit.h"), "src/ribbit.h")?;
    files.add("src/ribbit_model.h", model_files::header(file, model));
    files.add("src/ribbit_model.c", model_files::source(file));
    files.add("examples/TFT/TFT.ino", SKETCH);
    let folders = chips.built.iter().flat_map(|(target, _)| target.arduino.iter().map(|folder| (*folder, *target)));
    let rows = libraries::rows(folders);
    for (target, bytes) in &chips.built {
        for folder in target.arduino {
            files.add(format!("src/{folder}/libribbit.a"), bytes.clone());
        }
    }
    let note = libraries::note(&chips.left_out, "Ribbit's folder");
    files.add("README.md", README.replace("@NAME@", &name).replace("@ROWS@\n", &rows).replace("@NOTE@\n", &note));
    Ok(Written { targets: chips.targets(), left_out: chips.left_out })
}
