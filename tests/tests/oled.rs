//! The OLED shows what the app draws on the host: every pixel, through button, modes, idle
//! morph and failure.
//!
//! No test depends on time: each waits for a line of the log, and the pictures that are
//! looked at do not change by themselves (`idle=0`). Where they do, the log carries the
//! checksum of every picture.

use anyhow::{Context, Result};
use firmware::model::BLOB;
use firmware::settings::Mode;
use firmware::ssd0323::{BLACK, HEIGHT, Interface, Memory, Ssd0323, WIDTH};
use firmware::view;
use gen_core::{Model, ParseError};
use workspace_tests::firmware::{LM3S6965EVB, build};
use workspace_tests::qemu::{LIMIT, Options, Qemu};
use workspace_tests::replay::Replay;

/// A display on no chip: the driver's copy of its memory is all that is looked at.
struct Nowhere;

impl Interface for Nowhere {
    fn command(&mut self, _: &[u8]) {}
    fn data(&mut self, _: &[u8]) {}
}

type Oled<'m> = Ssd0323<'m, Nowhere>;

fn greys(display: &Oled<'_>) -> Vec<u8> {
    (0..WIDTH * HEIGHT).map(|i| display.grey(i % WIDTH, i / WIDTH)).collect()
}

fn start(settings: &[&str]) -> Result<Qemu> {
    let settings = settings.iter().map(|&word| word.to_owned()).collect();
    let options = Options { settings, limit: Some(LIMIT), ..Options::default() };
    Qemu::start(LM3S6965EVB, &build(LM3S6965EVB, "frog", None)?, &options)
}

/// Has somebody play with an OLED and a copy of it on the host.
fn beside(mode: Mode, play: impl FnOnce(&mut Replay<'_, Oled<'_>>) -> Result<()>) -> Result<()> {
    let model = Model::parse(BLOB)?;
    let mut workspace = vec![0; model.workspace_len()];
    let mut memory: Memory = BLACK;
    let mut display = Ssd0323::new(Nowhere, &mut memory);
    play(&mut Replay::new(&model, &mut workspace, &mut display, mode)?)
}

#[track_caller]
fn compare(oled: &[u8], host: &[u8]) {
    let differ: Vec<_> = (0..WIDTH * HEIGHT).filter(|&i| oled[i] != host[i]).collect();
    let first = differ.first().map(|i| (i % WIDTH, i / WIDTH));
    assert!(differ.is_empty(), "{} of {} pixels differ, the first at {first:?}", differ.len(), WIDTH * HEIGHT);
}

#[test]
fn the_button_shows_the_next_picture() -> Result<()> {
    let mut qemu = start(&["seed=41", "idle=0"])?;
    let mut frames = Vec::new();
    beside(Mode::Morph, |host| {
        for seed in 41..44 {
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

#[test]
fn other_keys_do_nothing() -> Result<()> {
    let mut qemu = start(&["seed=4294967295", "idle=0"])?;
    qemu.wait_for("picture 4294967295 drawn")?;
    for key in ["up", "down", "left", "right", "ctrl"] {
        qemu.press(key)?;
    }
    // Numbers wrap. Keys are worked off in order, so the other four did nothing.
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
                    assert_eq!(drawn.seed, from + 1);
                    break;
                };
                assert_eq!((drawn.seed, to), (from, from + 1));
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

#[test]
fn a_damaged_model_is_named_on_the_display() -> Result<()> {
    let mut elf = build(LM3S6965EVB, "frog", None)?;
    let model = elf.windows(BLOB.len()).position(|part| part == BLOB).context("the program holds the model")?;
    elf[model + BLOB.len() / 2] ^= 1;

    let mut memory = BLACK;
    let mut display = Ssd0323::new(Nowhere, &mut memory);
    let Ok(()) = view::message(&mut display, ParseError::Checksum);

    let options = Options { limit: Some(LIMIT), ..Options::default() };
    let mut qemu = Qemu::start(LM3S6965EVB, &elf, &options)?;
    qemu.wait_for(&ParseError::Checksum.to_string())?;
    compare(&qemu.screen()?.greys()?, &greys(&display));
    Ok(())
}

#[test]
fn wrong_settings_are_named_in_the_log() -> Result<()> {
    let mut qemu = start(&["sed=7", "idle=0"])?;
    qemu.wait_for("setting sed=7 ignored: a setting is seed=NUMBER, idle=MILLISECONDS or mode=")?;
    qemu.wait_for("picture 42 drawn")?;
    Ok(())
}
