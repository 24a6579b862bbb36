//! Draws a picture of any model file on a computer, and writes it as a PPM, which most image viewers open.
//!
//! ```sh
//! cargo run --release -p gen-core --example ppm -- models/digits/model.gen 42 digit.ppm
//! ```

use std::error::Error;
use std::{env, fs};

use gen_core::{Engine, Model, aligned};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [model, number, out] = &words[..] else { return Err("usage: ppm MODEL NUMBER OUT.ppm".into()) };
    // A model in memory begins at an aligned address. `aligned` copies the bytes to one.
    let file = aligned(fs::read(model)?);
    let model = Model::parse(&file)?;
    // The size is not known before the file is read, so the workspace is on the heap.
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(model, &mut workspace)?;
    let latent = engine.model().latent(number.parse()?);
    let shape = engine.model().output_shape();
    let kind = if shape.channels == 1 { "P5" } else { "P6" };
    let mut ppm = format!("{kind} {} {} 255\n", shape.width, shape.height).into_bytes();
    engine.generate(&latent, |_y, row| ppm.extend_from_slice(row.bytes()));
    fs::write(out, ppm)?;
    println!("{out}: picture {number} of {:?}", engine.model().name());
    Ok(())
}
