use gen_core::spec::{Op, Shape};
use gen_core::{Activation, LayerSpec, Padding};

use super::super::number::{round, widen};
use super::*;
use crate::textbook::{error, layers, passes, values};

/// Of the largest value, against exact sums of the same bf16 numbers.
const BOUND: f64 = 2e-6;

const INSTRUCTIONS: [Instruction; 2] = [Instruction::Amx, Instruction::Avx512];

/// The numbers that the products see.
fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|v| widen(round(*v))).collect()
}

/// Output, gradient of the input, gradient of the weights.
fn ours(op: Op, g: &gen_core::spec::Geometry, unit: Unit, x: &[f32], w: &[f32], dy: &[f32]) -> [Vec<f32>; 3] {
    let [forward, backward] = [Correlation::forward(op, g, 0), Correlation::backward(op, g, 0)].map(Option::unwrap);
    let mut all = [vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()], vec![0.0; w.len()]];
    Plan::new(forward, false, unit).run(w.into(), x, &mut all[0], Epilogue::Store);
    Plan::new(backward, false, unit).run(w.into(), dy, &mut all[1], Epilogue::Store);
    Plan::new(forward, true, unit).add_gradient(&mut all[2], x, dy);
    all
}

fn check(op: Op, input: Shape, n: usize) {
    let g = LayerSpec { op, activation: Activation::Linear }.geometry(input).unwrap();
    let (x, w, dy) = (values(n * g.input.len(), 1), values(g.weight_count(), 2), values(n * g.output.len(), 3));
    let exact = passes(op, &g, &rounded(&x), &rounded(&w), &rounded(&dy));
    for instruction in INSTRUCTIONS {
        let emulated = ours(op, &g, Unit::emulating(instruction), &x, &w, &dy);
        let errors: Vec<_> = emulated.iter().zip(&exact).map(|(ours, exact)| error(ours, exact)).collect();
        println!("{op:?} on {input}, {instruction:?}: {errors:?}");
        assert!(errors.iter().all(|&e| e < BOUND), "{op:?} on {input}, {instruction:?}: {errors:?}");
        if let Some(unit) = Unit::with(instruction) {
            for (pass, (native, emulated)) in ours(op, &g, unit, &x, &w, &dy).iter().zip(&emulated).enumerate() {
                let differing = native.iter().zip(emulated).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
                assert_eq!(differing, 0, "{op:?} on {input}, {instruction:?}, pass {pass}: of {} values", native.len());
            }
        }
    }
}

#[test]
fn equals_the_textbook_for_every_shape_and_the_emulation_bit_for_bit() {
    let conv = |channels, kernel, stride, padding| Op::Conv { channels, kernel, stride, padding };
    let transposed = |channels, kernel, stride, padding| Op::ConvTranspose { channels, kernel, stride, padding };
    let (same, valid) = (Padding::Same, Padding::Valid);
    layers().into_iter().for_each(|(op, input, n)| check(op, input, n));
    check(conv(3, 3, 1, same), Shape::new(16, 32, 12), 2);
    check(conv(3, 7, 1, same), Shape::new(5, 32, 33), 1);
    check(conv(64, 4, 2, same), Shape::new(32, 32, 3), 3);
    check(conv(40, 1, 1, same), Shape::new(4, 4, 50), 2);
    // Kernels that are not a whole number of squares, and larger strides.
    check(conv(20, 5, 2, same), Shape::new(12, 9, 18), 2);
    check(conv(9, 3, 2, valid), Shape::new(9, 8, 7), 2);
    check(conv(9, 3, 3, same), Shape::new(9, 8, 7), 2);
    check(transposed(18, 5, 2, same), Shape::new(6, 7, 20), 2);
    check(transposed(7, 3, 2, valid), Shape::new(4, 3, 16), 1);
    check(transposed(7, 5, 3, same), Shape::new(4, 3, 16), 1);
    // More pictures than are multiplied at a time, and lines of whole groups.
    check(conv(8, 3, 1, same), Shape::new(32, 32, 40), 9);
}
