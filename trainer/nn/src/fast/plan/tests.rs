use gen_core::spec::{Op, Shape};
use gen_core::{Activation, LayerSpec, Padding};

use super::super::cost::{LOSSY, TILES};
use super::*;
use crate::Params;
use crate::textbook::{error, layers, passes, values};
use crate::vectors::archs;

/// Of the largest value. Sums over more products have larger errors, but larger values, too.
const BOUND: f64 = 1e-6;

/// With tiles that lose digits.
const LOSSY_BOUND: f64 = 4e-6;

fn check(op: Op, input: Shape, n: usize) {
    let spec = LayerSpec { op, activation: Activation::Linear };
    let g = spec.geometry(input).unwrap();
    let (x, w, dy) = (values(n * g.input.len(), 1), values(g.weight_count(), 2), values(n * g.output.len(), 3));
    let [y, dx, dw] = passes(op, &g, &x, &w, &dy);
    let mut scratch = Scratch::default();
    for tile in TILES {
        let forward = Correlation::forward(op, &g, tile).unwrap();
        let backward = Correlation::backward(op, &g, tile).unwrap();
        if !forward.has_transform() {
            continue;
        }
        for (arch, apart) in archs().flat_map(|arch| [(arch, false), (arch, true)]) {
            let parts = |c: Correlation| if apart { c.split_by_pixel() } else { vec![c] };
            let (mut our_y, mut our_dx, mut our_dw) = (vec![f32::NAN; y.len()], vec![f32::NAN; x.len()], w.clone());
            for part in parts(forward) {
                let points = &mut TransformedWeights::default();
                part.run_on(arch, w[..].into(), &x, &mut our_y, Epilogue::Store, points, &mut scratch);
                part.add_gradient_on(arch, &mut our_dw, &x, &dy, &mut scratch);
            }
            for part in parts(backward) {
                let points = &mut TransformedWeights::default();
                part.run_on(arch, w[..].into(), &dy, &mut our_dx, Epilogue::Store, points, &mut scratch);
            }
            our_dw.iter_mut().zip(&w).for_each(|(d, w)| *d -= w);
            let errors = [error(&our_y, &y), error(&our_dx, &dx), error(&our_dw, &dw)];
            let what = format!("{op:?} on {input}, tiles of {tile}, {arch:?}, apart: {apart}");
            println!("{what}: {errors:?}");
            assert!(errors.iter().all(|&e| e < if tile == LOSSY { LOSSY_BOUND } else { BOUND }), "{what}: {errors:?}");
        }
    }
}

#[test]
fn equals_the_textbook_for_every_shape() {
    let conv = |channels, kernel, stride, padding| Op::Conv { channels, kernel, stride, padding };
    let transposed = |channels, kernel, stride, padding| Op::ConvTranspose { channels, kernel, stride, padding };
    let (same, valid) = (Padding::Same, Padding::Valid);
    layers().into_iter().for_each(|(op, input, n)| check(op, input, n));
    check(conv(48, 3, 1, valid), Shape::new(6, 5, 3), 2);
    // Squares of two pixels with 3x3 and 5x5 taps.
    check(conv(20, 6, 2, same), Shape::new(12, 9, 18), 2);
    check(conv(16, 6, 2, valid), Shape::new(17, 16, 7), 1);
    check(conv(18, 10, 2, same), Shape::new(16, 13, 16), 1);
    check(transposed(18, 6, 2, same), Shape::new(6, 7, 20), 2);
    check(transposed(7, 6, 2, valid), Shape::new(4, 3, 16), 1);
    check(transposed(16, 10, 2, same), Shape::new(8, 5, 17), 1);
}

#[test]
fn a_bias_and_a_leaky_activation_come_with_it() {
    let op = Op::Conv { channels: 20, kernel: 5, stride: 1, padding: Padding::Same };
    let g = LayerSpec { op, activation: Activation::Linear }.geometry(Shape::new(6, 6, 16)).unwrap();
    let (x, w, bias) = (values(g.input.len(), 1), values(g.weight_count(), 2), values(20, 4));
    let (mut plain, mut fused) = (vec![0.0; g.output.len()], vec![0.0; g.output.len()]);
    let (forward, mut scratch) = (Correlation::forward(op, &g, 8).unwrap(), Scratch::default());
    for arch in archs() {
        let (points, leaky) = (&mut TransformedWeights::default(), Epilogue::BiasLeaky { bias: &bias, slope: 0.3 });
        forward.run_on(arch, w[..].into(), &x, &mut plain, Epilogue::Store, points, &mut scratch);
        forward.run_on(arch, w[..].into(), &x, &mut fused, leaky, points, &mut scratch);
        for (i, (p, f)) in plain.iter().zip(&fused).enumerate() {
            let v = p + bias[i % 20];
            assert_eq!(*f, if v > 0.0 { v } else { 0.3 * v });
        }
    }
}

#[test]
fn points_follow_the_weights() {
    let op = Op::Conv { channels: 16, kernel: 4, stride: 2, padding: Padding::Same };
    let g = LayerSpec { op, activation: Activation::Linear }.geometry(Shape::new(8, 8, 16)).unwrap();
    let (x, mut w) = (values(g.input.len(), 1), Params::from(values(g.weight_count(), 2)));
    let forward = Correlation::forward(op, &g, 2).unwrap();
    let (mut kept, mut scratch) = (TransformedWeights::default(), Scratch::default());
    let mut run = |w: &Params, points: &mut TransformedWeights| {
        let mut y = vec![0.0; g.output.len()];
        forward.run(w.weights(0..w.len()), &x, &mut y, Epilogue::Store, points, &mut scratch);
        y
    };
    let first = run(&w, &mut kept);
    assert!(kept.of.is_some(), "points of a small layer are kept");
    assert_eq!(first, run(&w, &mut kept));
    kept.values[0].0[0] += 1.0;
    assert_ne!(first, run(&w, &mut kept), "and not computed again for the same weights");
    w[7] += 1.0;
    let second = run(&w, &mut kept);
    assert_ne!(first, second);
    assert_eq!(second, run(&w, &mut TransformedWeights::default()));
}
