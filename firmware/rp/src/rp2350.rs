//! The chip of the Pico 2.

use embassy_rp::peripherals::TRNG;
use embassy_rp::trng::{self, Trng};
use embassy_rp::{Peri, bind_interrupts};

/// The ST7789 accepts at most 62.5 MHz. The clock of 150 MHz that embassy-rp sets can be divided into 75 MHz, which is
/// too fast, and 37.5 MHz.
pub(crate) const SPI_HZ: u32 = 37_500_000;

bind_interrupts!(struct Interrupts {
    TRNG_IRQ => trng::InterruptHandler<TRNG>;
});

/// A source of random numbers.
pub(crate) fn entropy(trng: Peri<'static, TRNG>) -> impl FnMut() -> u32 {
    // The health tests of the entropy source sometimes stop it until a reset. The number of a picture does not need them.
    let mut tests = trng::Config::default();
    tests.disable_autocorrelation_test = true;
    tests.disable_crngt_test = true;
    tests.disable_von_neumann_balancer = true;
    let mut entropy = Trng::new(trng, Interrupts, tests);
    move || {
        // Neighbouring bits are correlated, so all 24 bytes of one reading are combined into one number.
        let mut bytes = [0; 24];
        entropy.blocking_fill_bytes(&mut bytes);
        let (words, _) = bytes.as_chunks();
        words.iter().fold(0, |all, &word| all ^ u32::from_ne_bytes(word))
    }
}
