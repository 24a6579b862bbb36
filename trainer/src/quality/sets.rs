//! Sets of pictures to measure: drawn by a model, or from another program.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::aligned::aligned;
use gen_core::{Latent, Model};
use ndarray::{Array4, s};

use crate::data::{self, ClassFilter};
use crate::quantise::FloatModel;
use crate::quantise::draw::draw;
use crate::run::Checkpoint;
use crate::train::latent_batch;

/// The pictures of a set, `[N, side, side, 3]`, at most `count`:
///
/// * a model: those of the latents 0, 1, …, as the device draws them;
/// * a checkpoint: the same of its averaged generator in floats;
/// * a `.npy` file: `[N, side, side, 3]` of uint8, the first ones;
/// * a folder of pictures of sides of `side`, in the order of their names.
///
/// # Errors
/// When there is nothing of that kind, or it cannot be read; with the path.
pub fn load(path: &Path, count: usize, side: usize) -> Result<Array4<u8>> {
    let shown = path.display();
    let meta = fs::metadata(path).with_context(|| format!("cannot read {shown}"))?;
    if meta.is_dir() {
        return folder(path, count, side);
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let latents = |len: usize| (0..count).map(move |seed| Latent::from_seed(seed as u32, len));
    if bytes.starts_with(&gen_core::blob::MAGIC) {
        let bytes = aligned(&bytes);
        let model = Model::parse(&bytes).with_context(|| shown.to_string())?;
        return Ok(draw(&model, &latents(model.latent_len()).collect::<Vec<_>>()));
    }
    if bytes.starts_with(b"\x93NUMPY") {
        let all: Array4<u8> =
            ndarray_npy::read_npy(path).with_context(|| format!("{shown} is no array [N, side, side, 3] of uint8"))?;
        let most = all.dim().0.min(count);
        return Ok(all.slice(s![..most, .., .., ..]).as_standard_layout().into_owned());
    }
    if let Ok(checkpoint) = Checkpoint::decode(&bytes) {
        let model =
            FloatModel::fold(&checkpoint.config, &checkpoint.state.average).with_context(|| shown.to_string())?;
        return Ok(float_pictures(&model, latents(model.latent)));
    }
    bail!("{shown} is no model, no whole checkpoint, no .npy file and no folder of pictures");
}

/// The side of the pictures of a set, if its first bytes say it: of a model, a
/// checkpoint or an array.
pub fn side(path: &Path) -> Option<usize> {
    if path.is_dir() {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    if let Ok(model) = Model::parse(&aligned(&bytes)) {
        return Some(model.picture().height.into());
    }
    if let Ok(checkpoint) = Checkpoint::decode(&bytes) {
        return checkpoint.config.side().ok();
    }
    ndarray_npy::read_npy::<_, Array4<u8>>(path).ok().map(|all| all.dim().1)
}

/// The pictures of these latents, drawn in floats, a few at a time: `[N, side, side, 3]`.
pub fn float_pictures(model: &FloatModel, latents: impl Iterator<Item = Latent>) -> Array4<u8> {
    // All activations of a batch are held in memory at once.
    const BATCH: usize = 250;
    let all: Vec<Latent> = latents.collect();
    let mut pictures = Vec::new();
    let mut dim = (0, 0, 0, 3);
    for batch in all.chunks(BATCH) {
        let drawn = model.pictures(latent_batch(batch.iter().cloned(), model.latent).view());
        dim = (dim.0 + drawn.dim().0, drawn.dim().1, drawn.dim().2, drawn.dim().3);
        pictures.extend(drawn);
    }
    Array4::from_shape_vec(dim, pictures).unwrap_or_default()
}

/// Pictures of another size are refused and not resized: that would measure the resizing.
fn folder(path: &Path, count: usize, side: usize) -> Result<Array4<u8>> {
    let shown = path.display();
    let entries = fs::read_dir(path).with_context(|| format!("cannot list {shown}"))?;
    let sizes = entries.flatten().filter_map(|entry| image::image_dimensions(entry.path()).ok());
    for (width, height) in sizes.take(count) {
        ensure!(
            (width as usize, height as usize) == (side, side),
            "{shown} holds a picture of {width}x{height}; the real ones are {side}x{side}, and only pictures of one \
             size can be compared"
        );
    }
    let request = data::Request { path: Some(path.to_owned()), class: ClassFilter::All, side, ..Default::default() };
    let pictures = data::load(&request)?.pictures;
    let most = pictures.dim().0.min(count);
    Ok(pictures.slice(s![..most, .., .., ..]).to_owned())
}
