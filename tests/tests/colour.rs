//! Colour displays: the real driver runs on an emulated Cortex-M4 with a recorded SPI bus. From the record a model of the
//! display controller reconstructs the picture, which must equal the host's, pixel for pixel.
//!
//! [`physical_panel`] has the properties of each panel, from its manufacturer's pages and drivers. These tests check the
//! firmware's `panel.rs`, which configures the drivers, against it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::prelude::*;
use emulated_boards::ssd0323;
use firmware_app::layout::Layout;
use firmware_app::panel::{self, Panel};
use firmware_app::settings::Mode;
use firmware_app::testcard;
use firmware_build::facts::{FOLDERS, all_in};
use firmware_tools::boards::MPS2_AN386;
use firmware_tools::build::build;
use firmware_tools::controller::{Controller, PhysicalPanel};
use firmware_tools::model::BLOB;
use firmware_tools::panels::physical_panel;
use firmware_tools::qemu::{LIMIT, Options, Qemu};
use firmware_tools::replay::{Drawn, Replay};
use firmware_tools::screen::Screen;
use gen_core::Model;
use gen_core::aligned;

use crate::models;

/// A display on the host: only a frame buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    size: Size,
    pixels: Vec<Rgb565>,
}

impl Frame {
    pub(crate) fn new(size: Size) -> Self {
        Self { size, pixels: vec![Rgb565::BLACK; (size.width * size.height) as usize] }
    }

    /// The colours that a screen shows, by the formula of the controller's model.
    fn rgb(&self) -> Vec<u8> {
        let five = |v: u8| v << 3 | v >> 2;
        let six = |v: u8| v << 2 | v >> 4;
        self.pixels.iter().flat_map(|c| [five(c.r()), six(c.g()), five(c.b())]).collect()
    }
}

impl OriginDimensions for Frame {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Frame {
    type Color = Rgb565;
    type Error = core::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb565>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(at, colour) in pixels {
            if self.bounding_box().contains(at) {
                self.pixels[at.y as usize * self.size.width as usize + at.x as usize] = colour;
            }
        }
        Ok(())
    }
}

/// Runs the app on a panel. Returns the log lines about pictures, and the record of the bus.
fn on_bus(panel: &Panel, program: &[u8], words: &[&str]) -> Result<(Vec<String>, Vec<u8>)> {
    let folder = tempfile::tempdir()?;
    let serial = folder.path().join("uart");
    let mut settings = vec![format!("panel={}", panel.name)];
    settings.extend(words.iter().map(|&word| word.to_owned()));
    let options = Options { settings, serial: Some(serial.clone()), limit: Some(LIMIT), ..Options::default() };
    let (mut lines, mut others) = (Vec::new(), Vec::new());
    let code = Qemu::start(MPS2_AN386, program, &options)?.finish(|line| {
        if line.contains("picture ") { &mut lines } else { &mut others }.push(line.to_owned());
    })?;
    ensure!(code == 0, "{}: exit code {code}: {others:#?}", panel.name);
    Ok((lines, std::fs::read(serial)?))
}

/// The screen at each mark.
fn screens(panel: PhysicalPanel, stream: &[u8]) -> Result<Vec<Screen>> {
    let mut screens = Vec::new();
    Controller::new(panel)?.decode(stream, |controller| {
        let unwritten = controller.never_written();
        ensure!(unwritten == 0, "{unwritten} visible pixels were never written");
        screens.push(controller.screen()?);
        Ok(())
    })?;
    Ok(screens)
}

/// Compares the picture on a display with the host's. If the environment variable `SCREENS` names a folder, it is written there.
#[track_caller]
pub(crate) fn compare(panel: &Panel, what: &str, screen: &Screen, host: &Frame) {
    let size = Size::new(screen.width as u32, screen.height as u32);
    assert_eq!(size, host.size, "{}", panel.name);
    let expected = host.rgb();
    let differ: Vec<_> =
        (0..expected.len() / 3).filter(|i| screen.rgb[3 * i..][..3] != expected[3 * i..][..3]).collect();
    let first = differ.first().map(|i| (i % screen.width, i / screen.width));
    if let Ok(folder) = std::env::var("SCREENS") {
        let name = format!("{}-{}.png", panel.name, what.replace(' ', "-"));
        std::fs::create_dir_all(&folder).expect("SCREENS names a folder");
        screen.write_png(&Path::new(&folder).join(name)).expect("the folder can be written to");
    }
    assert!(
        differ.is_empty(),
        "{}, {what}: {} of {} pixels differ, the first at {first:?}",
        panel.name,
        differ.len(),
        expected.len() / 3
    );
}

/// Runs a mode on a panel and on the host, and compares every screen.
fn check(panel: &Panel, program: &[u8], mode: Mode, words: &[&str]) -> Result<Vec<String>> {
    check_model(BLOB, panel, program, mode, words)
}

fn check_model(blob: &[u8], panel: &Panel, program: &[u8], mode: Mode, words: &[&str]) -> Result<Vec<String>> {
    let mode_word = format!("mode={mode}");
    let words: Vec<_> = words.iter().copied().chain([&*mode_word]).collect();
    let (lines, stream) = on_bus(panel, program, &words)?;
    let screens = screens(physical_panel(panel), &stream).context(panel.name)?;
    let card = words.contains(&"card");
    let mut screens = screens.into_iter();
    let mut frame = Frame::new(panel.size());
    if card {
        let Ok(()) = testcard::draw(&mut frame);
        compare(panel, "test card", &screens.next().context("a screen with the card")?, &frame);
    }

    let bytes = aligned(blob);
    let model = Model::parse(&bytes)?;
    let mut workspace = vec![0; model.workspace_len()];
    let mut host = Replay::new(model.clone(), &mut workspace, &mut frame, mode)?;
    assert_eq!(screens.len(), lines.len(), "{}: {lines:#?}", panel.name);
    for (i, (line, screen)) in lines.iter().zip(screens).enumerate() {
        host.draw(line)?;
        compare(panel, &format!("{mode} {i}"), &screen, host.display());
    }
    Ok(lines)
}

#[test]
fn every_panel_shows_the_card_and_the_hosts_pictures() -> Result<()> {
    let program = build(MPS2_AN386, "qemu-lcd", None)?;
    for panel in panel::ALL {
        let pictures = check(&panel, &program, Mode::Single, &["card", "seed=42", "events=3", "tap=1"])?;
        assert_eq!(pictures.len(), 3, "{}", panel.name);
    }
    Ok(())
}

#[test]
fn a_gallery_and_its_next_wall() -> Result<()> {
    let program = build(MPS2_AN386, "qemu-lcd", None)?;
    let pictures = check(&panel::PICO_LCD_1_3, &program, Mode::Gallery, &["seed=7", "events=18", "tap=9"])?;
    assert_eq!(pictures.len(), 18);
    Ok(())
}

#[test]
fn one_picture_turns_into_another() -> Result<()> {
    let program = build(MPS2_AN386, "qemu-lcd", None)?;
    let lines = check(&panel::MODULE_1_8, &program, Mode::Morph, &["seed=7", "idle=1", "events=6"])?;
    let ways: Vec<_> = lines.iter().filter_map(|line| Drawn::parse(line)?.way).collect();
    assert_eq!(ways.len(), 5, "{lines:#?}");
    assert!(ways.iter().all(|&(to, t)| to == 8 && 0 < t && t < 256), "{lines:#?}");
    Ok(())
}

/// The program with another model.
fn built(blob: &[u8]) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("noise.gen");
    std::fs::write(&path, blob)?;
    build(MPS2_AN386, "qemu-lcd", Some(&path))
}

#[test]
fn a_model_of_anything_else() -> Result<()> {
    let blob = models::tiny()?; // draws noise of 16 x 14 pixels
    let program = built(&blob)?;
    let slides = check_model(&blob, &panel::PICO_DISPLAY, &program, Mode::Slides, &["seed=3", "events=3", "tap=1"])?;
    let grid = check_model(&blob, &panel::DISC1, &program, Mode::Gallery, &["seed=3", "events=4"])?;
    assert_eq!((slides.len(), grid.len()), (3, 4));
    Ok(())
}

/// Runs a model on a panel: two single pictures, and a gallery with this number of pictures.
fn check_shape(blob: &[u8], panel: &Panel, grid: u32) -> Result<Vec<u8>> {
    let program = built(blob)?;
    check_model(blob, panel, &program, Mode::Single, &["seed=42", "events=2", "tap=1"])?;
    let layout = Layout::new(panel.size(), Model::parse(&aligned(blob))?.output_shape())?;
    assert_eq!(layout.grid.len(), grid, "{}", panel.name);
    check_model(blob, panel, &program, Mode::Gallery, &["seed=42", &format!("events={grid}")])?;
    Ok(program)
}

/// The name of the class stands on every panel, whatever it consists of; so does the class during a morph.
#[test]
fn a_model_with_classes() -> Result<()> {
    let blob = models::conditional_32(&["cat", "лягушка", "great white shark"])?;
    let program = built(&blob)?;
    for panel in panel::ALL {
        let words = ["seed=4294967295", "events=4", "tap=1"];
        let lines = check_model(&blob, &panel, &program, Mode::Classes, &words)?;
        let classes: Vec<_> = lines.iter().filter_map(|line| Drawn::parse(line)?.class).collect();
        assert_eq!(classes, [(0, None), (1, None), (2, None), (0, None)], "{}: {lines:#?}", panel.name);
        let lines = check_model(&blob, &panel, &program, Mode::Morph, &["seed=7", "class=1", "idle=1", "events=3"])?;
        assert!(lines[1].contains(", class 1 to 1 (лягушка to лягушка), "), "{lines:#?}");
    }
    let words = ["seed=4000000000", "idle=1", "events=8"];
    let lines = check_model(&blob, &panel::MODULE_1_8, &program, Mode::Morph, &words)?;
    assert!(lines[1].contains(", class 0 to 1 (cat to лягушка), "), "{lines:#?}");
    let lines = check_model(&blob, &panel::PICO_LCD_1_3, &program, Mode::Gallery, &["events=12", "tap=9"])?;
    let classes: Vec<_> = lines.iter().filter_map(|line| Some(Drawn::parse(line)?.class?.0)).collect();
    assert_eq!(classes, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], "{lines:#?}");
    Ok(())
}

#[test]
fn a_grey_model_of_28x28() -> Result<()> {
    check_shape(&models::preset("digits")?, &panel::PICO_LCD_1_3, 16)?;
    Ok(())
}

#[test]
fn a_grey_model_of_64x64() -> Result<()> {
    let blob = models::preset("oled")?;
    let program = check_shape(&blob, &panel::PICO_LCD_1_3, 9)?;
    check_model(&blob, &panel::PICO_LCD_0_96, &program, Mode::Single, &["seed=42"])?;
    Ok(())
}

#[test]
fn a_colour_model_of_64x64() -> Result<()> {
    check_shape(&models::preset("pocket-64")?, &panel::PICO_LCD_1_3, 9)?;
    Ok(())
}

#[test]
fn a_picture_of_half_the_displays_sides() -> Result<()> {
    check_shape(&models::reshaped("pocket", [5, 10], 3)?, &panel::PICO_LCD_0_96, 4)?;
    Ok(())
}

/// It leaves no room for text. On a narrower display it is refused in words.
#[test]
fn a_picture_as_large_as_the_display() -> Result<()> {
    let program = check_shape(&models::reshaped("oled", [5, 10], 1)?, &panel::PICO_LCD_0_96, 1)?;
    let refused =
        on_bus(&panel::MODULE_1_8, &program, &["mode=single"]).err().map_or_else(String::new, |e| e.to_string());
    assert!(refused.contains("pictures of 160x80 pixels do not fit this display of 128x160"), "{refused}");
    Ok(())
}

/// The builds of boards and `trainer inspect` compare the sizes in `board.toml` with those of pictures.
#[test]
fn boards_say_how_large_their_displays_are() -> Result<()> {
    let boards = FOLDERS.map(all_in).into_iter().collect::<Result<Vec<_>, _>>().map_err(anyhow::Error::msg)?;
    let displays = boards.iter().flatten().flat_map(|board| board.display.iter().chain(&board.other_displays));
    let mut seen = 0;
    for display in displays {
        let size = match panel::ALL.iter().find(|panel| panel.name == display.name) {
            Some(panel) => panel.size(),
            None if display.name == "ssd0323" => Size::new(ssd0323::WIDTH as u32, ssd0323::HEIGHT as u32),
            None => panic!("no panel {}", display.name),
        };
        assert_eq!(Size::new(display.size[0].into(), display.size[1].into()), size, "{}", display.name);
        seen += 1;
    }
    assert!(seen >= 6, "{seen} displays");
    Ok(())
}

#[test]
fn a_bus_that_is_stuck_is_named_once_and_stops_nothing() -> Result<()> {
    let words = ["panel=disc1", "seed=7", "mode=slides", "events=5", "tap=1", "stuck=2"].map(str::to_owned);
    let folder = tempfile::tempdir()?;
    let serial = folder.path().join("uart");
    let options =
        Options { settings: words.into(), serial: Some(serial.clone()), limit: Some(LIMIT), ..Options::default() };
    let mut log = Vec::new();
    let qemu = Qemu::start(MPS2_AN386, &build(MPS2_AN386, "qemu-lcd", None)?, &options)?;
    let code = qemu.finish(|line| log.push(line.split([':', ',']).next().unwrap_or_default().to_owned()))?;
    let expected = [7, 8, 9, 10, 11].map(|number| format!("INFO  picture {number} drawn"));
    let mut expected: Vec<_> = expected.into_iter().chain(["INFO  done".to_owned()]).collect();
    expected.insert(2, "ERROR the display fails".to_owned());
    assert_eq!((code, log), (0, expected));
    // The records until then are complete.
    assert_eq!(screens(physical_panel(&panel::DISC1), &std::fs::read(serial)?)?.len(), 2);
    Ok(())
}

#[test]
fn a_panel_that_is_told_the_wrong_thing_shows_it() -> Result<()> {
    // The check detects a wrong colour order, a wrong inversion and a shifted window.
    let program = build(MPS2_AN386, "qemu-lcd", None)?;
    let panel = panel::PICO_LCD_1_3;
    let (_, stream) = on_bus(&panel, &program, &["seed=42", "mode=single"])?;
    let right = physical_panel(&panel);
    let seen = screens(right, &stream)?;
    for wrong in [
        PhysicalPanel { bgr: true, ..right },
        PhysicalPanel { inverse: false, ..right },
        PhysicalPanel { quarter_turns: 1, ..right },
    ] {
        assert!(screens(wrong, &stream)? != seen, "{wrong:?}");
    }
    let shifted = screens(PhysicalPanel { offset: (0, 80), ..right }, &stream).expect_err("rows that nobody wrote");
    assert!(format!("{shifted:#}").contains("were never written"), "{shifted:#}");
    Ok(())
}
