//! Texas Instruments LM3S6965 evaluation board, as QEMU emulates it: Cortex-M3, an OLED of 128 x 64 pixels with 16 greys,
//! five buttons.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use firmware_app::platform::{Command, Platform};
use static_cell::ConstStaticCell;

use super::register::{BusTimeout, Register};
use super::uart::Uart;
use crate::ssd0323::{BLACK, FrameBuffer, Interface, Ssd0323};

/// The board.
#[derive(Debug)]
pub struct Board {
    /// UART 0, for the bytes of pictures.
    pub uart: Uart,
    /// The display.
    pub oled: Ssd0323<'static, Ssi>,
    /// The select button (in QEMU's window the control key), and the clock.
    pub select: Select,
}

macro_rules! registers {
    ($($name:ident = $address:expr;)*) => {
        // SAFETY: these are registers of the LM3S6965, and none starts a transfer to memory.
        $(const $name: Register = unsafe { Register::at($address) };)*
    };
}

const SYSCTL: usize = 0x400F_E000;
const GPIO_A: usize = 0x4000_4000;
const GPIO_C: usize = 0x4000_6000;
const GPIO_F: usize = 0x4002_5000;
const SSI: usize = 0x4000_8000;
const UART: usize = 0x4000_C000;

registers! {
    RCGC1 = SYSCTL + 0x104; // clocks of UART and SSI
    RCGC2 = SYSCTL + 0x108; // clocks of the ports

    // Bits 2 to 9 of the address select the pins that a write changes.
    GPIO_C_PIN_7 = GPIO_C + (COMMAND_OR_DATA << 2) as usize;
    GPIO_C_DIRECTION = GPIO_C + 0x400;
    GPIO_F_PIN_1 = GPIO_F + (SELECT << 2) as usize;
    GPIO_F_EVENT = GPIO_F + 0x40C;
    GPIO_F_RAW_STATUS = GPIO_F + 0x414;
    GPIO_F_CLEAR = GPIO_F + 0x41C;
    GPIO_A_ALTERNATE = GPIO_A + 0x420;
    GPIO_F_PULL_UP = GPIO_F + 0x510;
    GPIO_A_DIGITAL = GPIO_A + 0x51C;
    GPIO_C_DIGITAL = GPIO_C + 0x51C;
    GPIO_F_DIGITAL = GPIO_F + 0x51C;

    SSI_CONTROL_0 = SSI;
    SSI_CONTROL_1 = SSI + 0x04;
    SSI_DATA = SSI + 0x08;
    SSI_STATUS = SSI + 0x0C;
    SSI_PRESCALE = SSI + 0x10;

    UART_DATA = UART;
    UART_FLAGS = UART + 0x18;
    UART_DIVIDER = UART + 0x24;
    UART_FRACTION = UART + 0x28;
    UART_LINE = UART + 0x2C;
    UART_CONTROL = UART + 0x30;
}

const UART_FULL: u32 = 1 << 5;
const UART_AND_SSI: u32 = 1 << 0 | 1 << 4;
const PORTS_A_C_F: u32 = 1 << 0 | 1 << 2 | 1 << 5;
/// Pins of port A: receive and transmit of the UART; clock, select and transmit of the SSI.
const UART_AND_SSI_PINS: u32 = 0b10_1111;
/// Pin of port C.
const COMMAND_OR_DATA: u32 = 1 << 7;
/// Pin of port F; low while pressed.
const SELECT: u32 = 1 << 1;

/// Core clock after reset, as QEMU emulates it.
const CLOCK_HZ: u32 = 12_500_000;
const TICK_MS: u32 = 10;
const RELOAD: u32 = CLOCK_HZ / 1000 * TICK_MS - 1;

impl Board {
    /// Sets up the board and starts the clock. Call it once, at the start.
    ///
    /// # Panics
    /// If it is called a second time.
    pub fn take() -> Self {
        // A static, because the stack is too small for it.
        static MEMORY: ConstStaticCell<FrameBuffer> = ConstStaticCell::new(BLACK);
        super::mpu::guard_stack();
        RCGC1.set(UART_AND_SSI);
        RCGC2.set(PORTS_A_C_F);
        GPIO_A_ALTERNATE.set(UART_AND_SSI_PINS);
        GPIO_A_DIGITAL.set(UART_AND_SSI_PINS);

        // 115,200 baud, 8 bits, FIFOs; enabled for sending.
        UART_DIVIDER.write(6);
        UART_FRACTION.write(50);
        UART_LINE.write(0b111_0000);
        UART_CONTROL.write(1 << 0 | 1 << 8);

        if let Some(core) = cortex_m::Peripherals::take() {
            start_clock(core.SYST);
        }
        let memory = MEMORY.try_take().expect("the board is set up once");
        Self {
            uart: Uart { data: UART_DATA, status: UART_FLAGS, full: UART_FULL },
            oled: Ssd0323::new(Ssi::take(), memory),
            select: Select::take(),
        }
    }

    /// Disconnects the display until the button has been tapped `taps` times, because QEMU itself cannot unplug it.
    pub fn unplug(&mut self, taps: u32) {
        self.select.unplugged = taps;
        Ssi::connect(taps == 0);
    }
}

static TICKS: AtomicU32 = AtomicU32::new(0);

fn start_clock(mut timer: SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(RELOAD);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();
}

#[exception]
fn SysTick() {
    TICKS.fetch_add(1, Ordering::Relaxed);
}

/// Microseconds since the start.
fn now_us() -> u64 {
    loop {
        let ticks = TICKS.load(Ordering::Relaxed);
        let left = SYST::get_current();
        // At 0 the exception is pending; it is handled before the next turn of this loop.
        if left != 0 && ticks == TICKS.load(Ordering::Relaxed) {
            let cycles = RELOAD - left;
            return u64::from(ticks) * u64::from(TICK_MS) * 1000 + u64::from(cycles) * 1_000_000 / u64::from(CLOCK_HZ);
        }
    }
}

/// The PL022 serial port (SSI) to which the OLED is connected.
///
/// QEMU selects the OLED at reset through pin 0 of port D, so this driver does not use that port.
#[derive(Debug)]
pub struct Ssi(());

/// Enabled, as master.
const ENABLE: u32 = 1 << 1;
const TRANSMIT_ROOM: u32 = 1 << 1;
const RECEIVED: u32 = 1 << 2;
const BUSY: u32 = 1 << 4;
/// Depth of the FIFOs, in bytes.
const FIFO: usize = 8;

impl Ssi {
    fn take() -> Self {
        GPIO_C_DIRECTION.set(COMMAND_OR_DATA);
        GPIO_C_DIGITAL.set(COMMAND_OR_DATA);
        Self::connect(false); // disabled during the set-up
        SSI_PRESCALE.write(2);
        SSI_CONTROL_0.write(7); // 8 bits
        Self::connect(true);
        Self(())
    }

    /// Sends bytes with the D/C line at the level `line`.
    ///
    /// The device stops if its receive FIFO is full, so a byte is received for each byte sent.
    fn send(&mut self, line: u32, bytes: &[u8]) -> Result<(), BusTimeout> {
        // The D/C line must not change before the last bit is sent, including bytes that a stuck bus has held back.
        SSI_STATUS.wait(BUSY, 0)?;
        for _ in 0..FIFO {
            if SSI_STATUS.read() & RECEIVED == 0 {
                break;
            }
            SSI_DATA.read();
        }
        GPIO_C_PIN_7.write(line);
        for chunk in bytes.chunks(FIFO) {
            for &byte in chunk {
                SSI_STATUS.wait(TRANSMIT_ROOM, TRANSMIT_ROOM)?;
                SSI_DATA.write(byte.into());
            }
            for _ in chunk {
                SSI_STATUS.wait(RECEIVED, RECEIVED)?;
                SSI_DATA.read();
            }
        }
        Ok(())
    }

    /// Enables or disables the bus. While it is disabled, no byte is sent or received.
    fn connect(on: bool) {
        SSI_CONTROL_1.write(if on { ENABLE } else { 0 });
    }
}

impl Interface for Ssi {
    type Error = BusTimeout;

    fn command(&mut self, bytes: &[u8]) -> Result<(), BusTimeout> {
        self.send(0, bytes)
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BusTimeout> {
        self.send(COMMAND_OR_DATA, bytes)
    }
}

/// The select button, the clock, and a command that counts as typed.
///
/// The port remembers rising edges, so no press is missed. QEMU keeps the line low until the button has been pressed and
/// released once; before that, the level has no meaning.
#[derive(Debug)]
pub struct Select {
    line_was_high: bool,
    /// Number of taps until the display is connected again.
    unplugged: u32,
    /// The command that the app reads next.
    pub typed: Option<Command>,
}

impl Select {
    fn take() -> Self {
        GPIO_F_PULL_UP.set(SELECT);
        GPIO_F_DIGITAL.set(SELECT);
        GPIO_F_EVENT.set(SELECT); // rising edge
        GPIO_F_CLEAR.write(SELECT);
        Self { line_was_high: false, unplugged: 0, typed: None }
    }
}

impl Platform for Select {
    fn now_us(&mut self) -> u64 {
        now_us()
    }

    fn is_down(&mut self) -> bool {
        let high = GPIO_F_PIN_1.read() & SELECT != 0;
        self.line_was_high |= high;
        self.line_was_high && !high
    }

    fn was_tapped(&mut self) -> bool {
        let tapped = GPIO_F_RAW_STATUS.read() & SELECT != 0;
        if tapped {
            GPIO_F_CLEAR.write(SELECT);
            if self.unplugged > 0 {
                self.unplugged -= 1;
                Ssi::connect(self.unplugged == 0);
            }
        }
        tapped
    }

    fn command(&mut self) -> Option<Command> {
        self.typed.take()
    }

    fn wait(&mut self) {
        cortex_m::asm::wfi(); // the clock's interrupt wakes it within 10 ms
    }
}
