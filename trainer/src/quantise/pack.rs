//! Natural layouts ⇄ the blob's phase layout.
//!
//! The blob keeps the weights of each phase of an output position together
//! ([`gen_core::packing`]), and its biases already hold `−zero_point · Σ weight` of
//! their phase. Both directions find a weight with the same function.

use gen_core::aligned;
use gen_core::format::{ALIGNMENT, EncodeError, Header, LayerHeader, seal};
use gen_core::quant::Multiplier;
use gen_core::spec::{self, Geometry, LayerSpec, Op, Shape, SpecError, WeightTransform};
use gen_core::{Model, ParseError};
use ndarray::Array2;
use thiserror::Error;

use super::model::{QuantLayer, QuantModel};
use crate::nn::linear::weight_dim;

/// Why a quantised model is not one, or cannot be packed or unpacked.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum QuantError {
    /// The layer list makes no generator.
    #[error("the layers do not fit together: {0}")]
    Spec(SpecError),
    /// The header has room for 32 bytes of name.
    #[error("the model's name {0:?} is longer than 32 bytes")]
    Name(String),
    /// A list does not have the length that the layer's shapes ask for.
    #[error("layer {layer}: {found} {what}, its shapes ask for {expected}")]
    Length {
        /// Index of the layer.
        layer: usize,
        /// What is counted.
        what: &'static str,
        /// Length found.
        found: usize,
        /// Length needed.
        expected: usize,
    },
    /// [`QuantLayer::geometry`] is not that of its place in the list.
    #[error("layer {layer}: its geometry is not that of its operation on the layer before")]
    Geometry {
        /// Index of the layer.
        layer: usize,
    },
    /// The layer cannot have its [`form`](QuantLayer::form).
    #[error("layer {layer} has no fast form: that takes 2, 3 or 5 tap columns without a stride")]
    Form {
        /// Index of the layer.
        layer: usize,
    },
    /// A scale is not a positive finite number.
    #[error("layer {layer}: scale {scale} is not a positive number")]
    Scale {
        /// Index of the layer.
        layer: usize,
        /// The scale.
        scale: f32,
    },
    /// An input exists for which the accumulator leaves int32.
    #[error("layer {layer}, output channel {channel}: accumulators reach {bound}, more than an int32 holds")]
    Accumulator {
        /// Index of the layer.
        layer: usize,
        /// Output channel.
        channel: usize,
        /// Largest magnitude of the accumulator over all inputs.
        bound: i64,
    },
    /// An input exists for which the products add up to more than the layer's form computes exactly.
    #[error("layer {layer}, output channel {channel}: products reach {sum}, the fast form is exact up to {most}")]
    Sum {
        /// Index of the layer.
        layer: usize,
        /// Output channel.
        channel: usize,
        /// Largest magnitude of the sum of products over all inputs.
        sum: i64,
        /// The largest that is allowed.
        most: i64,
    },
    /// A multiplier is negative, or its product with the accumulator reaches 2⁵².
    #[error(
        "layer {layer}, output channel {channel}: multiplier {multiplier} must lie in 0 ..= {most}, \
         or its product with an accumulator is no longer exact"
    )]
    Multiplier {
        /// Index of the layer.
        layer: usize,
        /// Output channel.
        channel: usize,
        /// The multiplier.
        multiplier: i32,
        /// The largest that is allowed there.
        most: i32,
    },
    /// The phases of a blob's layer do not stem from one bias.
    #[error("layer {layer}, output channel {channel}: the biases of its phases disagree, or overflow when unfolded")]
    Biases {
        /// Index of the layer.
        layer: usize,
        /// Output channel.
        channel: usize,
    },
    /// The header does not fit a blob.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// `gen_core` refuses what was packed.
    #[error("the packed model is refused: {0}")]
    Parse(#[from] ParseError),
}

// Not by `#[from]`: the message above already contains the reason.
impl From<SpecError> for QuantError {
    fn from(e: SpecError) -> Self {
        Self::Spec(e)
    }
}

/// A weight as the blob sees it.
#[derive(Debug, Clone, Copy)]
struct Place {
    phase: usize,
    output: usize,
    /// Row and column in the window of the phase.
    tap: [usize; 2],
    input: usize,
}

impl Place {
    /// Index of the filter that the weight is part of.
    fn filter(&self, g: &Geometry) -> usize {
        self.phase * usize::from(g.output.channels) + self.output
    }

    /// Row and column in [`QuantLayer::weights`].
    fn natural(&self, spec: &LayerSpec, g: &Geometry) -> [usize; 2] {
        let (cin, cout) = (usize::from(g.input.channels), usize::from(g.output.channels));
        let (py, px) = (self.phase / g.x.phases(), self.phase % g.x.phases());
        let (a, b) = (g.y.kernel_index(py, self.tap[0]), g.x.kernel_index(px, self.tap[1]));
        match spec.op {
            Op::Dense { .. } => [(a * usize::from(g.input.width) + b) * cin + self.input, self.filter(g)],
            Op::Conv { kernel, .. } => [(a * usize::from(kernel) + b) * cin + self.input, self.output],
            Op::ConvTranspose { kernel, .. } => [self.input, (a * usize::from(kernel) + b) * cout + self.output],
        }
    }
}

/// Calls `f` for every weight.
fn for_each_weight(g: &Geometry, mut f: impl FnMut(Place)) {
    for phase in 0..g.phases() {
        for output in 0..usize::from(g.output.channels) {
            for t in 0..g.y.taps(phase / g.x.phases()) {
                for u in 0..g.x.taps(phase % g.x.phases()) {
                    for input in 0..usize::from(g.input.channels) {
                        f(Place { phase, output, tap: [t, u], input });
                    }
                }
            }
        }
    }
}

/// Where the bias of `filter = phase · channels + channel` stands in
/// [`QuantLayer::biases`]. A phase of a dense layer is one output pixel.
fn bias_index(spec: &LayerSpec, filter: usize, channels: usize) -> usize {
    if spec.op.is_dense() { filter } else { filter % channels }
}

impl QuantModel {
    /// The int8 that stands for 0 in the input of a layer: 0 for the latent.
    pub fn input_zero_point(&self, layer: usize) -> i8 {
        if layer == 0 { 0 } else { self.layers[layer - 1].zero_point }
    }

    /// Checks the layer list, and that every list has the length that it asks for.
    ///
    /// # Errors
    /// The first rule that is broken. Ranges of accumulators and multipliers are
    /// left to [`to_blob`](Self::to_blob).
    pub fn check(&self) -> Result<(), QuantError> {
        let specs: Vec<_> = self.layers.iter().map(|l| l.spec).collect();
        let latent = u16::try_from(self.latent).map_err(|_| SpecError::LatentLength)?;
        spec::check(latent, &specs)?;
        let mut input = Shape::latent(latent);
        for (i, layer) in self.layers.iter().enumerate() {
            let g = layer.spec.geometry(input)?;
            if g != layer.geometry {
                return Err(QuantError::Geometry { layer: i });
            }
            let (rows, columns) = weight_dim(layer.spec.op, &g);
            let lengths = [
                ("rows of weights", layer.weights.nrows(), rows),
                ("columns of weights", layer.weights.ncols(), columns),
                ("biases", layer.biases.len(), layer.spec.op.bias_count()),
                ("multipliers", layer.requants.len(), usize::from(g.output.channels)),
            ];
            for (what, found, expected) in lengths {
                if found != expected {
                    return Err(QuantError::Length { layer: i, what, found, expected });
                }
            }
            if !g.allows(layer.form) {
                return Err(QuantError::Form { layer: i });
            }
            if !(layer.scale.is_finite() && layer.scale > 0.0) {
                return Err(QuantError::Scale { layer: i, scale: layer.scale });
            }
            input = g.output;
        }
        Ok(())
    }

    /// For each output channel of a layer, the largest magnitude that the blob's
    /// accumulators can reach over all inputs, as [`Model::parse`] bounds it:
    /// `|folded bias| + 128 · Σ |weight|`, the most of all phases.
    ///
    /// The layer's lists must have the lengths that [`check`](Self::check) asks for.
    pub fn accumulator_bounds(&self, layer: usize) -> Vec<i64> {
        let channels = usize::from(self.layers[layer].geometry.output.channels);
        let mut bounds = vec![0; channels];
        for (filter, sums) in self.sums(layer).into_iter().enumerate() {
            let bound = &mut bounds[filter % channels];
            *bound = sums.bound().max(*bound);
        }
        bounds
    }

    /// Whether a layer can have a form: its taps allow it, and its sums of products are exact.
    ///
    /// The layer's lists must have the lengths that [`check`](Self::check) asks for.
    pub fn has_form(&self, layer: usize, form: WeightTransform) -> bool {
        let g = &self.layers[layer].geometry;
        g.allows(form) && self.sums(layer).iter().all(|sums| sums.products() <= g.max_sum(form))
    }

    /// Sums of the weights of each `[phase][output channel]`.
    fn sums(&self, layer: usize) -> Vec<FilterSums> {
        let zero_point = i64::from(self.input_zero_point(layer));
        let layer = &self.layers[layer];
        let channels = usize::from(layer.geometry.output.channels);
        let mut sums: Vec<_> = (0..layer.geometry.bias_count())
            .map(|filter| FilterSums {
                folded_bias: i64::from(layer.biases[bias_index(&layer.spec, filter, channels)]),
                magnitude: 0,
            })
            .collect();
        for_each_weight(&layer.geometry, |place| {
            let weight = i64::from(layer.weights[place.natural(&layer.spec, &layer.geometry)]);
            let filter = place.filter(&layer.geometry);
            sums[filter].folded_bias -= zero_point * weight;
            sums[filter].magnitude += weight.abs();
        });
        sums
    }

    /// Packs the model into the file that [`Model::parse`] reads.
    ///
    /// # Errors
    /// What [`check`](Self::check) reports; an accumulator that could leave int32 or a
    /// multiplier too large for it, with layer and channel.
    pub fn to_blob(&self) -> Result<Vec<u8>, QuantError> {
        self.check()?;
        let header = Header {
            name: self.name.as_str().try_into().map_err(|_| QuantError::Name(self.name.clone()))?,
            latent: self.latent as u16, // at most 128, says `check`
            layers: self
                .layers
                .iter()
                .map(|l| LayerHeader { spec: l.spec, transform: l.form, zero_point: l.zero_point, scale: l.scale })
                .collect(),
        };
        // Twelve layers of at most 30 bytes, a name of 33.
        let mut blob = vec![0; 1024];
        let start = header.encode(&mut blob)?;
        blob.truncate(start);
        for (i, layer) in self.layers.iter().enumerate() {
            let sums = self.sums(i);
            layer.check_ranges(i, &sums)?;
            let (spec, g) = (&layer.spec, &layer.geometry);
            let weight =
                |phase, output, tap, input| layer.weights[Place { phase, output, tap, input }.natural(spec, g)];
            let start = blob.len();
            blob.resize(start + g.packed_len(layer.form), 0);
            g.pack(layer.form, weight, &mut blob[start..]);
            align(&mut blob);
            // In range: a bound of int32 includes the bias.
            push_words(&mut blob, sums.iter().map(|s| s.folded_bias as i32));
            push_words(&mut blob, layer.requants.iter().map(|r| r.positive));
            push_words(&mut blob, layer.requants.iter().map(|r| r.negative));
        }
        seal(&mut blob)?;
        Model::parse(&aligned(&blob))?;
        Ok(blob)
    }

    /// Unpacks a blob's model into natural layouts: the inverse of [`to_blob`](Self::to_blob).
    ///
    /// # Errors
    /// [`QuantError::Biases`] when the phases of a layer do not stem from one bias,
    /// which the format can hold but no quantised layer has.
    pub fn from_model(model: &Model<'_>) -> Result<Self, QuantError> {
        let mut layers = Vec::new();
        let mut input_zero_point = 0;
        for (i, layer) in model.layers().iter().enumerate() {
            let (spec, g) = (layer.spec, layer.geometry);
            let channels = usize::from(g.output.channels);
            let mut weights = Array2::zeros(weight_dim(spec.op, &g));
            let phases = 0..g.phases();
            let mut unfolded: Vec<_> = phases.flat_map(|p| layer.biases(p).iter().map(i64::from)).collect();
            for_each_weight(&g, |place| {
                let weight = layer.weight(place.phase, place.output, place.tap, place.input);
                weights[place.natural(&spec, &g)] = weight;
                unfolded[place.filter(&g)] += input_zero_point * i64::from(weight);
            });
            let mut biases = vec![None; spec.op.bias_count()];
            for (filter, &value) in unfolded.iter().enumerate() {
                let error = QuantError::Biases { layer: i, channel: filter % channels };
                let value = i32::try_from(value).map_err(|_| error.clone())?;
                let bias = biases[bias_index(&spec, filter, channels)].get_or_insert(value);
                if *bias != value {
                    return Err(error);
                }
            }
            layers.push(QuantLayer {
                spec,
                form: layer.transform,
                geometry: g,
                weights,
                // None is left over: every output has a phase.
                biases: biases.into_iter().map(Option::unwrap_or_default).collect(),
                requants: (0..channels).map(|c| layer.multiplier(c)).collect(),
                zero_point: layer.zero_point,
                scale: layer.scale,
            });
            input_zero_point = i64::from(layer.zero_point);
        }
        Ok(Self { name: model.name.as_str().into(), latent: model.latent_len(), layers })
    }
}

impl QuantLayer {
    /// The largest multiplier that [`Model::parse`] admits beside an accumulator bound.
    pub fn most_multiplier(bound: i64) -> i32 {
        let most = ((1 << 52) - 1) / bound.max(1);
        most.min(i64::from(i32::MAX)) as i32
    }

    fn check_ranges(&self, layer: usize, sums: &[FilterSums]) -> Result<(), QuantError> {
        for (filter, sums) in sums.iter().enumerate() {
            let (channel, bound) = (filter % self.requants.len(), sums.bound());
            if bound > i64::from(i32::MAX) {
                return Err(QuantError::Accumulator { layer, channel, bound });
            }
            let (sum, most) = (sums.products(), self.geometry.max_sum(self.form));
            if sum > most {
                return Err(QuantError::Sum { layer, channel, sum, most });
            }
            let most = Self::most_multiplier(bound);
            let Multiplier { positive, negative } = self.requants[channel];
            for multiplier in [positive, negative] {
                if !(0..=most).contains(&multiplier) {
                    return Err(QuantError::Multiplier { layer, channel, multiplier, most });
                }
            }
        }
        Ok(())
    }
}

/// What the weights of one phase and output channel add up to.
struct FilterSums {
    /// `bias − zero_point · Σ weight`.
    folded_bias: i64,
    /// `Σ |weight|`.
    magnitude: i64,
}

impl FilterSums {
    /// Largest magnitude of the accumulator.
    fn bound(&self) -> i64 {
        self.folded_bias.abs() + self.products()
    }

    /// The same without the bias.
    fn products(&self) -> i64 {
        128 * self.magnitude
    }
}

fn align(blob: &mut Vec<u8>) {
    blob.resize(blob.len().next_multiple_of(ALIGNMENT), 0);
}

fn push_words(blob: &mut Vec<u8>, words: impl Iterator<Item = i32>) {
    blob.extend(words.flat_map(i32::to_le_bytes));
    align(blob);
}
