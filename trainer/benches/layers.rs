//! Speed of every layer of the presets: forward pass, gradient of the input (dX), gradient of the
//! weights (dW), as a training step computes them.
//!
//! ```sh
//! cargo bench -p trainer --bench layers               # all; a few minutes
//! cargo bench -p trainer --bench layers -- tutorial   # those whose name has "tutorial" in it
//! cargo bench -p trainer --bench layers -- --test     # only the errors, and one call of each
//! ```
//!
//! Rates count the multiplications and additions of the definition, whatever the algorithm really
//! computes: "Gelem/s" is GFLOP/s. Before it is timed, each layer's largest error compared with the
//! definition in f64 is measured on two pictures, printed, and compared with a bound.

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput};
use gen_core::spec::{Geometry, LayerSpec, Op};
use rayon::prelude::*;
use trainer::bench::count::layer_flop;
use trainer::bench::layers::{Layer, for_each_layer};
use trainer::config::{Config, PRESETS};
use trainer::nn::linear::{Kernels, Task};

/// Largest allowed error, as a share of the largest value.
fn bound(kernels: Kernels) -> f64 {
    if kernels == Kernels::Faster { 6e-6 } else { 1e-6 }
}

/// Number of pictures on which errors are measured.
const FEW: usize = 2;

fn main() {
    let pool = rayon::ThreadPoolBuilder::new().build().expect("threads");
    // As in the program: from outside of the pool, every loop of a small layer would have to enter it.
    pool.install(|| {
        let mut criterion =
            Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(200)).configure_from_args();
        let mut seen = Vec::new();
        for (preset, _) in PRESETS {
            let config = Config::preset(preset).expect("a preset");
            for_each_layer(&config, &mut seen, |name, spec, geometry, batch| {
                measure(&mut criterion, &format!("{preset} {name}"), spec, geometry, batch, config.kernels);
            })
            .expect("a preset");
        }
        criterion.final_summary();
    });
}

fn measure(
    criterion: &mut Criterion,
    name: &str,
    spec: &LayerSpec,
    geometry: Geometry,
    batch: usize,
    kernels: Kernels,
) {
    let mut group = criterion.benchmark_group(name);
    group.measurement_time(Duration::from_millis(700)).sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(layer_flop(&geometry, batch)));
    // Created only when criterion calls this, which it does not if the command line selects other layers.
    let mut layer = None;
    for task in Task::ALL {
        group.bench_function(task.name(), |b| {
            let layer = layer.get_or_insert_with(|| {
                Checked(Layer::new(spec, geometry, FEW, kernels, None)).check(name, bound(kernels));
                Layer::new(spec, geometry, batch, kernels, None)
            });
            b.iter(|| layer.run(task));
        });
    }
    group.finish();
}

/// A layer whose results are compared with the definition.
struct Checked(Layer);

impl Checked {
    /// Prints the errors of all three passes, and panics if one is too large.
    fn check(mut self, name: &str, bound: f64) {
        for task in Task::ALL {
            self.0.run(task);
        }
        let [y, dx, d_weights] = self.exact();
        let ours = &self.0;
        let errors = [
            ("forward", error(ours.y.as_slice().expect("contiguous"), &y)),
            ("dX", error(ours.dx.as_slice().expect("contiguous"), &dx)),
            ("dW", error(&ours.d_weights, &d_weights)),
        ];
        let text = errors.map(|(pass, error)| format!("{pass} {error:.1e}")).join(", ");
        println!("{name}: largest error against f64: {text} of the largest value (bound {bound:.0e})");
        for (pass, error) in errors {
            assert!(error <= bound, "{name}: {pass} is off by {error:e} of its largest value");
        }
    }

    /// `y`, `dx` and `d_weights`, computed by the definition in f64.
    fn exact(&self) -> [Vec<f64>; 3] {
        let layer = &self.0;
        let Products { cin, cout, input_stride, places } = Products::of(layer.op, &layer.linear.geometry);
        let weights = to_f64(&layer.weights);
        let pictures = (layer.x.rows().into_iter().zip(layer.dy.rows())).collect::<Vec<_>>();
        let pictures = pictures.into_par_iter().map(|(x, dy)| {
            let (x, dy) = (to_f64(x.to_slice().expect("contiguous")), to_f64(dy.to_slice().expect("contiguous")));
            let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; weights.len()]);
            for &(input, output, first) in &places {
                let (y, dy) = (&mut y[output * cout..][..cout], &dy[output * cout..][..cout]);
                for i in 0..cin {
                    let (x, dx) = (x[input * cin + i], &mut dx[input * cin + i]);
                    let at = first + i * input_stride..first + i * input_stride + cout;
                    for (((w, dw), y), dy) in weights[at.clone()].iter().zip(&mut dw[at]).zip(&mut *y).zip(dy) {
                        *y += x * w;
                        *dx += dy * w;
                        *dw += x * dy;
                    }
                }
            }
            [y, dx, dw]
        });
        let mut all = [vec![], vec![], vec![0.0; weights.len()]];
        for [y, dx, dw] in pictures.collect::<Vec<_>>() {
            all[0].extend(y);
            all[1].extend(dx);
            all[2].iter_mut().zip(dw).for_each(|(sum, dw)| *sum += dw);
        }
        all
    }
}

/// The pairs of input and output pixels that a layer connects. A dense layer has one input and one output pixel.
struct Products {
    /// Channels of an input pixel.
    cin: usize,
    /// Channels of an output pixel.
    cout: usize,
    /// Distance from the weights of one input channel to those of the next; see [`trainer::nn::linear`].
    input_stride: usize,
    /// Input pixel, output pixel, first weight of the tap between them.
    places: Vec<(usize, usize, usize)>,
}

impl Products {
    fn of(op: Op, g: &Geometry) -> Self {
        let (cin, cout) = (usize::from(g.input.channels), usize::from(g.output.channels));
        let (kernel, stride) = (usize::from(g.y.kernel), usize::from(g.y.stride));
        let (pad_y, pad_x) = (usize::from(g.y.pad), usize::from(g.x.pad));
        // A convolution goes from its outputs to the inputs that they read, a transposed one
        // from its inputs to the outputs that they are added to.
        let (from, to, transposed) = match op {
            Op::Dense { .. } => {
                let (cin, cout) = (g.input.len(), g.output.len());
                return Self { cin, cout, input_stride: cout, places: vec![(0, 0, 0)] };
            }
            Op::Conv { .. } => (g.output, g.input, false),
            Op::ConvTranspose { .. } => (g.input, g.output, true),
        };
        let (tap_stride, input_stride) = if transposed { (cout, kernel * kernel * cout) } else { (cin * cout, cout) };
        let mut places = Vec::new();
        let inside = |at: usize, tap: usize, pad: usize, len: u16| {
            (stride * at + tap).checked_sub(pad).filter(|&at| at < usize::from(len))
        };
        for (row, column) in (0..from.height.into()).flat_map(|y| (0..from.width.into()).map(move |x| (y, x))) {
            for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                let there = (inside(row, ky, pad_y, to.height), inside(column, kx, pad_x, to.width));
                if let (Some(y), Some(x)) = there {
                    let (here, there) = (row * usize::from(from.width) + column, y * usize::from(to.width) + x);
                    let (input, output) = if transposed { (here, there) } else { (there, here) };
                    places.push((input, output, (ky * kernel + kx) * tap_stride));
                }
            }
        }
        Self { cin, cout, input_stride, places }
    }
}

fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

/// Largest difference, as a share of the largest value.
fn error(ours: &[f32], exact: &[f64]) -> f64 {
    let largest = exact.iter().fold(0.0, |m: f64, e| m.max(e.abs()));
    ours.iter().zip(exact).map(|(&o, e)| (f64::from(o) - e).abs()).fold(0.0, f64::max) / largest
}
