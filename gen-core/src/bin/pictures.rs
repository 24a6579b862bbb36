//! Draws pictures and prints their checksums: `pictures MODEL NUMBER...`. The same source, built
//! for this machine in several ways, has to print the same.

use std::error::Error;
use std::{env, fs};

use crc::{CRC_32_ISO_HDLC, Crc};
use gen_core::aligned;
use gen_core::{Engine, Model};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args().skip(1);
    let blob = aligned(fs::read(words.next().ok_or("pictures MODEL NUMBER...")?)?);
    let model = Model::parse(&blob)?;
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(model, &mut workspace)?;
    for word in words {
        let number = word.parse()?;
        let latent = engine.model().latent(number);
        let mut checksum = CRC.digest();
        engine.generate(&latent, |_, row| checksum.update(row.bytes()));
        println!("picture {number} crc {:08x}", checksum.finalize());
    }
    Ok(())
}
