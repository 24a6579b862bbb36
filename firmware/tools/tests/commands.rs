//! `cargo preview`, `cargo frog`, `cargo pico` and `cargo flash-...`, as people run them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use embedded_graphics::pixelcolor::{Gray4, Rgb565, Rgb888};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics_simulator::{OutputSettingsBuilder, SimulatorDisplay};
use firmware_app::class::ClassLabel;
use firmware_app::layout::Layout;
use firmware_app::panel::{MODULE_1_8, PICO_DISPLAY};
use firmware_app::picture::Source;
use firmware_app::settings::Mode;
use firmware_app::view::{Label, View, background};
use firmware_tools::boards::{HARDWARE_BOARDS, PICO2};
use firmware_tools::build::{build, root};
use firmware_tools::elf::MemoryUsage;
use firmware_tools::model::{self, BLOB};
use firmware_tools::pictures::{on_host, one_on_host};
use gen_core::spec::{Activation, LayerSpec, Op, Padding};
use gen_core::{Engine, FromRgb, Latent, Model, Shape, aligned};
use serde::Deserialize;
use trainer::quantise::QuantModel;

#[path = "../../../tests/tests/models/mod.rs"]
mod models;

fn preview(arguments: &[&str], folder: &Path) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preview"));
    command.args(arguments).current_dir(folder).output().context("cannot run it")
}

fn size(png: &Path) -> Result<(u32, u32)> {
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(png)?));
    let reader = decoder.read_info()?;
    Ok((reader.info().width, reader.info().height))
}

#[test]
fn the_preview_has_the_boards_size_and_the_hosts_pictures() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let boards = [
        ("pico", (240, 240)),
        ("pico2", (240, 240)),
        ("pico-display", (240, 135)),
        ("stm32f429i-disc1", (240, 320)),
        ("nrf52840-dk", (320, 240)),
        ("microbit-v2", (128, 160)),
        ("lm3s6965evb", (128, 64)),
    ];
    let grey = fs::read(root()?.join(model::OLED))?;
    let [colour, grey] =
        [on_host(BLOB, &[7])?, on_host(&grey, &[7])?].map(|host| host.lines[0].replace(" crc", ", crc"));
    for (board, (width, height)) in boards {
        let expected = if board == "lm3s6965evb" { &grey } else { &colour };
        let output = preview(&["--board", board, "--seed", "7", "--scale", "3"], folder.path())?;
        let said = String::from_utf8(output.stdout)?;
        assert!(output.status.success() && said.starts_with(expected), "{board}: {said}");
        assert_eq!(size(&folder.path().join("preview.png"))?, (3 * width, 3 * height), "{board}");
    }
    Ok(())
}

/// A model that draws noise: a dense layer of one channel, and pixels of 1 or 3 channels.
fn noise(width: u16, height: u16, channels: u16) -> Result<Vec<u8>> {
    let pixels = Op::Conv { channels, kernel: 3, stride: 1, padding: Padding::Same };
    let layers = [
        LayerSpec { op: Op::Dense { out: Shape::new(height, width, 2) }, activation: Activation::Relu },
        LayerSpec { op: pixels, activation: Activation::Tanh },
    ];
    Ok(QuantModel::random("noise", 8, &layers, 1)?.to_blob()?)
}

#[test]
fn the_preview_shows_pictures_of_any_shape() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // Display with its size, width, height and channels of the pictures, pictures in a gallery.
    let cases = [
        ("pico2", (240, 240), (28, 28, 1), 16),
        ("pico2", (240, 240), (64, 64, 1), 9),
        ("pico2", (240, 240), (64, 64, 3), 9),
        ("lm3s6965evb", (128, 64), (64, 64, 1), 2),
        ("lm3s6965evb", (128, 64), (128, 64, 1), 1),
        ("lm3s6965evb", (128, 64), (64, 64, 3), 2),
        ("pico-lcd-0.96", (160, 80), (80, 40, 3), 4),
        ("pico-lcd-0.96", (160, 80), (160, 80, 1), 1),
    ];
    for (board, display, (width, height, channels), grid) in cases {
        let what = format!("{width}x{height}x{channels} on {board}");
        let blob = noise(width, height, channels)?;
        fs::write(folder.path().join("noise.gen"), &blob)?;
        let arguments = ["--board", board, "--model", "noise.gen", "--seed", "7", "--scale", "1"];
        let output = preview(&arguments, folder.path())?;
        let said = String::from_utf8(output.stdout)?;
        let expected = on_host(&blob, &[7])?.lines[0].replace(" crc", ", crc");
        assert!(output.status.success() && said.starts_with(&expected), "{what}: {said}");
        let shown = image::open(folder.path().join("preview.png"))?.to_rgb8();
        assert_eq!(shown.dimensions(), display, "{what}");
        let display = Size::new(display.0, display.1);
        let expected = match board {
            "lm3s6965evb" => drawn::<Gray4>(&blob, display, 7, 0)?,
            _ => drawn::<Rgb565>(&blob, display, 7, 0)?,
        };
        assert!(shown.into_raw() == expected, "{what}");

        let output = preview(&[&arguments[..], &["--mode", "gallery"]].concat(), folder.path())?;
        let said = String::from_utf8(output.stdout)?;
        assert_eq!(said.lines().filter(|line| line.starts_with("picture ")).count(), grid, "{what}: {said}");
    }
    Ok(())
}

#[test]
fn the_preview_knows_all_modes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (mode, more, lines) in
        [("gallery", &[][..], 9), ("slides", &["--pictures", "3"], 3), ("morph", &["--pictures", "4"], 4)]
    {
        let arguments: Vec<_> = ["--mode", mode].iter().chain(more).copied().collect();
        let output = preview(&arguments, folder.path())?;
        let said = String::from_utf8(output.stdout)?;
        assert_eq!(said.lines().filter(|line| line.starts_with("picture ")).count(), lines, "{mode}: {said}");
        assert_eq!(said.contains("on the way to"), mode == "morph", "{said}");
    }
    assert!(preview(&["--card", "--out", "card.png"], folder.path())?.status.success());
    assert_eq!(size(&folder.path().join("card.png"))?, (480, 480));
    Ok(())
}

#[test]
fn mistakes_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("cat.gen"), "GIF89a")?;
    fs::write(folder.path().join("high.gen"), noise(32, 65, 1)?)?;
    let cases: [(&[&str], &str); 5] = [
        (
            &["--board", "lm3s6965evb", "--model", "high.gen"],
            "pictures of 32x65 pixels do not fit this display of 128x64",
        ),
        (&["--board", "arduino"], "no board arduino; there are esp32c3, microbit-v2, nrf52840-dk, pico, pico2, "),
        (&["--mode", "frogs"], "the modes are single, classes, morph, gallery, slides"),
        (&["--model", "dog.gen"], "cannot read dog.gen"),
        (&["--model", "cat.gen"], "cat.gen"),
    ];
    for (arguments, expected) in cases {
        let output = preview(arguments, folder.path())?;
        let said = String::from_utf8(output.stderr)?;
        assert!(!output.status.success() && said.contains(expected), "{arguments:?}: {said}");
    }
    let flash = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_flash")).args(arguments).output()?;
        Ok::<_, anyhow::Error>(String::from_utf8(output.stderr)?)
    };
    assert!(
        flash(&["arduino"])?
            .contains("no board arduino to flash; there are esp32c3, microbit-v2, nrf52840-dk, pico, pico2, ")
    );
    assert!(flash(&["microbit-v2", "--uf2", "x.uf2"])?.contains("micro:bit v2 takes no UF2 files: it needs a probe"));
    assert!(flash(&["pico2", "--display", "tv"])?.contains("there is no display tv for pico2"));
    Ok(())
}

#[test]
fn a_class_is_chosen_by_name_or_number() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let blob = models::conditional_32(&["cat", "Dog", "fire truck", "лягушка"])?;
    fs::write(folder.path().join("classes.gen"), &blob)?;
    let run = |more: &[&str]| {
        let arguments = ["--board", "pico-display", "--model", "classes.gen", "--seed", "7", "--scale", "1"];
        preview(&[&arguments[..], more].concat(), folder.path())
    };
    for (word, class, name) in [
        ("cat", 0, "cat"),
        ("dog", 1, "Dog"),
        ("1", 1, "Dog"),
        ("fire truck", 2, "fire truck"),
        ("лягушка", 3, "лягушка"),
    ] {
        let output = run(&["--class", word])?;
        let said = String::from_utf8(output.stdout)?;
        let host = one_on_host(&blob, 7, class)?;
        let crc = host.lines[0].split_once(" crc ").context("a checksum")?.1;
        let expected = format!("picture 7, class {class} ({name}), crc {crc}\n");
        assert!(output.status.success() && said.starts_with(&expected), "{word}: {said}");
        let shown = image::open(folder.path().join("preview.png"))?.to_rgb8().into_raw();
        assert!(shown == drawn_class::<Rgb565>(&blob, PICO_DISPLAY.size(), 7, class, 0)?, "{word}");
    }
    for (more, expected) in [
        (&["--mode", "gallery", "--pictures", "5"][..], &[0, 1, 2, 3, 0][..]),
        (&["--mode", "gallery", "--pictures", "3", "--class", "dog"], &[1, 1, 1]),
        (&["--mode", "slides", "--pictures", "3", "--class", "all"], &[0, 1, 2]),
        (&["--mode", "classes", "--pictures", "3"], &[0]),
    ] {
        let said = String::from_utf8(run(more)?.stdout)?;
        let classes: Vec<_> =
            said.lines().filter_map(|line| line.split_once(", class ")?.1.split(' ').next()).collect();
        let expected: Vec<_> = expected.iter().map(|class: &u8| class.to_string()).collect();
        assert_eq!(classes, expected, "{more:?}: {said}");
    }
    let said = String::from_utf8(run(&["--mode", "morph", "--pictures", "2"])?.stdout)?;
    assert!(said.contains("picture 7 on the way to 8: 1/256, class 0 to 1 (cat to Dog), crc "), "{said}");

    let wrong = run(&["--class", "frog"])?;
    let said = String::from_utf8(wrong.stderr)?;
    let expected = "there is no class frog: the classes are cat, Dog, fire truck and лягушка";
    assert!(!wrong.status.success() && said.contains(expected), "{said}");
    let output = preview(&["--class", "frog"], folder.path())?;
    assert!(String::from_utf8(output.stderr)?.contains("there is no class frog: the model has no classes"));
    // `cargo frog` says so before it builds anything.
    let mut frog = Command::new(env!("CARGO_BIN_EXE_frog"));
    let output = frog.args(["--model", "classes.gen", "--class", "frog"]).current_dir(folder.path()).output()?;
    let said = String::from_utf8(output.stderr)?;
    assert!(!output.status.success() && said.contains(expected) && !said.contains("building"), "{said}");
    Ok(())
}

/// The words for a program are separated by white space.
#[test]
fn a_class_becomes_a_word_without_white_space() -> Result<()> {
    let blob = models::conditional_32(&["cat", "fire truck", "0", "great white shark", "3"])?;
    for (word, setting) in
        [("CAT", "class=CAT"), ("fire truck", "class=1"), ("1", "class=1"), ("0", "class=0"), ("all", "class=all")]
    {
        assert_eq!(model::class_setting(&blob, word)?, setting);
    }
    let error = model::class_setting(&blob, "great white shark").unwrap_or_else(|e| e.to_string());
    assert!(error.contains("another is called 3"), "{error}");
    assert!(model::class_setting(b"GIF89a", "cat").is_err());
    Ok(())
}

/// The pixels of a display with a picture on it, drawn in so many microseconds.
fn drawn<C: FromRgb + Into<Rgb888>>(blob: &[u8], display: Size, number: u32, us: u32) -> Result<Vec<u8>> {
    drawn_class::<C>(blob, display, number, 0, us)
}

fn drawn_class<C: FromRgb + Into<Rgb888>>(
    blob: &[u8],
    display: Size,
    number: u32,
    class: u8,
    us: u32,
) -> Result<Vec<u8>> {
    let bytes = aligned(blob);
    let latent = Model::parse(&bytes)?.latent(number).with_class(class);
    Ok(drawn_latent::<C>(blob, display, &latent, Source::Seed(number), us)?.0)
}

/// The pixels of a display with the picture of a latent, and the checksum of the picture.
fn drawn_latent<C: FromRgb + Into<Rgb888>>(
    blob: &[u8],
    display: Size,
    latent: &Latent,
    source: Source,
    us: u32,
) -> Result<(Vec<u8>, u32)> {
    let bytes = aligned(blob);
    let model = Model::parse(&bytes)?;
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(model.clone(), &mut workspace)?;
    let mut display = SimulatorDisplay::with_default_color(display, background::<C>());
    let mut view = View::new(&mut display, model.output_shape())?;
    let Ok(()) = view.start();
    let (crc, Ok(())) = view.picture(&mut engine, latent, &mut ());
    let class = ClassLabel::new(model.classes(), latent.class().nearest());
    let Ok(()) = view.label(&Label { source, next: None, class, mode: Mode::Single, us });
    let settings = OutputSettingsBuilder::new().build();
    Ok((display.to_rgb_output_image(&settings).as_image_buffer().to_vec(), crc))
}

#[test]
fn a_latent_is_drawn_instead_of_a_number() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bytes = aligned(BLOB);
    let latent = Model::parse(&bytes)?.latent(6).truncated(200);
    let text = latent.hex().to_string();
    let output = preview(&["--board", "pico-display", "--latent", &text, "--scale", "1"], folder.path())?;
    let said = String::from_utf8(output.stdout)?;
    let (pixels, crc) = drawn_latent::<Rgb565>(BLOB, PICO_DISPLAY.size(), &latent, Source::Latent, 0)?;
    assert!(said.starts_with(&format!("picture latent, crc {crc:08x}\n")), "{said}");
    assert!(image::open(folder.path().join("preview.png"))?.to_rgb8().into_raw() == pixels);

    let len = text.len();
    for (text, says) in [
        (&text[2..], format!("--latent: the latent of this model has {} values, so its text has {len} ", len / 2)),
        (&text[..0], "this one has 0".to_owned()),
        ("frog", "--latent: character 2 of the latent is no hexadecimal digit".to_owned()),
    ] {
        let output = preview(&["--latent", text], folder.path())?;
        let said = String::from_utf8(output.stderr)?.replace("\n\nCaused by:\n    ", ": ");
        assert!(!output.status.success() && said.contains(&says), "{text}: {said}");
        // `cargo frog` says so before it builds anything.
        let mut frog = Command::new(env!("CARGO_BIN_EXE_frog"));
        let output = frog.args(["--latent", text]).current_dir(folder.path()).output()?;
        let said = String::from_utf8(output.stderr)?;
        assert!(!output.status.success() && said.contains("--latent") && !said.contains("building"), "{said}");
    }
    assert_eq!(model::latent_setting(BLOB, &text.to_uppercase())?, format!("latent={text}"));
    assert!(model::latent_setting(b"GIF89a", &text).is_err());
    Ok(())
}

#[test]
fn the_preview_shows_the_time_that_it_is_given() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let shows = |ms: Option<u32>| {
        let ms = ms.map(|ms| ms.to_string());
        let mut arguments = vec!["--board", "microbit-v2", "--seed", "6", "--scale", "1", "--out", "time.png"];
        arguments.extend(ms.iter().flat_map(|ms| ["--ms", ms]));
        ensure!(preview(&arguments, folder.path())?.status.success(), "{arguments:?}");
        Ok(image::open(folder.path().join("time.png"))?.to_rgb8().into_raw())
    };
    let expected = |us| drawn::<Rgb565>(BLOB, MODULE_1_8.size(), 6, us);
    for ms in [1, 2, 3, 7, 9, 10, 11, 33, 50, 89, 90, 100, 250, 999, 1000, 4321, 9999, 10_000, 60_000] {
        assert!(shows(Some(ms))? == expected(ms * 1000)?, "--ms {ms}");
    }

    // Without it there is no time: nothing but background where it stands.
    let text =
        Layout::new(MODULE_1_8.size(), Model::parse(BLOB)?.output_shape())?.text.context("there is room for text")?;
    let letter = text.time.font.letter();
    let place = Rectangle::new(text.time.at, Size::new(letter.width * text.time.columns as u32, letter.height));
    let width = MODULE_1_8.size().width;
    let lit = |pixels: &[u8]| place.points().any(|at| pixels[3 * (at.y as usize * width as usize + at.x as usize)] > 0);
    assert!(lit(&shows(Some(89))?), "the time stands elsewhere");
    assert!(!lit(&shows(None)?), "a time nobody gave");
    Ok(())
}

/// The aliases of `.cargo/config.toml`.
fn aliases() -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Config {
        alias: BTreeMap<String, String>,
    }
    Ok(toml::from_str::<Config>(&fs::read_to_string(root()?.join(".cargo/config.toml"))?)?.alias)
}

#[test]
fn help_names_the_command_that_was_typed() -> Result<()> {
    let mut seen = 0;
    for (name, words) in aliases()? {
        ensure!(!words.contains(" -q"), "cargo {name} would compile in silence");
        let Some((_, rest)) = words.split_once(" --bin ") else { continue };
        let (bin, words) = rest.split_once(" --").with_context(|| format!("cargo {name} has no --"))?;
        let program = match bin {
            "flash" => env!("CARGO_BIN_EXE_flash"),
            "frog" => env!("CARGO_BIN_EXE_frog"),
            "pico" => env!("CARGO_BIN_EXE_pico"),
            "preview" => env!("CARGO_BIN_EXE_preview"),
            "web" => continue, // in another package, whose page a browser tests
            other => anyhow::bail!("cargo {name} runs {other}"),
        };
        let output = Command::new(program).args(words.split_whitespace()).arg("--help").output()?;
        let said = String::from_utf8(output.stdout)?;
        assert!(output.status.success(), "{said}");
        let usage = said.lines().find(|line| line.starts_with("Usage: ")).context("no line on usage")?;
        let board = if name == "flash" { "BOARD " } else { "" };
        assert!(usage.starts_with(&format!("Usage: cargo {name} {board}[OPTIONS]")), "{usage}");
        seen += 1;
    }
    assert_eq!(seen, 10, "any board, six of them by short names, frog, pico and preview");

    let output = Command::new(env!("CARGO_BIN_EXE_flash")).arg("--help").output()?;
    let said = String::from_utf8(output.stdout)?;
    for board in HARDWARE_BOARDS {
        assert!(said.contains(board.name) && said.contains(&board.flash_command()), "{said}");
    }
    Ok(())
}

/// The facts of a board are in `board.toml`. Cargo reads no such file, so its configuration repeats some.
#[test]
fn cargos_configuration_agrees_with_the_boards() -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        build: Build,
        target: BTreeMap<String, Target>,
    }
    #[derive(Deserialize)]
    struct Build {
        target: String,
    }
    #[derive(Deserialize)]
    struct Target {
        runner: String,
    }
    let mut aliases = aliases()?;
    aliases.retain(|name, _| name.starts_with("flash-"));
    for board in HARDWARE_BOARDS {
        let name = board.name;
        let file = root()?.join("firmware/boards").join(name).join(".cargo/config.toml");
        let config: Config = toml::from_str(&fs::read_to_string(&file)?).with_context(|| file.display().to_string())?;
        ensure!(config.build.target == board.triple, "{name} is built for {}", config.build.target);
        let runner = &config.target.get(board.triple).with_context(|| format!("{name} has no runner"))?.runner;
        let chip = board.chip.context("a hardware board has a chip")?;
        ensure!(runner.starts_with(&format!("probe-rs run --chip {chip} ")), "{name} is flashed by: {runner}");
        if let Some(alias) = board.alias {
            let words = aliases.remove(alias).with_context(|| format!("there is no cargo {alias} for {name}"))?;
            ensure!(words == format!("run -p firmware-tools --bin flash -- {name}"), "cargo {alias}: {words}");
        }
    }
    ensure!(aliases.is_empty(), "no board.toml has these aliases: {aliases:?}");
    Ok(())
}

/// A program that stands in for another of this name, in a folder for `PATH`.
fn stand_in(folder: &Path, name: &str, script: &str) -> Result<()> {
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n"))?;
    Ok(fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?)
}

/// Without the compiler's library for the chip a build would fail after minutes, with an error about `core`.
#[test]
fn a_missing_target_is_named_before_anything_is_built() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // Names a folder for the target's library that does not exist.
    stand_in(folder.path(), "rustc", "echo /nowhere/lib/rustlib/target/lib")?;
    stand_in(folder.path(), "cargo", &format!("touch '{}/was-built'", folder.path().display()))?;
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH")?);
    for (program, arguments, target) in [
        (env!("CARGO_BIN_EXE_flash"), &["pico2", "--build-only"][..], "thumbv8m.main-none-eabihf"),
        (env!("CARGO_BIN_EXE_frog"), &["--out", "frog.png"][..], "thumbv7m-none-eabi"),
    ] {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder.path()).env("PATH", &path);
        let output = command.env("CARGO", folder.path().join("cargo")).output()?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(!output.status.success() && said.contains(&format!("\n    rustup target add {target}\n")), "{said}");
        ensure!(!said.contains("building") && !folder.path().join("was-built").exists(), "it builds first: {said}");
    }
    Ok(())
}

/// What happens is said before it happens: the stand-in for cargo finds the message already there.
#[test]
fn a_build_is_announced_before_it_begins() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name| folder.path().join(name);
    let script = format!(
        "echo 'this is cargo' >&2; cp '{}' '{}'; pwd >'{}'; exit 101",
        file("log").display(),
        file("seen").display(),
        file("place").display()
    );
    stand_in(folder.path(), "cargo", &script)?;
    for (program, arguments, place, board) in [
        (env!("CARGO_BIN_EXE_flash"), &["pico2", "--build-only"][..], "firmware/boards/pico2", "pico2"),
        (env!("CARGO_BIN_EXE_frog"), &["--out", "frog.png"][..], "firmware/emulated", "lm3s6965evb"),
    ] {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder.path()).env("CARGO", file("cargo"));
        let status = command.stderr(fs::File::create(file("log"))?).status()?;
        let (said, ran_in) = (fs::read_to_string(file("seen"))?, fs::read_to_string(file("place"))?);
        let announced = format!("building the firmware for {board}; the first build takes a few minutes\n");
        // Cargo's own output follows as it comes.
        ensure!(!status.success() && said == format!("{announced}this is cargo\n"), "{said}");
        ensure!(ran_in.trim_end().ends_with(place), "cargo runs in {ran_in}");
    }
    Ok(())
}

/// Whatever a person's cargo has to say stops nobody from flashing a good program.
#[test]
fn a_warning_of_cargo_stops_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cargo = folder.path().join("cargo");
    let warning = "warning: `/home/somebody/.cargo/config` is deprecated in favor of `config.toml`";
    fs::write(&cargo, format!("#!/bin/sh\necho '{warning}' >&2\nexec '{}' \"$@\"\n", env!("CARGO")))?;
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755))?;
    let mut flash = Command::new(env!("CARGO_BIN_EXE_flash"));
    let output = flash.args(["pico2", "--build-only"]).env("CARGO", &cargo).env_remove("FROG_MODEL").output()?;
    let (said, shown) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    assert!(output.status.success(), "{said}{shown}");
    assert!(shown.contains("building the firmware for pico2") && shown.contains(warning), "{shown}");
    let bill = MemoryUsage::of(&build(PICO2, "pico2", None)?)?;
    assert!(said.starts_with("pico2\n") && said.contains(&format!(" {} of ", bill.flash)), "{said}");
    Ok(())
}

#[test]
fn the_runner_has_all_the_time_that_people_want() -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_qemu")).arg("--help").output()?;
    let said = String::from_utf8(output.stdout)?;
    assert!(said.contains("Seconds that it may run; 0 for ever [default: 0]"), "{said}");
    Ok(())
}

#[test]
fn what_the_commands_write_is_no_part_of_the_repository() -> Result<()> {
    let ignored = fs::read_to_string(root()?.join(".gitignore"))?;
    for file in ["preview.png", "frog.png", "grid.png", "data.png", "model.gen", "fast.gen"] {
        let (_, kind) = file.split_once('.').context("a kind of file")?;
        let lines = [format!("/{file}"), format!("/*.{kind}")];
        assert!(ignored.lines().any(|line| lines.iter().any(|wanted| line == wanted)), "{file}");
    }
    Ok(())
}
