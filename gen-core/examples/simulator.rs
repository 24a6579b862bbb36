//! Draws pictures on the simulated display of embedded-graphics, and writes what the display shows as a PNG.
//!
//! The same lines draw on any display whose driver implements `DrawTarget`, with `no_std` and without an allocator.
//!
//! ```sh
//! cargo run -p gen-core --example simulator -- models/digits/model.gen display.png
//! ```

use std::error::Error;
use std::{env, fs};

use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::prelude::*;
use embedded_graphics_simulator::{OutputSettingsBuilder, SimulatorDisplay};
use gen_core::{Engine, Model, aligned};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [model, out] = &words[..] else { return Err("usage: simulator MODEL OUT.png".into()) };
    // A program for a chip has the model in its flash, and a workspace in a static: `include_model!`.
    let file = aligned(fs::read(model)?);
    let model = Model::parse(&file)?;
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(model, &mut workspace)?;
    let mut display = SimulatorDisplay::<Rgb565>::new(Size::new(160, 128));
    display.clear(Rgb565::BLACK)?;
    // One picture three times as large, and four small ones beside it.
    let large = engine.model().latent(42);
    engine.draw(&large, &mut display, Point::new(8, 16), 3)?;
    for (number, y) in (43..).zip([0, 32, 64, 96]) {
        let latent = engine.model().latent(number);
        engine.draw(&latent, &mut display, Point::new(120, y), 1)?;
    }
    display.to_rgb_output_image(&OutputSettingsBuilder::new().build()).save_png(out)?;
    println!("{out}: pictures 42 to 46 of {:?}", engine.model().name());
    Ok(())
}
