//! Draws picture 42 of a model and prints it as a PPM file: `cargo run --release > frog.ppm`.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprint, hprintln};
use gen_core::{EngineFor, ModelFile, Workspace, include_model};
use static_cell::ConstStaticCell;

const FROG: ModelFile = include_model!("../../../../models/pocket-drawn/model.gen");
static WORKSPACE: ConstStaticCell<Workspace<{ FROG.workspace_len() }>> = ConstStaticCell::new(Workspace::new());

#[entry]
fn main() -> ! {
    let model = FROG.model().unwrap_or_else(|e| panic!("{e}"));
    // Only the kernels that this model needs.
    let engine = EngineFor::<{ FROG.kernels() }>::with_kernels(model, WORKSPACE.take());
    let mut engine = engine.unwrap_or_else(|e| panic!("{e}"));

    let latent = engine.model().latent(42);
    let shape = FROG.output_shape();
    hprintln!("P3 {} {} 255", shape.width, shape.height);
    let mut rows = engine.start(&latent);
    while let Some(row) = rows.next() {
        for [r, g, b] in (0..row.len()).filter_map(|x| row.rgb(x)) {
            hprint!("{} {} {}  ", r, g, b);
        }
        hprintln!();
    }
    debug::exit(debug::EXIT_SUCCESS);
    loop {}
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}
