//! `ribbit.h` is what cbindgen writes from the sources, and C and C++ take it.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, anyhow, ensure};

const UPDATE: &str = "UPDATE_GOLDEN=1 cargo test -p gen-core-c header::";

/// The text of a documentation comment for people who write C: without the sections on safety, and with the names of C.
fn without_sections_for_rust(header: &str) -> String {
    let mut text = String::new();
    let mut in_section = false;
    let mut empty = String::new();
    for line in header.lines() {
        let comment = line.trim_start().strip_prefix("//");
        in_section = match comment {
            Some(comment) => in_section || comment.trim() == "# Safety",
            None => false,
        };
        if in_section {
            continue;
        }
        // An empty line of a comment that ends there is left out.
        let line = line.trim_end();
        if comment.is_some_and(|comment| comment.trim().is_empty()) {
            empty = format!("{line}\n");
            continue;
        }
        if comment.is_some() {
            text += &empty;
        }
        empty.clear();
        text += line;
        text.push('\n');
    }
    text.replace('`', "")
}

#[test]
fn ribbit_h_is_what_the_sources_say() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).map_err(|e| anyhow!(e))?;
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["status", "model", "exports"] {
        builder = builder.with_src(folder.join("src").join(file).with_extension("rs"));
    }
    let mut written = Vec::new();
    builder.generate().context("cbindgen")?.write(&mut written);
    let written = without_sections_for_rust(&String::from_utf8(written)?);
    let file = folder.join("ribbit.h");
    // The other test reads the file at the same time, so it is only written if it has to be.
    if fs::read_to_string(&file).ok().as_ref() == Some(&written) {
        return Ok(());
    }
    ensure!(
        env::var_os("UPDATE_GOLDEN").is_some(),
        "ribbit.h is missing, or not what the sources say; write it again with {UPDATE}"
    );
    fs::write(&file, written).context("cannot write ribbit.h")
}

#[test]
fn c_and_cpp_take_the_header() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (compiler, file, standard) in [
        ("cc", "a.c", "-std=c99"),
        ("cc", "b.c", "-std=c11"),
        ("arm-none-eabi-gcc", "c.c", "-std=c99"),
        ("arm-none-eabi-g++", "d.cpp", "-std=c++11"),
        ("c++", "e.cpp", "-std=c++17"),
    ] {
        let path = folder.path().join(file);
        fs::write(&path, "#include \"ribbit.h\"\nRibbitModel model;\n")?;
        let mut command = Command::new(compiler);
        command.args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"]);
        let output = command.arg(env!("CARGO_MANIFEST_DIR")).arg(&path).output();
        let output = output.with_context(|| format!("cannot run {compiler}: ./tests/run.sh installs it"))?;
        ensure!(output.status.success(), "{compiler} {standard}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
