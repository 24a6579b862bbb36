//! Measures how many instructions and how much stack a picture takes, and logs one number a line.
//!
//! The picture is drawn twice. The first run counts the whole picture, sends it over UART 0, and measures the stack. In
//! the second run a [`LayerObserver`] attributes the instructions between two rows to the layer of the second row: the
//! kernel, and the engine's work around it. For a model with classes the picture has the first one, as all classes take
//! the same instructions.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::hint::black_box;

use defmt::info;
use emulated_boards::instructions::Counter;
use emulated_boards::model::{MODEL_CHECKSUM, MODEL_LEN, STRUCTS_LEN, WORKSPACE_LEN};
use emulated_boards::{self as board, Board, Uart, entry, stack};
use firmware_app::picture::Checksum;
use gen_core::LayerObserver;
use gen_core::kernels::{Kernels, Native};
use gen_core::spec::MAX_LAYERS;
use gen_core::{Engine, Latent, Model, ParseError};

#[entry]
fn main() -> ! {
    let mut board = Board::take();
    let seed = board::settings().first_seed();
    let counter = Counter::start();
    info!("kernels {=str}", <Native as Kernels>::NAME);
    info!("model {=usize}", MODEL_LEN);
    info!("workspace {=usize}", WORKSPACE_LEN);
    info!("structs {=usize}", STRUCTS_LEN);

    let mark = stack::Mark::set();
    let (model, ticks) = parse(&counter, board::model::bytes());
    let stack_to_parse = mark.used();
    let model = model.unwrap_or_else(|e| panic!("no model in memory: {e}"));
    assert_eq!(model.checksum(), MODEL_CHECKSUM, "another model in memory than the program was built for");
    info!("parse {=u64}", counter.instructions(ticks));

    let mut engine = Engine::new(model, board::model::workspace()).expect("build.rs measured it");
    let latent = engine.model().latent(seed);
    let mark = stack::Mark::set();
    let (crc, ticks) = draw(&counter, &mut engine, &latent, &mut board.uart);
    let stack_to_draw = mark.used();
    info!("picture {=u64} crc {=u32:08x}", counter.instructions(ticks), crc);

    let mut layers = Layers::new(&counter);
    layers.last = counter.read();
    engine.generate_observed(&latent, |_, rgb| _ = black_box(rgb), &mut layers);
    for (layer, &ticks) in layers.ticks.iter().enumerate().take(engine.model().layers().len()) {
        info!("layer {=usize} {=u64}", layer, counter.instructions(ticks));
    }
    info!("stack-to-parse {=usize}", stack_to_parse);
    info!("stack-to-draw {=usize}", stack_to_draw);
    info!("stack {=usize} of {=usize}", stack::used(), stack::size());
    board::exit()
}

/// Checks the model; returns it and the ticks that this took. Not inlined, so that its stack can be measured.
#[inline(never)]
fn parse<'m>(counter: &Counter, blob: &'m [u8]) -> (Result<Model<'m>, ParseError>, u64) {
    let start = counter.read();
    let model = Model::parse(blob);
    (model, counter.since(start))
}

/// Draws the picture; returns its checksum and the ticks that this took, without those for checksum and UART.
#[inline(never)]
fn draw(counter: &Counter, engine: &mut Engine<'_>, latent: &Latent, uart: &mut Uart) -> (u32, u64) {
    let mut checksum = Checksum::new();
    let mut ticks = 0;
    let mut start = counter.read();
    engine.generate(latent, |_, row| {
        ticks += counter.since(start);
        checksum.row(row);
        _ = uart.write(row.bytes()); // the host notices lost bytes
        start = counter.read();
    });
    ticks += counter.since(start);
    (checksum.finish(), ticks)
}

/// Adds up the ticks of each layer.
struct Layers<'c> {
    counter: &'c Counter,
    ticks: [u64; MAX_LAYERS],
    /// The time when the previous row was complete, in ticks.
    last: u64,
    /// Ticks between two immediately successive calls: the cost of the observer itself.
    pair: u64,
}

impl<'c> Layers<'c> {
    fn new(counter: &'c Counter) -> Self {
        let mut layers = Self { counter, ticks: [0; MAX_LAYERS], last: counter.read(), pair: 0 };
        layers.row(0, 0, &[]);
        layers.ticks[0] = 0;
        layers.row(0, 0, &[]);
        layers.pair = layers.ticks[0];
        layers.ticks[0] = 0;
        layers
    }
}

impl LayerObserver for Layers<'_> {
    #[inline(never)] // so that the cost is the same for every row
    fn row(&mut self, layer: usize, _: usize, _: &[i8]) {
        let now = self.counter.read();
        self.ticks[layer] += (now - self.last).saturating_sub(self.pair);
        self.last = self.counter.read();
    }
}
