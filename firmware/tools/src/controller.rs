//! A model of the display controllers ST7789V, ILI9341 and ST7735S on a 4-line SPI bus. It turns the bytes on the bus into
//! the picture on the panel, and does not depend on the driver that sends them.
//!
//! The model is stricter than the chips. A chip ignores unknown commands and surplus data; here each such byte is an error,
//! because it shows a mistake in the driver. The model has no time: it does not check the delays that are required after a
//! reset and after SLPOUT.
//!
//! Sources, with the sections used: the data sheets of ST7789V V1.3 (8.12, 9.1, 9.2), ILI9341 V1.11 (8.2, 8.3, 8.4, 9.3) and
//! ST7735 V1.7 (9.10, 10.1, 10.2), and the changes of ST7735R and ST7735S to 10.2. Only the data sheets of ST7735 and ST7735R
//! were read for this; the values for the other chips still have to be compared with theirs.

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

/// MADCTL: row address order, from the last row of the memory to the first.
const MY: u8 = 0x80;
/// MADCTL: column address order, from the last column of the memory to the first.
const MX: u8 = 0x40;
/// MADCTL: row/column exchange. CASET then addresses rows and RASET columns.
const MV: u8 = 0x20;
/// MADCTL: RGB/BGR order, set for panels whose colour filters are in the order blue, green, red.
const BGR: u8 = 0x08;
/// MADCTL: reserved bits, which must be 0. The refresh orders ML (0x10) and MH (0x04) are accepted, because they do not
/// change the picture.
const RESERVED: u8 = 0x03;

/// The colour of pixels that were not written since the last reset: magenta.
pub const NEVER_WRITTEN: [u8; 3] = [255, 0, 255];

/// A display controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chip {
    /// Sitronix ST7789V.
    St7789,
    /// Ilitek ILI9341.
    Ili9341,
    /// Sitronix ST7735S, with its GM pins set to 00 (132x162 memory).
    St7735s,
}

impl Chip {
    /// Columns and rows of the frame memory.
    pub const fn memory(self) -> (usize, usize) {
        match self {
            Self::St7789 | Self::Ili9341 => (240, 320),
            Self::St7735s => (132, 162),
        }
    }

    /// Number of parameters of a command other than RAMWR and RAMWRC; `None` if the chip has no such command.
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

    /// Whether a configuration command does not change the picture. Only three commands can change it.
    const fn keeps_picture(self, command: u8, parameters: &[u8]) -> bool {
        match (self, command, parameters) {
            // RAMCTRL: the interface is SPI and not RGB (bits RM, DM), the high byte first (ENDIAN).
            (Self::St7789, 0xB0, &[access, format]) => access & 0x13 == 0 && format & 0x08 == 0,
            // LCMCTRL: each bit inverts a bit of MADCTL or INVON; 0x2C is the reset value.
            (Self::St7789, 0xC0, &[control]) => control == 0x2C,
            // DISCTRL: the scan order (REV, GS, SS, SM) and the number of lines have their reset values.
            (Self::Ili9341, 0xB6, &[_, order, lines, _]) => order & 0xF0 == 0x80 && lines == 0x27,
            _ => true,
        }
    }
}

/// The physical properties of a panel, for which a driver has to be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhysicalPanel {
    /// The controller.
    pub chip: Chip,
    /// Number of visible columns and rows.
    pub size: (usize, usize),
    /// Column and row of the memory that the first visible column and row show.
    pub offset: (usize, usize),
    /// The first visible column is on the right.
    pub mirrored: bool,
    /// The colour filters are in the order blue, green, red, so colours are right if the BGR bit of MADCTL is set.
    pub bgr: bool,
    /// Shows the inverse of the memory unless inversion is on, as IPS panels do.
    pub inverse: bool,
    /// How the panel is mounted: clockwise turns of 90 degrees, modulo 4.
    pub quarter_turns: u8,
}

impl PhysicalPanel {
    /// Width and height in pixels, as mounted.
    const fn oriented_size(&self) -> (usize, usize) {
        let (columns, rows) = self.size;
        if self.quarter_turns.is_multiple_of(2) { (columns, rows) } else { (rows, columns) }
    }

    /// Column and row of the memory that are visible at `x`, `y` of the panel as mounted.
    const fn memory_at(&self, x: usize, y: usize) -> (usize, usize) {
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

/// First and last address of a window, set by CASET or RASET.
type Range = (usize, usize);

/// The registers, which commands set and resets restore.
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
    /// The state after a reset, with these values of MADCTL and COLMOD.
    fn after_reset(chip: Chip, madctl: u8, depth: u8) -> Self {
        let (columns, rows) = addresses(chip, madctl);
        Self { asleep: true, on: false, inverted: false, madctl, depth, columns: (0, columns - 1), rows: (0, rows - 1) }
    }
}

/// Number of column and row addresses.
const fn addresses(chip: Chip, madctl: u8) -> (usize, usize) {
    let (columns, rows) = chip.memory();
    if madctl & MV == 0 { (columns, rows) } else { (rows, columns) }
}

/// The column and row of the memory at an address (ST7789V 8.12, ILI9341 9.3, ST7735 9.10): MV first exchanges the
/// addresses, then MX and MY mirror columns and rows of the memory.
const fn cell(chip: Chip, madctl: u8, column: usize, row: usize) -> (usize, usize) {
    let (columns, rows) = chip.memory();
    let (column, row) = if madctl & MV == 0 { (column, row) } else { (row, column) };
    let column = if madctl & MX == 0 { column } else { columns - 1 - column };
    let row = if madctl & MY == 0 { row } else { rows - 1 - row };
    (column, row)
}

/// A controller and its panel. After an error the state is undefined until the next reset.
#[derive(Debug)]
pub struct Controller {
    panel: PhysicalPanel,
    /// The frame memory, row by row; `None` for pixels that were not written since the last reset.
    memory: Vec<Option<u16>>,
    registers: Registers,
    command: u8,
    /// The parameters received so far, or the first byte of a pixel.
    parameters: Vec<u8>,
    /// Number of pixels written since RAMWR; `None` if the next write address is undefined.
    written: Option<usize>,
    /// Number of bytes received.
    received: usize,
}

impl Controller {
    /// A controller after power-on.
    ///
    /// # Errors
    /// If the panel has no pixels, or shows more than the memory.
    pub fn new(panel: PhysicalPanel) -> Result<Self> {
        let ((columns, rows), (left, top)) = (panel.chip.memory(), panel.offset);
        let fits = |offset: usize, size, limit| size > 0 && offset.checked_add(size).is_some_and(|end| end <= limit);
        ensure!(
            fits(left, panel.size.0, columns) && fits(top, panel.size.1, rows),
            "{panel:?} does not fit a memory of {columns}x{rows}"
        );
        let registers = Registers::after_reset(panel.chip, 0, 18);
        let memory = vec![None; columns * rows];
        Ok(Self { panel, memory, registers, command: NOP, parameters: Vec::new(), written: None, received: 0 })
    }

    /// A pulse on the reset line.
    pub fn hardware_reset(&mut self) {
        self.command = NOP;
        self.parameters.clear();
        self.reset(0, 18);
    }

    /// The chips keep the contents of their memory in a reset, and start with undefined contents after power-on. A driver
    /// cannot tell which of the two happened, so the model makes the contents undefined.
    fn reset(&mut self, madctl: u8, depth: u8) {
        self.registers = Registers::after_reset(self.panel.chip, madctl, depth);
        self.memory.fill(None);
        self.written = None;
    }

    /// Receives a command byte (D/C low).
    ///
    /// # Errors
    /// If the chip has no such command, the previous command is not complete, or the model does not support the command.
    pub fn command(&mut self, command: u8) -> Result<()> {
        let at = self.received;
        self.received += 1;
        self.start(command).with_context(|| format!("byte {at} on the wire, command {command:#04x}"))
    }

    /// Receives data bytes (D/C high).
    ///
    /// # Errors
    /// If the command takes fewer parameters, or does not allow these values.
    pub fn data(&mut self, bytes: &[u8]) -> Result<()> {
        for &byte in bytes {
            let at = self.received;
            self.received += 1;
            self.argument(byte).with_context(|| format!("byte {at} on the wire, data {byte:#04x}"))?;
        }
        Ok(())
    }

    /// Decodes a recording of the bus, which is a sequence of records: one byte for the kind, two bytes for the length (little
    /// endian), and the payload. The kinds are 0: commands, 1: data, 2: a pulse on the reset line, 3: end of a picture, for
    /// which `finished` is called. Kinds 2 and 3 have no payload.
    ///
    /// # Errors
    /// If a record is invalid, [`command`](Self::command) or [`data`](Self::data) fails, a command is not complete at the end
    /// of a picture or of the stream, or `finished` fails.
    pub fn decode(&mut self, stream: &[u8], mut finished: impl FnMut(&Self) -> Result<()>) -> Result<()> {
        let mut rest = stream;
        while !rest.is_empty() {
            let at = stream.len() - rest.len();
            rest = self.record(rest, &mut finished).with_context(|| format!("record at {at:#x} of the stream"))?;
        }
        self.complete().context("end of the stream")
    }

    /// Decodes the first record and returns the remaining bytes.
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

    /// The visible picture.
    ///
    /// # Errors
    /// If the display is asleep or off, is set to 18-bit pixels, or waits for the rest of a command.
    pub fn screen(&self) -> Result<Screen> {
        self.complete()?;
        ensure!(!self.registers.asleep, "nothing to see: the display is asleep (no SLPOUT since a reset or SLPIN)");
        ensure!(self.registers.on, "nothing to see: the display is off (no DISPON since a reset or DISPOFF)");
        ensure!(self.registers.depth == 16, "the pixel format is {} and not 16 bits", self.registers.depth);
        let (width, height) = self.panel.oriented_size();
        Ok(Screen { width, height, rgb: self.visible().flat_map(|pixel| self.colour(pixel)).collect() })
    }

    /// Number of visible pixels that were not written since the last reset.
    pub fn never_written(&self) -> usize {
        self.visible().filter(Option::is_none).count()
    }

    /// The visible pixels, row by row as the panel is mounted.
    fn visible(&self) -> impl Iterator<Item = Option<u16>> {
        let (width, height) = self.panel.oriented_size();
        (0..width * height).map(move |i| {
            let (column, row) = self.panel.memory_at(i % width, i / width);
            self.memory[row * self.panel.chip.memory().0 + column]
        })
    }

    /// The visible colour of a pixel. BGR and inversion do not change the memory: they apply when it is read for the display,
    /// and so take effect immediately (ILI9341 8.2.29 and 8.2.16).
    fn colour(&self, pixel: Option<u16>) -> [u8; 3] {
        let Some(pixel) = pixel else { return NEVER_WRITTEN };
        let pixel = if self.registers.inverted == self.panel.inverse { pixel } else { !pixel };
        // Extended to 8 bits by repeating the upper bits, so that black stays black and white stays white.
        let five = |bits: u16| (bits << 3 | bits >> 2) as u8;
        let six = |bits: u16| (bits << 2 | bits >> 4) as u8;
        let (r, g, b) = (five(pixel >> 11), six(pixel >> 5 & 0x3F), five(pixel & 0x1F));
        if (self.registers.madctl & BGR != 0) == self.panel.bgr { [r, g, b] } else { [b, g, r] }
    }

    /// Number of parameters of the current command.
    fn wanted(&self) -> usize {
        self.panel.chip.parameters(self.command).unwrap_or(0)
    }

    fn writes_pixels(&self) -> bool {
        matches!(self.command, RAMWR | RAMWRC)
    }

    /// Checks that the current command is complete. The chips accept the next command at any time: they drop half a pixel, or
    /// use the parameters received so far. A driver never does this on purpose.
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
        self.command = NOP; // until the command has been checked
        match command {
            RAMWR => self.start_pixels()?,
            // The ST7735S lists no such command.
            RAMWRC if self.panel.chip != Chip::St7735s => {
                ensure!(self.written.is_some(), "nothing to continue: no RAMWR since the window or MADCTL was set");
            }
            _ => ensure!(self.panel.chip.parameters(command).is_some(), "unknown command"),
        }
        self.command = command;
        if self.wanted() == 0 { self.execute() } else { Ok(()) }
    }

    /// Checks the window again: CASET and RASET were checked when they were received, but MADCTL may have exchanged the
    /// addresses since.
    fn start_pixels(&mut self) -> Result<()> {
        let Registers { madctl, columns, rows, .. } = self.registers;
        let (width, height) = addresses(self.panel.chip, madctl);
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

    /// Writes a pixel to the next address of the window, row by row. When the window is full, the chips continue at its first
    /// address (ILI9341 9.3); here that is an error.
    fn pixel(&mut self, pixel: u16) -> Result<()> {
        let Registers { madctl, columns, rows, .. } = self.registers;
        let (width, height) = (columns.1 - columns.0 + 1, rows.1 - rows.0 + 1);
        let at = self.written.context("no place for a pixel")?;
        ensure!(at < width * height, "{} pixels for a window of {}", at + 1, width * height);
        let (column, row) = cell(self.panel.chip, madctl, columns.0 + at % width, rows.0 + at / width);
        self.memory[row * self.panel.chip.memory().0 + column] = Some(pixel);
        self.written = Some(at + 1);
        Ok(())
    }

    /// Executes the current command, whose parameters are complete.
    fn execute(&mut self) -> Result<()> {
        let Registers { madctl, depth, .. } = self.registers;
        match (self.command, self.parameters.as_slice()) {
            // A software reset does not change MADCTL and COLMOD ("S/W reset: no change", ST7735 10.1.6 and 10.1.29).
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
                self.registers.columns = address_range(range, addresses(self.panel.chip, madctl).0)?;
                self.written = None;
            }
            (RASET, range) => {
                self.registers.rows = address_range(range, addresses(self.panel.chip, madctl).1)?;
                self.written = None;
            }
            (MADCTL, &[value]) => {
                ensure!(value & RESERVED == 0, "MADCTL {value:#04x}: bits 0 and 1 have to be 0");
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
            (VSCRDEF, areas) => ensure!(self.scrolls_all_lines(areas), "scrolling is not supported"),
            (VSCRSADD, line) => ensure!(line == [0, 0], "scrolling is not supported"),
            (command, values) => ensure!(
                self.panel.chip.keeps_picture(command, values),
                "{command:#04x} with {values:02x?} would change the picture, which is not supported"
            ),
        }
        Ok(())
    }

    /// Whether VSCRDEF defines no fixed lines, so that the scroll area has all lines.
    fn scrolls_all_lines(&self, areas: &[u8]) -> bool {
        let lines = areas.chunks_exact(2).map(|line| usize::from(line[0]) << 8 | usize::from(line[1]));
        lines.eq([0, self.panel.chip.memory().1, 0])
    }
}

/// Parses the parameters of CASET or RASET. The chips ignore data outside of the memory (ILI9341 8.2.20); the data sheet does
/// not say which window results, so here that is an error.
fn address_range(bytes: &[u8], limit: usize) -> Result<Range> {
    let &[a, b, c, d] = bytes else { bail!("{} bytes for two addresses", bytes.len()) };
    let (first, last) = (u16::from_be_bytes([a, b]).into(), u16::from_be_bytes([c, d]).into());
    ensure!(first <= last && last < limit, "addresses {first} to {last} are not a range within {limit}");
    Ok((first, last))
}

#[cfg(test)]
mod tests;
