//! Collects the facts of all boards: a list of the contents of the firmware's `board.toml` files.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let firmware = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware");
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in [firmware.join("boards"), firmware.join("emulated/boards")] {
        println!("cargo::rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(folder)? {
            files.push(entry?.path().join("board.toml"));
        }
    }
    files.retain(|file| file.is_file());
    files.sort();
    let texts: String = files.iter().map(|file| format!("include_str!({file:?}),\n")).collect();
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("boards.rs"), format!("&[\n{texts}]\n"))
}
