//! Writes a float generator as safetensors.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::layout::{Format, Layout, Mapping};
use super::{CHECK_CLASS, CHECK_IMAGE, CHECK_LATENT, CLASS_EMBEDDING, HEADER_CLASSES, HEADER_DENSE, HEADER_LAYOUT};
use super::{bytes, class_lines};
use crate::latents::latent_batch;
use crate::quantise::FloatModel;

/// Number of latents whose pictures are stored, to check that the file is read correctly.
const CHECKED: u32 = 2;
/// Most of these latents for a generator with classes, which has one for each of its first classes.
const CHECKED_CLASSES: u32 = 8;

/// Writes `generator.N.weight` and `generator.N.bias` of every layer in float32, with
/// normalisation folded into them, and the arrays [`CHECK_LATENT`] and
/// [`CHECK_IMAGE`]. The header has preset, layout, order of dense outputs and range. A generator with classes also has
/// the arrays [`CLASS_EMBEDDING`] and [`CHECK_CLASS`], and the names of the classes in the header.
///
/// # Errors
/// When the generator's pictures are not finite: such a file could not be imported again.
pub fn to_safetensors(model: &FloatModel, layout: Layout) -> Result<Vec<u8>> {
    let format = Format::from(layout);
    let mut arrays: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut floats = |name: String, shape: &[usize], values| arrays.push((name, Dtype::F32, shape.to_vec(), values));
    for (i, layer) in model.layers.iter().enumerate() {
        let (op, geometry) = (layer.spec.op, &layer.geometry);
        let weights = layer.weights.as_slice().expect("made in standard layout");
        for (leaf, mapping, ours) in [
            ("weight", Mapping::weights(op, geometry, format), weights),
            ("bias", Mapping::biases(op, geometry, format), &layer.biases[..]),
        ] {
            floats(format!("generator.{i}.{leaf}"), mapping.shape(), bytes(&mapping.to_file(ours)));
        }
    }
    let count = model.classes.as_ref().map_or(CHECKED, |classes| (classes.len() as u32).min(CHECKED_CLASSES));
    let latents: Vec<_> = (0x7000_0000..0x7000_0000 + count).map(|seed| model.input().latent_of(seed)).collect();
    let mut images = model.outputs(model.input().batch(latents.iter().cloned()).view());
    ensure!(
        images.iter().all(|v| v.is_finite()),
        "the generator draws what are no numbers: weights of it are too large for float32 sums"
    );
    if layout == Layout::Oihw {
        images = images.permuted_axes([0, 3, 1, 2]);
    }
    let values = latent_batch(latents.iter().cloned(), model.latent);
    floats(CHECK_LATENT.into(), values.shape(), bytes(&values));
    floats(CHECK_IMAGE.into(), images.shape(), bytes(&images));
    if let Some(classes) = &model.classes {
        let vectors = classes.vectors();
        floats(CLASS_EMBEDDING.into(), vectors.shape(), bytes(&vectors));
        // int64, as PyTorch's `nn.Embedding` takes it.
        let numbers = latents.iter().flat_map(|latent| i64::from(latent.class().nearest()).to_le_bytes()).collect();
        arrays.push((CHECK_CLASS.into(), Dtype::I64, vec![latents.len()], numbers));
    }

    let views = arrays
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)));
    let views: Vec<_> = views.collect::<Result<_>>()?;
    let metadata = [
        ("preset", Some(model.name.clone())),
        (HEADER_LAYOUT, Some(layout.to_string())),
        (HEADER_DENSE, Some(format.dense.to_string())),
        ("range", Some(model.range.to_string())),
        (HEADER_CLASSES, model.classes.as_ref().map(class_lines)),
    ];
    let metadata = metadata.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let metadata: HashMap<_, _> = metadata.map(|(key, value)| (key.to_owned(), value)).collect();
    Ok(safetensors::serialize(views, Some(metadata))?)
}
