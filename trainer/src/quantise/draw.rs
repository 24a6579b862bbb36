//! Draws pictures of a quantised generator with gen-core.

use gen_core::{Engine, Latent, Model};
use ndarray::Array4;
use rayon::prelude::*;

use crate::classes::latent_of;
use crate::latents::sample_budget;

/// The pictures of these latents, `[N, side, side, 3]`, in the latents' order. Uses all threads.
pub fn draw(model: &Model<'_>, latents: &[Latent]) -> Array4<u8> {
    let shape = model.output_shape();
    let pictures: Vec<Vec<u8>> = latents
        .par_iter()
        .map_init(
            || vec![0i8; model.workspace_len()],
            |workspace, latent| {
                let mut picture = Vec::with_capacity(shape.len());
                let mut engine =
                    Engine::new(model.clone(), workspace).expect("the workspace has the model's own length");
                engine.generate(latent, |_, row| picture.extend_from_slice(row.bytes()));
                picture
            },
        )
        .collect();
    let dim = (latents.len(), shape.height.into(), shape.width.into(), shape.channels.into());
    Array4::from_shape_vec(dim, pictures.concat()).expect("the engine hands out every row once")
}

/// The pictures of the seeds from 0 on, for which classes take turns, `[N, side, side, 3]`: at most `most`, fewer for a large model.
pub fn first_pictures(model: &Model<'_>, most: u32) -> Array4<u8> {
    let count = sample_budget(model.macs(), most);
    let latents: Vec<_> = (0..count).map(|seed| latent_of(model, seed)).collect();
    draw(model, &latents)
}
