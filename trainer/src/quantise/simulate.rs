//! Computes the quantised network in f64, directly from its definition.
//!
//! The bit-exactness test compares the engine with this simulation, which shares no code with the
//! engine: whole feature maps instead of rows, explicit zero padding instead of
//! zero points, scattered transposed convolutions instead of gathered phases, its
//! own padding rules, its own tanh, and floating point throughout. Since every sum
//! and product stays below 2⁵³ (see [`gen_core::quant`]), no operation rounds and
//! the order of summation does not matter. The results are therefore exact; if the engine's
//! differ in any bit, one of the two is wrong.

use gen_core::Latent;
use gen_core::spec::{Activation, Op, Padding};
use ndarray::{Array2, Array3, ArrayView2, Axis, s};

use super::model::{QuantLayer, QuantModel};
use super::pack::QuantError;

/// A quantised network ready to be simulated.
#[derive(Debug, Clone)]
pub struct Simulation {
    latent: usize,
    /// The numbers of each class, `[class, width]`; no columns without classes.
    classes: Array2<f64>,
    layers: Vec<Layer>,
}

/// Parameters of one layer as f64.
#[derive(Debug, Clone)]
struct Layer {
    op: Op,
    activation: Activation,
    /// Weights in the layout of [`QuantLayer::weights`].
    weights: Array2<f64>,
    biases: Vec<f64>,
    positive: Vec<f64>,
    negative: Vec<f64>,
    zero_point_in: f64,
    zero_point_out: f64,
}

impl Simulation {
    /// Prepares a model for simulation.
    ///
    /// # Errors
    /// The errors of [`QuantModel::check`].
    pub fn new(model: &QuantModel) -> Result<Self, QuantError> {
        model.check()?;
        let layer = |(i, l): (usize, &QuantLayer)| Layer {
            op: l.spec.op,
            activation: l.spec.activation,
            weights: l.weights.mapv(f64::from),
            biases: l.biases.iter().map(|&b| f64::from(b)).collect(),
            positive: l.requants.iter().map(|r| f64::from(r.positive)).collect(),
            negative: l.requants.iter().map(|r| f64::from(r.negative)).collect(),
            zero_point_in: f64::from(model.input_zero_point(i)),
            zero_point_out: f64::from(l.zero_point),
        };
        let classes = model.classes.as_ref().map_or(Array2::zeros((1, 0)), |classes| classes.rows.mapv(f64::from));
        Ok(Self { latent: model.latent, classes, layers: model.layers.iter().enumerate().map(layer).collect() })
    }

    /// The output of every layer, `[y, x, channel]`: int8 values, and pixels
    /// 0 … 255 for the last layer.
    ///
    /// If the latent does not have the model's length, it is cut or filled up with zeros. Behind it the first layer reads
    /// the numbers of the class, or of the mixture of two: `⌊(1 − t) · from + t · to + 1/2⌋` with the share `t`.
    pub fn run(&self, latent: &Latent) -> Vec<Array3<f64>> {
        let mut input = Array3::zeros((1, 1, self.latent + self.classes.ncols()));
        for (to, &from) in input.iter_mut().take(self.latent).zip(latent.steps()) {
            *to = f64::from(from);
        }
        let (from, to, share) = latent.class().parts();
        let row = |class: u8| self.classes.row(usize::from(class).min(self.classes.nrows() - 1));
        let share = f64::from(share) / 256.0;
        for (number, (from, to)) in input.iter_mut().skip(self.latent).zip(row(from).iter().zip(row(to))) {
            *number = ((1.0 - share) * from + share * to + 0.5).floor();
        }
        let mut outputs: Vec<Array3<f64>> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let output = layer.run(outputs.last().unwrap_or(&input));
            outputs.push(output);
        }
        outputs
    }
}

impl Layer {
    fn run(&self, input: &Array3<f64>) -> Array3<f64> {
        let input = input.mapv(|q| q - self.zero_point_in);
        let mut acc = match self.op {
            Op::Dense { out } => {
                let acc = flat(&input, 1).dot(&self.weights);
                let shape = (out.height.into(), out.width.into(), out.channels.into());
                reshape(acc, shape)
            }
            Op::Conv { channels, kernel, stride, padding } => {
                convolve(&input, self.weights.view(), channels.into(), kernel.into(), stride.into(), padding)
            }
            Op::ConvTranspose { channels, kernel, stride, padding } => {
                scatter(&input, self.weights.view(), channels.into(), kernel.into(), stride.into(), padding)
            }
        };
        // A dense layer has one bias for each output, other layers one for each channel. In both cases
        // the list repeats over the output in the output's order.
        for (acc, bias) in acc.iter_mut().zip(self.biases.iter().cycle()) {
            *acc += bias;
        }
        for (channel, mut map) in acc.axis_iter_mut(Axis(2)).enumerate() {
            map.mapv_inplace(|acc| {
                let multiplier = if acc < 0.0 { self.negative[channel] } else { self.positive[channel] };
                let n = ((acc * multiplier + 2f64.powi(31)) / 2f64.powi(32)).floor();
                match self.activation {
                    Activation::Tanh | Activation::Sigmoid => pixel(n),
                    Activation::TanhUnit => unit_pixel(n),
                    Activation::Linear | Activation::Relu | Activation::LeakyRelu(_) => {
                        (self.zero_point_out + n).clamp(-128.0, 127.0)
                    }
                }
            });
        }
        acc
    }
}

/// `round(255 · (tanh(n / 128) + 1) / 2)`. The result no longer changes for |n / 128| above 4.
/// A sigmoid layer has half the multiplier, since `σ(x) = (tanh(x/2) + 1) / 2`.
fn pixel(n: f64) -> f64 {
    (127.5 * ((n.clamp(-512.0, 512.0) / 128.0).tanh() + 1.0) + 0.5).floor()
}

/// `round(255 · max(0, tanh(n / 256)))`. The result no longer changes for n / 256 above 4.
fn unit_pixel(n: f64) -> f64 {
    (255.0 * (n.clamp(0.0, 1024.0) / 256.0).tanh() + 0.5).floor()
}

/// `out[y, x] = Σ K[a, b] · in[s·y + a − pad, s·x + b − pad]`, with zeros outside of the input.
/// `weights` is `[(a, b, in), out]`.
fn convolve(
    input: &Array3<f64>,
    weights: ArrayView2<'_, f64>,
    channels: usize,
    kernel: usize,
    stride: usize,
    padding: Padding,
) -> Array3<f64> {
    let (height, width, cin) = input.dim();
    // Length of the output and number of zeros before the input, by TensorFlow's rules.
    let rule = |len: usize| match padding {
        Padding::Same => {
            let out = len.div_ceil(stride);
            (out, ((out - 1) * stride + kernel).saturating_sub(len) / 2)
        }
        Padding::Valid => ((len - kernel) / stride + 1, 0),
    };
    let ((out_height, pad_y), (out_width, pad_x)) = (rule(height), rule(width));
    // The padded length holds every window, and all of the input even if the windows do not cover it.
    let room = |out: usize, pad: usize, len: usize| ((out - 1) * stride + kernel).max(pad + len);
    let mut padded = Array3::zeros((room(out_height, pad_y, height), room(out_width, pad_x, width), cin));
    padded.slice_mut(s![pad_y..pad_y + height, pad_x..pad_x + width, ..]).assign(input);

    let mut acc = Array2::zeros((out_height * out_width, channels));
    for a in 0..kernel {
        for b in 0..kernel {
            let rows = a..a + (out_height - 1) * stride + 1;
            let columns = b..b + (out_width - 1) * stride + 1;
            let seen = padded.slice(s![rows;stride, columns;stride, ..]).to_owned();
            let tap = (a * kernel + b) * cin;
            acc += &flat(&seen, out_height * out_width).dot(&weights.slice(s![tap..tap + cin, ..]));
        }
    }
    reshape(acc, (out_height, out_width, channels))
}

/// `out[s·y + a − pad, s·x + b − pad] += K[a, b] · in[y, x]`; values outside of the output are
/// dropped. `weights` is `[in, (a, b, out)]`.
fn scatter(
    input: &Array3<f64>,
    weights: ArrayView2<'_, f64>,
    channels: usize,
    kernel: usize,
    stride: usize,
    padding: Padding,
) -> Array3<f64> {
    let (height, width, _) = input.dim();
    let pixels = flat(input, height * width);
    let full = |len: usize| (len - 1) * stride + kernel;
    let mut acc = Array3::zeros((full(height), full(width), channels));
    for a in 0..kernel {
        for b in 0..kernel {
            let tap = (a * kernel + b) * channels;
            let product = pixels.dot(&weights.slice(s![.., tap..tap + channels]));
            let rows = a..a + (height - 1) * stride + 1;
            let columns = b..b + (width - 1) * stride + 1;
            let mut hit = acc.slice_mut(s![rows;stride, columns;stride, ..]);
            hit += &reshape(product, (height, width, channels));
        }
    }
    match padding {
        Padding::Valid => acc,
        Padding::Same => {
            let pad = (kernel - stride) / 2;
            acc.slice(s![pad..pad + height * stride, pad..pad + width * stride, ..]).to_owned()
        }
    }
}

/// Views a map, in its memory order, as a matrix with `rows` rows.
fn flat(map: &Array3<f64>, rows: usize) -> ArrayView2<'_, f64> {
    let columns = map.len() / rows;
    // Every map here is newly allocated, so it is contiguous.
    map.view().into_shape_with_order((rows, columns)).expect("a contiguous map")
}

fn reshape(values: Array2<f64>, dim: (usize, usize, usize)) -> Array3<f64> {
    values.into_shape_with_order(dim).expect("as many values as before")
}
