//! Builds a generator from named arrays.
//!
//! Nothing is guessed. The layout is given by the caller or by the file, or it is the only one that
//! fits. Layers are in the order of the numbers in their names, or in an order that the caller gives.
//! An error names all arrays that are missing, unused or of another shape.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::{Result, anyhow, bail, ensure};
use ndarray::{Array2, Array4, Axis, Ix4, concatenate};

use super::layout::{DenseOrder, Format, Layout, Mapping};
use super::{CHECK_CLASS, CHECK_IMAGE, CHECK_LATENT, HEADER_DENSE, HEADER_LAYOUT};
use crate::classes::{ClassTable, scale_class_weights, to_steps};
use crate::config::{Config, Range};
use crate::nn::batch_norm::EPSILON;
use crate::nn::block::Block;
use crate::nn::linear::weight_dim;
use crate::quantise::FloatModel;
use crate::tensors::{Half, Tensors};

mod classes;
mod names;

use classes::{Embedding, Found};
use names::{Group, Leaf, Named, groups};

/// Largest allowed difference from the pictures in the file. Summing float32 in another order
/// makes differences of about 1e-6, a weight in the wrong place makes 0.1 and more.
pub const TOLERANCE: f32 = 1e-4;

/// Largest allowed difference if some of the file's weights or pictures are of this 16-bit type, to which they were
/// rounded. Rounding the weights of a DCGAN changes its pictures by about 1e-3 (float16) and 7e-3 (bfloat16).
pub const fn half_tolerance(half: Half) -> f32 {
    match half {
        Half::F16 => 5e-3,
        Half::BF16 => 3e-2,
    }
}

/// Pictures that are drawn in one batch when an import is checked.
const AT_A_TIME: usize = 16;

/// Options of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Order of the axes. `None`: as the header of the file says, otherwise the only layout
    /// that all shapes fit.
    pub layout: Option<Layout>,
    /// Order of a dense layer's outputs. `None`: as the header says, otherwise the order that belongs to
    /// the layout.
    pub dense: Option<DenseOrder>,
    /// Only arrays whose names have this prefix are used. The prefix is removed from their names.
    pub prefix: String,
    /// Names of the layers and batch normalisations in order, without `.weight` and so on. If empty, the
    /// numbers in the names give the order.
    pub layers: Vec<String>,
    /// Epsilon that batch normalisation adds to the variance.
    pub bn_epsilon: f64,
    /// Whether a layer without bias or normalisation has biases of 0.
    pub zero_bias: bool,
    /// Name of the array of class vectors, `[classes, width]`. `None`: [`CLASS_EMBEDDING`](super::CLASS_EMBEDDING), if
    /// there is one.
    pub class_embedding: Option<String>,
    /// Names of the classes. If empty: those of the configuration, otherwise those in the header of the file, otherwise
    /// their numbers.
    pub class_names: Vec<String>,
}

impl Default for Options {
    /// The layout of the file, all arrays, layers in the order of their numbers, PyTorch's epsilon.
    fn default() -> Self {
        Self {
            layout: None,
            dense: None,
            prefix: String::new(),
            layers: Vec::new(),
            bn_epsilon: f64::from(EPSILON),
            zero_bias: false,
            class_embedding: None,
            class_names: Vec::new(),
        }
    }
}

impl Options {
    /// The defaults, with this format.
    pub fn new(format: Format) -> Self {
        Self { layout: Some(format.layout), dense: Some(format.dense), ..Self::default() }
    }
}

/// Why a layout was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The options specify it.
    Told,
    /// The header of the file specifies it.
    Header,
    /// It is the only one that all shapes fit.
    Shapes,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Told => "as told",
            Self::Header => "as the header of the file says",
            Self::Shapes => "the only one that all shapes fit",
        })
    }
}

/// Result of [`import`].
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The generator.
    pub model: FloatModel,
    /// The format in which the file was read.
    pub format: Format,
    /// Why this layout was chosen.
    pub evidence: Evidence,
    /// Number of batch normalisations that were folded.
    pub normalisations: usize,
    /// The comparison with the pictures in the file; `None` if it has none.
    pub check: Option<Check>,
}

/// Comparison of the imported generator's pictures with those in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Check {
    /// Number of pictures.
    pub pictures: usize,
    /// Largest difference of a value, in the generator's range.
    pub worst: f32,
    /// Largest allowed difference: [`TOLERANCE`], or [`half_tolerance`] of the coarsest type in the file.
    pub tolerance: f32,
}

/// Imports the weights of a file into the generator of `config`.
///
/// # Errors
/// When arrays do not fit (the message names all of them with both shapes); when the layout or the order of the
/// layers is ambiguous; when the pictures differ from those in the file by more than
/// [`TOLERANCE`], or [`half_tolerance`] if the file has float16 or bfloat16.
pub fn import(tensors: &Tensors, config: &Config, options: &Options) -> Result<Imported> {
    let epsilon = options.bn_epsilon;
    ensure!(epsilon.is_finite() && epsilon >= 0.0, "the epsilon of batch normalisation is 0 or more, not {epsilon}");
    let found = classes::embedding(tensors, config, options)?;
    let (groups, mut strange) = groups(tensors, options, found.name())?;
    let embedding = match found {
        Found::None => None,
        Found::Embedding(embedding) => Some(embedding),
        Found::Problem(problem, _) => {
            strange.push(problem);
            None
        }
    };
    let config = &embedding.as_ref().map_or_else(|| config.clone(), |embedding| embedding.configured(config));
    let read = |format| -> Result<_> {
        let mut reader = Reader { format, options, problems: strange.clone() };
        let parameters = reader.generator(config, &groups)?;
        let proof = reader.proof(tensors, config, embedding.as_ref())?;
        Ok((parameters, proof, reader.problems))
    };
    let dense = match options.dense {
        Some(dense) => Some(dense),
        None => said(tensors, HEADER_DENSE, &DenseOrder::NAMES)?,
    };
    let in_layout = |layout| Format { layout, dense: dense.unwrap_or(Format::from(layout).dense) };
    let told = match options.layout {
        Some(layout) => Some((layout, Evidence::Told)),
        None => said(tensors, HEADER_LAYOUT, &Layout::NAMES)?.map(|layout| (layout, Evidence::Header)),
    };
    let (layout, evidence) = match told {
        Some(told) => told,
        None => (only_one(tensors, config, |layout| Ok(read(in_layout(layout))?.2))?, Evidence::Shapes),
    };
    let format = in_layout(layout);
    let (parameters, proof, problems) = read(format)?;
    if !problems.is_empty() {
        let other = match layout {
            Layout::Hwio => Layout::Oihw,
            Layout::Oihw => Layout::Hwio,
        };
        let fits = read(in_layout(other))?.2.is_empty();
        let hint = if fits { format!("\nEverything fits with the layout {}.", other) } else { String::new() };
        bail!(
            "{} does not fit the generator \"{}\" (layout {}{}, dense {}):\n  {}{hint}",
            tensors.source,
            config.name,
            layout,
            if evidence == Evidence::Header { " as its header says" } else { "" },
            format.dense,
            problems.join("\n  ")
        );
    }
    // The pictures of the file belong to the class vectors of the file, so they are compared before these are rounded.
    let table = embedding.as_ref().map(|embedding| {
        let (rows, factors) = to_steps(&embedding.vectors);
        (ClassTable { names: embedding.names.clone(), rows }, factors)
    });
    let (table, factors) = table.unzip();
    let mut model = FloatModel::new(config, table, parameters)?;
    let used = groups.iter().flat_map(|group| group.arrays.values()).map(|named| named.name);
    let used = used.chain(embedding.as_ref().map(|embedding| embedding.name));
    let half = used.chain([CHECK_LATENT, CHECK_IMAGE]).filter_map(|name| tensors.halves.get(name)).max().copied();
    let check = proof.map(|proof| proof.compare(&model, half.map_or(TOLERANCE, half_tolerance)));
    if let Some(Check { worst, pictures, tolerance }) = check {
        let of_halves = half.map_or_else(String::new, |half| format!(" of {half}"));
        // More than rounding changes the pictures of a usual network, but possible for some networks.
        let likely = match half {
            Some(half) if worst <= 10.0 * tolerance => format!(
                "Weights of the type {half} are rounded, which some networks show more than others: save them as \
                 float32, or draw {CHECK_IMAGE} in float32 with the rounded weights. Otherwise all "
            ),
            _ => "All ".to_owned(),
        };
        ensure!(
            worst <= tolerance,
            "{}: {CHECK_LATENT} and {CHECK_IMAGE} differ from our pictures by up to {worst:.2e} over {pictures} \
             pictures; up to {tolerance:.0e} is rounding{of_halves}. {likely}shapes fit, so look at what has no shape: \
             the order of dense outputs (--dense), padding and activations of the configuration, the epsilon of batch \
             normalisation (--bn-epsilon; PyTorch 1e-5, Keras 1e-3; one for all layers), a batch normalisation behind \
             an activation instead of in front of it. The scripts in trainer/interop see to all of these",
            tensors.source
        );
    }
    if let (Some(factors), Some(first)) = (factors, model.layers.first_mut()) {
        scale_class_weights(first.weights.view_mut(), model.latent, &factors);
        ensure!(
            first.weights.iter().all(|w| w.is_finite()),
            "{}: the class vectors are so large that the weights of the first layer which read them are not finite once \
             the vectors are scaled to the range of the device, -127/32 to 127/32",
            tensors.source
        );
    }
    let normalisations = groups.iter().filter(|g| g.is_norm()).count();
    Ok(Imported { model, format, evidence, normalisations, check })
}

/// The value of this key in the header of the file, which must be one of `known`.
fn said<T: FromStr>(tensors: &Tensors, key: &str, known: &[&str]) -> Result<Option<T>> {
    let read = |value: &String| {
        value.parse().map_err(|_| {
            anyhow!(
                "{}: its header says {key} \"{value}\", which is none of {}; say which it is with --{key}",
                tensors.source,
                known.join(", ")
            )
        })
    };
    tensors.header.get(key).map(read).transpose()
}

/// The only layout without problems.
fn only_one(tensors: &Tensors, config: &Config, problems: impl Fn(Layout) -> Result<Vec<String>>) -> Result<Layout> {
    let read = [(Layout::Hwio, problems(Layout::Hwio)?), (Layout::Oihw, problems(Layout::Oihw)?)];
    let fitting: Vec<_> = read.iter().filter(|(_, problems)| problems.is_empty()).map(|&(layout, _)| layout).collect();
    let [(_, hwio), (_, oihw)] = &read;
    match fitting[..] {
        [layout] => Ok(layout),
        [] => {
            // Lists the problems of the layout with fewer; of both if they have as many.
            let fewest = hwio.len().min(oihw.len());
            let lists: Vec<_> = (read.iter().filter(|(_, problems)| problems.len() == fewest))
                .map(|(layout, problems)| format!("with --layout {layout}:\n  {}", problems.join("\n  ")))
                .collect();
            bail!(
                "{} does not fit the generator \"{}\" in any layout, and its header names none. What does not \
                 fit: {} with --layout hwio, {} with --layout oihw\n{}",
                tensors.source,
                config.name,
                hwio.len(),
                oihw.len(),
                lists.join("\n")
            );
        }
        _ => bail!(
            "{}: all shapes fit the generator \"{}\" in both layouts, hwio and oihw, and the header names none; say \
             which it is with --layout (hwio from Keras, oihw from PyTorch)",
            tensors.source,
            config.name
        ),
    }
}

/// Weights and biases of one layer.
type Parameters = (Array2<f32>, Vec<f32>);

/// Reads arrays in one format, and collects the problems.
#[derive(Debug)]
struct Reader<'a> {
    format: Format,
    options: &'a Options,
    problems: Vec<String>,
}

impl Reader<'_> {
    /// The parameters of every layer. Layers with a problem are missing.
    fn generator(&mut self, config: &Config, groups: &[Group<'_>]) -> Result<Vec<Parameters>> {
        // Every batch normalisation belongs to the layer before it.
        let mut sources: Vec<(&Group<'_>, Option<&Group<'_>>)> = Vec::new();
        for group in groups {
            match sources.last_mut() {
                _ if !group.is_norm() => sources.push((group, None)),
                Some((_, norm @ None)) => *norm = Some(group),
                Some((layer, Some(_))) => {
                    let stem = layer.stem;
                    self.left_over(group, &format!("{stem} has a batch normalisation already"));
                }
                None => self.left_over(group, "it is a batch normalisation before the first layer"),
            }
        }
        let (network, _) = config.networks()?;
        let blocks = network.blocks();
        for (group, norm) in sources.iter().skip(blocks.len()) {
            for group in [Some(*group), *norm].into_iter().flatten() {
                self.left_over(group, &format!("the generator has only {} layers", blocks.len()));
            }
        }
        let mut parameters = Vec::new();
        for (i, block) in blocks.iter().enumerate() {
            let owner = format!("layer {i} ({})", config.generator.layers[i].op);
            parameters.extend(match sources.get(i) {
                Some((group, norm)) => self.layer(block, &owner, group, *norm),
                None => {
                    let stem = format!("generator.{i}");
                    self.layer(block, &owner, &Group { stem: &stem, arrays: BTreeMap::new() }, None)
                }
            });
        }
        Ok(parameters)
    }

    fn left_over(&mut self, group: &Group<'_>, reason: &str) {
        self.problems.extend(group.arrays.values().map(|named| format!("{named} is left over: {reason}")));
    }

    fn layer(&mut self, block: &Block, owner: &str, group: &Group<'_>, norm: Option<&Group<'_>>) -> Option<Parameters> {
        let (op, geometry) = (block.spec().layer.op, block.geometry());
        let (rows, columns) = weight_dim(op, geometry);
        let weights = self.values(group, Leaf::Weight, &Mapping::weights(op, geometry, self.format), owner);
        let mapping = Mapping::biases(op, geometry, self.format);
        let biases = if group.get(Leaf::Bias).is_none() && (norm.is_some() || self.options.zero_bias) {
            Some(vec![0.0; mapping.shape().iter().product()])
        } else {
            self.values(group, Leaf::Bias, &mapping, owner)
        };
        let folded = match norm {
            None => Some(None),
            Some(norm) if block.spec().norm.is_none() => {
                self.left_over(norm, &format!("{owner} has no batch normalisation in the configuration"));
                None
            }
            Some(norm) => self.norm(norm, block, owner).map(Some),
        };
        let (mut weights, mut biases, norm) = (weights?, biases?, folded?);
        if let Some((scale, shift)) = norm {
            // In every layout of [`FloatLayer::weights`] the output channel varies fastest.
            weights.iter_mut().zip((0..columns).cycle()).for_each(|(w, column)| *w *= scale[column % scale.len()]);
            biases.iter_mut().enumerate().for_each(|(i, b)| *b = *b * scale[i % scale.len()] + shift[i % shift.len()]);
        }
        let narrow = |values: Vec<f64>| -> Vec<f32> { values.into_iter().map(|v| v as f32).collect() };
        let (weights, biases) = (narrow(weights), narrow(biases));
        if !weights.iter().chain(&biases).all(|v| v.is_finite()) {
            self.problems
                .push(format!("{owner}: its weights are not finite once its normalisation is folded into them"));
            return None;
        }
        Some((Array2::from_shape_vec((rows, columns), weights).expect("the mapping has the matrix's size"), biases))
    }

    /// Scale and shift of a batch normalisation: one of each for every channel, or, if a dense
    /// layer is normalised before it is reshaped, for every output.
    fn norm(&mut self, norm: &Group<'_>, block: &Block, owner: &str) -> Option<(Vec<f64>, Vec<f64>)> {
        let geometry = block.geometry();
        let per_output = Mapping::outputs(geometry, self.format);
        let is_dense = block.spec().layer.op.is_dense();
        let is_flat = is_dense && norm.arrays.values().any(|named| named.array.shape() == per_output.shape());
        let mapping = if is_flat { per_output } else { Mapping::channels(geometry) };
        let owner = format!("the batch normalisation of {owner}");
        let [gamma, beta, mean, variance] = [Leaf::Weight, Leaf::Bias, Leaf::Mean, Leaf::Variance]
            .map(|leaf| self.values(norm, leaf, &mapping, &owner));
        let (gamma, beta, mean, variance) = (gamma?, beta?, mean?, variance?);
        let epsilon = self.options.bn_epsilon;
        if let Some(v) = variance.iter().find(|&&v| v + epsilon <= 0.0) {
            self.problems
                .push(format!("{owner}: a variance of {v} with the epsilon {epsilon} has no root to divide by"));
            return None;
        }
        let scale: Vec<f64> = gamma.iter().zip(&variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
        let shift = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Some((scale, shift))
    }

    /// The values of one array, converted to the order of this program.
    fn values(&mut self, group: &Group<'_>, leaf: Leaf, mapping: &Mapping, owner: &str) -> Option<Vec<f64>> {
        let Some(named) = group.get(leaf) else {
            let dot = if group.stem.is_empty() { "" } else { "." };
            // Only biases of layers may be missing; all arrays of a normalisation are needed.
            let is_of_layer = leaf == Leaf::Bias && !group.is_norm();
            self.problems.push(format!(
                "{}{}{dot}{} is missing: {owner} needs {:?} ({}){}",
                self.options.prefix,
                group.stem,
                leaf.name(),
                mapping.shape(),
                mapping.meaning(),
                if is_of_layer { "; --zero-bias if the layer has none" } else { "" }
            ));
            return None;
        };
        self.fits(named, mapping.shape(), mapping.meaning(), owner).then(|| mapping.from_file(named.array))
    }

    /// Whether an array has this shape, and only numbers that fit into float32.
    fn fits(&mut self, named: Named<'_>, shape: &[usize], meaning: &str, owner: &str) -> bool {
        let Named { name, array } = named;
        if array.shape() != shape {
            let found = array.shape();
            self.problems.push(format!("{name} has the shape {found:?}, {owner} needs {shape:?} ({meaning})"));
            return false;
        }
        let wrong = array.iter().filter(|&&v| !(v as f32).is_finite()).count();
        if wrong > 0 {
            self.problems.push(format!("{name}: {wrong} of its {} values are not finite", array.len()));
        }
        wrong == 0
    }

    /// The check latents, their classes and the pictures of the file; `None` if it has none.
    fn proof(
        &mut self,
        tensors: &Tensors,
        config: &Config,
        embedding: Option<&Embedding<'_>>,
    ) -> Result<Option<Proof>> {
        let get = |name| tensors.map.get(name).map(|array| Named { name, array });
        let (latents, images) = match (get(CHECK_LATENT), get(CHECK_IMAGE)) {
            (None, None) => return Ok(None),
            (Some(latents), Some(images)) => (latents, images),
            (Some(one), None) | (None, Some(one)) => {
                self.problems.push(format!("{one} is alone: {CHECK_LATENT} and {CHECK_IMAGE} go together"));
                return Ok(None);
            }
        };
        let shape = config.networks()?.0.output();
        let (height, width, channels) = (shape.height.into(), shape.width.into(), shape.channels.into());
        // Each picture needs a latent, and at least one is needed for a check.
        let count = latents.array.shape().first().map_or(1, |&n| n.max(1));
        let mut latent = vec![count, config.latent.into()];
        // A network that begins with a convolution takes [N, latent, 1, 1], or [N, 1, 1, latent].
        let found = latents.array.shape();
        if let [n, 1, 1, len] | [n, len, 1, 1] = *found
            && [n, len] == latent[..]
        {
            latent = found.to_vec();
        }
        let (image, meaning) = match self.format.layout {
            Layout::Hwio => ([count, height, width, channels], "pictures, height, width, channels"),
            Layout::Oihw => ([count, channels, height, width], "pictures, channels, height, width"),
        };
        let fit = [
            self.fits(latents, &latent, "pictures, length of the latent", "the generator"),
            self.fits(images, &image, meaning, "the generator"),
        ];
        if fit != [true, true] {
            return Ok(None);
        }
        let latents = latents.array.mapv(|v| v as f32);
        let mut inputs = latents.to_shape((count, usize::from(config.latent)))?.into_owned();
        match (embedding, get(CHECK_CLASS)) {
            (None, None) => {}
            (Some(embedding), Some(classes)) => {
                let Some(vectors) = self.vectors(embedding, classes, count) else { return Ok(None) };
                inputs = concatenate(Axis(1), &[inputs.view(), vectors.view()])?;
            }
            (Some(_), None) => {
                self.problems.push(format!("{CHECK_CLASS} is missing: {CHECK_IMAGE} needs the class of each picture"));
                return Ok(None);
            }
            (None, Some(classes)) => {
                self.problems.push(format!("{classes} is left over: the generator has no classes"));
                return Ok(None);
            }
        }
        let images = images.array.mapv(|v| v as f32).into_dimensionality::<Ix4>()?;
        let images = match self.format.layout {
            Layout::Hwio => images,
            Layout::Oihw => images.permuted_axes([0, 2, 3, 1]),
        };
        Ok(Some(Proof { inputs, images }))
    }
}

/// Inputs of the first layer, and the pictures that the other program draws from them.
#[derive(Debug)]
struct Proof {
    /// The latents, and behind them the vectors of their classes as the file has them; `[N, inputs]`.
    inputs: Array2<f32>,
    /// `[N, side, side, 3]`
    images: Array4<f32>,
}

impl Proof {
    fn compare(&self, model: &FloatModel, tolerance: f32) -> Check {
        let clamp = |v: f32| match model.range {
            Range::Symmetric => v,
            // Values below 0 are drawn black.
            Range::Unit => v.max(0.0),
        };
        let mut worst = 0.0f32;
        let inputs = self.inputs.axis_chunks_iter(Axis(0), AT_A_TIME);
        for (inputs, theirs) in inputs.zip(self.images.axis_chunks_iter(Axis(0), AT_A_TIME)) {
            let ours = model.outputs(inputs.as_standard_layout().view());
            for (&ours, &theirs) in ours.iter().zip(theirs) {
                let difference = (clamp(ours) - clamp(theirs)).abs();
                // Sums of large weights may overflow; NaN counts as an infinite difference.
                worst = if difference.is_nan() { f32::INFINITY } else { worst.max(difference) };
            }
        }
        Check { pictures: self.inputs.nrows(), worst, tolerance }
    }
}
