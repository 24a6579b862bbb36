use std::io::Cursor;

use super::*;

const CHIPS: [Chip; 3] = [Chip::St7789, Chip::Ili9341, Chip::St7735s];
const RED: u16 = 0xF800;
const GREEN: u16 = 0x07E0;
const BLUE: u16 = 0x001F;

const AWAKE: &str = "11, 3A 55, 29";
/// Commands that every chip has, where they change nothing after a reset.
const COMMON: &str = "00, 13, 20, 26 01, 34, 35 00, 36 00, 37 00 00, 38";

/// Commands whose numbers or values of parameters are this chip's own; the values are usual ones.
const fn set_up(chip: Chip) -> &'static str {
    match chip {
        Chip::St7789 => {
            "B0 00 F0, B2 0C 0C 00 33 33, B7 35, BB 20, C0 2C, C2 01 FF, C3 0B, C4 20, C6 0F, D0 A4 A1, \
             E0 70 2C 2E 15 10 09 48 33 53 0B 19 18 20 25, E1 70 2C 2E 15 10 09 48 33 53 0B 19 18 20 25, \
             33 00 00 01 40 00 00"
        }
        Chip::Ili9341 => {
            "CB 39 2C 00 34 02, CF 00 81 30, E8 84 11 7A, EA 66 00, ED 55 01 23 01, F7 10, F2 02, B1 00 1B, B4 02, \
             B6 0A 82 27 04, C0 21, C1 10, C5 31 3C, C7 C0, E0 0F 16 14 0A 0D 06 43 75 33 06 0E 00 0C 09 08, \
             E1 08 2B 2D 04 10 04 3E 24 4E 04 0F 0E 35 38 0F, 33 00 00 01 40 00 00"
        }
        Chip::St7735s => {
            "B1 01 2C 2D, B2 01 2C 2D, B3 01 2C 2D 01 2C 2D, B4 07, B6 15 02, C0 A2 02 84, C1 C5, C2 0A 00, \
             C3 8A 2A, C4 8A EE, C5 0E, C7 40, E0 02 1C 07 12 37 32 29 2D 29 25 2B 39 00 01 03 10, \
             E1 03 1D 07 06 2E 2C 29 2D 2E 2E 37 3F 00 00 02 10, 33 00 00 00 A2 00 00"
        }
    }
}

/// A panel that shows the whole memory, without offset and turns.
const fn whole(chip: Chip) -> PhysicalPanel {
    let size = chip.memory();
    PhysicalPanel { chip, size, offset: (0, 0), mirrored: false, bgr: false, inverse: false, quarter_turns: 0 }
}

/// Sends commands, each with its data, in hexadecimal.
fn send(controller: &mut Controller, commands: &str) -> Result<()> {
    for command in commands.split(", ") {
        let bytes: Vec<_> = command.split(' ').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
        controller.command(bytes[0])?;
        controller.data(&bytes[1..])?;
    }
    Ok(())
}

fn awake(panel: PhysicalPanel) -> Result<Controller> {
    let mut controller = Controller::new(panel)?;
    send(&mut controller, AWAKE)?;
    Ok(controller)
}

/// Writes pixels to a window of `columns` and `rows`, both ends included.
fn draw(controller: &mut Controller, columns: Range, rows: Range, pixels: &[u16]) -> Result<()> {
    for (command, (first, last)) in [(0x2A, columns), (0x2B, rows)] {
        controller.command(command)?;
        controller.data(&[first as u16, last as u16].map(u16::to_be_bytes).concat())?;
    }
    controller.command(0x2C)?;
    pixels.iter().try_for_each(|pixel| controller.data(&pixel.to_be_bytes()))
}

fn message<T>(result: Result<T>) -> String {
    result.err().map(|error| format!("{error:#}")).unwrap_or_default()
}

/// What an awake chip says to the last of these commands.
fn refusal(chip: Chip, commands: &str) -> Result<String> {
    let mut controller = awake(whole(chip))?;
    let last = match commands.rsplit_once(", ") {
        Some((before, last)) => {
            send(&mut controller, before)?;
            last
        }
        None => commands,
    };
    Ok(message(send(&mut controller, last)))
}

fn record(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind][..], &(bytes.len() as u16).to_le_bytes(), bytes].concat()
}

#[test]
fn shows_nothing_until_it_is_woken_switched_on_and_set_to_16_bits() -> Result<()> {
    for chip in CHIPS {
        let mut controller = Controller::new(whole(chip))?;
        assert!(message(controller.screen()).contains("asleep"));
        for (commands, why) in [("11", "off"), ("29", "18"), ("28, 3A 05", "off"), ("29, 10", "asleep")] {
            send(&mut controller, commands)?;
            assert!(message(controller.screen()).contains(why), "{chip:?} {commands}");
        }
        send(&mut controller, "11")?;
        assert!(controller.screen()?.rgb.as_chunks().0.iter().all(|pixel| *pixel == NEVER_WRITTEN));
    }
    Ok(())
}

#[test]
fn takes_the_set_up_of_the_sheets() -> Result<()> {
    for chip in CHIPS {
        let mut controller = Controller::new(whole(chip))?;
        for commands in [COMMON, set_up(chip), AWAKE] {
            send(&mut controller, commands)?;
        }
        controller.screen()?;
    }
    Ok(())
}

#[test]
fn refuses_other_numbers_of_parameters() -> Result<()> {
    for chip in CHIPS {
        for command in COMMON.split(", ").chain(set_up(chip).split(", ")) {
            assert!(refusal(chip, &format!("{command} 00"))?.contains("takes"), "{chip:?} {command}");
            if let Some((few, _)) = command.rsplit_once(' ') {
                assert!(refusal(chip, &format!("{few}, 00"))?.contains("parameters"), "{chip:?} {command}");
            }
        }
    }
    Ok(())
}

#[test]
fn each_orientation_finds_its_cell() -> Result<()> {
    // MADCTL, and the cell of the memory that column address 10 and row address 20 stand for, by the
    // tables in ST7789V 8.12 and ILI9341 9.3 (first) and ST7735 9.10.2 (second).
    let cells = [
        (0x00, [(10, 20), (10, 20)]),     // column, row
        (0x80, [(10, 299), (10, 141)]),   // column, 319 or 161 - row
        (0x40, [(229, 20), (121, 20)]),   // 239 or 131 - column, row
        (0xC0, [(229, 299), (121, 141)]), // both
        (0x20, [(20, 10), (20, 10)]),     // the column address is a row, the row address a column
        (0xA0, [(20, 309), (20, 151)]),   // the column address is 319 or 161 - row
        (0x60, [(219, 10), (111, 10)]),   // the row address is 239 or 131 - column
        (0xE0, [(219, 309), (111, 151)]), // both
    ];
    for (chip, sheet) in [(Chip::St7789, 0), (Chip::Ili9341, 0), (Chip::St7735s, 1)] {
        for (madctl, cells) in cells {
            let mut controller = awake(whole(chip))?;
            send(&mut controller, &format!("36 {:x}", madctl | 0x14))?; // ML and MH do not matter
            draw(&mut controller, (10, 10), (20, 20), &[RED])?;
            let (column, row) = cells[sheet];
            assert_eq!(controller.screen()?.pixel(column, row), Some([255, 0, 0]), "{chip:?} {madctl:#x}");
            assert_eq!(controller.never_written(), chip.memory().0 * chip.memory().1 - 1);
        }
    }
    Ok(())
}

#[test]
fn each_orientation_starts_in_its_corner_and_runs_its_way() -> Result<()> {
    // The figures in the same sections: where the first pixel, the second, and the first of the
    // second line of a window of 2x2 at 0, 0 lie.
    for (madctl, cells) in [
        (0x00, [(0, 0), (1, 0), (0, 1)]),
        (0x80, [(0, 319), (1, 319), (0, 318)]),
        (0x40, [(239, 0), (238, 0), (239, 1)]),
        (0xC0, [(239, 319), (238, 319), (239, 318)]),
        (0x20, [(0, 0), (0, 1), (1, 0)]),
        (0xA0, [(0, 319), (0, 318), (1, 319)]),
        (0x60, [(239, 0), (239, 1), (238, 0)]),
        (0xE0, [(239, 319), (239, 318), (238, 319)]),
    ] {
        let mut controller = awake(whole(Chip::Ili9341))?;
        send(&mut controller, &format!("36 {madctl:x}"))?;
        draw(&mut controller, (0, 1), (0, 1), &[RED, GREEN, BLUE])?;
        let screen = controller.screen()?;
        let seen = cells.map(|(x, y)| screen.pixel(x, y));
        assert_eq!(seen, [Some([255, 0, 0]), Some([0, 255, 0]), Some([0, 0, 255])], "{madctl:#x}");
    }
    Ok(())
}

#[test]
fn a_panel_shows_its_part_of_the_memory_as_mounted() -> Result<()> {
    // Three columns and two rows of the memory, as they are seen after each turn.
    for (mirrored, quarter_turns, width, seen) in [
        (false, 0, 3, [1, 2, 3, 4, 5, 6]),
        (false, 1, 2, [4, 1, 5, 2, 6, 3]),
        (false, 2, 3, [6, 5, 4, 3, 2, 1]),
        (false, 3, 2, [3, 6, 2, 5, 1, 4]),
        (true, 0, 3, [3, 2, 1, 6, 5, 4]),
        (true, 1, 2, [6, 3, 5, 2, 4, 1]),
        (true, 2, 3, [4, 5, 6, 1, 2, 3]),
        (true, 3, 2, [1, 4, 2, 5, 3, 6]),
    ] {
        let panel = PhysicalPanel { size: (3, 2), offset: (7, 9), mirrored, quarter_turns, ..whole(Chip::St7735s) };
        let mut controller = awake(panel)?;
        draw(&mut controller, (7, 9), (9, 10), &[1, 2, 3, 4, 5, 6].map(|green| green << 5))?;
        let screen = controller.screen()?;
        let greens: Vec<_> = screen.rgb.iter().skip(1).step_by(3).map(|green| green / 4).collect();
        assert_eq!((screen.width, screen.height, &greens[..]), (width, 6 / width, &seen[..]));
    }
    Ok(())
}

#[test]
fn usual_panels_are_upright() -> Result<()> {
    let ili9341 = PhysicalPanel { mirrored: true, bgr: true, ..whole(Chip::Ili9341) };
    let pico = PhysicalPanel { size: (135, 240), offset: (52, 40), ..whole(Chip::St7789) };
    let module = PhysicalPanel { size: (128, 160), offset: (2, 1), ..whole(Chip::St7735s) };
    // The turns of the panel, MADCTL, and the addresses of the picture's first pixel.
    for (panel, quarter_turns, madctl, (left, top)) in [
        (ili9341, 0, 0x48, (0, 0)),
        (ili9341, 3, 0x28, (0, 0)),
        (ili9341, 2, 0x88, (0, 0)),
        (ili9341, 1, 0xE8, (0, 0)),
        (pico, 0, 0x00, (52, 40)),
        (pico, 3, 0x60, (40, 53)),
        (pico, 2, 0xC0, (53, 40)),
        (pico, 1, 0xA0, (40, 52)),
        (module, 0, 0x00, (2, 1)),
        (module, 3, 0x60, (1, 2)),
    ] {
        let panel = PhysicalPanel { quarter_turns, ..panel };
        let (width, height) = panel.oriented_size();
        let mut controller = awake(panel)?;
        send(&mut controller, &format!("36 {madctl:x}"))?;
        let mut pixels = vec![0; width * height];
        pixels[..2].copy_from_slice(&[RED, GREEN]);
        draw(&mut controller, (left, left + width - 1), (top, top + height - 1), &pixels)?;
        assert_eq!(controller.never_written(), 0, "{madctl:#x}");
        let screen = controller.screen()?;
        let seen = [(0, 0), (1, 0), (0, 1)].map(|(x, y)| screen.pixel(x, y));
        assert_eq!(seen, [Some([255, 0, 0]), Some([0, 255, 0]), Some([0, 0, 0])], "{madctl:#x}");
    }
    Ok(())
}

#[test]
fn a_wrong_offset_leaves_a_stripe() -> Result<()> {
    let mut controller = awake(PhysicalPanel { size: (128, 160), offset: (2, 1), ..whole(Chip::St7735s) })?;
    draw(&mut controller, (0, 127), (0, 159), &[0; 128 * 160])?;
    assert_eq!(controller.never_written(), 2 * 160 + 128 - 2);
    assert_eq!(controller.screen()?.pixel(127, 0), Some(NEVER_WRITTEN));
    Ok(())
}

#[test]
fn colours_depend_on_order_and_inversion() -> Result<()> {
    let ([r, g, b], [not_r, not_g, not_b]) = ([255, 130, 8], [0, 125, 247]); // 31, 32, 1 and its inverse
    for (bgr, inverse, commands, seen) in [
        (false, false, "36 00, 20", [r, g, b]),
        (false, false, "36 08, 20", [b, g, r]),
        (true, false, "36 00, 20", [b, g, r]),
        (true, false, "36 08, 20", [r, g, b]),
        (false, false, "36 00, 21", [not_r, not_g, not_b]),
        (false, true, "36 00, 20", [not_r, not_g, not_b]),
        (false, true, "36 00, 21", [r, g, b]),
        (true, true, "36 00, 20", [not_b, not_g, not_r]),
    ] {
        let mut controller = awake(PhysicalPanel { bgr, inverse, size: (2, 1), ..whole(Chip::St7789) })?;
        draw(&mut controller, (0, 0), (0, 0), &[31 << 11 | 32 << 5 | 1])?;
        send(&mut controller, commands)?;
        assert_eq!(controller.screen()?.rgb, [seen, NEVER_WRITTEN].concat());
    }
    Ok(())
}

#[test]
fn a_window_takes_its_pixels_and_no_more() -> Result<()> {
    let mut controller = awake(whole(Chip::Ili9341))?;
    draw(&mut controller, (5, 6), (7, 8), &[RED; 4])?;
    assert_eq!(controller.never_written(), 240 * 320 - 4);
    let refused = message(controller.data(&[0, 0]));
    assert_eq!(refused, "byte 24 on the wire, data 0x00: 5 pixels for a window of 4");
    Ok(())
}

#[test]
fn writing_is_continued_where_it_stopped() -> Result<()> {
    let mut controller = awake(PhysicalPanel { size: (2, 2), ..whole(Chip::Ili9341) })?;
    draw(&mut controller, (0, 1), (0, 1), &[0, RED])?;
    send(&mut controller, "00, 3C F8 00, 3C 00 00")?;
    let reds: Vec<_> = controller.screen()?.rgb.into_iter().step_by(3).collect();
    assert_eq!(reds, [0, 255, 255, 0]);
    assert!(message(send(&mut controller, "3C 00 00")).ends_with("5 pixels for a window of 4"));
    for between in ["36 00", "2A 00 00 00 00", "2B 00 00 00 00", "01"] {
        assert!(refusal(Chip::St7789, &format!("2C, {between}, 3C"))?.contains("nothing to continue"));
    }
    Ok(())
}

#[test]
fn half_a_pixel_is_refused() -> Result<()> {
    assert!(refusal(Chip::St7789, "2C 00 00 00, 00")?.contains("odd number"));
    let mut controller = awake(whole(Chip::St7789))?;
    send(&mut controller, "2C 00")?;
    assert!(message(controller.screen()).contains("odd number"));
    Ok(())
}

#[test]
fn addresses_have_to_be_those_of_the_orientation() -> Result<()> {
    for (madctl, column, row) in [("00", "00 EF", "01 3F"), ("20", "01 3F", "00 EF")] {
        let window = format!("36 {madctl}, 2A 00 00 {column}, 2B 00 00 {row}, 2C");
        assert_eq!(refusal(Chip::St7789, &window)?, "");
    }
    for commands in ["2A 00 00 00 F0", "2B 00 00 01 40", "36 20, 2A 00 00 01 40", "36 20, 2B 00 00 00 F0"] {
        assert!(refusal(Chip::Ili9341, commands)?.contains("not a range within"), "{commands}");
    }
    assert!(refusal(Chip::St7735s, "2A 00 00 00 84")?.contains("not a range within 132"));
    assert!(refusal(Chip::St7735s, "2A 00 03 00 02")?.contains("not a range within"));
    // The window after a reset is the whole memory, upright.
    assert!(refusal(Chip::St7789, "36 20, 2C")?.contains("not within"));
    Ok(())
}

#[test]
fn what_would_not_be_seen_or_is_not_known_is_refused() -> Result<()> {
    for (chip, commands, why) in [
        (Chip::St7789, "04", "unknown"),
        (Chip::St7789, "B1", "unknown"),
        (Chip::Ili9341, "B2", "unknown"),
        (Chip::St7735s, "3C", "unknown"),
        (Chip::St7789, "12", "partial"),
        (Chip::St7789, "39", "idle"),
        (Chip::St7789, "26 03", "gamma"),
        (Chip::St7789, "35 02", "tearing"),
        (Chip::St7789, "36 01", "MADCTL"),
        (Chip::St7789, "3A 53", "COLMOD"),
        (Chip::St7789, "33 00 01 01 3F 00 00", "scrolling"),
        (Chip::St7789, "37 00 01", "scrolling"),
        (Chip::St7789, "B0 00 F8", "change the picture"),
        (Chip::St7789, "C0 6C", "change the picture"),
        (Chip::Ili9341, "B6 0A A2 27 04", "change the picture"),
        (Chip::St7789, "3A 66, 2C 00", "18 bits"),
    ] {
        assert!(refusal(chip, commands)?.contains(why), "{commands}");
    }
    assert!(message(Controller::new(whole(Chip::Ili9341))?.data(&[0])).contains("takes 0"));
    let beyond = PhysicalPanel { offset: (1, 0), ..whole(Chip::St7789) };
    assert!(Controller::new(beyond).is_err() && Controller::new(PhysicalPanel { size: (0, 1), ..beyond }).is_err());
    Ok(())
}

#[test]
fn resets_forget_the_picture() -> Result<()> {
    let mut controller = awake(PhysicalPanel { size: (1, 1), ..whole(Chip::St7735s) })?;
    send(&mut controller, "36 20, 21")?;
    draw(&mut controller, (0, 0), (0, 0), &[RED])?;
    assert_eq!(controller.never_written(), 0);

    send(&mut controller, "01")?;
    assert!(message(controller.screen()).contains("asleep"));
    send(&mut controller, "11, 29")?; // the format is still there
    assert_eq!((controller.never_written(), controller.screen()?.rgb), (1, NEVER_WRITTEN.to_vec()));
    send(&mut controller, "2C 00 00")?; // and MV, but no inversion
    assert_eq!((controller.never_written(), controller.screen()?.rgb), (0, vec![0; 3]));
    send(&mut controller, "2A 00 84 00 84")?;

    controller.hardware_reset();
    send(&mut controller, "11, 29")?;
    assert!(message(controller.screen()).contains("18"));
    assert_eq!(controller.never_written(), 1);
    assert!(message(send(&mut controller, "2A 00 84 00 84")).contains("not a range"));
    Ok(())
}

#[test]
fn decodes_records() -> Result<()> {
    let mut stream = [record(2, &[]), record(0, &[0x11, 0x29, 0x3A]), record(1, &[0x55]), record(1, &[])].concat();
    stream.extend([record(0, &[0x2C]), record(1, &[0xF8]), record(1, &[0x00]), record(3, &[])].concat());
    stream.extend([record(0, &[0x00, 0x21]), record(3, &[])].concat());
    let mut seen = Vec::new();
    let mut controller = Controller::new(PhysicalPanel { size: (1, 1), ..whole(Chip::St7789) })?;
    controller.decode(&stream, |controller| {
        seen.push(controller.screen()?.rgb);
        Ok(())
    })?;
    assert_eq!(seen, [[255, 0, 0], [0, 255, 255]]);
    assert!(message(controller.decode(&record(3, &[]), |_| bail!("not as expected"))).contains("not as"));
    Ok(())
}

#[test]
fn refuses_records_that_are_none() -> Result<()> {
    for (stream, why) in [
        ([record(0, &[0x00]), vec![1, 2, 0, 7]].concat(), "record at 0x4 of the stream: cut off"),
        (vec![0], "cut off"),
        (record(4, &[]), "kind 4"),
        (record(2, &[0]), "kind 2"),
        (record(3, &[0]), "kind 3"),
        (record(0, &[0x2A]), "end of the stream: command 0x2a has 0 of its 4 parameters"),
        ([record(0, &[0x2A]), record(3, &[])].concat(), "record at 0x4 of the stream: command 0x2a has"),
        (record(0, &[0x00, 0xFF]), "record at 0x0 of the stream: byte 1 on the wire, command 0xff: unknown"),
    ] {
        let refused = message(Controller::new(whole(Chip::St7789))?.decode(&stream, |_| Ok(())));
        assert!(refused.contains(why), "{refused}");
    }
    Ok(())
}

#[test]
fn png_holds_the_picture() -> Result<()> {
    let picture = Screen { width: 2, height: 1, rgb: vec![1, 2, 3, 4, 5, 6] };
    let mut file = Vec::new();
    picture.encode(&mut file)?;
    let mut reader = png::Decoder::new(Cursor::new(file)).read_info()?;
    let mut rgb = vec![0; 6];
    let info = reader.next_frame(&mut rgb)?;
    assert_eq!((info.width, info.height, rgb), (2, 1, picture.rgb));
    Ok(())
}

#[test]
fn survives_anything() -> Result<()> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    let mut written = 0;
    for round in 0..300 {
        let chip = CHIPS[round % 3];
        let (size, offset) = ((1 + random(60), 1 + random(60)), (random(72), random(102)));
        let (mirrored, quarter_turns) = (random(2) == 0, random(256) as u8);
        let mut controller = Controller::new(PhysicalPanel { size, offset, mirrored, quarter_turns, ..whole(chip) })?;
        let known: Vec<_> = [COMMON, set_up(chip), AWAKE].iter().flat_map(|text| text.split(", ")).collect();
        for _ in 0..200 {
            // Now and then anything, but often enough what leads somewhere.
            let addresses = format!("{:x} 0 {:x} 0 {:x}", 0x2A + random(2), random(80), 80 + random(160));
            match random(8) {
                0 => drop(controller.command(random(256) as u8)),
                1 => drop(send(&mut controller, known[random(known.len())])),
                2 => drop(send(&mut controller, ["01", "10", "28", "3A 66", AWAKE][random(5)])),
                3 => drop(send(&mut controller, &format!("36 {:x}", random(64) * 4))),
                4 => drop(send(&mut controller, &addresses)),
                5 => drop(controller.command([0x2C, 0x3C][random(2)])),
                6 => drop(controller.data(&vec![random(256) as u8; random(3000)])),
                _ => drop(controller.decode(&[0, 1, 2, 3].map(|_| random(4) as u8), |_| Ok(()))),
            }
        }
        controller.screen().ok();
        written += size.0 * size.1 - controller.never_written();
    }
    assert!(written > 0);
    Ok(())
}
