//! A model that was read from a file and checked. Its weights stay in the bytes of the file.

mod classes;
mod error;
pub mod format;
mod parse;

use core::fmt;

use heapless::{String, Vec};

pub use classes::Classes;
pub use error::{ParseError, Section};

#[cfg(feature = "writer")]
use self::format::{ClassHeader, Header, LayerHeader};
use crate::latent::Latent;
use crate::no_panic::subslice;
use crate::plan::{KernelLayout, WorkspacePlan};
use crate::quant::{I32LeSlice, Multiplier, MultiplierTable};
use crate::spec::{Geometry, LayerSpec, MAX_LAYERS, Shape, WeightTransform};
use crate::winograd::{self, MAX_POINTS};

/// A layer of a [`Model`]: its description, its geometry, and its numbers within the model's bytes.
///
/// Phases, channels and taps have the ranges that [`Geometry`] gives. Out of these ranges the functions panic on a
/// host. On a chip without debug assertions they return zeros or empty lists, so that no panic is linked.
#[derive(Clone)]
pub struct Layer<'a> {
    /// Operation and activation.
    pub spec: LayerSpec,
    /// How its weights are transformed.
    pub transform: WeightTransform,
    /// Shapes and windows.
    pub geometry: Geometry,
    /// The int8 that represents 0 in its output: see [`LayerHeader::zero_point`](format::LayerHeader::zero_point).
    pub zero_point: i8,
    /// Real value of one step of its output: see [`LayerHeader::scale`](format::LayerHeader::scale).
    pub scale: f32,
    /// All weights, in the order of `packing.rs`.
    weights: &'a [i8],
    /// `[phase][output channel]`.
    biases: I32LeSlice<'a>,
    positive: I32LeSlice<'a>,
    negative: I32LeSlice<'a>,
    one_multiplier: bool,
}

/// Does not print the weights.
impl fmt::Debug for Layer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spec, transform, geometry, zero_point, scale, .. } = self;
        let (input, output, weights) = (geometry.input, geometry.output, self.weights.len());
        write!(f, "Layer {{ {spec:?}, {transform:?}, {input} to {output}, zero_point: {zero_point}, scale: {scale}, ")?;
        write!(f, "weights: {weights} bytes }}")
    }
}

impl<'a> Layer<'a> {
    /// Multipliers of an output channel.
    #[inline(always)]
    pub fn multiplier(&self, channel: usize) -> Multiplier {
        MultiplierTable { positive: self.positive, negative: self.negative }.at(channel)
    }

    /// Multipliers of all output channels, for kernels. Both lists are the same slice if one multiplier gives
    /// the same results for both signs: if the two are equal in every channel, or if negative accumulators
    /// saturate at the zero point anyway (a ReLU with zero point −128).
    #[inline(always)]
    pub fn multipliers(&self) -> MultiplierTable<'a> {
        let negative = if self.one_multiplier { self.positive } else { self.negative };
        MultiplierTable { positive: self.positive, negative }
    }

    /// Biases of a phase, one for each output channel.
    #[inline(always)]
    pub fn biases(&self, phase: usize) -> I32LeSlice<'a> {
        let channels = self.geometry.output.channels as usize;
        self.biases.slice(phase * channels, channels)
    }

    /// Bytes of all weights.
    pub fn weights_len(&self) -> usize {
        self.weights.len()
    }

    /// Weights of a phase, in the order of `packing.rs`.
    #[inline(never)]
    pub fn filters(&self, phase: usize) -> &'a [i8] {
        if self.geometry.phases() == 1 {
            return self.weights;
        }
        let start = self.geometry.packed_offset(self.transform, phase);
        subslice(self.weights, start..start + self.geometry.packed_phase_len(self.transform, phase))
    }

    /// The int8 weight from `input` channel to `output` channel at tap row `t` and column `u` of a phase. A
    /// transform of the weights is undone.
    pub fn weight(&self, phase: usize, output: usize, [t, u]: [usize; 2], input: usize) -> i8 {
        match self.transform {
            WeightTransform::None => self.filters(phase)[self.geometry.direct_index(phase, output, [t, u], input)],
            // Never `None`: the parser has checked that all weights are transforms of int8.
            WeightTransform::Winograd => self.untransformed(phase, output, t, input).map_or(0, |taps| taps[u]),
        }
    }

    /// Undoes the Winograd transform of one row of taps; `None` if no int8 taps have these points.
    fn untransformed(&self, phase: usize, output: usize, t: usize, input: usize) -> Option<[i8; MAX_POINTS]> {
        let (g, filters) = (&self.geometry, self.filters(phase));
        let points = g.winograd_points()?;
        let mut values = [0; MAX_POINTS];
        for (point, value) in values[..points].iter_mut().enumerate() {
            let at = g.winograd_index(phase, output, t, point, input);
            *value = i16::from_le_bytes([filters[at].cast_unsigned(), filters[at + 1].cast_unsigned()]);
        }
        winograd::taps(points, values)
    }
}

/// A generator, read from the bytes of a file and checked. It borrows the bytes, so that weights stay in flash.
#[derive(Clone)]
pub struct Model<'a> {
    name: String<32>,
    layers: Vec<Layer<'a>, MAX_LAYERS>,
    inputs: u16,
    classes: Classes<'a>,
    size: usize,
    checksum: u32,
}

/// One line, without the weights.
impl fmt::Debug for Model<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, layers, classes, size, checksum, .. } = self;
        let (latent, classes) = (self.latent_len(), classes.len());
        let (layers, picture) = (layers.len(), self.output_shape());
        write!(f, "Model {{ name: {name:?}, latent: {latent}, classes: {classes}, layers: {layers}, ")?;
        write!(f, "picture: {picture}, size: {size}, checksum: {checksum:#010x} }}")
    }
}

impl<'a> Model<'a> {
    /// Its name, for people: up to 32 bytes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The layers, first to last; at least one.
    pub fn layers(&self) -> &[Layer<'a>] {
        &self.layers
    }

    /// Length of the latent, in values.
    pub fn latent_len(&self) -> usize {
        // Never below 1: the parser has compared them.
        self.input_len().saturating_sub(self.classes.width())
    }

    /// The latent of picture number `number`, as long as this model needs it: [`Latent::from_seed`].
    pub fn latent(&self, number: u32) -> Latent {
        Latent::from_seed(number, self.latent_len())
    }

    /// Number of inputs of the first layer: the values of the latent, and behind them the numbers of the class.
    pub fn input_len(&self) -> usize {
        self.inputs as usize
    }

    /// Its classes; empty if it has none.
    pub fn classes(&self) -> Classes<'a> {
        self.classes
    }

    /// Shape of its pictures. They have 1 channel (grey) or 3 (red, green, blue).
    pub fn output_shape(&self) -> Shape {
        // Never empty: the parser refuses a model without layers.
        self.layers.last().map_or(Shape::new(0, 0, 0), |last| last.geometry.output)
    }

    /// The parts of a workspace for kernels with this layout.
    #[doc(hidden)]
    pub fn workspace_plan(&self, layout: &KernelLayout) -> WorkspacePlan {
        let plan = WorkspacePlan::for_picture(self.output_shape());
        self.layers.iter().fold(plan, |plan, l| plan.with_layer(layout, &l.geometry, l.transform))
    }

    /// Bytes of the whole file.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The CRC-32 in the preamble of the file. It identifies a model to people.
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    /// Multiply-accumulate operations for one picture.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|l| l.geometry.macs()).sum()
    }

    /// The header of the file.
    #[cfg(feature = "writer")]
    pub fn header(&self) -> Header {
        let layers = self.layers.iter().map(|l| LayerHeader {
            spec: l.spec,
            transform: l.transform,
            zero_point: l.zero_point,
            scale: l.scale,
        });
        let names = || self.classes.names().filter_map(|name| name.try_into().ok()).collect();
        let classes =
            (!self.classes.is_empty()).then(|| ClassHeader { width: self.classes.width() as u8, names: names() });
        Header { name: self.name.clone(), inputs: self.inputs, layers: layers.collect(), classes }
    }
}
