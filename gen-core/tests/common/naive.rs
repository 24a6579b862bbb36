//! The definition of the layers: naive loops over whole tensors, one loop for each index.
//!
//! Tests compare the engine's pictures with it, and benchmarks its speed.

use gen_core::quant::{pixel, saturate};
use gen_core::spec::Op;
use gen_core::{Latent, Model};

/// `[height][width][channels]`
struct Tensor {
    height: usize,
    width: usize,
    channels: usize,
    values: Vec<i8>,
}

impl Tensor {
    fn get(&self, y: isize, x: isize, c: usize, outside: i8) -> i32 {
        let (inside_y, inside_x) = ((0..self.height as isize).contains(&y), (0..self.width as isize).contains(&x));
        if inside_y && inside_x {
            self.values[(y as usize * self.width + x as usize) * self.channels + c].into()
        } else {
            outside.into()
        }
    }
}

/// The order of weights in memory. The loops are the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `[output channel][kernel row][kernel column][input channel]`, dense `[output][input]`:
    /// the innermost loop reads contiguous values, so that compilers can vectorise it.
    OutputFirst,
    /// `[kernel row][kernel column][input channel][output channel]`, dense `[input][output]`: as in
    /// Keras.
    OutputLast,
}

/// A model whose weights are in one of these orders.
pub struct Naive<'m> {
    model: &'m Model<'m>,
    weights: Vec<Weights>,
}

/// `[output][tap][input]`, whatever the order in memory.
struct Weights {
    values: Vec<i8>,
    taps: usize,
    inputs: usize,
    outputs: usize,
    order: Order,
}

impl Weights {
    #[inline(always)]
    fn index(&self, output: usize, tap: usize, input: usize) -> usize {
        match self.order {
            Order::OutputFirst => (output * self.taps + tap) * self.inputs + input,
            Order::OutputLast => (tap * self.inputs + input) * self.outputs + output,
        }
    }

    #[inline(always)]
    fn get(&self, output: usize, tap: usize, input: usize) -> i32 {
        self.values[self.index(output, tap, input)].into()
    }
}

impl<'m> Naive<'m> {
    pub fn new(model: &'m Model<'m>, order: Order) -> Self {
        let weights = model.layers().iter().map(|layer| {
            let g = &layer.geometry;
            let (inputs, channels) = (usize::from(g.input.channels), usize::from(g.output.channels));
            // In a dense layer each output is a phase, and the whole input is one tap.
            let mut weights = match layer.spec.op {
                Op::Dense { .. } => {
                    Weights { values: vec![], taps: 1, inputs: g.input.len(), outputs: g.output.len(), order }
                }
                Op::Conv { kernel, .. } | Op::ConvTranspose { kernel, .. } => {
                    Weights { values: vec![], taps: usize::from(kernel).pow(2), inputs, outputs: channels, order }
                }
            };
            weights.values = vec![0; g.weight_count()];
            for (py, px) in (0..g.y.phases()).flat_map(|py| (0..g.x.phases()).map(move |px| (py, px))) {
                for (t, u) in (0..g.y.taps(py)).flat_map(|t| (0..g.x.taps(px)).map(move |u| (t, u))) {
                    for (o, i) in (0..channels).flat_map(|o| (0..inputs).map(move |i| (o, i))) {
                        let phase = g.phase(py, px);
                        let at = match layer.spec.op {
                            Op::Dense { .. } => {
                                let input = (t * usize::from(g.input.width) + u) * inputs + i;
                                weights.index(phase * channels + o, 0, input)
                            }
                            Op::Conv { kernel, .. } | Op::ConvTranspose { kernel, .. } => {
                                let (a, b) = (g.y.kernel_index(py, t), g.x.kernel_index(px, u));
                                weights.index(o, a * usize::from(kernel) + b, i)
                            }
                        };
                        weights.values[at] = layer.weight(phase, o, [t, u], i);
                    }
                }
            }
            weights
        });
        Self { model, weights: weights.collect() }
    }

    pub fn draw(&self, latent: &Latent) -> Vec<u8> {
        let mut values = latent.steps().to_vec();
        values.resize(self.model.latent_len(), 0);
        let (from, to, share) = latent.class().parts();
        for (&p, &q) in self.model.classes().row(from).iter().zip(self.model.classes().row(to)) {
            let mixed = (256.0 - f64::from(share)) * f64::from(p) + f64::from(share) * f64::from(q);
            values.push((mixed / 256.0 + 0.5).floor() as i8);
        }
        let mut input = Tensor { height: 1, width: 1, channels: values.len(), values };
        let mut zero_point = 0;
        for (layer, weights) in self.model.layers().iter().zip(&self.weights) {
            let g = &layer.geometry;
            let [height, width, channels] = [g.output.height, g.output.width, g.output.channels].map(usize::from);
            let mut values = vec![0; height * width * channels];
            for y in 0..height {
                for x in 0..width {
                    // Biases include the zero point of the input, so each phase has its own.
                    let phase = g.phase(g.y.window(y).phase, g.x.window(x).phase);
                    for c in 0..channels {
                        let sum = match layer.spec.op {
                            Op::Dense { .. } => dense(&input, weights, (y * width + x) * channels + c),
                            Op::Conv { kernel, stride, .. } => {
                                let [top, left] = [(y, g.y.pad), (x, g.x.pad)]
                                    .map(|(o, pad)| (o * usize::from(stride)) as isize - pad as isize);
                                conv(&input, zero_point, weights, kernel.into(), [top, left], c)
                            }
                            Op::ConvTranspose { kernel, stride, .. } => {
                                let [y, x] =
                                    [(y, g.y.pad), (x, g.x.pad)].map(|(o, pad)| (o + usize::from(pad)) as isize);
                                transposed(&input, zero_point, weights, kernel.into(), stride.into(), [y, x], c)
                            }
                        };
                        let n = layer.multiplier(c).apply(layer.biases(phase).get(c).unwrap() + sum);
                        values[(y * width + x) * channels + c] = if layer.spec.activation.is_output() {
                            pixel(layer.spec.activation, n) as i8
                        } else {
                            saturate(n, layer.zero_point)
                        };
                    }
                }
            }
            input = Tensor { height, width, channels, values };
            zero_point = layer.zero_point;
        }
        input.values.iter().map(|&v| v as u8).collect()
    }
}

fn dense(input: &Tensor, weights: &Weights, output: usize) -> i32 {
    let mut sum = 0;
    for (i, &value) in input.values.iter().enumerate() {
        sum += i32::from(value) * weights.get(output, 0, i);
    }
    sum
}

fn conv(input: &Tensor, zero_point: i8, weights: &Weights, kernel: usize, [top, left]: [isize; 2], c: usize) -> i32 {
    let mut sum = 0;
    for a in 0..kernel {
        for b in 0..kernel {
            for i in 0..input.channels {
                let value = input.get(top + a as isize, left + b as isize, i, zero_point);
                sum += value * weights.get(c, a * kernel + b, i);
            }
        }
    }
    sum
}

/// The transposed convolution as a gather: adds what the inputs `i` scatter to the outputs `stride · i + a`.
fn transposed(
    input: &Tensor,
    zero_point: i8,
    weights: &Weights,
    kernel: usize,
    stride: isize,
    [y, x]: [isize; 2],
    c: usize,
) -> i32 {
    let mut sum = 0;
    for a in 0..kernel {
        for b in 0..kernel {
            let (from_y, from_x) = (y - a as isize, x - b as isize);
            if from_y.rem_euclid(stride) != 0 || from_x.rem_euclid(stride) != 0 {
                continue;
            }
            for i in 0..input.channels {
                let value = input.get(from_y.div_euclid(stride), from_x.div_euclid(stride), i, zero_point);
                sum += value * weights.get(c, a * kernel + b, i);
            }
        }
    }
    sum
}
