//! A board: an Arm MPS2 with a Cortex-M4 (AN386), as QEMU has it, set up from scratch.
#![no_std]
#![no_main]

mod paper;

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m_rt::{entry, exception};
use defmt_semihosting as _; // the log
use firmware::io::Io;
use firmware::product;
use firmware::settings::{Mode, Settings};
use paper::Paper;

/// What the app has to know of the board.
struct Board;

/// This board has no clock worth the name: time passes when somebody looks at it.
static US: AtomicU32 = AtomicU32::new(0);

impl Io for Board {
    fn now_us(&mut self) -> u64 {
        US.fetch_add(100, Ordering::Relaxed).into()
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
    product::run(&mut paper, Board, settings)
}

#[exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::process::exit(1)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    defmt::error!("{}", defmt::Display2Format(info));
    semihosting::process::exit(1)
}
