//! A bus that is not ready at once, and a task that runs meanwhile.

use std::convert::Infallible;
use std::process::exit;
use std::sync::atomic::{AtomicUsize, Ordering};

use embassy_futures::yield_now;
use embedded_hal_async::spi::{ErrorType, SpiBus};

static TURNS: AtomicUsize = AtomicUsize::new(0);

/// Counts how often other tasks wait.
#[embassy_executor::task]
pub async fn count_turns() {
    loop {
        TURNS.fetch_add(1, Ordering::Relaxed);
        yield_now().await;
    }
}

/// Keeps what is written.
#[derive(Default)]
pub struct Bus {
    bytes: Vec<u8>,
    writes: usize,
}

impl Bus {
    /// Prints what was written, and ends the program. Another task must have run during every write.
    pub fn finish(self) -> ! {
        let turns = TURNS.load(Ordering::Relaxed);
        assert!(turns >= self.writes, "{turns} turns of the other task in {} writes", self.writes);
        println!("{}", self.bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        exit(0)
    }
}

impl ErrorType for Bus {
    type Error = Infallible;
}

impl SpiBus for Bus {
    async fn write(&mut self, words: &[u8]) -> Result<(), Infallible> {
        yield_now().await;
        self.writes += 1;
        self.bytes.extend_from_slice(words);
        Ok(())
    }

    async fn read(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        unimplemented!("a display is only written to")
    }

    async fn transfer(&mut self, _: &mut [u8], _: &[u8]) -> Result<(), Infallible> {
        unimplemented!("a display is only written to")
    }

    async fn transfer_in_place(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        unimplemented!("a display is only written to")
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
