//! Programs in C, compiled with the Makefile of the example, draw the bytes of gen-core on the host.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use gen_core::{ClassMix, Engine, Latent, Model, aligned};
use object::{Object, ObjectSymbol, SymbolKind};

use crate::emulate::{emulate, output_of};

const HOST: &str = "host";
const CHIP: &str = "cortex-m4.elf";

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn model(name: &str) -> PathBuf {
    folder().join("../../models").join(name).join("model.gen")
}

fn run(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output();
    output.with_context(|| format!("cannot run {}: ./tests/run.sh installs it", command.get_program().display()))
}

/// Compiles a program with the Makefile of the example into a folder.
fn compile(to: &Path, program: &str, main: &Path, model: &Path) -> Result<PathBuf> {
    // Cargo replaces the library even if there is nothing to build, so that another linker might not find it.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let target_dir = env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder().join("../../target"), PathBuf::from);
    let mut make = Command::new("make");
    make.arg("-C").arg(folder().join("example")).env_remove("RUSTFLAGS").env("CARGO_TARGET_DIR", &target_dir);
    make.arg(format!("CARGO={}", env!("CARGO"))).arg(format!("TARGET_DIR={}", target_dir.display()));
    make.arg(format!("BUILD={}", to.display())).arg(format!("MAIN={}", main.display()));
    make.arg(format!("MODEL={}", model.display()));
    let file = to.join(program);
    let output = run(make.arg(&file))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(file)
}

/// Runs a program, on the host or in the emulator, and returns what it wrote.
fn written_by(program: &Path) -> Result<Vec<u8>> {
    if program.ends_with(CHIP) { emulate(program) } else { output_of(Command::new(program), program) }
}

/// What `pictures.c` draws.
fn pictures_on_host(file: &Path) -> Result<Vec<u8>> {
    let bytes = aligned(fs::read(file)?);
    let model = Model::parse(&bytes)?;
    let last = model.classes().len().saturating_sub(1) as u8;
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(model.clone(), &mut workspace)?;
    let mut pictures = Vec::new();
    let mut draw = |latent: &Latent| engine.generate(latent, |_, row| pictures.extend_from_slice(row.bytes()));
    for number in [0, 42, u32::MAX] {
        for class in 0..=last {
            draw(&model.latent(number).with_class(class));
        }
        draw(&model.latent(number).with_mix(ClassMix::between(0, last, 100)));
        draw(&model.latent(number).toward(&model.latent(7).with_class(last), 77));
    }
    Ok(pictures)
}

fn draws_the_same(program: &str) -> Result<()> {
    // Colour; grey with ten classes.
    for name in ["pocket-drawn", "digits"] {
        let to = tempfile::tempdir()?;
        let program = compile(to.path(), program, &folder().join("tests/pictures.c"), &model(name))?;
        let written = written_by(&program)?;
        ensure!(written == pictures_on_host(&model(name))?, "{name}: other pictures than gen-core's");
    }
    Ok(())
}

#[test]
fn a_program_on_the_host_draws_the_same_bytes() -> Result<()> {
    draws_the_same(HOST)
}

#[test]
fn a_program_on_a_cortex_m4_draws_the_same_bytes() -> Result<()> {
    draws_the_same(CHIP)
}

#[test]
fn mistakes_give_a_status() -> Result<()> {
    for (program, name) in [(HOST, "pocket-drawn"), (HOST, "digits"), (CHIP, "digits")] {
        let to = tempfile::tempdir()?;
        written_by(&compile(to.path(), program, &folder().join("tests/mistakes.c"), &model(name))?)?;
    }
    Ok(())
}

/// The picture of the example, and what the program on the chip consists of.
#[test]
fn the_example_draws_picture_42_and_cannot_panic() -> Result<()> {
    let (to, main) = (tempfile::tempdir()?, Path::new("main.c"));
    let file = model("pocket-drawn");
    let (host, chip) = (compile(to.path(), HOST, main, &file)?, compile(to.path(), CHIP, main, &file)?);
    let bytes = aligned(fs::read(&file)?);
    let model = Model::parse(&bytes)?;
    let shape = model.output_shape();
    let mut expected = format!("P6 {} {} 255\n", shape.width, shape.height).into_bytes();
    let mut workspace = vec![0; model.workspace_len()];
    let latent = model.latent(42);
    Engine::new(model, &mut workspace)?.generate(&latent, |_, row| expected.extend_from_slice(row.bytes()));
    ensure!(written_by(&host)? == expected, "another picture on the host");
    ensure!(written_by(&chip)? == expected, "another picture on the chip");

    let elf = fs::read(&chip)?;
    let elf = object::File::parse(&*elf)?;
    let functions = elf.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
    let names = functions.map(|function| Ok(function.name()?.to_owned())).collect::<Result<Vec<_>>>()?;
    ensure!(names.iter().any(|name| name == "ribbit_next_row"), "the program does not name its functions: {names:?}");
    let parts = ["panic", "fail", "unwrap", "unwind", "alloc"];
    let found: Vec<_> = names.iter().filter(|name| parts.iter().any(|part| name.contains(part))).collect();
    ensure!(found.is_empty(), "a panic or an allocation is linked, as {found:#?}");
    Ok(())
}
