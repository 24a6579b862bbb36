//! The OLED shows what the app draws on the host: every pixel, through button, idle
//! morph and failure.
//!
//! No test depends on time: each waits for a line of the log, and the frogs that are
//! looked at do not move by themselves (`idle=0`). Where they do, the log carries the
//! checksum of every picture.

use std::convert::Infallible;

use anyhow::{Context, Result};
use firmware::app::{App, Button, Counter, Event};
use firmware::model::BLOB;
use firmware::settings::Settings;
use firmware::ssd0323::{BLACK, HEIGHT, Interface, Memory, Ssd0323, WIDTH};
use firmware::view;
use gen_core::{Model, ParseError};
use workspace_tests::firmware::{LM3S6965EVB, build};
use workspace_tests::qemu::{LIMIT, Options, Qemu};

/// A display on no chip: the driver's copy of its memory is all that is looked at.
struct Nowhere;

impl Interface for Nowhere {
    fn command(&mut self, _: &[u8]) {}
    fn data(&mut self, _: &[u8]) {}
}

/// A button that is pressed before every step, or never.
struct Always(bool);

impl Button for Always {
    fn pressed(&mut self) -> bool {
        self.0
    }
}

fn greys(display: &Ssd0323<'_, Nowhere>) -> Vec<u8> {
    (0..WIDTH * HEIGHT).map(|i| display.grey(i % WIDTH, i / WIDTH)).collect()
}

/// Runs the app on the host: what each step drew, and the display after it.
fn on_host(settings: Settings, pressed: bool, steps: u32) -> Result<Vec<(Event, Vec<u8>)>> {
    let model = Model::parse(BLOB)?;
    let mut workspace = vec![0; model.workspace_len()];
    let mut memory: Memory = BLACK;
    let mut display = Ssd0323::new(Nowhere, &mut memory);
    let seeds = Counter::from(settings.first_seed());
    let mut app = App::new(&model, &mut workspace, &mut display, seeds, Always(pressed), &settings)?;
    let mut step = |i| -> Result<_> {
        // Every step comes after the idle time.
        let Ok::<_, Infallible>(event) = app.step(i * settings.idle_ms);
        Ok((event.context("every step draws")?, greys(app.display())))
    };
    (0..steps).map(&mut step).collect()
}

fn start(settings: &[&str]) -> Result<Qemu> {
    let settings = settings.iter().map(|&word| word.to_owned()).collect();
    let options = Options { settings, limit: Some(LIMIT), ..Options::default() };
    Qemu::start(LM3S6965EVB, &build(LM3S6965EVB, "frog", None)?, &options)
}

#[track_caller]
fn compare(oled: &[u8], host: &[u8]) {
    let differ: Vec<_> = (0..WIDTH * HEIGHT).filter(|&i| oled[i] != host[i]).collect();
    let first = differ.first().map(|i| (i % WIDTH, i / WIDTH));
    assert!(differ.is_empty(), "{} of {} pixels differ, the first at {first:?}", differ.len(), WIDTH * HEIGHT);
}

#[test]
fn the_button_shows_the_next_frog() -> Result<()> {
    let host = on_host(Settings { seed: Some(41), idle_ms: 0 }, true, 3)?;
    let mut qemu = start(&["seed=41", "idle=0"])?;
    for (seed, (_, frame)) in (41..).zip(&host) {
        if seed > 41 {
            qemu.press("ctrl")?;
        }
        qemu.wait_for(&format!("frog {seed} drawn"))?;
        compare(&qemu.screen()?.greys()?, frame);
    }
    assert!(host[0].1 != host[1].1, "two frogs look the same");
    Ok(())
}

#[test]
fn other_keys_do_nothing() -> Result<()> {
    let mut qemu = start(&["seed=4294967295", "idle=0"])?;
    qemu.wait_for("frog 4294967295 drawn")?;
    for key in ["up", "down", "left", "right", "ctrl"] {
        qemu.press(key)?;
    }
    // Numbers wrap. Keys are worked off in order, so the other four did nothing.
    let line = qemu.wait_for("drawn")?;
    assert!(line.contains("frog 0 drawn"), "{line}");
    Ok(())
}

#[test]
fn an_idle_frog_turns_into_the_next() -> Result<()> {
    // Two ways of 15 pictures, and the frogs at their ends.
    let host = on_host(Settings { seed: Some(7), idle_ms: 100 }, false, 33)?;
    let mut qemu = start(&["seed=7", "idle=100"])?;
    for (event, _) in host {
        let expected = match event {
            Event::Drawn { seed, crc } => format!("frog {seed} drawn, crc {crc:08x}"),
            Event::Morph { from, to, t, crc } => format!("frog {from} on the way to {to}: {t}/256, crc {crc:08x}"),
        };
        let line = qemu.wait_for("frog ")?;
        assert!(line.contains(&expected), "expected {expected}, found {line}");
    }
    Ok(())
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
    qemu.wait_for("setting sed=7 ignored: a setting is seed=NUMBER or idle=MILLISECONDS")?;
    qemu.wait_for("frog 42 drawn")?;
    Ok(())
}
