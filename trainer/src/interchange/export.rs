//! Writes a float generator as safetensors.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::layout::{Format, Layout, Mapping};
use super::{CHECK_IMAGE, CHECK_LATENT, HEADER_DENSE, HEADER_LAYOUT};
use crate::latents::latents;
use crate::quantise::FloatModel;

/// Number of latents whose pictures are stored, to check that the file is read correctly.
const CHECKED: u32 = 2;

/// Writes `generator.N.weight` and `generator.N.bias` of every layer in float32, with
/// normalisation folded into them, and the arrays [`CHECK_LATENT`] and
/// [`CHECK_IMAGE`]. The header has preset, layout, order of dense outputs and range.
///
/// # Errors
/// When the generator's pictures are not finite: such a file could not be imported again.
pub fn to_safetensors(model: &FloatModel, layout: Layout) -> Result<Vec<u8>> {
    let format = Format::from(layout);
    let mut arrays: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (i, layer) in model.layers.iter().enumerate() {
        let (op, geometry) = (layer.spec.op, &layer.geometry);
        let weights = layer.weights.as_slice().expect("made in standard layout");
        for (leaf, mapping, ours) in [
            ("weight", Mapping::weights(op, geometry, format), weights),
            ("bias", Mapping::biases(op, geometry, format), &layer.biases[..]),
        ] {
            arrays.push((format!("generator.{i}.{leaf}"), mapping.shape().to_vec(), bytes(&mapping.to_file(ours))));
        }
    }
    let latents = latents(0x7000_0000, CHECKED, model.latent);
    let mut images = model.outputs(latents.view());
    ensure!(
        images.iter().all(|v| v.is_finite()),
        "the generator draws what are no numbers: weights of it are too large for float32 sums"
    );
    if layout == Layout::Oihw {
        images = images.permuted_axes([0, 3, 1, 2]);
    }
    arrays.push((CHECK_LATENT.into(), latents.shape().to_vec(), bytes(&latents)));
    arrays.push((CHECK_IMAGE.into(), images.shape().to_vec(), bytes(&images)));

    let views = arrays
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)));
    let views: Vec<_> = views.collect::<Result<_>>()?;
    let metadata = [
        ("preset", model.name.clone()),
        (HEADER_LAYOUT, layout.to_string()),
        (HEADER_DENSE, format.dense.to_string()),
        ("range", model.range.to_string()),
    ];
    let metadata: HashMap<_, _> = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// The values as bytes: little-endian, in the order of the axes.
pub(super) fn bytes<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<u8> {
    values.into_iter().flat_map(|v| v.to_le_bytes()).collect()
}
