//! A folder for programs in C and C++.

use std::path::Path;

use anyhow::Result;
use gen_core::Model;

use crate::files::Files;
use crate::{Written, libraries, library, model_files, plain_name};

const MAKEFILE: &str = include_str!("../templates/c/Makefile");
const README: &str = include_str!("../templates/c/README.md.txt");

/// Adds its files.
///
/// # Errors
/// If a library cannot be built, or a file of gen-core cannot be read.
pub fn add(files: &mut Files, root: &Path, file: &[u8], model: &Model<'_>) -> Result<Written> {
    let chips = libraries::for_chips(root)?;
    let host = library::build(root, None)?;
    let sources = root.join("gen-core/c");
    files.copy(&sources.join("ribbit.h"), "include/ribbit.h")?;
    files.add("include/ribbit_model.h", model_files::header(file, model));
    files.add("src/ribbit_model.c", model_files::source(file));
    for name in ["main.c", "board.h", "host.c", "cortex-m/startup.c", "cortex-m/link.ld"] {
        files.copy(&sources.join("example").join(name), format!("example/{name}"))?;
    }
    files.add("Makefile", MAKEFILE);
    files.add("lib/host/libribbit.a", host);
    let rows = libraries::rows(chips.built.iter().map(|(target, _)| (target.triple, *target)));
    let targets = chips.targets();
    for (target, bytes) in chips.built {
        files.add(format!("lib/{}/libribbit.a", target.triple), bytes);
    }
    let note = libraries::note(&chips.left_out, "Ribbit's folder");
    let readme = README.replace("@NAME@", &plain_name(model)).replace("@ROWS@\n", &rows).replace("@NOTE@\n", &note);
    files.add("README.md", readme);
    Ok(Written { targets, left_out: chips.left_out })
}
