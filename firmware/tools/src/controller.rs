//! What colour panels show: a model of the controllers ST7789V, ILI9341 and ST7735S on a
//! 4-line SPI bus, which knows nothing of the driver that sends the bytes.
//!
//! It is stricter than the chips. They skip what they do not know and drop what does not
//! fit; here each such byte is an error, because a driver that sends it is wrong. It does
//! not know time: the pauses that a reset and leaving sleep need are not checked.
//!
//! Sources: ST7789V V1.3 (8.12, 9.1, 9.2), ILI9341 V1.11 (8.2, 8.3, 8.4, 9.3), and ST7735 V1.7
//! (9.10, 10.1, 10.2) with what the later ST7735R and ST7735S changed in 10.2. Only pages of the
//! ST7735 and ST7735R were at hand; what is said of the others has yet to be compared with theirs.

use anyhow::{Context, Result, bail, ensure};

use crate::screen::Screen;

const NOP: u8 = 0x00;
const SWRESET: u8 = 0x01;
const SLPIN: u8 = 0x10;
const SLPOUT: u8 = 0x11;
const PTLON: u8 = 0x12;
const NORON: u8 = 0x13;
const INVOFF: u8 = 0x20;
const INVON: u8 = 0x21;
const GAMSET: u8 = 0x26;
const DISPOFF: u8 = 0x28;
const DISPON: u8 = 0x29;
const CASET: u8 = 0x2A;
const RASET: u8 = 0x2B;
const RAMWR: u8 = 0x2C;
const VSCRDEF: u8 = 0x33;
const TEOFF: u8 = 0x34;
const TEON: u8 = 0x35;
const MADCTL: u8 = 0x36;
const VSCRSADD: u8 = 0x37;
const IDMOFF: u8 = 0x38;
const IDMON: u8 = 0x39;
const COLMOD: u8 = 0x3A;
const RAMWRC: u8 = 0x3C;

/// MADCTL: row addresses count from the last row of the memory.
const MY: u8 = 0x80;
/// MADCTL: column addresses count from the last column of the memory.
const MX: u8 = 0x40;
/// MADCTL: CASET addresses rows and RASET columns.
const MV: u8 = 0x20;
/// MADCTL: the colour filters are in the order blue, green, red.
const BGR: u8 = 0x08;
/// MADCTL: bits that mean nothing and have to be 0. Two others, ML (0x10) and MH (0x04), turn
/// round the order in which the glass is refreshed, which leaves the picture as it is.
const UNUSED: u8 = 0x03;

/// What stands for a pixel that nothing was written to since the last reset: magenta.
pub const NEVER_WRITTEN: [u8; 3] = [255, 0, 255];

/// A display controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chip {
    /// Sitronix ST7789V.
    St7789,
    /// Ilitek ILI9341.
    Ili9341,
    /// Sitronix ST7735S, with its pins GM set to 00 (the whole memory).
    St7735s,
}

impl Chip {
    /// Columns and rows of its memory.
    pub const fn memory(self) -> (usize, usize) {
        match self {
            Self::St7789 | Self::Ili9341 => (240, 320),
            Self::St7735s => (132, 162),
        }
    }

    /// Parameters of a command other than the two that write pixels; `None` if it has no such command.
    ///
    /// Where the ST7735S differs from the ST7735 (0xC0 and 0xC5 have 3 and 1 instead of 2 and 2),
    /// these are the numbers of the ST7735S.
    const fn parameters(self, command: u8) -> Option<usize> {
        Some(match (self, command) {
            (_, NOP | SWRESET | SLPIN | SLPOUT | PTLON | NORON | INVOFF | INVON) => 0,
            (_, DISPOFF | DISPON | TEOFF | IDMOFF | IDMON) => 0,
            (_, GAMSET | TEON | MADCTL | COLMOD) => 1,
            (_, VSCRSADD) => 2,
            (_, CASET | RASET) => 4,
            (_, VSCRDEF) => 6,
            // Voltages, timings and gamma curves. ST7789V 9.2:
            (Self::St7789, 0xB7 | 0xBB | 0xC0 | 0xC3 | 0xC4 | 0xC6) => 1,
            (Self::St7789, 0xB0 | 0xC2 | 0xD0) => 2,
            (Self::St7789, 0xB2) => 5,
            (Self::St7789, 0xE0 | 0xE1) => 14,
            // ILI9341 8.3 and 8.4:
            (Self::Ili9341, 0xB4 | 0xC0 | 0xC1 | 0xC7 | 0xF2 | 0xF7) => 1,
            (Self::Ili9341, 0xB1 | 0xC5 | 0xEA) => 2,
            (Self::Ili9341, 0xCF | 0xE8) => 3,
            (Self::Ili9341, 0xB6 | 0xED) => 4,
            (Self::Ili9341, 0xCB) => 5,
            (Self::Ili9341, 0xE0 | 0xE1) => 15,
            // ST7735S 10.2:
            (Self::St7735s, 0xB4 | 0xC1 | 0xC5 | 0xC7) => 1,
            (Self::St7735s, 0xB6 | 0xC2 | 0xC3 | 0xC4) => 2,
            (Self::St7735s, 0xB1 | 0xB2 | 0xC0) => 3,
            (Self::St7735s, 0xB3) => 6,
            (Self::St7735s, 0xE0 | 0xE1) => 16,
            _ => return None,
        })
    }

    /// Whether a set-up command leaves the picture as it is. All but three always do.
    const fn keeps_picture(self, command: u8, parameters: &[u8]) -> bool {
        match (self, command, parameters) {
            // RAMCTRL: the interface is SPI and not RGB (bits RM, DM), the high byte first (ENDIAN).
            (Self::St7789, 0xB0, &[access, format]) => access & 0x13 == 0 && format & 0x08 == 0,
            // LCMCTRL: each bit turns one of MADCTL and INVON round; 0x2C is what the chip starts with.
            (Self::St7789, 0xC0, &[control]) => control == 0x2C,
            // DISCTRL: the order of the outputs (REV, GS, SS, SM) and their number as the chip starts.
            (Self::Ili9341, 0xB6, &[_, order, lines, _]) => order & 0xF0 == 0x80 && lines == 0x27,
            _ => true,
        }
    }
}

/// A panel as a thing: what a person can find out with a lens, and a driver has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhysicalPanel {
    /// What drives it.
    pub chip: Chip,
    /// Columns and rows of the memory that are visible.
    pub size: (usize, usize),
    /// Column and row of the memory that the first of them show.
    pub offset: (usize, usize),
    /// The first visible column is on the right.
    pub mirrored: bool,
    /// The colour filters are in the order blue, green, red: colours are right when MADCTL says so.
    pub bgr: bool,
    /// Shows the inverse of the memory unless inversion is on, as IPS panels do.
    pub inverse: bool,
    /// How it is held: turned clockwise by so many times 90 degrees; four are none.
    pub quarter_turns: u8,
}

impl PhysicalPanel {
    /// Pixels across and down, as it is held.
    const fn oriented_size(&self) -> (usize, usize) {
        let (columns, rows) = self.size;
        if self.quarter_turns.is_multiple_of(2) { (columns, rows) } else { (rows, columns) }
    }

    /// The memory's column and row that are seen at `x`, `y` of the glass as it is held.
    const fn seen_at(&self, x: usize, y: usize) -> (usize, usize) {
        let (columns, rows) = self.size;
        let (x, y) = match self.quarter_turns % 4 {
            0 => (x, y),
            1 => (y, rows - 1 - x),
            2 => (columns - 1 - x, rows - 1 - y),
            _ => (columns - 1 - y, x),
        };
        let column = if self.mirrored { columns - 1 - x } else { x };
        (self.offset.0 + column, self.offset.1 + y)
    }
}

/// First and last address, as CASET and RASET set them.
type Range = (usize, usize);

/// What commands set and resets put back.
#[derive(Debug, Clone, Copy)]
struct Registers {
    asleep: bool,
    on: bool,
    inverted: bool,
    madctl: u8,
    /// Bits of a pixel on the wire: 16 or 18.
    depth: u8,
    columns: Range,
    rows: Range,
}

impl Registers {
    /// The state after a reset that leaves MADCTL and COLMOD at these values.
    fn after_reset(chip: Chip, madctl: u8, depth: u8) -> Self {
        let (columns, rows) = addresses(chip, madctl);
        Self { asleep: true, on: false, inverted: false, madctl, depth, columns: (0, columns - 1), rows: (0, rows - 1) }
    }
}

/// How many column and row addresses there are.
const fn addresses(chip: Chip, madctl: u8) -> (usize, usize) {
    let (columns, rows) = chip.memory();
    if madctl & MV == 0 { (columns, rows) } else { (rows, columns) }
}

/// The memory's column and row that an address stands for (ST7789V 8.12, ILI9341 9.3, ST7735 9.10):
/// MV exchanges the addresses first, MX and MY then mirror columns and rows of the memory.
const fn cell(chip: Chip, madctl: u8, column: usize, row: usize) -> (usize, usize) {
    let (columns, rows) = chip.memory();
    let (column, row) = if madctl & MV == 0 { (column, row) } else { (row, column) };
    let column = if madctl & MX == 0 { column } else { columns - 1 - column };
    let row = if madctl & MY == 0 { row } else { rows - 1 - row };
    (column, row)
}

/// A controller and its panel. After an error its state means nothing until the next reset.
#[derive(Debug)]
pub struct Controller {
    glass: PhysicalPanel,
    /// Row by row; `None` for what was not written since the last reset.
    memory: Vec<Option<u16>>,
    registers: Registers,
    command: u8,
    /// The parameters so far, or the first byte of a pixel.
    parameters: Vec<u8>,
    /// Pixels written since RAMWR; `None` if the place for the next is not defined.
    written: Option<usize>,
    /// Bytes since it was made.
    received: usize,
}

impl Controller {
    /// A controller after power-on.
    ///
    /// # Errors
    /// When the glass shows nothing, or more than the memory.
    pub fn new(glass: PhysicalPanel) -> Result<Self> {
        let ((columns, rows), (left, top)) = (glass.chip.memory(), glass.offset);
        let fits = |offset: usize, size, limit| size > 0 && offset.checked_add(size).is_some_and(|end| end <= limit);
        ensure!(
            fits(left, glass.size.0, columns) && fits(top, glass.size.1, rows),
            "{glass:?} does not fit a memory of {columns}x{rows}"
        );
        let registers = Registers::after_reset(glass.chip, 0, 18);
        let memory = vec![None; columns * rows];
        Ok(Self { glass, memory, registers, command: NOP, parameters: Vec::new(), written: None, received: 0 })
    }

    /// A pulse on the reset line.
    pub fn hardware_reset(&mut self) {
        self.command = NOP;
        self.parameters.clear();
        self.reset(0, 18);
    }

    /// The chips keep their memory when they are reset, and have anything in it after power-on. A
    /// driver cannot know which it was, and must not rely on what was there.
    fn reset(&mut self, madctl: u8, depth: u8) {
        self.registers = Registers::after_reset(self.glass.chip, madctl, depth);
        self.memory.fill(None);
        self.written = None;
    }

    /// Takes a byte that was sent with D/C low.
    ///
    /// # Errors
    /// When the chip has no such command, the command before it is not complete, or it would do
    /// what this model cannot.
    pub fn command(&mut self, command: u8) -> Result<()> {
        let at = self.received;
        self.received += 1;
        self.start(command).with_context(|| format!("byte {at} on the wire, command {command:#04x}"))
    }

    /// Takes bytes that were sent with D/C high.
    ///
    /// # Errors
    /// When the command does not take so many, or not these.
    pub fn data(&mut self, bytes: &[u8]) -> Result<()> {
        for &byte in bytes {
            let at = self.received;
            self.received += 1;
            self.argument(byte).with_context(|| format!("byte {at} on the wire, data {byte:#04x}"))?;
        }
        Ok(())
    }

    /// Takes what was recorded of the wire: any number of records, each the kind in a byte, a length
    /// in two (little endian), and as many bytes. Kind 0 are commands, 1 data, 2 a pulse on the reset
    /// line, 3 a mark that says that a picture is finished, for which `finished` is called. The last
    /// two have no bytes.
    ///
    /// # Errors
    /// When there is no such record, [`command`](Self::command) or [`data`](Self::data) fails, a
    /// command is not complete at a mark or at the end, or `finished` fails.
    pub fn decode(&mut self, stream: &[u8], mut finished: impl FnMut(&Self) -> Result<()>) -> Result<()> {
        let mut rest = stream;
        while !rest.is_empty() {
            let at = stream.len() - rest.len();
            rest = self.record(rest, &mut finished).with_context(|| format!("record at {at:#x} of the stream"))?;
        }
        self.complete().context("end of the stream")
    }

    /// Takes the first record, and returns those behind it.
    fn record<'s>(&mut self, stream: &'s [u8], mut finished: impl FnMut(&Self) -> Result<()>) -> Result<&'s [u8]> {
        let (&[kind, low, high], rest) = stream.split_first_chunk().context("cut off")?;
        let length = u16::from_le_bytes([low, high]).into();
        let (bytes, rest) = rest.split_at_checked(length).context("cut off")?;
        match (kind, length) {
            (0, _) => bytes.iter().try_for_each(|&byte| self.command(byte))?,
            (1, _) => self.data(bytes)?,
            (2, 0) => self.hardware_reset(),
            (3, 0) => {
                self.complete()?;
                finished(self)?;
            }
            _ => bail!("kind {kind} with {length} bytes"),
        }
        Ok(rest)
    }

    /// The picture that a person sees.
    ///
    /// # Errors
    /// When there is none: the display is asleep or off, expects pixels of 18 bits, or waits for the
    /// rest of a command.
    pub fn screen(&self) -> Result<Screen> {
        self.complete()?;
        ensure!(!self.registers.asleep, "nothing to see: the display is asleep (no SLPOUT since a reset or SLPIN)");
        ensure!(self.registers.on, "nothing to see: the display is off (no DISPON since a reset or DISPOFF)");
        ensure!(self.registers.depth == 16, "the pixel format is {} and not 16 bits", self.registers.depth);
        let (width, height) = self.glass.oriented_size();
        Ok(Screen { width, height, rgb: self.seen().flat_map(|pixel| self.colour(pixel)).collect() })
    }

    /// How many visible pixels were not written since the last reset.
    pub fn never_written(&self) -> usize {
        self.seen().filter(Option::is_none).count()
    }

    /// The pixels behind the glass, row by row as it is held.
    fn seen(&self) -> impl Iterator<Item = Option<u16>> {
        let (width, height) = self.glass.oriented_size();
        (0..width * height).map(move |i| {
            let (column, row) = self.glass.seen_at(i % width, i / width);
            self.memory[row * self.glass.chip.memory().0 + column]
        })
    }

    /// What a pixel looks like. The memory is not changed by BGR and inversion; they act on its way to
    /// the glass, and at once (ILI9341 8.2.29 and 8.2.16).
    fn colour(&self, pixel: Option<u16>) -> [u8; 3] {
        let Some(pixel) = pixel else { return NEVER_WRITTEN };
        let pixel = if self.registers.inverted == self.glass.inverse { pixel } else { !pixel };
        // To 8 bits by repeating the first ones, so that black and white stay what they are.
        let five = |bits: u16| (bits << 3 | bits >> 2) as u8;
        let six = |bits: u16| (bits << 2 | bits >> 4) as u8;
        let (r, g, b) = (five(pixel >> 11), six(pixel >> 5 & 0x3F), five(pixel & 0x1F));
        if (self.registers.madctl & BGR != 0) == self.glass.bgr { [r, g, b] } else { [b, g, r] }
    }

    /// Parameters that the current command has to have.
    fn wanted(&self) -> usize {
        self.glass.chip.parameters(self.command).unwrap_or(0)
    }

    fn writes_pixels(&self) -> bool {
        matches!(self.command, RAMWR | RAMWRC)
    }

    /// The chips take the next command at any time: they drop half a pixel, keep the parameters that they
    /// have and leave the others as they were. No driver means that.
    fn complete(&self) -> Result<()> {
        let (command, count, wanted) = (self.command, self.parameters.len(), self.wanted());
        if self.writes_pixels() {
            ensure!(count == 0, "an odd number of bytes for pixels of two: the chip drops the last");
        } else {
            ensure!(count == wanted, "command {command:#04x} has {count} of its {wanted} parameters");
        }
        Ok(())
    }

    fn start(&mut self, command: u8) -> Result<()> {
        self.complete()?;
        self.parameters.clear();
        self.command = NOP; // unless it is found to be fine
        match command {
            RAMWR => self.start_pixels()?,
            // The ST7735S lists no such command.
            RAMWRC if self.glass.chip != Chip::St7735s => {
                ensure!(self.written.is_some(), "nothing to continue: no RAMWR since the window or MADCTL was set");
            }
            _ => ensure!(self.glass.chip.parameters(command).is_some(), "unknown command"),
        }
        self.command = command;
        if self.wanted() == 0 { self.execute() } else { Ok(()) }
    }

    /// CASET and RASET are checked when they come, but MADCTL may have exchanged the ranges since.
    fn start_pixels(&mut self) -> Result<()> {
        let Registers { madctl, columns, rows, .. } = self.registers;
        let (width, height) = addresses(self.glass.chip, madctl);
        ensure!(
            columns.1 < width && rows.1 < height,
            "the window of columns {columns:?} and rows {rows:?} is not within {width}x{height} (MADCTL {madctl:#04x})"
        );
        self.written = Some(0);
        Ok(())
    }

    fn argument(&mut self, byte: u8) -> Result<()> {
        if self.writes_pixels() {
            return self.half_pixel(byte);
        }
        let wanted = self.wanted();
        ensure!(self.parameters.len() < wanted, "command {:#04x} takes {wanted} bytes of data", self.command);
        self.parameters.push(byte);
        if self.parameters.len() == wanted { self.execute() } else { Ok(()) }
    }

    fn half_pixel(&mut self, byte: u8) -> Result<()> {
        ensure!(self.registers.depth == 16, "pixels of {} bits: no COLMOD that says 16", self.registers.depth);
        match self.parameters.pop() {
            None => self.parameters.push(byte),
            Some(high) => self.pixel(u16::from_be_bytes([high, byte]))?,
        }
        Ok(())
    }

    /// Puts a pixel at the next place in the window, along its rows. The chips start again at the top
    /// when the window is full (ILI9341 9.3).
    fn pixel(&mut self, pixel: u16) -> Result<()> {
        let Registers { madctl, columns, rows, .. } = self.registers;
        let (width, height) = (columns.1 - columns.0 + 1, rows.1 - rows.0 + 1);
        let at = self.written.context("no place for a pixel")?;
        ensure!(at < width * height, "{} pixels for a window of {}", at + 1, width * height);
        let (column, row) = cell(self.glass.chip, madctl, columns.0 + at % width, rows.0 + at / width);
        self.memory[row * self.glass.chip.memory().0 + column] = Some(pixel);
        self.written = Some(at + 1);
        Ok(())
    }

    /// Does what a command with all its parameters says.
    fn execute(&mut self) -> Result<()> {
        let Registers { madctl, depth, .. } = self.registers;
        match (self.command, self.parameters.as_slice()) {
            // "S/W reset: no change" for MADCTL and COLMOD (ST7735 10.1.6 and 10.1.29), as for the other chips.
            (SWRESET, _) => self.reset(madctl, depth),
            (SLPIN, _) => self.registers.asleep = true,
            (SLPOUT, _) => self.registers.asleep = false,
            (INVOFF, _) => self.registers.inverted = false,
            (INVON, _) => self.registers.inverted = true,
            (DISPOFF, _) => self.registers.on = false,
            (DISPON, _) => self.registers.on = true,
            (PTLON, _) => bail!("partial mode is not supported"),
            (IDMON, _) => bail!("idle mode (8 colours) is not supported"),
            (CASET, range) => {
                self.registers.columns = address_range(range, addresses(self.glass.chip, madctl).0)?;
                self.written = None;
            }
            (RASET, range) => {
                self.registers.rows = address_range(range, addresses(self.glass.chip, madctl).1)?;
                self.written = None;
            }
            (MADCTL, &[value]) => {
                ensure!(value & UNUSED == 0, "MADCTL {value:#04x}: bits 0 and 1 have to be 0");
                self.registers.madctl = value;
                self.written = None;
            }
            // The high nibble is for the RGB interface.
            (COLMOD, &[value]) => match value {
                0x05 | 0x55 => self.registers.depth = 16,
                0x06 | 0x66 => self.registers.depth = 18,
                _ => bail!("COLMOD {value:#04x} is not supported"),
            },
            (GAMSET, &[curve]) => ensure!(matches!(curve, 1 | 2 | 4 | 8), "there is no gamma curve {curve:#04x}"),
            (TEON, &[mode]) => ensure!(mode <= 1, "there is no mode {mode:#04x} of the tearing line"),
            (VSCRDEF, areas) => ensure!(self.is_one_area(areas), "scrolling is not supported"),
            (VSCRSADD, line) => ensure!(line == [0, 0], "scrolling is not supported"),
            (command, values) => ensure!(
                self.glass.chip.keeps_picture(command, values),
                "{command:#04x} with {values:02x?} would change the picture, which is not supported"
            ),
        }
        Ok(())
    }

    /// Whether the lines fixed at the top, scrolled, and fixed at the bottom are none, all and none.
    fn is_one_area(&self, areas: &[u8]) -> bool {
        let lines = areas.chunks_exact(2).map(|line| usize::from(line[0]) << 8 | usize::from(line[1]));
        lines.eq([0, self.glass.chip.memory().1, 0])
    }
}

/// The chips ignore what lies outside (ILI9341 8.2.20), which does not say what remains.
fn address_range(bytes: &[u8], limit: usize) -> Result<Range> {
    let &[a, b, c, d] = bytes else { bail!("{} bytes for two addresses", bytes.len()) };
    let (first, last) = (u16::from_be_bytes([a, b]).into(), u16::from_be_bytes([c, d]).into());
    ensure!(first <= last && last < limit, "addresses {first} to {last} are not a range within {limit}");
    Ok((first, last))
}

#[cfg(test)]
mod tests {
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

    /// A glass that shows the whole memory as it is.
    const fn whole(chip: Chip) -> PhysicalPanel {
        let size = chip.memory();
        PhysicalPanel { chip, size, offset: (0, 0), mirrored: false, bgr: false, inverse: false, quarter_turns: 0 }
    }

    /// Sends commands, each with its data, in hexadecimal.
    fn send(controller: &mut Controller, commands: &str) -> Result<()> {
        for command in commands.split(", ") {
            let bytes: Vec<_> =
                command.split(' ').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
            controller.command(bytes[0])?;
            controller.data(&bytes[1..])?;
        }
        Ok(())
    }

    fn awake(glass: PhysicalPanel) -> Result<Controller> {
        let mut controller = Controller::new(glass)?;
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
    fn glass_shows_its_part_as_it_is_held() -> Result<()> {
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
            let glass = PhysicalPanel { size: (3, 2), offset: (7, 9), mirrored, quarter_turns, ..whole(Chip::St7735s) };
            let mut controller = awake(glass)?;
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
        // The turn of the glass, MADCTL, and the addresses of the picture's first pixel.
        for (glass, quarter_turns, madctl, (left, top)) in [
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
            let glass = PhysicalPanel { quarter_turns, ..glass };
            let (width, height) = glass.oriented_size();
            let mut controller = awake(glass)?;
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
            let mut controller =
                Controller::new(PhysicalPanel { size, offset, mirrored, quarter_turns, ..whole(chip) })?;
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
}
