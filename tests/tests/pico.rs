//! The whole Raspberry Pi Pico, emulated: the program that `cargo flash-pico` flashes boots from the flash, and the bytes on the
//! pins of its display become pictures that must equal the host's, pixel for pixel.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use firmware_app::picture::Source;
use firmware_app::settings::Mode;
use firmware_app::testcard;
use firmware_tools::boards::PICO;
use firmware_tools::build::{build, build_with};
use firmware_tools::model::BLOB;
use firmware_tools::pico::{CLOCK_HZ, DISPLAYS, Display, Options, Pico};
use firmware_tools::replay::{Drawn, Replay};
use gen_core::{Latent, Model, aligned};
use object::{Object, ObjectSection, ObjectSymbol};

use crate::colour::{Frame, compare};

/// The button is up, and the time limit enough for a slow machine that is busy.
const OPTIONS: Options = Options { is_down: false, raises_faults: false, limit: Duration::from_secs(600) };
/// Milliseconds of the chip's time in which the test card is complete.
const CARD_MS: u64 = 500;

/// Starts a program with the button held, and compares the test card. Then lets the button go.
fn card(program: &[u8], display: Display) -> Result<Pico> {
    let mut pico = Pico::start(program, display, Options { is_down: true, ..OPTIONS })?;
    pico.wait_for("test card, until the button is let go")?;
    pico.run(CARD_MS)?;
    let mut frame = Frame::new(display.panel.size());
    let Ok(()) = testcard::draw(&mut frame);
    compare(&display.panel, "card on the pico", &pico.screen()?, &frame);
    pico.press(false)?;
    Ok(pico)
}

/// Waits for the next picture, and compares the screen with the host's. Returns what the log says about it.
fn next(pico: &mut Pico, display: Display, host: &mut Replay<'_, Frame>) -> Result<Drawn> {
    let line = pico.wait_for("picture ")?;
    let drawn = host.draw(&line)?;
    compare(&display.panel, &format!("picture {} on the pico", drawn.source), &pico.screen()?, host.display());
    Ok(drawn)
}

#[test]
fn card_pictures_and_a_press_of_the_button() -> Result<()> {
    let program = build(PICO, PICO.name, None)?;
    let [display, _] = DISPLAYS;
    let mut pico = card(&program, display)?;
    let bytes = aligned(BLOB);
    let model = Model::parse(&bytes)?;
    let (mut workspace, mut frame) = (vec![0; model.workspace_len()], Frame::new(display.panel.size()));
    let mut host = Replay::new(model.clone(), &mut workspace, &mut frame, Mode::Morph)?;
    // The first number is random: from the ring oscillator, which the emulator replaces by a generator.
    let first = next(&mut pico, display, &mut host)?;
    let mut typed = Vec::new();
    for seed in [42, 7] {
        pico.type_words(&format!("seed={seed}"))?;
        let drawn = next(&mut pico, display, &mut host)?;
        assert_eq!(drawn.source, Source::Seed(seed));
        typed.push(drawn);
    }
    // A latent; it is longer than the channel had room for before.
    let latent = Latent::from_seed(77, model.latent_len()).truncated(200);
    host.give(latent.clone());
    pico.type_words(&format!("latent={}", latent.hex()))?;
    assert_eq!(next(&mut pico, display, &mut host)?.source, Source::Latent);
    pico.tap()?;
    let pressed = next(&mut pico, display, &mut host)?;
    let old = [Source::Seed(42), Source::Seed(7), Source::Seed(8), first.source, Source::Latent];
    assert!(!old.contains(&pressed.source), "the next number should be random: {pressed:?}");
    for drawn in typed {
        let cycles = u64::from(drawn.us) * (CLOCK_HZ / 1_000_000);
        println!(
            "pico: picture {}: {} us, {cycles} cycles at 125 MHz without the flash's cache",
            drawn.source, drawn.us
        );
    }
    println!("pico: {:?} in all", pico.time());
    assert_eq!(pico.line(), None, "the log has more lines than pictures");
    Ok(())
}

/// On the other SPI unit, without a reset pin, and with only a part of the controller's memory visible.
#[test]
fn the_other_display() -> Result<()> {
    let display = DISPLAYS[1];
    let program = build_with(PICO, PICO.name, None, &[display.panel.name])?;
    let mut pico = card(&program, display)?;
    let bytes = aligned(BLOB);
    let model = Model::parse(&bytes)?;
    let (mut workspace, mut frame) = (vec![0; model.workspace_len()], Frame::new(display.panel.size()));
    next(&mut pico, display, &mut Replay::new(model.clone(), &mut workspace, &mut frame, Mode::Morph)?)?;
    Ok(())
}

/// The chip's time does not depend on the machine: two runs have the same log, cycles and instructions.
#[test]
fn a_run_is_the_same_again() -> Result<()> {
    let program = build(PICO, PICO.name, None)?;
    let run = || {
        let mut pico = Pico::start(&program, DISPLAYS[0], OPTIONS)?;
        let lines = [pico.wait_for("model ")?, pico.wait_for("picture ")?];
        Ok::<_, anyhow::Error>((lines, pico.time(), pico.screen()?))
    };
    let (one, other) = (run()?, run()?);
    assert_eq!(one, other);
    let (_, time, _) = one;
    // 125 MHz, but for the start with a slower clock.
    let expected = time.nanos * (CLOCK_HZ / 1_000_000) / 1000;
    ensure!(time.cycles <= expected && time.cycles > expected - expected / 100, "{time:?}");
    Ok(())
}

/// Replaces the beginning of a function by these instructions. `name` is its symbol, or the part before the hash.
fn patched(program: &[u8], name: &str, instructions: &[u16]) -> Result<Vec<u8>> {
    let file = object::File::parse(program)?;
    let function = file
        .symbols()
        .find(|symbol| symbol.name().is_ok_and(|full| full == name || full.contains(&format!("{name}17h"))));
    let address = function.with_context(|| format!("the program has no function {name}"))?.address() & !1;
    let place = file.sections().find_map(|section| {
        let at = address.checked_sub(section.address()).filter(|&at| at < section.size())?;
        Some(section.file_range()?.0 + at)
    });
    let place = usize::try_from(place.context("it lies in a section")?)?;
    let mut patched = program.to_vec();
    for (i, instruction) in instructions.iter().enumerate() {
        patched[place + 2 * i..place + 2 * i + 2].copy_from_slice(&instruction.to_le_bytes());
    }
    Ok(patched)
}

/// The error of a run of two seconds of the chip's time.
fn said(program: &[u8], display: Display, options: Options) -> String {
    let run = Pico::start(program, display, options).and_then(|mut pico| pico.run(2000));
    run.err().map_or_else(|| "nothing".to_owned(), |e| format!("{e:#}"))
}

/// What would be a fault on the chip, and what no display would accept, is an error.
#[test]
fn what_goes_wrong_is_noticed() -> Result<()> {
    let program = build(PICO, PICO.name, None)?;
    let [display, other] = DISPLAYS;
    let said = |program: &[u8], display| said(program, display, OPTIONS);
    // r0 = 0x2000_0000
    let ram = [0x2020, 0x0600];
    let cases: [(&[u16], &str); 5] = [
        (&[0xDE07], "breakpoint or undefined instruction 7"), // udf #7
        (&[0x3804, 0x6000], "Write to undefined address: 1ffffffc"), // below the stack: subs r0, #4; str r0, [r0]
        (&[0x3001, 0x6800], "readUint32 of an odd address 20000001"), // adds r0, #1; ldr r0, [r0]
        (&[0x3001, 0x8000], "writeUint16 of an odd address 20000001"), // adds r0, #1; strh r0, [r0]
        (&[0x0840, 0x6000], "writeUint32 to the flash, 10000000"), // lsrs r0, #1; str r0, [r0]
    ];
    for (instructions, expected) in cases {
        let said = said(&patched(&program, "main", &[&ram[..], instructions].concat())?, display);
        assert!(said.contains(expected), "{instructions:x?}: {said}");
    }
    // Once the program has started, the memory protection unit forbids what is below the stack.
    let said_later = said(&patched(&program, "product3run", &[0x2020, 0x0600, 0x3804, 0x6000])?, display);
    assert!(said_later.contains("the memory protection unit forbids 1ffffffc"), "{said_later}");
    // The program for one display on the pins of the other.
    let said = said(&program, other);
    assert!(said.contains("a byte on the other SPI unit"), "{said}");

    let late =
        Pico::start(&program, display, Options { limit: Duration::ZERO, ..OPTIONS })?.run(1).map_err(|e| e.to_string());
    assert!(late.as_ref().is_err_and(|e| e.starts_with("time ran out")), "{late:?}");
    let dark = Pico::start(&program, display, OPTIONS)?.screen().map_err(|e| e.to_string());
    assert!(dark.as_ref().is_err_and(|e| e.contains("the light of the display is off")), "{dark:?}");
    Ok(())
}

/// The fault handler for Armv6-M, which has short branches and no register for the cause of a fault.
#[test]
fn a_fault_is_named_in_the_log() -> Result<()> {
    let program = build(PICO, PICO.name, None)?;
    let options = Options { raises_faults: true, ..OPTIONS };
    // Within `product::run`, after the log was set up: udf #7; and push {r0-r7} for ever.
    for (instructions, expected) in [
        (&[0xDE07][..], "ERROR hard fault at address 0x1000"),
        (&[0xB4FF, 0xE7FD], "ERROR stack overflow: more than the 12288 bytes of memory.x were needed"),
    ] {
        let said = said(&patched(&program, "product3run", instructions)?, DISPLAYS[0], options);
        assert!(said.contains(expected), "{instructions:x?}: {said}");
    }
    Ok(())
}
