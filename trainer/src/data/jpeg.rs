//! Checks whether a JPEG file is complete.
//!
//! The decoder fills the missing part of a truncated file with grey without an error, and its strict mode checks
//! only complete rows of blocks. This module therefore parses the entropy-coded data without computing pixels:
//! every scan must contain the blocks that the frame header specifies (ITU-T T.81, annexes B, F and G). The segments
//! before a scan are skipped by their lengths, so the end marker of a thumbnail in the EXIF data is not mistaken for
//! the picture's. Data after the picture's end marker (a second picture, a film, garbage) is ignored.

use std::fmt;

/// One in this many blocks of a scan may be missing, which is not visible.
const UNSEEN: u64 = 256;

/// Number of unused bytes that may follow the last block, plus one for each this many bytes of the scan.
const REST: usize = 64;

/// Number of zero bytes with which the data of a scan may end.
const ZEROS: usize = 4;

/// Why a JPEG is incomplete or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The data ends too early: it has `found` of the `promised` blocks.
    Cut { found: u64, promised: u64 },
    /// The file ends before all scans were found.
    Scans,
    /// The data contains an invalid code.
    Code { found: u64, promised: u64 },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |found: u64, promised: u64| (100 * found.min(promised)).checked_div(promised).unwrap_or(0);
        match *self {
            Self::Cut { found, promised } => {
                write!(
                    f,
                    "the JPEG is cut: {}% of a scan is there; copy or download it again",
                    percent(found, promised)
                )
            }
            Self::Scans => write!(f, "the JPEG is cut between its scans; copy or download it again"),
            Self::Code { found, promised } => {
                write!(
                    f,
                    "the JPEG is damaged after {}% of a scan; copy or download it again",
                    percent(found, promised)
                )
            }
        }
    }
}

/// Checks a JPEG. If its end marker is missing, returns where its data ends: the decoder needs the marker to draw the
/// last blocks. Anything but a usual baseline or progressive JPEG passes, and is left to the decoder.
pub(super) fn check(bytes: &[u8]) -> Result<Option<usize>, Flaw> {
    // Parts of a file that were never written to disk are zero and must not be parsed as blocks. A scan may end with
    // a few zeros.
    let length = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1 + ZEROS).min(bytes.len());
    match Walk::default().file(&bytes[..length]) {
        Err(Stop::Flaw(flaw)) => Err(flaw),
        Ok(true) | Err(Stop::Unknown) => Ok(None),
        Ok(false) => Ok(Some(length)),
    }
}

enum Stop {
    Flaw(Flaw),
    /// A kind of JPEG that is not checked here.
    Unknown,
}

/// A Huffman table, prepared for lookup.
#[derive(Clone, Debug)]
struct Table {
    /// For every value of eight bits: the length of the code that they begin with, and its value. The length is 0 if
    /// the code is longer than eight bits.
    short: [(u8, u8); 256],
    /// One more than the last code of each length, left-aligned in 16 bits; and the offset from a code to its index.
    limits: [u32; 17],
    offsets: [i32; 17],
    values: Vec<u8>,
}

impl Table {
    fn new(counts: &[u8; 16], values: &[u8]) -> Self {
        let mut table = Self { short: [(0, 0); 256], limits: [0; 17], offsets: [0; 17], values: values.to_vec() };
        let (mut code, mut place) = (0_u32, 0_usize);
        for length in 1..=16_usize {
            table.offsets[length] = place as i32 - code as i32;
            for _ in 0..counts[length - 1] {
                if let (1..=8, Some(&value)) = (length, values.get(place)) {
                    let first = (code << (8 - length)) as usize;
                    for entry in table.short.iter_mut().skip(first).take(1 << (8 - length)) {
                        *entry = (length as u8, value);
                    }
                }
                code += 1;
                place += 1;
            }
            table.limits[length] = code << (16 - length);
            code <<= 1;
        }
        table
    }
}

/// Reader of the bits of the entropy-coded data, up to the next marker.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            self.at += 1;
            if byte == 0xff {
                if self.bytes.get(self.at) == Some(&0) {
                    self.at += 1;
                } else {
                    // A marker, which is not consumed.
                    self.at -= 1;
                    return;
                }
            }
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.count += 8;
        }
    }

    /// Whether at least `count` bits are left.
    fn has(&mut self, count: u32) -> bool {
        if self.count < count {
            self.fill();
        }
        self.count >= count
    }

    fn take(&mut self, count: u32) -> Result<u32, Bad> {
        if !self.has(count) {
            return Err(Bad::End);
        }
        self.count -= count;
        Ok((self.buffer >> self.count) as u32 & ((1 << count) - 1))
    }

    fn code(&mut self, table: &Table) -> Result<u8, Bad> {
        self.has(16);
        // Beyond the end the window has zeros, which are never consumed.
        let window = match self.count {
            16.. => (self.buffer >> (self.count - 16)) as u32 & 0xffff,
            count => (self.buffer as u32 & ((1 << count) - 1)) << (16 - count),
        };
        let (length, value) = table.short[(window >> 8) as usize];
        if length > 0 {
            self.take(length.into())?;
            return Ok(value);
        }
        let Some(length) = (9..=16_usize).find(|&length| window < table.limits[length]) else {
            return Err(if self.count < 16 { Bad::End } else { Bad::Code });
        };
        let code = self.take(length as u32)?;
        table.values.get((code as i32 + table.offsets[length]) as usize).copied().ok_or(Bad::Code)
    }

    /// Skips the bits up to the next marker; returns its position.
    fn leave(&mut self) -> usize {
        (self.buffer, self.count) = (0, 0);
        self.at
    }
}

enum Bad {
    End,
    Code,
}

#[derive(Clone, Debug, Default)]
struct Component {
    id: u8,
    /// Blocks in an MCU, across and down.
    size: (u64, u64),
    /// Number of blocks across and down, including those that only fill up MCUs.
    stored: (u64, u64),
    /// Which coefficients of each block are not 0, as bits; only for a progressive frame.
    known: Vec<u64>,
    /// Number of bits of each coefficient that are still missing; 255 before its first scan.
    missing: Vec<u8>,
}

#[derive(Default)]
struct Walk {
    tables: [[Option<Table>; 4]; 2],
    restart: u64,
    progressive: bool,
    frame: Vec<Component>,
    side: (u64, u64),
    scans: usize,
}

/// A file with more scans is left to the decoder, which has the same limit.
const MOST_SCANS: usize = 100;

/// Maximum number of blocks of a progressive picture, with 64 bits each: 64 MB.
const MOST_BLOCKS: u64 = 8 << 20;

impl Walk {
    /// Whether there is an end marker.
    fn file(&mut self, bytes: &[u8]) -> Result<bool, Stop> {
        let mut at = 2;
        loop {
            // Between segments, fill bytes and (although invalid) other bytes are skipped.
            let Some(found) = marker(bytes, at) else { return self.end(false) };
            at = found + 2;
            let kind = bytes[found + 1];
            match kind {
                0xd9 => return self.end(true),
                0x01 | 0xd0..=0xd8 => continue,
                _ => {}
            }
            let Some(&[high, low]) = bytes.get(at..at + 2) else { return self.end(false) };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let (Some(body), true) = (bytes.get(at + 2..at + length), length >= 2) else { return self.end(false) };
            at += length;
            match kind {
                0xc4 => self.huffman(body)?,
                0xdd => self.restart = u64::from(word(body, 0)?),
                0xc0..=0xc2 => self.frame(body, kind == 0xc2)?,
                // Lossless, hierarchical or arithmetic coding.
                0xc3 | 0xc5..=0xc7 | 0xc8..=0xcf => return Err(Stop::Unknown),
                0xda => at = self.scan(body, bytes, at)?,
                _ => {}
            }
        }
    }

    /// Called at the end marker, or at the end of a file without one.
    fn end(&self, marked: bool) -> Result<bool, Stop> {
        if self.frame.is_empty() {
            return Err(Stop::Unknown);
        }
        // A file that ends with its end marker may lack refinements, but not a whole component.
        let lacks = |component: &Component| {
            let seen = if self.progressive && !marked { &component.missing[..] } else { &component.missing[..1] };
            seen.iter().any(|&bits| bits == 255 || !marked && bits > 0)
        };
        if self.frame.iter().any(lacks) { Err(Stop::Flaw(Flaw::Scans)) } else { Ok(marked) }
    }

    fn huffman(&mut self, mut body: &[u8]) -> Result<(), Stop> {
        while let [kind, rest @ ..] = body {
            let Some((counts, rest)) = rest.split_first_chunk::<16>() else { return Err(Stop::Unknown) };
            let count = counts.iter().map(|&count| usize::from(count)).sum();
            let Some((values, rest)) = rest.split_at_checked(count) else { return Err(Stop::Unknown) };
            let place = self.tables.get_mut(usize::from(kind >> 4)).and_then(|t| t.get_mut(usize::from(kind & 15)));
            *place.ok_or(Stop::Unknown)? = Some(Table::new(counts, values));
            body = rest;
        }
        Ok(())
    }

    fn frame(&mut self, body: &[u8], progressive: bool) -> Result<(), Stop> {
        let (height, width) = (u64::from(word(body, 1)?), u64::from(word(body, 3)?));
        let components = body.get(6..).ok_or(Stop::Unknown)?.as_chunks::<3>().0;
        // With a height of 0, the height is given after the first scan, which is not supported here.
        if height == 0 || width == 0 || !self.frame.is_empty() || components.is_empty() || components.len() > 4 {
            return Err(Stop::Unknown);
        }
        let size = |sampling: u8| (u64::from(sampling >> 4), u64::from(sampling & 15));
        if !components.iter().all(|&[_, s, _]| (1..=4).contains(&size(s).0) && (1..=4).contains(&size(s).1)) {
            return Err(Stop::Unknown);
        }
        let most = components.iter().map(|&[_, s, _]| size(s)).fold((1, 1), |a, b| (a.0.max(b.0), a.1.max(b.1)));
        let mcus = (width.div_ceil(8 * most.0), height.div_ceil(8 * most.1));
        (self.side, self.progressive) = ((width, height), progressive);
        for &[id, sampling, _] in components {
            let size = size(sampling);
            let stored = (mcus.0 * size.0, mcus.1 * size.1);
            let known = if progressive { stored.0 * stored.1 } else { 0 };
            self.frame.push(Component { id, size, stored, known: Vec::new(), missing: vec![255; 64] });
            if known > MOST_BLOCKS {
                return Err(Stop::Unknown);
            }
        }
        Ok(())
    }

    /// Parses a scan whose header is `body` and whose data begins at `at`; returns where the data ends.
    fn scan(&mut self, body: &[u8], bytes: &[u8], at: usize) -> Result<usize, Stop> {
        self.scans += 1;
        if self.scans > MOST_SCANS {
            return Err(Stop::Unknown);
        }
        let count = usize::from(*body.first().ok_or(Stop::Unknown)?);
        let (Some(chosen), Some(&[first, last, depth])) =
            (body.get(1..1 + 2 * count), body.get(1 + 2 * count..4 + 2 * count))
        else {
            return Err(Stop::Unknown);
        };
        let band = if self.progressive { (usize::from(first), usize::from(last)) } else { (0, 63) };
        let (refines, low) = if self.progressive { (depth >> 4 != 0, depth & 15) } else { (false, 0) };
        let is_ac = self.progressive && band.0 > 0;
        let mut parts = Vec::new();
        for &[id, tables] in chosen.as_chunks::<2>().0 {
            let place = self.frame.iter().position(|component| component.id == id).ok_or(Stop::Unknown)?;
            let table = |class: usize, number: u8| self.tables[class].get(usize::from(number))?.clone();
            parts.push((place, table(0, tables >> 4), table(1, tables & 15)));
        }
        let is_legal =
            band.0 <= band.1 && band.1 < 64 && (!is_ac || count == 1) && (is_ac || !self.progressive || band.1 == 0);
        if parts.is_empty() || !is_legal {
            return Err(Stop::Unknown);
        }

        let most = self.frame.iter().fold((1, 1), |a, c| (a.0.max(c.size.0), a.1.max(c.size.1)));
        // A scan of a single component has no blocks that only fill up MCUs.
        let mcus = match parts.as_slice() {
            [(place, ..)] => {
                let size = self.frame[*place].size;
                ((self.side.0 * size.0).div_ceil(8 * most.0), (self.side.1 * size.1).div_ceil(8 * most.1))
            }
            _ => (self.side.0.div_ceil(8 * most.0), self.side.1.div_ceil(8 * most.1)),
        };
        let promised = mcus.0 * mcus.1;
        if self.progressive {
            for (place, ..) in &parts {
                let component = &mut self.frame[*place];
                component.known.resize((component.stored.0 * component.stored.1) as usize, 0);
            }
        }
        let mut bits = Bits { bytes, at, buffer: 0, count: 0 };
        let mut run = 0_u32;
        for mcu in 0..promised {
            if self.restart > 0 && mcu > 0 && mcu.is_multiple_of(self.restart) {
                run = 0;
                let here = bits.leave();
                match marker(bytes, here) {
                    Some(found) if (0xd0..=0xd7).contains(&bytes[found + 1]) => bits.at = found + 2,
                    Some(_) | None => return self.judge(Bad::End, mcu, promised, &parts, band, low, bytes, here),
                }
            }
            for (place, dc, ac) in &parts {
                let component = &mut self.frame[*place];
                let alone = parts.len() == 1;
                let (across, down) = if alone { (1, 1) } else { component.size };
                for block in 0..across * down {
                    let (x, y) = (mcu % mcus.0 * across + block % across, mcu / mcus.0 * down + block / across);
                    let mut nothing = 0;
                    let known = component.known.get_mut((y * component.stored.0 + x) as usize).unwrap_or(&mut nothing);
                    let done = if !self.progressive {
                        let (Some(dc), Some(ac)) = (dc, ac) else { return Err(Stop::Unknown) };
                        whole(&mut bits, dc, ac)
                    } else if !is_ac {
                        if refines {
                            bits.take(1).map(|_| ())
                        } else {
                            let Some(dc) = dc else { return Err(Stop::Unknown) };
                            difference(&mut bits, dc)
                        }
                    } else {
                        let Some(ac) = ac else { return Err(Stop::Unknown) };
                        if refines {
                            refine(&mut bits, ac, band, &mut run, known)
                        } else {
                            begin(&mut bits, ac, band, &mut run, known)
                        }
                    };
                    if let Err(bad) = done {
                        let here = bits.leave();
                        return self.judge(bad, mcu, promised, &parts, band, low, bytes, here);
                    }
                }
            }
        }
        self.note(&parts, band, low);
        // Damage makes blocks shorter or longer, so that the data does not end with the last block.
        let here = bits.leave();
        let rest = bytes.get(here..next_segment(bytes, here)).unwrap_or_default();
        let length = here - at;
        if self.restart == 0 && rest.len() > REST + length / REST && rest.iter().any(|&byte| byte != 0) {
            let found = promised * length as u64 / (length + rest.len()) as u64;
            return Err(Stop::Flaw(Flaw::Code { found, promised }));
        }
        Ok(here)
    }

    fn note(&mut self, parts: &[(usize, Option<Table>, Option<Table>)], band: (usize, usize), low: u8) {
        for (place, ..) in parts {
            self.frame[*place].missing[band.0..=band.1].fill(low);
        }
    }

    /// Decides whether a scan that ends after `found` MCUs is complete enough.
    fn judge(
        &mut self,
        bad: Bad,
        found: u64,
        promised: u64,
        parts: &[(usize, Option<Table>, Option<Table>)],
        band: (usize, usize),
        low: u8,
        bytes: &[u8],
        here: usize,
    ) -> Result<usize, Stop> {
        if (promised - found) * UNSEEN <= promised {
            self.note(parts, band, low);
            // Continue with the next segment and ignore the rest of the scan.
            return Ok(next_segment(bytes, here));
        }
        // Data that ends before any other marker is damaged rather than truncated.
        let is_cut = bytes.get(here + 1).is_none_or(|&kind| kind == 0xd9);
        Err(Stop::Flaw(match bad {
            Bad::End if is_cut => Flaw::Cut { found, promised },
            Bad::End | Bad::Code => Flaw::Code { found, promised },
        }))
    }
}

fn word(body: &[u8], at: usize) -> Result<u16, Stop> {
    body.get(at..at + 2).and_then(|pair| pair.try_into().ok()).map(u16::from_be_bytes).ok_or(Stop::Unknown)
}

/// Position of the next marker: 0xff followed by neither 0 nor another 0xff.
fn marker(bytes: &[u8], from: usize) -> Option<usize> {
    let pairs = bytes.get(from..)?.windows(2);
    pairs.into_iter().position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff)).map(|place| from + place)
}

/// Position of the next marker that is not a restart marker.
fn next_segment(bytes: &[u8], mut from: usize) -> usize {
    while let Some(found) = marker(bytes, from) {
        if !(0xd0..=0xd7).contains(&bytes[found + 1]) {
            return found;
        }
        from = found + 2;
    }
    bytes.len()
}

fn difference(bits: &mut Bits<'_>, dc: &Table) -> Result<(), Bad> {
    let size = bits.code(dc)?;
    if size > 16 {
        return Err(Bad::Code);
    }
    bits.take(size.into()).map(|_| ())
}

/// Parses a block of a sequential frame.
fn whole(bits: &mut Bits<'_>, dc: &Table, ac: &Table) -> Result<(), Bad> {
    difference(bits, dc)?;
    let mut k = 1;
    while k < 64 {
        let symbol = bits.code(ac)?;
        let (zeros, size) = (usize::from(symbol >> 4), symbol & 15);
        match (zeros, size) {
            (15, 0) => k += 16,
            (_, 0) => return Ok(()),
            _ => {
                k += zeros + 1;
                bits.take(size.into())?;
            }
        }
        if k > 64 {
            return Err(Bad::Code);
        }
    }
    Ok(())
}

/// Parses the first scan of a band of coefficients of a block.
fn begin(bits: &mut Bits<'_>, ac: &Table, band: (usize, usize), run: &mut u32, known: &mut u64) -> Result<(), Bad> {
    if *run > 0 {
        *run -= 1;
        return Ok(());
    }
    let mut k = band.0;
    while k <= band.1 {
        let symbol = bits.code(ac)?;
        let (zeros, size) = (u32::from(symbol >> 4), symbol & 15);
        match (zeros, size) {
            (15, 0) => k += 16,
            (_, 0) => {
                *run = (1 << zeros) - 1 + bits.take(zeros)?;
                return Ok(());
            }
            _ => {
                k += zeros as usize;
                if k > band.1 {
                    return Err(Bad::Code);
                }
                bits.take(size.into())?;
                *known |= 1 << k;
                k += 1;
            }
        }
    }
    Ok(())
}

/// Parses a refinement scan of a band of coefficients of a block: one more bit for each.
fn refine(bits: &mut Bits<'_>, ac: &Table, band: (usize, usize), run: &mut u32, known: &mut u64) -> Result<(), Bad> {
    let mut k = band.0;
    if *run == 0 {
        while k <= band.1 {
            let symbol = bits.code(ac)?;
            let (mut zeros, size) = (u32::from(symbol >> 4), symbol & 15);
            match size {
                0 if zeros < 15 => {
                    *run = (1 << zeros) + bits.take(zeros)?;
                    break;
                }
                0 => {}
                _ => _ = bits.take(1)?,
            }
            // Skips a run of zero coefficients. Each nonzero coefficient on the way has a bit of its own.
            while k <= band.1 {
                if *known >> k & 1 == 1 {
                    bits.take(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
            }
            if size > 0 && k <= band.1 {
                *known |= 1 << k;
            }
            k += 1;
        }
    }
    if *run > 0 {
        *run -= 1;
        let rest = (k..=band.1).filter(|&k| *known >> k & 1 == 1).count();
        for _ in 0..rest {
            bits.take(1)?;
        }
    }
    Ok(())
}
