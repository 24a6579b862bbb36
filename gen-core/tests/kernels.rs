//! Kernels against the definition: one by one, then whole networks.

mod common;

use common::naive::{Naive, Order};
use common::{build_in_forms, draw_with, fast_forms, random_layers};
use gen_core::conformance::{Buffers, Count, check};
use gen_core::kernels::portable::Portable;
use gen_core::kernels::{Kernels, Native};
use gen_core::spec::Form;
use gen_core::{Latent, Model};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;

/// Checks kernels one by one.
fn conforms<K: Kernels>() {
    let mut buffers = Buffers::new();
    let Count { calls, values } = check::<K>(&mut buffers).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{}: {calls} calls, {values} values", K::NAME);
    // Some sizes are left out where there is no room for them; not most of them.
    assert!(calls > 2000, "{}: only {calls} calls", K::NAME);
}

/// Whole pictures of random networks, drawn by these kernels and by naive loops, in both forms.
fn draws_the_same<K: Kernels>() {
    let mut rng = Xoshiro128PlusPlus::seed_from_u64(7);
    let mut winograd = 0;
    for number in 0..500 {
        let latent = 1 + (rng.next_u32() % 24) as u16;
        let layers = random_layers(&mut rng, latent);
        let fast = fast_forms(latent, &layers);
        winograd += u32::from(fast.contains(&Form::Winograd));
        let seed = Latent::from_seed(number, latent.into());
        let mut first: Option<Vec<u8>> = None;
        for forms in [&[][..], &fast] {
            let blob = build_in_forms("random", latent, &layers, forms, number.into());
            let model = Model::parse(&blob).unwrap_or_else(|e| panic!("{layers:?}: {e}"));
            let expected = first.get_or_insert_with(|| Naive::new(&model, Order::OutputFirst).draw(&seed));
            let found = draw_with::<K>(&model, &seed);
            assert!(&found == expected, "{}, network {number}, {forms:?}: {layers:?}", K::NAME);
        }
    }
    assert!(winograd > 60, "only {winograd} networks in Winograd form");
}

#[test]
fn portable_kernels_conform() {
    conforms::<Portable>();
}

#[test]
fn portable_kernels_draw_what_naive_loops_draw() {
    draws_the_same::<Portable>();
}

#[test]
fn native_kernels_are_the_ones_for_this_processor() {
    let expected = if cfg!(feature = "portable") {
        Portable::NAME
    } else if cfg!(target_arch = "x86_64") {
        "x86_64"
    } else {
        Portable::NAME
    };
    assert_eq!(Native::NAME, expected);
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::panic::catch_unwind;

    use gen_core::blob::Words;
    use gen_core::kernels::x86_64::{AVX2, AVX512, SSE2, UpTo, X86_64, level};
    use gen_core::kernels::{Call, Output, Requants};

    use super::*;

    #[test]
    fn sse2_kernels_conform() {
        conforms::<UpTo<SSE2>>();
    }

    #[test]
    fn avx2_kernels_conform() {
        if level() >= AVX2 {
            conforms::<UpTo<AVX2>>();
        }
    }

    #[test]
    fn avx512_kernels_conform() {
        if level() >= AVX512 {
            conforms::<UpTo<AVX512>>();
        }
    }

    #[test]
    fn sse2_kernels_draw_what_naive_loops_draw() {
        draws_the_same::<UpTo<SSE2>>();
    }

    #[test]
    fn avx2_kernels_draw_what_naive_loops_draw() {
        if level() >= AVX2 {
            draws_the_same::<UpTo<AVX2>>();
        } else {
            println!("left out: this processor has no AVX2");
        }
    }

    #[test]
    fn the_best_kernels_draw_what_naive_loops_draw() {
        draws_the_same::<X86_64>();
    }

    /// One call with lists of these lengths; `Err` if it panicked.
    fn toeplitz(
        pixels: usize,
        column: usize,
        [staged, filters, biases, requants, row, step]: [usize; 6],
    ) -> Result<(), ()> {
        let call = move || {
            let (staged, filters, words) = (vec![0; staged], vec![0; filters], vec![[0; 4]; biases.max(requants)]);
            let mut row = vec![0; row];
            let multipliers = Words::new(&words[..requants]);
            let requants = Requants { positive: multipliers, negative: multipliers };
            let output = Output::Int8 { requants, zero_point: 0, row: &mut row, step };
            let biases = Words::new(&words[..biases]);
            X86_64::toeplitz(2, pixels, column, Call { staged: &staged, filters: &filters, biases, output });
        };
        catch_unwind(call).map_err(|_| ())
    }

    #[test]
    fn lists_that_are_too_short_are_refused() {
        // Three quads in planes of 8 + 2 words, five channels, rows with a gap of one.
        let good = [3 * 2 * 10, 5 * 3 * 2 * 4, 5, 5, 7 * 6 + 5, 6];
        assert!(toeplitz(8, 1, good).is_ok());
        for i in 0..5 {
            let mut bad = good;
            bad[i] -= 1;
            assert!(toeplitz(8, 0, bad).is_err(), "list {i}");
        }
        // Steps whose product with the pixels wraps around, and blocks of no size or too large a one.
        for step in [usize::MAX, usize::MAX / 7 + 1, 1 << 61] {
            let mut bad = good;
            bad[5] = step;
            assert!(toeplitz(8, 0, bad).is_err(), "step {step}");
        }
        assert!(toeplitz(8, 2, good).is_err());
        for pixels in [0, 1, 7, 36, usize::MAX - 3] {
            assert!(toeplitz(pixels, 0, good).is_err(), "{pixels} pixels");
        }
    }

    #[test]
    fn staging_beyond_its_lists_is_refused() {
        let stage = |source: usize, [step, columns, plane]: [usize; 3], staged: usize| {
            catch_unwind(|| X86_64::stage(&vec![0; source], step, 2, columns, plane, &mut vec![0; staged])).is_ok()
        };
        // Two quads: four planes.
        assert!(stage(40, [8, 5, 6], 3 * 6 + 5));
        assert!(!stage(39, [8, 5, 6], 3 * 6 + 5));
        assert!(!stage(40, [8, 5, 6], 3 * 6 + 4));
        assert!(!stage(40, [8, 5, usize::MAX / 3 + 2], 100));
        assert!(!stage(40, [8, usize::MAX / 8 + 3, 6], 100));
        assert!(!stage(40, [usize::MAX / 4 + 1, 5, 6], 100));
    }

    #[test]
    fn tiles_beyond_their_lists_are_refused() {
        let winograd = |[staged, filters, points, sums]: [usize; 4]| {
            let words = vec![[0; 4]; 2];
            let run = || {
                let output = Output::Accumulators(&mut vec![0; sums]);
                let (staged, filters, biases) = (&vec![0; staged], &vec![0; filters], Words::new(&words));
                X86_64::winograd(points, 32, Call { staged, filters, biases, output });
            };
            catch_unwind(run).is_ok()
        };
        // Three quads of 5 points in 8 tiles, two output channels of 32 pixels.
        let good = [5 * 3 * 2 * 8, 5 * 3 * 16, 5, 2 * 32];
        assert!(winograd(good));
        for i in [0, 1, 3] {
            let mut bad = good;
            bad[i] -= 1;
            assert!(!winograd(bad), "list {i}");
        }
        for points in [0, 6, 1 << 60, usize::MAX] {
            assert!(!winograd([good[0], good[1], points, good[3]]), "{points} points");
        }
    }
}
