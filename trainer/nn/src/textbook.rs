//! Convolutions by the textbook, slow and obviously right: what the tests compare with.

use gen_core::Padding;
use gen_core::spec::{Geometry, Op, Shape};

/// Convolutions that are awkward to divide into tiles, each with the shape of its input and a number of pictures.
pub fn layers() -> Vec<(Op, Shape, usize)> {
    let conv = |channels, kernel, stride, padding| Op::Conv { channels, kernel, stride, padding };
    let transposed = |channels, kernel, stride, padding| Op::ConvTranspose { channels, kernel, stride, padding };
    let (same, valid) = (Padding::Same, Padding::Valid);
    vec![
        (conv(32, 5, 1, same), Shape::new(9, 7, 16), 2),
        (conv(20, 5, 1, valid), Shape::new(9, 12, 35), 3),
        (conv(7, 3, 1, same), Shape::new(8, 8, 17), 1),
        (conv(24, 4, 2, same), Shape::new(16, 8, 12), 2),
        (conv(16, 4, 2, valid), Shape::new(30, 31, 16), 1),
        (conv(16, 4, 2, same), Shape::new(1, 3, 16), 2),
        (conv(16, 2, 1, same), Shape::new(5, 5, 16), 1),
        (transposed(24, 4, 2, same), Shape::new(4, 4, 48), 3),
        (transposed(12, 4, 2, same), Shape::new(16, 15, 24), 1),
        (transposed(5, 4, 2, valid), Shape::new(3, 5, 18), 1),
        (transposed(16, 5, 1, same), Shape::new(6, 6, 16), 1),
    ]
}

/// Values that look random, around 0.
pub fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Calls `f(input value, weight, output value)` for each product of the layer, by the textbook.
fn for_each_product(op: Op, g: &Geometry, mut f: impl FnMut(usize, usize, usize)) {
    let (i, o, k) = (g.input, g.output, g.y.kernel as isize);
    let (cin, cout) = (usize::from(i.channels), usize::from(o.channels));
    let (stride, pad_y, pad_x) = (g.y.stride as isize, g.y.pad as isize, g.x.pad as isize);
    let transposed = matches!(op, Op::ConvTranspose { .. });
    let (small, large) = if transposed { (i, o) } else { (o, i) };
    for y in 0..small.height as isize {
        for x in 0..small.width as isize {
            for a in 0..k {
                for b in 0..k {
                    let (row, column) = (stride * y + a - pad_y, stride * x + b - pad_x);
                    if row < 0 || column < 0 || row >= large.height as isize || column >= large.width as isize {
                        continue;
                    }
                    let near = (y * small.width as isize + x) as usize;
                    let far = (row * large.width as isize + column) as usize;
                    let tap = (a * k + b) as usize;
                    for ci in 0..cin {
                        for co in 0..cout {
                            if transposed {
                                f(near * cin + ci, (ci * (k * k) as usize + tap) * cout + co, far * cout + co);
                            } else {
                                f(far * cin + ci, (tap * cin + ci) * cout + co, near * cout + co);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Largest difference, as a share of the largest value.
pub fn error(ours: &[f32], exact: &[f64]) -> f64 {
    let most = exact.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    ours.iter().zip(exact).fold(0.0f64, |m, (&a, &b)| m.max((f64::from(a) - b).abs())) / most
}

/// All passes of a layer for a batch, as sums of f64: output, gradient of the input, gradient of the weights.
pub fn passes(op: Op, g: &Geometry, x: &[f32], w: &[f32], dy: &[f32]) -> [Vec<f64>; 3] {
    let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
    for p in 0..x.len() / g.input.len() {
        let (pi, po) = (p * g.input.len(), p * g.output.len());
        for_each_product(op, g, |i, k, o| {
            y[po + o] += f64::from(x[pi + i]) * f64::from(w[k]);
            dx[pi + i] += f64::from(dy[po + o]) * f64::from(w[k]);
            dw[k] += f64::from(dy[po + o]) * f64::from(x[pi + i]);
        });
    }
    [y, dx, dw]
}
