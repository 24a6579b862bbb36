//! Converts between the weight layouts of [`QuantModel`] and the blob's phase layout.
//!
//! The blob stores the weights of each phase of an output position together
//! ([`gen_core::packing`]), and its biases already include `−zero_point · Σ weight` of
//! their phase. Both directions of the conversion locate a weight with the same function.

use gen_core::aligned;
use gen_core::format::{ALIGNMENT, EncodeError, Header, LayerHeader, seal};
use gen_core::quant::Multiplier;
use gen_core::spec::{self, Geometry, LayerSpec, Op, Shape, SpecError, WeightTransform};
use gen_core::{Model, ParseError};
use ndarray::Array2;
use thiserror::Error;

use super::model::{QuantLayer, QuantModel};
use crate::classes::{ClassTable, check_names};
use crate::nn::linear::weight_dim;

/// Why a quantised model is invalid, or cannot be packed or unpacked.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum QuantError {
    /// The layers do not form a valid generator.
    #[error("the layers do not fit together: {0}")]
    Spec(SpecError),
    /// The name is longer than the header's 32 bytes.
    #[error("the model's name {0:?} is longer than 32 bytes")]
    Name(String),
    /// The classes cannot be those of a model.
    #[error("classes: {0}")]
    Classes(String),
    /// A list does not have the length that the layer's shapes need.
    #[error("layer {layer}: {found} {what}, its shapes ask for {expected}")]
    Length {
        /// Index of the layer.
        layer: usize,
        /// Contents of the list.
        what: &'static str,
        /// Length found.
        found: usize,
        /// Length needed.
        expected: usize,
    },
    /// [`QuantLayer::geometry`] does not match the layer's operation and input.
    #[error("layer {layer}: its geometry is not that of its operation on the layer before")]
    Geometry {
        /// Index of the layer.
        layer: usize,
    },
    /// The layer's weights cannot be transformed as its [`transform`](QuantLayer::transform) says.
    #[error("layer {layer} cannot have Winograd weights: that takes 2, 3 or 5 tap columns without a stride")]
    Transform {
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
    /// For some input the accumulator would overflow int32.
    #[error("layer {layer}, output channel {channel}: accumulators reach {bound}, more than an int32 holds")]
    Accumulator {
        /// Index of the layer.
        layer: usize,
        /// Output channel.
        channel: usize,
        /// Largest magnitude of the accumulator over all inputs.
        bound: i64,
    },
    /// For some input the sum of products is larger than the layer's weight transform computes exactly.
    #[error(
        "layer {layer}, output channel {channel}: products reach {sum}, its weight transform is exact up to {most}"
    )]
    Sum {
        /// Index of the layer.
        layer: usize,
        /// Output channel.
        channel: usize,
        /// Largest magnitude of the sum of products over all inputs.
        sum: i64,
        /// Largest allowed sum.
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
        /// Largest allowed multiplier.
        most: i32,
    },
    /// The phases of a layer in the blob have biases that do not derive from one bias.
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
    /// `gen_core` refuses the packed model.
    #[error("the packed model is refused: {0}")]
    Parse(#[from] ParseError),
}

// Not `#[from]`, which would also set the error's source: the message above already contains the reason.
impl From<SpecError> for QuantError {
    fn from(e: SpecError) -> Self {
        Self::Spec(e)
    }
}

/// Position of a weight in the blob.
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

/// Index in [`QuantLayer::biases`] of the bias of `filter = phase · channels + channel`. A phase of a
/// dense layer is one output pixel.
fn bias_index(spec: &LayerSpec, filter: usize, channels: usize) -> usize {
    if spec.op.is_dense() { filter } else { filter % channels }
}

impl QuantModel {
    /// The int8 that represents 0 in the input of a layer; 0 for the latent.
    pub fn input_zero_point(&self, layer: usize) -> i8 {
        if layer == 0 { 0 } else { self.layers[layer - 1].zero_point }
    }

    /// Checks that the layers fit together and that every list has the length that its layer needs.
    ///
    /// # Errors
    /// The first problem found. Ranges of accumulators and multipliers are checked by
    /// [`to_blob`](Self::to_blob).
    pub fn check(&self) -> Result<(), QuantError> {
        let specs: Vec<_> = self.layers.iter().map(|l| l.spec).collect();
        if self.latent == 0 {
            return Err(SpecError::LatentLength.into());
        }
        let inputs = u16::try_from(self.input().len()).map_err(|_| SpecError::LatentLength)?;
        spec::check(inputs, &specs)?;
        if let Some(classes) = &self.classes {
            check_names(&classes.names).map_err(|e| QuantError::Classes(e.to_string()))?;
            let (found, expected) = (classes.rows.nrows(), classes.len());
            if (found, classes.width()) != (expected, classes.width().max(1)) {
                return Err(QuantError::Classes(format!("{expected} names, and numbers of {found} classes")));
            }
        }
        let mut input = Shape::latent(inputs);
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
            if !g.allows(layer.transform) {
                return Err(QuantError::Transform { layer: i });
            }
            if !(layer.scale.is_finite() && layer.scale > 0.0) {
                return Err(QuantError::Scale { layer: i, scale: layer.scale });
            }
            input = g.output;
        }
        Ok(())
    }

    /// For each output channel of a layer, the largest magnitude that the blob's
    /// accumulators can reach over all inputs, with the bound of [`Model::parse`]:
    /// `|folded bias| + 128 · Σ |weight|`, the maximum over all phases.
    ///
    /// The layer's lists must have the lengths that [`check`](Self::check) requires.
    pub fn accumulator_bounds(&self, layer: usize) -> Vec<i64> {
        let channels = usize::from(self.layers[layer].geometry.output.channels);
        let mut bounds = vec![0; channels];
        for (filter, sums) in self.sums(layer).into_iter().enumerate() {
            let bound = &mut bounds[filter % channels];
            *bound = sums.bound().max(*bound);
        }
        bounds
    }

    /// Whether a layer's weights can be transformed: its kernel allows it, and its sums of products stay exact.
    ///
    /// The layer's lists must have the lengths that [`check`](Self::check) requires.
    pub fn can_transform(&self, layer: usize, transform: WeightTransform) -> bool {
        let g = &self.layers[layer].geometry;
        g.allows(transform) && self.sums(layer).iter().all(|sums| sums.products() <= g.max_sum(transform))
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
    /// The errors of [`check`](Self::check), and an accumulator that could overflow int32 or a multiplier
    /// that is too large for it, with layer and channel.
    pub fn to_blob(&self) -> Result<Vec<u8>, QuantError> {
        self.check()?;
        let header = Header {
            name: self.name.as_str().try_into().map_err(|_| QuantError::Name(self.name.clone()))?,
            inputs: self.input().len() as u16, // at most 128, says `check`
            layers: self
                .layers
                .iter()
                .map(|l| LayerHeader { spec: l.spec, transform: l.transform, zero_point: l.zero_point, scale: l.scale })
                .collect(),
            classes: match &self.classes {
                Some(classes) => Some(classes.header().ok_or(EncodeError)?),
                None => None,
            },
        };
        // Enough for twelve layers of at most 30 bytes, a name of 33, and 64 names of classes of 65.
        let mut blob = vec![0; 8192];
        let start = header.encode(&mut blob)?;
        blob.truncate(start);
        for (i, layer) in self.layers.iter().enumerate() {
            let sums = self.sums(i);
            layer.check_ranges(i, &sums)?;
            let (spec, g) = (&layer.spec, &layer.geometry);
            let weight =
                |phase, output, tap, input| layer.weights[Place { phase, output, tap, input }.natural(spec, g)];
            let start = blob.len();
            blob.resize(start + g.packed_len(layer.transform), 0);
            g.pack(layer.transform, weight, &mut blob[start..]);
            align(&mut blob);
            // This cannot overflow: the checked bound of the accumulator includes the bias.
            push_words(&mut blob, sums.iter().map(|s| s.folded_bias as i32));
            push_words(&mut blob, layer.requants.iter().map(|r| r.positive));
            push_words(&mut blob, layer.requants.iter().map(|r| r.negative));
        }
        if let Some(classes) = &self.classes {
            blob.extend(classes.rows.iter().map(|number| number.cast_unsigned()));
            align(&mut blob);
        }
        seal(&mut blob)?;
        Model::parse(&aligned(&blob))?;
        Ok(blob)
    }

    /// Unpacks a blob's model: the inverse of [`to_blob`](Self::to_blob).
    ///
    /// # Errors
    /// [`QuantError::Biases`] when the biases of a layer's phases do not derive from one bias. The format
    /// allows that, but no quantised layer has it.
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
                transform: layer.transform,
                geometry: g,
                weights,
                // All biases are set, because every output has a phase.
                biases: biases.into_iter().map(Option::unwrap_or_default).collect(),
                requants: (0..channels).map(|c| layer.multiplier(c)).collect(),
                zero_point: layer.zero_point,
                scale: layer.scale,
            });
            input_zero_point = i64::from(layer.zero_point);
        }
        let name = model.name().into();
        Ok(Self { name, latent: model.latent_len(), classes: ClassTable::of(model), layers })
    }
}

impl QuantLayer {
    /// The largest multiplier that [`Model::parse`] accepts together with this accumulator bound.
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
            let (sum, most) = (sums.products(), self.geometry.max_sum(self.transform));
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

/// Sums over the weights of one phase and output channel.
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

    /// Largest magnitude of the sum of products, without the bias.
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
