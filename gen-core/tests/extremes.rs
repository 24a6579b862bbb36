//! No arithmetic overflows, whatever the model: all kernels of this machine compute values at the parser's bounds exactly,
//! and the parser rejects values one step beyond.
//!
//! The kernels are compared with naive loops in i32, which panic if a sum overflows, because tests are built with overflow
//! checks. `gen_core::conformance` tests the kernels of other processors with the same extremes.

use std::hint::black_box;

use gen_core::aligned;
use gen_core::kernels::portable::Portable;

use crate::common::naive::{Naive, Order};
use crate::common::{Numbers, assemble, draw_with, fast_forms, geometries, random_layers};
#[cfg(target_arch = "x86_64")]
use gen_core::kernels::x86_64::{AVX2, AVX512, SSE2, UpTo};
use gen_core::spec::{Activation, Geometry, LayerSpec, Op, Padding, Shape, WeightTransform};
use gen_core::{Latent, Model, ParseError};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;

/// A function that draws a picture.
type Draw = fn(&Model<'_>, &Latent) -> Vec<u8>;

/// Levels that the processor lacks fall back to those that it has.
const KERNELS: &[Draw] = &[
    draw_with::<Portable>,
    #[cfg(target_arch = "x86_64")]
    draw_with::<UpTo<SSE2>>,
    #[cfg(target_arch = "x86_64")]
    draw_with::<UpTo<AVX2>>,
    #[cfg(target_arch = "x86_64")]
    draw_with::<UpTo<AVX512>>,
];

/// Largest magnitude of an accumulator …
const MOST: i64 = i32::MAX as i64;
/// … and the bound below which its product with a multiplier must stay.
const PRODUCT: i64 = 1 << 52;

/// The largest valid multiplier for accumulators up to a bound.
fn most_multiplier(bound: i64) -> i32 {
    ((PRODUCT - 1) / bound).min(MOST) as i32
}

/// `128 · Σ |weight|`, the largest magnitude of a sum of products: `[phase][output channel]`.
fn largest_sums(g: &Geometry, weights: &[i8]) -> Vec<i64> {
    let (mut rest, channels) = (weights, usize::from(g.output.channels));
    let sums = (0..g.phases()).flat_map(|phase| (0..channels).map(move |_| g.fan_in(phase)));
    sums.map(|fan_in| {
        let (filter, others) = rest.split_at(fan_in);
        rest = others;
        128 * filter.iter().map(|w| i64::from(w.unsigned_abs())).sum::<i64>()
    })
    .collect()
}

/// The bias with which accumulators with sums up to `sum` reach `bound` or `-bound`.
fn bias(bound: i64, sum: i64, negative: bool) -> i32 {
    let bias = (bound - sum) as i32;
    if negative { -bias } else { bias }
}

/// Weights, zero points, biases and multipliers at the limits of the valid range, and the bound of the accumulators of each
/// output channel.
fn extreme(g: &Geometry, rng: &mut Xoshiro128PlusPlus) -> (Numbers, Vec<i64>) {
    let channels = usize::from(g.output.channels);
    let mut below = |n: usize| rng.next_u32() as usize % n;
    // Weights of one sign add up; weights of both signs partly cancel each other.
    let ends: &[i8] = [&[-128][..], &[127], &[-128, 127], &[-128, -127, 127]][below(4)];
    let weights: Vec<_> = (0..g.weight_count()).map(|_| ends[below(ends.len())]).collect();
    let sums = largest_sums(g, &weights);
    let bounds: Vec<_> = (0..channels)
        .map(|c| {
            let sum = sums.iter().skip(c).step_by(channels).copied().max().unwrap();
            // The largest accumulators, those that go with the largest multiplier, and what there is.
            [MOST, PRODUCT / MOST, sum][below(3)].max(sum)
        })
        .collect();
    let biases = sums.iter().enumerate().map(|(i, &sum)| bias(bounds[i % channels], sum, below(2) == 0)).collect();
    let multipliers = [(); 2].map(|()| {
        let mut multiplier = |&bound: &i64| [most_multiplier(bound), most_multiplier(bound) / 2, 1, 0][below(4)];
        bounds.iter().map(&mut multiplier).collect()
    });
    (Numbers { zero_point: [-128, 127][below(2)], weights, biases, multipliers }, bounds)
}

/// Draws a model with all kernels and with the definition, checks that the pictures are equal, and returns the picture.
fn exact(model: &Model<'_>, latent: &Latent) -> Vec<u8> {
    let expected = Naive::new(model, Order::OutputFirst).draw(latent);
    for (i, draw) in KERNELS.iter().enumerate() {
        assert!(draw(model, latent) == expected, "kernels {i}");
    }
    expected
}

#[test]
#[should_panic = "overflow"]
fn tests_notice_overflows() {
    let _ = black_box(i32::MAX) + black_box(1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_at_the_bounds_are_exact_and_beyond_them_refused(
        len in 1u16..=24,
        seed: u64,
        latents in prop_oneof![Just(vec![-128]), Just(vec![127]), Just(vec![-128, 127]), prop::collection::vec(any::<i8>(), 24)],
    ) {
        let rng = &mut Xoshiro128PlusPlus::seed_from_u64(seed);
        let layers = random_layers(rng, len);
        let geometries = geometries(len, &layers);
        let (numbers, bounds): (Vec<_>, Vec<_>) = geometries.iter().map(|g| extreme(g, rng)).unzip();
        let latent = Latent::from_steps(&latents.into_iter().cycle().take(len.into()).collect::<Vec<_>>()).unwrap();
        let all_forms = [vec![], fast_forms(len, &layers)];
        let build = |transforms, numbers: &[Numbers]| assemble("extreme", len, &layers, transforms, numbers);
        let [direct, fast] = all_forms.each_ref().map(|transforms| {
            exact(&Model::parse(&aligned(build(transforms, &numbers))).expect("within the bounds"), &latent)
        });
        prop_assert_eq!(direct, fast);

        // One layer, channel and phase.
        let mut below = |n: usize| rng.next_u32() as usize % n;
        let layer = below(layers.len());
        let (g, bounds) = (&geometries[layer], &bounds[layer]);
        let channel = below(bounds.len());
        let at = below(g.phases()) * bounds.len() + channel;
        let sum = largest_sums(g, &numbers[layer].weights)[at];
        let refused = |change: &dyn Fn(&mut Numbers)| {
            let mut numbers = numbers.clone();
            change(&mut numbers[layer]);
            all_forms.each_ref().map(|transforms| Model::parse(&aligned(build(transforms, &numbers))).err())
        };
        let range = [Some(ParseError::Range { layer: layer as u8 }); 2];
        let none = |numbers: &mut Numbers| numbers.multipliers.iter_mut().for_each(|list| list[channel] = 0);
        for negative in [false, true] {
            prop_assert_eq!(refused(&|n| { none(n); n.biases[at] = bias(MOST, sum, negative) }), [None; 2]);
            prop_assert_eq!(refused(&|n| { none(n); n.biases[at] = bias(MOST + 1, sum, negative) }), range);
        }
        if let Some(beyond) = most_multiplier(bounds[channel]).checked_add(1) {
            for list in 0..2 {
                prop_assert_eq!(refused(&|n| n.multipliers[list][channel] = beyond - 1), [None; 2]);
                prop_assert_eq!(refused(&|n| n.multipliers[list][channel] = beyond), range);
            }
        }
    }
}

/// Two layers: the first makes inputs of −128 for the second.
fn of_lowest_inputs(input: Shape, op: Op) -> ([LayerSpec; 2], [Geometry; 2], Numbers) {
    let lowest = LayerSpec { op: Op::Dense { out: input }, activation: Activation::Linear };
    let layers = [lowest, LayerSpec { op, activation: Activation::Tanh }];
    let geometries: [_; 2] = geometries(1, &layers).try_into().unwrap();
    let [g, _] = geometries;
    let zeros = Numbers {
        zero_point: -128,
        weights: vec![0; g.weight_count()],
        biases: vec![0; g.bias_count()],
        multipliers: [(); 2].map(|()| vec![0; input.channels.into()]),
    };
    (layers, geometries, zeros)
}

/// Weights whose magnitudes add up to this sum: as large as possible, followed by zeros.
fn weights(len: usize, end: i8, magnitude: i64) -> Vec<i8> {
    let mut left = magnitude;
    let weights = (0..len).map(|_| {
        let part = left.min(i64::from(end.unsigned_abs()));
        left -= part;
        (part * i64::from(end.signum())) as i8
    });
    let weights = weights.collect();
    assert_eq!(left, 0, "there are too few weights");
    weights
}

/// Accumulators of 2³¹ − 1 and 1 − 2³¹, from 131,072 products.
#[test]
fn the_largest_accumulators_are_exact() {
    let input = Shape::new(16, 16, 512);
    let (layers, [_, g], zeros) = of_lowest_inputs(input, Op::Dense { out: Shape::new(1, 1, 3) });
    let (up, down) = (MOST / 128, 127 * input.len() as i64);
    let channels = [(-128, up), (127, down), (-128, up)].map(|(end, sum)| weights(input.len(), end, sum));
    // The argument of the tanh has half the multiplier.
    let numbers = |bias: i32| Numbers {
        zero_point: 0,
        weights: channels.concat(),
        biases: vec![bias, -((MOST - 128 * down) as i32), 0],
        multipliers: [(); 2].map(|()| vec![100, 200, 300]),
    };
    let room = (MOST - 128 * up) as i32;
    assert_eq!(room, 127);
    let blob = assemble("largest", 1, &layers, &[], &[zeros.clone(), numbers(room)]);
    let tanh = |n: f64| (127.5 * ((n / 128.0).tanh() + 1.0)).round() as u8;
    let latent = Latent::from_steps(&[0]).unwrap();
    assert_eq!(exact(&Model::parse(&aligned(&blob)).unwrap(), &latent), [tanh(50.0), tanh(-100.0), tanh(150.0)]);

    let blob = assemble("beyond", 1, &layers, &[], &[zeros, numbers(room + 1)]);
    assert_eq!(Model::parse(&aligned(&blob)).unwrap_err(), ParseError::Range { layer: 1 });
    assert_eq!(g.phases(), 1);
}

/// Sums at the bound of F(4, 5), the only transform whose bound a layer can reach.
#[test]
fn the_largest_sums_of_a_winograd_form_are_exact() {
    let input = Shape::new(1, 5, 672);
    let op = Op::Conv { channels: 3, kernel: 5, stride: 1, padding: Padding::Same };
    let (layers, [_, g], zeros) = of_lowest_inputs(input, op);
    let most = g.max_sum(WeightTransform::Winograd) / 128;
    let latent = Latent::from_steps(&[0]).unwrap();
    for end in [-128, 127] {
        let filters = |magnitude| [0, 1, 2].map(|c| weights(g.fan_in(0), end, magnitude - c)).concat();
        let sums = |magnitude| 128 * magnitude;
        let numbers = |magnitude| Numbers {
            zero_point: 0,
            weights: filters(magnitude),
            // The bias moves the accumulator away from 0, or across 0 to the other side.
            biases: [MOST - sums(magnitude), 0, sums(magnitude - 2) - MOST].map(|bias| bias as i32).to_vec(),
            multipliers: [(); 2].map(|()| vec![150, 1200, 150]),
        };
        let build = |transform, magnitude| {
            assemble("f5", 1, &layers, &[WeightTransform::None, transform], &[zeros.clone(), numbers(magnitude)])
        };
        let [direct, fast] = [WeightTransform::None, WeightTransform::Winograd]
            .map(|transform| exact(&Model::parse(&aligned(build(transform, most))).unwrap(), &latent));
        assert_eq!(direct, fast);

        Model::parse(&aligned(build(WeightTransform::None, most + 1))).unwrap();
        assert_eq!(
            Model::parse(&aligned(build(WeightTransform::Winograd, most + 1))).unwrap_err(),
            ParseError::Range { layer: 1 }
        );
    }
}
