//! Checks `memory.x`, the memory map for the linker.

use crate::facts::Facts;

/// A region of a linker script: first address and length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) origin: u64,
    pub(crate) len: u64,
}

impl Region {
    fn end(self) -> u64 {
        self.origin + self.len
    }
}

/// Finds the region called `name` in a line such as `FLASH : ORIGIN = 0x10000000, LENGTH = 256K`.
pub(crate) fn region(script: &str, name: &str) -> Option<Region> {
    let line = script.lines().find(|line| line.split(':').next().is_some_and(|first| first.trim() == name))?;
    let value = |key: &str| {
        let rest = line.split_once(key)?.1.trim_start().strip_prefix('=')?;
        number(rest.split(',').next()?.trim())
    };
    Some(Region { origin: value("ORIGIN")?, len: value("LENGTH")? })
}

/// Parses a number of a linker script: hexadecimal with `0x`, or decimal, optionally with the suffix K or M.
fn number(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok();
    }
    let (digits, factor) = match text.strip_suffix(['K', 'M']) {
        Some(digits) if text.ends_with('K') => (digits, 1024),
        Some(digits) => (digits, 1024 * 1024),
        None => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// Checks that `memory.x` and `board.toml` agree: FLASH is the board's flash, or follows BOOT2 at its beginning; STACK begins
/// at the bottom of the RAM, RAM follows STACK and ends at the end of the board's RAM.
///
/// # Errors
/// If they do not agree or a region is missing. The message names the region and both addresses.
pub(crate) fn check(script: &str, board: &Facts) -> Result<(), String> {
    let find = |name| region(script, name).ok_or_else(|| format!("memory.x of {} has no line {name}", board.name));
    let (flash, stack, ram) = (find("FLASH")?, find("STACK")?, find("RAM")?);
    // The second stage of an RP2040's boot loader comes before the program.
    let program = match region(script, "BOOT2") {
        Some(boot) if boot.origin != board.flash.origin => {
            return Err(format!("memory.x of {}: BOOT2 begins at {:#x} and not first", board.name, boot.origin));
        }
        Some(boot) => boot.end(),
        None => board.flash.origin,
    };
    for (what, here, there) in [
        ("FLASH begins", flash.origin, program),
        ("FLASH ends", flash.end(), board.flash.origin + board.flash.bytes()),
        ("STACK begins", stack.origin, board.ram.origin),
        ("RAM begins", ram.origin, stack.end()),
        ("RAM ends", ram.end(), board.ram.origin + board.ram.bytes()),
    ] {
        if here != there {
            return Err(format!(
                "memory.x of {}: {what} at {here:#x}, but by board.toml and the other regions it should be {there:#x}",
                board.name
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{FOLDERS, all_in, repository};

    #[test]
    fn every_memory_map_here_is_checked() {
        for folder in FOLDERS {
            let boards = all_in(folder).expect("every file is complete").into_iter();
            for board in boards.filter(|board| board.linker_script.is_none()) {
                let path = repository().join(folder).join(&board.name).join("memory.x");
                let script = std::fs::read_to_string(&path).expect("every board has one");
                assert_eq!(check(&script, &board), Ok(()));
                let larger = Facts { ram: crate::facts::Region { kib: board.ram.kib + 1, ..board.ram }, ..board };
                let said = check(&script, &larger).expect_err("another size");
                assert!(said.contains("RAM ends at 0x"), "{said}");
            }
        }
    }

    #[test]
    fn the_boot_loader_comes_first() {
        let pico = Facts::read(&repository().join(FOLDERS[0]).join("pico")).expect("it is complete");
        let path = repository().join(FOLDERS[0]).join("pico/memory.x");
        let script = std::fs::read_to_string(&path).expect("it has one");
        for (from, to, reason) in [
            ("BOOT2 : ORIGIN = 0x10000000", "BOOT2 : ORIGIN = 0x10000100", "BOOT2 begins at 0x10000100 and not first"),
            ("FLASH : ORIGIN = 0x10000100", "FLASH : ORIGIN = 0x10000000", "FLASH begins at 0x10000000"),
            ("BOOT2 :", "OTHER :", "FLASH begins at 0x10000100"),
        ] {
            assert!(script.contains(from), "{from}");
            let said = check(&script.replace(from, to), &pico).expect_err(to);
            assert!(said.contains(reason), "{said}");
        }
    }

    #[test]
    fn numbers_of_linker_scripts() {
        let cases = [("0x10", Some(16)), ("12K", Some(12_288)), ("4M", Some(4_194_304)), ("7", Some(7)), ("K", None)];
        for (text, value) in cases {
            assert_eq!(number(text), value, "{text}");
        }
    }
}
