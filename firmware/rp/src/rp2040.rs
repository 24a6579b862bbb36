//! The chip of the Pico.

use embassy_rp::clocks::RoscRng;

/// The ST7789 accepts at most 62.5 MHz, which is half of the 125 MHz that embassy-rp sets. A quarter is within the limit.
pub(crate) const SPI_HZ: u32 = 31_250_000;

/// A source of random numbers. The chip has none for cryptography, but the jitter of its ring oscillator is enough for the
/// number of a picture. The oscillator keeps running after embassy-rp has switched to the crystal.
pub(crate) fn entropy() -> impl FnMut() -> u32 {
    // Neighbouring bits are correlated, so several words are combined into one.
    || (0..8).fold(0, |all: u32, _| all.rotate_left(5) ^ RoscRng.next_u32())
}
