//! Estimates the cycles of a picture on a Cortex-M3 or M4 without wait states, from a trace of QEMU and the timing tables of
//! the technical reference manuals.
//!
//! QEMU cannot measure cycles, but it can trace the basic blocks that it executes. The estimate adds up the cycles of each
//! executed instruction, and a pipeline refill for each branch that is taken. It is a model, not a measurement: real flash has
//! wait states, buses are shared, and a Cortex-M7 issues two instructions at once.
//!
//! | instruction | Cortex-M4 | Cortex-M3 |
//! |---|---|---|
//! | arithmetic, `SXTB16`, `SMLAD`, `MUL`, `SSAT` | 1 | 1 |
//! | `MLA` | 1 | 2 |
//! | `SMULL`, `UMULL`; `SMLAL`, `UMLAL` | 1 | 5; 7, the worst case in the manual |
//! | `UDIV`, `SDIV` | 7 (manual: 2 to 12) | 7 (manual: 2 to 12) |
//! | load | 2, or 1 after another load | the same |
//! | store | 1 | 1 |
//! | `LDM`, `LDRD`, `STM`, `STRD`, `PUSH`, `POP` of N registers | 1 + N | 1 + N |
//! | branch taken | + 2 (manual: 1 to 3) | the same |
//!
//! Sources: Cortex-M4 Technical Reference Manual r0p1, table 3-1; Cortex-M3 TRM r2p1, table 3-1.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::boards::Board;
use crate::pictures::on_board;
use crate::qemu::Options;

/// Additional cycles of a branch that is taken: the pipeline is refilled.
const REFILL: u64 = 2;

/// Instructions and cycles of the code that draws rows: gen-core without its parser, and the functions that it calls to fill
/// and copy memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cycles {
    /// Executed instructions.
    pub instructions: u64,
    /// Estimated cycles.
    pub cycles: u64,
}

/// Runs the program `parity` and estimates the cycles of one picture.
///
/// # Errors
/// If the program fails, or the trace of QEMU cannot be read.
pub fn cycles(board: Board, parity: &[u8], seed: u32) -> Result<Cycles> {
    let folder = tempfile::tempdir()?;
    let trace = folder.path().join("trace");
    let options = Options {
        settings: vec![format!("seed={seed}")],
        record: Some(trace.clone()),
        limit: Some(crate::qemu::LIMIT),
        ..Options::default()
    };
    on_board(board, parity, &options)?;
    let cycles = read(&trace, board.triple == "thumbv7m-none-eabi")?;
    ensure!(cycles.instructions > 0, "no row was drawn, or the trace has no names of functions");
    Ok(cycles)
}

/// A basic block: instructions that are always executed from the first to the last.
#[derive(Debug, Default)]
struct Block {
    instructions: u64,
    cycles: u64,
    /// Address after the last instruction. If execution continues elsewhere, a branch was taken.
    end: u32,
    /// Whether the block belongs to the code that draws rows.
    counts: bool,
}

fn read(trace: &Path, is_m3: bool) -> Result<Cycles> {
    let mut sum = Cycles::default();
    let mut blocks: HashMap<u32, Block> = HashMap::new();
    let (mut name, mut start, mut after_load) = (String::new(), None, false);
    let mut previous_end: Option<u32> = None;
    for line in BufReader::new(File::open(trace)?).lines() {
        let line = line?;
        if let Some(function) = line.strip_prefix("IN: ") {
            (name, start, after_load) = (function.to_owned(), None, false);
        } else if line.starts_with("IN:") {
            (name, start, after_load) = (String::new(), None, false);
        } else if let Some(executed) = line.strip_prefix("Trace ") {
            let address = executed.split('/').nth(1).and_then(|a| u32::from_str_radix(a, 16).ok());
            let address = address.with_context(|| format!("no address: {line}"))?;
            if previous_end.take().is_some_and(|end| end != address) {
                sum.cycles += REFILL;
            }
            if let Some(block) = blocks.get(&address).filter(|b| b.counts) {
                sum.instructions += block.instructions;
                sum.cycles += block.cycles;
                previous_end = Some(block.end);
            }
        } else if let Some(instruction) = Instruction::parse(&line) {
            let start = *start.get_or_insert_with(|| {
                // QEMU may translate a block again.
                blocks.insert(instruction.address, Block { counts: draws(&name), ..Block::default() });
                instruction.address
            });
            let block = blocks.get_mut(&start).context("just inserted")?;
            block.instructions += 1;
            block.cycles += instruction.cycles(is_m3, after_load);
            block.end = instruction.address + instruction.size;
            after_load = instruction.is_single_load();
        }
    }
    Ok(sum)
}

/// Whether a function, by its mangled name, draws rows, or fills or copies memory.
fn draws(function: &str) -> bool {
    let parses = function.contains("4blob") || function.contains("6latent");
    let memory = function.contains("compiler_builtins") || function.starts_with("__aeabi_mem");
    function.contains("gen_core") && !parses || memory
}

/// A line of the disassembly: `0x00000400:  f00b fab7  bl       #0xb972`.
#[derive(Debug, PartialEq, Eq)]
struct Instruction<'l> {
    address: u32,
    size: u32,
    name: &'l str,
    operands: &'l str,
}

impl<'l> Instruction<'l> {
    fn parse(line: &'l str) -> Option<Self> {
        let (address, rest) = line.strip_prefix("0x")?.split_once(':')?;
        let address = u32::from_str_radix(address, 16).ok()?;
        let (mut rest, mut size) = (rest.trim_start(), 0);
        while let Some((word, more)) = rest.split_once(' ')
            && word.len() == 4
            && word.bytes().all(|b| b.is_ascii_hexdigit())
            && size < 4
        {
            (rest, size) = (more.trim_start(), size + 2);
        }
        let (name, operands) = rest.split_once(' ').unwrap_or((rest, ""));
        (size > 0).then_some(Self { address, size, name, operands: operands.trim() })
    }

    fn is_single_load(&self) -> bool {
        self.name.starts_with("ldr") && !self.name.starts_with("ldrd")
    }

    /// Cycles of the instruction, without the pipeline refill of a branch.
    fn cycles(&self, is_m3: bool, after_load: bool) -> u64 {
        let is = |names: &[&str]| names.iter().any(|name| self.name.starts_with(name));
        if is(&["ldrd", "strd"]) {
            3
        } else if is(&["ldm", "stm", "push", "pop"]) {
            1 + registers(self.operands)
        } else if self.is_single_load() {
            if after_load { 1 } else { 2 }
        } else if is(&["udiv", "sdiv"]) || (is_m3 && is(&["smlal", "umlal"])) {
            7
        } else if is_m3 && is(&["smull", "umull"]) {
            5
        } else if is_m3 && is(&["mla", "mls"]) {
            2
        } else {
            1
        }
    }
}

/// Number of registers in a list such as `r0!, {r4, r5, r6-r8}`.
fn registers(operands: &str) -> u64 {
    let list = operands.split_once('{').map_or("", |(_, list)| list);
    let number = |register: &str| register.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().ok();
    list.split(',')
        .map(|part| match part.split_once('-') {
            Some((from, to)) => number(to).zip(number(from)).map_or(1, |(to, from)| to.saturating_sub(from) + 1),
            None => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_read() {
        let bl = Instruction::parse("0x00000400:  f00b fab7  bl       #0xb972");
        assert_eq!(bl, Some(Instruction { address: 0x400, size: 4, name: "bl", operands: "#0xb972" }));
        let movs = Instruction::parse("0x00000408:  2200       movs     r2, #0");
        assert_eq!(movs, Some(Instruction { address: 0x408, size: 2, name: "movs", operands: "r2, #0" }));
        assert_eq!(Instruction::parse("----------------"), None);
        assert_eq!((registers("{r4, r5, r6-r8, lr}"), registers("r0!, {r2}")), (6, 1));
    }

    #[test]
    fn the_cycles_of_a_trace_are_added_up() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let trace = folder.path().join("trace");
        // A loop that is executed twice: the second load takes one cycle, the branch two more.
        std::fs::write(
            &trace,
            "IN: gen_core_row\n\
             0x00000100:  6801       ldr      r1, [r0]\n\
             0x00000102:  6842       ldr      r2, [r0, #4]\n\
             0x00000104:  fb21 3102  smlad    r1, r1, r2, r3\n\
             0x00000108:  d1fa       bne      #0x100\n\
             \n\
             Trace 0: 0x7f [00000000/00000100/00000000/00] gen_core_row\n\
             Trace 0: 0x7f [00000000/00000100/00000000/00] gen_core_row\n\
             IN: gen_core_row\n\
             0x0000010a:  e8bd 80f0  pop.w    {r4, r5, r6, r7, pc}\n\
             \n\
             Trace 0: 0x7f [00000000/0000010a/00000000/00] gen_core_row\n\
             IN: main\n\
             0x00000200:  2200       movs     r2, #0\n\
             \n\
             Trace 0: 0x7f [00000000/00000200/00000000/00] main\n",
        )?;
        let iteration = 2 + 1 + 1 + 1;
        assert_eq!(read(&trace, false)?, Cycles { instructions: 9, cycles: iteration + 2 + iteration + 6 + 2 });
        Ok(())
    }
}
