//! The checksum that identifies a picture, and the seeds that are tested on every chip.

use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc, Digest, NoTable};
use gen_core::{ClassMix, Classes, Engine, Latent, Pixels};

use crate::class;

/// Seeds whose pictures are compared byte for byte between host and chips.
pub const PARITY_SEEDS: [u32; 8] = [0, 1, 2, 42, 43, 1000, 123_456_789, u32::MAX];

/// What is compared for a seed: its picture; for a model with classes its picture of class `seed` modulo their number, and
/// that of a mixture with the next class.
pub fn parity_mixes(seed: u32, classes: Classes<'_>) -> impl Iterator<Item = ClassMix> {
    let class = class::later(classes, 0, seed);
    let mixture = ClassMix::between(class, class::later(classes, class, 1), (seed % 255 + 1) as u16);
    let count = if classes.is_empty() { 1 } else { 2 };
    [ClassMix::one(class), mixture].into_iter().take(count)
}

/// The class in a line about a compared picture: ` class 3`, or ` class 3 to 4 at 17/256`. Empty without classes.
pub fn parity_note(mix: ClassMix, classes: Classes<'_>) -> impl fmt::Display {
    let has_classes = !classes.is_empty();
    fmt::from_fn(move |f| match mix.parts() {
        _ if !has_classes => Ok(()),
        (class, _, 0) => write!(f, " class {class}"),
        (from, to, share) => write!(f, " class {from} to {to} at {share}/256"),
    })
}

/// Where the latent of a picture comes from. Written as the number, or as the word `latent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// From this seed, the number of the picture.
    Seed(u32),
    /// The user gave the latent itself.
    Latent,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(number) => number.fmt(f),
            Self::Latent => f.write_str("latent"),
        }
    }
}

// Without a table: pictures are small, so the time that a table saves is not worth its flash.
static CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// CRC-32 (as in zlib) of a picture's bytes, computed row by row.
#[allow(missing_debug_implementations, reason = "the digest has none")]
pub struct Checksum(Digest<'static, u32, NoTable>);

impl Checksum {
    /// The checksum of an empty picture.
    #[allow(clippy::new_without_default, reason = "there is nothing default about it")]
    pub fn new() -> Self {
        Self(CRC.digest())
    }

    /// Adds the next row.
    pub fn row(&mut self, row: Pixels<'_>) {
        self.0.update(row.bytes());
    }

    /// The checksum of all rows.
    pub fn finish(self) -> u32 {
        self.0.finalize()
    }
}

/// Generates the picture of `latent`, passes its rows to `sink` as [`Engine::generate`] does, and returns its checksum.
pub fn generate(engine: &mut Engine<'_>, latent: &Latent, mut sink: impl FnMut(usize, Pixels<'_>)) -> u32 {
    let mut checksum = Checksum::new();
    engine.generate(latent, |y, row| {
        checksum.row(row);
        sink(y, row);
    });
    checksum.finish()
}
