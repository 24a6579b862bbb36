//! The OLED shows what the app draws on the host, pixel for pixel: after presses, in all modes, during morphs and after
//! failures.
//!
//! No test depends on the speed of the host: each waits for a line of the log, and compared pictures do not change without
//! a press (`idle=0`). Where they change, the log contains the checksum of every picture.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::env;
use std::ops::Range;

use anyhow::{Context, Result};
use emulated_boards::ssd0323::{BLACK, FrameBuffer, HEIGHT, Interface, Ssd0323, WIDTH};
use firmware_app::app::StartError;
use firmware_app::picture::Source;
use firmware_app::settings::Mode;
use firmware_app::view;
use firmware_tools::boards::{LM3S6965EVB, MPS2_AN386};
use firmware_tools::build::{First, build, build_first, root};
use firmware_tools::count::INT8;
use firmware_tools::model::{self, BLOB};
use firmware_tools::pictures::on_board;
use firmware_tools::qemu::{LIMIT, Options, Qemu};
use firmware_tools::replay::Replay;
use gen_core::aligned;
use gen_core::spec::MAX_LATENT;
use gen_core::{EngineError, Latent, Model};

use crate::models;

/// An interface without a display: only the driver's copy of the memory is compared.
struct Nowhere;

impl Interface for Nowhere {
    type Error = Infallible;

    fn command(&mut self, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn data(&mut self, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }
}

type Oled<'m> = Ssd0323<'m, Nowhere>;

fn greys(display: &Oled<'_>) -> Vec<u8> {
    (0..WIDTH * HEIGHT).map(|i| display.grey(i % WIDTH, i / WIDTH)).collect()
}

fn start(settings: &[&str]) -> Result<Qemu> {
    start_program(&build(LM3S6965EVB, "qemu-oled", None)?, settings)
}

fn start_program(program: &[u8], settings: &[&str]) -> Result<Qemu> {
    let settings = settings.iter().map(|&word| word.to_owned()).collect();
    Qemu::start(LM3S6965EVB, program, &Options { settings, limit: Some(LIMIT), ..Options::default() })
}

/// Presses buttons of the emulated board, draws the same pictures on the host, and compares the displays.
fn beside(mode: Mode, play: impl FnOnce(&mut Replay<'_, Oled<'_>>) -> Result<()>) -> Result<()> {
    beside_with(BLOB, mode, play)
}

fn beside_with(blob: &[u8], mode: Mode, play: impl FnOnce(&mut Replay<'_, Oled<'_>>) -> Result<()>) -> Result<()> {
    let bytes = aligned(blob);
    let model = Model::parse(&bytes)?;
    let mut workspace = vec![0; model.workspace_len()];
    let mut memory: FrameBuffer = BLACK;
    let mut display = Ssd0323::new(Nowhere, &mut memory);
    play(&mut Replay::new(model.clone(), &mut workspace, &mut display, mode)?)
}

#[track_caller]
fn compare(oled: &[u8], host: &[u8]) {
    let differ: Vec<_> = (0..WIDTH * HEIGHT).filter(|&i| oled[i] != host[i]).collect();
    let first = differ.first().map(|i| (i % WIDTH, i / WIDTH));
    assert!(differ.is_empty(), "{} of {} pixels differ, the first at {first:?}", differ.len(), WIDTH * HEIGHT);
}

#[test]
fn the_button_shows_the_next_picture() -> Result<()> {
    compare_pictures(&build(LM3S6965EVB, "qemu-oled", None)?, BLOB, 3)
}

/// Compares the first pictures of a program that embeds the model `blob`, one for each press of the button.
fn compare_pictures(program: &[u8], blob: &[u8], count: u32) -> Result<()> {
    let mut qemu = start_program(program, &["seed=41", "idle=0"])?;
    let mut frames = Vec::new();
    beside_with(blob, Mode::Morph, |host| {
        for seed in 41..41 + count {
            if seed > 41 {
                qemu.press("ctrl")?;
            }
            host.draw(&qemu.wait_for(&format!("picture {seed} drawn"))?)?;
            compare(&qemu.screen()?.greys()?, &greys(host.display()));
            frames.push(greys(host.display()));
        }
        Ok(())
    })?;
    assert!(frames[0] != frames[1], "two pictures look the same");
    Ok(())
}

/// The picture in README.md is what the command beside it draws.
#[test]
fn the_readme_shows_what_the_command_draws() -> Result<()> {
    let readme = std::fs::read_to_string(root()?.join("README.md"))?;
    let (before, _) = readme.split_once("--out docs/oled.png`").context("README.md names no command for it")?;
    let (_, words) = before.rsplit_once("`cargo frog ").context("no cargo frog before it")?;
    let seed = words.trim().strip_prefix("--seed ").unwrap_or("42").to_owned();
    let model = root()?.join(model::OLED);
    let program = build(LM3S6965EVB, "qemu-oled", Some(&model))?;
    let mut qemu = start_program(&program, &[&format!("seed={seed}"), "idle=0"])?;
    qemu.wait_for(" drawn")?;
    let folder = tempfile::tempdir()?;
    let drawn = folder.path().join("oled.png");
    qemu.screen()?.write_png(&drawn)?;
    let [drawn, shown] = [drawn, root()?.join("docs/oled.png")].map(|file| image::open(file).map(|png| png.to_rgb8()));
    assert!(drawn? == shown?, "docs/oled.png is another picture: cargo frog --seed {seed} --out docs/oled.png");
    Ok(())
}

/// The log lines in firmware/README.md are current; numbers may differ by 5 %.
#[test]
fn the_readme_shows_what_the_log_says() -> Result<()> {
    let readme = std::fs::read_to_string(root()?.join("firmware/README.md"))?;
    let line = |text: &str| readme.lines().find(|line| line.contains(text)).context("a line of the log");
    let (model, picture) = (line("INFO  model ")?, line("INFO  picture 42 drawn")?);
    let mut qemu = start(&["seed=42", "idle=0"])?;
    let words = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    for (shown, said) in [(model, qemu.wait_for("model ")?), (picture, qemu.wait_for("picture ")?)] {
        let (shown_words, said_words) = (words(shown), words(&said));
        assert_eq!(shown_words.len(), said_words.len(), "README: {shown}; log: {said}");
        for (a, b) in shown_words.iter().zip(&said_words) {
            let near = match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) => (a - b).abs() <= 0.05 * b,
                _ => a == b,
            };
            assert!(near, "README: {shown}; log: {said}");
        }
    }
    Ok(())
}

#[test]
fn other_keys_do_nothing() -> Result<()> {
    let mut qemu = start(&["seed=4294967295", "idle=0"])?;
    qemu.wait_for("picture 4294967295 drawn")?;
    for key in ["up", "down", "left", "right", "ctrl"] {
        qemu.press(key)?;
    }
    // Numbers wrap around. Keys are handled in order, so the other four have had no effect.
    let line = qemu.wait_for("drawn")?;
    assert!(line.contains("picture 0 drawn"), "{line}");
    Ok(())
}

#[test]
fn an_idle_picture_turns_into_the_next() -> Result<()> {
    let mut qemu = start(&["seed=7", "idle=100"])?;
    beside(Mode::Morph, |host| {
        host.draw(&qemu.wait_for("picture ")?)?;
        for from in [7, 8] {
            let mut before = 0;
            loop {
                let drawn = host.draw(&qemu.wait_for("picture ")?)?;
                let Some((to, t)) = drawn.way else {
                    assert_eq!(drawn.source, Source::Seed(from + 1));
                    break;
                };
                assert_eq!((drawn.source, to), (Source::Seed(from), from + 1));
                assert!(before < t && t < 256);
                before = t;
            }
            assert!(before > 128, "the way ended at {before} of 256");
        }
        Ok(())
    })
}

#[test]
fn a_wall_fills_the_display() -> Result<()> {
    let mut qemu = start(&["seed=5", "idle=0", "mode=gallery"])?;
    beside(Mode::Gallery, |host| {
        for _ in 0..8 {
            host.draw(&qemu.wait_for("picture ")?)?;
        }
        compare(&qemu.screen()?.greys()?, &greys(host.display()));
        Ok(())
    })
}

/// Runs another model: two single pictures, and a gallery with this number of pictures.
fn check_shape(blob: &[u8], (width, height): (u16, u16), grid: u32) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("noise.gen");
    std::fs::write(&path, blob)?;
    let program = build(LM3S6965EVB, "qemu-oled", Some(&path))?;
    let shape = Model::parse(&aligned(blob))?.output_shape();
    assert_eq!((shape.width, shape.height), (width, height));
    compare_pictures(&program, blob, 2)?;
    let mut qemu = start_program(&program, &["seed=5", "idle=0", "mode=gallery"])?;
    beside_with(blob, Mode::Gallery, |host| {
        for _ in 0..grid {
            host.draw(&qemu.wait_for("picture ")?)?;
        }
        compare(&qemu.screen()?.greys()?, &greys(host.display()));
        Ok(())
    })
}

#[test]
fn a_grey_picture_as_high_as_the_display() -> Result<()> {
    check_shape(&models::preset("oled")?, (64, 64), 2)
}

#[test]
fn a_grey_picture_as_large_as_the_display() -> Result<()> {
    check_shape(&models::reshaped("oled", [4, 8], 1)?, (128, 64), 1)
}

#[test]
fn a_colour_picture_as_high_as_the_display() -> Result<()> {
    check_shape(&models::reshaped("oled", [4, 4], 3)?, (64, 64), 2)
}

/// A program with other bytes of the model in flash.
fn with_model(program: &[u8], model: &[u8]) -> Result<Vec<u8>> {
    let place = program.windows(BLOB.len()).position(|part| part == BLOB).context("the program holds the model")?;
    let mut program = program.to_vec();
    program[place..][..model.len()].copy_from_slice(model);
    Ok(program)
}

/// The model with one flipped bit.
fn flipped(bit: usize) -> Vec<u8> {
    let mut model = BLOB.to_vec();
    model[bit / 8] ^= 1 << (bit % 8);
    model
}

/// The sections of a model: its first 16 bytes as described in `gen_core::model`, then the layers, then their weights,
/// biases and multipliers.
fn places() -> [Range<usize>; 8] {
    let header = 16..16 + usize::from(u16::from_le_bytes([BLOB[6], BLOB[7]]));
    let numbers = header.end.next_multiple_of(16);
    [0..4, 4..6, 6..8, 8..12, 12..16, header, numbers..BLOB.len() - 32, BLOB.len() - 32..BLOB.len()]
}

/// Possible damage of flash: `flips` single flipped bits, the same in every run, distributed over all sections; and pages
/// that were erased or never written.
fn damaged(flips: usize) -> Vec<Vec<u8>> {
    let mut random = 42_u32;
    let mut models: Vec<_> = places()
        .into_iter()
        .cycle()
        .take(flips)
        .map(|place| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            flipped(8 * place.start + (random >> 8) as usize % (8 * place.len()))
        })
        .collect();
    const PAGE: usize = 1024;
    for (erased, with) in [(0..BLOB.len(), 0xFF), (0..PAGE, 0xFF), (8 * PAGE..9 * PAGE, 0xFF), (40_000..BLOB.len(), 0)]
    {
        let mut model = BLOB.to_vec();
        model[erased].fill(with);
        models.push(model);
    }
    models
}

/// Flipped bits with a corrected checksum, so that only the parser's own checks can detect them: one for each kind of
/// error.
fn sealed() -> Result<Vec<Vec<u8>>> {
    let [.., layers, _, multipliers] = places();
    let mut models = BTreeMap::new();
    for bit in (8 * layers.start..8 * layers.end).chain(8 * multipliers.start..8 * multipliers.end) {
        let mut model = flipped(bit);
        gen_core::format::seal(&mut model)?;
        let bytes = aligned(&model);
        let error = Model::parse(&bytes).err();
        if let Some(e) = error {
            models.entry(e.to_string()).or_insert(model);
        }
    }
    Ok(models.into_values().collect())
}

/// `FLIPS=200 cargo test --workspace --test workspace a_damaged_model` tries more bits.
#[test]
fn a_damaged_model_is_named_on_the_display() -> Result<()> {
    let flips = env::var("FLIPS").map_or(Ok(8), |n| n.parse()).context("FLIPS is a number")?;
    let (oled, headless) = (build(LM3S6965EVB, "qemu-oled", None)?, build(MPS2_AN386, "qemu-parity", None)?);
    let options = Options { limit: Some(LIMIT), ..Options::default() };
    let (damaged, sealed) = (damaged(flips), sealed()?);
    println!("{} damaged models, {} of them with a checksum that is right", damaged.len() + sealed.len(), sealed.len());
    assert!(sealed.len() >= 6, "the parser has more to say");
    for model in damaged.into_iter().chain(sealed) {
        let bytes = aligned(&model);
        let error = Model::parse(&bytes).err().context("nobody noticed")?;
        println!("{error}");

        let mut memory = BLACK;
        let mut display = Ssd0323::new(Nowhere, &mut memory);
        let Ok(()) = view::message(&mut display, StartError::Model(error));
        let mut qemu = Qemu::start(LM3S6965EVB, &with_model(&oled, &model)?, &options)?;
        let first = qemu.wait_for("")?;
        assert!(first.starts_with("INFO  model "), "{first}");
        assert_eq!(qemu.wait_for("")?, format!("ERROR {}", StartError::Model(error)));
        compare(&qemu.screen()?.greys()?, &greys(&display));

        let said = on_board(MPS2_AN386, &with_model(&headless, &model)?, &options);
        let said = said.map_or_else(|e| e.to_string(), |_| "a picture".to_owned());
        assert!(said.contains("returned 1") && said.contains(&format!("no model in memory: {error}")), "{said}");
    }
    Ok(())
}

#[test]
fn too_small_a_workspace_is_named_on_the_display() -> Result<()> {
    let needed = Model::parse(BLOB)?.workspace_plan(&INT8.tiling(LM3S6965EVB)).bytes();
    let error = StartError::Engine(EngineError::WorkspaceTooSmall { needed, given: 0 });
    let mut memory = BLACK;
    let mut display = Ssd0323::new(Nowhere, &mut memory);
    let Ok(()) = view::message(&mut display, error);

    let options = Options { limit: Some(LIMIT), ..Options::default() };
    let mut qemu = Qemu::start(LM3S6965EVB, &build(LM3S6965EVB, "fault-workspace", None)?, &options)?;
    qemu.wait_for(&format!("ERROR {error}"))?;
    compare(&qemu.screen()?.greys()?, &greys(&display));
    Ok(())
}

#[test]
fn a_missing_display_stops_nothing() -> Result<()> {
    let mut qemu = start(&["seed=41", "idle=0", "unplugged=2"])?;
    beside(Mode::Morph, |host| {
        let mut log = Vec::new();
        for seed in 41..44 {
            if seed > 41 {
                qemu.press("ctrl")?;
            }
            let drawn = format!("picture {seed} drawn");
            while log.last().is_none_or(|line: &String| !line.contains(&drawn)) {
                log.push(qemu.wait_for("")?);
            }
        }
        // Each is logged once, however often the display was tried, and in the right order.
        let mut said: Vec<_> = log.iter().map(|line| line.split(" drawn").next().unwrap_or_default()).collect();
        // The old picture is drawn once more if the second press is not over when the display works again.
        if said.get(5) == Some(&"INFO  picture 42") {
            said.remove(5);
        }
        let expected = [
            "ERROR the display fails, check its wires: BusTimeout",
            "INFO  picture 41",
            "INFO  picture 42",
            "INFO  the display works again",
            "INFO  picture 43",
        ];
        assert_eq!(said[1..], expected, "{log:#?}");
        host.draw(log.last().context("a line")?)?;
        compare(&qemu.screen()?.greys()?, &greys(host.display()));
        Ok(())
    })
}

/// Names of ASCII letters, of others, and longer than the display has room for.
const CLASSES: [&str; 4] = ["cat", "Dog", "лягушка", "great white shark"];

/// A program with a model of these classes, and the model.
fn with_classes() -> Result<(Vec<u8>, Vec<u8>)> {
    let blob = models::conditional_32(&CLASSES)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("classes.gen");
    std::fs::write(&path, &blob)?;
    Ok((build(LM3S6965EVB, "qemu-oled", Some(&path))?, blob))
}

#[test]
fn a_class_can_be_typed_and_the_button_shows_the_next() -> Result<()> {
    let (program, blob) = with_classes()?;
    for (typed, class) in [("лягушка", 2), ("dog", 1), ("3", 3)] {
        let typed = format!("typed=class={typed}");
        let mut qemu = start_program(&program, &["seed=41", "idle=0", "mode=classes", &typed])?;
        beside_with(&blob, Mode::Classes, |host| {
            let first = host.draw(&qemu.wait_for("picture ")?)?;
            assert_eq!((first.source, first.class), (Source::Seed(41), Some((0, None))));
            let mut before = greys(host.display());
            // After the last class comes the first one, with a new number.
            for step in class..class + 4 {
                if step > class {
                    qemu.press("ctrl")?;
                }
                let line = qemu.wait_for("picture ")?;
                let drawn = host.draw(&line)?;
                let (number, class) = (41 + u32::from(step / 4), step % 4);
                assert_eq!((drawn.source, drawn.class), (Source::Seed(number), Some((class, None))), "{line}");
                let name = CLASSES[usize::from(class)];
                assert!(line.contains(&format!("picture {number} drawn, class {class} ({name}), crc ")), "{line}");
                compare(&qemu.screen()?.greys()?, &greys(host.display()));
                assert!(before != greys(host.display()), "two classes look the same");
                before = greys(host.display());
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_class_that_the_model_lacks_is_named_with_those_it_has() -> Result<()> {
    let (program, blob) = with_classes()?;
    let mut qemu = start_program(&program, &["seed=41", "idle=0", "class=frog", "typed=class=4"])?;
    let has = "the classes are cat, Dog, лягушка and great white shark";
    beside_with(&blob, Mode::Morph, |host| {
        for (word, next) in [("frog", "picture 41 drawn, class 0 (cat)"), ("4", "")] {
            let line = qemu.wait_for("WARN")?;
            assert!(line.ends_with(&format!("class={word} ignored: {has}")), "{line}");
            if !next.is_empty() {
                host.draw(&qemu.wait_for(next)?)?;
            }
        }
        compare(&qemu.screen()?.greys()?, &greys(host.display()));
        Ok(())
    })?;
    let mut qemu = start(&["idle=0", "class=frog"])?;
    qemu.wait_for("class=frog ignored: the model has no classes")?;
    qemu.wait_for("picture 42 drawn, crc ")?;
    Ok(())
}

#[test]
fn a_morph_goes_from_class_to_class() -> Result<()> {
    let (program, blob) = with_classes()?;
    let mut qemu = start_program(&program, &["seed=7", "idle=100", "class=3", "typed=class=all"])?;
    beside_with(&blob, Mode::Morph, |host| {
        for _ in 0..2 {
            assert_eq!(host.draw(&qemu.wait_for("picture 7 drawn")?)?.class, Some((3, None)));
        }
        for (from, classes) in [(7, (3, 0)), (8, (0, 1))] {
            let mut count = 0;
            loop {
                let drawn = host.draw(&qemu.wait_for("picture ")?)?;
                if drawn.way.is_none() {
                    assert_eq!((drawn.source, drawn.class), (Source::Seed(from + 1), Some((classes.1, None))));
                    break;
                }
                assert_eq!((drawn.source, drawn.class), (Source::Seed(from), Some((classes.0, Some(classes.1)))));
                count += 1;
            }
            assert!(count > 2, "{count} pictures on the way");
        }
        Ok(())
    })
}

#[test]
fn the_tiles_of_a_wall_take_turns() -> Result<()> {
    let (program, blob) = with_classes()?;
    for (class, expected) in [("all", [0, 1, 2, 3, 0, 1, 2, 3]), ("dog", [1; 8])] {
        let class = format!("class={class}");
        let mut qemu = start_program(&program, &["seed=5", "idle=0", "mode=gallery", &class])?;
        beside_with(&blob, Mode::Gallery, |host| {
            for (number, class) in (5..).zip(expected) {
                let drawn = host.draw(&qemu.wait_for("picture ")?)?;
                assert_eq!((drawn.source, drawn.class), (Source::Seed(number), Some((class, None))));
            }
            compare(&qemu.screen()?.greys()?, &greys(host.display()));
            Ok(())
        })?;
    }
    Ok(())
}

/// The latent of no seed.
fn given() -> Result<Latent> {
    let blob = aligned(BLOB);
    let len = Model::parse(&blob)?.latent_len();
    let steps: Vec<_> = (0..len).map(|i| ((29 * i + 3) as u8).cast_signed() / 2).collect();
    Latent::from_steps(&steps).context("no longer than a latent may be")
}

#[test]
fn a_latent_can_be_typed_and_the_button_goes_on() -> Result<()> {
    let latent = given()?;
    let mut qemu = start(&["seed=41", "idle=0", &format!("typed=latent={}", latent.hex())])?;
    beside(Mode::Morph, |host| {
        host.give(latent);
        for expected in [Source::Seed(41), Source::Latent, Source::Seed(42)] {
            if expected == Source::Seed(42) {
                qemu.press("ctrl")?;
            }
            let line = qemu.wait_for("picture ")?;
            assert_eq!(host.draw(&line)?.source, expected, "{line}");
            // The latent was typed before the first picture was drawn, so its picture follows at once.
            if expected != Source::Seed(41) {
                compare(&qemu.screen()?.greys()?, &greys(host.display()));
            }
        }
        Ok(())
    })
}

/// The longest latent there can be, given when the program starts and typed.
#[test]
fn the_longest_latent_fits() -> Result<()> {
    let blob = models::with_latent(MAX_LATENT)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("long.gen");
    std::fs::write(&path, &blob)?;
    let program = build(LM3S6965EVB, "qemu-oled", Some(&path))?;
    for (name, count) in [("latent", 1), ("typed=latent", 2)] {
        let latent = Latent::from_seed(77, MAX_LATENT);
        let mut qemu = start_program(&program, &["seed=41", "idle=0", &format!("{name}={}", latent.hex())])?;
        beside_with(&blob, Mode::Morph, |host| {
            host.give(latent);
            let mut last = None;
            for _ in 0..count {
                last = Some(host.draw(&qemu.wait_for("picture ")?)?.source);
            }
            assert_eq!(last, Some(Source::Latent));
            compare(&qemu.screen()?.greys()?, &greys(host.display()));
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_program_can_begin_with_the_latent_that_it_was_built_with() -> Result<()> {
    let latent = given()?;
    let text = latent.hex().to_string();
    let first = First { latent: Some(&text), class: None };
    let program = build_first(LM3S6965EVB, "qemu-oled", None, first)?;
    let mut qemu = start_program(&program, &["idle=0"])?;
    beside(Mode::Morph, |host| {
        host.give(latent);
        assert_eq!(host.draw(&qemu.wait_for("picture ")?)?.source, Source::Latent);
        compare(&qemu.screen()?.greys()?, &greys(host.display()));
        qemu.press("ctrl")?;
        host.draw(&qemu.wait_for("picture 43 drawn")?)?;
        compare(&qemu.screen()?.greys()?, &greys(host.display()));
        Ok(())
    })
}

/// With a class, for a model with classes; and what the build says about others.
#[test]
fn a_program_can_begin_with_a_class() -> Result<()> {
    let blob = models::conditional_32(&CLASSES)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("classes.gen");
    std::fs::write(&path, &blob)?;
    let bytes = aligned(blob.clone());
    let latent = Latent::from_seed(7, Model::parse(&bytes)?.latent_len()).truncated(200);
    let text = latent.hex().to_string();
    let first = First { latent: Some(&text), class: Some("лягушка") };
    let program = build_first(LM3S6965EVB, "qemu-oled", Some(&path), first)?;
    let mut qemu = start_program(&program, &["idle=0"])?;
    beside_with(&blob, Mode::Morph, |host| {
        host.give(latent);
        let drawn = host.draw(&qemu.wait_for("picture ")?)?;
        assert_eq!((drawn.source, drawn.class), (Source::Latent, Some((2, None))));
        compare(&qemu.screen()?.greys()?, &greys(host.display()));
        Ok(())
    })?;
    let len = text.len();
    let longer = format!("{text}00");
    for (latent, class, says) in [
        (
            Some(&*longer),
            None,
            format!("FROG_LATENT: the latent of this model has {} values, so its text has {len}", len / 2),
        ),
        (Some("00x"), None, "FROG_LATENT: character 3 of the latent is no hexadecimal digit".to_owned()),
        (None, Some("4"), "FROG_CLASS: the model has no class \"4\". Its classes are cat, Dog, ".to_owned()),
    ] {
        let said = build_first(LM3S6965EVB, "qemu-oled", Some(&path), First { latent, class }).map(|_| ());
        let said = said.err().context("it builds")?;
        assert!(format!("{said:#}").contains(&says), "{said:#}");
    }
    Ok(())
}

#[test]
fn what_is_no_latent_is_named_in_the_log() -> Result<()> {
    let blob = aligned(BLOB);
    let len = Model::parse(&blob)?.latent_len();
    let length = format!(
        "latent=... ignored: the latent of this model has {len} values, so its text has {} hexadecimal digits, two for \
         each; this one has",
        2 * len
    );
    let mut qemu = start(&["idle=0", "latent=00ff", "typed=latent=00fg"])?;
    qemu.wait_for(&format!("{length} 4"))?;
    qemu.wait_for("picture 42 drawn")?;
    qemu.wait_for("latent=... ignored: character 4 of the latent is no hexadecimal digit")?;
    let mut qemu = start(&["idle=0", "latent=xy", &format!("typed=latent={}", "00".repeat(len - 1))])?;
    qemu.wait_for("setting latent=xy ignored: a setting is seed=NUMBER, latent=HEX, ")?;
    qemu.wait_for("picture 42 drawn")?;
    qemu.wait_for(&format!("{length} {}", 2 * len - 2))?;
    Ok(())
}

#[test]
fn wrong_settings_are_named_in_the_log() -> Result<()> {
    let mut qemu = start(&["sed=7", "idle=0"])?;
    qemu.wait_for(
        "setting sed=7 ignored: a setting is seed=NUMBER, latent=HEX, class=NAME, idle=MILLISECONDS or mode=",
    )?;
    qemu.wait_for("picture 42 drawn")?;
    Ok(())
}
