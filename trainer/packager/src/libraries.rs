//! The targets of packages, and the static library for each.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::archive::without_unused;
use crate::library::{build, is_installed};

/// A target of Rust for a chip.
#[derive(Debug)]
pub struct Target {
    /// Its name.
    pub triple: &'static str,
    /// Its processors, and the flags of the C compiler that it is for.
    pub about: &'static str,
    /// The folders of a precompiled Arduino library that it is for: `{build.mcu}`, and `{build.fpu}-{build.float-abi}`.
    pub arduino: &'static [&'static str],
}

/// All of them. `eabihf` passes floating-point numbers in registers, which every object of a program must agree on.
pub const TARGETS: [Target; 6] = [
    Target { triple: "thumbv6m-none-eabi", about: "Cortex-M0, M0+", arduino: &["cortex-m0", "cortex-m0plus"] },
    Target { triple: "thumbv7m-none-eabi", about: "Cortex-M3", arduino: &["cortex-m3"] },
    Target {
        triple: "thumbv7em-none-eabi",
        about: "Cortex-M4, M7 with `-mfloat-abi=soft` or `softfp`",
        arduino: &["cortex-m4", "cortex-m7"],
    },
    Target {
        triple: "thumbv7em-none-eabihf",
        about: "Cortex-M4, M7 with `-mfloat-abi=hard`",
        arduino: &[
            "cortex-m4/fpv4-sp-d16-hard",
            "cortex-m7/fpv4-sp-d16-hard",
            "cortex-m7/fpv5-sp-d16-hard",
            "cortex-m7/fpv5-d16-hard",
        ],
    },
    Target {
        triple: "thumbv8m.main-none-eabi",
        about: "Cortex-M33 with DSP instructions, `-mfloat-abi=soft` or `softfp`",
        arduino: &["cortex-m33"],
    },
    Target {
        triple: "thumbv8m.main-none-eabihf",
        about: "Cortex-M33 with DSP instructions, `-mfloat-abi=hard`",
        arduino: &["cortex-m33/fpv4-sp-d16-hard", "cortex-m33/fpv5-sp-d16-hard"],
    },
];

/// The static libraries of a package.
#[derive(Debug, Default)]
pub struct Libraries {
    /// Those that were built.
    pub built: Vec<(&'static Target, Vec<u8>)>,
    /// The targets that are not installed.
    pub left_out: Vec<&'static str>,
}

impl Libraries {
    /// The targets for which there is a library.
    pub fn targets(&self) -> Vec<&'static str> {
        self.built.iter().map(|(target, _)| target.triple).collect()
    }
}

/// The static libraries of the installed targets, and the targets that are not installed.
///
/// # Errors
/// If none is installed, or a library cannot be built.
pub fn for_chips(root: &Path) -> Result<Libraries> {
    let mut libraries = Libraries::default();
    for target in &TARGETS {
        if is_installed(root, target.triple)? {
            let library = build(root, Some(target.triple))?;
            libraries.built.push((target, without_unused(&library).context(target.triple)?));
        } else {
            libraries.left_out.push(target.triple);
        }
    }
    ensure!(
        !libraries.built.is_empty(),
        "no Rust target for a chip is installed: run `rustup target add thumbv7em-none-eabihf` in {}, or another of {}",
        root.display(),
        TARGETS.map(|target| target.triple).join(", ")
    );
    Ok(libraries)
}

/// The rows of a table of libraries in a README: folder and processors.
pub fn rows<'a>(folders: impl IntoIterator<Item = (&'a str, &'a Target)>) -> String {
    let rows = folders.into_iter().map(|(folder, target)| format!("| `{folder}` | {} |\n", target.about));
    rows.collect()
}

/// What a README says about targets that were left out.
pub fn note(left_out: &[&str], root_hint: &str) -> String {
    if left_out.is_empty() {
        return String::new();
    }
    format!(
        "\nLeft out, because their Rust targets were not installed: {}. To have them, run `rustup target add {}` in \
         {root_hint} and make the package again.\n",
        left_out.join(", "),
        left_out.join(" ")
    )
}
