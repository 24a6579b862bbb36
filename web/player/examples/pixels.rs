//! Draws pictures on this machine, with its own kernels: `pixels MODEL PICTURE...` prints the pixels of each as a line of
//! hexadecimal RGBA. `tests/web/page.mjs` compares them with those of a browser.
//!
//! A picture is nine numbers with commas between them: seed, class, second class, share of the second class (0 to 256), seed
//! and class at the end of the morph, way to there (0 to 256), strength (256), and factor of enlargement.

use std::error::Error;
use std::{env, fs};

use gen_core::{ClassMix, aligned};
use web_player::player::{Player, Slot, parse};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args().skip(1);
    let bytes = aligned(fs::read(words.next().ok_or("pixels MODEL PICTURE...")?)?);
    let model = parse(&bytes)?;
    let mut workspace = vec![0; model.workspace_len()];
    let mut player = Player::new(model, &mut workspace)?;
    for word in words {
        let numbers = word.split(',').map(str::parse).collect::<Result<Vec<u32>, _>>()?;
        let [seed, class, mix, share, to, to_class, t, strength, scale] =
            numbers.try_into().map_err(|_| format!("{word} is not nine numbers"))?;
        let [class, mix, to_class] = [class, mix, to_class].map(|class| class as u8);
        player.set_seed(Slot::From, seed);
        player.set_class(Slot::From, ClassMix::between(class, mix, share as u16));
        player.set_seed(Slot::To, to);
        player.set_class(Slot::To, ClassMix::one(to_class));
        let picture = player.draw(t as u16, strength as u16, scale);
        let hex: String = picture.rgba.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{hex}");
    }
    Ok(())
}
