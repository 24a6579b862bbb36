//! `cargo preview` and `cargo flash-...`, as people run them.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use firmware::model::BLOB;
use workspace_tests::pictures::on_host;

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
        ("pico2", (240, 240)),
        ("pico-display", (240, 135)),
        ("stm32f429i-disc1", (240, 320)),
        ("nrf52840-dk", (320, 240)),
        ("microbit-v2", (128, 160)),
        ("lm3s6965evb", (128, 64)),
    ];
    let expected = on_host(BLOB, &[7])?.lines[0].replace(" crc", ", crc");
    for (board, (width, height)) in boards {
        let output = preview(&["--board", board, "--seed", "7", "--scale", "3"], folder.path())?;
        let said = String::from_utf8(output.stdout)?;
        assert!(output.status.success() && said.starts_with(&expected), "{board}: {said}");
        assert_eq!(size(&folder.path().join("preview.png"))?, (3 * width, 3 * height), "{board}");
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
    let cases: [(&[&str], &str); 4] = [
        (&["--board", "arduino"], "no board arduino; there are pico2, "),
        (&["--mode", "frogs"], "the modes are single, morph, gallery, slides"),
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
    assert!(flash(&["arduino"])?.contains("no board arduino to flash; there are pico2, stm32f429i-disc1, "));
    assert!(flash(&["pico2", "--display", "tv"])?.contains("there is no display tv for pico2"));
    Ok(())
}
