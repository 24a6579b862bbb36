//! Estimates the cycles of a picture on a Cortex-M0+, M3 or M4 without wait states, from a trace of QEMU and the timing
//! tables of the technical reference manuals.
//!
//! QEMU cannot measure cycles, but it can trace the basic blocks that it executes. The estimate adds up the cycles of each
//! executed instruction, and a pipeline refill for each branch that is taken. It is a model, not a measurement: real flash has
//! wait states, buses are shared, and a Cortex-M7 issues two instructions at once. For the Cortex-M0+ the emulator of
//! `cargo pico` counts cycles of a whole program; [the page on the engine](../../../docs/engine.md) compares both.
//!
//! | instruction | Cortex-M4 | Cortex-M3 | Cortex-M0+ |
//! |---|---|---|---|
//! | arithmetic, `SXTB16`, `SMLAD`, `MUL`, `SSAT` | 1 | 1 | 1; `MULS` as on the RP2040 |
//! | `MLA` | 1 | 2 | - |
//! | `SMULL`, `UMULL`; `SMLAL`, `UMLAL` | 1 | 5; 7, the worst case in the manual | - |
//! | `UDIV`, `SDIV` | 7 (manual: 2 to 12) | 7 (manual: 2 to 12) | - |
//! | load | 2, or 1 after another load | the same | 2 |
//! | store | 1 | 1 | 2 |
//! | `LDM`, `LDRD`, `STM`, `STRD`, `PUSH`, `POP` of N registers | 1 + N | 1 + N | 1 + N |
//! | branch taken | + 2 (manual: 1 to 3) | the same | + 1; `BL` and `POP` of the PC + 2 |
//!
//! Sources: Cortex-M4 Technical Reference Manual r0p1, table 3-1; Cortex-M3 TRM r2p1, table 3-1; Cortex-M0+ TRM r0p1, table
//! 3-1.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::boards::{Board, MPS2_AN385, MPS2_AN385_V6M, MPS2_AN386};
use crate::pictures::on_board;
use crate::qemu::Options;

/// A processor with a timing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Core {
    M0Plus,
    M3,
    M4,
}

impl Core {
    /// The processor of a board; `None` without a timing table: Arm publishes none for M7 and M33.
    fn of(board: Board) -> Option<Self> {
        match board {
            MPS2_AN385_V6M => Some(Self::M0Plus),
            MPS2_AN385 => Some(Self::M3),
            MPS2_AN386 => Some(Self::M4),
            _ => None,
        }
    }

    /// Additional cycles of a branch that is taken: the pipeline is refilled.
    fn refill(self) -> u64 {
        if self == Self::M0Plus { 1 } else { 2 }
    }
}

/// Whether the cycles of a board can be estimated.
pub fn has_model(board: Board) -> bool {
    Core::of(board).is_some()
}

/// Instructions and cycles of the code that draws rows: gen-core without its parser, and the functions that it calls to fill
/// and copy memory, and to divide and multiply whole numbers.
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
/// If the program fails, the trace of QEMU cannot be read, or [there is no model](has_model).
pub fn cycles(board: Board, parity: &[u8], seed: u32) -> Result<Cycles> {
    let core = Core::of(board).with_context(|| format!("no model of the cycles of {}", board.name))?;
    let folder = tempfile::tempdir()?;
    let trace = folder.path().join("trace");
    let options = Options {
        settings: vec![format!("seed={seed}")],
        record: Some(trace.clone()),
        limit: Some(crate::qemu::LIMIT),
        ..Options::default()
    };
    // A model with classes has two pictures of a seed.
    let pictures = on_board(board, parity, &options)?.0.lines.len() as u64;
    let Cycles { instructions, cycles } = read(&trace, core)?;
    ensure!(instructions > 0 && pictures > 0, "no row was drawn, or the trace has no names of functions");
    Ok(Cycles { instructions: instructions / pictures, cycles: cycles / pictures })
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

fn read(trace: &Path, core: Core) -> Result<Cycles> {
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
                sum.cycles += core.refill();
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
            block.cycles += instruction.cycles(core, after_load);
            block.end = instruction.address + instruction.size;
            after_load = instruction.is_single_load();
        }
    }
    Ok(sum)
}

/// Whether a function, by its mangled name, draws rows, or fills or copies memory, or divides or multiplies
/// whole numbers. Floats are those of the latent.
fn draws(function: &str) -> bool {
    let parses = ["5model5parse", "5model6format", "6latent"].iter().any(|module| function.contains(module));
    let helps = ["compiler_builtins3mem", "compiler_builtins3int", "__aeabi_mem", "__aeabi_ui", "__aeabi_l"];
    function.contains("gen_core") && !parses || helps.iter().any(|name| function.contains(name))
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
    fn cycles(&self, core: Core, after_load: bool) -> u64 {
        let is = |names: &[&str]| names.iter().any(|name| self.name.starts_with(name));
        let (is_m0, is_m3) = (core == Core::M0Plus, core == Core::M3);
        if is(&["ldrd", "strd"]) {
            3
        } else if is(&["ldm", "stm", "push", "pop"]) {
            1 + registers(self.operands) + u64::from(is_m0 && self.operands.ends_with("pc}"))
        } else if self.is_single_load() {
            if after_load && !is_m0 { 1 } else { 2 }
        } else if is(&["udiv", "sdiv"]) || (is_m3 && is(&["smlal", "umlal"])) {
            7
        } else if is_m3 && is(&["smull", "umull"]) {
            5
        } else if (is_m3 && is(&["mla", "mls"])) || (is_m0 && (is(&["str"]) || self.name == "bl")) {
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
        assert_eq!(read(&trace, Core::M4)?, Cycles { instructions: 9, cycles: iteration + 2 + iteration + 6 + 2 });
        Ok(())
    }

    #[test]
    fn a_cortex_m0_plus_has_its_own_table() {
        let lines = [
            ("muls     r1, r3, r1", 1),
            ("ldrb     r1, [r0]", 2),
            ("str      r1, [r0]", 2),
            ("ldm      r0!, {r1, r2}", 3),
            ("push     {r4, r5, lr}", 4),
            ("pop      {r4, pc}", 4),
            ("bl       #0xb972", 2),
            ("bx       lr", 1),
        ];
        for (line, cycles) in lines {
            let line = format!("0x00000100:  0000       {line}");
            let instruction = Instruction::parse(&line).expect("a line of the disassembly");
            assert_eq!(instruction.cycles(Core::M0Plus, true), cycles, "{line}");
        }
    }
}
