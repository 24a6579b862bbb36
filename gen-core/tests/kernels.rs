//! Kernels compared with the definition: each kernel alone, then whole networks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use gen_core::aligned;
use gen_core::conformance::{Buffers, Count, check};
use gen_core::kernels::portable::Portable;
use gen_core::kernels::{Destination, KernelArgs, Kernels, Native};
use gen_core::plan::PAIR;
use gen_core::plan::TILE;
use gen_core::plan::{
    ARMV6M, ARMV7EM, ARMV7M, ARMV8_1M_MVE, KernelLayout, MAX_TOEPLITZ_TAPS, PORTABLE, RISCV32, X86_64, for_target,
};
use gen_core::quant::{I32LeSlice, MultiplierTable};
use gen_core::spec::WeightTransform;
use gen_core::{ClassMix, Latent, Model};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;

use crate::common::naive::{Naive, Order};
use crate::common::{build_in_forms, build_with_classes, draw_with, fast_forms, random_classes, random_layers};

/// Runs the conformance tests of these kernels.
fn conforms<K: Kernels>() {
    let mut buffers = Buffers::new();
    let Count { calls, values } = check::<K>(&mut buffers).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{}: {calls} calls, {values} values", K::NAME);
    // Sizes without enough room in the buffers are skipped, but most sizes must be tested.
    assert!(calls > 2000, "{}: only {calls} calls", K::NAME);
}

/// Lengths of the slices of a call: staged words, bytes of filters, biases, multipliers, and the row or the sums; and the
/// distance of pixels in values, 0 for sums.
#[derive(Debug, Clone, Copy)]
struct Lengths {
    staged: usize,
    filters: usize,
    biases: usize,
    multipliers: usize,
    output: usize,
    step: usize,
}

impl Lengths {
    /// Makes the slices and calls the kernel with them. Returns whether it accepted them; otherwise it has panicked.
    fn call(self, kernel: impl Fn(KernelArgs<'_>)) -> bool {
        let call = || {
            let words = vec![[0; 4]; self.biases.max(self.multipliers)];
            // A slice of words has the alignment that weights need.
            let (staged, filters) = (vec![0; self.staged], vec![0u32; self.filters.div_ceil(4)]);
            let filters = &bytemuck::cast_slice(&filters)[..self.filters];
            let (mut row, mut sums) = (vec![0; self.output], vec![0; self.output]);
            let multipliers = I32LeSlice::new(&words[..self.multipliers]);
            let output = match self.step {
                0 => Destination::Accumulators(&mut sums),
                step => {
                    let multipliers = MultiplierTable { positive: multipliers, negative: multipliers };
                    Destination::Int8 { multipliers, zero_point: 0, row: &mut row, step }
                }
            };
            kernel(KernelArgs { staged: &staged, filters, biases: I32LeSlice::new(&words[..self.biases]), output });
        };
        catch_unwind(AssertUnwindSafe(call)).is_ok()
    }

    /// All calls in which one slice is too short by one, or whose size wraps around in a product.
    fn wrong(self) -> impl Iterator<Item = Self> {
        let less = |change: fn(&mut Self)| {
            let mut wrong = self;
            change(&mut wrong);
            wrong
        };
        let mut all = vec![
            less(|l| l.staged -= 1),
            less(|l| l.filters -= 1),
            less(|l| l.filters = 0),
            less(|l| l.biases -= 1),
            less(|l| l.biases = 0),
            less(|l| l.output -= 1),
        ];
        if self.step > 0 {
            all.push(less(|l| l.multipliers -= 1));
            all.push(less(|l| l.multipliers += 1));
            all.extend([usize::MAX, usize::MAX / 7 + 1, 1 << (usize::BITS - 3)].map(|step| Self { step, ..self }));
        }
        all.into_iter()
    }
}

/// All kernels have the same contract: they reject slices that do not fit together, on a host with a panic.
fn refuses<K: Kernels>() {
    let layout = K::LAYOUT;
    // Three quads of two taps, five channels, the widest block, and a gap of one value between pixels.
    let (taps, quads, channels) = (2, 3, 5);
    let pixels = usize::from(layout.pixels[taps - 1][0]);
    let toeplitz = Lengths {
        staged: quads * layout.words_per_quad * (pixels + taps) + KernelLayout::OVERREAD_WORDS,
        filters: channels * quads * taps * 4,
        biases: channels,
        multipliers: channels,
        output: (pixels - 1) * (channels + 1) + channels,
        step: channels + 1,
    };
    let sums = |lengths: Lengths, pixels: usize| Lengths { output: pixels * channels, step: 0, ..lengths };
    for good in [toeplitz, sums(toeplitz, pixels)] {
        let call =
            |lengths: Lengths, taps, pixels, column| lengths.call(|call| K::toeplitz(taps, pixels, column, call));
        assert!(call(good, taps, pixels, 0) && call(good, taps, pixels, 1), "{}", K::NAME);
        for wrong in good.wrong() {
            assert!(!call(wrong, taps, pixels, 0), "{}: {wrong:?}", K::NAME);
        }
        for (taps, pixels, column) in [
            (taps, pixels, 2),
            (taps, 0, 0),
            (taps, 1, 0),
            (taps, pixels - 1, 0),
            (taps, pixels + 4, 0),
            (taps, usize::MAX - 3, 0),
            (0, pixels, 0),
            (MAX_TOEPLITZ_TAPS + 1, pixels, 0),
            (usize::MAX, pixels, 0),
        ] {
            assert!(!call(good, taps, pixels, column), "{}: {taps} taps, {pixels} pixels, column {column}", K::NAME);
        }
    }

    let dot = Lengths {
        staged: quads * layout.words_per_quad,
        filters: channels * quads * 4,
        biases: channels,
        multipliers: channels,
        output: channels,
        step: channels + 1,
    };
    for good in [dot, sums(dot, 1)] {
        assert!(good.call(K::dot), "{}", K::NAME);
        // With a single pixel, no distance is too large.
        for wrong in good.wrong().filter(|wrong| wrong.step == good.step) {
            assert!(!wrong.call(K::dot), "{}: {wrong:?}", K::NAME);
        }
    }

    for points in [5, 6, 8] {
        let count = TILE * layout.winograd_tiles;
        let winograd = Lengths {
            staged: points * quads * layout.winograd_words * layout.winograd_tiles,
            filters: channels.div_ceil(PAIR) * points * quads * 4 * PAIR * 2,
            biases: channels,
            multipliers: channels,
            output: (count - 1) * (channels + 1) + channels,
            step: channels + 1,
        };
        for good in [winograd, sums(winograd, count)] {
            let call = |lengths: Lengths, points, count| lengths.call(|call| K::winograd(points, count, call));
            assert!(call(good, points, count), "{}", K::NAME);
            for wrong in good.wrong() {
                assert!(!call(wrong, points, count), "{}: {points} points, {wrong:?}", K::NAME);
            }
            assert!(!call(Lengths { staged: good.staged + 1, ..good }, points, count), "{}", K::NAME);
            for wrong in [0, 4, 7, 9, 1 << (usize::BITS - 4), usize::MAX] {
                assert!(!call(good, wrong, count), "{}: {wrong} points", K::NAME);
            }
            for wrong in [0, count + 1, usize::MAX] {
                assert!(!call(good, points, wrong), "{}: {wrong} pixels", K::NAME);
            }
        }

        // A tile of two quads; only the second one is within the words.
        let (per_point, pixel) = (2 * layout.winograd_words * layout.winograd_tiles, 8);
        let tile = |columns: &[usize], per_point: usize, staged: usize| {
            let columns: Vec<_> = columns.iter().map(|&len| vec![1; len]).collect();
            let columns: Vec<_> = columns.iter().map(|column| &column[..]).collect();
            catch_unwind(AssertUnwindSafe(|| K::tile(&columns, per_point, &mut vec![0; staged]))).is_ok()
        };
        let columns = vec![pixel; points];
        let staged = points * per_point - (layout.winograd_tiles - 1);
        assert!(tile(&columns, per_point, staged), "{}", K::NAME);
        assert!(!tile(&columns, per_point, staged - 1), "{}", K::NAME);
        assert!(!tile(&columns, per_point - 1, staged), "{}", K::NAME);
        assert!(!tile(&columns, usize::MAX / 2, staged), "{}", K::NAME);
        assert!(!tile(&[], per_point, staged), "{}", K::NAME);
        for wrong in [1, 4, 7, 9] {
            assert!(!tile(&vec![pixel; wrong], per_point, 2 * staged), "{}: {wrong} columns", K::NAME);
        }
        for wrong in [pixel - 4, pixel - 1, pixel + 4] {
            let mut columns = columns.clone();
            columns[points - 1] = wrong;
            assert!(!tile(&columns, per_point, staged), "{}: a column of {wrong}", K::NAME);
        }
    }

    let stage = |source: usize, [step, columns, plane]: [usize; 3], staged: usize| {
        let (source, staged) = (vec![0; source], &mut vec![0; staged]);
        catch_unwind(AssertUnwindSafe(|| K::stage(&source, step, 2, columns, plane, staged))).is_ok()
    };
    // Two quads whose last plane is too short.
    let (step, columns, plane) = (8, 5, 6);
    let staged = (2 * layout.words_per_quad - 1) * plane + columns;
    assert!(stage(40, [step, columns, plane], staged), "{}", K::NAME);
    assert!(stage(0, [step, 0, plane], 0), "{}: nothing to stage", K::NAME);
    for (source, sizes, staged) in [
        (39, [step, columns, plane], staged),
        (40, [step, columns, plane], staged - 1),
        (40, [step, columns, usize::MAX / 3 + 2], 100),
        (40, [step, usize::MAX / 8 + 3, plane], 100),
        (40, [usize::MAX / 4 + 1, columns, plane], 100),
    ] {
        assert!(!stage(source, sizes, staged), "{}: {source}, {sizes:?}, {staged}", K::NAME);
    }

    let pack = |taps, pixels| {
        let staged = &mut vec![0; toeplitz.staged];
        catch_unwind(AssertUnwindSafe(|| K::pack(taps, pixels, staged))).is_ok()
    };
    assert!(pack(taps, pixels), "{}", K::NAME);
    for (taps, pixels) in [(0, 0), (0, pixels), (taps, 0), (taps, pixels - 1), (MAX_TOEPLITZ_TAPS + 1, pixels)] {
        assert!(!pack(taps, pixels), "{}: {taps} taps, {pixels} pixels", K::NAME);
    }
}

#[test]
fn portable_kernels_refuse_sizes_that_do_not_fit() {
    refuses::<Portable>();
}

/// Compares pictures of random networks drawn by these kernels and by naive loops, with both weight transforms.
fn draws_the_same<K: Kernels>() {
    let mut rng = Xoshiro128PlusPlus::seed_from_u64(7);
    let (mut winograd, mut conditional) = (0, 0);
    for number in 0..500 {
        let latent = 1 + (rng.next_u32() % 24) as u16;
        let layers = random_layers(&mut rng, latent);
        let fast = fast_forms(latent, &layers);
        winograd += u32::from(fast.contains(&WeightTransform::Winograd));
        // Every second network has classes: then a part of the inputs is the class's.
        let width = if number % 2 == 0 { 0 } else { (rng.next_u32() % u32::from(latent)) as u8 };
        let classes = random_classes(&mut rng, 2 + (number % 7) as u8, width);
        let [from, to] = [rng.next_u32(), rng.next_u32()].map(|class| (class % 10) as u8); // also past the last one
        let class = ClassMix::between(from, to, (rng.next_u32() % 300) as u16);
        let seed = Latent::from_seed(number, latent.into()).with_mix(class);
        conditional += u32::from(width > 0);
        let mut first: Option<Vec<u8>> = None;
        for transforms in [&[][..], &fast] {
            let blob = match width {
                0 => build_in_forms("random", latent, &layers, transforms, number.into()),
                _ => build_with_classes(latent - u16::from(width), &classes, &layers, transforms, number.into()),
            };
            let blob = aligned(&blob);
            let model = Model::parse(&blob).unwrap_or_else(|e| panic!("{layers:?}: {e}"));
            let expected = first.get_or_insert_with(|| Naive::new(&model, Order::OutputFirst).draw(&seed));
            let found = draw_with::<K>(&model, &seed);
            assert!(&found == expected, "{}, network {number}, {transforms:?}: {layers:?}", K::NAME);
        }
    }
    assert!(winograd > 60, "only {winograd} networks in Winograd transform");
    assert!(conditional > 150, "only {conditional} networks with classes");
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
    } else if cfg!(all(target_arch = "x86_64", target_feature = "sse2")) {
        "x86_64"
    } else {
        Portable::NAME
    };
    assert_eq!(Native::NAME, expected);
}

/// The output of rustc, in lines.
fn rustc(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("rustc").args(arguments).output().expect("rustc runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Not all targets called x86_64 may use vector registers. gen-core's build script sees the features of a target, but
/// `for_target`, which computes the workspace on another machine, sees only its name.
#[test]
fn the_tiling_of_an_x86_64_target_is_that_of_its_kernels() {
    let mut without = Vec::new();
    for triple in rustc(&["--print", "target-list"]).iter().filter(|triple| triple.starts_with("x86_64-")) {
        let has = rustc(&["--print", "cfg", "--target", triple]).contains(&"target_feature=\"sse2\"".to_owned());
        let expected = if has { X86_64 } else { PORTABLE };
        assert_eq!(for_target(triple, |_| false), expected, "{triple}");
        assert_eq!(for_target(triple, |feature| feature == "portable"), PORTABLE, "{triple}");
        without.extend((!has).then_some(triple.clone()));
    }
    assert!(without.contains(&"x86_64-unknown-none".to_owned()), "{without:?}");
}

#[test]
fn the_tiling_of_a_cortex_m_follows_target_and_features() {
    let layout = |triple: &str, features: &[&str]| for_target(triple, |feature| features.contains(&feature));
    for (triple, plain, no_dsp, mve) in [
        ("thumbv8m.main-none-eabihf", ARMV7EM, ARMV7M, ARMV8_1M_MVE),
        ("thumbv8m.main-none-eabi", ARMV7EM, ARMV7M, ARMV8_1M_MVE),
        // Targets that gen-core's build rejects have the same layout as the others.
        ("thumbv7em-none-eabihf", ARMV7EM, ARMV7M, ARMV7EM),
        ("thumbv7em-none-eabi", ARMV7EM, ARMV7M, ARMV7EM),
        ("thumbv7m-none-eabi", ARMV7M, ARMV7M, ARMV7M),
        ("thumbv8m.base-none-eabi", ARMV6M, ARMV6M, ARMV6M),
        ("thumbv6m-none-eabi", ARMV6M, ARMV6M, ARMV6M),
        ("x86_64-unknown-linux-gnu", X86_64, X86_64, X86_64),
        ("riscv32imc-unknown-none-elf", RISCV32, RISCV32, RISCV32),
        ("riscv32imac-unknown-none-elf", RISCV32, RISCV32, RISCV32),
        ("riscv32i-unknown-none-elf", PORTABLE, PORTABLE, PORTABLE),
    ] {
        assert_eq!(layout(triple, &[]), plain, "{triple}");
        assert_eq!(layout(triple, &["no-dsp"]), no_dsp, "{triple}");
        assert_eq!(layout(triple, &["mve"]), mve, "{triple}");
        assert_eq!(layout(triple, &["portable", "no-dsp", "mve"]), PORTABLE, "{triple}");
    }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64 {
    use gen_core::kernels::x86_64::{AVX2, AVX512, SSE2, UpTo, X86_64, level};

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
    fn sse2_kernels_refuse_sizes_that_do_not_fit() {
        refuses::<UpTo<SSE2>>();
    }

    #[test]
    fn avx2_kernels_refuse_sizes_that_do_not_fit() {
        if level() >= AVX2 {
            refuses::<UpTo<AVX2>>();
        }
    }

    #[test]
    fn the_best_kernels_refuse_sizes_that_do_not_fit() {
        refuses::<X86_64>();
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
}
