//! Measures the speed of the presets' layers: forward pass, gradient of the input, gradient of
//! the weights; with the fast algorithm of each tile size, and as one matrix product.
//!
//! ```sh
//! cargo run --release -p trainer --example layer_speed
//! ```
//!
//! GFLOP/s count the multiplications and additions of the definition, whatever the algorithm
//! really computes, so a fast algorithm may exceed the processor's peak.

use std::time::Instant;

use gen_core::{Activation, LayerSpec, Op, Padding, Shape};
use ndarray::Array2;
use trainer::nn::Params;
use trainer::nn::bf16::{self, Instruction, Unit};
use trainer::nn::fast::{Correlation, Epilogue, Scratch, TransformedWeights};
use trainer::nn::linear::{Kernels, Linear};

const REPETITIONS: usize = 5;

fn main() {
    let conv = |channels, kernel, stride, padding| Op::Conv { channels, kernel, stride, padding };
    let transposed = |channels| Op::ConvTranspose { channels, kernel: 4, stride: 2, padding: Padding::Same };
    let (same, valid) = (Padding::Same, Padding::Valid);
    // The slowest layers of `tutorial`, of `reference-pocket`, and of `pocket`.
    let layers = [
        (conv(256, 5, 1, same), Shape::new(16, 16, 128), 20),
        (transposed(256), Shape::new(16, 16, 256), 20),
        (conv(256, 5, 1, same), Shape::new(32, 32, 256), 20),
        (conv(3, 7, 1, same), Shape::new(32, 32, 256), 20),
        (conv(128, 3, 1, valid), Shape::new(32, 32, 3), 20),
        (conv(128, 4, 2, valid), Shape::new(30, 30, 128), 20),
        (conv(128, 4, 2, valid), Shape::new(14, 14, 128), 20),
        (transposed(48), Shape::new(4, 4, 64), 64),
        (transposed(32), Shape::new(8, 8, 48), 64),
        (transposed(24), Shape::new(16, 16, 32), 64),
        (conv(3, 3, 1, same), Shape::new(32, 32, 24), 64),
        (conv(128, 4, 2, same), Shape::new(16, 16, 64), 64),
        (conv(256, 4, 2, same), Shape::new(8, 8, 128), 64),
        (transposed(12), Shape::new(16, 16, 24), 32),
        (conv(64, 4, 2, same), Shape::new(16, 16, 32), 32),
        (conv(128, 4, 2, same), Shape::new(8, 8, 64), 32),
    ];
    // `layer_speed 2` measures only the third layer.
    let only: Option<usize> = std::env::args().nth(1).and_then(|a| a.parse().ok());
    for (i, (op, input, n)) in layers.into_iter().enumerate() {
        if only.is_none_or(|only| only == i) {
            measure(op, input, n);
        }
    }
}

fn measure(op: Op, input: Shape, n: usize) {
    let spec = LayerSpec { op, activation: Activation::Linear };
    let g = spec.geometry(input).expect("a layer of a preset");
    let values =
        |rows, columns| Array2::from_shape_fn((rows, columns), |(i, j)| ((i * 31 + j * 17) % 97) as f32 - 48.0);
    let (x, dy) = (values(n, g.input.len()), values(n, g.output.len()));
    let params = Params::from(values(1, g.weight_count()).into_raw_vec_and_offset().0);
    let weights = params.weights(0..params.len());
    let (mut y, mut dx, mut d_weights) = (dy.clone(), x.clone(), params.to_vec());

    let places = if matches!(op, Op::Conv { .. }) { g.output } else { g.input };
    let (places, taps) = (places.len() / usize::from(places.channels), usize::from(g.y.kernel).pow(2));
    let flop = 2.0 * (n * places * taps) as f64 * f64::from(g.input.channels) * f64::from(g.output.channels);
    println!("{op:?} on {input}, {n} pictures, {:.2} GFLOP", flop / 1e9);
    let report = |name: &str, seconds: [f64; 3]| {
        let each = seconds.map(|s| format!("{:8.2} ms {:5.0} GFLOP/s", s * 1e3, flop / s / 1e9));
        println!("    {name:11} {}", each.join("   "));
    };

    let forward = |tile| Correlation::forward(op, &g, tile).expect("no dense layer");
    let backward = |tile| Correlation::backward(op, &g, tile).expect("no dense layer");
    {
        let (x, dy) = (x.as_slice().expect("contiguous"), dy.as_slice().expect("contiguous"));
        let (y, dx) = (y.as_slice_mut().expect("contiguous"), dx.as_slice_mut().expect("contiguous"));
        for tile in [2, 3, 4, 8] {
            let (forward, backward) = (forward(tile), backward(tile));
            if !forward.has_transform() {
                continue;
            }
            let mut scratch = Scratch::default();
            let points = TransformedWeights::default;
            report(
                &format!("tiles {tile}"),
                [
                    best(|| forward.run(weights, x, y, Epilogue::Store, &mut points(), &mut scratch)),
                    best(|| backward.run(weights, dy, dx, Epilogue::Store, &mut points(), &mut scratch)),
                    best(|| forward.add_gradient(&mut d_weights, x, dy, &mut scratch)),
                ],
            );
        }
        for unit in [Instruction::Amx, Instruction::Avx512].into_iter().filter_map(Unit::with) {
            // The first repetition packs the weights.
            let plan = |correlation, gradient| bf16::Plan::new(correlation, gradient, unit);
            let (mut y_plan, mut dx_plan, dw_plan) =
                (plan(forward(0), false), plan(backward(0), false), plan(forward(0), true));
            report(
                unit.instruction().name(),
                [
                    best(|| y_plan.run(weights, x, y, Epilogue::Store)),
                    best(|| dx_plan.run(weights, dy, dx, Epilogue::Store)),
                    best(|| dw_plan.add_gradient(&mut d_weights, x, dy)),
                ],
            );
        }
    }
    let mut linear = Linear::new(&spec, g, Kernels::Faster);
    report(
        "chosen",
        [
            best(|| linear.forward(weights, x.view(), y.view_mut(), Epilogue::Store)),
            best(|| linear.backward(weights, None, x.view(), dy.view(), Some(dx.view_mut()))),
            best(|| linear.backward(weights, Some(&mut d_weights), x.view(), dy.view(), None)),
        ],
    );
}

/// Time of the fastest of a few repetitions in seconds.
fn best(mut f: impl FnMut()) -> f64 {
    let mut seconds = f64::INFINITY;
    for _ in 0..REPETITIONS {
        let start = Instant::now();
        f();
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    seconds
}
