//! Draws picture 42 through an async bus, beside a second task, and prints the picture as hexadecimal digits.

mod bus;

use bus::Bus;
use embassy_executor::Spawner;
use embedded_hal_async::spi::SpiBus;
use gen_core::{Engine, ModelFile, Workspace, include_model};
use static_cell::ConstStaticCell;

const FROG: ModelFile = include_model!("../../../../models/pocket-drawn/model.gen");
static WORKSPACE: ConstStaticCell<Workspace<{ FROG.workspace_len() }>> = ConstStaticCell::new(Workspace::new());

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let engine = Engine::new(FROG.model().unwrap(), WORKSPACE.take()).unwrap();
    spawner.spawn(bus::count_turns().unwrap());
    spawner.spawn(show(engine, Bus::default()).unwrap());
}

#[embassy_executor::task]
async fn show(mut engine: Engine<'static>, mut spi: Bus) {
    let latent = engine.model().latent(42);
    let mut rows = engine.start(&latent);
    while let Some(row) = rows.next() {
        spi.write(row.bytes()).await.expect("the display is connected");
    }
    spi.finish()
}
