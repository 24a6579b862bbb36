//! `cargo bench-qemu`: the instructions of a picture on the emulated boards, compared with CMSIS-NN.

#[path = "../../../tests/tests/models/mod.rs"]
mod models;

use anyhow::Result;
use clap::Parser;
use firmware_tools::boards::{Board, HEADLESS_BOARDS};
use firmware_tools::build::build_quietly;
use firmware_tools::count::{Count, Network, SEED, Variant, count};
use firmware_tools::cycles::{self, Cycles};

/// Counts the instructions of a picture on emulated boards, with RAM and flash.
///
/// QEMU counts instructions, not cycles: it models no pipeline, wait states or caches. The counts are exact, and the same on
/// every machine.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-qemu", bin_name = "cargo bench-qemu")]
struct Arguments {
    /// Only this board: mps2-an385, mps2-an385-v6m, mps2-an386, mps2-an500, mps2-an505, mps3-an547 or riscv-virt
    #[arg(long, value_name = "NAME")]
    board: Option<String>,
    /// Only this network: reference-pocket, pocket, pocket-64, digits, tutorial, dcgan-64 or dcgan-64-wide
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// Only this variant
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Also print every layer
    #[arg(long)]
    layers: bool,
    /// Also estimate cycles, for the small networks
    #[arg(long)]
    cycles: bool,
    /// Print Markdown tables
    #[arg(long)]
    markdown: bool,
    /// The argument that cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Instructions of the same network, layer by layer, with CMSIS-NN (main branch of July 2026, 99f736a6, GCC 12.2 -O3),
/// measured in the same way in the same emulator.
struct CmsisNn {
    board: &'static str,
    network: &'static str,
    /// With the functions that TensorFlow Lite Micro calls.
    tflm: u64,
    /// With the best function for each layer, chosen by hand.
    by_hand: u64,
}

const CMSIS_NN: [CmsisNn; 7] = [
    CmsisNn { board: "mps2-an385", network: "reference-pocket", tflm: 65_429_958, by_hand: 26_903_057 },
    CmsisNn { board: "mps2-an386", network: "reference-pocket", tflm: 42_884_433, by_hand: 18_985_298 },
    // With MVE, the functions that TensorFlow Lite Micro calls are also the best.
    CmsisNn { board: "mps3-an547", network: "reference-pocket", tflm: 5_296_839, by_hand: 5_296_839 },
    CmsisNn { board: "mps2-an385", network: "tutorial", tflm: 11_923_503_497, by_hand: 10_187_625_823 },
    CmsisNn { board: "mps2-an386", network: "tutorial", tflm: 7_739_917_136, by_hand: 6_638_441_983 },
    CmsisNn { board: "mps2-an500", network: "tutorial", tflm: 7_740_144_039, by_hand: 6_638_699_034 },
    CmsisNn { board: "mps2-an505", network: "tutorial", tflm: 7_740_605_197, by_hand: 6_639_078_017 },
];

const LEGEND: &str = "\
Instructions as QEMU counts them, not cycles. MAC: multiply-accumulates of the layers' definition,
also where a kernel needs fewer multiplications; i/MAC: instructions for each. RAM: workspace,
structs, and the larger of the stacks for checking the model and for drawing. Flash: the model.
Networks other than pocket have random weights, which change no count.
TFLM: the functions of CMSIS-NN that TensorFlow Lite Micro calls; by hand: the best function of
CMSIS-NN for each layer; in brackets, how many times as many instructions that takes.
";

const HEAD: [&str; 11] =
    ["board", "network", "variant", "kernels", "instructions", "MAC", "i/MAC", "RAM", "flash", "TFLM", "by hand"];
const CYCLES_LEGEND: &str = "\
Cycles are estimated, not measured: the timing of the reference manual for every executed
instruction, without wait states (firmware/tools/src/cycles.rs has the table). Only the code
of gen-core that draws rows is counted.
";

const CYCLES_HEAD: [&str; 7] = ["board", "network", "variant", "instructions", "cycles", "cycles/MAC", "ms at 100 MHz"];
const LAYERS_HEAD: [&str; 7] = ["board", "network", "variant", "layer", "MAC", "instructions", "i/MAC"];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let mut pictures = Table::new(&HEAD);
    let mut layers = Table::new(&LAYERS_HEAD);
    let mut estimates = Table::new(&CYCLES_HEAD);
    for board in HEADLESS_BOARDS.into_iter().filter(|board| is(&arguments.board, board.name)) {
        for name in models::counted_on(board).iter().filter(|name| is(&arguments.network, name)) {
            for &variant in
                models::variants_of(board, name).iter().filter(|variant| is(&arguments.variant, variant.name))
            {
                let network = models::network(name, variant)?;
                eprintln!("building and counting {}, {name}, {} ...", board.name, variant.name);
                let count = count(board, &network, variant)?;
                let place = [board.name, name, variant.name].map(str::to_owned);
                pictures.rows.push([&place[..], &picture(board, name, &count)].concat());
                // The trace of a large network does not fit a disk.
                if arguments.cycles && !models::LARGE.contains(name) && cycles::has_model(board) {
                    estimates.rows.push([&place[..], &model(board, &network, variant, &count)?].concat());
                }
                layers.rows.extend(layer_rows(&count).map(|row| [&place[..], &row].concat()));
            }
        }
    }
    anyhow::ensure!(!pictures.rows.is_empty(), "nothing of that name is counted: see --help");
    println!("{LEGEND}");
    pictures.print(arguments.markdown);
    if arguments.layers {
        println!();
        layers.print(arguments.markdown);
    }
    if arguments.cycles {
        println!("\n{CYCLES_LEGEND}");
        estimates.print(arguments.markdown);
    }
    Ok(())
}

fn picture(board: Board, network: &str, count: &Count) -> [String; 8] {
    let other = CMSIS_NN.iter().find(|other| (other.board, other.network) == (board.name, network));
    let compared = |instructions: Option<u64>| {
        instructions.map_or("-".to_owned(), |n| format!("{} ({:.2})", grouped(n), n as f64 / count.picture as f64))
    };
    [
        count.kernels.clone(),
        grouped(count.picture),
        grouped(count.macs()),
        per_mac(count.picture, count.macs()),
        grouped(count.ram() as u64),
        grouped(count.model as u64),
        compared(other.map(|other| other.tflm)),
        compared(other.map(|other| other.by_hand)),
    ]
}

fn model(board: Board, network: &Network, variant: Variant, count: &Count) -> Result<[String; 4]> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.gen");
    std::fs::write(&path, &network.blob)?;
    let program = build_quietly(board, "qemu-parity", Some(&path), variant.features)?;
    let Cycles { instructions, cycles } = cycles::cycles(board, &program, SEED)?;
    Ok([grouped(instructions), grouped(cycles), per_mac(cycles, count.macs()), format!("{:.1}", cycles as f64 / 1e5)])
}

fn layer_rows(count: &Count) -> impl Iterator<Item = [String; 4]> + '_ {
    count.layers.iter().map(|layer| {
        [layer.name.clone(), grouped(layer.macs), grouped(layer.instructions), per_mac(layer.instructions, layer.macs)]
    })
}

fn per_mac(instructions: u64, macs: u64) -> String {
    format!("{:.3}", instructions as f64 / macs as f64)
}

/// `1234567` as `1,234,567`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A table with a header.
struct Table {
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &'static [&'static str]) -> Self {
        Self { head, rows: Vec::new() }
    }

    /// Prints the table. Columns with a number in their first row are aligned to the right.
    fn print(&self, markdown: bool) {
        let numeric = |i: usize| {
            self.rows.first().is_some_and(|row| row[i] == "-" || row[i].starts_with(|c: char| c.is_ascii_digit()))
        };
        let width = |i: usize| {
            let cells = self.rows.iter().map(|row| row[i].chars().count());
            cells.chain([self.head[i].len()]).max().unwrap_or(0)
        };
        let line = |cells: Vec<&str>| {
            let cells = cells.iter().enumerate().map(|(i, cell)| match width(i) {
                width if numeric(i) => format!("{cell:>width$}"),
                width => format!("{cell:<width$}"),
            });
            let cells: Vec<_> = cells.collect();
            if markdown { format!("| {} |", cells.join(" | ")) } else { cells.join("  ").trim_end().to_owned() }
        };
        println!("{}", line(self.head.to_vec()));
        if markdown {
            let rule = (0..self.head.len()).map(|i| if numeric(i) { "---:" } else { "---" });
            println!("|{}|", rule.collect::<Vec<_>>().join("|"));
        }
        for row in &self.rows {
            println!("{}", line(row.iter().map(String::as_str).collect()));
        }
    }
}
