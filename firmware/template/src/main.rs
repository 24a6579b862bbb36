//! A board: an Arm MPS2 with a Cortex-M4 (AN386), as QEMU has it, set up from scratch.
#![no_std]
#![no_main]

mod paper;

use core::panic::PanicInfo;

use cortex_m_rt::{entry, exception};
use defmt_semihosting as _; // the log
use firmware::io::Io;
use firmware::product;
use firmware::settings::{Mode, Settings};
use paper::Paper;

/// What the app has to know of the board.
struct Board {
    /// There is no clock worth the name: time passes when somebody looks at it.
    us: u64,
}

impl Io for Board {
    fn now_us(&mut self) -> u64 {
        self.us += 100;
        self.us
    }

    fn is_down(&mut self) -> bool {
        false
    }
}

#[entry]
fn main() -> ! {
    let mut paper = Paper::new(|row, bytes: &[u8]| {
        core::hint::black_box((row, bytes)); // a real one would send them over SPI
    });
    let settings = Settings { seed: Some(42), mode: Mode::Single, ..Settings::default() };
    product::run(&mut paper, Board { us: 0 }, settings)
}

// Log and end go through semihosting, which is for QEMU: on a chip without a debugger it is a fault.
// There, the firmware's feature `rtt` brings a log and both of these handlers.

#[exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::process::exit(1)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    defmt::error!("{}", defmt::Display2Format(info));
    semihosting::process::exit(1)
}
