//! Compares the gradients of every layer with central differences, and every forward pass with its textbook definition.

use gen_core::spec::{Activation, LayerSpec, Op, Padding, Shape};
use ndarray::{Array2, ArrayView2};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;

use super::block::{BlockSpec, Dropout, Norm};
use super::classes::Batch;
use super::init::Init;
use super::network::Network;
use super::params::Params;
use super::penalty::Penalty;

fn random(rng: &mut Xoshiro128PlusPlus, rows: usize, columns: usize) -> Array2<f32> {
    Array2::from_shape_simple_fn((rows, columns), || rng.random_range(-1.0f32..1.0))
}

fn block(op: Op, activation: Activation) -> BlockSpec {
    BlockSpec::plain(LayerSpec { op, activation })
}

fn conv(channels: u16, kernel: u8, stride: u8, padding: Padding) -> Op {
    Op::Conv { channels, kernel, stride, padding }
}

fn transposed(channels: u16, kernel: u8, stride: u8, padding: Padding) -> Op {
    Op::ConvTranspose { channels, kernel, stride, padding }
}

/// The loss: the sum of the outputs with fixed random weights, in f64.
fn loss(network: &mut Network, params: &Params, batch: Batch<'_>, weighting: &Array2<f32>, dropout: Dropout) -> f64 {
    let y = network.forward(params, batch, dropout);
    y.iter().zip(weighting).map(|(&y, &w)| f64::from(y) * f64::from(w)).sum()
}

/// Compares the gradients of all inputs and of a sample of the parameters with
/// `(L(p + h) − L(p − h)) / 2h`.
fn check(name: &str, input: Shape, specs: &[BlockSpec], dropout: Dropout) {
    check_network(name, Network::new(input, specs).expect(name), &[], dropout);
}

/// [`check`] for a network with or without classes; `classes` are those of five inputs.
fn check_network(name: &str, mut network: Network, classes: &[u8], dropout: Dropout) {
    let mut rng = Xoshiro128PlusPlus::seed_from_u64(11);
    let mut params = network.init(Init::GlorotUniform, 3, 0);
    // Random biases and normalisations, because their initial values 0 and 1 are special.
    for p in params.iter_mut() {
        *p += rng.random_range(-0.1f32..0.1);
    }
    let mut x = random(&mut rng, 5, network.latent_len());
    let weighting = random(&mut rng, 5, network.output().len());

    loss(&mut network, &params, Batch { x: x.view(), classes }, &weighting, dropout);
    network.d_output().assign(&weighting);
    let mut grads = vec![0.0; params.len()];
    let dx = network.backward(&params, Some(&mut grads), true, dropout).expect("wanted").to_owned();

    let h = 4e-3f32;
    let largest = |g: &[f32]| g.iter().fold(1e-3f32, |m, g| m.max(g.abs()));
    let compare = |what: &str, i: usize, analytic: f32, numeric: f64, scale: f32| {
        let error = (f64::from(analytic) - numeric).abs() / f64::from(scale);
        assert!(error < 1e-2, "{name}: {what}[{i}]: analytic {analytic}, numeric {numeric}");
    };
    let scale = largest(&grads);
    for i in (0..params.len()).step_by(params.len().div_ceil(60)) {
        let p = params[i];
        let mut at = |v| {
            params[i] = v;
            loss(&mut network, &params, Batch { x: x.view(), classes }, &weighting, dropout)
        };
        let numeric = (at(p + h) - at(p - h)) / f64::from(2.0 * h);
        params[i] = p;
        compare("parameter", i, grads[i], numeric, scale);
    }
    let scale = largest(dx.as_slice().expect("contiguous"));
    for i in (0..x.len()).step_by(x.len().div_ceil(60)) {
        let index = (i / x.ncols(), i % x.ncols());
        let v = x[index];
        let mut at = |v| {
            x[index] = v;
            loss(&mut network, &params, Batch { x: x.view(), classes }, &weighting, dropout)
        };
        let numeric = (at(v + h) - at(v - h)) / f64::from(2.0 * h);
        x[index] = v;
        compare("input", i, dx[index], numeric, scale);
    }
}

#[test]
fn gradients_of_linear_layers() {
    let linear = Activation::Linear;
    check("dense", Shape::new(1, 2, 5), &[block(Op::Dense { out: Shape::new(2, 3, 4) }, linear)], Dropout::Off);
    for kernel in 1..=5 {
        for stride in 1..=3 {
            for padding in [Padding::Same, Padding::Valid] {
                let name = format!("kernel {kernel} stride {stride} {padding:?}");
                let specs = [block(conv(3, kernel, stride, padding), linear)];
                check(&format!("conv {name}"), Shape::new(7, 6, 2), &specs, Dropout::Off);
                if kernel >= stride {
                    let specs = [block(transposed(3, kernel, stride, padding), linear)];
                    check(&format!("transposed {name}"), Shape::new(4, 3, 2), &specs, Dropout::Off);
                }
            }
        }
    }
}

#[test]
fn gradients_of_activations() {
    let op = Op::Dense { out: Shape::new(1, 1, 6) };
    // Central differences are wrong near a kink. Tanh and sigmoid have none; the others are linear on both
    // sides, so one of them suffices.
    for activation in [Activation::Linear, Activation::Tanh, Activation::Sigmoid] {
        check(&format!("{activation:?}"), Shape::latent(4), &[block(op, activation)], Dropout::Off);
    }
}

#[test]
fn derivatives_of_rectifiers_on_both_sides() {
    for (activation, below) in [(Activation::Relu, 0.0), (Activation::LeakyRelu(0.3), 0.3)] {
        let mut y = ndarray::array![[-2.0f32, 0.0, 3.0]];
        super::activation::forward(activation, y.view_mut());
        assert_eq!(y, ndarray::array![[-2.0 * below, 0.0, 3.0]]);
        let mut dy = ndarray::array![[10.0f32, 10.0, 10.0]];
        super::activation::backward(activation, y.view(), dy.view_mut());
        assert_eq!(dy, ndarray::array![[10.0 * below, 10.0 * below, 10.0]]);

        // Central differences at a distance from the kink.
        let at = |x: f32| {
            let mut y = ndarray::array![[x]];
            super::activation::forward(activation, y.view_mut());
            y
        };
        for x in [-1.5f32, -0.2, 0.2, 1.5] {
            let mut dx = ndarray::array![[1.0f32]];
            super::activation::backward(activation, at(x).view(), dx.view_mut());
            let numeric = (at(x + 0.1)[(0, 0)] - at(x - 0.1)[(0, 0)]) / 0.2;
            assert!((dx[(0, 0)] - numeric).abs() < 1e-5, "{activation:?} at {x}: {dx} {numeric}");
        }
    }
}

#[test]
fn derivative_of_a_tanh_that_begins_at_0() {
    let at = |x: f32| {
        let mut y = ndarray::array![[x]];
        super::activation::forward(Activation::TanhUnit, y.view_mut());
        y
    };
    assert_eq!((at(-1.0)[(0, 0)], at(1.0)[(0, 0)]), (0.0, 1f32.tanh()));
    for x in [-1.5f32, -0.2, 0.2, 1.5] {
        let mut dx = ndarray::array![[1.0f32]];
        super::activation::backward(Activation::TanhUnit, at(x).view(), dx.view_mut());
        let numeric = (at(x + 0.01)[(0, 0)] - at(x - 0.01)[(0, 0)]) / 0.02;
        assert!((dx[(0, 0)] - numeric).abs() < 1e-3, "at {x}: {dx} {numeric}");
    }
}

#[test]
fn gradients_of_normalisations() {
    for norm in [Norm::Batch, Norm::Layer] {
        let normed = |op, activation| BlockSpec { norm: Some(norm), ..block(op, activation) };
        let dense = normed(Op::Dense { out: Shape::new(3, 3, 2) }, Activation::Tanh);
        check(&format!("{norm:?}, dense"), Shape::latent(4), &[dense], Dropout::Off);
        let specs = [
            normed(conv(3, 3, 1, Padding::Same), Activation::Tanh),
            normed(conv(2, 2, 2, Padding::Valid), Activation::Linear),
        ];
        check(&format!("{norm:?}, convolutions"), Shape::new(4, 4, 2), &specs, Dropout::Off);
    }
}

/// Constants of another batch: no input depends on the others, and gradients are those of a function of each alone.
#[test]
fn gradients_of_batch_norm_with_held_statistics() {
    let hidden = BlockSpec { norm: Some(Norm::Batch), ..block(conv(3, 3, 1, Padding::Same), Activation::Tanh) };
    let specs =
        [hidden, BlockSpec { norm: Some(Norm::Batch), ..block(conv(2, 2, 2, Padding::Valid), Activation::Linear) }];
    let mut network = Network::new(Shape::new(4, 4, 2), &specs).unwrap();
    let params = network.init(Init::GlorotUniform, 3, 0);
    let mut rng = Xoshiro128PlusPlus::seed_from_u64(7);
    let mut draw = |rows| random(&mut rng, rows, 32);
    let (before, x) = (draw(9), draw(5));
    let own = network.forward(&params, x.view(), Dropout::Off).to_owned();
    network.forward(&params, before.view(), Dropout::Off);
    network.hold_statistics(true);
    let held = network.forward(&params, x.view(), Dropout::Off).to_owned();
    assert_ne!(held, own, "statistics of the earlier batch");
    for (x, y) in x.rows().into_iter().zip(held.rows()) {
        assert_eq!(network.forward(&params, x.insert_axis(ndarray::Axis(0)), Dropout::Off).row(0), y);
    }
    check_network("held statistics", network, &[], Dropout::Off);

    let mut network = Network::new(Shape::new(4, 4, 2), &specs).unwrap();
    network.forward(&params, before.view(), Dropout::Off);
    network.hold_statistics(true);
    network.hold_statistics(false);
    assert_eq!(network.forward(&params, x.view(), Dropout::Off), own, "each batch has its own again");
}

#[test]
fn gradients_of_dropout() {
    let mut spec = block(conv(3, 3, 1, Padding::Same), Activation::Tanh);
    spec.dropout = 0.4;
    check(
        "dropout",
        Shape::new(5, 5, 3),
        &[block(conv(3, 1, 1, Padding::Same), Activation::Tanh), spec],
        Dropout::Seed(99),
    );
}

#[test]
fn gradients_of_a_whole_chain() {
    let specs = [
        BlockSpec { norm: Some(Norm::Batch), ..block(Op::Dense { out: Shape::new(2, 2, 4) }, Activation::Tanh) },
        block(transposed(3, 4, 2, Padding::Same), Activation::Tanh),
        block(conv(2, 3, 1, Padding::Same), Activation::Sigmoid),
        block(Op::Dense { out: Shape::new(1, 1, 1) }, Activation::Linear),
    ];
    check("chain", Shape::latent(3), &specs, Dropout::Off);
}

#[test]
fn gradients_of_an_embedding_and_of_a_projection() {
    let dense = |out, activation| block(Op::Dense { out }, activation);
    let generator = [
        BlockSpec { norm: Some(Norm::Batch), ..dense(Shape::new(2, 2, 4), Activation::Tanh) },
        block(conv(2, 3, 1, Padding::Same), Activation::Tanh),
    ];
    let discriminator =
        [block(conv(3, 3, 2, Padding::Same), Activation::Tanh), dense(Shape::new(1, 1, 1), Activation::Linear)];
    // Class 2 of 4 does not occur, class 3 three times.
    let classes = [3, 0, 3, 1, 3];
    let network = Network::with_embedding(3, 4, 5, &generator).unwrap();
    assert_eq!((network.latent_len(), network.input().len()), (3, 8));
    check_network("embedding", network, &classes, Dropout::Off);
    let network = Network::new(Shape::new(4, 4, 2), &discriminator).unwrap();
    check_network("projection", network.with_projection(4), &classes, Dropout::Off);
    let network = Network::new(Shape::new(1, 1, 6), &discriminator[1..]).unwrap();
    check_network("projection of the input", network.with_projection(4), &classes, Dropout::Off);
    let mut last = discriminator;
    last[1].dropout = 0.4;
    let network = Network::new(Shape::new(4, 4, 2), &last).unwrap();
    check_network("projection beside dropout", network.with_projection(4), &classes, Dropout::Seed(5));
}

#[test]
fn a_projection_is_a_last_layer_of_the_class() {
    let specs = [block(Op::Dense { out: Shape::new(1, 1, 1) }, Activation::Linear)];
    let mut network = Network::new(Shape::latent(3), &specs).unwrap().with_projection(2);
    // Three weights, the bias, and a vector for each class.
    let params = Params::from(vec![1.0, 2.0, 3.0, 0.5, 10.0, 20.0, 30.0, -1.0, -2.0, -3.0]);
    assert_eq!(network.parameter_count(), params.len());
    let x = ndarray::array![[1.0f32, 1.0, 0.0], [1.0, 1.0, 0.0]];
    let y = network.forward(&params, Batch { x: x.view(), classes: &[0, 1] }, Dropout::Off);
    assert_eq!(y, ndarray::array![[33.5f32], [0.5]]);
}

#[test]
fn a_generator_reads_its_class_behind_the_latent() {
    let specs = [block(Op::Dense { out: Shape::new(1, 1, 1) }, Activation::Linear)];
    let mut network = Network::with_embedding(2, 3, 1, &specs).unwrap();
    // Three weights, the bias, and a number for each class.
    let params = Params::from(vec![1.0, 2.0, 3.0, 0.5, 10.0, 20.0, 30.0]);
    assert_eq!(network.parameter_count(), params.len());
    let x = ndarray::array![[1.0f32, 1.0], [0.0, 0.0]];
    let y = network.forward(&params, Batch { x: x.view(), classes: &[2, 0] }, Dropout::Off);
    assert_eq!(y, ndarray::array![[93.5f32], [30.5]]);
}

/// The definition as seven nested loops, in f64.
fn naive(op: Op, input: Shape, output: Shape, weights: ArrayView2<'_, f32>, x: &[f32]) -> Vec<f64> {
    let mut y = vec![0.0; output.len()];
    let at = |s: Shape, r: usize, c: usize, ch: usize| (r * s.width as usize + c) * s.channels as usize + ch;
    let spec = LayerSpec { op, activation: Activation::Linear };
    let g = spec.geometry(input).expect("valid");
    let (ci, co) = (input.channels as usize, output.channels as usize);
    let (k, s, pad) = (g.y.kernel as usize, g.y.stride as usize, (g.y.pad as usize, g.x.pad as usize));
    let (small, large, is_conv) = match op {
        Op::Conv { .. } => (output, input, true),
        _ => (input, output, false),
    };
    for r in 0..small.height as usize {
        for c in 0..small.width as usize {
            for (a, b) in (0..k).flat_map(|a| (0..k).map(move |b| (a, b))) {
                let (lr, lc) = ((r * s + a).wrapping_sub(pad.0), (c * s + b).wrapping_sub(pad.1));
                if lr >= large.height as usize || lc >= large.width as usize {
                    continue;
                }
                for (i, o) in (0..ci).flat_map(|i| (0..co).map(move |o| (i, o))) {
                    let (from, to, w) = if is_conv {
                        (at(input, lr, lc, i), at(output, r, c, o), weights[((a * k + b) * ci + i, o)])
                    } else {
                        (at(input, r, c, i), at(output, lr, lc, o), weights[(i, (a * k + b) * co + o)])
                    };
                    y[to] += f64::from(w) * f64::from(x[from]);
                }
            }
        }
    }
    y
}

#[test]
fn forward_equals_the_definition() {
    let mut rng = Xoshiro128PlusPlus::seed_from_u64(5);
    for kernel in 1..=7 {
        for stride in 1..=3 {
            for padding in [Padding::Same, Padding::Valid] {
                for op in [conv(5, kernel, stride, padding), transposed(5, kernel, stride, padding)] {
                    if matches!(op, Op::ConvTranspose { .. }) && kernel < stride {
                        continue;
                    }
                    let input = Shape::new(8, 7, 3);
                    let mut network = Network::new(input, &[block(op, Activation::Linear)]).expect("valid");
                    let params = network.init(Init::GlorotUniform, 1, 0);
                    let x = random(&mut rng, 9, input.len());
                    let dim = super::linear::weight_dim(op, network.blocks()[0].geometry());
                    let weights = ArrayView2::from_shape(dim, &params[network.blocks()[0].weights()]).expect("fits");
                    let output = network.output();
                    let y = network.forward(&params, x.view(), Dropout::Off);
                    for (x, y) in x.rows().into_iter().zip(y.rows()) {
                        let expected = naive(op, input, output, weights, x.to_slice().expect("contiguous"));
                        for (y, e) in y.iter().zip(expected) {
                            assert!((f64::from(*y) - e).abs() < 1e-5, "{op:?}: {y} {e}");
                        }
                    }
                }
            }
        }
    }
}

/// Compares the gradient of the penalty with central differences of `|dD/dx|^2`, for a smooth network with and without
/// normalisation.
#[test]
fn the_penalty_has_the_gradient_of_the_squared_slope() {
    let norms = [(None, &[][..]), (Some(Norm::Batch), &[]), (Some(Norm::Layer), &[]), (None, &[1, 0, 1, 2, 1])];
    for (norm, classes) in norms {
        let hidden = BlockSpec { norm, ..block(conv(4, 3, 2, Padding::Same), Activation::Tanh) };
        let specs = [hidden, block(Op::Dense { out: Shape::new(1, 1, 1) }, Activation::Linear)];
        let mut rng = Xoshiro128PlusPlus::seed_from_u64(5);
        let mut network = Network::new(Shape::new(6, 6, 2), &specs).unwrap();
        if !classes.is_empty() {
            network = network.with_projection(3);
        }
        let mut params = network.init(Init::GlorotUniform, 3, 0);
        let x = random(&mut rng, 5, network.input().len());
        let mut half_square = |params: &Params, grads: &mut [f32]| {
            let batch = Batch { x: x.view(), classes };
            Penalty::default().add(&mut network, params, batch, 1.0, Dropout::Off, grads) / 2.0
        };
        let mut grads = vec![0.0; params.len()];
        assert!(half_square(&params, &mut grads) > 1e-3);
        let scale = grads.iter().fold(0f32, |m, g| m.max(g.abs()));
        let (h, mut unused) = (1e-2, vec![0.0; params.len()]);
        for i in (0..params.len()).step_by(5) {
            let p = params[i];
            let mut at = |v| {
                params[i] = v;
                half_square(&params, &mut unused)
            };
            let numeric = (at(p + h) - at(p - h)) / f64::from(2.0 * h);
            params[i] = p;
            let error = (f64::from(grads[i]) - numeric).abs() / f64::from(scale);
            assert!(error < 2e-2, "normalisation {norm:?}, parameter {i}: {} {numeric}", grads[i]);
        }
    }
}
