//! gen-core as a dependency of other programs: its features, its package name, and the examples in the README.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use firmware_tools::boards::{MPS2_AN385, MPS2_AN386, MPS2_AN505};
use firmware_tools::build::root;
use firmware_tools::model::BLOB;
use firmware_tools::pictures::{on_host, one_on_host};
use gen_core::Model;
use gen_core::plan::{ARMV7EM, ARMV7M, ARMV8_1M_MVE, PORTABLE};

const V6M: &str = "thumbv6m-none-eabi";
const V7M: &str = MPS2_AN385.triple;
const V7EM: &str = MPS2_AN386.triple;
const V8M: &str = MPS2_AN505.triple;

fn cargo(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder).args(arguments).env_remove("RUSTFLAGS").stdin(Stdio::null());
    cargo.output().context("cannot run cargo")
}

/// The messages of `cargo check` of gen-core for a target with these features; `None` if there are none.
fn refusal(target: &str, features: &str) -> Result<Option<String>> {
    let output = cargo(root()?, &["check", "-q", "-p", "gen-core", "--target", target, "--features", features])?;
    Ok((!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn features_that_contradict_each_other_are_refused_in_words() -> Result<()> {
    for (target, features, words) in [
        (V8M, "mve,no-dsp", "`mve` and `no-dsp` contradict each other"),
        (V7EM, "mve", "no processor of this target has MVE"),
        (V7M, "mve", "no processor of this target has MVE"),
        (V6M, "mve", "no processor of this target has MVE"),
        (V7EM, "mve,no-dsp", "no processor of this target has MVE"),
    ] {
        let said = refusal(target, features)?.with_context(|| format!("{target}, {features}: nobody minds"))?;
        ensure!(said.contains(words) && said.contains(target), "{target}, {features}: {said}");
        // Exactly one error, and no assembly for the wrong processor.
        ensure!(said.matches("error:").count() <= 2 && !said.contains(".s:"), "{target}, {features}: {said}");
    }
    Ok(())
}

/// All valid combinations of features build, and all features together use the kernels in plain Rust.
#[test]
fn other_features_go_together() -> Result<()> {
    for (target, features) in [
        (V8M, "portable,mve,no-dsp,defmt,conformance"),
        (V7EM, "no-dsp,conformance"),
        (V7EM, "portable,mve"),
        (V7M, "no-dsp"),
        (V6M, "no-dsp"),
    ] {
        ensure!(refusal(target, features)?.is_none(), "{target}, {features}: {:?}", refusal(target, features)?);
    }
    Ok(())
}

/// Writes a package that depends on gen-core, with the versions of this repository's lock file.
fn package(folder: &Path, manifest: &str) -> Result<()> {
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::copy(root()?.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    fs::create_dir_all(folder.join("src"))?;
    Ok(())
}

/// The assembly kernels have global symbols. The key `links` makes cargo reject two versions of gen-core, which otherwise
/// only the linker would detect.
#[test]
fn two_versions_in_one_program_are_refused_by_name() -> Result<()> {
    let gen_core = root()?.join("gen-core");
    let manifest: toml::Table = toml::from_str(&fs::read_to_string(gen_core.join("Cargo.toml"))?)?;
    let links = manifest["package"].get("links").and_then(|links| links.as_str()).context("gen-core has no `links`")?;
    let folder = tempfile::tempdir()?;
    let other = folder.path().join("other");
    fs::create_dir_all(other.join("src"))?;
    fs::write(
        other.join("Cargo.toml"),
        format!("[package]\nname = \"gen-core\"\nversion = \"9.0.0\"\nedition = \"2024\"\nlinks = \"{links}\"\n"),
    )?;
    fs::write(other.join("build.rs"), "fn main() {}\n")?;
    fs::write(other.join("src/lib.rs"), "")?;
    package(
        folder.path(),
        &format!(
            "[package]\nname = \"two\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             gen-core = {{ path = {gen_core:?} }}\nnewer = {{ package = \"gen-core\", path = \"other\" }}\n"
        ),
    )?;
    fs::write(folder.path().join("src/lib.rs"), "")?;
    let output = cargo(folder.path(), &["metadata", "--offline", "--format-version", "1"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "two versions of gen-core, and cargo does not mind");
    ensure!(said.contains("gen-core") && said.contains("links"), "{said}");
    Ok(())
}

/// The code block of a page that begins with this line.
fn block(page: &str, first: &str) -> Result<String> {
    let text = fs::read_to_string(root()?.join(page))?;
    let blocks = text.split("```rust").skip(1).filter_map(|rest| rest.split_once('\n')?.1.split("```\n").next());
    let mut found = blocks.filter(|block| block.starts_with(first));
    Ok(found.next().with_context(|| format!("{page} has no block {first:?}"))?.to_owned())
}

/// Runs a package in a folder of its own for files that are built, and returns its output.
fn run(folder: &Path) -> Result<String> {
    let target_dir = root()?.join("target/gen-core-crates");
    let target_dir = target_dir.to_str().context("a path in UTF-8")?;
    let output = cargo(folder, &["run", "-q", "--release", "--target-dir", target_dir])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The public API of gen-core, with the features that add to it, is the committed list: a change of it is seen, and no type of
/// a dependency is part of it. `UPDATE_GOLDEN=1` writes the list.
#[test]
fn the_public_api_is_the_committed_list() -> Result<()> {
    let target_dir = root()?.join("target/public-api");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()?).args(["rustdoc", "-q", "-p", "gen-core", "--lib", "--target-dir"]).arg(&target_dir);
    cargo.args(["--features", "alloc,embedded-graphics", "--", "-Zunstable-options", "--output-format", "json"]);
    // The pinned compiler writes JSON only as an unstable option.
    let output = cargo.env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTDOCFLAGS").stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let api = public_api::Builder::from_rustdoc_json(target_dir.join("doc/gen_core.json"))
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?
        .to_string();
    let foreign = ["bytemuck", "crc::", "heapless", "micromath", "postcard", "rand", "serde"];
    let found = api.lines().find(|line| foreign.iter().any(|name| line.contains(name)));
    ensure!(found.is_none(), "a dependency's type: {found:?}");
    let list = root()?.join("gen-core/public-api.txt");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&list, &api)?;
    }
    let before = fs::read_to_string(&list)?;
    let changed = |old: &str, new: &str| -> Vec<String> {
        new.lines().filter(|line| !old.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    ensure!(
        api == before,
        "gen-core/public-api.txt has changed; UPDATE_GOLDEN=1 writes it\ngone: {:#?}\nnew: {:#?}",
        changed(&api, &before),
        changed(&before, &api)
    );
    Ok(())
}

/// The program in the README of gen-core, as a crate outside of this repository.
#[test]
fn the_program_of_the_readme_draws_the_picture_in_at_most_twelve_lines() -> Result<()> {
    let program = block("gen-core/README.md", "use gen_core::{Engine, ModelFile, Workspace, include_model};\n")?;
    let lines = program.lines().filter(|line| !line.is_empty()).count();
    ensure!(lines <= 12, "{lines} lines");
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("model.gen"), BLOB)?;
    package(
        folder.path(),
        &format!(
            "[package]\nname = \"frog\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             gen-core = {{ path = {:?} }}\n",
            root()?.join("gen-core")
        ),
    )?;
    fs::write(folder.path().join("src/main.rs"), program)?;
    run(folder.path())?;
    let shape = Model::parse(BLOB)?.output_shape();
    let mut expected = format!("P6 {} {} 255\n", shape.width, shape.height).into_bytes();
    expected.extend(on_host(BLOB, &[42])?.bytes);
    ensure!(fs::read(folder.path().join("frog.ppm"))? == expected, "another picture than the host's");
    Ok(())
}

/// The async example of the README runs on embassy's executor, with another task beside it.
#[test]
fn a_task_pulls_rows_and_waits_for_its_bus_between_them() -> Result<()> {
    let folder = root()?.join("tests/crates/embassy");
    let task = block("gen-core/README.md", "#[embassy_executor::task]\n")?;
    ensure!(
        fs::read_to_string(folder.join("src/main.rs"))?.contains(task.trim_end_matches("}\n")),
        "not as in the README"
    );
    let written: String = on_host(BLOB, &[42])?.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(run(&folder)?.trim() == written, "the bus got other bytes");
    Ok(())
}

/// The example for a Cortex-M prints the host's picture, and the emulator's exit code is the program's.
#[test]
fn the_example_for_a_cortex_m_draws_the_same_picture() -> Result<()> {
    let picture = run(&root()?.join("gen-core/examples/cortex-m"))?;
    let mut words = picture.split_whitespace();
    let shape = Model::parse(BLOB)?.output_shape();
    let header = ["P3".to_owned(), shape.width.to_string(), shape.height.to_string(), "255".to_owned()];
    ensure!(words.by_ref().take(4).eq(header), "no PPM file: {picture}");
    let pixels = words.map(str::parse::<u8>).collect::<Result<Vec<_>, _>>()?;
    ensure!(pixels == on_host(BLOB, &[42])?.bytes, "another picture than the host's");
    Ok(())
}

/// Runs an example of gen-core with these arguments.
fn example(name: &str, arguments: &[&str]) -> Result<()> {
    let start = ["run", "-q", "-p", "gen-core", "--example", name, "--"];
    let output = cargo(root()?, &[&start[..], arguments].concat())?;
    ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The examples for a computer draw the pictures of the host, in grey and in colour.
#[test]
fn the_examples_for_a_computer_draw_the_same_pictures() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for name in ["digits", "pocket-drawn"] {
        let path = root()?.join("models").join(name).join("model.gen");
        let path = path.to_str().context("a path in UTF-8")?;
        let blob = fs::read(path)?;
        let blob = gen_core::aligned(&blob);
        let shape = Model::parse(&blob)?.output_shape();
        let [width, height, channels] = [shape.width, shape.height, shape.channels].map(usize::from);
        let out = folder.path().join("out");
        example("ppm", &[path, "42", out.to_str().context("a path in UTF-8")?])?;
        let kind = if channels == 1 { "P5" } else { "P6" };
        let mut expected = format!("{kind} {width} {height} 255\n").into_bytes();
        expected.extend(one_on_host(&blob, 42, 0)?.bytes);
        ensure!(fs::read(&out)? == expected, "{name}: another picture than the host's");

        let out = folder.path().join("out.png");
        example("simulator", &[path, out.to_str().context("a path in UTF-8")?])?;
        let shown = image::open(&out)?.to_rgb8();
        for n in 0..2_usize {
            let picture = one_on_host(&blob, 43 + n as u32, 0)?.bytes;
            for (at, pixel) in picture.chunks(channels).enumerate() {
                let (x, y) = (120 + at % width, 32 * n + at / width);
                let Some(&shown) = shown.get_pixel_checked(x as u32, y as u32) else { continue };
                // The display has 5, 6 and 5 bits for red, green and blue; dithering is off by less than a step of them.
                for (channel, step) in [8_u8, 4, 8].into_iter().enumerate() {
                    let wanted = pixel[channel.min(channels - 1)];
                    ensure!(shown[channel].abs_diff(wanted) <= step, "{name}: {shown:?} at {x}, {y}: {pixel:?}");
                }
            }
        }
    }
    Ok(())
}

/// The compiler sizes the workspace of an included model for the kernels of the chip.
#[test]
fn an_included_model_has_a_workspace_for_any_kernels() -> Result<()> {
    let gen_core = root()?.join("gen-core");
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("model.gen"), BLOB)?;
    fs::create_dir_all(folder.path().join("src"))?;
    let target_dir = root()?.join("target/own-firmware");
    let target_dir = target_dir.to_str().context("a path in UTF-8")?;
    let model = Model::parse(BLOB)?;
    for (target, features, tiling) in [
        (V8M, "", ARMV7EM),
        (V8M, "\"no-dsp\"", ARMV7M),
        (V8M, "\"mve\"", ARMV8_1M_MVE),
        (V7EM, "\"portable\"", PORTABLE),
        (V7EM, "\"no-dsp\"", ARMV7M),
        (V7M, "", ARMV7M),
    ] {
        package(
            folder.path(),
            &format!(
                "[package]\nname = \"own\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
                 gen-core = {{ path = {gen_core:?}, features = [{features}] }}\nstatic_cell = \"2\"\n"
            ),
        )?;
        let len = model.workspace_plan(&tiling).bytes();
        let program = block("docs/own-firmware.md", "// in the program\n")?;
        let source = format!(
            "#![no_std]\n{program}\nconst _: () = assert!(FROG.workspace_len() == {len});\n\
             pub fn start() -> Engine<'static> {{ Engine::new(FROG.model().unwrap(), WORKSPACE.take()).unwrap() }}\n"
        );
        fs::write(folder.path().join("src/lib.rs"), source)?;
        let check = ["check", "-q", "--offline", "--target", target, "--target-dir", target_dir];
        let output = cargo(folder.path(), &check)?;
        ensure!(output.status.success(), "{target}, {features}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
