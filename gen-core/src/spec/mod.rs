//! Layers and shapes: everything that follows from a layer list alone.
//!
//! All three operations are one thing to the engine. Along each axis an output
//! position `o` reads a run of consecutive input positions, its [`Window`], with
//! weights that depend only on the position's *phase*:
//!
//! | operation | phases | phase of `o` | taps | first input |
//! |---|---|---|---|---|
//! | convolution, kernel `k`, stride `s` | 1 | 0 | `k` | `o·s − pad` |
//! | transposed convolution | `s` | `r = (o + pad) mod s` | `⌈(k − r)/s⌉` | `⌊(o + pad)/s⌋ − taps + 1` |
//! | dense, seen as one window over the whole input | output length | `o` | input length | 0 |
//!
//! The second row is the gather form of a transposed convolution: no zeros are
//! stuffed between inputs and nothing is scattered. Output `o` collects
//! `in[i]·K[a]` with `o = s·i + a − pad`; so `a = r + s·j` and
//! `i = ⌊(o + pad)/s⌋ − j` for `j = 0 … taps−1`.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::certain::positive;

/// A limit as a literal, which messages are made of when this is compiled.
macro_rules! limit {
    (layers) => {
        12
    };
    (latent) => {
        128
    };
    (taps) => {
        16
    };
    (side) => {
        256
    };
    (channels) => {
        1024
    };
    (weights, log2) => {
        28
    };
}

/// Most layers a generator may have.
pub const MAX_LAYERS: usize = limit!(layers);
/// Longest latent.
pub const MAX_LATENT: usize = limit!(latent);
/// Most input rows that one output row may need.
pub const MAX_TAPS: usize = limit!(taps);
/// Largest height or width, in pixels.
pub const MAX_SIDE: u16 = limit!(side);
/// Most channels.
pub const MAX_CHANNELS: u16 = limit!(channels);
/// Most weights of one layer. Lengths then fit the 32-bit `usize` of a
/// microcontroller, where the weights of a wide dense layer could wrap around.
pub const MAX_WEIGHTS: u64 = 1 << limit!(weights, log2);

/// Height, width and channels of a picture or feature map, stored in that order
/// (channels of one pixel are neighbours).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Shape {
    /// Rows.
    pub height: u16,
    /// Pixels in a row.
    pub width: u16,
    /// Values in a pixel.
    pub channels: u16,
}

impl Shape {
    /// A shape from its three lengths.
    pub const fn new(height: u16, width: u16, channels: u16) -> Self {
        Self { height, width, channels }
    }

    /// The shape of a latent: one pixel.
    pub const fn latent(len: u16) -> Self {
        Self::new(1, 1, len)
    }

    /// Number of values.
    pub const fn len(self) -> usize {
        self.height as usize * self.row_len()
    }

    /// Number of values in a row.
    pub const fn row_len(self) -> usize {
        self.width as usize * self.channels as usize
    }

    /// Whether a length is zero.
    pub const fn is_empty(self) -> bool {
        // Not by `len`, which 32 bits may not hold before the lengths are checked.
        self.height == 0 || self.width == 0 || self.channels == 0
    }

    const fn is_too_large(self) -> bool {
        self.height > MAX_SIDE || self.width > MAX_SIDE || self.channels > MAX_CHANNELS
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}

/// How far a kernel may hang over the edge; the names and the arithmetic are
/// TensorFlow's (and so Keras's).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Convolution: output is `⌈input / stride⌉`; transposed: `input · stride`.
    /// An odd amount of padding puts the larger half behind.
    Same,
    /// Only whole windows: output is `(input − kernel) / stride + 1`; transposed:
    /// `(input − 1) · stride + kernel`.
    Valid,
}

/// The linear part of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Op {
    /// Every output sees every input; the output is read as a picture of shape `out`.
    Dense {
        /// Output shape.
        out: Shape,
    },
    /// Two-dimensional convolution (correlation: the kernel is not flipped).
    Conv {
        /// Output channels.
        channels: u16,
        /// Height and width of the kernel.
        kernel: u8,
        /// Step in both directions.
        stride: u8,
        /// Edge rule.
        padding: Padding,
    },
    /// Transposed convolution, the gradient of `Conv` with respect to its input.
    ConvTranspose {
        /// Output channels.
        channels: u16,
        /// Height and width of the kernel.
        kernel: u8,
        /// Enlargement in both directions.
        stride: u8,
        /// Edge rule.
        padding: Padding,
    },
}

/// What follows the linear part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Activation {
    /// Nothing.
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `x` where positive, `slope · x` elsewhere; the slope is from 0 to 1.
    LeakyRelu(f32),
    /// Hyperbolic tangent; last layer only, where −1 … 1 becomes pixels 0 … 255.
    Tanh,
    /// Logistic function; last layer only, where 0 … 1 becomes pixels 0 … 255.
    Sigmoid,
    /// `max(tanh x, 0)`; last layer only, where 0 … 1 becomes pixels 0 … 255. A
    /// tanh that learnt from pictures in 0 … 1 and draws what is below 0 in black.
    TanhUnit, // last, as the format numbers the variants
}

impl Activation {
    /// Whether its output is pixels, which only a last layer may have.
    pub const fn is_output(self) -> bool {
        matches!(self, Self::Tanh | Self::Sigmoid | Self::TanhUnit)
    }
}

/// One layer: all that the engine, the trainer and `inspect` derive the rest from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LayerSpec {
    /// Linear part.
    pub op: Op,
    /// Non-linear part.
    pub activation: Activation,
}

/// How a layer's weights are stored and multiplied. Both forms give the same bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// int8 weights, one multiplication for each tap.
    #[default]
    Direct,
    /// int16 weights, transformed for fewer multiplications: more flash, fewer
    /// instructions. See [`crate::winograd`].
    Winograd,
}

/// Why a layer list makes no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SpecError {
    /// No layer at all, or more than [`MAX_LAYERS`].
    LayerCount,
    /// The latent is empty or longer than [`MAX_LATENT`].
    LatentLength,
    /// A height, width, channel count, kernel or stride is zero.
    Zero,
    /// A side exceeds [`MAX_SIDE`], channels exceed [`MAX_CHANNELS`], a window
    /// [`MAX_TAPS`], or the weights of a layer [`MAX_WEIGHTS`].
    TooLarge,
    /// `Valid` padding with a kernel larger than the input: no output is left.
    KernelLargerThanInput,
    /// A transposed convolution whose kernel is smaller than its stride leaves holes.
    KernelSmallerThanStride,
    /// Activations that make pixels ([`Activation::is_output`]) stand last, and only there.
    OutputActivation,
    /// The picture must have three channels: red, green, blue.
    NotRgb,
    /// The slope of a leaky ReLU is not a number from 0 to 1.
    Slope,
}

impl SpecError {
    /// The reason in words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::LayerCount => concat!("a generator has 1 to ", limit!(layers), " layers"),
            Self::LatentLength => concat!("a latent has 1 to ", limit!(latent), " values"),
            Self::Zero => "a size, kernel or stride is zero",
            Self::TooLarge => concat!(
                "sides go up to ",
                limit!(side),
                ", channels up to ",
                limit!(channels),
                ", windows up to ",
                limit!(taps),
                " rows, the weights of a layer up to 2^",
                limit!(weights, log2)
            ),
            Self::KernelLargerThanInput => "padding \"valid\" needs a kernel no larger than its input",
            Self::KernelSmallerThanStride => "a transposed convolution needs a kernel at least as large as its stride",
            Self::OutputActivation => "the last layer, and only the last, ends in tanh or sigmoid",
            Self::NotRgb => "the last layer must have 3 channels (red, green, blue)",
            Self::Slope => "the slope of a leaky ReLU is a number from 0 to 1",
        }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for SpecError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum AxisKind {
    Dense,
    Conv,
    ConvTranspose,
}

/// How the output positions of one axis read the input positions of that axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Axis {
    kind: AxisKind,
    /// Input positions.
    pub input: u16,
    /// Output positions.
    pub output: u16,
    /// Taps of the kernel along this axis (1 for dense).
    pub kernel: u16,
    /// Stride (1 for dense).
    pub stride: u16,
    /// Output (transposed) or input (convolution) positions cut off or added in front.
    pub pad: u16,
}

/// The run of input positions that one output position reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Which set of weights applies.
    pub phase: usize,
    /// First input position; negative, or past the end, where it hangs over the edge.
    pub start: isize,
    /// How many.
    pub taps: usize,
}

impl Axis {
    const fn dense(input: u16, output: u16) -> Self {
        Self { kind: AxisKind::Dense, input, output, kernel: 1, stride: 1, pad: 0 }
    }

    const fn conv(input: u16, kernel: u16, stride: u16, padding: Padding) -> Result<Self, SpecError> {
        let (output, pad) = match padding {
            Padding::Same => {
                let output = input.div_ceil(stride);
                let reach = (output - 1) * stride + kernel;
                (output, reach.saturating_sub(input) / 2)
            }
            Padding::Valid if kernel > input => return Err(SpecError::KernelLargerThanInput),
            Padding::Valid => ((input - kernel) / stride + 1, 0),
        };
        Ok(Self { kind: AxisKind::Conv, input, output, kernel, stride, pad })
    }

    const fn conv_transpose(input: u16, kernel: u16, stride: u16, padding: Padding) -> Result<Self, SpecError> {
        if kernel < stride {
            return Err(SpecError::KernelSmallerThanStride);
        }
        let (output, pad) = match padding {
            Padding::Same => (input * stride, (kernel - stride) / 2),
            Padding::Valid => ((input - 1) * stride + kernel, 0),
        };
        Ok(Self { kind: AxisKind::ConvTranspose, input, output, kernel, stride, pad })
    }

    /// Number of different weight sets along this axis.
    pub const fn phases(&self) -> usize {
        positive(match self.kind {
            AxisKind::Dense => self.output as usize,
            AxisKind::Conv => 1,
            AxisKind::ConvTranspose => self.stride as usize,
        })
    }

    /// Taps of one phase.
    pub const fn taps(&self, phase: usize) -> usize {
        match self.kind {
            AxisKind::Dense => self.input as usize,
            AxisKind::Conv => self.kernel as usize,
            AxisKind::ConvTranspose => (self.kernel as usize - phase).div_ceil(positive(self.stride as usize)),
        }
    }

    /// Most taps of any phase. Phase 0 has them.
    pub const fn max_taps(&self) -> usize {
        self.taps(0)
    }

    /// Taps of all phases before `phase`, so that `taps_before(phases())` is their total.
    pub const fn taps_before(&self, phase: usize) -> usize {
        match self.kind {
            AxisKind::Dense | AxisKind::Conv => phase * self.taps(0),
            // As many as there are kernel indices whose remainder by the stride is a phase before it.
            AxisKind::ConvTranspose => {
                let (kernel, stride) = (self.kernel as usize, positive(self.stride as usize));
                let (whole, rest) = (kernel / stride, kernel % stride);
                phase * whole + if phase < rest { phase } else { rest }
            }
        }
    }

    /// What output position `o` reads.
    pub const fn window(&self, o: usize) -> Window {
        match self.kind {
            AxisKind::Dense => Window { phase: o, start: 0, taps: self.input as usize },
            AxisKind::Conv => Window {
                phase: 0,
                start: (o * self.stride as usize) as isize - self.pad as isize,
                taps: self.kernel as usize,
            },
            AxisKind::ConvTranspose => {
                let (q, stride) = (o + self.pad as usize, positive(self.stride as usize));
                let phase = q % stride;
                let taps = self.taps(phase);
                Window { phase, start: (q / stride) as isize + 1 - taps as isize, taps }
            }
        }
    }

    /// For tap `t` of a phase's window, the index along the layer's own kernel
    /// (`K[a]` above). Dense layers have no kernel: the tap is the input position.
    pub const fn kernel_index(&self, phase: usize, t: usize) -> usize {
        match self.kind {
            AxisKind::Dense | AxisKind::Conv => t,
            AxisKind::ConvTranspose => phase + self.stride as usize * (self.taps(phase) - 1 - t),
        }
    }

    /// Input positions from the window of one output position to that of the next one
    /// in the same phase; 0 for dense layers, where all see the same.
    pub const fn step(&self) -> usize {
        match self.kind {
            AxisKind::Dense => 0,
            AxisKind::Conv => self.stride as usize,
            AxisKind::ConvTranspose => 1,
        }
    }

    /// Output positions of the phase that position `first` belongs to: `first`,
    /// `first + phases`, … For `first` below `phases`.
    pub const fn positions(&self, first: usize) -> usize {
        (self.output as usize).saturating_sub(first).div_ceil(self.phases())
    }
}

/// A layer with its input known: both axes and all that follows from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Geometry {
    /// Shape of the input.
    pub input: Shape,
    /// Shape of the output.
    pub output: Shape,
    /// Rows.
    pub y: Axis,
    /// Pixels in a row.
    pub x: Axis,
}

impl Geometry {
    /// Weight sets: one for each pair of row phase and pixel phase.
    pub const fn phases(&self) -> usize {
        self.y.phases() * self.x.phases()
    }

    /// Index of a weight set.
    pub const fn phase(&self, y: usize, x: usize) -> usize {
        y * self.x.phases() + x
    }

    /// Number of weights that feed one output channel in one phase.
    pub const fn fan_in(&self, phase: usize) -> usize {
        let (py, px) = (phase / self.x.phases(), phase % self.x.phases());
        self.y.taps(py) * self.x.taps(px) * self.input.channels as usize
    }

    /// Number of weights.
    pub const fn weight_count(&self) -> usize {
        let taps = self.y.taps_before(self.y.phases()) * self.x.taps_before(self.x.phases());
        taps * self.input.channels as usize * self.output.channels as usize
    }

    /// Biases in the blob: one for each phase and output channel.
    ///
    /// The zero point of the input is folded into them, and the sum of weights it
    /// multiplies differs between phases.
    pub const fn bias_count(&self) -> usize {
        self.phases() * self.output.channels as usize
    }

    /// Trainable values of the float layer: weights, and one bias a channel (a
    /// dense layer: one for each output).
    pub const fn parameter_count(&self) -> usize {
        let biases = match self.y.kind {
            AxisKind::Dense => self.output.len(),
            _ => self.output.channels as usize,
        };
        self.weight_count() + biases
    }

    /// Multiply-accumulates for one picture, taps over the edge counted too.
    pub const fn macs(&self) -> u64 {
        let positions = match self.y.kind {
            AxisKind::Dense => 1,
            AxisKind::Conv => self.output.height as u64 * self.output.width as u64,
            AxisKind::ConvTranspose => self.input.height as u64 * self.input.width as u64,
        };
        positions * self.weight_count() as u64
    }

    /// Input rows that must be at hand at once.
    pub const fn ring_rows(&self) -> usize {
        let taps = self.y.max_taps();
        positive(if taps < self.input.height as usize { taps } else { self.input.height as usize })
    }

    /// Bytes of those rows.
    pub const fn ring_len(&self) -> usize {
        self.ring_rows() * self.input.row_len()
    }
}

impl LayerSpec {
    /// Joins the layer to an input.
    ///
    /// # Errors
    /// The first rule of [`SpecError`] that the layer breaks by itself.
    pub const fn geometry(&self, input: Shape) -> Result<Geometry, SpecError> {
        // NaN is in no range.
        if matches!(self.activation, Activation::LeakyRelu(slope) if !(slope >= 0.0 && slope <= 1.0)) {
            return Err(SpecError::Slope);
        }
        if input.is_empty() {
            return Err(SpecError::Zero);
        }
        let (y, x, channels) = match self.op {
            Op::Dense { out } => {
                if out.is_empty() {
                    return Err(SpecError::Zero);
                }
                (Axis::dense(input.height, out.height), Axis::dense(input.width, out.width), out.channels)
            }
            Op::Conv { channels, kernel, stride, padding }
            | Op::ConvTranspose { channels, kernel, stride, padding } => {
                if channels == 0 || kernel == 0 || stride == 0 {
                    return Err(SpecError::Zero);
                }
                if kernel as usize > MAX_TAPS
                    || stride as usize > MAX_TAPS
                    || input.height > MAX_SIDE
                    || input.width > MAX_SIDE
                {
                    return Err(SpecError::TooLarge);
                }
                let (kernel, stride) = (kernel as u16, stride as u16);
                let axes = if matches!(self.op, Op::Conv { .. }) {
                    (
                        Axis::conv(input.height, kernel, stride, padding),
                        Axis::conv(input.width, kernel, stride, padding),
                    )
                } else {
                    (
                        Axis::conv_transpose(input.height, kernel, stride, padding),
                        Axis::conv_transpose(input.width, kernel, stride, padding),
                    )
                };
                match axes {
                    (Ok(y), Ok(x)) => (y, x, channels),
                    (Err(e), _) | (_, Err(e)) => return Err(e),
                }
            }
        };
        let output = Shape::new(y.output, x.output, channels);
        if input.is_too_large() || output.is_too_large() || y.max_taps() > MAX_TAPS {
            return Err(SpecError::TooLarge);
        }
        // Only a dense layer has so many; the others stop at 16² · 1024².
        let dense = matches!(self.op, Op::Dense { .. });
        if dense && input.len() as u64 * output.len() as u64 > MAX_WEIGHTS {
            return Err(SpecError::TooLarge);
        }
        Ok(Geometry { input, output, y, x })
    }
}

/// Checks that the layers make a generator and returns the shape of its pictures.
///
/// # Errors
/// The first rule of [`SpecError`] that is broken.
pub const fn check(latent: u16, layers: &[LayerSpec]) -> Result<Shape, SpecError> {
    let (mut shape, mut i) = match start(latent, layers.len()) {
        Ok(shape) => (shape, 0),
        Err(e) => return Err(e),
    };
    while i < layers.len() {
        shape = match layers[i].follow(shape, i + 1 == layers.len()) {
            Ok(g) => g.output,
            Err(e) => return Err(e),
        };
        i += 1;
    }
    Ok(shape)
}

/// The part of [`check`] that comes before the first layer: the shape of the latent.
pub(crate) const fn start(latent: u16, layers: usize) -> Result<Shape, SpecError> {
    if layers == 0 || layers > MAX_LAYERS {
        return Err(SpecError::LayerCount);
    }
    if latent == 0 || latent as usize > MAX_LATENT {
        return Err(SpecError::LatentLength);
    }
    Ok(Shape::latent(latent))
}

impl LayerSpec {
    /// The part of [`check`] that concerns one layer.
    pub(crate) const fn follow(&self, input: Shape, is_last: bool) -> Result<Geometry, SpecError> {
        if self.activation.is_output() != is_last {
            return Err(SpecError::OutputActivation);
        }
        match self.geometry(input) {
            Ok(g) if is_last && g.output.channels != 3 => Err(SpecError::NotRgb),
            result => result,
        }
    }
}
