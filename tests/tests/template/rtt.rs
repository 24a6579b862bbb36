//! A program that tests the log over RTT: lines are lost while there is no reader, and the reason for a panic is kept.
//!
//! QEMU has no debugger that reads the log from RAM. The program reads it itself from time to time, and sends the bytes
//! over semihosting. `out_of_tree.rs` replaces the template's program with this one.
#![no_std]
#![no_main]

use core::ptr::{read_volatile, write_volatile};

use cortex_m_rt::entry;
use defmt::{Format, Formatter, info};
use firmware_support::rtt;
use semihosting::io::Write as _;

/// A value whose `Format` implementation logs. This panics, and the firmware's panic handler has to report it.
struct Talker;

impl Format for Talker {
    fn format(&self, _: Formatter<'_>) {
        info!("a line within another");
    }
}

#[entry]
fn main() -> ! {
    info!("before there is a log");
    let _commands = rtt::start();
    info!("the log is there");
    const WORDS: &str = "of words as long as they happen to be";
    for i in 0..200 {
        info!("line {=usize} {=str}", i, &WORDS[..i * 7 % WORDS.len()]);
    }
    read();
    info!("somebody reads");
    info!("too long: {=[u8]}", [7; 600]);
    info!("and short again");
    read();
    info!("{}", Talker);
    semihosting::process::exit(0)
}

/// An up channel in RTT's control block.
#[repr(C)]
struct Channel {
    name: *const u8,
    buffer: *const u8,
    size: usize,
    write: usize,
    read: usize,
    flags: usize,
}

/// RTT's control block.
#[repr(C)]
struct Control {
    id: [u8; 16],
    channels: [usize; 2],
    log: Channel,
}

unsafe extern "C" {
    static mut _SEGGER_RTT: Control;
}

/// Reads the buffer as a debugger would do.
fn read() {
    let mut out = semihosting::io::stdout().expect("QEMU has one");
    // SAFETY: `rtt::start` has initialised the control block, and nothing else runs at the same time.
    unsafe {
        let log = &raw mut _SEGGER_RTT.log;
        let (buffer, size) = (read_volatile(&raw const (*log).buffer), read_volatile(&raw const (*log).size));
        let (end, mut at) = (read_volatile(&raw const (*log).write), read_volatile(&raw const (*log).read));
        while at != end {
            out.write_all(&[read_volatile(buffer.add(at))]).expect("QEMU takes it");
            at = (at + 1) % size;
        }
        write_volatile(&raw mut (*log).read, at);
    }
}
