//! However a program fails, the runner reports it in time, with a message and an exit code.

use std::time::Duration;

use anyhow::Result;
use firmware_tools::boards::EMULATED_BOARDS;
use firmware_tools::build::build;
use firmware_tools::elf::MemoryUsage;
use firmware_tools::qemu::{LIMIT, Options, Qemu, TIMED_OUT};

/// Stands for the bytes of the board's stack, in the output that a test expects.
const STACK: &str = "{stack}";
/// The report of a stack overflow.
const OVERFLOW: Says =
    [Some("stack overflow: more than the {stack} bytes"), Some(": more than {stack} bytes were needed")];

/// What the output of a program contains, on a Cortex-M and on a RISC-V. Without a text it does not run there.
type Says = [Option<&'static str>; 2];

/// The same on both.
const fn both(says: &'static str) -> Says {
    [Some(says); 2]
}

/// Runs a program that fails on every board; checks the exit code and a part of the output.
fn check(program: &str, limit: Duration, expected: i32, says: Says) -> Result<()> {
    check_with(&[], program, limit, expected, says)
}

/// Like [`check`], for a program with settings.
fn check_with(words: &[&str], program: &str, limit: Duration, expected: i32, says: Says) -> Result<()> {
    for board in EMULATED_BOARDS {
        let Some(says) = says[usize::from(!board.is_arm())] else { continue };
        let settings = words.iter().map(|&word| word.to_owned()).collect();
        let options = Options { settings, limit: Some(limit), ..Options::default() };
        let mut log = String::new();
        let elf = build(board, program, None)?;
        let says = says.replace(STACK, &MemoryUsage::of(&elf)?.stack.to_string());
        let qemu = Qemu::start(board, &elf, &options)?;
        let code = qemu.finish(|line| log.extend([line, "\n"]))?;
        assert_eq!(code, expected, "{program} on {}:\n{log}", board.name);
        assert!(log.contains(&says), "{program} on {} does not say \"{says}\":\n{log}", board.name);
    }
    Ok(())
}

#[test]
fn a_panic_returns_1() -> Result<()> {
    check("fault-panic", LIMIT, 1, both("this is a test"))
}

#[test]
fn a_hard_fault_returns_1() -> Result<()> {
    check("fault-hard", LIMIT, 1, [Some("hard fault at address"), Some("exception 2 (mcause) at address")])
}

#[test]
fn a_stack_overflow_returns_1() -> Result<()> {
    check("fault-overflow", LIMIT, 1, OVERFLOW)
}

#[test]
fn an_exception_that_nothing_handles_returns_1() -> Result<()> {
    for (word, says) in [
        ("pendsv", [Some("exception PendSV came"), None]),
        ("nmi", [Some("exception NMI came"), None]),
        ("breakpoint", [None, Some("exception 3 (mcause) at address")]),
        ("ecall", [None, Some("exception 11 (mcause) at address")]),
        ("interrupt", both("interrupt 3 came")),
    ] {
        check_with(&[word], "fault-exception", LIMIT, 1, says)?;
    }
    Ok(())
}

#[test]
fn a_panic_amidst_a_line_of_the_log_is_told() -> Result<()> {
    check("fault-log", LIMIT, 1, both("defmt logger taken reentrantly"))
}

#[test]
fn a_stack_overflow_amidst_a_line_of_the_log_is_told() -> Result<()> {
    check_with(&["overflow"], "fault-log", LIMIT, 1, OVERFLOW)
}

#[test]
fn a_lock_up_returns_134() -> Result<()> {
    check("fault-lockup", LIMIT, 134, [Some("Lockup"), None])
}

#[test]
fn a_hang_returns_124() -> Result<()> {
    check("fault-hang", Duration::from_secs(3), TIMED_OUT, both("out of time"))
}
