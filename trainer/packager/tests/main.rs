//! Packages in folders outside of the repository are compiled and draw the bytes of gen-core on the host. They need a C
//! compiler, `arm-none-eabi-gcc` and `qemu-system-arm`; `tests/run.sh` installs them.

#[path = "../../../gen-core/c/tests/emulate.rs"]
mod emulate;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use gen_core::{Engine, Model, aligned};
use packager::{Kind, library, write};
use tempfile::TempDir;

use crate::emulate::emulate;

const CHIP: &str = "thumbv7em-none-eabihf";
const M4: [&str; 4] = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"];

fn model(name: &str) -> Result<Vec<u8>> {
    Ok(fs::read(library::repository()?.join("models").join(name).join("model.gen"))?)
}

/// The package of a shipped model, in a temporary folder.
fn package(kind: Kind, name: &str) -> Result<(TempDir, PathBuf)> {
    let place = tempfile::tempdir()?;
    let folder = place.path().join("new/package");
    let written = write(kind, &aligned(model(name)?), &folder)?;
    ensure!((kind == Kind::Rust) == written.targets.is_empty(), "{written:?}");
    ensure!(kind == Kind::Rust || written.targets.contains(&CHIP), "{written:?}");
    for file in ["README.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        ensure!(folder.join(file).is_file(), "{kind:?}: no {file}");
    }
    let readme = fs::read_to_string(folder.join("README.md"))?;
    ensure!(!readme.contains('@'), "{readme}");
    Ok((place, folder))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The pixels of a picture, and what a PPM or PGM file has before them.
fn picture(name: &str, number: u32, class: u8) -> Result<(String, Vec<u8>)> {
    let bytes = aligned(model(name)?);
    let model = Model::parse(&bytes)?;
    let shape = model.output_shape();
    let kind = if shape.channels == 1 { "P5" } else { "P6" };
    let mut workspace = vec![0; model.workspace_len()];
    let latent = model.latent(number).with_class(class);
    let mut pixels = Vec::new();
    Engine::new(model, &mut workspace)?.generate(&latent, |_, row| pixels.extend_from_slice(row.bytes()));
    Ok((format!("{kind} {} {} 255\n", shape.width, shape.height), pixels))
}

fn picture_file(name: &str) -> Result<Vec<u8>> {
    let (header, pixels) = picture(name, 42, 0)?;
    Ok([header.into_bytes(), pixels].concat())
}

#[test]
fn a_package_for_c_draws_on_the_host_and_on_a_chip() -> Result<()> {
    let (_place, folder) = package(Kind::C, "pocket-drawn")?;
    run(Command::new("make").arg("-C").arg(&folder).args(["run", "cortex-m4"]))?;
    let expected = picture_file("pocket-drawn")?;
    ensure!(fs::read(folder.join("build/picture.ppm"))? == expected, "another picture on the host");
    ensure!(emulate(&folder.join("build/cortex-m4.elf"))? == expected, "another picture on the chip");
    let small = fs::metadata(folder.join("lib").join(CHIP).join("libribbit.a"))?.len();
    ensure!(small < 1_000_000, "the library has {small} bytes");
    Ok(())
}

#[test]
fn a_crate_builds_outside_of_the_repository() -> Result<()> {
    let (_place, folder) = package(Kind::Rust, "digits")?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&folder).args(["run", "-q", "--offline", "--release", "--example", "picture"]);
    run(cargo.env_remove("RUSTFLAGS").env("CARGO_TARGET_DIR", folder.join("target")))?;
    ensure!(fs::read(folder.join("picture.pgm"))? == picture_file("digits")?, "another picture");
    Ok(())
}

/// `key=value` lines with the keys that the specification of Arduino libraries requires, and folders as it names them.
fn check_library(folder: &Path) -> Result<()> {
    let properties = fs::read_to_string(folder.join("library.properties"))?;
    let mut keys = Vec::new();
    for line in properties.lines() {
        let (key, value) = line.split_once('=').with_context(|| format!("no key: {line}"))?;
        ensure!(!value.is_empty() && !value.contains('@'), "{line}");
        keys.push(key);
    }
    for key in ["name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"]
    {
        ensure!(keys.contains(&key), "no {key}: {properties}");
    }
    ensure!(properties.contains("\nprecompiled=true\n") && properties.contains("\nldflags=-lribbit\n"), "{properties}");
    for file in ["src/ribbit.h", "examples/TFT/TFT.ino", "src/cortex-m4/fpv4-sp-d16-hard/libribbit.a"] {
        ensure!(folder.join(file).is_file(), "no {file}");
    }
    Ok(())
}

/// The sketch, with a display that records what it gets.
#[test]
fn the_sketch_of_an_arduino_library_pushes_the_same_pixels() -> Result<()> {
    // Colour; grey with ten classes.
    for name in ["pocket-drawn", "digits"] {
        let (place, folder) = package(Kind::Arduino, name)?;
        check_library(&folder)?;
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mock");
        let example = library::repository()?.join("gen-core/c/example");
        let source = folder.join("src");
        let object = |file: &str| place.path().join(file).with_extension("o");
        let compile = |compiler: &str, language: &[&str], file: &Path, name: &str| {
            let mut command = Command::new(compiler);
            command.args(M4).args([
                "-Os",
                "-ffreestanding",
                "-ffunction-sections",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-c",
            ]);
            command.arg("-I").arg(&tests).arg("-I").arg(&source).arg("-I").arg(&example).args(language);
            run(command.arg(file).arg("-o").arg(object(name)))
        };
        let cpp = ["-fno-exceptions", "-fno-rtti", "-std=gnu++11"];
        let sketch = [&cpp[..], &["-include", "Arduino.h", "-x", "c++"]].concat();
        compile("arm-none-eabi-g++", &sketch, &folder.join("examples/TFT/TFT.ino"), "sketch")?;
        compile("arm-none-eabi-g++", &cpp, &tests.join("main.cpp"), "main")?;
        compile("arm-none-eabi-gcc", &[], &source.join("ribbit_model.c"), "model")?;
        compile("arm-none-eabi-gcc", &[], &example.join("cortex-m/startup.c"), "startup")?;
        let program = place.path().join("program.elf");
        let mut link = Command::new("arm-none-eabi-g++");
        link.args(M4).args(["-nostdlib", "-Wl,--gc-sections,-z,noexecstack", "-T"]);
        link.arg(example.join("cortex-m/link.ld")).args(["sketch", "main", "model", "startup"].map(object));
        link.arg("-L").arg(source.join("cortex-m4/fpv4-sp-d16-hard")).args(["-lribbit", "-lgcc", "-o"]);
        run(link.arg(&program))?;
        ensure!(emulate(&program)? == pushed(name)?, "{name}: other pixels than those of gen-core");
    }
    Ok(())
}

/// What a display of 240x240 pixels gets for pictures 0 to 2, each of the next class: lines of 16-bit pixels with their
/// position, in the middle and enlarged.
fn pushed(name: &str) -> Result<Vec<u8>> {
    let bytes = aligned(model(name)?);
    let model = Model::parse(&bytes)?;
    let shape = model.output_shape();
    let [width, height, channels] = [shape.width, shape.height, shape.channels].map(usize::from);
    let scale = 240 / Ord::max(width, height);
    let mut bytes = Vec::new();
    for number in 0..3 {
        let class = if model.classes().is_empty() { 0 } else { number as u8 };
        let (_, pixels) = picture(name, number, class)?;
        for (y, row) in pixels.chunks(width * channels).enumerate() {
            for line in 0..scale {
                for place in [(240 - width * scale) / 2, (240 - height * scale) / 2 + y * scale + line] {
                    bytes.extend((place as i16).to_le_bytes());
                }
                for pixel in row.chunks(channels) {
                    let [red, green, blue] = [0, 1, 2].map(|i| u16::from(pixel[i.min(channels - 1)]));
                    let colour = (red >> 3) << 11 | (green >> 2) << 5 | blue >> 3;
                    bytes.extend(std::iter::repeat_n(colour.to_le_bytes(), scale).flatten());
                }
            }
        }
    }
    Ok(bytes)
}

#[test]
fn bad_input_is_refused_in_words_and_writes_nothing() -> Result<()> {
    let place = tempfile::tempdir()?;
    let blob = aligned(model("digits")?);
    let refusal = |file: &[u8], folder: &Path| match write(Kind::Rust, file, folder) {
        Ok(_) => "no refusal".to_owned(),
        Err(e) => format!("{e:#}"),
    };
    let new = place.path().join("new");
    let junk = aligned(b"junk, not a model".to_vec());
    ensure!(refusal(&junk, &new).contains("not a model file"), "{}", refusal(&junk, &new));
    ensure!(!new.exists(), "a folder was made");
    fs::create_dir(place.path().join("full"))?;
    fs::write(place.path().join("full/file"), "")?;
    let said = refusal(&blob, &place.path().join("full"));
    ensure!(said.contains("is not empty"), "{said}");
    let said = refusal(&blob, &place.path().join("full/file"));
    ensure!(said.contains("is no folder"), "{said}");
    let said = format!("{:#}", library::build(library::repository()?, Some("thumbv9-none-eabi")).unwrap_err());
    ensure!(said.contains("rustup target add thumbv9-none-eabi"), "{said}");
    Ok(())
}
