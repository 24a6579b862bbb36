//! Pictures per second on one core with naive loops, the portable kernels, and the kernels for this
//! processor, at each level that it supports.
//!
//! ```sh
//! taskset -c 1 cargo bench -p trainer --bench engine                 # both networks
//! taskset -c 1 cargo bench -p trainer --bench engine -- tutorial     # those whose name has "tutorial" in it
//! ```
//!
//! The naive loops are those of `gen-core/tests/common/naive.rs`: a loop for each index, on
//! whole tensors, compiled with the usual options. Their speed depends on the layout of the
//! weights. With contiguous weights for each output channel (`naive`) the compiler
//! vectorises the innermost loop; in the order of Keras (`naive-keras`) it computes one
//! product after the other.
//!
//! Weights are random; speed does not depend on them. Before the measurement, all variants must
//! draw the same picture.

#[path = "../../gen-core/tests/common/naive.rs"]
mod naive;
#[path = "../tests/nets/mod.rs"]
mod nets;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use gen_core::aligned;
use gen_core::kernels::Kernels;
use gen_core::kernels::portable::Portable;
#[cfg(target_arch = "x86_64")]
use gen_core::kernels::x86_64::{AVX2, AVX512, SSE2, UpTo, level};
use gen_core::{Engine, Latent, LayerSpec, Model};
use naive::{Naive, Order};
use trainer::quantise::QuantModel;

fn main() {
    let mut criterion =
        Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(200)).configure_from_args();
    measure(&mut criterion, "reference-pocket", &nets::reference_pocket());
    measure(&mut criterion, "tutorial", &nets::tutorial());
    criterion.final_summary();
}

fn measure(criterion: &mut Criterion, name: &str, layers: &[LayerSpec]) {
    let blob = QuantModel::random(name, 32, layers, 1).and_then(|model| model.to_blob()).expect("a valid network");
    let bytes = aligned(&blob);
    let model = Model::parse(&bytes).expect("a valid network");
    let [naive, naive_keras] = [Order::OutputFirst, Order::OutputLast].map(|order| Naive::new(&model, order));
    let latent = Latent::from_seed(42, model.latent_len());

    let mut group = criterion.benchmark_group(name);
    group.measurement_time(Duration::from_millis(700)).sampling_mode(SamplingMode::Flat);
    // "Gelem/s" counts multiply-accumulates.
    group.throughput(Throughput::Elements(model.macs()));
    let mut times = Vec::new();
    let mut expected = None;
    let mut bench = |label: &'static str, mut draw: Box<dyn FnMut() -> Vec<u8> + '_>| {
        let mut best = Duration::MAX;
        group.bench_function(BenchmarkId::from_parameter(label), |b| {
            assert_eq!(&draw(), expected.get_or_insert_with(|| naive.draw(&latent)), "{name}: {label}");
            b.iter_custom(|turns| {
                let start = Instant::now();
                for _ in 0..turns {
                    black_box(draw());
                }
                let took = start.elapsed();
                // The fastest turn counts, because the others were disturbed by other load.
                best = best.min(took / turns as u32);
                took
            });
        });
        if best < Duration::MAX {
            times.push((label, best));
        }
    };
    bench("naive-keras", Box::new(|| naive_keras.draw(&latent)));
    bench("naive", Box::new(|| naive.draw(&latent)));
    bench("portable", drawer::<Portable>(&model, &latent));
    #[cfg(target_arch = "x86_64")]
    {
        bench("sse2", drawer::<UpTo<SSE2>>(&model, &latent));
        if level() >= AVX2 {
            bench("avx2", drawer::<UpTo<AVX2>>(&model, &latent));
        }
        if level() >= AVX512 {
            bench("avx512", drawer::<UpTo<AVX512>>(&model, &latent));
        }
    }
    group.finish();

    let baseline = |wanted: &str| times.iter().find(|(label, _)| *label == wanted).map(|(_, best)| best.as_secs_f64());
    let baselines = ["naive-keras", "naive"].map(baseline);
    println!("{name:<18} {:>12} {:>9} {:>14} {:>9}", "pictures/s", "GMAC/s", "x naive-keras", "x naive");
    for (label, best) in &times {
        let seconds = best.as_secs_f64();
        let [keras, naive] =
            baselines.map(|baseline| baseline.map_or("?".into(), |baseline| format!("{:.1}", baseline / seconds)));
        let gmac = model.macs() as f64 / seconds / 1e9;
        println!("{label:<18} {:>12.1} {gmac:>9.2} {keras:>14} {naive:>9}", 1.0 / seconds);
    }
}

/// A function that draws the picture, in the same workspace every time.
fn drawer<'a, K: Kernels + 'a>(model: &'a Model<'a>, latent: &'a Latent) -> Box<dyn FnMut() -> Vec<u8> + 'a> {
    let mut workspace = vec![0; model.workspace_plan(&K::LAYOUT).bytes()];
    Box::new(move || {
        let mut picture = Vec::with_capacity(model.output_shape().len());
        let mut engine =
            Engine::<K>::with_kernels(model.clone(), &mut workspace).expect("a workspace of the model's own length");
        engine.generate(latent, |_, row| picture.extend_from_slice(row.bytes()));
        picture
    })
}
