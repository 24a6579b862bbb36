//! Windows, phases and padding, compared with the definitions of the three operations: all pairs of output and input are
//! enumerated.

use std::collections::BTreeSet;

use gen_core::plan::PORTABLE;
use gen_core::spec::{
    self, Activation, Axis, Geometry, LayerSpec, MAX_LAYERS, Op, Padding, Shape, SpecError, WeightTransform,
};

const PADDINGS: [Padding; 2] = [Padding::Same, Padding::Valid];

fn conv(channels: u16, kernel: u8, stride: u8, padding: Padding) -> LayerSpec {
    LayerSpec { op: Op::Conv { channels, kernel, stride, padding }, activation: Activation::Relu }
}

fn conv_transpose(channels: u16, kernel: u8, stride: u8, padding: Padding) -> LayerSpec {
    LayerSpec { op: Op::ConvTranspose { channels, kernel, stride, padding }, activation: Activation::Relu }
}

fn dense(height: u16, width: u16, channels: u16) -> LayerSpec {
    LayerSpec { op: Op::Dense { out: Shape::new(height, width, channels) }, activation: Activation::Relu }
}

/// `(output, input, index along the kernel)`: one for each product of one axis.
type Products = BTreeSet<(isize, isize, usize)>;

/// TensorFlow's rule for `SAME`: output length, and padding before the first input.
fn tensorflow_same(input: isize, kernel: isize, stride: isize) -> (isize, isize) {
    let output = (input + stride - 1) / stride;
    let total = ((output - 1) * stride + kernel - input).max(0);
    (output, total / 2)
}

fn conv_products(input: isize, kernel: isize, stride: isize, padding: Padding) -> (isize, Products) {
    let (output, pad) = match padding {
        Padding::Same => tensorflow_same(input, kernel, stride),
        Padding::Valid => ((input - kernel) / stride + 1, 0),
    };
    let mut products = Products::new();
    for o in 0..output {
        for a in 0..kernel {
            let i = o * stride + a - pad;
            if (0..input).contains(&i) {
                products.insert((o, i, a as usize));
            }
        }
    }
    (output, products)
}

/// The transposed convolution as a scatter: input `i` is added to the outputs `s·i + a − pad`. The padding is that of the
/// convolution whose gradient it is.
fn transposed_products(input: isize, kernel: isize, stride: isize, padding: Padding) -> (isize, Products) {
    let (output, pad) = match padding {
        Padding::Same => {
            let (small, pad) = tensorflow_same(input * stride, kernel, stride);
            assert_eq!(small, input);
            (input * stride, pad)
        }
        Padding::Valid => ((input - 1) * stride + kernel, 0),
    };
    let mut products = Products::new();
    for i in 0..input {
        for a in 0..kernel {
            let o = stride * i + a - pad;
            if (0..output).contains(&o) {
                products.insert((o, i, a as usize));
            }
        }
    }
    (output, products)
}

/// The products according to the windows of an axis; also checks the properties that the engine relies on.
fn axis_products(axis: &Axis, case: &str) -> Products {
    let mut products = Products::new();
    let mut positions = vec![0; axis.phases()];
    let mut last = (isize::MIN, isize::MIN);
    for o in 0..axis.output as usize {
        let w = axis.window(o);
        let end = w.start + w.taps as isize;
        assert!(w.phase < axis.phases(), "{case}: phase at {o}");
        assert_eq!(w.taps, axis.taps(w.phase), "{case}: taps at {o}");
        assert!((1..=axis.max_taps()).contains(&w.taps), "{case}: taps at {o}");
        // A ring receives rows in order and keeps the last `max_taps` of them.
        assert!(w.start >= last.0 && end >= last.1, "{case}: goes back at {o}");
        last = (end - axis.max_taps() as isize, end);
        // The windows of neighbouring outputs of a phase are one step apart, so that a block is computed at once.
        if o >= axis.phases() {
            let before = axis.window(o - axis.phases());
            assert_eq!((before.phase, before.start + axis.step() as isize), (w.phase, w.start), "{case}: step at {o}");
        }
        assert_eq!(axis.window(o % axis.phases()).phase, w.phase, "{case}: phase at {o}");
        positions[o % axis.phases()] += 1;
        for t in 0..w.taps {
            let i = w.start + t as isize;
            if (0..axis.input as isize).contains(&i) {
                let new = products.insert((o as isize, i, axis.kernel_index(w.phase, t)));
                assert!(new, "{case}: a product occurs twice at {o}");
            }
        }
    }
    for (first, &count) in positions.iter().enumerate() {
        assert_eq!(axis.positions(first), count, "{case}: positions from {first} on");
    }
    products
}

fn every_case(mut f: impl FnMut(u16, u8, u8, Padding)) {
    for input in 1..=9 {
        for kernel in 1..=7 {
            for stride in 1..=4 {
                for padding in PADDINGS {
                    f(input, kernel, stride, padding);
                }
            }
        }
    }
}

#[test]
fn convolutions_read_what_their_definition_says() {
    every_case(|input, kernel, stride, padding| {
        let case = format!("input {input}, kernel {kernel}, stride {stride}, {padding:?}");
        let found = conv(3, kernel, stride, padding).geometry(Shape::new(input, 1 + input, 2));
        if padding == Padding::Valid && u16::from(kernel) > input {
            assert_eq!(found, Err(SpecError::KernelLargerThanInput), "{case}");
            return;
        }
        let g = found.unwrap();
        let (output, products) = conv_products(input as isize, kernel as isize, stride as isize, padding);
        assert_eq!(isize::from(g.output.height as i16), output, "{case}");
        assert_eq!(axis_products(&g.y, &case), products, "{case}");
        let (output, products) = conv_products(1 + input as isize, kernel as isize, stride as isize, padding);
        assert_eq!(isize::from(g.output.width as i16), output, "{case}");
        assert_eq!(axis_products(&g.x, &case), products, "{case}");
        assert_eq!(g.weight_count(), usize::from(kernel).pow(2) * 2 * 3, "{case}");
        check_packing(&g, &case);
    });
}

#[test]
fn transposed_convolutions_gather_what_their_definition_scatters() {
    every_case(|input, kernel, stride, padding| {
        let case = format!("input {input}, kernel {kernel}, stride {stride}, {padding:?}");
        let found = conv_transpose(3, kernel, stride, padding).geometry(Shape::new(input, 1 + input, 2));
        if kernel < stride {
            assert_eq!(found, Err(SpecError::KernelSmallerThanStride), "{case}");
            return;
        }
        let g = found.unwrap();
        let (output, products) = transposed_products(input as isize, kernel as isize, stride as isize, padding);
        assert_eq!(isize::from(g.output.height as i16), output, "{case}");
        assert_eq!(axis_products(&g.y, &case), products, "{case}");
        let (_, products) = transposed_products(1 + input as isize, kernel as isize, stride as isize, padding);
        assert_eq!(axis_products(&g.x, &case), products, "{case}");
        assert_eq!(g.weight_count(), usize::from(kernel).pow(2) * 2 * 3, "{case}");
        check_packing(&g, &case);

        // Each index of the kernel belongs to exactly one phase.
        let mut indices: Vec<_> =
            (0..g.y.phases()).flat_map(|p| (0..g.y.taps(p)).map(move |t| g.y.kernel_index(p, t))).collect();
        indices.sort_unstable();
        assert_eq!(indices, (0..usize::from(kernel)).collect::<Vec<_>>(), "{case}");
    });
}

#[test]
fn a_dense_layer_reads_all_of_its_input_everywhere() {
    let g = dense(3, 4, 5).geometry(Shape::new(2, 7, 6)).unwrap();
    for (axis, input, output) in [(&g.y, 2, 3), (&g.x, 7, 4)] {
        let expected = (0..output).flat_map(|o| (0..input).map(move |i| (o, i, i as usize))).collect::<Products>();
        assert_eq!(axis_products(axis, "dense"), expected);
    }
    assert_eq!((g.phases(), g.weight_count(), g.bias_count()), (12, 2 * 7 * 6 * 60, 60));
    assert_eq!((g.parameter_count(), g.macs()), (2 * 7 * 6 * 60 + 60, 2 * 7 * 6 * 60));
    check_packing(&g, "dense");
}

/// With each weight transform, every weight has its own place, phase after phase. The remaining places are the padding of a
/// quad or a pair.
fn check_packing(g: &Geometry, case: &str) {
    let (inputs, outputs) = (usize::from(g.input.channels), usize::from(g.output.channels));
    let mut fan_ins = 0;
    for transform in [WeightTransform::None, WeightTransform::Winograd] {
        if !g.allows(transform) {
            continue;
        }
        let mut end = 0;
        let mut taken = vec![false; g.packed_len(transform)];
        let mut take =
            |at: usize| assert!(!std::mem::replace(&mut taken[at], true), "{case}: {transform:?} {at} twice");
        for phase in 0..g.phases() {
            assert_eq!(g.packed_offset(transform, phase), end, "{case}: {transform:?}, phase {phase}");
            let start = end;
            end += g.packed_phase_len(transform, phase);
            let (rows, columns) = (g.y.taps(phase / g.x.phases()), g.x.taps(phase % g.x.phases()));
            assert_eq!(g.fan_in(phase), rows * columns * inputs, "{case}");
            for (output, t, input) in
                (0..outputs).flat_map(|o| (0..rows).flat_map(move |t| (0..inputs).map(move |i| (o, t, i))))
            {
                if transform == WeightTransform::Winograd {
                    for point in 0..g.winograd_points().unwrap() {
                        let at = start + g.winograd_index(phase, output, t, point, input);
                        take(at);
                        take(at + 1);
                    }
                } else {
                    for u in 0..columns {
                        fan_ins += 1;
                        take(start + g.direct_index(phase, output, [t, u], input));
                    }
                }
            }
        }
        assert_eq!(g.packed_len(transform), end, "{case}");
        if inputs % 4 == 0 && outputs % 2 == 0 {
            assert!(taken.iter().all(|&t| t), "{case}: {transform:?} has holes");
        }
    }
    assert_eq!(g.weight_count(), fan_ins, "{case}");
}

#[test]
fn every_broken_rule_has_its_name() {
    let last = LayerSpec { activation: Activation::Tanh, ..conv(3, 3, 1, Padding::Same) };
    let small = dense(4, 4, 8);
    let cases: &[(u16, &[LayerSpec], SpecError)] = &[
        (8, &[], SpecError::LayerCount),
        (8, &[small; MAX_LAYERS + 1], SpecError::LayerCount),
        (0, &[small, last], SpecError::LatentLength),
        (129, &[small, last], SpecError::LatentLength),
        (8, &[dense(0, 4, 8), last], SpecError::Zero),
        (8, &[small, conv(8, 0, 1, Padding::Same), last], SpecError::Zero),
        (8, &[small, conv(8, 3, 0, Padding::Same), last], SpecError::Zero),
        (8, &[small, conv_transpose(0, 3, 1, Padding::Same), last], SpecError::Zero),
        (8, &[dense(257, 4, 8), last], SpecError::TooLarge),
        (8, &[dense(4, 4, 1025), last], SpecError::TooLarge),
        (8, &[small, conv(8, 17, 1, Padding::Same), last], SpecError::TooLarge),
        (8, &[dense(200, 200, 1), conv_transpose(3, 2, 2, Padding::Same), last], SpecError::TooLarge),
        (8, &[dense(17, 1, 1), small, last], SpecError::TooLarge),
        (8, &[small, conv(8, 5, 1, Padding::Valid), last], SpecError::KernelLargerThanInput),
        (8, &[small, conv_transpose(8, 2, 3, Padding::Same), last], SpecError::KernelSmallerThanStride),
        (8, &[small, small], SpecError::OutputActivation),
        (8, &[last, last], SpecError::OutputActivation),
        (8, &[LayerSpec { activation: Activation::Sigmoid, ..small }], SpecError::PixelChannels),
        (
            8,
            &[small, LayerSpec { activation: Activation::Tanh, ..conv(2, 3, 1, Padding::Same) }],
            SpecError::PixelChannels,
        ),
    ];
    for &(latent, layers, error) in cases {
        assert_eq!(spec::check(latent, layers), Err(error), "{layers:?}");
        assert_eq!(PORTABLE.workspace_len(latent, layers, &[]), Err(error), "{layers:?}");
    }
    assert_eq!(spec::check(8, &[small, last]), Ok(Shape::new(4, 4, 3)));
    let grey = LayerSpec { activation: Activation::Tanh, ..conv(1, 3, 1, Padding::Same) };
    assert_eq!(spec::check(8, &[small, grey]), Ok(Shape::new(4, 4, 1)));
}

#[test]
fn lengths_that_would_wrap_around_on_32_bits_are_refused() {
    // 2^16 values times 2^16, and a shape whose 2^32 values would wrap around to 0.
    let wide = dense(16, 256, 1024).geometry(Shape::new(16, 4, 1024));
    assert_eq!(wide, Err(SpecError::TooLarge));
    assert_eq!(dense(1 << 15, 1 << 15, 4).geometry(Shape::latent(8)), Err(SpecError::TooLarge));
    assert_eq!(dense(1, 1, 1).geometry(Shape::new(1, u16::MAX, 1)), Err(SpecError::TooLarge));
    // 2^28 weights are still valid.
    assert!(dense(16, 16, 1024).geometry(Shape::new(1, 1, 1024)).is_ok());
}
