//! Records the SPI bus of a display and sends the record over UART 0, for a model of the display controller on the host.
//!
//! A record is `kind` (one byte), `length` (16 bits, little endian) and `length` bytes:
//!
//! | kind | meaning |
//! |---|---|
//! | 0 | bytes sent while the D/C line was low: a command |
//! | 1 | bytes sent while the D/C line was high: data |
//! | 2 | a pulse on the reset line; no bytes |
//! | 3 | a mark: a picture is complete; no bytes |

use core::convert::Infallible;
use core::sync::atomic::{AtomicBool, Ordering};

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{self, OutputPin};
use embedded_hal::spi::{self, Operation, SpiDevice};

use super::register::BusTimeout;
use super::uart::Uart;

/// The level of the D/C line, which [`DcPin`] sets and [`RecordingSpi`] reads.
static DATA: AtomicBool = AtomicBool::new(true);

const RESET: u8 = 2;
const MARK: u8 = 3;

fn record(uart: &mut Uart, kind: u8, bytes: &[u8]) -> Result<(), BusTimeout> {
    bytes.chunks(usize::from(u16::MAX)).try_for_each(|part| {
        let [low, high] = (part.len() as u16).to_le_bytes();
        uart.write(&[kind, low, high])?;
        uart.write(part)
    })
}

/// The SPI device: records what the driver sends.
#[derive(Debug)]
pub struct RecordingSpi(pub Uart);

impl RecordingSpi {
    /// Sends a mark: the picture is complete.
    ///
    /// # Errors
    /// [`BusTimeout`] if the UART does not accept the bytes.
    pub fn mark(uart: &mut Uart) -> Result<(), BusTimeout> {
        uart.write(&[MARK, 0, 0])
    }
}

impl spi::ErrorType for RecordingSpi {
    type Error = BusTimeout;
}

impl SpiDevice for RecordingSpi {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), BusTimeout> {
        let kind = u8::from(DATA.load(Ordering::Relaxed));
        for operation in operations {
            match operation {
                Operation::Write(bytes) => record(&mut self.0, kind, bytes)?,
                // Reads 0: as on most displays, the line from the display (MISO) is not connected.
                Operation::Read(bytes) => bytes.fill(0),
                Operation::Transfer(read, bytes) => {
                    record(&mut self.0, kind, bytes)?;
                    read.fill(0);
                }
                Operation::TransferInPlace(bytes) => {
                    record(&mut self.0, kind, bytes)?;
                    bytes.fill(0);
                }
                Operation::DelayNs(_) => {}
            }
        }
        Ok(())
    }
}

/// The D/C line.
#[derive(Debug)]
pub struct DcPin;

impl digital::ErrorType for DcPin {
    type Error = Infallible;
}

impl OutputPin for DcPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        DATA.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        DATA.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// The reset line.
#[derive(Debug)]
pub struct ResetPin(pub Uart);

impl digital::ErrorType for ResetPin {
    type Error = BusTimeout;
}

impl OutputPin for ResetPin {
    fn set_low(&mut self) -> Result<(), BusTimeout> {
        self.0.write(&[RESET, 0, 0])
    }

    fn set_high(&mut self) -> Result<(), BusTimeout> {
        Ok(())
    }
}

/// A delay that returns at once: a record needs no pauses.
#[derive(Debug)]
pub struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}
